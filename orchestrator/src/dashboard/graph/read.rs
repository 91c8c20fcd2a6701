//! Definition JSON → nodes, edges and clusters.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

/// The node where an execution starts.
pub const START: &str = "\u{0}start";
/// The node where it ends well.
pub const END: &str = "\u{0}end";
/// Definitions nested deeper than this are cut.
const DEPTH_MAX: usize = 24;
/// Catchers that lead to one state; of more, lines to it would be all there is to see, and their layout takes minutes.
const CATCHERS_MAX: usize = 12;
/// Letters of an edge's text.
const LABEL_CHARS_MAX: usize = 26;

/// What is to be drawn.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// States, and the points where paths start, meet and end.
    pub nodes: Vec<Node>,
    /// Transitions, at most one from a node to another.
    pub edges: Vec<Edge>,
    /// Parallel and Map states with what is in them.
    pub clusters: Vec<Cluster>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Unique: the state's name, or [`START`], [`END`], a state's name and its end.
    pub id: String,
    /// What it is.
    pub kind: NodeKind,
    /// The second line: what a Task calls, how long a Wait waits.
    pub detail: String,
    /// Index of the cluster it lies in.
    pub cluster: Option<usize>,
    /// The state its Catcher leads to, where no line is drawn for that.
    pub catches: Option<String>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A state with its `Type`.
    State(String),
    /// A point.
    Point,
}

/// A transition.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Node id.
    pub from: String,
    /// Node id.
    pub to: String,
    /// `Next`, a Choice rule, or a Catcher.
    pub catch: bool,
    /// A short text on it.
    pub label: String,
}

/// A Parallel or Map state.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The state's name.
    pub state: String,
    /// The cluster around it.
    pub parent: Option<usize>,
}

/// All states of a definition with their types, in the order of the text, nested ones behind their container.
pub fn states(definition: &Value) -> Vec<(String, String)> {
    Model::read(definition)
        .nodes
        .into_iter()
        .filter_map(|node| match node.kind {
            NodeKind::State(kind) => Some((node.id, kind)),
            NodeKind::Point => None,
        })
        .collect()
}

impl Model {
    /// Reads a definition.
    pub fn read(definition: &Value) -> Self {
        let mut model = Self::default();
        model.point(START.to_owned(), None);
        model.point(END.to_owned(), None);
        model.scope(definition, START, END, None, 0);
        let known: HashSet<&str> = model.nodes.iter().map(|node| node.id.as_str()).collect();
        let edges = model.edges.iter().filter(|e| known.contains(e.from.as_str()) && known.contains(e.to.as_str()));
        model.edges = edges.cloned().collect();
        model.thin_catchers();
        // A machine that always fails has no end to draw.
        let used = |id: &str| model.edges.iter().any(|edge| edge.to == id || edge.from == id);
        let unused: Vec<String> = [START, END].into_iter().filter(|id| !used(id)).map(str::to_owned).collect();
        model.nodes.retain(|node| !unused.contains(&node.id));
        model
    }

    /// Where very many Catchers lead to one state, only the line of the last is drawn; the others' states say it.
    fn thin_catchers(&mut self) {
        let mut catchers: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, edge) in self.edges.iter().enumerate().filter(|(_, edge)| edge.catch) {
            catchers.entry(edge.to.clone()).or_default().push(index);
        }
        let mut dropped = HashSet::new();
        for lines in catchers.into_values().filter(|lines| lines.len() > CATCHERS_MAX) {
            dropped.extend(lines[..lines.len() - 1].iter().copied());
        }
        let mut index = 0;
        let nodes = &mut self.nodes;
        self.edges.retain(|edge| {
            let stays = !dropped.contains(&index);
            index += 1;
            if !stays {
                // The line of a container begins at its end.
                let name = edge.from.split('\u{0}').next().unwrap_or(&edge.from);
                if let Some(node) = nodes.iter_mut().find(|node| node.id == name) {
                    node.catches = Some(edge.to.clone());
                }
            }
            stays
        });
    }

    fn scope(&mut self, scope: &Value, start: &str, end: &str, cluster: Option<usize>, depth: usize) {
        let Some(states) = scope.get("States").and_then(Value::as_object) else { return };
        if depth > DEPTH_MAX {
            return;
        }
        if let Some(first) = text(scope, "StartAt") {
            self.edge(start, first, false, String::new());
        }
        for (name, state) in states {
            self.state(name, state, end, cluster, depth);
        }
    }

    fn state(&mut self, name: &str, state: &Value, end: &str, cluster: Option<usize>, depth: usize) {
        let kind = text(state, "Type").unwrap_or("Pass");
        let nested = nested_scopes(state);
        let (inside, exit) = if nested.is_empty() {
            (cluster, name.to_owned())
        } else {
            self.clusters.push(Cluster { state: name.to_owned(), parent: cluster });
            (Some(self.clusters.len() - 1), format!("{name}\u{0}end"))
        };
        self.nodes.push(Node {
            id: name.to_owned(),
            kind: NodeKind::State(kind.to_owned()),
            detail: detail(kind, state),
            cluster: inside,
            catches: None,
        });
        for scope in &nested {
            self.scope(scope, name, &exit, inside, depth + 1);
        }
        if !nested.is_empty() {
            self.point(exit.clone(), inside);
        }
        for rule in list(state, "Choices") {
            if let Some(next) = text(rule, "Next") {
                self.edge(&exit, next, false, condition(rule));
            }
        }
        if let Some(next) = text(state, "Default") {
            self.edge(&exit, next, false, "otherwise".to_owned());
        }
        if let Some(next) = text(state, "Next") {
            self.edge(&exit, next, false, String::new());
        }
        if state.get("End").and_then(Value::as_bool) == Some(true) || kind == "Succeed" {
            self.edge(&exit, end, false, String::new());
        }
        for catcher in list(state, "Catch") {
            if let Some(next) = text(catcher, "Next") {
                self.edge(&exit, next, true, String::new());
            }
        }
    }

    fn point(&mut self, id: String, cluster: Option<usize>) {
        self.nodes.push(Node { id, kind: NodeKind::Point, detail: String::new(), cluster, catches: None });
    }

    fn edge(&mut self, from: &str, to: &str, catch: bool, label: String) {
        match self.edges.iter_mut().find(|edge| edge.from == from && edge.to == to) {
            Some(edge) => {
                edge.catch &= catch;
                if !label.is_empty() && edge.label != label {
                    edge.label =
                        if edge.label.is_empty() { label } else { shorten(&format!("{} or {label}", edge.label)) };
                }
            }
            None => self.edges.push(Edge { from: from.to_owned(), to: to.to_owned(), catch, label }),
        }
    }
}

fn nested_scopes(state: &Value) -> Vec<&Value> {
    let processor = state.get("ItemProcessor").or_else(|| state.get("Iterator"));
    list(state, "Branches").chain(processor).filter(|scope| scope.get("States").is_some()).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn detail(kind: &str, state: &Value) -> String {
    match kind {
        "Task" => {
            let resource = text(state, "Resource").unwrap_or_default();
            let call = resource.strip_prefix("arn:aws:states:::");
            let name = ["Parameters", "Arguments"].iter().filter_map(|key| state.get(key)).find_map(called);
            match (call, name) {
                (Some(call), Some(name)) => format!("{} {name}", call.split(['.', ':']).next().unwrap_or(call)),
                (Some(call), None) => call.to_owned(),
                (None, _) => match resource.rsplit_once(':') {
                    Some((head, name)) if head.ends_with(":activity") => format!("activity {name}"),
                    Some((_, name)) => format!("lambda {name}"),
                    None => resource.to_owned(),
                },
            }
        }
        "Wait" => match (state.get("Seconds"), text(state, "Timestamp")) {
            (Some(seconds), _) => format!("{seconds} s"),
            (None, Some(timestamp)) => format!("until {timestamp}"),
            (None, None) => "until a time of the input".to_owned(),
        },
        "Map" => match state.get("MaxConcurrency").and_then(Value::as_u64) {
            Some(1) => "one item after the other".to_owned(),
            Some(at_once @ 2..) => format!("{at_once} items at once"),
            _ => "all items at once".to_owned(),
        },
        "Parallel" => format!("{} branches", list(state, "Branches").count()),
        "Fail" => text(state, "Error").unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

/// The job or function in a task's arguments.
fn called(arguments: &Value) -> Option<&str> {
    ["JobName", "FunctionName", "Name", "StateMachineArn", "TopicArn"]
        .iter()
        .find_map(|key| text(arguments, key))
        .map(|name| name.rsplit(':').next().unwrap_or(name))
}

/// A Choice rule in a few letters: `proceed = true`.
fn condition(rule: &Value) -> String {
    let Some(rule) = rule.as_object() else { return String::new() };
    let text = if let Some(expression) = rule.get("Condition").and_then(Value::as_str) {
        expression.trim_start_matches("{%").trim_end_matches("%}").trim().to_owned()
    } else if let Some(inner) = rule.get("Not") {
        format!("not {}", condition(inner))
    } else if let Some((word, inner)) = ["And", "Or"].iter().find_map(|word| Some((*word, rule.get(*word)?))) {
        let parts: Vec<String> = inner.as_array().into_iter().flatten().map(condition).collect();
        parts.join(&format!(" {} ", word.to_lowercase()))
    } else {
        comparison(rule)
    };
    shorten(&text)
}

fn comparison(rule: &Map<String, Value>) -> String {
    let variable = rule.get("Variable").and_then(Value::as_str).unwrap_or_default();
    let variable = variable.rsplit('.').next().unwrap_or(variable).trim_start_matches('$');
    let found =
        rule.iter().find(|(key, _)| !matches!(key.as_str(), "Variable" | "Next" | "Comment" | "Assign" | "Output"));
    let Some((operator, value)) = found else { return variable.to_owned() };
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let value = value.trim_start_matches("$.").to_owned();
    match operator.trim_end_matches("Path") {
        "IsPresent" if value == "true" => format!("{variable} is there"),
        "IsPresent" => format!("{variable} is absent"),
        "IsNull" if value == "true" => format!("{variable} is null"),
        "IsNull" => format!("{variable} is not null"),
        operator if operator.ends_with("GreaterThanEquals") => format!("{variable} ≥ {value}"),
        operator if operator.ends_with("LessThanEquals") => format!("{variable} ≤ {value}"),
        operator if operator.ends_with("GreaterThan") => format!("{variable} > {value}"),
        operator if operator.ends_with("LessThan") => format!("{variable} < {value}"),
        operator if operator.ends_with("Equals") => format!("{variable} = {value}"),
        "StringMatches" => format!("{variable} like {value}"),
        other => format!("{variable} {other} {value}"),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(LABEL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
