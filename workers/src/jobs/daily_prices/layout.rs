//! Where the tables of daily prices lie: prefixes, URIs, and the folder of a table's schema record.
//!
//! Source: pipelines.md 1.1.

use crate::job::JobError;
use crate::lake::{Folder, Lake};

/// The prefix of a table in the curated bucket, `D/T/`.
pub fn table_prefix(domain: &str, table: &str) -> String {
    format!("{domain}/{table}/")
}

/// The prefix of a table's raw objects, up to the source.
pub fn raw_prefix(domain: &str, table: &str, interval: &str, data_source: &str) -> String {
    format!("{domain}/{table}/interval={interval}/data_source={data_source}/")
}

/// The URI of a key in a bucket; the bucket may itself be a URI or a path.
pub fn bucket_uri(bucket: &str, key: &str) -> String {
    let bucket = bucket.trim_end_matches('/');
    let key = key.trim_start_matches('/');
    if bucket.contains("://") || bucket.starts_with('/') {
        format!("{bucket}/{key}")
    } else {
        format!("s3://{bucket}/{key}")
    }
}

/// The URI of a table's current fingerprint.
pub fn fingerprint_uri(artifacts_bucket: &str, domain: &str, table: &str) -> String {
    bucket_uri(artifacts_bucket, &format!("{domain}/{table}/_schema/latest.json"))
}

/// The folder of a table's schema record; the URI names it, or the `latest.json` in it.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` if the URI is none.
pub fn schema_folder(lake: &Lake, fingerprint_uri: &str) -> Result<Folder, JobError> {
    let folder = match fingerprint_uri.rsplit_once('/') {
        Some((folder, name)) if name.ends_with(".json") => folder,
        _ => fingerprint_uri,
    };
    Ok(lake.folder_at(folder)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_may_be_a_name_a_uri_or_a_path() {
        for (bucket, expected) in [
            ("curated", "s3://curated/market/prices/"),
            ("s3://curated/", "s3://curated/market/prices/"),
            ("file:///srv/curated", "file:///srv/curated/market/prices/"),
            ("/srv/curated", "/srv/curated/market/prices/"),
        ] {
            assert_eq!(bucket_uri(bucket, &table_prefix("market", "prices")), expected);
        }
    }

    #[test]
    fn the_schema_folder_is_named_by_itself_or_by_its_record() {
        let lake = Lake::at("/srv/lake").unwrap();
        for uri in
            ["s3://artifacts/m/p/_schema/latest.json", "s3://artifacts/m/p/_schema/", "s3://artifacts/m/p/_schema"]
        {
            assert_eq!(schema_folder(&lake, uri).unwrap().uri(), "file:///srv/lake/artifacts/m/p/_schema", "{uri}");
        }
    }
}
