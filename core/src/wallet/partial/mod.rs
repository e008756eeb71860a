//! Partial transactions: what several signers pass around until a transaction is complete, in the spirit of BIPs 174 and 370.
//!
//! A partial transaction holds the chain's id, the body, the outputs that it spends, and for each distinct address among those the
//! alternative that is used and the proofs collected so far. Whoever holds it can see the fee and sign; copies that signers
//! completed apart are combined.
//!
//! What is signed covers the spent outputs. A copy that lies about them, and so about the fee, yields signatures that are worth nothing on
//! the chain: a signer needs to trust no one, and no earlier transaction.
//!
//! Invariants, kept by decoding as well: one spent output for each input, no input twice, not more out than in; each alternative leads
//! to its address; proofs are of the kinds and lengths that the conditions ask for; no condition holds later than the transaction's lock
//! height. Signatures that were decoded are verified where they matter: by [`PartialTx::combine`], before one is taken over, and by
//! [`PartialTx::finalize`].

mod error;
mod unlock;

use alloc::vec::Vec;

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};

pub use error::PartialError;
pub use unlock::Missing;

use crate::codec;
use crate::crypto::{ENTROPY_BYTES, PublicKey, Scheme, SecretKey, Signature, SignatureJob};
use crate::hash::{ChainId, Txid};
use crate::lock::{Address, AddressTree, Conditions, Path};
use crate::tx::{Transaction, TxBody, TxOut};
use crate::units::Amount;
use crate::wallet::address_book::AddressBook;
use crate::wallet::derivation::AddressPath;
use crate::wallet::size::{TxShape, input_bytes, witness_bytes};
pub(in crate::wallet) use unlock::Unlock;

const MAGIC: [u8; 7] = *b"qbtcptx";

/// A transaction that may still lack proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialTx {
    parts: Parts,
    /// The distinct addresses that are spent from, in the order in which the inputs first name them.
    addresses: Vec<Address>,
}

/// What is encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Parts {
    chain: ChainId,
    body: TxBody,
    #[serde(deserialize_with = "codec::bounded::<_, _, { TxBody::INPUTS_MAX }>")]
    spent: Vec<TxOut>,
    #[serde(deserialize_with = "codec::bounded::<_, _, { TxBody::INPUTS_MAX }>")]
    unlocks: Vec<Option<Unlock>>,
}

impl PartialTx {
    /// The only version so far.
    pub const VERSION: u8 = 1;
    /// The longest encoding, in bytes: twice the largest block of the largest usual chain.
    pub const BYTES_MAX: usize = 8 << 20;

    /// A transaction that spends these outputs, in the order of its inputs, without any proof.
    ///
    /// # Errors
    /// [`PartialError`], if inputs and spent outputs do not belong together.
    pub fn new(chain: ChainId, body: TxBody, spent: Vec<TxOut>) -> Result<Self, PartialError> {
        let addresses = distinct_addresses(&spent)?;
        let unlocks = addresses.iter().map(|_| None).collect();
        Self::check(Parts { chain, body, spent, unlocks })
    }

    /// The chain that it is for.
    #[must_use]
    pub const fn chain(&self) -> &ChainId {
        &self.parts.chain
    }

    /// What it does.
    #[must_use]
    pub const fn body(&self) -> &TxBody {
        &self.parts.body
    }

    /// What it spends, in the order of the inputs.
    #[must_use]
    pub fn spent(&self) -> &[TxOut] {
        &self.parts.spent
    }

    /// The distinct addresses that it spends from, in the order in which the inputs first name them: that of the witnesses.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The transaction's id, which no proof changes.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.parts.body.txid()
    }

    /// What it leaves to the miner.
    #[must_use]
    pub fn fee(&self) -> Amount {
        fee(&self.parts).expect("a partial transaction that exists does not overspend")
    }

    /// The size that it will have when it is complete, once every alternative is chosen; `None` before. Preimages that are not there
    /// yet count as so many bytes.
    #[must_use]
    pub fn size_bytes(&self, preimage_bytes: usize) -> Option<u64> {
        let Parts { body, unlocks, .. } = &self.parts;
        let mut shape = TxShape::new(&body.outputs, body.lock_height, body.expiry_height);
        for outpoint in &body.inputs {
            shape = shape.with_input(input_bytes(outpoint));
        }
        for unlock in unlocks {
            let unlock = unlock.as_ref()?;
            let bytes = match unlock.witness() {
                Some(witness) => codec::encoded_len(&witness) as u64,
                None => witness_bytes(&unlock.conditions, &unlock.path, preimage_bytes),
            };
            shape = shape.with_witness(bytes);
        }
        Some(shape.bytes())
    }

    /// Chooses the alternative by which an address is unlocked.
    ///
    /// # Errors
    /// [`PartialError`], if no coin of that address is spent, the alternative is not its own or holds later than the
    /// transaction's lock height, or another one was chosen.
    pub fn choose(&mut self, conditions: Conditions, path: Path) -> Result<(), PartialError> {
        let unlock = Unlock::new(conditions, path);
        let address = unlock.address();
        let place = self.addresses.iter().position(|other| *other == address);
        let place = place.ok_or(PartialError::ForeignAddress { address })?;
        self.check_height(&unlock)?;
        let slot = &mut self.parts.unlocks[place];
        match slot {
            Some(chosen) if chosen.conditions == unlock.conditions && chosen.path == unlock.path => Ok(()),
            Some(_) => Err(PartialError::AlternativeChosen { address }),
            None => {
                *slot = Some(unlock);
                Ok(())
            }
        }
    }

    /// Chooses an alternative by its place in an address' tree.
    ///
    /// # Errors
    /// As [`PartialTx::choose`]; an alternative that the tree lacks is [`PartialError::ForeignAddress`].
    pub fn choose_of_tree(&mut self, tree: &AddressTree, place: usize) -> Result<(), PartialError> {
        let alternative = tree.alternatives().get(place);
        let (conditions, path) = alternative.ok_or(PartialError::ForeignAddress { address: tree.address() })?;
        self.choose(conditions.clone(), path.clone())
    }

    /// Signs wherever this key stands and a signature is wanted, and returns how many places that filled.
    ///
    /// All places take one signature, since all sign the same 32 bytes. Give fresh entropy for each call.
    pub fn sign(&mut self, secret: &SecretKey, entropy: &[u8; ENTROPY_BYTES]) -> usize {
        let key = secret.public_key();
        if !self.unlocks().any(|unlock| unlock.wants(key)) {
            return 0;
        }
        let signature = secret.sign(&self.sighash(), entropy);
        self.put_signature(key, &signature)
    }

    /// Takes in a signature made elsewhere, and returns how many places it filled.
    ///
    /// # Errors
    /// [`PartialError::Signature`], if it is not this key's over this transaction.
    pub fn add_signature(&mut self, key: &PublicKey, signature: &Signature) -> Result<usize, PartialError> {
        key.verify(&self.sighash(), signature)?;
        Ok(self.put_signature(key, signature))
    }

    /// Takes in a preimage, and returns how many places it filled.
    pub fn add_preimage(&mut self, bytes: &[u8]) -> usize {
        if bytes.len() > crate::lock::Condition::PREIMAGE_BYTES_MAX {
            return 0;
        }
        self.unlocks_mut().map(|unlock| unlock.add_preimage(bytes)).sum()
    }

    /// What is still missing.
    #[must_use]
    pub fn missing(&self) -> Vec<Missing> {
        let of_address = |(unlock, address): (&Option<Unlock>, &Address)| match unlock {
            Some(unlock) => unlock.missing(),
            None => alloc::vec![Missing::Alternative { address: *address }],
        };
        self.parts.unlocks.iter().zip(&self.addresses).flat_map(of_address).collect()
    }

    /// Where the keys of a book are that may still sign: what an account's secret is to make for [`Self::sign`].
    #[must_use]
    pub fn wanted_from(&self, book: &AddressBook) -> Vec<(Scheme, AddressPath)> {
        let wanted: HashSet<PublicKey> = self.missing().into_iter().flat_map(Missing::into_keys).collect();
        let places = book.addresses().filter_map(|address| book.path_of(&address));
        let keys = places.filter_map(|path| Some((path, book.entry(path)?.keys.as_ref()?)));
        let keys = keys.flat_map(|(path, keys)| keys.iter().map(move |key| (path, key)));
        keys.filter(|(_, key)| wanted.contains(*key)).map(|(path, key)| (key.scheme(), path)).collect()
    }

    /// Takes over what another copy of the same transaction has and this one lacks. Signatures are verified first, so that a copy
    /// from a stranger cannot put a false one where a good one belongs. Where both have a signature of one key, this one's stays:
    /// two signatures of one key over one transaction differ and are both good.
    ///
    /// # Errors
    /// [`PartialError`], if the copies are not of one transaction, use different alternatives, or a signature that is to be taken over
    /// does not verify. This copy is then as it was.
    pub fn combine(&mut self, other: &Self) -> Result<(), PartialError> {
        let is_same = [
            ("chain", self.parts.chain == other.parts.chain),
            ("body", self.parts.body == other.parts.body),
            ("spent outputs", self.parts.spent == other.parts.spent),
        ];
        if let Some((part, _)) = is_same.into_iter().find(|(_, is_same)| !is_same) {
            return Err(PartialError::Different { part });
        }
        let mut combined = self.clone();
        for unlock in other.unlocks() {
            combined.choose(unlock.conditions.clone(), unlock.path.clone())?;
            for preimage in unlock.preimages() {
                combined.add_preimage(preimage);
            }
            for (key, signature) in unlock.signatures() {
                if combined.unlocks().any(|unlock| unlock.wants(key)) {
                    combined.add_signature(key, signature)?;
                }
            }
        }
        *self = combined;
        Ok(())
    }

    /// The complete transaction, every signature of it verified.
    ///
    /// # Errors
    /// [`PartialError::Incomplete`], if something is missing; [`PartialError::Signature`] for a signature that does not verify.
    pub fn finalize(&self) -> Result<Transaction, PartialError> {
        let transaction = self.finalize_unverified()?;
        let message = self.sighash();
        for (key, signature) in self.unlocks().flat_map(Unlock::signatures) {
            SignatureJob { key, message, signature }.verify()?;
        }
        Ok(transaction)
    }

    /// The complete transaction, for programs without a verifier. A signature that came with the bytes of a copy may be false: then no node takes
    /// the transaction.
    ///
    /// # Errors
    /// [`PartialError::Incomplete`], if something is missing.
    pub fn finalize_unverified(&self) -> Result<Transaction, PartialError> {
        let missing = self.missing().len();
        if missing > 0 {
            return Err(PartialError::Incomplete(missing));
        }
        let witnesses: Option<Vec<_>> = self.unlocks().map(Unlock::witness).collect();
        let witnesses = witnesses.ok_or(PartialError::Incomplete(1))?;
        Ok(Transaction { body: self.parts.body.clone(), witnesses })
    }

    /// The bytes that signers pass around: `qbtcptx`, the version, codec(chain, body, spent, unlocks).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&MAGIC[..], &[Self::VERSION], &codec::encode(&self.parts)].concat()
    }

    /// Reads what [`PartialTx::to_bytes`] wrote, from anybody.
    ///
    /// # Errors
    /// [`PartialError`], for anything but a partial transaction that keeps the invariants.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PartialError> {
        let versioned = bytes.strip_prefix(&MAGIC).ok_or(PartialError::Magic)?;
        let (version, encoded) = versioned.split_first().ok_or(PartialError::Magic)?;
        if *version != Self::VERSION {
            return Err(PartialError::Version { found: *version });
        }
        Self::check(codec::decode(encoded, Self::BYTES_MAX)?)
    }

    /// What each key signs.
    #[must_use]
    pub fn sighash(&self) -> [u8; 32] {
        self.parts.body.sighash(&self.parts.chain, &self.parts.spent)
    }

    fn check(parts: Parts) -> Result<Self, PartialError> {
        let (found, expected) = (parts.spent.len(), parts.body.inputs.len());
        if expected == 0 {
            return Err(PartialError::NoInputs);
        }
        if found != expected {
            return Err(PartialError::SpentCount { found, expected });
        }
        let mut seen = HashSet::with_capacity(expected);
        if let Some(outpoint) = parts.body.inputs.iter().find(|outpoint| !seen.insert(**outpoint)) {
            return Err(PartialError::DuplicateInput { outpoint: *outpoint });
        }
        fee(&parts)?;
        let addresses = distinct_addresses(&parts.spent)?;
        let (found, expected) = (parts.unlocks.len(), addresses.len());
        if found != expected {
            return Err(PartialError::UnlockCount { found, expected });
        }
        let partial = Self { parts, addresses };
        for (unlock, expected) in partial.parts.unlocks.iter().zip(&partial.addresses) {
            let Some(unlock) = unlock else { continue };
            let (found, expected) = (unlock.address(), *expected);
            if found != expected {
                return Err(PartialError::Alternative { found, expected });
            }
            partial.check_height(unlock)?;
            unlock.check()?;
        }
        Ok(partial)
    }

    /// Were the lock height lower, the transaction could be broadcast and refused until the condition holds.
    fn check_height(&self, unlock: &Unlock) -> Result<(), PartialError> {
        let (from, lock) = (unlock.holds_from(), self.parts.body.lock_height);
        if from > lock { Err(PartialError::TooEarly { from, lock }) } else { Ok(()) }
    }

    fn put_signature(&mut self, key: &PublicKey, signature: &Signature) -> usize {
        self.unlocks_mut().map(|unlock| unlock.add_signature(key, signature)).sum()
    }

    fn unlocks(&self) -> impl Iterator<Item = &Unlock> {
        self.parts.unlocks.iter().flatten()
    }

    fn unlocks_mut(&mut self) -> impl Iterator<Item = &mut Unlock> {
        self.parts.unlocks.iter_mut().flatten()
    }
}

fn fee(parts: &Parts) -> Result<Amount, PartialError> {
    let sum = |outputs: &[TxOut]| Amount::checked_sum(outputs.iter().map(|output| output.amount));
    let inputs = sum(&parts.spent).ok_or(PartialError::Overflow)?;
    let outputs = sum(&parts.body.outputs).ok_or(PartialError::Overflow)?;
    inputs.checked_sub(outputs).ok_or(PartialError::Overspent { inputs, outputs })
}

fn distinct_addresses(spent: &[TxOut]) -> Result<Vec<Address>, PartialError> {
    let mut seen = HashSet::with_capacity(spent.len());
    let mut addresses = Vec::new();
    for (index, output) in spent.iter().enumerate() {
        let address = output.lock.address().ok_or(PartialError::Unspendable { index })?;
        if seen.insert(address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests;
