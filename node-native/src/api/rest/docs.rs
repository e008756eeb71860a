//! The OpenAPI document, and a page to read it: small, our own, and without anything from elsewhere.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use qbtc_core::hash::sha256;
use utoipa::openapi::OpenApi;

use super::cache::Validity;

const PAGE: &str = include_str!("docs/page.html");
const SCRIPT: &str = include_str!("docs/page.js");
const STYLE: &str = include_str!("docs/page.css");

/// The page may load its own script, style and document, and nothing else; no text in it can become script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// A text that never changes while the program runs, with its tag.
#[derive(Clone, Debug)]
struct Text {
    kind: &'static str,
    text: Bytes,
    tag: String,
}

/// The document and its page.
pub(super) fn router(document: &OpenApi) -> Router {
    let document = document.to_json().expect("the document is made of strings and numbers");
    let serve = |kind, text: &str| get(text_response).with_state(Text::new(kind, text));
    Router::new()
        .route("/api/v1/openapi.json", serve("application/json", &document))
        .route("/api/docs", serve("text/html; charset=utf-8", PAGE))
        .route("/api/docs/page.js", serve("text/javascript; charset=utf-8", SCRIPT))
        .route("/api/docs/page.css", serve("text/css; charset=utf-8", STYLE))
}

impl Text {
    fn new(kind: &'static str, text: &str) -> Self {
        Self { kind, text: Bytes::copy_from_slice(text.as_bytes()), tag: hex::encode(&sha256(text.as_bytes())[..8]) }
    }
}

async fn text_response(State(text): State<Text>, asked: HeaderMap) -> Response {
    let headers = [(CONTENT_TYPE, text.kind), (CONTENT_SECURITY_POLICY, POLICY)];
    Validity::Program(text.tag).respond(&asked, (headers, text.text).into_response())
}
