//! Expressions mean the same on both engines.

use serde_json::Value;
use workers::query::{Query, Value as Literal};

use super::{SparkServer, World, query};

/// The value of each expression.
async fn values(query: &Query, expressions: &[String]) -> Vec<Value> {
    let columns: Vec<String> = expressions.iter().enumerate().map(|(n, text)| format!("{text} as v{n:03}")).collect();
    let sql = format!("select {}", columns.join(", "));
    let row = query.json(&sql, &[]).await.unwrap_or_else(|error| panic!("{error}")).remove(0);
    row.into_iter().map(|(_, value)| value).collect()
}

async fn check(expressions: &[String]) {
    let spark = SparkServer::start();
    let world = World::new().await;
    let ours = values(&query(&world.lake, None), expressions).await;
    let theirs = values(&query(&world.lake, Some(&spark)), expressions).await;
    let differ: Vec<String> = expressions
        .iter()
        .zip(ours.iter().zip(&theirs))
        .filter(|(_, (ours, theirs))| ours != theirs)
        .map(|(text, (ours, theirs))| format!("{text}: {ours} here, {theirs} on Spark"))
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
    assert!(ours.iter().any(|value| !value.is_null()), "something is computed");
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[tokio::test]
async fn numbers_are_read_rounded_and_written_alike() {
    let texts = [
        "3.0",
        "1.5E7",
        "5.02372e+07",
        " $1,413.15 ",
        "(12.30)",
        "($1,000)",
        "(-5)",
        "-$5",
        "EUR 12.50",
        "12.50 eur",
        "\u{20ac}\u{a0}7",
        "1 234 567",
        "\u{2212}4 pcs",
        "1.5e3 USD",
        "N/A",
        "nan",
        "inf",
        "1e999",
        "",
        "$",
        "1.2.3",
        "5-",
        "1'234.5",
        "\u{ffe5}3_000",
        "-0.5",
        ".5",
        "5.",
        "+7",
        "(5",
        "((5))",
        "12 . 5",
        "\t8\n",
    ];
    let mut expressions: Vec<String> = texts.iter().map(|text| format!("sw_parse_number({})", quoted(text))).collect();
    let numbers = [
        "0.5",
        "-0.5",
        "2.5",
        "2.675",
        "-2.675",
        "1.005",
        "0.285",
        "99.995",
        "0.0049",
        "0.005",
        "1250.0",
        "123456789.125",
        "0.00001",
        "12345678901234.565",
        "1e300",
        "1e-300",
        "0.0",
    ];
    for number in numbers {
        for decimals in [0, 1, 2, 4] {
            expressions.push(format!("sw_round(cast('{number}' as double), {decimals})"));
        }
    }
    for number in
        ["5", "295.66", "-0.1", "0.30000000000000004", "100", "1234567.5", "12345678.25", "0.00015", "1e15", "0"]
    {
        expressions.push(format!("sw_text_f64(cast('{number}' as double))"));
    }
    for special in ["nan", "infinity", "-infinity"] {
        expressions.push(format!("sw_text_f64(cast('{special}' as double))"));
        expressions.push(format!("sw_round(cast('{special}' as double), 2)"));
    }
    expressions.push("sw_round(cast(null as double), 2)".to_owned());
    check(&expressions).await;
}

#[tokio::test]
async fn instants_and_texts_are_read_and_written_alike() {
    let texts = [
        "2012-05-18T00:00:00Z",
        "2012-05-18T00:00:00+00:00",
        "2012-05-18",
        " 2012-05-18 13:45 ",
        "2012-05-18T13:45Z",
        "2012-05-18 13:45:01.5",
        "2012-05-18 13:45:01,25",
        "2012-05-18T13:45:01.123456789Z",
        "2012-05-18T13:45:01+02:00",
        "2012-05-18 13:45:01 -0530",
        "2012-05-18T13:45:01+02",
        "2012-05-18t13:45:01z",
        "2012-02-30",
        "2012-05-18T24:00",
        "2012-05-18 13",
        "18.05.2012",
        "",
        "soon",
        "2012-05-18T13:45:01+2",
        "1969-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-05:00",
        "\t2012-05-18\u{a0}",
    ];
    let mut expressions: Vec<String> = texts.iter().map(|text| format!("sw_parse_ts({})", quoted(text))).collect();
    expressions.extend(texts.iter().map(|text| format!("sw_text_ts(sw_parse_ts({}))", quoted(text))));
    expressions.extend(texts.iter().map(|text| format!("sw_days(cast(sw_parse_ts({}) as date))", quoted(text))));
    for text in [" a b ", "\ta\n", "\u{a0}é\u{3000}", " \t"] {
        expressions.push(format!("sw_label({})", quoted(text)));
    }
    for text in ["it's", "a\\b", "\\n", "$1 {x}", "a%b_c", "«é»", "\"q\""] {
        expressions.push(quoted(text));
        expressions.push(format!("md5({})", quoted(text)));
        expressions.push(format!("nullif(trim(' ' || {} || ' '), '')", quoted(text)));
    }
    check(&expressions).await;
}

#[tokio::test]
async fn parameters_and_names_are_what_they_are_here() {
    let spark = SparkServer::start();
    let world = World::new().await;
    let sql = "select ${text} as \"A b\", ${day} + interval '1' day > ${day} as later, ${number} as n, ${none} is null as none, \
               2 in (${list}) as present, ${at} as at -- nothing\n from (select 1 as x) t where x = 1";
    let parameters = [
        ("text", Literal::from("'; drop table x; -- \\' ${text} ${b}")),
        ("day", Literal::from(chrono::NaiveDate::from_ymd_opt(2024, 2, 29))),
        ("number", Literal::from(-1.5)),
        ("none", Literal::Null),
        ("list", Literal::from(vec![1, 2])),
        ("at", Literal::Timestamp("2024-10-16T15:23:00.25Z".parse().unwrap())),
    ];
    let ours = query(&world.lake, None).json(sql, &parameters).await.unwrap();
    let theirs = query(&world.lake, Some(&spark)).json(sql, &parameters).await.unwrap();
    assert_eq!(theirs, ours);
}
