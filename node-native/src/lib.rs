//! The node's parts.
