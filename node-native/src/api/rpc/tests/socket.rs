//! Calls over a real socket: blocks as large as they get, and clients as miners and browsers are.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::api::http::{Guard, Limits, Pages, Shell};
use crate::metrics::{Format, Interface, Reading};

/// The origin of the one page that may call.
const PAGE: &str = "https://dashboard.example";

async fn listen(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shell = Shell {
        interface: Interface::Rpc,
        guard: Guard::new(Pages::None).with_origins([PAGE]),
        limits: Limits { request: None, body_bytes_max: world.rpc.body_bytes_max(), ..Limits::default() },
        metrics: Arc::clone(world.node.metrics()),
    };
    tokio::spawn(shell.serve(listener, router(Arc::clone(&world.rpc)), world.node.stopping().clone()));
    address
}

/// Sends a head, and the body once the server asks for it; returns status and body of the answer.
async fn post(address: SocketAddr, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    if headers.contains("100-continue") {
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).await.unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_string(&mut answer));
    read.await.expect("an answer comes").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_as_large_as_they_get_is_taken_as_miners_send_it() {
    let world = World::new();
    let address = listen(&world).await;
    let login = format!("Authorization: {LOGIN}\r\nUser-Agent: cpuminer/2.5.1\r\nExpect: 100-continue\r\n");
    let size = world.node.spec().consensus().limits.block_bytes as usize;
    let call = |bytes: usize| json!({"method": "submitblock", "params": ["00".repeat(bytes), {}], "id": 1}).to_string();
    // The right size, and no block: what refuses it has looked at all of it.
    let (status, reply) = post(address, &login, &call(size)).await;
    assert!(status == 500 && reply.contains("\"code\":-22"), "{reply}");
    let reply: Value = serde_json::from_str(&post(address, &login, &call(size + 1)).await.1).unwrap();
    let message = reply["error"]["message"].as_str().unwrap();
    assert!(message.contains("4194305") && message.contains("4194304"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn miners_of_every_kind_are_let_in_and_pages_are_not() {
    let world = World::new();
    let address = listen(&world).await;
    let body = r#"{"method":"getblockcount","params":[],"id":0}"#;
    for headers in
        ["", "Content-Type: text/plain\r\n", "Content-Type: application/json\r\nX-Mining-Extensions: midstate\r\n"]
    {
        let (status, reply) = post(address, &format!("Authorization: {LOGIN}\r\n{headers}"), body).await;
        assert_eq!((status, reply.as_str()), (200, "{\"result\":0,\"error\":null,\"id\":0}\n"));
    }
    for headers in ["Origin: http://127.0.0.1\r\n", "Origin: null\r\n", "Sec-Fetch-Site: same-origin\r\n"] {
        let (status, _) = post(address, &format!("Authorization: {LOGIN}\r\n{headers}"), body).await;
        assert_eq!(status, 403, "{headers}");
    }
    assert_eq!(post(address, "", body).await.0, 401);
    let text = world.node.metrics().render(&Reading::default(), Format::Prometheus);
    for line in [
        "qbtc_rejected_requests_total{interface=\"rpc\",reason=\"origin\"} 3",
        "qbtc_rejected_requests_total{interface=\"rpc\",reason=\"login\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_allowed_by_name_may_call_with_a_login_only() {
    let world = World::new();
    let address = listen(&world).await;
    let body = r#"{"method":"getblockcount","params":[],"id":0}"#;
    let from = format!("Origin: {PAGE}\r\nSec-Fetch-Site: cross-site\r\n");
    assert_eq!(post(address, &from, body).await.0, 401);
    assert_eq!(post(address, &format!("{from}Authorization: {LOGIN}\r\n"), body).await.0, 200);
    // A browser asks first, without the login.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let question = format!("OPTIONS / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{from}\r\n");
    stream.write_all(question.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(answer.contains(&format!("access-control-allow-origin: {PAGE}\r\n")), "{answer}");
    assert!(answer.contains("access-control-allow-headers: authorization,"), "{answer}");
}
