//! Requests to the node that served the page.

use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Request, RequestInit, Response};

use crate::node::Problem;

/// How long an answer may take.
const TIMEOUT_MS: u32 = 20_000;
/// The longest JSON that is read, in bytes.
const JSON_BYTES_MAX: usize = 8 << 20;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// The node was not reached, or did not answer in time.
    Unreachable(String),
    /// The node says why it does not answer as asked.
    Problem(Problem),
    /// The node answers something that the app does not understand.
    Strange(String),
}

impl FetchError {
    /// A sentence for people.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Unreachable(_) => crate::text::NODE_UNREACHABLE.to_owned(),
            Self::Problem(Problem { message, mend: Some(mend), .. }) => format!("{message} – {mend}"),
            Self::Problem(Problem { message, .. }) => message.clone(),
            Self::Strange(what) => format!("{} ({what})", crate::text::NODE_STRANGE),
        }
    }

    /// Whether the node says that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.code == "not_found")
    }

    /// Whether the node does not keep what would answer this.
    pub(crate) fn is_index_off(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.code == "index_off")
    }

    /// Whether the node has looked at what was handed in and does not want it.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.code == "refused" || problem.code == "bad_request")
    }
}

/// Asks for JSON.
///
/// # Errors
/// [`FetchError`].
pub(crate) async fn json<T: DeserializeOwned>(path: &str) -> Result<T, FetchError> {
    let bytes = answered(ask("GET", path, None).await?, JSON_BYTES_MAX, &[]).await?;
    serde_json::from_slice(&bytes).map_err(|error| FetchError::Strange(error.to_string()))
}

/// Asks for JSON that also comes with this status, as of a node that is not well.
///
/// # Errors
/// [`FetchError`].
pub(crate) async fn json_even_if<T: DeserializeOwned>(path: &str, status: u16) -> Result<T, FetchError> {
    let bytes = answered(ask("GET", path, None).await?, JSON_BYTES_MAX, &[status]).await?;
    serde_json::from_slice(&bytes).map_err(|error| FetchError::Strange(error.to_string()))
}

/// Asks for bytes, at most so many.
///
/// # Errors
/// [`FetchError`].
pub(crate) async fn bytes(path: &str, limit: usize) -> Result<Vec<u8>, FetchError> {
    answered(ask("GET", path, None).await?, limit, &[]).await
}

/// Hands bytes in and reads the JSON of the answer.
///
/// # Errors
/// [`FetchError`].
pub(crate) async fn post<T: DeserializeOwned>(path: &str, body: &[u8]) -> Result<T, FetchError> {
    let bytes = answered(ask("POST", path, Some(body)).await?, JSON_BYTES_MAX, &[]).await?;
    serde_json::from_slice(&bytes).map_err(|error| FetchError::Strange(error.to_string()))
}

async fn ask(method: &str, path: &str, body: Option<&[u8]>) -> Result<Response, FetchError> {
    let unreachable = |error: JsValue| FetchError::Unreachable(super::told(&error));
    let init = RequestInit::new();
    init.set_method(method);
    init.set_signal(Some(&AbortSignal::timeout_with_u32(TIMEOUT_MS)));
    if let Some(body) = body {
        init.set_body(&js_sys::Uint8Array::from(body));
    }
    let request = Request::new_with_str_and_init(path, &init).map_err(unreachable)?;
    if body.is_some() {
        request.headers().set("content-type", "application/octet-stream").map_err(unreachable)?;
    }
    let window = web_sys::window().ok_or_else(|| FetchError::Unreachable("no window".to_owned()))?;
    let response = JsFuture::from(window.fetch_with_request(&request)).await.map_err(unreachable)?;
    response.dyn_into().map_err(unreachable)
}

/// The body of an answer: of a good one, or of one with a status that is fine too. Of others it is the problem.
async fn answered(response: Response, limit: usize, fine: &[u16]) -> Result<Vec<u8>, FetchError> {
    let unreachable = |error: JsValue| FetchError::Unreachable(super::told(&error));
    let claimed =
        response.headers().get("content-length").ok().flatten().and_then(|length| length.parse::<usize>().ok());
    let too_long = || FetchError::Strange(format!("an answer of more than {limit} bytes"));
    if claimed.is_some_and(|claimed| claimed > limit) {
        return Err(too_long());
    }
    let buffer = JsFuture::from(response.array_buffer().map_err(unreachable)?).await.map_err(unreachable)?;
    let array = js_sys::Uint8Array::new(&buffer);
    if array.length() as usize > limit {
        return Err(too_long());
    }
    let bytes = array.to_vec();
    if response.ok() || fine.contains(&response.status()) {
        return Ok(bytes);
    }
    Err(serde_json::from_slice(&bytes)
        .map_or_else(|_| FetchError::Strange(format!("status {}", response.status())), FetchError::Problem))
}
