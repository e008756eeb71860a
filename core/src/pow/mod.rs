//! Proof of work: which hash must be low, how low, and what time it is.
//!
//! What a chain may choose from are closed enums, [`PowAlgorithm`] and [`Difficulty`], so that a new choice breaks every `match`
//! that must think about it. [`Retarget`] puts a difficulty rule together with the numbers of a chain and answers the one
//! question that header rules ask: which bits must the next block state?
//!
//! Invariant: all of it is integer arithmetic that cannot overflow, whatever the spec and the headers say. Nothing here knows
//! a header tree; what a rule asks about older blocks is handed in.

mod algorithm;
mod asert;
mod difficulty;
mod interval;
mod median_time;
mod retarget;

pub use algorithm::{PowAlgorithm, WorkError};
pub use asert::Asert;
pub use difficulty::{Difficulty, DifficultyError};
pub use interval::Interval;
pub use median_time::{MEDIAN_TIME_BLOCKS, median_time};
pub use retarget::{BitsError, Parent, Retarget, RetargetError};
