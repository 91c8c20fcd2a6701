//! The Glue Data Catalog of moto's server, as boto3 sees it afterwards.

use serde_json::json;

use super::glue::Glue;
use super::moto::Moto;
use super::{Catalog, CatalogColumn, CatalogPartition, Change, Kind, Registered, TableDescription, TableFormat};
use crate::job::{Code, test_context};

fn day(day: usize, rows: u64) -> CatalogPartition {
    CatalogPartition {
        values: vec![format!("{}", 2000 + day / 100), format!("{day:05}")],
        location: None,
        rows: Some(rows),
        bytes: rows * 10,
        files: 1,
    }
}

fn sales(partitions: impl IntoIterator<Item = CatalogPartition>) -> TableDescription {
    TableDescription {
        database: "dev_gold".to_owned(),
        name: "sales".to_owned(),
        location: "s3://lake/gold/sales".to_owned(),
        columns: vec![
            CatalogColumn::new("transaction_id", "string"),
            CatalogColumn::new("amount", "double").with_comment("in the currency of the shop"),
        ],
        partition_keys: vec![CatalogColumn::new("year", "string"), CatalogColumn::new("ds", "string")],
        partitions: partitions.into_iter().collect(),
        format: TableFormat::Parquet,
    }
}

const PARTITIONS: &str = "
pages = glue.get_paginator('get_partitions').paginate(DatabaseName='dev_gold', TableName='sales')
found = {'/'.join(p['Values']): p for page in pages for p in page['Partitions']}
";

#[tokio::test]
async fn databases_tables_and_partitions_are_created_and_updated() {
    let moto = Moto::start();
    let catalog = Catalog(Kind::Glue(Glue::connect(Some(&moto.url)).await));
    let (_lake, context) = test_context();
    let register = async |table: TableDescription| catalog.register(&context, &table).await.unwrap();

    // More than one batch.
    let made = register(sales((0..250).map(|n| day(n, 1)))).await;
    assert_eq!(made, Registered { table: Change::Created, created: 250, updated: 0 });
    let again = register(sales((0..250).map(|n| day(n, 1)))).await;
    assert_eq!(again, Registered { table: Change::Unchanged, created: 0, updated: 0 });
    let some = register(sales((200..260).map(|n| day(n, if n < 220 { 1 } else { 7 })))).await;
    assert_eq!(some, Registered { table: Change::Unchanged, created: 10, updated: 30 });

    let mut wider = sales([day(259, 8)]);
    wider.columns.push(CatalogColumn::new("is_late", "boolean"));
    assert_eq!(register(wider.clone()).await, Registered { table: Change::Updated, created: 0, updated: 1 });
    let moved = TableDescription { location: "s3://lake/elsewhere/".to_owned(), partitions: Vec::new(), ..wider };
    assert_eq!(register(moved).await.table, Change::Updated);

    let seen = moto.ask(&format!(
        "{PARTITIONS}
table = glue.get_table(DatabaseName='dev_gold', Name='sales')['Table']
last, first = found['2002/00259'], found['2000/00000']
print(json.dumps({{
    'databases': [d['Name'] for d in glue.get_databases()['DatabaseList']],
    'columns': [[c['Name'], c['Type'], c.get('Comment')] for c in table['StorageDescriptor']['Columns']],
    'keys': [k['Name'] for k in table['PartitionKeys']], 'location': table['StorageDescriptor']['Location'],
    'kind': table['TableType'], 'classification': table['Parameters']['classification'],
    'serde': table['StorageDescriptor']['SerdeInfo']['SerializationLibrary'],
    'count': len(found), 'rows': [first['Parameters']['recordCount'], last['Parameters']['recordCount']],
    'place': last['StorageDescriptor']['Location'],
    'partition_columns': [len(p['StorageDescriptor']['Columns']) for p in (first, last)],
}}))"
    ));
    assert_eq!(
        seen,
        json!({
            "databases": ["dev_gold"],
            "columns": [["transaction_id", "string", null], ["amount", "double", "in the currency of the shop"], ["is_late", "boolean", null]],
            "keys": ["year", "ds"], "location": "s3://lake/elsewhere/", "kind": "EXTERNAL_TABLE", "classification": "parquet",
            "serde": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            "count": 260, "rows": ["1", "8"], "place": "s3://lake/gold/sales/year=2002/ds=00259/",
            "partition_columns": [2, 3],
        })
    );
}

#[tokio::test]
async fn what_people_added_to_a_table_stays() {
    let moto = Moto::start();
    let catalog = Catalog(Kind::Glue(Glue::connect(Some(&moto.url)).await));
    let (_lake, context) = test_context();
    catalog.register(&context, &sales([day(0, 1)])).await.unwrap();
    moto.ask(
        "
table = glue.get_table(DatabaseName='dev_gold', Name='sales')['Table']
keep = {k: table[k] for k in ('Name', 'StorageDescriptor', 'PartitionKeys', 'TableType', 'Parameters')}
keep['Description'] = 'Sales by day'; keep['Parameters']['team'] = 'sales'
keep['StorageDescriptor']['Columns'][0]['Comment'] = 'unique'
glue.update_table(DatabaseName='dev_gold', TableInput=keep)
print('null')",
    );
    let mut wider = sales([day(0, 1)]);
    wider.columns.push(CatalogColumn::new("is_late", "boolean"));
    catalog.register(&context, &wider).await.unwrap();
    let seen = moto.ask(
        "
table = glue.get_table(DatabaseName='dev_gold', Name='sales')['Table']
print(json.dumps([table.get('Description'), table['Parameters']['team'], table['StorageDescriptor']['Columns'][0].get('Comment')]))",
    );
    assert_eq!(seen, json!(["Sales by day", "sales", "unique"]));
}

#[tokio::test]
async fn a_delta_table_and_one_without_partitions_are_registered() {
    let moto = Moto::start();
    let catalog = Catalog(Kind::Glue(Glue::connect(Some(&moto.url)).await));
    let (_lake, context) = test_context();
    let delta = TableDescription {
        name: "events".to_owned(),
        partition_keys: vec![CatalogColumn::new("event_date", "string")],
        partitions: vec![CatalogPartition { values: vec!["2025-06-11".to_owned()], ..day(0, 3) }],
        format: TableFormat::Delta,
        ..sales([])
    };
    let registered = catalog.register(&context, &delta).await.unwrap();
    assert_eq!(registered, Registered { table: Change::Created, created: 0, updated: 0 });
    let figures = CatalogPartition { values: Vec::new(), ..day(0, 5) };
    let whole = TableDescription {
        name: "customers".to_owned(),
        partition_keys: Vec::new(),
        partitions: vec![figures],
        ..sales([])
    };
    catalog.register(&context, &whole).await.unwrap();
    let seen = moto.ask(
        "
table = lambda name: glue.get_table(DatabaseName='dev_gold', Name=name)['Table']
print(json.dumps([table('events')['Parameters']['table_type'], table('events')['PartitionKeys'], table('customers')['Parameters']['recordCount']]))",
    );
    assert_eq!(seen, json!(["DELTA", [], "5"]));
    // Both are in the job's result, for the server's catalog, with the Delta table's partition.
    let tables = context.change_metric("tables", |tables| tables.clone());
    assert_eq!((&tables[0]["name"], &tables[0]["partitions"][0]["rows"]), (&json!("events"), &json!(3)));
    assert_eq!(tables[1]["partitions"][0]["values"], json!([]));
}

#[tokio::test]
async fn a_catalog_that_cannot_be_reached_fails_with_its_name() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let catalog = Catalog(Kind::Glue(Glue::connect(Some(&format!("http://{closed}"))).await));
    let (_lake, context) = test_context();
    let error = catalog.register(&context, &sales([])).await.unwrap_err();
    assert_eq!(error.code, Code::CatalogFailed);
    assert!(error.message.contains("`dev_gold.sales`") && error.message.contains("AWS_ENDPOINT_URL_GLUE"), "{error}");
}
