//! What integration tests share: a chain whose work is trivial, keys, and valid blocks that can be spoilt one rule at a time.
//!
//! Blocks are put together here from their parts (`commit`, `codec`) and not by the library's own templates, so that a test of
//! validity does not depend on them. Everything is deterministic.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(unreachable_pub, reason = "it is a module of several test crates")]

pub mod random;
pub mod world;

use std::collections::HashMap;

use qbtc_core::block::{Block, Coinbase, Commitments};
use qbtc_core::commit::filter::Filter;
use qbtc_core::commit::merkle;
use qbtc_core::commit::mmr::{Node, Peaks};
use qbtc_core::crypto::{Scheme, SecretKey};
use qbtc_core::hash::{BlockHash, FilterHash, MerkleRoot, WitnessRoot};
use qbtc_core::header::Header;
use qbtc_core::lock::{Address, AddressTree, Conditions, Lock, Proof, Witness};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, BlockTime, Height, Target};
use qbtc_core::utxo::{Coin, CoinView, MemoryCoins};

#[cfg(not(target_arch = "wasm32"))]
#[allow(unused_imports, reason = "benches have no tests")]
pub use core::prelude::v1::test;
#[cfg(target_arch = "wasm32")]
pub use wasm_bindgen_test::wasm_bindgen_test as test;

/// How many coins the genesis block allots to [`TestKey::new`]`(0)`, of [`ALLOTTED`] each.
pub const ALLOTMENTS: u32 = 8;
/// The amount of each.
pub const ALLOTTED: Amount = Amount::from_coins(100);

const DEV: &str = include_str!("../../src/spec/dev.toml");

/// The text of the dev chain's spec with two hashes a block, a maturity of 3, and [`ALLOTMENTS`].
pub fn spec_text() -> String {
    let owner = TestKey::new(0).address();
    let allocation = format!(
        "\n[[consensus.genesis.allocations]]\naddress = \"{}\"\namount = \"{ALLOTTED}\"\n",
        hex(&owner.to_bytes())
    );
    let (rules, _) = DEV.split_once("# The first address of everybody's").expect("dev has an allocation of its own");
    let text = rules.replace("0x1f00ffff", "0x207fffff").replace("coinbase_maturity = 10", "coinbase_maturity = 3");
    text + &allocation.repeat(ALLOTMENTS as usize)
}

/// The spec of [`spec_text`].
pub fn spec() -> ChainSpec {
    ChainSpec::from_toml(&spec_text()).expect("the test spec is sound")
}

/// Bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key with its ordinary address: one alternative, in which it signs.
pub struct TestKey {
    pub secret: SecretKey,
}

impl TestKey {
    /// The key with this number, of the quickest scheme.
    pub fn new(number: u8) -> Self {
        Self::of_scheme(Scheme::MlDsa44, number)
    }

    /// The key with this number, of any scheme.
    pub fn of_scheme(scheme: Scheme, number: u8) -> Self {
        Self { secret: SecretKey::from_seed(scheme, &[number; 32]) }
    }

    /// The one alternative.
    pub fn conditions(&self) -> Conditions {
        Conditions::key(self.secret.public_key().clone())
    }

    pub fn address(&self) -> Address {
        AddressTree::single(self.conditions()).address()
    }

    /// Shows the key and its signature of a message.
    pub fn witness(&self, message: &[u8; 32]) -> Witness {
        let proofs = vec![Proof::Signature(self.secret.sign_deterministic(message))];
        Witness { conditions: self.conditions(), path: Default::default(), proofs }
    }

    /// A transaction that spends this key's coins.
    pub fn spend(&self, inputs: &[(OutPoint, Coin)], outputs: Vec<TxOut>, spec: &ChainSpec) -> Transaction {
        self.sign(body(inputs.iter().map(|(outpoint, _)| *outpoint).collect(), outputs), &coins(inputs), spec)
    }

    /// Signs a transaction all of whose coins are this key's.
    pub fn sign(&self, body: TxBody, spent: &[Coin], spec: &ChainSpec) -> Transaction {
        let outputs: Vec<_> = spent.iter().map(Coin::to_output).collect();
        let witnesses = vec![self.witness(&body.sighash(&spec.chain_id(), &outputs))];
        Transaction { body, witnesses }
    }
}

/// A body that is valid at any height.
pub fn body(inputs: Vec<OutPoint>, outputs: Vec<TxOut>) -> TxBody {
    TxBody { version: TxBody::VERSION, inputs, outputs, lock_height: Height(0), expiry_height: Height(0) }
}

/// An output to an address.
pub fn pay(address: Address, amount: Amount) -> TxOut {
    TxOut { amount, lock: Lock::Address(address) }
}

fn coins(inputs: &[(OutPoint, Coin)]) -> Vec<Coin> {
    inputs.iter().map(|(_, coin)| *coin).collect()
}

/// A chain up to some block: all that the next block is made from.
#[derive(Clone)]
pub struct Tip {
    pub header: Header,
    pub height: Height,
    pub coins: MemoryCoins,
    pub history: Peaks,
}

impl Tip {
    /// The coins of an address that can be spent in the next block, the same at each call.
    pub fn spendable(&self, address: Address, spec: &ChainSpec) -> Vec<(OutPoint, Coin)> {
        let next = self.height.next().expect("test chains are short");
        let is_mature = |coin: &Coin| !coin.is_coinbase || spec.consensus().matures_at(coin.height) <= next;
        let coins = self.coins.iter().map(|(outpoint, coin)| (*outpoint, *coin));
        let mut coins: Vec<_> = coins.filter(|(_, coin)| coin.address == address && is_mature(coin)).collect();
        coins.sort_unstable_by_key(|(outpoint, _)| *outpoint);
        coins
    }
}

/// Blocks as a tree, with what each leaves behind.
pub struct TestChain {
    pub spec: ChainSpec,
    pub miner: Address,
    tips: HashMap<BlockHash, Tip>,
}

impl TestChain {
    /// The genesis block of [`spec`].
    pub fn new() -> Self {
        Self::with_spec(spec())
    }

    /// The genesis block of a spec.
    pub fn with_spec(spec: ChainSpec) -> Self {
        let mut chain = Self { miner: TestKey::new(1).address(), tips: HashMap::new(), spec };
        let genesis = chain.spec.genesis().clone();
        let empty =
            Tip { header: genesis.header, height: Height(0), coins: MemoryCoins::default(), history: Peaks::default() };
        chain.enter(&genesis, empty);
        chain
    }

    /// The first block's id.
    pub fn genesis(&self) -> BlockHash {
        self.spec.genesis().id()
    }

    /// What a block leaves behind.
    pub fn tip(&self, id: &BlockHash) -> &Tip {
        &self.tips[id]
    }

    /// The next block on a parent with these transactions, not sealed yet. Its coinbase takes subsidy and fees.
    pub fn draft(&self, parent: &BlockHash, transactions: Vec<Transaction>) -> Draft {
        let tip = self.tip(parent);
        let height = tip.height.next().expect("test chains are short");
        let mut spent = Vec::new();
        let mut made = HashMap::new();
        let mut fees = 0;
        for transaction in &transactions {
            let inputs = transaction.body.inputs.iter();
            let of: Vec<Coin> =
                inputs.filter_map(|outpoint| made.get(outpoint).copied().or(tip.coin(outpoint))).collect();
            let paid: u64 = transaction.body.outputs.iter().map(|output| output.amount.quanta()).sum();
            fees += of.iter().map(|coin| coin.amount.quanta()).sum::<u64>().saturating_sub(paid);
            spent.extend(of);
            made.extend(outputs(transaction.txid(), &transaction.body.outputs, height, false));
        }
        // Blocks on one parent differ, as those of different miners do.
        let mut extra = [0; 12];
        extra[..8].copy_from_slice(&(self.tips.len() as u64).to_le_bytes());
        let reward = self.spec.consensus().subsidy(height).quanta() + fees;
        let coinbase = Coinbase {
            chain_tag: Coinbase::chain_tag(&self.spec.chain_id()),
            height,
            parent: *parent,
            extra: Box::new(extra),
            outputs: vec![pay(self.miner, Amount::from_quanta(reward).expect("within the supply"))],
        };
        let header = Header {
            version: 0x2000_0000,
            parent: *parent,
            merkle_root: MerkleRoot::ZERO,
            time: BlockTime(tip.header.time.0 + self.spec.consensus().spacing_s),
            bits: self.spec.consensus().genesis.bits,
            nonce: 0,
        };
        let commitments = Commitments { history_root: tip.history.root(), ..Commitments::default() };
        Draft { header, coinbase, commitments, transactions, spent }.commit()
    }

    /// Makes a valid block on a parent and remembers what it leaves behind.
    pub fn extend(&mut self, parent: &BlockHash, transactions: Vec<Transaction>) -> Block {
        let block = self.draft(parent, transactions).seal();
        self.add(&block);
        block
    }

    /// Remembers what a valid block leaves behind.
    pub fn add(&mut self, block: &Block) {
        let parent = self.tip(&block.header.parent).clone();
        let height = parent.height.next().expect("test chains are short");
        self.enter(block, Tip { height, ..parent });
    }

    fn enter(&mut self, block: &Block, before: Tip) {
        let mut all: HashMap<_, _> = before.coins.iter().map(|(outpoint, coin)| (*outpoint, *coin)).collect();
        all.extend(outputs(block.coinbase.id(), &block.coinbase.outputs, before.height, true));
        for transaction in &block.transactions {
            all.retain(|outpoint, _| !transaction.body.inputs.contains(outpoint));
            all.extend(outputs(transaction.txid(), &transaction.body.outputs, before.height, false));
        }
        let mut history = before.history;
        let work = Target::from_compact(block.header.bits).expect("bits of a test block").work();
        history.append(Node::leaf(block.id(), work, block.header.time)).expect("test chains are short");
        let tip = Tip { header: block.header, height: before.height, coins: all.into_iter().collect(), history };
        self.tips.insert(block.id(), tip);
    }
}

impl Tip {
    fn coin(&self, outpoint: &OutPoint) -> Option<Coin> {
        let Ok(coin) = self.coins.coin(outpoint);
        coin
    }
}

/// The coins that a transaction makes.
pub fn outputs(
    txid: qbtc_core::hash::Txid,
    outputs: &[TxOut],
    height: Height,
    is_coinbase: bool,
) -> impl Iterator<Item = (OutPoint, Coin)> {
    let coins = outputs.iter().zip(0..).filter_map(move |(output, index)| {
        Some((OutPoint { txid, index }, Coin::of_output(output, height, is_coinbase)?))
    });
    coins.collect::<Vec<_>>().into_iter()
}

/// A block that is not sealed: change any part, [`Draft::commit`] if the commitments shall follow, and [`Draft::seal`] it.
#[derive(Clone)]
pub struct Draft {
    pub header: Header,
    pub coinbase: Coinbase,
    pub commitments: Commitments,
    pub transactions: Vec<Transaction>,
    /// The coins that the transactions spend.
    pub spent: Vec<Coin>,
}

impl Draft {
    /// Makes witness root and filter hash those of the transactions.
    #[must_use]
    pub fn commit(mut self) -> Self {
        let wtxids = self.transactions.iter().map(|transaction| transaction.wtxid().to_bytes()).collect();
        self.commitments.witness_root = WitnessRoot::from_bytes(root(wtxids));
        self.commitments.filter_hash = self.filter_hash();
        self
    }

    fn filter_hash(&self) -> FilterHash {
        let in_transactions = self.transactions.iter().flat_map(|transaction| &transaction.body.outputs);
        let made = self.coinbase.outputs.iter().chain(in_transactions).filter_map(|output| output.lock.address());
        let addresses = made.chain(self.spent.iter().map(|coin| coin.address));
        Filter::build(&self.header.parent, addresses.map(Address::to_bytes)).hash()
    }

    /// Makes the merkle root fit and finds a nonce.
    #[must_use]
    pub fn seal(mut self) -> Block {
        let txids = self.transactions.iter().map(|transaction| transaction.txid().to_bytes());
        let leaves = [self.coinbase.id().to_bytes(), self.commitments.id().to_bytes()];
        self.header.merkle_root = MerkleRoot::from_bytes(root(leaves.into_iter().chain(txids).collect()));
        let Self { header, coinbase, commitments, transactions, .. } = self;
        Block { header: mine(header), coinbase, commitments, transactions }
    }
}

/// The root of the leaves, or zero if two siblings are equal.
fn root(leaves: Vec<[u8; 32]>) -> [u8; 32] {
    merkle::root(leaves).unwrap_or_default()
}

/// The header with the first nonce from its own on that meets its target, if its bits are one.
pub fn mine(mut header: Header) -> Header {
    let pow = qbtc_core::pow::PowAlgorithm::Sha256d;
    if Target::from_compact(header.bits).is_ok() {
        while pow.check_work(&header).is_err() {
            header.nonce += 1;
        }
    }
    header
}
