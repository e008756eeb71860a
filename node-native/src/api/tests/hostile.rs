//! Whatever is asked, nobody is answered with a fault of the node's own.

use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use qbtc_core::codec;

use crate::api::testing::TestNode;

/// What paths are made of: what the routes know, what is nearly right, and anything.
fn segment() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "api",
        "v1",
        "chain",
        "blocks",
        "header",
        "raw",
        "filter",
        "history-proof",
        "transactions",
        "status",
        "proof",
        "addresses",
        "coins",
        "history",
        "mempool",
        "bands",
        "fees",
        "headers",
        "filters",
        "test",
        "docs",
        "openapi.json",
        "health",
        "metrics",
        "ws",
        "0",
        "1",
        "3",
        "4294967295",
        "4294967296",
        "-1",
        "..",
        ".",
        "%00",
        "%ff",
        "%2f",
        "",
    ];
    prop_oneof![
        6 => proptest::sample::select(KNOWN).prop_map(ToOwned::to_owned),
        2 => "[0-9a-f]{64}",
        1 => "[a-z0-9]{0,80}",
        1 => "(%[0-9a-f]{2}){1,8}",
        1 => "[!-~&&[^#?/%\"<>\\\\^`{|}]]{1,12}",
    ]
}

fn query() -> impl Strategy<Value = String> {
    let name = proptest::sample::select(&["limit", "before", "after", "from", "x", ""][..]);
    let value = prop_oneof![
        "[0-9]{0,12}",
        "[0-9a-f]{64}:[0-9]{1,10}",
        "[0-9]{1,10}-[0-9]{1,10}",
        "(%[0-9a-f]{2}){0,4}",
        "[!-~&&[^#\"<>\\\\^`{|}]]{0,12}"
    ];
    proptest::collection::vec((name, value).prop_map(|(name, value)| format!("{name}={value}")), 0..3)
        .prop_map(|pairs| if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) })
}

fn uri() -> impl Strategy<Value = String> {
    let under = prop_oneof![4 => Just("/api/v1/"), 1 => Just("/")];
    (under, proptest::collection::vec(segment(), 0..5), query())
        .prop_map(|(under, segments, query)| format!("{under}{}{query}", segments.join("/")))
}

#[test]
fn no_path_and_no_query_is_a_fault() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = runtime.block_on(TestNode::with_blocks(13));
    let mut runner = TestRunner::new(Config::with_cases(3_000));
    let methods = proptest::sample::select(&["GET", "GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "X"][..]);
    let tested = runner.run(&(methods, uri()), |(method, uri)| {
        let Ok(request) = Request::builder().method(method).uri(&uri).body(Body::empty()) else { return Ok(()) };
        let answer = runtime.block_on(node.ask(request));
        prop_assert!(!answer.status.is_server_error(), "{method} {uri}: {answer:?}");
        prop_assert_eq!(answer.headers.get("x-content-type-options").map(HeaderValue::as_bytes), Some(&b"nosniff"[..]));
        let is_problem = answer.status.is_client_error() && method != "HEAD";
        if is_problem {
            prop_assert_eq!(answer.header("content-type"), "application/problem+json", "{} {}", method, uri);
            prop_assert_eq!(&answer.json()["status"], answer.status.as_u16());
        }
        Ok(())
    });
    tested.unwrap();
    let _in_runtime = runtime.enter();
    drop(node);
}

#[test]
fn no_body_is_a_fault() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = runtime.block_on(TestNode::with_blocks(13));
    let good = codec::encode(&node.payment(2));
    let length = good.len();
    let damaged = (0..length, any::<u8>(), 0..=length).prop_map(move |(place, byte, end)| {
        let mut bytes = good.clone();
        bytes[place] ^= byte;
        bytes.truncate(end.max(length - 2));
        bytes
    });
    let body = prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), damaged];
    let kinds =
        proptest::sample::select(&["application/octet-stream", "text/plain", "application/json", "", "a/b;c"][..]);
    let paths = proptest::sample::select(&["/api/v1/transactions", "/api/v1/transactions/test"][..]);
    let mut runner = TestRunner::new(Config::with_cases(300));
    let tested = runner.run(&(paths, kinds, body), |(path, kind, body)| {
        let answer = runtime.block_on(node.post(path, kind, body));
        prop_assert!(!answer.status.is_server_error(), "{answer:?}");
        Ok(())
    });
    tested.unwrap();
    let _in_runtime = runtime.enter();
    drop(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_have_the_answer_that_mends_them() {
    let node = TestNode::with_blocks(13).await;
    let tx = codec::encode(&node.payment(2));
    let post = async |kind: &str, body: Vec<u8>| {
        let answer = node.post("/api/v1/transactions", kind, body).await;
        (answer.status, answer.json()["message"].as_str().unwrap_or_default().to_owned())
    };
    let (status, message) = post("application/json", tx.clone()).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(message.contains("text/plain"), "{message}");
    let (status, message) = post("text/plain", tx.clone()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(message.contains("no hex"), "{message}");
    let (status, _) = post("application/octet-stream", tx[..tx.len() - 1].to_vec()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, message) = post("application/octet-stream", vec![0; 3 << 20]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{message}");
    let mut forged = node.payment(2);
    forged.body.outputs[0].amount = qbtc_core::units::Amount::from_coins(1);
    let (status, message) = post("application/octet-stream", codec::encode(&forged)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{message}");
    let mut unknown = node.payment(2);
    unknown.body.inputs[0].index = 77;
    let (status, message) = post("application/octet-stream", codec::encode(&unknown)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(message.contains("77"), "{message}");
}
