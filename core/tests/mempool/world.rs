//! A chain of a few blocks with coins for everybody, and a pool on top.
//!
//! Money is locked to preimages: real addresses, witnesses and checks, but no signature, so that a test can make thousands of payments.
//! A chain of trivial work lets every template be solved and go through all of verification.

use std::sync::{Arc, OnceLock};

use qbtc_core::block::Block;
use qbtc_core::crypto::verify_serial;
use qbtc_core::hash::{BlockHash, HistoryRoot, Txid};
use qbtc_core::lock::{Address, AddressTree, Condition, Conditions, Lock, Proof, Witness};
use qbtc_core::mempool::{
    AdmitError, BlockTemplate, Mempool, Payout, Policy, Removal, RemovalReason, Solution, TemplateContext, TipChange,
};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, BlockTime, CompactBits, FeeRate, Height};
use qbtc_core::utxo::{Coin, CoinDiff, MemoryCoins};
use qbtc_core::verify::{
    BlockContext, CheckedTx, ResolveError, VerifiedBlock, VerifiedCache, check_block, check_transaction, resolve_block,
};

use crate::support::{self, TestKey};

/// What every coin is worth at first, in quanta.
pub(crate) const COIN: u64 = 1_000_000_000;
/// How many coins there are at first.
pub(crate) const COINS: u32 = 400;
/// The target of about two hashes a block.
const BITS: CompactBits = CompactBits(0x207f_ffff);
const HISTORY_ROOT: HistoryRoot = HistoryRoot::from_bytes([7; 32]);

/// Owns an address: knows the preimages that unlock it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    preimages: Vec<Vec<u8>>,
}

/// A chain and its pool.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) spec: ChainSpec,
    pub(crate) coins: MemoryCoins,
    pub(crate) cache: VerifiedCache,
    pub(crate) pool: Mempool,
    pub(crate) now: BlockTime,
    pub(crate) tip: BlockHash,
    pub(crate) blocks: Vec<VerifiedBlock>,
}

impl Owner {
    pub(crate) fn new(number: u32) -> Self {
        Self { preimages: vec![number.to_le_bytes().to_vec()] }
    }

    /// An owner whose witness is larger by about this many bytes, at most 15,000.
    pub(crate) fn large(number: u32, bytes: usize) -> Self {
        let mut owner = Self::new(number);
        let pads = bytes / 1_000;
        owner.preimages.extend((0..pads).map(|pad| vec![u8::try_from(pad).unwrap(); 1_000 - 36]));
        owner.preimages.push(vec![0xff; bytes % 1_000]);
        owner
    }

    fn conditions(&self) -> Conditions {
        Conditions::new(self.preimages.iter().map(|bytes| Condition::preimage_of(bytes)).collect()).unwrap()
    }

    pub(crate) fn address(&self) -> Address {
        AddressTree::single(self.conditions()).address()
    }

    pub(crate) fn witness(&self) -> Witness {
        let proof = |bytes: &Vec<u8>| Proof::Preimage(bytes.clone().into());
        let proofs = self.preimages.iter().map(proof).collect();
        Witness { conditions: self.conditions(), path: Default::default(), proofs }
    }
}

pub(crate) fn quanta(quanta: u64) -> Amount {
    Amount::from_quanta(quanta).unwrap()
}

pub(crate) fn rate(quanta_per_1000_bytes: u64) -> FeeRate {
    FeeRate::from_quanta_per_1000_bytes(quanta_per_1000_bytes)
}

/// The outpoint of one of the coins that are there at first.
pub(crate) fn coin(number: u32) -> OutPoint {
    OutPoint { txid: Txid::from_bytes([0xcc; 32]), index: number }
}

/// The output of a transaction.
pub(crate) fn output(tx: &CheckedTx, index: u32) -> OutPoint {
    OutPoint { txid: tx.txid(), index }
}

/// A payment under construction. Spends and pays; what is left is the fee.
#[derive(Clone)]
pub(crate) struct Payment {
    pub(crate) body: TxBody,
    owners: Vec<Owner>,
}

impl Payment {
    pub(crate) fn new() -> Self {
        let version = TxBody::VERSION;
        let (lock_height, expiry_height) = (Height(0), Height(0));
        Self {
            body: TxBody { version, inputs: vec![], outputs: vec![], lock_height, expiry_height },
            owners: Vec::new(),
        }
    }

    /// Spends a coin of an owner.
    pub(crate) fn from(mut self, outpoint: OutPoint, owner: &Owner) -> Self {
        self.body.inputs.push(outpoint);
        if !self.owners.contains(owner) {
            self.owners.push(owner.clone());
        }
        self
    }

    pub(crate) fn to(mut self, owner: &Owner, amount: u64) -> Self {
        self.body.outputs.push(TxOut { amount: quanta(amount), lock: Lock::Address(owner.address()) });
        self
    }

    pub(crate) fn data(mut self, bytes: &[u8]) -> Self {
        self.body.outputs.push(TxOut { amount: Amount::ZERO, lock: Lock::Data(bytes.into()) });
        self
    }

    pub(crate) fn transaction(&self) -> Transaction {
        Transaction { body: self.body.clone(), witnesses: self.owners.iter().map(Owner::witness).collect() }
    }

    pub(crate) fn build(&self) -> Arc<CheckedTx> {
        Arc::new(check_transaction(self.transaction(), spec().consensus()).unwrap())
    }
}

/// One of the first coins moved to its owner again, for a fee.
pub(crate) fn simple(number: u32, fee: u64) -> Arc<CheckedTx> {
    let owner = Owner::new(number);
    Payment::new().from(coin(number), &owner).to(&owner, COIN - fee).build()
}

/// Spends the first output of a transaction that [`simple`] or this made.
pub(crate) fn child(parent: &CheckedTx, owner: &Owner, fee: u64) -> Arc<CheckedTx> {
    let amount = parent.body().outputs[0].amount.quanta();
    Payment::new().from(output(parent, 0), owner).to(owner, amount - fee).build()
}

/// The chain's spec, read once.
fn spec() -> &'static ChainSpec {
    static SPEC: OnceLock<ChainSpec> = OnceLock::new();
    SPEC.get_or_init(support::spec)
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Policy::default())
    }

    pub(crate) fn with(policy: Policy) -> Self {
        let mut diff = CoinDiff::default();
        for number in 0..COINS {
            let address = Owner::new(number).address();
            let made = Coin { amount: quanta(COIN), address, height: Height(0), is_coinbase: false };
            diff.create(coin(number), made).unwrap();
        }
        let mut coins = MemoryCoins::default();
        coins.apply(&diff).unwrap();
        let spec = spec().clone();
        let tip = spec.genesis().id();
        Self {
            spec,
            coins,
            cache: VerifiedCache::new(10_000),
            pool: Mempool::new(policy, Height(1)),
            now: BlockTime(1_800_000_000),
            tip,
            blocks: Vec::new(),
        }
    }

    /// A world whose blocks have at most 32,768 bytes.
    pub(crate) fn with_small_blocks() -> Self {
        let text = support::spec_text().replace("tx_bytes = 1_048_576", "tx_bytes = 16384");
        let text = text.replace("block_bytes = 4_194_304", "block_bytes = 32768");
        let mut world = Self { spec: ChainSpec::from_toml(&text).unwrap(), ..Self::new() };
        assert_eq!(world.spec.consensus().limits.block_bytes, 32_768);
        world.tip = world.spec.genesis().id();
        world
    }

    /// Gives an owner a coin that was always there.
    pub(crate) fn endow(&mut self, index: u32, owner: &Owner) -> OutPoint {
        self.endow_address(index, owner.address()).0
    }

    fn endow_address(&mut self, index: u32, address: Address) -> (OutPoint, Coin) {
        let outpoint = OutPoint { txid: Txid::from_bytes([0xee; 32]), index };
        let made = Coin { amount: quanta(COIN), address, height: Height(0), is_coinbase: false };
        let mut diff = CoinDiff::default();
        diff.create(outpoint, made).unwrap();
        self.coins.apply(&diff).unwrap();
        (outpoint, made)
    }

    /// A transaction that a real key signed, of a coin that was always there.
    pub(crate) fn signed(&mut self, fee: u64) -> Transaction {
        let key = TestKey::new(1);
        let coin = self.endow_address(1_000_000, key.address());
        key.spend(&[coin], vec![support::pay(key.address(), quanta(COIN - fee))], &self.spec)
    }

    pub(crate) fn submit(&mut self, tx: &Arc<CheckedTx>) -> Result<Vec<Removal>, AdmitError> {
        let resolved = self.pool.resolve(tx, &self.coins, &self.cache, &self.spec, self.now);
        let candidate = resolved.map_err(|error| match error {
            ResolveError::Invalid(error) => error,
            ResolveError::View(never) => match never {},
        })?;
        self.pool.insert(candidate.verify(verify_serial)?, &mut self.cache, self.now)
    }

    /// Submits a transaction that must be taken and push nothing out.
    pub(crate) fn add(&mut self, tx: &Arc<CheckedTx>) {
        assert_eq!(self.submit(tx), Ok(vec![]));
    }

    pub(crate) fn contains(&self, tx: &CheckedTx) -> bool {
        self.pool.entry(&tx.txid()).is_some()
    }

    pub(crate) fn context(&self) -> TemplateContext {
        TemplateContext {
            parent: self.tip,
            height: self.pool.height(),
            version: 0x2000_0000,
            bits: BITS,
            median_time_past: self.now,
            history_root: HISTORY_ROOT,
        }
    }

    pub(crate) fn template(&self) -> BlockTemplate {
        self.pool.template(&self.context(), &Payout::to(Owner::new(9_999).address()), &self.spec).unwrap()
    }

    /// The block of a template with the work done.
    pub(crate) fn solve(&self, template: &BlockTemplate) -> Block {
        for nonce in 0_u32.. {
            let solution = Solution {
                version: 0x2000_0000,
                time: template.time_min(),
                nonce,
                extranonce: [nonce.to_le_bytes()[0]; 12],
            };
            let block = template.block(&solution);
            if self.spec.consensus().pow.check_work(&block.header).is_ok() {
                return block;
            }
        }
        unreachable!("half of all nonces do");
    }

    /// Puts a block through all of verification.
    pub(crate) fn verify(&self, block: Block) -> VerifiedBlock {
        let checked = check_block(block, &self.spec).unwrap();
        let context = BlockContext { height: self.pool.height(), history_root: HISTORY_ROOT };
        let resolved = resolve_block(checked, &context, &self.coins, &self.cache, &self.spec).unwrap();
        resolved.verify(verify_serial).unwrap()
    }

    /// A block of exactly these transactions, whether they are in the pool or not.
    pub(crate) fn block_of(&self, txs: &[Arc<CheckedTx>]) -> VerifiedBlock {
        let free = Policy {
            relay_fee_rate_min: FeeRate::ZERO,
            ancestors_max: u32::MAX,
            descendants_max: u32::MAX,
            pool_bytes_max: u64::MAX,
            ..self.pool.policy().clone()
        };
        let mut other = Self { pool: Mempool::new(free, self.pool.height()), ..self.clone() };
        txs.iter().for_each(|tx| other.add(tx));
        self.verify(self.solve(&other.template()))
    }

    /// Connects a block, and returns what left the pool.
    pub(crate) fn connect(&mut self, block: VerifiedBlock) -> Vec<Removal> {
        self.reorganize(0, |_| vec![block])
    }

    /// Mines the pool's template.
    pub(crate) fn mine(&mut self) -> Vec<Removal> {
        let block = self.verify(self.solve(&self.template()));
        self.connect(block)
    }

    pub(crate) fn mine_empty(&mut self) -> Vec<Removal> {
        let block = self.block_of(&[]);
        self.connect(block)
    }

    /// Takes back so many blocks and connects those that are made on what is left, all in one move.
    pub(crate) fn reorganize(&mut self, depth: usize, make: impl FnOnce(&Self) -> Vec<VerifiedBlock>) -> Vec<Removal> {
        let mut disconnected = Vec::new();
        for _ in 0..depth {
            let block = self.blocks.pop().unwrap();
            self.coins.apply(&block.diff().clone().reversed()).unwrap();
            self.tip = block.block().header().parent;
            disconnected.push(block);
        }
        let connected = make(&self.at_tip());
        for block in &connected {
            self.coins.apply(block.diff()).unwrap();
            block.remember(&mut self.cache);
            self.tip = block.block().id();
        }
        let left: Vec<_> = disconnected.iter().map(|block| block.block().clone()).collect();
        let change = TipChange { disconnected: &left, connected: &connected };
        let (coins, now) = (&self.coins, self.now);
        let Ok(removed) = self.pool.move_tip(&change, coins, &mut self.cache, &self.spec, now, verify_serial);
        self.blocks.extend(connected);
        removed
    }

    /// The same chain with an empty pool that follows its tip.
    pub(crate) fn at_tip(&self) -> Self {
        let height = Height(u32::try_from(self.blocks.len()).unwrap() + 1);
        Self { pool: Mempool::new(self.pool.policy().clone(), height), ..self.clone() }
    }
}

/// The ids and reasons of what left.
pub(crate) fn reasons(removed: Vec<Removal>) -> Vec<(Txid, RemovalReason)> {
    removed.into_iter().map(|removal| (removal.tx.txid(), removal.reason)).collect()
}
