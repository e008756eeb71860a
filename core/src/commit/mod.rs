//! What blocks commit to: each commitment with the proof that goes with it.

pub mod merkle;
pub mod mmr;
