//! A node that is killed at any moment comes back with everything that it had acknowledged, and with the very coins that a replay of
//! its blocks gives: while it takes in a file of blocks, mines, pays, undoes blocks, prunes, starts or stops.
//!
//! `QBTC_CRASH_KILLS` says how often it is killed; a few times unless told otherwise.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use qbtc_core::chain::ChainStore;
use qbtc_core::hash::BlockHash;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::utxo::{CoinDiff, MemoryCoins};
use qbtc_core::verify::{BlockContext, VerifiedCache, genesis_block, resolve_block};
use qbtc_node::client::{Client, ClientError};
use qbtc_node::store::{ChainView, Indexes, Store, StoreOptions};
use serde_json::Value;

use crate::support::money::{Money, hex_of};
use crate::support::node::command;
use crate::support::program::{Ended, Running, qbtc};
use crate::support::{NodeProcess, Owner, Place, TestKey};

/// How often the node is killed unless told otherwise.
const KILLS: usize = 12;
/// How long a node lives at most, in milliseconds.
const LIFE_MS_MAX: u64 = 600;
/// How long it takes a file in at most, for the first time; each time that is not enough, it has as much more.
const LOAD_MS_MAX: u64 = 3_000;
/// How many blocks the file has: more than are ever pruned.
const FILE_BLOCKS: u32 = 400;
/// How deep blocks are declared invalid.
const UNDONE_MAX: u64 = 20;

#[test]
fn a_killed_node_has_lost_nothing() {
    let kills = std::env::var("QBTC_CRASH_KILLS").map_or(KILLS, |count| count.parse().unwrap());
    let mut random = Random::new();
    eprintln!("seed {}", random.0);
    let place = Place::new();
    let file = file_of_blocks();
    let mut replay = Replay::new(&place.spec);
    let (mut is_loaded, mut load_ms_max) = (false, 0);
    for kill in 0..kills {
        load_ms_max += if is_loaded { 0 } else { LOAD_MS_MAX };
        // Until all of the file is there, what is killed is the node that takes it in.
        let life = if is_loaded { Life::any(&mut random) } else { Life::Load };
        let kept = live(life, load_ms_max, &place, &file, &replay, &mut random);
        let options = StoreOptions { indexes: Indexes { txids: true, addresses: true }, ..StoreOptions::default() };
        let store = Store::open(&place.chain_dir().join("chain.redb"), Arc::clone(&place.spec), &options).unwrap();
        replay.follow(&store.view().unwrap());
        is_loaded |= replay.height().0 >= FILE_BLOCKS;
        if let Some(id) = kept.acknowledged {
            assert!(replay.ids.contains(&id), "kill {kill}, {life:?}: block {id} is lost");
        }
        if let Some(id) = kept.undone {
            assert!(!replay.ids.contains(&id), "kill {kill}, {life:?}: block {id} was declared invalid");
        }
    }
    assert!(is_loaded, "the file was never taken in");
    eprintln!("{} blocks, {} coins", replay.height(), replay.coins.len());
}

/// A file with blocks of the chain, which another node has made.
fn file_of_blocks() -> tempfile::TempPath {
    let place = Place::new();
    let file = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let node = place.start(&[]);
    node.mine(FILE_BLOCKS, Owner(3));
    let mut export = qbtc();
    export.args(["chain", "export", "--force", "--chain", &place.chain(), "--data-dir"]).arg(place.path());
    let exported = Ended::of(export.arg("--out").arg(&file));
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    file
}

/// What a node is doing when it is killed.
#[derive(Clone, Copy, Debug)]
enum Life {
    /// It may not even listen.
    Start,
    /// It takes in the file.
    Load,
    /// It mines, pays, undoes and prunes.
    Work,
    /// It stops.
    Stop,
}

impl Life {
    fn any(random: &mut Random) -> Self {
        [Self::Start, Self::Load, Self::Stop, Self::Work, Self::Work, Self::Work][random.place(6)]
    }
}

/// What must be so after a life.
#[derive(Default)]
struct Kept {
    /// A block that is in the chain.
    acknowledged: Option<BlockHash>,
    /// A block that is not.
    undone: Option<BlockHash>,
}

fn live(life: Life, load_ms_max: u64, place: &Place, file: &Path, replay: &Replay, random: &mut Random) -> Kept {
    let mut options = vec!["--txindex", "--addressindex"];
    match life {
        Life::Start | Life::Load => {
            if let Life::Load = life {
                options.extend(["--load-blocks", file.to_str().unwrap()]);
            }
            let mut command = command(&place.chain(), place.path(), &options);
            let node = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
            let life_ms_max = if let Life::Load = life { load_ms_max } else { LIFE_MS_MAX };
            std::thread::sleep(Duration::from_millis(random.below(life_ms_max)));
            drop(node);
            Kept::default()
        }
        Life::Work | Life::Stop => {
            let node = place.start(&options);
            work_until_killed(node, replay, matches!(life, Life::Stop), random)
        }
    }
}

/// Works until the node dies, and returns what must be kept of that. A node that stops is told to a little before.
fn work_until_killed(node: NodeProcess, replay: &Replay, is_stopped: bool, random: &mut Random) -> Kept {
    let client = node.another_client();
    let is_dead = AtomicBool::new(false);
    let (life, stopping) = (Duration::from_millis(random.below(LIFE_MS_MAX)), Duration::from_millis(random.below(30)));
    // The scope ends when the node is dead, also if this thread panics.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(life);
            is_dead.store(true, Ordering::SeqCst);
            if is_stopped {
                node.signal(Signal::SIGTERM);
                std::thread::sleep(stopping);
            }
            node.kill();
        });
        work(&client, replay, &is_dead, random)
    })
}

fn work(client: &Client, replay: &Replay, is_dead: &AtomicBool, random: &mut Random) -> Kept {
    let (key, miner) = (TestKey::new(), replay.miner());
    let mut kept = Kept::default();
    if let Some(coin) = replay.spendable(&key) {
        let transaction = key.pay(coin, 3, &replay.spec);
        // Known to a mempool that was saved, or the node is dead: both are well.
        let _ = client.call::<Value>("sendrawtransaction", [hex_of(&transaction)]);
    }
    loop {
        let action = random.below(8);
        let done = match action {
            0 => undo(client, random, &mut kept),
            1 => {
                let below = replay.height().0.saturating_sub(300);
                client.call::<Value>("pruneblockchain", [below]).map(drop)
            }
            _ => client.call("generatetoaddress", (1, &miner)).map(|mined: [BlockHash; 1]| {
                kept.acknowledged = Some(mined[0]);
            }),
        };
        if is_dead.load(Ordering::SeqCst) {
            return kept;
        }
        match done {
            // There may be nothing to prune, and what is pruned cannot be undone.
            Ok(()) | Err(ClientError::Rpc { .. }) if action < 2 => {}
            // The very block that was declared invalid, mined again: in the next second it is another.
            Err(ClientError::Rpc { message, .. }) if message.contains("found invalid before") => {}
            done => done.expect("the node lives"),
        }
    }
}

/// Declares a block near the tip invalid, and perhaps forgets that again.
fn undo(client: &Client, random: &mut Random, kept: &mut Kept) -> Result<(), ClientError> {
    let tip: u64 = client.call("getblockcount", [(); 0])?;
    let id: BlockHash = client.call("getblockhash", [tip - random.below(UNDONE_MAX)])?;
    // Until this is answered, both may be so.
    *kept = Kept::default();
    client.call::<Value>("invalidateblock", [id])?;
    kept.undone = Some(id);
    if random.below(2) == 0 {
        kept.undone = None;
        client.call::<Value>("reconsiderblock", [id])?;
    }
    Ok(())
}

/// The coins that blocks give, computed without the store.
struct Replay {
    spec: Arc<ChainSpec>,
    /// The blocks from the genesis block on, and what each does.
    ids: Vec<BlockHash>,
    diffs: Vec<CoinDiff>,
    coins: MemoryCoins,
}

impl Replay {
    fn new(spec: &Arc<ChainSpec>) -> Self {
        let mut coins = MemoryCoins::default();
        let genesis = genesis_block(spec);
        coins.apply(genesis.diff()).unwrap();
        Self { spec: Arc::clone(spec), ids: vec![spec.genesis().id()], diffs: vec![genesis.diff().clone()], coins }
    }

    fn height(&self) -> Height {
        Height(u32::try_from(self.ids.len() - 1).unwrap())
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

    /// Takes back the blocks that were left, replays those that are new, and compares all coins.
    fn follow(&mut self, view: &ChainView) {
        while view.block_id(self.height()).unwrap().as_ref() != self.ids.last() {
            self.ids.pop();
            self.coins.apply(&self.diffs.pop().unwrap().reversed()).unwrap();
        }
        while self.height() < view.state().height() {
            let height = self.height().next().unwrap();
            let block = view.block(&view.block_id(height).unwrap().unwrap()).unwrap();
            let context = BlockContext { height, history_root: view.history(height.0).unwrap().root() };
            let resolved = resolve_block(block, &context, &self.coins, &VerifiedCache::new(1), &self.spec).unwrap();
            let verified = resolved.verify(qbtc_core::crypto::verify_serial).unwrap();
            self.coins.apply(verified.diff()).unwrap();
            self.diffs.push(verified.diff().clone());
            self.ids.push(verified.block().id());
        }
        assert_eq!(self.height(), view.state().height());
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

    fn place(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).unwrap()
    }
}
