//! How transactions spread: where one goes next, so that nobody can tell where it began.
//!
//! A transaction that starts here first goes along a stem, from one peer to one other, and only then to everybody. This module decides; it must
//! not hold transactions, nor look at whether they are valid.

mod message;
mod stem;

pub use message::{StemMessage, StemMessageError};
pub use stem::{Origin, Route, Stem};
