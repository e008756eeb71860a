//! How nodes find each other.

pub mod dns;
