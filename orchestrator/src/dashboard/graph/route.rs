//! Lines led around the states that the layout drew them through.
//!
//! The layout keeps room for a line in every rank, but moves states within their containers afterwards, and a straight
//! piece between two ranks may cut the corner of a state beside it.

/// A place in the drawing, pixels.
pub type Point = (f64, f64);

/// A rectangle that lines keep out of.
#[derive(Clone, Copy, Debug)]
pub struct Obstacle {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Pixels.
    pub width: f64,
    /// Pixels.
    pub height: f64,
}

/// Between a line and the state it is led around.
const GAP: f64 = 9.0;
/// How deep a line may be in a state without being seen there: its border.
const BORDER: f64 = 1.0;
/// What a way through another state counts for, in pixels of a longer way.
const THROUGH_COST: f64 = 10_000.0;
/// Pieces that are mended of one line; what is still wrong then stays.
const MENDED_MAX: usize = 24;

impl Obstacle {
    /// Whether the straight piece between two points enters it (Liang and Barsky's clipping).
    pub fn is_entered(&self, from: Point, to: Point) -> bool {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        let sides = [
            (-dx, from.0 - (self.x + BORDER)),
            (dx, self.x + self.width - BORDER - from.0),
            (-dy, from.1 - (self.y + BORDER)),
            (dy, self.y + self.height - BORDER - from.1),
        ];
        for (slope, room) in sides {
            if slope.abs() < f64::EPSILON {
                if room <= 0.0 {
                    return false;
                }
            } else if slope < 0.0 {
                enter = enter.max(room / slope);
            } else {
                leave = leave.min(room / slope);
            }
        }
        enter < leave
    }

    /// The four ways around it, as the corners on the way from `from` to `to`.
    fn around(&self, from: Point, to: Point) -> [[Point; 2]; 4] {
        let (left, right) = (self.x - GAP, self.x + self.width + GAP);
        let (top, bottom) = (self.y - GAP, self.y + self.height + GAP);
        let (first_x, last_x) = if from.0 <= to.0 { (left, right) } else { (right, left) };
        let (first_y, last_y) = if from.1 <= to.1 { (top, bottom) } else { (bottom, top) };
        [
            [(left, first_y), (left, last_y)],
            [(right, first_y), (right, last_y)],
            [(first_x, top), (last_x, top)],
            [(first_x, bottom), (last_x, bottom)],
        ]
    }
}

/// Leads a line around what it would run through. `obstacles` are the states at neither of its ends.
pub fn lead_around(points: &mut Vec<Point>, obstacles: &[Obstacle]) {
    for _ in 0..MENDED_MAX {
        let hit = points.windows(2).enumerate().find_map(|(index, ends)| {
            let obstacle = obstacles.iter().find(|obstacle| obstacle.is_entered(ends[0], ends[1]))?;
            Some((index, ends[0], ends[1], *obstacle))
        });
        let Some((index, from, to, obstacle)) = hit else { return };
        let cost = |corners: &[Point; 2]| {
            let way = [from, corners[0], corners[1], to];
            let length: f64 = way.windows(2).map(|ends| (ends[1].0 - ends[0].0).hypot(ends[1].1 - ends[0].1)).sum();
            let through = |ends: &[Point]| obstacles.iter().filter(|o| o.is_entered(ends[0], ends[1])).count();
            length + THROUGH_COST * way.windows(2).map(through).sum::<usize>() as f64
        };
        let ways = obstacle.around(from, to);
        let Some(best) = ways.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))) else { return };
        points.splice(index + 1..index + 1, *best);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Obstacle = Obstacle { x: 100.0, y: 100.0, width: 100.0, height: 40.0 };

    #[test]
    fn a_line_is_seen_to_enter_or_to_pass() {
        for (from, to, enters) in [
            ((150.0, 0.0), (150.0, 300.0), true),
            ((0.0, 120.0), (300.0, 120.0), true),
            ((90.0, 130.0), (130.0, 160.0), true),
            ((0.0, 90.0), (300.0, 95.0), false),
            ((210.0, 0.0), (210.0, 300.0), false),
            ((150.0, 0.0), (150.0, 100.0), false),
        ] {
            assert_eq!(BOX.is_entered(from, to), enters, "{from:?} → {to:?}");
        }
    }

    #[test]
    fn the_shortest_way_around_is_taken() {
        let other = Obstacle { x: 60.0, y: 90.0, width: 35.0, height: 60.0 };
        for (line, obstacles, side) in [
            ([(110.0, 50.0), (110.0, 200.0)], vec![BOX], (91.0, 91.0)),
            ([(50.0, 104.0), (250.0, 104.0)], vec![BOX], (91.0, 91.0)),
            // The way on the left is somebody else's.
            ([(110.0, 50.0), (110.0, 200.0)], vec![BOX, other], (209.0, 91.0)),
        ] {
            let mut points = line.to_vec();
            lead_around(&mut points, &obstacles);
            assert_eq!((points.len(), points[1]), (4, side), "{points:?}");
            let clear = points.windows(2).all(|ends| !obstacles.iter().any(|o| o.is_entered(ends[0], ends[1])));
            assert!(clear, "{points:?}");
        }
    }
}
