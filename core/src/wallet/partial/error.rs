//! What can be wrong with a partial transaction.

use crate::codec::CodecError;
use crate::crypto::{CryptoError, Scheme};
use crate::lock::Address;
use crate::tx::OutPoint;
use crate::units::{Amount, Height};

/// Why something is no partial transaction, or does not fit one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartialError {
    /// Something else.
    #[error("not a partial transaction: it does not begin with \"qbtcptx\"")]
    Magic,
    /// Written by a newer program.
    #[error("partial transaction of version {found}: expected {}", super::PartialTx::VERSION)]
    Version {
        /// Version found.
        found: u8,
    },
    /// Malformed bytes.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It spends nothing.
    #[error("partial transaction without inputs")]
    NoInputs,
    /// Not one spent output for each input.
    #[error("{found} spent outputs for {expected} inputs")]
    SpentCount {
        /// Outputs found.
        found: usize,
        /// Inputs.
        expected: usize,
    },
    /// A coin that is spent twice.
    #[error("coin {}:{} is spent twice", outpoint.txid, outpoint.index)]
    DuplicateInput {
        /// The coin.
        outpoint: OutPoint,
    },
    /// An output that nobody can spend.
    #[error("input {index} spends an output of data, which nobody can spend")]
    Unspendable {
        /// The input's place.
        index: usize,
    },
    /// Amounts beyond all the money there can be.
    #[error("the amounts exceed the largest amount")]
    Overflow,
    /// More goes out than comes in.
    #[error("outputs of {outputs} QBTC exceed inputs of {inputs} QBTC")]
    Overspent {
        /// Sum of the coins spent.
        inputs: Amount,
        /// Sum of the outputs.
        outputs: Amount,
    },
    /// Not one place for each address.
    #[error("{found} places for witnesses: expected {expected}, one for each distinct address")]
    UnlockCount {
        /// Places found.
        found: usize,
        /// Distinct addresses.
        expected: usize,
    },
    /// No coin of that address is spent.
    #[error("no coin of {address:?} is spent")]
    ForeignAddress {
        /// The address.
        address: Address,
    },
    /// An alternative of another address.
    #[error("the alternative belongs to {found:?}: expected {expected:?}")]
    Alternative {
        /// The address it leads to.
        found: Address,
        /// The address that is spent from.
        expected: Address,
    },
    /// Another alternative was chosen before; signatures may be there already.
    #[error("another alternative was chosen for {address:?} already")]
    AlternativeChosen {
        /// The address.
        address: Address,
    },
    /// The transaction could be mined before one of its conditions holds.
    #[error("a condition holds from height {from}, and the transaction is locked until {lock} only")]
    TooEarly {
        /// The height from which the condition holds.
        from: Height,
        /// The transaction's lock height.
        lock: Height,
    },
    /// Proofs that do not match their conditions, in number, kind or order.
    #[error("the proofs given for {address:?} are not those of its conditions")]
    Proofs {
        /// The address.
        address: Address,
    },
    /// A signature of the wrong length.
    #[error("signature of {found} bytes: {scheme} has {expected}")]
    SignatureLength {
        /// The key's scheme.
        scheme: Scheme,
        /// Bytes found.
        found: usize,
        /// Bytes of that scheme.
        expected: usize,
    },
    /// A signature that does not verify: of another key, over another transaction, or over other spent outputs.
    #[error(transparent)]
    Signature(#[from] CryptoError),
    /// Two copies of different transactions.
    #[error("the copies differ in their {part}: they are not of one transaction")]
    Different {
        /// What differs.
        part: &'static str,
    },
    /// Something is still missing.
    #[error("not complete: {0} are missing")]
    Incomplete(usize),
}
