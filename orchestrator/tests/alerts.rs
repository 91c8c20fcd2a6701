//! Alerts against a stand-in for AWS (moto's server): a failed run is told to SNS, also when the server was down, and
//! without AWS it is recorded.
#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure that is wanted")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use aws::{CloudWatch, Config, Notifications, Settings as AwsSettings, Sns};
use orchestrator::alert::{Delivery, JobMetrics, Settings};
use orchestrator::integration::Services;
use orchestrator::store::{self, Delivery as State};
use serde_json::{Value, json};

use support::{App, Options, job_failure};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:dev-data-platform-alerts";

/// The programs of the virtual environment.
fn venv() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support/venv.sh");
    let output = Command::new(script).output().expect("tests/support/venv.sh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Moto's server with a topic and a queue that hears it.
struct Moto {
    server: Child,
    url: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

impl Moto {
    /// At any port, or at the one that an earlier server had.
    fn start(port: u16) -> Self {
        let mut server = Command::new(format!("{}/python", venv()))
            .args([concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support/moto_server.py"), &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let mut first = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let url = first.trim().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "moto did not start: {url}");
        let moto = Self { server, url };
        moto.ask(TOPIC_AND_QUEUE);
        moto
    }

    fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// What a script that knows `client(service)` prints, as JSON.
    fn ask(&self, script: &str) -> Value {
        let prelude = "import boto3,json,sys\nclient=lambda s: boto3.client(s,endpoint_url=sys.argv[1],region_name='us-east-1',aws_access_key_id='x',aws_secret_access_key='x')\n";
        let output = Command::new(format!("{}/python", venv()))
            .args(["-c", &format!("{prelude}{script}"), &self.url])
            .output()
            .expect("python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the script prints JSON")
    }

    /// The messages that have come to the queue so far, as SNS wrapped them.
    fn messages(&self) -> Vec<Value> {
        let heard = self.ask(
            "
q=client('sqs'); url=q.get_queue_url(QueueName='ops')['QueueUrl']; found=[]
while True:
    got=q.receive_message(QueueUrl=url,MaxNumberOfMessages=10,VisibilityTimeout=0,WaitTimeSeconds=0).get('Messages',[])
    new=[m for m in got if m['MessageId'] not in [f['MessageId'] for f in found]]
    found+=new
    if not new: break
print(json.dumps([json.loads(m['Body']) for m in found]))",
        );
        heard.as_array().unwrap().clone()
    }

    /// Daily prices, whose `sns:publish` goes here.
    async fn app(&self) -> (App, Arc<dyn Notifications>) {
        let sns: Arc<dyn Notifications> = Arc::new(Sns::new(&self.config().await));
        let services = Services { sns: Some(sns.clone()), ..Services::default() };
        (App::daily_prices(Options { services, ..Options::default() }).await, sns)
    }

    async fn config(&self) -> Config {
        Config::load(&AwsSettings { region: Some("us-east-1".to_owned()), endpoint_url: Some(self.url.clone()) }).await
    }
}

/// A topic and a queue that hears it.
const TOPIC_AND_QUEUE: &str = "
url = client('sqs').create_queue(QueueName='ops')['QueueUrl']
client('sns').create_topic(Name='dev-data-platform-alerts')
client('sns').subscribe(TopicArn='arn:aws:sns:us-east-1:123456789012:dev-data-platform-alerts', Protocol='sqs', Endpoint='arn:aws:sqs:us-east-1:123456789012:ops')
print(json.dumps(url))";

async fn failing_app(options: Options) -> App {
    let app = App::daily_prices(options).await;
    app.serve_daily_prices(|name, _| {
        (name == "daily-prices-data-etl").then(|| Err(job_failure("DQ_FAILED", "12 % critical records")))
    })
    .await;
    app
}

async fn run(app: &App) -> store::ExecutionRecord {
    let arn = app.actions.run("daily-prices", "2024-12-06", false, "dashboard").await.unwrap();
    app.ended(&arn).await
}

async fn outbox(app: &App) -> Vec<store::OutboxMessage> {
    app.store().outbox(100).await.unwrap()
}

/// Delivers in the background, as the server does.
fn deliver(app: &App, sns: Option<Arc<dyn Notifications>>) -> Delivery {
    let delivery = Delivery::new(app.engine.clone(), sns, None);
    let loops = delivery.clone();
    let shutdown = app.engine.shutdown().clone();
    tokio::spawn(async move { loops.run(shutdown).await });
    delivery
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_told_to_sns_once() {
    let moto = Moto::start(0);
    let sns: Arc<dyn Notifications> = Arc::new(Sns::new(&moto.config().await));
    let app = failing_app(Options {
        services: Services { sns: Some(sns.clone()), ..Services::default() },
        ..Options::default()
    })
    .await;
    deliver(&app, Some(sns));
    let record = run(&app).await;
    assert_eq!(record.error.as_deref(), Some("DQ_FAILED"));
    let heard = moto.messages();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let told: Value = serde_json::from_str(heard[0]["Message"].as_str().unwrap()).unwrap();
    assert_eq!(
        told["error"],
        json!({ "code": "DQ_FAILED", "message": "DQ_FAILED: 12 % critical records", "partition": "2024-12-06" })
    );
    assert_eq!((&told["state"], &told["execution"]), (&json!("Transform"), &json!(record.arn)));
    assert_eq!(outbox(&app).await.len(), 0, "the machine has told it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_could_not_tell_is_told_by_the_server() {
    let moto = Moto::start(0);
    let (app, sns) = moto.app().await;
    app.activity("dev-daily-prices-preflight").await;
    deliver(&app, Some(sns));
    let arn = app.actions.run("daily-prices", "2024-12-06", false, "dashboard").await.unwrap();
    app.actions.stop(&arn, Some("wrong day")).await.unwrap();
    app.until("it is delivered", async || outbox(&app).await.pop().filter(|message| message.delivery == State::Sent))
        .await;
    let heard = moto.messages();
    assert_eq!((heard.len(), &heard[0]["Subject"]), (1, &json!("daily-prices 2024-12-06 was stopped: Stopped")));
    let told: Value = serde_json::from_str(heard[0]["Message"].as_str().unwrap()).unwrap();
    for (field, expected) in [
        ("pipeline", json!("daily-prices")),
        ("ds", json!("2024-12-06")),
        ("status", json!("ABORTED")),
        ("state", json!("Preflight")),
        ("error", json!("Stopped")),
        ("cause", json!("wrong day")),
        ("environment", json!("dev")),
        ("link", json!(format!("http://127.0.0.1:8083/executions/{arn}"))),
    ] {
        assert_eq!(told[field], expected, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_goes_on_with_alarms_is_told_once() {
    let moto = Moto::start(0);
    let (app, sns) = moto.app().await;
    let queue = app.activity("dev-daily-prices-preflight").await;
    deliver(&app, Some(sns));
    let arn = app.actions.run("daily-prices", "2024-12-06", false, "dashboard").await.unwrap();
    let task = app.engine.take(&queue, Some("w"), support::DEADLINE).await.unwrap().unwrap();
    let report = |status: &str| {
        let alarms = json!([
            { "severity": "low", "text": "trend: rows of `t`" },
            { "severity": "high", "text": "reference of `t`: 2 % unknown" },
        ]);
        json!({
            "taskToken": task.token.as_str(),
            "result": { "job": "some-job", "status": status, "metrics": { "alarms": alarms }, "warnings": [] },
        })
    };
    // The failure of a job is its run's alert; a report may be sent again.
    for status in ["FAILED", "SUCCEEDED", "SUCCEEDED"] {
        let (status, body) = app.call("POST", "/api/v1/tasks/report", Some(report(status))).await;
        assert_eq!(status, 204, "{body}");
    }
    app.until("it is delivered", async || outbox(&app).await.pop().filter(|message| message.delivery == State::Sent))
        .await;
    assert_eq!(outbox(&app).await.len(), 1);
    let heard = moto.messages();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0]["Subject"], "daily-prices 2024-12-06 alarm high: reference of `t`: 2 % unknown");
    let told: Value = serde_json::from_str(heard[0]["Message"].as_str().unwrap()).unwrap();
    for (field, expected) in [
        ("pipeline", json!("daily-prices")),
        ("ds", json!("2024-12-06")),
        ("status", json!("PUBLISHED_WITH_ALARMS")),
        ("severity", json!("high")),
        ("state", json!("Preflight")),
        ("job", json!("some-job")),
        ("alarmsInAll", json!(2)),
        ("link", json!(format!("http://127.0.0.1:8083/executions/{arn}"))),
    ] {
        assert_eq!(told[field], expected, "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_server_down_the_alert_waits_until_it_is_back() {
    let moto = Moto::start(0);
    let (port, config) = (moto.port(), moto.config().await);
    drop(moto);
    let sns: Arc<dyn Notifications> = Arc::new(Sns::new(&config));
    let app = failing_app(Options {
        services: Services { sns: Some(sns.clone()), ..Services::default() },
        ..Options::default()
    })
    .await;
    let delivery = Delivery::new(app.engine.clone(), Some(sns), None);
    let record = run(&app).await;
    assert_eq!(record.error.as_deref(), Some("DQ_FAILED"), "its notification failed, its error is what it was");
    assert_eq!(delivery.deliver_due().await.unwrap(), 1);
    let waiting = outbox(&app).await.pop().unwrap();
    assert_eq!((waiting.delivery, waiting.attempts), (State::Pending, 1), "{:?}", waiting.note);
    assert!(waiting.note.unwrap().contains("cannot be reached"));

    let moto = Moto::start(port);
    let loops = delivery.clone();
    let shutdown = app.engine.shutdown().clone();
    tokio::spawn(async move { loops.run(shutdown).await });
    app.until("it is delivered", async || outbox(&app).await.pop().filter(|message| message.delivery == State::Sent))
        .await;
    let heard = moto.messages();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let told: Value = serde_json::from_str(heard[0]["Message"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&told["error"], &told["state"], &told["ds"]),
        (&json!("DQ_FAILED"), &json!("Transform"), &json!("2024-12-06"))
    );
    assert!(heard[0]["MessageAttributes"]["DeduplicationId"]["Value"].is_string(), "{heard:?}");
}

#[tokio::test]
async fn without_aws_alerts_are_recorded_and_nothing_fails() {
    let app = failing_app(Options::default()).await;
    deliver(&app, None);
    let record = run(&app).await;
    assert_eq!(record.error.as_deref(), Some("DQ_FAILED"));
    let settled = app
        .until("it is settled", async || outbox(&app).await.pop().filter(|message| message.delivery != State::Pending))
        .await;
    assert_eq!((settled.delivery, settled.payload["topic_arn"].as_str()), (State::NotConfigured, Some(TOPIC)));
    let (_, shown) = app.call("GET", "/api/v1/outbox", None).await;
    assert_eq!(shown["items"][0]["delivery"], "NOT_CONFIGURED");
    assert_eq!(shown["items"][0]["note"], "no sns is configured on this server");
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_and_jobs_are_measured_in_cloudwatch() {
    let moto = Moto::start(0);
    let cloudwatch = Arc::new(CloudWatch::new(&moto.config().await));
    let settings = Settings { cloudwatch_namespace: Some("Stepwell".to_owned()), ..Settings::default() };
    let app = failing_app(Options { settings, ..Options::default() }).await;
    let delivery = Delivery::new(app.engine.clone(), None, Some(cloudwatch.clone()));
    let record = run(&app).await;
    while delivery.deliver_due().await.unwrap() > 0 {}
    for message in outbox(&app).await.iter().filter(|message| message.channel == "cloudwatch") {
        assert_eq!(message.delivery, State::Sent, "{:?}", message.note);
    }
    let metrics = JobMetrics::default();
    let report = json!({ "status": "SUCCEEDED", "duration_ms": 1200, "outputs": [{ "rows": 4, "bytes": 9 }], "metrics": { "records": 5 } });
    metrics.note("daily-prices-data-etl", &report, record.started_at);
    metrics.flush(cloudwatch.as_ref(), "Stepwell").await;

    let found = moto.ask(
        "print(json.dumps(sorted({(m['MetricName'], tuple(sorted(d['Name'] for d in m['Dimensions']))) for m in client('cloudwatch').list_metrics(Namespace='Stepwell')['Metrics']})))",
    );
    for expected in [
        json!(["ExecutionsStarted", []]),
        json!(["ExecutionsFailed", ["StateMachineArn"]]),
        json!(["ExecutionTime", ["StateMachineArn"]]),
        json!(["JobTime", ["JobName"]]),
        json!(["JobAlarms", ["JobName"]]),
        json!(["RowsWritten", ["JobName"]]),
        json!(["records", ["JobName"]]),
    ] {
        assert!(found.as_array().unwrap().contains(&expected), "{expected} is not in {found}");
    }
}
