//! What the app asks of the browser: requests, events, storage, a worker, files. Each wait has a limit, each failure is an error that can
//! be shown.

pub(crate) mod channel;
pub(crate) mod clock;
pub(crate) mod events;
pub(crate) mod extension;
pub(crate) mod fetch;
pub(crate) mod files;
pub(crate) mod follow;
pub(crate) mod light;
pub(crate) mod source;
pub(crate) mod storage;
pub(crate) mod worker;

use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use web_sys::MessageEvent;

/// What the browser calls with a message.
pub(crate) type Callback = Closure<dyn FnMut(MessageEvent)>;

/// Fresh bytes from the browser, for a key, a seal or a signature.
///
/// # Errors
/// A sentence, if the browser has none.
pub(crate) fn entropy() -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// A passphrase in Unicode's form NFKD, of which keys are made, so that it does not matter how a keyboard composes accents.
pub(crate) fn nfkd(passphrase: &str) -> String {
    js_sys::JsString::from(passphrase).normalize("NFKD").into()
}

/// What a browser says went wrong, as text.
pub(crate) fn told(error: &JsValue) -> String {
    let message = js_sys::Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    message.or_else(|| error.as_string()).unwrap_or_else(|| format!("{error:?}"))
}
