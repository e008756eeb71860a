//! The network: everything that knows libp2p, and nothing else does.
//!
//! Invariant: what comes from a peer is bounded before it is held, and decided by `qbtc_core`; here it only travels.

pub mod address;
mod allowance;
mod answers;
mod asker;
mod behaviour;
mod candidates;
pub mod discovery;
mod eviction;
mod heard;
mod gossip;
mod gate;
mod handle;
mod held;
pub mod identity;
mod inbound;
pub(crate) mod junk;
mod kademlia;
mod launch;
mod light;
pub mod node_key;
mod peers;
pub(crate) mod place;
mod reach;
pub(crate) mod relay;
mod sending;
mod service;
mod spent;
pub(crate) mod sync;
mod sync_link;
pub mod transport;
mod wanted;
mod wire;

pub use answers::{BlocksAtHand, hello};
pub use asker::{Asked, Asker};
pub use behaviour::ConnectionsMax;
pub use handle::{P2p, PeerInfo, PeerName, Stopping, WantedInfo};
pub use held::held_bytes_max;
pub use inbound::InboundMax;
pub use launch::{LaunchError, launch};
pub use reach::ReachOptions;
pub use service::{P2pError, P2pOptions, Service, Started, start};
pub use sync_link::{SyncCommand, SyncEvent, SyncLink};
