//! What keystores are made of, and what is in them. The work is done by a helper beside the page.

use qbtc_core::units::Height;
use zeroize::Zeroizing;

use crate::browser::{entropy, nfkd, worker};
use crate::text;
use crate::wallet::vault::{Ask, Told};

/// A wallet that is to be made.
pub(super) struct Made {
    /// The entropy of its words.
    pub(super) words: Zeroizing<Vec<u8>>,
    /// No coin of it is older.
    pub(super) birthday: Height,
    /// How many accounts it has, at least one.
    pub(super) accounts: usize,
    /// Whether its words are written down, or a file holds them.
    pub(super) is_backed_up: bool,
}

/// What is in a keystore.
pub(super) struct Opened {
    pub(super) words: Zeroizing<Vec<u8>>,
    pub(super) birthday: Height,
    /// Which account of the words it is.
    pub(super) account: u32,
}

/// A keystore of words.
///
/// # Errors
/// A sentence.
pub(super) async fn sealed(words: &[u8], birthday: Height, passphrase: &str) -> Result<Vec<u8>, String> {
    let ask =
        Ask::Seal { words: words.to_vec(), birthday: birthday.0, passphrase: nfkd(passphrase), entropy: entropy()? };
    match &worker::ask(&ask).await {
        Told::Sealed(keystore) => Ok(keystore.clone()),
        Told::Failed(error) => Err(error.clone()),
        Told::Opened { .. } | Told::OtherLayout | Told::WrongPassphrase => Err(text::FAULT.to_owned()),
    }
}

/// What is in a keystore, for whoever knows its passphrase.
///
/// # Errors
/// A sentence.
pub(super) async fn opened(keystore: &[u8], passphrase: &str) -> Result<Opened, String> {
    match &worker::ask(&Ask::Open { keystore: keystore.to_vec(), passphrase: nfkd(passphrase) }).await {
        Told::Opened { words, birthday, account } => {
            Ok(Opened { words: Zeroizing::new(words.clone()), birthday: Height(*birthday), account: *account })
        }
        Told::OtherLayout => Err(text::OTHER_LAYOUT.to_owned()),
        Told::WrongPassphrase => Err(text::WRONG_PASSPHRASE.to_owned()),
        Told::Failed(error) => Err(error.clone()),
        Told::Sealed(_) => Err(text::FAULT.to_owned()),
    }
}
