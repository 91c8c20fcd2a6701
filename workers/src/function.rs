//! A task that is a function: JSON in, JSON out, on a thread of this process, for as long as its timeout allows.
//!
//! A function that overruns its time is dropped where it waits. One that computes or blocks cannot be ended from outside:
//! it is reported as timed out all the same, and keeps its slot until it returns, so that stuck ones never pile up.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::completion::complete;
use crate::logs::JobLog;
use crate::outcome::{Failure, Outcome, PRE_VALIDATION_FAILED, UNEXPECTED_ERROR};
use crate::task::Task;

/// The name Lambda gives a function that took too long (`asl.md` 4.2).
const TIMED_OUT: &str = "Sandbox.Timedout";

/// How a function fails: a stable name and a message.
#[derive(Debug, Clone)]
pub(crate) struct FunctionError {
    pub code: String,
    pub message: String,
}

type Body = dyn Fn(Value) -> BoxFuture<'static, Result<Value, FunctionError>> + Send + Sync;

/// A function this worker serves.
#[derive(Clone)]
pub(crate) struct Function {
    /// The name without the environment.
    pub name: String,
    pub body: Arc<Body>,
}

/// Calls the function and completes the task.
pub(crate) async fn serve(task: &Task<'_>, function: &Function, slot: OwnedSemaphorePermit) {
    let outcome = match serde_json::from_str(&task.claimed.input) {
        Ok(input) => call(task, function, input, slot).await,
        Err(error) => {
            let message = format!("the task's input is not JSON: {error}");
            Outcome::Failure(Failure::of_function(PRE_VALIDATION_FAILED, &message))
        }
    };
    if let Outcome::Failure(failure) = &outcome {
        info!(function.name = function.name, "Function `{}` failed: {}", function.name, failure.message);
    }
    complete(task, outcome, &JobLog::default(), None).await;
}

async fn call(task: &Task<'_>, function: &Function, input: Value, slot: OwnedSemaphorePermit) -> Outcome {
    let (send, returned) = oneshot::channel();
    let body = Arc::clone(&function.body);
    let runtime = tokio::runtime::Handle::current();
    let over = CancellationToken::new();
    let _over_when_left = over.clone().drop_guard();
    // A thread of its own: one that computes or hangs must hold up neither heartbeats nor the end of the worker.
    let started = std::thread::Builder::new().name(function.name.clone()).spawn(move || {
        let result = runtime.block_on(async {
            tokio::select! {
                result = AssertUnwindSafe(async { body(input).await }).catch_unwind() => Some(result),
                () = over.cancelled() => None,
            }
        });
        drop(slot);
        if let Some(result) = result {
            // Nobody listens any more when the time was over.
            drop(send.send(result));
        }
    });
    if let Err(error) = started {
        return failure(UNEXPECTED_ERROR, &format!("cannot start a thread for the function: {error}"));
    }
    let timeout = task.worker.settings.function_timeout;
    let result = tokio::select! {
        result = returned => result,
        () = tokio::time::sleep(timeout) => {
            return failure(TIMED_OUT, &format!("Task timed out after {:.2} seconds", timeout.as_secs_f64()));
        }
        () = task.gone.cancelled() => return Outcome::Gone,
        () = task.ended_early() => return Outcome::GivenBack,
    };
    match result {
        Ok(Ok(Ok(output))) => Outcome::Success { output: output.to_string() },
        Ok(Ok(Err(error))) => failure(&error.code, &error.message),
        Ok(Err(panic)) => {
            let message = panic_message(panic.as_ref());
            error!(function.name = function.name, "Function `{}` panicked: {message}", function.name);
            failure(UNEXPECTED_ERROR, &format!("the function panicked: {message}"))
        }
        Err(_) => failure(UNEXPECTED_ERROR, "the function's thread ended without an answer"),
    }
}

fn failure(error: &str, message: &str) -> Outcome {
    Outcome::Failure(Failure::of_function(error, message))
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "no message",
    }
}
