//! The chain of one node, in memory: headers, coins, mempool; moved as the native node moves its own.
//!
//! A block is stored, marked complete, and the tip goes to the best complete block; what turns out to be invalid is marked so. What a crash
//! would find on the disk is a log of all that was written, up to the last flush.

use std::sync::Arc;

use qbtc_core::chain::{ChainState, HeaderTree, InsertError, Inserted, Path, Status};
use qbtc_core::crypto::verify_serial;
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::lock::Address;
use qbtc_core::mempool::{Mempool, Payout, Policy, Solution, TemplateContext, TipChange};
use qbtc_core::net::{HEADERS_MAX, SyncAnswer, SyncQuestion};
use qbtc_core::sync::{BlockOutcome, Body};
use qbtc_core::tx::Transaction;
use qbtc_core::units::{BlockTime, Height};
use qbtc_core::utxo::{CoinView, MemoryCoins};
use qbtc_core::verify::{CheckedBlock, CheckedTx};

use super::library::Library;

/// The most blocks of one move, as in the native node.
const MOVE_BLOCKS_MAX: usize = 64;

/// A node's chain.
pub(super) struct Chain {
    pub(super) tree: HeaderTree,
    pub(super) coins: MemoryCoins,
    pub(super) state: ChainState,
    pub(super) pool: Mempool,
    log: Vec<Logged>,
    /// How much of the log a crash leaves.
    flushed: usize,
}

/// What a node writes to its disk.
enum Logged {
    Header(Header),
    Body(BlockHash),
    Invalid(BlockHash),
    Tip(BlockHash),
}

/// How a tip moved.
pub(super) struct Moved {
    pub(super) left: usize,
}

impl Chain {
    pub(super) fn new(library: &Library) -> Self {
        let spec = library.spec();
        let genesis = library.valid(&spec.genesis().id()).expect("the genesis block is valid");
        let mut coins = MemoryCoins::default();
        coins.apply(genesis.block.diff()).expect("no coin is there yet");
        Self {
            tree: HeaderTree::new(spec),
            coins,
            state: ChainState::genesis(spec),
            pool: Mempool::new(Policy::default(), Height(1)),
            log: Vec::new(),
            flushed: 0,
        }
    }

    pub(super) fn has_body(&self, id: &BlockHash) -> bool {
        self.tree.node(id).is_some_and(qbtc_core::chain::HeaderNode::has_body)
    }

    pub(super) fn take_header(
        &mut self,
        header: Header,
        clock: BlockTime,
        library: &Library,
    ) -> Result<Inserted, InsertError> {
        let inserted = self.tree.insert(header, clock, library.spec())?;
        if inserted == Inserted::New {
            self.log.push(Logged::Header(header));
        }
        Ok(inserted)
    }

    /// Takes a body that the machine hands out.
    pub(super) fn take_body(
        &mut self,
        id: &BlockHash,
        body: &Body,
        clock: BlockTime,
        library: &mut Library,
    ) -> (BlockOutcome, Vec<Moved>) {
        let read = match body {
            Body::Bytes(bytes) => library.read(&bytes.0),
            Body::Checked(block) => Ok(Arc::clone(block)),
        };
        match read {
            Ok(block) => self.take_block(&block, clock, library),
            Err(outcome) => {
                if outcome == BlockOutcome::Invalid && self.tree.mark_invalid(id).is_ok() {
                    self.log.push(Logged::Invalid(*id));
                }
                (outcome, Vec::new())
            }
        }
    }

    /// Stores a block and goes where the most work is.
    pub(super) fn take_block(
        &mut self,
        block: &Arc<CheckedBlock>,
        clock: BlockTime,
        library: &mut Library,
    ) -> (BlockOutcome, Vec<Moved>) {
        let id = block.id();
        library.add(block);
        if self.take_header(*block.header(), clock, library).is_err() {
            return (BlockOutcome::Invalid, Vec::new());
        }
        if self.has_body(&id) {
            return (BlockOutcome::Stored, Vec::new());
        }
        self.tree.add_body(&id).expect("its header was inserted just now");
        self.log.push(Logged::Body(id));
        let moved = self.advance(clock, library);
        let is_invalid = self.tree.node(&id).is_some_and(|node| node.status() == Status::Invalid);
        (if is_invalid { BlockOutcome::Invalid } else { BlockOutcome::Stored }, moved)
    }

    fn advance(&mut self, clock: BlockTime, library: &mut Library) -> Vec<Moved> {
        let mut moves = Vec::new();
        while let Some(path) = self.next_path() {
            if let Some(invalid) = path.connect.iter().find(|id| library.verify(id).is_err()) {
                self.tree.mark_invalid(invalid).expect("a block of the path is in the tree");
                self.log.push(Logged::Invalid(*invalid));
                continue;
            }
            self.go(&path, clock, library);
            moves.push(Moved { left: path.disconnect.len() });
        }
        moves
    }

    /// The way to a better tip, if there is one. Of two with equal work, the first seen stays.
    fn next_path(&self) -> Option<Path> {
        let (tip, best) = (self.state.tip(), self.tree.best_complete());
        let current = self.tree.node(&tip)?;
        let is_better = current.status() == Status::Invalid || best.work() > current.work();
        if best.id() == tip || !is_better {
            return None;
        }
        self.tree.path(&tip, &best.id(), MOVE_BLOCKS_MAX)
    }

    fn go(&mut self, path: &Path, clock: BlockTime, library: &mut Library) {
        let mut change = (Vec::new(), Vec::new());
        for id in &path.disconnect {
            let valid = library.valid(id).expect("it was connected before");
            self.coins.apply(&valid.block.diff().clone().reversed()).expect("it made these coins");
            change.0.push(valid.block.block().clone());
        }
        for id in &path.connect {
            let valid = library.valid(id).expect("it was verified just now");
            self.coins.apply(valid.block.diff()).expect("it was verified on this chain");
            change.1.push(valid.block.clone());
        }
        let tip = path.connect.last().unwrap_or(&path.fork);
        self.state = library.valid(tip).expect("it is part of a valid chain").state.clone();
        self.log.push(Logged::Tip(*tip));
        let spec = library.spec().clone();
        let change = TipChange { disconnected: &change.0, connected: &change.1 };
        let Ok(_) = self.pool.move_tip(&change, &self.coins, &mut library.cache, &spec, clock, verify_serial);
    }

    /// Takes a transaction into the mempool, if it is valid.
    pub(super) fn admit(&mut self, tx: &Arc<CheckedTx>, clock: BlockTime, library: &mut Library) -> bool {
        let Ok(candidate) = self.pool.resolve(tx, &self.coins, &library.cache, library.spec(), clock) else {
            return false;
        };
        let Ok(candidate) = candidate.verify(verify_serial) else { return false };
        self.pool.insert(candidate, &mut library.cache, clock).is_ok()
    }

    /// The next block on the tip, without its work: its header, and what makes a block of a header.
    pub(super) fn template(&self, address: Address, library: &Library) -> qbtc_core::mempool::BlockTemplate {
        let tip = self.state.tip();
        let spec = library.spec();
        let context = TemplateContext {
            parent: tip,
            height: self.state.height().next().expect("simulated chains are short"),
            version: 0x2000_0000,
            bits: self.tree.next_bits(&tip, spec).expect("the tip is in the tree"),
            median_time_past: self.tree.median_time(&tip).expect("the tip is in the tree"),
            history_root: self.state.history_root(),
        };
        self.pool.template(&context, &Payout::to(address), spec).expect("the pool follows the tip")
    }

    /// Mines a block on the tip.
    pub(super) fn mine(&self, address: Address, number: u64, clock: BlockTime, library: &Library) -> Arc<CheckedBlock> {
        let template = self.template(address, library);
        let mut solution = solution(number, template.time_min().max(clock));
        while library.spec().consensus().pow.check_work(&template.header(&solution)).is_err() {
            solution.nonce += 1;
        }
        Arc::new(template.checked_block(&solution, library.spec()).expect("a template with work is a block"))
    }

    /// Answers a question as the protocol says. A block at hand is one that is on its way into the chain.
    pub(super) fn answer(
        &self,
        question: &SyncQuestion,
        at_hand: impl Fn(&BlockHash) -> Option<Arc<CheckedBlock>>,
        library: &mut Library,
    ) -> SyncAnswer {
        let block = |id: &BlockHash, library: &Library| {
            if self.has_body(id) { library.body(id).cloned() } else { at_hand(id) }
        };
        match question {
            SyncQuestion::Headers { locator } => {
                // Of the chain that is connected, not of headers that may turn out to be invalid.
                let tip = self.state.tip();
                let from = self.tree.locate(locator, &tip).id();
                let following = self.tree.following(&from, &tip, HEADERS_MAX);
                SyncAnswer::Headers(following.into_iter().map(|node| *node.header()).collect())
            }
            SyncQuestion::Blocks { ids } => {
                let found: Vec<_> = ids.iter().map_while(|id| block(id, library)).collect();
                let bytes: Vec<_> = found.iter().map(|block| library.bytes(block).to_vec()).collect();
                SyncAnswer::of_blocks(bytes, library.spec())
            }
            SyncQuestion::Transactions { wtxids } => {
                let found = wtxids.iter().filter_map(|wtxid| self.pool.entry_by_wtxid(wtxid));
                let transactions: Vec<Transaction> = found.map(|entry| entry.tx().transaction().clone()).collect();
                SyncAnswer::of_transactions(transactions, library.spec())
            }
            SyncQuestion::BlockTransactions { block: id, places } => {
                let found = block(id, library).and_then(|block| {
                    let at = |place: &u32| {
                        let tx = block.transactions().get(usize::try_from(*place).ok()?)?;
                        Some(tx.transaction().clone())
                    };
                    places.iter().map(at).collect::<Option<Vec<_>>>()
                });
                SyncAnswer::BlockTransactions(found.unwrap_or_default())
            }
        }
    }

    /// Writes everything.
    pub(super) fn flush(&mut self) {
        self.flushed = self.log.len();
    }

    /// What is left after a crash: the chain as of the last flush, and an empty mempool.
    pub(super) fn after_crash(&mut self, clock: BlockTime, library: &mut Library) -> Self {
        let mut chain = Self::new(library);
        let mut tip = None;
        for logged in self.log.drain(..).take(self.flushed) {
            // A header that the clock refuses now is left out with all that builds on it, as when a node reads its store.
            match &logged {
                Logged::Header(header) => drop(chain.tree.insert(*header, clock, library.spec())),
                Logged::Body(id) => drop(chain.tree.add_body(id)),
                Logged::Invalid(id) => drop(chain.tree.mark_invalid(id)),
                Logged::Tip(id) => tip = Some(*id),
            }
            chain.log.push(logged);
        }
        chain.flushed = chain.log.len();
        if let Some(tip) = tip {
            while let Some(path) = chain.tree.path(&chain.state.tip(), &tip, MOVE_BLOCKS_MAX)
                && !path.is_empty()
            {
                chain.go(&path, clock, library);
            }
        }
        chain.advance(clock, library);
        chain
    }

    /// The coin that a transaction in the next block could spend.
    pub(super) fn spendable(&self, at: &qbtc_core::tx::OutPoint) -> Option<qbtc_core::utxo::Coin> {
        let Ok(coin) = self.pool.view(&self.coins).coin(at);
        coin
    }
}

/// Work still to be found, with coinbases that differ.
pub(super) fn solution(number: u64, time: BlockTime) -> Solution {
    let mut extranonce = [0; 12];
    extranonce[..8].copy_from_slice(&number.to_le_bytes());
    Solution { version: 0x2000_0000, time, nonce: 0, extranonce }
}
