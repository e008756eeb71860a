//! The browser's interface for extensions, as far as the app uses it: which document it is, what it says to the service worker, and what that
//! asks. Where the app is a web page there is none of it, and nothing here is called.

use js_sys::{Function, JSON, Reflect};
use leptos::prelude::window_event_listener;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};

use super::storage;
use crate::extension::{Begin, Call};

/// Under which name it is kept with what the extension begins.
const BEGIN: &str = "qbtc-begin";
/// The document that holds the connections, and nobody sees.
const OFFSCREEN: &str = "/offscreen.html";
/// The popup, as the manifest names it.
const POPUP: &str = "/popup.html";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["chrome", "runtime"], js_name = sendMessage)]
    async fn send_message(message: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "runtime", "onMessage"], js_name = addListener)]
    fn add_listener(listener: &Function);
}

/// Which document of an extension this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    /// One that the user sees.
    Seen,
    /// The one that holds the connections, and keeps the wallet.
    Offscreen,
}

/// Which document of an extension this is; none, in a web page.
pub(crate) fn document() -> Option<Document> {
    let location = web_sys::window()?.location();
    if location.protocol().ok()? != "chrome-extension:" {
        return None;
    }
    Some(if location.pathname().ok()? == OFFSCREEN { Document::Offscreen } else { Document::Seen })
}

/// With what it begins; none, before the user has said.
pub(crate) fn begin() -> Option<Begin> {
    Begin::parse(&storage::setting(BEGIN)?)
}

/// Keeps it, and has all documents begin anew with it.
///
/// # Errors
/// A sentence, if the browser keeps nothing.
pub(crate) async fn begin_with(begin: &Begin) -> Result<(), String> {
    // Other documents hear of what changes, and are to hear of what is chosen again too: see `follow_begin`.
    if self::begin().as_ref() == Some(begin) {
        storage::set_setting(BEGIN, None);
    }
    storage::set_setting(BEGIN, Some(&begin.to_text()));
    if self::begin().as_ref() != Some(begin) {
        return Err(crate::text::STORAGE_REFUSED.to_owned());
    }
    tell::<()>(&Says::Restart).await?;
    let replaced = web_sys::window().map(|window| window.location().replace(POPUP));
    // A document that does not load again shows what it showed.
    drop(replaced);
    Ok(())
}

/// Loads this document anew whenever another one has chosen with what to begin: its wallet would be one that is locked elsewhere, or of another chain.
pub(crate) fn follow_begin() {
    let hear = |event: web_sys::StorageEvent| {
        if event.key().as_deref() == Some(BEGIN)
            && event.new_value().is_some()
            && let Some(window) = web_sys::window()
        {
            // One that does not load again shows what it showed.
            let _ = window.location().reload();
        }
    };
    // For as long as the document lives.
    let _listening = window_event_listener(leptos::ev::storage, hear);
}

/// What a document says to the service worker.
#[derive(Serialize)]
#[serde(tag = "what", rename_all = "camelCase")]
pub(crate) enum Says<'a> {
    /// For the question with this number.
    Question {
        /// The number.
        id: &'a str,
    },
    /// That the user has said yes to a question, and that it is being done.
    Begun {
        /// The number.
        id: &'a str,
    },
    /// That it could not be done.
    Failed {
        /// The number.
        id: &'a str,
        /// Why.
        error: &'a str,
    },
    /// What the user has decided about a question.
    Decide {
        /// The number.
        id: &'a str,
        /// What.
        decision: Decision,
    },
    /// For the pages that are connected.
    Permissions,
    /// To disconnect a page.
    Revoke {
        /// The page's origin.
        origin: &'a str,
    },
    /// That pages may see other accounts now.
    Accounts,
    /// To make the document with the connections anew.
    Restart,
}

/// What the user has decided.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Decision {
    /// Yes: what the page gets.
    Result(serde_json::Value),
    /// It cannot be done: why.
    Error(String),
    /// No.
    Refused,
}

/// Says something to the service worker, and returns what it answers.
///
/// # Errors
/// A sentence.
pub(crate) async fn tell<A: DeserializeOwned>(says: &Says<'_>) -> Result<A, String> {
    let text = serde_json::to_string(says).map_err(|error| error.to_string())?;
    let message = JSON::parse(&text).map_err(|error| super::told(&error))?;
    // A fresh object of our own takes every property.
    let _ = Reflect::set(&message, &"to".into(), &"background".into());
    let answer = send_message(&message).await.map_err(|error| super::told(&error))?;
    let failed = Reflect::get(&answer, &"failed".into()).ok().and_then(|failed| failed.as_string());
    if let Some(failed) = failed {
        return Err(failed);
    }
    let text = JSON::stringify(&answer).ok().and_then(|text| text.as_string()).unwrap_or_else(|| "null".to_owned());
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Answers the calls of the service worker for as long as the document lives, and of nobody else: what content scripts say is heard here as well, and
/// comes with the tab that they are in.
pub(crate) fn serve(answer: impl Fn(&Call) -> String + 'static) {
    let hear = move |message: JsValue, sender: JsValue, respond: Function| -> bool {
        let is_own = Reflect::get(&sender, &"tab".into()).is_ok_and(|tab| tab.is_undefined());
        let text = JSON::stringify(&message).ok().and_then(|text| text.as_string()).unwrap_or_default();
        if let (true, Ok(call)) = (is_own, serde_json::from_str::<Call>(&text))
            && call.to == "wallet"
            && let Ok(answer) = JSON::parse(&answer(&call))
        {
            // Whoever is gone meanwhile needs no answer.
            let _ = respond.call1(&JsValue::NULL, &answer);
        }
        false
    };
    let listener = Closure::<dyn FnMut(JsValue, JsValue, Function) -> bool>::new(hear);
    add_listener(listener.as_ref().unchecked_ref());
    listener.forget();
}
