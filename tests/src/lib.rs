//! What the tests of several packages share.

pub mod gbt;
pub mod promtool;
pub mod sim;
pub mod stratum;
