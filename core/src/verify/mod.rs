//! The rules of validity, one error variant a rule.
//!
//! Each stage of trust is a type, and each stage takes the one before:
//!
//! | stage | type | what is known |
//! |---|---|---|
//! | [`check_header`] | [`CheckedHeader`] | the header's work, bits and time fit its place in the chain |
//! | [`check_transaction`] | [`CheckedTx`] | the rules in isolation; ids and size |
//! | [`check_block`] | [`CheckedBlock`] | size, merkle root, witness root, coinbase, every transaction in isolation |
//! | [`resolve_transaction`] | [`ResolvedTx`] | every rule in context, but that the signatures verify |
//! | [`resolve_block`] | [`ResolvedBlock`] | the same for a whole block, with its effects on the coins |
//! | [`ResolvedBlock::verify`] | [`VerifiedBlock`] | everything |
//!
//! [`verify_proposal`] goes through all stages of a block that nobody has mined yet.
//!
//! Signatures are collected as self-contained jobs and run by the caller, serially or in parallel; a [`VerifiedCache`] remembers
//! which witnesses have passed, so that none is verified twice.

mod block;
mod cache;
mod header;
mod proposal;
mod resolve;
mod resolve_block;
mod transaction;
mod witness;

pub use block::{BlockError, CheckedBlock, assemble_block, check_block, check_block_with};
pub use cache::VerifiedCache;
pub use header::{CheckedHeader, HeaderContext, HeaderError, check_header};
pub use proposal::verify_proposal;
pub use resolve::{ResolveError, ResolvedTx, SpendError, resolve_transaction};
pub(crate) use resolve_block::block_filter;
pub use resolve_block::{BlockContext, ResolvedBlock, VerifiedBlock, genesis_block, resolve_block};
pub(crate) use transaction::check_outputs;
pub use transaction::{CheckedTx, TxError, check_transaction};
pub use witness::WitnessError;
pub(crate) use witness::{check_witness, signature_jobs};
