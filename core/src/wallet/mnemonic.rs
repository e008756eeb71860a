//! Words to write down: BIP 39, in English.
//!
//! Invariant: a [`Mnemonic`] has 12, 15, 18, 21 or 24 words of the list, and its checksum holds. It is a secret: it wipes itself,
//! and shows its words only where it is asked for them by name.
//!
//! Written here, on the SHA-2 that everything else uses, and with the list as one text: the crate `bip39` has two hashes of its own, and an address and a length
//! for each word, which weigh more than the words. Tests hold list and code against the crate.

use alloc::string::String;
use alloc::vec::Vec;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::passphrase::Passphrase;

/// The 2,048 words, in their order, one a line.
const LIST: &str = include_str!("english.txt");
/// Bits that a word stands for: its place in the list.
const WORD_BITS: usize = 11;
/// The most bytes of entropy, and one for its checksum.
const CHECKED_BYTES_MAX: usize = 33;
/// Iterations of PBKDF2 (BIP 39, "From mnemonic to seed").
const ROUNDS: u32 = 2_048;

/// Words that stand for the entropy of a wallet (BIP 39).
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Mnemonic {
    /// The entropy, and behind it the first byte of its hash.
    checked: [u8; CHECKED_BYTES_MAX],
    entropy_bytes: usize,
}

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
        let entropy_bytes = entropy.len();
        if !matches!(entropy_bytes, 16 | 20 | 24 | 28 | 32) {
            return Err(MnemonicError::EntropyLength { found: entropy_bytes });
        }
        let mut mnemonic = Self { checked: [0; CHECKED_BYTES_MAX], entropy_bytes };
        mnemonic.checked[..entropy_bytes].copy_from_slice(entropy);
        mnemonic.checked[entropy_bytes] = checksum(entropy);
        Ok(mnemonic)
    }

    /// Reads words, in any case and with any white space between them.
    ///
    /// # Errors
    /// [`MnemonicError`], which names the first wrong word and its place.
    pub fn parse(text: &str) -> Result<Self, MnemonicError> {
        let words = Zeroizing::new(text.to_ascii_lowercase());
        let count = words.split_whitespace().count();
        if !matches!(count, 12 | 15 | 18 | 21 | 24) {
            return Err(MnemonicError::WordCount { found: count });
        }
        let entropy_bytes = count * WORD_BITS / 33 * 4;
        let mut mnemonic = Self { checked: [0; CHECKED_BYTES_MAX], entropy_bytes };
        for (place, word) in words.split_whitespace().enumerate() {
            let index = list().position(|other| other == word).ok_or_else(|| unknown_word(&words, place))?;
            let bits = (0..WORD_BITS).filter(|bit| index >> (WORD_BITS - 1 - bit) & 1 == 1);
            bits.map(|bit| place * WORD_BITS + bit).for_each(|bit| mnemonic.checked[bit / 8] |= 0x80 >> (bit % 8));
        }
        let (entropy, sum) = mnemonic.checked.split_at(entropy_bytes);
        // Of the hash, as many bits are among the words as they leave: a 32nd of the entropy's.
        let kept = u8::MAX << (8 - entropy_bytes / 4);
        if (checksum(entropy) ^ sum[0]) & kept != 0 {
            return Err(MnemonicError::Checksum);
        }
        Self::from_entropy(entropy)
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
        let count = self.entropy_bytes * 3 / 4;
        let is_set = |bit: usize| usize::from(self.checked[bit / 8] >> (7 - bit % 8) & 1);
        let index =
            move |place: usize| (0..WORD_BITS).fold(0, |index, bit| index << 1 | is_set(place * WORD_BITS + bit));
        (0..count).map(move |place| word(index(place)))
    }

    /// The entropy that the words stand for: 16 to 32 bytes.
    #[must_use]
    pub fn entropy(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.checked[..self.entropy_bytes].to_vec())
    }

    /// The seed of these words and a passphrase, which may be empty. Every passphrase gives a wallet: none is wrong.
    #[must_use]
    pub fn to_seed(&self, passphrase: impl Into<Passphrase>) -> WalletSeed {
        let (phrase, passphrase) = (self.phrase(), passphrase.into());
        let keyed = Hmac::<Sha512>::new_from_slice(phrase.as_bytes()).expect("HMAC takes a key of any length");
        // PBKDF2 of a single block (RFC 8018).
        let first =
            keyed.clone().chain_update("mnemonic").chain_update(passphrase.as_str()).chain_update(1_u32.to_be_bytes());
        let mut block: Zeroizing<[u8; WalletSeed::BYTES]> = Zeroizing::new(first.finalize().into_bytes().into());
        let mut seed = WalletSeed(*block);
        for _ in 1..ROUNDS {
            *block = keyed.clone().chain_update(*block).finalize().into_bytes().into();
            seed.0.iter_mut().zip(&*block).for_each(|(sum, byte)| *sum ^= byte);
        }
        seed
    }
}

/// The first byte of the entropy's hash, of which the words hold 4 to 8 bits.
fn checksum(entropy: &[u8]) -> u8 {
    Sha256::digest(entropy)[0]
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

fn list() -> impl Iterator<Item = &'static str> {
    LIST.split_terminator('\n')
}

fn word(index: usize) -> &'static str {
    list().nth(index).expect("eleven bits are a place in the list")
}

fn unknown_word(words: &str, index: usize) -> MnemonicError {
    let word = words.split_whitespace().nth(index).unwrap_or_default();
    let found = word.chars().take(Mnemonic::WORD_SHOWN_CHARS_MAX).collect();
    MnemonicError::UnknownWord { position: index + 1, found }
}

#[cfg(test)]
mod tests {
    use bip39::Language;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::test;

    #[test]
    fn the_list_is_the_crates() {
        assert!(list().eq(Language::English.word_list().iter().copied()));
        assert!(list().is_sorted());
    }

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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Another implementation says the same.
        #[test]
        fn as_the_crate_has_it(entropy in prop::array::uniform32(any::<u8>()), length in 4_usize..9, passphrase in "[ -~]{0,20}") {
            let entropy = &entropy[..length * 4];
            let theirs = bip39::Mnemonic::from_entropy_in(Language::English, entropy).unwrap();
            let ours = Mnemonic::from_entropy(entropy).ok().unwrap();
            let phrase = ours.phrase();
            prop_assert!(phrase.split(' ').eq(theirs.words()));
            let parsed = Mnemonic::parse(&phrase).ok().unwrap();
            prop_assert_eq!(&parsed.entropy()[..], entropy);
            let seed = ours.to_seed(passphrase.as_str());
            prop_assert_eq!(seed.as_bytes(), &theirs.to_seed_normalized(&passphrase));
        }

        /// Both refuse the same words.
        #[test]
        fn the_checksum_is_the_crates(indices in prop::collection::vec(0_usize..2_048, 24), count in 4_usize..9) {
            let words: Vec<&str> = indices[..count * 3].iter().map(|index| Language::English.word_list()[*index]).collect();
            let phrase = words.join(" ");
            let theirs = bip39::Mnemonic::parse_in_normalized(Language::English, &phrase);
            prop_assert_eq!(Mnemonic::parse(&phrase).is_ok(), theirs.is_ok());
        }
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
