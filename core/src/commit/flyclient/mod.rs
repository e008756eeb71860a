//! FlyClient: proving the work of a whole chain by showing a few hundred of its blocks.
//!
//! After Bünz, Kiffer, Luu and Zamani, "FlyClient: Super-Light Clients for Cryptocurrencies" (2019, ePrint 2019/226). Every block
//! commits to the history before it, so a prover that replaces old blocks must invent all blocks after them. The verifier draws points
//! of the cumulative work, denser towards the end, and is shown the blocks there: one without valid work betrays the prover. A
//! prover with at most half of the work that it claims since some fork passes with a probability of at most 2^−security.
//!
//! - *Live*, at 50 bits, the client draws its seed after the prover has named a tip, which leaves the prover one try.
//! - *A receipt*, at 110 bits, draws from the tip's id, which the prover varies at one hash a try or more: 2^95 hashes, a year of
//!   all of Bitcoin's miners, pass with a probability of 2^−15.
//!
//! The last [`TAIL_HEADERS`] headers always come whole; with no more blocks than that, nothing is sampled. Every header that is shown
//! is checked as far as its place allows (work, bits, time, parent), and its work is held against that of the blocks before it, so
//! that no single lucky block stands for many.
//!
//! A proof says that work was done under the header rules. That transactions are valid it does not say, nor can it tell apart two
//! chains that both have their work. What is sampled, and what that is worth: docs/decisions/0003-history-sampling.md.

mod growth;
mod headers;
mod logarithm;
mod proof;
mod prove;
mod sampling;
mod verify;

pub use headers::HeaderRules;
pub use proof::{Opening, PROOF_BYTES_MAX, SampledProof, TAIL_HEADERS};
pub use prove::{HistorySource, ProveError};
pub use sampling::{Challenge, LIVE_SECURITY_BITS, RECEIPT_SECURITY_BITS, Sampling};
pub use verify::{ProvenChain, SampledProofError, verify};
