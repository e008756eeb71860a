//! Transactions on their way through several signers.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use qbtc_core::tx::TxBody;
use qbtc_core::units::Height;
use qbtc_core::wallet::partial::{Missing, PartialTx};
use wasm_bindgen::prelude::*;

use super::account::SecretKey;
use super::chain::Chain;
use super::coins::{Coin, coins, outputs};
use super::transaction::{shown_effect, shown_signed};
use super::tree::AddressTree;
use super::value::{self, Object, field, height, list, object, optional};
use super::{entropy, shown_key};
use crate::failure::Failure;

/// A transaction that may still lack proofs.
#[wasm_bindgen]
pub struct Partial {
    partial: PartialTx,
    chain: Chain,
}

#[wasm_bindgen]
impl Partial {
    /// A transaction of given coins and outputs.
    pub fn create(chain: &Chain, order: &JsValue) -> Result<Self, Failure> {
        let order = object(order, "order")?;
        let coins = coins(&field(order, "coins"), "coins", chain.prefix())?;
        let at = |key: &str| optional(order, key).map_or(Ok(Height::GENESIS), |value| height(&value, key));
        let body = TxBody {
            version: TxBody::VERSION,
            inputs: coins.iter().map(|coin| coin.outpoint).collect(),
            outputs: outputs(&field(order, "outputs"), chain.prefix())?,
            lock_height: at("lockHeight")?,
            expiry_height: at("expiryHeight")?,
        };
        let partial = PartialTx::new(chain.identity().id, body, coins.iter().map(Coin::output).collect())?;
        Ok(Self { partial, chain: chain.clone() })
    }

    /// What [`Partial::to_bytes`] wrote, from anybody.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(chain: &Chain, bytes: &[u8]) -> Result<Self, Failure> {
        let partial = PartialTx::from_bytes(bytes)?;
        let (found, expected) = (partial.chain(), chain.identity().id);
        if *found != expected {
            let sentence = format_args!("the transaction is for chain {found}: expected {expected}");
            return Err(Failure::new("partial-other-chain", sentence).found(found).expected(expected));
        }
        Ok(Self { partial, chain: chain.clone() })
    }

    /// What signers pass around.
    #[wasm_bindgen(js_name = toBytes)]
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.partial.to_bytes()
    }

    /// The transaction's id, which no signature changes.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn txid(&self) -> String {
        self.partial.txid().to_string()
    }

    /// What it will do, seen by whoever owns these addresses.
    pub fn effect(&self, own: &JsValue) -> Result<JsValue, Failure> {
        let own = if own.is_undefined() { Vec::new() } else { value::items(own, "own")? };
        let address = |text: &JsValue| self.chain.address(&value::text(text, "own[]")?);
        let own: Vec<_> = own.iter().map(address).collect::<Result<_, Failure>>()?;
        Ok(shown_effect(&self.partial, self.chain.prefix(), |address| own.contains(address)))
    }

    /// Chooses an alternative of an address.
    pub fn choose(&mut self, tree: &AddressTree, alternative: &JsValue) -> Result<(), Failure> {
        let alternative = value::u32(alternative, "alternative")? as usize;
        Ok(self.partial.choose_of_tree(tree.tree(), alternative)?)
    }

    /// Signs wherever this key is wanted; how many places that filled.
    pub fn sign(&mut self, key: &SecretKey) -> Result<usize, Failure> {
        Ok(self.partial.sign(key.key(), &entropy()?))
    }

    /// Takes in a preimage; how many places that filled.
    #[wasm_bindgen(js_name = addPreimage)]
    pub fn add_preimage(&mut self, bytes: &[u8]) -> usize {
        self.partial.add_preimage(bytes)
    }

    /// What is still missing.
    #[must_use]
    pub fn missing(&self) -> JsValue {
        let address = |address| self.chain.shown(address);
        list(self.partial.missing().iter().map(|missing| {
            match missing {
                Missing::Alternative { address: of } => {
                    Object::new().text("kind", "alternative").text("address", &address(of))
                }
                Missing::Signatures { address: of, count, keys } => Object::new()
                    .text("kind", "signatures")
                    .text("address", &address(of))
                    .set("count", u32::try_from(*count).unwrap_or(u32::MAX))
                    .set("keys", list(keys.iter().map(shown_key))),
                Missing::Preimage { address: of, digest } => {
                    Object::new().text("kind", "preimage").text("address", &address(of)).bytes("sha256", digest)
                }
            }
        }))
    }

    /// The complete transaction; with a verifier at hand, every signature of it verified.
    pub fn finalize(&self) -> Result<JsValue, Failure> {
        #[cfg(feature = "pay")]
        let transaction = self.partial.finalize()?;
        #[cfg(not(feature = "pay"))]
        let transaction = self.partial.finalize_unverified()?;
        Ok(shown_signed(&transaction))
    }
}

#[cfg(feature = "pay")]
impl Partial {
    pub(super) const fn inner(&self) -> &PartialTx {
        &self.partial
    }

    pub(super) const fn inner_mut(&mut self) -> &mut PartialTx {
        &mut self.partial
    }

    pub(super) const fn of(partial: PartialTx, chain: Chain) -> Self {
        Self { partial, chain }
    }
}
