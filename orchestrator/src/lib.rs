//! The orchestrator: store, engine, integrations, pipelines, API and dashboard.
//!
//! Dependencies point one way: `asl ◀ store ◀ engine ◀ integration, pipeline ◀ api, dashboard ◀ serve`.

pub mod alert;
pub mod api;
pub mod bench;
pub mod config;
pub mod dashboard;
pub mod engine;
pub mod integration;
pub mod pipeline;
pub mod serve;
pub mod store;
pub mod telemetry;

pub use asl::Event;
pub use asl::history::project;

/// Findings about a pipeline sheet beside its definition, which is valid: warnings if it can be used, else the error.
pub fn validate_sheet(file: &str, sheet: &str, definition: &str) -> Result<Vec<String>, String> {
    let (sheet, mut warnings) = pipeline::Sheet::parse(file, sheet).map_err(|error| error.to_string())?;
    if let Ok(machine) = asl::StateMachine::parse(definition, false) {
        warnings.extend(sheet.warnings(&machine, definition));
    }
    Ok(warnings)
}

/// Findings about a definition as text, `CODE: message at /place`: warnings if it is valid, else everything.
pub fn validate(definition: &str, express: bool) -> Result<Vec<String>, Vec<String>> {
    let text = |findings: Vec<asl::definition::Diagnostic>| findings.iter().map(ToString::to_string).collect();
    match asl::StateMachine::parse(definition, express) {
        Ok(_) => Ok(text(asl::StateMachine::warnings(definition))),
        Err(findings) => Err(text(findings)),
    }
}
