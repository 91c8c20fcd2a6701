//! The first row of each group, of rows that are sorted by group alone.
//!
//! SQL asks for the newest row of each key by `row_number() over (partition by key order by …) = 1`. DataFusion sorts by key and
//! order for that, and keeps a state for each key: most of the work of such a statement, where nearly every group is one row and
//! the order names many columns. [`FirstRows`] puts [`FirstRowExec`] into the place of such a window. It needs the groups
//! together and no more, compares only rows that share a group, and holds one batch however large a group is.

use std::fmt;
use std::sync::Arc;

use deltalake::arrow::array::{Array, ArrayRef, RecordBatch, UInt64Array};
use deltalake::arrow::compute::kernels::cmp::not_distinct;
use deltalake::arrow::compute::{LexicographicalComparator, SortColumn, concat, partition};
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
use deltalake::datafusion::physical_plan::filter::FilterExec;
use deltalake::datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use deltalake::datafusion::physical_plan::sorts::sort::SortExec;
use deltalake::datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowUDFExpr};
use deltalake::datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputOrderMode, PlanProperties,
    replace_children_if_necessary,
};
use futures::StreamExt;

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
        let changed = plan.clone().transform_up(|plan| {
            Ok(match instead_of(&plan)? {
                Some(first) => Transformed::yes(first),
                None => Transformed::no(plan),
            })
        })?;
        if !changed.transformed {
            return Ok(plan);
        }
        // Rows come sorted by group only: whatever counts on more needs the plan as it was.
        Ok(SanityCheckPlan::new().optimize(changed.data, config).unwrap_or(plan))
    }

    fn name(&self) -> &str {
        "first_rows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The same as this plan, if that is a filter that asks row numbers of sorted rows whether they are 1, and nothing else does.
fn instead_of(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = plan.downcast_ref::<FilterExec>() else { return Ok(None) };
    let below = filter.input();
    let projection = below.downcast_ref::<ProjectionExec>();
    let window = projection.map_or(below, ProjectionExec::input);
    let Some(first) = instead_of_window(window)? else { return Ok(None) };
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
    replace_children_if_necessary(plan.clone(), vec![first]).map(Some)
}

/// What stands for a window of row numbers of rows that are sorted for it.
fn instead_of_window(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<FirstRowExec>> {
    let Some(window) = plan.downcast_ref::<BoundedWindowAggExec>() else { return Ok(None) };
    let Some(sort) = window.input().downcast_ref::<SortExec>() else { return Ok(None) };
    let [expression] = window.window_expr() else { return Ok(None) };
    let Some(standard) = expression.as_any().downcast_ref::<StandardWindowExpr>() else { return Ok(None) };
    let function = standard.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>();
    let groups = expression.partition_by();
    let sorted = matches!(window.input_order_mode, InputOrderMode::Sorted) && sort.fetch().is_none();
    let numbers = function.is_some_and(|function| function.fun().name() == ROW_NUMBER);
    let prefix = sort.expr().iter().take(groups.len()).cloned().collect::<Vec<_>>();
    let grouped = prefix.iter().all(|sorted| groups.iter().any(|group| group.eq(&sorted.expr)));
    match LexOrdering::new(prefix) {
        Some(prefix) if sorted && numbers && grouped => {
            let partitioned = sort.preserve_partitioning();
            let sort = SortExec::new(prefix, sort.input().clone()).with_preserve_partitioning(partitioned);
            FirstRowExec::new(Arc::new(sort), groups.to_vec(), expression.order_by().to_vec(), window.schema())
                .map(Some)
        }
        _ => Ok(None),
    }
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
    ) -> Result<FirstRowExec> {
        let orderings = input.output_ordering().cloned();
        let equivalences = EquivalenceProperties::new_with_orderings(schema, orderings);
        let properties = PlanProperties::new(
            equivalences,
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Ok(FirstRowExec { input, groups, order, properties: Arc::new(properties) })
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
                Ok(Arc::new(FirstRowExec::new(input, self.groups.clone(), self.order.clone(), self.schema())?))
            }
            _ => Err(DataFusionError::Internal("FirstRowExec has one input".to_owned())),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let (groups, order, schema) = (self.groups.clone(), self.order.clone(), self.schema());
        let search = Search { groups, order, schema: schema.clone(), pending: None };
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

/// The search in one stream. A batch is handed on when it is known whether its last group goes on.
struct Search {
    groups: Vec<Arc<dyn PhysicalExpr>>,
    order: Vec<PhysicalSortExpr>,
    schema: SchemaRef,
    pending: Option<Pending>,
}

/// A batch whose last group may go on.
struct Pending {
    batch: RecordBatch,
    numbers: Vec<u64>,
    /// The last group: arrays of one value.
    group: Vec<ArrayRef>,
    best: Candidate,
}

/// The first row of a group, as far as the group is known.
struct Candidate {
    /// What it is compared by: arrays of one value.
    order: Vec<ArrayRef>,
    place: Place,
}

enum Place {
    /// A row of the pending batch.
    At(usize),
    /// A row by itself: the batch it came in has been handed on.
    Apart(RecordBatch),
}

impl Search {
    /// The batches that are ready once this one has come.
    fn take(&mut self, batch: RecordBatch) -> Result<Vec<RecordBatch>> {
        let rows = batch.num_rows();
        let mut ready = Vec::new();
        if rows == 0 {
            return Ok(ready);
        }
        let evaluate = |expression: &Arc<dyn PhysicalExpr>| expression.evaluate(&batch)?.into_array(rows);
        let groups = self.groups.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
        let order = self.order.iter().map(|sorted| evaluate(&sorted.expr)).collect::<Result<Vec<_>>>()?;
        let row = |columns: &[ArrayRef], at: usize| -> Vec<ArrayRef> {
            columns.iter().map(|column| column.slice(at, 1)).collect()
        };
        let ranges = partition(&groups)?.ranges();
        let last = ranges.len() - 1;
        let mut numbers = vec![FIRST; rows];
        let mut comparator = None;
        let mut open = self.pending.take();
        let mut best = None;
        for (index, range) in ranges.into_iter().enumerate() {
            let mut at = range.start;
            if range.len() > 1 && !order.is_empty() {
                let compared = match &comparator {
                    Some(comparator) => comparator,
                    None => comparator.insert(LexicographicalComparator::try_new(&self.sorted(&order))?),
                };
                at = range
                    .clone()
                    .reduce(|a, b| if compared.compare(b, a).is_lt() { b } else { a })
                    .expect("it has rows");
            }
            if range.len() > 1 {
                numbers[range].fill(OTHER);
                numbers[at] = FIRST;
            }
            let mut found = Candidate { order: row(&order, at), place: Place::At(at) };
            if let Some(before) = open.take() {
                found = match same(&before.group, &row(&groups, 0))? {
                    true => self.go_on(before, found, &mut numbers, &mut ready)?,
                    false => {
                        self.settle(before, &mut ready)?;
                        found
                    }
                };
            }
            match found.place {
                Place::Apart(row) if index < last => ready.push(self.numbered(&row, &[FIRST])?),
                _ if index < last => {}
                _ => best = Some(found),
            }
        }
        let best = best.expect("there is a last group");
        self.pending = Some(Pending { group: row(&groups, rows - 1), batch, numbers, best });
        Ok(ready)
    }

    /// What is left when the input ends.
    fn end(&mut self) -> Result<Vec<RecordBatch>> {
        let mut ready = Vec::new();
        if let Some(pending) = self.pending.take() {
            self.settle(pending, &mut ready)?;
        }
        Ok(ready)
    }

    /// A group that does not go on has its first row.
    fn settle(&self, pending: Pending, ready: &mut Vec<RecordBatch>) -> Result<()> {
        if let Place::Apart(row) = &pending.best.place {
            ready.push(self.numbered(row, &[FIRST])?);
        }
        ready.push(self.numbered(&pending.batch, &pending.numbers)?);
        Ok(())
    }

    /// A group goes on into the next batch, where its first row is `found`: that one or the one before is it. `numbers` are those
    /// of the next batch.
    fn go_on(
        &self,
        mut before: Pending,
        found: Candidate,
        numbers: &mut [u64],
        ready: &mut Vec<RecordBatch>,
    ) -> Result<Candidate> {
        if self.precedes(&found, &before.best)? {
            match before.best.place {
                Place::At(at) => before.numbers[at] = OTHER,
                Place::Apart(row) => ready.push(self.numbered(&row, &[OTHER])?),
            }
            ready.push(self.numbered(&before.batch, &before.numbers)?);
            return Ok(found);
        }
        if let Place::At(at) = found.place {
            numbers[at] = OTHER;
        }
        let place = match before.best.place {
            Place::At(at) => {
                let rows = before.batch.num_rows();
                for part in [0..at, at + 1..rows].into_iter().filter(|part| !part.is_empty()) {
                    let batch = before.batch.slice(part.start, part.len());
                    ready.push(self.numbered(&batch, &before.numbers[part])?);
                }
                Place::Apart(before.batch.slice(at, 1))
            }
            apart => {
                ready.push(self.numbered(&before.batch, &before.numbers)?);
                apart
            }
        };
        Ok(Candidate { order: before.best.order, place })
    }

    /// Whether one comes before the other.
    fn precedes(&self, one: &Candidate, other: &Candidate) -> Result<bool> {
        let both = one.order.iter().zip(&other.order).map(|(one, other)| concat(&[one.as_ref(), other.as_ref()]));
        let both = both.collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(!both.is_empty() && LexicographicalComparator::try_new(&self.sorted(&both))?.compare(0, 1).is_lt())
    }

    fn sorted(&self, values: &[ArrayRef]) -> Vec<SortColumn> {
        let columns = values.iter().zip(&self.order);
        columns.map(|(values, by)| SortColumn { values: values.clone(), options: Some(by.options) }).collect()
    }

    fn numbered(&self, batch: &RecordBatch, numbers: &[u64]) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(UInt64Array::from(numbers.to_vec())));
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

/// Whether arrays of one value each say the same.
fn same(one: &[ArrayRef], other: &[ArrayRef]) -> Result<bool> {
    for (one, other) in one.iter().zip(other) {
        if !not_distinct(one, other)?.value(0) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use deltalake::datafusion::physical_plan::displayable;

    use super::super::json;
    use super::super::session::Session;

    /// Groups of one row, of some, of many batches with their first row anywhere, and of rows without a key.
    const ROWS: &str = "select \
        case when value % 11 = 0 then null when value <= 60000 then 'k' || cast(value % 3 as varchar) \
            else 'x' || cast(value as varchar) end as k, \
        value % 2 as d, value as n, (value * 7919) % 60013 as newness, value % 5 as half \
        from generate_series(1, 100000)";

    async fn plan(session: &Session, sql: &str) -> String {
        let frame = session.context.sql(sql).await.unwrap();
        displayable(frame.create_physical_plan().await.unwrap().as_ref()).indent(false).to_string()
    }

    #[tokio::test]
    async fn the_first_row_of_each_group_is_the_one_that_sorting_finds() {
        // 64 MiB: batches are small, so groups go on for many.
        for memory_mb in [64, 1024] {
            let session = Session::beside(memory_mb, 1).unwrap();
            session.context.sql(&format!("create view source as {ROWS}")).await.unwrap();
            for order in ["newness desc", "half desc nulls last, newness", "newness % 3, n", "n", "n desc"] {
                let ranked =
                    format!("select *, row_number() over (partition by k, d order by {order}) as place from source");
                let first = format!("select k, d, n from ({ranked}) as t where place = 1");
                let shown = plan(&session, &first).await;
                assert!(shown.contains("FirstRowExec") && !shown.contains("WindowAggExec"), "{shown}");
                let values = order.split(", ").collect::<Vec<_>>().join(", ");
                let expected = format!("select k, d, first_value(n order by {values}) as n from source group by k, d");
                let differences = format!(
                    "select count(*) as groups, count(e.n) as found, count(case when e.n <> f.n then 1 end) as wrong \
                     from ({expected}) as e full join ({first}) as f on coalesce(e.k, '') = coalesce(f.k, '') and e.d = f.d"
                );
                let batches = session.context.sql(&differences).await.unwrap().collect().await.unwrap();
                let rows = &json::rows(&batches).unwrap()[0];
                // 3 keys and null, each with 2 parities; every other number above 60,000 that 11 does not divide is a key.
                let groups = 2 * 4 + (60_001..=100_000).filter(|n| n % 11 != 0).count();
                assert_eq!((&rows["groups"], &rows["found"]), (&groups.into(), &groups.into()), "{order}");
                assert_eq!(rows["wrong"], 0, "{order}");
            }
        }
    }

    #[tokio::test]
    async fn rows_that_pass_for_another_reason_are_all_there() {
        let session = Session::beside(64, 1).unwrap();
        let sql = format!(
            "select count(*) as rows, count(k) as keyed, sum(n) as total from (select k, n from (select *, row_number() over \
             (partition by k order by newness desc) as place from ({ROWS}) as source) as t where place = 1 or k is null) as u"
        );
        assert!(plan(&session, &sql).await.contains("FirstRowExec"));
        let batches = session.context.sql(&sql).await.unwrap().collect().await.unwrap();
        let found = &json::rows(&batches).unwrap()[0];
        let keyed = 3 + (60_001..=100_000).filter(|n| n % 11 != 0).count();
        assert_eq!((&found["keyed"], &found["rows"]), (&keyed.into(), &(keyed + 100_000 / 11).into()));
    }

    #[tokio::test]
    async fn what_asks_for_more_than_the_first_row_is_left_to_datafusion() {
        let session = Session::beside(64, 1).unwrap();
        let ranked =
            |over: &str| format!("select *, {over} over (partition by k order by n) as place from ({ROWS}) as source");
        for (over, ask) in [
            ("row_number()", "select n from {} where place <= 2"),
            ("row_number()", "select n, place from {} where place = 1 or k is null"),
            ("row_number()", "select n from {} where place = n"),
            ("row_number()", "select n from {} where place = 2"),
            ("rank()", "select n from {} where place = 1"),
        ] {
            let sql = ask.replace("{}", &format!("({}) as t", ranked(over)));
            assert!(!plan(&session, &sql).await.contains("FirstRowExec"), "{sql}");
        }
        // The order within groups is asked for as well, and rows of one group come in any.
        let ordered = format!(
            "select k, n from ({}) as t where place = 1 or k is null order by k nulls last, n",
            ranked("row_number()")
        );
        let batches = session.context.sql(&ordered).await.unwrap().collect().await.unwrap();
        let rows = json::rows(&batches).unwrap();
        assert!(rows.is_sorted_by_key(|row| (
            row["k"].is_null(),
            row["k"].as_str().map(str::to_owned),
            row["n"].as_i64()
        )));
    }
}
