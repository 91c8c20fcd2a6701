//! Places that get into each other's way are refused before anything is touched.

use super::world::{Txn, World, expect};

#[tokio::test]
async fn a_table_shares_its_place_with_nothing() {
    let world = World::new().await;
    world.ingest("a.json", &[Txn::default()]).await;
    expect(&world.stream(&[]).await, "OK", 0);
    let names = async || {
        let objects = world.folder("").objects().await.unwrap();
        objects.into_iter().map(|object| object.name).collect::<Vec<_>>()
    };
    let before = names().await;
    for (job, argument, said) in [
        ("enrichment-silver", "--silver_bad_records_path=raw/stream_input", "the raw data"),
        ("enrichment-silver", "--silver_bad_records_path=delta/silver/bad", "silver"),
        ("enrichment-silver", "--gold_read_path=raw/stream_input/silver", "the raw data"),
        ("enrichment-gold-stream", "--gold_bad_records_path=delta/gold/user_spend_summary", "user_spend_summary"),
        ("enrichment-gold-stream", "--gold_check_point_path=delta/silver/checkpoint", "the checkpoint"),
        ("enrichment-gold-stream", "--log_path=delta/gold/high_risk_txns/logs", "the log"),
        ("enrichment-gold-stream", "--gold_write_path_spend_summary=delta/silver/gold", "user_spend_summary"),
        ("enrichment-gold", "--source_path=delta/gold/high_risk_txns", "high_risk_txns"),
        ("enrichment-gold", "--gold_write_path_high_risk_txns=delta", "high_risk_txns"),
        ("enrichment-maintenance", "--gold_write_path_high_risk_txns=delta/gold", "high_risk_txns"),
    ] {
        let refused = world.run(job, &[argument]).await;
        expect(&refused, "PRE_VALIDATION_FAILED", 2);
        let told = refused.message.contains(said) && refused.message.contains("overlap");
        assert!(told, "{job} {argument}: {}", refused.message);
        assert_eq!(names().await, before, "{job} {argument}");
    }
}
