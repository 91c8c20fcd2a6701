//! A client of the Step Functions API that shows answers as they are.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Why a call brought nothing.
#[derive(Debug)]
pub enum Refusal {
    /// The server said no: the exception's name and the body.
    Answer(String, Value),
    /// No or half an answer: the server is away.
    Away,
}

/// Speaks to one server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    address: String,
}

impl Client {
    pub fn new(address: &str) -> Self {
        Self { http: reqwest::Client::new(), address: address.to_owned() }
    }

    /// One call of an action.
    pub async fn call(&self, action: &str, input: &Value) -> Result<Value, Refusal> {
        let away = |_: reqwest::Error| Refusal::Away;
        let request = self.http.post(format!("http://{}/", self.address));
        let request = request.header("x-amz-target", format!("AWSStepFunctions.{action}"));
        let request = request.header("content-type", "application/x-amz-json-1.0").body(input.to_string());
        let answer = request.timeout(Duration::from_secs(70)).send().await.map_err(away)?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(away)?;
        if status.is_success() {
            return Ok(body);
        }
        if status.is_server_error() {
            return Err(Refusal::Away);
        }
        let name = body["__type"].as_str().unwrap_or_default();
        Err(Refusal::Answer(name.rsplit('#').next().unwrap_or_default().to_owned(), body))
    }

    /// One call that must succeed, made again while the server is away.
    pub async fn must(&self, action: &str, input: Value) -> Value {
        until(&format!("{action} is answered"), Duration::from_secs(30), || async {
            match self.call(action, &input).await {
                Ok(answer) => Some(answer),
                Err(Refusal::Away) => None,
                Err(Refusal::Answer(name, body)) => panic!("{action} of {input}: {name}: {body}"),
            }
        })
        .await
    }

    /// Makes a machine; its ARN.
    pub async fn machine(&self, name: &str, definition: &Value) -> String {
        let role = "arn:aws:iam::123456789012:role/test";
        let input = json!({ "name": name, "definition": definition.to_string(), "roleArn": role });
        let made = self.must("CreateStateMachine", input).await;
        made["stateMachineArn"].as_str().expect("an ARN").to_owned()
    }

    /// Starts an execution once, however often the server dies meanwhile; its ARN.
    pub async fn start(&self, machine: &str, name: &str, input: &Value) -> String {
        let request = json!({ "stateMachineArn": machine, "name": name, "input": input.to_string() });
        until(&format!("{name} is started"), Duration::from_secs(30), || async {
            match self.call("StartExecution", &request).await {
                Ok(started) => Some(started["executionArn"].as_str().expect("an ARN").to_owned()),
                // The answer to an earlier try was lost, and the execution has ended since.
                Err(Refusal::Answer(error, _)) if error == "ExecutionAlreadyExists" => {
                    Some(format!("{}:{name}", machine.replace(":stateMachine:", ":execution:")))
                }
                Err(Refusal::Away) => None,
                Err(refusal) => panic!("{name}: {refusal:?}"),
            }
        })
        .await
    }

    /// The execution as it ended.
    pub async fn ended(&self, execution: &str, within: Duration) -> Value {
        until(&format!("{execution} ends"), within, || async {
            let now = self.must("DescribeExecution", json!({ "executionArn": execution })).await;
            (now["status"] != "RUNNING").then_some(now)
        })
        .await
    }

    /// The whole history, page by page.
    pub async fn history(&self, execution: &str) -> Vec<Value> {
        self.pages("GetExecutionHistory", json!({ "executionArn": execution, "maxResults": 7 }), "events").await
    }

    /// All items of a list, page by page.
    pub async fn pages(&self, action: &str, mut input: Value, items: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let page = self.must(action, input.clone()).await;
            all.extend(page[items].as_array().expect("a list").iter().cloned());
            match page.get("nextToken").and_then(Value::as_str) {
                Some(token) => input["nextToken"] = token.into(),
                None => return all,
            }
        }
    }

    /// Waits until a worker has registered `activity`.
    pub async fn served(&self, activity: &str) {
        let arn = format!("arn:aws:states:us-east-1:123456789012:activity:{activity}");
        until(&format!("{activity} is served"), Duration::from_secs(30), || async {
            self.call("DescribeActivity", &json!({ "activityArn": arn })).await.ok()
        })
        .await;
    }
}

/// Waits for `condition` to give something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, within: Duration, condition: impl Fn() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(began.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
