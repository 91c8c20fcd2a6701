//! Raw files and lookups that are small until they are read. Source: pipelines.md 6.2, column 4.

use serde_json::json;

use super::super::bomb::{gzip, gzip_of_a_long_line, within_mib};
use super::super::support::{MIB, refused_with_32_mib};
use super::world::{ROOT, Txn, World, expect};

#[tokio::test]
async fn long_rows_are_taken_to_silver_in_bounded_memory() {
    const ROWS: usize = 250;
    let world = World::new().await;
    // Almost as long as a row may be.
    let line = Txn::default().line().replace("Austin", &"x".repeat(1_000_000));
    let bytes = gzip(line.as_bytes(), ROWS);
    assert!(bytes.len() < 4 << 20, "{} bytes are small", bytes.len());
    world.folder("raw/stream_input").put("long.json.gz", bytes).await.unwrap();
    let result = within_mib(MIB, world.run("enrichment-silver", &[])).await;
    expect(&result, "OK", 0);
    assert_eq!(world.value("select count(*) from silver").await, json!(ROWS));
    let again = world.run("enrichment-silver", &[]).await;
    assert_eq!(again.metrics["files_known"], 1, "all its pieces are in: {}", again.message);
    assert_eq!(world.value("select count(*) from silver").await, json!(ROWS));
}

#[tokio::test]
async fn a_lookup_out_of_proportion_is_refused_by_its_name_and_silver_stays() {
    let world = World::new().await;
    world.ingest("a.json", &[Txn::default()]).await;
    world.put("raw/stream_input/b.json", &Txn { id: "t2", ..Txn::default() }.line()).await;
    let lookups = world.folder("lookups");
    lookups.delete("users_lookup.csv").await.unwrap();
    let header = "user_id,country,user_status\n";
    for (name, bytes, part) in [
        ("a line", gzip_of_a_long_line(header), "begins in line 2 exceeds RECORD_BYTES_MAX"),
        (
            "rows",
            [gzip(header.as_bytes(), 1), gzip("U,D,A\n".repeat(200_000).as_bytes(), 40)].concat(),
            "the memory that the rows up to here take, in MiB, exceeds STEPWELL_READ_MEMORY_MIB = 32",
        ),
        ("no gzip", b"this is no gzip".to_vec(), "cannot be read as CSV"),
    ] {
        lookups.put("users_lookup.csv.gz", bytes).await.unwrap();
        let lake = world.place.path().to_str().unwrap();
        let message = refused_with_32_mib(lake, "enrichment-silver", &[&format!("--root={ROOT}")]);
        assert!(message.contains("users_lookup.csv.gz`"), "{name}: {message}");
        assert!(message.contains(part), "{name}: {message}");
        assert_eq!(world.value("select count(*) from silver").await, json!(1), "{name}");
    }
}
