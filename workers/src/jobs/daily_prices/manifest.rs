//! The inventory of a raw day, compared with what is there. It never decides what is read.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::job::JobContext;
use crate::lake::{Error, Folder, Object};

/// A manifest larger than this is not looked at.
const MANIFEST_BYTES_MAX: u64 = 32 << 20;

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    objects: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    key: String,
    records: Option<u64>,
}

/// What the manifests of a day announce: records by key.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    manifests: u64,
    objects: BTreeMap<String, Option<u64>>,
    unreadable: Vec<String>,
}

impl Inventory {
    /// Reads all manifests (`*.manifest.json`) of a listing.
    pub async fn load(folder: &Folder, listed: &[Object]) -> Result<Inventory, Error> {
        let mut inventory = Inventory::default();
        for object in listed.iter().filter(|object| object.name.ends_with(".manifest.json")) {
            inventory.manifests += 1;
            let text =
                if object.size_bytes > MANIFEST_BYTES_MAX { None } else { folder.get_optional(&object.name).await? };
            match text.and_then(|text| serde_json::from_slice::<Manifest>(&text).ok()) {
                Some(manifest) => {
                    inventory.objects.extend(manifest.objects.into_iter().map(|entry| (entry.key, entry.records)));
                }
                None => inventory.unreadable.push(folder.uri_of(&object.name)),
            }
        }
        Ok(inventory)
    }
}

/// Reports differences as warnings and metrics. `found` are the records read, by key.
///
/// Source: pipelines.md 1.2.
pub(super) fn compare(context: &JobContext, inventory: &Inventory, found: BTreeMap<String, u64>) {
    let announced = || inventory.objects.iter().map(|(key, records)| (key, *records, find(&found, key)));
    let missing = announced().filter(|(_, _, found)| found.is_none()).count();
    let mismatched =
        announced().filter(|(_, records, found)| matches!((records, found), (Some(r), Some(f)) if r != f)).count();
    context.metric("manifest_objects", inventory.objects.len());
    context.metric("manifest_missing_objects", missing);
    context.metric("manifest_record_mismatch", mismatched);
    if missing > 0 {
        context.warn(format!("manifest_missing_objects: {missing} objects of the manifest are not there"));
    }
    if mismatched > 0 {
        context.warn(format!("manifest_record_mismatch: {mismatched} objects have other record counts than announced"));
    }
    for uri in &inventory.unreadable {
        context.warn(format!("manifest `{uri}` is not a manifest and was ignored"));
    }
}

/// Manifests give keys within the bucket; what is found may lie under a storage root, so its key may be longer.
fn find(found: &BTreeMap<String, u64>, key: &str) -> Option<u64> {
    let key = key.trim_start_matches('/');
    found.get(key).copied().or_else(|| {
        let ending = format!("/{key}");
        found.iter().find(|(found, _)| found.ends_with(&ending)).map(|(_, records)| *records)
    })
}
