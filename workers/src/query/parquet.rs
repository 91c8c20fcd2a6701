//! Tables over Parquet objects.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use deltalake::arrow::datatypes::{Schema, SchemaRef};
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::Result as PlanResult;
use deltalake::datafusion::datasource::file_format::FileFormat;
use deltalake::datafusion::datasource::file_format::parquet::ParquetFormat;
use deltalake::datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use futures::{StreamExt, TryStreamExt};
use url::Url;

use super::bounds::{caught, judge, tail_of};
use super::conform;
use super::failure::{failure, find};
use super::session::Session;
use crate::job::JobError;
use crate::lake::{Column, Error, Folder};

/// Footers read at once.
const FOOTERS_AT_ONCE: usize = 16;

/// A table over the objects: one scan for each different schema, cast to the common columns, united. Beside it, where columns are
/// taken as found, what to ask for to learn what they lose.
pub(super) async fn provider(
    session: &Session,
    folder: &Folder,
    objects: &[String],
    columns: Option<&[Column]>,
) -> Result<(Arc<dyn TableProvider>, Vec<Column>), JobError> {
    let schemas: Vec<SchemaRef> =
        footers(session, folder, objects, false).await?.into_iter().map(|footer| footer.schema).collect();

    let united;
    let (columns, losing) = match columns {
        Some(columns) => (columns, Vec::new()),
        None => {
            united = conform::united(&schemas);
            (united.as_slice(), conform::lost_columns(&schemas, &united))
        }
    };
    let mut groups: Vec<(SchemaRef, Vec<ListingTableUrl>)> = Vec::new();
    for (name, schema) in objects.iter().zip(schemas) {
        let schema: SchemaRef = Arc::new(Schema::new(schema.fields().clone()));
        let url = listing_url(folder.store().url(&folder.key_of(name), false))
            .map_err(|error| failure(&folder.uri_of(name), &error))?;
        match groups.iter_mut().find(|(known, _)| same_columns(known, &schema)) {
            Some((_, urls)) => urls.push(url),
            None => groups.push((schema, vec![url])),
        }
    }
    let mut whole = None;
    for (schema, urls) in groups {
        let failed = |error| failure(&folder.uri(), &error);
        let table = listing(session, urls, schema).map_err(failed)?;
        let part = session.context.read_table(table).map_err(failed)?;
        let part = conform::frame(part, columns).map_err(failed)?;
        whole = Some(match whole {
            None => part,
            Some(whole) => deltalake::datafusion::prelude::DataFrame::union(whole, part).map_err(failed)?,
        });
    }
    Ok((whole.expect("there is an object, so there is a group").into_view(), losing))
}

/// What the footer of an object says.
pub(super) struct Footer {
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows, if they were asked for.
    #[cfg_attr(not(feature = "spark"), expect(dead_code, reason = "a scan here finds them itself"))]
    pub rows: Option<u64>,
}

/// The footers of objects, in their order.
///
/// # Errors
/// `SCHEMA_VALIDATION_FAILED` naming an object that is no Parquet file, `STORAGE_ERROR`.
pub(super) async fn footers(
    session: &Session,
    folder: &Folder,
    objects: &[String],
    with_rows: bool,
) -> Result<Vec<Footer>, JobError> {
    session.register_store(folder);
    let state = session.context.state();
    let store = folder.store().object_store();
    let format = Arc::new(ParquetFormat::default().with_options(state.table_options().parquet.clone()));
    // Owned names: a stream over borrowed ones makes the futures of all callers less than general.
    futures::stream::iter(objects.to_vec())
        .map(|name| {
            let (state, store, format, folder) = (state.clone(), store.clone(), format.clone(), folder.clone());
            async move {
                let meta = folder.store().head(&folder.key_of(&name)).await?;
                let failed = |error| unreadable(&folder, &name, &error);
                let schema = match caught(format.infer_schema(&state, &store, std::slice::from_ref(&meta))).await {
                    Some(Ok(schema)) => schema,
                    broken => {
                        let tail = match meta.size {
                            0 => Bytes::new(),
                            // That it cannot be read is the store's fault.
                            size => folder.get_range(&name, tail_of(size)).await?,
                        };
                        let error = judge(broken.and_then(Result::err), tail, &folder.uri_of(&name), meta.size)?;
                        return Err(failed(error));
                    }
                };
                let rows = if with_rows {
                    // Out of the session's cache: the footer is read once.
                    let statistics = format.infer_stats(&state, &store, schema.clone(), &meta).await.map_err(failed)?;
                    statistics.num_rows.get_value().map(|rows| *rows as u64)
                } else {
                    None
                };
                Ok(Footer { schema, rows })
            }
        })
        .buffered(FOOTERS_AT_ONCE)
        .try_collect()
        .await
}

/// A table over files of this machine that we wrote.
pub(super) fn local(session: &Session, paths: &[PathBuf], schema: SchemaRef) -> PlanResult<Arc<dyn TableProvider>> {
    let url = |path: &PathBuf| Url::from_file_path(path).expect("a temporary folder has an absolute path");
    let urls = paths.iter().map(|path| listing_url(url(path))).collect::<PlanResult<Vec<_>>>()?;
    Ok(listing(session, urls, schema)?)
}

fn listing(session: &Session, urls: Vec<ListingTableUrl>, schema: SchemaRef) -> PlanResult<Arc<ListingTable>> {
    let state = session.context.state();
    let format = ParquetFormat::default().with_options(state.table_options().parquet.clone());
    // Footers are read for their schemas and stay in the session's cache, so statistics cost no more reading.
    let options = ListingOptions::new(Arc::new(format)).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
    Ok(Arc::new(ListingTable::try_new(config)?))
}

fn listing_url(url: Url) -> PlanResult<ListingTableUrl> {
    ListingTableUrl::try_new(url, None)
}

fn same_columns(a: &Schema, b: &Schema) -> bool {
    let same = |(a, b): (&Arc<deltalake::arrow::datatypes::Field>, &Arc<deltalake::arrow::datatypes::Field>)| {
        a.name() == b.name() && a.data_type() == b.data_type()
    };
    a.fields().len() == b.fields().len() && a.fields().iter().zip(b.fields()).all(same)
}

fn unreadable(folder: &Folder, name: &str, error: &deltalake::datafusion::error::DataFusionError) -> JobError {
    if find::<object_store::Error>(error).is_some() {
        return failure(&folder.uri_of(name), error);
    }
    let reason = error.find_root().to_string();
    JobError::from(Error::Unreadable { uri: folder.uri_of(name), format: "Parquet", reason })
}
