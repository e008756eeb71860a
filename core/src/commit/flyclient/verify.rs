//! Checking a proof.

use alloc::vec::Vec;

use super::growth::Growth;
use super::headers::{HeaderChecks, HeaderRules};
use super::proof::{Opening, Sample, SampledProof, TAIL_HEADERS, tail_start};
use super::sampling::{Challenge, Sampling};
use crate::codec::CodecError;
use crate::commit::mmr::{Node, Peaks, Replay, ReplayError, Subtree};
use crate::hash::{BlockHash, MerkleRoot};
use crate::header::Header;
use crate::pow::WorkError;
use crate::units::{BlockTime, CompactBits, Height, TargetError, Work};

/// A chain whose work was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenChain {
    /// The header of the tip.
    pub tip: Header,
    /// Its id.
    pub id: BlockHash,
    /// Its height.
    pub height: Height,
    /// The work of the whole chain.
    pub work: Work,
    /// The history up to and with the tip: what the next block commits to, and what it is appended to.
    pub peaks: Peaks,
    /// The history below the last headers: whoever appends those to it has `peaks` at each of them.
    pub below: Peaks,
    /// The last headers, the tip last.
    pub tail: Vec<Header>,
}

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampledProofError {
    /// The bytes are no proof.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Not all headers that must come whole.
    #[error("{found} headers at the end, expected {expected}")]
    Tail {
        /// Headers found.
        found: usize,
        /// Headers demanded at this height.
        expected: u32,
    },
    /// The proof is about the genesis block, which the verifier knows.
    #[error("there is nothing to prove about the genesis block")]
    Genesis,
    /// The proof is about another tip than the one that was named before the seed was drawn.
    #[error("proof of the tip {found}, asked for {expected}")]
    Tip {
        /// Tip of the proof.
        found: BlockHash,
        /// Tip that was asked for.
        expected: BlockHash,
    },
    /// A sample lies in the tail or beyond it.
    #[error("a sample after {skipped} blocks from height {from}, but the last headers begin at {tail}")]
    SampleHeight {
        /// The height from which blocks are skipped.
        from: Height,
        /// Blocks skipped.
        skipped: u32,
        /// The height at which the tail begins.
        tail: u32,
    },
    /// The genesis block's bits are no target: a fault of the rules that the verifier was given.
    #[error("genesis block: {0}")]
    GenesisBits(#[from] TargetError),
    /// A header without the work that it claims.
    #[error("block {id} at height {height}: {error}")]
    Work {
        /// Height of the header.
        height: Height,
        /// Its id.
        id: BlockHash,
        /// What is wrong.
        error: WorkError,
    },
    /// A header with other bits than the rules demand.
    #[error("bits {found} at height {height}, expected {expected}")]
    Bits {
        /// Height of the header.
        height: Height,
        /// Bits found.
        found: CompactBits,
        /// Bits demanded.
        expected: CompactBits,
    },
    /// A header whose difficulty cannot follow on that of the header shown before it.
    #[error("bits {found} at height {height} cannot follow on {before} within {intervals} intervals")]
    Clamp {
        /// Height of the header.
        height: Height,
        /// Bits found.
        found: CompactBits,
        /// Bits of the header shown before it.
        before: CompactBits,
        /// Changes of difficulty between the two.
        intervals: u32,
    },
    /// A block with more work than the difficulty can have risen to over the blocks before it.
    #[error("work {work} at height {height}, after {blocks} blocks of together {window_work}")]
    Growth {
        /// Height of the block.
        height: Height,
        /// Its work.
        work: Work,
        /// How many blocks before it were looked at.
        blocks: u32,
        /// Their work.
        window_work: Work,
    },
    /// A header that names another parent than the header shown before it.
    #[error("the parent of height {height} is {found}, expected {expected}")]
    Parent {
        /// Height of the header.
        height: Height,
        /// Parent named.
        found: BlockHash,
        /// Id of the header before it.
        expected: BlockHash,
    },
    /// A header that is not later than the median of the eleven before it.
    #[error("time {found} at height {height} is not above the median {median}")]
    Time {
        /// Height of the header.
        height: Height,
        /// Time found.
        found: BlockTime,
        /// The median that it must exceed.
        median: BlockTime,
    },
    /// A block that does not commit to the history before it, or to what the proof says beside.
    #[error("block at height {height} with the merkle root {root} does not commit to this history")]
    Commitment {
        /// Height of the block.
        height: Height,
        /// The header's merkle root.
        root: MerkleRoot,
    },
    /// The subtrees do not fill the gaps between the headers.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A point of the work that was drawn, but no sample covers it.
    #[error("no sample at work {point:?}")]
    NotShown {
        /// The point.
        point: Work,
    },
    /// A sample that was not drawn.
    #[error("the sample at height {height} was not drawn")]
    NotDrawn {
        /// Height of the sample.
        height: Height,
    },
}

/// Decodes and checks a proof from an untrusted source: the work that it proves, or why it is refused.
///
/// # Errors
/// [`SampledProofError`].
pub fn verify(bytes: &[u8], sampling: &Sampling, rules: &HeaderRules) -> Result<ProvenChain, SampledProofError> {
    SampledProof::decode(bytes)?.check(sampling, rules)
}

/// A sample, and the work before and after it.
struct Covered {
    height: Height,
    before: Work,
    after: Work,
}

impl SampledProof {
    /// Checks the proof.
    ///
    /// Says nothing of the clock: the caller compares the tip's time with its own, as it does for every header.
    ///
    /// # Errors
    /// [`SampledProofError`], the first rule that is broken.
    pub fn check(self, sampling: &Sampling, rules: &HeaderRules) -> Result<ProvenChain, SampledProofError> {
        let Self { height, samples, subtrees, tail, tip: opening } = self;
        let tip = check_tail(height, &tail)?;
        let id = tip.id();
        // Rule: the proof is about the tip that was named before the seed was drawn.
        if let Challenge::Live { tip: expected, .. } = sampling.challenge()
            && id != expected
        {
            return Err(SampledProofError::Tip { found: id, expected });
        }
        let start = tail_start(height);
        let mut walk = Walk::new(rules, &subtrees)?;
        let mut covered = alloc::vec![Covered { height: Height::GENESIS, before: Work::ZERO, after: walk.work() }];
        for sample in &samples {
            covered.push(walk.show_sample(sample, start)?);
        }
        walk.replay.skip_to(start)?;
        let below = walk.replay.peaks().clone();
        for header in &tail {
            if walk.next_height() == height {
                walk.check_opening(header, &opening)?;
            }
            walk.show(header)?;
        }
        let peaks = walk.replay.finish()?;
        let work = peaks.work();
        let tail_work = work.checked_sub(below.work()).unwrap_or_default();
        check_drawn(&covered, &sampling.points(work, tail_work, id))?;
        Ok(ProvenChain { tip, id, height, work, peaks, below, tail })
    }
}

/// The tip of a proof that has as many last headers as it must.
fn check_tail(height: Height, tail: &[Header]) -> Result<Header, SampledProofError> {
    // Rule: the last headers come whole, or all headers but the genesis block's.
    let expected = height.0.min(TAIL_HEADERS);
    if tail.len() != expected as usize {
        return Err(SampledProofError::Tail { found: tail.len(), expected });
    }
    tail.last().copied().ok_or(SampledProofError::Genesis)
}

/// Checks that samples and points belong together; both ascend, and the first of `covered` is the genesis block.
fn check_drawn(covered: &[Covered], points: &[Work]) -> Result<(), SampledProofError> {
    let mut points = points.iter().copied().peekable();
    for block in covered {
        let mut is_drawn = block.height == Height::GENESIS;
        while let Some(point) = points.next_if(|point| *point < block.after) {
            // Rule: each point that was drawn lies within the work of a block that is shown.
            if point < block.before {
                return Err(SampledProofError::NotShown { point });
            }
            is_drawn = true;
        }
        // Rule: nothing is shown that was not drawn.
        if !is_drawn {
            return Err(SampledProofError::NotDrawn { height: block.height });
        }
    }
    points.next().map_or(Ok(()), |point| Err(SampledProofError::NotShown { point }))
}

/// The way along the chain: the history so far, and the rules for headers that are shown.
struct Walk<'a> {
    replay: Replay<'a>,
    headers: HeaderChecks<'a>,
    growth: Growth,
}

impl<'a> Walk<'a> {
    /// Begins with the genesis block, which the verifier knows.
    fn new(rules: &'a HeaderRules, subtrees: &'a [Subtree]) -> Result<Self, SampledProofError> {
        let headers = HeaderChecks::new(rules)?;
        let (id, work, time) = headers.genesis();
        let growth = Growth::new(rules.retarget, work);
        let mut walk = Self { replay: Replay::new(subtrees), headers, growth };
        walk.replay.append(Node::leaf(id, work, time))?;
        Ok(walk)
    }

    fn next_height(&self) -> Height {
        Height(self.replay.peaks().blocks())
    }

    fn work(&self) -> Work {
        self.replay.peaks().work()
    }

    /// Skips to a sample, which must lie before `tail`, and shows it.
    fn show_sample(&mut self, sample: &Sample, tail: u32) -> Result<Covered, SampledProofError> {
        let from = self.next_height();
        // Rule: samples lie before the last headers.
        let height = from.plus(sample.skipped).filter(|height| height.0 < tail);
        let beyond = SampledProofError::SampleHeight { from, skipped: sample.skipped, tail };
        let height = height.ok_or(beyond)?;
        self.replay.skip_to(height.0)?;
        let before = self.work();
        self.check_opening(&sample.header, &sample.opening)?;
        self.show(&sample.header)?;
        let after = self.work();
        self.growth.mark(self.next_height().0, after);
        Ok(Covered { height, before, after })
    }

    fn check_opening(&self, header: &Header, opening: &Opening) -> Result<(), SampledProofError> {
        // Rule: a block commits to exactly the history before it.
        if opening.merkle_root(self.replay.peaks().root()) != Some(header.merkle_root) {
            return Err(SampledProofError::Commitment { height: self.next_height(), root: header.merkle_root });
        }
        Ok(())
    }

    fn show(&mut self, header: &Header) -> Result<(), SampledProofError> {
        let parent_time = self.replay.peaks().last_time().unwrap_or_default();
        let height = self.next_height();
        let (id, work) = self.headers.check(header, height, parent_time)?;
        self.growth.check(height, work, self.work())?;
        self.replay.append(Node::leaf(id, work, header.time))?;
        Ok(())
    }
}
