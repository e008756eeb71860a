//! The public interface: everything that is served to whoever asks. REST, pushed events, health, metrics, the web app.
//!
//! It tells public data only (metrics, which are the operator's, to nobody beyond the operator's network) and takes nothing but
//! transactions and peers, so it may be put on the internet; each address has a budget, each
//! answer the headers that keep browsers from making anything else of it. It stands in the shell [`super::http`], which bounds
//! connections and time and keeps web pages out, apart from those whose origins are allowed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;

use super::http::CROSS_ORIGIN_RESOURCE_POLICY;
use super::rate::{RateLimiter, RateLimits};
use super::rest::Problem;
use super::ws::SubscriberLimits;
use super::{entrance, health, rest, web, ws};
use crate::metrics::Metrics;
use crate::node::Node;
use crate::p2p::P2p;

/// How the public interface is served.
#[derive(Clone, Debug, Default)]
pub struct PublicOptions {
    /// How much an address may ask.
    pub rate: RateLimits,
    /// What subscribers may cost.
    pub subscribers: SubscriberLimits,
    /// The database's file, whose size operators watch.
    pub database: Option<PathBuf>,
    /// The network, unless it is off.
    pub p2p: Option<P2p>,
}

/// Nothing that is served here is a page, unless it says so with a policy of its own.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// All routes with their layers. Must be called in a runtime.
pub fn router(node: &Node, options: PublicOptions) -> Router {
    let metrics = node.metrics();
    let rate = Arc::new(RateLimiter::new(options.rate, Arc::clone(metrics)));
    Router::new()
        .merge(entrance::router(options.p2p.clone(), options.subscribers, &rate, metrics))
        .merge(rest::router(node.clone(), options.p2p, &rate))
        .merge(ws::router(node.clone(), options.subscribers, &rate))
        .merge(health::router(node.clone(), options.database, &rate))
        .merge(web::router(&rate))
        .method_not_allowed_fallback(|uri: Uri| async move { Problem::method(uri.path()) })
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
