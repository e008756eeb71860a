//! What programs and people outside reach the node by: JSON-RPC, REST, pushed events, metrics.
//!
//! All of it enters through one shell ([`http`]), which bounds what a client can cost, and reads snapshots of the chain: no call waits
//! for the owner of the chain unless it changes something.

mod entrance;
mod health;
pub mod http;
pub mod public;
mod rate;
pub mod rest;
pub mod rpc;
mod web;
mod ws;

pub use rate::RateLimits;
pub use ws::SubscriberLimits;

/// So much of what a client sent comes back to it.
const QUOTED_CHARS_MAX: usize = 100;

/// A client's text, as far as an answer quotes it.
fn shortened(text: &str) -> String {
    text.chars().take(QUOTED_CHARS_MAX).collect()
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
