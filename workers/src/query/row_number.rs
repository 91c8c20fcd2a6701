//! Row numbers within groups of sorted rows, at the price of a comparison per row.
//!
//! DataFusion keeps a state for each group that a window function meets. Where nearly every group is one row, as where the newest
//! row of each key is asked for, that costs more than all the rest of a statement. [`RowNumbers`] puts [`RowNumberExec`] into the
//! place of such a window: its input comes sorted by group and order, so a number is the one before plus one, or 1.

use std::fmt;
use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use deltalake::arrow::compute::kernels::cmp::not_distinct;
use deltalake::arrow::compute::partition;
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use deltalake::datafusion::common::{DataFusionError, Result};
use deltalake::datafusion::config::ConfigOptions;
use deltalake::datafusion::execution::{SendableRecordBatchStream, TaskContext};
use deltalake::datafusion::physical_expr::PhysicalExpr;
use deltalake::datafusion::physical_expr::window::StandardWindowExpr;
use deltalake::datafusion::physical_optimizer::PhysicalOptimizerRule;
use deltalake::datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowUDFExpr};
use deltalake::datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputOrderMode, PlanProperties,
};
use futures::StreamExt;

/// The function of SQL.
const ROW_NUMBER: &str = "row_number";

/// The rule that makes plans use [`RowNumberExec`]; the last one, when everything is sorted and distributed as windows need it.
#[derive(Debug)]
pub(super) struct RowNumbers;

impl PhysicalOptimizerRule for RowNumbers {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            Ok(match RowNumberExec::instead_of(&plan) {
                Some(numbers) => Transformed::yes(Arc::new(numbers) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(plan),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "row_numbers"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The rows of its input, each with its number within its group.
#[derive(Debug)]
struct RowNumberExec {
    /// Sorted by group and order.
    input: Arc<dyn ExecutionPlan>,
    /// What makes a group.
    groups: Vec<Arc<dyn PhysicalExpr>>,
    /// Those of the window it stands for.
    properties: Arc<PlanProperties>,
}

impl RowNumberExec {
    /// The same as this plan, if that is a window of row numbers within groups that come sorted.
    fn instead_of(plan: &Arc<dyn ExecutionPlan>) -> Option<RowNumberExec> {
        let window = plan.downcast_ref::<BoundedWindowAggExec>()?;
        let [expression] = window.window_expr() else { return None };
        let standard = expression.as_any().downcast_ref::<StandardWindowExpr>()?;
        let function = standard.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>()?;
        let sorted = matches!(window.input_order_mode, InputOrderMode::Sorted);
        let groups = expression.partition_by().to_vec();
        (sorted && !groups.is_empty() && function.fun().name() == ROW_NUMBER).then(|| RowNumberExec {
            input: window.input().clone(),
            groups,
            properties: plan.properties().clone(),
        })
    }
}

impl DisplayAs for RowNumberExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.groups.iter().map(ToString::to_string).collect::<Vec<_>>();
        write!(f, "RowNumberExec: groups=[{}]", groups.join(", "))
    }
}

impl ExecutionPlan for RowNumberExec {
    fn name(&self) -> &str {
        "RowNumberExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for group in &self.groups {
            if visit(group)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => {
                Ok(Arc::new(RowNumberExec { input, groups: self.groups.clone(), properties: self.properties.clone() }))
            }
            _ => Err(DataFusionError::Internal("RowNumberExec has one input".to_owned())),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let schema = self.schema();
        let mut numbering = Numbering { groups: self.groups.clone(), schema: schema.clone(), last: None };
        let numbered = rows.map(move |batch| numbering.number(&batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, numbered)))
    }
}

/// The numbering of one stream.
struct Numbering {
    groups: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
    last: Option<Last>,
}

/// The row before a batch.
struct Last {
    /// Its group: arrays of one value.
    group: Vec<ArrayRef>,
    number: u64,
}

impl Last {
    /// Whether rows that begin with these groups go on with its group.
    fn is_of(&self, groups: &[ArrayRef]) -> Result<bool> {
        for (last, next) in self.group.iter().zip(groups) {
            if !not_distinct(last, &next.slice(0, 1))?.value(0) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Numbering {
    fn number(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut numbers = Vec::with_capacity(rows);
        if rows > 0 {
            let groups = self.groups.iter().map(|group| group.evaluate(batch)?.into_array(rows));
            let groups = groups.collect::<Result<Vec<_>>>()?;
            let mut number = match &self.last {
                Some(last) if last.is_of(&groups)? => last.number,
                _ => 0,
            };
            for (at, range) in partition(&groups)?.ranges().into_iter().enumerate() {
                let before = if at == 0 { number } else { 0 };
                numbers.extend((1..=range.len() as u64).map(|place| before + place));
                number = before + range.len() as u64;
            }
            let group = groups.iter().map(|group| group.slice(rows - 1, 1)).collect();
            self.last = Some(Last { group, number });
        }
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(UInt64Array::from(numbers)));
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

#[cfg(test)]
mod tests {
    use deltalake::datafusion::physical_plan::displayable;

    use super::super::json;
    use super::super::session::Session;

    /// Groups of one row, of some, of more than a batch, and of rows without a key; beside what must be true of numbers.
    #[tokio::test]
    async fn numbers_go_on_across_batches_and_begin_anew_with_each_group() {
        let session = Session::beside(256, 1).unwrap();
        let numbered = "select k, d, n, row_number() over (partition by k, d order by n desc) as place from (\
            select case when value % 11 = 0 then null when value <= 60000 then 'k' || cast(value % 3 as varchar) \
                else 'x' || cast(value as varchar) end as k, value % 2 as d, value as n from generate_series(1, 100000)) as t";
        let frame = session.context.sql(numbered).await.unwrap();
        let plan = displayable(frame.create_physical_plan().await.unwrap().as_ref()).indent(false).to_string();
        assert!(plan.contains("RowNumberExec") && !plan.contains("WindowAggExec"), "{plan}");
        let checked = format!(
            "with numbered as ({numbered}), sets as (select k, d, count(*) as size, max(place) as most, \
                count(distinct place) as places, max(n) as newest from numbered group by k, d) \
             select (select count(*) from numbered) as total, (select count(*) from sets) as sets, \
                (select count(*) from sets where size <> most or size <> places) as wrong, \
                (select count(*) from numbered as a join sets as g on coalesce(a.k, '') = coalesce(g.k, '') and a.d = g.d \
                    where (a.place = 1) <> (a.n = g.newest)) as misplaced"
        );
        let batches = session.context.sql(&checked).await.unwrap().collect().await.unwrap();
        let found = &json::rows(&batches).unwrap()[0];
        // 3 keys and null, each with 2 parities; every other number above 60,000 that 11 does not divide is a key of its own.
        let sets = 2 * 4 + (60_001..=100_000).filter(|n| n % 11 != 0).count();
        for (name, expected) in [("total", 100_000), ("sets", sets), ("wrong", 0), ("misplaced", 0)] {
            assert_eq!(found[name], expected, "{name}");
        }
    }
}
