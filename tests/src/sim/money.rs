//! The rules of simulated chains, and the payments on them.
//!
//! One key owns all that the genesis block allots; a payment moves one of its coins back to it. Who pays whom does not matter to the
//! network, only that signatures are real.

use std::fmt::Write as _;

use qbtc_core::crypto::{Scheme, SecretKey};
use qbtc_core::lock::{Address, AddressTree, Conditions, Lock, Proof, Witness};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, Height};
use qbtc_core::utxo::Coin;

/// How many hashes a block of the first difficulty takes: few, so that mining is instant, and many more than the easiest difficulty takes, so
/// that little work can be told from much.
pub(super) const FIRST_WORK: u64 = 64;
/// How many coins can be spent at one time.
pub(super) const ALLOTMENTS: usize = 128;
/// What a payment leaves to the miner, above the least fee of the largest of them.
const FEE: u64 = 100_000;

const RULES: &str = r#"
name = "sim"

[network]
address_prefix = "sbqs"
ports = { p2p = 1, rpc = 2, http = 3 }

[consensus]
supply_max = "21000000"
spacing_s = SPACING
future_limit_s = 120
coinbase_maturity = 10
pow = "sha256d"
bits_limit = 0x207fffff
difficulty = { rule = "asert", half_life_s = 1200 }
subsidy = { initial = "4", halving_blocks = 2_100_000 }
limits = { block_bytes = BLOCK_BYTES, tx_bytes = 65536, data_bytes = 40960 }
schemes = [{ scheme = "ML-DSA-44", from_height = 0 }]

[consensus.genesis]
time = 1_795_219_200
bits = 0x2003ffff
message = "qBTC sim"
"#;

/// The key with all the money.
pub(super) struct Purse {
    key: SecretKey,
    address: Address,
    /// The key with its signature of something else.
    wrong_witness: Witness,
}

impl Purse {
    pub(super) fn new() -> Self {
        let key = SecretKey::from_seed(Scheme::MlDsa44, &[7; 32]);
        let address = AddressTree::single(Conditions::key(key.public_key().clone())).address();
        let wrong_witness = witness(&key, &[0; 32]);
        Self { key, address, wrong_witness }
    }

    /// The rules of a chain whose genesis block fills the purse.
    pub(super) fn rules(&self, spacing_s: u32, block_bytes: u32) -> ChainSpec {
        let mut text =
            RULES.replace("SPACING", &spacing_s.to_string()).replace("BLOCK_BYTES", &block_bytes.to_string());
        let allotted = format!(
            "\n[[consensus.genesis.allocations]]\naddress = \"{}\"\namount = \"100\"\n",
            hex::encode(self.address.to_bytes())
        );
        (0..ALLOTMENTS).for_each(|_| write!(text, "{allotted}").expect("a string takes everything"));
        ChainSpec::from_toml(&text).expect("the rules of the simulation are sound")
    }

    pub(super) const fn address(&self) -> Address {
        self.address
    }

    /// Whether a coin can be spent in a block of this height.
    pub(super) fn can_spend(&self, coin: &Coin, height: Height, spec: &ChainSpec) -> bool {
        let is_mature = !coin.is_coinbase || spec.consensus().matures_at(coin.height) <= height;
        coin.address == self.address && is_mature
    }

    /// A payment of a coin to the purse itself, with so many bytes of data.
    pub(super) fn pay(&self, at: OutPoint, coin: &Coin, data: &[u8], spec: &ChainSpec) -> Transaction {
        let kept = coin.amount.quanta().saturating_sub(FEE);
        let amount = Amount::from_quanta(kept).expect("less than an amount");
        let mut outputs = vec![TxOut { amount, lock: Lock::Address(self.address) }];
        if !data.is_empty() {
            outputs.push(TxOut { amount: Amount::ZERO, lock: Lock::Data(data.into()) });
        }
        let message = body(at, outputs.clone()).sighash(&spec.chain_id(), &[coin.to_output()]);
        Transaction { body: body(at, outputs), witnesses: vec![witness(&self.key, &message)] }
    }

    /// A payment whose signature is one of something else: right by itself, and invalid.
    pub(super) fn pay_wrongly(&self, at: OutPoint, coin: &Coin) -> Transaction {
        let output = TxOut { amount: coin.amount, lock: Lock::Address(self.address) };
        Transaction { body: body(at, vec![output]), witnesses: vec![self.wrong_witness.clone()] }
    }
}

fn body(at: OutPoint, outputs: Vec<TxOut>) -> TxBody {
    TxBody { version: TxBody::VERSION, inputs: vec![at], outputs, lock_height: Height(0), expiry_height: Height(0) }
}

/// A signature of a message, with the key that made it.
fn witness(key: &SecretKey, message: &[u8; 32]) -> Witness {
    let proofs = vec![Proof::Signature(key.sign_deterministic(message))];
    Witness { conditions: Conditions::key(key.public_key().clone()), path: Default::default(), proofs }
}
