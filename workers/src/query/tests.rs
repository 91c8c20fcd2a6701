use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, StringArray};
use deltalake::arrow::datatypes::{DataType, Schema};
use serde_json::json;

use super::*;
use crate::lake::{CrashPoint, Lake};

pub(super) struct Place {
    pub(super) query: Query,
    pub(super) lake: Lake,
    _folder: tempfile::TempDir,
}

pub(super) fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::at(folder.path().to_str().unwrap()).unwrap();
    let query = Query::new(&JobContext::detached(lake.clone(), "test")).unwrap();
    Place { query, lake, _folder: folder }
}

impl Place {
    pub(super) fn folder(&self) -> Folder {
        self.lake.folder("b", "some table").unwrap()
    }

    pub(super) async fn put(&self, name: &str, columns: Vec<(&str, ArrayRef)>) {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = deltalake::parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        self.folder().put(name, bytes).await.unwrap();
    }

    async fn rows(&self, sql: &str) -> Json {
        Json::from(self.query.json(sql, &[]).await.unwrap().into_iter().map(Json::Object).collect::<Vec<_>>())
    }

    async fn value(&self, expression: &str) -> Json {
        self.rows(&format!("select {expression} as v")).await[0]["v"].clone()
    }
}

pub(super) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<StringArray>())
}

#[tokio::test]
async fn the_hash_of_a_row_is_the_specified_one() {
    let place = place();
    let row = [("s", "S006"), ("i", "ITEM00160"), ("c", "Clothing"), ("p", "Transfer"), ("u", "dnmmjbqe")];
    let mut parameters: Vec<(&str, Value)> = row.map(|(name, text)| (name, Value::from(text))).to_vec();
    parameters.push(("t", Value::Timestamp("2024-10-16T15:23:00Z".parse().unwrap())));
    parameters.push(("x", Value::from(295.66)));
    let hash = |item: &str| {
        format!(
            "select sw_row_hash(${{s}}, sw_text_ts(${{t}}), {item}, ${{c}}, cast(1 as varchar), sw_text_f64(${{x}}), \
             sw_text_f64(${{x}}), ${{p}}, ${{u}}) as h"
        )
    };
    let found = place.query.json(&hash("${i}"), &parameters).await.unwrap();
    assert_eq!(found[0]["h"], "9dbbfa2be1a31fac9060e6d9f8c46162");
    let other = place.query.json(&hash("cast(null as varchar)"), &parameters).await.unwrap();
    assert_ne!(other[0]["h"], found[0]["h"]);
}

#[tokio::test]
async fn functions_do_what_the_contracts_say() {
    let place = place();
    for (expression, expected) in [
        ("sw_round(2.675, 2)", json!(2.68)),
        ("sw_round(-0.5, 0)", json!(-1.0)),
        ("sw_round(5, 0)", json!(5.0)),
        ("sw_round(null, 2)", json!(null)),
        ("sw_round(cast('NaN' as double), 2)", json!(null)),
        ("sw_parse_number('($1,413.15)')", json!(-1413.15)),
        ("sw_parse_number(3)", json!(3.0)),
        ("sw_parse_number('N/A')", json!(null)),
        ("sw_label('  a b ')", json!("a b")),
        ("sw_label('a')", json!("a")),
        ("sw_label('\t\u{a0}é \n')", json!("é")),
        ("sw_label(' \t\n\u{3000}')", json!(null)),
        ("sw_label('   ')", json!(null)),
        ("sw_label('')", json!(null)),
        ("sw_label(null)", json!(null)),
        ("sw_text_f64(5)", json!("5.0")),
        ("sw_text_f64(cast('NaN' as double))", json!(null)),
        ("sw_parse_ts('2024-12-07 01:02:03.5')", json!("2024-12-07T01:02:03.500000Z")),
        ("sw_parse_ts('2024-12-07T01:02:03+02:00')", json!("2024-12-06T23:02:03.000000Z")),
        ("sw_parse_ts('2024-12-07')", json!("2024-12-07T00:00:00.000000Z")),
        ("sw_parse_ts('2024-02-30')", json!(null)),
        ("sw_parse_ts('9999-12-31T23:59:59-05:00')", json!(null)),
        ("sw_parse_ts('07.12.2024')", json!(null)),
        ("sw_parse_ts(cast('2024-12-07' as date))", json!("2024-12-07T00:00:00.000000Z")),
        ("sw_text_ts(sw_parse_ts('2024-12-07T01:02:03.120Z'))", json!("2024-12-07 01:02:03.12")),
        ("cast(sw_parse_ts('2024-12-07T23:59:59Z') as date)", json!("2024-12-07")),
        ("cast('2024-12-07' as date)", json!("2024-12-07")),
    ] {
        assert_eq!(place.value(expression).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn parameters_are_values_and_nothing_else() {
    let place = place();
    for text in ["it's", "''", "'; drop table x; --", "${other}", "\\'", "-- x", "ünï\u{1F600}", ""] {
        let found = place.query.json("select ${a} as v, length(${a}) as n", &[("a", text.into())]).await.unwrap();
        assert_eq!(found[0]["v"], text);
        assert_eq!(found[0]["n"], text.chars().count());
    }
    let date = chrono::NaiveDate::from_ymd_opt(2024, 12, 7).unwrap();
    let sql = "select 5 -${n} as minus, ${d} + interval '1 day' as next, ${none} is null as none, \
               2 in (${list}) as present, 2 in (${empty}) is true as in_nothing";
    let parameters = [
        ("n", Value::from(-3)),
        ("d", date.into()),
        ("none", Value::Null),
        ("list", vec![1, 2].into()),
        ("empty", Value::List(Vec::new())),
    ];
    let found = &place.query.json(sql, &parameters).await.unwrap()[0];
    assert_eq!((&found["minus"], &found["none"], &found["present"]), (&json!(8), &json!(true), &json!(true)));
    assert_eq!(found["in_nothing"], json!(false));
    assert!(found["next"].as_str().unwrap().starts_with("2024-12-08"));
    let error = place.query.json("select ${x}", &[]).await.unwrap_err();
    assert!(error.message.contains("`x`"), "{error}");
}

#[tokio::test]
async fn files_are_united_by_name_and_conflicts_widen() {
    let place = place();
    let (int, long) =
        (Arc::new(Int32Array::from(vec![1])) as ArrayRef, Arc::new(Int64Array::from(vec![2])) as ArrayRef);
    let float = Arc::new(Float64Array::from(vec![Some(2.5)])) as ArrayRef;
    let flag = Arc::new(BooleanArray::from(vec![true])) as ArrayRef;
    place.put("a b%/1.parquet", vec![("n", int.clone()), ("mixed", int.clone()), ("only_a", flag)]).await;
    place.put("2.parquet", vec![("mixed", float), ("n", long.clone()), ("only_b", texts(&[Some("x")]))]).await;
    place.put("3", vec![("mixed", texts(&[Some(" 7 ")])), ("n", long)]).await;
    let objects = names(&["a b%/1.parquet", "2.parquet", "3"]);
    place.query.parquet("t", &place.folder(), &objects, None).await.unwrap();
    assert_eq!(
        place.query.columns("t").await.unwrap(),
        [
            column("n", Kind::Int64),
            column("mixed", Kind::Text),
            column("only_a", Kind::Boolean),
            column("only_b", Kind::Text)
        ]
    );
    assert_eq!(
        place.rows("select mixed, n, only_a, only_b from t order by mixed").await,
        json!([
            {"mixed": " 7 ", "n": 2, "only_a": null, "only_b": null},
            {"mixed": "1", "n": 1, "only_a": true, "only_b": null},
            {"mixed": "2.5", "n": 2, "only_a": null, "only_b": "x"},
        ])
    );
    assert_eq!(
        place.rows("select sum(sw_parse_number(mixed)) as s, count(*) as n from t where n = 2").await,
        json!([{"s": 9.5, "n": 2}])
    );
}

#[tokio::test]
async fn declared_columns_are_cast_and_what_cannot_be_is_null() {
    let place = place();
    let numbers = Arc::new(Float64Array::from(vec![Some(3.0), Some(1.5), None])) as ArrayRef;
    let all = texts(&[Some(" 12 "), Some("x"), Some("")]);
    let times = texts(&[Some("2024-12-07T10:00:00Z"), Some("2024-12-07"), Some("yesterday")]);
    let flags = texts(&[Some("TRUE"), Some("0"), Some("maybe")]);
    place
        .put(
            "1.parquet",
            vec![("id", numbers), ("text", all), ("at", times), ("flag", flags), ("more", texts(&[None; 3]))],
        )
        .await;
    let columns = [
        column("at", Kind::Timestamp),
        column("id", Kind::Int64),
        column("text", Kind::Int32),
        column("flag", Kind::Boolean),
        column("absent", Kind::Float64),
    ];
    place.query.parquet("t", &place.folder(), &names(&["1.parquet"]), Some(&columns)).await.unwrap();
    assert_eq!(place.query.columns("t").await.unwrap(), columns);
    assert_eq!(
        place.rows("select at, id, text, flag, absent from t order by at nulls last, id").await,
        json!([
            {"at": "2024-12-07T00:00:00.000000Z", "id": null, "text": null, "flag": false, "absent": null},
            {"at": "2024-12-07T10:00:00.000000Z", "id": 3, "text": 12, "flag": true, "absent": null},
            {"at": null, "id": null, "text": null, "flag": null, "absent": null},
        ])
    );
    place.query.parquet("none", &place.folder(), &[], Some(&columns)).await.unwrap();
    assert_eq!(place.rows("select count(*) as n from none").await, json!([{"n": 0}]));
    let error = place.query.parquet("none", &place.folder(), &[], None).await.unwrap_err();
    assert_eq!(error.code, Code::NoInputData);
    place.folder().put("broken.parquet", "no parquet").await.unwrap();
    let error = place.query.parquet("t", &place.folder(), &names(&["broken.parquet"]), None).await.unwrap_err();
    assert!(error.code == Code::SchemaValidationFailed && error.message.contains("broken.parquet"), "{error}");
    let error = place.query.parquet("t", &place.folder(), &names(&["gone.parquet"]), None).await.unwrap_err();
    assert!(error.code == Code::StorageError && error.message.contains("gone.parquet"), "{error}");
    place.folder().put("folder.parquet/x", "x").await.unwrap();
    let error = place.query.parquet("t", &place.folder(), &names(&["folder.parquet"]), None).await.unwrap_err();
    assert!(error.code == Code::StorageError && error.message.contains("folder.parquet"), "{error}");
}

#[tokio::test]
async fn streams_are_conformed_ordered_and_finite() {
    let place = place();
    let columns =
        [column("b", Kind::Float64), column("a", Kind::Int32), column("c", Kind::Date), column("d", Kind::Timestamp)];
    let sql = "select cast(n as varchar) as a, case when n = 2 then cast('NaN' as double) else n end as b, \
               to_timestamp('2024-12-07T01:02:03') as d, 'dropped' as e \
               from (values (3), (1), (2)) as t(n) order by n desc";
    let batches = place.query.stream(sql, &[], &columns).await.unwrap().collect().await.unwrap();
    assert_eq!(batches[0].schema().as_ref(), &Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()));
    assert_eq!(
        json!(super::json::rows(&batches).unwrap()),
        json!([3, 2, 1].map(|n| json!({
            "b": if n == 2 { json!(null) } else { json!(f64::from(n)) },
            "a": n,
            "c": null,
            "d": "2024-12-07T01:02:03.000000Z",
        })))
    );
    assert_eq!(batches[0].column(3).data_type(), &Kind::Timestamp.arrow());
    assert_eq!(Kind::of(&DataType::Null), Some(Kind::Text));
}

/// Many batches, and a column that is not taken as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_come_in_the_order_of_their_statement() {
    let place = place();
    let columns = [column("n", Kind::Int64), column("x", Kind::Float64)];
    let sql = "select value as n, cast(value as double) / 3 as x from generate_series(1, 200000) order by value desc";
    for _ in 0..5 {
        let mut rows = place.query.stream(sql, &[], &columns).await.unwrap();
        let mut next = 200_000;
        while let Some(batch) = rows.next("here").await.unwrap() {
            for n in batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().iter().flatten() {
                assert_eq!(n, next);
                next -= 1;
            }
        }
        assert_eq!(next, 0);
    }
}

#[tokio::test]
async fn results_are_named_lazily_or_kept_and_replaced() {
    let place = place();
    let column = [column("n", Kind::Int64)];
    let numbers = |values: Vec<i64>| {
        vec![RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(values)) as ArrayRef)]).unwrap()]
    };
    place.query.rows("t", &column, numbers(vec![1, 2])).await.unwrap();
    place.query.view("doubled", "select n * ${by} as n from t", &[("by", 2.into())]).await.unwrap();
    assert_eq!(place.query.keep("kept", "select n from doubled where n > 2", &[]).await.unwrap(), 1);
    place.query.rows("t", &column, numbers(vec![5, 6, 7])).await.unwrap();
    assert_eq!(place.rows("select sum(n) as s from kept").await, json!([{"s": 4}]));
    assert_eq!(place.query.keep("kept", "select n from kept union all select 1", &[]).await.unwrap(), 2);
    assert_eq!(place.rows("select sum(n) as s from kept").await, json!([{"s": 5}]));
    assert_eq!(place.query.keep("nothing", "select n from t where n > 100", &[]).await.unwrap(), 0);
    assert_eq!(place.rows("select count(*) as c from nothing").await, json!([{"c": 0}]));
    let broken = "select cast(concat('x', cast(n as string)) as int) as n from t";
    let error = place.query.keep("broken", broken, &[]).await.unwrap_err();
    assert!(error.message.contains("the intermediate result `broken`"), "{error}");

    let rows = place.query.stream("select n from kept order by n", &[], &column).await.unwrap();
    let folder = match &place.query.engine {
        Engine::Local(local) => local.place().to_owned(),
        #[cfg(feature = "spark")]
        Engine::Spark(_) => unreachable!("no endpoint was given"),
    };
    let merged = place.query.merge_joins();
    assert_eq!(merged.json("select count(*) as c from kept a join kept b on a.n = b.n", &[]).await.unwrap()[0]["c"], 2);
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).unwrap();
    let error = place.query.keep("unwritten", "select n from t", &[]).await.unwrap_err();
    assert_eq!(error.code, Code::StorageError, "{error}");
    assert!(error.message.contains(folder.to_str().unwrap()), "{error}");
    std::fs::rename(&away, &folder).unwrap();
    drop((place, merged));
    assert_eq!(rows.collect().await.unwrap()[0].num_rows(), 2, "what rows read from lives as long as they do");
    assert!(!folder.exists(), "the temporary folder is gone");
}

/// Several times the allowance: sorted, grouped and joined by spilling; and what cannot spill fails by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_data_than_memory_is_spilled() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::at(folder.path().to_str().unwrap()).unwrap();
    let query = Query::with_memory(&JobContext::detached(lake, "test"), 24).unwrap();
    // About 100 MiB as it goes through a sort.
    let sql = "select value as n, concat(lpad(cast(value * 7919 % 400000 as varchar), 240, 'x')) as k \
               from generate_series(1, 400000)";
    query.view("wide", sql, &[]).await.unwrap();
    let columns = [column("k", Kind::Text), column("n", Kind::Int64)];
    let mut rows = query.stream("select k, n from wide order by k, n", &[], &columns).await.unwrap();
    let (mut count, mut last) = (0, String::new());
    while let Some(batch) = rows.next("here").await.unwrap() {
        let keys = batch.column(0).as_any().downcast_ref::<StringArray>().unwrap();
        for key in keys.iter().flatten() {
            assert!(last.as_str() <= key);
            last = key.to_owned();
        }
        count += batch.num_rows();
    }
    assert_eq!(count, 400_000);
    let grouped = "select count(*) as n, max(c) as most from (select k, count(*) as c from wide group by k)";
    let found = &query.json(grouped, &[]).await.unwrap()[0];
    assert_eq!((&found["n"], &found["most"]), (&json!(400_000), &json!(1)));

    let joined = "select count(*) as n from wide a join wide b on a.k = b.k";
    let error = query.json(joined, &[]).await.unwrap_err();
    assert!(error.message.contains("STEPWELL_QUERY_MEMORY_MIB"), "{error}");
    assert_eq!(query.merge_joins().json(joined, &[]).await.unwrap()[0]["n"], 400_000);
}

#[tokio::test]
async fn a_statement_that_is_wrong_says_where() {
    let place = place();
    for (sql, part) in [("-- about x\nselect nothing from t", "select nothing from t"), ("selec 1", "selec 1")] {
        let error = place.query.json(sql, &[]).await.unwrap_err();
        assert!(error.code == Code::UnexpectedError && error.message.contains(part), "{error}");
    }
    let error = place.query.columns("nowhere").await.unwrap_err();
    assert!(error.message.contains("nowhere"), "{error}");
}

#[tokio::test]
async fn reading_counts_no_writes() {
    let place = place();
    place.put("1.parquet", vec![("a", texts(&[Some("x")]))]).await;
    let lake = place.lake.with_crash_point(CrashPoint::fail_at(1));
    let query = Query::new(&JobContext::detached(lake.clone(), "test")).unwrap();
    let folder = lake.folder("b", "some table").unwrap();
    query.parquet("t", &folder, &names(&["1.parquet"]), None).await.unwrap();
    query.keep("kept", "select a from t", &[]).await.unwrap();
    assert_eq!(query.json("select count(*) as n from kept", &[]).await.unwrap()[0]["n"], 1);
    assert_eq!(lake.write_count(), 0);
}
