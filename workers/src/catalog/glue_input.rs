//! Tables and partitions as the AWS Glue Data Catalog takes them, and whether what it has differs from that.
//!
//! What others added (comments, parameters, a description) is kept: only what the description says is compared and written.

use std::collections::HashMap;

use aws_sdk_glue::types::{Column, Partition, PartitionInput, SerDeInfo, StorageDescriptor, Table, TableInput};

use super::{CatalogColumn, CatalogPartition, TableDescription, TableFormat};

type Parameters = HashMap<String, String>;

/// The table to write; `old` is the one that is there.
pub(super) fn table_input(table: &TableDescription, old: Option<&Table>) -> TableInput {
    let old_storage = old.and_then(|old| old.storage_descriptor.as_ref());
    let mut parameters = old.and_then(|old| old.parameters.clone()).unwrap_or_default();
    parameters.extend(table_parameters(table));
    let partition_keys = match table.format {
        TableFormat::Parquet => columns(&table.partition_keys, old.and_then(|old| old.partition_keys.as_deref())),
        // Among the columns already: a Delta table keeps them in its files' log, not in names of folders.
        TableFormat::Delta => Vec::new(),
    };
    let input = TableInput::builder()
        .name(&table.name)
        .set_description(old.and_then(|old| old.description.clone()))
        .set_owner(old.and_then(|old| old.owner.clone()))
        .retention(old.map_or(0, |old| old.retention))
        .table_type("EXTERNAL_TABLE")
        .storage_descriptor(storage(table, table.folder(), old_storage))
        .set_partition_keys(Some(partition_keys))
        .set_parameters(Some(parameters));
    input.build().expect("the name, all that is required, is set")
}

/// Whether writing the table would change it.
pub(super) fn table_differs(table: &TableDescription, old: &Table) -> bool {
    let new = table_input(table, Some(old));
    let old_keys = old.partition_keys.as_deref().unwrap_or_default();
    !same_storage(new.storage_descriptor.as_ref(), old.storage_descriptor.as_ref())
        || !same_columns(new.partition_keys.as_deref().unwrap_or_default(), old_keys)
        || new.parameters != old.parameters
        || new.table_type != old.table_type
}

/// The partition to write; `old` is the one that is there.
pub(super) fn partition_input(
    table: &TableDescription,
    partition: &CatalogPartition,
    old: Option<&Partition>,
) -> PartitionInput {
    let old_storage = old.and_then(|old| old.storage_descriptor.as_ref());
    let mut parameters = old.and_then(|old| old.parameters.clone()).unwrap_or_default();
    parameters.insert("classification".to_owned(), "parquet".to_owned());
    parameters.extend(figures(partition));
    PartitionInput::builder()
        .set_values(Some(partition.values.clone()))
        .storage_descriptor(storage(table, table.partition_folder(partition), old_storage))
        .set_parameters(Some(parameters))
        .build()
}

/// Whether writing the partition would change it.
pub(super) fn partition_differs(table: &TableDescription, partition: &CatalogPartition, old: &Partition) -> bool {
    let new = partition_input(table, partition, Some(old));
    !same_storage(new.storage_descriptor.as_ref(), old.storage_descriptor.as_ref()) || new.parameters != old.parameters
}

fn table_parameters(table: &TableDescription) -> Parameters {
    let fixed: &[(&str, &str)] = match table.format {
        TableFormat::Parquet => &[("EXTERNAL", "TRUE"), ("classification", "parquet")],
        // Athena looks at `table_type`, Spark at the provider.
        TableFormat::Delta => &[
            ("EXTERNAL", "TRUE"),
            ("classification", "delta"),
            ("table_type", "DELTA"),
            ("spark.sql.sources.provider", "delta"),
        ],
    };
    let mut parameters: Parameters = fixed.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    // A table without partitions has its figures itself.
    if let (true, Some(only)) = (table.partition_keys.is_empty(), table.partitions.first()) {
        parameters.extend(figures(only));
    }
    parameters
}

/// Rows, bytes and files under the names that Glue's crawlers give them.
fn figures(partition: &CatalogPartition) -> Parameters {
    let rows = partition.rows.map(|rows| ("recordCount".to_owned(), rows.to_string()));
    let known = [("sizeKey", partition.bytes), ("objectCount", partition.files)];
    rows.into_iter().chain(known.map(|(name, value)| (name.to_owned(), value.to_string()))).collect()
}

fn storage(table: &TableDescription, location: String, old: Option<&StorageDescriptor>) -> StorageDescriptor {
    let old_columns = old.and_then(|old| old.columns.as_deref());
    let storage = StorageDescriptor::builder()
        .set_columns(Some(columns(&table.columns, old_columns)))
        .location(&location)
        .number_of_buckets(-1)
        .stored_as_sub_directories(false);
    match table.format {
        TableFormat::Parquet => storage
            .input_format("org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat")
            .output_format("org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat")
            .serde_info(serde_info("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe", None)),
        TableFormat::Delta => storage
            .input_format("org.apache.hadoop.mapred.SequenceFileInputFormat")
            .output_format("org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat")
            .serde_info(serde_info("org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", Some(location))),
    }
    .build()
}

fn serde_info(library: &str, path: Option<String>) -> SerDeInfo {
    let info = SerDeInfo::builder().serialization_library(library).parameters("serialization.format", "1");
    match path {
        Some(path) => info.parameters("path", path).build(),
        None => info.build(),
    }
}

/// Columns in lower case, which is how Athena and Hive look them up; a comment that is there stays, if we have none.
fn columns(columns: &[CatalogColumn], old: Option<&[Column]>) -> Vec<Column> {
    let column = |column: &CatalogColumn| {
        let name = column.name.to_lowercase();
        let old = old.unwrap_or_default().iter().find(|old| old.name == name);
        let comment = column.comment.clone().or_else(|| old.and_then(|old| old.comment.clone()));
        let built = Column::builder().name(name).r#type(&column.kind).set_comment(comment).build();
        built.expect("the name, all that is required, is set")
    };
    columns.iter().map(column).collect()
}

fn same_columns(new: &[Column], old: &[Column]) -> bool {
    let same =
        |(new, old): (&Column, &Column)| new.name == old.name && new.r#type == old.r#type && new.comment == old.comment;
    new.len() == old.len() && new.iter().zip(old).all(same)
}

fn same_storage(new: Option<&StorageDescriptor>, old: Option<&StorageDescriptor>) -> bool {
    let (Some(new), Some(old)) = (new, old) else { return false };
    let library =
        |storage: &StorageDescriptor| storage.serde_info.as_ref().and_then(|info| info.serialization_library.clone());
    // A slash more or less at the end is the same place.
    let place =
        |storage: &StorageDescriptor| storage.location.as_deref().unwrap_or_default().trim_end_matches('/').to_owned();
    place(new) == place(old)
        && new.input_format == old.input_format
        && library(new) == library(old)
        && same_columns(new.columns.as_deref().unwrap_or_default(), old.columns.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(format: TableFormat) -> TableDescription {
        TableDescription {
            database: "gold".to_owned(),
            name: "sales".to_owned(),
            location: "s3://lake/gold/sales".to_owned(),
            columns: vec![CatalogColumn::new("Total", "double"), CatalogColumn::new("id", "bigint")],
            partition_keys: vec![CatalogColumn::new("ds", "string")],
            partitions: Vec::new(),
            format,
        }
    }

    /// What Glue has after it was given `input`.
    fn stored(input: TableInput) -> Table {
        Table::builder()
            .name(input.name)
            .set_storage_descriptor(input.storage_descriptor)
            .set_partition_keys(input.partition_keys)
            .set_table_type(input.table_type)
            .set_parameters(input.parameters)
            .build()
            .unwrap()
    }

    #[test]
    fn what_was_written_does_not_differ_and_each_change_does() {
        type Change = fn(&mut TableDescription);
        let changes: [Change; 6] = [
            |table| table.location = "s3://lake/elsewhere".to_owned(),
            |table| table.columns[0].kind = "decimal(12,4)".to_owned(),
            |table| table.columns[0].comment = Some("in cents".to_owned()),
            |table| table.columns.push(CatalogColumn::new("new", "string")),
            |table| table.partition_keys[0].kind = "date".to_owned(),
            |table| table.format = TableFormat::Delta,
        ];
        let described = table(TableFormat::Parquet);
        let old = stored(table_input(&described, None));
        assert!(!table_differs(&described, &old));
        for (index, change) in changes.into_iter().enumerate() {
            let mut changed = described.clone();
            change(&mut changed);
            assert!(table_differs(&changed, &old), "change {index}");
        }
    }

    #[test]
    fn what_others_added_is_kept() {
        let described = table(TableFormat::Parquet);
        let mut old = stored(table_input(&described, None));
        old.parameters.as_mut().unwrap().insert("owner_team".to_owned(), "sales".to_owned());
        old.storage_descriptor.as_mut().unwrap().columns.as_mut().unwrap()[0].comment = Some("by hand".to_owned());
        assert!(!table_differs(&described, &old));
        let input = table_input(&described, Some(&old));
        assert_eq!(input.parameters.unwrap()["owner_team"], "sales");
        assert_eq!(input.storage_descriptor.unwrap().columns.unwrap()[0].comment.as_deref(), Some("by hand"));
    }

    #[test]
    fn a_delta_table_has_all_columns_and_no_keys() {
        let input = table_input(&table(TableFormat::Delta), None);
        assert_eq!(input.partition_keys, Some(Vec::new()));
        assert_eq!(input.parameters.unwrap()["table_type"], "DELTA");
        let names: Vec<_> = input.storage_descriptor.unwrap().columns.unwrap().into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["total", "id"]);
    }

    #[test]
    fn figures_of_a_partition_are_compared() {
        let described = table(TableFormat::Parquet);
        let day = CatalogPartition {
            values: vec!["2024-12-06".to_owned()],
            location: None,
            rows: Some(1),
            bytes: 2,
            files: 3,
        };
        let input = partition_input(&described, &day, None);
        let old = Partition::builder()
            .set_values(input.values)
            .set_storage_descriptor(input.storage_descriptor)
            .set_parameters(input.parameters)
            .build();
        assert_eq!(old.storage_descriptor().unwrap().location(), Some("s3://lake/gold/sales/ds=2024-12-06/"));
        assert!(!partition_differs(&described, &day, &old));
        assert!(partition_differs(&described, &CatalogPartition { rows: Some(2), ..day }, &old));
    }
}
