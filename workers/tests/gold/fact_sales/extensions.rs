//! The options beyond the original: a watermark for late files, and dimensions joined to each sale.

use serde_json::{Value, json};
use workers::query::{Kind, column};

use super::super::support::{World, expect};
use super::{compact, deliver, file, gold, ingest, put_parquet, summary};

fn sale(id: &str, store: &str, at: &str) -> String {
    format!("{id},{store},{at},I1,Toys,1,2,2,Card,C1")
}

async fn processed(rows: &[String]) -> World {
    let world = World::new().await;
    deliver(&world, "a.csv", file(&rows.iter().map(String::as_str).collect::<Vec<_>>())).await;
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    world
}

#[tokio::test]
async fn late_dates_are_taken_within_the_watermark_and_listed_beyond_it() {
    let world = processed(&["01", "05", "06"].map(|day| sale(day, "S1", &format!("2024-12-{day}")))).await;
    expect(&compact(&world.lake, &["--watermark_days=3"]).await, "OK", 0);
    assert_eq!(summary(&world).await["too_late_dates"], json!([]), "gold was empty: nothing is late");

    // More sales of the first and the fifth, and a day before all others.
    let late = ["01", "05", "02"].map(|day| sale(&format!("late{day}"), "S1", &format!("2024-12-{day}")));
    deliver(&world, "late.csv", file(&late.each_ref().map(String::as_str))).await;
    expect(&ingest(&world.lake, &[]).await, "OK", 0);
    let result = compact(&world.lake, &["--watermark_days=3"]).await;
    expect(&result, "OK", 0);
    let audit = summary(&world).await;
    assert_eq!(audit["selected_dates"], json!(["2024-12-05"]), "{audit:#}");
    assert_eq!(audit["too_late_dates"], json!(["2024-12-01", "2024-12-02"]), "{audit:#}");
    assert_eq!(audit["warnings"], json!(["too_late_dates:2 before 2024-12-03"]));
    assert_eq!(gold(&world, "2024-12-01").await.len(), 1, "as it was");
    assert_eq!(gold(&world, "2024-12-05").await.len(), 2);

    let forced = compact(&world.lake, &["--watermark_days=3", "--force_dates=2024-12-01"]).await;
    expect(&forced, "OK", 0);
    assert_eq!(gold(&world, "2024-12-01").await.len(), 2, "whoever names a date means it");
}

/// Columns of gold's rows, as text.
async fn joined(world: &World, date: &str, names: &[&str]) -> Vec<Value> {
    gold(world, date).await.iter().map(|row| names.iter().map(|name| row[*name].clone()).collect()).collect()
}

#[tokio::test]
async fn a_dimension_adds_its_columns_and_never_a_row() {
    let world =
        processed(&[sale("T1", "S1", "2024-12-07"), sale("T2", "S2", "2024-12-07"), sale("T3", "S3", "2024-12-07")])
            .await;
    let stores = "id,city,opened\n S1 ,Berlin,2001\nS2,,2002\nS1,Aachen,2003\n,Nowhere,2004\n";
    world.folder("sales", "dimensions").put("stores.csv", stores).await.unwrap();
    let line = [
        "--dimension_path=s3://sales/dimensions/stores.csv",
        "--dimension_key=store_id=id",
        "--dimension_columns=city,opened",
    ];
    expect(&compact(&world.lake, &line).await, "OK", 0);
    let expected = [json!(["T1", "Berlin", "2001"]), json!(["T2", null, "2002"]), json!(["T3", null, null])];
    assert_eq!(joined(&world, "2024-12-07", &["transaction_id", "city", "opened"]).await, expected);
    let plain: Vec<Value> = joined(&world, "2024-12-07", &["row_hash"]).await;
    let last: Vec<String> = gold(&world, "2024-12-07").await[0].keys().skip(13).cloned().collect();
    assert_eq!(last, ["row_hash", "city", "opened"]);
    expect(&compact(&world.lake, &["--reprocess=true"]).await, "OK", 0);
    assert_eq!(joined(&world, "2024-12-07", &["row_hash"]).await, plain, "the hash is of the sale alone");

    for (line, code, part) in [
        ([line[0], line[1], "--dimension_columns=city,size"], "MISSING_COLUMNS", "lacks size"),
        (["--dimension_path=s3://sales/dimensions/none.csv", line[1], line[2]], "SILVER_INPUT_MISSING", "none.csv"),
        (["--dimension_path=s3://sales/dimensions/none", line[1], line[2]], "SILVER_INPUT_MISSING", "dimensions/none"),
    ] {
        let refused = compact(&world.lake, &line).await;
        expect(&refused, code, 1);
        assert!(refused.message.contains(part), "{}", refused.message);
    }
}

#[tokio::test]
async fn a_slowly_changing_dimension_gives_each_sale_the_version_of_its_time() {
    let at = ["2024-11-30 23:59", "2024-12-01 00:00", "2024-12-03 12:00", "2024-12-05 00:00", "2024-12-20 00:00"];
    let mut sales: Vec<String> = at.iter().enumerate().map(|(n, at)| sale(&format!("T{n}"), "S1", at)).collect();
    sales.push(sale("T9", "S2", "2024-12-03"));
    let world = processed(&sales).await;
    // The first version of S1 says it ends after the second begins; the third is equal to the second but for its end.
    let versions = "select * from (values \
        ('S1', cast('2024-12-01' as date), cast('2024-12-10' as date), 'old'), \
        ('S1', cast('2024-12-05' as date), cast(null as date), 'new'), \
        ('S1', cast('2024-12-05' as date), cast('2024-12-06' as date), 'cut'), \
        ('S2', cast(null as date), cast(null as date), 'always')) as t(store_id, since, until, region)";
    let columns = [
        column("store_id", Kind::Text),
        column("since", Kind::Date),
        column("until", Kind::Date),
        column("region", Kind::Text),
    ];
    put_parquet(&world, "dimensions/stores", versions, &columns).await;
    let line = [
        "--dimension_path=s3://sales/dimensions/stores",
        "--dimension_key=store_id",
        "--dimension_columns=region",
        "--dimension_valid_from=since",
        "--dimension_valid_to=until",
    ];
    expect(&compact(&world.lake, &line).await, "OK", 0);
    for (date, expected) in [
        ("2024-11-30", vec![json!(["T0", null])]),
        ("2024-12-01", vec![json!(["T1", "old"])]),
        ("2024-12-03", vec![json!(["T2", "old"]), json!(["T9", "always"])]),
        ("2024-12-05", vec![json!(["T3", "new"])]),
        ("2024-12-20", vec![json!(["T4", "new"])]),
    ] {
        assert_eq!(joined(&world, date, &["transaction_id", "region"]).await, expected, "{date}");
    }
}

#[tokio::test]
async fn a_dimension_that_would_be_joined_wrongly_is_refused_and_nothing_is_compacted() {
    let world = processed(&[sale("T1", "S1", "2024-12-07")]).await;
    let dimensions = world.folder("sales", "dimensions");
    let header = "store_id,city,since,until";
    for (name, text, code, parts) in [
        (
            "impossible.csv",
            format!("{header}\nS1,Old,2020-01-01,2024-02-30\n"),
            "SCHEMA_VALIDATION_FAILED",
            &["`until`", "\"2024-02-30\"", "\"S1\"", "impossible.csv"][..],
        ),
        (
            "german.csv",
            format!("{header}\nS1,Old,31.12.2019,\n"),
            "SCHEMA_VALIDATION_FAILED",
            &["`since`", "31.12.2019"],
        ),
        ("twice.csv", "store_id,city,city,since,until\n".to_owned(), "SCHEMA_VALIDATION_FAILED", &["`city` twice"]),
        ("empty.csv", String::new(), "SCHEMA_VALIDATION_FAILED", &["it is empty"]),
        (
            "lacks.csv",
            "store_id,town,since\n".to_owned(),
            "MISSING_COLUMNS",
            &["lacks city, until", "has store_id, town"],
        ),
    ] {
        dimensions.put(name, text).await.unwrap();
        let path = format!("--dimension_path=s3://sales/dimensions/{name}");
        let line = [
            path.as_str(),
            "--dimension_key=store_id",
            "--dimension_columns=city",
            "--dimension_valid_from=since",
            "--dimension_valid_to=until",
        ];
        let refused = compact(&world.lake, &line).await;
        expect(&refused, code, 1);
        assert!(parts.iter().all(|part| refused.message.contains(part)), "{name}: {}", refused.message);
        assert_eq!(gold(&world, "2024-12-07").await.len(), 0, "{name}");
    }
    let columns = [column("store_id", Kind::Text), column("since", Kind::Int64)];
    put_parquet(&world, "dimensions/numbers", "select 'S1' as store_id, 20240101 as since", &columns).await;
    let line = [
        "--dimension_path=s3://sales/dimensions/numbers",
        "--dimension_key=store_id",
        "--dimension_columns=since",
        "--dimension_valid_from=since",
    ];
    let refused = compact(&world.lake, &line).await;
    expect(&refused, "SCHEMA_VALIDATION_FAILED", 1);
    assert!(refused.message.contains("is bigint, which is no date"), "{}", refused.message);
}
