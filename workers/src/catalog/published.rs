//! From what a job has published to what the catalog takes, and how a run ends whose tables are published but not in the
//! catalog.
//!
//! Source: pipelines.md 5.7: a failure comes after the data are published, and the run ends with exit status 3.

use super::{Catalog, CatalogColumn, CatalogPartition, TableDescription, TableFormat};
use crate::job::{Code, Finish, JobContext};
use crate::lake::delta::Delta;
use crate::lake::{Column, Error, PARTITION_VALUE_NULL};

impl From<&Column> for CatalogColumn {
    fn from(column: &Column) -> CatalogColumn {
        CatalogColumn::new(column.name.as_ref(), column.kind.catalog_name())
    }
}

impl TableDescription {
    /// A Delta table with these columns, as its loaded version is: what it is partitioned by, and the figures of its
    /// partitions.
    pub(crate) async fn of_delta(
        database: String,
        name: &str,
        table: &Delta,
        columns: Vec<CatalogColumn>,
    ) -> Result<TableDescription, Error> {
        let keys = table.partition_columns()?;
        let figures = table.partitions().await?.into_iter().map(|(values, details)| CatalogPartition {
            values: values.into_iter().map(|value| value.unwrap_or_else(|| PARTITION_VALUE_NULL.to_owned())).collect(),
            location: None,
            rows: Some(details.rows),
            bytes: details.bytes,
            files: details.files,
        });
        Ok(TableDescription {
            database,
            name: name.to_owned(),
            location: table.uri(),
            partition_keys: keys
                .iter()
                .filter_map(|key| columns.iter().find(|column| column.name == *key).cloned())
                .collect(),
            columns,
            partitions: figures.collect(),
            format: TableFormat::Delta,
        })
    }
}

/// The database of a system's tables: `--catalog_database`, or `<environment>_<system>`.
pub(crate) fn database(context: &JobContext, system: &str) -> String {
    let arguments = &context.arguments;
    match arguments.optional("catalog_database") {
        Some(database) => database.to_owned(),
        None => {
            let variable = std::env::var("ENVIRONMENT").ok().filter(|value| !value.trim().is_empty());
            let environment = arguments.optional("environment").map(str::to_owned).or(variable);
            format!("{}_{system}", environment.as_deref().unwrap_or("dev"))
        }
    }
}

/// The tables of a run on their way into the catalog. One that fails does not keep the others out.
pub(crate) struct Registration<'a> {
    context: &'a JobContext,
    catalog: &'a Catalog,
    registered: usize,
    failures: Vec<String>,
}

impl<'a> Registration<'a> {
    /// Nothing so far.
    pub fn begin(context: &'a JobContext, catalog: &'a Catalog) -> Registration<'a> {
        Registration { context, catalog, registered: 0, failures: Vec::new() }
    }

    /// Registers a table; `what` tells it from the others in messages.
    pub async fn add(&mut self, what: &str, table: Result<TableDescription, Error>) {
        let outcome = match table {
            Ok(table) => self.catalog.register(self.context, &table).await.map_err(|error| error.message),
            Err(error) => Err(error.chain()),
        };
        match outcome {
            Ok(_) => self.registered += 1,
            Err(reason) => {
                self.context.warn(format!("cannot register {what}: {reason}"));
                self.failures.push(format!("{what}: {reason}"));
            }
        }
    }

    /// How many are in the catalog now.
    pub fn registered(&self) -> usize {
        self.registered
    }

    /// How the run ends: as it does, or in part if a table is not in the catalog.
    pub fn finish(self, finish: Finish) -> Finish {
        self.context.metric("tables_registered", self.registered);
        self.context.metric("tables_failed", self.failures.len());
        match self.failures.first() {
            None => finish,
            Some(first) => {
                let count = self.failures.len();
                let failed = format!("{count} tables are not in the catalog, the data are published; {first}");
                finish.but_partial(Code::CatalogFailed, &failed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Kind as Place;
    use crate::catalog::glue::Glue;
    use crate::job::{JobStatus, test_context};
    use crate::lake::{Kind, column};

    fn table(name: &str) -> TableDescription {
        TableDescription {
            database: "dev_gold".to_owned(),
            name: name.to_owned(),
            location: "s3://lake/gold".to_owned(),
            columns: [column("id", Kind::Int64), column("at", Kind::Timestamp)]
                .iter()
                .map(CatalogColumn::from)
                .collect(),
            partition_keys: Vec::new(),
            partitions: Vec::new(),
            format: TableFormat::Parquet,
        }
    }

    #[test]
    fn columns_have_the_types_that_catalogs_know() {
        let kinds: Vec<String> = table("a").columns.into_iter().map(|column| column.kind).collect();
        assert_eq!(kinds, ["bigint", "timestamp"]);
    }

    #[tokio::test]
    async fn a_run_whose_tables_are_not_all_in_the_catalog_ends_in_part_with_the_data_published() {
        let (_lake, context) = test_context();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nowhere = Catalog(Place::Glue(Glue::connect(Some(&format!("http://{closed}"))).await));
        let mut registration = Registration::begin(&context, &nowhere);
        registration.add("a", Ok(table("a"))).await;
        registration.add("b", Err(Error::NotFound { uri: "s3://lake/gold/b".to_owned() })).await;
        let finish = registration.finish(Finish::succeeded("switched in 2 tables"));
        assert_eq!((finish.status, finish.code.as_str()), (JobStatus::Partial, "CATALOG_FAILED"));
        let said = "switched in 2 tables; 2 tables are not in the catalog, the data are published; a: ";
        assert!(finish.message.starts_with(said), "{}", finish.message);

        let mut registration = Registration::begin(&context, &Catalog(Place::Local));
        registration.add("a", Ok(table("a"))).await;
        let finish = registration.finish(Finish::partial(Code::DqFailed, "in part"));
        assert_eq!((finish.code.as_str(), finish.message.as_str()), ("DQ_FAILED", "in part"), "nothing to add");
    }
}
