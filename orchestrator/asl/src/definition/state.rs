//! States and their parts, as the interpreter reads them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{QueryLanguage, ScopeId};
use crate::ids::StateName;
use crate::query::{Expression, Path, ReferencePath, Template};

/// One state.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name, unique in the whole machine.
    pub name: StateName,
    /// The language of its expressions: its own `QueryLanguage`, else the machine's.
    pub query_language: QueryLanguage,
    /// `Next` or `End`.
    pub next: Next,
    /// The fields that shape its data.
    pub data: DataFlow,
    /// `Assign`.
    pub assign: Option<Template>,
    /// `Retry`, in order.
    pub retry: Vec<Retrier>,
    /// `Catch`, in order.
    pub catch: Vec<Catcher>,
    /// What is particular to its type.
    pub kind: StateKind,
    /// The variables that its fields refer to.
    pub variables: BTreeSet<String>,
}

/// Where a state leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// `Next`.
    State(StateName),
    /// `End: true`.
    End,
    /// Choice, Succeed and Fail have neither.
    Absent,
}

/// `InputPath`, `Parameters`, `ResultSelector`, `ResultPath`, `OutputPath`; for JSONata `Arguments` and `Output`.
#[derive(Clone, Debug)]
pub struct DataFlow {
    /// `InputPath`.
    pub input_path: Selection,
    /// `Parameters` (JSONPath) or `Arguments` (JSONata).
    pub parameters: Option<Template>,
    /// `ResultSelector`.
    pub result_selector: Option<Template>,
    /// `ResultPath`.
    pub result_path: ResultPath,
    /// `OutputPath`.
    pub output_path: Selection,
    /// `Output` (JSONata).
    pub output: Option<Template>,
}

/// `InputPath` or `OutputPath`.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Absent or `$`.
    Whole,
    /// `null`: an empty object.
    Nothing,
    /// A path on the data, the context object or a variable.
    Path(Path),
}

/// `ResultPath`.
#[derive(Clone, Debug)]
pub enum ResultPath {
    /// Absent or `$`: the result is the output.
    Replace,
    /// `null`: the input is the output.
    Discard,
    /// The result goes into the raw input here.
    At(ReferencePath),
}

/// A field that is a literal, or a path (`…Path`), or an expression.
#[derive(Clone, Debug)]
pub enum Operand<T> {
    /// The value itself.
    Literal(T),
    /// `…Path`: a path on the effective input, the context object or a variable; or, for `ErrorPath` and
    /// `CausePath`, an intrinsic function call.
    Path(Expression),
    /// A JSONata `{% … %}` expression.
    Jsonata(Expression),
}

/// What is particular to a type of state.
#[derive(Clone, Debug)]
pub enum StateKind {
    /// Passes its input or `Result` on.
    Pass {
        /// `Result`.
        result: Option<Value>,
    },
    /// Hands out work.
    Task(Box<Task>),
    /// Branches on its input.
    Choice(Choice),
    /// Waits.
    Wait(Wait),
    /// Ends its scope well.
    Succeed,
    /// Ends its scope with an error.
    Fail(Fail),
    /// Runs its branches side by side.
    Parallel {
        /// `Branches`, in order.
        branches: Vec<ScopeId>,
    },
    /// Runs its processor for every item.
    Map(Box<Map>),
}

/// A Task state.
#[derive(Clone, Debug)]
pub struct Task {
    /// `Resource`.
    pub resource: Resource,
    /// `TimeoutSeconds`, `TimeoutSecondsPath`.
    pub timeout_seconds: Option<Operand<u64>>,
    /// `HeartbeatSeconds`, `HeartbeatSecondsPath`.
    pub heartbeat_seconds: Option<Operand<u64>>,
    /// `Credentials`.
    pub credentials: Option<Template>,
}

/// What a Task state calls.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Resource {
    /// An activity, by ARN.
    Activity(String),
    /// A Lambda function, by ARN in `Resource` (the legacy form).
    Lambda(String),
    /// `arn:aws:states:::<service>:<api><pattern>` or `arn:aws:states:::aws-sdk:<service>:<api><pattern>`.
    Service {
        /// `glue`, `lambda`, ... or `aws-sdk:glue`: what the history shows as `resourceType`.
        service: String,
        /// `startJobRun`, `invoke`, ... without the pattern.
        api: String,
        /// How the call is waited for.
        pattern: Pattern,
    },
}

/// How a service call is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Pattern {
    /// The answer of the call is the result.
    RequestResponse,
    /// `.sync`.
    Sync,
    /// `.sync:2`.
    Sync2,
    /// `.waitForTaskToken`.
    WaitForTaskToken,
}

impl Pattern {
    /// The end of the resource's ARN.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::RequestResponse => "",
            Self::Sync => ".sync",
            Self::Sync2 => ".sync:2",
            Self::WaitForTaskToken => ".waitForTaskToken",
        }
    }
}

/// A Choice state.
#[derive(Clone, Debug)]
pub struct Choice {
    /// `Choices`, in order.
    pub rules: Vec<Rule>,
    /// `Default`.
    pub default: Option<StateName>,
}

/// A top-level rule of a Choice state.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The test.
    pub condition: crate::query::Condition,
    /// `Next`.
    pub next: StateName,
    /// `Assign`.
    pub assign: Option<Template>,
    /// `Output` (JSONata).
    pub output: Option<Template>,
}

/// A Wait state.
#[derive(Clone, Debug)]
pub enum Wait {
    /// `Seconds`, `SecondsPath`.
    Seconds(Operand<u64>),
    /// `Timestamp`, `TimestampPath`.
    Timestamp(Operand<String>),
}

/// A Fail state.
#[derive(Clone, Debug)]
pub struct Fail {
    /// `Error`, `ErrorPath`.
    pub error: Option<Operand<String>>,
    /// `Cause`, `CausePath`.
    pub cause: Option<Operand<String>>,
}

/// A Map state.
#[derive(Clone, Debug)]
pub struct Map {
    /// `ItemProcessor` (legacy `Iterator`).
    pub processor: ScopeId,
    /// `ItemsPath` or `Items`; `None` is the whole effective input, unless there is an `items_template`.
    pub items: Option<Operand<Value>>,
    /// `Items` of JSONata written as a JSON array or object with expressions inside; `items` is `None` then.
    pub items_template: Option<Template>,
    /// `ItemSelector` (legacy `Parameters`).
    pub item_selector: Option<Template>,
    /// `MaxConcurrency`, `MaxConcurrencyPath`; 0 and absent mean no limit but the service's.
    pub max_concurrency: Option<Operand<u64>>,
    /// `ToleratedFailureCount`, `ToleratedFailureCountPath`.
    pub tolerated_failure_count: Option<Operand<i64>>,
    /// `ToleratedFailurePercentage`, `ToleratedFailurePercentagePath`.
    pub tolerated_failure_percentage: Option<Operand<f64>>,
    /// What only a Map with `Mode: DISTRIBUTED` has.
    pub distributed: Option<Distributed>,
}

/// The fields of a distributed Map that are kept as they were written: the engine reads them when it starts a map run.
#[derive(Clone, Debug)]
pub struct Distributed {
    /// `Label`.
    pub label: Option<String>,
    /// `ProcessorConfig.ExecutionType`: `STANDARD` or `EXPRESS`.
    pub execution_type: String,
    /// `ItemReader`.
    pub item_reader: Option<Value>,
    /// `ItemBatcher`.
    pub item_batcher: Option<Value>,
    /// `ResultWriter`.
    pub result_writer: Option<Value>,
}

/// One entry of `Retry`.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrier {
    /// `ErrorEquals`.
    pub error_equals: Vec<String>,
    /// `IntervalSeconds`.
    pub interval_seconds: u64,
    /// `MaxAttempts`: retries, not attempts.
    pub attempts_max: u64,
    /// `BackoffRate`.
    pub backoff_rate: f64,
    /// `MaxDelaySeconds`.
    pub delay_max_seconds: Option<u64>,
    /// `JitterStrategy`.
    pub jitter: Jitter,
}

/// `JitterStrategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// The computed delay.
    #[default]
    None,
    /// Uniform between nothing and the computed delay.
    Full,
}

/// One entry of `Catch`.
#[derive(Clone, Debug)]
pub struct Catcher {
    /// `ErrorEquals`.
    pub error_equals: Vec<String>,
    /// `Next`.
    pub next: StateName,
    /// `ResultPath`.
    pub result_path: ResultPath,
    /// `Assign`.
    pub assign: Option<Template>,
    /// `Output` (JSONata).
    pub output: Option<Template>,
}
