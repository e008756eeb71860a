//! Words to write down: BIP 39, in English.
//!
//! Invariant: a [`Mnemonic`] has 12, 15, 18, 21 or 24 words of the list, and its checksum holds. It is a secret: it wipes itself,
//! and shows its words only where it is asked for them by name.

use alloc::string::String;
use alloc::vec::Vec;

use bip39::Language;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::passphrase::Passphrase;

/// Words that stand for the entropy of a wallet (BIP 39).
pub struct Mnemonic(bip39::Mnemonic);

/// `bip39` wipes its words, being built with its feature for that.
impl ZeroizeOnDrop for Mnemonic {}
const _: () = {
    const fn wipes_itself<T: ZeroizeOnDrop>() {}
    wipes_itself::<bip39::Mnemonic>();
};

/// The 64 bytes that words and passphrase stand for (BIP 39, "From mnemonic to seed"); the root of all keys.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct WalletSeed([u8; WalletSeed::BYTES]);

/// Why a text or entropy is no mnemonic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MnemonicError {
    /// Another number of words.
    #[error("{found} words: expected 12, 15, 18, 21 or 24")]
    WordCount {
        /// Words found.
        found: usize,
    },
    /// A word that is not on the list. What was typed is nearly a part of a secret: show it, but do not log it.
    #[error("word {position} is {found:?}, which is not on the BIP 39 list of English words")]
    UnknownWord {
        /// The word's place, from 1, as people count.
        position: usize,
        /// What was typed, cut to [`Mnemonic::WORD_SHOWN_CHARS_MAX`] characters.
        found: String,
    },
    /// Words of the list that do not belong together: one of them is wrong, or two are swapped.
    #[error("the words are all on the list, but their checksum does not hold: one is wrong, or two are swapped")]
    Checksum,
    /// Entropy of another length.
    #[error("{found} bytes of entropy: expected 16, 20, 24, 28 or 32")]
    EntropyLength {
        /// Bytes found.
        found: usize,
    },
}

impl Mnemonic {
    /// How many words a new wallet gets: those of 32 bytes of entropy. 256 bits leave 128 against Grover's algorithm.
    pub const WORDS_DEFAULT: usize = 24;
    /// How much of a wrong word an error carries, in characters. The longest word of the list has eight.
    pub const WORD_SHOWN_CHARS_MAX: usize = 16;

    /// The words of 16, 20, 24, 28 or 32 bytes of entropy.
    ///
    /// # Errors
    /// [`MnemonicError::EntropyLength`] for another length.
    pub fn from_entropy(entropy: &[u8]) -> Result<Self, MnemonicError> {
        let words = bip39::Mnemonic::from_entropy_in(Language::English, entropy);
        words.map(Self).map_err(|_| MnemonicError::EntropyLength { found: entropy.len() })
    }

    /// Reads words, in any case and with any white space between them.
    ///
    /// # Errors
    /// [`MnemonicError`], which names the first wrong word and its place.
    pub fn parse(text: &str) -> Result<Self, MnemonicError> {
        let words = Zeroizing::new(text.to_lowercase());
        bip39::Mnemonic::parse_in_normalized(Language::English, &words).map(Self).map_err(|error| match error {
            bip39::Error::BadWordCount(_) => MnemonicError::WordCount { found: words.split_whitespace().count() },
            bip39::Error::UnknownWord(index) => unknown_word(&words, index),
            _ => MnemonicError::Checksum,
        })
    }

    /// The words, with a space between each two.
    #[must_use]
    pub fn phrase(&self) -> Zeroizing<String> {
        // Room for all words at once, so that no half-written copy is left behind by growing.
        let mut phrase = Zeroizing::new(String::with_capacity(Self::WORDS_DEFAULT * 9));
        for word in self.words() {
            if !phrase.is_empty() {
                phrase.push(' ');
            }
            phrase.push_str(word);
        }
        phrase
    }

    /// The words, one after the other.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.0.words()
    }

    /// The entropy that the words stand for: 16 to 32 bytes.
    #[must_use]
    pub fn entropy(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_entropy())
    }

    /// The seed of these words and a passphrase, which may be empty. Every passphrase gives a wallet: none is wrong.
    #[must_use]
    pub fn to_seed(&self, passphrase: impl Into<Passphrase>) -> WalletSeed {
        WalletSeed(self.0.to_seed_normalized(passphrase.into().as_str()))
    }
}

impl WalletSeed {
    /// The length in bytes.
    pub const BYTES: usize = 64;

    /// The seed with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

fn unknown_word(words: &str, index: usize) -> MnemonicError {
    let word = words.split_whitespace().nth(index).unwrap_or_default();
    let found = word.chars().take(Mnemonic::WORD_SHOWN_CHARS_MAX).collect();
    MnemonicError::UnknownWord { position: index + 1, found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    const VECTORS: &str = include_str!("../../../tests/vectors/bip39_english.txt");

    fn vectors() -> impl Iterator<Item = [&'static str; 3]> {
        let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split(';').collect::<Vec<_>>().try_into().unwrap())
    }

    #[test]
    fn official_vectors_hold() {
        assert_eq!(vectors().count(), 24);
        for [entropy, words, seed] in vectors() {
            let entropy = hex::decode(entropy).unwrap();
            let mnemonic = Mnemonic::from_entropy(&entropy).ok().unwrap();
            assert_eq!(*mnemonic.phrase(), words);
            assert_eq!(mnemonic.words().count() * 4, entropy.len() * 3);
            let parsed = Mnemonic::parse(words).ok().unwrap();
            assert_eq!(*parsed.entropy(), entropy);
            assert_eq!(hex::encode(parsed.to_seed("TREZOR").as_bytes()), seed);
        }
    }

    #[test]
    fn case_and_white_space_do_not_matter() {
        let words = "  LEGAL winner\nthank year wave sausage worth useful legal winner thank\tYellow ";
        assert_eq!(*Mnemonic::parse(words).ok().unwrap().entropy(), [0x7f; 16]);
    }

    #[test]
    fn composed_and_decomposed_accents_give_one_seed() {
        let mnemonic = Mnemonic::from_entropy(&[0; 16]).ok().unwrap();
        assert_eq!(mnemonic.to_seed("\u{e9}").as_bytes(), mnemonic.to_seed("e\u{301}").as_bytes());
        assert_ne!(mnemonic.to_seed("e").as_bytes(), mnemonic.to_seed("\u{e9}").as_bytes());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let refused = |words: &str| Mnemonic::parse(words).err().unwrap();
        assert_eq!(refused(""), MnemonicError::WordCount { found: 0 });
        assert_eq!(refused(&"abandon ".repeat(13)), MnemonicError::WordCount { found: 13 });
        assert_eq!(refused(&"abandon ".repeat(27)), MnemonicError::WordCount { found: 27 });
        let misspelt = "legal winner thnak year wave sausage worth useful legal winner thank yellow";
        assert_eq!(refused(misspelt), MnemonicError::UnknownWord { position: 3, found: "thnak".into() });
        let long = misspelt.replace("thnak", &"x".repeat(40));
        assert_eq!(refused(&long), MnemonicError::UnknownWord { position: 3, found: "x".repeat(16) });
        let swapped = "winner legal thank year wave sausage worth useful legal winner thank yellow";
        assert_eq!(refused(swapped), MnemonicError::Checksum);
        for length in [0, 15, 17, 33] {
            let refused = Mnemonic::from_entropy(&alloc::vec![1; length]).err();
            assert_eq!(refused, Some(MnemonicError::EntropyLength { found: length }));
        }
    }
}
