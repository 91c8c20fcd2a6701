//! The AWS Glue Data Catalog: databases, tables and partitions, created and updated.
//!
//! Every call may be repeated: what is there already is compared and, where it differs, updated. Two jobs that register at
//! once both find their partitions in the end, because nobody removes or rewrites another's.

use std::collections::HashMap;
use std::error::Error as _;

use aws_sdk_glue::Client;
use aws_sdk_glue::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_glue::types::{
    BatchUpdatePartitionRequestEntry, DatabaseInput, ErrorDetail, Partition, PartitionValueList, Table,
};

use super::glue_client::glue_client;
use super::glue_input::{partition_differs, partition_input, table_differs, table_input};
use super::{CatalogPartition, Change, Registered, TableDescription, TableFormat};

/// Source: `BatchCreatePartition` and `BatchUpdatePartition`, at most 100 entries.
const BATCH_MAX: usize = 100;

/// The service.
#[derive(Clone, Debug)]
pub(super) struct Glue(Client);

/// Why a registration failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum GlueError {
    #[error("AWS Glue refused `{call}`: {code}: {message}")]
    Refused { call: &'static str, code: String, message: String },
    #[error(
        "AWS Glue cannot be reached for `{call}`: {reason}; look at AWS_REGION, AWS_ENDPOINT_URL_GLUE and the worker's \
         credentials"
    )]
    Unreachable { call: &'static str, reason: String },
}

impl GlueError {
    fn of<E>(call: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        if let SdkError::ServiceError(answer) = error {
            let said = answer.err();
            let text = |text: Option<&str>| text.unwrap_or("no more was said").to_owned();
            return Self::Refused { call, code: text(said.code()), message: text(said.message()) };
        }
        // The SDK's own words ("dispatch failure") say little: the cause at the bottom is what helps.
        let mut reason = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            reason = source.to_string();
            next = source.source();
        }
        Self::Unreachable { call, reason }
    }

    fn partition(call: &'static str, values: Option<&Vec<String>>, detail: Option<&ErrorDetail>) -> Self {
        let said = |text: Option<&str>| text.unwrap_or("no more was said").to_owned();
        Self::Refused {
            call,
            code: said(detail.and_then(ErrorDetail::error_code)),
            message: format!(
                "partition {:?}: {}",
                values.map_or(&[][..], Vec::as_slice),
                said(detail.and_then(ErrorDetail::error_message))
            ),
        }
    }
}

/// The answer, `None` if the service said `code`.
fn unless<T, E>(code: &str, call: &'static str, answer: Result<T, SdkError<E>>) -> Result<Option<T>, GlueError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(SdkError::ServiceError(answer)) if answer.err().code() == Some(code) => Ok(None),
        Err(error) => Err(GlueError::of(call, &error)),
    }
}

impl Glue {
    /// By the standard AWS environment, but for the endpoint if one is given. Nothing is called yet.
    pub(super) async fn connect(endpoint: Option<&str>) -> Self {
        Self(glue_client(endpoint).await)
    }

    pub(super) async fn register(&self, table: &TableDescription) -> Result<Registered, GlueError> {
        self.ensure_database(&table.database).await?;
        let change = self.put_table(table).await?;
        let mut registered = Registered { table: change, created: 0, updated: 0 };
        if table.format == TableFormat::Parquet && !table.partition_keys.is_empty() {
            for batch in table.partitions.chunks(BATCH_MAX) {
                let (created, updated) = self.put_partitions(table, batch).await?;
                registered.created += created;
                registered.updated += updated;
            }
        }
        Ok(registered)
    }

    async fn ensure_database(&self, name: &str) -> Result<(), GlueError> {
        let found = self.0.get_database().name(name).send().await;
        if unless("EntityNotFoundException", "GetDatabase", found)?.is_some() {
            return Ok(());
        }
        let input = DatabaseInput::builder().name(name).build().expect("the name, all that is required, is set");
        let created = self.0.create_database().database_input(input).send().await;
        // Another job may create it at this moment.
        unless("AlreadyExistsException", "CreateDatabase", created).map(drop)
    }

    async fn put_table(&self, table: &TableDescription) -> Result<Change, GlueError> {
        if let Some(old) = self.table(table).await? {
            return self.update_table(table, &old).await;
        }
        let create = self.0.create_table().database_name(&table.database).table_input(table_input(table, None));
        if unless("AlreadyExistsException", "CreateTable", create.send().await)?.is_some() {
            return Ok(Change::Created);
        }
        // Another job created it at this moment, perhaps as it was before.
        match self.table(table).await? {
            Some(old) => self.update_table(table, &old).await,
            None => Err(GlueError::Refused {
                call: "CreateTable",
                code: "AlreadyExistsException".to_owned(),
                message: "the table is said to exist and not to exist; try again".to_owned(),
            }),
        }
    }

    async fn table(&self, table: &TableDescription) -> Result<Option<Table>, GlueError> {
        let found = self.0.get_table().database_name(&table.database).name(&table.name).send().await;
        Ok(unless("EntityNotFoundException", "GetTable", found)?.and_then(|found| found.table))
    }

    async fn update_table(&self, table: &TableDescription, old: &Table) -> Result<Change, GlueError> {
        if !table_differs(table, old) {
            return Ok(Change::Unchanged);
        }
        let update = self.0.update_table().database_name(&table.database).table_input(table_input(table, Some(old)));
        update.send().await.map_err(|error| GlueError::of("UpdateTable", &error))?;
        Ok(Change::Updated)
    }

    /// Up to 100 partitions: how many were created, and how many updated.
    async fn put_partitions(
        &self,
        table: &TableDescription,
        batch: &[CatalogPartition],
    ) -> Result<(usize, usize), GlueError> {
        let old = self.partitions(table, batch).await?;
        let missing: Vec<_> = batch.iter().filter(|partition| !old.contains_key(&partition.values)).collect();
        let there = self.create_partitions(table, &missing).await?;
        let created = missing.len() - there.len();
        let differs = |partition: &&CatalogPartition| {
            old.get(&partition.values).is_some_and(|old| partition_differs(table, partition, old))
        };
        let mut changed: Vec<_> = batch.iter().filter(differs).collect();
        changed.extend(there);
        self.update_partitions(table, &changed, &old).await?;
        Ok((created, changed.len()))
    }

    /// Those of `batch` that are there, by their values. One that Glue did not look up in time is found to be there when
    /// it is created.
    async fn partitions(
        &self,
        table: &TableDescription,
        batch: &[CatalogPartition],
    ) -> Result<HashMap<Vec<String>, Partition>, GlueError> {
        let wanted = batch.iter().map(|partition| {
            let values = PartitionValueList::builder().set_values(Some(partition.values.clone()));
            values.build().expect("the values, all that is required, are set")
        });
        let get = self.0.batch_get_partition().database_name(&table.database).table_name(&table.name);
        let found = get.set_partitions_to_get(Some(wanted.collect())).send().await;
        let found = found.map_err(|error| GlueError::of("BatchGetPartition", &error))?;
        let by_values = |partition: Partition| (partition.values.clone().unwrap_or_default(), partition);
        Ok(found.partitions.unwrap_or_default().into_iter().map(by_values).collect())
    }

    /// Creates partitions; returns those that another job created meanwhile.
    async fn create_partitions<'a>(
        &self,
        table: &TableDescription,
        missing: &[&'a CatalogPartition],
    ) -> Result<Vec<&'a CatalogPartition>, GlueError> {
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let inputs = missing.iter().map(|partition| partition_input(table, partition, None)).collect();
        let create = self.0.batch_create_partition().database_name(&table.database).table_name(&table.name);
        let created = create.set_partition_input_list(Some(inputs)).send().await;
        let created = created.map_err(|error| GlueError::of("BatchCreatePartition", &error))?;
        let mut there = Vec::new();
        for error in created.errors() {
            let detail = error.error_detail.as_ref();
            let values = error.partition_values.as_ref();
            let known = missing.iter().find(|partition| Some(&partition.values) == values);
            match known {
                Some(partition) if detail.and_then(ErrorDetail::error_code) == Some("AlreadyExistsException") => {
                    there.push(*partition);
                }
                _ => return Err(GlueError::partition("BatchCreatePartition", values, detail)),
            }
        }
        Ok(there)
    }

    async fn update_partitions(
        &self,
        table: &TableDescription,
        changed: &[&CatalogPartition],
        old: &HashMap<Vec<String>, Partition>,
    ) -> Result<(), GlueError> {
        if changed.is_empty() {
            return Ok(());
        }
        let entries = changed.iter().map(|partition| {
            let input = partition_input(table, partition, old.get(&partition.values));
            let entry = BatchUpdatePartitionRequestEntry::builder()
                .set_partition_value_list(Some(partition.values.clone()))
                .partition_input(input);
            entry.build().expect("the values, all that is required, are set")
        });
        let update = self.0.batch_update_partition().database_name(&table.database).table_name(&table.name);
        let updated = update.set_entries(Some(entries.collect())).send().await;
        let updated = updated.map_err(|error| GlueError::of("BatchUpdatePartition", &error))?;
        match updated.errors().first() {
            Some(error) => Err(GlueError::partition(
                "BatchUpdatePartition",
                error.partition_value_list.as_ref(),
                error.error_detail.as_ref(),
            )),
            None => Ok(()),
        }
    }
}
