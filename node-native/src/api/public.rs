//! The public interface: everything that is served to whoever asks. REST, pushed events, health, metrics.
//!
//! It tells public data only (metrics, which are the operator's, to nobody beyond the operator's network) and takes nothing but
//! transactions, so it may be put on the internet; each address has a budget, each
//! answer the headers that keep browsers from making anything else of it. It stands in the shell [`super::http`], which bounds
//! connections and time and keeps web pages out, apart from those whose origins are allowed here too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CONTENT_SECURITY_POLICY, HeaderName, ORIGIN,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};

use super::rate::{RateLimiter, RateLimits};
use super::rest::Problem;
use super::ws::SubscriberLimits;
use super::{health, rest, ws};
use crate::metrics::Metrics;
use crate::node::Node;

/// How the public interface is served.
#[derive(Clone, Debug, Default)]
pub struct PublicOptions {
    /// The origins of web pages that may read it from elsewhere, such as `https://explorer.example`. None, unless told; the guard of
    /// the shell must allow them too.
    pub origins: Vec<String>,
    /// How much an address may ask.
    pub rate: RateLimits,
    /// What subscribers may cost.
    pub subscribers: SubscriberLimits,
    /// The database's file, whose size operators watch.
    pub database: Option<PathBuf>,
}

/// Nothing that is served here is a page, unless it says so with a policy of its own.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// All routes with their layers. Must be called in a runtime.
pub fn router(node: &Node, options: PublicOptions) -> Router {
    let metrics = node.metrics();
    let rate = Arc::new(RateLimiter::new(options.rate, Arc::clone(metrics)));
    Router::new()
        .merge(rest::router(node.clone(), &rate))
        .merge(ws::router(node.clone(), options.subscribers, &rate))
        .merge(health::router(node.clone(), options.database, &rate))
        .fallback(|uri: Uri| async move { Problem::no_such_path(uri.path()) })
        .method_not_allowed_fallback(|uri: Uri| async move { Problem::method(uri.path()) })
        .layer(middleware::from_fn_with_state(Arc::new(options.origins), share))
        .layer(middleware::from_fn(harden))
        .layer(middleware::from_fn_with_state(Arc::clone(metrics), count))
}

/// Counts the request, by the pattern of its route.
async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    metrics.http_request(route, response.status().as_u16(), began.elapsed());
    response
}

/// Keeps browsers from making anything of an answer but what it says it is.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
    headers.entry(CROSS_ORIGIN_RESOURCE_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    response
}

/// Lets pages of the allowed origins read answers, and answers their browsers' question beforehand.
async fn share(State(origins): State<Arc<Vec<String>>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let allowed = origin.filter(|origin| origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()));
    let is_question = request.method() == Method::OPTIONS;
    let mut response = match (&allowed, is_question) {
        (Some(_), true) => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    if !origins.is_empty() {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    let Some(origin) = allowed else { return response };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    if is_question {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type, if-none-match"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    } else {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag, retry-after"));
    }
    response
}
