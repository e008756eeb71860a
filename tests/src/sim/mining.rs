//! Blocks and payments: who finds and makes them, and when.

use std::sync::Arc;

use qbtc_core::net::CompactBlock;
use qbtc_core::sync::Input;
use qbtc_core::tx::{OutPoint, Transaction};
use qbtc_core::units::Target;
use qbtc_core::utxo::Coin;
use qbtc_core::verify::{CheckedBlock, check_transaction};

use super::link::{Gossip, Message};
use super::money::FIRST_WORK;
use super::queue::Event;
use super::scenario::Scenario;
use super::trace::Note;
use super::world::{Spread, World};

impl World {
    /// The chain that all but fresh nodes have when the run begins: blocks exactly as far apart as they should be.
    pub(super) fn first_chain(&mut self) -> Vec<Arc<CheckedBlock>> {
        let mut chain = super::chain::Chain::new(&self.library);
        let begin = self.library.spec().genesis().header.time;
        let blocks = 1..=self.scenario.blocks;
        let mine = |height: u32| {
            let clock = begin.saturating_add(height * Scenario::SPACING_S);
            self.number += 1;
            let block = chain.mine(self.purse.address(), self.number, clock, &self.library);
            chain.take_block(&block, clock, &mut self.library);
            block
        };
        blocks.map(mine).collect()
    }

    /// Schedules when a node finds its next block: the more work it takes, the later.
    pub(super) fn mine_later(&mut self, at: usize) {
        let node = &self.nodes[at];
        if node.mining_permille == 0 {
            return;
        }
        let spec = self.library.spec();
        let bits = node.chain.tree.next_bits(&node.chain.state.tip(), spec).expect("the tip is in the tree");
        let work = Target::from_compact(bits).expect("the bits of the next block").work().to_be_bytes();
        let (_, low) = work.split_last_chunk().expect("32 bytes have a last 8");
        let mean_ms = u64::from(Scenario::SPACING_S) * 1_000 * u64::from_be_bytes(*low) / FIRST_WORK;
        let wait_ms = self.random.exponential(mean_ms * 1_000 / node.mining_permille);
        self.queue.add(self.now_ms + wait_ms, Event::Mine { node: at });
    }

    pub(super) fn mine(&mut self, at: usize) {
        let node = &self.nodes[at];
        if self.is_mining && node.is_up && node.is_synced {
            if node.is_honest() {
                self.find_block(at);
            } else {
                self.mine_as_liar(at);
            }
        }
        self.mine_later(at);
    }

    /// The last block: after it, all must agree on it.
    pub(super) fn find_last_block(&mut self) {
        let miner = (0..self.scenario.nodes).find(|at| self.nodes[*at].mining_permille > 0).expect("somebody mines");
        self.find_block(miner);
    }

    pub(super) fn find_block(&mut self, at: usize) {
        let clock = self.clock_of(at);
        self.number += 1;
        let block = self.nodes[at].chain.mine(self.purse.address(), self.number, clock, &self.library);
        self.found(at, &block);
        let compact = CompactBlock::new(&block, self.random.next(), |_| false);
        self.announce(at, compact);
        self.feed(at, Input::Tick);
    }

    /// A node takes the block that it found.
    pub(super) fn found(&mut self, at: usize, block: &Arc<CheckedBlock>) {
        self.report.mined += 1;
        self.note(Note::Mined { node: at, height: block.coinbase().height.0, id: block.id() });
        let clock = self.clock_of(at);
        let (_, moves) = self.nodes[at].chain.take_block(block, clock, &mut self.library);
        self.spread.insert(block.id(), Spread { found_ms: self.now_ms, nodes: 0, last_ms: self.now_ms });
        self.moved(at, &block.id(), &moves);
    }

    /// Sends a compact block to everybody that a node is connected to.
    pub(super) fn announce(&mut self, at: usize, compact: CompactBlock) {
        let gossip = Gossip::block(compact);
        self.nodes[at].sees(gossip.key);
        self.pass_on(at, &gossip, None);
    }

    pub(super) fn pay_later(&mut self) {
        if let Some(mean_ms) = 3_600_000_u64.checked_div(self.scenario.payments) {
            let wait_ms = self.random.exponential(mean_ms);
            self.queue.add(self.now_ms + wait_ms, Event::Pay);
        }
    }

    /// Somebody pays at some node, if there is a coin to be spent there.
    pub(super) fn pay(&mut self) {
        let at = self.random.place(self.scenario.nodes);
        if self.is_mining
            && self.nodes[at].is_up
            && let Some((slot, transaction)) = self.payment(at)
        {
            let txid = transaction.txid();
            let tx =
                check_transaction(transaction, self.library.spec().consensus()).expect("a payment keeps the rules");
            let (tx, clock) = (Arc::new(tx), self.clock_of(at));
            if self.nodes[at].chain.admit(&tx, clock, &mut self.library) {
                self.report.payments += 1;
                self.coins[slot].push(OutPoint { txid, index: 0 });
                let gossip = Gossip::transaction(tx);
                self.nodes[at].sees(gossip.key);
                self.pass_on(at, &gossip, None);
            }
        }
        self.pay_later();
    }

    /// A payment that a node would take, and which of the coins it moves.
    pub(super) fn payment(&mut self, at: usize) -> Option<(usize, Transaction)> {
        let data: Vec<u8> = vec![0; self.scenario.payment_bytes];
        let (slot, outpoint, coin) = self.coin_to_spend(at)?;
        Some((slot, self.purse.pay(outpoint, &coin, &data, self.library.spec())))
    }

    /// One of the coins, as far as a node can spend it: its number, where it is, and what it is.
    pub(super) fn coin_to_spend(&mut self, at: usize) -> Option<(usize, OutPoint, Coin)> {
        let slot = self.random.place(self.coins.len());
        let (chain, spec) = (&self.nodes[at].chain, self.library.spec());
        // Where the coin is as this node sees it: a reorg may have taken its last moves back.
        let (outpoint, coin) = self.coins[slot].iter().rev().find_map(|at| Some((*at, chain.spendable(at)?)))?;
        let next = chain.state.height().next()?;
        self.purse.can_spend(&coin, next, spec).then_some((slot, outpoint, coin))
    }

    /// Sends something to all peers but the one from which it came.
    pub(super) fn pass_on(&mut self, at: usize, gossip: &std::rc::Rc<Gossip>, from: Option<u64>) {
        let links: Vec<u64> = self.nodes[at].peers.keys().copied().filter(|link| Some(*link) != from).collect();
        for link in links {
            self.send(at, link, Message::Gossip(std::rc::Rc::clone(gossip)));
        }
    }
}
