//! Why there is no connection, or no answer.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};

use qbtc_core::net::browser::multistream::MultistreamError;
use qbtc_core::net::browser::noise::PayloadError;
use qbtc_core::net::browser::{AddressError, PeerId};
use wasm_bindgen::{JsCast as _, JsValue};

use crate::failure::Failure;

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// This side has closed it.
    #[error("this side has closed it")]
    Here,
    /// The node has closed it.
    #[error("the node has closed it")]
    Node,
    /// The network says that the node cannot be reached any more.
    #[error("the node cannot be reached any more")]
    Lost,
    /// The node does not answer a ping.
    #[error("the node does not answer any more")]
    Silent,
}

/// Why there is no connection, or no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// This page cannot have such connections: a worker, a browser without WebRTC, or one where it is switched off.
    #[error("{what} is not to be had here")]
    Unsupported {
        /// What is missing.
        what: &'static str,
    },
    /// None of the addresses can be dialled here.
    #[error(
        "none of these addresses can be reached from here: without WebRTC, which only pages of browsers have, a node needs an address of \
         WebSocket (/ip4/…/tcp/…/ws/p2p/…; in Node from version 22 on), or a worker the port of a page that serves connections"
    )]
    NoWay,
    /// It took too long.
    #[error("{what} took longer than {limit_ms} ms")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// The limit.
        limit_ms: u32,
    },
    /// The caller does not want it any more.
    #[error("given up by the caller")]
    Aborted,
    /// Nobody answers at the address.
    #[error("nobody answers at this address")]
    Unreachable,
    /// Somebody answers, but not with the certificate that the address names.
    #[error("the node does not show the certificate that its address names")]
    WrongCertificate,
    /// Somebody answers, but it is another node.
    #[error("the node is {found}, not {expected}")]
    WrongPeer {
        /// The id in the address.
        expected: PeerId,
        /// The id that was proved.
        found: PeerId,
    },
    /// The node cannot prove its id.
    #[error("the node cannot prove its id: {0}")]
    Unproven(String),
    /// The connection is closed.
    #[error("the connection is closed: {0}")]
    Closed(CloseReason),
    /// The client that asked was closed.
    #[error("the client was closed")]
    Ended,
    /// The node has given the stream up: it has no answer.
    #[error("the node has turned the question down")]
    TurnedDown,
    /// The stream cannot be agreed on.
    #[error(transparent)]
    Multistream(#[from] MultistreamError),
    /// What came is no frame, or no message.
    #[error("what the node sent is no message")]
    Malformed,
    /// The answer is too long, or too much waits to be read.
    #[error("the answer is longer than the {limit} bytes that are allowed")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The page that holds the connection tells so.
    #[error("{message}")]
    Page {
        /// The error's code.
        code: String,
        /// Its sentence.
        message: String,
        /// Whether the peer itself is to blame.
        is_fault: bool,
    },
    /// The browser refuses.
    #[error("the browser refuses: {0}")]
    Browser(String),
}

impl TransportError {
    /// A word for programs, which does not change.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address(_) => "bad-address",
            Self::Unsupported { .. } | Self::NoWay => "unsupported",
            Self::Timeout { .. } => "timeout",
            Self::Aborted => "aborted",
            Self::Unreachable => "unreachable",
            Self::WrongCertificate => "wrong-certificate",
            Self::WrongPeer { .. } => "wrong-peer",
            Self::Unproven(_) => "unproven",
            Self::Closed(_) | Self::Ended => "closed",
            Self::TurnedDown => "turned-down",
            Self::Multistream(_) => "not-spoken",
            Self::Malformed => "malformed",
            Self::TooLong { .. } => "too-long",
            Self::Page { .. } => "page",
            Self::Browser(_) => "browser",
        }
    }

    /// Whether the peer itself is to blame, so that another one should be asked.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Page { is_fault: true, .. }
                | Self::WrongCertificate
                | Self::WrongPeer { .. }
                | Self::Unproven(_)
                | Self::Malformed
                | Self::TooLong { .. }
                | Self::Multistream(_)
        )
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let failure = Self::new(error.code(), error.to_string());
        match error {
            TransportError::WrongPeer { expected, found } => failure.expected(expected).found(found),
            TransportError::TooLong { limit } => failure.expected(limit),
            _ => failure,
        }
    }
}

impl From<PayloadError> for TransportError {
    fn from(error: PayloadError) -> Self {
        Self::Unproven(error.to_string())
    }
}

/// What the browser has thrown.
impl From<JsValue> for TransportError {
    fn from(thrown: JsValue) -> Self {
        Self::Browser(said(&thrown))
    }
}

/// What the browser says of something that it has thrown.
pub(crate) fn said(thrown: &JsValue) -> String {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => thrown.as_string().unwrap_or_else(|| "no reason given".to_owned()),
    }
}
