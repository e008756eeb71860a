//! The light client as the app's tabs have it: one of them runs it, in a worker, and all ask it and hear of it.
//!
//! ```text
//! pages (all tabs)        ask, hear                                       wire: what is said, as bytes
//!   ↕ BroadcastChannel
//! worker (leading tab)    the client: qbtc_wallet_wasm::client
//!   ↕ MessagePort
//! page (leading tab)      the connections, which only a window can have
//! ```
//!
//! What is said is here, and tested natively; who says it to whom is in `browser::light`, since it needs a browser.

mod bootstrap;
mod news;
mod wire;

pub use bootstrap::{ADDRESSES_MAX, at_origin, reachable};
pub use news::{Doubt, News, NodeLine, Standing, Tip};
pub use wire::{Answer, Ask, ScanNumber, Start, Told, WIRE_BYTES_MAX, read, write};
