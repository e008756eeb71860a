//! What programs and people outside reach the node by: JSON-RPC, REST, pushed events, metrics.
//!
//! All of it enters through one shell ([`http`]), which bounds what a client can cost, and reads snapshots of the chain: no call waits
//! for the owner of the chain unless it changes something.

pub mod http;
pub mod rpc;
