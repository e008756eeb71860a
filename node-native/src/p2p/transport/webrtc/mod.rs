//! WebRTC-direct: how a browser reaches the node without a server between, and without a certificate that others have signed.
//!
//! The node's side of libp2p's specification, on `str0m`: a browser makes an offer to nobody, and an answer for itself out of the node's
//! address, which names the hash of the node's certificate. The rest is told by the first packet.
//! ```text
//! socket → router → connection (ICE, DTLS, SCTP) → frame → stream → muxer → libp2p
//!            │            └ handshake (Noise, the peer's id)
//!            └ credentials (who asks)
//! ```
//! Invariant: whoever has not proved an id costs a bounded number of bytes and tasks (`limits`), and each task ends with its connection
//! or its listener. docs/decisions/0009-webrtc.md tells why it is our own. What both ends must agree on is in
//! [`qbtc_core::net::browser`].

pub mod certificate;
mod connection;
pub mod credentials;
mod error;
mod handshake;
pub mod limits;
mod listener;
mod muxer;
pub mod router;
mod socket;
mod stream;
mod transport;

#[cfg(test)]
mod tests;

pub use certificate::{Certificate, CertificateError};
pub use error::ConnectionError;
pub use limits::{Counters, Limits};
pub use muxer::{Muxer, Substream};
pub use transport::{WebRtcError, WebRtcTransport};
