//! JSON-RPC as clients of any kind speak it, after Bitcoin Core's `interface_rpc.py`, `rpc_misc.py` and `rpc_users.py`: what is
//! malformed is answered in the right code and status, and the node does not mind.

use serde_json::{Value, json};

use crate::support::http::{Connection, login, request};
use crate::support::{NodeProcess, Owner, Place};

/// What a body is answered with: the status and the code of the error.
fn refused(node: &NodeProcess, body: impl AsRef<[u8]>) -> (u16, i64) {
    let answer = node.post(body);
    let reply = answer.json();
    assert!(reply["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{reply}");
    (answer.status, reply["error"]["code"].as_i64().unwrap())
}

#[test]
fn what_is_no_request_is_told_so() {
    let place = Place::new();
    let node = place.start(&[]);
    let deep = "[".repeat(100_000);
    for no_json in ["", " ", "{", "[", "[1,2", "{\"method\"}", "getblockcount", "{}{}", "\u{feff}{}", &deep] {
        assert_eq!(refused(&node, no_json), (500, -32_700), "{no_json:.20}");
    }
    assert_eq!(refused(&node, b"{\"method\": \"\xff\"}"), (500, -32_700));
    for neither in ["null", "5", "\"getblockcount\"", "true"] {
        assert_eq!(refused(&node, neither), (500, -32_700), "{neither}");
    }
    for (no_request, status) in [
        ("{}", 400),
        (r#"{"method": 5, "id": 1}"#, 400),
        (r#"{"method": null, "id": 1}"#, 400),
        (r#"{"method": "getblockcount", "params": "none", "id": 1}"#, 400),
        (r#"{"method": "getblockcount", "params": 5, "id": 1}"#, 400),
        (r#"{"jsonrpc": "3.0", "method": "getblockcount", "id": 1}"#, 400),
        (r#"{"method": "getblockcount", "method": "stop", "id": 1}"#, 400),
        (r#"{"jsonrpc": "2.0", "method": 5, "id": 1}"#, 200),
    ] {
        assert_eq!(refused(&node, no_request), (status, -32_600), "{no_request}");
    }
    assert_eq!(refused(&node, r#"{"method": "no such call", "id": 1}"#), (404, -32_601));
    assert_eq!(refused(&node, r#"{"jsonrpc": "2.0", "method": "no such call", "id": 1}"#), (200, -32_601));
    assert_eq!(node.height(), 0);
}

#[test]
fn parameters_are_checked_by_number_name_and_type() {
    let place = Place::new();
    let node = place.start(&[]);
    let hash = node.tip();
    for (call, params, code) in [
        ("getblockhash", json!([]), -1),
        ("getblockhash", json!([0, 1]), -1),
        ("getblockhash", json!(["0"]), -3),
        ("getblockhash", json!([0.5]), -1),
        ("getblockhash", json!([1e30]), -1),
        ("getblockhash", json!([-1]), -8),
        ("getblockhash", json!([1]), -8),
        ("getblockhash", json!({"high": 0}), -8),
        ("getblockhash", json!({"args": [0], "height": 0}), -8),
        ("getblock", json!([5]), -3),
        ("getblock", json!([hash, "much"]), -3),
        ("getblock", json!([hash, {}]), -3),
        ("getblock", json!([hash[1..]]), -8),
        ("getblock", json!(["zz".repeat(32)]), -8),
        ("getblock", json!(["00".repeat(32)]), -5),
        ("gettxout", json!([hash, -1]), -8),
        ("validateaddress", json!([null]), -3),
        ("generatetoaddress", json!([1, "nobody"]), -5),
        ("getnetworkhashps", json!([0]), -8),
    ] {
        assert_eq!(node.fails(call, &params).0, code, "{call} {params}");
    }
    let by_name = json!({"blockhash": hash, "verbosity": 0});
    let mixed = json!({"args": [hash], "verbose": false});
    assert_eq!(node.ok("getblock", by_name), node.ok("getblock", mixed));
    assert_eq!(node.ok("getblock", json!([hash, null])), node.ok("getblock", json!([hash])));
}

#[test]
fn both_versions_and_batches_of_both_are_spoken() {
    let place = Place::new();
    let node = place.start(&[]);
    for id in ["1", "\"a\"", "null", "-7.25", "123456789012345678901234567890", "\"\\u00e9\""] {
        let answer = node.post(format!(r#"{{"method": "getblockcount", "id": {id}}}"#));
        assert_eq!((answer.status, answer.body), (200, format!("{{\"result\":0,\"error\":null,\"id\":{id}}}\n")));
        let answer = node.post(format!(r#"{{"jsonrpc": "2.0", "method": "getblockcount", "id": {id}}}"#));
        assert_eq!((answer.status, answer.body), (200, format!("{{\"jsonrpc\":\"2.0\",\"result\":0,\"id\":{id}}}\n")));
    }
    // What wants no answer runs all the same.
    let generate = json!({"jsonrpc": "2.0", "method": "generatetoaddress", "params": [1, Owner(1).text(&node.spec)]});
    let answer = node.post(generate.to_string());
    assert_eq!((answer.status, answer.body.as_str(), node.height()), (204, "", 1));
    let batch = json!([generate, generate, {"jsonrpc": "2.0", "method": "no such call"}]);
    let answer = node.post(batch.to_string());
    assert_eq!((answer.status, answer.body.as_str(), node.height()), (204, "", 3));
    // Each in its place, one after the other, whatever became of those before.
    let batch = json!([
        {"method": "getblockcount", "id": "first"},
        generate,
        7,
        {"jsonrpc": "2.0", "method": "getblockhash", "params": [99], "id": 2},
        {"jsonrpc": "2.0", "method": "getblockcount", "id": 3},
        {"method": "stopp", "id": 4},
        [],
    ]);
    let answer = node.post(batch.to_string());
    let replies = answer.json();
    let seen: Vec<(Value, Value)> = replies
        .as_array()
        .unwrap()
        .iter()
        .map(|reply| {
            (
                reply["id"].clone(),
                if reply["error"].is_null() { reply["result"].clone() } else { reply["error"]["code"].clone() },
            )
        })
        .collect();
    let expected = [
        (json!("first"), json!(3)),
        (Value::Null, json!(-32_600)),
        (json!(2), json!(-8)),
        (json!(3), json!(4)),
        (json!(4), json!(-32_601)),
        (Value::Null, json!(-32_600)),
    ];
    assert_eq!((answer.status, &seen[..]), (200, &expected[..]), "{replies}");
    assert_eq!(node.post("[]").body, "[]\n");
    let call = json!({"jsonrpc": "2.0", "method": "getblockcount", "id": 1});
    assert_eq!(node.post(json!(vec![call.clone(); 1_000]).to_string()).json().as_array().unwrap().len(), 1_000);
    assert_eq!(refused(&node, json!(vec![call; 1_001]).to_string()), (400, -32_600));
}

#[test]
fn bodies_are_as_large_as_their_call_needs() {
    let place = Place::new();
    let node = place.start(&[]);
    let block_bytes = node.spec.consensus().limits.block_bytes as usize;
    let call =
        |method: &str, bytes: usize| json!({"method": method, "params": ["00".repeat(bytes)], "id": 1}).to_string();
    assert_eq!(refused(&node, call("getblockheader", 40_000)), (400, -32_600));
    assert_eq!(refused(&node, call("submitheader", 40_000)), (400, -32_600));
    assert_eq!(refused(&node, call("sendrawtransaction", 1 << 20)), (500, -22));
    assert_eq!(refused(&node, call("sendrawtransaction", 3 << 20)), (400, -32_600));
    // No block, but what refuses it has read all of it.
    assert_eq!(refused(&node, call("submitblock", block_bytes)), (500, -22));
    assert_eq!(refused(&node, call("submitblock", block_bytes + 1)), (500, -22));
    let answer = node.post(call("submitblock", 2 * block_bytes));
    assert_eq!(answer.status, 413);
    // What is told in advance is refused before it is sent, what is not as soon as it is too much.
    let head = format!("POST / HTTP/1.1\r\nHost: {}\r\n{}", node.rpc(), login(&node.cookie()));
    let mut announced = Connection::open(node.rpc());
    announced.send(format!("{head}Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n"));
    assert_eq!(announced.answer().status, 413);
    // One that is not too large is asked for, and read.
    let body = call("submitblock", 50_000);
    let mut asking = Connection::open(node.rpc());
    asking.send(format!("{head}Content-Length: {}\r\nExpect: 100-continue\r\n\r\n", body.len()));
    assert_eq!(asking.answer().status, 100);
    asking.send(body);
    assert_eq!(asking.answer().json()["error"]["code"], -22);
    let mut endless = Connection::open(node.rpc());
    endless.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(1 << 20));
    for _ in 0..16 {
        endless.send(&chunk);
    }
    let said = endless.rest();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 413"), "{said}");
    assert_eq!(node.height(), 0);
}

#[test]
fn only_who_has_a_login_and_is_no_page_is_heard() {
    let place = Place::new();
    // The lines of Bitcoin Core's own test, made by its rpcauth.py.
    let rt = "rt:93648e835a54c573682c2eb19f882535$7681e9c5b74bdd85e78166031d2058e1069b3ed7ed967c93fc63abba06f31144";
    let rt2 = "rt2:f8607b1a88861fac29dfccf9b52ff9f$ff36a0c23c8c62b4846112e50fa888416e94c17bfd4c42f88fd8f55ec6a3137e";
    let node = place.start(&["--rpc-user", "me", "--rpc-password", "a:b", "--rpcauth", rt, "--rpcauth", rt2]);
    let count = r#"{"method":"getblockcount","id":0}"#;
    let status = |headers: &str| request(node.rpc(), "POST /", headers, count).status;
    for known in [
        node.cookie(),
        "me:a:b".into(),
        "rt:cA773lm788buwYe4g4WT+05pKyNruVKjQ25x3n0DQcM=".into(),
        "rt2:8/F3uMDw4KSEbw96U3CA1C4X05dkHDN2BPFjTgZW4KI=".into(),
    ] {
        assert_eq!(status(&login(&known)), 200, "{known}");
    }
    let cookie = node.cookie();
    for unknown in
        ["", ":", "me", "me:", "me:a", "Me:a:b", "rt:cA773lm788buwYe4g4WT", "__cookie__:", &cookie[..cookie.len() - 1]]
    {
        assert_eq!(status(&login(unknown)), 401, "{unknown}");
    }
    for header in ["", "Authorization: Basic\r\n", "Authorization: Basic %%%\r\n", "Authorization: Bearer x\r\n"] {
        let answer = request(node.rpc(), "POST /", header, count);
        assert_eq!(answer.status, 401);
        assert!(answer.head.contains("www-authenticate: basic"), "{}", answer.head);
    }
    let known = login("me:a:b");
    for page in [
        "Origin: http://127.0.0.1",
        "Origin: null",
        "Sec-Fetch-Site: same-origin",
        "Host: evil.example",
        "Host: a\r\nHost: b",
    ] {
        assert_eq!(status(&format!("{known}{page}\r\n")), 403, "{page}");
    }
    assert_eq!(status(&format!("{known}Host: localhost:1\r\nContent-Type: text/plain\r\n")), 200);
    for (line, status) in [("GET /", 405), ("PUT /", 405), ("POST /elsewhere", 404), ("POST /wallet/mine", 200)] {
        assert_eq!(request(node.rpc(), line, &known, count).status, status, "{line}");
    }
    // Another start, another cookie.
    assert!(node.stop().success());
    let node = place.start(&[]);
    assert_eq!(request(node.rpc(), "POST /", &login(&cookie), count).status, 401);
    assert_eq!(request(node.rpc(), "POST /", &known, count).status, 401);
}

#[test]
fn requests_on_one_connection_are_answered_in_their_order() {
    let place = Place::new();
    let node = place.start(&[]);
    node.mine(3, Owner(1));
    let one = |height: u32| {
        let body = json!({"method": "getblockhash", "params": [height], "id": height}).to_string();
        let head = format!("POST / HTTP/1.1\r\nHost: {}\r\n{}", node.rpc(), login(&node.cookie()));
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let mut connection = Connection::open(node.rpc());
    connection.send((0..=3).map(one).collect::<String>());
    for height in 0..=3 {
        let reply = connection.answer().json();
        assert_eq!((&reply["id"], &reply["result"]), (&json!(height), &node.ok("getblockhash", json!([height]))));
    }
    // As the oldest miners speak.
    let mut old = Connection::open(node.rpc());
    let body = r#"{"method":"getblockcount","id":0}"#;
    old.send(format!("POST / HTTP/1.0\r\n{}Content-Length: {}\r\n\r\n{body}", login(&node.cookie()), body.len()));
    assert!(old.rest().ends_with("{\"result\":3,\"error\":null,\"id\":0}\n"));
}
