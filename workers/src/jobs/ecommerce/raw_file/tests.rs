use super::*;
use crate::lake::Lake;

const INCOMING: &str = "raw/orders/a.csv";
const BEGUN: &str = "raw/processing/orders/a.csv";

async fn raw_files() -> (tempfile::TempDir, RawFiles) {
    let place = tempfile::tempdir().unwrap();
    let bucket = Lake::at(place.path().to_str().unwrap()).unwrap().folder("shop", "").unwrap();
    bucket.put(INCOMING, "first").await.unwrap();
    (place, RawFiles { bucket, dataset: "orders", run_id: "run-1".to_owned() })
}

async fn names(raw: &RawFiles) -> Vec<String> {
    raw.bucket.objects().await.unwrap().into_iter().map(|object| object.name).collect()
}

#[tokio::test]
async fn a_file_is_begun_as_it_is_then_and_not_as_it_was_listed() {
    let (_place, raw) = raw_files().await;
    let listed = raw.waiting().await.unwrap().remove(0);
    raw.bucket.put(INCOMING, "delivered again").await.unwrap();
    let begun = raw.begin(listed).await.unwrap().unwrap();
    assert_eq!((begun.size_bytes(), begun.object().size_bytes), (15, 15));
    assert_eq!(raw.bucket.get(BEGUN).await.unwrap(), "delivered again");
    assert_eq!(names(&raw).await, [BEGUN, "raw/processing/orders/a.csv.status.json"]);
}

#[tokio::test]
async fn a_file_that_was_taken_away_leaves_what_was_begun_before_by_its_name() {
    let (_place, raw) = raw_files().await;
    let listed = raw.waiting().await.unwrap().remove(0);
    raw.bucket.delete(INCOMING).await.unwrap();
    assert!(raw.begin(listed.clone()).await.unwrap().is_none());
    assert_eq!(names(&raw).await, [""; 0]);
    raw.bucket.put(BEGUN, "begun").await.unwrap();
    assert_eq!(raw.begin(listed).await.unwrap().unwrap().size_bytes(), 5);
    assert_eq!(raw.bucket.get(BEGUN).await.unwrap(), "begun");
}

#[tokio::test]
async fn a_file_that_changed_after_it_was_begun_waits_again() {
    let (_place, raw) = raw_files().await;
    let listed = raw.waiting().await.unwrap().remove(0);
    let begun = raw.begin(listed).await.unwrap().unwrap();
    assert!(raw.is_unchanged(&begun).await.unwrap());
    raw.bucket.put(BEGUN, "written meanwhile").await.unwrap();
    assert!(!raw.is_unchanged(&begun).await.unwrap());
    assert!(!raw.succeed(&begun).await.unwrap());
    let waiting = raw.waiting().await.unwrap();
    assert_eq!(waiting.iter().map(RawFile::size_bytes).collect::<Vec<_>>(), [17]);
    let begun = raw.begin(waiting[0].clone()).await.unwrap().unwrap();
    assert!(raw.succeed(&begun).await.unwrap());
    assert_eq!(raw.bucket.get("raw/processed/orders/a.csv").await.unwrap(), "written meanwhile");
}

#[tokio::test]
async fn a_side_file_without_its_file_is_removed() {
    let (_place, raw) = raw_files().await;
    let listed = raw.waiting().await.unwrap().remove(0);
    raw.begin(listed).await.unwrap();
    raw.bucket.delete(BEGUN).await.unwrap();
    assert_eq!(raw.waiting().await.unwrap().len(), 0);
    assert_eq!(names(&raw).await, [""; 0]);
}
