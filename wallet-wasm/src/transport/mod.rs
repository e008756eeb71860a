//! How a page reaches nodes: WebRTC-direct, without a server between and without a certificate that others have signed, or else WebSocket.
//!
//! The browser's side of libp2p's specification, on the browser's own `RTCPeerConnection`; the node's side is
//! `node-native/src/p2p/transport/webrtc`, and what both must agree on is [`qbtc_core::net::browser`].
//! ```text
//! connection   one node: questions, pings, its end
//!   webrtc     an offer to nobody, an answer made of the node's address; the Noise handshake on channel 0
//!   channel    one data channel: frames in both directions, bounded
//! port         the same questions from a worker, which has no RTCPeerConnection
//! ```
//! Invariants: a connection is given out only when the node has proved its id; whatever comes is bounded, on each stream and on all; every wait
//! ends, by what it waits for, its deadline, the caller's signal, or the end of the connection; and nothing is left in the page
//! when a connection is closed. docs/decisions/0013-browser-transport.md tells why it is our own.

mod channel;
mod connection;
mod error;
mod exchange;
#[cfg(feature = "npm")]
mod export;
mod inbound;
mod noise;
mod sdp;
mod time;
mod webrtc;

pub use connection::{CONNECT_TIME_MAX_MS, Connection, Health, Question};
pub use error::{CloseReason, TransportError};
pub use exchange::Framing;
#[cfg(feature = "npm")]
pub use export::NodeConnection;
pub use noise::Identity;
pub use time::{Cancel, Sleep, now_ms};
