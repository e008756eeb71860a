//! Pushed events, with a client of a library that we did not write, over the shell that nodes are served in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use qbtc_core::lock::Address;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::api::SubscriberLimits;
use crate::api::http::{Guard, Limits, Pages, Shell};
use crate::api::public::PublicOptions;
use crate::api::testing::{ALL_INDEXES, FEE, TestNode};
use crate::metrics::Interface;

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(30);

type Client = WebSocketStream<TcpStream>;

async fn serve(node: &TestNode) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shell = Shell {
        interface: Interface::Http,
        guard: Guard::new(Pages::SameOrigin),
        limits: Limits::default(),
        metrics: Arc::clone(node.node.metrics()),
    };
    tokio::spawn(shell.serve(listener, node.router.clone(), node.node.stopping().clone()));
    address
}

async fn connect(address: SocketAddr) -> Result<Client, Error> {
    let stream = TcpStream::connect(address).await.unwrap();
    client_async(format!("ws://{address}/ws"), stream).await.map(|(client, _)| client)
}

async fn next(client: &mut Client) -> Option<Message> {
    let next = tokio::time::timeout(DEADLINE, client.next()).await.expect("a message comes");
    next.and_then(Result::ok)
}

/// The next message of text, as JSON.
async fn event(client: &mut Client) -> Value {
    loop {
        match next(client).await {
            Some(Message::Text(text)) => return serde_json::from_str(&text).unwrap(),
            Some(Message::Ping(_) | Message::Pong(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The next event with this field. What happened just before the client subscribed may still be told before it.
async fn event_of(client: &mut Client, field: &str, value: impl ToString) -> Value {
    let value = Value::String(value.to_string());
    loop {
        let event = event(client).await;
        if event[field] == value {
            return event;
        }
    }
}

async fn say(client: &mut Client, message: Value) -> Value {
    client.send(Message::text(message.to_string())).await.unwrap();
    event(client).await
}

/// How the connection ends, and what was said before.
async fn end(client: &mut Client) -> (Vec<Value>, Option<u16>) {
    let mut said = Vec::new();
    loop {
        match next(client).await {
            Some(Message::Text(text)) => said.push(serde_json::from_str(&text).unwrap()),
            Some(Message::Close(frame)) => return (said, frame.map(|frame| frame.code.into())),
            Some(_) => {}
            None => return (said, None),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_transactions_and_addresses_are_pushed_to_those_who_asked() {
    let node = TestNode::with_blocks(13).await;
    let address = serve(&node).await;
    let (mut blocks, mut transactions, mut wallet, mut nothing) = (
        connect(address).await.unwrap(),
        connect(address).await.unwrap(),
        connect(address).await.unwrap(),
        connect(address).await.unwrap(),
    );
    let answer = say(&mut blocks, json!({"subscribe": "blocks"})).await;
    let tip = node.node.chain().state().tip().to_string();
    let expected =
        json!({"event": "subscribed", "blocks": true, "transactions": false, "addresses": 0, "tip": tip, "height": 13});
    assert_eq!(answer, expected);
    say(&mut transactions, json!({"subscribe": "transactions"})).await;
    let other = Address::from_bytes([9; 32]).to_text(&node.node.spec().network().address_prefix);
    let both = json!({"subscribe": {"addresses": [node.address_text(), other]}});
    assert_eq!(say(&mut wallet, both).await["addresses"], 2);
    say(&mut nothing, json!({"subscribe": "blocks"})).await;
    say(&mut nothing, json!({"unsubscribe": "blocks"})).await;

    let tx = node.payment(2);
    node.submit(&tx).await;
    let added = event_of(&mut transactions, "txid", tx.txid()).await;
    assert_eq!(added["event"], "transaction_added");
    assert_eq!((&added["fee"], &added["wtxid"]), (&json!(FEE), &json!(tx.wtxid().to_string())));
    let pending = event_of(&mut wallet, "txid", tx.txid()).await;
    let expected =
        json!({"event": "address", "address": node.address_text(), "txid": tx.txid().to_string(), "state": "pending"});
    assert_eq!(pending, expected);

    let id = node.mine().await;
    let connected = event_of(&mut blocks, "id", id).await;
    assert_eq!(connected["event"], "block_connected");
    assert_eq!((&connected["height"], &connected["transactions"]), (&json!(14), &json!(2)));
    let removed = event(&mut transactions).await;
    assert_eq!((&removed["event"], &removed["reason"]), (&json!("transaction_removed"), &json!("mined")));
    // The coinbase and the payment.
    let confirmed = [event_of(&mut wallet, "block", id).await, event_of(&mut wallet, "block", id).await];
    assert!(confirmed.iter().all(|event| event["state"] == "confirmed"));
    assert!(confirmed.iter().any(|event| event["txid"] == tx.txid().to_string()));

    node.node.invalidate(id).await.unwrap();
    let gone = event(&mut blocks).await;
    assert_eq!((&gone["event"], &gone["id"]), (&json!("block_disconnected"), &json!(id.to_string())));
    // Who is subscribed to nothing any more was told nothing: the next thing said is the answer.
    assert_eq!(say(&mut nothing, json!({"subscribe": "transactions"})).await["event"], "subscribed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_refused_and_changes_nothing() {
    let options = PublicOptions {
        subscribers: SubscriberLimits { addresses_max: 2, ..SubscriberLimits::default() },
        ..PublicOptions::default()
    };
    let node = TestNode::start(ALL_INDEXES, options);
    let address = serve(&node).await;
    let mut client = connect(address).await.unwrap();
    let prefix = &node.node.spec().network().address_prefix;
    let named =
        |from: u8, to: u8| (from..to).map(|byte| Address::from_bytes([byte; 32]).to_text(prefix)).collect::<Vec<_>>();
    assert_eq!(say(&mut client, json!({"subscribe": {"addresses": named(0, 2)}})).await["addresses"], 2);
    for refused in [
        json!({"subscribe": "all"}),
        json!([]),
        json!({"subscribe": {"addresses": ["dbqs1x"]}}),
        json!({"subscribe": {"addresses": named(2, 3)}}),
        json!({"subscribe": {"addresses": named(0, 3)}}),
    ] {
        assert_eq!(say(&mut client, refused.clone()).await["event"], "refused", "{refused}");
    }
    // The same again is no more.
    assert_eq!(say(&mut client, json!({"subscribe": {"addresses": named(0, 2)}})).await["addresses"], 2);
    assert_eq!(say(&mut client, json!({"unsubscribe": {"addresses": named(1, 2)}})).await["addresses"], 1);

    client.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(end(&mut client).await.1, Some(1003));
    let mut client = connect(address).await.unwrap();
    drop(client.send(Message::text("x".repeat(200 * 1_024))).await);
    assert!(end(&mut client).await.0.is_empty(), "a message that is too long ends the connection");
    let mut client = connect(address).await.unwrap();
    for _ in 0..201 {
        drop(client.feed(Message::text("{}")).await);
    }
    drop(client.flush().await);
    assert_eq!(end(&mut client).await.1, Some(1008), "too many messages");
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_few_and_come_back() {
    let subscribers = SubscriberLimits { clients_max: 1, ..SubscriberLimits::default() };
    let node = TestNode::start(ALL_INDEXES, PublicOptions { subscribers, ..PublicOptions::default() });
    let address = serve(&node).await;
    let first = connect(address).await.unwrap();
    match connect(address).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 503),
        other => panic!("{other:?}"),
    }
    drop(first);
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while connect(address).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the place comes back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_is_let_go() {
    let subscribers = SubscriberLimits { ping: Duration::from_millis(50), ..SubscriberLimits::default() };
    let node = TestNode::start(ALL_INDEXES, PublicOptions { subscribers, ..PublicOptions::default() });
    let address = serve(&node).await;
    let mut answering = connect(address).await.unwrap();
    let silent = connect(address).await.unwrap();
    // The library answers pings when it is asked for the next message; this one is never asked.
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let text = String::from_utf8_lossy(node.get("/metrics").await.bytes()).into_owned();
        if text.contains("qbtc_connections{interface=\"ws\"} 1\n") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{text}");
        drop(tokio::time::timeout(Duration::from_millis(20), answering.next()).await);
    }
    assert_eq!(say(&mut answering, json!({"subscribe": "blocks"})).await["event"], "subscribed");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_keep_up_is_told_and_let_go() {
    let subscribers = SubscriberLimits { queue: 2, ..SubscriberLimits::default() };
    let node = TestNode::start(ALL_INDEXES, PublicOptions { subscribers, ..PublicOptions::default() });
    let address = serve(&node).await;
    let mut client = connect(address).await.unwrap();
    say(&mut client, json!({"subscribe": "blocks"})).await;
    // One change of the tip that takes 40 blocks back at once makes 40 events for a queue of two.
    let mut first = None;
    for _ in 0..40 {
        let id = node.mine().await;
        first.get_or_insert(id);
        assert_eq!(event(&mut client).await["id"], id.to_string());
    }
    node.node.invalidate(first.unwrap()).await.unwrap();
    let (said, code) = end(&mut client).await;
    let last = said.last().unwrap();
    assert_eq!((&last["event"], code), (&json!("lagged"), Some(1013)), "{said:?}");
    assert!(last["missed"].as_u64().unwrap() > 0);
    let text = String::from_utf8_lossy(node.get("/metrics").await.bytes()).into_owned();
    assert!(text.contains("qbtc_ws_dropped_total 1\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_says_so_and_pages_from_elsewhere_are_kept_out() {
    let node = TestNode::start(ALL_INDEXES, PublicOptions::default());
    let address = serve(&node).await;
    let mut client = connect(address).await.unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let request = tokio_tungstenite::tungstenite::handshake::client::Request::builder()
        .uri(format!("ws://{address}/ws"))
        .header("host", address.to_string())
        .header("origin", "https://evil.example")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap();
    match client_async(request, stream).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("{other:?}"),
    }
    node.node.stop();
    assert_eq!(end(&mut client).await.1, Some(1001));
}
