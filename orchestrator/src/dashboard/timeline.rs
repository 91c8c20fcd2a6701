//! The timeline of an execution: one row per state visit, one bar per attempt.
//!
//! Waiting (for a worker, a timer, the next attempt) is hatched, retries are stacked, iterations of a Map are folded.
//! Positions are percentages of the execution's time, so that the drawing fits every width.

use asl::Timestamp;

use super::failure::explain;
use super::mark::Mark;
use super::moment::duration;
use super::visit::{Visit, Visits};

/// Height of one bar with its gap, in pixels.
const LANE_PX: usize = 12;
/// Nothing is drawn narrower than this many percent.
const WIDTH_MIN: f64 = 0.35;

/// What the page draws.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Rows and folded groups, in the order of entering.
    pub blocks: Vec<Block>,
    /// The axis.
    pub ticks: Vec<Tick>,
}

/// A part of the timeline.
#[derive(Clone, Debug)]
pub enum Block {
    /// A visit.
    Row(Row),
    /// An iteration with its rows.
    Group(Group),
}

/// An iteration of a Map.
#[derive(Clone, Debug)]
pub struct Group {
    /// `day 2025-09-05` or `iteration 3`.
    pub label: String,
    /// Over all its visits.
    pub mark: Mark,
    /// How long.
    pub duration: String,
    /// Whether it is unfolded at first.
    pub open: bool,
    /// Its bar while it is folded.
    pub bar: Bar,
    /// Its visits.
    pub rows: Vec<Row>,
    /// A key that stays the same while the page lives.
    pub key: String,
}

/// A visit.
#[derive(Clone, Debug)]
pub struct Row {
    /// The state's name.
    pub state: String,
    /// Its event, for the link.
    pub entered_id: u64,
    /// How deep it is nested.
    pub depth: usize,
    /// How it stands.
    pub mark: Mark,
    /// Whether other rows stand for what it did.
    pub container: bool,
    /// Its bars.
    pub bars: Vec<Bar>,
    /// Pixels.
    pub height: usize,
    /// How long.
    pub duration: String,
    /// Code and words of its failure.
    pub failure: Option<(String, String)>,
}

/// A bar.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Percent from the left.
    pub x: String,
    /// Percent.
    pub width: String,
    /// Pixels from the top.
    pub y: usize,
    /// Its colour.
    pub mark: Mark,
    /// Whether nobody worked.
    pub hatched: bool,
    /// Shown on hover.
    pub title: String,
}

/// A mark of the axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Percent from the left.
    pub x: String,
    /// `+20 s`.
    pub label: String,
}

/// The timeline of an execution from `started_at` to `stopped_at`, or to `now` while it runs.
pub fn timeline(visits: &Visits, started_at: Timestamp, stopped_at: Option<Timestamp>, now: Timestamp) -> Timeline {
    let end = stopped_at.unwrap_or(now);
    let scale = Scale { from: started_at.millis(), length: (end.millis() - started_at.millis()).max(1), end };
    let mut timeline = Timeline { blocks: Vec::new(), ticks: scale.ticks() };
    for (index, visit) in visits.list.iter().enumerate().filter(|(_, visit)| visit.parent.is_none()) {
        timeline.blocks.push(Block::Row(scale.row(visit, 0)));
        match visit.kind.as_str() {
            "Map" => timeline.blocks.extend(groups(visits, index, &scale).into_iter().map(Block::Group)),
            _ => timeline.blocks.extend(nested(visits, index, 1, None, &scale).into_iter().map(Block::Row)),
        }
    }
    timeline
}

fn groups(visits: &Visits, map: usize, scale: &Scale) -> Vec<Group> {
    let mut iterations: Vec<u64> = visits.children(map).filter_map(|(_, visit)| visit.iteration).collect();
    iterations.sort_unstable();
    iterations.dedup();
    let few = iterations.len() <= 2;
    iterations
        .into_iter()
        .map(|iteration| {
            let own: Vec<&Visit> =
                visits.children(map).map(|(_, visit)| visit).filter(|v| v.iteration == Some(iteration)).collect();
            let from = own.iter().map(|visit| visit.entered_at).min().unwrap_or_default();
            let to = own.iter().map(|visit| visit.ended_at.unwrap_or(scale.end)).max().unwrap_or(from);
            let open = own.iter().map(|visit| visit.mark).find(|mark| mark.is_open());
            let bad = own.iter().map(|visit| visit.mark).find(|mark| mark.is_bad());
            let mark = open.or(bad).or(own.last().map(|visit| visit.mark)).unwrap_or(Mark::Missing);
            let label = match own.first().and_then(|visit| visit.ds()) {
                Some(ds) => format!("{} {iteration} · {ds}", visits.list[map].state),
                None => format!("{} {iteration}", visits.list[map].state),
            };
            Group {
                bar: scale.bar(from, to, 2, mark, false, format!("{label}: {}", mark.word())),
                duration: duration(to.millis() - from.millis()),
                key: format!("{}-{iteration}", visits.list[map].entered_id),
                label,
                mark,
                open: few || mark.is_bad() || mark.is_open(),
                rows: nested(visits, map, 1, Some(iteration), scale),
            }
        })
        .collect()
}

fn nested(visits: &Visits, parent: usize, depth: usize, iteration: Option<u64>, scale: &Scale) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, visit) in
        visits.children(parent).filter(|(_, visit)| iteration.is_none() || visit.iteration == iteration)
    {
        rows.push(scale.row(visit, depth));
        rows.extend(nested(visits, index, depth + 1, None, scale));
    }
    rows
}

struct Scale {
    from: i64,
    length: i64,
    end: Timestamp,
}

impl Scale {
    fn percent(&self, at: Timestamp) -> f64 {
        ((at.millis() - self.from) as f64 * 100.0 / self.length as f64).clamp(0.0, 100.0)
    }

    fn bar(&self, from: Timestamp, to: Timestamp, y: usize, mark: Mark, hatched: bool, title: String) -> Bar {
        let x = self.percent(from).min(100.0 - WIDTH_MIN);
        let width = (self.percent(to) - x).max(WIDTH_MIN);
        Bar { x: format!("{x:.2}%"), width: format!("{width:.2}%"), y, mark, hatched, title }
    }

    fn row(&self, visit: &Visit, depth: usize) -> Row {
        let end = visit.ended_at.unwrap_or(self.end);
        let mut bars = Vec::new();
        for (lane, attempt) in visit.attempts.iter().enumerate() {
            let y = 2 + lane * LANE_PX;
            let taken = attempt.started_at.or(attempt.ended_at).unwrap_or(end);
            let done = attempt.ended_at.unwrap_or(end);
            let number = attempt.number;
            if taken.millis() - attempt.scheduled_at.millis() > 0 {
                let title = format!(
                    "attempt {number} waited {} for a worker",
                    duration(taken.millis() - attempt.scheduled_at.millis())
                );
                bars.push(self.bar(attempt.scheduled_at, taken, y, Mark::Waiting, true, title));
            }
            if attempt.started_at.is_some() || attempt.ended_at.is_some() {
                let worker = attempt.worker.as_deref().map(|worker| format!(" on {worker}")).unwrap_or_default();
                let failure =
                    attempt.mark.is_bad().then(|| explain(attempt.error.as_deref(), attempt.cause.as_deref()));
                let title = format!(
                    "attempt {number}{worker}: {}, {}{}",
                    attempt.mark.word(),
                    duration(done.millis() - taken.millis()),
                    failure.map(|failure| format!(": {}: {}", failure.code, failure.message)).unwrap_or_default()
                );
                bars.push(self.bar(taken, done, y, attempt.mark, false, title));
            }
            let next = visit.attempts.get(lane + 1).map(|next| next.scheduled_at);
            if let (Some(failed), Some(again)) = (attempt.ended_at, next.or(visit.due_at.and(Some(end)))) {
                let title = format!("pause of {} before the next attempt", duration(again.millis() - failed.millis()));
                bars.push(self.bar(failed, again, y, Mark::Waiting, true, title));
            }
        }
        if bars.is_empty() {
            let hatched = visit.kind == "Wait";
            let mark = if hatched && visit.mark == Mark::Succeeded { Mark::Waiting } else { visit.mark };
            let title = format!("{}: {}, {}", visit.state, visit.mark.word(), self.took(visit));
            bars.push(self.bar(visit.entered_at, end, 2, mark, hatched, title));
        }
        Row {
            state: visit.state.clone(),
            entered_id: visit.entered_id,
            depth: depth.min(4),
            mark: visit.mark,
            container: matches!(visit.kind.as_str(), "Map" | "Parallel"),
            height: 6 + visit.attempts.len().max(1) * LANE_PX,
            bars,
            duration: self.took(visit),
            failure: own_failure(visit),
        }
    }

    fn took(&self, visit: &Visit) -> String {
        duration(visit.ended_at.unwrap_or(self.end).millis() - visit.entered_at.millis())
    }

    /// Four to eight round steps from the start.
    fn ticks(&self) -> Vec<Tick> {
        const STEPS: [i64; 18] = [
            10, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
            3_600_000, 21_600_000, 86_400_000,
        ];
        let step = STEPS.into_iter().find(|step| self.length / step <= 5).unwrap_or(self.length / 5 + 1);
        (0..=self.length / step)
            .map(|n| {
                let offset = n * step;
                let label = if n == 0 { "0".to_owned() } else { round(offset) };
                Tick { x: format!("{:.2}%", offset as f64 * 100.0 / self.length as f64), label }
            })
            .filter(|tick| tick.x.trim_end_matches('%').parse::<f64>().is_ok_and(|x| x < 92.0))
            .collect()
    }
}

/// Code and words of a visit that failed by itself; what contains one has its own row for that.
fn own_failure(visit: &Visit) -> Option<(String, String)> {
    let told = visit.error.is_some() || visit.cause.is_some();
    let own = told && visit.mark.is_bad() && !matches!(visit.kind.as_str(), "Map" | "Parallel");
    own.then(|| {
        let explained = explain(visit.error.as_deref(), visit.cause.as_deref());
        (explained.code, explained.message)
    })
}

/// A duration of whole units without the parts that are nought.
fn round(millis: i64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 if millis % 1_000 == 0 => format!("{} s", millis / 1000),
        1_000..60_000 => format!("{:.1} s", millis as f64 / 1000.0),
        60_000..3_600_000 if millis % 60_000 == 0 => format!("{} m", millis / 60_000),
        _ => duration(millis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;

    fn rows(timeline: &Timeline) -> Vec<&Row> {
        timeline
            .blocks
            .iter()
            .flat_map(|block| match block {
                Block::Row(row) => std::slice::from_ref(row).iter(),
                Block::Group(group) => group.rows.iter(),
            })
            .collect()
    }

    #[test]
    fn retries_are_stacked_and_pauses_hatched() {
        let facts = sample::failed();
        let visits = Visits::read(&facts.history);
        let timeline = timeline(&visits, facts.record.started_at, facts.record.stopped_at, facts.now);
        let rows = rows(&timeline);
        let compaction = rows.iter().find(|row| row.state == "Compaction").unwrap();
        let lanes: Vec<usize> = compaction.bars.iter().filter(|bar| !bar.hatched).map(|bar| bar.y).collect();
        assert_eq!(lanes, [2, 2 + LANE_PX]);
        assert!(compaction.bars.iter().any(|bar| bar.hatched && bar.title.contains("before the next attempt")));
        let transform = rows.iter().find(|row| row.state == "Transform").unwrap();
        assert_eq!(transform.mark, Mark::Failed);
        assert_eq!(transform.failure.as_ref().unwrap().0, "DQ_FAILED");
    }

    #[test]
    fn bars_stay_within_the_drawing() {
        for facts in [sample::running(), sample::failed(), sample::succeeded()] {
            let visits = Visits::read(&facts.history);
            let timeline = timeline(&visits, facts.record.started_at, facts.record.stopped_at, facts.now);
            for bar in rows(&timeline).iter().flat_map(|row| &row.bars) {
                let number = |text: &str| text.trim_end_matches('%').parse::<f64>().unwrap();
                let (x, width) = (number(&bar.x), number(&bar.width));
                assert!(x >= 0.0 && width > 0.0 && x + width <= 100.5, "{bar:?}");
            }
        }
    }

    #[test]
    fn the_axis_has_few_round_steps() {
        for (millis, last) in [(41_000, "30 s"), (900, "800 ms"), (1_700, "1.5 s"), (7_200_000, "1 h 30 m")] {
            let from = Timestamp::from_millis(0);
            let ticks = timeline(&Visits::default(), from, Some(from.plus_millis(millis)), from).ticks;
            assert!((2..=9).contains(&ticks.len()), "{ticks:?}");
            let labels: std::collections::BTreeSet<&str> = ticks.iter().map(|tick| tick.label.as_str()).collect();
            assert_eq!(labels.len(), ticks.len(), "no two ticks say the same: {ticks:?}");
            assert_eq!(ticks.last().unwrap().label, last, "{ticks:?}");
        }
    }
}
