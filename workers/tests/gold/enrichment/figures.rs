//! The worked figures, and the rules of each table on made-up rows. Source: pipelines.md 6.3, system 4; 4.2, 4.3.

use serde_json::{Value, json};

use super::world::{HIGH, LOW, Txn, World, expect, lines, metric, sample_lines};

fn close(found: &Value, expected: f64) -> bool {
    found.as_f64().is_some_and(|found| (found - expected).abs() < 1e-9 * expected.abs().max(1.0))
}

#[tokio::test]
#[ignore = "needs the development data, see tests/support/test.sh"]
async fn the_development_data_give_the_worked_figures() {
    let world = World::sample().await;
    let silver = world.run("enrichment-silver", &[]).await;
    expect(&silver, "OK", 0);
    assert_eq!((metric(&silver, "records"), metric(&silver, "bad_records")), (&json!(100), &json!(0)));
    let gold = world.stream(&[]).await;
    expect(&gold, "OK", 0);
    assert_eq!(metric(&gold, "batches"), &json!(2), "one per file; the creation of silver goes with the first");

    for (sql, expected) in [
        ("select count(*) from silver", json!(100)),
        ("select count(distinct event_date) from silver", json!(1)),
        ("select min(event_date) from silver", json!("2025-06-11")),
        ("select count(*) from silver where usage_cost_ratio is null", json!(69)),
        ("select count(*) from silver where missing_user or missing_product or missing_ip", json!(0)),
        ("select count(*) from silver where missing_subscription", json!(69)),
        ("select count(*) from silver where risk_level = 'high'", json!(25)),
        ("select count(*) from silver where risk_level = 'medium'", json!(40)),
        ("select count(*) from silver where risk_level = 'low'", json!(35)),
        ("select count(*) from user_spend_summary", json!(43)),
        ("select count(*) from product_usage_metrics", json!(7)),
        ("select count(*) from high_risk_txns", json!(100)),
        ("select count(*) from high_risk_txns where is_high_risk_txn", json!(0)),
        ("select count(*) from high_risk_txns where is_high_risk_txn is null", json!(0)),
    ] {
        assert_eq!(world.value(sql).await, expected, "{sql}");
    }
    for (sql, expected) in [
        ("select sum(\"Total_spent_per_user\") from user_spend_summary", 7567.08),
        ("select min(usage_cost_ratio) from silver", 0.250_750_250_083_361_1),
        (
            "select average_usage_cost_ratio from product_usage_metrics where product_id = 'P104'",
            3.477_825_941_980_660_3,
        ),
        ("select average_usage_cost_ratio from product_usage_metrics where product_id = 'P101'", 1.887_851_506_057_575),
    ] {
        let found = world.value(sql).await;
        assert!(close(&found, expected), "{sql}: {found}");
    }
    let last = metric(&gold, "last_batch");
    let told = ["input_rows", "bad_rows", "spend_rows", "usage_rows", "risk_rows", "flagged_rows", "duplicates"];
    let told: Vec<&Value> = told.iter().map(|name| &last[name]).collect();
    assert_eq!(told, [&json!(100), &json!(0), &json!(43), &json!(7), &json!(100), &json!(0), &json!(0)], "{last}");
    let rows: Vec<u64> = gold.outputs.iter().map(|output| output.rows).collect();
    assert_eq!(rows, [43, 7, 100], "the rows now in the dates that were touched");
    let checks = metric(&gold, "quality").as_array().unwrap();
    assert!(checks.iter().all(|check| check["status"] != "FAIL") && checks.len() > 40, "{checks:#?}");
}

#[tokio::test]
async fn silver_has_hashed_secrets_masked_cards_and_what_the_lookups_know() {
    let world = World::new().await;
    let unknown =
        Txn { id: "t2", user: Some("U9"), product: Some("P9"), plan: "Trial", address: "192.0.2.9", ..Txn::default() };
    let free = Txn { id: "t3", plan: "Nothing", ..Txn::default() };
    world.ingest("a.json", &[Txn { address: HIGH, ..Txn::default() }, unknown, free]).await;
    let rows = world.query("select * from silver order by transaction_id").await;
    assert_eq!(rows[0].len(), 33);
    let fields = |row: usize, names: &[&str]| names.iter().map(|name| rows[row][*name].clone()).collect::<Vec<_>>();
    let known = [
        "card_number",
        "country",
        "user_status",
        "product_name",
        "category",
        "churn_risk",
        "risk_level",
        "ip_risk_location",
    ];
    assert_eq!(
        fields(0, &known),
        ["**** **** **** 1234", "DE", "Active", "One", "Hardware", "Low", "high", "Region-1"].map(Value::from)
    );
    assert_eq!(
        fields(0, &["price", "plan_duration", "risk_score", "is_new_user", "referral_code", "event_date"]),
        [json!(10.5), json!(12), json!(9.0), json!(false), Value::Null, json!("2025-06-11")]
    );
    assert!(close(&rows[0]["usage_cost_ratio"], 100.0 / 299.99), "{}", rows[0]["usage_cost_ratio"]);
    let missing = ["missing_user", "missing_product", "missing_subscription", "missing_ip"];
    assert_eq!(fields(0, &missing), [json!(false), json!(false), json!(false), json!(false)]);
    assert_eq!(fields(1, &missing), [json!(true), json!(true), json!(true), json!(true)]);
    assert_eq!(
        (&rows[2]["monthly_cost"], &rows[2]["usage_cost_ratio"]),
        (&json!(0.0), &Value::Null),
        "no division by zero"
    );
    let text = serde_json::to_string(&rows).unwrap();
    assert!(!text.contains("4000000000001234") && !text.contains(HIGH), "no plain secret");
}

#[tokio::test]
async fn a_file_is_ingested_once_under_whatever_name() {
    let world = World::new().await;
    let txns = [Txn::default(), Txn { id: "t2", ..Txn::default() }];
    world.ingest("a.json", &txns).await;
    let version = world.silver().await.version();
    expect(&world.run("enrichment-silver", &[]).await, "IDEMPOTENT_SKIP", 0);
    world.deliver("b.json", &lines(&txns)).await;
    let again = world.run("enrichment-silver", &[]).await;
    expect(&again, "IDEMPOTENT_SKIP", 0);
    assert_eq!(metric(&again, "files_known"), &json!(2));
    assert_eq!(world.silver().await.version(), version, "not even an empty commit");
    world.ingest("b.json", &[Txn { id: "t3", ..Txn::default() }]).await;
    assert_eq!(
        world.value("select count(*) from silver").await,
        json!(3),
        "other content under the name is another file"
    );
}

#[tokio::test]
async fn a_day_takes_the_files_delivered_for_it() {
    let world = World::new().await;
    world.deliver("ds=2025-06-11/a.json", &lines(&[Txn::default()])).await;
    world.deliver("ds=2025-06-12/a.json", &lines(&[Txn { id: "t2", ..Txn::default() }])).await;
    expect(&world.run("enrichment-silver", &["--ds=2025-06-11"]).await, "OK", 0);
    assert_eq!(world.value("select transaction_id from silver").await, "t1");
    expect(&world.run("enrichment-silver", &["--ds=2025-06-10"]).await, "NO_RAW_DATA", 0);
    expect(&world.run("enrichment-silver", &["--ds=2024-02-30"]).await, "PRE_VALIDATION_FAILED", 2);
}

#[tokio::test]
async fn risky_and_cheap_is_flagged_and_an_unknown_level_or_ratio_is_not() {
    let world = World::new().await;
    let base = Txn { address: HIGH, amount: json!(10.0), ..Txn::default() };
    let txns = [
        base.clone(),
        Txn { id: "not-high", address: LOW, ..base.clone() },
        Txn { id: "not-cheap", amount: json!(100.0), ..base.clone() },
        // 0.2 itself is not below it.
        Txn { id: "limit", plan: "Round", amount: json!(20.0), ..base.clone() },
        Txn { id: "no-plan", plan: "Trial", ..base.clone() },
        Txn { id: "no-level", address: "192.0.2.9", ..base.clone() },
        Txn { id: "no-amount", amount: Value::Null, ..base },
    ];
    world.ingest("a.json", &txns).await;
    let result = world.stream(&[]).await;
    expect(&result, "OK", 0);
    assert_eq!(metric(&result, "last_batch")["flagged_rows"], 1);
    assert_eq!(world.value("select transaction_id from high_risk_txns where is_high_risk_txn").await, "t1");
    let ratio = world.value("select usage_cost_ratio from high_risk_txns where is_high_risk_txn").await;
    assert!(close(&ratio, 10.0 / 299.99), "{ratio}");
    assert_eq!(world.value("select count(*) from high_risk_txns where not is_high_risk_txn").await, json!(6));
    let only = world.run("enrichment-gold", &["--high_risk_only=true"]).await;
    expect(&only, "OK", 0);
    assert_eq!(world.value("select count(*) from high_risk_txns").await, json!(1));
}

#[tokio::test]
async fn the_latest_of_a_transaction_counts_and_nulls_are_left_out_and_counted() {
    let world = World::new().await;
    let base = Txn::default();
    let txns = [
        Txn { amount: json!(1.0), time: Some("2025-06-11T09:00:00"), ..base.clone() },
        Txn { amount: json!(2.0), time: Some("2025-06-11T11:00:00"), ..base.clone() },
        // The same time: the greatest row in column order, here by amount.
        Txn { id: "t2", amount: json!(7.0), currency: "USD", ..base.clone() },
        Txn { id: "t2", amount: json!(6.0), currency: "USD", ..base.clone() },
        // The same transaction on another day is that day's.
        Txn { amount: json!(40.0), time: Some("2025-06-12T11:00:00"), ..base.clone() },
        Txn { id: "t4", user: None, amount: json!(100.0), ..base.clone() },
        Txn { id: "t5", product: None, user: Some("U2"), amount: Value::Null, ..base },
    ];
    world.ingest("a.json", &txns).await;
    let result = world.stream(&[]).await;
    expect(&result, "OK", 0);
    let spend = world
        .query("select user_id, event_date, \"Total_spent_per_user\" as spent from user_spend_summary order by event_date, user_id")
        .await;
    let spend: Vec<(Value, Value, Value)> = spend
        .into_iter()
        .map(|row| (row["user_id"].clone(), row["event_date"].clone(), row["spent"].clone()))
        .collect();
    assert_eq!(
        spend,
        [
            (json!("U1"), json!("2025-06-11"), json!(9.0)),
            (json!("U2"), json!("2025-06-11"), Value::Null),
            (json!("U1"), json!("2025-06-12"), json!(40.0)),
        ]
    );
    let last = metric(&result, "last_batch");
    let told = ["duplicates", "null_user_rows", "null_product_rows", "mixed_currency_groups", "risk_rows"];
    assert_eq!(told.map(|name| last[name].clone()), [json!(2), json!(1), json!(1), json!(1), json!(5)], "{last}");
    assert!(result.warnings.iter().any(|warning| warning.contains("several currencies")), "{:?}", result.warnings);
}

#[tokio::test]
#[ignore = "needs the development data, see tests/support/test.sh"]
async fn a_file_larger_than_a_piece_is_appended_in_pieces_once() {
    let world = World::sample().await;
    let one = sample_lines("stream_input_ingest_file.json");
    let many: String = one.iter().cycle().take(120_000).flat_map(|line| [line.as_str(), "\n"]).collect();
    let world_folder = world.folder("raw/stream_input");
    for object in world_folder.objects().await.unwrap() {
        world_folder.delete(&object.name).await.unwrap();
    }
    world.deliver("many.json", &many).await;
    let result = world.run("enrichment-silver", &[]).await;
    expect(&result, "OK", 0);
    assert_eq!(world.value("select count(*) from silver").await, json!(120_000));
    assert_eq!(world.silver().await.version(), 3, "created, and three pieces");
    expect(&world.run("enrichment-silver", &[]).await, "IDEMPOTENT_SKIP", 0);
    assert_eq!(world.silver().await.version(), 3);
}

#[tokio::test]
async fn the_tables_are_in_the_catalog_with_the_figures_of_their_dates() {
    let world = World::new().await;
    let other_day = Txn { id: "t2", time: Some("2025-06-12T10:00:00"), ..Txn::default() };
    world.deliver("a.json", &lines(&[Txn::default(), other_day])).await;
    let silver = world.run("enrichment-silver", &["--environment=prod"]).await;
    let stream = world.stream(&[]).await;
    let batch = world.run("enrichment-gold", &["--dates=2025-06-11", "--catalog_database=shop"]).await;
    for (result, database, names) in [
        (&silver, "prod_enrichment", &["enrichment_silver"][..]),
        (&stream, "dev_enrichment", &["user_spend_summary", "product_usage_metrics", "high_risk_txns"]),
        (&batch, "shop", &["user_spend_summary", "product_usage_metrics", "high_risk_txns"]),
    ] {
        expect(result, "OK", 0);
        let tables = metric(result, "tables").as_array().unwrap();
        let found: Vec<&str> = tables.iter().map(|table| table["name"].as_str().unwrap()).collect();
        assert_eq!(found, names);
        for table in tables {
            assert_eq!(table["database"], database, "{table}");
            assert_eq!(table["partition_keys"], json!([{ "name": "event_date", "type": "date" }]), "{table}");
            let days: Vec<_> =
                table["partitions"].as_array().unwrap().iter().map(|p| (&p["values"][0], &p["rows"])).collect();
            assert_eq!(days, [(&json!("2025-06-11"), &json!(1)), (&json!("2025-06-12"), &json!(1))], "{table}");
        }
    }
    let nothing = world.stream(&[]).await;
    expect(&nothing, "IDEMPOTENT_SKIP", 0);
    assert_eq!(nothing.metrics["tables"], stream.metrics["tables"], "an earlier run may not have come to that");
}
