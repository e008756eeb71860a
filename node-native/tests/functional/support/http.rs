//! HTTP by hand, for clients that do what no library would, and the answers of the REST interface.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use base64ct::{Base64, Encoding as _};
use serde_json::Value;

use super::{DEADLINE, NodeProcess};

/// A connection.
pub(crate) struct Connection(TcpStream);

/// An answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The lines of its head, without their case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Its body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Connection {
    pub(crate) fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self(stream)
    }

    /// Sends bytes, as far as the other side takes them.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        const CUT_OFF: [ErrorKind; 3] =
            [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset, ErrorKind::ConnectionAborted];
        match self.0.write_all(bytes.as_ref()) {
            Err(error) if CUT_OFF.contains(&error.kind()) => {}
            written => written.unwrap(),
        }
    }

    /// Says that nothing more comes, and still listens.
    pub(crate) fn finish(&self) {
        match self.0.shutdown(Shutdown::Write) {
            // The other side has cut it off already.
            Err(error) if error.kind() == ErrorKind::NotConnected => {}
            told => told.unwrap(),
        }
    }

    /// The next answer on it.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&head)));
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head[9..12].parse().unwrap();
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Answer { status, head: lower, body: String::from_utf8(body).unwrap() }
    }

    /// Whether nothing has come so far.
    pub(crate) fn is_silent(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let peeked = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false).unwrap();
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// What comes until the other side closes.
    pub(crate) fn rest(mut self) -> String {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            // Cut off in the middle is an end too.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            read => drop(read.unwrap()),
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// One request on a connection of its own. The headers end with a line break each.
pub(crate) fn request(address: &str, line: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
    let mut connection = Connection::open(address);
    let host =
        if headers.to_ascii_lowercase().contains("host:") { String::new() } else { format!("Host: {address}\r\n") };
    connection.send(format!("{line} HTTP/1.1\r\n{host}Content-Length: {}\r\n{headers}\r\n", body.as_ref().len()));
    connection.send(body);
    connection.answer()
}

/// The header with a login.
pub(crate) fn login(user_and_password: &str) -> String {
    format!("Authorization: Basic {}\r\n", Base64::encode_string(user_and_password.as_bytes()))
}

impl NodeProcess {
    /// Where JSON-RPC is.
    pub(crate) fn rpc(&self) -> &str {
        self.addresses.rpc.as_ref().unwrap()
    }

    /// Where the public interface is.
    pub(crate) fn http(&self) -> &str {
        self.addresses.http.as_ref().unwrap()
    }

    /// What is in the cookie file.
    pub(crate) fn cookie(&self) -> String {
        std::fs::read_to_string(qbtc_node::paths::cookie_file(self.chain_dir())).unwrap().trim().to_owned()
    }

    /// Sends a body to JSON-RPC, with the right login.
    pub(crate) fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        request(self.rpc(), "POST /", &login(&self.cookie()), body)
    }

    /// Asks the public interface.
    pub(crate) fn get(&self, path: &str) -> Answer {
        request(self.http(), &format!("GET {path}"), "", "")
    }
}
