//! What the fuzz targets and the program that writes their seeds share: chains from core's own tests, with something to spend.

#[path = "../../../core/tests/sync/desk.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "core's tests use the rest, and stop at their first surprise")]
mod desk_of_tests;
#[path = "../../../core/tests/support/history.rs"]
mod history;
pub mod light;
#[path = "../../../core/tests/support/mod.rs"]
pub mod support;
pub mod sync;

use std::num::TryFromIntError;

use qbtc_core::block::Block;
use qbtc_core::commit::flyclient::{HeaderRules, Sampling, verify};
use qbtc_core::commit::mmr::BlockProof;
use qbtc_core::hash::BlockHash;
use qbtc_core::pow::Difficulty;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction};
use qbtc_core::units::Height;
use qbtc_core::utxo::Coin;

use history::History;
use support::{ALLOTTED, TestChain, TestKey, pay};

/// The height of the next block of [`Scene::new`].
pub const NEXT: Height = Height(5);

/// How many blocks the history has that proofs are about: some before the 100 that every sampled proof shows.
pub const HISTORY_BLOCKS: u32 = 130;

/// A chain on which coins wait to be spent.
pub struct Scene {
    /// The chain.
    pub chain: TestChain,
    /// Its blocks but the first.
    pub blocks: Vec<Block>,
    /// Whose coins they are.
    pub key: TestKey,
    /// The coins, mature in the next block.
    pub coins: Vec<(OutPoint, Coin)>,
}

impl Scene {
    /// A chain of [`NEXT`] blocks.
    #[must_use]
    pub fn new() -> Self {
        let mut chain = TestChain::new();
        let mut parent = chain.genesis();
        let mut blocks = Vec::new();
        for _ in 1..NEXT.0 {
            let block = chain.extend(&parent, Vec::new());
            parent = block.id();
            blocks.push(block);
        }
        let key = TestKey::new(0);
        let coins = chain.tip(&parent).spendable(key.address(), &chain.spec);
        Self { chain, blocks, key, coins }
    }

    /// The last block.
    #[must_use]
    pub fn tip(&self) -> BlockHash {
        self.blocks.last().map_or_else(|| self.chain.genesis(), Block::id)
    }

    /// A payment of the coin at this place, all of it, to its owner.
    #[must_use]
    pub fn payment(&self, place: usize) -> Transaction {
        self.key.spend(&self.coins[place..=place], vec![pay(self.key.address(), ALLOTTED)], &self.chain.spec)
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

/// The rules of the chain that proofs are about.
#[must_use]
pub fn history_rules() -> HeaderRules {
    History::new(Difficulty::Fixed, 60, 2).rules
}

fn history() -> History {
    History::honest(Difficulty::Fixed, 60, 2, HISTORY_BLOCKS)
}

/// A proof that a block is part of the history.
#[must_use]
pub fn block_proof() -> BlockProof {
    let history = history();
    let node = |position: u64| Ok::<_, TryFromIntError>(history.nodes[usize::try_from(position)?]);
    BlockProof::new(history.headers[77], Height(77), HISTORY_BLOCKS, node).expect("the nodes are there")
}

/// How sampled proofs are made and checked: with so few bits that a few samples do.
#[must_use]
pub fn sampling() -> Sampling {
    Sampling::receipt().with_security_bits(8)
}

/// A proof of the history from samples.
#[must_use]
pub fn sampled_proof() -> Vec<u8> {
    let history = history();
    let proof = history.proof(&sampling());
    verify(&proof, &sampling(), &history.rules).expect("the history is honest");
    proof
}

/// A chain with blocks of at most 160 KiB, so that inputs can be longer than what a message may have.
#[must_use]
pub fn small_blocks() -> ChainSpec {
    desk_of_tests::spec()
}
