//! What goes wrong on the server, or on the way there, is passed on with what helps.

use workers::job::{Code, run_job_on_spark};
use workers::query::{Kind, column};

use super::{SparkServer, World, expect, query};

/// Nobody listens there.
const NOWHERE: &str = "sc://127.0.0.1:1/;token=secret";

async fn compact(world: &World, remote: &str, job: &str) -> workers::job::JobResult {
    let folder = world.folder("sales", "processed/date=2024-12-07");
    let rows = query(&world.lake, None);
    let columns = [column("transaction_id", Kind::Text)];
    let rows = rows.stream("select 'T1' as transaction_id", &[], &columns).await.unwrap().collect().await.unwrap();
    let mut bytes = Vec::new();
    let mut writer = deltalake::parquet::arrow::ArrowWriter::try_new(&mut bytes, rows[0].schema(), None).unwrap();
    writer.write(&rows[0]).unwrap();
    writer.close().unwrap();
    folder.put("a.parquet", bytes).await.unwrap();
    let line =
        ["--processed_path=s3://sales/processed/", "--gold_path=s3://curated/gold/", "--audit_path=s3://sales/audit"];
    run_job_on_spark(world.lake.clone(), remote, job, &line.map(str::to_owned)).await
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_and_the_job_may_be_tried_again() {
    let world = World::new().await;
    let result = compact(&world, NOWHERE, "gold-fact-sales-compaction").await;
    expect(&result, "SPARK_UNAVAILABLE", 1);
    assert!(Code::SparkUnavailable.is_retryable());
    for part in ["127.0.0.1:1", "--spark-remote"] {
        assert!(result.message.contains(part), "{}", result.message);
    }
    assert!(!format!("{result:?}").contains("secret"), "tokens are not shown");
    assert!(
        world.folder("curated", "gold").objects().await.unwrap().iter().all(|object| object.name.contains("_locks"))
    );
}

#[tokio::test]
async fn jobs_and_addresses_that_cannot_be_are_refused_before_anything_happens() {
    let world = World::new().await;
    let result = compact(&world, NOWHERE, "silver-to-gold-star-schema").await;
    expect(&result, "PRE_VALIDATION_FAILED", 2);
    for part in ["does not run on Spark", "[bindings] spark", "gold-fact-sales-compaction"] {
        assert!(result.message.contains(part), "{}", result.message);
    }
    let result = compact(&world, "127.0.0.1:15002", "gold-fact-sales-compaction").await;
    expect(&result, "PRE_VALIDATION_FAILED", 2);
    assert!(result.message.contains("sc://127.0.0.1:15002"), "an example: {}", result.message);
}

#[tokio::test]
async fn what_the_server_says_is_passed_on_with_the_statement() {
    let spark = SparkServer::start();
    let world = World::new().await;
    let query = query(&world.lake, Some(&spark));
    let endpoint = spark.remote.trim_start_matches("sc://").split('/').next().unwrap();
    for (sql, part) in [
        ("select * from nowhere", "nowhere"),
        ("select raise_error('out of stock')", "out of stock"),
        ("select from where", "select from where"),
    ] {
        let error = query.json(sql, &[]).await.unwrap_err();
        assert_eq!(error.code, Code::UnexpectedError, "{error}");
        assert!(error.message.contains(part) && error.message.contains(endpoint), "{error}");
        assert!(error.message.contains("the statement `select") && !error.message.contains('\n'), "{error}");
    }
    // In the middle of rows.
    let sql = "select case when id < 500000 then id else raise_error('out of stock') end as n from range(1000000)";
    let columns = [column("n", Kind::Int64)];
    let error = match query.stream(sql, &[], &columns).await {
        Err(error) => error,
        Ok(rows) => workers::job::JobError::from(rows.collect().await.unwrap_err()),
    };
    assert!(error.message.contains("out of stock") && error.code == Code::UnexpectedError, "{error}");
    // The session lives on.
    assert_eq!(query.json("select 1 as one", &[]).await.unwrap()[0]["one"], 1);
}

#[tokio::test]
async fn files_that_spark_would_pass_by_are_refused() {
    let spark = SparkServer::start();
    let world = World::new().await;
    let folder = world.folder("b", "t");
    folder.put("_a.parquet", "anything").await.unwrap();
    let query = query(&world.lake, Some(&spark));
    let error = query.parquet("t", &folder, &["_a.parquet".to_owned()], None).await.unwrap_err();
    assert_eq!(error.code, Code::SchemaValidationFailed, "{error}");
    assert!(error.message.contains("_a.parquet") && error.message.contains("hidden"), "{error}");
    folder.put("a.parquet", "torn").await.unwrap();
    let error = query.parquet("t", &folder, &["a.parquet".to_owned()], None).await.unwrap_err();
    assert_eq!(error.code, Code::SchemaValidationFailed, "{error}");
}
