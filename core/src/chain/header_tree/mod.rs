//! All known headers, as a tree: which of them lead the chain with the most work.
//!
//! Invariant: every header fits its place ([`check_header`]) under a parent in the tree, up to the root, which is the genesis
//! block or a [`Base`] that is trusted. Ties in work go to the header, and to the complete block, that was first seen.
//!
//! A header takes about 190 bytes and is never forgotten. That costs whoever makes it the work of its target, which near the
//! genesis block may be little: whoever feeds the tree from peers must first see that their chain has enough work in all.
//! Bodies are not held; the tree only remembers that they are stored.

mod ancestry;
mod node;
mod places;
mod status;

pub use node::{HeaderNode, Status};
pub use status::TreeError;

use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::hash::BlockHash;
use crate::header::Header;
use crate::pow::{BitsError, MEDIAN_TIME_BLOCKS, Parent, median_time};
use crate::spec::ChainSpec;
use crate::units::{BlockTime, CompactBits, Height, Target, TargetError, Work};
use crate::verify::{CheckedHeader, HeaderContext, HeaderError, check_header};
use node::Place;
use places::Places;

/// The headers, and which of them are best.
#[derive(Clone, Debug)]
pub struct HeaderTree {
    nodes: Vec<HeaderNode>,
    places: Places,
    best: Place,
    best_complete: Place,
    completions: NonZeroU32,
    /// The highest checkpoint that is in the tree.
    checkpoint: Option<Place>,
}

/// The headers on which a tree grows that does not begin with the genesis block: known to be in the best chain, as from a
/// history proof.
#[derive(Clone, Debug)]
pub struct Base<'a> {
    /// The height of the first header.
    pub height: Height,
    /// The work of all blocks below the first header.
    pub work_below: Work,
    /// The headers, the lowest first. At least [`MEDIAN_TIME_BLOCKS`], unless they begin with the genesis block's; for
    /// [`crate::pow::Difficulty::Interval`] they must begin no later than the interval.
    pub headers: &'a [Header],
}

/// Why headers cannot be a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// Too few to tell the median time.
    #[error("base of {found} headers: expected at least {expected}")]
    TooFew {
        /// Headers found.
        found: usize,
        /// Headers needed.
        expected: usize,
    },
    /// They do not follow each other.
    #[error("header at height {height} does not follow the one before")]
    Unlinked {
        /// The height of the header that does not fit.
        height: Height,
    },
    /// Bits that are no target.
    #[error("header at height {height}: {error}")]
    Bits {
        /// The header's height.
        height: Height,
        /// What is wrong.
        error: TargetError,
    },
    /// Heights or work that no chain can have.
    #[error("base beyond the highest height or the most work")]
    Overflow,
}

/// What came of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is in the tree now.
    New,
    /// It was there before.
    Known,
}

/// Why a header is not taken into the tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// The parent is not in the tree: ask for the headers before it.
    #[error("parent {parent} of header {id} is not known")]
    UnknownParent {
        /// The header.
        id: BlockHash,
        /// Its parent.
        parent: BlockHash,
    },
    /// The block, or one below it, was found invalid before.
    #[error("header {id} is, or builds on, a block that was found invalid")]
    Invalid {
        /// The header.
        id: BlockHash,
    },
    /// Another block than the checkpoint's.
    #[error("block {found} at the height {height} of a checkpoint: expected {expected}")]
    Checkpoint {
        /// The height.
        height: Height,
        /// The block found.
        found: BlockHash,
        /// The checkpoint's.
        expected: BlockHash,
    },
    /// A fork from below a checkpoint that has been reached.
    #[error("fork at height {height}, below the checkpoint at height {checkpoint}")]
    BelowCheckpoint {
        /// The header's height.
        height: Height,
        /// The checkpoint's.
        checkpoint: Height,
    },
    /// A header that does not fit its place.
    #[error("header {id}: {error}")]
    Header {
        /// The header.
        id: BlockHash,
        /// The rule that it breaks.
        error: HeaderError,
    },
    /// The tree begins too late to tell the bits.
    #[error("bits after header {parent} cannot be told: {error}")]
    Bits {
        /// The parent.
        parent: BlockHash,
        /// What is missing.
        error: BitsError,
    },
    /// Heights end here.
    #[error("no height is left above {parent}")]
    HeightOverflow {
        /// The parent.
        parent: BlockHash,
    },
}

impl HeaderTree {
    /// The tree of the genesis block alone.
    #[must_use]
    pub fn new(spec: &ChainSpec) -> Self {
        let headers = [spec.genesis().header];
        let base = Base { height: Height::GENESIS, work_below: Work::ZERO, headers: &headers };
        Self::on_base(&base).expect("the genesis block's bits are checked with the spec")
    }

    /// The tree of headers that are known to be in the best chain. They count as complete: what lies below is not asked for.
    ///
    /// # Errors
    /// [`BaseError`], if they are too few or do not follow each other. Nothing else is checked.
    pub fn on_base(base: &Base<'_>) -> Result<Self, BaseError> {
        let expected = if base.height == Height::GENESIS { 1 } else { MEDIAN_TIME_BLOCKS };
        let Some((first, rest)) = base.headers.split_first().filter(|_| base.headers.len() >= expected) else {
            return Err(BaseError::TooFew { found: base.headers.len(), expected });
        };
        let root = HeaderNode {
            header: *first,
            id: first.id(),
            height: base.height,
            work: chain_work(base.work_below, first, base.height)?,
            parent: Place::ROOT,
            skip: Place::ROOT,
            first_child: None,
            next_sibling: None,
            has_body: true,
            completed: Some(NonZeroU32::MIN),
            is_invalid: false,
        };
        let mut tree = Self {
            places: Places::default(),
            nodes: vec![root],
            best: Place::ROOT,
            best_complete: Place::ROOT,
            completions: NonZeroU32::MIN,
            checkpoint: None,
        };
        tree.places.add_last(&tree.nodes);
        for header in rest {
            let parent = &tree[tree.best];
            let height = parent.height.next().ok_or(BaseError::Overflow)?;
            if header.parent != parent.id {
                return Err(BaseError::Unlinked { height });
            }
            let (id, work) = (header.id(), chain_work(parent.work, header, height)?);
            let place = tree.push(*header, id, height, work, tree.best);
            tree[place].has_body = true;
            tree.complete_from(place);
        }
        Ok(tree)
    }

    /// Takes in a header.
    ///
    /// # Errors
    /// [`InsertError`], which leaves the tree as it was.
    pub fn insert(&mut self, header: Header, now: BlockTime, spec: &ChainSpec) -> Result<Inserted, InsertError> {
        let id = header.id();
        if let Some(known) = self.node(&id) {
            return if known.is_invalid { Err(InsertError::Invalid { id }) } else { Ok(Inserted::Known) };
        }
        // Rule: the parent is known, and valid.
        let unknown = InsertError::UnknownParent { id, parent: header.parent };
        let parent = self.place_of(&header.parent).ok_or(unknown)?;
        if self[parent].is_invalid {
            return Err(InsertError::Invalid { id });
        }
        let height = self[parent].height.next().ok_or(InsertError::HeightOverflow { parent: header.parent })?;
        let is_checkpoint = self.check_checkpoints(id, height, spec)?;
        let context = HeaderContext {
            height,
            expected_bits: self.bits_after(parent, spec)?,
            median_time_past: self.median_time_at(parent),
            now,
        };
        let checked = check_header(header, &context, spec.consensus());
        let place = self.add(&checked.map_err(|error| InsertError::Header { id, error })?, parent);
        if is_checkpoint {
            self.checkpoint = Some(place);
        }
        Ok(Inserted::New)
    }

    /// The header of this id.
    #[must_use]
    pub fn node(&self, id: &BlockHash) -> Option<&HeaderNode> {
        self.place_of(id).map(|place| &self[place])
    }

    fn place_of(&self, id: &BlockHash) -> Option<Place> {
        self.places.find(id, &self.nodes)
    }

    /// How many headers there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a tree always has its root")]
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The headers on which nothing is built, in the order of their arrival.
    pub fn leaves(&self) -> impl Iterator<Item = &HeaderNode> {
        self.nodes.iter().filter(|node| node.is_leaf())
    }

    /// The bits that a child of this header must state.
    ///
    /// # Errors
    /// [`InsertError::UnknownParent`]; [`InsertError::Bits`], if the tree begins too late.
    pub fn next_bits(&self, parent: &BlockHash, spec: &ChainSpec) -> Result<CompactBits, InsertError> {
        let unknown = InsertError::UnknownParent { id: BlockHash::ZERO, parent: *parent };
        self.bits_after(self.place_of(parent).ok_or(unknown)?, spec)
    }

    /// The median time of this header and the ten before it, which a child's time must exceed.
    #[must_use]
    pub fn median_time(&self, id: &BlockHash) -> Option<BlockTime> {
        self.place_of(id).map(|place| self.median_time_at(place))
    }

    fn bits_after(&self, parent: Place, spec: &ChainSpec) -> Result<CompactBits, InsertError> {
        let HeaderNode { header, height, id, .. } = &self[parent];
        let known = Parent { height: *height, time: header.time, bits: header.bits };
        let time_at = |height| self.ancestor_place(parent, height).map(|place| self[place].header.time);
        spec.retarget().bits_after(known, time_at).map_err(|error| InsertError::Bits { parent: *id, error })
    }

    fn median_time_at(&self, place: Place) -> BlockTime {
        let times = self.ancestors(place).map(|node| node.header.time);
        median_time(times.take(MEDIAN_TIME_BLOCKS)).expect("a header is among its own eleven last")
    }

    /// Returns whether the header is a checkpoint.
    fn check_checkpoints(&self, id: BlockHash, height: Height, spec: &ChainSpec) -> Result<bool, InsertError> {
        // Rule: at the height of a checkpoint stands the checkpoint.
        let checkpoints = &spec.network().checkpoints;
        let expected = checkpoints.iter().find(|checkpoint| checkpoint.height == height).map(|point| point.id);
        if let Some(expected) = expected.filter(|expected| *expected != id) {
            return Err(InsertError::Checkpoint { height, found: id, expected });
        }
        // Rule: no fork from below a checkpoint. Whatever is new at such a height is one.
        match self.checkpoint.map(|place| self[place].height) {
            Some(checkpoint) if height <= checkpoint => Err(InsertError::BelowCheckpoint { height, checkpoint }),
            _ => Ok(expected.is_some()),
        }
    }

    fn add(&mut self, checked: &CheckedHeader, parent: Place) -> Place {
        let work = self[parent].work.checked_add(checked.work()).expect("nobody can compute 2^256 hashes");
        self.push(*checked.header(), checked.id(), checked.height(), work, parent)
    }

    fn push(&mut self, header: Header, id: BlockHash, height: Height, work: Work, parent: Place) -> Place {
        let place = Place(u32::try_from(self.nodes.len()).expect("2^32 headers fit no memory"));
        let skip = self.skip_of_child(parent);
        let next_sibling = core::mem::replace(&mut self[parent].first_child, place.as_child());
        self.nodes.push(HeaderNode {
            header,
            id,
            height,
            work,
            parent,
            skip,
            first_child: None,
            next_sibling,
            has_body: false,
            completed: None,
            is_invalid: false,
        });
        self.places.add_last(&self.nodes);
        if work > self[self.best].work {
            self.best = place;
        }
        place
    }
}

/// The work up to a header of a base.
fn chain_work(below: Work, header: &Header, height: Height) -> Result<Work, BaseError> {
    let target = Target::from_compact(header.bits).map_err(|error| BaseError::Bits { height, error })?;
    below.checked_add(target.work()).ok_or(BaseError::Overflow)
}

impl core::ops::Index<Place> for HeaderTree {
    type Output = HeaderNode;

    fn index(&self, place: Place) -> &HeaderNode {
        &self.nodes[place.index()]
    }
}

impl core::ops::IndexMut<Place> for HeaderTree {
    fn index_mut(&mut self, place: Place) -> &mut HeaderNode {
        &mut self.nodes[place.index()]
    }
}

#[cfg(test)]
mod tests;
