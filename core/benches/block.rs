//! A block of 500 payments, each with one ML-DSA-87 witness: from bytes to changed coins, beside its 500 raw verifications.
//!
//! `cargo xtask bench block`. What a node does besides verifying signatures should be a small part of that.
#![allow(clippy::unwrap_used, reason = "a benchmark stops at its first surprise")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use qbtc_core::block::Block;
use qbtc_core::chain::{ChainState, ChainStore, ChangeSet, HeaderTree, Path, reorg};
use qbtc_core::commit::mmr::Peaks;
use qbtc_core::crypto::{CryptoError, Scheme, SecretKey, SignatureJob, verify_serial};
use qbtc_core::hash::BlockHash;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction};
use qbtc_core::units::{Amount, BlockTime};
use qbtc_core::utxo::{Coin, CoinView, MemoryCoins, Undo};
use qbtc_core::verify::{
    CheckedBlock, CheckedTx, TxError, VerifiedCache, assemble_block, check_block, check_block_with, check_transaction,
};
use support::{ALLOTTED, TestChain, TestKey, outputs, pay};

const PAYMENTS: u16 = 500;

/// A chain whose next block is the one that is measured.
struct Scene {
    chain: TestChain,
    coins: MemoryCoins,
    state: ChainState,
    path: Path,
    block: Block,
    bytes: Vec<u8>,
}

/// The stored chain as it stands before the block: the coins, and the block itself.
struct Store<'a> {
    coins: &'a MemoryCoins,
    block: CheckedBlock,
}

impl CoinView for Store<'_> {
    type Error = Infallible;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Infallible> {
        self.coins.coin(outpoint)
    }
}

impl ChainStore for Store<'_> {
    fn block(&self, _: &BlockHash) -> Result<CheckedBlock, Infallible> {
        Ok(self.block.clone())
    }

    fn undo(&self, _: &BlockHash) -> Result<Undo, Infallible> {
        unreachable!("nothing is disconnected")
    }

    fn history(&self, _: u32) -> Result<Peaks, Infallible> {
        unreachable!("nothing is disconnected")
    }
}

fn owner(number: u16) -> TestKey {
    let mut seed = [0; 32];
    seed[..2].copy_from_slice(&number.to_le_bytes());
    TestKey { secret: SecretKey::from_seed(Scheme::MlDsa87, &seed) }
}

/// One transaction splits a coin among 500 owners; each of them pays a part to somebody else and the rest to itself.
fn scene() -> Scene {
    let mut chain = TestChain::new();
    let mut tree = HeaderTree::new(&chain.spec);
    let mut tip = chain.genesis();
    for _ in 0..3 {
        tip = add(&mut tree, &chain.extend(&tip, Vec::new()), &chain);
    }
    let rich = TestKey::new(0);
    let coin = chain.tip(&tip).spendable(rich.address(), &chain.spec)[0];
    let owners: Vec<_> = (0..PAYMENTS).map(owner).collect();
    let share = Amount::from_quanta(ALLOTTED.quanta() / u64::from(PAYMENTS)).unwrap();
    let split = rich.spend(&[coin], owners.iter().map(|key| pay(key.address(), share)).collect(), &chain.spec);
    tip = add(&mut tree, &chain.extend(&tip, vec![split.clone()]), &chain);
    let half = Amount::from_quanta(share.quanta() / 2).unwrap();
    let coins = outputs(split.txid(), &split.body.outputs, chain.tip(&tip).height, false);
    let payments = owners.iter().zip(coins).map(|(key, coin)| {
        let to =
            vec![pay(rich.address(), half), pay(key.address(), Amount::from_quanta(half.quanta() - 1_000).unwrap())];
        key.spend(&[coin], to, &chain.spec)
    });
    let block = chain.draft(&tip, payments.collect()).seal();
    let id = add(&mut tree, &block, &chain);
    let before = chain.tip(&tip);
    let state = ChainState::new(tip, before.history.clone()).unwrap();
    let path = tree.path(&tip, &id, 1).unwrap();
    Scene { coins: before.coins.clone(), bytes: block.to_bytes(), state, path, block, chain }
}

fn add(tree: &mut HeaderTree, block: &Block, chain: &TestChain) -> BlockHash {
    tree.insert(block.header, BlockTime(u32::MAX), &chain.spec).unwrap();
    block.id()
}

type Run = fn(&[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)>;

/// Half of the jobs on each of two threads.
fn verify_on_two(jobs: &[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)> {
    let (first, second) = jobs.split_at(jobs.len() / 2);
    thread::scope(|scope| {
        let other = scope.spawn(|| verify_serial(second));
        verify_serial(first)?;
        other.join().unwrap().map_err(|(index, error)| (first.len() + index, error))
    })
}

/// The transactions of a block, half of them checked on each of two threads.
fn check_on_two(transactions: Vec<Transaction>, spec: &ChainSpec) -> Vec<Result<Arc<CheckedTx>, TxError>> {
    let check = |transactions: Vec<Transaction>| -> Vec<_> {
        transactions.into_iter().map(|tx| check_transaction(tx, spec.consensus()).map(Arc::new)).collect()
    };
    let mut first = transactions;
    let second = first.split_off(first.len() / 2);
    thread::scope(|scope| {
        let other = scope.spawn(|| check(second));
        let mut outcomes = check(first);
        outcomes.extend(other.join().unwrap());
        outcomes
    })
}

impl Scene {
    fn decode(&self) -> Block {
        let limit = self.chain.spec.consensus().limits.block_bytes as usize;
        Block::from_bytes(black_box(&self.bytes), limit).unwrap()
    }

    fn check(&self, block: Block) -> CheckedBlock {
        check_block(block, &self.chain.spec).unwrap()
    }

    fn assemble(&self, transactions: Vec<Arc<CheckedTx>>) -> CheckedBlock {
        let Block { header, coinbase, commitments, .. } = &self.block;
        assemble_block(*header, coinbase.clone(), *commitments, transactions, &self.chain.spec).unwrap()
    }

    fn connect(&self, block: CheckedBlock, cache: &mut VerifiedCache, run: Run) -> ChangeSet {
        let store = Store { coins: &self.coins, block };
        reorg(&self.state, &self.path, &store, cache, &self.chain.spec, run).unwrap()
    }

    /// From bytes to changed coins. The changes, and with them the block, live on: they are still to be stored.
    fn whole(&self, mut coins: MemoryCoins, cache: &mut VerifiedCache) -> (MemoryCoins, ChangeSet) {
        let changes = self.connect(self.check(self.decode()), cache, verify_serial);
        coins.apply(&changes.coins).unwrap();
        (coins, changes)
    }

    /// The same on two threads.
    fn whole_on_two(&self, mut coins: MemoryCoins, cache: &mut VerifiedCache) -> (MemoryCoins, ChangeSet) {
        let spec = &self.chain.spec;
        let checked = check_block_with(self.decode(), spec, |transactions| check_on_two(transactions, spec)).unwrap();
        let changes = self.connect(checked, cache, verify_on_two);
        coins.apply(&changes.coins).unwrap();
        (coins, changes)
    }
}

fn blocks(criterion: &mut Criterion) {
    let scene = scene();
    let checked = scene.check(scene.decode());
    let transactions = checked.transactions().to_vec();
    let no_cache = || VerifiedCache::new(2 * usize::from(PAYMENTS));
    let mut known = no_cache();
    let changes = scene.connect(checked.clone(), &mut known, verify_serial);

    let mut group = criterion.benchmark_group("block of 500");
    group.sample_size(30);
    let coins = || scene.coins.clone();
    let spent: Vec<_> = changes.connected[0].undo().0.iter().map(Coin::to_output).collect();
    let chain_id = scene.chain.spec.chain_id();
    let message = |place: usize| transactions[place].body().sighash(&chain_id, &spent[place..=place]);
    let jobs: Vec<_> = transactions.iter().enumerate().map(|(place, tx)| raw_job(tx, message(place))).collect();
    group.bench_function("raw verifications", |bencher| {
        bencher.iter(|| verify_serial(black_box(&jobs)).unwrap());
    });
    group.bench_function("raw verifications, two threads", |bencher| {
        bencher.iter(|| verify_on_two(black_box(&jobs)).unwrap());
    });
    group.bench_function("from bytes to coins", |bencher| {
        bencher.iter_batched(coins, |coins| scene.whole(coins, &mut no_cache()), BatchSize::LargeInput);
    });
    group.bench_function("from bytes to coins, two threads", |bencher| {
        bencher.iter_batched(coins, |coins| scene.whole_on_two(coins, &mut no_cache()), BatchSize::LargeInput);
    });
    group.bench_function("from bytes to coins, witnesses known", |bencher| {
        bencher.iter_batched(coins, |coins| scene.whole(coins, &mut known.clone()), BatchSize::LargeInput);
    });
    group.bench_function("from transactions held to coins", |bencher| {
        let start = || (scene.coins.clone(), transactions.clone(), known.clone());
        let connect = |(mut coins, transactions, mut known): (MemoryCoins, _, _)| {
            let changes = scene.connect(scene.assemble(transactions), &mut known, verify_serial);
            coins.apply(&changes.coins).unwrap();
            (coins, changes)
        };
        bencher.iter_batched(start, connect, BatchSize::LargeInput);
    });
    group.finish();

    // Where the time goes that is not signatures.
    let mut group = criterion.benchmark_group("block of 500, parts");
    group.sample_size(30);
    group.bench_function("decode", |bencher| bencher.iter(|| scene.decode()));
    group.bench_function("check", |bencher| {
        bencher.iter_batched(|| scene.block.clone(), |block| scene.check(block), BatchSize::LargeInput);
    });
    group.bench_function("resolve, witnesses known", |bencher| {
        let start = || (checked.clone(), known.clone());
        let connect = |(block, mut known)| scene.connect(block, &mut known, verify_serial);
        bencher.iter_batched(start, connect, BatchSize::LargeInput);
    });
    group.bench_function("apply", |bencher| {
        let apply = |mut coins: MemoryCoins| {
            coins.apply(&changes.coins).unwrap();
            coins
        };
        bencher.iter_batched(coins, apply, BatchSize::LargeInput);
    });
    group.finish();
}

/// The one signature of a payment.
fn raw_job(tx: &CheckedTx, message: [u8; 32]) -> SignatureJob<'_> {
    use qbtc_core::lock::{Condition, Proof};
    let witness = &tx.transaction().witnesses[0];
    match (&witness.conditions[0], &witness.proofs[0]) {
        (Condition::Key(key), Proof::Signature(signature)) => SignatureJob { key, message, signature },
        _ => unreachable!("payments have one key and its signature"),
    }
}

criterion_group!(benches, blocks);
criterion_main!(benches);
