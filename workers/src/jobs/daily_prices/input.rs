//! The records a transform reads: the compacted partition, or the raw day if there is none.
//!
//! Source: pipelines.md 1.7.

use super::columns::KNOWN;
use super::day::{raw_folder, read_day};
use super::source_pair::partition_of;
use crate::job::{Code, JobContext, JobError};
use crate::lake::PartitionState;
use crate::lake::frames::{Frames, SortKey, Sorter};
use crate::lake::read::conform;

/// Rows of one symbol stay in their order.
const BY_SYMBOL: SortKey = SortKey { text: "symbol", instant: None };

/// The records of the arguments' day with the known columns in their types; `None` if there are none.
pub(super) async fn load(context: &JobContext) -> Result<Option<Frames>, JobError> {
    let compacted = partition_of(context, "compacted_bucket", "compacted_prefix")?;
    if let Some(read) = compacted.read_within(context.lake.read_memory_bytes()?).await? {
        context.metric("input", "compacted");
        let missing: Vec<&str> =
            ["symbol", "timestamp"].into_iter().filter(|name| read.columns().column(name).is_err()).collect();
        if read.rows() > 0 && !missing.is_empty() {
            let message = format!("MISSING_COLUMNS: [{}] in `{}`", missing.join(", "), compacted.uri());
            return Err(JobError::new(Code::MissingColumns, message));
        }
        return if read.rows() == 0 { Ok(None) } else { conformed(context, read, compacted.uri()).await.map(Some) };
    }
    if let PartitionState::Incomplete(_) = compacted.state().await? {
        context.warn(format!("`{}` is incomplete and was not read; compact the day again", compacted.uri()));
    }
    context.metric("input", "raw");
    let folder = raw_folder(context)?;
    match read_day(context, &folder).await? {
        Some(read) => conformed(context, read.frames, folder.uri()).await.map(Some),
        None => Ok(None),
    }
}

async fn conformed(context: &JobContext, frames: Frames, uri: String) -> Result<Frames, JobError> {
    let conform_all = move || match frames.in_memory() {
        Some(frame) => Ok(Frames::held(conform(frame, KNOWN)?)),
        None => Ok(frames.map(&uri, |frame| conform(frame, KNOWN))?),
    };
    context.blocking(conform_all).await
}

/// The same records by symbol, those without one last.
pub(super) fn by_symbol(input: &Frames, memory_bytes: u64) -> Result<Frames, JobError> {
    let mut sorter = Sorter::new(BY_SYMBOL, memory_bytes);
    for frame in input.iter() {
        sorter.add(frame?)?;
    }
    Ok(sorter.finish()?)
}
