//! The encrypted file.

use js_sys::JsString;
use qbtc_core::units::Height;
use qbtc_core::wallet::derivation::ChildIndex;
use qbtc_core::wallet::keystore::{KdfParams, Keystore, KeystoreContent, Label};
use wasm_bindgen::prelude::*;

use super::entropy;
use super::mnemonic::{Mnemonic, nfkd};
use super::value::{self, Object, field, items, layout, list, object, optional, shown_layout, text};
use crate::failure::Failure;

/// Encrypts a wallet under a passphrase.
#[wasm_bindgen(js_name = sealKeystore)]
pub fn seal_keystore(mnemonic: &Mnemonic, options: &JsValue, passphrase: &JsString) -> Result<Vec<u8>, Failure> {
    let options = object(options, "options")?;
    let birthday =
        optional(options, "birthday").map_or(Ok(Height::GENESIS), |value| value::height(&value, "birthday"))?;
    let labels = match optional(options, "labels") {
        Some(labels) => items(&labels, "labels")?.iter().map(label).collect::<Result<_, Failure>>()?,
        None => Vec::new(),
    };
    let layout = layout(&field(options, "layout"))?;
    let account = match optional(options, "account") {
        Some(account) => ChildIndex::new(value::u32(&account, "account")?)?,
        None => ChildIndex::ZERO,
    };
    let content = KeystoreContent { mnemonic: mnemonic.words(), layout, birthday, labels, account };
    Ok(Keystore::seal(&content, nfkd(passphrase), costs(&field(options, "costs"))?, &entropy()?)?.to_bytes())
}

/// Decrypts a wallet.
#[wasm_bindgen(js_name = openKeystore)]
pub fn open_keystore(bytes: &[u8], passphrase: &JsString) -> Result<JsValue, Failure> {
    let content = Keystore::from_bytes(bytes)?.open(nfkd(passphrase))?;
    let shown = |label: &Label| Object::new().text("subject", &label.subject).text("text", &label.text);
    let object = Object::new()
        .set("layout", shown_layout(content.layout))
        .set("birthday", content.birthday.0)
        .set("labels", list(content.labels.iter().map(shown)))
        .set("account", content.account.to_u32());
    Ok(object.set("mnemonic", Mnemonic::of(content.mnemonic)).into())
}

/// The same wallet under another passphrase.
#[wasm_bindgen(js_name = changePassphrase)]
pub fn change_passphrase(
    bytes: &[u8],
    old: &JsString,
    new: &JsString,
    new_costs: &JsValue,
) -> Result<Vec<u8>, Failure> {
    let keystore = Keystore::from_bytes(bytes)?;
    let kdf = if new_costs.is_undefined() { keystore.kdf() } else { costs(new_costs)? };
    Ok(keystore.change_passphrase(nfkd(old), nfkd(new), kdf, &entropy()?)?.to_bytes())
}

/// What opening a file would cost, without opening it.
#[wasm_bindgen(js_name = inspectKeystore)]
pub fn inspect_keystore(bytes: &[u8]) -> Result<JsValue, Failure> {
    let kdf = Keystore::from_bytes(bytes)?.kdf();
    let object = Object::new().set("memoryKib", kdf.memory_kib()).set("passes", kdf.passes());
    Ok(object.set("lanes", kdf.lanes()).into())
}

fn label(value: &JsValue) -> Result<Label, Failure> {
    let value = object(value, "label")?;
    Ok(Label {
        subject: text(&field(value, "subject"), "label.subject")?,
        text: text(&field(value, "text"), "label.text")?,
    })
}

/// `{ memoryKib, passes, lanes? }`; the default where it is left out.
fn costs(value: &JsValue) -> Result<KdfParams, Failure> {
    if value.is_undefined() {
        return Ok(KdfParams::default());
    }
    let value = object(value, "costs")?;
    let number = |key: &str| value::u32(&field(value, key), key);
    let lanes = optional(value, "lanes").map_or(Ok(1), |value| value::u32(&value, "lanes"))?;
    Ok(KdfParams::new(number("memoryKib")?, number("passes")?, lanes)?)
}
