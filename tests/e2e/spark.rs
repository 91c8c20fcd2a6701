//! The fact-sales pipeline with its heavy job bound to Spark: the same state machine, the same request, the same table.

use serde_json::{Value, json};

use crate::support::{Site, WAIT_MAX, root, until};

#[path = "../support/spark_server.rs"]
mod spark_server;

use spark_server::SparkServer;

const PIPELINE: &str = "fact-sales";
const JOB: &str = "gold-fact-sales-compaction";

/// The repository's pipeline with the job bound to Spark, and nothing else changed.
fn bound_to_spark() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = root().join("state-machines");
    for name in ["fact-sales.asl.json", "fact-sales.toml"] {
        std::fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    let sheet = folder.path().join("fact-sales.toml");
    let text = std::fs::read_to_string(&sheet).unwrap();
    let bound = text
        .replace(&format!("\"{JOB}\", "), "")
        .replace("[bindings]\n", &format!("[bindings]\nspark = [\"{JOB}\"]\n"));
    assert_ne!(bound, text);
    std::fs::write(&sheet, bound).unwrap();
    folder
}

fn deliver(site: &Site, name: &str, rows: &str) {
    let folder = site.lake().join("dev-sales/raw");
    std::fs::create_dir_all(&folder).unwrap();
    let header = "transaction_id,store_id,timestamp,item_id,quantity,unit_price,revenue";
    std::fs::write(folder.join(name), format!("{header}\n{rows}")).unwrap();
}

async fn start(site: &Site, body: Value) -> String {
    let (status, _, started) = site.ask(PIPELINE, &body).await;
    assert_eq!(status, 202, "{started}");
    started["execution_arn"].as_str().unwrap().to_owned()
}

async fn logs(site: &Site, arn: &str) -> String {
    let (_, lines) = site.get(&format!("/api/v1/executions/{arn}/logs")).await;
    lines["items"].as_array().unwrap().iter().filter_map(|line| line["text"].as_str()).collect::<Vec<_>>().join("\n")
}

async fn rows(site: &Site, ds: &str) -> Value {
    let (_, list) = site.get(&format!("/api/v1/pipelines/{PIPELINE}/partitions?from={ds}&to={ds}")).await;
    list["items"][0]["rows"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_bound_to_spark_waits_for_a_worker_with_an_endpoint_and_runs_there() {
    let spark = tokio::task::spawn_blocking(SparkServer::start).await.unwrap();
    let machines = bound_to_spark();
    let mut site = Site::on(tempfile::tempdir().unwrap(), machines.path()).await;
    site.start_worker(&[]);
    deliver(
        &site,
        "a.csv",
        "T1,S1,2024-12-07 10:00,I1,2,2.50,5.00\nT1,S1,2024-12-07 10:00,I1,2,2.50,5.00\nT2,S1,2024-12-07 11:00,I1,1,0.1,0.1\n",
    );
    let arn = start(&site, json!({ "ds": "2024-12-07" })).await;
    // This worker has no endpoint, and says nothing of the job: the page tells what is missing.
    until("the task waits for a worker with Spark", WAIT_MAX, || async {
        let page = reqwest::get(format!("{}/executions/{arn}", site.url)).await.unwrap().text().await.unwrap();
        let why = page.contains(&format!("no worker serves dev-{JOB}.spark")) && page.contains("--spark-remote");
        why.then_some(())
    })
    .await;
    site.start_worker(&["--spark-remote", &spark.remote]);
    let ended = site.ended(&arn).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    let said = logs(&site, &arn).await;
    assert_eq!(
        said.matches("Connected to Spark at").count(),
        1,
        "one partition, one session; ingestion has none: {said}"
    );
    assert_eq!(rows(&site, "2024-12-07").await, 2, "the duplicate is gone");

    // What goes wrong there fails the run with what helps.
    drop(spark);
    deliver(&site, "b.csv", "T3,S1,2024-12-08 10:00,I1,2,2.50,5.00\n");
    let failed = site.ended(&start(&site, json!({ "ds": "2024-12-08" })).await).await;
    assert_eq!(failed["status"], "FAILED", "{failed:#}");
    let cause = failed["cause"].as_str().unwrap();
    assert!(cause.contains("SPARK_UNAVAILABLE") && cause.contains("--spark-remote"), "{failed:#}");
}
