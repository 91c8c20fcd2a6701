//! The catalog: which tables there are, with their schemas, places and partitions.
//!
//! A job registers the tables it wrote, each with just the partitions it published. That always goes into the job's result,
//! metric `tables`, which the server takes over into its own catalog and shows; with `STEPWELL_CATALOG=glue` it goes into
//! the AWS Glue Data Catalog as well, where Athena, Spark and others find it. Nothing here looks at data: what a table holds
//! is the caller's knowledge.
//!
//! | file | topic |
//! |---|---|
//! | `table` | a table as the jobs describe it |
//! | `published` | from published tables to that; how a run ends that could not register all |
//! | `report` | the metric `tables` |
//! | `glue`, `glue_client`, `glue_input` | the calls of AWS Glue; how it is reached; what is in them, and whether it differs from what Glue has |

mod glue;
mod glue_client;
mod glue_input;
#[cfg(test)]
mod glue_tests;
#[cfg(test)]
#[path = "../../tests/moto/mod.rs"]
pub(crate) mod moto;
mod published;
mod report;
mod table;

pub(crate) use glue_client::glue_client;
pub(crate) use published::{Registration, database};
pub use table::{CatalogColumn, CatalogPartition, Change, Registered, TableDescription, TableFormat};

use crate::job::{Code, JobContext, JobError};

/// Which catalog tables are registered in besides the server's.
const VARIABLE: &str = "STEPWELL_CATALOG";

/// Where tables are registered. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalog(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Local,
    Glue(glue::Glue),
}

impl Catalog {
    /// The catalog of `STEPWELL_CATALOG`: `local` (the server's, and the default) or `glue`, with region, credentials and
    /// endpoint by the standard AWS environment (`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL_GLUE`, ...).
    ///
    /// # Errors
    /// `PRE_VALIDATION_FAILED` for another value.
    pub async fn from_env() -> Result<Self, JobError> {
        Self::of(&std::env::var(VARIABLE).unwrap_or_default()).await
    }

    async fn of(kind: &str) -> Result<Self, JobError> {
        match kind.trim() {
            "" | "local" => Ok(Self(Kind::Local)),
            "glue" => Ok(Self(Kind::Glue(glue::Glue::connect(None).await))),
            other => {
                Err(JobError::arguments(format!("{VARIABLE} is `{other}`; there are `local` (the default) and `glue`")))
            }
        }
    }

    /// Puts a table into the catalog, and creates or updates the partitions given; partitions that are not given stay as
    /// they are. Repeating it changes nothing.
    ///
    /// # Errors
    /// `CATALOG_FAILED`: published data stay published. `PRE_VALIDATION_FAILED`: the description contradicts itself.
    pub async fn register(&self, context: &JobContext, table: &TableDescription) -> Result<Registered, JobError> {
        table.check()?;
        let registered = match &self.0 {
            Kind::Local => Registered { table: Change::Updated, created: 0, updated: table.partitions.len() },
            Kind::Glue(glue) => glue.register(table).await.map_err(|error| {
                let message = format!("table `{}.{}` is not in the catalog: {error}", table.database, table.name);
                JobError::new(Code::CatalogFailed, message)
            })?,
        };
        report::report(context, table);
        tracing::info!(
            "Registered table `{}.{}` with {} partition(s): {} created, {} updated",
            table.database,
            table.name,
            table.partitions.len(),
            registered.created,
            registered.updated
        );
        Ok(registered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unknown_catalogs_are_refused() {
        for kind in ["", "local", "glue"] {
            Catalog::of(kind).await.unwrap();
        }
        let refused = Catalog::of("hive").await.unwrap_err();
        assert_eq!(refused.code, Code::PreValidationFailed);
        assert!(refused.message.contains("`hive`") && refused.message.contains("`glue`"), "{}", refused.message);
    }
}
