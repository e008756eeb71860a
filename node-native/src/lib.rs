//! The node's parts.

pub mod api;
pub mod metrics;
