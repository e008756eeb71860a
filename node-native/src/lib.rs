//! The node's parts.

pub mod api;
pub mod cli;
pub mod client;
pub mod json;
pub mod metrics;
pub mod paths;
