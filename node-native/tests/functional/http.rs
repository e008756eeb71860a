//! Clients that are slow, silent, greedy or somebody else's page, on both interfaces. An honest client is answered all the while.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{Connection, login, request};
use crate::support::{NodeProcess, Owner, Place};

/// For how long a node waits for a head, a body or a reader.
const PATIENCE: Duration = Duration::from_secs(30);
/// By how much later it may be.
const SLACK: Duration = Duration::from_secs(20);

/// How many connections a client keeps from being used, well below what an interface has in all.
const IDLERS: usize = 40;

/// An honest client is answered on both interfaces, at once.
fn answers(node: &NodeProcess) {
    let began = Instant::now();
    assert_eq!(node.post(r#"{"method":"getblockcount","id":0}"#).status, 200);
    assert_eq!(node.get("/health").status, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// They begin in each of the ways in which a client can leave a server waiting, and are gone when its patience ends.
#[test]
fn who_does_not_go_on_is_cut_off() {
    let place = Place::new();
    let node = place.start(&[]);
    let head = |address: &str| format!("POST / HTTP/1.1\r\nHost: {address}\r\n{}", login(&node.cookie()));
    let mut idlers = Vec::new();
    let began = Instant::now();
    for address in [node.rpc(), node.http()] {
        for number in 0..IDLERS {
            let mut idler = Connection::open(address);
            match number % 5 {
                0 => {}
                1 => idler.send("POST / HT"),
                2 => idler.send(&head(address)[..40]),
                3 => idler.send(head(address) + "Content-Length: 100\r\n\r\n{\"method\":"),
                _ => {
                    idler.send("GET /he");
                    idler.finish();
                }
            }
            idlers.push(idler);
        }
        answers(&node);
    }
    for idler in idlers {
        let said = idler.rest();
        assert!(!said.contains("200 OK"), "{said}");
        assert!(began.elapsed() < PATIENCE + SLACK, "{:?}", began.elapsed());
    }
    answers(&node);
    assert!(node.stop().success());
}

/// A client that asks for much and reads none of it.
#[test]
fn who_reads_nothing_keeps_nobody_waiting() {
    let place = Place::new();
    let node = place.start(&[]);
    node.mine(50, Owner(1));
    let body = json!(vec![json!({"method": "getblock", "params": [node.tip(), 2], "id": 1}); 1_000]).to_string();
    let mut deaf = Vec::new();
    for _ in 0..8 {
        let mut connection = Connection::open(node.rpc());
        connection.send(format!(
            "POST / HTTP/1.1\r\nHost: {}\r\n{}Content-Length: {}\r\n\r\n{body}",
            node.rpc(),
            login(&node.cookie()),
            body.len()
        ));
        deaf.push(connection);
    }
    answers(&node);
    // And one that leaves in the middle.
    drop(deaf);
    answers(&node);
    let began = Instant::now();
    assert!(node.stop().success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn what_is_no_http_is_no_harm() {
    let place = Place::new();
    let node = place.start(&[]);
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(5_000));
    let both =
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x";
    for address in [node.rpc(), node.http()] {
        for nonsense in [
            "\r\n\r\n",
            "\0\0\0\0",
            "{\"method\":\"stop\",\"id\":1}\n",
            "GET\r\n\r\n",
            "GET / HTTP/9.9\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}\0\u{1}",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            &long,
            &many,
            both,
        ] {
            let mut connection = Connection::open(address);
            connection.send(nonsense);
            connection.finish();
            let said = connection.rest();
            let is_refused = said.is_empty()
                || ["HTTP/1.1 4", "HTTP/1.0 4", "HTTP/1.1 5"].iter().any(|begin| said.starts_with(begin));
            assert!(is_refused, "{nonsense:.40}: {said}");
        }
        answers(&node);
    }
}

#[test]
fn pages_from_elsewhere_drive_nothing() {
    let place = Place::new();
    let node = place.start(&["--allow-host", "node.example", "--allow-origin", "https://friend.example"]);
    let get = |headers: &str| request(node.http(), "GET /api/v1/chain", headers, "");
    let own = format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", node.http());
    for fine in ["", &own, "Host: localhost\r\n", "Host: NODE.example:80\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(get(fine).status, 200, "{fine}");
    }
    for foreign in [
        "Host: evil.example\r\n",
        "Host: 127.0.0.1.evil.example\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
    ] {
        let answer = get(foreign);
        assert_eq!(answer.status, 403, "{foreign}");
        assert!(!answer.body.contains("height") && !answer.head.contains("access-control"), "{answer:?}");
    }
    let friend = get("Origin: https://friend.example\r\n");
    assert!(
        friend.status == 200 && friend.head.contains("access-control-allow-origin: https://friend.example"),
        "{friend:?}"
    );
    // Handing in is no reading: a page must be known by name.
    let post = |headers: &str| request(node.http(), "POST /api/v1/transactions", headers, "00").status;
    assert_eq!(post("Content-Type: text/plain\r\nSec-Fetch-Site: cross-site\r\n"), 403);
    assert_eq!(post("Content-Type: text/plain\r\nOrigin: https://evil.example\r\n"), 403);
    assert_eq!(post("Content-Type: text/plain\r\n"), 400);
    // A socket is an origin's too.
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = |path: &str, headers: &str| request(node.http(), path, &format!("{socket}{headers}"), "").status;
    for path in ["GET /ws", "GET /"] {
        let statuses = (upgrade(path, ""), upgrade(path, "Origin: https://evil.example\r\n"));
        assert_eq!(statuses, (if path == "GET /" { 404 } else { 101 }, 403), "{path}: this node has no network");
    }
}

/// What the two interfaces tell of a payment, from the moment it is handed in.
#[test]
fn a_payment_is_handed_in_followed_and_proven() {
    let place = Place::new();
    let node = place.start(&["--txindex", "--addressindex"]);
    let coins = node.coins(1, Owner(1));
    let payment = Owner(1).spend(&coins, Owner(2), 10_000);
    let (txid, bob) = (payment.txid().to_string(), Owner(2).text(&node.spec));
    let json = |path: &str| node.get(&format!("/api/v1{path}")).json();
    let hand_in = |path: &str| {
        let hex = crate::support::money::hex_of(&payment);
        request(node.http(), &format!("POST /api/v1/transactions{path}"), "Content-Type: text/plain\r\n", hex)
    };
    assert_eq!((hand_in("/test").status, node.waiting().len()), (200, 0));
    for is_new in [true, false] {
        let answer = hand_in("").json();
        assert_eq!((&answer["txid"], &answer["is_new"]), (&json!(txid), &json!(is_new)));
    }
    assert_eq!(node.waiting(), [txid.as_str()]);
    assert_eq!(json("/mempool")["transactions"], json!(1));
    node.mine(1, Owner(3));
    assert_eq!(json("/chain")["tip"]["id"], json!(node.tip()));
    let coins = json(&format!("/addresses/{bob}/coins"));
    assert!(coins.to_string().contains(&txid), "{coins}");
    assert_eq!(node.get(&format!("/api/v1/transactions/{txid}/proof")).status, 200);
    let balance = json(&format!("/addresses/{bob}"));
    assert!(node.stop().success());
    let node = place.start(&["--txindex", "--addressindex"]);
    assert_eq!(node.get(&format!("/api/v1/addresses/{bob}")).json(), balance);
    let health: Value = node.get("/health").json();
    assert!(health.is_object(), "{health}");
    let metrics = node.get("/metrics").body;
    qbtc_tests::promtool::check(&metrics);
    assert!(
        metrics.lines().any(|line| line.starts_with("qbtc_blockchain_height") && line.ends_with(" 5")),
        "{metrics}"
    );
}

/// Where all places are taken, whoever comes next is served once one is free, and the other interface does not mind.
#[test]
fn a_full_house_lets_in_one_for_each_that_leaves() {
    let place = Place::new();
    let node = place.start(&["--http-connections", "4", "--rpc-connections", "4"]);
    for (address, other) in [(node.http(), node.rpc()), (node.rpc(), node.http())] {
        let mut guests: Vec<Connection> = (0..4).map(|_| Connection::open(address)).collect();
        let asking = |address: &str| format!("GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n");
        for guest in &mut guests {
            // It is in once it is answered, whatever the answer is.
            guest.send(asking(address));
            guest.answer();
        }
        let mut next = Connection::open(address);
        next.send(asking(address));
        let mut elsewhere = Connection::open(other);
        elsewhere.send(asking(other));
        elsewhere.answer();
        assert!(next.is_silent(), "answered though all places are taken");
        guests.pop();
        next.answer();
    }
    answers(&node);
}
