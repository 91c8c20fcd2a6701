//! What an expression refers to, and what the service's older version of the language does not know.

use std::collections::BTreeSet;

use jsonata_core::ast::{AstNode, BinaryOp, Stage};

/// What an expression takes from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Scan {
    /// Variables but `$states`, `$` and `$$`, and those that the expression itself binds.
    pub(super) variables: BTreeSet<String>,
    /// `input`, `context`, `result`, `errorOutput`: the fields of `$states` by name.
    pub(super) states_fields: BTreeSet<String>,
    /// Whether `$states` is used other than by naming a field.
    pub(super) uses_whole_states: bool,
}

/// Looks through the expression, and turns `$now(picture, zone)` into `$fromMillis($millis(), picture, zone)`, so that
/// only `$millis` and the bare `$now` need to be told the time.
///
/// The error names syntax that is newer than the version the service runs, 2.0.6.
pub(super) fn scan(ast: &mut AstNode) -> Result<Scan, String> {
    let mut scan = Scan::default();
    let mut bound = BTreeSet::new();
    // A list of what is left instead of recursion: an expression may nest a thousand levels.
    let mut left = vec![ast];
    while let Some(node) = left.pop() {
        match node {
            AstNode::Variable(name) => match name.as_str() {
                "" => {}
                "states" => scan.uses_whole_states = true,
                name => {
                    scan.variables.insert(name.to_owned());
                }
            },
            AstNode::Path { steps } => {
                let mut steps = steps.as_mut_slice();
                if let Some(field) = states_field(steps) {
                    scan.states_fields.insert(field);
                    let (first, rest) = steps.split_at_mut(1);
                    for stage in &mut first[0].stages {
                        push_stage(stage, &mut bound, &mut left);
                    }
                    steps = rest;
                }
                for step in steps {
                    bound.extend(step.focus.iter().chain(&step.index_var).cloned());
                    for stage in &mut step.stages {
                        push_stage(stage, &mut bound, &mut left);
                    }
                    left.push(&mut step.node);
                }
            }
            AstNode::Binary { op, lhs, rhs } => {
                match op {
                    BinaryOp::Coalesce => return Err("The operator '??' is not supported".to_owned()),
                    BinaryOp::Default => return Err("The operator '?:' is not supported".to_owned()),
                    BinaryOp::ColonEqual => {
                        if let AstNode::Variable(name) = lhs.as_ref() {
                            bound.insert(name.clone());
                        }
                    }
                    _ => {}
                }
                left.extend([lhs.as_mut(), rhs.as_mut()]);
            }
            AstNode::Function { name, args, .. } => {
                if name == "now" && !args.is_empty() {
                    *name = "fromMillis".to_owned();
                    args.insert(0, AstNode::Function { name: "millis".to_owned(), args: Vec::new(), is_builtin: true });
                }
                left.extend(args);
            }
            AstNode::Lambda { params, body, .. } => {
                bound.extend(params.iter().cloned());
                left.push(body);
            }
            AstNode::Call { procedure, args } => {
                left.push(procedure);
                left.extend(args);
            }
            AstNode::Unary { operand, .. } => left.push(operand),
            AstNode::Array(items) | AstNode::Block(items) | AstNode::ArrayGroup(items) => left.extend(items),
            AstNode::Object(pairs) => left.extend(pairs.iter_mut().flat_map(|(key, value)| [key, value])),
            AstNode::ObjectTransform { input, pattern } => {
                left.push(input);
                left.extend(pattern.iter_mut().flat_map(|(key, value)| [key, value]));
            }
            AstNode::Conditional { condition, then_branch, else_branch } => {
                left.extend([condition.as_mut(), then_branch.as_mut()]);
                left.extend(else_branch.as_deref_mut());
            }
            AstNode::FunctionApplication(inner) => left.push(inner),
            AstNode::Sort { input, terms } => {
                left.push(input);
                left.extend(terms.iter_mut().map(|(term, _)| term));
            }
            AstNode::Transform { location, update, delete } => {
                left.extend([location.as_mut(), update.as_mut()]);
                left.extend(delete.as_deref_mut());
            }
            AstNode::String(_)
            | AstNode::Name(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. }
            | AstNode::ParentVariable(_)
            | AstNode::Wildcard
            | AstNode::Descendant
            | AstNode::Parent(_) => {}
        }
    }
    if bound.contains("states") {
        return Err("'states' is reserved and cannot be assigned".to_owned());
    }
    scan.variables.retain(|name| !bound.contains(name));
    Ok(scan)
}

fn push_stage<'a>(stage: &'a mut Stage, bound: &mut BTreeSet<String>, left: &mut Vec<&'a mut AstNode>) {
    match stage {
        Stage::Filter(filter) => left.push(filter),
        Stage::KeepArray => {}
        Stage::Index(name) => {
            bound.insert(name.clone());
        }
    }
}

/// `input` of `$states.input…`.
fn states_field(steps: &[jsonata_core::ast::PathStep]) -> Option<String> {
    match steps {
        [first, second, ..] if first.stages.is_empty() => match (&first.node, &second.node) {
            (AstNode::Variable(name), AstNode::Name(field)) if name == "states" => Some(field.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The names of an expression that only follows names from a variable.
pub(super) fn lookup(ast: &AstNode) -> Option<Vec<String>> {
    match ast {
        AstNode::Variable(name) if !name.is_empty() => Some(vec![name.clone()]),
        AstNode::Path { steps } => {
            let names = steps.iter().enumerate().map(|(at, step)| {
                let is_plain = step.stages.is_empty() && step.focus.is_none() && step.index_var.is_none();
                match &step.node {
                    AstNode::Variable(name) if at == 0 && is_plain && !name.is_empty() => Some(name.clone()),
                    AstNode::Name(name) if at > 0 && is_plain => Some(name.clone()),
                    _ => None,
                }
            });
            names.collect()
        }
        _ => None,
    }
}
