//! Silver → gold star schema: four dimensions, three facts and three marts, rebuilt whole and switched in together.
//!
//! The relational part is the SQL in `sql/`, in words that DataFusion and Spark both understand. [`prepare`] makes one
//! typed row per key of each silver table, the files named after the tables select from those, and [`gold`] stages,
//! checks and switches. `star-schema-verify` looks at what is published, `star-schema-check-locations` at the places
//! before a run, `star-schema-silver-load` makes silver tables of CSV files.
//!
//! Source: pipelines.md 3.

mod catalog;
mod checks;
mod gold;
mod load;
mod locations;
mod measure;
mod places;
mod prepare;
mod silver;
mod tables;
mod verify;

pub(crate) use gold::SILVER_TO_GOLD;
pub(crate) use load::SILVER_LOAD;
pub(crate) use locations::CHECK_LOCATIONS;
pub use tables::{GoldTable, Place, TABLES};
pub(crate) use verify::VERIFY;
