//! A drawing with the statuses of one run: what `templates/graph.html` writes as SVG.

use std::collections::{HashMap, HashSet};

use askama::Template;

use super::layout::Drawing;
use super::read::NodeKind;
use crate::dashboard::mark::Mark;
use crate::dashboard::page::{cut, encode};
use crate::dashboard::visit::Visits;

/// Letters of a state's name and of its second line that fit.
const LETTERS_MAX: (usize, usize) = (25, 31);

/// Pixels of a drawing that stands beside a table without being scrolled.
const BESIDE_MAX: f64 = 420.0;

/// The SVG of a run.
#[derive(Clone, Debug, Template)]
#[template(path = "graph.html")]
pub struct Graph {
    width: f64,
    height: f64,
    frames: Vec<FrameView>,
    lines: Vec<LineView>,
    states: Vec<StateView>,
    points: Vec<(f64, f64)>,
}

#[derive(Clone, Debug)]
struct FrameView {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    class: String,
}

#[derive(Clone, Debug)]
struct LineView {
    path: String,
    class: String,
    marker: &'static str,
    label: String,
    label_x: f64,
    label_y: f64,
}

#[derive(Clone, Debug)]
struct StateView {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    class: String,
    name: String,
    label: String,
    detail: String,
    mark: Option<Mark>,
    visits: usize,
    href: String,
    title: String,
    selected: bool,
    /// Whether its Catcher leads somewhere that no line shows.
    catches: bool,
}

impl Graph {
    /// Whether it can be read beside a table.
    pub fn is_narrow(&self) -> bool {
        self.width <= BESIDE_MAX
    }
}

/// Paints a drawing. `base` is the address of the page with all that must stay in it; states link to it with `state=`.
pub fn paint(drawing: &Drawing, visits: &Visits, selected: Option<&str>, base: &str) -> Graph {
    let marks = marks(visits);
    let taken = taken(visits);
    let join = if base.contains('?') { '&' } else { '?' };
    let state_of = |id: &str| id.split('\u{0}').next().unwrap_or(id).to_owned();
    let mut graph = Graph {
        width: drawing.width,
        height: drawing.height,
        frames: Vec::new(),
        lines: Vec::new(),
        states: Vec::new(),
        points: Vec::new(),
    };
    for frame in &drawing.frames {
        let mark = marks.get(frame.state.as_str()).map_or("none", |mark| mark.0.class());
        graph.frames.push(FrameView {
            x: frame.x,
            y: frame.y,
            width: frame.width,
            height: frame.height,
            class: format!("frame is-{mark}"),
        });
    }
    for line in &drawing.lines {
        let was_taken = taken.contains(&(state_of(&line.from), state_of(&line.to)));
        let kind = if line.catch { " catch" } else { "" };
        graph.lines.push(LineView {
            path: line.path.clone(),
            class: format!("line{kind}{}", if was_taken { " taken" } else { "" }),
            marker: if was_taken { "arrow-taken" } else { "arrow" },
            label: line.label.clone(),
            label_x: line.label_at.0,
            label_y: line.label_at.1,
        });
    }
    for placed in &drawing.boxes {
        let NodeKind::State(kind) = &placed.node.kind else {
            graph.points.push((placed.x + placed.width / 2.0, placed.y + placed.height / 2.0));
            continue;
        };
        let name = &placed.node.id;
        let (mark, count) = marks.get(name.as_str()).copied().map_or((None, 0), |(mark, count)| (Some(mark), count));
        let is_selected = selected == Some(name.as_str());
        let ring = if is_selected { " selected" } else { "" };
        graph.states.push(StateView {
            x: placed.x,
            y: placed.y,
            width: placed.width,
            height: placed.height,
            class: format!("state kind-{} is-{}{ring}", kind.to_lowercase(), mark.map_or("none", Mark::class)),
            label: cut(name, LETTERS_MAX.0),
            detail: cut(if placed.node.detail.is_empty() { kind } else { &placed.node.detail }, LETTERS_MAX.1),
            title: format!(
                "{name} · {kind} · {}{}",
                mark.map_or("not reached", Mark::word),
                placed.node.catches.as_ref().map(|to| format!(" · errors lead to {to}")).unwrap_or_default()
            ),
            catches: placed.node.catches.is_some(),
            href: format!("{base}{join}state={}", encode(name)),
            name: name.clone(),
            mark,
            visits: count,
            selected: is_selected,
        });
    }
    graph
}

/// How each state stands, and how often it was visited.
fn marks(visits: &Visits) -> HashMap<&str, (Mark, usize)> {
    let mut marks: HashMap<&str, (Mark, usize)> = HashMap::new();
    for visit in &visits.list {
        let mark = visits.mark_of(&visit.state).unwrap_or(visit.mark);
        marks.entry(&visit.state).and_modify(|(_, count)| *count += 1).or_insert((mark, 1));
    }
    marks
}

/// Transitions that some visit made; a container's name stands for its start and its end, the empty name for both
/// ends of the whole.
fn taken(visits: &Visits) -> HashSet<(String, String)> {
    let mut taken = HashSet::new();
    let mut left = HashSet::new();
    for visit in &visits.list {
        let before = match (visit.from, visit.parent) {
            (Some(from), _) => {
                left.insert(from);
                visits.list[from].state.clone()
            }
            (None, Some(parent)) => visits.list[parent].state.clone(),
            (None, None) => String::new(),
        };
        taken.insert((before, visit.state.clone()));
    }
    for (index, visit) in visits.list.iter().enumerate() {
        if visit.mark == Mark::Succeeded && !left.contains(&index) {
            let around = visit.parent.map(|parent| visits.list[parent].state.clone()).unwrap_or_default();
            taken.insert((visit.state.clone(), around));
        }
    }
    taken
}
