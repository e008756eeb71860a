//! The client against a server of a few lines, which says whatever a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use super::*;

/// Answers one request with these bytes, and gives back its head and body.
fn serve_once(answer: String) -> (String, JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        (head, String::from_utf8(body).unwrap())
    });
    (address, server)
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn password() -> Login {
    Login::Password { user: "alice".to_owned(), password: Zeroizing::new("open sesame".to_owned()) }
}

fn client(address: &str) -> Client {
    Client::new(address, &password(), Some(Duration::from_secs(20))).unwrap()
}

#[test]
fn a_call_is_made_and_answered() {
    let (address, server) = serve_once(http("200 OK", r#"{"result":42,"error":null,"id":0}"#));
    let count: u32 = client(&address).call("getblockcount", json!([])).unwrap();
    assert_eq!(count, 42);
    let (head, body) = server.join().unwrap();
    assert!(head.to_lowercase().contains("authorization: basic ywxpy2u6b3blbibzzxnhbwu="), "{head}");
    let sent: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(sent, json!({ "jsonrpc": "2.0", "id": 0, "method": "getblockcount", "params": [] }));
}

#[test]
fn a_batch_is_put_in_order() {
    let (address, server) = serve_once(http("200 OK", r#"[{"result":"b","id":1},{"result":"a","id":0}]"#));
    let found: Vec<String> = client(&address).batch("getblockhash", &[json!([1]), json!([2])]).unwrap();
    assert_eq!(found, ["a", "b"]);
    let (_, body) = server.join().unwrap();
    assert!(body.starts_with('[') && body.contains("\"params\":[2]"), "{body}");

    let (address, server) = serve_once(http("200 OK", r#"[{"result":"a","id":0}]"#));
    let short = client(&address).batch::<String>("getblockhash", &[json!([1]), json!([2])]);
    assert!(matches!(short, Err(ClientError::Answer { .. })));
    server.join().unwrap();
    let (address, server) = serve_once(http("200 OK", r#"[{"result":"a","id":0},{"result":"b","id":0}]"#));
    let twice = client(&address).batch::<String>("getblockhash", &[json!([1]), json!([2])]);
    assert!(matches!(twice, Err(ClientError::Answer { .. })), "two answers to one call");
    server.join().unwrap();
    // No call, no connection.
    assert_eq!(client(&address).batch::<String>("getblockhash", &[]).unwrap(), Vec::<String>::new());
}

#[test]
fn a_refusal_keeps_its_code_whatever_the_status() {
    let body = r#"{"result":null,"error":{"code":-8,"message":"Block height out of range"},"id":0}"#;
    for status in ["200 OK", "500 Internal Server Error"] {
        let (address, server) = serve_once(http(status, body));
        let error = client(&address).call::<String>("getblockhash", json!([9])).unwrap_err();
        assert!(matches!(&error, ClientError::Rpc { code: -8, .. }), "{error}");
        assert_eq!(error.to_string(), "Block height out of range (getblockhash, error -8)");
        server.join().unwrap();
    }
    // One refusal for a whole batch.
    let (address, server) = serve_once(http("200 OK", body));
    let error = client(&address).batch::<String>("getblockhash", &[json!([9])]).unwrap_err();
    assert!(matches!(error, ClientError::Rpc { code: -8, .. }));
    server.join().unwrap();
}

#[test]
fn other_servers_are_told_apart() {
    let error_of = |answer: String| {
        let (address, server) = serve_once(answer);
        let error = client(&address).call::<u32>("getblockcount", json!([])).unwrap_err();
        server.join().unwrap();
        error
    };
    assert!(matches!(error_of(http("401 Unauthorized", "")), ClientError::Unauthorized { .. }));
    // Where the login is right and the name is not, the mend is another one.
    let told = error_of(http("403 Forbidden", "host \"node.example\" is not known here\n")).to_string();
    assert!(told.contains("node.example") && !told.contains("password"), "{told}");
    assert!(matches!(error_of(http("200 OK", "<html>hello</html>")), ClientError::Answer { .. }));
    assert!(
        matches!(error_of(http("404 Not Found", "nothing")), ClientError::Answer { what, .. } if what.contains("404"))
    );
    assert!(matches!(error_of(http("200 OK", r#"{"result":"x","id":0}"#)), ClientError::Answer { .. }));
    assert!(matches!(error_of("SSH-2.0-OpenSSH_9.9\r\n".to_owned()), ClientError::Answer { .. }));
    // A redirect would take the password elsewhere: it is not followed.
    let elsewhere = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n".to_owned();
    assert!(matches!(error_of(elsewhere), ClientError::Answer { .. }));
}

#[test]
fn a_node_that_is_not_there_is_named_with_the_mend() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let client = client(&address).with_advice("start it".to_owned());
    let error = client.call::<u32>("getblockcount", json!([])).unwrap_err();
    assert_eq!(error.to_string(), format!("no node answers at http://{address}; start it"));
}

#[test]
fn a_node_that_hangs_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = Client::new(&address, &password(), Some(Duration::from_millis(100))).unwrap();
    let error = client.call::<u32>("getblockcount", json!([])).unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
}

#[test]
fn cookies_and_addresses_are_read_from_the_chains_folder() {
    let folder = tempfile::tempdir().unwrap();
    assert!(running_node(folder.path()).is_none());
    assert!(cookie_login(folder.path()).header().unwrap().is_none());
    fs::write(folder.path().join(".cookie"), "__cookie__:abc\n").unwrap();
    fs::write(folder.path().join("node.json"), r#"{"pid":1,"rpc":"127.0.0.1:1"}"#).unwrap();
    assert_eq!(running_node(folder.path()).unwrap().rpc.as_deref(), Some("127.0.0.1:1"));
    let header = cookie_login(folder.path()).header().unwrap().unwrap();
    assert_eq!(header.as_str(), "Basic X19jb29raWVfXzphYmM=");
    fs::write(folder.path().join("node.json"), "{").unwrap();
    assert!(running_node(folder.path()).is_none());
    fs::remove_file(folder.path().join(".cookie")).unwrap();
    fs::create_dir(folder.path().join(".cookie")).unwrap();
    assert!(matches!(cookie_login(folder.path()).header(), Err(ClientError::Cookie { .. })));
}

#[test]
fn addresses_that_are_none_are_refused() {
    for text in ["", "https://127.0.0.1:1", "http://", "ftp://a", "http://user:secret@host:1", "a b"] {
        assert!(matches!(Client::new(text, &password(), None), Err(ClientError::Url(_))), "{text}");
    }
    assert_eq!(client("127.0.0.1:8332").url(), "http://127.0.0.1:8332");
}

#[test]
fn a_node_that_listens_everywhere_is_reached_here() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = NodeAddresses {
        pid: 7,
        rpc: Some("0.0.0.0:8332".to_owned()),
        http: Some("[::]:8080".to_owned()),
        stratum: Some("192.0.2.1:3333".to_owned()),
        p2p: Vec::new(),
    };
    fs::write(node_file(folder.path()), serde_json::to_vec(&addresses).unwrap()).unwrap();
    let NodeAddresses { rpc, http, stratum, .. } = running_node(folder.path()).unwrap();
    let expected = ["127.0.0.1:8332", "[::1]:8080", "192.0.2.1:3333"].map(|address| Some(address.to_owned()));
    assert_eq!([rpc, http, stratum], expected);
}

#[test]
fn a_node_of_many_addresses_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let p2p = (0..100).map(|part| format!("/ip4/192.0.2.{part}/udp/8334/webrtc-direct/{}", "x".repeat(200)));
    let rpc = Some("127.0.0.1:1".to_owned());
    let mut addresses = NodeAddresses { pid: 7, rpc, http: None, stratum: None, p2p: p2p.collect() };
    let write = |addresses: &NodeAddresses| {
        fs::write(node_file(folder.path()), serde_json::to_vec_pretty(addresses).unwrap()).unwrap();
    };
    write(&addresses);
    assert_eq!(running_node(folder.path()).unwrap().p2p.len(), 100);
    addresses.p2p.push("x".repeat(usize::try_from(NODE_FILE_BYTES_MAX).unwrap()));
    write(&addresses);
    assert!(running_node(folder.path()).is_none(), "half of a file is none");
}
