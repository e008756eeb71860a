//! The web app: files that were built before the node was, and are part of its program.
//!
//! They are served as they are, under names that are known when the node is built. What is asked for is looked up among those names, never
//! in the file system. A page of the app has an address of its own, such as `/block/7`, at which the app's one page is served; every other
//! path that is not a file is not known here.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::rate::{Cost, RateLimiter};
use super::rest::{Problem, Validity};

/// What `cargo xtask web` leaves. A node that is built without it serves everything but the app. While developing (without
/// optimisation), the files are read when they are asked for.
#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Files;

/// The first parts of the paths at which the app has pages, one a line; the app reads the same file.
const PAGES: &str = include_str!("../../../www/pages.txt");

/// The app's one page.
const PAGE: &str = "index.html";

/// The app may load what the node serves, compile its own WebAssembly and connect to the node. No text in it can become script or style.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; \
     connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Nobody who opens the page, or is opened by it, gets a handle on it.
const OPENER_POLICY: (HeaderName, HeaderValue) =
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));

/// Cameras, places and the like: the app asks for none of them.
const PERMISSIONS_POLICY: (HeaderName, HeaderValue) = (
    HeaderName::from_static("permissions-policy"),
    HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
);

/// The answer to whatever no other route has taken.
pub(super) fn router(rate: &Arc<RateLimiter>) -> Router {
    Router::new().fallback(serve).layer(rate.layer(Cost::LIGHT))
}

/// The file at a path, or the page of the app.
pub(super) async fn serve(method: Method, uri: Uri, asked: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let Some(name) = name_at(path) else { return Problem::no_such_path(uri.path()).into_response() };
    if method != Method::GET && method != Method::HEAD {
        let allow = (ALLOW, HeaderValue::from_static("GET, HEAD"));
        return ([allow], Problem::method(uri.path())).into_response();
    }
    match file(name, &asked) {
        Some(response) => response,
        None if name == PAGE => not_built(uri.path()).into_response(),
        None => Problem::no_such_path(uri.path()).into_response(),
    }
}

/// The file that is served at a path: the app's page at those of its pages, and else the file of this name, if it has one.
fn name_at(path: &str) -> Option<&str> {
    let first = path.split('/').next().unwrap_or_default();
    if path.is_empty() || PAGES.lines().any(|page| page == first) {
        return Some(PAGE);
    }
    kind(path).map(|_| path)
}

/// What a file is, by its name; `None` for what the app does not consist of.
fn kind(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "zip" => "application/zip",
        "tgz" => "application/gzip",
        _ => return None,
    })
}

fn file(name: &str, asked: &HeaderMap) -> Option<Response> {
    let kind = kind(name)?;
    let (file, encoding) = smallest(name, asked)?;
    let tag = hex::encode(&file.metadata.sha256_hash()[..8]);
    let body = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let mut response = Validity::Program(tag).respond(asked, ([(CONTENT_TYPE, kind)], body).into_response());
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    for (header, value) in [OPENER_POLICY, PERMISSIONS_POLICY] {
        headers.insert(header, value);
    }
    Some(response)
}

/// A file in the best encoding that the client takes and the build has made.
fn smallest(name: &str, asked: &HeaderMap) -> Option<(EmbeddedFile, Option<&'static str>)> {
    let taken: Vec<_> = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).collect();
    for (encoding, ending) in [("br", "br"), ("gzip", "gz")] {
        if takes(&taken, encoding)
            && let Some(file) = Files::get(&format!("{name}.{ending}"))
        {
            return Some((file, Some(encoding)));
        }
    }
    Files::get(name).map(|file| (file, None))
}

/// Whether a list of encodings (RFC 9110, section 12.5.3) names this one and does not refuse it.
fn takes(lists: &[&str], encoding: &str) -> bool {
    let mut items = lists.iter().flat_map(|list| list.split(','));
    items.any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        is_named && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

fn not_built(path: &str) -> Problem {
    Problem::not_found(format!("path {path:?} is a page of the web app, which this node was built without")).with_mend(
        "run `cargo xtask web` and build the node again; what the node tells without it is listed at /api/docs",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_and_files_are_served() {
        for page in ["", "block/7", "tx/00", "wallet", "wallet/send", "node"] {
            assert_eq!(name_at(page), Some(PAGE), "{page}");
        }
        assert_eq!(name_at("qbtc-web_bg.wasm"), Some("qbtc-web_bg.wasm"));
        let chunk = "snippets/qbtc-web-00/split_wallet.wasm";
        assert_eq!((name_at(chunk), kind(chunk)), (Some(chunk), Some("application/wasm")));
        for strange in ["api/v2/chain", "blockade", "favicon", "../Cargo.toml", "index.html.br", "Wallet"] {
            assert_eq!(name_at(strange), None, "{strange}");
        }
    }

    #[test]
    fn files_outside_are_not_there() {
        for name in ["../index.html", "../../www/styles.css", "/etc/hosts.txt", "..%2fCargo.txt"] {
            assert!(file(name, &HeaderMap::new()).is_none(), "{name}");
        }
    }

    #[test]
    fn encodings_are_taken_as_the_client_says() {
        for (list, br, gzip) in [
            ("gzip, deflate, br, zstd", true, true),
            ("gzip;q=0.5", false, true),
            ("br;q=0, GZIP; q=1", false, true),
            ("identity", false, false),
            ("brotli", false, false),
            ("br;q=no", false, false),
        ] {
            assert_eq!((takes(&[list], "br"), takes(&[list], "gzip")), (br, gzip), "{list}");
        }
    }

    #[tokio::test]
    async fn nothing_but_reading_is_answered() {
        let ask = |method: Method, path: &'static str| serve(method, Uri::from_static(path), HeaderMap::new());
        assert_eq!(ask(Method::POST, "/wallet").await.status(), 405);
        assert_eq!(ask(Method::GET, "/nothing").await.status(), 404);
        assert_eq!(ask(Method::GET, "/nothing.js").await.status(), 404);
        let page = ask(Method::GET, "/wallet").await;
        // Whether the app was built before this test is left open; it is a page or says what to do.
        match page.status().as_u16() {
            200 => {
                assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
                let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
                assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
            }
            status => assert_eq!(status, 404),
        }
    }
}
