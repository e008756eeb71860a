//! Every call against a node of its own, in this process, over the same route that HTTP takes.
//!
//! Money is locked to preimages: real addresses, witnesses and checks, but no signature, so that a test can make many payments. The
//! chain is dev with two hashes a block and coinbases that mature soon.

mod blockchain;
mod control;
mod mempool;
mod mining;
mod network;
mod random;
mod rawtransaction;
mod util;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use qbtc_core::codec;
use qbtc_core::hash::Txid;
use qbtc_core::lock::{Address, AddressTree, Condition, Conditions, Lock, Proof, Witness};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, Transaction, TxBody, TxOut};
use qbtc_core::units::{Amount, Height};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::auth::Credentials;
use super::{Context, Rpc, Settings, methods, router};
use crate::driver::{DriverOptions, DriverThread, start};
use crate::metrics::Metrics;
use crate::node::Node;
use crate::store::{Indexes, Store, StoreOptions};

/// `user:pass`.
const LOGIN: &str = "Basic dXNlcjpwYXNz";
/// How many blocks above a coinbase its coins can be spent.
const MATURITY: u32 = 3;

/// Owns an address: knows the preimage that unlocks it.
#[derive(Clone, Copy)]
struct Owner(u8);

impl Owner {
    fn conditions(self) -> Conditions {
        Conditions::new(vec![Condition::preimage_of(&[self.0])]).unwrap()
    }

    fn address(self) -> Address {
        AddressTree::single(self.conditions()).address()
    }

    fn witness(self) -> Witness {
        let proofs = vec![Proof::Preimage([self.0].into())];
        Witness { conditions: self.conditions(), path: Default::default(), proofs }
    }

    /// Spends coins of this owner, all to one address but the fee.
    fn spend(self, coins: &[(OutPoint, Amount)], to: Self, fee: u64) -> Transaction {
        let total = Amount::checked_sum(coins.iter().map(|(_, amount)| *amount)).unwrap();
        let amount = total.checked_sub(Amount::from_quanta(fee).unwrap()).unwrap();
        Transaction {
            body: TxBody {
                version: TxBody::VERSION,
                inputs: coins.iter().map(|(outpoint, _)| *outpoint).collect(),
                outputs: vec![TxOut { amount, lock: Lock::Address(to.address()) }],
                lock_height: Height(0),
                expiry_height: Height(0),
            },
            witnesses: vec![self.witness()],
        }
    }
}

fn hex_of(transaction: &Transaction) -> String {
    hex::encode(codec::encode(transaction))
}

/// A node, and the calls to it.
struct World {
    node: Node,
    rpc: Arc<Rpc<Context>>,
    thread: Option<DriverThread>,
    _folder: TempDir,
}

impl World {
    /// With the index of transactions.
    fn new() -> Self {
        Self::with(Indexes { txids: true, addresses: false }, |_| {})
    }

    fn with(indexes: Indexes, change: impl FnOnce(&mut Context)) -> Self {
        let text = ChainSpec::dev().to_toml();
        let text = text.replace("520159231", "545259519").replace("coinbase_maturity = 10", "coinbase_maturity = 3");
        let spec = Arc::new(ChainSpec::from_toml(&text).unwrap());
        assert_eq!(spec.consensus().bits_limit.0, 0x207f_ffff);
        assert_eq!(spec.consensus().coinbase_maturity, MATURITY);
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions { indexes, ..StoreOptions::default() };
        let store = Store::open(&folder.path().join("chain.redb"), spec, &options).unwrap();
        let (node, thread) = start(store, Arc::new(Metrics::new("dev")), DriverOptions::default()).unwrap();
        let mut context = Context::new(node.clone(), Some(Owner(1).address()));
        context.database = Some(folder.path().join("chain.redb"));
        change(&mut context);
        let limits = &node.spec().consensus().limits;
        let settings = Settings {
            block_bytes_max: limits.block_bytes as usize,
            tx_bytes_max: limits.tx_bytes as usize,
            stopping: node.stopping().clone(),
        };
        let credentials = Credentials::new().with_password("user", "pass").unwrap();
        let rpc = Rpc::new(context, methods(), credentials, settings).with_metrics(Arc::clone(node.metrics()));
        let rpc = Arc::new(rpc);
        Self { node, rpc, thread: Some(thread), _folder: folder }
    }

    /// The status of HTTP and the reply.
    async fn reply(&self, method: &str, params: Value) -> (u16, Value) {
        let body = json!({"method": method, "params": params, "id": 1}).to_string();
        let request = Request::post("/").header("authorization", LOGIN).body(Body::from(body)).unwrap();
        let response = router(Arc::clone(&self.rpc)).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// What a call answers that must succeed.
    async fn ok(&self, method: &str, params: Value) -> Value {
        let (status, mut reply) = self.reply(method, params.clone()).await;
        assert!(status == 200 && reply["error"].is_null(), "{method} {params}: {reply}");
        reply["result"].take()
    }

    /// Code and message of a call that must fail.
    async fn fails(&self, method: &str, params: Value) -> (i64, String) {
        let (_, reply) = self.reply(method, params.clone()).await;
        let error = &reply["error"];
        assert!(!error.is_null(), "{method} {params}: {reply}");
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    /// The code of a call that must fail.
    async fn code(&self, method: &str, params: Value) -> i64 {
        self.fails(method, params).await.0
    }

    fn text_of(&self, owner: Owner) -> String {
        owner.address().to_text(&self.node.spec().network().address_prefix)
    }

    /// Mines blocks that pay an owner, and returns their ids.
    async fn mine(&self, blocks: u32, owner: Owner) -> Vec<String> {
        let mined = self.ok("generatetoaddress", json!([blocks, self.text_of(owner)])).await;
        let ids: Vec<String> = serde_json::from_value(mined).unwrap();
        assert_eq!(ids.len(), blocks as usize);
        ids
    }

    /// The coin that a block pays its miner.
    async fn coinbase_of(&self, block: &str) -> (OutPoint, Amount) {
        let shown = self.ok("getblock", json!([block, 2])).await;
        let coinbase = &shown["tx"][0];
        let txid: Txid = coinbase["txid"].as_str().unwrap().parse().unwrap();
        let value = coinbase["vout"][0]["value"].to_string().parse().unwrap();
        (OutPoint { txid, index: 0 }, value)
    }

    /// Mines so many coins of an owner that can be spent in the next block.
    async fn coins(&self, count: u32, owner: Owner) -> Vec<(OutPoint, Amount)> {
        let blocks = self.mine(count, owner).await;
        self.mine(MATURITY, Owner(99)).await;
        let mut coins = Vec::new();
        for block in blocks {
            coins.push(self.coinbase_of(&block).await);
        }
        coins
    }

    /// Gives the mempool a transaction.
    async fn send(&self, transaction: &Transaction) -> String {
        self.ok("sendrawtransaction", json!([hex_of(transaction)])).await.as_str().unwrap().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.node.stop();
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_has_its_help_and_refuses_what_it_does_not_take() {
    let world = World::new();
    let all = world.ok("help", json!([])).await;
    let all = all.as_str().unwrap();
    for method in world.rpc.methods() {
        assert!(all.lines().any(|line| line.split(' ').next() == Some(method.name)), "{} is listed", method.name);
        let page = world.ok("help", json!([method.name])).await;
        let page = page.as_str().unwrap();
        assert!(page.contains("\nResult:\n") && page.contains(&format!("> qbtc rpc {}", method.name)), "{page}");
        assert!(!method.about.is_empty() && !method.result.is_empty(), "{}", method.name);
        // Parameters that may be left out come last; but Bitcoin has a dummy where it once had none.
        let params = method.params.iter().filter(|param| param.name() != "dummy");
        assert!(params.is_sorted_by_key(|param| param.default.is_some()), "{}", method.name);
        let too_many = vec![Value::Null; method.params.len() + 1];
        assert_eq!(world.code(method.name, too_many.into()).await, -1, "{}", method.name);
        assert_eq!(world.code(method.name, json!({"nosuch": 1})).await, -8, "{}", method.name);
        for (place, param) in method.params.iter().enumerate() {
            let mut wrong = vec![Value::Null; method.params.len()];
            wrong[place] = if param.kind.accepts().contains(&"object") { json!([]) } else { json!({}) };
            assert_eq!(world.code(method.name, wrong.into()).await, -3, "{} {}", method.name, param.name());
        }
    }
    for required in ["getblock", "submitblock", "getrawtransaction", "getblocktemplate"] {
        let (code, message) = world.fails(required, json!([])).await;
        assert_eq!(code, -1);
        assert!(message.contains("Arguments:"), "{message}");
    }
}
