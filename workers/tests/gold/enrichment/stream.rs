//! The stream: batches, checkpoint, replay, late rows, changes of silver. Source: pipelines.md 4.4.

use serde_json::{Value, json};
use workers::lake::delta::Write;
use workers::lake::{Partition, PartitionLock, Rows};

use super::world::{Txn, World, expect, metric, silver_columns};

const DAY_1: &str = "2025-06-11T10:00:00";
const DAY_2: &str = "2025-06-12T10:00:00";

fn txn(id: &'static str, time: &'static str, amount: f64) -> Txn {
    Txn { id, time: Some(time), amount: json!(amount), ..Txn::default() }
}

async fn spend(world: &World) -> Vec<(String, f64)> {
    let sql = "select event_date, sum(\"Total_spent_per_user\") as spent from user_spend_summary group by event_date order by event_date";
    let rows = world.query(sql).await;
    rows.iter().map(|row| (row["event_date"].as_str().unwrap().to_owned(), row["spent"].as_f64().unwrap())).collect()
}

fn days(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
    pairs.iter().map(|(day, spent)| ((*day).to_owned(), *spent)).collect()
}

#[tokio::test]
async fn one_batch_takes_one_commit_and_a_second_run_finds_nothing() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", DAY_1, 1.0)]).await;
    world.ingest("b.json", &[txn("t2", DAY_2, 2.0)]).await;
    world.ingest("c.json", &[txn("t3", DAY_1, 4.0)]).await;
    let first = world.stream(&["--max_batches=2"]).await;
    expect(&first, "OK", 0);
    assert_eq!((metric(&first, "batches"), metric(&first, "silver_version")), (&json!(2), &json!(2)));
    assert_eq!(spend(&world).await, days(&[("2025-06-11", 1.0), ("2025-06-12", 2.0)]));
    let rest = world.stream(&[]).await;
    assert_eq!((metric(&rest, "batches"), metric(&rest, "dates_touched")), (&json!(1), &json!(1)));
    assert_eq!(spend(&world).await, days(&[("2025-06-11", 5.0), ("2025-06-12", 2.0)]), "late rows correct their date");
    expect(&world.stream(&[]).await, "IDEMPOTENT_SKIP", 0);
    assert_eq!(world.batches().await, [(Some(2), 3); 3], "each batch is in each table once");

    let offset = world.json("checkpoints/gold/offsets/2.json").await;
    assert_eq!(
        (&offset["silver_from"], &offset["silver_to"], &offset["dates"]),
        (&json!(2), &json!(3), &json!(["2025-06-11"]))
    );
    assert_eq!(world.json("checkpoints/gold/commits/2.json").await["code"], "OK");
    assert!(
        world.json("checkpoints/gold/metadata.json").await["silver_uri"].as_str().unwrap().ends_with("delta/silver")
    );
    let told = world.json("logs/enrichment_gold/batch_id=2.json").await;
    assert_eq!(
        (&told["batch_id"], &told["input_rows"], &told["spend_rows"]),
        (&json!(2), &json!(2), &json!(1)),
        "{told}"
    );
    assert!(told["durations_ms"]["high_risk_txns"].is_u64() && told["quality"][0]["batch_id"] == 2, "{told}");
}

#[tokio::test]
async fn many_commits_can_be_one_batch() {
    let world = World::new().await;
    for (name, id) in [("a.json", "t1"), ("b.json", "t2"), ("c.json", "t3")] {
        world.ingest(name, &[txn(id, DAY_1, 1.0)]).await;
    }
    let result = world.stream(&["--max_commits_per_batch=100"]).await;
    assert_eq!(metric(&result, "batches"), &json!(1));
    assert_eq!(spend(&world).await, days(&[("2025-06-11", 3.0)]));
}

#[tokio::test]
async fn a_replayed_batch_is_skipped_by_its_transaction_id() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", DAY_1, 1.0)]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    let (gold, batches) = (world.gold().await, world.batches().await);
    world.folder("checkpoints/gold/commits").delete("0.json").await.unwrap();
    let replay = world.stream(&[]).await;
    expect(&replay, "OK", 0);
    assert_eq!((metric(&replay, "batches"), metric(&replay, "batches_skipped")), (&json!(1), &json!(1)));
    assert_eq!(world.json("checkpoints/gold/commits/0.json").await["code"], "IDEMPOTENT_SKIP");
    assert_eq!((world.gold().await, world.batches().await), (gold, batches));
}

#[tokio::test]
async fn a_lost_checkpoint_begins_anew_with_higher_numbers_and_the_same_tables() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", DAY_1, 1.0)]).await;
    world.ingest("b.json", &[txn("t2", DAY_2, 2.0)]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    let gold = world.gold().await;
    let checkpoint = world.folder("checkpoints/gold");
    for object in checkpoint.objects().await.unwrap() {
        checkpoint.delete(&object.name).await.unwrap();
    }
    let again = world.stream(&[]).await;
    expect(&again, "OK", 0);
    assert_eq!(metric(&again, "batches_skipped"), &json!(0), "its numbers are not taken for done");
    assert_eq!(world.json("checkpoints/gold/metadata.json").await["first_batch"], 2);
    assert_eq!(world.gold().await, gold);
}

#[tokio::test]
async fn a_rewrite_without_change_of_data_is_passed_over() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", DAY_1, 1.0)]).await;
    world.ingest("b.json", &[txn("t2", DAY_1, 2.0)]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    let batches = world.batches().await;
    let rewritten = world.silver().await.optimize(&[], None, 64).await.unwrap();
    assert_eq!(rewritten.files_removed, 2, "the two small files became one");
    let result = world.stream(&[]).await;
    expect(&result, "OK", 0);
    assert_eq!((metric(&result, "batches"), metric(&result, "batches_empty")), (&json!(1), &json!(1)));
    assert_eq!(world.json("checkpoints/gold/commits/2.json").await["code"], "EMPTY");
    let told = world.json("logs/enrichment_gold/batch_id=2.json").await;
    assert_eq!((&told["input_rows"], &told["dates_touched"]), (&json!(0), &json!([])), "{told}");
    assert_eq!(world.batches().await, batches, "no Delta commit for an empty batch");
    world.ingest("c.json", &[txn("t3", DAY_2, 4.0)]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    assert_eq!(spend(&world).await, days(&[("2025-06-11", 3.0), ("2025-06-12", 4.0)]));
}

#[tokio::test]
async fn deleted_and_updated_rows_make_their_dates_again() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", DAY_1, 1.0), txn("t2", DAY_2, 2.0)]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    let mut silver = world.silver().await;
    let columns = silver_columns();
    let day = ["2025-06-12".to_owned()];
    let mode = Write::ReplacePartitions { column: "event_date", values: &day };
    silver.write(Rows::of(&columns, Vec::new()), mode, None, "delete").await.unwrap();
    let result = world.stream(&[]).await;
    expect(&result, "OK", 0);
    assert_eq!(spend(&world).await, days(&[("2025-06-11", 1.0)]), "the deleted day is gone from gold");
    assert_eq!(world.value("select count(*) from high_risk_txns").await, json!(1));
    let outputs: Vec<u64> = result.outputs.iter().map(|output| output.rows).collect();
    assert_eq!(outputs, [0, 0, 0], "nothing is left in the touched date");
}

#[tokio::test]
async fn a_forced_date_is_made_again_without_a_commit() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", DAY_1, 1.0)]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    let gold = world.gold().await;
    // Somebody damaged the table by hand.
    let mut spend_table = world.delta("delta/gold/user_spend_summary").await;
    let columns = spend_table.columns();
    spend_table.write(Rows::of(&columns, Vec::new()), Write::ReplaceTable, None, "damage").await.unwrap();
    assert_eq!(spend(&world).await, []);
    let forced = world.stream(&["--force_dates=2025-06-11"]).await;
    expect(&forced, "OK", 0);
    assert_eq!(world.gold().await, gold);
    expect(&world.stream(&[]).await, "IDEMPOTENT_SKIP", 0);
    expect(&world.stream(&["--force_dates=2024-02-30"]).await, "PRE_VALIDATION_FAILED", 2);
}

#[tokio::test]
async fn batch_mode_makes_given_or_all_dates_and_the_stream_goes_on() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", DAY_1, 1.0), txn("t2", DAY_2, 2.0)]).await;
    let one = world.run("enrichment-gold", &["--dates=2025-06-12"]).await;
    expect(&one, "OK", 0);
    assert_eq!(spend(&world).await, days(&[("2025-06-12", 2.0)]));
    expect(&world.run("enrichment-gold", &[]).await, "OK", 0);
    let gold = world.gold().await;
    assert_eq!(spend(&world).await, days(&[("2025-06-11", 1.0), ("2025-06-12", 2.0)]));
    expect(&world.stream(&[]).await, "OK", 0);
    assert_eq!(world.gold().await, gold);
    let elsewhere = world.run("enrichment-gold", &["--source_path=delta/nothing"]).await;
    expect(&elsewhere, "NO_SILVER_DATA", 1);
}

#[tokio::test]
async fn a_second_stream_is_refused_while_the_first_runs() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", DAY_1, 1.0)]).await;
    let lock = PartitionLock::acquire(&Partition::new(world.folder("checkpoints"), "gold"), "the-first").await.unwrap();
    let second = world.stream(&[]).await;
    expect(&second, "CONCURRENT_RUNS_EXCEEDED", 1);
    assert!(second.message.contains("the-first"), "{}", second.message);
    expect(&world.run("enrichment-gold", &[]).await, "CONCURRENT_RUNS_EXCEEDED", 1);
    lock.release().await.unwrap();
    let runs = (0..4).map(|_| world.stream(&[]));
    let codes: Vec<String> = futures::future::join_all(runs).await.into_iter().map(|result| result.code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "OK").count(), 1, "{codes:?}");
    let fine = |code: &String| ["OK", "CONCURRENT_RUNS_EXCEEDED", "IDEMPOTENT_SKIP"].contains(&code.as_str());
    assert!(codes.iter().all(fine), "{codes:?}");
    assert_eq!(world.batches().await, [(Some(0), 1); 3]);
}

#[tokio::test]
async fn silver_is_waited_for_and_its_absence_is_a_failure() {
    let world = World::new().await;
    let nothing = world.run("enrichment-gold-stream", &["--wait_retries=2", "--wait_secs=0.01"]).await;
    expect(&nothing, "NO_SILVER_DATA", 1);
    assert!(nothing.message.contains("after 0.02 s"), "{}", nothing.message);
    let columns = silver_columns();
    let folder = world.folder("delta/silver");
    workers::lake::delta::Delta::create(&folder, &columns, &["event_date"], "silver").await.unwrap();
    expect(&world.stream(&[]).await, "NO_SILVER_DATA", 1);
    let waiting = world.run("enrichment-gold-stream", &["--wait_secs=0.1", "--wait_retries=600", "--optimize=false"]);
    let coming = async { world.ingest("a.json", &[txn("t1", DAY_1, 1.0)]).await };
    let (came, ()) = tokio::join!(waiting, coming);
    expect(&came, "OK", 0);
    assert_eq!(spend(&world).await, days(&[("2025-06-11", 1.0)]));
}

#[tokio::test]
async fn another_silver_than_the_checkpoints_is_refused() {
    let world = World::new().await;
    world.ingest("a.json", &[txn("t1", DAY_1, 1.0)]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    expect(&world.run("enrichment-silver", &["--gold_read_path=delta/other"]).await, "OK", 0);
    let other = world.stream(&["--gold_read_path=delta/other"]).await;
    expect(&other, "PRE_VALIDATION_FAILED", 2);
    assert!(other.message.contains("delta/other"), "{}", other.message);
    // A table made again under the same name is at a lower version than the checkpoint has done.
    std::fs::remove_dir_all(world.place.path().join("enrichment/delta/silver")).unwrap();
    let columns = silver_columns();
    workers::lake::delta::Delta::create(&world.folder("delta/silver"), &columns, &["event_date"], "silver")
        .await
        .unwrap();
    let anew = world.stream(&[]).await;
    expect(&anew, "PRE_VALIDATION_FAILED", 2);
    assert_eq!(anew.metrics.get("batches"), None::<&Value>);
}
