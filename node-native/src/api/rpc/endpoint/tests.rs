//! Calls over HTTP against a table of methods made for it, without a node.

use axum::body::to_bytes;
use axum::http::Request as Http;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::super::method::Category;
use super::super::param::{Kind, Param};
use super::*;

fn raw(value: &Value) -> Outcome {
    RawValue::from_string(value.to_string()).map_err(RpcError::internal)
}

const ECHO_PARAMS: &[Param] = &[
    Param::required(&["text"], Kind::Text, "Comes back."),
    Param::optional(&["count", "times"], Kind::Number, "1", "How often."),
];

fn method(name: &'static str, params: &'static [Param], handler: Handler<&'static str>) -> Method<&'static str> {
    let (about, result) = ("Does something.", "\"x\"    (string) Something");
    Method { name, category: Category::Util, about, params, result, example: "", size: Size::Small, handler }
}

fn echo(rpc: &Rpc<&'static str>, args: &Args) -> Outcome {
    let count = args.int_in("count", 0..=1_000_000)?.unwrap_or(1);
    raw(&json!([rpc.context, args.text("text").repeat(count as usize)]))
}

fn rpc() -> Arc<Rpc<&'static str>> {
    let methods = vec![
        method("echo", ECHO_PARAMS, Handler::Blocking(echo)),
        method("fail", &[], Handler::Waiting(|_, _| Box::pin(async { Err(RpcError::parameter("never works")) }))),
        method("panic", &[], Handler::Blocking(|_, _| panic!("on purpose"))),
        method("never", &[], Handler::Waiting(|_, _| Box::pin(std::future::pending()))),
    ];
    let credentials = Credentials::new().with_password("user", "pass").unwrap();
    let settings = Settings { block_bytes_max: 100_000, tx_bytes_max: 50_000, stopping: CancellationToken::new() };
    Arc::new(Rpc::new("context", methods, credentials, settings))
}

/// `user:pass`.
const LOGIN: &str = "Basic dXNlcjpwYXNz";

async fn send(rpc: &Arc<Rpc<&'static str>>, request: Http<HttpBody>) -> (u16, String) {
    let response = router(Arc::clone(rpc)).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn post(body: impl Into<HttpBody>) -> (u16, String) {
    let request = Http::post("/").header(AUTHORIZATION, LOGIN).body(body.into()).unwrap();
    send(&rpc(), request).await
}

async fn call(body: Value) -> (u16, Value) {
    let (status, text) = post(body.to_string()).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[tokio::test]
async fn calls_of_both_versions_are_answered() {
    let (status, reply) = call(json!({"method": "echo", "params": ["a"], "id": "x"})).await;
    assert_eq!((status, reply), (200, json!({"result": ["context", "a"], "error": null, "id": "x"})));
    let (status, reply) =
        call(json!({"jsonrpc": "2.0", "method": "echo", "params": {"text": "a", "times": 2}, "id": 1})).await;
    assert_eq!((status, reply), (200, json!({"jsonrpc": "2.0", "result": ["context", "aa"], "id": 1})));
}

#[tokio::test]
async fn errors_have_the_status_of_their_version() {
    for (request, status, code) in [
        (json!({"method": "fail", "id": 1}), 500, -8),
        (json!({"method": "nosuch", "id": 1}), 404, -32_601),
        (json!({"method": 5, "id": 1}), 400, -32_600),
        (json!({"method": "echo", "params": [1], "id": 1}), 500, -3),
        (json!({"method": "echo", "params": [], "id": 1}), 500, -1),
        (json!({"method": "panic", "id": 1}), 500, -32_603),
        (json!({"jsonrpc": "2.0", "method": "fail", "id": 1}), 200, -8),
        (json!({"jsonrpc": "2.0", "method": "nosuch", "id": 1}), 200, -32_601),
    ] {
        let (found, reply) = call(request.clone()).await;
        assert_eq!((found, &reply["error"]["code"]), (status, &json!(code)), "{request}");
        assert_eq!(reply["id"], json!(1));
    }
}

#[tokio::test]
async fn notifications_run_without_a_reply() {
    assert_eq!(post(r#"{"jsonrpc":"2.0","method":"echo","params":["a"]}"#).await, (204, String::new()));
    let both = r#"[{"jsonrpc":"2.0","method":"echo","params":["a"]},{"jsonrpc":"2.0","method":"fail"}]"#;
    assert_eq!(post(both).await, (204, String::new()));
    // Version 1.0 has none: a request without id is answered without id.
    let (status, text) = post(r#"{"method":"echo","params":["a"]}"#).await;
    assert_eq!((status, text.as_str()), (200, "{\"result\":[\"context\",\"a\"],\"error\":null}\n"));
}

#[tokio::test]
async fn batches_answer_each_request_in_its_place() {
    let batch = json!([
        {"method": "echo", "params": ["a"], "id": 1},
        {"jsonrpc": "2.0", "method": "fail"},
        7,
        {"jsonrpc": "2.0", "method": "nosuch", "id": 2},
    ]);
    let (status, reply) = call(batch).await;
    assert_eq!(status, 200);
    let replies = reply.as_array().unwrap();
    assert_eq!(replies.len(), 3);
    assert_eq!(replies[0]["result"], json!(["context", "a"]));
    assert_eq!((&replies[1]["error"]["code"], &replies[1]["id"]), (&json!(-32_600), &Value::Null));
    assert_eq!((&replies[2]["error"]["code"], &replies[2]["id"]), (&json!(-32_601), &json!(2)));
    assert_eq!(call(json!([])).await, (200, json!([])));
}

#[tokio::test]
async fn the_replies_of_a_batch_have_a_limit() {
    let one = json!({"method": "echo", "params": ["0123456789abcdefghij", 1_000_000], "id": 1});
    let (status, reply) = call(Value::Array(vec![one; 5])).await;
    assert_eq!(status, 200);
    let replies = reply.as_array().unwrap();
    assert_eq!(replies.len(), 5);
    assert!(replies[2]["error"].is_null(), "three fit");
    for refused in &replies[3..] {
        assert_eq!(refused["error"]["code"], json!(-1));
    }
    // Nothing is run any more once a reply did not fit, however short the next one would be.
    let short = json!({"method": "fail", "id": 2});
    let long = json!({"method": "echo", "params": ["0123456789abcdefghij", 1_000_000], "id": 1});
    let batch = Value::Array(vec![long; 4].into_iter().chain([short]).collect());
    let (_, reply) = call(batch).await;
    assert_eq!((&reply[4]["error"]["code"], &reply[4]["id"]), (&json!(-1), &json!(2)), "{}", reply[4]);
}

#[tokio::test]
async fn only_a_login_is_let_in() {
    let rpc = rpc();
    let request = |login: Option<&str>| {
        let builder = login.into_iter().fold(Http::post("/"), |builder, login| builder.header(AUTHORIZATION, login));
        builder.body(HttpBody::from(r#"{"method":"echo","params":["a"],"id":1}"#)).unwrap()
    };
    let response = router(Arc::clone(&rpc)).oneshot(request(None)).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Basic realm=\"jsonrpc\"");
    let began = Instant::now();
    assert_eq!(send(&rpc, request(Some("Basic dXNlcjp3cm9uZw=="))).await.0, 401);
    assert!(began.elapsed() >= DENIED_DELAY, "guessing is slow");
    assert_eq!(send(&rpc, request(Some(LOGIN))).await.0, 200);
}

#[tokio::test]
async fn only_posts_to_known_places_are_calls() {
    let rpc = rpc();
    let to = |method: &str, path: &str| {
        Http::builder().method(method).uri(path).header(AUTHORIZATION, LOGIN).body(HttpBody::from("[]")).unwrap()
    };
    assert_eq!(send(&rpc, to("GET", "/")).await.0, 405);
    assert_eq!(send(&rpc, to("POST", "/other")).await.0, 404);
    assert_eq!(send(&rpc, to("POST", "/wallet/mine")).await, (200, "[]\n".into()));
}

#[tokio::test]
async fn sizes_are_bounded_by_method_and_in_all() {
    let long = json!({"method": "echo", "params": ["a".repeat(PARAMS_BYTES_MAX)], "id": 1});
    let (status, reply) = call(long).await;
    assert_eq!((status, &reply["error"]["code"]), (400, &json!(-32_600)));
    assert_eq!(post(vec![b' '; rpc().body_bytes_max() + 1]).await.0, 413);
}

#[tokio::test]
async fn a_body_that_ends_early_is_not_called_too_large() {
    let broken = || {
        let parts = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("the client is gone"))];
        HttpBody::from_stream(futures_util::stream::iter(parts))
    };
    let request = Http::post("/").header(AUTHORIZATION, LOGIN).header("content-length", "100").body(broken()).unwrap();
    assert_eq!(send(&rpc(), request).await, (400, "the body ended early\n".to_owned()));
}

#[tokio::test]
async fn calls_in_progress_are_known() {
    let rpc = rpc();
    // Also a body that is taken apart on a thread of its own.
    for space in [0, 2 * SMALL_BODY_BYTES] {
        let body = r#"{"method":"never","id":1}"#.to_owned() + &" ".repeat(space);
        let request = Http::post("/").header(AUTHORIZATION, LOGIN).body(body.into()).unwrap();
        let calling = tokio::spawn({
            let rpc = Arc::clone(&rpc);
            async move { send(&rpc, request).await }
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while rpc.active().first().map(|(name, _)| *name) != Some("never") {
            assert!(Instant::now() < deadline, "the call never began");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        calling.abort();
        assert!(calling.await.unwrap_err().is_cancelled());
        assert!(rpc.active().is_empty(), "a client that goes away ends its call");
    }
}

#[test]
fn help_is_written_from_the_table() {
    let rpc = rpc();
    let methods: Vec<_> = rpc.methods().map(help::call).collect();
    assert_eq!(methods, ["echo \"text\" ( count )", "fail", "getrpcinfo", "help ( \"command\" )", "never", "panic"]);
    let page = help::page(rpc.method("echo").unwrap());
    for part in [
        "echo \"text\" ( count )\n\nDoes something.\n\nArguments:\n1. text ",
        "(string, required) Comes back.\n2. count ",
        "(numeric, optional, default=1) How often. Also known as times.\n",
        "\nResult:\n\"x\"    (string) Something\n\nExamples:\n> qbtc rpc echo\n",
    ] {
        assert!(page.contains(part), "{part:?} in {page:?}");
    }
}

#[tokio::test]
async fn help_lists_all_calls_and_tells_about_each() {
    let (_, reply) = call(json!({"method": "help", "id": 1})).await;
    let expected =
        "== Control ==\ngetrpcinfo\nhelp ( \"command\" )\n\n== Util ==\necho \"text\" ( count )\nfail\nnever\npanic";
    assert_eq!(reply["result"], json!(expected));
    let (_, reply) = call(json!({"method": "help", "params": ["echo"], "id": 1})).await;
    assert!(reply["result"].as_str().unwrap().starts_with("echo \"text\" ( count )\n\nDoes something.\n"));
    let (status, reply) = call(json!({"method": "help", "params": ["nosuch"], "id": 1})).await;
    assert_eq!((status, &reply["result"]), (200, &json!("help: unknown command: nosuch")));
    let (_, reply) = call(json!({"method": "getrpcinfo", "id": 1})).await;
    assert_eq!(reply["result"]["active_commands"][0]["method"], json!("getrpcinfo"));
}

/// JSON that is nearly a request.
fn nearly_request() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9.]{0,4}".prop_map(Value::from),
        Just(json!("echo")),
        Just(json!("fail")),
        Just(json!("2.0")),
        Just(json!("1.0")),
    ];
    let key = prop_oneof![
        Just("id".to_owned()),
        Just("jsonrpc".to_owned()),
        Just("method".to_owned()),
        Just("params".to_owned()),
        Just("args".to_owned()),
        Just("text".to_owned()),
        Just("count".to_owned()),
        "[a-z]{1,3}",
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Whatever a body holds, what comes back is well-formed.
fn check_reply(body: Vec<u8>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (status, text) = runtime.block_on(post(body));
    match status {
        204 => assert!(text.is_empty()),
        200 | 400 | 404 | 500 => {
            let reply: Value = serde_json::from_str(&text).unwrap();
            let replies = if reply.is_array() { reply.as_array().unwrap().clone() } else { vec![reply] };
            for reply in replies {
                let members = reply.as_object().unwrap();
                assert!(members.contains_key("result") || members.contains_key("error"), "{reply}");
                let error = &reply["error"];
                assert!(error.is_null() || (error["code"].is_i64() && error["message"].is_string()), "{reply}");
                assert!(
                    members.contains_key("jsonrpc")
                        != (members.contains_key("result") && members.contains_key("error")),
                    "{reply}"
                );
            }
        }
        other => panic!("status {other}: {text}"),
    }
}

proptest! {
    #[test]
    fn bodies_of_any_bytes_get_a_well_formed_reply(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        check_reply(body);
    }

    #[test]
    fn bodies_of_nearly_requests_get_a_well_formed_reply(body in nearly_request()) {
        check_reply(body.to_string().into_bytes());
    }
}
