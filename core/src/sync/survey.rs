//! Counting the work of a chain before its headers are held.
//!
//! Headers cost memory for good, and near the genesis block little work. So a chain is taken into the tree only if it has enough work in all.
//! A chain that is longer than one answer is asked for twice: at first only its work is counted, and of each answer eight bytes are
//! remembered; then, if the work is enough, the same headers must come again. A peer can make the node hold [`Survey::SEGMENTS_MAX`]
//! times eight bytes so, and no header without having shown the work of the whole chain.

use core::hash::Hasher;

use alloc::vec::Vec;

use siphasher::sip::SipHasher13;

use crate::hash::BlockHash;
use crate::header::Header;
use crate::net::HEADERS_MAX;
use crate::units::Work;

/// A chain that is being looked at.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    salt: u64,
    /// The block in the tree on which the chain builds.
    from: BlockHash,
    /// The last header that came.
    last: BlockHash,
    /// The work of the chain up to it.
    work: Work,
    /// What the last header of each answer hashes to.
    segments: Vec<u64>,
    /// How many of them came for the second time; `None` while the work is counted.
    fetched: Option<usize>,
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surveyed {
    /// The work is not enough yet.
    More,
    /// The work is enough: the headers are asked for again, from the beginning.
    Enough,
    /// Headers that may be taken into the tree; more of them follow if this is not the last segment.
    Take {
        /// Whether the rest of the chain needs no survey any more.
        is_last: bool,
    },
    /// The chain ends before its work is enough.
    TooLittle,
    /// Not the headers that came at first.
    Changed,
}

impl Survey {
    /// The most answers of one survey: two hundred million headers.
    pub(super) const SEGMENTS_MAX: usize = 100_000;

    /// A survey of a chain that builds on `from`, which has this much work.
    pub(super) const fn new(from: BlockHash, work: Work, salt: u64) -> Self {
        Self { salt, from, last: from, work, segments: Vec::new(), fetched: None }
    }

    /// The block in the tree on which the chain builds.
    pub(super) const fn from(&self) -> BlockHash {
        self.from
    }

    /// The header after which the next answer must begin.
    pub(super) const fn last(&self) -> BlockHash {
        self.last
    }

    /// The work of all that came.
    pub(super) const fn work(&self) -> Work {
        self.work
    }

    /// Takes in an answer, whose headers follow [`Self::last`] and each other, and have this much work.
    pub(super) fn take(&mut self, headers: &[Header], work: Work, enough: Work) -> Surveyed {
        let is_full = headers.len() == HEADERS_MAX;
        let last = headers.last().map_or(self.last, Header::id);
        let segment = self.segment(&last);
        match self.fetched {
            None => {
                self.work = self.work.checked_add(work).unwrap_or(self.work);
                if self.work >= enough && !headers.is_empty() {
                    self.segments.push(segment);
                    (self.fetched, self.last) = (Some(0), self.from);
                    Surveyed::Enough
                } else if is_full && self.segments.len() < Self::SEGMENTS_MAX {
                    self.segments.push(segment);
                    self.last = last;
                    Surveyed::More
                } else {
                    Surveyed::TooLittle
                }
            }
            Some(fetched) if self.segments.get(fetched) == Some(&segment) => {
                (self.fetched, self.last) = (Some(fetched + 1), last);
                Surveyed::Take { is_last: fetched + 1 == self.segments.len() }
            }
            Some(_) => Surveyed::Changed,
        }
    }

    fn segment(&self, last: &BlockHash) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.salt, 0);
        hasher.write(last.as_bytes());
        hasher.finish()
    }
}
