//! Signatures are verified before it is their block's turn, so that blocks do not wait for each other.
//!
//! What is signed depends on the coins that are spent, and these on the chain up to the block. But an outpoint names a coin for good: the
//! coins of the chain as it is shown, and those that the blocks in between make, are enough to verify signatures. Nothing is decided
//! here: the driver looks at every coin and every rule in its turn, and verifies what was not found, or did not pass.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use qbtc_core::crypto::verify_serial;
use qbtc_core::hash::Txid;
use qbtc_core::tx::OutPoint;
use qbtc_core::units::Height;
use qbtc_core::utxo::{Coin, CoinView};
use qbtc_core::verify::{CheckedBlock, CheckedTx, ResolvedTx, VerifiedCache, resolve_transaction};
use rayon::prelude::*;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::RUNS_AHEAD_MAX;
use crate::node::{Fault, Node, Verified};
use crate::store::{ChainView, StoreError};

/// Blocks that came through the rules that need no chain, and why others did not.
pub(crate) type Checked<E> = Vec<Result<Arc<CheckedBlock>, E>>;

/// A run of blocks on its way there.
pub(crate) type Checking<E> = oneshot::Receiver<Checked<E>>;

/// A run of blocks the signatures of which are being verified.
pub(crate) struct Verifying<E> {
    pub(crate) blocks: Checked<E>,
    pub(crate) verified: oneshot::Receiver<Vec<Verified>>,
}

/// The most bytes of blocks whose coins are looked for here because the chain does not show them yet: more than the driver collects
/// before it writes.
const UNSHOWN_BYTES_MAX: u64 = 160 << 20;

/// Has the signatures of blocks verified that are not known, in their order. What is no block passes through in its place.
pub(crate) fn verify_ahead<E: From<Fault> + Send + 'static>(
    node: &Node,
    known: VerifiedCache,
    mut runs: mpsc::Receiver<Checking<E>>,
) -> mpsc::Receiver<Verifying<E>> {
    let (sender, receiver) = mpsc::channel(RUNS_AHEAD_MAX);
    let (node, runtime) = (node.clone(), Handle::current());
    tokio::task::spawn_blocking(move || {
        let (mut tip, mut unshown) = (node.tip(), Unshown::default());
        loop {
            let next = runtime.block_on(async {
                tokio::select! {
                    biased;
                    checking = runs.recv() => Some(checking),
                    // No run may come for days: what the chain shows meanwhile is given up all the same.
                    Ok(()) = tip.changed() => None,
                }
            });
            let Some(checking) = next else {
                unshown.forget_shown(tip.borrow_and_update().height);
                continue;
            };
            let Some(checking) = checking else { return };
            // It fails if whoever checked them is gone.
            let blocks = checking.blocking_recv().unwrap_or_else(|_| vec![Err(Fault::Stopping.into())]);
            let verified = verify(&node, &known, &mut unshown, blocks.iter().flatten());
            if sender.blocking_send(Verifying { blocks, verified }).is_err() {
                return;
            }
        }
    });
    receiver
}

fn verify<'a>(
    node: &Node,
    known: &VerifiedCache,
    unshown: &mut Unshown,
    blocks: impl Iterator<Item = &'a Arc<CheckedBlock>>,
) -> oneshot::Receiver<Vec<Verified>> {
    // For as long as one run takes: what changes on the disk while a view is kept takes more of it.
    let shown = node.chain();
    unshown.forget_shown(shown.state().height());
    let mut resolved: Vec<ResolvedTx> = Vec::new();
    for block in blocks {
        unshown.push(block);
        let coins = CoinsAhead { shown: &shown, unshown };
        let height = block.coinbase().height;
        let unknown: Vec<&Arc<CheckedTx>> = {
            let live = node.live();
            // What is in the pool was verified when it came.
            let is_unknown = |tx: &&Arc<CheckedTx>| live.pool.entry_by_wtxid(&tx.wtxid()).is_none();
            block.transactions().iter().filter(is_unknown).collect()
        };
        let resolve = |tx| resolve_transaction(tx, height, &coins, known, node.spec()).ok();
        resolved.extend(unknown.into_iter().filter_map(resolve));
    }
    let (sender, verified) = oneshot::channel();
    rayon::spawn(move || {
        let passes = |tx: &ResolvedTx| {
            let holds_from = tx.holds_from()?;
            verify_serial(&tx.jobs()).is_ok().then(|| (tx.tx().wtxid(), holds_from))
        };
        // Nobody waits for it any more if the import has ended early.
        drop(sender.send(resolved.par_iter().filter_map(passes).collect()));
    });
    verified
}

/// The blocks that the chain may not show yet.
#[derive(Default)]
struct Unshown {
    /// By the height that each states: one that states another than it will have keeps no others here.
    blocks: BTreeMap<Height, Vec<Arc<CheckedBlock>>>,
    bytes: u64,
    /// The block of each of their transactions, with its place in it: 0 for the coinbase.
    makers: HashMap<Txid, (Arc<CheckedBlock>, usize)>,
}

impl Unshown {
    /// Adds a block, and gives up the lowest where there are too many.
    fn push(&mut self, block: &Arc<CheckedBlock>) {
        self.bytes += u64::from(block.size_bytes());
        self.blocks.entry(block.coinbase().height).or_default().push(Arc::clone(block));
        for (place, txid) in txids(block).enumerate() {
            self.makers.insert(txid, (Arc::clone(block), place));
        }
        self.forget_while(|_, bytes| bytes > UNSHOWN_BYTES_MAX);
    }

    /// Gives up those that the chain shows, up to this height.
    fn forget_shown(&mut self, height: Height) {
        self.forget_while(|lowest, _| lowest <= height);
    }

    fn forget_while(&mut self, may_go: impl Fn(Height, u64) -> bool) {
        while let Some(lowest) = self.blocks.first_entry()
            && may_go(*lowest.key(), self.bytes)
        {
            for block in lowest.remove() {
                self.bytes -= u64::from(block.size_bytes());
                for txid in txids(&block) {
                    self.makers.remove(&txid);
                }
            }
        }
    }
}

/// The coins that a block may spend, whether they are spent already or not.
struct CoinsAhead<'a> {
    shown: &'a ChainView,
    unshown: &'a Unshown,
}

impl CoinView for CoinsAhead<'_> {
    type Error = StoreError;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        let Some((block, place)) = self.unshown.makers.get(&outpoint.txid) else { return self.shown.coin(outpoint) };
        let outputs = match place.checked_sub(1) {
            None => &block.coinbase().outputs,
            Some(place) => &block.transactions()[place].body().outputs,
        };
        let output = usize::try_from(outpoint.index).ok().and_then(|index| outputs.get(index));
        Ok(output.and_then(|output| Coin::of_output(output, block.coinbase().height, *place == 0)))
    }
}

/// The ids of a block's transactions, that of the coinbase first.
fn txids(block: &CheckedBlock) -> impl Iterator<Item = Txid> {
    [block.coinbase_id()].into_iter().chain(block.transactions().iter().map(|tx| tx.txid()))
}
