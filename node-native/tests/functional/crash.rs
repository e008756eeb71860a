//! A node that is killed at any moment comes back with everything that it had acknowledged, and with the very coins that a replay of
//! its blocks gives.
//!
//! `QBTC_CRASH_KILLS` says how often it is killed; a few times unless told otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use qbtc_core::chain::ChainStore;
use qbtc_core::hash::BlockHash;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::utxo::MemoryCoins;
use qbtc_core::verify::{BlockContext, VerifiedCache, genesis_block, resolve_block};
use qbtc_node::client::Client;
use qbtc_node::store::{ChainView, Indexes, Store, StoreOptions};

use crate::support::money::{Money, hex_of};
use crate::support::{NodeProcess, Owner, Place, TestKey};

/// How often the node is killed unless told otherwise.
const KILLS: usize = 8;
/// How long a node lives at most, in milliseconds.
const LIFE_MS_MAX: u64 = 600;

#[test]
fn a_killed_node_has_lost_nothing() {
    let kills = std::env::var("QBTC_CRASH_KILLS").map_or(KILLS, |count| count.parse().unwrap());
    let mut random = Random::new();
    eprintln!("seed {}", random.0);
    let place = Place::new();
    let mut replay = Replay::new(&place.spec);
    for kill in 0..kills {
        let node = place.start(&["--txindex", "--addressindex"]);
        let acknowledged = work_until_killed(node, &replay, random.below(LIFE_MS_MAX));
        let options = StoreOptions { indexes: Indexes { txids: true, addresses: true }, ..StoreOptions::default() };
        let store = Store::open(&place.chain_dir().join("chain.redb"), Arc::clone(&place.spec), &options).unwrap();
        let view = store.view().unwrap();
        if let Some((height, id)) = acknowledged {
            assert_eq!(view.block_id(height).unwrap(), Some(id), "kill {kill}: block at {height} is lost");
        }
        replay.follow(&view);
    }
    assert!(replay.height.0 > 0, "no block was made");
    eprintln!("{} blocks, {} coins", replay.height, replay.coins.len());
}

/// Mines and pays until the node dies, and returns the last block that it acknowledged.
fn work_until_killed(node: NodeProcess, replay: &Replay, life_ms: u64) -> Option<(Height, BlockHash)> {
    let client = node.another_client();
    let is_dead = AtomicBool::new(false);
    // The scope ends when the node is dead, also if this thread panics.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(life_ms));
            is_dead.store(true, Ordering::SeqCst);
            node.kill();
        });
        work(&client, replay, &is_dead)
    })
}

fn work(client: &Client, replay: &Replay, is_dead: &AtomicBool) -> Option<(Height, BlockHash)> {
    let (key, miner) = (TestKey::new(), replay.miner());
    let mut acknowledged = None;
    let mut next = replay.spendable(&key);
    loop {
        if let Some(coin) = next.take() {
            let transaction = key.pay(coin, 3, &replay.spec);
            // Known to a mempool that was saved, or the node is dead: both are well.
            let _ = client.call::<serde_json::Value>("sendrawtransaction", [hex_of(&transaction)]);
        }
        let mined: Result<Vec<BlockHash>, _> = client.call("generatetoaddress", (1, &miner));
        let mined = match mined {
            Ok(mined) => mined,
            Err(error) => {
                assert!(is_dead.load(Ordering::SeqCst), "the node refused while it lived: {error}");
                break;
            }
        };
        let height = client.call::<u32>("getblockcount", [(); 0]);
        if let Ok(height) = height {
            acknowledged = Some((Height(height), mined[0]));
        }
    }
    acknowledged
}

/// The coins that blocks give, computed without the store.
struct Replay {
    spec: Arc<ChainSpec>,
    height: Height,
    coins: MemoryCoins,
}

impl Replay {
    fn new(spec: &Arc<ChainSpec>) -> Self {
        let mut coins = MemoryCoins::default();
        coins.apply(genesis_block(spec).diff()).unwrap();
        Self { spec: Arc::clone(spec), height: Height::GENESIS, coins }
    }

    fn miner(&self) -> String {
        Owner(3).text(&self.spec)
    }

    fn spendable(&self, key: &TestKey) -> Option<Money> {
        let own = self.coins.iter().filter(|(_, coin)| coin.address == key.address());
        // The largest, since each payment leaves thirds.
        let largest = own.max_by_key(|(outpoint, coin)| (coin.amount, **outpoint));
        largest.map(|(outpoint, coin)| (*outpoint, coin.amount))
    }

    /// Replays the blocks that are new, and compares all coins.
    fn follow(&mut self, view: &ChainView) {
        while self.height < view.state().height() {
            let height = self.height.next().unwrap();
            let block = view.block(&view.block_id(height).unwrap().unwrap()).unwrap();
            let context = BlockContext { height, history_root: view.history(height.0).unwrap().root() };
            let resolved = resolve_block(block, &context, &self.coins, &VerifiedCache::new(1), &self.spec).unwrap();
            let verified = resolved.verify(qbtc_core::crypto::verify_serial).unwrap();
            self.coins.apply(verified.diff()).unwrap();
            self.height = height;
        }
        assert_eq!(self.height, view.state().height());
        let stored: MemoryCoins = view.coins().unwrap().map(Result::unwrap).collect();
        assert_eq!(stored, self.coins);
        assert_eq!(view.coin_count(), stored.len() as u64);
        for address in [TestKey::new().address(), Owner(3).address()] {
            let indexed = view.address_coins(&address, None, usize::MAX).unwrap();
            assert_eq!(indexed.len(), stored.iter().filter(|(_, coin)| coin.address == address).count());
        }
    }
}

/// A small generator: the times of death need no better.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = std::env::var("QBTC_CRASH_SEED").ok().map(|seed| seed.parse().unwrap());
        let clock = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
        Self(given.unwrap_or_else(|| u64::try_from(clock).unwrap()))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
