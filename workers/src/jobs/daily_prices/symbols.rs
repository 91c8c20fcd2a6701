//! Rows cut between symbols: what is computed per symbol needs all of its rows at once, and no others.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Memory};

use polars::error::PolarsResult;
use polars::prelude::DataFrame;

use crate::lake::Error;
use crate::lake::frames::{FrameIter, Frames, rows_error};

/// Frames that each hold all rows of their symbols, but for rows without a symbol, which may be cut anywhere. Memory: a frame and
/// the rows of one symbol.
pub(super) struct WholeSymbols {
    frames: FrameIter,
    uri: String,
    /// The beginning of a symbol's rows.
    waiting: Vec<DataFrame>,
    /// The symbol of the last row so far; `None` before the first.
    last: Option<Option<String>>,
    backwards: Arc<AtomicBool>,
    ended: bool,
}

/// Whether the rows turned out not to be in the order of their symbols.
#[derive(Clone, Debug, Default)]
pub(super) struct Backwards(Arc<AtomicBool>);

impl Backwards {
    /// To be asked after the frames have ended.
    pub fn is_found(&self) -> bool {
        self.0.load(Memory::Relaxed)
    }
}

/// The rows by whole symbols; rows that are in memory are one frame whatever their order. Others end early if they are not in
/// the order of their symbols, nulls last, which the second value then says. `uri` is where they are from, for errors.
pub(super) fn whole_symbols(frames: &Frames, uri: &str) -> (FrameIter, Backwards) {
    let backwards = Backwards::default();
    if frames.in_memory().is_some() {
        return (frames.iter(), backwards);
    }
    let whole = WholeSymbols {
        frames: frames.iter(),
        uri: uri.to_owned(),
        waiting: Vec::new(),
        last: None,
        backwards: backwards.0.clone(),
        ended: false,
    };
    (Box::new(whole), backwards)
}

impl WholeSymbols {
    fn advance(&mut self) -> Result<Option<DataFrame>, Error> {
        while !self.ended {
            let Some(frame) = self.frames.next().transpose()? else {
                self.ended = true;
                break;
            };
            if frame.height() == 0 {
                continue;
            }
            let before = self.last.clone();
            match self.look_at(&frame).map_err(|error| rows_error(&self.uri, error))? {
                None => {
                    self.backwards.store(true, Memory::Relaxed);
                    self.ended = true;
                    self.waiting.clear();
                    return Ok(None);
                }
                // All of one symbol, and perhaps more to come: with what waits if that is of the symbol, too.
                Some(0) => {
                    let whole = if before == self.last { None } else { self.take_waiting()? };
                    self.waiting.push(frame);
                    if whole.is_some() {
                        return Ok(whole);
                    }
                }
                Some(cut) => {
                    self.waiting.push(frame.slice(0, cut));
                    let whole = self.take_waiting()?;
                    if cut < frame.height() {
                        self.waiting.push(frame.slice(cut as i64, frame.height() - cut));
                    }
                    return Ok(whole);
                }
            }
        }
        self.take_waiting()
    }

    /// The first row of the frame's last symbol, or the row after the last if that has none; `None` if the rows go backwards.
    fn look_at(&mut self, frame: &DataFrame) -> PolarsResult<Option<usize>> {
        let mut cut = 0;
        let mut last = self.last.as_ref().map(|last| last.as_deref());
        let symbols = frame.column("symbol")?.str()?;
        for (row, symbol) in symbols.iter().enumerate() {
            match last.map_or(Ordering::Less, |last| nulls_last(last, symbol)) {
                Ordering::Equal => {}
                Ordering::Less => cut = row,
                Ordering::Greater => return Ok(None),
            }
            last = Some(symbol);
        }
        if let Some(None) = last {
            cut = frame.height();
        }
        self.last = last.map(|last| last.map(str::to_owned));
        Ok(Some(cut))
    }

    fn take_waiting(&mut self) -> Result<Option<DataFrame>, Error> {
        let mut whole: Option<DataFrame> = None;
        for frame in self.waiting.drain(..) {
            match &mut whole {
                Some(whole) => drop(whole.vstack_mut_owned(frame).map_err(|error| rows_error(&self.uri, error))?),
                None => whole = Some(frame),
            }
        }
        Ok(whole.map(|mut whole| {
            whole.rechunk_mut();
            whole
        }))
    }
}

fn nulls_last(a: Option<&str>, b: Option<&str>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.cmp(b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

impl Iterator for WholeSymbols {
    type Item = Result<DataFrame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    /// The symbols of each frame that comes out, `.` for null; `None` if they go backwards.
    fn cut(frames: &[&[Option<&str>]]) -> Option<Vec<String>> {
        let frames: Vec<DataFrame> = frames.iter().map(|symbols| df!("symbol" => *symbols).unwrap()).collect();
        let rows = frames.iter().map(|frame| frame.height() as u64).sum();
        let columns = df!("symbol" => Vec::<Option<&str>>::new()).unwrap();
        let opened = Frames::opened(rows, columns, move || Box::new(frames.clone().into_iter().map(Ok)));
        let (whole, backwards) = whole_symbols(&opened, "x");
        let texts = whole.map(|frame| {
            let frame = frame.unwrap();
            let symbols = frame.column("symbol").unwrap().str().unwrap();
            symbols.iter().map(|symbol| symbol.unwrap_or(".")).collect::<String>()
        });
        let texts = texts.collect();
        (!backwards.is_found()).then_some(texts)
    }

    #[test]
    fn frames_are_cut_between_symbols_and_rows_without_one_anywhere() {
        let (a, b, c, null) = (Some("a"), Some("b"), Some("c"), None);
        for (frames, expected) in [
            (&[&[a, a][..], &[a, b], &[b], &[b, c]][..], &["aaa", "bbb", "c"][..]),
            (&[&[a], &[b], &[c]], &["a", "b", "c"]),
            (&[&[a, b, null], &[null], &[null, null]], &["ab.", ".", ".."]),
            (&[&[a, b], &[], &[null]], &["a", "b."]),
            (&[&[a, a], &[b, null]], &["aab."]),
            (&[], &[]),
        ] {
            assert_eq!(cut(frames).unwrap(), expected, "{frames:?}");
        }
        for frames in [&[&[b, a][..]][..], &[&[b], &[a]], &[&[a, null], &[b]], &[&[null, a]]] {
            assert_eq!(cut(frames), None, "{frames:?}");
        }
    }
}
