//! What the test binaries share: a world that answers the interpreter's commands on a virtual clock.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::disallowed_methods, reason = "tests read the files of their cases")]

pub mod answer;
pub mod case;
pub mod compare;
pub mod world;
