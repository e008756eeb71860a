//! What a keystore keeps.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::KeystoreError;
use crate::codec;
use crate::units::Height;
use crate::wallet::derivation::ChildIndex;
use crate::wallet::layout::AddressLayout;
use crate::wallet::mnemonic::Mnemonic;

/// What a wallet needs to be whole again; everything else is found on the chain.
///
/// The passphrase that some add to their words is not among it: whoever uses one wants it kept apart.
pub struct KeystoreContent {
    /// The words.
    pub mnemonic: Mnemonic,
    /// What the wallet's addresses are made of.
    pub layout: AddressLayout,
    /// No coin of the wallet is older: scanning begins here.
    pub birthday: Height,
    /// What the user wrote beside addresses and transactions; at most [`KeystoreContent::LABELS_MAX`].
    pub labels: Vec<Label>,
    /// Which account of the words it is: the first, unless the user has several.
    pub account: ChildIndex,
}

/// A user's note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// What it is about: the text of an address, a transaction's id, a path. At most [`Label::SUBJECT_BYTES_MAX`].
    pub subject: String,
    /// The note. At most [`Label::TEXT_BYTES_MAX`].
    pub text: String,
}

/// All but the entropy, which never passes through a general encoder, whose buffers nobody wipes.
#[derive(Clone, Serialize, Deserialize)]
struct Rest {
    layout: AddressLayout,
    birthday: Height,
    #[serde(deserialize_with = "codec::bounded::<_, _, { KeystoreContent::LABELS_MAX }>")]
    labels: Vec<Label>,
}

impl Label {
    /// The longest subject, in bytes.
    pub const SUBJECT_BYTES_MAX: usize = 128;
    /// The longest note, in bytes.
    pub const TEXT_BYTES_MAX: usize = 256;
}

impl KeystoreContent {
    /// The most labels.
    pub const LABELS_MAX: usize = 4_096;
    /// The longest encoding: entropy and its length, layout, birthday, the labels with their lengths, and the account.
    pub const BYTES_MAX: usize =
        33 + 2 + 5 + 2 + Self::LABELS_MAX * (4 + Label::SUBJECT_BYTES_MAX + Label::TEXT_BYTES_MAX) + 5;

    /// A length byte, the entropy, and codec(layout, birthday, labels); behind it codec(account), unless that is the first.
    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        check_labels(&self.labels)?;
        let rest = Rest { layout: self.layout, birthday: self.birthday, labels: self.labels.clone() };
        let mut rest = codec::encode(&rest);
        if self.account != ChildIndex::ZERO {
            rest.extend(codec::encode(&self.account));
        }
        let entropy = self.mnemonic.entropy();
        // All the room at once: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + entropy.len() + rest.len()));
        bytes.push(u8::try_from(entropy.len()).expect("a mnemonic's entropy has at most 32 bytes"));
        bytes.extend_from_slice(&entropy);
        bytes.extend_from_slice(&rest);
        Ok(bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, KeystoreError> {
        let (length, bytes) = bytes.split_first().ok_or(KeystoreError::Content)?;
        let (entropy, rest) = bytes.split_at_checked(usize::from(*length)).ok_or(KeystoreError::Content)?;
        let mnemonic = Mnemonic::from_entropy(entropy).map_err(|_| KeystoreError::Content)?;
        if rest.len() > Self::BYTES_MAX {
            return Err(KeystoreError::Content);
        }
        let (Rest { layout, birthday, labels }, account) =
            codec::decode_prefix(rest).map_err(|_| KeystoreError::Content)?;
        check_labels(&labels)?;
        let account = match account {
            [] => ChildIndex::ZERO,
            bytes => {
                let account: ChildIndex = codec::decode(bytes, bytes.len()).map_err(|_| KeystoreError::Content)?;
                // The first is not written, so that a wallet has one encoding.
                Some(account).filter(|account| *account != ChildIndex::ZERO).ok_or(KeystoreError::Content)?
            }
        };
        Ok(Self { mnemonic, layout, birthday, labels, account })
    }
}

fn check_labels(labels: &[Label]) -> Result<(), KeystoreError> {
    let (found, limit) = (labels.len(), KeystoreContent::LABELS_MAX);
    if found > limit {
        return Err(KeystoreError::Labels { found, limit });
    }
    for (index, label) in labels.iter().enumerate() {
        for (found, limit) in
            [(label.subject.len(), Label::SUBJECT_BYTES_MAX), (label.text.len(), Label::TEXT_BYTES_MAX)]
        {
            if found > limit {
                return Err(KeystoreError::LabelLength { index, found, limit });
            }
        }
    }
    Ok(())
}
