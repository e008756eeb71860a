//! A node to make chains with, and payments to fill them.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use qbtc_core::crypto::{Scheme, SecretKey};
use qbtc_core::lock::{Address, AddressTree, Conditions, Lock, Proof, Witness};
use qbtc_core::mempool::{EXTRANONCE_BYTES, Payout, Policy, Solution};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, Height};
use qbtc_core::utxo::Coin;
use qbtc_core::verify::{CheckedBlock, VerifiedCache};
use rayon::prelude::*;

use crate::blocks_file::BlocksWriter;
use crate::driver::{DriverOptions, DriverThread, VERIFIED_CACHE_ENTRIES, start_knowing};
use crate::import::import_knowing;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::store::{Store, StoreOptions};

/// The fee of a transaction for each byte, in quanta: above any floor of a pool that is not full.
const FEE_PER_BYTE: u64 = 2;

/// How long it may take until what was imported is written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(120);

/// The owner of all money on the bench's chain.
pub(crate) struct Owner {
    key: SecretKey,
    pub(crate) address: Address,
    pub(crate) spec: Arc<ChainSpec>,
}

/// A coin with its place.
pub(crate) type Owned = (OutPoint, Coin);

impl Owner {
    /// The chain is dev's, but a block takes two hashes, coinbases mature at once, and the owner is allotted this many coins in the genesis block.
    pub(crate) fn new(allotments: usize) -> Self {
        let key = SecretKey::from_seed(Scheme::MlDsa87, &[7; 32]);
        let address = AddressTree::single(Conditions::key(key.public_key().clone())).address();
        let text = ChainSpec::dev().to_toml();
        let (rules, _) = text.split_once("[[consensus.genesis.allocations]]").expect("dev has an allocation");
        let rules = rules.replace("name = \"dev\"", "name = \"bench\"");
        // Blocks are made faster than a second each, so their times run ahead of the clock.
        let rules = rules.replace("future_limit_s = 120", "future_limit_s = 86400");
        let rules = rules.replace("coinbase_maturity = 10", "coinbase_maturity = 1");
        let bits = |found: u32, bits: u32| (format!("= {found}"), format!("= {bits}"));
        let (from, to) = bits(0x1f00_ffff, 0x207f_ffff);
        let each = 4_000_000 / allotments;
        let address_hex = hex::encode(address.to_bytes());
        let allotment =
            format!("\n[[consensus.genesis.allocations]]\naddress = \"{address_hex}\"\namount = \"{each}\"\n");
        let spec = ChainSpec::from_toml(&(rules.replace(&from, &to) + &allotment.repeat(allotments)));
        Self { key, address, spec: Arc::new(spec.expect("dev's rules are sound")) }
    }

    /// The coins of the genesis block.
    pub(crate) fn allotments(&self) -> Vec<Owned> {
        let genesis = qbtc_core::verify::genesis_block(&self.spec);
        let mut coins: Vec<_> = genesis.diff().created().iter().map(|(at, coin)| (*at, *coin)).collect();
        coins.sort_unstable_by_key(|(at, _)| *at);
        coins
    }

    /// A transaction that spends coins and makes so many, of the same size.
    pub(crate) fn pay(&self, inputs: &[Owned], outputs: usize) -> Transaction {
        let sum = Amount::checked_sum(inputs.iter().map(|(_, coin)| coin.amount)).expect("all of it exists").quanta();
        let fee = FEE_PER_BYTE * (7_500 + 36 * inputs.len() as u64 + 45 * outputs as u64);
        let each = Amount::from_quanta((sum - fee) / outputs as u64).expect("less than exists");
        let output = TxOut { amount: each, lock: Lock::Address(self.address) };
        let body = TxBody {
            version: TxBody::VERSION,
            inputs: inputs.iter().map(|(at, _)| *at).collect(),
            outputs: vec![output; outputs],
            lock_height: Height(0),
            expiry_height: Height(0),
        };
        let spent: Vec<_> = inputs.iter().map(|(_, coin)| coin.to_output()).collect();
        let proofs = vec![Proof::Signature(self.key.sign_deterministic(&body.sighash(&self.spec.chain_id(), &spent)))];
        let conditions = Conditions::key(self.key.public_key().clone());
        Transaction { body, witnesses: vec![Witness { conditions, path: Default::default(), proofs }] }
    }

    /// The coins that a transaction makes in a block of this height.
    pub(crate) fn made(&self, transaction: &Transaction, height: Height) -> Vec<Owned> {
        let txid = transaction.txid();
        let outputs = transaction.body.outputs.iter().zip(0..);
        outputs
            .filter_map(|(output, index)| Some((OutPoint { txid, index }, Coin::of_output(output, height, false)?)))
            .collect()
    }

    /// How long one raw verification takes on one processor now, in seconds.
    pub(crate) fn raw_verification_seconds(&self) -> f64 {
        let job = self.raw_job();
        let started = Instant::now();
        let mut count = 0;
        while started.elapsed() < RAW_TIME {
            job();
            count += 1;
        }
        started.elapsed().as_secs_f64() / f64::from(count)
    }

    /// What raw verifications cost while all processors are busy with them.
    pub(crate) fn raw_on_all_processors(&self) -> RawOnAll {
        let job = self.raw_job();
        let (started, before) = (Instant::now(), processor_time());
        let mut count = 0;
        while started.elapsed() < RAW_TIME {
            (0..200).into_par_iter().for_each(|_| job());
            count += 200;
        }
        let each = |time: Duration| time.as_secs_f64() / f64::from(count);
        RawOnAll { seconds: each(started.elapsed()), processor_seconds: each(processor_time() - before) }
    }

    fn raw_job(&self) -> impl Fn() + Sync {
        let message = [9; 32];
        let signature = self.key.sign_deterministic(&message);
        let key = self.key.public_key().clone();
        move || key.verify(&message, &signature).expect("signed just now")
    }
}

/// What one raw verification costs while all processors are busy with them.
#[derive(Clone, Copy)]
pub(crate) struct RawOnAll {
    /// Of the time that passes.
    pub(crate) seconds: f64,
    /// Of the time that processors compute: more than alone, where they share a core.
    pub(crate) processor_seconds: f64,
}

/// For how long raw verifications are measured.
const RAW_TIME: Duration = Duration::from_millis(500);

/// The time that all threads of this process have computed.
pub(crate) fn processor_time() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
    let usage = usage.expect("asks for nothing special");
    let duration = |time: nix::sys::time::TimeVal| {
        Duration::new(u64::try_from(time.tv_sec()).unwrap_or(0), 1_000 * u32::try_from(time.tv_usec()).unwrap_or(0))
    };
    duration(usage.user_time()) + duration(usage.system_time())
}

/// A node of the bench's own.
pub(crate) struct BenchNode {
    pub(crate) node: Node,
    thread: DriverThread,
}

impl BenchNode {
    pub(crate) fn start(folder: &Path, spec: &Arc<ChainSpec>) -> anyhow::Result<Self> {
        Self::start_knowing(folder, spec, VerifiedCache::new(VERIFIED_CACHE_ENTRIES))
    }

    pub(crate) fn start_knowing(folder: &Path, spec: &Arc<ChainSpec>, cache: VerifiedCache) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let store = Store::open(&folder.join("chain.redb"), Arc::clone(spec), &StoreOptions::default())?;
        let policy = Policy { tx_bytes_max: spec.consensus().limits.tx_bytes, ..Policy::default() };
        let options = DriverOptions { policy, ..DriverOptions::default() };
        let (node, thread) = start_knowing(store, Arc::new(Metrics::new("bench")), options, cache)?;
        Ok(Self { node, thread })
    }

    /// One that has a whole chain, and shows it: what is imported is shown once it is written.
    pub(crate) async fn with_chain(folder: &Path, spec: &Arc<ChainSpec>, chain: &MadeChain) -> anyhow::Result<Self> {
        let bench = Self::start(folder, spec)?;
        let done = import_knowing(&bench.node, File::open(&chain.path)?, VerifiedCache::new(1), |_| {}).await?;
        let mut tips = bench.node.tip();
        tokio::time::timeout(WRITTEN_WITHIN, tips.wait_for(|tip| u64::from(tip.height.0) == done.blocks)).await??;
        Ok(bench)
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.node.stop();
        tokio::task::spawn_blocking(|| self.thread.join()).await?;
        if let Some(fault) = self.node.fault() { Err(fault.clone().into()) } else { Ok(()) }
    }

    /// A block on the tip, from what the mempool has.
    pub(crate) fn mine(&self, miner: Address) -> anyhow::Result<CheckedBlock> {
        let template = self.node.template(&Payout::to(miner))?;
        let mut solution = Solution {
            version: template.context().version,
            time: template.time_min(),
            nonce: 0,
            extranonce: [0; EXTRANONCE_BYTES],
        };
        loop {
            match template.checked_block(&solution, self.node.spec()) {
                Ok(block) => return Ok(block),
                Err(_) => solution.nonce += 1,
            }
        }
    }

    /// Gives the mempool transactions, and returns their number of bytes.
    pub(crate) async fn submit(&self, transactions: Vec<Transaction>) -> anyhow::Result<()> {
        let submissions = transactions.into_iter().map(|tx| {
            let node = self.node.clone();
            tokio::spawn(async move { node.submit_transaction(tx).await })
        });
        for submission in submissions.collect::<Vec<_>>() {
            submission.await??;
        }
        Ok(())
    }
}

/// A file of blocks, and what is in it.
pub(crate) struct MadeChain {
    pub(crate) path: std::path::PathBuf,
    pub(crate) signatures: u64,
    pub(crate) coin_operations: u64,
    /// All transactions, as verified.
    pub(crate) known: Vec<qbtc_core::hash::Wtxid>,
}

/// Makes a chain of blocks with as many transactions as there are groups of coins; each spends its group and makes as many coins.
pub(crate) async fn make_chain(
    folder: &Path,
    owner: &Owner,
    mut groups: Vec<Vec<Owned>>,
    blocks: u32,
    tell: &dyn Fn(&str),
) -> anyhow::Result<MadeChain> {
    let maker = BenchNode::start(&folder.join("maker"), &owner.spec)?;
    let path = folder.join("blocks");
    let mut file = BlocksWriter::new(BufWriter::new(File::create(&path)?));
    let mut made = MadeChain { path, signatures: 0, coin_operations: 0, known: Vec::new() };
    let nobody = Address::from_bytes([1; 32]);
    for number in 0..blocks {
        let transactions: Vec<_> = groups.par_iter().map(|coins| owner.pay(coins, coins.len())).collect();
        let height = maker.node.live().pool.height();
        groups = transactions.iter().map(|tx| owner.made(tx, height)).collect();
        maker.submit(transactions).await?;
        let block = maker.mine(nobody)?;
        anyhow::ensure!(block.transactions().len() == groups.len(), "a block does not hold all transactions");
        for tx in block.transactions() {
            made.known.push(tx.wtxid());
            made.signatures += 1;
            made.coin_operations += (tx.body().inputs.len() + tx.body().outputs.len()) as u64;
        }
        file.write(&block.to_block().to_bytes())?;
        maker.node.submit_checked(block).await?;
        if number % 50 == 49 {
            tell(&format!("made {} of {blocks} blocks", number + 1));
        }
    }
    file.finish()?;
    maker.stop().await?;
    std::fs::remove_dir_all(folder.join("maker"))?;
    Ok(made)
}
