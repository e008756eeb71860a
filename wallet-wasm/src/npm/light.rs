//! The light client.
//!
//! The layer above makes an async iterable of `next`, and gives the plain objects here their types.

use std::sync::Arc;

use js_sys::{Array, Promise};
use qbtc_core::chain::BlockMark;
use qbtc_core::codec;
use qbtc_core::net::LIGHT_FEES_MAX;
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::light::{
    EclipseSign, Event, FoundBlock, Input, Level, Outcome, Phase, Proven, Query, Status, TipInfo,
};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::MessagePort;

use super::chain::{Chain, read_address};
use super::value::{self, Object, list};
use crate::client::{Client, ClientOptions, Notice, Store, persist};
use crate::failure::Failure;
use crate::transport::{Dialer, Health, Identity, Page, Server, TransportError};

/// The key of a client's state in its database.
const STATE_KEY: &str = "light";

/// A light client that runs.
#[wasm_bindgen]
pub struct LightClient {
    client: Client,
    spec: Arc<ChainSpec>,
}

#[wasm_bindgen]
impl LightClient {
    /// Starts a client: a chain, a list of multiaddrs, and the name of the database for its state, if it is to be kept. In a worker, which has no
    /// connections, `port` leads to a page's `ConnectionServer`.
    pub fn start(
        chain: &Chain,
        addresses: &JsValue,
        database: Option<String>,
        port: Option<MessagePort>,
    ) -> Result<Promise, Failure> {
        let spec = Arc::new(ChainSpec::clone(chain.spec()));
        let mut read = Vec::new();
        for (index, address) in value::items(addresses, "addresses")?.iter().enumerate() {
            let text = value::text(address, "addresses")?;
            read.push(text.parse().map_err(|error| Failure::from(TransportError::from(error)).at(index + 1))?);
        }
        Ok(future_to_promise(async move {
            let store = match &database {
                None => None,
                Some(name) => {
                    let store = Store::open(name).await.map_err(|error| Failure::new("storage", error.to_string()))?;
                    Some((store, format!("{STATE_KEY}/{}", spec.chain_id())))
                }
            };
            let dialer = match port {
                Some(port) => Dialer::Page(Page::new(port)),
                None => Dialer::Here(Box::new(Identity::generate().map_err(Failure::from)?)),
            };
            let client = Client::start(ClientOptions { spec: Arc::clone(&spec), dialer, addresses: read, store }).await;
            Ok(Self { client: client.map_err(Failure::from)?, spec }.into())
        }))
    }

    /// The next event; undefined once the client is closed.
    pub fn next(&self) -> Promise {
        let client = self.client.clone();
        future_to_promise(
            async move { Ok(client.next().await.map_or(JsValue::UNDEFINED, |notice| shown(notice).into())) },
        )
    }

    /// What the client is doing, what it warns of, and its tip.
    #[must_use]
    pub fn status(&self) -> JsValue {
        let traffic = self.client.traffic();
        shown_status(self.client.status())
            .set("tip", shown_tip(&self.client.tip()))
            .set("questions", traffic.questions)
            .set("bytes", traffic.bytes())
            .into()
    }

    /// The nodes that it is connected with.
    #[must_use]
    pub fn nodes(&self) -> JsValue {
        list(self.client.nodes().iter().map(|node| {
            Object::new()
                .text("address", &node.address.to_string())
                .text("userAgent", &node.user_agent)
                .maybe("pingMs", node.ping_ms)
                .set("suspect", node.health != Health::Open)
                .text("keyExchange", "X25519MLKEM768")
        }))
    }

    /// Looks through the chain for these addresses, from a height on.
    pub fn scan(&self, start: u32, addresses: &JsValue) -> Result<(), Failure> {
        let addresses = self.addresses(addresses)?;
        self.client.input(Input::Scan { start: qbtc_core::units::Height(start), marks: Vec::new(), addresses });
        Ok(())
    }

    /// Looks for more addresses.
    pub fn watch(&self, from: u32, addresses: &JsValue) -> Result<(), Failure> {
        let addresses = self.addresses(addresses)?;
        self.client.input(Input::Watch { addresses, from: qbtc_core::units::Height(from) });
        Ok(())
    }

    /// The wallet has taken a block in, and has these addresses more.
    pub fn taken(&self, id: &str, addresses: &JsValue) -> Result<(), Failure> {
        let addresses = self.addresses(addresses)?;
        self.client.input(Input::Taken { id: id.parse()?, addresses });
        Ok(())
    }

    /// A transaction, with its proof.
    pub fn transaction(&self, txid: &str) -> Result<Promise, Failure> {
        Ok(self.query(Query::Transaction { txid: txid.parse()? }))
    }

    /// The header at a height, with its proof.
    pub fn header(&self, height: u32) -> Promise {
        self.query(Query::Header { height: qbtc_core::units::Height(height) })
    }

    /// The block at a height, without witnesses, with its proof.
    pub fn block(&self, height: u32) -> Promise {
        self.query(Query::Block { height: qbtc_core::units::Height(height) })
    }

    /// Gives a transaction to several nodes.
    pub fn submit(&self, bytes: &[u8]) -> Result<Promise, Failure> {
        let transaction = super::transaction::read(bytes, &self.spec)?;
        Ok(self.query(Query::Submit { transaction: Box::new(transaction) }))
    }

    /// What a transaction should pay to be mined within so many blocks.
    pub fn fees(&self, blocks: Vec<u32>) -> Result<Promise, Failure> {
        if blocks.len() > LIGHT_FEES_MAX {
            let message = format!("{} waiting times: at most {LIGHT_FEES_MAX} can be asked about", blocks.len());
            return Err(Failure::new("query-too-many", message));
        }
        Ok(self.query(Query::Fees { blocks }))
    }

    /// Tries one more node.
    #[wasm_bindgen(js_name = addNode)]
    pub fn add_node(&self, address: &str) -> Result<(), Failure> {
        self.client.add(address.parse().map_err(TransportError::from)?);
        Ok(())
    }

    /// The page was seen again, or the network has changed.
    pub fn wake(&self) {
        self.client.wake();
    }

    /// Stores the state and stops.
    pub fn close(&self) -> Promise {
        let client = self.client.clone();
        future_to_promise(async move {
            client.close().await;
            Ok(JsValue::UNDEFINED)
        })
    }

    fn addresses(&self, addresses: &JsValue) -> Result<Vec<qbtc_core::lock::Address>, Failure> {
        let items = value::items(addresses, "addresses")?;
        items.iter().map(|address| read_address(&self.spec, &value::text(address, "addresses")?)).collect()
    }

    fn query(&self, what: Query) -> Promise {
        let client = self.client.clone();
        future_to_promise(async move { shown_outcome(client.query(what).await).map(Into::into).map_err(Into::into) })
    }
}

/// Asks the browser not to evict what is stored: whether it has agreed, undefined where it cannot be asked.
#[wasm_bindgen(js_name = persistStorage)]
pub async fn persist_storage() -> Option<bool> {
    persist().await
}

/// Holds connections for a client that runs in a worker. Freeing it closes them.
#[wasm_bindgen]
pub struct ConnectionServer(#[expect(dead_code, reason = "it serves as long as it is held")] Server);

#[wasm_bindgen]
impl ConnectionServer {
    /// Serves the worker at the other end of a port.
    #[wasm_bindgen(constructor)]
    pub fn new(port: MessagePort) -> Result<Self, Failure> {
        Ok(Self(Server::new(port)?))
    }
}

impl LightClient {
    /// The next event; none once the client is closed.
    pub(super) async fn next_event(&self) -> Option<JsValue> {
        self.client.next().await.map(|notice| shown(notice).into())
    }

    /// Stores the state and stops.
    pub(super) async fn stop(&self) {
        self.client.close().await;
    }

    /// A method by its name, as another tab calls it.
    pub(super) async fn call(&self, method: &str, arguments: &Array) -> Result<JsValue, JsValue> {
        let (first, second) = (arguments.get(0), arguments.get(1));
        let nothing = |()| JsValue::UNDEFINED;
        let promise = match method {
            "status" => return Ok(self.status()),
            "nodes" => return Ok(self.nodes()),
            "scan" => return Ok(self.scan(value::u32(&first, "start")?, &second).map(nothing)?),
            "watch" => return Ok(self.watch(value::u32(&first, "from")?, &second).map(nothing)?),
            "taken" => return Ok(self.taken(&value::text(&first, "id")?, &second).map(nothing)?),
            "addNode" => return Ok(self.add_node(&value::text(&first, "address")?).map(nothing)?),
            "wake" => {
                self.wake();
                return Ok(JsValue::UNDEFINED);
            }
            "transaction" => self.transaction(&value::text(&first, "txid")?)?,
            "header" => self.header(value::u32(&first, "height")?),
            "block" => self.block(value::u32(&first, "height")?),
            "submit" => self.submit(&value::bytes(&first, "bytes")?)?,
            "fees" => {
                let blocks = value::items(&first, "blocks")?;
                self.fees(blocks.iter().map(|blocks| value::u32(blocks, "blocks")).collect::<Result<_, _>>()?)?
            }
            _ => return Err(Failure::new("not-spoken", format!("a light client has no method {method:?}")).into()),
        };
        JsFuture::from(promise).await
    }
}

/// An event that tells of a failure.
pub(super) fn failed(kind: &str, message: &str) -> JsValue {
    Object::new().text("type", &format!("{kind}-failed")).text("message", message).into()
}

fn shown(notice: Notice) -> Object {
    let object = |kind: &str| Object::new().text("type", kind);
    match notice {
        Notice::Event(Event::Status(status)) => shown_status(status).text("type", "status"),
        Notice::Event(Event::Tip { tip, fork }) => {
            shown_tip(&tip).text("type", "tip").maybe("fork", fork.as_ref().map(shown_mark))
        }
        Notice::Event(Event::RolledBack { to }) => object("rolled-back").maybe("to", to.as_ref().map(shown_mark)),
        Notice::Event(Event::Scanned { to, found }) => {
            let bytes = |found: Box<FoundBlock>| js_sys::Uint8Array::from(&found.block.to_bytes()[..]);
            shown_mark(&to).text("type", "scanned").maybe("block", found.map(bytes))
        }
        // Outcomes are given to whoever has asked, not told as events.
        Notice::Event(Event::Answered { .. }) => object("answered"),
        Notice::StateRefused(error) => object("state-refused").text("message", &error.to_string()),
        Notice::StoreFailed(message) => object("store-failed").text("message", &message),
        Notice::NodeFailed { address, error } => {
            object("node-failed").text("address", &address.to_string()).text("message", &error)
        }
    }
}

fn shown_mark(mark: &BlockMark) -> Object {
    Object::new().set("height", mark.height.0).text("id", &mark.id.to_string())
}

fn shown_tip(tip: &TipInfo) -> Object {
    shown_mark(&tip.mark).set("time", tip.header.time.0).text("work", &tip.work.to_string())
}

fn shown_status(status: Status) -> Object {
    let phase = match status.phase {
        Phase::Connecting => "connecting",
        Phase::Proving => "proving",
        Phase::SyncingHeaders => "syncing-headers",
        Phase::Scanning => "scanning",
        Phase::Live => "live",
    };
    let eclipse = status.warnings.eclipse.map(|sign| match sign {
        EclipseSign::FewPeers => "few-peers",
        EclipseSign::OneGroup => "one-group",
        EclipseSign::LessWork => "less-work",
    });
    Object::new()
        .text("phase", phase)
        .set("peers", u32::try_from(status.peers).unwrap_or(u32::MAX))
        .maybe("eclipse", eclipse)
        .set("stale", status.warnings.is_stale)
        .maybe("withheld", status.warnings.withheld.map(|height| height.0))
}

fn shown_proven<T>(kind: &str, proven: &Proven<T>, bytes: &[u8]) -> Object {
    let level = match proven.level {
        Level::Header => "header",
        Level::Filter => "filter",
        Level::Validated => "validated",
    };
    Object::new()
        .text("type", kind)
        .bytes("value", bytes)
        .text("level", level)
        .set("height", proven.block.height.0)
        .text("block", &proven.block.id.to_string())
        .set("confirmations", proven.confirmations)
        .bytes("proof", &proven.proof.to_bytes())
}

fn shown_outcome(outcome: Outcome) -> Result<Object, Failure> {
    Ok(match outcome {
        Outcome::Transaction(proven) => shown_proven("transaction", &proven, &codec::encode(&proven.value)),
        Outcome::Header(proven) => shown_proven("header", &proven, &proven.value.to_bytes()),
        Outcome::Block(proven) => shown_proven("block", &proven, &proven.value.to_bytes()),
        Outcome::Waiting(body) => Object::new().text("type", "waiting").bytes("value", &codec::encode(&*body)),
        Outcome::Submitted { txid, nodes, refusals } => Object::new()
            .text("type", "submitted")
            .text("txid", &txid.to_string())
            .set("nodes", u32::try_from(nodes).unwrap_or(u32::MAX))
            .set("refusals", list(refusals)),
        Outcome::Fees { rates, nodes } => Object::new()
            .text("type", "fees")
            .set("rates", list(rates.iter().map(|rate| rate.quanta_per_1000_bytes())))
            .set("nodes", u32::try_from(nodes).unwrap_or(u32::MAX)),
        Outcome::Failed(error) => return Err(Failure::new("query-failed", error.to_string())),
    })
}
