use polars::prelude::{IntoColumn, NamedFrom, Series, TimeUnit, TimeZone, df};

use super::*;

const KEY: SortKey = SortKey { text: "symbol", instant: Some("at") };

/// Rows of symbol (empty: null) and time (negative: null), numbered from `first`.
fn frame(rows: &[(&str, i64)], first: i64) -> DataFrame {
    let symbols: Vec<Option<&str>> = rows.iter().map(|(symbol, _)| Some(*symbol).filter(|s| !s.is_empty())).collect();
    let micros: Vec<Option<i64>> = rows.iter().map(|(_, at)| Some(*at).filter(|at| *at >= 0)).collect();
    let at = Series::new("at".into(), micros).i64().unwrap().clone();
    let numbers: Vec<i64> = (first..first + rows.len() as i64).collect();
    let mut frame = df!("symbol" => symbols, "number" => numbers).unwrap();
    frame.with_column(at.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column()).unwrap();
    frame
}

fn all(frames: &Frames) -> DataFrame {
    stack(std::iter::once(frames.columns().clone()).chain(frames.iter().map(Result::unwrap)).collect()).unwrap()
}

/// Rows that look drawn at random, with few symbols and times, so that most keys are there often.
fn drawn(count: usize, seed: u64) -> Vec<(&'static str, i64)> {
    let mut state = seed;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..count).map(|_| (["", "A", "AB", "B", "C"][next(5) as usize], next(4) as i64 - 1)).collect()
}

#[test]
fn rows_come_as_from_a_stable_sort_in_memory_whatever_the_allowance() {
    for (rows, memory_bytes, held) in
        [(10, 1 << 20, true), (3_000, 1 << 20, true), (3_000, 0, false), (12_000, 0, false)]
    {
        let drawn = drawn(rows, memory_bytes + rows as u64);
        let expected = KEY.sort(&frame(&drawn, 0)).unwrap();
        let mut sorter = Sorter::new(KEY, memory_bytes);
        let mut first = 0;
        for piece in drawn.chunks(37) {
            sorter.add(frame(piece, first)).unwrap();
            first += piece.len() as i64;
        }
        let sorted = sorter.finish().unwrap();
        assert_eq!((sorted.rows(), sorted.in_memory().is_some()), (rows as u64, held), "{rows}, {memory_bytes}");
        assert!(all(&sorted).equals_missing(&expected), "{rows}, {memory_bytes}");
        assert!(all(&sorted).equals_missing(&expected), "and once more");
        let largest = sorted.iter().map(|frame| frame.unwrap().height()).max();
        assert!(held || largest.unwrap() < rows / 2, "{largest:?} of {rows} rows at once");
    }
}

#[test]
fn a_column_that_appears_late_is_null_before() {
    for memory_bytes in [0, 1 << 20] {
        let mut sorter = Sorter::new(SortKey { text: "symbol", instant: None }, memory_bytes);
        for (number, name) in ["x", "y", "x"].into_iter().enumerate() {
            let symbols: Vec<String> = (0..200).map(|row| format!("{row:03}")).collect();
            let values = vec![number as i64; 200];
            sorter.add(df!("symbol" => symbols, name => values).unwrap()).unwrap();
        }
        let sorted = all(&sorter.finish().unwrap());
        let names: Vec<_> = sorted.get_column_names().iter().map(|name| name.to_string()).collect();
        assert_eq!(names, ["symbol", "x", "y"]);
        let column = |name: &str| sorted.column(name).unwrap().i64().unwrap().iter().take(3).collect::<Vec<_>>();
        assert_eq!((column("x"), column("y")), (vec![Some(0), None, Some(2)], vec![None, Some(1), None]));
    }
}

#[test]
fn a_queue_gives_back_what_it_took() {
    for (memory_bytes, held) in [(0, false), (500, false), (1 << 20, true)] {
        let mut queue = Queue::new(memory_bytes);
        let rows = drawn(1_000, 1);
        for (number, piece) in rows.chunks(100).enumerate() {
            queue.push(frame(piece, number as i64 * 100)).unwrap();
            queue.push(frame(&[], 0)).unwrap();
        }
        let frames = queue.finish("x").unwrap();
        assert_eq!((frames.rows(), frames.in_memory().is_some()), (1_000, held));
        assert!(all(&frames).equals_missing(&frame(&rows, 0)));
        let doubled = frames.map("x", |frame| frame.select(["number"])).unwrap();
        assert_eq!((doubled.rows(), all(&doubled).width(), doubled.columns().width()), (1_000, 1, 1));
    }
    let mut empty = Queue::new(0);
    empty.push(frame(&[], 0)).unwrap();
    let empty = empty.finish("x").unwrap();
    assert_eq!((empty.rows(), empty.columns().width()), (0, 3), "no rows have columns, too");
}
