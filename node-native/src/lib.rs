//! The node's parts.

pub mod metrics;
