//! The local catalog: what jobs register of a table is added to what is there.

use serde_json::Value;

use super::CrawlTable;

/// `new` as it is kept beside the partitions of `old` that it does not name.
///
/// A job registers the partitions it published and no others, so all else of the table is what `new` says, and the old
/// partitions stay. They are in the order of their values; those of a table that changed its keys go.
pub(super) fn merged(old: Option<&CrawlTable>, new: &CrawlTable) -> CrawlTable {
    let Some(old) = old.filter(|old| keys(old) == keys(new)) else { return new.clone() };
    let named = new.partitions.as_array().map_or(&[][..], Vec::as_slice);
    let there = old.partitions.as_array().map_or(&[][..], Vec::as_slice);
    let is_named = |partition: &&Value| named.iter().any(|new| new["values"] == partition["values"]);
    let mut partitions: Vec<Value> =
        there.iter().filter(|partition| !is_named(partition)).chain(named).cloned().collect();
    partitions.sort_by_cached_key(|partition| partition["values"].to_string());
    CrawlTable { partitions: partitions.into(), ..new.clone() }
}

fn keys(table: &CrawlTable) -> Vec<Option<&str>> {
    table.partition_keys.as_array().into_iter().flatten().map(|key| key["name"].as_str()).collect()
}

#[cfg(test)]
mod tests {
    use asl::Timestamp;
    use serde_json::json;

    use super::*;

    fn table(location: &str, key: &str, partitions: Value) -> CrawlTable {
        CrawlTable {
            database: "gold".to_owned(),
            name: "sales".to_owned(),
            location: location.to_owned(),
            columns: json!([]),
            partition_keys: json!([{ "name": key, "type": "string" }]),
            partitions,
            crawler: "job".to_owned(),
            updated_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn partitions_that_are_not_named_stay_and_named_ones_are_replaced() {
        let old = table("s3://a", "ds", json!([{ "values": ["1"], "rows": 1 }, { "values": ["3"], "rows": 1 }]));
        let new = table("s3://b", "ds", json!([{ "values": ["3"], "rows": 9 }, { "values": ["2"], "rows": 9 }]));
        let kept = merged(Some(&old), &new);
        assert_eq!(
            kept.partitions,
            json!([{ "values": ["1"], "rows": 1 }, { "values": ["2"], "rows": 9 }, { "values": ["3"], "rows": 9 }])
        );
        assert_eq!(kept.location, "s3://b");
        assert_eq!(merged(None, &new), new);
    }

    #[test]
    fn a_table_with_other_keys_is_another_table() {
        let old = table("s3://a", "ds", json!([{ "values": ["1"], "rows": 1 }]));
        let new = table("s3://a", "event_date", json!([{ "values": ["2"], "rows": 1 }]));
        assert_eq!(merged(Some(&old), &new), new);
    }
}
