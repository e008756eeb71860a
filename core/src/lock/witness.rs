//! What unlocks money.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::{Address, Condition, Conditions, Path};
use crate::codec;
use crate::crypto::Signature;
use crate::hash::tagged_hasher;

/// Shows one alternative of an address and what its conditions ask for. A transaction carries one for each distinct address
/// that it spends from, however many coins it takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Witness {
    /// The alternative that is used.
    pub conditions: Conditions,
    /// Its path to the address.
    pub path: Path,
    /// One for each condition that needs one, in order.
    #[serde(deserialize_with = "codec::bounded::<_, _, { Conditions::COUNT_MAX }>")]
    pub proofs: Vec<Proof>,
}

/// What one condition asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Proof {
    /// For [`Condition::Key`].
    Signature(Signature),
    /// For [`Condition::Threshold`]: exactly as many as required, in rising order of the key's index.
    Signatures(#[serde(deserialize_with = "codec::bounded::<_, _, { Condition::KEYS_MAX }>")] Vec<IndexedSignature>),
    /// For [`Condition::Preimage`].
    Preimage(#[serde(serialize_with = "codec::bytes::serialize", deserialize_with = "preimage")] Box<[u8]>),
}

/// A signature by one of a threshold's keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IndexedSignature {
    /// The key's place in the threshold, from 0.
    pub key: u8,
    /// What the key signed.
    pub signature: Signature,
}

impl Witness {
    /// The address that this witness unlocks, if its proofs hold.
    #[must_use]
    pub fn address(&self) -> Address {
        self.path.root_from(self.conditions.leaf_hash())
    }

    /// The address, and the hash by which a transaction's id commits to this witness:
    /// tagged("qbtc/witness", leaf hash ‖ codec(path) ‖ codec(proofs)). The leaf hash stands for the conditions, whose keys are
    /// long, so that they are hashed once for both.
    pub(crate) fn address_and_hash(&self) -> (Address, [u8; 32]) {
        let leaf = self.conditions.leaf_hash();
        let hash = codec::hash_into(tagged_hasher("qbtc/witness").chain_update(leaf), &self.path);
        (self.path.root_from(leaf), codec::hash_into(hash, &self.proofs).finalize().into())
    }
}

fn preimage<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
    codec::bytes::deserialize::<D, { Condition::PREIMAGE_BYTES_MAX }>(deserializer)
}
