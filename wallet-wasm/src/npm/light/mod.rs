//! The light client.
//!
//! The layer above makes an async iterable of `next`, and gives the plain objects here their types. Whoever calls [`LightClient::follow`] is told of
//! coins and transactions.

#[cfg(feature = "harness")]
mod blocks;
mod shown;
mod watching;

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;

use js_sys::Promise;
use qbtc_core::hash::Txid;
use qbtc_core::lock::{Address, AddressPrefix};
use qbtc_core::net::LIGHT_FEES_MAX;
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::light::{Outcome, Query};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::{AbortSignal, MessagePort};

use self::shown::{
    shown_balance, shown_coins, shown_entry, shown_node, shown_notice, shown_outcome, shown_status, shown_tip,
};
use self::watching::Watching;
use super::chain::{Chain, read_address};
use super::value::{self, list};
use crate::client::{Client, ClientOptions, Store};
use crate::failure::Failure;
use crate::transport::{Cancel, Dialer, Identity, Page, Server, TransportError};

/// The key of a client's state in its database.
const STATE_KEY: &str = "light";

/// A light client that runs.
#[wasm_bindgen]
#[derive(Clone)]
pub struct LightClient {
    client: Client,
    spec: Arc<ChainSpec>,
    watching: Rc<Watching>,
}

#[wasm_bindgen]
impl LightClient {
    /// Starts a client: a chain, a list of multiaddrs, and the name of the database for its state, if it is to be kept. In a worker, which has no
    /// connections, `port` leads to a page's `ConnectionServer`. A signal that comes before it has begun leaves nothing behind.
    pub fn start(
        chain: &Chain,
        addresses: &JsValue,
        database: Option<String>,
        port: Option<MessagePort>,
        signal: Option<AbortSignal>,
    ) -> Result<Promise, Failure> {
        let spec = Arc::new(ChainSpec::clone(chain.spec()));
        let mut read = Vec::new();
        for (index, address) in value::items(addresses, "addresses")?.iter().enumerate() {
            let text = value::text(address, "addresses")?;
            read.push(text.parse().map_err(|error| Failure::from(TransportError::from(error)).at(index + 1))?);
        }
        let dialer = match port {
            Some(port) => Dialer::page(Page::new(port)),
            None => Dialer::here(Identity::generate()?),
        };
        dialer.check_any(&read)?;
        let cancel = Cancel::new(signal);
        Ok(future_to_promise(async move {
            let starting = async {
                let store = match &database {
                    None => None,
                    Some(name) => {
                        let opened = Store::open(name).await;
                        let store = opened.map_err(|error| Failure::new("storage", error.to_string()))?;
                        Some((store, format!("{STATE_KEY}/{}", spec.chain_id())))
                    }
                };
                let options = ClientOptions { spec: Arc::clone(&spec), dialer, addresses: read, store };
                Client::start(options).await.map_err(Failure::from)
            };
            let client = cancel.during(starting).await.map_err(Failure::from)??;
            Ok(Self { client, spec, watching: Rc::default() }.into())
        }))
    }

    /// The next event; undefined once the client is closed.
    pub fn next(&self) -> Promise {
        let this = self.clone();
        future_to_promise(async move { Ok(this.next_event().await.unwrap_or(JsValue::UNDEFINED)) })
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
        list(self.client.nodes().iter().map(shown_node))
    }

    /// Watches these addresses, of which no coin is older than this height. What is found then is told as `touched` in events.
    pub fn follow(&self, birthday: &JsValue, addresses: &JsValue) -> Result<Promise, Failure> {
        let (this, birthday, addresses) =
            (self.clone(), value::height(birthday, "birthday")?, self.addresses(addresses)?);
        Ok(future_to_promise(async move {
            this.watching.start(&this.client, &this.spec, birthday, &addresses).await?;
            Ok(JsValue::UNDEFINED)
        }))
    }

    /// Watches more addresses.
    #[wasm_bindgen(js_name = followMore)]
    pub fn follow_more(&self, from: &JsValue, addresses: &JsValue) -> Result<(), Failure> {
        self.watching.add(&self.client, value::height(from, "birthday")?, &self.addresses(addresses)?)
    }

    /// How much the watched addresses have.
    pub fn balance(&self) -> Result<JsValue, Failure> {
        let tip = self.client.tip();
        self.watching.look(|watch| shown_balance(watch, &tip).into())
    }

    /// Their coins.
    pub fn coins(&self) -> Result<JsValue, Failure> {
        let tip = self.client.tip();
        self.watching.look(|watch| shown_coins(watch, &tip, self.prefix()))
    }

    /// Their transactions, newest first, as many as are wanted.
    pub fn history(&self, count_max: &JsValue) -> Result<JsValue, Failure> {
        let tip = self.client.tip();
        let count_max = value::maybe_u32(count_max, "limit")?.map_or(usize::MAX, |limit| limit as usize);
        self.watching
            .look(|watch| list(watch.ledger().history().take(count_max).map(|entry| shown_entry(entry, watch, &tip))))
    }

    /// A transaction, with its proof. One of the watched addresses needs no node that keeps an index: its block is known.
    pub fn transaction(&self, txid: &str, signal: Option<AbortSignal>) -> Result<Promise, Failure> {
        let txid: Txid = txid.parse()?;
        let known = self.watching.look(|watch| watch.ledger().entry(&txid).and_then(|entry| entry.block));
        let Some(block) = known.ok().flatten() else { return Ok(self.query(Query::Transaction { txid }, signal)) };
        let (this, cancel) = (self.clone(), Cancel::new(signal));
        Ok(future_to_promise(async move {
            let query = Query::Block { height: block.height };
            let outcome = match this.client.query(query, &cancel).await.map_err(Failure::from)? {
                Outcome::Block(proven) => match proven.into_transaction(&txid) {
                    Some(proven) => Outcome::Transaction(Box::new(proven)),
                    None => return Err(in_no_leaf_of_its_own().into()),
                },
                other => other,
            };
            Ok(shown_outcome(outcome, this.prefix())?.into())
        }))
    }

    /// The header at a height, with its proof.
    pub fn header(&self, height: &JsValue, signal: Option<AbortSignal>) -> Result<Promise, Failure> {
        Ok(self.query(Query::Header { height: value::height(height, "height")? }, signal))
    }

    /// Gives a transaction to several nodes.
    pub fn submit(&self, bytes: &[u8], signal: Option<AbortSignal>) -> Result<Promise, Failure> {
        let transaction = super::body::read(bytes, &self.spec)?;
        let (this, cancel) = (self.clone(), Cancel::new(signal));
        Ok(future_to_promise(async move {
            let body = transaction.body.clone();
            let query = Query::Submit { transaction: Box::new(transaction) };
            let outcome = this.client.query(query, &cancel).await.map_err(Failure::from)?;
            let shown = shown_outcome(outcome, this.prefix())?;
            this.watching.sent(&body);
            this.watching.keep(&this.client, true).await;
            Ok(shown.into())
        }))
    }

    /// What a transaction should pay to be mined within so many blocks.
    pub fn fees(&self, blocks: &JsValue, signal: Option<AbortSignal>) -> Result<Promise, Failure> {
        let blocks = value::items(blocks, "blocks")?;
        let blocks = blocks.iter().map(|blocks| value::u32(blocks, "blocks")).collect::<Result<Vec<u32>, Failure>>()?;
        if blocks.len() > LIGHT_FEES_MAX {
            let message = format!("{} waiting times: at most {LIGHT_FEES_MAX} can be asked about", blocks.len());
            return Err(Failure::new("query-too-many-times", message).found(blocks.len()).expected(LIGHT_FEES_MAX));
        }
        Ok(self.query(Query::Fees { blocks }, signal))
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
        let this = self.clone();
        future_to_promise(async move {
            // Nobody reads events any more to be told of a failure.
            let _ = this.watching.keep(&this.client, true).await;
            this.client.close().await;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Stops at once, and stores nothing any more.
    pub fn halt(&self) {
        self.client.halt();
    }
}

impl LightClient {
    /// The next event; none once the client is closed.
    async fn next_event(&self) -> Option<JsValue> {
        if let Some(failed) = self.watching.keep(&self.client, false).await {
            return Some(shown_notice(failed).into());
        }
        let notice = self.client.next().await?;
        Some(self.watching.take(&self.client, notice).into())
    }

    fn prefix(&self) -> &AddressPrefix {
        &self.spec.network().address_prefix
    }

    fn addresses(&self, addresses: &JsValue) -> Result<Vec<Address>, Failure> {
        let read = |(index, address): (usize, &JsValue)| {
            let read = read_address(self.prefix(), &value::text(address, "addresses")?);
            read.map_err(|failure| if failure.details().position.is_none() { failure.at(index + 1) } else { failure })
        };
        value::items(addresses, "addresses")?.iter().enumerate().map(read).collect()
    }

    fn query(&self, what: Query, signal: Option<AbortSignal>) -> Promise {
        let (this, cancel) = (self.clone(), Cancel::new(signal));
        future_to_promise(async move {
            let outcome = this.client.query(what, &cancel).await.map_err(Failure::from)?;
            shown_outcome(outcome, this.prefix()).map(Into::into).map_err(Into::into)
        })
    }
}

fn in_no_leaf_of_its_own() -> Failure {
    Failure::new(
        "query-not-found",
        "a coinbase is proven with its block: ask for the header, or the block, at its height",
    )
}

/// Holds connections for a client that runs in a worker. Freeing it closes them.
#[wasm_bindgen]
pub struct ConnectionServer(#[expect(dead_code, reason = "it serves as long as it is held")] Server);

#[wasm_bindgen]
impl ConnectionServer {
    /// Serves the worker at the other end of a port.
    #[wasm_bindgen(constructor)]
    pub fn new(port: MessagePort) -> Result<Self, Failure> {
        Ok(Self(Server::new(port, |_| true)?))
    }
}
