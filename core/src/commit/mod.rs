//! What blocks commit to: each commitment with the proof that goes with it.

pub mod filter;
pub mod merkle;
mod commitments_proof;
mod tx_out_proof;
pub mod mmr;
pub mod flyclient;

pub use commitments_proof::{CommitmentsProof, CommitmentsProofError};
pub use tx_out_proof::{TxOutProof, TxOutProofError};
