//! Why a block or transaction is refused, in the short words that miners and wallets know from Bitcoin (BIP 22, and Bitcoin Core's
//! validation). What only this chain has gets words of the same kind.

use qbtc_core::chain::InsertError;
use qbtc_core::mempool::AdmitError;
use qbtc_core::verify::{BlockError, HeaderError, SpendError, TxError, WitnessError};

use crate::node::TxRefusal;

/// Why a header does not fit in.
pub(super) const fn header_place(error: &InsertError) -> &'static str {
    match error {
        InsertError::UnknownParent { .. } | InsertError::Invalid { .. } | InsertError::HeightOverflow { .. } => {
            "bad-prevblk"
        }
        InsertError::Checkpoint { .. } => "checkpoint-mismatch",
        InsertError::BelowCheckpoint { .. } => "bad-fork-prior-to-checkpoint",
        InsertError::Header { error, .. } => header(error),
        InsertError::Bits { .. } => "bad-diffbits",
    }
}

/// Why a header is not valid.
const fn header(error: &HeaderError) -> &'static str {
    match error {
        HeaderError::Work(_) => "high-hash",
        HeaderError::Difficulty { .. } => "bad-diffbits",
        HeaderError::TimeTooOld { .. } => "time-too-old",
        HeaderError::TimeTooNew { .. } => "time-too-new",
    }
}

/// Why a block is not valid.
pub(super) const fn block(error: &BlockError) -> &'static str {
    match error {
        BlockError::Header(error) => header(error),
        BlockError::Size { .. } => "bad-blk-length",
        BlockError::MerkleRoot { .. } => "bad-txnmrklroot",
        BlockError::DuplicateLeaves => "bad-txns-duplicate",
        BlockError::WitnessRoot { .. } => "bad-witness-merkle-match",
        BlockError::UtxoRoot { .. } => "bad-utxo-root",
        BlockError::CoinbaseChain { .. } => "bad-cb-chain",
        BlockError::CoinbaseParent { .. } => "bad-cb-parent",
        BlockError::Coinbase(_) => "bad-cb-length",
        BlockError::CoinbaseOutputs(_) => "bad-cb-outputs",
        BlockError::Transaction { error, .. } => transaction(error),
        BlockError::CoinbaseHeight { .. } => "bad-cb-height",
        BlockError::HistoryRoot { .. } => "bad-history-root",
        // Of a transaction that waits it is `non-final`.
        BlockError::Spend { error: SpendError::Locked { .. }, .. } => "bad-txns-nonfinal",
        BlockError::Spend { error, .. } => spend(error),
        BlockError::FeeSum => "bad-txns-accumulated-fee-outofrange",
        BlockError::CoinbaseAmount { .. } => "bad-cb-amount",
        BlockError::FilterHash { .. } => "bad-filter-hash",
        BlockError::Signature { .. } => "bad-witness-signature",
    }
}

/// Why a transaction is never valid.
const fn transaction(error: &TxError) -> &'static str {
    match error {
        TxError::Version { .. } => "version",
        TxError::Size { .. } => "bad-txns-oversize",
        TxError::MerkleNodeSize => "bad-txns-merkle-node-size",
        TxError::NoInputs => "bad-txns-vin-empty",
        TxError::NoOutputs => "bad-txns-vout-empty",
        TxError::DuplicateInput { .. } => "bad-txns-inputs-duplicate",
        TxError::Amount { .. } => "bad-txns-vout-toolarge",
        TxError::AmountSum { .. } => "bad-txns-txouttotal-toolarge",
        TxError::Data { .. } => "bad-txns-data-length",
        TxError::DataAmount { .. } => "bad-txns-data-amount",
        TxError::NeverValid { .. } => "bad-txns-never-final",
    }
}

/// Why a transaction cannot spend what it spends.
const fn spend(error: &SpendError) -> &'static str {
    match error {
        SpendError::Locked { .. } => "non-final",
        SpendError::Expired { .. } => "tx-expired",
        SpendError::MissingCoin { .. } => MISSING,
        SpendError::Immature { .. } => "bad-txns-premature-spend-of-coinbase",
        SpendError::AmountSum { .. } => "bad-txns-inputvalues-outofrange",
        SpendError::Overspent { .. } => "bad-txns-in-belowout",
        SpendError::WitnessCount { .. } => "bad-witness-count",
        SpendError::Witness { error, .. } => witness(error),
    }
}

/// Coins that do not exist or are spent.
const MISSING: &str = "bad-txns-inputs-missingorspent";

/// Why a witness unlocks nothing.
const fn witness(error: &WitnessError) -> &'static str {
    match error {
        WitnessError::Address { .. } => "bad-witness-address",
        WitnessError::ProofCount { .. } | WitnessError::ProofKind { .. } => "bad-witness-proofs",
        WitnessError::Scheme { .. } => "bad-witness-scheme",
        WitnessError::SignatureCount { .. }
        | WitnessError::SignatureOrder { .. }
        | WitnessError::SignatureLength { .. } => "bad-witness-signature",
        WitnessError::PreimageLength { .. } | WitnessError::Preimage { .. } => "bad-witness-preimage",
        WitnessError::TooEarly { .. } => "non-final",
    }
}

/// Why the mempool does not take a transaction.
pub(super) const fn admission(error: &AdmitError) -> &'static str {
    match error {
        AdmitError::Known { .. } => "txn-already-in-mempool",
        AdmitError::OtherWitnesses { .. } => "txn-same-nonwitness-data-in-mempool",
        AdmitError::Spend(error) => spend(error),
        AdmitError::Signature(_) => "bad-witness-signature",
        AdmitError::TipMoved => "tip-moved",
        AdmitError::ParentLeft { .. } => MISSING,
        AdmitError::Size { .. } => "tx-size",
        AdmitError::Dust { .. } => "dust",
        AdmitError::DataOutputs { .. } => "multi-op-return",
        AdmitError::FeeRate { .. } => "min relay fee not met",
        AdmitError::Ancestors { .. }
        | AdmitError::AncestorBytes { .. }
        | AdmitError::Descendants { .. }
        | AdmitError::DescendantBytes { .. } => "too-long-mempool-chain",
        AdmitError::SpendsReplaced { .. } => "bad-txns-spends-conflicting-tx",
        AdmitError::ReplacementUnconfirmed { .. } => "replacement-adds-unconfirmed",
        AdmitError::ReplacementCount { .. } => "too many potential replacements",
        AdmitError::ReplacementFeeRate { .. }
        | AdmitError::ReplacementFee { .. }
        | AdmitError::ReplacementRelayFee { .. } => "insufficient fee",
        AdmitError::Full { .. } => "mempool full",
    }
}

/// Why a transaction is not taken; `None`, if that is the node's own fault.
pub(super) const fn transaction_refusal(refusal: &TxRefusal) -> Option<&'static str> {
    match refusal {
        TxRefusal::Check(error) => Some(transaction(error)),
        TxRefusal::Admit(error) => Some(admission(error)),
        TxRefusal::Fault(_) => None,
    }
}
