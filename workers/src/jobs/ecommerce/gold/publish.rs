//! A checked result into its Delta table, with one commit.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};

use super::super::table::columns;
use super::super::window::Window;
use super::{GoldJob, Replace, input};
use crate::job::{JobContext, JobError};
use crate::lake::Folder;
use crate::lake::delta::{Delta, Write, Written};
use crate::query::{Query, Value};

/// Publishes the table `result`; `stored` is what the table holds now.
///
/// # Errors
/// `SCHEMA_VALIDATION_FAILED` if the table has other columns, `CONCURRENT_RUNS_EXCEEDED`, `STORAGE_ERROR`.
pub(super) async fn publish(
    context: &JobContext,
    query: &Query,
    job: &GoldJob,
    folder: &Folder,
    window: Window,
    processed_at: DateTime<Utc>,
) -> Result<(Delta, Written), JobError> {
    let fields = columns(job.table.fields);
    let mut parameters = input::parameters(window);
    parameters.push(("sources", Value::from(job.source_tables())));
    parameters.push(("now", Value::from(processed_at)));
    let months = months(window);
    let (statement, mode) = match job.replace {
        Replace::Window => (
            include_str!("../sql/gold/publish_daily_sales.sql").to_owned(),
            Write::ReplaceEach { columns: &["year", "month"], values: &months },
        ),
        Replace::Table => {
            let statement = include_str!("../sql/gold/publish_table.sql");
            (format!("{statement}order by r.{}", job.key), Write::ReplaceTable)
        }
    };
    let mut gold = Delta::create(folder, &fields, job.table.partition_by, job.table.name).await?;
    let rows = query.stream(&statement, &parameters, &fields).await?;
    let written = gold.write(rows, mode, None, &context.run_id).await?;
    Ok((gold, written))
}

/// The months a window touches, as `[year, month]`.
fn months(window: Window) -> Vec<Vec<String>> {
    let first = NaiveDate::from_ymd_opt(window.from.year(), window.from.month(), 1).unwrap_or(window.from);
    std::iter::successors(Some(first), |month| month.checked_add_months(Months::new(1)))
        .take_while(|month| *month <= window.to)
        .map(|month| vec![format!("{:04}", month.year()), format!("{:02}", month.month())])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_touches_its_months() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        for (from, to, expected) in [
            ("2025-04-01", "2025-04-15", vec!["2025-04"]),
            ("2024-12-31", "2025-02-01", vec!["2024-12", "2025-01", "2025-02"]),
            ("2025-03-31", "2025-04-01", vec!["2025-03", "2025-04"]),
        ] {
            let months = months(Window { from: day(from), to: day(to), days: 1 });
            assert_eq!(months.iter().map(|month| month.join("-")).collect::<Vec<_>>(), expected);
        }
    }
}
