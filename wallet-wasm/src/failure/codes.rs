//! The code of each of core's errors.

use qbtc_core::codec::CodecError;
use qbtc_core::commit::flyclient::SampledProofError;
use qbtc_core::commit::merkle::MerkleError;
use qbtc_core::commit::mmr::ProofError;
use qbtc_core::commit::{CommitmentsProofError, TxOutProofError};
use qbtc_core::crypto::CryptoError;
use qbtc_core::hash::HashTextError;
use qbtc_core::lock::{AddressTextError, ConditionsError, TreeError};
use qbtc_core::spec::SpecError;
use qbtc_core::units::AmountError;
use qbtc_core::wallet::address_book::BookError;
use qbtc_core::wallet::builder::BuildError;
use qbtc_core::wallet::coin_selection::SelectionError;
use qbtc_core::wallet::derivation::PathError;
use qbtc_core::wallet::keystore::KeystoreError;
use qbtc_core::wallet::layout::LayoutError;
use qbtc_core::wallet::message::MessageError;
use qbtc_core::wallet::mnemonic::MnemonicError;
use qbtc_core::wallet::partial::PartialError;

use super::{Failure, Sentence};

impl From<AmountError> for Failure {
    fn from(error: AmountError) -> Self {
        match &error {
            AmountError::TooLarge { found } => Self::new("amount-too-large", &error).found(found),
            AmountError::Text { found } => Self::new("amount-format", &error).found(found),
        }
    }
}

impl From<AddressTextError> for Failure {
    fn from(error: AddressTextError) -> Self {
        let text = Sentence::from(&error);
        match error {
            AddressTextError::MixedCase => Self::new("address-mixed-case", text),
            AddressTextError::Character { found, position } => {
                Self::new("address-character", text).found(found).at(position)
            }
            AddressTextError::Separator { expected } => Self::new("address-separator", text).expected(expected),
            AddressTextError::Prefix { found, expected } => {
                Self::new("address-network", text).found(found).expected(expected)
            }
            AddressTextError::Length { found, expected } => {
                Self::new("address-length", text).found(found).expected(expected)
            }
            AddressTextError::OldChecksum => Self::new("address-old-checksum", text),
            AddressTextError::Checksum { likely: None } => Self::new("address-checksum", text),
            AddressTextError::Checksum { likely: Some(position) } => Self::new("address-checksum", text).at(position),
            AddressTextError::Padding => Self::new("address-padding", text),
        }
    }
}

impl From<MnemonicError> for Failure {
    fn from(error: MnemonicError) -> Self {
        let text = Sentence::from(&error);
        match error {
            MnemonicError::WordCount { found } => {
                Self::new("mnemonic-word-count", text).found(found).expected("12, 15, 18, 21 or 24")
            }
            MnemonicError::UnknownWord { position, found } => {
                Self::new("mnemonic-unknown-word", text).found(found).at(position)
            }
            MnemonicError::Checksum => Self::new("mnemonic-checksum", text),
            MnemonicError::EntropyLength { found } => {
                Self::new("mnemonic-entropy", text).found(found).expected("16, 20, 24, 28 or 32")
            }
        }
    }
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        let text = Sentence::from(&error);
        match error {
            PathError::Form { found } => Self::new("path-form", text).found(found),
            PathError::Index { found } => Self::new("path-index", text).found(found),
            PathError::Purpose { found } => Self::new("path-purpose", text).found(found),
            PathError::Scheme { found } => Self::new("path-scheme", text).found(found),
            PathError::Branch { found } => Self::new("path-branch", text).found(found),
        }
    }
}

impl From<KeystoreError> for Failure {
    fn from(error: KeystoreError) -> Self {
        let text = Sentence::from(&error);
        match error {
            KeystoreError::Magic => Self::new("keystore-not-one", text),
            KeystoreError::Truncated { found, expected } => {
                Self::new("keystore-truncated", text).found(found).expected(expected)
            }
            KeystoreError::Trailing { found, expected } => {
                Self::new("keystore-trailing", text).found(found).expected(expected)
            }
            KeystoreError::HeaderDamaged | KeystoreError::Reserved => Self::new("keystore-header-damaged", text),
            KeystoreError::Version { found } => Self::new("keystore-version", text).found(found),
            KeystoreError::Kdf { found, least, most, .. } => {
                Self::new("keystore-costs", text).found(found).expected(format_args!("{least} to {most}"))
            }
            KeystoreError::CiphertextLength { found, .. } => Self::new("keystore-length", text).found(found),
            KeystoreError::Memory { kib } => Self::new("keystore-memory", text).expected(kib),
            KeystoreError::WrongPassphrase => Self::new("wrong-passphrase", text),
            KeystoreError::CiphertextDamaged => Self::new("keystore-content-damaged", text),
            KeystoreError::Content => Self::new("keystore-content", text),
            KeystoreError::Labels { found, limit } => Self::new("keystore-labels", text).found(found).expected(limit),
            KeystoreError::LabelLength { index, found, limit } => {
                Self::new("keystore-label-length", text).found(found).expected(limit).at(index + 1)
            }
        }
    }
}

impl From<CryptoError> for Failure {
    fn from(error: CryptoError) -> Self {
        let text = Sentence::from(&error);
        match error {
            CryptoError::UnknownScheme { found } => Self::new("scheme-unknown", text).found(found),
            CryptoError::UnknownSchemeName { found } => Self::new("scheme-unknown", text).found(found),
            CryptoError::PublicKeyLength { found, expected, .. } => {
                Self::new("public-key-length", text).found(found).expected(expected)
            }
            CryptoError::SignatureLength { found, expected, .. } => {
                Self::new("signature-length", text).found(found).expected(expected)
            }
            CryptoError::SignatureTooLong { found, max } => {
                Self::new("signature-length", text).found(found).expected(max)
            }
            CryptoError::ContextTooLong { found, max } => Self::new("context-length", text).found(found).expected(max),
            CryptoError::InvalidSignature { .. } => Self::new("signature-invalid", text),
        }
    }
}

impl From<SelectionError> for Failure {
    fn from(error: SelectionError) -> Self {
        let text = Sentence::from(&error);
        match error {
            SelectionError::Insufficient { needed, available, .. } => {
                Self::new("insufficient-funds", text).found(available).expected(needed)
            }
            SelectionError::TooLarge { found, limit } => {
                Self::new("transaction-too-large", text).found(found).expected(limit)
            }
            SelectionError::Overflow => Self::new("amount-too-large", text),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let text = Sentence::from(&error);
        match error {
            BuildError::Selection(error) => error.into(),
            BuildError::NoOutputs => Self::new("payment-empty", text),
            BuildError::Dust { index, found, least } => {
                Self::new("payment-dust", text).found(found).expected(least).at(index + 1)
            }
            BuildError::DataAmount { index, found } => {
                Self::new("payment-data-amount", text).found(found).at(index + 1)
            }
            BuildError::Data { index, found, limit } => {
                Self::new("payment-data-length", text).found(found).expected(limit).at(index + 1)
            }
            BuildError::DataOutputs { found, limit } => {
                Self::new("payment-data-outputs", text).found(found).expected(limit)
            }
            BuildError::FeeRate { found, least } => Self::new("payment-fee-rate", text)
                .found(found.quanta_per_1000_bytes())
                .expected(least.quanta_per_1000_bytes()),
            BuildError::Scheme { scheme, height } => Self::new("payment-scheme", text).found(scheme).expected(height),
            BuildError::NeverValid { lock, expiry } => {
                Self::new("payment-never-valid", text).found(expiry).expected(lock)
            }
            BuildError::Overflow => Self::new("amount-too-large", text),
            BuildError::RestTooSmall { available, least } => {
                Self::new("payment-rest-too-small", text).found(available).expected(least)
            }
            BuildError::DataPaysNothing { index } => Self::new("payment-data-pays-nothing", text).at(index + 1),
            BuildError::MerkleNodeSize => Self::new("payment-64-bytes", text),
            BuildError::UnknownKeys { .. } => Self::new("payment-unknown-keys", text),
            BuildError::NoFallback => Self::new("payment-no-fallback", text),
            BuildError::Account { found, expected } => Self::new("account-other", text).found(found).expected(expected),
            BuildError::Partial(error) => error.into(),
            BuildError::ForeignInput { .. } => Self::new("payment-foreign-input", text),
            BuildError::NoSuchOutput { index, outputs } => {
                Self::new("payment-no-such-output", text).found(index).expected(outputs)
            }
        }
    }
}

impl From<PartialError> for Failure {
    fn from(error: PartialError) -> Self {
        let text = Sentence::from(&error);
        match error {
            PartialError::Magic => Self::new("partial-not-one", text),
            PartialError::Version { found } => Self::new("partial-version", text).found(found),
            PartialError::Codec(error) => error.into(),
            PartialError::NoInputs => Self::new("partial-no-inputs", text),
            PartialError::SpentCount { found, expected } => {
                Self::new("partial-spent-count", text).found(found).expected(expected)
            }
            PartialError::DuplicateInput { .. } => Self::new("partial-duplicate-input", text),
            PartialError::Unspendable { index } => Self::new("partial-unspendable", text).at(index + 1),
            PartialError::Overflow => Self::new("amount-too-large", text),
            PartialError::Overspent { inputs, outputs } => {
                Self::new("partial-overspent", text).found(outputs).expected(inputs)
            }
            PartialError::UnlockCount { found, expected } => {
                Self::new("partial-unlock-count", text).found(found).expected(expected)
            }
            PartialError::ForeignAddress { .. } => Self::new("partial-foreign-address", text),
            PartialError::Alternative { .. } => Self::new("partial-alternative", text),
            PartialError::AlternativeChosen { .. } => Self::new("partial-alternative-chosen", text),
            PartialError::TooEarly { from, lock } => Self::new("partial-too-early", text).found(lock).expected(from),
            PartialError::Proofs { .. } => Self::new("partial-proofs", text),
            PartialError::SignatureLength { found, expected, .. } => {
                Self::new("signature-length", text).found(found).expected(expected)
            }
            PartialError::Signature(error) => error.into(),
            PartialError::Different { part } => Self::new("partial-different", text).found(part),
            PartialError::Incomplete(missing) => Self::new("partial-incomplete", text).found(missing),
        }
    }
}

impl From<MessageError> for Failure {
    fn from(error: MessageError) -> Self {
        let text = Sentence::from(&error);
        match error {
            MessageError::Magic => Self::new("message-not-one", text),
            MessageError::Version { found } => Self::new("message-version", text).found(found),
            MessageError::Codec(error) => error.into(),
            MessageError::Base64 { found } => Self::new("message-base64", text).found(found),
            MessageError::TooLong { found } => Self::new("message-too-long", text).found(found),
            MessageError::NoSuchAlternative { place, alternatives } => {
                Self::new("alternative-missing", text).found(place).expected(alternatives)
            }
            MessageError::ShowsPreimage => Self::new("message-shows-preimage", text),
            MessageError::NoKey => Self::new("message-no-key", text),
            MessageError::Incomplete(missing) => Self::new("message-incomplete", text).found(missing),
            MessageError::Witness(_) => Self::new("message-witness", text),
            MessageError::Signature(error) => error.into(),
        }
    }
}

impl From<BookError> for Failure {
    fn from(error: BookError) -> Self {
        let text = Sentence::from(&error);
        match error {
            BookError::GapLimit { found } => Self::new("book-gap-limit", text).found(found),
            BookError::Account { found, expected } => Self::new("account-other", text).found(found).expected(expected),
            BookError::Keys { .. } => Self::new("book-keys", text),
            BookError::Duplicate { .. } => Self::new("book-duplicate", text),
            BookError::Full { found } => Self::new("book-full", text).found(found),
            BookError::Used { found, limit } => Self::new("book-used", text).found(found).expected(limit),
        }
    }
}

impl From<ConditionsError> for Failure {
    fn from(error: ConditionsError) -> Self {
        let text = Sentence::from(&error);
        match error {
            ConditionsError::Empty => Self::new("conditions-empty", text),
            ConditionsError::TooMany { found } => Self::new("conditions-too-many", text).found(found),
            ConditionsError::Threshold { required, keys } => {
                Self::new("conditions-threshold", text).found(required).expected(keys)
            }
        }
    }
}

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Self {
        let text = Sentence::from(&error);
        match error {
            TreeError::Empty => Self::new("tree-empty", text),
            TreeError::TooMany { found } => Self::new("tree-too-many", text).found(found),
        }
    }
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        let text = Sentence::from(&error);
        match error {
            SpecError::TooLong { found } => Self::new("chain-too-long", text).found(found),
            SpecError::Codec(error) => error.into(),
            SpecError::Toml(_) => Self::new("chain-toml", text),
            SpecError::Name { found } => Self::new("chain-name", text).found(found),
            SpecError::Consensus(_) => Self::new("chain-rules", text),
        }
    }
}

impl From<LayoutError> for Failure {
    fn from(error: LayoutError) -> Self {
        Self::new("layout-fallback", error)
    }
}

impl From<HashTextError> for Failure {
    fn from(error: HashTextError) -> Self {
        Self::new("hash-format", error)
    }
}

impl From<CodecError> for Failure {
    fn from(error: CodecError) -> Self {
        let text = Sentence::from(&error);
        match error {
            CodecError::TooLong { found, limit, .. } => Self::new("bytes-too-long", text).found(found).expected(limit),
            CodecError::Malformed { found, .. } => Self::new("bytes-malformed", text).found(found),
            CodecError::Trailing { trailing, .. } => Self::new("bytes-trailing", text).found(trailing),
            CodecError::NotCanonical { .. } => Self::new("bytes-not-canonical", text),
        }
    }
}

impl From<MerkleError> for Failure {
    fn from(error: MerkleError) -> Self {
        let text = Sentence::from(&error);
        match error {
            MerkleError::Root { found, expected } => Self::new("proof-root", text).found(found).expected(expected),
            MerkleError::NoSuchLeaf { .. }
            | MerkleError::TooDeep { .. }
            | MerkleError::Index { .. }
            | MerkleError::Kind { .. }
            | MerkleError::CouldBeNode
            | MerkleError::Duplicate(_) => Self::new("proof-merkle", text),
        }
    }
}

impl From<TxOutProofError> for Failure {
    fn from(error: TxOutProofError) -> Self {
        match error {
            TxOutProofError::Codec(error) => error.into(),
            TxOutProofError::Merkle(error) => error.into(),
            TxOutProofError::Missing(_) | TxOutProofError::Coinbase(_) => Self::new("proof-leaf", &error),
        }
    }
}

impl From<CommitmentsProofError> for Failure {
    fn from(error: CommitmentsProofError) -> Self {
        match error {
            CommitmentsProofError::Codec(error) => error.into(),
            CommitmentsProofError::TooShort { found } => Self::new("bytes-malformed", &error).found(found),
        }
    }
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        let text = Sentence::from(&error);
        match error {
            ProofError::Codec(error) => error.into(),
            ProofError::Root { found, expected } => Self::new("proof-root", text).found(found).expected(expected),
            ProofError::Height { height, blocks } => Self::new("proof-height", text).found(height).expected(blocks),
            ProofError::Target(_) | ProofError::Replay(_) => Self::new("proof-history", text),
        }
    }
}

impl From<SampledProofError> for Failure {
    fn from(error: SampledProofError) -> Self {
        let text = Sentence::from(&error);
        match error {
            SampledProofError::Codec(error) => error.into(),
            SampledProofError::Tip { found, expected } => Self::new("proof-tip", text).found(found).expected(expected),
            SampledProofError::Work { .. } => Self::new("proof-work", text),
            // Every other one means that a prover has lied, or has made the proof for another chain.
            _ => Self::new("proof-history", text),
        }
    }
}
