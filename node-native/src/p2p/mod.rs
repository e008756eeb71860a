//! The network: everything that knows libp2p, and nothing else does.
//!
//! Invariant: what comes from a peer is bounded before it is held, and decided by `qbtc_core`; here it only travels.

pub mod identity;
pub mod transport;
