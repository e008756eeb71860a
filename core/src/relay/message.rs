//! A transaction on the stem, as it travels: padded, so that its length says little.

use alloc::vec::Vec;

use crate::codec::{self, CodecError};
use crate::spec::ChainSpec;
use crate::tx::Transaction;

/// A transaction on the stem.
///
/// Bytes: the transaction's encoding, a byte 0x80, and zeros up to the next multiple of [`StemMessage::STEP_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StemMessage(pub Transaction);

/// Why bytes are no message of the stem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StemMessageError {
    /// Longer than any transaction of this chain.
    #[error("stem message of {found} bytes exceeds the limit of {limit}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not padded as it must be: there is one way only.
    #[error("stem message of {found} bytes is not padded to a multiple of {}", StemMessage::STEP_BYTES)]
    Padding {
        /// Bytes found.
        found: usize,
    },
    /// No transaction.
    #[error(transparent)]
    Transaction(#[from] CodecError),
}

/// What stands between transaction and zeros.
const END: u8 = 0x80;

impl StemMessage {
    /// Messages have a multiple of this length: a payment with one ML-DSA-87 witness has two of it, as most have.
    pub const STEP_BYTES: usize = 4_096;

    /// The most bytes of a message.
    #[must_use]
    pub const fn bytes_max(spec: &ChainSpec) -> usize {
        (spec.consensus().limits.tx_bytes as usize + 1).next_multiple_of(Self::STEP_BYTES)
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = codec::encode(&self.0);
        bytes.push(END);
        bytes.resize(bytes.len().next_multiple_of(Self::STEP_BYTES), 0);
        bytes
    }

    /// The message of exactly these bytes.
    ///
    /// # Errors
    /// [`StemMessageError`].
    pub fn from_bytes(bytes: &[u8], spec: &ChainSpec) -> Result<Self, StemMessageError> {
        let (found, limit) = (bytes.len(), Self::bytes_max(spec));
        if found > limit {
            return Err(StemMessageError::TooLong { found, limit });
        }
        let padding = StemMessageError::Padding { found };
        let end = bytes.iter().rposition(|byte| *byte != 0).ok_or(padding.clone())?;
        let is_padded = bytes[end] == END && (end + 1).next_multiple_of(Self::STEP_BYTES) == found;
        if !is_padded {
            return Err(padding);
        }
        Ok(Self(codec::decode(&bytes[..end], spec.consensus().limits.tx_bytes as usize)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Txid;
    use crate::lock::{Address, Lock};
    use crate::testing::test;
    use crate::tx::{OutPoint, TxBody, TxOut};
    use crate::units::{Amount, Height};
    use alloc::vec;

    fn message(outputs: usize) -> StemMessage {
        let lock = Lock::Address(Address::from_bytes([0x80; 32]));
        let body = TxBody {
            version: TxBody::VERSION,
            inputs: vec![OutPoint { txid: Txid::from_bytes([2; 32]), index: 0 }],
            outputs: vec![TxOut { amount: Amount::from_coins(1), lock }; outputs],
            lock_height: Height(0),
            expiry_height: Height(0),
        };
        StemMessage(Transaction { body, witnesses: Vec::new() })
    }

    #[test]
    fn lengths_say_little_and_the_transaction_comes_back() {
        let spec = ChainSpec::dev();
        let mut lengths = Vec::new();
        for outputs in 1..300 {
            let bytes = message(outputs).to_bytes();
            assert_eq!(StemMessage::from_bytes(&bytes, &spec), Ok(message(outputs)));
            lengths.push(bytes.len());
        }
        lengths.dedup();
        assert_eq!(lengths, [4_096, 8_192, 12_288]);
    }

    #[test]
    fn there_is_one_way_to_pad() {
        let spec = ChainSpec::dev();
        let bytes = message(3).to_bytes();
        let refused = |bytes: &[u8]| StemMessage::from_bytes(bytes, &spec).unwrap_err();
        assert_eq!(refused(&[]), StemMessageError::Padding { found: 0 });
        assert_eq!(refused(&[0; 4_096]), StemMessageError::Padding { found: 4_096 });
        assert_eq!(refused(&bytes[..4_095]), StemMessageError::Padding { found: 4_095 });
        assert_eq!(refused(&[&bytes[..], &[0; 4_096]].concat()), StemMessageError::Padding { found: 8_192 });
        let mut other = bytes.clone();
        *other.last_mut().unwrap() = 1;
        assert_eq!(refused(&other), StemMessageError::Padding { found: 4_096 });
        *other.last_mut().unwrap() = END;
        assert!(matches!(refused(&other), StemMessageError::Transaction(_)), "a transaction and more");
        let limit = StemMessage::bytes_max(&spec);
        assert_eq!(refused(&vec![1; limit + 1]), StemMessageError::TooLong { found: limit + 1, limit });
        assert!(limit > spec.consensus().limits.tx_bytes as usize);
    }
}
