//! What the test binaries share: a world that answers the interpreter's commands on a virtual clock.

// Each binary uses its own part; and tests may read the files of their cases.
#![allow(dead_code, clippy::disallowed_methods)]

pub mod answer;
pub mod case;
pub mod compare;
pub mod world;
