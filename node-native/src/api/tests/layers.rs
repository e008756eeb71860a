//! What lies around the routes: budgets, headers, what caches and other pages may do.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::api::RateLimits;
use crate::api::http::{Guard, Pages};
use crate::api::public::PublicOptions;
use crate::api::testing::{ALL_INDEXES, TestNode};
use crate::metrics::Interface;

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_asks_too_often_is_told_when_to_come_back() {
    let rate = RateLimits { per_second: 1, burst: 25, local_per_second: 10_000 };
    let node = TestNode::start(ALL_INDEXES, PublicOptions { rate, ..PublicOptions::default() });
    let peer: SocketAddr = "192.0.2.7:5000".parse().unwrap();
    let other: SocketAddr = "192.0.2.8:5000".parse().unwrap();
    let local: SocketAddr = "127.0.0.1:5000".parse().unwrap();
    // A range of headers costs 20.
    assert_eq!(node.get_from(peer, "/api/v1/headers?from=0").await.status, StatusCode::OK);
    let refused = node.get_from(peer, "/api/v1/headers?from=0").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["code"], "rate");
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((10..=21).contains(&wait), "{wait}");
    assert_eq!(node.get_from(peer, "/api/v1/chain").await.status, StatusCode::OK, "a light request still fits");
    assert_eq!(node.get_from(other, "/api/v1/headers?from=0").await.status, StatusCode::OK);
    for _ in 0..50 {
        assert_eq!(node.get_from(local, "/api/v1/headers?from=0").await.status, StatusCode::OK);
    }
    let metrics = node.get("/metrics").await;
    let text = String::from_utf8_lossy(metrics.bytes()).into_owned();
    assert!(text.contains("qbtc_rejected_requests_total{interface=\"http\",reason=\"rate\"} 1\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_charged_for_too() {
    let rate = RateLimits { per_second: 1, burst: 25, local_per_second: 10_000 };
    for path in ["/", "/wallet", "/no-such.js", "/api/docs", "/api/v1/openapi.json"] {
        let node = TestNode::start(ALL_INDEXES, PublicOptions { rate, ..PublicOptions::default() });
        let peer: SocketAddr = "192.0.2.7:5000".parse().unwrap();
        let mut refused = 0;
        for _ in 0..40 {
            refused += u32::from(node.get_from(peer, path).await.status == StatusCode::TOO_MANY_REQUESTS);
        }
        assert!((10..=15).contains(&refused), "{path}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_has_is_not_sent_again() {
    let node = TestNode::with_blocks(104).await;
    let chain = node.node.chain();
    let old = chain.block_id(qbtc_core::units::Height(2)).unwrap().unwrap();
    let recent = chain.state().tip();
    for (path, control) in [
        (format!("/api/v1/blocks/{old}/raw"), "public, max-age=31536000, immutable"),
        (format!("/api/v1/blocks/{old}/filter"), "public, max-age=31536000, immutable"),
        (format!("/api/v1/blocks/{old}"), "no-cache"),
        (format!("/api/v1/blocks/{recent}/raw"), "no-cache"),
        ("/api/v1/blocks/2/raw".to_owned(), "no-cache"),
        ("/api/v1/openapi.json".to_owned(), "no-cache"),
    ] {
        let first = node.get(&path).await;
        assert_eq!(first.status, StatusCode::OK, "{path}");
        assert_eq!(first.header("cache-control"), control, "{path}");
        let again = node.get_with(&path, ("if-none-match", first.header("etag"))).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        assert_eq!(again.header("etag"), first.header("etag"));
    }
    let path = format!("/api/v1/blocks/{old}");
    let before = node.get(&path).await;
    node.mine().await;
    let after = node.get_with(&path, ("if-none-match", before.header("etag"))).await;
    assert_eq!(after.ok()["header"]["confirmations"], 104);
    assert_eq!(node.get("/api/v1/mempool").await.header("cache-control"), "no-store");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_pages_read_nothing_unless_they_are_allowed() {
    let origin = "https://explorer.example";
    let closed = guarded(Guard::new(Pages::SameOrigin));
    let answer = closed.ask(from_page("GET", "/api/v1/chain", origin)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));

    let open = guarded(Guard::new(Pages::SameOrigin).with_origins([origin]));
    let answer = open.ask(from_page("GET", "/api/v1/chain", origin)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, origin));
    assert_eq!(answer.header("vary"), "origin");
    assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
    let answer = open.ask(from_page("OPTIONS", "/api/v1/transactions", origin)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-methods")), (StatusCode::NO_CONTENT, "GET, POST"));
    for other in ["https://explorer.example.evil", "http://explorer.example", "null"] {
        let answer = open.ask(from_page("GET", "/api/v1/chain", other)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{other}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{other}");
    }
    let text = String::from_utf8_lossy(open.ask(to("127.0.0.1", "/metrics")).await.bytes()).into_owned();
    assert!(text.contains("qbtc_rejected_requests_total{interface=\"http\",reason=\"origin\"} 3\n"), "{text}");
    assert_eq!(open.ask(to("evil.example", "/metrics")).await.status, StatusCode::FORBIDDEN);
    let text = String::from_utf8_lossy(open.ask(to("127.0.0.1", "/metrics")).await.bytes()).into_owned();
    assert!(text.contains("qbtc_rejected_requests_total{interface=\"http\",reason=\"host\"} 1\n"), "{text}");
}

/// A node whose public interface stands behind this guard.
fn guarded(guard: Guard) -> TestNode {
    let mut node = TestNode::start(ALL_INDEXES, PublicOptions::default());
    node.router = guard.protect(node.router.clone(), Interface::Http, Arc::clone(node.node.metrics()));
    node
}

fn to(host: &str, path: &str) -> Request<Body> {
    Request::get(path).header("host", host).body(Body::empty()).unwrap()
}

fn from_page(method: &str, path: &str, origin: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1").header("origin", origin);
    request.body(Body::empty()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_document_needs_nothing_from_elsewhere() {
    let node = TestNode::start(ALL_INDEXES, PublicOptions::default());
    let page = node.get("/api/docs").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let html = String::from_utf8(page.bytes().to_vec()).unwrap();
    for forbidden in ["<script>", "<style", " style=", " onload=", " onclick=", "http://", "https://"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    for linked in ["/api/docs/page.js", "/api/docs/page.css", "/api/v1/openapi.json"] {
        assert!(html.contains(linked), "{linked}");
        assert_eq!(node.get(linked).await.status, StatusCode::OK, "{linked}");
    }
    let script = node.get("/api/docs/page.js").await;
    let script = String::from_utf8(script.bytes().to_vec()).unwrap();
    for forbidden in ["innerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://"] {
        assert!(!script.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_headers_that_harden_it() {
    let node = TestNode::start(ALL_INDEXES, PublicOptions::default());
    for path in ["/api/v1/chain", "/health", "/metrics", "/nothing", "/api/v1/blocks/x", "/api/docs"] {
        let answer = node.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
    }
    let answer = node.post("/api/v1/chain", "text/plain", "x").await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, Some("method_not_allowed"))
    );
}
