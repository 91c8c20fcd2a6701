//! The Amazon States Language: definitions, data flow and the pure interpreter.
//!
//! What an execution *is* lives in [`Execution`], what *happens next* is decided by [`decide`],
//! what *happened* is a list of [`Event`]s. The crate does no I/O and knows neither clock nor
//! randomness: [`Turn`] tells it the time and gives it its random numbers, and whatever comes of
//! them is kept in an event. `clippy.toml` holds the crate to that.
//!
//! | step | entry point |
//! |---|---|
//! | text → machine | [`StateMachine::parse`], with every finding and its location |
//! | stimulus → events and commands | [`decide`] |
//! | event → changed execution | [`apply`], the only code that changes one; [`replay`] is `apply` in a loop |
//! | event → public history event | [`history::project`] |

pub mod definition;
pub mod execution;
pub mod history;
pub mod query;

mod apply;
mod commands;
mod context;
mod data_flow;
mod decide;
mod failure;
mod fault;
mod ids;
mod operand;
mod replay;
mod step;
mod time;

pub use apply::apply;
pub use decide::{decide, decide_without};
pub use definition::StateMachine;
pub use execution::{Command, DecideError, Decision, Event, Execution, Failure, Status, Stimulus, Turn};
pub use ids::{EventId, StateName, TaskId, TaskToken, TimerId, TimerKind};
pub use replay::{replay, replay_onto};
pub use time::Timestamp;
