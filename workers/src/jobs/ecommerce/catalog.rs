//! The tables of all layers into the catalog: created where missing, updated where their columns changed.
//!
//! Runs after the data are published: a failure leaves them so and ends with exit status 3. Source: pipelines.md 5.7.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::argument::arguments;
use super::settings::Settings;
use super::table::{Field, GOLD, Layer, SOURCES, TableShape};
use crate::catalog::{Catalog, CatalogColumn, Registration, TableDescription};
use crate::job::{Finish, JobContext, JobDefinition, JobError};
use crate::lake::Error;
use crate::lake::delta::Delta;

/// The job `ecommerce-catalog`.
pub(crate) const CATALOG: JobDefinition = JobDefinition {
    name: "ecommerce-catalog",
    summary: "Registers the bronze, silver and gold tables in the catalog.",
    arguments: arguments!["date"],
    run: start,
};

fn start(context: &JobContext) -> BoxFuture<'_, Result<Finish, JobError>> {
    run(context).boxed()
}

async fn run(context: &JobContext) -> Result<Finish, JobError> {
    let settings = Settings::of(context)?;
    let catalog = Catalog::from_env().await?;
    let mut registration = Registration::begin(context, &catalog);
    for (layer, shape) in tables() {
        match describe(&settings, layer, shape).await.transpose() {
            Some(table) => registration.add(&format!("{layer}/{}", shape.name), table).await,
            None => context.warn(format!("there is no table {layer}/{} yet", shape.name)),
        }
    }
    let message = format!("{} tables are in the catalog", registration.registered());
    Ok(registration.finish(Finish::succeeded(message)))
}

/// All tables of the lake, by layer.
pub(super) fn tables() -> impl Iterator<Item = (Layer, &'static TableShape)> {
    let sources =
        SOURCES.into_iter().flat_map(|source| [(Layer::Bronze, &source.bronze), (Layer::Silver, &source.silver)]);
    sources.chain(GOLD.into_iter().map(|shape| (Layer::Gold, shape)))
}

/// A table as it is now; `None` if it does not exist.
async fn describe(settings: &Settings, layer: Layer, shape: &TableShape) -> Result<Option<TableDescription>, Error> {
    let Some(table) = Delta::open(&settings.table(layer, shape.name)).await? else { return Ok(None) };
    let column = |field: &Field| CatalogColumn::new(field.name, field.kind.catalog_name()).with_comment(field.comment);
    let columns = shape.fields.iter().map(column).collect();
    TableDescription::of_delta(settings.database(layer), shape.name, &table, columns).await.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_known_with_its_keys() {
        let tables: Vec<String> = tables().map(|(layer, shape)| format!("{layer}/{}", shape.name)).collect();
        assert_eq!(tables.len(), 10, "{tables:?}");
        for (layer, shape) in super::tables() {
            for key in shape.partition_by.iter().chain(shape.z_order) {
                assert!(shape.fields.iter().any(|field| field.name == *key), "{layer}/{}: {key}", shape.name);
            }
        }
    }
}
