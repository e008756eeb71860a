//! A small blocking client of a node's JSON-RPC.
//!
//! What comes back is bounded and typed: whether the node is not there, does not know the caller, or refuses the call, each with
//! the mend. It must not retry: whoever calls knows whether a call may be made twice.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use base64ct::{Base64, Encoding};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::paths::{NodeAddresses, cookie_file, node_file};

/// The longest answer: the largest block of the most generous chain in hex, with its envelope.
const RESPONSE_BYTES_MAX: u64 = 160 << 20;
/// The longest cookie or address file, and the longest explanation of a refusal, in bytes.
const FILE_BYTES_MAX: u64 = 4_096;
/// The most bytes that a node says of where it listens: a machine of many networks has hundreds of addresses.
const NODE_FILE_BYTES_MAX: u64 = 1 << 20;
/// A node on this machine answers at once, or is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How calls are made.
pub struct Client {
    agent: ureq::Agent,
    url: String,
    authorization: Option<Zeroizing<String>>,
    /// What to do where nothing listens.
    how_to_start: String,
}

/// Who calls.
pub enum Login {
    /// This user with this password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Zeroizing<String>,
    },
    /// Whoever can read the node's cookie file.
    Cookie(PathBuf),
}

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens.
    #[error("no node answers at {url}; {how_to_start}")]
    NotRunning {
        /// Where it was looked for.
        url: String,
        /// The mend.
        how_to_start: String,
    },
    /// The node does not know the caller.
    #[error(
        "the node at {url} refuses the user or password: give --rpc-user and --rpc-password, or the --data-dir of the node"
    )]
    Unauthorized {
        /// Where the node is.
        url: String,
    },
    /// The node does not hear requests that look like this one.
    #[error("the node at {url} does not hear this request: {why}")]
    Forbidden {
        /// Where the node is.
        url: String,
        /// What the node says.
        why: String,
    },
    /// The password is not to be had.
    #[error("the node's cookie file {} cannot be read ({error}); is it the --data-dir and --chain of the node?", path.display())]
    Cookie {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The node takes too long.
    #[error("the node at {url} has not answered {method} in time; give --rpc-timeout more seconds")]
    Timeout {
        /// Where the node is.
        url: String,
        /// What was called.
        method: String,
    },
    /// The node refuses the call.
    #[error("{} ({method}, error {code})", message.trim_end())]
    Rpc {
        /// What was called.
        method: String,
        /// Bitcoin's number for the error.
        code: i64,
        /// What the node says.
        message: String,
    },
    /// Something answers, but not as a node does.
    #[error("{url} does not answer {method} as a node does: {what}")]
    Answer {
        /// Where it was asked.
        url: String,
        /// What was called.
        method: String,
        /// What is wrong.
        what: String,
    },
    /// An address that is none.
    #[error("{0:?} is no address of a node: expected HOST:PORT or http://HOST:PORT")]
    Url(String),
}

/// One answer of JSON-RPC, of either version.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    id: Value,
    /// As the node wrote it, so that no amount passes through a float on its way.
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<AnswerError>,
}

#[derive(Deserialize)]
struct AnswerError {
    code: i64,
    message: String,
}

impl Client {
    /// Calls a node at `http://HOST:PORT` or `HOST:PORT`.
    ///
    /// # Errors
    /// [`ClientError::Url`].
    pub fn new(address: &str, login: &Login, timeout: Option<Duration>) -> Result<Self, ClientError> {
        let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let refused = || ClientError::Url(address.to_owned());
        let host = url.strip_prefix("http://").ok_or_else(refused)?;
        if host.is_empty() || host.contains(char::is_whitespace) || host.contains('@') {
            return Err(refused());
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(timeout)
            .user_agent(concat!("qbtc/", env!("CARGO_PKG_VERSION")))
            .build();
        let authorization = login.header()?;
        let how_to_start = "start one with `qbtc node`, or say with --rpc where it is".to_owned();
        Ok(Self { agent: config.new_agent(), url, authorization, how_to_start })
    }

    /// The same client with another advice for when no node is there.
    #[must_use]
    pub fn with_advice(self, how_to_start: String) -> Self {
        Self { how_to_start, ..self }
    }

    /// Where the node is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes one call, with positional parameters (an array) or named ones (an object).
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn call<T: DeserializeOwned>(&self, method: &str, params: impl Serialize) -> Result<T, ClientError> {
        let params = serde_json::to_value(params).map_err(|error| self.strange(method, error.to_string()))?;
        let request = json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params });
        let answer: Answer = self.post(method, &request)?;
        self.result(method, answer)
    }

    /// Makes a call for each list of parameters, in one request, and gives the results in the same order.
    ///
    /// # Errors
    /// [`ClientError`], the first one.
    pub fn batch<T: DeserializeOwned>(&self, method: &str, params: &[Value]) -> Result<Vec<T>, ClientError> {
        if params.is_empty() {
            return Ok(Vec::new());
        }
        let request = |(id, params)| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let requests: Vec<Value> = params.iter().enumerate().map(request).collect();
        let mut answers: Vec<Answer> = self.post(method, &requests)?;
        // The specification lets a server answer in any order.
        answers.sort_by_key(|answer| answer.id.as_u64());
        let ids = answers.iter().map(|answer| answer.id.as_u64());
        if !ids.eq((0..params.len() as u64).map(Some)) {
            let what = format!("{} answers to {} calls, not one for each", answers.len(), params.len());
            return Err(self.strange(method, what));
        }
        answers.into_iter().map(|answer| self.result(method, answer)).collect()
    }

    fn result<T: DeserializeOwned>(&self, method: &str, answer: Answer) -> Result<T, ClientError> {
        if let Some(AnswerError { code, message }) = answer.error {
            return Err(ClientError::Rpc { method: method.to_owned(), code, message });
        }
        let result = answer.result.as_deref().map_or("null", RawValue::get);
        serde_json::from_str(result).map_err(|error| self.strange(method, error.to_string()))
    }

    fn post<T: DeserializeOwned>(&self, method: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let mut request = self.agent.post(&self.url).content_type("application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.as_str());
        }
        let body = serde_json::to_vec(body).map_err(|error| self.strange(method, error.to_string()))?;
        let mut response = request.send(&body).map_err(|error| self.failed(method, error))?;
        let status = response.status().as_u16();
        if status == 401 {
            return Err(ClientError::Unauthorized { url: self.url.clone() });
        }
        if status == 403 {
            let why = response.body_mut().with_config().limit(FILE_BYTES_MAX).read_to_string().unwrap_or_default();
            return Err(ClientError::Forbidden { url: self.url.clone(), why: why.trim().to_owned() });
        }
        let body = response.body_mut().with_config().limit(RESPONSE_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| self.failed(method, error))?;
        // A refused call comes with a status of its own in JSON-RPC 1.0: the body says more than the status.
        serde_json::from_slice(&body).map_err(|error| {
            // A whole batch may be refused by one answer.
            if let Ok(Answer { error: Some(AnswerError { code, message }), .. }) = serde_json::from_slice(&body) {
                return ClientError::Rpc { method: method.to_owned(), code, message };
            }
            let what = if status == 200 { error.to_string() } else { format!("HTTP status {status}") };
            self.strange(method, what)
        })
    }

    fn failed(&self, method: &str, error: ureq::Error) -> ClientError {
        let url = self.url.clone();
        let not_running = || ClientError::NotRunning { url: url.clone(), how_to_start: self.how_to_start.clone() };
        match error {
            ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => not_running(),
            ureq::Error::Timeout(ureq::Timeout::Connect) => not_running(),
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => not_running(),
            ureq::Error::Timeout(_) => ClientError::Timeout { url, method: method.to_owned() },
            other => self.strange(method, other.to_string()),
        }
    }

    fn strange(&self, method: &str, what: String) -> ClientError {
        ClientError::Answer { url: self.url.clone(), method: method.to_owned(), what }
    }
}

impl Login {
    /// The header of HTTP's Basic authentication (RFC 7617). A cookie that is not there yields none: then no node runs either, and
    /// that is what the caller should hear.
    fn header(&self) -> Result<Option<Zeroizing<String>>, ClientError> {
        let pair = match self {
            Self::Password { user, password } => Zeroizing::new(format!("{user}:{}", password.as_str())),
            Self::Cookie(path) => match read_bounded(path, FILE_BYTES_MAX) {
                Ok(cookie) => Zeroizing::new(cookie.trim().to_owned()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(ClientError::Cookie { path: path.clone(), error }),
            },
        };
        Ok(Some(Zeroizing::new(format!("Basic {}", Base64::encode_string(pair.as_bytes())))))
    }
}

/// Where the node of a chain's folder says that it listens, if one runs or has ended without clearing up.
#[must_use]
pub fn running_node(chain_dir: &Path) -> Option<NodeAddresses> {
    let NodeAddresses { pid, rpc, http, stratum, p2p } =
        serde_json::from_str(&read_bounded(&node_file(chain_dir), NODE_FILE_BYTES_MAX).ok()?).ok()?;
    let reachable = |address: Option<String>| address.map(reachable);
    Some(NodeAddresses { pid, rpc: reachable(rpc), http: reachable(http), stratum: reachable(stratum), p2p })
}

/// An address at which programs of this machine reach what listens at `address`: one that stands for all addresses is none to connect to.
fn reachable(address: String) -> String {
    match address.parse::<SocketAddr>() {
        Ok(at) if at.ip().is_unspecified() => {
            let loopback = if at.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            SocketAddr::new(loopback, at.port()).to_string()
        }
        _ => address,
    }
}

/// The login of a chain's folder.
#[must_use]
pub fn cookie_login(chain_dir: &Path) -> Login {
    Login::Cookie(cookie_file(chain_dir))
}

/// Reads a text of at most so many bytes; half of one would be another.
fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(fs::File::open(path)?, bytes_max + 1), &mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {bytes_max} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
