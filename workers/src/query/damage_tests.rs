//! Files that are not what their writer wrote.

use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};

use super::tests::{names, place};
use super::*;

#[tokio::test]
async fn a_file_with_damaged_pages_is_named_by_whoever_reads_it() {
    let place = place();
    place.put("whole.parquet", vec![("n", Arc::new(Int64Array::from_iter_values(0..1_000)))]).await;
    let mut bytes = place.folder().get("whole.parquet").await.unwrap().to_vec();
    bytes[4..400].fill(0xaa);
    place.folder().put("damaged.parquet", bytes).await.unwrap();
    let both = names(&["damaged.parquet", "whole.parquet"]);
    place.query.parquet("t", &place.folder(), &both, None).await.unwrap();
    for sql in ["select * from t", "select sum(n) as n from t", "select count(*) as n from t where n > 3"] {
        let error = place.query.json(sql, &[]).await.unwrap_err();
        assert_eq!(error.code, Code::SchemaValidationFailed, "{sql}: {error}");
        assert!(error.message.contains("some table/damaged.parquet` as Parquet"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn whatever_bit_of_a_file_is_wrong_the_file_is_to_blame() {
    let place = place();
    let words: Vec<Option<String>> = (0..500).map(|n| (n % 7 > 0).then(|| format!("word {}", n % 11))).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int64Array::from_iter_values(0..500))),
        ("x", Arc::new(Float64Array::from_iter_values((0..500).map(|n| f64::from(n) / 3.0)))),
        ("flag", Arc::new(BooleanArray::from_iter((0..500).map(|n| Some(n % 3 == 0))))),
        ("word", Arc::new(StringArray::from_iter(words))),
    ];
    place.put("t.parquet", columns).await;
    let whole = place.folder().get("t.parquet").await.unwrap();
    let mut refused = 0;
    for n in 0..400 {
        let mut bytes = whole.to_vec();
        let at = 4 + n * 7_919 % (bytes.len() - 12);
        bytes[at] ^= 1 << (n % 8);
        place.folder().put("t.parquet", bytes).await.unwrap();
        // A session of its own: footers are cached.
        let query = Query::new(&JobContext::detached(place.lake.clone(), "test")).unwrap();
        let read = async {
            query.parquet("t", &place.folder(), &names(&["t.parquet"]), None).await?;
            query.json("select * from t order by n", &[]).await
        };
        if let Err(error) = read.await {
            refused += 1;
            assert_eq!(error.code, Code::SchemaValidationFailed, "bit {} of byte {at}: {error}", n % 8);
            assert!(error.message.contains("t.parquet"), "bit {} of byte {at}: {error}", n % 8);
        }
    }
    // Most bits are of values, which are other values then: pages carry no checksum.
    assert!(refused > 20, "{refused} of 400");
}
