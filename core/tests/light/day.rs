//! A day in the life of a client, on its own clock: peers come and go, the chain turns, the machine sleeps. In the end it knows what there is to know and
//! holds no more than in the morning.

use qbtc_core::lock::Lock;

use super::node::{FullNode, address, clock, spec};
use super::scene::{Reply, Scene, Shared, shared};
use crate::support::{random::Random, test};

const HOURS: u32 = 24;
/// A block each minute.
const SPACING_S: u32 = 60;
/// Who is watched.
const OWN: u8 = 1;
const OTHER: u8 = 99;

struct Day {
    scene: Scene,
    chain: Shared,
    peers: Vec<u64>,
    random: Random,
}

impl Day {
    fn new() -> Self {
        let mut node = FullNode::new(&spec());
        for _ in 0..120 {
            node.mine(OTHER, SPACING_S, Vec::new());
        }
        let scene = Scene::new(&node.spec, clock(&node));
        Self { scene, chain: shared(node), peers: Vec::new(), random: Random::new(2026) }
    }

    /// A minute: at most one peer goes, there are three to six then, and a block comes. Sometimes it is on another branch.
    fn minute(&mut self) {
        if self.random.below(5) == 0 && !self.peers.is_empty() {
            let gone = self.peers.swap_remove(self.random.below(self.peers.len()));
            self.scene.gone(gone);
        }
        self.meet();
        self.grow();
        self.scene.wait(u64::from(SPACING_S) * 1_000);
        let left: Vec<u64> = self.scene.left.iter().map(|(peer, _)| *peer).collect();
        self.peers.retain(|peer| !left.contains(peer));
    }

    fn meet(&mut self) {
        while self.peers.len() < 3 + self.random.below(4) {
            // One in six answers only now and then.
            let mut chance = Random::new(self.random.next());
            let is_honest = self.random.below(6) != 0;
            let manner = move |_: &_, _: Option<&_>| match is_honest || chance.below(3) == 0 {
                true => Reply::Honest,
                false => [Reply::Silence, Reply::End, Reply::Junk].into_iter().nth(chance.below(3)).unwrap(),
            };
            let peer = self.scene.peer(&self.chain, manner);
            self.peers.push(peer);
        }
    }

    fn grow(&mut self) {
        if self.random.below(60) == 0 {
            let height = self.chain.borrow().height().0 - 1 - u32::try_from(self.random.below(3)).unwrap();
            let mut branch = self.chain.borrow().cut(height);
            while branch.work() <= self.chain.borrow().work() {
                branch.mine(OTHER, SPACING_S, Vec::new());
            }
            *self.chain.borrow_mut() = branch;
        }
        let miner = if self.random.below(10) == 0 { OWN } else { OTHER };
        self.chain.borrow_mut().mine(miner, SPACING_S, Vec::new());
    }

    /// The machine sleeps for an hour: everybody is gone when it wakes, and the chain has grown.
    fn sleep(&mut self) {
        for _ in 0..60 {
            self.grow();
        }
        self.scene.now = self.scene.now.plus(3_600_000);
        self.scene.clock = self.scene.clock.saturating_add(3_600);
        for peer in self.peers.drain(..) {
            self.scene.gone(peer);
        }
    }

    /// Waits until the client knows the chain and has looked through it; what it holds then, by the length of all it would print.
    fn settle(&mut self) -> usize {
        for _ in 0..60 {
            self.meet();
            self.scene.wait(5_000);
            let tip = self.chain.borrow().tip();
            if self.scene.tip() == tip && self.scene.client.scanned().map(|mark| mark.id) == Some(tip) {
                return format!("{:?}", self.scene.client).len();
            }
        }
        panic!("it does not get to the tip: {:?}", self.scene.client.status());
    }
}

#[test]
fn after_a_day_everything_is_known_and_nothing_has_piled_up() {
    let mut day = Day::new();
    day.meet();
    day.scene.watch(&[address(OWN)], 0);
    let mut held = Vec::new();
    for hour in 0..HOURS {
        if hour % 6 == 5 {
            day.sleep();
        } else {
            (0..60).for_each(|_| day.minute());
        }
        held.push(day.settle());
    }
    let chain = day.chain.borrow();
    let paid = |height: &u32| {
        chain.blocks[*height as usize].coinbase.outputs.iter().any(|output| output.lock == Lock::Address(address(OWN)))
    };
    let expected: Vec<u32> = (1..=chain.height().0).filter(paid).collect();
    assert!(expected.len() > 50, "{}", expected.len());
    assert_eq!(day.scene.found_heights(), expected);
    assert!(!day.scene.rolled_back.is_empty(), "the chain has turned");
    let (morning, evening) = held.split_at(held.len() / 2);
    let (morning, evening) = (morning.iter().max().unwrap(), evening.iter().max().unwrap());
    assert!(*evening <= morning + morning / 10, "{held:?}");
}
