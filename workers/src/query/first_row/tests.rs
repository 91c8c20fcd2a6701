use deltalake::datafusion::physical_plan::displayable;

use crate::query::json;
use crate::query::session::Session;

/// Groups of one row, of some, of many batches with their first row anywhere, and of rows without a key.
const ROWS: &str = "select \
    case when value % 11 = 0 then null when value <= 60000 then 'k' || cast(value % 3 as varchar) \
        else 'x' || cast(value as varchar) end as k, \
    value % 2 as d, value as n, (value * 7919) % 60013 as newness, value % 5 as half \
    from generate_series(1, 100000)";

async fn plan(session: &Session, sql: &str) -> String {
    let frame = session.context.sql(sql).await.unwrap();
    displayable(frame.create_physical_plan().await.unwrap().as_ref()).indent(false).to_string()
}

#[tokio::test]
async fn the_first_row_of_each_group_is_the_one_that_sorting_finds() {
    // 64 MiB: batches are small, so groups go on for many.
    for memory_mb in [64, 1024] {
        let session = Session::beside(memory_mb, 1).unwrap();
        session.context.sql(&format!("create view source as {ROWS}")).await.unwrap();
        for order in ["newness desc", "half desc nulls last, newness", "newness % 3, n", "n", "n desc"] {
            let ranked =
                format!("select *, row_number() over (partition by k, d order by {order}) as place from source");
            let first = format!("select k, d, n from ({ranked}) as t where place = 1");
            let shown = plan(&session, &first).await;
            assert!(shown.contains("FirstRowExec") && !shown.contains("WindowAggExec"), "{shown}");
            let values = order.split(", ").collect::<Vec<_>>().join(", ");
            let expected = format!("select k, d, first_value(n order by {values}) as n from source group by k, d");
            let differences = format!(
                "select count(*) as groups, count(e.n) as found, count(case when e.n <> f.n then 1 end) as wrong \
                 from ({expected}) as e full join ({first}) as f on coalesce(e.k, '') = coalesce(f.k, '') and e.d = f.d"
            );
            let batches = session.context.sql(&differences).await.unwrap().collect().await.unwrap();
            let rows = &json::rows(&batches).unwrap()[0];
            // 3 keys and null, each with 2 parities; every other number above 60,000 that 11 does not divide is a key.
            let groups = 2 * 4 + (60_001..=100_000).filter(|n| n % 11 != 0).count();
            assert_eq!((&rows["groups"], &rows["found"]), (&groups.into(), &groups.into()), "{order}");
            assert_eq!(rows["wrong"], 0, "{order}");
        }
    }
}

#[tokio::test]
async fn rows_that_pass_for_another_reason_are_all_there() {
    let session = Session::beside(64, 1).unwrap();
    let sql = format!(
        "select count(*) as rows, count(k) as keyed, sum(n) as total from (select k, n from (select *, row_number() over \
         (partition by k order by newness desc) as place from ({ROWS}) as source) as t where place = 1 or k is null) as u"
    );
    assert!(plan(&session, &sql).await.contains("FirstRowExec"));
    let batches = session.context.sql(&sql).await.unwrap().collect().await.unwrap();
    let found = &json::rows(&batches).unwrap()[0];
    let keyed = 3 + (60_001..=100_000).filter(|n| n % 11 != 0).count();
    assert_eq!((&found["keyed"], &found["rows"]), (&keyed.into(), &(keyed + 100_000 / 11).into()));
}

#[tokio::test]
async fn what_asks_for_more_than_the_first_row_is_left_to_datafusion() {
    let session = Session::beside(64, 1).unwrap();
    let ranked =
        |over: &str| format!("select *, {over} over (partition by k order by n) as place from ({ROWS}) as source");
    for (over, ask) in [
        ("row_number()", "select n from {} where place <= 2"),
        ("row_number()", "select n, place from {} where place = 1 or k is null"),
        ("row_number()", "select n from {} where place = n"),
        ("row_number()", "select n from {} where place = 2"),
        ("rank()", "select n from {} where place = 1"),
    ] {
        let sql = ask.replace("{}", &format!("({}) as t", ranked(over)));
        assert!(!plan(&session, &sql).await.contains("FirstRowExec"), "{sql}");
    }
}

/// In one stream nothing says any more what order is asked for: the window's is the one.
#[tokio::test]
async fn an_order_within_groups_is_kept_where_all_of_a_group_pass() {
    for sessions in [1, 2 * std::thread::available_parallelism().unwrap().get()] {
        let session = Session::beside(64, sessions).unwrap();
        let all = format!(
            "(select *, row_number() over (partition by k order by newness) as place from ({ROWS}) as source) as t \
             where place = 1 or k is null"
        );
        let rows_of = async |sql: &str| {
            let batches = session.context.sql(sql).await.unwrap().collect().await.unwrap();
            json::rows(&batches).unwrap()
        };
        let rows = rows_of(&format!("select k, newness from {all} order by k nulls last, newness")).await;
        let place = |row: &serde_json::Map<String, serde_json::Value>| {
            (row["k"].is_null(), row["k"].as_str().map(str::to_owned), row["newness"].as_i64())
        };
        assert!(rows.is_sorted_by_key(place), "{sessions}");
        let first = format!("select k, newness from {all} order by k nulls first, newness limit 5");
        let least: Vec<i64> = rows_of(&first).await.iter().map(|row| row["newness"].as_i64().unwrap()).collect();
        let mut expected: Vec<i64> = (1..=100_000).filter(|n| n % 11 == 0).map(|n| n * 7919 % 60013).collect();
        expected.sort_unstable();
        assert_eq!(least, expected[..5], "{sessions}");
        let aggregated = format!("select k, first_value(newness order by newness) as least from {all} group by k");
        let rows = rows_of(&format!("select least from ({aggregated}) as a where k is null")).await;
        assert_eq!(rows[0]["least"], expected[0], "{sessions}");
    }
}
