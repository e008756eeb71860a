//! Where a chain stands.

use serde::{Deserialize, Serialize};

use crate::commit::mmr::{Node, Peaks};
use crate::hash::{BlockHash, HistoryRoot};
use crate::header::Header;
use crate::spec::ChainSpec;
use crate::units::{Height, Target, Work};

/// The tip of a chain with its history: all that the next block is checked against, besides the coins.
///
/// Invariant: the history covers all blocks up to the tip, the tip included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct ChainState {
    tip: BlockHash,
    height: Height,
    history: Peaks,
}

/// A state of no blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("chain state of no blocks: expected at least the genesis block")]
pub struct NoBlocks;

impl ChainState {
    /// The chain of the genesis block alone.
    #[must_use]
    pub fn genesis(spec: &ChainSpec) -> Self {
        let header = &spec.genesis().header;
        let mut history = Peaks::new();
        history.append(leaf(header)).expect("one block fits an empty history");
        Self { tip: header.id(), height: Height::GENESIS, history }
    }

    /// The chain that ends in this block, whose history is that of all blocks up to it: as a store or a history proof knows it.
    ///
    /// # Errors
    /// [`NoBlocks`] for an empty history.
    pub fn new(tip: BlockHash, history: Peaks) -> Result<Self, NoBlocks> {
        let height = Height(history.blocks()).previous().ok_or(NoBlocks)?;
        Ok(Self { tip, height, history })
    }

    /// The last block's id.
    #[must_use]
    pub const fn tip(&self) -> BlockHash {
        self.tip
    }

    /// The last block's height.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.height
    }

    /// The work of all blocks, the genesis block's included.
    #[must_use]
    pub const fn work(&self) -> Work {
        self.history.work()
    }

    /// The history over all blocks.
    #[must_use]
    pub const fn history(&self) -> &Peaks {
        &self.history
    }

    /// What the next block must commit to.
    #[must_use]
    pub fn history_root(&self) -> HistoryRoot {
        self.history.root()
    }
}

/// The leaf of a block in the history.
pub(super) fn leaf(header: &Header) -> Node {
    let target = Target::from_compact(header.bits).expect("the bits of a checked header are a target");
    Node::leaf(header.id(), target.work(), header.time)
}

/// The encoded form: what cannot be derived.
#[derive(Clone, Serialize, Deserialize)]
struct Record {
    tip: BlockHash,
    history: Peaks,
}

impl From<ChainState> for Record {
    fn from(state: ChainState) -> Self {
        Self { tip: state.tip, history: state.history }
    }
}

impl TryFrom<Record> for ChainState {
    type Error = NoBlocks;

    fn try_from(record: Record) -> Result<Self, NoBlocks> {
        Self::new(record.tip, record.history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};
    use crate::testing::test;

    #[test]
    fn the_genesis_block_is_a_chain() {
        let spec = ChainSpec::dev();
        let state = ChainState::genesis(&spec);
        assert_eq!((state.tip(), state.height()), (spec.genesis().id(), Height::GENESIS));
        assert_eq!(state.work(), Target::from_compact(spec.consensus().genesis.bits).unwrap().work());
    }

    #[test]
    fn encoding_round_trips_and_refuses_a_chain_of_no_blocks() {
        let state = ChainState::genesis(&ChainSpec::dev());
        assert_eq!(decode::<ChainState>(&encode(&state), 200), Ok(state));
        let none = Record { tip: BlockHash::ZERO, history: Peaks::new() };
        assert!(decode::<ChainState>(&encode(&none), 200).is_err());
    }
}
