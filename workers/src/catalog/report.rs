//! The metric `tables` of a job's result: what the server takes over into its own catalog.
//!
//! `[{database, name, location, columns, partition_keys, partitions: [{values, rows, bytes, files, location?}]}]`; a table
//! that is registered twice is there once, with the partitions of both.

use serde_json::Value;

use super::TableDescription;
use crate::job::JobContext;

/// What the partitions of all tables may take in the result: it travels as a task's output, which holds 256 KiB.
const PARTITIONS_BYTES_MAX: usize = 160 * 1024;

/// Adds a table to the result. When that gets too large, the oldest partitions stay out, with a warning.
pub(super) fn report(context: &JobContext, table: &TableDescription) {
    let omitted = context.change_metric("tables", |tables| {
        if !tables.is_array() {
            *tables = Value::Array(Vec::new());
        }
        let tables = tables.as_array_mut().expect("made a list just now");
        add(tables, table);
        shorten(tables, PARTITIONS_BYTES_MAX)
    });
    if omitted > 0 {
        let first = context.change_metric("partitions_omitted", |sum| {
            let before = sum.as_u64().unwrap_or_default();
            *sum = Value::from(before + omitted as u64);
            before == 0
        });
        if first {
            context.warn("the oldest partitions are left out of the result, which would be too large");
        }
    }
}

fn add(tables: &mut Vec<Value>, table: &TableDescription) {
    let is_same = |other: &Value| other["database"] == table.database.as_str() && other["name"] == table.name.as_str();
    let mut partitions: Vec<Value> = match tables.iter().position(is_same) {
        Some(at) => tables.remove(at)["partitions"].as_array_mut().map(std::mem::take).unwrap_or_default(),
        None => Vec::new(),
    };
    partitions.retain(|old| !table.partitions.iter().any(|new| old["values"] == Value::from(new.values.clone())));
    partitions.extend(table.partitions.iter().map(|new| serde_json::json!(new)));
    partitions.sort_by_key(|partition| partition["values"].to_string());
    tables.push(table.described(&partitions));
}

/// Leaves out the first partitions of each table until the rest fits; how many went.
fn shorten(tables: &mut [Value], bytes_max: usize) -> usize {
    let share = bytes_max / tables.len().max(1);
    let mut omitted = 0;
    for partitions in tables.iter_mut().filter_map(|table| table["partitions"].as_array_mut()) {
        let mut bytes = 0;
        let fits = |partition: &&Value| {
            bytes += partition.to_string().len() + 1;
            bytes <= share
        };
        let kept = partitions.iter().rev().take_while(fits).count();
        let gone = partitions.len() - kept;
        partitions.drain(..gone);
        omitted += gone;
    }
    omitted
}

#[cfg(test)]
mod tests {
    use super::super::{CatalogColumn, CatalogPartition, TableFormat};
    use super::*;

    fn table(name: &str, days: impl Iterator<Item = usize>, rows: u64) -> TableDescription {
        let partition = |day| CatalogPartition {
            values: vec![format!("{day:010}")],
            location: None,
            rows: Some(rows),
            bytes: 1,
            files: 1,
        };
        TableDescription {
            database: "gold".to_owned(),
            name: name.to_owned(),
            location: "s3://lake/t".to_owned(),
            columns: Vec::new(),
            partition_keys: vec![CatalogColumn::new("ds", "string")],
            partitions: days.map(partition).collect(),
            format: TableFormat::Parquet,
        }
    }

    #[test]
    fn a_table_registered_twice_is_there_once_with_the_partitions_of_both() {
        let mut tables = Vec::new();
        add(&mut tables, &table("a", [2, 3].into_iter(), 1));
        add(&mut tables, &table("b", 0..1, 1));
        add(&mut tables, &table("a", [1, 3].into_iter(), 9));
        assert_eq!(tables.len(), 2);
        let partitions: Vec<_> = tables[1]["partitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|partition| (partition["values"][0].as_str().unwrap().to_owned(), partition["rows"].as_u64().unwrap()))
            .collect();
        let day = |day: usize| format!("{day:010}");
        assert_eq!(partitions, [(day(1), 9), (day(2), 1), (day(3), 9)]);
    }

    #[test]
    fn a_long_history_is_cut_at_its_old_end() {
        let mut tables = Vec::new();
        add(&mut tables, &table("short", 0..10, 1));
        add(&mut tables, &table("long", 0..5_000, 1));
        let omitted = shorten(&mut tables, PARTITIONS_BYTES_MAX);
        let kept = |table: usize| tables[table]["partitions"].as_array().unwrap();
        assert_eq!(kept(0).len(), 10);
        assert_eq!(omitted + kept(1).len(), 5_000);
        assert_eq!(kept(1).last().unwrap()["values"][0], format!("{:010}", 4_999));
        let bytes: usize = kept(1).iter().map(|partition| partition.to_string().len() + 1).sum();
        assert!(bytes <= PARTITIONS_BYTES_MAX / 2 && omitted > 0, "{bytes}");
    }
}
