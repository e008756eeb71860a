//! Chain synchronisation from outside: what the machine asks whom, what it believes, and what it does to those who lie.
#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod announced;
mod bodies;
mod desk;
mod headers;
mod random;
mod survey;

#[path = "../support/mod.rs"]
mod support;
