//! Who owns coins in tests, and how they move.
//!
//! [`Owner`]s lock money to preimages: real addresses, witnesses and checks, but no signature, so that a test can make many payments.
//! [`TestKey`] signs.

use qbtc_core::codec;
use qbtc_core::crypto::{Scheme, SecretKey};
use qbtc_core::hash::Txid;
use qbtc_core::lock::{Address, AddressTree, Condition, Conditions, Lock, Proof, Witness};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, Height};
use serde_json::{Value, json};

use super::NodeProcess;

/// A coin and what it is worth.
pub(crate) type Money = (OutPoint, Amount);

/// Owns an address: knows the preimage that unlocks it.
#[derive(Clone, Copy)]
pub(crate) struct Owner(pub(crate) u8);

impl Owner {
    fn conditions(self) -> Conditions {
        Conditions::new(vec![Condition::preimage_of(&[self.0])]).unwrap()
    }

    pub(crate) fn address(self) -> Address {
        AddressTree::single(self.conditions()).address()
    }

    pub(crate) fn text(self, spec: &ChainSpec) -> String {
        self.address().to_text(&spec.network().address_prefix)
    }

    /// What unlocks the coins of this owner.
    pub(crate) fn witness(self) -> Witness {
        let proofs = vec![Proof::Preimage([self.0].into())];
        Witness { conditions: self.conditions(), path: Default::default(), proofs }
    }

    /// Spends coins of this owner, all to one address but the fee.
    pub(crate) fn spend(self, coins: &[Money], to: Self, fee: u64) -> Transaction {
        self.split(coins, to, 1, fee)
    }

    /// Spends coins of this owner in so many equal parts, but the fee and what cannot be divided.
    pub(crate) fn split(self, coins: &[Money], to: Self, parts: usize, fee: u64) -> Transaction {
        let total = Amount::checked_sum(coins.iter().map(|(_, amount)| *amount)).unwrap();
        let amount = Amount::from_quanta((total.quanta() - fee) / parts as u64).unwrap();
        let output = TxOut { amount, lock: Lock::Address(to.address()) };
        let inputs = coins.iter().map(|(outpoint, _)| *outpoint).collect();
        Transaction { body: body(inputs, vec![output; parts]), witnesses: vec![self.witness()] }
    }
}

/// A body that is valid at any height.
pub(crate) fn body(inputs: Vec<OutPoint>, outputs: Vec<TxOut>) -> TxBody {
    TxBody { version: TxBody::VERSION, inputs, outputs, lock_height: Height(0), expiry_height: Height(0) }
}

/// The coins that a transaction makes.
pub(crate) fn made(transaction: &Transaction) -> Vec<Money> {
    let txid = transaction.txid();
    let outputs = transaction.body.outputs.iter().zip(0..);
    outputs.map(|(output, index)| (OutPoint { txid, index }, output.amount)).collect()
}

/// A transaction as calls take it.
pub(crate) fn hex_of(transaction: &Transaction) -> String {
    hex::encode(codec::encode(transaction))
}

impl NodeProcess {
    /// Mines blocks that pay an owner, and returns their ids.
    pub(crate) fn mine(&self, blocks: u32, owner: Owner) -> Vec<String> {
        self.call("generatetoaddress", (blocks, owner.text(&self.spec)))
    }

    /// The coin that a block pays its miner.
    pub(crate) fn coinbase_of(&self, block: &str) -> Money {
        let shown = self.ok("getblock", json!([block, 2]));
        let coinbase = &shown["tx"][0];
        let txid: Txid = coinbase["txid"].as_str().unwrap().parse().unwrap();
        (OutPoint { txid, index: 0 }, amount(&coinbase["vout"][0]["value"]))
    }

    /// Mines so many coins of an owner that can be spent in the next block.
    pub(crate) fn coins(&self, count: u32, owner: Owner) -> Vec<Money> {
        let blocks = self.mine(count, owner);
        self.mine(self.spec.consensus().coinbase_maturity, Owner(99));
        blocks.iter().map(|block| self.coinbase_of(block)).collect()
    }

    /// Gives the mempool a transaction.
    pub(crate) fn send(&self, transaction: &Transaction) -> String {
        self.call("sendrawtransaction", [hex_of(transaction)])
    }

    /// What the mempool says to a transaction that it must refuse.
    pub(crate) fn refuses(&self, transaction: &Transaction) -> (i64, String) {
        self.fails("sendrawtransaction", json!([hex_of(transaction), 0]))
    }
}

/// An amount as calls write it.
pub(crate) fn amount(value: &Value) -> Amount {
    value.to_string().parse().unwrap()
}

/// A key with its ordinary address.
pub(crate) struct TestKey(SecretKey);

impl TestKey {
    pub(crate) fn new() -> Self {
        Self(SecretKey::from_seed(Scheme::MlDsa44, &[5; 32]))
    }

    fn conditions(&self) -> Conditions {
        Conditions::key(self.0.public_key().clone())
    }

    pub(crate) fn address(&self) -> Address {
        AddressTree::single(self.conditions()).address()
    }

    /// A payment of everything but a fee back to this key, in so many coins.
    pub(crate) fn pay(&self, (outpoint, amount): Money, outputs: usize, spec: &ChainSpec) -> Transaction {
        let own = |amount| TxOut { amount, lock: Lock::Address(self.address()) };
        let part = Amount::from_quanta((amount.quanta() - 20_000) / outputs as u64).unwrap();
        let body = body(vec![outpoint], vec![own(part); outputs]);
        let message = body.sighash(&spec.chain_id(), &[own(amount)]);
        let proofs = vec![Proof::Signature(self.0.sign_deterministic(&message))];
        Transaction {
            body,
            witnesses: vec![Witness { conditions: self.conditions(), path: Default::default(), proofs }],
        }
    }
}
