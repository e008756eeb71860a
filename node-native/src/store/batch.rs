//! Changes that wait to be written.
//!
//! Each change set is merged into what waits already, so that a coin that is made and spent between two commits never reaches the
//! disk: that, and sorted keys, is what makes synchronising fast.

use std::collections::HashMap;
use std::sync::Arc;

use qbtc_core::chain::{ChainState, ChangeSet};
use qbtc_core::commit::mmr::{Node, nodes_len};
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::units::Height;
use qbtc_core::utxo::{CoinDiff, DiffError};
use qbtc_core::verify::{CheckedBlock, VerifiedBlock};

/// What leads from the stored chain to another, merged, and blocks and headers that are stored beside it.
///
/// Invariant: `chain` stands on the stored chain's first `keeps` blocks, and `left` are the stored chain's blocks above them.
#[derive(Debug)]
pub struct Batch {
    /// How many blocks of the stored chain stay.
    pub(super) keeps: u32,
    /// The stored chain's blocks that leave, the tip first.
    pub(super) left: Vec<CheckedBlock>,
    /// The blocks that enter, the lowest first.
    pub(super) chain: Vec<VerifiedBlock>,
    /// The nodes that they append to the history.
    pub(super) nodes: Vec<Node>,
    /// How the coins change.
    pub(super) coins: CoinDiff,
    /// The chain afterwards.
    pub(super) state: ChainState,
    /// Headers that are new, in the order of their arrival.
    pub(super) headers: Vec<Header>,
    /// Blocks that are new and not in the chain.
    pub(super) aside: HashMap<BlockHash, Arc<CheckedBlock>>,
    /// Blocks that were found invalid (true), or are to be tried again (false).
    pub(super) invalid: Vec<(BlockHash, bool)>,
    /// Where in `chain` a block is.
    places: HashMap<BlockHash, usize>,
    bytes: usize,
}

impl Batch {
    /// No changes to a chain.
    #[must_use]
    pub fn new(state: ChainState) -> Self {
        Self {
            keeps: state.history().blocks(),
            left: Vec::new(),
            chain: Vec::new(),
            nodes: Vec::new(),
            coins: CoinDiff::default(),
            state,
            headers: Vec::new(),
            aside: HashMap::new(),
            invalid: Vec::new(),
            places: HashMap::new(),
            bytes: 0,
        }
    }

    /// What makes the genesis block's chain out of nothing.
    pub(super) fn genesis(change: ChangeSet) -> Self {
        let mut batch = Self { keeps: 0, ..Self::new(change.state.clone()) };
        batch.headers.extend(change.connected.iter().map(|block| *block.block().header()));
        batch.nodes = change.history_nodes;
        batch.coins = change.coins;
        batch.chain = change.connected;
        batch
    }

    /// Adds a header, in the order of arrival.
    pub fn push_header(&mut self, header: Header) {
        self.bytes += Header::BYTES;
        self.headers.push(header);
    }

    /// Adds a block that is not in the chain, at least not yet.
    pub fn push_aside(&mut self, block: Arc<CheckedBlock>) {
        self.bytes += block.size_bytes() as usize;
        self.aside.insert(block.id(), block);
    }

    /// Notes that a block was found invalid, or that it is to be tried again.
    pub fn set_invalid(&mut self, id: BlockHash, is_invalid: bool) {
        self.invalid.push((id, is_invalid));
    }

    /// Adds a move of the chain.
    ///
    /// # Errors
    /// [`DiffError`], if the move does not start where these changes end: a fault of the program.
    pub fn push(&mut self, change: ChangeSet) -> Result<(), DiffError> {
        self.coins = std::mem::take(&mut self.coins).then(&change.coins)?;
        let stays = change.history_keeps.saturating_sub(self.keeps) as usize;
        let dropped = self.chain.split_off(stays.min(self.chain.len()));
        for block in &dropped {
            self.places.remove(&block.block().id());
        }
        // What this batch connected and took back again is stored all the same: its header is, and a reorg may come back to it.
        self.aside.extend(dropped.iter().map(|block| (block.block().id(), Arc::new(block.block().clone()))));
        let left = self.left.len();
        self.left.extend(change.disconnected.into_iter().skip(dropped.len()));
        self.bytes += self.left[left..].iter().map(|block| block.size_bytes() as usize).sum::<usize>();
        self.keeps = self.keeps.min(change.history_keeps);
        let nodes_stay = nodes_len(change.history_keeps).saturating_sub(nodes_len(self.keeps));
        self.nodes.truncate(usize::try_from(nodes_stay).unwrap_or(usize::MAX));
        self.nodes.extend(change.history_nodes);
        for block in change.connected {
            self.bytes += block.block().size_bytes() as usize;
            self.places.insert(block.block().id(), self.chain.len());
            self.chain.push(block);
        }
        self.state = change.state;
        Ok(())
    }

    /// The chain after these changes.
    #[must_use]
    pub const fn state(&self) -> &ChainState {
        &self.state
    }

    /// About how many bytes of blocks wait.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many blocks wait, those that leave the chain among them.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.left.len() + self.chain.len() + self.aside.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moves_nothing() && self.headers.is_empty() && self.aside.is_empty() && self.invalid.is_empty()
    }

    /// Whether the tip stays.
    #[must_use]
    pub fn moves_nothing(&self) -> bool {
        self.left.is_empty() && self.chain.is_empty()
    }

    /// The stored chain's blocks that leave, the tip first.
    #[must_use]
    pub fn left(&self) -> &[CheckedBlock] {
        &self.left
    }

    /// The blocks that enter, the lowest first.
    #[must_use]
    pub fn chain(&self) -> &[VerifiedBlock] {
        &self.chain
    }

    /// How the coins change.
    #[must_use]
    pub const fn coins(&self) -> &CoinDiff {
        &self.coins
    }

    /// A block that enters the chain.
    #[must_use]
    pub fn connected(&self, id: &BlockHash) -> Option<&VerifiedBlock> {
        self.places.get(id).map(|place| &self.chain[*place])
    }

    /// A block that waits to be stored.
    #[must_use]
    pub fn block(&self, id: &BlockHash) -> Option<&CheckedBlock> {
        let aside = || self.aside.get(id).map(|block| &**block);
        self.connected(id).map(VerifiedBlock::block).or_else(aside)
    }

    /// A node of the history, if these changes decide about it: `Some(None)` if they cut it off.
    pub(crate) fn node(&self, position: u64) -> Option<Option<Node>> {
        let place = position.checked_sub(nodes_len(self.keeps))?;
        Some(usize::try_from(place).ok().and_then(|place| self.nodes.get(place).copied()))
    }

    /// The height of the first block that enters.
    pub(crate) const fn first_height(&self) -> Height {
        Height(self.keeps)
    }
}
