//! Nodes, edges and clusters → places, by the layered layout of `dagre`; corners of edges are rounded here.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dagre::graph::{Graph, GraphOptions};
use dagre::{EdgeLabel, LayoutOptions, NodeLabel};

use super::read::{Model, Node, NodeKind};
use super::route::{Obstacle, lead_around};

/// Height of a state, pixels.
const STATE_HEIGHT: f64 = 38.0;
/// Side of a point.
const POINT_SIZE: f64 = 10.0;
/// Least and greatest width of a state.
const WIDTHS: (f64, f64) = (132.0, 264.0);
/// Width of a letter of a state's name and of its second line.
const LETTERS: (f64, f64) = (8.5, 6.1);
/// What stands beside the letters.
const PADDING: f64 = 46.0;
/// Radius of rounded corners.
const RADIUS: f64 = 9.0;
/// States and points; more take the layout longer than anybody waits for a page.
const NODES_MAX: usize = 600;
/// Room around everything.
const MARGIN: f64 = 10.0;

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// Pixels.
    pub width: f64,
    /// Pixels.
    pub height: f64,
    /// States and points.
    pub boxes: Vec<Placed>,
    /// Transitions.
    pub lines: Vec<Line>,
    /// Containers, outer ones first.
    pub frames: Vec<Frame>,
}

/// A node in its place.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The node.
    pub node: Node,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Pixels.
    pub width: f64,
    /// Pixels.
    pub height: f64,
}

/// A transition in its place.
#[derive(Clone, Debug)]
pub struct Line {
    /// Node id.
    pub from: String,
    /// Node id.
    pub to: String,
    /// Whether a Catcher leads there.
    pub catch: bool,
    /// Its text.
    pub label: String,
    /// The middle of its text.
    pub label_at: (f64, f64),
    /// From the edge of one node to the edge of the other.
    pub points: Vec<(f64, f64)>,
    /// The same as an SVG path with rounded corners.
    pub path: String,
}

/// A container in its place.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The state.
    pub state: String,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Pixels.
    pub width: f64,
    /// Pixels.
    pub height: f64,
}

/// Lays a model out; `None` if it is empty or beyond the layout.
pub fn draw(model: Model) -> Option<Drawing> {
    if model.nodes.is_empty() || model.nodes.len() > NODES_MAX {
        return None;
    }
    // The layout is other people's code on a user's definition: a panic in it must not cost the page.
    catch_unwind(AssertUnwindSafe(|| place(model))).ok()
}

fn place(model: Model) -> Drawing {
    let mut graph: Graph<NodeLabel, EdgeLabel> =
        Graph::with_options(GraphOptions { directed: true, multigraph: true, compound: true });
    for node in &model.nodes {
        let (width, height) = size(node);
        graph.set_node(node.id.as_str(), Some(NodeLabel { width, height, ..NodeLabel::default() }));
    }
    let cluster_id = |index: usize| format!("\u{0}cluster {index}");
    for (index, cluster) in model.clusters.iter().enumerate() {
        graph.set_node(cluster_id(index), Some(NodeLabel::default()));
        if let Some(parent) = cluster.parent {
            graph.set_parent(&cluster_id(index), Some(&cluster_id(parent)));
        }
    }
    for node in &model.nodes {
        if let Some(cluster) = node.cluster {
            graph.set_parent(&node.id, Some(&cluster_id(cluster)));
        }
    }
    for edge in &model.edges {
        let (width, height) =
            if edge.label.is_empty() { (0.0, 0.0) } else { (edge.label.chars().count() as f64 * 5.8, 12.0) };
        let label =
            EdgeLabel { width, height, labelpos: dagre::layout::types::LabelPos::Center, ..EdgeLabel::default() };
        graph.set_edge(edge.from.as_str(), edge.to.as_str(), Some(label), None);
    }
    let options = LayoutOptions {
        nodesep: 28.0,
        edgesep: 14.0,
        ranksep: 22.0,
        marginx: MARGIN,
        marginy: MARGIN,
        ..LayoutOptions::default()
    };
    dagre::layout(&mut graph, Some(options));
    read_back(model, &graph, cluster_id)
}

fn read_back(model: Model, graph: &Graph<NodeLabel, EdgeLabel>, cluster_id: impl Fn(usize) -> String) -> Drawing {
    let corner =
        |label: &NodeLabel| (label.x.unwrap_or(0.0) - label.width / 2.0, label.y.unwrap_or(0.0) - label.height / 2.0);
    let frames = model
        .clusters
        .iter()
        .enumerate()
        .filter_map(|(index, cluster)| {
            let label = graph.node(&cluster_id(index))?;
            let (x, y) = corner(label);
            Some(Frame { state: cluster.state.clone(), x, y, width: label.width, height: label.height })
        })
        .collect();
    let lines = model
        .edges
        .into_iter()
        .filter_map(|edge| {
            let label = graph.edge(&edge.from, &edge.to, None)?;
            let points: Vec<(f64, f64)> = label.points.iter().map(|point| (point.x, point.y)).collect();
            let label_at = (label.x.unwrap_or(0.0), label.y.unwrap_or(0.0));
            Some(Line {
                path: rounded(&points),
                from: edge.from,
                to: edge.to,
                catch: edge.catch,
                label: edge.label,
                label_at,
                points,
            })
        })
        .collect();
    let boxes: Vec<Placed> = model
        .nodes
        .into_iter()
        .filter_map(|node| {
            let label = graph.node(&node.id)?;
            let (x, y) = corner(label);
            Some(Placed { node, x, y, width: label.width, height: label.height })
        })
        .collect();
    let mut drawing = Drawing { width: 0.0, height: 0.0, boxes, lines, frames };
    drawing.lead_lines_around();
    drawing.fit();
    drawing
}

impl Drawing {
    /// No line runs through a state that it does not belong to.
    fn lead_lines_around(&mut self) {
        for line in &mut self.lines {
            let states = self.boxes.iter().filter(|placed| placed.node.kind != NodeKind::Point);
            let others = states.filter(|placed| placed.node.id != line.from && placed.node.id != line.to);
            let obstacles: Vec<Obstacle> =
                others.map(|b| Obstacle { x: b.x, y: b.y, width: b.width, height: b.height }).collect();
            lead_around(&mut line.points, &obstacles);
            line.path = rounded(&line.points);
        }
    }

    /// The size that holds everything, texts of edges included.
    fn fit(&mut self) {
        let boxes = self.boxes.iter().map(|b| (b.x + b.width, b.y + b.height));
        let frames = self.frames.iter().map(|f| (f.x + f.width, f.y + f.height));
        let points = self.lines.iter().flat_map(|line| line.points.iter().copied());
        let labels = self
            .lines
            .iter()
            .filter(|line| !line.label.is_empty())
            .map(|line| (line.label_at.0 + line.label.chars().count() as f64 * 3.0, line.label_at.1));
        let (width, height) = boxes
            .chain(frames)
            .chain(points)
            .chain(labels)
            .fold((0.0_f64, 0.0_f64), |(width, height), (x, y)| (width.max(x), height.max(y)));
        self.width = (width + MARGIN).ceil();
        self.height = (height + MARGIN).ceil();
    }
}

fn size(node: &Node) -> (f64, f64) {
    match node.kind {
        NodeKind::Point => (POINT_SIZE, POINT_SIZE),
        NodeKind::State(_) => {
            let name = node.id.chars().count() as f64 * LETTERS.0;
            let detail = node.detail.chars().count() as f64 * LETTERS.1;
            ((name.max(detail) + PADDING).clamp(WIDTHS.0, WIDTHS.1).round(), STATE_HEIGHT)
        }
    }
}

/// A line through all points whose corners are rounded.
fn rounded(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    let Some((first, rest)) = points.split_first() else { return path };
    let _ = write!(path, "M{:.1} {:.1}", first.0, first.1);
    let mut at = *first;
    for (index, &corner) in rest.iter().enumerate() {
        match rest.get(index + 1) {
            Some(&next) => {
                let enter = toward(corner, at, RADIUS);
                let leave = toward(corner, next, RADIUS);
                let _ = write!(
                    path,
                    "L{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}",
                    enter.0, enter.1, corner.0, corner.1, leave.0, leave.1
                );
                at = leave;
            }
            None => {
                let _ = write!(path, "L{:.1} {:.1}", corner.0, corner.1);
            }
        }
    }
    path
}

/// The point `distance` away from `from` toward `to`, at most half the way.
fn toward(from: (f64, f64), to: (f64, f64), distance: f64) -> (f64, f64) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    if length < f64::EPSILON {
        return from;
    }
    let share = (distance / length).min(0.5);
    (from.0 + dx * share, from.1 + dy * share)
}
