//! The raw objects of a day.

use chrono::{Datelike, NaiveDate};

use super::columns::{KEY, read_settings};
use super::manifest::{Inventory, compare};
use crate::job::{JobContext, JobError};
use crate::lake::Folder;
use crate::lake::read::{SortedRead, read_sorted};

/// `domain/table` (and a slash-joined rest): the key of a table in its bucket.
pub fn table_key(domain: &str, table: &str) -> String {
    format!("{domain}/{table}")
}

/// The folder of a raw day: the prefix itself if it already names year, month and day.
///
/// Source: pipelines.md 1.5, step 1.
pub fn day_prefix(raw_prefix: &str, ds: NaiveDate) -> String {
    let prefix = raw_prefix.trim_matches('/');
    if ["year=", "month=", "day="].iter().all(|part| prefix.split('/').any(|segment| segment.starts_with(part))) {
        return prefix.to_owned();
    }
    let day = format!("year={:04}/month={:02}/day={:02}", ds.year(), ds.month(), ds.day());
    if prefix.is_empty() { day } else { format!("{prefix}/{day}") }
}

/// The raw folder of the arguments' day.
pub(super) fn raw_folder(context: &JobContext) -> Result<Folder, JobError> {
    let arguments = &context.arguments;
    let prefix = day_prefix(arguments.required("raw_prefix")?, arguments.date("ds")?);
    Ok(context.lake.folder(arguments.required("raw_bucket")?, &prefix)?)
}

/// Reads a raw day, sorted by symbol, timestamp and source, and reports on it: objects, bytes, malformed rows, and how it
/// compares with the manifest. `None` if there is no data object or no record.
pub(super) async fn read_day(context: &JobContext, folder: &Folder) -> Result<Option<SortedRead>, JobError> {
    let settings = read_settings(&context.arguments)?;
    let memory_bytes = context.lake.read_memory_bytes()?;
    let listed = folder.objects().await?;
    let objects: Vec<_> =
        listed.iter().filter(|object| crate::lake::is_data(&object.name, object.size_bytes)).cloned().collect();
    let raw_bytes: u64 = objects.iter().map(|object| object.size_bytes).sum();
    context.metric("raw_objects", objects.len());
    context.metric("raw_bytes", raw_bytes);
    if objects.is_empty() {
        return Ok(None);
    }
    tracing::info!(size_bytes = raw_bytes, "Reading {} raw objects of `{}`", objects.len(), folder.uri());
    let read = read_sorted(folder, &objects, settings, KEY, memory_bytes).await?;
    let records = read.frames.rows();
    context.metric("records", records);
    context.metric("malformed_records", read.malformed_records);
    context.metric("mixed_format_objects", read.mixed_format_objects);
    context.metric("non_finite_values", read.non_finite_values);
    if read.malformed_records > 0 {
        let first = read.malformed_at.as_ref();
        let first =
            first.map_or_else(String::new, |(name, row)| format!(", first row {row} of `{}`", folder.uri_of(name)));
        context.warn(format!("{} of {records} records are malformed{first}", read.malformed_records));
    }
    if read.mixed_format_objects > 0 {
        context.warn(format!("{} objects are not of the file type asked for", read.mixed_format_objects));
    }
    let inventory = Inventory::load(folder, &listed).await?;
    let found = objects.iter().map(|object| folder.key_of(&object.name)).zip(read.object_records.iter().copied());
    compare(context, &inventory, found.collect());
    Ok((records > 0).then_some(read))
}

#[cfg(test)]
mod tests {
    use super::day_prefix;

    #[test]
    fn a_prefix_that_names_the_day_is_the_day() {
        let ds = "2012-05-08".parse().unwrap();
        for (prefix, expected) in [
            ("m/p/interval=1d/", "m/p/interval=1d/year=2012/month=05/day=08"),
            ("m/p/year=2012/month=05/day=08/", "m/p/year=2012/month=05/day=08"),
            ("m/p/year=2012", "m/p/year=2012/year=2012/month=05/day=08"),
            ("", "year=2012/month=05/day=08"),
        ] {
            assert_eq!(day_prefix(prefix, ds), expected, "{prefix}");
        }
    }
}
