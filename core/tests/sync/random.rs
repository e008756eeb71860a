//! Many peers, some of whom lie, in random order: with one honest peer the chain is always complete in the end, and bounds hold all along.

use qbtc_core::net::{Fault, HEADERS_MAX, SyncAnswer, SyncQuestion};
use qbtc_core::sync::{Input, PeerKey, RequestId};

use super::desk::{Chain, Desk, block_bytes, spec};
use crate::support::{random::Random, test};

/// How a peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    Silent,
    Refusing,
    Empty,
    /// Other blocks than were asked for.
    Mixed,
    /// Headers in the wrong order.
    Shuffled,
    /// Answers of another kind.
    Odd,
    /// Honest, and often gone.
    Flighty,
}

const MANNERS: [Manner; 7] =
    [Manner::Silent, Manner::Refusing, Manner::Empty, Manner::Mixed, Manner::Shuffled, Manner::Odd, Manner::Flighty];

struct Play<'a> {
    desk: Desk,
    chain: &'a Chain,
    manners: Vec<(u64, Manner)>,
    next_peer: u64,
    random: Random,
    waiting: Vec<(u64, RequestId, SyncQuestion)>,
}

impl Play<'_> {
    fn come(&mut self, manner: Manner) {
        self.next_peer += 1;
        self.manners.push((self.next_peer, manner));
        self.desk.peer_up(self.next_peer, self.chain);
    }

    fn answer(&mut self, peer: u64, request: RequestId, question: &SyncQuestion) {
        let Some((_, manner)) = self.manners.iter().find(|(key, _)| *key == peer) else { return };
        let honest = self.chain.answer(question, &self.desk.spec);
        let answer = match (manner, honest) {
            (Manner::Honest | Manner::Flighty, honest) => honest,
            (Manner::Silent, _) => return,
            (Manner::Refusing, _) => return self.desk.tell(Input::Unanswered { request }),
            (Manner::Empty, SyncAnswer::Headers(_)) => SyncAnswer::Headers(vec![]),
            (Manner::Empty, _) => SyncAnswer::Blocks(vec![]),
            (Manner::Mixed, SyncAnswer::Blocks(_)) => SyncAnswer::Blocks(vec![block_bytes(self.chain.body(0))]),
            (Manner::Shuffled, SyncAnswer::Headers(mut headers)) => {
                headers.reverse();
                SyncAnswer::Headers(headers)
            }
            (Manner::Odd, SyncAnswer::Headers(_)) => SyncAnswer::Blocks(vec![]),
            (Manner::Odd, _) => SyncAnswer::Headers(vec![]),
            (Manner::Mixed | Manner::Shuffled, honest) => honest,
        };
        self.desk.answer(request, &answer);
    }

    fn step(&mut self) {
        self.waiting.extend(self.desk.all_asked());
        match self.random.below(20) {
            0 => self.desk.wait(500),
            1 => {
                let leaving: Vec<u64> =
                    self.manners.iter().filter(|(_, manner)| *manner == Manner::Flighty).map(|(key, _)| *key).collect();
                for key in leaving {
                    self.manners.retain(|(peer, _)| *peer != key);
                    self.desk.tell(Input::PeerDown { peer: PeerKey(key) });
                    self.come(Manner::Flighty);
                }
            }
            2 if self.waiting.is_empty() => self.desk.wait(5_000),
            _ if self.waiting.is_empty() => self.desk.wait(1_000),
            _ => {
                let place = self.random.below(self.waiting.len());
                let (peer, request, question) = self.waiting.swap_remove(place);
                self.answer(peer, request, &question);
            }
        }
    }
}

#[test]
fn one_honest_peer_is_enough() {
    let mut chain = Chain::new(&spec(), HEADERS_MAX + 300, 1);
    // Interpreted code takes its time.
    let seeds = if cfg!(target_arch = "wasm32") { 6 } else { 24 };
    for seed in 0..seeds {
        chain.block_bytes = [90, 15_000, 100_000][usize::try_from(seed % 3).unwrap()];
        let mut random = Random::new(seed);
        let liars: Vec<Manner> = (0..random.below(8)).map(|_| MANNERS[random.below(MANNERS.len())]).collect();
        let desk = Desk::new();
        let mut play = Play { desk, chain: &chain, manners: vec![], next_peer: 0, random, waiting: vec![] };
        for manner in &liars {
            play.come(*manner);
        }
        play.come(Manner::Honest);
        let honest = play.next_peer;
        let mut steps = 0;
        while play.desk.tree.best_complete().id() != chain.tip() {
            play.step();
            steps += 1;
            let Desk { now, taken, .. } = &play.desk;
            assert!(steps < 60_000 && now.0 < 4_000_000, "seed {seed}, {liars:?}: {now:?}, {} blocks", taken.len());
        }
        assert_eq!(play.desk.taken, chain.ids()[1..], "seed {seed}: each once, in order");
        // In this play answers come in any order, so that an honest peer can look slow, and no worse.
        let is_slowness = |fault: &&Fault| matches!(fault, Fault::Stalled | Fault::Timeout);
        assert!(play.desk.faults_of(honest).iter().all(is_slowness), "seed {seed}: {:?}", play.desk.faults_of(honest));
    }
}
