//! Rows into data files, on as many cores as the memory feeds: each partition has one encoder, so its rows stay in their order.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use deltalake::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use deltalake::arrow::compute::take_record_batch;
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::arrow::error::ArrowError;
use deltalake::arrow::row::{RowConverter, SortField};
use deltalake::datafile::writer::{DeltaWriter, WriterConfig};
use deltalake::kernel::Add;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::lake::Error;

/// Batches that wait for an encoder take this part of the memory, together.
const WAITING_SHARE: usize = 8;
/// Several encoders have no less memory each than this, lest their files become small.
const ENCODER_BYTES_MIN: usize = 128 << 20;
/// What a permit of waiting memory stands for.
const PERMIT_BYTES: usize = 1 << 10;

/// Where files are written, and how.
#[derive(Clone)]
pub(super) struct Target {
    pub store: Arc<dyn ObjectStore>,
    pub config: WriterConfig,
    pub uri: String,
}

/// Encoders at work, to be ended by [`Encoders::finish`] or [`Encoders::abort`]: dropped, they leave files that nobody names.
pub(super) struct Encoders {
    uri: String,
    partition_by: Vec<usize>,
    /// Makes bytes of partition values; absent in a table without partitions.
    keys: Option<RowConverter>,
    queues: Vec<mpsc::UnboundedSender<Work>>,
    /// Which encoder has a partition, by its values.
    taken: HashMap<Box<[u8]>, usize>,
    waiting: Arc<Semaphore>,
    waiting_max: u32,
    tasks: JoinSet<Result<Vec<Add>, Error>>,
}

enum Work {
    Rows(RecordBatch, OwnedSemaphorePermit),
    End,
}

impl Encoders {
    /// Starts them; all of them together hold about `allowed_bytes`. `partition_by` are the places of the partition columns in
    /// the rows' `schema`.
    ///
    /// # Errors
    /// [`Error::Encode`] if a partition column is of a type that has no order.
    pub fn start(
        target: &Target,
        schema: &SchemaRef,
        partition_by: Vec<usize>,
        allowed_bytes: usize,
    ) -> Result<Encoders, Error> {
        let fields = partition_by.iter().map(|place| SortField::new(schema.field(*place).data_type().clone()));
        let keys = match partition_by.is_empty() {
            true => None,
            false => Some(
                RowConverter::new(fields.collect())
                    .map_err(|error| Error::Encode { uri: target.uri.clone(), reason: error.to_string() })?,
            ),
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let count = if partition_by.is_empty() { 1 } else { encoders(cores, allowed_bytes) };
        let waiting_max = u32::try_from(allowed_bytes / WAITING_SHARE / PERMIT_BYTES).unwrap_or(u32::MAX).max(1);
        let (mut queues, mut tasks) = (Vec::new(), JoinSet::new());
        for _ in 0..count {
            let (queue, work) = mpsc::unbounded_channel();
            queues.push(queue);
            tasks.spawn(encode(target.clone(), work, allowed_bytes / count));
        }
        let waiting = Arc::new(Semaphore::new(waiting_max as usize));
        let uri = target.uri.clone();
        Ok(Encoders { uri, partition_by, keys, queues, taken: HashMap::new(), waiting, waiting_max, tasks })
    }

    /// Hands rows over; waits while too many wait already.
    ///
    /// # Errors
    /// That of an encoder; the others have taken their files back then.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let row_bytes = batch.get_array_memory_size() / batch.num_rows().max(1);
        for (encoder, rows) in self.dealt(batch)? {
            let permits = u32::try_from(rows.num_rows() * row_bytes / PERMIT_BYTES).unwrap_or(u32::MAX);
            let permits = permits.clamp(1, self.waiting_max);
            let permit = self.waiting.clone().acquire_many_owned(permits).await.expect("it is never closed");
            if self.queues[encoder].send(Work::Rows(rows, permit)).is_err() {
                return Err(self.failure().await);
            }
        }
        Ok(())
    }

    /// Ends all files and tells of them.
    ///
    /// # Errors
    /// The first failure of an encoder; what the others have written is nobody's then.
    pub async fn finish(mut self) -> Result<Vec<Add>, Error> {
        for queue in &self.queues {
            if queue.send(Work::End).is_err() {
                return Err(self.failure().await);
            }
        }
        let mut adds = Vec::new();
        while let Some(done) = self.tasks.join_next().await {
            adds.extend(done.map_err(|error| Error::storage("write", self.uri.clone(), error)).flatten()?);
        }
        Ok(adds)
    }

    /// Takes back what was begun.
    pub async fn abort(mut self) {
        self.queues.clear();
        // What they still wait for never comes, so they end.
        while self.tasks.join_next().await.is_some() {}
    }

    /// Why an encoder is gone.
    async fn failure(&mut self) -> Error {
        self.queues.clear();
        let mut first = None;
        while let Some(done) = self.tasks.join_next().await {
            if let Err(error) = done.map_err(|error| Error::storage("write", self.uri.clone(), error)).flatten() {
                first.get_or_insert(error);
            }
        }
        first.unwrap_or_else(|| Error::storage("write", self.uri.clone(), "an encoder ended early"))
    }

    /// The rows of a batch by encoder, those of each in their order.
    fn dealt(&mut self, batch: &RecordBatch) -> Result<Vec<(usize, RecordBatch)>, Error> {
        let Some(keys) = &self.keys else { return Ok(vec![(0, batch.clone())]) };
        let refused = |error: ArrowError| Error::Encode { uri: self.uri.clone(), reason: error.to_string() };
        let columns: Vec<ArrayRef> = self.partition_by.iter().map(|place| batch.column(*place).clone()).collect();
        let values = keys.convert_columns(&columns).map_err(refused)?;
        let mut dealt = vec![Vec::new(); self.queues.len()];
        let mut last = None;
        for (row, value) in values.iter().enumerate() {
            let encoder = match last {
                Some((before, encoder)) if before == value => encoder,
                _ => match self.taken.get(value.as_ref()) {
                    Some(encoder) => *encoder,
                    None => {
                        let next = self.taken.len() % self.queues.len();
                        self.taken.insert(value.as_ref().into(), next);
                        next
                    }
                },
            };
            last = Some((value, encoder));
            dealt[encoder].push(row as u64);
        }
        let mut parts = Vec::new();
        for (encoder, rows) in dealt.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            let part = match rows.len() == batch.num_rows() {
                true => batch.clone(),
                false => take_record_batch(batch, &UInt64Array::from(rows)).map_err(refused)?,
            };
            parts.push((encoder, part));
        }
        Ok(parts)
    }
}

/// How many encoders share the memory.
fn encoders(cores: usize, allowed_bytes: usize) -> usize {
    cores.min(allowed_bytes / ENCODER_BYTES_MIN).max(1)
}

/// One encoder: writes until the end, or takes back what it has written if that never comes.
async fn encode(
    target: Target,
    mut work: mpsc::UnboundedReceiver<Work>,
    allowed_bytes: usize,
) -> Result<Vec<Add>, Error> {
    let writer = || DeltaWriter::new(target.store.clone(), target.config.clone());
    let failed = |error| Error::storage("write", target.uri.clone(), error);
    let (mut open, mut held_bytes, mut adds) = (writer(), 0, Vec::new());
    let outcome = loop {
        match work.recv().await {
            Some(Work::Rows(batch, _permit)) => {
                held_bytes += batch.get_array_memory_size();
                if let Err(error) = open.write(&batch).await {
                    break Err(Some(failed(error)));
                }
            }
            Some(Work::End) => break Ok(()),
            None => break Err(None),
        }
        // Every partition that has come has an open file, and what it holds is in memory until a row group is full.
        if held_bytes > allowed_bytes {
            held_bytes = 0;
            match std::mem::replace(&mut open, writer()).close().await {
                Ok(files) => adds.extend(files),
                Err(error) => break Err(Some(failed(error))),
            }
        }
    };
    if let Err(error) = outcome {
        if let Err(left) = open.abort().await {
            tracing::warn!(table.uri = %target.uri, "Cannot take back unfinished files of `{}`: {left}", target.uri);
        }
        for add in adds {
            // Names in the log are percent-encoded.
            let path = Path::from_url_path(&add.path).expect("it was made of a path");
            if let Err(left) = target.store.delete(&path).await {
                tracing::warn!(table.uri = %target.uri, "Cannot take back `{path}` of `{}`: {left}", target.uri);
            }
        }
        return error.map_or(Ok(Vec::new()), Err);
    }
    adds.extend(open.close().await.map_err(failed)?);
    Ok(adds)
}

#[cfg(test)]
mod tests {
    use super::encoders;

    #[test]
    fn there_are_no_more_encoders_than_cores_nor_than_the_memory_feeds() {
        let mib = |mib: usize| mib << 20;
        let cases = [(2, 1024, 2), (64, 1024, 8), (64, 255, 1), (8, 0, 1)];
        for (cores, memory, count) in cases {
            assert_eq!(encoders(cores, mib(memory)), count, "{cores} cores, {memory} MiB");
        }
    }
}
