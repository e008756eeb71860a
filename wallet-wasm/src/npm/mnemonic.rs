//! Words, and the seed that they stand for.

use alloc::string::String;

use js_sys::JsString;
use qbtc_core::wallet::derivation::{AccountKey, AccountPath, ChildIndex, CoinType};
use qbtc_core::wallet::mnemonic::{Mnemonic as Words, WalletSeed};
use qbtc_core::wallet::passphrase::Passphrase;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use super::account::Account;
use super::chain::Chain;
use super::entropy;
use super::value::{exactly, maybe_u32, secret_bytes, shown_secret};
use crate::failure::Failure;

/// Words to write down.
#[wasm_bindgen]
pub struct Mnemonic {
    words: Words,
}

/// The root of all keys.
#[wasm_bindgen]
pub struct Seed {
    seed: WalletSeed,
}

#[wasm_bindgen]
impl Mnemonic {
    /// Words of fresh entropy: 12, 15, 18, 21 or 24 of them.
    pub fn generate(words: &JsValue) -> Result<Self, Failure> {
        let count = maybe_u32(words, "words")?.map_or(Words::WORDS_DEFAULT, |words| words as usize);
        let length = match count {
            12 | 15 | 18 | 21 | 24 => count / 3 * 4,
            _ => {
                let expected = "12, 15, 18, 21 or 24";
                let sentence = format_args!("{count} words: expected {expected}");
                return Err(Failure::new("mnemonic-word-count", sentence).found(count).expected(expected));
            }
        };
        let entropy = Zeroizing::new(entropy()?);
        Ok(Self { words: Words::from_entropy(&entropy[..length])? })
    }

    /// Words typed by somebody.
    pub fn parse(text: String) -> Result<Self, Failure> {
        let text = Zeroizing::new(text);
        Ok(Self { words: Words::parse(&text)? })
    }

    /// The words of given entropy.
    #[wasm_bindgen(js_name = fromEntropy)]
    pub fn from_entropy(entropy: &JsValue) -> Result<Self, Failure> {
        Ok(Self { words: Words::from_entropy(&secret_bytes(entropy, "entropy")?)? })
    }

    /// The words, with a space between each two.
    #[must_use]
    pub fn phrase(&self) -> JsValue {
        JsValue::from_str(self.words.phrase().as_str())
    }

    /// The entropy.
    #[must_use]
    pub fn entropy(&self) -> JsValue {
        shown_secret(&self.words.entropy())
    }

    /// The seed of the words and a passphrase.
    #[wasm_bindgen(js_name = toSeed)]
    #[must_use]
    pub fn to_seed(&self, passphrase: &JsString) -> Seed {
        Seed { seed: self.words.to_seed(nfkd(passphrase)) }
    }
}

/// A passphrase, normalised by the host.
pub(super) fn nfkd(passphrase: &JsString) -> Passphrase {
    Passphrase::from_nfkd(passphrase.normalize("NFKD").into())
}

#[cfg(feature = "pay")]
impl Mnemonic {
    pub(super) const fn of(words: Words) -> Self {
        Self { words }
    }

    /// The same words once more.
    pub(super) fn words(&self) -> Words {
        Words::from_entropy(&self.words.entropy()).expect("the entropy of words has the length of words' entropy")
    }
}

#[wasm_bindgen]
impl Seed {
    /// The seed of 64 bytes.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &JsValue) -> Result<Self, Failure> {
        let seed = Zeroizing::new(exactly(&secret_bytes(bytes, "seed")?, "seed")?);
        Ok(Self { seed: WalletSeed::from_bytes(*seed) })
    }

    /// An account of a chain.
    pub fn account(&self, chain: &Chain, index: &JsValue) -> Result<Account, Failure> {
        let coin = CoinType::of_identity(chain.identity());
        let path = AccountPath { coin, account: ChildIndex::new(maybe_u32(index, "account")?.unwrap_or_default())? };
        Ok(Account::of(AccountKey::derive(&self.seed, path), chain.clone()))
    }
}
