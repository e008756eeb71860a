//! What the tests of the interfaces share: a node on the dev chain with money to spend, and requests to its public interface.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request, StatusCode};
use qbtc_core::crypto::{Scheme, SecretKey};
use qbtc_core::hash::BlockHash;
use qbtc_core::lock::{Address, AddressTree, Conditions, Lock, Proof, Witness};
use qbtc_core::mempool::{EXTRANONCE_BYTES, Payout, Solution};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, Height};
use qbtc_core::utxo::Coin;
use qbtc_core::verify::CheckedBlock;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::public::{self, PublicOptions};
use crate::driver::{self, DriverOptions, DriverThread};
use crate::metrics::Metrics;
use crate::node::{Node, Submitted};
use crate::store::{Indexes, Store, StoreOptions};

/// Every optional index.
pub(crate) const ALL_INDEXES: Indexes = Indexes { txids: true, addresses: true };
/// What a payment of the tests leaves to the miner, in quanta: above the least rate for one signature.
pub(crate) const FEE: u64 = 100_000;

/// A node on the dev chain, and the one who mines on it.
pub(crate) struct TestNode {
    pub(crate) node: Node,
    pub(crate) router: Router,
    key: SecretKey,
    tree: AddressTree,
    thread: Option<DriverThread>,
    _folder: TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl TestNode {
    /// A node with the genesis block alone.
    pub(crate) fn start(indexes: Indexes, mut options: PublicOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("chain.redb");
        let stored = StoreOptions { indexes, ..StoreOptions::default() };
        let store = Store::open(&database, Arc::new(easy_chain()), &stored).unwrap();
        let (node, thread) = driver::start(store, Arc::new(Metrics::new("dev")), DriverOptions::default()).unwrap();
        let key = SecretKey::from_seed(Scheme::MlDsa44, &[7; 32]);
        let tree = AddressTree::single(Conditions::key(key.public_key().clone()));
        options.database = Some(database);
        let router = public::router(&node, options);
        Self { node, router, key, tree, thread: Some(thread), _folder: folder }
    }

    /// A node with every index, so many blocks, and a payment in the last of them.
    pub(crate) async fn with_blocks(blocks: u32) -> Self {
        let node = Self::start(ALL_INDEXES, PublicOptions::default());
        for _ in 1..blocks {
            node.mine().await;
        }
        node.submit(&node.payment(1)).await;
        node.mine().await;
        node
    }

    /// The address to which everything is mined, and paid.
    pub(crate) fn address(&self) -> Address {
        self.tree.address()
    }

    /// It, as text.
    pub(crate) fn address_text(&self) -> String {
        self.address().to_text(&self.node.spec().network().address_prefix)
    }

    /// A block on the tip, not handed in yet.
    pub(crate) fn block(&self) -> CheckedBlock {
        let template = self.node.template(&Payout::to(self.address())).unwrap();
        let mut extranonce = [0; EXTRANONCE_BYTES];
        extranonce[..8].copy_from_slice(&self.node.extranonce().to_le_bytes());
        let time = template.time_min().max(self.node.now());
        let mut solution = Solution { version: template.context().version, time, nonce: 0, extranonce };
        loop {
            match template.checked_block(&solution, self.node.spec()) {
                Ok(block) => return block,
                Err(_) => solution.nonce += 1,
            }
        }
    }

    /// Mines a block with what waits.
    pub(crate) async fn mine(&self) -> BlockHash {
        let block = self.block();
        let id = block.id();
        assert_eq!(self.node.submit_checked(block).await.unwrap(), Submitted::Connected);
        id
    }

    /// A payment to ourselves of the coin that the block at this height has mined, with a note.
    pub(crate) fn payment(&self, mined_at: u32) -> Transaction {
        let chain = self.node.chain();
        let coins = chain.address_coins(&self.address(), None, 1_000).unwrap();
        let (place, coin) =
            coins.into_iter().find(|(_, coin)| coin.is_coinbase && coin.height == Height(mined_at)).expect("a coin");
        self.spend(place, coin)
    }

    /// A payment to ourselves of what another one has paid, mined or not.
    pub(crate) fn payment_of(&self, parent: &Transaction) -> Transaction {
        let coin = Coin::of_output(&parent.body.outputs[0], self.node.chain().state().height(), false);
        self.spend(OutPoint { txid: parent.txid(), index: 0 }, coin.expect("an output that can be spent"))
    }

    fn spend(&self, place: OutPoint, coin: Coin) -> Transaction {
        let amount =
            coin.amount.checked_sub(Amount::from_quanta(FEE).unwrap()).expect("a coin worth more than the fee");
        let body = TxBody {
            version: TxBody::VERSION,
            inputs: vec![place],
            outputs: vec![
                TxOut { amount, lock: Lock::Address(self.address()) },
                TxOut { amount: Amount::ZERO, lock: Lock::Data((*b"note").into()) },
            ],
            lock_height: Height(0),
            expiry_height: Height(0),
        };
        let sighash = body.sighash(&self.node.spec().chain_id(), &[coin.to_output()]);
        let (conditions, path) = self.tree.alternatives()[0].clone();
        let proofs = vec![Proof::Signature(self.key.sign_deterministic(&sighash))];
        Transaction { body, witnesses: vec![Witness { conditions, path, proofs }] }
    }

    /// Hands a transaction in.
    pub(crate) async fn submit(&self, tx: &Transaction) {
        assert_eq!(self.node.submit_transaction(tx.clone()).await.unwrap(), tx.txid());
    }

    /// What a request is answered.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router answers everything");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 64 << 20).await.expect("a body that can be read");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// What a GET is answered.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// What a GET from an address is answered.
    pub(crate) async fn get_from(&self, peer: SocketAddr, path: &str) -> Answer {
        self.ask(Request::get(path).extension(ConnectInfo(peer)).body(Body::empty()).unwrap()).await
    }

    /// What a GET with this header is answered.
    pub(crate) async fn get_with(&self, path: &str, header: (&str, &str)) -> Answer {
        self.ask(Request::get(path).header(header.0, header.1).body(Body::empty()).unwrap()).await
    }

    /// What a POST is answered.
    pub(crate) async fn post(&self, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
        self.ask(Request::post(path).header(CONTENT_TYPE, kind).body(body.into()).unwrap()).await
    }
}

/// The dev chain with the easiest target that there is, so that a test waits for no proof of work.
pub(crate) fn easy_chain() -> ChainSpec {
    let (dev, easiest) = (ChainSpec::dev(), 0x207f_ffff_u32);
    let bits = dev.consensus().bits_limit.0.to_string();
    ChainSpec::from_toml(&dev.to_toml().replace(&bits, &easiest.to_string())).expect("a spec with other bits")
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.node.stop();
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
    }
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as JSON of an answer that is as asked.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()
    }

    /// The body of an answer that is as asked.
    pub(crate) fn bytes(&self) -> &Bytes {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        &self.body
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).to_str().unwrap()
    }
}
