//! What is asked once: a transaction, a block or a header with its proof; to spread a transaction; what one should pay.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::proven::Proven;
use crate::block::Block;
use crate::hash::Txid;
use crate::header::Header;
use crate::net::LIGHT_FEES_MAX;
use crate::tx::{Transaction, TxBody};
use crate::units::{FeeRate, Height};

/// The most queries that wait at once.
pub const QUERIES_MAX: usize = 64;
/// How long a query may take.
pub(super) const QUERY_MS: u64 = 60_000;

/// A query, as whoever uses the client numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// A transaction.
    Transaction {
        /// Its id.
        txid: Txid,
    },
    /// The header at a height.
    Header {
        /// The height.
        height: Height,
    },
    /// The block at a height, without witnesses.
    Block {
        /// The height.
        height: Height,
    },
    /// Gives a transaction to several nodes.
    Submit {
        /// The transaction.
        transaction: Box<Transaction>,
    },
    /// What a transaction should pay.
    Fees {
        /// To be mined within so many blocks; at most [`LIGHT_FEES_MAX`] of them.
        blocks: Vec<u32>,
    },
}

/// What came of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The transaction is in the chain.
    Transaction(Box<Proven<TxBody>>),
    /// The transaction waits to be mined: a node's word.
    Waiting(Box<TxBody>),
    /// The header is in the chain.
    Header(Box<Proven<Header>>),
    /// The block is in the chain.
    Block(Box<Proven<Block>>),
    /// Nodes took the transaction: their word.
    Submitted {
        /// Its id.
        txid: Txid,
        /// How many took it.
        nodes: usize,
        /// What the others said.
        refusals: Vec<String>,
    },
    /// For each waiting time the median of what nodes say: their word.
    Fees {
        /// The rates.
        rates: Vec<FeeRate>,
        /// How many nodes said so.
        nodes: usize,
    },
    /// Nothing.
    Failed(QueryError),
}

/// Why nothing came of a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Too many at once.
    #[error("{QUERIES_MAX} questions wait already: ask again when some of them are answered")]
    TooMany,
    /// No node that was asked has it: their word.
    #[error("none of {nodes} nodes has it")]
    NotFound {
        /// How many were asked.
        nodes: usize,
    },
    /// All nodes that were asked refused it.
    #[error("refused: {}", reasons.join("; "))]
    Refused {
        /// What they said.
        reasons: Vec<String>,
    },
    /// Some nodes refused a payment, and others gave no answer: they may have taken it.
    #[error("some nodes refused it ({}) and others gave no answer: it may be on its way", reasons.join("; "))]
    Unsure {
        /// What was said.
        reasons: Vec<String>,
    },
    /// More waiting times than can be asked about.
    #[error("{found} waiting times: at most {LIGHT_FEES_MAX} can be asked about at once")]
    TooManyTimes {
        /// How many there are.
        found: usize,
    },
    /// Above the tip.
    #[error("height {height} is above the tip at {tip}")]
    AboveTip {
        /// The height asked for.
        height: Height,
        /// The tip's.
        tip: Height,
    },
    /// No answer that could be used.
    #[error("no node gave an answer that holds within {} seconds", QUERY_MS / 1_000)]
    TimedOut,
}
