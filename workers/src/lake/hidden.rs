//! What counts as data in a folder.

/// Whether an object is data. `name` is its key below the dataset root.
///
/// Not data: any segment starting with `_` or `.`, folder markers, manifests, status and reason files, checksums.
///
/// Source: pipelines.md 0.1, "Hidden objects".
pub fn is_data(name: &str, size_bytes: u64) -> bool {
    if name.is_empty() || name.ends_with('/') || name.split('/').any(|part| part.starts_with(['_', '.'])) {
        return false;
    }
    let file = name.rsplit('/').next().unwrap_or(name);
    // The stores strip the slash off folder markers: what is left is an empty object without an extension.
    if size_bytes == 0 && !file.contains('.') {
        return false;
    }
    ![".manifest.json", "_reason.json", ".status.json", ".crc"].iter().any(|suffix| file.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::is_data;

    #[test]
    fn markers_manifests_and_hidden_folders_are_not_data() {
        for (name, size, expected) in [
            ("AAPL.json", 10, true),
            ("sub/AAPL.csv.gz", 10, true),
            ("empty.json", 0, true),
            ("part-00000-ab.parquet", 1, true),
            ("_SUCCESS", 9, false),
            ("_batch.manifest.json", 9, false),
            ("day.manifest.json", 9, false),
            ("x_reason.json", 9, false),
            ("x.status.json", 9, false),
            (".part.parquet.crc", 9, false),
            ("part.parquet.crc", 9, false),
            ("_temporary/0/part.parquet", 9, false),
            ("a/.hidden/b.json", 9, false),
            ("sub/", 0, false),
            ("sub", 0, false),
            ("", 0, false),
        ] {
            assert_eq!(is_data(name, size), expected, "{name}");
        }
    }
}
