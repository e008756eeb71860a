//! What nodes say to each other: messages, their bytes and their bounds.
//!
//! Everything here comes from strangers: each message has a greatest length, and no list in it grows beyond a named number. A message says
//! nothing about validity; what it carries goes through [`crate::verify`] like everything else. This module must not keep peers or decide what
//! to ask whom. [`addresses`] is where nodes may be,
//! [`browser`] how pages reach them.

pub mod addresses;
mod bans;
pub mod browser;
mod compact;
mod fault;
mod hello;
mod identity;
mod light;
mod reconstruction;
pub mod seal;
mod sync;

pub use bans::{AlreadyBanned, Ban, BanList, Subnet, SubnetError};
pub use compact::{CompactBlock, CompactBlockBytesError, Prefilled, SHORT_ID_BYTES, ShortId};
pub use fault::Fault;
pub use hello::{Hello, PROTOCOL_VERSION, Services, UserAgent, UserAgentError};
pub use identity::{Claim, IdentityAnswer, IdentityError, IdentityQuestion, KeyHash, KeyHashError};
pub use light::{
    CommittedFilter, FoundTransaction, LIGHT_BLOCKS_MAX, LIGHT_FEES_MAX, LIGHT_FILTERS_MAX, LIGHT_HEADERS_MAX,
    LightAnswer, LightQuestion, LightTip, ProofBytes, Reason, Unavailable,
};
pub use reconstruction::{CompactBlockError, Reconstruction};
pub use sync::{
    BLOCK_TRANSACTIONS_MAX, BLOCKS_MAX, BlockBytes, HEADERS_MAX, SyncAnswer, SyncQuestion, TRANSACTIONS_MAX,
};
