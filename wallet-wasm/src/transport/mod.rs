//! How a page reaches nodes: WebRTC-direct, without a server between and without a certificate that others have signed, or else WebSocket.
//!
//! The browser's side of libp2p's specification, on the browser's own `RTCPeerConnection`; the node's side is
//! `node-native/src/p2p/transport/webrtc`, and what both must agree on is [`qbtc_core::net::browser`].
//! ```text
//! connection   one node: questions, pings, its end; held by this page (local), or by the page that has started this worker (remote)
//!   webrtc     an offer to nobody, an answer made of the node's address; the Noise handshake on channel 0
//!   channel    one data channel: frames in both directions, bounded
//!   websocket  the fallback, and all that Node and Deno have: Noise and yamux over one WebSocket
//! port         what passes between a worker, which has no RTCPeerConnection, and a page (serve), which has
//! ```
//! Invariants: a connection is given out only when the node has proved its id; whatever comes is bounded, on each stream and on all; every wait
//! ends, by what it waits for, its deadline, the caller's signal, or the end of the connection; and nothing is left in the page
//! when a connection is closed. docs/decisions/0013-browser-transport.md tells why it is our own.

mod arrivals;
mod channel;
mod connection;
mod error;
mod exchange;
#[cfg(feature = "harness")]
mod export;
mod inbound;
mod life;
mod local;
mod noise;
mod port;
mod remote;
mod sdp;
mod serve;
mod signs;
mod stream;
mod time;
mod webrtc;
mod websocket;

pub use connection::{CONNECT_TIME_MAX_MS, Connection, Dialer, Question};
pub(crate) use error::said;
pub use error::{CloseReason, TransportError};
pub use exchange::Framing;
#[cfg(feature = "harness")]
pub use export::{NodeConnection, PortDialer};
pub use life::Health;
pub use noise::Identity;
pub use remote::Page;
pub use serve::Server;
pub(crate) use signs::Signs;
pub use time::{Cancel, Sleep, now_ms};
