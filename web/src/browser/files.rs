//! Files that the user saves or opens, and the clipboard.

use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, HtmlInputElement, Url};

/// Lets the user save bytes as a file.
pub(crate) fn save(name: &str, kind: &str, bytes: &[u8]) -> Option<()> {
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes));
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    let blob = Blob::new_with_u8_array_sequence_and_options(&parts, &options).ok()?;
    let url = Url::create_object_url_with_blob(&blob).ok()?;
    let document = web_sys::window()?.document()?;
    let link: HtmlAnchorElement = document.create_element("a").ok()?.dyn_into().ok()?;
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // Chromium has taken the content by then.
    leptos::prelude::set_timeout(move || drop(Url::revoke_object_url(&url)), std::time::Duration::from_secs(60));
    Some(())
}

/// The bytes of the file that was chosen, at most so many.
///
/// # Errors
/// A sentence.
pub(crate) async fn chosen(input: &HtmlInputElement, limit: f64) -> Result<Vec<u8>, String> {
    let file = input.files().and_then(|files| files.get(0)).ok_or_else(|| crate::text::NO_FILE.to_owned())?;
    if file.size() > limit {
        return Err(crate::text::FILE_TOO_LARGE.to_owned());
    }
    let buffer = JsFuture::from(file.array_buffer()).await.map_err(|error| super::told(&error))?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec())
}

/// Copies a text; whether that was allowed.
pub(crate) async fn copy(text: &str) -> bool {
    let Some(window) = web_sys::window() else { return false };
    JsFuture::from(window.navigator().clipboard().write_text(text)).await.is_ok()
}
