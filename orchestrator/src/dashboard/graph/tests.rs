//! Facts about drawings, whatever the definition.

use serde_json::{Value, json};

use super::layout::{Drawing, Placed, draw};
use super::read::{Model, NodeKind, states};
use super::{Drawings, paint};
use crate::dashboard::sample;
use crate::dashboard::visit::Visits;

fn definitions() -> Vec<Value> {
    let pass = |next: Option<&str>| match next {
        Some(next) => json!({ "Type": "Pass", "Next": next }),
        None => json!({ "Type": "Pass", "End": true }),
    };
    vec![
        serde_json::from_str(sample::DEFINITION).unwrap(),
        json!({ "StartAt": "A", "States": { "A": pass(None) } }),
        json!({ "StartAt": "A", "States": { "A": { "Type": "Fail" } } }),
        // a loop, and an edge from a state to itself
        json!({ "StartAt": "A", "States": {
            "A": pass(Some("B")),
            "B": { "Type": "Choice", "Choices": [
                { "Variable": "$.n", "NumericLessThan": 3, "Next": "A" },
                { "Variable": "$.n", "NumericEquals": 7, "Next": "B" } ], "Default": "C" },
            "C": pass(None) } }),
        // Parallel in Map in Parallel, with catchers out of it
        json!({ "StartAt": "P", "States": {
            "P": { "Type": "Parallel", "Next": "Z", "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "F" }], "Branches": [
                { "StartAt": "M", "States": { "M": { "Type": "Map", "End": true, "ItemProcessor": { "StartAt": "Q", "States": {
                    "Q": { "Type": "Parallel", "End": true, "Branches": [
                        { "StartAt": "Q1", "States": { "Q1": pass(None) } },
                        { "StartAt": "Q2", "States": { "Q2": pass(None) } } ] } } } } } },
                { "StartAt": "B", "States": { "B": pass(Some("B2")), "B2": pass(None) } } ] },
            "Z": { "Type": "Succeed" },
            "F": { "Type": "Fail" } } }),
    ]
}

fn drawn(definition: &Value) -> Drawing {
    draw(Model::read(definition)).expect("a drawing")
}

#[test]
fn states_do_not_overlap() {
    for definition in definitions() {
        let drawing = drawn(&definition);
        assert_eq!(drawing.boxes.iter().filter(|b| b.node.kind != NodeKind::Point).count(), states(&definition).len());
        for (index, a) in drawing.boxes.iter().enumerate() {
            for b in &drawing.boxes[index + 1..] {
                let apart =
                    a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
                assert!(apart, "{} and {} overlap: {a:?} {b:?}", a.node.id, b.node.id);
            }
            assert!(a.x >= 0.0 && a.y >= 0.0 && a.x + a.width <= drawing.width && a.y + a.height <= drawing.height);
        }
    }
}

#[test]
fn every_edge_ends_at_its_nodes() {
    for definition in definitions() {
        let drawing = drawn(&definition);
        let expected = Model::read(&definition).edges.len();
        assert_eq!(drawing.lines.len(), expected);
        for line in &drawing.lines {
            for (id, point) in [(&line.from, line.points.first()), (&line.to, line.points.last())] {
                let node = drawing.boxes.iter().find(|placed| placed.node.id == *id).unwrap();
                let (x, y) = *point.unwrap_or_else(|| panic!("{} → {} has no points", line.from, line.to));
                let near = x >= node.x - 1.0
                    && x <= node.x + node.width + 1.0
                    && y >= node.y - 1.0
                    && y <= node.y + node.height + 1.0;
                assert!(near, "{} → {} ends at {x},{y}, away from {node:?}", line.from, line.to);
            }
            assert!(line.path.starts_with('M') && !line.path.contains("NaN"), "{}", line.path);
        }
    }
}

#[test]
fn containers_hold_what_is_in_them() {
    for definition in definitions() {
        let model = Model::read(&definition);
        let drawing = drawn(&definition);
        for placed in &drawing.boxes {
            let Some(cluster) = placed.node.cluster else { continue };
            let frame = drawing.frames.iter().find(|frame| frame.state == model.clusters[cluster].state).unwrap();
            assert!(
                placed.x >= frame.x
                    && placed.y >= frame.y
                    && placed.x + placed.width <= frame.x + frame.width
                    && placed.y + placed.height <= frame.y + frame.height,
                "{placed:?} is not in {frame:?}"
            );
        }
    }
}

/// 200 states: Choices that go on and skip, a Map and a Parallel every twenty states, one Catcher for all.
fn large() -> Value {
    let mut states = serde_json::Map::new();
    for n in 0..160 {
        let next = if n == 159 { "Done".to_owned() } else { format!("S{}", n + 1) };
        let inner = |name: String| json!({ "StartAt": name, "States": { name: { "Type": "Pass", "End": true } } });
        let catch = json!([{ "ErrorEquals": ["States.ALL"], "Next": "Failed" }]);
        let state = match n % 20 {
            7 => json!({ "Type": "Map", "Next": next, "ItemProcessor": inner(format!("M{n}")) }),
            14 => json!({ "Type": "Parallel", "Next": next, "Catch": catch,
                "Branches": [inner(format!("P{n}a")), inner(format!("P{n}b")), inner(format!("P{n}c"))] }),
            3 | 11 => json!({ "Type": "Choice", "Default": next, "Choices": [
                { "Variable": "$.n", "NumericEquals": n, "Next": format!("S{}", (n + 3).min(159)) }] }),
            _ => json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": next, "Catch": catch }),
        };
        states.insert(format!("S{n}"), state);
    }
    states.insert("Failed".to_owned(), json!({ "Type": "Fail" }));
    states.insert("Done".to_owned(), json!({ "Type": "Succeed" }));
    json!({ "StartAt": "S0", "States": states })
}

#[test]
fn few_catchers_have_a_line_each() {
    let model = Model::read(&definitions()[0]);
    assert!(model.nodes.iter().all(|node| node.catches.is_none()));
}

#[test]
fn two_hundred_states_are_drawn() {
    let definition = large();
    let drawing = drawn(&definition);
    assert!(states(&definition).len() >= 190);
    let states = || drawing.boxes.iter().filter(|placed| placed.node.kind != NodeKind::Point);
    let said = states().filter(|placed| placed.node.catches.as_deref() == Some("Failed")).count();
    let drawn = drawing.lines.iter().filter(|line| line.to == "Failed").count();
    assert!(said > 100 && drawn == 1, "one line for all Catchers, and {said} states that say where theirs lead");
    assert!(drawing.width < 4_000.0 && drawing.height > 5_000.0, "{} x {}", drawing.width, drawing.height);
}

#[test]
fn rules_have_short_texts() {
    let definition = &definitions()[3];
    let model = Model::read(definition);
    let label = |from: &str, to: &str| model.edges.iter().find(|e| e.from == from && e.to == to).unwrap().label.clone();
    assert_eq!(label("B", "A"), "n < 3");
    assert_eq!(label("B", "B"), "n = 7");
    assert_eq!(label("B", "C"), "otherwise");
}

#[test]
fn what_cannot_be_drawn_is_none() {
    let drawings = Drawings::default();
    for text in ["", "no json", "[]", "{}"] {
        assert!(drawings.of(text).is_none(), "{text}");
    }
    assert!(drawings.of(sample::DEFINITION).is_some());
}

#[test]
fn statuses_selection_and_links_are_painted() {
    let facts = sample::failed();
    let drawing = drawn(&definitions()[0]);
    let graph = paint(&drawing, &Visits::read(&facts.history), Some("Transform"), "/executions/x");
    let svg = askama::Template::render(&graph).unwrap();
    assert!(svg.contains("kind-task is-failed selected"), "{svg}");
    assert!(svg.contains("href=\"/executions/x?state=Transform\""));
    assert!(svg.contains("is-none"), "states that were not reached stay blank");
    assert!(svg.contains("line taken"));
}

/// Whether a straight piece of a line enters a box, by small steps.
fn enters(from: (f64, f64), to: (f64, f64), placed: &Placed) -> bool {
    (0..=200).map(|step| f64::from(step) / 200.0).any(|share| {
        let (x, y) = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
        let inside = |at: f64, edge: f64, length: f64| at > edge + 2.0 && at < edge + length - 2.0;
        inside(x, placed.x, placed.width) && inside(y, placed.y, placed.height)
    })
}

#[test]
fn no_line_runs_through_a_state() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../state-machines");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    assert!(files.len() > 5, "{files:?}");
    let read = |path: &std::path::PathBuf| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for definition in files.iter().map(read).chain(definitions()) {
        let drawing = drawn(&definition);
        for line in &drawing.lines {
            let states = drawing.boxes.iter().filter(|b| b.node.kind != NodeKind::Point);
            let others = states.filter(|b| b.node.id != line.from && b.node.id != line.to);
            for placed in others {
                let hit = line.points.windows(2).any(|ends| enters(ends[0], ends[1], placed));
                assert!(!hit, "{} → {} runs through {}", line.from, line.to, placed.node.id);
            }
        }
    }
}
