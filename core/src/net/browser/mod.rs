//! What a browser and a node must agree on below their messages: addresses, frames of streams, the names of protocols, the proof of a peer's
//! id, and the seal that keeps what is said from those who record it until they have a quantum computer.
//!
//! Pure: both ends, and the fuzzer, read the same bytes with the same code. Everything here comes from strangers, and has a named bound. This
//! module must not know what is carried, nor how a browser or a node opens a channel.

pub mod address;
pub mod frame;
pub mod multistream;
pub mod noise;
mod protobuf;
pub mod yamux;

pub use address::{Address, AddressError, CertHash, PeerId, PeerIdError};
