//! What nodes say to each other: messages, their bytes and their bounds.
//!
//! Everything here comes from strangers: each message has a greatest length, and no list in it grows beyond a named number. A message says
//! nothing about validity; what it carries goes through [`crate::verify`] like everything else. This module must not keep peers or decide what
//! to ask whom.

mod compact;
mod reconstruction;

pub use compact::{CompactBlock, CompactBlockBytesError, Prefilled, SHORT_ID_BYTES, ShortId};
pub use reconstruction::{CompactBlockError, Reconstruction};
