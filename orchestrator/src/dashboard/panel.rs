//! The panel beside the graph: input, output, attempts, logs and definition of the selected state.

use askama::Template;
use serde_json::Value;

use super::address::Address;
use super::facts::Facts;
use super::failure::explain;
use super::figure::Figure;
use super::json::Json;
use super::log::{self, LineView};
use super::mark::Mark;
use super::moment::{Took, duration, full};
use super::visit::{Attempt, Visit, Visits};
use super::why::figures;

/// Visits that are listed for choosing.
const VISITS_MAX: usize = 40;

/// What the panel shows.
#[derive(Clone, Debug, Template)]
#[template(path = "panel.html")]
pub struct Panel {
    title: String,
    kind: String,
    mark: Option<Mark>,
    took: Option<Took>,
    caught: bool,
    /// Code and words of the visit's failure, where the tab does not say it.
    failure: Option<(String, String)>,
    tabs: Vec<Tab>,
    visits: Vec<Tab>,
    body: Body,
    download: String,
}

/// A link that is one of several.
#[derive(Clone, Debug)]
struct Tab {
    label: String,
    href: String,
    selected: bool,
    mark: Option<Mark>,
}

#[derive(Clone, Debug)]
enum Body {
    Json { value: Json, empty: &'static str },
    Attempts(Vec<AttemptView>),
    Log { groups: Vec<LogGroup>, follow: bool },
}

#[derive(Clone, Debug)]
struct AttemptView {
    number: usize,
    mark: Mark,
    resource: String,
    worker: Option<String>,
    scheduled: String,
    waited: String,
    took: Option<Took>,
    failure: Option<(String, String)>,
    cause: Option<Json>,
    figures: Vec<Figure>,
    input: Option<Json>,
}

#[derive(Clone, Debug)]
struct LogGroup {
    attempt: usize,
    lines: Vec<LineView>,
}

impl Panel {
    /// The panel of the visit `index`, or of a state that was not visited, or of the execution as a whole.
    pub fn new(
        facts: &Facts,
        visits: &Visits,
        index: Option<usize>,
        state: Option<&str>,
        tab: Option<&str>,
        address: &Address,
    ) -> Self {
        let download = format!("{}/history.json", super::page::execution_path(&facts.record.arn));
        let visit = index.map(|index| &visits.list[index]);
        let definition = state.and_then(|state| definition_of(&facts.definition, state));
        let mut names: Vec<(&'static str, &'static str)> = Vec::new();
        if visit.is_some_and(|visit| visit.kind == "Task") {
            names.extend([("attempts", "Attempts"), ("logs", "Logs")]);
        }
        if visit.is_some() || state.is_none() {
            names.extend([("input", "Input"), ("output", "Output")]);
        }
        if visit.is_some_and(|visit| visit.assigned.is_some()) {
            names.push(("variables", "Variables"));
        }
        if definition.is_some() {
            names.push(("definition", "Definition"));
        }
        let wanted = tab.filter(|tab| names.iter().any(|(name, _)| name == tab));
        let current = wanted.unwrap_or_else(|| default_tab(facts, visit, &names));
        let tabs = names
            .iter()
            .map(|(name, label)| Tab {
                label: (*label).to_owned(),
                href: address.with("state", state).with("tab", Some(name)).to_string(),
                selected: *name == current,
                mark: None,
            })
            .collect();
        Self {
            title: state.unwrap_or("Execution").to_owned(),
            kind: visit.map(|visit| visit.kind.clone()).unwrap_or_default(),
            mark: match (visit, state) {
                (Some(visit), _) => Some(visit.mark),
                (None, Some(_)) => Some(Mark::Missing),
                (None, None) => None,
            },
            took: visit.map(|visit| Took::new(visit.entered_at, visit.ended_at, facts.now)),
            caught: visit.is_some_and(|visit| visit.caught),
            failure: visit.filter(|visit| told(visit) && current != "attempts").map(|visit| {
                let explained = explain(visit.error.as_deref(), visit.cause.as_deref());
                (explained.code, explained.message)
            }),
            tabs,
            visits: others(visits, index, state, address),
            body: body(facts, visit, current, definition),
            download,
        }
    }
}

/// Whether the visit failed with an error of its own; that of a Fail state may come from its input.
fn told(visit: &Visit) -> bool {
    visit.mark.is_bad() && (visit.error.is_some() || visit.cause.is_some())
}

fn default_tab(facts: &Facts, visit: Option<&Visit>, names: &[(&'static str, &'static str)]) -> &'static str {
    match visit {
        Some(visit) if visit.kind == "Task" => {
            let logged = visit
                .attempts
                .iter()
                .filter_map(|attempt| attempt.task)
                .any(|task| facts.logs.get(&task).is_some_and(|lines| !lines.is_empty()));
            if logged && visit.mark == Mark::Running { "logs" } else { "attempts" }
        }
        Some(visit) if visit.output.is_some() => "output",
        None if names.iter().any(|(name, _)| *name == "output") && facts.record.output.is_some() => "output",
        _ => names.first().map_or("input", |(name, _)| name),
    }
}

fn others(visits: &Visits, index: Option<usize>, state: Option<&str>, address: &Address) -> Vec<Tab> {
    let Some(state) = state else { return Vec::new() };
    let of: Vec<(usize, &Visit)> = visits.list.iter().enumerate().filter(|(_, visit)| visit.state == state).collect();
    if of.len() < 2 {
        return Vec::new();
    }
    of.iter()
        .skip(of.len().saturating_sub(VISITS_MAX))
        .enumerate()
        .map(|(number, (other, visit))| Tab {
            label: visits.partition_of(visit).unwrap_or_else(|| match visit.iteration {
                Some(iteration) => format!("iteration {iteration}"),
                None => format!("visit {}", number + 1),
            }),
            href: address.with("state", Some(state)).with("visit", Some(&visit.entered_id.to_string())).to_string(),
            selected: Some(*other) == index,
            mark: Some(visit.mark),
        })
        .collect()
}

fn body(facts: &Facts, visit: Option<&Visit>, tab: &str, definition: Option<Value>) -> Body {
    let of_text = |text: Option<&str>, empty| Body::Json { value: text.map(Json::of_text).unwrap_or_default(), empty };
    match (tab, visit) {
        ("attempts", Some(visit)) => {
            Body::Attempts(visit.attempts.iter().rev().map(|attempt| attempt_view(facts, attempt)).collect())
        }
        ("logs", Some(visit)) => Body::Log {
            groups: visit.attempts.iter().filter_map(|attempt| log_group(facts, attempt)).collect(),
            follow: visit.mark.is_open(),
        },
        ("input", Some(visit)) => of_text(visit.input.as_deref(), "It was not recorded."),
        ("output", Some(visit)) => of_text(visit.output.as_deref(), "There is none yet: the state was not left."),
        ("variables", Some(visit)) => {
            Body::Json { value: visit.assigned.as_ref().map(Json::of).unwrap_or_default(), empty: "It assigned none." }
        }
        ("definition", _) => {
            Body::Json { value: definition.as_ref().map(Json::of).unwrap_or_default(), empty: "It is not known." }
        }
        ("output", None) => of_text(facts.record.output.as_deref(), "There is none: the execution has not succeeded."),
        (_, _) => of_text(Some(&facts.record.input), ""),
    }
}

fn attempt_view(facts: &Facts, attempt: &Attempt) -> AttemptView {
    let taken = attempt.started_at.or(attempt.ended_at).unwrap_or(facts.now);
    let failure = attempt.mark.is_bad().then(|| explain(attempt.error.as_deref(), attempt.cause.as_deref()));
    let reported = attempt.task.map(|task| figures(facts, task)).filter(|figures| !figures.is_empty());
    let told = failure.as_ref().map(|failure| failure.figures.clone());
    AttemptView {
        number: attempt.number,
        mark: attempt.mark,
        resource: attempt.resource.clone(),
        worker: attempt.worker.clone(),
        scheduled: full(attempt.scheduled_at),
        waited: duration(taken.millis() - attempt.scheduled_at.millis()),
        took: attempt.started_at.map(|started_at| Took::new(started_at, attempt.ended_at, facts.now)),
        failure: failure.map(|failure| (failure.code, failure.message)),
        figures: reported.or(told).unwrap_or_default(),
        // A plain text stands in the words above already.
        cause: attempt.cause.as_deref().filter(|cause| cause.starts_with('{')).map(Json::of_text),
        input: attempt.input.as_deref().map(Json::of_text),
    }
}

fn log_group(facts: &Facts, attempt: &Attempt) -> Option<LogGroup> {
    let lines = facts.logs.get(&attempt.task?)?;
    (!lines.is_empty()).then(|| LogGroup { attempt: attempt.number, lines: log::lines(lines) })
}

/// The definition of one state, wherever it is nested, without the states in it.
fn definition_of(definition: &str, state: &str) -> Option<Value> {
    fn search(scope: &Value, state: &str, depth: usize) -> Option<Value> {
        if depth > 24 {
            return None;
        }
        let states = scope.get("States")?.as_object()?;
        if let Some(found) = states.get(state) {
            return Some(found.clone());
        }
        states.values().find_map(|inner| {
            let branches = inner.get("Branches").and_then(Value::as_array).into_iter().flatten();
            let processor = inner.get("ItemProcessor").or_else(|| inner.get("Iterator"));
            branches.chain(processor).find_map(|scope| search(scope, state, depth + 1))
        })
    }
    let mut found = search(&serde_json::from_str(definition).ok()?, state, 0)?;
    if let Some(fields) = found.as_object_mut() {
        for nested in ["Branches", "ItemProcessor", "Iterator"] {
            if let Some(value) = fields.get_mut(nested) {
                *value = Value::String("… drawn in the graph".to_owned());
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;

    #[test]
    fn definitions_of_nested_states_are_found() {
        let transform = definition_of(sample::DEFINITION, "Transform").unwrap();
        assert_eq!(transform["Parameters"]["JobName"], "daily-prices-transform");
        let days = definition_of(sample::DEFINITION, "Days").unwrap();
        assert_eq!(days["ItemProcessor"], "… drawn in the graph");
        assert_eq!(definition_of(sample::DEFINITION, "Nowhere"), None);
        assert_eq!(definition_of("no json", "A"), None);
    }

    #[test]
    fn the_first_tab_is_what_one_wants_to_see() {
        for (facts, state, tab) in [
            (sample::failed(), Some("Transform"), "Attempts"),
            (sample::running(), Some("Transform"), "Logs"),
            (sample::succeeded(), Some("Normalize"), "Output"),
            (sample::succeeded(), Some("Skipped"), "Definition"),
            (sample::succeeded(), None, "Output"),
            (sample::running(), None, "Input"),
        ] {
            let visits = Visits::read(&facts.history);
            let index = state.and_then(|state| visits.last_of(state));
            let panel = Panel::new(&facts, &visits, index, state, None, &Address::new("/e"));
            let selected: Vec<&str> = panel.tabs.iter().filter(|t| t.selected).map(|t| t.label.as_str()).collect();
            assert_eq!(selected, [tab], "{state:?} of {}", facts.record.name);
        }
    }
}
