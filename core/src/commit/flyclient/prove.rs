//! Making a proof.

use alloc::vec::Vec;

use super::proof::{Opening, Sample, SampledProof, tail_start};
use super::sampling::{Challenge, Sampling};
use crate::commit::mmr::{HistoryError, Node, Peaks, Span, subtrees};
use crate::hash::BlockHash;
use crate::header::Header;
use crate::units::{Height, Target, TargetError, Work};

/// What a prover reads of its chain: a full node's store, or a history in memory.
pub trait HistorySource {
    /// Why something could not be read.
    type Error;

    /// The node at a place of the append-only list ([`crate::commit::mmr`]).
    ///
    /// # Errors
    /// The store's own.
    fn node(&self, position: u64) -> Result<Node, Self::Error>;

    /// The header at a height of the best chain.
    ///
    /// # Errors
    /// The store's own.
    fn header(&self, height: Height) -> Result<Header, Self::Error>;

    /// What the block at a height of the best chain commits to.
    ///
    /// # Errors
    /// The store's own.
    fn opening(&self, height: Height) -> Result<Opening, Self::Error>;
}

/// Why there is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// The chain could not be read.
    #[error("{0}")]
    Source(E),
    /// The genesis block needs no proof.
    #[error("there is nothing to prove about the genesis block")]
    Genesis,
    /// The challenge is about another tip.
    #[error("the tip is {found}, the challenge is about {expected}")]
    Tip {
        /// Tip found.
        found: BlockHash,
        /// Tip of the challenge.
        expected: BlockHash,
    },
    /// A header that is stored has no target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The nodes that are stored are no history.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The nodes that are stored do not add up.
    #[error("no block covers the work {point}")]
    Uncovered {
        /// The point of work.
        point: Work,
    },
}

impl SampledProof {
    /// Proves the work of the chain up to the block at height `tip`, which the list of nodes must cover.
    ///
    /// # Errors
    /// [`ProveError`].
    pub fn new<S: HistorySource>(source: &S, tip: Height, sampling: &Sampling) -> Result<Self, ProveError<S::Error>> {
        if tip == Height::GENESIS {
            return Err(ProveError::Genesis);
        }
        let start = tail_start(tip);
        let tail = (start..=tip.0).map(|height| source.header(Height(height))).collect::<Result<Vec<_>, _>>();
        let tail = tail.map_err(ProveError::Source)?;
        let found = tail.last().ok_or(ProveError::Genesis)?.id();
        if let Challenge::Live { tip: expected, .. } = sampling.challenge()
            && expected != found
        {
            return Err(ProveError::Tip { found, expected });
        }
        let blocks = tip.0.checked_add(1).ok_or(HistoryError::TooManyBlocks { blocks: tip.0, added: 1 })?;
        let total = Peaks::load(blocks, |position| source.node(position).map_err(ProveError::Source))?.work();
        let points = sampling.points(total, work(&tail)?, found);
        let heights = sampled_heights(source, start, &points)?;

        let mut time = source.header(Height::GENESIS).map_err(ProveError::Source)?.time;
        let mut next = 1;
        let (mut samples, mut skipped) = (Vec::new(), Vec::new());
        for height in heights {
            let node = |position| source.node(position);
            skipped.extend(subtrees((next, height), &mut time, node).map_err(ProveError::Source)?);
            let header = source.header(Height(height)).map_err(ProveError::Source)?;
            let opening = source.opening(Height(height)).map_err(ProveError::Source)?;
            samples.push(Sample { skipped: height - next, header, opening });
            time = header.time;
            next = height + 1;
        }
        let node = |position| source.node(position);
        skipped.extend(subtrees((next, start), &mut time, node).map_err(ProveError::Source)?);
        let opening = source.opening(tip).map_err(ProveError::Source)?;
        Ok(Self { height: tip, samples, subtrees: skipped, tail, tip: opening })
    }
}

/// The work of these headers.
fn work<E>(headers: &[Header]) -> Result<Work, ProveError<E>> {
    headers.iter().try_fold(Work::ZERO, |sum, header| {
        let work = Target::from_compact(header.bits)?.work();
        Ok(sum.checked_add(work).ok_or(HistoryError::WorkOverflow { blocks: 1 })?)
    })
}

/// The heights of the blocks at these points, each once, without the genesis block.
fn sampled_heights<S: HistorySource>(
    source: &S,
    blocks: u32,
    points: &[Work],
) -> Result<Vec<u32>, ProveError<S::Error>> {
    let mut heights = Vec::new();
    for point in points {
        let height = locate(source, blocks, *point).map_err(ProveError::Source)?;
        heights.push(height.ok_or(ProveError::Uncovered { point: *point })?);
    }
    // Points ascend, so heights do.
    heights.dedup();
    heights.retain(|height| *height != 0);
    Ok(heights)
}

/// The height of the block, among the first `blocks`, that covers a point of the work.
fn locate<S: HistorySource>(source: &S, blocks: u32, point: Work) -> Result<Option<u32>, S::Error> {
    let mut before = Work::ZERO;
    for span in Span::cover(0, blocks) {
        let Some(after) = before.checked_add(source.node(span.position())?.work) else { return Ok(None) };
        if point < after {
            return descend(source, span, before, point).map(Some);
        }
        before = after;
    }
    Ok(None)
}

fn descend<S: HistorySource>(source: &S, span: Span, mut before: Work, point: Work) -> Result<u32, S::Error> {
    let mut span = span;
    while let Some((left, right)) = span.halves() {
        let middle = before.checked_add(source.node(left.position())?.work);
        match middle {
            Some(middle) if point >= middle => (span, before) = (right, middle),
            _ => span = left,
        }
    }
    Ok(span.start)
}
