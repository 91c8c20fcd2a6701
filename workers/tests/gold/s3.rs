//! Whole pipelines on `s3://`, their tables in AWS Glue: this program once more, with a server (moto's) for both.

use std::process::Command;

use serde_json::json;

use crate::moto::Moto;
use crate::support::{S3_VARIABLE, development_data};

/// What each system does from its input to its gold tables, on made-up data and on those of the repository.
const CASES: [&str; 9] = [
    "star_schema::figures::every_row_is_the_one_that_duckdb_computes_and_the_figures_are_the_known_ones",
    "star_schema::figures::the_ten_tables_are_in_the_catalog_after_the_switch",
    "fact_sales::ingestion::rows_are_cleaned_recovered_deduplicated_and_rejected_with_what_they_said",
    "fact_sales::compaction::a_crawler_is_started_on_s3_and_left_to_the_state_machine_elsewhere",
    "fact_sales::bad_input::a_broken_parquet_file_fails_its_date_alone_and_leaves_gold_as_it_was",
    "enrichment::figures::risky_and_cheap_is_flagged_and_an_unknown_level_or_ratio_is_not",
    "enrichment::figures::the_tables_are_in_the_catalog_with_the_figures_of_their_dates",
    "ecommerce::gold::a_window_replaces_its_dates_and_keeps_older_history",
    "ecommerce::maintenance::the_catalog_gets_every_table_with_columns_comments_and_keys",
];

/// The worked figures of data that are not in the repository.
const WORKED_FIGURES: [&str; 3] = [
    "fact_sales::ingestion::the_development_files_give_the_worked_figures_and_a_second_delivery_only_duplicates",
    "enrichment::figures::the_development_data_give_the_worked_figures",
    "ecommerce::figures::the_development_data_give_the_worked_figures_and_a_rerun_the_same_rows",
];

/// Runs these tests, all of them, with the server.
fn run_on(moto: &Moto, tests: &[&str]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--include-ignored", "--test-threads=1"])
        .args(tests)
        .env(S3_VARIABLE, &moto.url)
        .env("STEPWELL_CATALOG", "glue")
        .env("AWS_ENDPOINT_URL_GLUE", &moto.url)
        .output()
        .unwrap();
    let (told, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{log}");
    assert!(told.contains(&format!("test result: ok. {} passed", tests.len())), "all were run: {told}");
}

fn server() -> Moto {
    let moto = Moto::start();
    moto.ask(
        "
boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='x',
             aws_secret_access_key='x').create_bucket(Bucket='stepwell-test')
glue.create_crawler(Name='sales', Role='crawler', DatabaseName='dev_data_platform',
                    Targets={'S3Targets': [{'Path': 's3://stepwell-test/curated/gold/fact_sales/'}]})
print('null')",
    );
    moto
}

#[test]
fn whole_pipelines_hold_on_s3_and_their_tables_are_in_glue() {
    let moto = server();
    run_on(&moto, &CASES);
    let found = moto.ask(
        "
tables = lambda database: {t['Name']: t for t in glue.get_tables(DatabaseName=database)['TableList']}
star, enrichment, shop = tables('dev_star_schema'), tables('dev_enrichment'), tables('ecommerce_gold')
events = star['fact_events']
dates = glue.get_partitions(DatabaseName='dev_star_schema', TableName='fact_events')['Partitions']
print(json.dumps({
    'databases': sorted(d['Name'] for d in glue.get_databases()['DatabaseList']),
    'star': len(star), 'enrichment': sorted(enrichment), 'shop': sorted(shop),
    'keys': [[k['Name'], k['Type']] for k in events['PartitionKeys']],
    'dates': sum(int(p['Parameters']['recordCount']) for p in dates),
    'delta': enrichment['user_spend_summary']['Parameters']['table_type'],
    'on_s3': all(t['StorageDescriptor']['Location'].startswith('s3://stepwell-test/') for t in star.values()),
}))",
    );
    assert_eq!(
        found,
        json!({
            "databases": [
                "dev_enrichment", "dev_star_schema", "ecommerce_bronze", "ecommerce_gold", "ecommerce_silver",
                "prod_enrichment", "shop",
            ],
            "star": 10,
            "enrichment": ["enrichment_silver", "high_risk_txns", "product_usage_metrics", "user_spend_summary"],
            "shop": ["daily_sales"],
            "keys": [["event_date", "date"]],
            "dates": 400,
            "delta": "DELTA",
            "on_s3": true,
        })
    );
}

#[test]
#[ignore = "needs the development data, see tests/support/test.sh"]
fn the_worked_figures_hold_on_s3() {
    // Says where the data are looked for if they are not there.
    development_data("fact_sales");
    run_on(&server(), &WORKED_FIGURES);
}
