//! The light client as another tab calls it: by the names of its methods.

use alloc::format;

use js_sys::Array;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use super::LightClient;
use crate::failure::Failure;
use crate::npm::value::{self, Object};

impl LightClient {
    /// A method by its name, as another tab calls it.
    pub(in crate::npm) async fn call(&self, method: &str, arguments: &Array) -> Result<JsValue, JsValue> {
        let (first, second) = (arguments.get(0), arguments.get(1));
        let nothing = |()| JsValue::UNDEFINED;
        let promise = match method {
            "status" => return Ok(self.status()),
            "nodes" => return Ok(self.nodes()),
            "scan" => return Ok(self.scan(value::u32(&first, "start")?, &second).map(nothing)?),
            "watch" => return Ok(self.watch(value::u32(&first, "from")?, &second).map(nothing)?),
            "taken" => return Ok(self.taken(&value::text(&first, "id")?, &second).map(nothing)?),
            "addNode" => return Ok(self.add_node(&value::text(&first, "address")?).map(nothing)?),
            "wake" => {
                self.wake();
                return Ok(JsValue::UNDEFINED);
            }
            "transaction" => self.transaction(&value::text(&first, "txid")?, None)?,
            "header" => self.header(value::u32(&first, "height")?, None),
            "block" => self.block(value::u32(&first, "height")?, None),
            "submit" => self.submit(&value::bytes(&first, "bytes")?, None)?,
            "fees" => {
                let blocks = value::items(&first, "blocks")?;
                self.fees(blocks.iter().map(|blocks| value::u32(blocks, "blocks")).collect::<Result<_, _>>()?, None)?
            }
            _ => return Err(Failure::new("not-spoken", format!("a light client has no method {method:?}")).into()),
        };
        JsFuture::from(promise).await
    }
}

/// An event that tells of a failure.
pub(in crate::npm) fn failed(kind: &str, message: &str) -> JsValue {
    Object::new().text("type", &format!("{kind}-failed")).text("message", message).into()
}
