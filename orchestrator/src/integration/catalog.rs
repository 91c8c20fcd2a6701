//! Tables as jobs register them, in their result's metric `tables`, for the local catalog.

use asl::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::store::CrawlTable;

/// A table of the metric. Fields of a newer worker are passed over.
#[derive(Deserialize)]
struct Registered {
    database: String,
    name: String,
    location: String,
    columns: Value,
    partition_keys: Value,
    partitions: Value,
}

/// The tables of a job's result; none if it registered none.
///
/// # Errors
/// The metric is there and is not what the contract says.
pub(crate) fn registered_tables(result: &Value, by: &str, at: Timestamp) -> Result<Vec<CrawlTable>, serde_json::Error> {
    let metric = &result["metrics"]["tables"];
    if metric.is_null() {
        return Ok(Vec::new());
    }
    let table = |table: Registered| CrawlTable {
        database: table.database,
        name: table.name,
        location: table.location,
        columns: table.columns,
        partition_keys: table.partition_keys,
        partitions: table.partitions,
        crawler: by.to_owned(),
        updated_at: at,
    };
    Ok(Vec::<Registered>::deserialize(metric)?.into_iter().map(table).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_without_tables_registers_none_and_a_strange_one_is_an_error() {
        let at = Timestamp::from_millis(0);
        for (result, count) in [
            (json!({}), Some(0)),
            (json!({ "metrics": { "tables": [] } }), Some(0)),
            (
                json!({ "metrics": { "tables": [{ "database": "d", "name": "n", "location": "l", "columns": [], "partition_keys": [], "partitions": [], "new": 1 }] } }),
                Some(1),
            ),
            (json!({ "metrics": { "tables": [{ "name": "n" }] } }), None),
            (json!({ "metrics": { "tables": 3 } }), None),
        ] {
            assert_eq!(registered_tables(&result, "job", at).ok().map(|tables| tables.len()), count, "{result}");
        }
    }
}
