//! What lays a Delta table out anew: delta-rs's own session, within the memory that a job is allowed.

use deltalake::datafusion::execution::disk_manager::DiskManagerMode;
use deltalake::datafusion::execution::{SessionState, SessionStateBuilder};
use deltalake::delta_datafusion::create_session_state_with_spill_config;

use super::session::{at_once, config, cores, memory_mb, merge_fan_in, partitions, runtime};
use crate::job::JobError;

/// A partition that is laid out is read and sorted in so many ways at least: a table may have but one.
const WAYS_MIN: usize = 2;

/// Views of texts are sorted faster than texts, but hold the pages that they were read from: a batch of a thousand rows was seen
/// to take 40 MiB. Only a sort with so many MiB has views.
const VIEWS_MB_MIN: u64 = 128;

/// The session, and how many partitions of a table may be laid out in it side by side.
///
/// # Errors
/// `PRE_VALIDATION_FAILED` if the allowance is no number.
pub(crate) fn upkeep_session() -> Result<(SessionState, usize), JobError> {
    let memory_mb = memory_mb()?;
    let tasks = at_once(memory_mb, cores());
    let (share_mb, ways) = (memory_mb / tasks as u64, partitions(tasks).max(WAYS_MIN));
    let ours = config(share_mb, ways);
    let state = create_session_state_with_spill_config(None, None);
    let mut config = state.config().clone().with_batch_size(ours.batch_size()).with_target_partitions(ways);
    let (theirs, ours) = (&mut config.options_mut().execution, &ours.options().execution);
    theirs.sort_spill_reservation_bytes = ours.sort_spill_reservation_bytes;
    theirs.spill_compression = ours.spill_compression;
    theirs.parquet.schema_force_view_types = share_mb / ways as u64 >= VIEWS_MB_MIN;
    let runtime = runtime(memory_mb, merge_fan_in(share_mb, ways), DiskManagerMode::OsTmpDirectory)?;
    Ok((SessionStateBuilder::new_from_existing(state).with_config(config).with_runtime_env(runtime).build(), tasks))
}
