//! What blocks commit to: each commitment with the proof that goes with it.

pub mod filter;
pub mod merkle;
pub mod mmr;
pub mod flyclient;
