//! Rows on their way from the units that are read at once to whoever takes them, in the order of the objects.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::limit::Budget;
use super::rows::Rows;
use super::{ReadSettings, unit};
use crate::lake::{Error, Folder, Object};

/// Pieces of a unit that are parsed and not yet taken; with more, the unit waits.
const PIECES_WAITING: usize = 1;

/// Rows are handed over by this part of the allowance.
const PIECES: u64 = 64;
/// Above this, and below the other, whatever the allowance.
const PIECE_BYTES_MIN: u64 = 1 << 10;
const PIECE_BYTES_MAX: u64 = 8 << 20;

/// How large pieces are where rows may take so much memory.
pub(super) fn piece_bytes(memory_bytes: u64) -> u64 {
    (memory_bytes / PIECES).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX)
}

/// Where a unit's rows go.
pub(super) struct Outlet {
    pieces: mpsc::Sender<Rows>,
    piece_bytes: u64,
    sent: AtomicU64,
}

impl Outlet {
    /// Hands the rows over if they are many, and leaves an empty set in their place.
    pub fn offer(&self, rows: &mut Rows) -> Result<(), Error> {
        if rows.bytes() < self.piece_bytes {
            return Ok(());
        }
        let next = Rows::new(rows.settings);
        self.send(std::mem::replace(rows, next))
    }

    /// Hands the rows over, and waits for room. Not for async threads.
    pub fn send(&self, rows: Rows) -> Result<(), Error> {
        self.sent.fetch_add(rows.height(), Ordering::Relaxed);
        let given_up = |_| Error::storage("read", "the rest", "nobody takes the rows any more");
        self.pieces.blocking_send(rows).map_err(given_up)
    }

    /// Rows of the unit so far: those handed over, and these.
    pub fn records(&self, rows: &Rows) -> u64 {
        self.sent.load(Ordering::Relaxed) + rows.height()
    }
}

/// A read in progress.
pub(super) struct Reading {
    folder: Folder,
    settings: ReadSettings,
    budget: Arc<Budget>,
    piece_bytes: u64,
    units: std::vec::IntoIter<Vec<Object>>,
    units_at_once: usize,
    in_flight: VecDeque<Unit>,
    /// Rows per object of the units that have ended.
    pub object_records: Vec<u64>,
}

struct Unit {
    pieces: mpsc::Receiver<Rows>,
    ended: AbortOnDropHandle<Result<Vec<u64>, Error>>,
}

impl Reading {
    /// Begins to read objects; pieces have about so many bytes, or what is parsed at once.
    pub fn new(
        folder: &Folder,
        objects: &[Object],
        settings: ReadSettings,
        budget: Budget,
        piece_bytes: u64,
    ) -> Reading {
        Reading {
            folder: folder.clone(),
            settings,
            budget: Arc::new(budget),
            piece_bytes,
            units: unit::gather(objects).into_iter(),
            units_at_once: std::thread::available_parallelism().map_or(2, usize::from) + 1,
            in_flight: VecDeque::new(),
            object_records: Vec::with_capacity(objects.len()),
        }
    }

    /// The next rows, in the order of the objects; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Rows>, Error> {
        loop {
            while self.in_flight.len() < self.units_at_once
                && let Some(unit) = self.units.next()
            {
                let unit = self.start(unit);
                self.in_flight.push_back(unit);
            }
            let Some(first) = self.in_flight.front_mut() else { return Ok(None) };
            if let Some(rows) = first.pieces.recv().await {
                return Ok(Some(rows));
            }
            let Some(first) = self.in_flight.pop_front() else { return Ok(None) };
            let ended = first.ended.await.map_err(|error| Error::storage("read", self.folder.uri(), error))?;
            self.object_records.extend(ended?);
        }
    }

    fn start(&self, objects: Vec<Object>) -> Unit {
        let (sender, pieces) = mpsc::channel(PIECES_WAITING);
        let outlet = Outlet { pieces: sender, piece_bytes: self.piece_bytes, sent: AtomicU64::new(0) };
        let read = unit::read(self.folder.clone(), objects, self.settings, self.budget.clone(), outlet);
        Unit { pieces, ended: AbortOnDropHandle::new(tokio::spawn(read)) }
    }
}
