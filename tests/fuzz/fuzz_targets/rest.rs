//! Whatever a client may ask the public interface of a node: paths, queries, headers and bodies, against a real node in memory. Nobody is
//! answered with a fault of the node's own, a page from elsewhere reads nothing, and only a transaction that is handed in changes
//! anything.
//!
//! The first line of an input is method and target, then come headers, an empty line and the body, as HTTP/1.1 has it. `ADDRESS`, `BLOCK`,
//! `TXID` and `PAYMENT` stand for an address with coins, the tip, a transaction that is mined, and one that is not.
#![no_main]

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use libfuzzer_sys::fuzz_target;
use qbtc_core::codec;
use qbtc_fuzz::Scene;
use qbtc_node::api::RateLimits;
use qbtc_node::api::http::{Guard, Pages};
use qbtc_node::api::public::{self, PublicOptions};
use qbtc_node::driver::{self, DriverOptions};
use qbtc_node::metrics::{Interface, Metrics};
use qbtc_node::node::Node;
use qbtc_node::store::{Indexes, Store, StoreOptions};
use redb::backends::InMemoryBackend;
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// The longest answer that is read: more than any has on so short a chain.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// A node on a chain of six blocks, in the last of which is a payment.
struct Target {
    runtime: Runtime,
    node: Node,
    router: Router,
    words: [(&'static str, String); 4],
}

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let mut scene = Scene::new();
    let mined = scene.payment(0);
    let block = scene.chain.extend(&scene.tip(), vec![mined.clone()]);
    scene.blocks.push(block);
    let spec = Arc::new(scene.chain.spec.clone());
    let indexes = Indexes { txids: true, addresses: true };
    let options = StoreOptions { indexes, ..StoreOptions::default() };
    let store = Store::with_backend(InMemoryBackend::new(), Arc::clone(&spec), &options).expect("memory is no disk");
    let (node, _driver) = {
        let _entered = runtime.enter();
        driver::start(store, Arc::new(Metrics::new("fuzz")), DriverOptions::default()).expect("it is empty")
    };
    for block in &scene.blocks {
        runtime.block_on(node.submit_block(block.clone())).expect("a valid block");
    }
    // The budget of a client is not what is tested here.
    let rate = RateLimits { per_second: u32::MAX, burst: u32::MAX, local_per_second: u32::MAX };
    let router = {
        let _entered = runtime.enter();
        public::router(&node, PublicOptions { rate, ..PublicOptions::default() })
    };
    let router = Guard::new(Pages::SameOrigin).protect(router, Interface::Http, Arc::clone(node.metrics()));
    let words = [
        ("ADDRESS", scene.key.address().to_text(&spec.network().address_prefix)),
        ("BLOCK", scene.tip().to_string()),
        ("TXID", mined.txid().to_string()),
        ("PAYMENT", hex::encode(codec::encode(&scene.payment(1)))),
    ];
    Target { runtime, node, router, words }
});

fuzz_target!(|input: &[u8]| {
    let target = &*TARGET;
    let (head, body) = match input.windows(2).position(|two| two == b"\n\n") {
        Some(place) => (&input[..place], &input[place + 2..]),
        None => (input, &[][..]),
    };
    let Ok(head) = std::str::from_utf8(head) else { return };
    let Some(builder) = request(&target.with_words(head)) else { return };
    let body = match std::str::from_utf8(body) {
        Ok(text) => target.with_words(text).into_bytes(),
        Err(_) => body.to_vec(),
    };
    let Ok(mut request) = builder.body(Body::from(body)) else { return };
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1))));
    target.ask(request);
});

/// The head of a request, if it could be one.
fn request(head: &str) -> Option<Builder> {
    let mut lines = head.lines();
    let (method, uri) = lines.next()?.split_once(' ')?;
    let builder = Request::builder().method(method).uri(uri);
    let with = |builder: Builder, (name, value): (&str, &str)| builder.header(name.trim(), value.trim());
    Some(lines.filter_map(|line| line.split_once(':')).fold(builder, with))
}

impl Target {
    fn with_words(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (word, meaning)| text.replace(word, meaning))
    }

    /// Asks, and checks the answer and what became of the node.
    fn ask(&self, request: Request<Body>) {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let asked = request.headers().clone();
        let before = (self.node.chain().state().tip(), self.node.live().pool.len());
        let (head, body) = self.runtime.block_on(async {
            let Ok(response) = self.router.clone().oneshot(request).await;
            let (head, body) = response.into_parts();
            (head, to_bytes(body, ANSWER_BYTES_MAX).await.expect("a bounded answer that is whole"))
        });
        assert!(!head.status.is_server_error(), "{}: {body:?}", head.status);
        if head.status == StatusCode::FORBIDDEN && head.headers.get("x-content-type-options").is_none() {
            // The guard's word, which stands before everything else.
            return;
        }
        check_sender(&uri, &asked);
        assert_eq!(head.headers["x-content-type-options"], "nosniff");
        let kind = head.headers.get(CONTENT_TYPE).map_or("", |kind| kind.to_str().expect("text"));
        if method != Method::HEAD {
            let json: Option<Value> = kind.ends_with("json").then(|| serde_json::from_slice(&body).expect("JSON"));
            if head.status.is_client_error() {
                assert_eq!(kind, "application/problem+json");
                assert_eq!(json.expect("as its type says")["status"], head.status.as_u16());
            }
        }
        let after = (self.node.chain().state().tip(), self.node.live().pool.len());
        let may_change =
            method == Method::POST && uri.path() == "/api/v1/transactions" && head.status == StatusCode::OK;
        assert!(before == after || (may_change && after == (before.0, before.1 + 1)), "{method} {uri}");
    }
}

/// Whoever passes the guard names a host that no page can take for its own, and is no page from elsewhere.
fn check_sender(uri: &Uri, asked: &HeaderMap) {
    let text = |name| asked.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    // The target's own host goes before the header.
    let named = uri.authority().map(|authority| authority.as_str().to_ascii_lowercase()).or_else(|| text(HOST));
    let Some(host) = named else { panic!("nobody is asked") };
    let is_known = |name: &str| {
        let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        name == "localhost" || inner.parse::<IpAddr>().is_ok()
    };
    let name = host.rsplit_once(':').map_or(&*host, |(name, _)| name);
    assert!(is_known(&host) || is_known(name), "{host}");
    if let Some(origin) = text(ORIGIN) {
        assert!(origin.split_once("://").is_some_and(|(_, at)| at == host), "{origin} reads {host}");
    }
}
