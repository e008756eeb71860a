//! Sealing and opening the keystore: what takes so long that a helper beside the page does it, since the key of a passphrase is made slowly
//! on purpose.
//!
//! Passphrases are in Unicode's form NFKD already: the browser brings the tables for that, which would be a twentieth of what the page loads.
//! Asked and answered in bytes, which wipe themselves where they are ours. The helper lives for one question, and its memory goes with it.

use qbtc_core::codec;
use qbtc_core::units::Height;
use qbtc_core::wallet::derivation::ChildIndex;
use qbtc_core::wallet::keystore::{KdfParams, Keystore, KeystoreContent, KeystoreError};
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::mnemonic::Mnemonic;
use qbtc_core::wallet::passphrase::Passphrase;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The longest question or answer, in bytes: a keystore of the largest size, and a passphrase.
pub const BYTES_MAX: usize = Keystore::BYTES_MAX + PASSPHRASE_BYTES_MAX + 64;
/// The longest passphrase, in bytes.
pub const PASSPHRASE_BYTES_MAX: usize = 1_024;
/// The fewest characters of a passphrase that the app takes for a new wallet.
pub const PASSPHRASE_CHARACTERS_MIN: usize = 8;

/// What a helper is asked.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub enum Ask {
    /// To seal words under a passphrase.
    Seal {
        /// The entropy of the words.
        words: Vec<u8>,
        /// No coin of the wallet is older.
        birthday: u32,
        /// The passphrase, in NFKD.
        passphrase: String,
        /// Fresh bytes.
        entropy: [u8; 32],
    },
    /// To open a keystore.
    Open {
        /// The keystore.
        keystore: Vec<u8>,
        /// The passphrase, in NFKD.
        passphrase: String,
    },
}

/// What a helper answers.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub enum Told {
    /// The sealed keystore.
    Sealed(Vec<u8>),
    /// What was in the keystore.
    Opened {
        /// The entropy of the words.
        words: Vec<u8>,
        /// No coin of the wallet is older.
        birthday: u32,
        /// Which account of the words it is.
        account: u32,
    },
    /// The addresses are made of other keys than this app's.
    OtherLayout,
    /// The passphrase is not the keystore's.
    WrongPassphrase,
    /// Anything else that is wrong.
    Failed(String),
}

impl Ask {
    /// As bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode(self))
    }
}

impl Told {
    /// Reads an answer.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        codec::decode(bytes, BYTES_MAX).unwrap_or_else(|error| Self::Failed(error.to_string()))
    }
}

/// Answers a question, given and answered in bytes.
#[must_use]
pub fn answer(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let told = match codec::decode::<Ask>(bytes, BYTES_MAX) {
        Ok(ask) => told(&ask),
        Err(error) => Told::Failed(error.to_string()),
    };
    Zeroizing::new(codec::encode(&told))
}

fn told(ask: &Ask) -> Told {
    match ask {
        Ask::Seal { words, birthday, passphrase, entropy } => match seal(words, *birthday, passphrase, entropy) {
            Ok(sealed) => Told::Sealed(sealed),
            Err(error) => Told::Failed(error),
        },
        Ask::Open { keystore, passphrase } => {
            match Keystore::from_bytes(keystore)
                .and_then(|keystore| keystore.open(Passphrase::from_nfkd(passphrase.clone())))
            {
                Ok(content) if content.layout != AddressLayout::default() => Told::OtherLayout,
                Ok(content) => Told::Opened {
                    words: content.mnemonic.entropy().to_vec(),
                    birthday: content.birthday.0,
                    account: content.account.to_u32(),
                },
                Err(KeystoreError::WrongPassphrase) => Told::WrongPassphrase,
                Err(error) => Told::Failed(error.to_string()),
            }
        }
    }
}

fn seal(words: &[u8], birthday: u32, passphrase: &str, entropy: &[u8; 32]) -> Result<Vec<u8>, String> {
    let mnemonic = Mnemonic::from_entropy(words).map_err(|error| error.to_string())?;
    let (layout, labels, account) = (AddressLayout::default(), Vec::new(), ChildIndex::ZERO);
    let content = KeystoreContent { mnemonic, layout, birthday: Height(birthday), labels, account };
    let sealed = Keystore::seal(&content, Passphrase::from_nfkd(passphrase.to_owned()), KdfParams::default(), entropy);
    Ok(sealed.map_err(|error| error.to_string())?.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(ask: &Ask) -> Told {
        Told::from_bytes(&answer(&ask.to_bytes()))
    }

    #[test]
    fn what_is_sealed_opens_with_its_passphrase_only() {
        let (words, passphrase) = (vec![7; 32], "correct horse".to_owned());
        let seal = Ask::Seal { words: words.clone(), birthday: 41, passphrase: passphrase.clone(), entropy: [3; 32] };
        let told = ask(&seal);
        let Told::Sealed(keystore) = &told else { panic!("it seals") };
        let open = |passphrase: &str| ask(&Ask::Open { keystore: keystore.clone(), passphrase: passphrase.to_owned() });
        match &open(&passphrase) {
            Told::Opened { words: found, birthday, account } => {
                assert_eq!((found, *birthday, *account), (&words, 41, 0));
            }
            _ => panic!("it opens"),
        }
        assert!(matches!(open("wrong horse"), Told::WrongPassphrase));
        let mut damaged = keystore.clone();
        damaged[20] ^= 1;
        assert!(matches!(ask(&Ask::Open { keystore: damaged, passphrase }), Told::Failed(_)));
    }

    #[test]
    fn a_file_of_other_keys_is_told_apart() {
        let content = |layout, account| KeystoreContent {
            mnemonic: Mnemonic::from_entropy(&[7; 16]).ok().unwrap(),
            layout,
            birthday: Height(1),
            labels: Vec::new(),
            account: ChildIndex::new(account).unwrap(),
        };
        let open = |layout, account| {
            let kdf = KdfParams::new(8, 1, 1).unwrap();
            let keystore = Keystore::seal(&content(layout, account), "p", kdf, &[3; 32]).unwrap().to_bytes();
            ask(&Ask::Open { keystore, passphrase: "p".to_owned() })
        };
        let other = AddressLayout::with_fallback(AddressLayout::default().scheme()).unwrap();
        assert!(matches!(open(other, 0), Told::OtherLayout));
        assert!(matches!(open(AddressLayout::default(), 3), Told::Opened { account: 3, .. }));
    }

    #[test]
    fn strange_questions_fail() {
        for bytes in [&[][..], &[9, 9, 9], &[0; 100]] {
            assert!(matches!(Told::from_bytes(&answer(bytes)), Told::Failed(_)));
        }
        let seal = Ask::Seal { words: vec![1; 5], birthday: 0, passphrase: String::new(), entropy: [0; 32] };
        assert!(matches!(ask(&seal), Told::Failed(_)));
    }
}
