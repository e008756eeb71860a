//! The chain that the client follows: what was proven, and the headers since.
//!
//! Invariant: `base` is the history below the first header that is kept, `peaks` that up to and with the tip, and the headers between
//! keep all rules of headers, but for the first ones, which came whole with the proof of the work.
//!
//! Must not ask anybody; must not grow beyond [`TREE_HEADERS_MAX`] headers for long.

use alloc::vec::Vec;

use crate::chain::{Base, BaseError, BlockMark, HeaderNode, HeaderTree, InsertError};
use crate::commit::flyclient::ProvenChain;
use crate::commit::mmr::{Node, Peaks};
use crate::hash::{BlockHash, HistoryRoot};
use crate::header::Header;
use crate::spec::ChainSpec;
use crate::units::{BlockTime, Height, Target, Work};

/// How many of the last headers are kept at least, once they came: as many as full nodes keep the blocks of. A reorg within them needs no
/// new proof of work.
pub const KEPT_HEADERS: u32 = 288;
/// The most headers that are kept, those of other branches included, before all but the last [`KEPT_HEADERS`] are dropped.
pub(super) const TREE_HEADERS_MAX: usize = 4 * KEPT_HEADERS as usize;
/// More work and blocks than any chain will have. What comes close is refused, so that sums cannot overflow.
const WORK_MAX: [u8; 32] = {
    let mut bytes = [0xff; 32];
    bytes[0] = 0x7f;
    bytes
};
const BLOCKS_MAX: u32 = u32::MAX / 2;

/// The chain.
#[derive(Clone, Debug)]
pub(super) struct LightChain {
    base: Peaks,
    tree: HeaderTree,
    tip: BlockHash,
    peaks: Peaks,
}

/// Why headers cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LightChainError {
    /// The headers do not make a chain.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// More blocks or work than any chain can have.
    #[error("more blocks or work than a chain can have")]
    TooMuch,
}

/// The tip has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    /// How the old tip stands to the new one.
    pub(super) link: Link,
}

/// How a tip stands to the one that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// The chain grew.
    Grew,
    /// The chain left the old one after this block.
    Forked(BlockMark),
    /// Nothing is kept that both have.
    Unknown,
}

impl LightChain {
    /// The genesis block, which needs no proof.
    pub(super) fn genesis(spec: &ChainSpec) -> Self {
        Self::on_base(Peaks::new(), &[spec.genesis().header])
            .expect("the genesis block's bits are checked with the spec")
    }

    /// A chain whose work was proven, with its last headers.
    pub(super) fn proven(proven: &ProvenChain, spec: &ChainSpec) -> Result<Self, LightChainError> {
        if proven.below.blocks() > 1 {
            return Self::on_base(proven.below.clone(), &proven.tail);
        }
        // All headers came whole, but for the genesis block's, which is known.
        let headers: Vec<_> = core::iter::once(spec.genesis().header).chain(proven.tail.iter().copied()).collect();
        Self::on_base(Peaks::new(), &headers)
    }

    /// A chain of headers on a history. That they keep the rules is not checked.
    pub(super) fn on_base(base: Peaks, headers: &[Header]) -> Result<Self, LightChainError> {
        if base.work() > Work::from_be_bytes(&WORK_MAX) || base.blocks() > BLOCKS_MAX {
            return Err(LightChainError::TooMuch);
        }
        let height = Height(base.blocks());
        let tree = HeaderTree::on_base(&Base { height, work_below: base.work(), headers })?;
        let tip = tree.best().id();
        let mut chain = Self { peaks: base.clone(), base, tree, tip };
        let nodes: Vec<Node> = chain.heights().filter_map(|height| chain.at(height).and_then(leaf)).collect();
        for node in nodes {
            chain.peaks.append(node).map_err(|_| LightChainError::TooMuch)?;
        }
        Ok(chain)
    }

    /// The tip.
    pub(super) fn tip(&self) -> &HeaderNode {
        self.tree.node(&self.tip).expect("the tip is in the tree")
    }

    /// The tip's height and id.
    pub(super) fn mark(&self) -> BlockMark {
        mark(self.tip())
    }

    /// The root of the history up to and with the tip, and how many blocks that are.
    pub(super) fn root(&self) -> (HistoryRoot, u32) {
        (self.peaks.root(), self.peaks.blocks())
    }

    /// The history below the first header that is kept.
    pub(super) const fn base(&self) -> &Peaks {
        &self.base
    }

    /// The first height whose header is kept.
    pub(super) const fn first(&self) -> Height {
        Height(self.base.blocks())
    }

    /// The block below the first header that is kept.
    pub(super) fn below(&self) -> Option<BlockMark> {
        let first = self.at(self.first())?;
        Some(BlockMark { height: first.height().previous()?, id: first.header().parent })
    }

    /// The block of the chain at a height, if its header is kept.
    pub(super) fn at(&self, height: Height) -> Option<&HeaderNode> {
        self.tree.ancestor(&self.tip, height)
    }

    /// A header that is kept, of this chain or of another branch.
    pub(super) fn node(&self, id: &BlockHash) -> Option<&HeaderNode> {
        self.tree.node(id)
    }

    /// Whether a block is in the chain; `None`, where the headers that are kept cannot tell.
    pub(super) fn has(&self, block: BlockMark) -> Option<bool> {
        if let Some(below) = self.below().filter(|below| below.height == block.height) {
            return Some(below.id == block.id);
        }
        if block.height < self.first() {
            return None;
        }
        Some(self.at(block.height).is_some_and(|node| node.id() == block.id))
    }

    /// The headers that are kept, the lowest first.
    pub(super) fn headers(&self) -> impl Iterator<Item = &Header> {
        self.heights().filter_map(|height| self.at(height).map(HeaderNode::header))
    }

    /// Takes in a header. The tip moves only with [`Self::settle`].
    pub(super) fn insert(&mut self, header: Header, clock: BlockTime, spec: &ChainSpec) -> Result<(), InsertError> {
        self.tree.insert(header, clock, spec).map(drop)
    }

    /// Goes to the header with the most work.
    pub(super) fn settle(&mut self) -> Option<Moved> {
        let best = mark(self.tree.best());
        let old = self.mark();
        let moved = (best.id != old.id).then(|| {
            let fork = self.tree.fork(&old.id, &best.id).map_or(old, mark);
            let link = if fork == old { Link::Grew } else { Link::Forked(fork) };
            let (mut peaks, from) = match link {
                Link::Grew => (self.peaks.clone(), old.height.0.saturating_add(1)),
                Link::Forked(_) | Link::Unknown => (self.base.clone(), self.base.blocks()),
            };
            for height in from..=best.height.0 {
                let node = self.tree.ancestor(&best.id, Height(height)).and_then(leaf);
                let node = node.expect("a chain has a block at each height up to its tip, and bits that were checked");
                peaks.append(node).expect("far below the highest height and the most work");
            }
            (self.tip, self.peaks) = (best.id, peaks);
            Moved { link }
        });
        self.trim();
        moved
    }

    /// How this chain, which takes the place of another, stands to that one's tip.
    pub(super) fn link_to(&self, old: &Self) -> Link {
        let tip = old.mark();
        match self.has(tip) {
            Some(true) => return Link::Grew,
            // Far above: whatever links the two is not kept.
            None => return Link::Unknown,
            Some(false) => {}
        }
        let common = old.heights().rev().filter_map(|height| old.at(height).map(mark));
        common.chain(old.below()).find(|block| self.has(*block) == Some(true)).map_or(Link::Unknown, Link::Forked)
    }

    /// Drops all but the last headers, if there are too many.
    fn trim(&mut self) {
        let tip = self.mark();
        let kept = tip.height.0.saturating_add(1).saturating_sub(self.base.blocks());
        if kept < 2 * KEPT_HEADERS && self.tree.len() <= TREE_HEADERS_MAX {
            return;
        }
        let first = tip.height.0.saturating_add(1).saturating_sub(KEPT_HEADERS).max(self.base.blocks());
        let mut base = self.base.clone();
        for height in base.blocks()..first {
            let appended = self.at(Height(height)).and_then(leaf).and_then(|node| base.append(node).ok());
            appended.expect("these were appended before");
        }
        let headers: Vec<Header> = self.headers().skip((first - self.base.blocks()) as usize).copied().collect();
        // A chain that left the old one far below may be too short yet to tell the median time: it is cut when it has grown.
        if let Ok(chain) = Self::on_base(base, &headers) {
            *self = chain;
        }
    }

    fn heights(&self) -> impl DoubleEndedIterator<Item = Height> + use<> {
        (self.base.blocks()..=self.tip().height().0).map(Height)
    }
}

/// Height and id of a header.
pub(super) fn mark(node: &HeaderNode) -> BlockMark {
    BlockMark { height: node.height(), id: node.id() }
}

fn leaf(node: &HeaderNode) -> Option<Node> {
    let work = Target::from_compact(node.header().bits).ok()?.work();
    Some(Node::leaf(node.id(), work, node.header().time))
}
