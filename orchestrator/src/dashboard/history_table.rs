//! The history as a table: filtered by type and state, page by page, details unfolding.

use std::collections::BTreeSet;

use askama::Template;

use super::address::Address;
use super::execution::Parameters;
use super::facts::Facts;
use super::failure::explain;
use super::history::HistoryEvent;
use super::json::Json;
use super::mark::Mark;
use super::moment::Moment;
use super::visit::Visits;

/// Events of one page.
const ROWS_MAX: usize = 100;

/// The table.
#[derive(Clone, Debug, Template)]
#[template(path = "history_table.html")]
pub struct HistoryTable {
    rows: Vec<EventRow>,
    total: usize,
    matching: usize,
    types: Vec<(String, bool)>,
    states: Vec<(String, bool)>,
    hidden: Vec<(&'static str, String)>,
    path: String,
    first: Option<String>,
    next: Option<String>,
    clear: Option<String>,
    download: String,
}

#[derive(Clone, Debug)]
struct EventRow {
    id: u64,
    previous: u64,
    kind: String,
    mark: Option<Mark>,
    state: String,
    state_href: String,
    at: Moment,
    offset: String,
    /// Code and words, where it failed.
    failure: Option<(String, String)>,
    details: Option<Json>,
}

impl HistoryTable {
    /// The page of the table that the parameters ask for.
    pub fn new(facts: &Facts, visits: &Visits, parameters: &Parameters, address: &Address) -> Self {
        let public = || facts.history.iter().filter(|event| event.id > 0);
        let state_of = |id| visits.owner(id).map_or("", |index| visits.list[index].state.as_str());
        let kind = parameters.kind.as_deref().filter(|kind| !kind.is_empty());
        let of = parameters.of.as_deref().filter(|of| !of.is_empty());
        let matching: Vec<_> = public()
            .filter(|event| kind.is_none_or(|kind| event.kind == kind))
            .filter(|event| of.is_none_or(|of| state_of(event.id) == of))
            .collect();
        let after = parameters.after.unwrap_or(0);
        let page: Vec<_> = matching.iter().filter(|event| event.id > after).take(ROWS_MAX).collect();
        let last = page.last().map_or(0, |event| event.id);
        let more = matching.last().is_some_and(|event| event.id > last);
        let choices = |names: BTreeSet<&str>, chosen: Option<&str>| {
            names.into_iter().map(|name| (name.to_owned(), Some(name) == chosen)).collect()
        };
        let path = super::page::execution_path(&facts.record.arn);
        let anchored = |address: Address| format!("{address}#history");
        Self {
            rows: page
                .iter()
                .map(|event| {
                    let state = state_of(event.id);
                    EventRow {
                        id: event.id,
                        previous: event.previous,
                        kind: event.kind.clone(),
                        mark: mark_of(&event.kind),
                        state_href: address
                            .with("state", Some(state))
                            .with(
                                "visit",
                                visits.owner(event.id).map(|i| visits.list[i].entered_id.to_string()).as_deref(),
                            )
                            .to_string(),
                        state: state.to_owned(),
                        at: Moment::clock(event.at),
                        offset: super::moment::duration(event.at.millis() - facts.record.started_at.millis()),
                        failure: failure_of(event),
                        details: event.details.as_object().filter(|d| !d.is_empty()).map(|_| Json::of(&event.details)),
                    }
                })
                .collect(),
            total: public().count(),
            matching: matching.len(),
            types: choices(public().map(|event| event.kind.as_str()).collect(), kind),
            states: choices(public().map(|event| state_of(event.id)).filter(|s| !s.is_empty()).collect(), of),
            hidden: address.hidden(&["type", "of", "after"]),
            first: (after > 0).then(|| anchored(address.clone())),
            next: more.then(|| anchored(address.with("after", Some(&last.to_string())))),
            clear: (kind.is_some() || of.is_some()).then(|| anchored(address.without(&["type", "of"]))),
            download: format!("{path}/history.json"),
            path,
        }
    }
}

fn failure_of(event: &HistoryEvent) -> Option<(String, String)> {
    let (error, cause) = (event.text("error"), event.text("cause"));
    (error.is_some() || cause.is_some()).then(|| {
        let explained = explain(error, cause);
        (explained.code, explained.message)
    })
}

/// The colour of an event's type, for those that say how something ended.
fn mark_of(kind: &str) -> Option<Mark> {
    [("Succeeded", Mark::Succeeded), ("Failed", Mark::Failed), ("TimedOut", Mark::TimedOut), ("Aborted", Mark::Aborted)]
        .into_iter()
        .find_map(|(end, mark)| kind.ends_with(end).then_some(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;

    #[test]
    fn filters_by_type_and_state() {
        let facts = sample::failed();
        let visits = Visits::read(&facts.history);
        for (kind, of, expected) in [
            (None, None, facts.history.len()),
            (Some("TaskFailed"), None, 2),
            (None, Some("Compaction"), 8),
            (Some("TaskFailed"), Some("Transform"), 1),
            (Some("NoSuchType"), None, 0),
        ] {
            let parameters =
                Parameters { kind: kind.map(str::to_owned), of: of.map(str::to_owned), ..Parameters::default() };
            let table = HistoryTable::new(&facts, &visits, &parameters, &Address::new("/e"));
            assert_eq!(table.matching, expected, "{kind:?} {of:?}");
            assert_eq!(table.rows.len(), expected.min(ROWS_MAX));
        }
    }

    #[test]
    fn long_histories_are_paged() {
        let mut facts = sample::succeeded();
        let event = facts.history[1].clone();
        let first = facts.history.len() as u64;
        for n in 0..200 - first {
            facts.history.push(HistoryEvent { id: first + n + 1, ..event.clone() });
        }
        let visits = Visits::read(&facts.history);
        let table = |after| {
            let parameters = Parameters { after, ..Parameters::default() };
            HistoryTable::new(&facts, &visits, &parameters, &Address::new("/e"))
        };
        let first = table(None);
        assert_eq!((first.rows.len(), first.next.as_deref()), (ROWS_MAX, Some("/e?after=100#history")));
        let last = table(Some(100));
        assert_eq!((last.rows[0].id, last.next.as_deref(), last.first.as_deref()), (101, None, Some("/e#history")));
    }
}
