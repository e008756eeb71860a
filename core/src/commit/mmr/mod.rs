//! The history: a Merkle mountain range over all blocks of a chain, to which every block commits for all blocks before it.
//!
//! Blocks are leaves, in order. Wherever 2^k blocks from a multiple of 2^k on are complete they have a [`Node`], which carries
//! the sum of their work and their outer times besides a hash. The nodes that have no parent yet are the [`Peaks`], at most one
//! for each bit of the number of blocks; the root is one hash over that number and all peaks.
//!
//! Three properties carry everything built on it:
//! - *The peaks are the whole state.* A chain keeps them (at most 32 nodes), appends a block in O(1) hashes on average, and
//!   undoes one by putting the old ones back.
//! - *A proof is a replay.* Whoever starts from no peaks, appends some blocks one by one and the ranges between them as whole
//!   subtrees, ends with the true peaks. Before each block the peaks at hand are those of the history up to its parent, so that
//!   the block's own commitment is checked against them at no extra bytes ([`BlockProof`], and by the sampled proof).
//! - *Nothing is ever rewritten.* Nodes in the order of their making form an append-only list, which a full node keeps as flat
//!   records to make proofs from, and cuts to [`nodes_len`] to undo blocks.
//!
//! A history says which blocks, in which order, with which work they claim. It does not say that they are valid.

mod node;
mod peaks;
mod proof;
mod replay;
mod span;

pub use node::Node;
pub use peaks::{HistoryError, Peaks};
pub use proof::{BlockProof, ProofError, ProvenBlock};
pub use replay::{ReplayError, Subtree};
pub use span::nodes_len;

pub(crate) use replay::{Replay, subtrees};
pub(crate) use span::Span;
