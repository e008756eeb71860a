//! The mempool with 5,000 payments of the default scheme: coming in, templates, headers, estimates. No signature is verified: what
//! that costs, the `crypto` bench tells.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use qbtc_core::crypto::{PublicKey, Scheme, Signature};
use qbtc_core::hash::{BlockHash, HistoryRoot, Txid};
use qbtc_core::lock::{Address, AddressTree, Conditions, Lock, Proof, Witness};
use qbtc_core::mempool::{BlockTemplate, Mempool, Payout, Policy, Solution, TemplateContext, TipChange};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, BlockTime, Height};
use qbtc_core::utxo::{Coin, MemoryCoins};
use qbtc_core::verify::{BlockContext, CheckedTx, VerifiedBlock, VerifiedCache, check_transaction, resolve_block};

const PAYMENTS: u32 = 5_000;
const COIN: u64 = 1_000_000_000;
const NOW: BlockTime = BlockTime(1_800_000_000);

/// Payments and the coins that they spend.
struct Payments {
    spec: ChainSpec,
    coins: MemoryCoins,
    txs: Vec<Arc<CheckedTx>>,
}

fn output(address: Address, quanta: u64) -> TxOut {
    TxOut { amount: Amount::from_quanta(quanta).expect("a small amount"), lock: Lock::Address(address) }
}

impl Payments {
    /// Payments with change, of one key each; every so many of them spend the change of the one before.
    fn new(chained: u32) -> Self {
        let spec = ChainSpec::dev();
        let scheme = Scheme::default();
        let mut coins = Vec::new();
        let mut txs: Vec<Arc<CheckedTx>> = Vec::new();
        let mut change = 0;
        for number in 0..PAYMENTS {
            let mut key = vec![0; scheme.public_key_bytes()];
            key[..4].copy_from_slice(&(number / chained).to_le_bytes());
            let conditions = Conditions::key(PublicKey::new(scheme, key).expect("the scheme's length"));
            let address = AddressTree::single(conditions.clone()).address();
            let input = match txs.last() {
                Some(before) if number % chained != 0 => OutPoint { txid: before.txid(), index: 0 },
                _ => {
                    let outpoint = OutPoint { txid: Txid::from_bytes([1; 32]), index: number };
                    let amount = Amount::from_quanta(COIN).expect("a small amount");
                    coins.push((outpoint, Coin { amount, address, height: Height(0), is_coinbase: false }));
                    change = COIN;
                    outpoint
                }
            };
            // Rates between 1,100 and about 14,000 quanta for each 1,000 bytes, in no order.
            change -= 1_000_000 + 8_100 + u64::from(number.wrapping_mul(2_654_435_761) >> 16) % 92_000;
            let outputs = vec![output(address, change), output(Address::from_bytes([2; 32]), 1_000_000)];
            let signature =
                Signature::new(vec![number.to_le_bytes()[0]; scheme.signature_bytes()]).expect("the scheme's length");
            let witness = Witness { conditions, path: Default::default(), proofs: vec![Proof::Signature(signature)] };
            let (lock_height, expiry_height) = (Height(0), Height(0));
            let body = TxBody { version: TxBody::VERSION, inputs: vec![input], outputs, lock_height, expiry_height };
            let transaction = Transaction { body, witnesses: vec![witness] };
            txs.push(Arc::new(check_transaction(transaction, spec.consensus()).expect("a valid payment")));
        }
        Self { spec, coins: coins.into_iter().collect(), txs }
    }

    fn fill(&self) -> Mempool {
        let mut pool = Mempool::new(Policy::default(), Height(1));
        let mut cache = VerifiedCache::new(2 * PAYMENTS as usize);
        for tx in &self.txs {
            let candidate = pool.resolve(tx, &self.coins, &cache, &self.spec, NOW).expect("a good payment");
            let verified = candidate.verify(|_| Ok(())).expect("nothing is verified");
            pool.insert(verified, &mut cache, NOW).expect("there is room");
        }
        pool
    }

    fn template(&self, pool: &Mempool) -> BlockTemplate {
        let context = TemplateContext {
            parent: BlockHash::from_bytes([3; 32]),
            height: Height(1),
            version: 0x2000_0000,
            bits: self.spec.consensus().genesis.bits,
            median_time_past: NOW,
            history_root: HistoryRoot::ZERO,
        };
        pool.template(&context, &Payout::to(Address::from_bytes([4; 32])), &self.spec).expect("a plain payout")
    }
}

/// The template's block, with the work of the dev chain done and its signatures taken for good.
fn solve(payments: &Payments, template: &BlockTemplate, cache: &VerifiedCache) -> VerifiedBlock {
    let solution = |nonce| Solution { version: 0x2000_0000, time: template.time_min(), nonce, extranonce: [0; 12] };
    let has_work = |nonce: &u32| {
        let header = template.header(&solution(*nonce));
        payments.spec.consensus().pow.check_work(&header).is_ok()
    };
    let nonce = (0..).find(has_work).expect("one in 65,000 hashes meets the target");
    let block = template.checked_block(&solution(nonce), &payments.spec).expect("a template's block");
    let context = BlockContext { height: Height(1), history_root: HistoryRoot::ZERO };
    let resolved = resolve_block(block, &context, &payments.coins, cache, &payments.spec).expect("a template's block");
    resolved.verify(|_| Ok(())).expect("nothing is verified")
}

fn tip(criterion: &mut Criterion) {
    let payments = Payments::new(1);
    let pool = payments.fill();
    let mut cache = VerifiedCache::new(2 * PAYMENTS as usize);
    let block = solve(&payments, &payments.template(&pool), &cache);
    let mut coins = payments.coins.clone();
    coins.apply(block.diff()).expect("the block's coins are there");
    let connected = std::slice::from_ref(&block);
    let mut mined = pool.clone();
    let change = TipChange { disconnected: &[], connected };
    let connect = |pool: &mut Mempool, cache: &mut VerifiedCache| {
        pool.move_tip(&change, &coins, cache, &payments.spec, NOW, |_| Ok(())).expect("coins in memory")
    };
    connect(&mut mined, &mut cache);
    let left = [block.block().clone()];
    let change_back = TipChange { disconnected: &left, connected: &[] };
    let mut group = criterion.benchmark_group("mempool");
    group.sample_size(10);
    group.bench_function("connect a full block", |bencher| {
        let mut cache = cache.clone();
        bencher.iter_batched_ref(|| pool.clone(), |pool| connect(pool, &mut cache), BatchSize::LargeInput);
    });
    group.bench_function("take a full block back, 4,400 payments waiting", |bencher| {
        let mut cache = cache.clone();
        bencher.iter_batched_ref(
            || mined.clone(),
            |pool| pool.move_tip(&change_back, &payments.coins, &mut cache, &payments.spec, NOW, |_| Ok(())),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn mempool(criterion: &mut Criterion) {
    let payments = Payments::new(1);
    let pool = payments.fill();
    let mut group = criterion.benchmark_group("mempool");
    group.sample_size(20);
    group.bench_function("resolve and insert 5,000 payments", |bencher| {
        bencher.iter_batched(|| (), |()| payments.fill(), BatchSize::LargeInput);
    });
    group.bench_function("template among 5,000 payments", |bencher| {
        bencher.iter(|| payments.template(black_box(&pool)));
    });
    let chains = Payments::new(25);
    let pool_of_chains = chains.fill();
    group.bench_function("template among 200 chains of 25", |bencher| {
        bencher.iter(|| chains.template(black_box(&pool_of_chains)));
    });
    let template = payments.template(&pool);
    let payout = Payout::to(Address::from_bytes([5; 32]));
    group.bench_function("the same template for another address", |bencher| {
        bencher.iter(|| black_box(&template).with_payout(&payout, &payments.spec));
    });
    let solution = Solution { version: 0x2000_0000, time: NOW, nonce: 0, extranonce: [0; 12] };
    group.bench_function("header of another extranonce", |bencher| {
        bencher.iter(|| template.header(black_box(&solution)));
    });
    group.bench_function("estimate for 2 blocks", |bencher| {
        bencher.iter(|| pool.estimate_fee(black_box(2), NOW, &payments.spec));
    });
    group.finish();
}

criterion_group!(benches, mempool, tip);
criterion_main!(benches);
