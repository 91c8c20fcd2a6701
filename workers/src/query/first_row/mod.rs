//! The first row of each group, of rows that are sorted by group alone.
//!
//! SQL asks for the newest row of each key by `row_number() over (partition by key order by …) = 1`. DataFusion sorts by key and
//! order for that, and keeps a state for each key: most of the work of such a statement, where nearly every group is one row and
//! the order names many columns. [`FirstRows`] puts [`FirstRowExec`] into the place of such a window. It needs the groups
//! together and no more, compares only rows that share a group, and holds one batch however large a group is.

mod search;

use std::fmt;
use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use deltalake::datafusion::common::{DataFusionError, Result, ScalarValue};
use deltalake::datafusion::config::ConfigOptions;
use deltalake::datafusion::execution::{SendableRecordBatchStream, TaskContext};
use deltalake::datafusion::logical_expr::Operator;
use deltalake::datafusion::physical_expr::equivalence::EquivalenceProperties;
use deltalake::datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use deltalake::datafusion::physical_expr::utils::collect_columns;
use deltalake::datafusion::physical_expr::window::StandardWindowExpr;
use deltalake::datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use deltalake::datafusion::physical_optimizer::PhysicalOptimizerRule;
use deltalake::datafusion::physical_optimizer::sanity_checker::SanityCheckPlan;
use deltalake::datafusion::physical_plan::aggregates::AggregateExec;
use deltalake::datafusion::physical_plan::filter::FilterExec;
use deltalake::datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use deltalake::datafusion::physical_plan::sorts::sort::SortExec;
use deltalake::datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use deltalake::datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowUDFExpr};
use deltalake::datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputOrderMode, PlanProperties,
    replace_children_if_necessary,
};
use futures::StreamExt;

use search::Search;

/// The function of SQL.
const ROW_NUMBER: &str = "row_number";
/// The number of a group's first row, and that of all others: those that ask compare with 1.
const FIRST: u64 = 1;
const OTHER: u64 = 2;

/// The rule that makes plans use [`FirstRowExec`]; one of the last, when everything is sorted and distributed as windows need it.
#[derive(Debug)]
pub(super) struct FirstRows;

impl PhysicalOptimizerRule for FirstRows {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let mut others_pass = false;
        let changed = plan.clone().transform_up(|plan| {
            Ok(match instead_of(&plan)? {
                Some(instead) => {
                    others_pass |= instead.others_pass;
                    Transformed::yes(instead.plan)
                }
                None => Transformed::no(plan),
            })
        })?;
        if !changed.transformed {
            return Ok(plan);
        }
        // Rows come sorted by group only: whatever counts on more needs the plan as it was. With one row of a group nothing can.
        if others_pass && (counts_on_order(&plan)? || !keeps_order(&plan, &changed.data)?) {
            return Ok(plan);
        }
        Ok(SanityCheckPlan::new().optimize(changed.data, config).unwrap_or(plan))
    }

    fn name(&self) -> &str {
        "first_rows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether something in a plan takes what rows come first, without saying so among the orders that it requires.
fn counts_on_order(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|plan| {
        let aggregates = plan.downcast_ref::<AggregateExec>().map_or(&[][..], |aggregate| aggregate.aggr_expr());
        let says_so = plan.is::<SortExec>() || plan.is::<SortPreservingMergeExec>();
        Ok(plan.fetch().is_some() && !says_so || aggregates.iter().any(|of| !of.order_bys().is_empty()))
    })
}

/// Whether the rows of a plan come in the order that they came in before it was changed.
fn keeps_order(before: &Arc<dyn ExecutionPlan>, after: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    match before.output_ordering() {
        Some(ordering) => after.equivalence_properties().ordering_satisfy(ordering.iter().cloned()),
        None => Ok(true),
    }
}

/// What stands for a filter of row numbers.
struct Instead {
    plan: Arc<dyn ExecutionPlan>,
    /// Whether rows that are not the first of their group may pass.
    others_pass: bool,
}

/// The same as this plan, if that is a filter that asks row numbers of sorted rows whether they are 1, and nothing else does.
fn instead_of(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Instead>> {
    let Some(filter) = plan.downcast_ref::<FilterExec>() else { return Ok(None) };
    let below = filter.input();
    let projection = below.downcast_ref::<ProjectionExec>();
    let window = projection.map_or(below, ProjectionExec::input);
    let Some(first) = instead_of_window(window) else { return Ok(None) };
    let number = first.schema().fields().len() - 1;
    let place = match projection {
        Some(projection) => only_place(projection.expr(), number),
        None => Some(number),
    };
    let Some(place) = place else { return Ok(None) };
    let hidden = filter.projection().as_ref().is_some_and(|shown| !shown.contains(&place));
    if !asks_only(filter.predicate(), place, hidden) {
        return Ok(None);
    }
    let first = match projection {
        Some(_) => replace_children_if_necessary(below.clone(), vec![Arc::new(first)])?,
        None => Arc::new(first),
    };
    let plan = replace_children_if_necessary(plan.clone(), vec![first])?;
    Ok(Some(Instead { plan, others_pass: !asks_only(filter.predicate(), place, false) }))
}

/// What stands for a window of row numbers of rows that are sorted for it.
fn instead_of_window(plan: &Arc<dyn ExecutionPlan>) -> Option<FirstRowExec> {
    let window = plan.downcast_ref::<BoundedWindowAggExec>()?;
    let sort = window.input().downcast_ref::<SortExec>()?;
    let [expression] = window.window_expr() else { return None };
    let standard = expression.as_any().downcast_ref::<StandardWindowExpr>()?;
    let function = standard.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>();
    let groups = expression.partition_by();
    let sorted = matches!(window.input_order_mode, InputOrderMode::Sorted) && sort.fetch().is_none();
    let numbers = function.is_some_and(|function| function.fun().name() == ROW_NUMBER);
    let prefix = sort.expr().iter().take(groups.len()).cloned().collect::<Vec<_>>();
    let grouped = prefix.iter().all(|sorted| groups.iter().any(|group| group.eq(&sorted.expr)));
    let prefix = LexOrdering::new(prefix).filter(|_| sorted && numbers && grouped)?;
    let partitioned = sort.preserve_partitioning();
    let sort = SortExec::new(prefix, sort.input().clone()).with_preserve_partitioning(partitioned);
    let order = expression.order_by().to_vec();
    Some(FirstRowExec::new(Arc::new(sort), groups.to_vec(), order, window.schema()))
}

/// Where a projection has a column of its input, if it has it once and as it is.
fn only_place(projected: &[ProjectionExpr], column: usize) -> Option<usize> {
    let mut with = projected
        .iter()
        .enumerate()
        .filter(|(_, projected)| collect_columns(&projected.expr).iter().any(|found| found.index() == column));
    let (place, only) = with.next()?;
    (with.next().is_none() && only.expr.downcast_ref::<Column>().is_some()).then_some(place)
}

/// Whether a condition asks of the column at `place` only if it is 1. Where rows may pass without that, the column must not be
/// seen afterwards (`hidden`).
fn asks_only(condition: &Arc<dyn PhysicalExpr>, place: usize, hidden: bool) -> bool {
    let is_number =
        |side: &Arc<dyn PhysicalExpr>| side.downcast_ref::<Column>().is_some_and(|column| column.index() == place);
    let is_one = |side: &Arc<dyn PhysicalExpr>| {
        side.downcast_ref::<Literal>().is_some_and(|literal| *literal.value() == ScalarValue::UInt64(Some(FIRST)))
    };
    if let Some(binary) = condition.downcast_ref::<BinaryExpr>()
        && *binary.op() == Operator::Eq
        && (is_number(binary.left()) && is_one(binary.right()) || is_one(binary.left()) && is_number(binary.right()))
    {
        return true;
    }
    let children = condition.children();
    hidden && !is_number(condition) && children.into_iter().all(|child| asks_only(child, place, hidden))
}

/// The rows of its input, each with 1 if it is the first of its group, else with 2.
#[derive(Debug)]
struct FirstRowExec {
    /// Sorted by group.
    input: Arc<dyn ExecutionPlan>,
    /// What makes a group.
    groups: Vec<Arc<dyn PhysicalExpr>>,
    /// Which row of it comes first.
    order: Vec<PhysicalSortExpr>,
    properties: Arc<PlanProperties>,
}

impl FirstRowExec {
    fn new(
        input: Arc<dyn ExecutionPlan>,
        groups: Vec<Arc<dyn PhysicalExpr>>,
        order: Vec<PhysicalSortExpr>,
        schema: SchemaRef,
    ) -> FirstRowExec {
        let orderings = input.output_ordering().cloned();
        let equivalences = EquivalenceProperties::new_with_orderings(schema, orderings);
        let properties = PlanProperties::new(
            equivalences,
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        FirstRowExec { input, groups, order, properties: Arc::new(properties) }
    }
}

impl DisplayAs for FirstRowExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |texts: Vec<String>| texts.join(", ");
        let groups = list(self.groups.iter().map(ToString::to_string).collect());
        let order = list(self.order.iter().map(ToString::to_string).collect());
        write!(f, "FirstRowExec: groups=[{groups}], order=[{order}]")
    }
}

impl ExecutionPlan for FirstRowExec {
    fn name(&self) -> &str {
        "FirstRowExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        // Of the rows of a group the first may come last.
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expression in self.groups.iter().chain(self.order.iter().map(|sorted| &sorted.expr)) {
            if visit(expression)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => {
                Ok(Arc::new(FirstRowExec::new(input, self.groups.clone(), self.order.clone(), self.schema())))
            }
            _ => Err(DataFusionError::Internal("FirstRowExec has one input".to_owned())),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let schema = self.schema();
        let search = Search::new(self.groups.clone(), self.order.clone(), schema.clone());
        let found = futures::stream::unfold(Some((rows, search)), |state| async {
            let (mut rows, mut search) = state?;
            Some(match rows.next().await {
                Some(Ok(batch)) => (search.take(batch), Some((rows, search))),
                Some(Err(error)) => (Err(error), None),
                None => (search.end(), None),
            })
        });
        let found = found.flat_map(|batches| {
            let each: Vec<Result<RecordBatch>> = match batches {
                Ok(batches) => batches.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            futures::stream::iter(each)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, found)))
    }
}

#[cfg(test)]
mod tests;
