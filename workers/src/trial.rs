//! Jobs and functions that test the worker itself: they sleep, fail, crash and eat memory on request.
//!
//! Served only with the hidden `--with-test-jobs`. They touch no data.

use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use serde_json::{Value, json};

use crate::function::{Function, FunctionError};
use crate::job::usage;

/// The jobs, by registry name.
pub(crate) const JOBS: [&str; 8] =
    ["test-echo", "test-sleep", "test-litter", "test-fail", "test-flaky", "test-memory", "test-abort", "test-mute"];

/// How often `test-sleep` writes a line.
const LINE_EVERY: Duration = Duration::from_millis(200);
/// Nothing here may hang a test machine.
const SECONDS_MAX: f64 = 3_600.0;

/// Runs a test job in this process, as `stepwell job` does; `None` if there is none of this name.
///
/// * `test-echo --x=y …`: succeeds; its metrics are its arguments, its environment's `STEPWELL_*`, its process id
///   and, like every job's, its peak memory.
/// * `test-sleep --seconds=n`: writes a line every 200 ms, then succeeds.
/// * `test-litter --seconds=n`: the same with a temporary file that it names and leaves.
/// * `test-fail --code=X --message=m`: fails.
/// * `test-flaky --marker=path --code=X`: fails if there is no such file, which it then makes; else succeeds.
/// * `test-memory --mib=n`: holds so much memory for a while, then succeeds.
/// * `test-abort`: dies by SIGABRT after a line. `test-mute`: exits 0 without a result.
pub(crate) fn run(name: &str, words: &[String]) -> Option<ExitCode> {
    let arguments: HashMap<&str, &str> =
        words.iter().filter_map(|word| word.strip_prefix("--")?.split_once('=')).collect();
    let seconds = || arguments.get("seconds").and_then(|text| text.parse::<f64>().ok()).unwrap_or(1.0).min(SECONDS_MAX);
    let code = arguments.get("code").copied().unwrap_or("UNEXPECTED_ERROR");
    Some(match name {
        "test-echo" => {
            let variables = std::env::vars().filter(|(name, _)| name.starts_with("STEPWELL_"));
            let environment: HashMap<String, String> = variables.collect();
            let metrics = json!({
                "arguments": arguments, "environment": environment, "pid": std::process::id(),
                "peak_memory_bytes": usage().peak_memory_bytes,
            });
            end(name, "SUCCEEDED", None, "", metrics)
        }
        "test-sleep" | "test-litter" => {
            say(&format!("pid {}", std::process::id()));
            if name == "test-litter" {
                let left = std::env::temp_dir().join(format!("stepwell-test-{}", std::process::id()));
                match std::fs::write(&left, "litter") {
                    Ok(()) => say(&format!("left {}", left.display())),
                    Err(error) => {
                        return Some(end(name, "FAILED", Some("STORAGE_ERROR"), &error.to_string(), json!({})));
                    }
                }
            }
            let began = Instant::now();
            let mut line = 0;
            while began.elapsed().as_secs_f64() < seconds() {
                line += 1;
                say(&format!("line {line}"));
                std::thread::sleep(LINE_EVERY.min(Duration::from_secs_f64(seconds())));
            }
            end(name, "SUCCEEDED", None, "", json!({ "lines": line }))
        }
        "test-fail" => end(name, "FAILED", Some(code), arguments.get("message").unwrap_or(&"asked to fail"), json!({})),
        "test-flaky" => {
            let marker = std::path::Path::new(arguments.get("marker").copied().unwrap_or("."));
            if marker.exists() {
                return Some(end(name, "SUCCEEDED", None, "", json!({ "owner": arguments.get("lock_owner") })));
            }
            say("the first attempt fails");
            match std::fs::write(marker, arguments.get("lock_owner").unwrap_or(&"")) {
                Ok(()) => end(name, "FAILED", Some(code), "the first attempt fails", json!({})),
                Err(error) => end(name, "FAILED", Some("PRE_VALIDATION_FAILED"), &error.to_string(), json!({})),
            }
        }
        "test-memory" => {
            let mib = arguments.get("mib").and_then(|text| text.parse::<usize>().ok()).unwrap_or(1).min(4_096);
            // Written to, since memory that was only asked for is not held.
            let held = vec![1_u8; mib << 20];
            say(&format!("holding {} MiB", held.len() >> 20));
            std::thread::sleep(Duration::from_secs_f64(seconds()));
            end(name, "SUCCEEDED", None, "", json!({ "held": std::hint::black_box(held).len() }))
        }
        "test-abort" => {
            say("about to abort");
            std::process::abort()
        }
        "test-mute" => ExitCode::SUCCESS,
        _ => return None,
    })
}

/// `test-function-echo` answers its input; `-fail` fails; `-panic` panics; `-slow` takes `seconds`.
pub(crate) fn functions() -> Vec<Function> {
    fn function(name: &str, body: fn(Value) -> Result<Value, FunctionError>) -> Function {
        let body = move |input| async move { body(input) }.boxed();
        Function { name: format!("test-function-{name}"), body: Arc::new(body) }
    }
    vec![
        function("echo", Ok),
        function("fail", |_| {
            Err(FunctionError { code: "NO_RAW_DATA".to_owned(), message: "asked to fail".to_owned() })
        }),
        function("panic", |_| panic!("asked to panic")),
        function("slow", |input| {
            let seconds = input["seconds"].as_f64().unwrap_or(1.0).clamp(0.0, SECONDS_MAX);
            std::thread::sleep(Duration::from_secs_f64(seconds));
            Ok(input)
        }),
    ]
}

/// A closed pipe must not turn a test job into a panic.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

fn end(job: &str, status: &str, code: Option<&str>, message: &str, metrics: Value) -> ExitCode {
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let result = json!({
        "job": job, "run_id": uuid::Uuid::new_v4(), "status": status, "code": code, "message": message,
        "started_at": now, "ended_at": now, "metrics": metrics, "outputs": [], "warnings": [],
    });
    drop(writeln!(std::io::stdout(), "{result}"));
    ExitCode::from(u8::from(status == "FAILED"))
}
