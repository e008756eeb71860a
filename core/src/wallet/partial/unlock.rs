//! The witness of one address while it is put together.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize};

use super::PartialError;
use crate::codec;
use crate::crypto::{PublicKey, Signature};
use crate::hash::sha256;
use crate::lock::{Address, Condition, Conditions, IndexedSignature, Path, Proof, Witness};
use crate::units::Height;

/// The alternative that is used of an address, and the proofs that are there so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::wallet) struct Unlock {
    pub(in crate::wallet) conditions: Conditions,
    pub(in crate::wallet) path: Path,
    /// One for each condition that needs one, in order.
    #[serde(deserialize_with = "codec::bounded::<_, _, { Conditions::COUNT_MAX }>")]
    proofs: Vec<Collected>,
}

/// What has been collected for one condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Collected {
    /// Signatures, in rising order of the key's index. A lone key has index 0.
    Signatures(#[serde(deserialize_with = "codec::bounded::<_, _, { Condition::KEYS_MAX }>")] Vec<IndexedSignature>),
    /// The preimage, or nothing yet, which is no bytes at all. See [`preimage_of`] for the empty preimage.
    Preimage(#[serde(serialize_with = "codec::bytes::serialize", deserialize_with = "preimage_bytes")] Box<[u8]>),
}

/// What is still missing for one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nobody has said which alternative of the address is used.
    Alternative {
        /// The address.
        address: Address,
    },
    /// Signatures.
    Signatures {
        /// The address.
        address: Address,
        /// How many more.
        count: usize,
        /// The keys that have not signed.
        keys: Vec<PublicKey>,
    },
    /// The preimage of this digest.
    Preimage {
        /// The address.
        address: Address,
        /// Its SHA-256.
        digest: [u8; 32],
    },
}

impl Missing {
    /// The keys that may still sign.
    pub(super) fn into_keys(self) -> Vec<PublicKey> {
        match self {
            Self::Signatures { keys, .. } => keys,
            Self::Alternative { .. } | Self::Preimage { .. } => Vec::new(),
        }
    }
}

impl Unlock {
    /// An alternative without proofs.
    pub(in crate::wallet) fn new(conditions: Conditions, path: Path) -> Self {
        let empty = |condition: &Condition| match condition {
            Condition::Key(_) | Condition::Threshold { .. } => Some(Collected::Signatures(Vec::new())),
            Condition::Preimage(_) => Some(Collected::Preimage(Box::default())),
            Condition::After(_) => None,
        };
        let proofs = conditions.iter().filter_map(empty).collect();
        Self { conditions, path, proofs }
    }

    pub(in crate::wallet) fn address(&self) -> Address {
        self.path.root_from(self.conditions.leaf_hash())
    }

    /// The height from which the conditions hold.
    pub(in crate::wallet) fn holds_from(&self) -> Height {
        let heights = self.conditions.iter().filter_map(|condition| match condition {
            Condition::After(height) => Some(*height),
            _ => None,
        });
        heights.max().unwrap_or(Height::GENESIS)
    }

    /// Checks what was decoded: that the proofs are of the conditions' kinds, lengths and order. Signatures are not verified here.
    pub(super) fn check(&self) -> Result<(), PartialError> {
        let refused = || PartialError::Proofs { address: self.address() };
        let expected = self.conditions.iter().filter(|condition| condition.needs_proof()).count();
        if self.proofs.len() != expected {
            return Err(refused());
        }
        for (condition, proof) in self.pairs() {
            match (condition, proof) {
                (Condition::Key(_) | Condition::Threshold { .. }, Collected::Signatures(signatures)) => {
                    check_signatures(keys(condition), signatures)?.then_some(()).ok_or_else(refused)?;
                }
                (Condition::Preimage(digest), Collected::Preimage(bytes)) => {
                    let is_right = bytes.is_empty() || sha256(bytes) == *digest;
                    is_right.then_some(()).ok_or_else(refused)?;
                }
                _ => return Err(refused()),
            }
        }
        Ok(())
    }

    /// Puts a signature wherever its key stands and one is wanted, and returns how often. The caller has verified it.
    pub(in crate::wallet) fn add_signature(&mut self, key: &PublicKey, signature: &Signature) -> usize {
        let mut added = 0;
        for (condition, proof) in self.pairs_mut() {
            let Collected::Signatures(signatures) = proof else { continue };
            for (index, _) in (0..).zip(keys(condition)).filter(|(_, other)| *other == key) {
                if signatures.len() >= required(condition) {
                    break;
                }
                if let Err(at) = signatures.binary_search_by_key(&index, |signature| signature.key) {
                    signatures.insert(at, IndexedSignature { key: index, signature: signature.clone() });
                    added += 1;
                }
            }
        }
        added
    }

    /// Puts a preimage wherever it fits, and returns how often.
    pub(in crate::wallet) fn add_preimage(&mut self, bytes: &[u8]) -> usize {
        let digest = sha256(bytes);
        let mut added = 0;
        for (condition, proof) in self.pairs_mut() {
            if let (Condition::Preimage(wanted), Collected::Preimage(found)) = (condition, proof)
                && *wanted == digest
                && found.is_empty()
            {
                *found = bytes.into();
                added += 1;
            }
        }
        added
    }

    /// Each signature that is there, with its key.
    pub(in crate::wallet) fn signatures(&self) -> impl Iterator<Item = (&PublicKey, &Signature)> {
        self.pairs().flat_map(|(condition, proof)| {
            let signatures = match proof {
                Collected::Signatures(signatures) => signatures.as_slice(),
                Collected::Preimage(_) => &[],
            };
            let key_of = |signed: &IndexedSignature| keys(condition).get(usize::from(signed.key));
            signatures.iter().filter_map(move |signed| Some((key_of(signed)?, &signed.signature)))
        })
    }

    /// Each preimage that is there.
    pub(in crate::wallet) fn preimages(&self) -> impl Iterator<Item = &[u8]> {
        self.proofs.iter().filter_map(|proof| match proof {
            Collected::Preimage(bytes) if !bytes.is_empty() => Some(&**bytes),
            _ => None,
        })
    }

    /// Whether a signature of this key is still wanted.
    pub(in crate::wallet) fn wants(&self, key: &PublicKey) -> bool {
        self.pairs().any(|(condition, proof)| match proof {
            Collected::Signatures(signatures) => {
                let has_signed = |index: u8| signatures.iter().any(|signed| signed.key == index);
                let mut places = (0..).zip(keys(condition)).filter(|(_, other)| *other == key);
                signatures.len() < required(condition) && places.any(|(index, _)| !has_signed(index))
            }
            Collected::Preimage(_) => false,
        })
    }

    /// What is still missing.
    pub(in crate::wallet) fn missing(&self) -> Vec<Missing> {
        let address = self.address();
        let of_condition = |(condition, proof): (&Condition, &Collected)| match (condition, proof) {
            (Condition::Preimage(digest), Collected::Preimage(bytes)) => {
                let is_there = preimage_of(*digest, bytes).is_some();
                (!is_there).then_some(Missing::Preimage { address, digest: *digest })
            }
            (_, Collected::Signatures(signatures)) => {
                let count = required(condition).saturating_sub(signatures.len());
                let has_signed = |index: u8| signatures.iter().any(|signed| signed.key == index);
                let unsigned = (0..).zip(keys(condition)).filter(|(index, _)| !has_signed(*index));
                let keys = unsigned.map(|(_, key)| key.clone()).collect();
                (count > 0).then_some(Missing::Signatures { address, count, keys })
            }
            _ => None,
        };
        self.pairs().filter_map(of_condition).collect()
    }

    /// The witness, if nothing is missing. Of more signatures than a threshold wants, it takes the first.
    pub(in crate::wallet) fn witness(&self) -> Option<Witness> {
        let proof = |(condition, proof): (&Condition, &Collected)| match (condition, proof) {
            (Condition::Key(_), Collected::Signatures(signatures)) => {
                Some(Proof::Signature(signatures.first()?.signature.clone()))
            }
            (Condition::Threshold { required, .. }, Collected::Signatures(signatures)) => {
                Some(Proof::Signatures(signatures.get(..usize::from(*required))?.to_vec()))
            }
            (Condition::Preimage(digest), Collected::Preimage(bytes)) => {
                Some(Proof::Preimage(preimage_of(*digest, bytes)?.into()))
            }
            _ => None,
        };
        let proofs: Option<Vec<_>> = self.pairs().map(proof).collect();
        Some(Witness { conditions: self.conditions.clone(), path: self.path.clone(), proofs: proofs? })
    }

    /// Puts a signature behind those of the first condition, as only a hostile program would.
    #[cfg(test)]
    pub(super) fn put_unchecked(&mut self, key: u8, signature: Signature) {
        if let Some(Collected::Signatures(signatures)) = self.proofs.first_mut() {
            signatures.push(IndexedSignature { key, signature });
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (&Condition, &Collected)> {
        self.conditions.iter().filter(|condition| condition.needs_proof()).zip(&self.proofs)
    }

    fn pairs_mut(&mut self) -> impl Iterator<Item = (&Condition, &mut Collected)> {
        self.conditions.iter().filter(|condition| condition.needs_proof()).zip(&mut self.proofs)
    }
}

/// The bytes with this digest, if they are there. No bytes mean that none were given, unless it is their digest that is wanted:
/// then nothing needs to be given.
fn preimage_of(digest: [u8; 32], bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.is_empty() || sha256(&[]) == digest).then_some(bytes)
}

/// The keys that can sign for a condition.
fn keys(condition: &Condition) -> &[PublicKey] {
    match condition {
        Condition::Key(key) => core::slice::from_ref(key),
        Condition::Threshold { keys, .. } => keys,
        Condition::Preimage(_) | Condition::After(_) => &[],
    }
}

/// How many must.
fn required(condition: &Condition) -> usize {
    match condition {
        Condition::Key(_) => 1,
        Condition::Threshold { required, .. } => usize::from(*required),
        Condition::Preimage(_) | Condition::After(_) => 0,
    }
}

/// Whether the signatures name keys that are there, in rising order.
fn check_signatures(keys: &[PublicKey], signatures: &[IndexedSignature]) -> Result<bool, PartialError> {
    let mut least = 0;
    for IndexedSignature { key: index, signature } in signatures {
        let index = usize::from(*index);
        let Some(key) = keys.get(index).filter(|_| index >= least) else { return Ok(false) };
        least = index + 1;
        let (scheme, found) = (key.scheme(), signature.as_bytes().len());
        let expected = scheme.signature_bytes();
        if found != expected {
            return Err(PartialError::SignatureLength { scheme, found, expected });
        }
    }
    Ok(true)
}

fn preimage_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
    codec::bytes::deserialize::<D, { Condition::PREIMAGE_BYTES_MAX }>(deserializer)
}
