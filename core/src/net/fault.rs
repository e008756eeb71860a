//! What a peer can do wrong, and how much each of it weighs.

use super::CompactBlockError;
use crate::chain::InsertError;
use crate::verify::HeaderError;

/// A fault of a peer.
///
/// What an honest peer can do by bad luck (a slow link, a reorg at the wrong moment, a clock that is off) weighs little and is forgotten;
/// what only a liar or a broken program does weighs as much as a ban takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are no message, or one that is longer than allowed.
    #[error("a message that cannot be read")]
    Malformed,
    /// An answer of another kind than the question, or a longer one than was asked for.
    #[error("an answer to another question")]
    OtherAnswer,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// Everybody else waited for this peer's block.
    #[error("slower than the others, who had to wait")]
    Stalled,
    /// A question turned down that a peer with this chain can answer.
    #[error("does not give what it says it has")]
    Withheld,
    /// Headers that do not follow each other, or no header that was asked about.
    #[error("headers that do not follow each other")]
    Unlinked,
    /// A header without its work.
    #[error("a header without work")]
    NoWork,
    /// A header that the tree refuses.
    #[error("a header that is not valid: {0}")]
    Header(InsertError),
    /// More work claimed than its headers show.
    #[error("claims more work than its headers show")]
    ClaimNotShown,
    /// Other headers than it gave a moment before.
    #[error("other headers at the second asking")]
    HeadersChanged,
    /// Another block than was asked for.
    #[error("another block than was asked for")]
    OtherBlock,
    /// A body that is not that of its header.
    #[error("a body that does not belong to its header")]
    Body,
    /// A block that breaks a rule of the chain.
    #[error("a block that is not valid")]
    InvalidBlock,
    /// A transaction that is invalid whatever the chain.
    #[error("a transaction that cannot be valid")]
    Transaction,
    /// A proof that does not show what was asked about: of work, of a place in the history, of what a block commits to or holds.
    #[error("a proof that does not hold")]
    FalseProof,
    /// A compact block of which no block can be made.
    #[error("a compact block that cannot be used: {0}")]
    CompactBlock(CompactBlockError),
}

impl Fault {
    /// How many points a peer may gather before it is banned for a while.
    pub const BAN_POINTS: u32 = 100;

    /// What the fault weighs.
    #[must_use]
    pub const fn points(&self) -> u32 {
        match self {
            // Bad luck, if it is rare.
            Self::Timeout | Self::Withheld => 10,
            Self::Stalled | Self::HeadersChanged => 5,
            Self::Header(error) => Self::header_points(error),
            // Honest programs do not do this, but a change of the rules or a manual choice of the operator can look like it.
            Self::ClaimNotShown | Self::InvalidBlock => 50,
            // Nobody does this by chance.
            Self::Malformed
            | Self::OtherAnswer
            | Self::Unlinked
            | Self::NoWork
            | Self::OtherBlock
            | Self::Body
            | Self::Transaction
            | Self::FalseProof
            | Self::CompactBlock(_) => Self::BAN_POINTS,
        }
    }

    /// One word, for what is counted.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::OtherAnswer => "other_answer",
            Self::Timeout => "timeout",
            Self::Stalled => "stalled",
            Self::Withheld => "withheld",
            Self::Unlinked => "unlinked",
            Self::NoWork => "no_work",
            Self::Header(_) => "header",
            Self::ClaimNotShown => "claim_not_shown",
            Self::HeadersChanged => "headers_changed",
            Self::OtherBlock => "other_block",
            Self::Body => "body",
            Self::InvalidBlock => "invalid_block",
            Self::Transaction => "transaction",
            Self::FalseProof => "false_proof",
            Self::CompactBlock(_) => "compact_block",
        }
    }

    const fn header_points(error: &InsertError) -> u32 {
        match error {
            // One of the two clocks is wrong, and it may be ours.
            InsertError::Header { error: HeaderError::TimeTooNew { .. }, .. } => 1,
            InsertError::Header { .. } => Self::BAN_POINTS,
            // Its chain may be one that the operator of this node has declared invalid.
            InsertError::Invalid { .. } | InsertError::Checkpoint { .. } | InsertError::BelowCheckpoint { .. } => 50,
            // Whoever asked has asked for the wrong ones.
            InsertError::UnknownParent { .. } | InsertError::Bits { .. } | InsertError::HeightOverflow { .. } => 0,
        }
    }
}
