//! The three gold tables and how a computation gets into them.

use std::collections::BTreeMap;

use super::super::columns::{GOLD_TABLES, GoldTable, PARTITION};
use super::super::settings;
use super::compute::Gold;
use crate::catalog::{Catalog, CatalogColumn, Registration, TableDescription, database};
use crate::job::{JobContext, JobError};
use crate::lake::PartitionLock;
use crate::lake::delta::{Delta, Write, Written};

/// The application of the stream's transaction ids; their version is the batch.
///
/// Source: pipelines.md 4.4, 5.
pub const APPLICATION: &str = "enrichment_gold";

/// The gold tables, opened.
pub struct Tables {
    tables: Vec<Delta>,
    written: Vec<Option<Written>>,
    /// Rows now in the dates this run wrote, by table.
    rows: Vec<BTreeMap<String, u64>>,
}

impl Tables {
    /// Opens the tables, and makes those that do not exist. Their schemas are logged.
    ///
    /// # Errors
    /// `SCHEMA_VALIDATION_FAILED` for a table of another schema; `STORAGE_ERROR`.
    pub async fn open(context: &JobContext) -> Result<Tables, JobError> {
        let mut tables = Vec::new();
        for table in &GOLD_TABLES {
            let folder = settings::gold(context, table)?;
            let opened = Delta::create(&folder, table.columns, &[PARTITION], table.name).await?;
            let schema = table.columns.iter().map(|column| format!("{} {}", column.name, column.kind.catalog_name()));
            tracing::info!(
                "`{}` at version {}: {}",
                opened.uri(),
                opened.version(),
                schema.collect::<Vec<_>>().join(", ")
            );
            tables.push(opened);
        }
        Ok(Tables { tables, written: vec![None; GOLD_TABLES.len()], rows: vec![BTreeMap::new(); GOLD_TABLES.len()] })
    }

    /// The last batch in each table; `None` where there was none yet.
    ///
    /// # Errors
    /// `STORAGE_ERROR`.
    pub async fn batches(&mut self) -> Result<Vec<Option<i64>>, JobError> {
        let mut batches = Vec::new();
        for table in &mut self.tables {
            table.refresh().await?;
            batches.push(table.transaction(APPLICATION).await?);
        }
        Ok(batches)
    }

    /// The partitions a table has.
    ///
    /// # Errors
    /// `STORAGE_ERROR`.
    pub async fn dates(&self) -> Result<Vec<Option<String>>, JobError> {
        let mut dates = Vec::new();
        for table in &self.tables {
            dates.extend(table.partition_values(PARTITION).await?);
        }
        Ok(dates)
    }

    /// Replaces the dates of the computation in the table at `place`, as one Delta commit that carries the batch.
    ///
    /// # Errors
    /// `CONCURRENT_RUNS_EXCEEDED` if the lock was lost or another writer was there first; `STORAGE_ERROR`.
    pub async fn replace(
        &mut self,
        place: usize,
        gold: &Gold,
        batch: Option<i64>,
        lock: &PartitionLock,
        run_id: &str,
    ) -> Result<(), JobError> {
        lock.check().await?;
        let (table, name) = (&mut self.tables[place], GOLD_TABLES[place].name);
        let dates = gold.scope.values();
        let rows_by_date = gold.rows_by_date(place).await?;
        let mode = Write::ReplacePartitions { column: PARTITION, values: &dates };
        let written =
            table.write(gold.rows(place).await?, mode, batch.map(|batch| (APPLICATION, batch)), run_id).await?;
        tracing::info!(row_count = written.rows, "`{name}`: {} row(s) at version {}", written.rows, written.version);
        self.rows[place].retain(|date, _| !gold.scope.dates.contains(date));
        self.rows[place].extend(rows_by_date);
        self.written[place] = Some(match self.written[place].take() {
            None => written,
            Some(before) => {
                Written { files: before.files + written.files, bytes: before.bytes + written.bytes, ..written }
            }
        });
        Ok(())
    }

    /// Registers the tables as they are now, whoever wrote them: the run before may not have come to that.
    pub async fn register<'a>(&self, context: &'a JobContext, catalog: &'a Catalog) -> Registration<'a> {
        let mut registration = Registration::begin(context, catalog);
        for (table, GoldTable { name, columns, .. }) in self.tables.iter().zip(&GOLD_TABLES) {
            let columns = columns.iter().map(CatalogColumn::from).collect();
            let database = database(context, settings::SYSTEM);
            let described = TableDescription::of_delta(database, name, table, columns).await;
            registration.add(name, described).await;
        }
        registration
    }

    /// Reports what this run wrote: of each table the rows now in the dates it touched, and the files it wrote.
    pub fn report(&self, context: &JobContext) {
        for (place, table) in self.tables.iter().enumerate() {
            if let Some(written) = &self.written[place] {
                let rows = self.rows[place].values().sum();
                context.delta_output(table, &Written { rows, ..*written });
            }
        }
    }
}
