//! Peers that do whatever the input says, around the machine that synchronises the chain.
//!
//! The first byte chooses the chains; then two bytes each are a deed: a peer comes, goes, answers what it was asked or something else, passes on
//! a block, or time passes. All along what is held stays within its limit and the machine rests between two deeds ([`Desk::tell`]), and each block
//! that was passed on is judged once. In the end, when everybody is gone, one honest peer is enough to complete the chain: no
//! question was left without an end, and nothing is held any more.

use std::collections::HashSet;
use std::sync::LazyLock;

use qbtc_core::net::{CompactBlock, SyncAnswer, SyncQuestion};
use qbtc_core::sync::{Announcement, BlockOutcome, Input, Output, PeerKey, RequestId};
use qbtc_core::units::Work;
use qbtc_core::verify::check_block;

use crate::desk_of_tests::{Chain, Desk, spec};
use crate::support::{ALLOTTED, TestChain, TestKey, pay};

/// More deeds find nothing that these do not, and cost time.
const DEEDS_MAX: usize = 150;
/// The numbers of the peers that the input plays; the honest one at the end has the next.
const PEERS: u8 = 6;
/// How long all timeouts and pauses together may take, in milliseconds.
const QUIET_MS: usize = 4_000_000;

/// Chains, the first of which has the most work.
struct Library {
    chains: Vec<Chain>,
    /// The first with two more blocks, of which nobody knows before the end: nothing has as much work, though headers can be spoilt and keep theirs.
    honest: Chain,
    /// Compact blocks of the first one's first blocks.
    compact: Vec<CompactBlock>,
}

static SHORT: LazyLock<Library> = LazyLock::new(|| Library::new(40, 30));
/// Its headers take two answers, and a fork whose headers are surveyed.
static LONG: LazyLock<Library> = LazyLock::new(|| Library::new(2_300, 2_100));

impl Library {
    fn new(blocks: usize, fork: usize) -> Self {
        let mut chain = TestChain::with_spec(spec());
        let owner = TestKey::new(0);
        let (mut parent, mut headers, mut compact) = (chain.genesis(), vec![chain.spec.genesis().header], Vec::new());
        for number in 0..6 {
            let coins = chain.tip(&parent).spendable(owner.address(), &chain.spec);
            let payments = coins
                .chunks(1)
                .take(number)
                .map(|coin| owner.spend(coin, vec![pay(TestKey::new(9).address(), ALLOTTED)], &chain.spec));
            let payments: Vec<_> = payments.collect();
            let block = chain.extend(&parent, if number % 3 == 2 { payments } else { Vec::new() });
            parent = block.id();
            headers.push(block.header);
            let block = check_block(block, &chain.spec).expect("the block is valid");
            compact.push(CompactBlock::new(&block, 7, |_| false));
        }
        let trunk = Chain::of(headers).fork(6, blocks - 6, 1);
        let forks = [trunk.fork(5, fork, 2), trunk.fork(blocks - 5, 3, 3), trunk.fork(10, 8, 4)];
        let honest = trunk.fork(blocks, 2, 5);
        Self { honest, chains: [trunk].into_iter().chain(forks).collect(), compact }
    }

    fn chain(&self, choice: u8) -> &Chain {
        &self.chains[usize::from(choice) % self.chains.len()]
    }
}

struct Play<'a> {
    desk: Desk,
    library: &'a Library,
    /// The chain of each peer that is there.
    peers: Vec<(u64, &'a Chain)>,
    last_peer: u64,
    asked: Vec<(u64, RequestId, SyncQuestion)>,
    judged: HashSet<u64>,
    announced: u64,
}

/// Plays what the input says.
///
/// # Panics
/// If the machine breaks one of its promises.
pub fn play(input: &[u8]) {
    let Some((choice, deeds)) = input.split_first() else { return };
    let (library, block_bytes) = match choice % 4 {
        0 => (&*SHORT, 90),
        1 => (&*SHORT, 15_000),
        2 => (&*SHORT, 100_000),
        _ => (&*LONG, 90),
    };
    let mut chains = library.chains.clone();
    chains.iter_mut().for_each(|chain| chain.block_bytes = block_bytes);
    let mut honest = library.honest.clone();
    honest.block_bytes = block_bytes;
    let library = Library { chains, honest, compact: library.compact.clone() };
    let mut play = Play {
        desk: Desk::new(),
        library: &library,
        peers: Vec::new(),
        last_peer: 0,
        asked: Vec::new(),
        judged: HashSet::new(),
        announced: 0,
    };
    for deed in deeds.chunks_exact(2).take(DEEDS_MAX) {
        play.step(deed[0], deed[1]);
    }
    play.end();
}

impl<'a> Play<'a> {
    fn step(&mut self, deed: u8, how: u8) {
        match deed % 10 {
            0 => self.come(how),
            1 => self.go(how),
            2 => {
                if let Some((peer, _)) = self.peer(how) {
                    let hello = self.library.chain(how / PEERS).hello(&self.desk.spec);
                    self.desk.tell(Input::Told { peer: PeerKey(peer), hello });
                }
            }
            3 | 4 => self.answer(how, |play, peer, question| play.honest(peer, question)),
            5 => self.answer(how, |play, _, question| {
                let other = play.library.chain(how / 2);
                Some(other.answer(question, &play.desk.spec))
            }),
            6 => self.answer(how, |play, peer, question| Some(spoilt(play.honest(peer, question)?, how))),
            7 => self.answer(how, |_, _, _| None),
            8 => self.announce(how),
            _ => self.desk.wait([1, 100, 1_000, 3_000, 10_000, 21_000, 65_000, 125_000][usize::from(how % 8)]),
        }
        self.note();
    }

    /// The peer in this place of those that are there.
    fn peer(&self, how: u8) -> Option<(u64, &'a Chain)> {
        self.peers.get(usize::from(how) % self.peers.len().max(1)).copied()
    }

    fn come(&mut self, how: u8) {
        if self.peers.len() >= usize::from(PEERS) {
            return;
        }
        self.last_peer += 1;
        let chain = self.library.chain(how);
        let mut hello = chain.hello(&self.desk.spec);
        if how & 0x20 != 0 {
            hello.work = Work::from(u64::MAX);
        }
        // A bad body, once, or a block that is not valid, if the honest chain has it not.
        let id = chain.ids()[chain.ids().len() - 1 - usize::from(how >> 6)];
        if !self.library.chains[0].ids().contains(&id) && how & 0x10 != 0 {
            self.desk.outcomes.insert(id, BlockOutcome::Invalid);
        } else if how & 0x10 != 0 {
            self.desk.outcomes.insert(id, BlockOutcome::WrongBody);
        }
        let input = Input::PeerUp { peer: PeerKey(self.last_peer), hello, is_outbound: how & 0x08 != 0 };
        self.peers.push((self.last_peer, chain));
        self.desk.tell(input);
    }

    fn go(&mut self, how: u8) {
        if let Some((peer, _)) = self.peer(how) {
            self.peers.retain(|(key, _)| *key != peer);
            self.asked.retain(|(key, ..)| *key != peer);
            self.desk.tell(Input::PeerDown { peer: PeerKey(peer) });
        }
    }

    fn honest(&self, peer: u64, question: &SyncQuestion) -> Option<SyncAnswer> {
        let (_, chain) = self.peers.iter().find(|(key, _)| *key == peer)?;
        Some(chain.answer(question, &self.desk.spec))
    }

    /// Answers one of the questions, or refuses to.
    fn answer(&mut self, how: u8, make: impl Fn(&Self, u64, &SyncQuestion) -> Option<SyncAnswer>) {
        if self.asked.is_empty() {
            return;
        }
        let (peer, request, question) = self.asked.swap_remove(usize::from(how) % self.asked.len());
        match make(self, peer, &question) {
            Some(answer) => self.desk.tell(Input::Answer { request, answer }),
            None => self.desk.tell(Input::Unanswered { request }),
        }
    }

    fn announce(&mut self, how: u8) {
        let Some((peer, _)) = self.peer(how) else { return };
        let mut block = self.library.compact[usize::from(how) % self.library.compact.len()].clone();
        if how & 0x40 != 0 {
            // The header of some block, and transactions of another one.
            let headers = self.library.chain(how).headers();
            block.header = headers[headers.len() - 1 - usize::from(how >> 5)];
        }
        self.announced += 1;
        let announcement = Announcement(self.announced);
        self.desk.tell(Input::Announced { peer: PeerKey(peer), block, announcement });
    }

    /// Notes what the machine said.
    fn note(&mut self) {
        for output in std::mem::take(&mut self.desk.said) {
            match output {
                Output::Ask { peer, request, question } => self.asked.push((peer.0, request, question)),
                Output::Verdict { announcement, .. } => {
                    assert!(announcement.0 <= self.announced, "nobody announced this");
                    assert!(self.judged.insert(announcement.0), "judged for the second time");
                }
                _ => {}
            }
        }
    }

    /// Everybody goes; then one honest peer comes.
    fn end(mut self) {
        for (peer, _) in std::mem::take(&mut self.peers) {
            self.desk.tell(Input::PeerDown { peer: PeerKey(peer) });
            self.note();
        }
        assert_eq!(self.judged.len() as u64, self.announced, "each is judged");
        self.desk.outcomes.clear();
        let (peer, chain) = (self.last_peer + 1, &self.library.honest);
        self.desk.said.clear();
        self.desk.peer_up(peer, chain);
        let is_done = |desk: &Desk| desk.tree.best_complete().id() == chain.tip() && desk.sync.held_bytes() == 0;
        for _ in 0..QUIET_MS / 100_000 {
            if is_done(&self.desk) {
                break;
            }
            self.desk.serve_for(100_000, &[(peer, chain)]);
        }
        assert_eq!(self.desk.tree.best_complete().id(), chain.tip(), "one honest peer is enough");
        assert_eq!((self.desk.sync.held_bytes(), self.desk.is_synced), (0, true));
    }
}

/// Another answer than the honest one.
fn spoilt(answer: SyncAnswer, how: u8) -> SyncAnswer {
    match (answer, how % 5) {
        (SyncAnswer::Headers(mut headers), 0) => {
            headers.reverse();
            SyncAnswer::Headers(headers)
        }
        (SyncAnswer::Headers(mut headers), 1) => {
            headers.truncate(usize::from(how));
            SyncAnswer::Headers(headers)
        }
        (SyncAnswer::Headers(mut headers), 2) => {
            if let Some(header) = headers.last_mut() {
                header.nonce ^= 1 + u32::from(how);
            }
            SyncAnswer::Headers(headers)
        }
        (SyncAnswer::Blocks(mut blocks), 0) => {
            blocks.reverse();
            SyncAnswer::Blocks(blocks)
        }
        (SyncAnswer::Blocks(mut blocks), 1) => {
            blocks.truncate(1);
            SyncAnswer::Blocks(blocks)
        }
        (SyncAnswer::Blocks(mut blocks), 2) => {
            blocks.extend(blocks.clone());
            SyncAnswer::Blocks(blocks)
        }
        (_, 3) => SyncAnswer::Blocks(Vec::new()),
        (_, _) => SyncAnswer::Headers(Vec::new()),
    }
}
