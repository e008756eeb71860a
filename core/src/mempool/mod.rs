//! The mempool: valid transactions that wait for a block, and the blocks that could be made of them.
//!
//! ```text
//! CheckedTx → Mempool::resolve → Candidate → verify (signatures, by the caller) → VerifiedCandidate → Mempool::insert
//! ChangeSet → Mempool::move_tip        time → Mempool::expire        TemplateContext → Mempool::template → BlockTemplate
//! ```
//!
//! Invariants, after every call:
//! - each transaction is valid in the next block, after those it depends on: every coin that it spends is at the tip or made here;
//! - no two spend one coin;
//! - memory, relatives of a transaction, and what one newcomer can push out are bounded by [`Policy`];
//! - a refused transaction has changed nothing.
//!
//! The pool reads no clock, starts no thread and keeps no coins: time, signature checks and coins are its caller's. It answers the same
//! for the same calls; no order of a hash map shows. It is for the next block only: whether a transaction will be valid later is not
//! asked. It must not import the chain or a wallet.

mod admission;
mod candidate;
mod entry;
mod error;
mod estimate;
mod floor;
mod graph;
mod policy;
mod pool;
mod priority;
mod removal;
mod replacement;
mod select;
mod template;
mod tip;
mod view;

pub use candidate::{Candidate, VerifiedCandidate};
pub use entry::{MempoolEntry, Package, Sequence};
pub use error::AdmitError;
pub use estimate::{ESTIMATE_BLOCKS_MAX, EstimateBasis, EstimateError, FeeEstimate};
pub use policy::{Policy, SPEND_BYTES};
pub use pool::Mempool;
pub use priority::{PRIORITIES_MAX, PriorityError};
pub use removal::{Removal, RemovalReason};
pub use template::{
    BlockTemplate, CoinbaseParts, EXTRANONCE_BYTES, Extranonce, Payout, Solution, TemplateContext, TemplateError,
    TemplateTx,
};
pub use tip::TipChange;
pub use view::MempoolView;
