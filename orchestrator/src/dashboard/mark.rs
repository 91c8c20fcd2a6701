//! How a status looks: colour, shape and word together, the same on every page.
//!
//! The colour is a class of `app.css`, the shape a symbol of `templates/shapes.html`, the word is read by everybody.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::store::{Delivery, ExecutionStatus, Outcome};

/// A status as pages show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// Ended well.
    Succeeded,
    /// At work.
    Running,
    /// Ended by an error.
    Failed,
    /// Ran past its time.
    TimedOut,
    /// Stopped, or given up because a sibling failed.
    Aborted,
    /// Open, but nobody works on it.
    Waiting,
    /// There was nothing to do.
    Skipped,
    /// In, but made from something that has changed since.
    Stale,
    /// Not there.
    Missing,
    /// Went on, but not as it should be.
    Warned,
}

impl Mark {
    /// The end of its CSS classes and of its symbol's id.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Aborted => "aborted",
            Self::Waiting => "waiting",
            Self::Skipped => "skipped",
            Self::Stale => "stale",
            Self::Missing => "missing",
            Self::Warned => "warned",
        }
    }

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TimedOut => "timed out",
            other => other.class(),
        }
    }

    /// Whether somebody should look.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut)
    }

    /// Whether it can still change by itself.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Waiting)
    }

    /// The shape alone, for dense grids; the word is there for screen readers and on hover.
    pub const fn icon(self) -> Icon {
        Icon(self)
    }
}

impl Mark {
    /// The shape without a word, where a label around it says all.
    pub const fn shape(self) -> Shape {
        Shape(self)
    }
}

/// See [`Mark::shape`].
#[derive(Clone, Copy, Debug)]
pub struct Shape(Mark);

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.0.class();
        write!(
            f,
            "<span class=\"mark mark-{class}\"><svg class=\"shape\" aria-hidden=\"true\"><use href=\"#shape-{class}\"/></svg></span>"
        )
    }
}

impl HtmlSafe for Shape {}

/// Shape and word.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, word) = (self.class(), self.word());
        write!(
            f,
            "<span class=\"mark mark-{class}\"><svg class=\"shape\" aria-hidden=\"true\"><use href=\"#shape-{class}\"/>\
             </svg><span class=\"word\">{word}</span></span>"
        )
    }
}

impl HtmlSafe for Mark {}

/// See [`Mark::icon`].
#[derive(Clone, Copy, Debug)]
pub struct Icon(Mark);

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, word) = (self.0.class(), self.0.word());
        write!(
            f,
            "<span class=\"mark mark-{class}\"><svg class=\"shape\" aria-hidden=\"true\"><use href=\"#shape-{class}\"/>\
             </svg><span class=\"sr\">{word}</span></span>"
        )
    }
}

impl HtmlSafe for Icon {}

impl From<ExecutionStatus> for Mark {
    fn from(status: ExecutionStatus) -> Self {
        match status {
            ExecutionStatus::Running => Self::Running,
            ExecutionStatus::Succeeded => Self::Succeeded,
            ExecutionStatus::Failed => Self::Failed,
            ExecutionStatus::TimedOut => Self::TimedOut,
            ExecutionStatus::Aborted => Self::Aborted,
        }
    }
}

impl From<Outcome> for Mark {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Queued => Self::Waiting,
            Outcome::Running => Self::Running,
            Outcome::Succeeded => Self::Succeeded,
            Outcome::Skipped => Self::Skipped,
            Outcome::Failed => Self::Failed,
            Outcome::Stale => Self::Stale,
        }
    }
}

impl From<Delivery> for Mark {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Pending => Self::Waiting,
            Delivery::Sent => Self::Succeeded,
            Delivery::Failed => Self::Failed,
            Delivery::NotConfigured => Self::Skipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Mark; 9] = [
        Mark::Succeeded,
        Mark::Running,
        Mark::Failed,
        Mark::TimedOut,
        Mark::Aborted,
        Mark::Waiting,
        Mark::Skipped,
        Mark::Stale,
        Mark::Missing,
    ];

    #[test]
    fn every_mark_has_colour_shape_and_word_of_its_own() {
        let css = include_str!("../../assets/app.css");
        let shapes = include_str!("../../templates/shapes.html");
        let mut words = std::collections::BTreeSet::new();
        for mark in ALL {
            assert!(css.contains(&format!(".mark-{} ", mark.class())), "no colour for {mark:?}");
            assert!(shapes.contains(&format!("id=\"shape-{}\"", mark.class())), "no shape for {mark:?}");
            assert!(mark.to_string().contains(mark.word()), "{mark:?}");
            assert!(mark.icon().to_string().contains(mark.word()), "{mark:?}");
            assert!(words.insert(mark.word()), "{mark:?}");
        }
    }
}
