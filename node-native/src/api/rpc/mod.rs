//! JSON-RPC: Bitcoin's methods, shapes, units and error codes, over HTTP.
//!
//! ```text
//! HTTP request → login → body → requests → method and parameters checked → handler → reply
//! ```
//!
//! Invariants: nobody without a login costs more than the head of a request; the text of a call is bounded by its method, a batch by
//! the number of its calls and the bytes of its answer, and the calls that compute at once by a fixed number; whatever a body holds,
//! what comes back is well-formed JSON. Handlers never run on the event loop unless they only wait.

pub mod args;
pub mod auth;
mod blockchain;
mod context;
mod control;
mod endpoint;
mod error;
mod help;
mod mempool;
pub mod method;
mod mining;
mod network;
pub mod param;
pub mod protocol;
mod rawtransaction;
mod reasons;
mod util;

pub use context::{Context, LongPoll};
pub use control::LogControl;
pub use endpoint::{Rpc, Settings, router};
pub use error::{Code, RpcError};

use serde::Serialize;
use serde_json::value::to_raw_value;

use method::Method;
use protocol::Outcome;

/// All calls of a node.
#[must_use]
pub fn methods() -> Vec<Method<Context>> {
    let categories = [
        blockchain::methods(),
        control::methods(),
        mempool::methods(),
        mining::methods(),
        network::methods(),
        rawtransaction::methods(),
    ];
    categories.into_iter().flatten().chain(util::methods()).collect()
}

/// A result as JSON, its members in the order of the type's fields.
fn json<T: Serialize + ?Sized>(result: &T) -> Outcome {
    to_raw_value(result).map_err(RpcError::internal)
}

#[cfg(test)]
mod tests;
