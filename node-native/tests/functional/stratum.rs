//! The Stratum server with a real node behind it and real sockets before it: miners that know nothing of this chain mine on it.
//!
//! The miner is the test package's, which makes headers from the text of `mining.notify` alone.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use qbtc_core::chain::ChainStore;
use qbtc_core::hash::BlockHash;
use qbtc_core::lock::{Address, Lock};
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::{Amount, Height};
use qbtc_node::driver::{self, DriverOptions, DriverThread};
use qbtc_node::metrics::{Format, Metrics, Reading};
use qbtc_node::node::Node;
use qbtc_node::store::{Store, StoreOptions};
use qbtc_node::stratum::session::Settings;
use qbtc_node::stratum::{Config, Server};
use qbtc_tests::stratum::{Client, Received, Share, ShareRule};
use redb::backends::InMemoryBackend;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::blocks;

/// Whatever is waited for must come by then.
const DEADLINE: Duration = Duration::from_secs(30);

/// A node on a chain in memory, with a Stratum server.
struct Scene {
    runtime: Runtime,
    node: Node,
    driver: Option<DriverThread>,
    server: Option<JoinHandle<()>>,
    address: std::net::SocketAddr,
}

impl Scene {
    fn new() -> Self {
        Self::with(ChainSpec::dev(), |_| {})
    }

    fn with(spec: ChainSpec, change: impl FnOnce(&mut Config)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let spec = Arc::new(spec);
        let store = Store::with_backend(InMemoryBackend::new(), Arc::clone(&spec), &StoreOptions::default()).unwrap();
        let (node, driver) = {
            let _entered = runtime.enter();
            driver::start(store, Arc::new(Metrics::new(spec.name())), DriverOptions::default()).unwrap()
        };
        let mut config = Config::new(Settings::new(&spec, None));
        change(&mut config);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Some(runtime.spawn(Server::new(listener, node.clone(), config).run()));
        Self { runtime, node, driver: Some(driver), server, address }
    }

    /// The user name of a miner for this address.
    fn user(&self, miner: u8) -> String {
        format!("{}.rig{miner}", payee(miner).to_text(&self.node.spec().network().address_prefix))
    }

    /// A miner for this address.
    fn connect(&self, miner: u8) -> Client {
        Client::connect(self.address, &self.user(miner), DEADLINE)
    }

    fn height(&self) -> u32 {
        self.node.chain().state().height().0
    }

    /// Waits until the chain is so high.
    fn reach(&self, height: u32) {
        let reached = self.node.tip();
        let wait = async {
            let mut reached = reached;
            tokio::time::timeout(DEADLINE, reached.wait_for(|tip| tip.height >= Height(height))).await.map(drop)
        };
        self.runtime.block_on(wait).unwrap_or_else(|_| panic!("height {height} not reached: {}", self.height()));
    }

    /// Who was paid for the block at a height.
    fn payee_of(&self, height: u32) -> Address {
        let chain = self.node.chain();
        let id = chain.block_id(Height(height)).unwrap().unwrap();
        match chain.block(&id).unwrap().coinbase().outputs[0].lock {
            Lock::Address(address) => address,
            ref other => panic!("{other:?}"),
        }
    }

    /// Waits until this is a line of the metrics: who counts does so after it has told others.
    fn measures(&self, line: &str) {
        let until = Instant::now() + DEADLINE;
        loop {
            let text = self.node.metrics().render(&Reading::default(), Format::Prometheus);
            if text.lines().any(|found| found == line) {
                return;
            }
            assert!(Instant::now() < until, "no {line} in\n{text}");
            std::thread::yield_now();
        }
    }

    /// Stops the node, and says how long the server took to end.
    fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        self.node.stop();
        if let Some(server) = self.server.take() {
            self.runtime.block_on(async { tokio::time::timeout(DEADLINE, server).await }).unwrap().unwrap();
        }
        let took = begun.elapsed();
        if let Some(driver) = self.driver.take() {
            driver.join();
        }
        took
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.node.stop();
        if let Some(driver) = self.driver.take() {
            driver.join();
        }
    }
}

fn payee(miner: u8) -> Address {
    Address::from_bytes([miner; 32])
}

/// The parent's id of a job, from the words that miners get.
fn parent(mut prevhash: [u8; 32]) -> BlockHash {
    prevhash.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    BlockHash::from_bytes(prevhash)
}

fn id(share: &Share) -> BlockHash {
    BlockHash::from_bytes(share.hash)
}

#[test]
fn blocks_are_mined_and_pay_the_miners_own_address() {
    let mut scene = Scene::new();
    let mut miner = scene.connect(1);
    let mut job = miner.log_in("x");
    assert!(job.is_clean);
    for height in 1..=4 {
        assert_eq!(parent(job.prevhash), scene.node.chain().state().tip());
        let share = miner.miner.mine_block();
        assert_eq!(miner.submit(&share), (true.into(), serde_json::Value::Null));
        job = miner.next_job();
        assert!(job.is_clean);
        assert_eq!(parent(job.prevhash), id(&share), "the new job is on the block just found");
        assert_eq!((scene.height(), scene.payee_of(height)), (height, payee(1)));
    }
    scene.measures("qbtc_stratum_shares_total{outcome=\"accepted\"} 4");
    scene.measures("qbtc_blocks_found_total{source=\"stratum\"} 4");
    scene.measures("qbtc_connections{interface=\"stratum\"} 1");
    let took = scene.stop();
    assert!(took < Duration::from_secs(2), "{took:?} to stop with a miner connected");
    assert_eq!(miner.line(), None, "the connection was closed in order");
}

#[test]
fn miners_of_two_addresses_share_one_stream_of_jobs() {
    let scene = Scene::new();
    let (mut first, mut second) = (scene.connect(1), scene.connect(2));
    let mut third = scene.connect(2);
    let jobs = [first.log_in("x"), second.log_in("x"), third.log_in("x")];
    assert_eq!(jobs[0].prevhash, jobs[1].prevhash);
    assert_ne!(jobs[0].coinbase2, jobs[1].coinbase2, "each address has its own coinbase");
    assert_eq!(jobs[1].coinbase2, jobs[2].coinbase2, "and one address one");
    let same = [&second, &third].map(|client| client.miner.try_out(&[0; 8], 0, 0, None).hash);
    assert_ne!(same[0], same[1], "their extranonces differ");
    let found = second.miner.mine_block();
    let stale = first.miner.mine(ShareRule::MINERD);
    assert_eq!(second.submit(&found).0, true);
    for miner in [&mut first, &mut second, &mut third] {
        let job = miner.next_job();
        assert_eq!((job.is_clean, parent(job.prevhash)), (true, id(&found)));
    }
    assert_eq!(scene.payee_of(1), payee(2));
    let (result, error) = first.submit(&stale);
    assert_eq!((result.is_null(), &error[0]), (true, &21.into()));
    scene.measures("qbtc_stratum_shares_total{outcome=\"stale\"} 1");
}

/// Where blocks are cheap, a miner finds several on one parent before it hears of the first.
#[test]
fn of_two_blocks_on_one_parent_the_second_is_a_share_only() {
    let scene = Scene::new();
    let mut miner = scene.connect(1);
    miner.log_in("x");
    let shares = [miner.miner.mine_block(), miner.miner.mine_block()];
    let both = [&shares[0], &shares[1]].map(|share| miner.miner.submit_request(share).to_string());
    miner.send(&both.join("\n"));
    let (mut answers, mut jobs) = (Vec::new(), Vec::new());
    while answers.len() < 2 || jobs.is_empty() {
        match miner.receive() {
            Received::Answer(_, result, error) => answers.push((result == true, error[0].as_i64())),
            Received::Job(job) => jobs.push(job),
            Received::Difficulty(_) => {}
        }
    }
    assert_eq!(answers[0], (true, None));
    assert!([(true, None), (false, Some(21))].contains(&answers[1]), "as quick as the news of the first: {answers:?}");
    assert_eq!(parent(jobs[0].prevhash), id(&shares[0]));
    let third = miner.miner.mine_block();
    assert_eq!(miner.submit(&third).0, true);
    scene.reach(2);
    scene.measures("qbtc_blocks_found_total{source=\"stratum\"} 2");
    assert_eq!(scene.node.chain().block_id(Height(1)).unwrap(), Some(id(&shares[0])));
    assert!(!scene.node.chain().has_block(&id(&shares[1])).unwrap());
}

/// As many as may come from one address: none is forgotten, and none waits for long.
#[test]
fn a_hall_of_machines_hears_of_a_block() {
    let scene = Scene::new();
    let mut machines: Vec<_> = (0..256).map(|number| scene.connect(u8::try_from(number % 8).unwrap())).collect();
    for machine in &mut machines {
        machine.log_in("x");
    }
    let share = machines[100].miner.mine_block();
    let request = machines[100].miner.submit_request(&share).to_string();
    machines[100].send(&request);
    let begun = Instant::now();
    for machine in &mut machines {
        assert_eq!(parent(machine.next_job().prevhash), id(&share));
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?} until everybody knew");
}

#[test]
fn transactions_join_the_next_job_and_pay_the_miner() {
    let mut chain = blocks::TestChain::new();
    let scene = Scene::with(chain.spec.clone(), |_| {});
    let mut miner = scene.connect(1);
    let mut job = miner.log_in("x");
    let mut parent = chain.genesis();
    // What the genesis block allots can be spent in block 3.
    for _ in 0..2 {
        parent = chain.extend(&parent, Vec::new()).id();
        let share = miner.miner.mine_block();
        assert_eq!(miner.submit(&share).0, true);
        job = miner.next_job();
    }
    assert_eq!(job.branch.len(), 1, "coinbase and commitments");
    let key = blocks::TestKey::new(0);
    let coins = chain.tip(&parent).spendable(key.address(), &chain.spec);
    assert!(coins.len() >= 5);
    let fee = Amount::from_quanta(1_000_000).unwrap();
    let kept = blocks::ALLOTTED.checked_sub(fee).unwrap();
    for coin in coins.chunks(1).take(5) {
        let transaction = key.spend(coin, vec![blocks::pay(payee(9), kept)], &chain.spec);
        scene.runtime.block_on(scene.node.submit_transaction(transaction)).unwrap();
    }
    // The first may come before all of them are in the pool.
    for _ in 0..2 {
        if job.branch.len() < 3 {
            job = miner.next_job();
        }
    }
    assert_eq!((job.branch.len(), job.is_clean), (3, false), "older shares are as good as before");
    let share = miner.miner.mine_block();
    assert_eq!(miner.submit(&share).0, true);
    scene.reach(3);
    let block = scene.node.chain().block(&id(&share)).unwrap();
    assert_eq!(block.transactions().len(), 5);
    let subsidy = chain.spec.consensus().subsidy(Height(3));
    assert_eq!(block.coinbase().outputs[0].amount.quanta(), subsidy.quanta() + 5 * fee.quanta());
}

#[test]
fn work_comes_again_when_everybody_had_left() {
    let scene = Scene::new();
    for height in 1..=3 {
        let mut miner = scene.connect(1);
        let job = miner.log_in("x");
        assert_eq!(parent(job.prevhash), scene.node.chain().state().tip());
        let share = miner.miner.mine_block();
        assert_eq!(miner.submit(&share).0, true);
        drop(miner);
        scene.reach(height);
    }
}

#[test]
fn an_address_of_another_chain_gets_no_work() {
    let scene = Scene::new();
    let foreign = payee(1).to_text(&ChainSpec::main().network().address_prefix);
    let mut miner = Client::connect(scene.address, &foreign, DEADLINE);
    miner.ask(&miner.miner.subscribe_request());
    let (result, error) = miner.ask(&miner.miner.authorize_request("x"));
    assert_eq!((result, &error[0]), (false.into(), &24.into()));
    let text = error[1].as_str().unwrap();
    assert!(text.contains("begins with bqs1, not with dbqs1"), "{text}");
}

#[test]
fn too_many_connections_are_turned_away_and_places_come_free() {
    let scene = Scene::with(ChainSpec::dev(), |config| config.connections_per_network_max = 2);
    let (mut first, mut second) = (scene.connect(1), scene.connect(2));
    first.log_in("x");
    second.log_in("x");
    let mut turned_away = TcpStream::connect(scene.address).unwrap();
    turned_away.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(turned_away.read(&mut [0]).unwrap_or(0), 0);
    drop(first);
    // When the place is free depends on when the server hears of it.
    scene.measures("qbtc_connections{interface=\"stratum\"} 1");
    scene.connect(3).log_in("x");
}

#[test]
fn what_is_no_stratum_is_answered_or_cut_off() {
    let scene = Scene::new();
    let mut browser = scene.connect(1);
    browser.send("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n{}");
    let answer = browser.line().unwrap();
    assert!(answer.contains("not JSON"), "{answer}");
    let mut endless = scene.connect(1);
    endless.send(&"x".repeat(5_000));
    assert_eq!(endless.line(), None);
    let mut binary = scene.connect(1);
    binary.send("\u{0}\u{1}\u{2}");
    assert!(binary.line().is_some());
    // And nobody else notices.
    scene.connect(1).log_in("x");
}
