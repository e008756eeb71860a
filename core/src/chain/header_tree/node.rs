//! One header of the tree.

use core::num::NonZeroU32;

use crate::hash::BlockHash;
use crate::header::Header;
use crate::units::{Height, Work};

/// Where a header stands in the tree's list. The root stands at 0, parents stand before their children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) u32);

/// The place of a header that has a parent: a child or a sibling.
pub(super) type ChildPlace = NonZeroU32;

impl Place {
    pub(super) const ROOT: Self = Self(0);

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    /// As somebody's child; `None` for the root.
    pub(super) const fn as_child(self) -> Option<ChildPlace> {
        NonZeroU32::new(self.0)
    }
}

impl From<ChildPlace> for Place {
    fn from(child: ChildPlace) -> Self {
        Self(child.get())
    }
}

/// A header that fits its place in the chain.
#[derive(Clone, Debug)]
pub struct HeaderNode {
    pub(super) header: Header,
    pub(super) id: BlockHash,
    pub(super) height: Height,
    pub(super) work: Work,
    pub(super) parent: Place,
    /// An ancestor further down, for a quick descent.
    pub(super) skip: Place,
    pub(super) first_child: Option<ChildPlace>,
    pub(super) next_sibling: Option<ChildPlace>,
    pub(super) has_body: bool,
    /// When the bodies of this block and of all below it were there: the how-manieth block of which that became true.
    pub(super) completed: Option<NonZeroU32>,
    pub(super) is_invalid: bool,
}

/// What is known of a block besides its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It, or a block below it, was found invalid.
    Invalid,
    /// Its body, or that of a block below it, is missing.
    Incomplete,
    /// All bodies up to it are there.
    Complete,
}

impl HeaderNode {
    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The header's id.
    #[must_use]
    pub const fn id(&self) -> BlockHash {
        self.id
    }

    /// The header's height.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.height
    }

    /// The work of the chain up to this header, the genesis block's included.
    #[must_use]
    pub const fn work(&self) -> Work {
        self.work
    }

    /// What is known of its block.
    #[must_use]
    pub const fn status(&self) -> Status {
        if self.is_invalid {
            Status::Invalid
        } else if self.completed.is_some() {
            Status::Complete
        } else {
            Status::Incomplete
        }
    }

    /// Whether the block's own body is there, be it valid or not.
    #[must_use]
    pub const fn has_body(&self) -> bool {
        self.has_body
    }

    /// Whether nothing is built on it.
    #[must_use]
    pub const fn is_leaf(&self) -> bool {
        self.first_child.is_none()
    }
}
