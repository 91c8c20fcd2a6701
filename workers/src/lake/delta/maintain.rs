//! Layout and tidiness: what changes files and never rows.

use std::num::NonZeroU64;

use chrono::TimeDelta;
use deltalake::operations::optimize::OptimizeType;
use deltalake::operations::vacuum::VacuumMode;
use deltalake::{FilterOp, FilterValue};

use super::{Delta, allowance};
use crate::lake::parquet_file::writer_properties;
use crate::lake::{Codec, Error};
use crate::query::{MEMORY_VARIABLE, upkeep_session};

/// Versions of this age at least stay readable, unless told otherwise: a reader or a writer may still be at them.
pub const RETENTION_HOURS_MIN: u64 = 168;

/// What DataFusion says when the memory is not enough; of its error delta-rs leaves only the text.
const OUT_OF_MEMORY: &str = "Resources exhausted";

/// What an optimisation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Optimized {
    /// The version after it; the one before if there was nothing to do.
    pub version: i64,
    /// Files written.
    pub files_added: u64,
    /// Files they stand for.
    pub files_removed: u64,
    /// Size of the written files.
    pub bytes_added: u64,
    /// Size of those they stand for.
    pub bytes_removed: u64,
}

impl Delta {
    /// Lays the files out anew: ordered along a Z-curve through the columns of `z_order` or, without any, small ones merged.
    /// `partitions`: only those values of a partition column. The rows stay the same, and the commit says so.
    ///
    /// # Errors
    /// [`Error::Schema`] for a column that is none, [`Error::Storage`].
    pub async fn optimize(
        &mut self,
        z_order: &[&str],
        partitions: Option<(&str, &[String])>,
        target_file_mb: u64,
    ) -> Result<Optimized, Error> {
        let unknown = z_order.iter().find(|name| self.columns.iter().all(|column| column.name != **name));
        if let Some(name) = unknown {
            return Err(Error::Schema { uri: self.uri(), reason: format!("there is no column `{name}` to order by") });
        }
        let mut filters = Vec::new();
        if let Some((column, values)) = partitions {
            self.expect_partition_column(column)?;
            if values.is_empty() {
                return Ok(Optimized { version: self.version(), ..Optimized::default() });
            }
            filters.push((column, FilterOp::In, FilterValue::Set(values.iter().map(String::as_str).collect())));
        }
        let kind = match z_order {
            [] => OptimizeType::Compact,
            columns => OptimizeType::ZOrder(columns.iter().map(|&column| column.to_owned()).collect()),
        };
        let (session, tasks) = upkeep_session().map_err(allowance)?;
        let size = NonZeroU64::new(target_file_mb.max(1).saturating_mul(1 << 20)).expect("at least 1 MiB");
        let optimized = self
            .table
            .clone()
            .optimize()
            .with_type(kind)
            .with_filters(&filters)
            .with_target_size(size)
            .with_writer_properties(writer_properties(Codec::Snappy, None))
            .with_max_concurrent_tasks(tasks)
            .with_session_state(std::sync::Arc::new(session))
            .await;
        let (table, metrics) = optimized.map_err(|error| match error.to_string().contains(OUT_OF_MEMORY) {
            true => Error::Configuration {
                name: MEMORY_VARIABLE.to_owned(),
                reason: format!("it is too little to sort a partition of `{}`, raise it ({error})", self.uri()),
            },
            false => self.failed("optimise", error),
        })?;
        *self = Delta::of(&self.folder, table)?;
        let bytes = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
        Ok(Optimized {
            version: self.version(),
            files_added: metrics.num_files_added,
            files_removed: metrics.num_files_removed,
            bytes_added: bytes(metrics.files_added.total_size),
            bytes_removed: bytes(metrics.files_removed.total_size),
        })
    }

    /// Deletes data files that no version of the last `retention_hours` needs, and those that crashed writers left behind
    /// before that; returns how many.
    ///
    /// # Errors
    /// [`Error::Configuration`] below [`RETENTION_HOURS_MIN`] unless `allow_short`; [`Error::Storage`].
    pub async fn vacuum(&mut self, retention_hours: u64, allow_short: bool) -> Result<u64, Error> {
        if retention_hours < RETENTION_HOURS_MIN && !allow_short {
            return Err(Error::Configuration {
                name: "the retention of a vacuum".to_owned(),
                reason: format!(
                    "{retention_hours} h is less than {RETENTION_HOURS_MIN} h, and readers and writers at older versions \
                     would lose their files; allow short retention explicitly if there are none"
                ),
            });
        }
        let retention = i64::try_from(retention_hours).ok().and_then(TimeDelta::try_hours).unwrap_or(TimeDelta::MAX);
        let vacuumed = self
            .table
            .clone()
            .vacuum()
            .with_retention_period(retention)
            .with_enforce_retention_duration(!allow_short)
            .with_mode(VacuumMode::Full)
            .await;
        let (table, metrics) = vacuumed.map_err(|error| self.failed("vacuum", error))?;
        *self = Delta::of(&self.folder, table)?;
        Ok(metrics.files_deleted.len() as u64)
    }
}
