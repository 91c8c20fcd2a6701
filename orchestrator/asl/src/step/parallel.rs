//! Parallel: all branches side by side; the result is the array of their outputs.

use std::sync::Arc;

use serde_json::Value;

use crate::decide::{Deciding, Step};
use crate::definition::ScopeId;
use crate::execution::{EventKind, FrameId};
use crate::step::task;

pub(crate) fn work(deciding: &mut Deciding<'_>, frame: FrameId, branches: &[ScopeId]) -> Step {
    let input = {
        let evaluation = deciding.evaluation(frame)?;
        let filtered = evaluation.filtered_input()?;
        evaluation.arguments(&filtered)?
    };
    deciding.emit(frame, EventKind::ParallelStarted { branches: branches.len() as u64, input })?;
    for (index, scope) in branches.iter().enumerate() {
        deciding.emit(frame, EventKind::BranchStarted { scope: *scope, index: index as u64 })?;
    }
    Ok(())
}

/// A branch came to its end; the last one ends the state.
pub(crate) fn branch_ended(deciding: &mut Deciding<'_>, frame: FrameId, branch: FrameId) -> Step {
    deciding.emit(branch, EventKind::BranchSucceeded)?;
    let children = deciding.children(frame)?;
    if children.finished() < children.total {
        return Ok(());
    }
    let result = results(&children.results);
    deciding.emit(frame, EventKind::ParallelSucceeded)?;
    task::finish(deciding, frame, &result)
}

/// The outputs of all children in order.
pub(crate) fn results(results: &[Option<Arc<Value>>]) -> Arc<Value> {
    Arc::new(Value::Array(
        results.iter().map(|result| result.as_ref().map_or(Value::Null, |result| Value::clone(result))).collect(),
    ))
}
