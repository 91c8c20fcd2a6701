//! The DataFusion session of a job: memory, spilling, options.

use std::any::Any;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use deltalake::datafusion::config::SpillCompression;
use deltalake::datafusion::execution::SessionStateBuilder;
use deltalake::datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use deltalake::datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use deltalake::datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use deltalake::datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use deltalake::datafusion::prelude::{SessionConfig, SessionContext};
use tempfile::TempDir;

use super::bounds::BoundScans;
use super::failure::failure;
use super::first_row::FirstRows;
use super::function;
use super::held::{self, HeldSides};
use crate::job::{Code, JobError};
use crate::lake::Folder;

/// How much memory, in MiB, a job's statements may use.
pub const MEMORY_VARIABLE: &str = "STEPWELL_QUERY_MEMORY_MIB";
/// The allowance without the variable.
pub const MEMORY_MB_DEFAULT: u64 = 1024;
/// Below this nothing sorts.
const MEMORY_MB_MIN: u64 = 8;
/// Sessions side by side have at least so much each.
const MEMORY_MB_BESIDE: u64 = 256;
/// Rows per batch with memory enough.
const BATCH_ROWS_MAX: usize = 8_192;
const BATCH_ROWS_MIN: usize = 256;
/// What a sort sets aside for merging what it spilled, at most.
const SORT_RESERVATION_BYTES_MAX: u64 = 10 << 20;

/// A side of a join may take this part of the memory to be held as a whole.
const HELD_SHARE: usize = 4;
/// What a row of it takes, about, times that share.
const HELD_ROW_BYTES: usize = 160;
/// Where sides are large, a small one leaves most of that to sorting.
const SMALL_SHARE: usize = 4;

/// And none that takes more of the memory is held there, however few its rows.
const WIDE_SHARE: usize = 8;

/// Batches that a merge sets memory aside for, for each of the runs it merges.
const MERGED_BATCHES: usize = 4;
/// A rather wide row, in memory.
const WIDE_ROW_BYTES: usize = 1024;

#[derive(Clone)]
pub(super) struct Session {
    pub(super) context: SessionContext,
    pub(super) memory_mb: u64,
    place: Arc<TempDir>,
}

/// The allowance of the environment.
pub(super) fn memory_mb() -> Result<u64, JobError> {
    let Ok(text) = std::env::var(MEMORY_VARIABLE) else { return Ok(MEMORY_MB_DEFAULT) };
    match text.trim().parse() {
        Ok(memory_mb) if memory_mb >= MEMORY_MB_MIN => Ok(memory_mb),
        _ => Err(JobError::arguments(format!(
            "{MEMORY_VARIABLE} is `{text}`; give a number of MiB, at least {MEMORY_MB_MIN}"
        ))),
    }
}

/// The allowance of the environment, in bytes.
pub(crate) fn memory_bytes() -> Result<usize, JobError> {
    Ok(bytes(memory_mb()?))
}

fn bytes(memory_mb: u64) -> usize {
    usize::try_from(memory_mb.saturating_mul(1 << 20)).unwrap_or(usize::MAX)
}

/// How many sessions may work side by side on as many pieces: one on each core and one more, since each waits for the disk now
/// and then, as long as each has memory enough.
pub(super) fn at_once(memory_mb: u64, pieces: usize) -> usize {
    let by_memory = usize::try_from(memory_mb / MEMORY_MB_BESIDE).unwrap_or(usize::MAX);
    (cores() + 1).min(pieces).min(by_memory).max(1)
}

impl Session {
    /// One of `sessions` that share the memory and the cores; 1 has all of them.
    pub(super) fn beside(memory_mb: u64, sessions: usize) -> Result<Session, JobError> {
        let memory_mb = (memory_mb / sessions as u64).max(MEMORY_MB_MIN);
        let partitions = partitions(sessions);
        let place = tempfile::Builder::new().prefix("stepwell-query-").tempdir().map_err(|error| {
            let folder = std::env::temp_dir();
            JobError::new(Code::StorageError, format!("cannot create a folder in `{}`: {error}", folder.display()))
        })?;
        let spills = DiskManagerMode::Directories(vec![place.path().to_owned()]);
        let runtime = runtime(memory_mb, merge_fan_in(memory_mb, partitions), spills)?;
        let config = config(memory_mb, partitions);
        let rows_max = config.options().optimizer.hash_join_single_partition_threshold_rows / SMALL_SHARE;
        let mut rules = PhysicalOptimizer::new().rules;
        let chosen = rules.iter().position(|rule| rule.name() == held::AFTER).expect("DataFusion chooses sides");
        let bytes_max = bytes(memory_mb) / WIDE_SHARE;
        rules.insert(chosen + 1, Arc::new(HeldSides { rows_max, bytes_max }));
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_physical_optimizer_rules(rules)
            .with_physical_optimizer_rule(Arc::new(FirstRows))
            .with_physical_optimizer_rule(Arc::new(BoundScans))
            .build();
        let context = SessionContext::new_with_state(state);
        for function in function::all() {
            context.register_udf(function);
        }
        context.register_udf(function::stand_in());
        context.register_udaf(function::distinct());
        context.register_udaf(function::distinct_least());
        Ok(Session { context, memory_mb, place: Arc::new(place) })
    }

    /// The same tables and memory, with joins that sort both sides, or hold one that is known to be small ([`HeldSides`]).
    pub(super) fn merge_joins(&self) -> Session {
        let state = self.context.state();
        // With a fresh one the tables would be gone.
        let mut config = state.config().clone().with_create_default_catalog_and_schema(false);
        config.options_mut().optimizer.prefer_hash_join = false;
        let state = SessionStateBuilder::new_from_existing(state).with_config(config).build();
        Session { context: SessionContext::new_with_state(state), ..self.clone() }
    }

    /// A context for plans over one stream of rows, which keep its order.
    pub(super) fn in_order(&self) -> SessionContext {
        let state = self.context.state();
        // With a fresh catalog the tables would be gone, everywhere.
        let config = state.config().clone().with_target_partitions(1).with_create_default_catalog_and_schema(false);
        SessionContext::new_with_state(SessionStateBuilder::new_from_existing(state).with_config(config).build())
    }

    /// Where results are kept.
    pub(super) fn place(&self) -> &Path {
        self.place.path()
    }

    /// What rows under way must hold, so that what they read from stays.
    pub(super) fn keep_alive(&self) -> Arc<dyn Any + Send + Sync> {
        self.place.clone()
    }

    /// Makes the folder's store the one that URLs of its bucket are read from.
    pub(super) fn register_store(&self, folder: &Folder) {
        let store = folder.store();
        self.context.runtime_env().register_object_store(&store.url("", false), store.object_store());
    }
}

/// Memory that is shared fairly, and where what does not fit goes, merged `fan_in` runs at a time.
pub(super) fn runtime(memory_mb: u64, fan_in: usize, spills: DiskManagerMode) -> Result<Arc<RuntimeEnv>, JobError> {
    let consumers = NonZeroUsize::new(3).expect("3 is not 0");
    let pool = TrackConsumersPool::new(FairSpillPool::new(bytes(memory_mb)), consumers);
    let spills = DiskManagerBuilder::default()
        .with_mode(spills)
        // What the folder's file system has; the default would fail a large job on a large disk.
        .with_max_temp_directory_size(u64::MAX >> 1)
        .with_max_spill_merge_fan_in(fan_in);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(spills)
        .build_arc()
        .map_err(|error| failure("the SQL session", &error))
}

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// How many ways a statement works at once.
pub(super) fn partitions(sessions: usize) -> usize {
    match sessions {
        // With one partition, joins and aggregations are planned in ways that cannot spill.
        1 => cores().max(2),
        sessions => (cores() / sessions).max(1),
    }
}

/// Rows per batch: fewer where little memory is, so that the least a sort needs, a merge of two runs in every partition,
/// is there for wide rows as well.
fn batch_rows(memory_mb: u64, partitions: usize) -> usize {
    let share = bytes(memory_mb) / 2 / partitions / (2 * MERGED_BATCHES * WIDE_ROW_BYTES);
    1 << share.clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX).ilog2()
}

/// Spilled runs merged at once. A merge takes the memory for all of them and gives none back, so without a bound the
/// first sort of a statement leaves nothing to the others.
pub(super) fn merge_fan_in(memory_mb: u64, partitions: usize) -> usize {
    let share = bytes(memory_mb) / 2 / partitions;
    (share / (batch_rows(memory_mb, partitions) * MERGED_BATCHES * WIDE_ROW_BYTES)).max(2)
}

pub(super) fn config(memory_mb: u64, partitions: usize) -> SessionConfig {
    let rows = batch_rows(memory_mb, partitions);
    let mut config = SessionConfig::new().with_batch_size(rows).with_target_partitions(partitions);
    let reservation = (bytes(memory_mb) as u64 / (16 * partitions as u64)).min(SORT_RESERVATION_BYTES_MAX);
    let options = config.options_mut();
    // The other side of a join is then not dealt out by key, which costs a copy of every row.
    options.optimizer.hash_join_single_partition_threshold = bytes(memory_mb) / HELD_SHARE;
    options.optimizer.hash_join_single_partition_threshold_rows = bytes(memory_mb) / HELD_ROW_BYTES;
    options.execution.time_zone = Some("UTC".to_owned());
    options.execution.sort_spill_reservation_bytes = usize::try_from(reservation).unwrap_or(usize::MAX);
    options.execution.spill_compression = SpillCompression::Lz4Frame;
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.parquet.coerce_int96 = Some("us".to_owned());
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.enable_ident_normalization = true;
    options.sql_parser.parse_float_as_decimal = false;
    options.catalog.information_schema = false;
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_and_merges_fit_into_the_memory() {
        assert_eq!(batch_rows(64 * MEMORY_MB_DEFAULT, 2), BATCH_ROWS_MAX);
        for partitions in [1, 2, 16] {
            for memory_mb in [MEMORY_MB_MIN, 24, 100, MEMORY_MB_DEFAULT, 65_536] {
                let run = batch_rows(memory_mb, partitions) * MERGED_BATCHES * WIDE_ROW_BYTES;
                let all = merge_fan_in(memory_mb, partitions) * run * partitions;
                let least = 2 * BATCH_ROWS_MIN * MERGED_BATCHES * WIDE_ROW_BYTES * partitions;
                assert!(all <= (bytes(memory_mb) / 2).max(least), "{memory_mb} MiB: {all} bytes");
            }
        }
    }

    #[test]
    fn sessions_side_by_side_share_cores_and_memory() {
        assert_eq!(at_once(64 * MEMORY_MB_DEFAULT, 1), 1);
        assert_eq!(at_once(MEMORY_MB_BESIDE, 100), 1, "no memory for a second one");
        assert_eq!(at_once(0, 0), 1);
        let most = at_once(u64::MAX, usize::MAX);
        assert_eq!((most, partitions(most)), (cores() + 1, 1));
        assert_eq!(partitions(1), cores().max(2));
    }
}
