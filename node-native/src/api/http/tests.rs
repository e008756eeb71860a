//! The shell against clients that are slow, greedy, or gone.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use super::*;
use crate::metrics::{Format, Reading};

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);

fn limits() -> Limits {
    Limits {
        connections_max: 4,
        connections_per_network_max: 4,
        head: Duration::from_secs(5),
        stall: Duration::from_secs(5),
        request: None,
        body_bytes_max: 1_000,
        grace: Duration::from_millis(100),
    }
}

fn routes() -> Router {
    Router::new()
        .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/never", get(|| async { std::future::pending::<&str>().await }))
        .route("/huge", get(|| async { Body::from(vec![b'x'; 256 << 20]) }))
}

async fn start(limits: Limits) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let (address, stopping, _, serving) = start_counted(limits).await;
    (address, stopping, serving)
}

async fn start_counted(limits: Limits) -> (SocketAddr, CancellationToken, Arc<Metrics>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stopping) = (listener.local_addr().unwrap(), CancellationToken::new());
    let shell = shell(limits);
    let metrics = Arc::clone(&shell.metrics);
    (address, stopping.clone(), metrics, tokio::spawn(shell.serve(listener, routes(), stopping)))
}

fn shell(limits: Limits) -> Shell {
    let guard = Guard::new(Pages::None).with_hosts(["x"]);
    Shell { interface: Interface::Http, guard, limits, metrics: Arc::new(Metrics::new("dev")) }
}

fn connections(metrics: &Metrics) -> Option<String> {
    let text = metrics.render(&Reading::default(), Format::Prometheus);
    let name = "qbtc_connections{interface=\"http\"} ";
    text.lines().find_map(|line| line.strip_prefix(name)).map(ToOwned::to_owned)
}

#[tokio::test]
async fn open_connections_are_counted() {
    let (address, _, metrics, _) = start_counted(limits()).await;
    let mut first = connect(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until(&mut first, "127.0.0.1").await;
    let mut second = connect(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until(&mut second, "127.0.0.1").await;
    assert_eq!(connections(&metrics).as_deref(), Some("2"));
    drop((first, second));
    let deadline = Instant::now() + DEADLINE;
    while connections(&metrics).as_deref() != Some("0") {
        assert!(Instant::now() < deadline, "connections that are gone still count");
        tokio::task::yield_now().await;
    }
}

async fn connect(address: SocketAddr, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the other side closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is cut off ends with an error; what came before counts.
    drop(tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("the connection ends"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What comes up to and including this text.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let byte = tokio::time::timeout(DEADLINE, stream.read_u8()).await.expect("an answer comes");
        text.push(char::from(byte.unwrap_or_else(|error| panic!("{error} after {text:?}"))));
    }
    text
}

#[tokio::test]
async fn requests_are_answered_with_their_peer_known() {
    let (address, ..) = start(limits()).await;
    let answer = rest(connect(address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn a_slow_head_and_a_resting_connection_are_cut_off() {
    let (address, ..) = start(Limits { head: Duration::from_millis(100), ..limits() }).await;
    rest(connect(address, "GET / HT").await).await;
    rest(connect(address, "").await).await;
    let answer = rest(connect(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let (address, ..) = start(Limits { stall: Duration::from_millis(100), ..limits() }).await;
    let answer = rest(connect(address, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc").await).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let limits = Limits { stall: Duration::from_millis(200), connections_max: 1, ..limits() };
    let (address, ..) = start(limits).await;
    let _reads_nothing = connect(address, "GET /huge HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // It was the only place: whoever comes next is served once the first is cut off.
    let answer = rest(connect(address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_request_may_take_only_so_long() {
    let (address, ..) = start(Limits { request: Some(Duration::from_millis(100)), ..limits() }).await;
    let answer = rest(connect(address, "GET /never HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}

#[tokio::test]
async fn bodies_have_a_limit_however_they_are_sent() {
    let (address, ..) = start(limits()).await;
    // Told in advance, it is refused before a byte of it is asked for.
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n";
    let answer = until(&mut connect(address, head).await, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // Sent in parts, it is refused where it exceeds the limit.
    let chunk = "1f4\r\n".to_owned() + &"x".repeat(500) + "\r\n";
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = until(&mut connect(address, &(head.to_owned() + &chunk.repeat(3))).await, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let (address, ..) = start(limits()).await;
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    let mut stream = connect(address, head).await;
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 100 Continue"));
    stream.write_all(b"abc").await.unwrap();
    let answer = until(&mut stream, "abc").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let (address, ..) = start(Limits { connections_max: 1, ..limits() }).await;
    let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut first = connect(address, request).await;
    until(&mut first, "127.0.0.1").await;
    let mut second = connect(address, request).await;
    let early = tokio::time::timeout(Duration::from_millis(100), second.read_u8()).await;
    assert!(early.is_err(), "answered though the only place is taken");
    drop(first);
    until(&mut second, "127.0.0.1").await;
}

#[tokio::test]
async fn a_stop_ends_resting_connections_and_cuts_off_endless_requests() {
    let (address, stopping, serving) = start(limits()).await;
    let mut resting = connect(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until(&mut resting, "127.0.0.1").await;
    let endless = connect(address, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // It is in progress once a later connection has been served.
    rest(connect(address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await).await;
    let began = Instant::now();
    stopping.cancel();
    tokio::time::timeout(DEADLINE, serving).await.expect("the server ends").unwrap();
    assert!(began.elapsed() < DEADLINE / 2);
    rest(resting).await;
    rest(endless).await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn the_guard_stands_before_every_route() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(shell(limits()).serve(listener, routes(), CancellationToken::new()));
    let answer =
        rest(connect(address, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("localhost"), "{answer}");
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    assert!(rest(connect(address, &request).await).await.starts_with("HTTP/1.1 200"));
}
