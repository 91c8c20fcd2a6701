//! The ten tables as the catalog takes them, after the switch.

use std::collections::BTreeMap;

use super::tables::GoldTable;
use crate::catalog::{CatalogColumn, CatalogPartition, TableDescription, TableFormat};
use crate::lake::{Partition, Success, hive_value};

/// A table that was switched in. Facts that are split have their dates as partitions; the column is in the files too, but
/// a catalog takes it from the path.
pub(super) fn description(
    database: &str,
    table: &GoldTable,
    partition: &Partition,
    split_by: Option<&str>,
    success: &Success,
) -> TableDescription {
    let (keys, columns): (Vec<CatalogColumn>, Vec<CatalogColumn>) =
        table.columns.iter().map(CatalogColumn::from).partition(|column| Some(column.name.as_str()) == split_by);
    let partitions = match split_by {
        Some(key) => by_folder(key, success),
        None => vec![CatalogPartition::published(Vec::new(), success)],
    };
    TableDescription {
        database: database.to_owned(),
        name: table.name.to_owned(),
        location: partition.uri(),
        columns,
        partition_keys: keys,
        partitions,
        format: TableFormat::Parquet,
    }
}

/// The figures of each `<key>=<value>` folder that the files are in.
fn by_folder(key: &str, success: &Success) -> Vec<CatalogPartition> {
    let mut found: BTreeMap<&str, CatalogPartition> = BTreeMap::new();
    for file in &success.files {
        let Some((folder, _)) = file.name.split_once('/') else { continue };
        if hive_value(folder, key).is_none() {
            continue;
        }
        // As the folder has it: that is where a catalog looks.
        let value = &folder[key.len() + 1..];
        let figures = found.entry(value).or_insert_with(|| CatalogPartition {
            values: vec![value.to_owned()],
            location: None,
            rows: Some(0),
            bytes: 0,
            files: 0,
        });
        figures.rows = figures.rows.zip(file.rows).map(|(sum, rows)| sum + rows);
        figures.bytes += file.bytes;
        figures.files += 1;
    }
    found.into_values().collect()
}
