//! A connection with one node as JavaScript sees it: for programs that speak a protocol of their own, and for tests.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use hashbrown::HashMap;
use js_sys::{Map, Promise, Uint8Array};
use qbtc_core::net::browser::Address;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;
use web_sys::{AbortSignal, MessagePort};

use crate::failure::Failure;

use super::connection::{Connection, Dialer, Question};
use super::error::{CloseReason, TransportError};
use super::exchange::Framing;
use super::life::Health;
use super::noise::Identity;
use super::remote::Page;
use super::time::Cancel;

/// A connection with one node, which has proved its id.
#[wasm_bindgen]
pub struct NodeConnection(Connection);

#[wasm_bindgen]
impl NodeConnection {
    /// Connects with the node at a multiaddr. A node asks at once in its own protocols: `answers` is a `Map` from names of protocols to bytes.
    ///
    /// # Errors
    /// An `Error` with a `code`: `bad-address`, `unsupported`, `timeout`, `aborted`, `unreachable`, `wrong-certificate`, `wrong-peer`, `unproven`.
    pub async fn dial(address: String, answers: Option<Map>, signal: Option<AbortSignal>) -> Result<Self, Failure> {
        let address: Address = address.parse().map_err(TransportError::from)?;
        let mut known = HashMap::new();
        answers.unwrap_or_default().for_each(&mut |bytes, protocol| {
            if let Some(protocol) = protocol.as_string() {
                known.insert(protocol, Uint8Array::new(&bytes).to_vec());
            }
        });
        let dialer = Dialer::here(Identity::generate()?);
        Ok(Self(dialer.dial(&address, known, &Cancel::new(signal)).await?))
    }

    /// The node's id.
    #[wasm_bindgen(getter)]
    pub fn node(&self) -> String {
        self.0.node().to_string()
    }

    /// `open`, `suspect` or `closed`.
    #[wasm_bindgen(getter)]
    pub fn health(&self) -> String {
        let word = match self.0.health() {
            Health::Open => "open",
            Health::Suspect => "suspect",
            Health::Closed(_) => "closed",
        };
        word.to_owned()
    }

    /// Asks a question in one of the node's protocols. Its answer may have so many bytes and take so long.
    pub fn ask(
        &self,
        protocol: String,
        question: Vec<u8>,
        answer_max: u32,
        limit_ms: u32,
        signal: Option<AbortSignal>,
    ) -> Promise {
        self.question(protocol, Framing::Length, question, answer_max, limit_ms, signal)
    }

    /// The same in a protocol whose messages end with their stream.
    #[wasm_bindgen(js_name = askWhole)]
    pub fn ask_whole(
        &self,
        protocol: String,
        question: Vec<u8>,
        answer_max: u32,
        limit_ms: u32,
        signal: Option<AbortSignal>,
    ) -> Promise {
        self.question(protocol, Framing::Stream, question, answer_max, limit_ms, signal)
    }

    /// Asks whether the node is there: milliseconds.
    pub fn ping(&self, limit_ms: u32) -> Promise {
        let connection = self.0.clone();
        future_to_promise(async move {
            let answered = connection.ping(limit_ms, &Cancel::default()).await;
            answered.map(JsValue::from).map_err(|error| Failure::from(error).into())
        })
    }

    /// Resolves once the connection has ended, with the reason.
    pub fn closed(&self) -> Promise {
        let connection = self.0.clone();
        future_to_promise(async move { Ok(connection.closed().await.to_string().into()) })
    }

    /// Closes it.
    pub fn close(&self) {
        self.0.close(CloseReason::Here);
    }

    fn question(
        &self,
        protocol: String,
        framing: Framing,
        bytes: Vec<u8>,
        answer_max: u32,
        limit_ms: u32,
        signal: Option<AbortSignal>,
    ) -> Promise {
        let connection = self.0.clone();
        future_to_promise(async move {
            let answer_max = usize::try_from(answer_max).unwrap_or(usize::MAX);
            let question = Question { protocol: &protocol, framing, bytes: &bytes, answer_max, limit_ms };
            let answered = connection.ask(question, &Cancel::new(signal)).await;
            answered.map(|answer| Uint8Array::from(&answer[..]).into()).map_err(|error| Failure::from(error).into())
        })
    }
}

/// Connects as a worker does: through a page at the other end of a port.
#[wasm_bindgen]
pub struct PortDialer(Dialer);

#[wasm_bindgen]
impl PortDialer {
    /// At the other end is a `ConnectionServer`.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(port: MessagePort) -> Self {
        Self(Dialer::page(Page::new(port)))
    }

    /// As [`NodeConnection::dial`].
    ///
    /// # Errors
    /// As there.
    pub fn dial(&self, address: &str, signal: Option<AbortSignal>) -> Result<Promise, Failure> {
        let (dialer, cancel) = (self.0.clone(), Cancel::new(signal));
        let address: Address = address.parse().map_err(TransportError::from)?;
        Ok(future_to_promise(async move {
            let dialled = dialer.dial(&address, HashMap::new(), &cancel).await;
            dialled.map(|connection| NodeConnection(connection).into()).map_err(|error| Failure::from(error).into())
        }))
    }
}
