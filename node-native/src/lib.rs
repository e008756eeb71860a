//! The node's parts.

pub mod api;
pub mod cli;
pub mod client;
pub mod metrics;
pub mod paths;
pub mod stratum;
