//! Merge joins that need not sort: those with a side that is known to be small.
//!
//! A session for large joins plans every join by sorting both sides ([`super::session::Session::merge_joins`]). Where one side is
//! a kept result or a table whose footers say that it has few rows, that one is held in memory instead, and the other is not
//! sorted. Estimates do not count: a side that is larger than thought would fail the statement.

use std::sync::Arc;

use deltalake::datafusion::common::Result;
use deltalake::datafusion::common::stats::Precision;
use deltalake::datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use deltalake::datafusion::config::ConfigOptions;
use deltalake::datafusion::physical_optimizer::PhysicalOptimizerRule;
use deltalake::datafusion::physical_plan::ExecutionPlan;
use deltalake::datafusion::physical_plan::joins::{HashJoinExec, PartitionMode, SortMergeJoinExec};
use deltalake::datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

/// The rule of DataFusion that it comes after.
pub(super) const AFTER: &str = "join_selection";

/// The rule; it comes when sides have been chosen by estimates, and before the inputs of joins are sorted ([`AFTER`]).
#[derive(Debug)]
pub(super) struct HeldSides {
    /// A side of no more rows is held,
    pub rows_max: usize,
    /// unless they are said to take more than this.
    pub bytes_max: usize,
}

impl PhysicalOptimizerRule for HeldSides {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            Ok(match self.instead_of(&plan)? {
                Some(held) => Transformed::yes(held),
                None => Transformed::no(plan),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "held_sides"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl HeldSides {
    /// The same as this plan, if that is a merge join that has a small side.
    fn instead_of(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(merge) = plan.downcast_ref::<SortMergeJoinExec>() else { return Ok(None) };
        let (left, right) = (self.holds(&merge.left)?, self.holds(&merge.right)? && merge.join_type.supports_swap());
        if !left && !right {
            return Ok(None);
        }
        let mode = PartitionMode::CollectLeft;
        let hash = HashJoinExec::try_new(
            merge.left.clone(),
            merge.right.clone(),
            merge.on.clone(),
            merge.filter.clone(),
            &merge.join_type,
            None,
            mode,
            merge.null_equality,
            false,
        )?;
        Ok(Some(if left { Arc::new(hash) } else { hash.swap_inputs(mode)? }))
    }

    fn holds(&self, side: &Arc<dyn ExecutionPlan>) -> Result<bool> {
        let statistics = StatisticsContext::new().compute(side.as_ref(), &StatisticsArgs::new())?;
        let few = matches!(statistics.num_rows, Precision::Exact(rows) if rows <= self.rows_max);
        let wide = statistics.total_byte_size.get_value().is_some_and(|bytes| *bytes > self.bytes_max);
        Ok(few && !wide)
    }
}

#[cfg(test)]
mod tests {
    use deltalake::datafusion::physical_plan::displayable;

    use super::super::json;
    use super::super::session::Session;

    async fn plan(session: &Session, sql: &str) -> String {
        let frame = session.context.sql(sql).await.unwrap();
        displayable(frame.create_physical_plan().await.unwrap().as_ref()).indent(false).to_string()
    }

    /// Small on the left, on the right, known and estimated, for each kind of join; beside the rows of sorting both sides.
    #[tokio::test]
    async fn a_side_that_is_known_to_be_small_is_held() {
        let hashed = Session::beside(64, 1).unwrap();
        let values = (1..=9).map(|n| format!("({n}, 'n{n}')")).collect::<Vec<_>>().join(", ");
        for (name, statement) in [
            ("small", format!("select * from (values {values}, (null, 'none')) as v (k, name)")),
            ("large", "select value % 12 as k, value as n from generate_series(1, 3000)".to_owned()),
            ("wide", "select value as k, repeat('x', 1000000) as name from generate_series(1, 12)".to_owned()),
        ] {
            let batches = hashed.context.sql(&statement).await.unwrap().collect().await.unwrap();
            let table = deltalake::datafusion::datasource::MemTable::try_new(batches[0].schema(), vec![batches]);
            hashed.context.register_table(name, std::sync::Arc::new(table.unwrap())).unwrap();
        }
        let merged = hashed.merge_joins();
        let joins = [
            "large as l join small as s on s.k = l.k",
            "small as s join large as l on s.k = l.k and l.n % 7 <> 0",
            "large as l left join small as s on s.k = l.k",
            "small as s left join large as l on s.k = l.k",
            "large as l full join small as s on s.k = l.k",
        ];
        let mut statements: Vec<String> = joins
            .iter()
            .map(|join| format!("select count(*) as pairs, count(name) as named, sum(n) as total from {join}"))
            .collect();
        for test in ["exists", "not exists"] {
            statements.push(format!(
                "select count(*) as pairs, sum(n) as total from large as l where {test} (select 1 from small as s where s.k = l.k)"
            ));
        }
        for sql in &statements {
            let shown = plan(&merged, sql).await;
            assert!(
                shown.contains("HashJoinExec: mode=CollectLeft") && !shown.contains("SortMergeJoin"),
                "{sql}\n{shown}"
            );
            let mut rows = Vec::new();
            for session in [&hashed, &merged] {
                let batches = session.context.sql(sql).await.unwrap().collect().await.unwrap();
                rows.push(json::rows(&batches).unwrap());
            }
            assert_eq!(rows[0], rows[1], "{sql}");
        }
        // Few rows may be wide. Of one table both sides are.
        let shown =
            plan(&merged, "select max(v.name), max(w.name) from wide as v join wide as w on w.k = v.k + 1").await;
        assert!(shown.contains("SortMergeJoin"), "{shown}");
        // How many rows a condition leaves is an estimate.
        let some = |table| format!("(select * from {table} where k > 3)");
        let estimated = format!("select count(*) from {} as l join {} as s on s.k = l.k", some("large"), some("small"));
        let shown = plan(&merged, &estimated).await;
        assert!(shown.contains("SortMergeJoin"), "{shown}");
    }
}
