//! Payments: from what the user wants and the coins that are there to a transaction whose size and fee are known before it is signed.
//!
//! Inputs and outputs are sorted (BIP 69), so that neither tells which output is the change or how the coins were found.
//!
//! The builder must not choose heights or rates by itself: shells know the tip, the mempool and the user.

mod error;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

pub use error::BuildError;

use super::address_book::AddressBook;
use super::coin_selection::{Candidate, CoinGroup, FeeRule, Selection, SelectionRequest, select, select_all};
use super::derivation::{AccountKey, AccountPath, AddressPath};
use super::layout::{AddressKeys, AddressLayout};
use super::ledger::{Balance, OwnedCoin};
use super::partial::PartialTx;
use super::size::{TxShape, input_bytes, witness_bytes};
use crate::block::NODE_PREIMAGE_BYTES;
use crate::codec;
use crate::crypto::{ENTROPY_BYTES, Scheme};
use crate::hash::tagged;
use crate::lock::{Address, AddressTree, Lock};
use crate::mempool::Policy;
use crate::spec::{ChainSpec, Consensus};
use crate::tx::{OutPoint, Transaction, TxBody, TxOut};
use crate::units::{Amount, FeeRate, Height};

/// What a payment is made from.
#[derive(Clone, Copy, Debug)]
pub struct Funds<'a> {
    /// The chain: its id, limits and schemes.
    pub spec: &'a ChainSpec,
    /// What its nodes relay.
    pub policy: &'a Policy,
    /// The account's addresses, with their public keys.
    pub book: &'a AddressBook,
    /// The coins that may be spent: those of [`super::ledger::Ledger::spendable`], or some of them.
    pub coins: &'a [OwnedCoin],
    /// What is said if they are not enough.
    pub balance: Balance,
    /// Which key of each address signs.
    pub key: SigningKey,
}

/// Which key of an address signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigningKey {
    /// The one for every day.
    #[default]
    Ordinary,
    /// The dormant one, once the other's scheme is broken.
    Fallback,
}

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// What is paid, and data that is written.
    pub outputs: Vec<TxOut>,
    /// Where the rest goes.
    pub rest: Rest,
    /// What the miner gets for the size.
    pub fee_rate: FeeRate,
    /// The lowest height at which the transaction may be mined.
    pub lock_height: Height,
    /// The greatest height at which it may be mined; 0 for none. See [`expiry_height`].
    pub expiry_height: Height,
}

impl Payment {
    /// A payment made on top of a block of height `tip`, which can be mined from there on for about an hour. Locked to the tip, it is worth
    /// nothing to a miner who would rather mine that block anew.
    #[must_use]
    pub fn new(outputs: Vec<TxOut>, rest: Rest, fee_rate: FeeRate, tip: Height, rules: &Consensus) -> Self {
        let expiry_height = expiry_height(tip, rules.spacing_s);
        Self { outputs, rest, fee_rate, lock_height: tip, expiry_height }
    }
}

/// Where what is left of the coins goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// As few coins as possible are spent, and the change goes back to this address.
    Change(Address),
    /// Every coin that is worth it is spent, and all that the outputs leave goes here.
    Everything(Address),
}

/// A transaction that needs only be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedTx {
    partial: PartialTx,
    account: AccountPath,
    /// Of each distinct address that is spent from, in order.
    paths: Vec<AddressPath>,
    scheme: Scheme,
    size_bytes: u64,
    change: Option<TxOut>,
}

/// The last height at which a transaction that is made on top of `tip` should be mined: about an hour ahead, and two blocks at least.
/// Until then a payment that was forgotten cannot be mined as a surprise, and its coins are free again.
#[must_use]
pub fn expiry_height(tip: Height, spacing_s: u32) -> Height {
    let blocks = 3_600_u32.checked_div(spacing_s).unwrap_or(3_600).max(2);
    tip.plus(blocks).unwrap_or(Height::GENESIS)
}

/// Builds a payment.
///
/// # Errors
/// [`BuildError`]: what is wrong with the payment, or short of the funds.
pub fn build(funds: &Funds<'_>, payment: &Payment) -> Result<UnsignedTx, BuildError> {
    check_outputs(funds, &payment.outputs)?;
    let draft = Draft {
        outputs: payment.outputs.clone(),
        rest: match payment.rest {
            Rest::Change(address) | Rest::Everything(address) => address,
        },
        spends_everything: matches!(payment.rest, Rest::Everything(_)),
        needs_rest: matches!(payment.rest, Rest::Everything(_)),
        fee: FeeRule::of_rate(payment.fee_rate),
        lock_height: payment.lock_height,
        expiry_height: payment.expiry_height,
        mandatory: &[],
        optional: funds.coins,
    };
    if draft.outputs.is_empty() && !draft.needs_rest {
        return Err(BuildError::NoOutputs);
    }
    draft.assemble(funds)
}

fn check_outputs(funds: &Funds<'_>, outputs: &[TxOut]) -> Result<(), BuildError> {
    let (least, data_max) = (funds.policy.dust_min(), funds.spec.consensus().limits.data_bytes);
    let mut data_outputs = 0;
    for (index, output) in outputs.iter().enumerate() {
        let found = output.amount;
        match &output.lock {
            Lock::Address(_) if found < least || found == Amount::ZERO => {
                return Err(BuildError::Dust { index, found, least });
            }
            Lock::Address(_) => {}
            Lock::Data(_) if found != Amount::ZERO => return Err(BuildError::DataAmount { index, found }),
            Lock::Data(data) if data.len() as u64 > u64::from(data_max) => {
                return Err(BuildError::Data { index, found: data.len(), limit: data_max });
            }
            Lock::Data(_) => data_outputs += 1,
        }
    }
    let limit = funds.policy.data_outputs_max;
    if data_outputs as u64 > u64::from(limit) {
        return Err(BuildError::DataOutputs { found: data_outputs, limit });
    }
    Ok(())
}

impl Funds<'_> {
    /// The largest transaction that is valid and relayed, in bytes.
    fn bytes_max(&self) -> u64 {
        self.spec.consensus().limits.tx_bytes.min(self.policy.tx_bytes_max).into()
    }

    /// The place of the alternative that signs.
    fn place(&self) -> Result<usize, BuildError> {
        match self.key {
            SigningKey::Ordinary => Ok(AddressKeys::SIGNING),
            SigningKey::Fallback if self.book.layout().has_fallback() => Ok(AddressKeys::FALLBACK),
            SigningKey::Fallback => Err(BuildError::NoFallback),
        }
    }

    /// The scheme of the keys that sign.
    fn scheme(&self) -> Scheme {
        match self.key {
            SigningKey::Ordinary => self.book.layout().scheme(),
            SigningKey::Fallback => AddressLayout::FALLBACK,
        }
    }

    /// The alternatives of an address of the account.
    fn tree(&self, address: Address) -> Result<AddressTree, BuildError> {
        let entry = self.book.path_of(&address).and_then(|path| self.book.entry(path));
        let keys = entry.and_then(|entry| entry.keys.as_ref());
        keys.map(AddressKeys::tree).ok_or(BuildError::UnknownKeys { address })
    }
}

/// What payments and replacements have in common.
pub(super) struct Draft<'a> {
    pub(super) outputs: Vec<TxOut>,
    /// Where the rest goes, if there is one.
    pub(super) rest: Address,
    pub(super) spends_everything: bool,
    /// Whether there has to be one: it is what somebody is paid.
    pub(super) needs_rest: bool,
    pub(super) fee: FeeRule,
    pub(super) lock_height: Height,
    pub(super) expiry_height: Height,
    pub(super) mandatory: &'a [OwnedCoin],
    pub(super) optional: &'a [OwnedCoin],
}

impl Draft<'_> {
    pub(super) fn assemble(mut self, funds: &Funds<'_>) -> Result<UnsignedTx, BuildError> {
        let (lock, expiry) = (self.lock_height, self.expiry_height);
        if expiry != Height::GENESIS && expiry < lock {
            return Err(BuildError::NeverValid { lock, expiry });
        }
        check_scheme(funds, lock)?;
        let (found, least) = (self.fee.rate, funds.policy.relay_fee_rate_min);
        if found < least {
            return Err(BuildError::FeeRate { found, least });
        }
        let groups = self.groups(funds)?;
        let selection = self.select(funds, &groups)?;
        let change = selection.change.map(|amount| TxOut { amount, lock: Lock::Address(self.rest) });
        if self.needs_rest && change.is_none() {
            return Err(BuildError::RestTooSmall { available: selection.fee, least: funds.policy.dust_min() });
        }
        self.outputs.extend(change.clone());
        self.outputs.sort_by_cached_key(|output| (output.amount, codec::encode(&output.lock)));
        let mut inputs = selection.coins;
        inputs.sort_unstable();
        let body = TxBody {
            version: TxBody::VERSION,
            inputs,
            outputs: self.outputs,
            lock_height: lock,
            expiry_height: expiry,
        };
        if codec::encoded_len(&body) == NODE_PREIMAGE_BYTES {
            return Err(BuildError::MerkleNodeSize);
        }
        let coins = || self.mandatory.iter().chain(self.optional);
        unsigned(funds, body, coins, change.filter(|_| !self.needs_rest), selection.size_bytes)
    }

    fn select(&self, funds: &Funds<'_>, groups: &[CoinGroup]) -> Result<Selection, BuildError> {
        let amounts = self.outputs.iter().map(|output| output.amount);
        let request = SelectionRequest {
            target: Amount::checked_sum(amounts).ok_or(BuildError::Overflow)?,
            base: TxShape::new(&self.outputs, self.lock_height, self.expiry_height),
            fee: self.fee,
            change_spend_fee: if self.needs_rest { Amount::ZERO } else { self.change_spend_fee(funds)? },
            change_min: funds.policy.dust_min(),
            bytes_max: funds.bytes_max(),
            groups,
            immature: funds.balance.immature,
            pending: funds.balance.pending,
        };
        let selected = if self.spends_everything { select_all(&request) } else { select(&request) };
        Ok(selected?)
    }

    /// What spending the change will cost, at this payment's rate: one input, and a witness of its own.
    fn change_spend_fee(&self, funds: &Funds<'_>) -> Result<Amount, BuildError> {
        let keys = |scheme: Scheme| alloc::vec![0; scheme.public_key_bytes()];
        let key = |scheme| crate::crypto::PublicKey::new(scheme, keys(scheme)).expect("the scheme's own length");
        let layout = funds.book.layout();
        let fallback = layout.has_fallback().then(|| key(AddressLayout::FALLBACK));
        let like_ours = AddressKeys { signing: key(layout.scheme()), fallback }.tree();
        let (conditions, path) = &like_ours.alternatives()[funds.place()?];
        let input = input_bytes(&OutPoint { txid: crate::hash::Txid::ZERO, index: 1 });
        self.fee.rate.fee(witness_bytes(conditions, path, 0) + input).ok_or(BuildError::Overflow)
    }

    /// The coins by address.
    fn groups(&self, funds: &Funds<'_>) -> Result<Vec<CoinGroup>, BuildError> {
        let mut by_address: BTreeMap<Address, Vec<Candidate>> = BTreeMap::new();
        for (coins, is_mandatory) in [(self.mandatory, true), (self.optional, false)] {
            for coin in coins {
                let candidate = Candidate { outpoint: coin.outpoint, amount: coin.amount, is_mandatory };
                by_address.entry(coin.address).or_default().push(candidate);
            }
        }
        let place = funds.place()?;
        let group = |(address, coins)| {
            let tree = funds.tree(address)?;
            let (conditions, path) = &tree.alternatives()[place];
            Ok(CoinGroup { address, witness_bytes: witness_bytes(conditions, path, 0), coins })
        };
        by_address.into_iter().map(group).collect()
    }
}

fn check_scheme(funds: &Funds<'_>, height: Height) -> Result<(), BuildError> {
    let scheme = funds.scheme();
    match funds.spec.consensus().scheme_allowed_from(scheme) {
        Some(from) if from <= height => Ok(()),
        _ => Err(BuildError::Scheme { scheme, height }),
    }
}

/// Gathers what the inputs spend and who signs.
fn unsigned<'a, I: Iterator<Item = &'a OwnedCoin>>(
    funds: &Funds<'_>,
    body: TxBody,
    coins: impl Fn() -> I,
    change: Option<TxOut>,
    size_bytes: u64,
) -> Result<UnsignedTx, BuildError> {
    let by_outpoint: BTreeMap<_, _> = coins().map(|coin| (coin.outpoint, coin)).collect();
    let spent = body.inputs.iter().map(|outpoint| {
        let coin = by_outpoint[outpoint];
        TxOut { amount: coin.amount, lock: Lock::Address(coin.address) }
    });
    let spent = spent.collect();
    let mut partial = PartialTx::new(funds.spec.chain_id(), body, spent)?;
    let mut paths = Vec::new();
    for address in partial.addresses().to_vec() {
        partial.choose_of_tree(&funds.tree(address)?, funds.place()?)?;
        paths.push(funds.book.path_of(&address).ok_or(BuildError::UnknownKeys { address })?);
    }
    Ok(UnsignedTx { partial, account: funds.book.path(), paths, scheme: funds.scheme(), size_bytes, change })
}

impl UnsignedTx {
    /// What it does.
    #[must_use]
    pub const fn body(&self) -> &TxBody {
        self.partial.body()
    }

    /// What the miner gets.
    #[must_use]
    pub fn fee(&self) -> Amount {
        self.partial.fee()
    }

    /// The size that it has once it is signed, exactly, in bytes.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The output that goes back to the account, if there is one.
    #[must_use]
    pub const fn change(&self) -> Option<&TxOut> {
        self.change.as_ref()
    }

    /// Where the keys that sign it are.
    #[must_use]
    pub fn paths(&self) -> &[AddressPath] {
        &self.paths
    }

    /// For signers elsewhere, such as those of an account that only watches here.
    #[must_use]
    pub const fn partial(&self) -> &PartialTx {
        &self.partial
    }

    /// Signs it. The entropy, fresh for each call, hedges every signature with bytes of its own.
    ///
    /// # Errors
    /// [`BuildError::Account`] for the secret of another account.
    pub fn sign(mut self, account: &AccountKey, entropy: &[u8; ENTROPY_BYTES]) -> Result<Transaction, BuildError> {
        if account.path() != self.account {
            return Err(BuildError::Account { found: account.path(), expected: self.account });
        }
        for (path, address) in self.paths.iter().zip(self.partial.addresses().to_vec()) {
            let secret = account.secret_key(self.scheme, *path);
            let entropy = tagged("qbtc/signing-entropy", &[entropy, address.as_bytes()]);
            self.partial.sign(&secret, &entropy);
        }
        Ok(self.partial.finalize()?)
    }
}

#[cfg(test)]
mod tests;
