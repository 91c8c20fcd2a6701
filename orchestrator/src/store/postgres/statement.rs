//! The statement that writes a batch, made of the parts the batch needs: a part costs Postgres about a tenth of a small
//! batch's time even if it has nothing to do.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

/// The statement with all its parts, each between `-- if <name>` and `-- end`.
pub(super) const WHOLE: &str = include_str!("sql/commit.sql");

/// Which parts a batch needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Parts {
    pub(super) created: bool,
    pub(super) advanced: bool,
    pub(super) scheduled: bool,
    pub(super) changed: bool,
    pub(super) tasks_gone: bool,
    pub(super) timers_set: bool,
    pub(super) timers_gone: bool,
    pub(super) ended: bool,
    pub(super) held: bool,
}

impl Parts {
    fn has(self, name: &str) -> bool {
        match name {
            "created" => self.created,
            "advanced" => self.advanced,
            "scheduled" => self.scheduled,
            "changed" => self.changed,
            "tasks_gone" => self.tasks_gone,
            "timers_set" => self.timers_set,
            "timers_gone" => self.timers_gone,
            "ended" => self.ended,
            "held" => self.held,
            // Written too often rather than not at all.
            _ => true,
        }
    }
}

/// The statement of these parts. A batch is one of a few kinds, so the texts are kept.
pub(super) fn of(parts: Parts) -> Arc<str> {
    static TEXTS: LazyLock<Mutex<HashMap<Parts, Arc<str>>>> = LazyLock::new(Mutex::default);
    TEXTS.lock().entry(parts).or_insert_with(|| write(parts)).clone()
}

fn write(parts: Parts) -> Arc<str> {
    let mut text = String::with_capacity(WHOLE.len());
    let mut is_wanted = true;
    for line in WHOLE.lines() {
        match line.trim_start().strip_prefix("-- ") {
            Some("end") => is_wanted = true,
            Some(comment) => is_wanted = comment.strip_prefix("if ").map_or(is_wanted, |name| parts.has(name)),
            None if is_wanted => {
                text.push_str(line);
                text.push('\n');
            }
            None => {}
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Parts = Parts {
        created: false,
        advanced: false,
        scheduled: false,
        changed: false,
        tasks_gone: false,
        timers_set: false,
        timers_gone: false,
        ended: false,
        held: false,
    };

    #[test]
    fn every_part_can_be_left_out_and_nothing_else_is() {
        let everything = Parts {
            created: true,
            advanced: true,
            scheduled: true,
            changed: true,
            tasks_gone: true,
            timers_set: true,
            timers_gone: true,
            ended: true,
            held: true,
        };
        let plain: Vec<&str> = WHOLE.lines().filter(|line| !line.trim_start().starts_with("-- ")).collect();
        assert_eq!(of(everything).lines().collect::<Vec<_>>(), plain);
        let least = of(NONE);
        assert!(least.contains("written as (") && least.contains("commit_conflict()"), "{least}");
        for table in [" timer", " task", " execution "] {
            assert!(!least.contains(table), "{table} in {least}");
        }
    }
}
