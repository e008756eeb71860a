//! What money is locked to, and what unlocks it.
//!
//! An [`Address`] is the root of a tree of alternatives (as in BIP 360); each alternative is a list of [`Condition`]s that
//! must all hold. A [`Witness`] shows one alternative, its path to the root, and what its conditions ask for. There is one kind
//! of spendable output and one format of address.
//!
//! Plain data and hashes. Whether the conditions hold is decided in [`crate::verify`].

mod address;
mod address_prefix;
mod address_text;
mod condition;
mod tree;
mod witness;

pub use address::Address;
pub use address_prefix::{AddressPrefix, AddressPrefixError};
pub use address_text::AddressTextError;
pub use condition::{Condition, Conditions, ConditionsError};
pub use tree::{AddressTree, Path, TreeError};
pub use witness::{IndexedSignature, Proof, Witness};

use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

use crate::codec;

/// What an output's money is locked to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lock {
    /// Whoever satisfies one of the address' alternatives can spend.
    Address(Address),
    /// Bytes for people to read. Nobody can spend it; it carries no money and is never in the UTXO set.
    Data(#[serde(serialize_with = "codec::bytes::serialize", deserialize_with = "data")] Box<[u8]>),
}

impl Lock {
    /// The most data that any chain spec may allow in one output, in bytes.
    pub const DATA_BYTES_MAX: usize = 65_536;

    /// The address, if the output can be spent.
    #[must_use]
    pub const fn address(&self) -> Option<Address> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Data(_) => None,
        }
    }
}

fn data<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
    codec::bytes::deserialize::<D, { Lock::DATA_BYTES_MAX }>(deserializer)
}
