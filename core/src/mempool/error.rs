//! Why a transaction is not taken into the pool.

use crate::crypto::CryptoError;
use crate::hash::{Txid, Wtxid};
use crate::tx::OutPoint;
use crate::units::{Amount, FeeRate};
use crate::verify::{SpendError, WitnessError};

/// Why a transaction is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// It is in the pool.
    #[error("transaction {wtxid} is in the pool already")]
    Known {
        /// Its id with witnesses.
        wtxid: Wtxid,
    },
    /// The pool holds it with other witnesses. Whoever can make a witness can make another, so the first seen stays.
    #[error("transaction is in the pool with other witnesses, as {known}: this is {found}")]
    OtherWitnesses {
        /// The id with witnesses of this one.
        found: Wtxid,
        /// The id with witnesses of the one in the pool.
        known: Wtxid,
    },
    /// It breaks a rule of validity in the next block, or spends coins that are unknown here.
    #[error(transparent)]
    Spend(SpendError),
    /// A signature does not verify.
    #[error(transparent)]
    Signature(CryptoError),
    /// The tip moved since the transaction was resolved: it must be resolved again. Says nothing about it.
    #[error("the tip moved while the transaction was verified")]
    TipMoved,
    /// An unconfirmed transaction that it spends from left the pool since it was resolved.
    #[error("transaction {txid}, which it spends from, left the pool while it was verified")]
    ParentLeft {
        /// The id of the one that left.
        txid: Txid,
    },
    /// Larger than this node relays.
    #[error("transaction of {found} bytes exceeds the {limit} that this node relays")]
    Size {
        /// Bytes found.
        found: u32,
        /// Bytes allowed.
        limit: u32,
    },
    /// An output that costs more to spend than it is worth.
    #[error("output {index} of {found} QBTC is dust: at least {least} QBTC are worth spending")]
    Dust {
        /// The output's place.
        index: u32,
        /// Amount found.
        found: Amount,
        /// The least amount that is relayed.
        least: Amount,
    },
    /// More outputs of data than this node relays.
    #[error("transaction with {found} outputs of data: at most {limit} are relayed")]
    DataOutputs {
        /// Outputs found.
        found: u32,
        /// Outputs allowed.
        limit: u32,
    },
    /// A fee rate below what this node relays, or below what a pool that was full takes for now.
    #[error("fee rate of {found}: at least {least} are needed now")]
    FeeRate {
        /// Rate found.
        found: FeeRate,
        /// The least rate now.
        least: FeeRate,
    },
    /// Too many unconfirmed transactions must be mined with it.
    #[error("transaction with at least {found} unconfirmed ancestors, itself included, exceeds the limit of {limit}")]
    Ancestors {
        /// Transactions found until the search was given up.
        found: u32,
        /// Transactions allowed.
        limit: u32,
    },
    /// The unconfirmed transactions that must be mined with it are too large together.
    #[error("unconfirmed ancestors of {found} bytes, itself included, exceed the limit of {limit}")]
    AncestorBytes {
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// An ancestor would have too many descendants.
    #[error("transaction {ancestor} would have {found} unconfirmed descendants, itself included: at most {limit}")]
    Descendants {
        /// The ancestor.
        ancestor: Txid,
        /// Transactions found.
        found: u32,
        /// Transactions allowed.
        limit: u32,
    },
    /// An ancestor's descendants would be too large together.
    #[error(
        "transaction {ancestor} would have unconfirmed descendants of {found} bytes, itself included: at most {limit}"
    )]
    DescendantBytes {
        /// The ancestor.
        ancestor: Txid,
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// It spends from a transaction that it would push out.
    #[error("transaction spends from {txid}, which it would replace")]
    SpendsReplaced {
        /// The transaction that would go.
        txid: Txid,
    },
    /// A replacement that spends from an unconfirmed transaction from which nothing that it conflicts with spends.
    #[error(
        "replacement spends the unconfirmed coin {}:{}: nothing that it conflicts with spends from that transaction",
        outpoint.txid,
        outpoint.index
    )]
    ReplacementUnconfirmed {
        /// The coin.
        outpoint: OutPoint,
    },
    /// A replacement would push out too many transactions.
    #[error("replacement of {found} or more transactions: at most {limit} are allowed")]
    ReplacementCount {
        /// Transactions found until the search was given up.
        found: u32,
        /// Transactions allowed.
        limit: u32,
    },
    /// A replacement that pays no higher a rate than a transaction it conflicts with.
    #[error("replacement at {found}: must exceed the {replaced} of {txid}")]
    ReplacementFeeRate {
        /// The transaction that would go.
        txid: Txid,
        /// Rate found.
        found: FeeRate,
        /// The rate of the one that would go.
        replaced: FeeRate,
    },
    /// A replacement that pays less than all that it would push out.
    #[error("replacement pays {found} QBTC: what it replaces pays {replaced} QBTC")]
    ReplacementFee {
        /// Fee found.
        found: Amount,
        /// The fees of all that would go.
        replaced: Amount,
    },
    /// A replacement that does not pay for its own relay on top of what it would push out.
    #[error("replacement pays {found} QBTC: {least} QBTC are needed to pay for its relay as well")]
    ReplacementRelayFee {
        /// Fee found.
        found: Amount,
        /// The fees of all that would go, and its own bytes at the incremental rate.
        least: Amount,
    },
    /// The pool is full of transactions that pay as much or more.
    #[error("the pool is full and a fee rate of {found} pushes nothing out: more than {lowest} is needed")]
    Full {
        /// Rate found.
        found: FeeRate,
        /// The lowest rate that would have to go.
        lowest: FeeRate,
    },
}

impl AdmitError {
    /// Whether whoever sent it is at fault: it is not valid at any tip, now or later, so an honest node would not have relayed it.
    ///
    /// Heights and missing coins are nobody's fault, since two nodes can be at different tips for a moment; and policy is each node's
    /// own.
    #[must_use]
    pub const fn is_senders_fault(&self) -> bool {
        match self {
            Self::Signature(_) => true,
            Self::Spend(error) => match error {
                SpendError::AmountSum { .. } | SpendError::Overspent { .. } | SpendError::WitnessCount { .. } => true,
                SpendError::Witness { error, .. } => {
                    !matches!(error, WitnessError::TooEarly { .. } | WitnessError::Scheme { .. })
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The coin that is missing, if that is all: the transaction that makes it may still come, so this one may be kept aside.
    #[must_use]
    pub const fn missing_coin(&self) -> Option<OutPoint> {
        match self {
            Self::Spend(SpendError::MissingCoin { outpoint }) => Some(*outpoint),
            _ => None,
        }
    }
}
