//! State machines: create, update, describe, list, delete, validate.

use asl::StateMachine;
use asl::definition::{Diagnostic, Severity};
use protocol::{
    CreateStateMachineInput, CreateStateMachineOutput, DefinitionDiagnostic, DescribeStateMachineForExecutionOutput,
    DescribeStateMachineOutput, Empty, ExecutionArnInput, ListInput, ListStateMachinesOutput, StateMachineArnInput,
    StateMachineListItem, UpdateStateMachineInput, UpdateStateMachineOutput, ValidateStateMachineDefinitionInput,
    ValidateStateMachineDefinitionOutput,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::arn::{self, Kind};
use super::check::{self, Check};
use super::error::ApiError;
use super::{Api, execution};
use crate::store::{self, Page, RevisionRecord, StateMachineRecord, StateMachineStatus, StateMachineType};

/// Source: `CreateStateMachine`, parameter `definition`.
const DEFINITION_CHARS_MAX: usize = 1_048_576;
/// Source: Step Functions quotas, "Tags per resource".
pub(super) const TAGS_MAX: usize = 50;
/// Source: `ValidateStateMachineDefinition`, parameter `maxResults`.
const DIAGNOSTICS_MAX: u32 = 100;

/// How often an update is tried; each time somebody else's came first.
const UPDATE_ATTEMPTS_MAX: u32 = 20;

pub(super) async fn create(api: &Api, input: CreateStateMachineInput) -> Result<CreateStateMachineOutput, ApiError> {
    let mut check = Check::new();
    let name = check.required("name", &input.name, 1, 80);
    let definition = check.required("definition", &input.definition, 1, DEFINITION_CHARS_MAX);
    let role_arn = check.required("roleArn", &input.role_arn, 1, 256);
    check.one_of("type", &input.kind, &["STANDARD", "EXPRESS"]);
    check.done()?;
    check::name(&name)?;
    check_role(&role_arn)?;
    check_version(input.publish, input.version_description.is_some())?;
    if input.tags.as_ref().is_some_and(|tags| tags.len() > TAGS_MAX) {
        return Err(ApiError::new("TooManyTags", format!("At most {TAGS_MAX} tags are allowed")));
    }
    let logging = check_logging(input.logging_configuration)?;
    let kind =
        if input.kind.as_deref() == Some("EXPRESS") { StateMachineType::Express } else { StateMachineType::Standard };
    parse(&definition, kind)?;
    let engine = &api.engine;
    let config = engine.config();
    let arn = format!("arn:aws:states:{}:{}:stateMachine:{name}", config.region, config.account);
    let now = engine.now();
    let machine = StateMachineRecord {
        arn: arn.clone(),
        name,
        kind,
        status: StateMachineStatus::Active,
        created_at: now,
        revision: RevisionRecord {
            id: Uuid::now_v7(),
            state_machine_arn: arn.clone(),
            number: 1,
            definition,
            role_arn,
            logging,
            tracing: input.tracing_configuration.unwrap_or_else(|| json!({ "enabled": false })),
            encryption: input.encryption_configuration.unwrap_or(Value::Null),
            created_at: now,
        },
        tags: json!(input.tags.unwrap_or_default()),
    };
    match engine.store().create_state_machine(&machine).await {
        Ok(()) => Ok(CreateStateMachineOutput { state_machine_arn: arn, creation_date: now.epoch_seconds() }),
        Err(store::Error::Exists(_)) => {
            let existing = engine.store().state_machine(&arn).await?.ok_or_else(|| ApiError::no_state_machine(&arn))?;
            if existing.status == StateMachineStatus::Deleting {
                return Err(ApiError::new("StateMachineDeleting", format!("State Machine Deleting: '{arn}'")));
            }
            if same_request(&existing, &machine) {
                let creation_date = existing.created_at.epoch_seconds();
                return Ok(CreateStateMachineOutput { state_machine_arn: arn, creation_date });
            }
            Err(ApiError::new("StateMachineAlreadyExists", format!("State Machine Already Exists: '{arn}'")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Creating again is the same request if it asks for the same machine; a differing role or tags do not count.
fn same_request(existing: &StateMachineRecord, asked: &StateMachineRecord) -> bool {
    existing.kind == asked.kind
        && existing.revision.definition == asked.revision.definition
        && existing.revision.logging == asked.revision.logging
        && existing.revision.tracing == asked.revision.tracing
        && existing.revision.encryption == asked.revision.encryption
}

pub(super) async fn update(api: &Api, input: UpdateStateMachineInput) -> Result<UpdateStateMachineOutput, ApiError> {
    let mut check = Check::new();
    let machine_arn = check.required("stateMachineArn", &input.state_machine_arn, 1, 256);
    check.optional("definition", &input.definition, 1, DEFINITION_CHARS_MAX);
    check.optional("roleArn", &input.role_arn, 1, 256);
    check.done()?;
    arn::parse(&machine_arn, Kind::StateMachine)?;
    check_version(input.publish, input.version_description.is_some())?;
    let nothing = input.definition.is_none()
        && input.role_arn.is_none()
        && input.logging_configuration.is_none()
        && input.tracing_configuration.is_none()
        && input.encryption_configuration.is_none();
    if nothing {
        return Err(ApiError::new(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
        ));
    }
    if let Some(role) = &input.role_arn {
        check_role(role)?;
    }
    for _ in 0..UPDATE_ATTEMPTS_MAX {
        if let Some(updated) = update_once(api, &machine_arn, &input).await? {
            return Ok(updated);
        }
    }
    Err(ApiError::conflict(format!("'{machine_arn}' is being updated by others all the time; try again in a moment")))
}

/// `None` if somebody else's update came first.
async fn update_once(
    api: &Api,
    machine_arn: &str,
    input: &UpdateStateMachineInput,
) -> Result<Option<UpdateStateMachineOutput>, ApiError> {
    let mut machine = find(api, machine_arn).await?;
    if machine.status == StateMachineStatus::Deleting {
        return Err(ApiError::new("StateMachineDeleting", format!("State Machine Deleting: '{machine_arn}'")));
    }
    if let Some(definition) = &input.definition {
        parse(definition, machine.kind)?;
    }
    let old = machine.revision.clone();
    let revision = &mut machine.revision;
    revision.definition = input.definition.clone().unwrap_or_else(|| old.definition.clone());
    revision.role_arn = input.role_arn.clone().unwrap_or_else(|| old.role_arn.clone());
    if let Some(logging) = &input.logging_configuration {
        revision.logging = check_logging(Some(logging.clone()))?;
    }
    revision.tracing = input.tracing_configuration.clone().unwrap_or_else(|| old.tracing.clone());
    revision.encryption = input.encryption_configuration.clone().unwrap_or_else(|| old.encryption.clone());
    if *revision == old {
        // Nothing changes: AWS keeps the revision, too.
        return Ok(Some(UpdateStateMachineOutput {
            update_date: old.created_at.epoch_seconds(),
            revision_id: revision_id(&old),
        }));
    }
    revision.id = Uuid::new_v4();
    revision.number = old.number + 1;
    revision.created_at = api.engine.now();
    match api.engine.store().update_state_machine(&machine).await {
        Ok(()) => api.engine.forget_machine(machine_arn),
        Err(store::Error::Superseded(_)) => return Ok(None),
        Err(store::Error::Missing(_)) => return Err(ApiError::no_state_machine(machine_arn)),
        Err(error) => return Err(error.into()),
    }
    Ok(Some(UpdateStateMachineOutput {
        update_date: machine.revision.created_at.epoch_seconds(),
        revision_id: revision_id(&machine.revision),
    }))
}

pub(super) async fn describe(api: &Api, input: StateMachineArnInput) -> Result<DescribeStateMachineOutput, ApiError> {
    let machine = named(api, &input).await?;
    let revision = machine.revision;
    Ok(DescribeStateMachineOutput {
        state_machine_arn: machine.arn,
        name: machine.name,
        status: match machine.status {
            StateMachineStatus::Active => "ACTIVE".to_owned(),
            StateMachineStatus::Deleting => "DELETING".to_owned(),
        },
        kind: type_name(machine.kind).to_owned(),
        creation_date: machine.created_at.epoch_seconds(),
        revision_id: revision_id(&revision),
        variable_references: variable_references(api, &revision),
        encryption_configuration: encryption(revision.encryption),
        definition: revision.definition,
        role_arn: revision.role_arn,
        logging_configuration: revision.logging,
        tracing_configuration: revision.tracing,
    })
}

pub(super) async fn describe_for_execution(
    api: &Api,
    input: ExecutionArnInput,
) -> Result<DescribeStateMachineForExecutionOutput, ApiError> {
    let record = execution::named(api, &input.execution_arn).await?;
    let revision = api.engine.store().revision(record.revision).await?;
    let revision = revision.ok_or_else(|| ApiError::no_state_machine(&record.state_machine_arn))?;
    let name = record.state_machine_arn.rsplit(':').next().unwrap_or_default().to_owned();
    Ok(DescribeStateMachineForExecutionOutput {
        state_machine_arn: record.state_machine_arn,
        name,
        update_date: revision.created_at.epoch_seconds(),
        revision_id: revision_id(&revision),
        variable_references: variable_references(api, &revision),
        encryption_configuration: encryption(revision.encryption),
        definition: revision.definition,
        role_arn: revision.role_arn,
        logging_configuration: revision.logging,
        tracing_configuration: revision.tracing,
    })
}

pub(super) async fn list(api: &Api, input: ListInput) -> Result<ListStateMachinesOutput, ApiError> {
    let page = page(&input, 1024)?;
    let machines = api.engine.store().list_state_machines(&page).await?;
    let item = |machine: StateMachineRecord| StateMachineListItem {
        state_machine_arn: machine.arn,
        name: machine.name,
        kind: type_name(machine.kind).to_owned(),
        creation_date: machine.created_at.epoch_seconds(),
    };
    Ok(ListStateMachinesOutput {
        state_machines: machines.items.into_iter().map(item).collect(),
        next_token: machines.next,
    })
}

/// Succeeds for an unknown machine, as AWS does.
pub(super) async fn delete(api: &Api, input: StateMachineArnInput) -> Result<Empty, ApiError> {
    let mut check = Check::new();
    let machine_arn = check.required("stateMachineArn", &input.state_machine_arn, 1, 256);
    check.done()?;
    arn::parse(&machine_arn, Kind::StateMachine)?;
    if api.engine.store().delete_state_machine(&machine_arn).await? {
        api.engine.forget_machine(&machine_arn);
        abort_executions(api, &machine_arn).await?;
    }
    Ok(Empty {})
}

/// What runs on a deleted machine ends; the machine goes with the last of them.
async fn abort_executions(api: &Api, machine_arn: &str) -> Result<(), ApiError> {
    let filter = store::ExecutionFilter {
        state_machine_arn: Some(machine_arn.to_owned()),
        statuses: vec![store::ExecutionStatus::Running],
        ..store::ExecutionFilter::default()
    };
    loop {
        let running = api.engine.store().list_executions(&filter, &Page { token: None, limit: 100 }).await?;
        if running.items.is_empty() {
            return Ok(());
        }
        for execution in running.items {
            api.engine.stop(execution.id, asl::Failure::default()).await?;
        }
    }
}

pub(super) fn validate(
    input: ValidateStateMachineDefinitionInput,
) -> Result<ValidateStateMachineDefinitionOutput, ApiError> {
    let mut check = Check::new();
    let definition = match &input.definition {
        // An empty text is a finding, not a broken request.
        Some(text) if text.is_empty() => String::new(),
        _ => check.required("definition", &input.definition, 0, DEFINITION_CHARS_MAX),
    };
    check.one_of("type", &input.kind, &["STANDARD", "EXPRESS"]);
    check.one_of("severity", &input.severity, &["ERROR", "WARNING"]);
    let most = match check.max_results(input.max_results, i64::from(DIAGNOSTICS_MAX)) {
        0 => DIAGNOSTICS_MAX,
        most => most,
    };
    check.done()?;
    let findings = StateMachine::parse(&definition, input.kind.as_deref() == Some("EXPRESS")).err().unwrap_or_default();
    let warnings = input.severity.as_deref() == Some("WARNING");
    let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
    let shown: Vec<_> = findings.iter().filter(|finding| warnings || finding.severity == Severity::Error).collect();
    Ok(ValidateStateMachineDefinitionOutput {
        result: if failed { "FAIL" } else { "OK" }.to_owned(),
        truncated: Some(shown.len() > most as usize),
        diagnostics: shown
            .into_iter()
            .take(most as usize)
            .map(|finding| DefinitionDiagnostic {
                severity: match finding.severity {
                    Severity::Error => "ERROR".to_owned(),
                    Severity::Warning => "WARNING".to_owned(),
                },
                code: finding.code.to_owned(),
                message: finding.message.clone(),
                location: finding.location.clone(),
            })
            .collect(),
    })
}

/// The page of a list request.
pub(super) fn page(input: &ListInput, token_chars_max: usize) -> Result<Page, ApiError> {
    let mut check = Check::new();
    let limit = check.max_results(input.max_results, 1000);
    check.optional("nextToken", &input.next_token, 1, token_chars_max);
    check.done()?;
    Ok(Page { token: input.next_token.clone(), limit })
}

/// The machine a request names.
async fn named(api: &Api, input: &StateMachineArnInput) -> Result<StateMachineRecord, ApiError> {
    let mut check = Check::new();
    let machine_arn = check.required("stateMachineArn", &input.state_machine_arn, 1, 256);
    check.done()?;
    find(api, &machine_arn).await
}

/// The machine with this ARN.
pub(super) async fn find(api: &Api, machine_arn: &str) -> Result<StateMachineRecord, ApiError> {
    arn::parse(machine_arn, Kind::StateMachine)?;
    api.engine.store().state_machine(machine_arn).await?.ok_or_else(|| ApiError::no_state_machine(machine_arn))
}

fn parse(definition: &str, kind: StateMachineType) -> Result<StateMachine, ApiError> {
    StateMachine::parse(definition, kind == StateMachineType::Express).map_err(|findings| {
        let findings: Vec<_> =
            findings.iter().filter(|finding| finding.severity == Severity::Error).map(text_of).collect();
        ApiError::new("InvalidDefinition", format!("Invalid State Machine Definition: '{}'", findings.join(", ")))
    })
}

fn text_of(finding: &Diagnostic) -> String {
    match &finding.location {
        Some(location) => format!("{}: {} at {location}", finding.code, finding.message),
        None => format!("{}: {}", finding.code, finding.message),
    }
}

/// What was given; AWS's own key otherwise.
fn encryption(given: Value) -> Value {
    if given.is_null() { json!({ "type": "AWS_OWNED_KEY" }) } else { given }
}

/// A revision's id, which AWS shows from the first update on.
fn revision_id(revision: &RevisionRecord) -> Option<String> {
    (revision.number > 1).then(|| revision.id.to_string())
}

/// The variables each state refers to; a definition is parsed once for all who ask.
fn variable_references(api: &Api, revision: &RevisionRecord) -> Option<Value> {
    let references = api.engine.definition(revision).ok()?.variable_references();
    (!references.is_empty()).then(|| json!(references))
}

const fn type_name(kind: StateMachineType) -> &'static str {
    match kind {
        StateMachineType::Standard => "STANDARD",
        StateMachineType::Express => "EXPRESS",
    }
}

fn check_role(role_arn: &str) -> Result<(), ApiError> {
    if role_arn.starts_with("arn:aws") { Ok(()) } else { Err(ApiError::invalid_arn(role_arn)) }
}

fn check_version(publish: Option<bool>, described: bool) -> Result<(), ApiError> {
    if described && publish != Some(true) {
        return Err(ApiError::validation("Version description can only be set when publish is true"));
    }
    if publish == Some(true) {
        return Err(ApiError::validation(
            "Versions are not supported by this server yet: leave `publish` out; every update makes a revision that running \
             executions keep",
        ));
    }
    Ok(())
}

/// A logging configuration as it is stored: level `OFF` by default, exactly one destination otherwise.
fn check_logging(given: Option<Value>) -> Result<Value, ApiError> {
    let refuse =
        |why: &str| Err(ApiError::new("InvalidLoggingConfiguration", format!("Invalid Logging Configuration: {why}")));
    let mut logging = given.unwrap_or_else(|| json!({}));
    let Some(members) = logging.as_object_mut() else {
        return Err(ApiError::serialization("loggingConfiguration must be an object"));
    };
    members.entry("level").or_insert_with(|| json!("OFF"));
    members.entry("includeExecutionData").or_insert(json!(false));
    let off = members["level"] == "OFF";
    match members.get("destinations").and_then(Value::as_array) {
        Some(destinations) if destinations.len() == 1 => {
            let group = destinations[0]["cloudWatchLogsLogGroup"]["logGroupArn"].as_str().unwrap_or_default();
            // Log groups are AWS's; whether one exists is not known here, so any that is named is taken.
            if !off && group.is_empty() {
                return refuse("Log Destination not found.");
            }
        }
        _ if off => {}
        _ => return refuse("Must specify exactly one Log Destination."),
    }
    Ok(logging)
}
