//! Those who lie: nodes that follow the chain like others, and do one thing wrong, again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use qbtc_core::block::{Coinbase, Commitments};
use qbtc_core::chain::HeaderTree;
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::net::{
    BlockBytes, CompactBlock, HEADERS_MAX, Hello, Prefilled, SHORT_ID_BYTES, ShortId, SyncAnswer, SyncQuestion,
};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::{Input, RequestId};
use qbtc_core::units::{Amount, BlockTime, Height, Work};
use qbtc_core::verify::CheckedBlock;

use super::forge;
use super::link::{Gossip, Message};
use super::queue::Event;
use super::scenario::Scenario;
use super::trace::Note;
use super::world::World;

/// What a liar does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Announces valid blocks and gives nobody what is missing of them.
    Withhold,
    /// Headers whose hash does not meet their target, in answers and announcements.
    BadWork,
    /// Headers with easier bits than the rules demand, in answers and announcements.
    BadBits,
    /// Says that it has a chain of enormous work.
    FakeTip,
    /// Headers without end, with the least work and bits of its own choice.
    EndlessHeaders,
    /// A long chain of valid headers that has little work.
    LowWork,
    /// Other blocks than were asked for, and bodies that are not those of their headers.
    WrongBodies,
    /// Blocks with all their work, of which the last transaction, or the coinbase's amount, is invalid.
    InvalidLate,
    /// Answers never, or at the last moment.
    Stall,
    /// Answers that nobody asked for, twice, of another kind, or longer than asked for.
    Unrequested,
    /// Announces the same blocks again and again, under other salts too, and old ones.
    Duplicates,
    /// Announces others' blocks with colliding, missing or wrong transactions, and gives wrong ones when asked.
    Garbage,
    /// Announces others' blocks at once, so that it is asked for what is missing of them, or for all, and then is silent.
    Silent,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Withhold,
        Self::BadWork,
        Self::BadBits,
        Self::FakeTip,
        Self::EndlessHeaders,
        Self::LowWork,
        Self::WrongBodies,
        Self::InvalidLate,
        Self::Stall,
        Self::Unrequested,
        Self::Duplicates,
        Self::Garbage,
        Self::Silent,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Withhold => "withhold",
            Self::BadWork => "bad-work",
            Self::BadBits => "bad-bits",
            Self::FakeTip => "fake-tip",
            Self::EndlessHeaders => "endless-headers",
            Self::LowWork => "low-work",
            Self::WrongBodies => "wrong-bodies",
            Self::InvalidLate => "invalid-late",
            Self::Stall => "stall",
            Self::Unrequested => "unrequested",
            Self::Duplicates => "duplicates",
            Self::Garbage => "garbage",
            Self::Silent => "silent",
        }
    }
}

/// A liar.
pub(super) struct Liar {
    lie: Lie,
    /// The blocks that it made and does not build on.
    own: BTreeMap<BlockHash, Arc<CheckedBlock>>,
    /// The blocks that it has heard of.
    heard: BTreeSet<BlockHash>,
    turn: u64,
}

impl Liar {
    pub(super) const fn new(lie: Lie) -> Self {
        Self { lie, own: BTreeMap::new(), heard: BTreeSet::new(), turn: 0 }
    }

    pub(super) fn hello(&self, hello: Hello) -> Hello {
        let work = Work::from_be_bytes(&[0x7f; 32]);
        match self.lie {
            Lie::FakeTip | Lie::EndlessHeaders | Lie::LowWork => {
                Hello { tip: BlockHash::from_bytes([0x77; 32]), height: Height(u32::MAX), work, ..hello }
            }
            _ => hello,
        }
    }

    pub(super) const fn passes_on(&self) -> bool {
        !matches!(self.lie, Lie::Withhold | Lie::Stall | Lie::Garbage | Lie::Silent)
    }

    /// Which of so many ways to lie comes next.
    const fn next(&mut self, ways: u64) -> u64 {
        self.turn += 1;
        self.turn % ways
    }
}

/// Headers that cost next to nothing, for those who give many.
pub(super) struct Treadmill {
    endless: Vec<Header>,
    places: BTreeMap<BlockHash, usize>,
    /// A chain that follows the rules of headers, at the least difficulty that they allow.
    low: Vec<Header>,
    spec: ChainSpec,
}

/// How far behind the schedule a chain must be for the difficulty to be at its least, in seconds: six half-lives.
const LATE_S: u32 = 6 * 1_200;

impl Treadmill {
    pub(super) fn new(spec: &ChainSpec) -> Self {
        Self { endless: Vec::new(), places: BTreeMap::new(), low: Vec::new(), spec: spec.clone() }
    }

    /// The next headers without end.
    fn next(&mut self, locator: &[BlockHash]) -> Vec<Header> {
        let after = locator.iter().find_map(|id| self.places.get(id)).map_or(0, |place| place + 1);
        while self.endless.len() < after + HEADERS_MAX {
            let genesis = self.spec.genesis().header;
            let parent = self.endless.last().unwrap_or(&genesis);
            let number = self.endless.len() as u64;
            let mut header = forge::header(parent.id(), parent.time.saturating_add(1), forge::EASIEST, number);
            forge::mine(&mut header);
            self.places.insert(header.id(), self.endless.len());
            self.endless.push(header);
        }
        self.endless[after..after + HEADERS_MAX].to_vec()
    }

    /// The chain of little work, after a block that the locator names.
    fn low(&mut self, locator: &[BlockHash], clock: BlockTime) -> Vec<Header> {
        if self.low.is_empty() {
            self.low = low_chain(&self.spec, clock);
        }
        let known = self.low.iter().rposition(|header| locator.contains(&header.id()));
        self.low.iter().skip(known.map_or(0, |place| place + 1)).take(HEADERS_MAX).copied().collect()
    }
}

fn low_chain(spec: &ChainSpec, clock: BlockTime) -> Vec<Header> {
    let (mut tree, mut chain) = (HeaderTree::new(spec), Vec::new());
    let mut time = spec.genesis().header.time.saturating_add(LATE_S);
    while time < clock {
        let parent = tree.best().id();
        let bits = tree.next_bits(&parent, spec).expect("the parent is in the tree");
        let mut header = forge::header(parent, time, bits, u64::MAX);
        forge::mine(&mut header);
        tree.insert(header, clock, spec).expect("a header that follows the rules");
        chain.push(header);
        time = time.saturating_add(Scenario::SPACING_S);
    }
    chain
}

impl World {
    fn liar(&mut self, at: usize) -> &mut Liar {
        self.nodes[at].liar.as_mut().expect("only liars lie")
    }

    fn answer_later(&mut self, at: usize, link: u64, request: RequestId, answer: Option<SyncAnswer>, wait_ms: u64) {
        let event = Event::Send { node: at, link, message: Message::Answer(request, answer) };
        self.queue.add(self.now_ms + wait_ms, event);
    }

    fn lied(&mut self, at: usize, what: &'static str) {
        self.note(Note::Lied { node: at, what });
    }

    /// What a liar answers.
    pub(super) fn answer_as_liar(&mut self, at: usize, link: u64, request: RequestId, question: &SyncQuestion) {
        let node = &self.nodes[at];
        let liar = node.liar.as_ref().expect("only liars lie");
        let (lie, at_hand) = (liar.lie, |id: &BlockHash| {
            node.sync.block_at_hand(id).or_else(|| liar.own.get(id).filter(|_| liar.lie == Lie::InvalidLate)).cloned()
        });
        let honest = node.chain.answer(question, at_hand, &mut self.library);
        match lie {
            Lie::Withhold => return self.withhold(at, link, request, question, honest),
            Lie::Stall => return self.stall(at, link, request, question, honest),
            Lie::Unrequested => return self.answer_otherwise(at, link, request, honest),
            Lie::Silent if !matches!(question, SyncQuestion::Headers { .. }) => return self.lied(at, "is silent"),
            _ => {}
        }
        let answer = match (lie, honest) {
            (Lie::BadWork | Lie::BadBits, SyncAnswer::Headers(headers)) => self.with_bad_header(at, lie, headers),
            (Lie::EndlessHeaders, SyncAnswer::Headers(_)) => {
                let SyncQuestion::Headers { locator } = question else { return };
                let headers = self.treadmill.next(locator);
                self.lied(at, "endless headers");
                return self.answer_later(at, link, request, Some(SyncAnswer::Headers(headers)), 3_000);
            }
            (Lie::LowWork, SyncAnswer::Headers(_)) => {
                let SyncQuestion::Headers { locator } = question else { return };
                let clock = self.clock_of(at);
                SyncAnswer::Headers(self.treadmill.low(locator, clock))
            }
            (Lie::WrongBodies, SyncAnswer::Blocks(blocks)) => self.wrong_bodies(at, blocks),
            (Lie::Garbage, SyncAnswer::BlockTransactions(_)) => self.wrong_transactions(at, question),
            (_, honest) => honest,
        };
        self.send(at, link, Message::Answer(request, Some(answer)));
    }

    fn withhold(&mut self, at: usize, link: u64, request: RequestId, question: &SyncQuestion, honest: SyncAnswer) {
        let own = &self.liar(at).own;
        let is_own = match question {
            SyncQuestion::Blocks { ids } => ids.iter().any(|id| own.contains_key(id)),
            SyncQuestion::BlockTransactions { block, .. } => own.contains_key(block),
            _ => false,
        };
        if !is_own {
            return self.send(at, link, Message::Answer(request, Some(honest)));
        }
        self.lied(at, "withholds");
        match self.liar(at).next(3) {
            0 => {}
            1 => self.send(at, link, Message::Answer(request, None)),
            _ => self.send(at, link, Message::Answer(request, Some(honest))),
        }
    }

    fn stall(&mut self, at: usize, link: u64, request: RequestId, question: &SyncQuestion, honest: SyncAnswer) {
        let last_moment_ms = match question {
            SyncQuestion::Headers { .. } => 18_000,
            SyncQuestion::Blocks { .. } => 57_000,
            SyncQuestion::Transactions { .. } | SyncQuestion::BlockTransactions { .. } => 4_000,
        };
        self.lied(at, "stalls");
        match self.liar(at).next(3) {
            0 => {}
            1 => self.answer_later(at, link, request, Some(honest), last_moment_ms),
            _ => self.answer_later(at, link, request, Some(honest), 2 * last_moment_ms),
        }
    }

    fn answer_otherwise(&mut self, at: usize, link: u64, request: RequestId, honest: SyncAnswer) {
        self.lied(at, "answers otherwise");
        let answer = match (self.liar(at).next(8), honest) {
            (0, SyncAnswer::Headers(_)) => SyncAnswer::Blocks(Vec::new()),
            (0, _) => SyncAnswer::Headers(Vec::new()),
            (1, SyncAnswer::Blocks(mut blocks)) => {
                blocks.extend(blocks.clone());
                SyncAnswer::Blocks(blocks)
            }
            (1, SyncAnswer::BlockTransactions(mut found)) => {
                found.pop();
                SyncAnswer::BlockTransactions(found)
            }
            (_, honest) => honest,
        };
        for number in [request, request, RequestId(request.0 + 1)] {
            self.send(at, link, Message::Answer(number, Some(answer.clone())));
        }
    }

    fn with_bad_header(&mut self, at: usize, lie: Lie, mut headers: Vec<Header>) -> SyncAnswer {
        let header = self.bad_header(at, lie, headers.last().map(Header::id));
        if headers.len() == HEADERS_MAX {
            headers.pop();
        }
        headers.push(header);
        self.lied(at, lie.name());
        SyncAnswer::Headers(headers)
    }

    fn bad_header(&mut self, at: usize, lie: Lie, parent: Option<BlockHash>) -> Header {
        self.number += 1;
        let chain = &self.nodes[at].chain;
        let parent = parent.unwrap_or(chain.state.tip());
        let bits = chain.tree.next_bits(&parent, self.library.spec()).unwrap_or(forge::EASIEST);
        let bits = if lie == Lie::BadBits { forge::EASIEST } else { bits };
        let mut header = forge::header(parent, self.clock_of(at), bits, self.number);
        if lie == Lie::BadBits {
            forge::mine(&mut header);
        } else {
            forge::spoil_work(&mut header);
        }
        header
    }

    fn wrong_bodies(&mut self, at: usize, mut blocks: Vec<BlockBytes>) -> SyncAnswer {
        self.lied(at, "wrong bodies");
        let way = self.liar(at).next(4);
        match (way, &mut blocks[..]) {
            // The bytes of another block.
            (0, [.., before, last]) => *last = before.clone(),
            // An extra byte of data in the coinbase: another leaf of the merkle tree.
            (1, [.., last]) => {
                let middle = last.0.len() - 10;
                last.0[middle] ^= 1;
            }
            (2, [.., last]) => last.0 = last.0[..last.0.len() - 1].into(),
            _ => {}
        }
        SyncAnswer::Blocks(blocks)
    }

    fn wrong_transactions(&mut self, at: usize, question: &SyncQuestion) -> SyncAnswer {
        self.lied(at, "wrong transactions");
        let SyncQuestion::BlockTransactions { places, .. } = question else {
            return SyncAnswer::BlockTransactions(Vec::new());
        };
        let other = self.coin_to_spend(at).map(|(_, outpoint, coin)| self.purse.pay_wrongly(outpoint, &coin));
        SyncAnswer::BlockTransactions(other.map_or_else(Vec::new, |payment| vec![payment; places.len()]))
    }

    /// What a liar does with the block that it finds.
    pub(super) fn mine_as_liar(&mut self, at: usize) {
        let lie = self.liar(at).lie;
        if !matches!(lie, Lie::Withhold | Lie::InvalidLate) {
            return self.find_block(at);
        }
        let Some((_, outpoint, coin)) = self.coin_to_spend(at) else { return };
        self.number += 1;
        let overpays = lie == Lie::InvalidLate && self.liar(at).next(2) == 0;
        let (chain, purse) = (&self.nodes[at].chain, &self.purse);
        let clock = self.nodes[at].clock(self.true_time_s());
        let forged = forge::block(chain, purse.address(), self.number, clock, &self.library, |block| {
            if overpays {
                let amount = &mut block.coinbase.outputs[0].amount;
                *amount = amount.checked_add(Amount::from_coins(1)).unwrap_or(*amount);
            } else if lie == Lie::InvalidLate {
                block.transactions.push(purse.pay_wrongly(outpoint, &coin));
            } else {
                block.transactions.push(purse.pay(outpoint, &coin, &[], self.library.spec()));
            }
        });
        let Some(forged) = forged else { return };
        self.lied(at, lie.name());
        self.report.mined += u64::from(lie == Lie::Withhold);
        self.liar(at).own.insert(forged.id(), Arc::clone(&forged));
        // Each peer hears it under another salt, so that it does not stop where it was heard before.
        let links: Vec<u64> = self.nodes[at].peers.keys().copied().collect();
        for link in links {
            let gossip = Gossip::block(CompactBlock::new(&forged, self.random.next(), |_| false));
            self.send(at, link, Message::Gossip(gossip));
        }
    }

    /// What a liar does when it hears of a block: some are quicker than whoever passes on what is right.
    pub(super) fn hear_as_liar(&mut self, at: usize, block: &CompactBlock) {
        let Some(liar) = &mut self.nodes[at].liar else { return };
        let lie = liar.lie;
        // Once for each block: else two of them would never end.
        if matches!(lie, Lie::Garbage | Lie::Silent) && liar.heard.insert(block.id()) {
            if lie == Lie::Garbage {
                self.announce_garbage(at, &block.header, &block.coinbase, &block.commitments);
            } else {
                self.announce_to_be_asked(at, block);
            }
        }
    }

    /// What a liar does of its own accord.
    pub(super) fn act_as_liar(&mut self, at: usize) {
        if self.nodes[at].is_up {
            match self.liar(at).lie {
                lie @ (Lie::BadWork | Lie::BadBits) => self.announce_bad_header(at, lie),
                Lie::Duplicates => self.announce_again(at),
                Lie::Garbage => {
                    let block = self.tip_block(at);
                    self.announce_garbage(at, block.header(), block.coinbase(), block.commitments());
                }
                Lie::Unrequested => self.answer_nobody(at),
                _ => {}
            }
        }
        let wait_ms = self.random.between(3_000, 20_000);
        self.queue.add(self.now_ms + wait_ms, Event::Act { node: at });
    }

    fn announce_bad_header(&mut self, at: usize, lie: Lie) {
        let header = self.bad_header(at, lie, None);
        let block = self.tip_block(at);
        let spec = self.library.spec();
        let compact = forge::compact(&header, block.coinbase(), block.commitments(), 1, Vec::new(), Vec::new(), spec);
        self.announce_as_liar(at, compact, lie.name());
    }

    fn announce_again(&mut self, at: usize) {
        let mut block = self.tip_block(at);
        for back in 0..3 {
            for salt in [7, 7, self.random.next()] {
                let compact = CompactBlock::new(&block, salt, |_| back == 1);
                self.announce_as_liar(at, Some(compact), "announces again");
            }
            let Some(below) = self.library.body(&block.header().parent).cloned() else { break };
            block = below;
        }
    }

    fn announce_garbage(&mut self, at: usize, header: &Header, coinbase: &Coinbase, commitments: &Commitments) {
        let ids = |random: u64| vec![ShortId([u8::try_from(random % 256).expect("a byte"); SHORT_ID_BYTES]); 2];
        let mut coinbase = coinbase.clone();
        let (mut names, mut prefilled) = (Vec::new(), Vec::new());
        match self.liar(at).next(4) {
            0 => names = ids(self.random.next()),
            1 => {
                names = ids(self.random.next());
                names.truncate(1);
            }
            2 => coinbase.outputs.clear(),
            _ => {
                let Some((_, outpoint, coin)) = self.coin_to_spend(at) else { return };
                prefilled.push(Prefilled { index: 0, transaction: self.purse.pay_wrongly(outpoint, &coin) });
            }
        }
        let (salt, spec) = (self.random.next(), self.library.spec());
        let compact = forge::compact(header, &coinbase, commitments, salt, names, prefilled, spec);
        self.announce_as_liar(at, compact, "garbage");
    }

    /// With a transaction that nobody has, or two of one name: then what is missing, or the whole block, has to be asked for.
    fn announce_to_be_asked(&mut self, at: usize, block: &CompactBlock) {
        let count = if self.liar(at).next(2) == 0 { 1 } else { 2 };
        let salt = self.random.next();
        let names = vec![ShortId([u8::try_from(salt % 256).expect("a byte"); SHORT_ID_BYTES]); count];
        let spec = self.library.spec();
        let compact = forge::compact(&block.header, &block.coinbase, &block.commitments, salt, names, Vec::new(), spec);
        self.announce_as_liar(at, compact, "announces to be asked");
    }

    fn answer_nobody(&mut self, at: usize) {
        let links: Vec<u64> = self.nodes[at].peers.keys().copied().collect();
        for link in links {
            let request = RequestId(self.random.below(50));
            self.send(at, link, Message::Answer(request, Some(SyncAnswer::Headers(Vec::new()))));
        }
        // Its machine goes on as if nothing had happened.
        self.feed(at, Input::Tick);
    }

    fn announce_as_liar(&mut self, at: usize, compact: Option<CompactBlock>, what: &'static str) {
        if let Some(compact) = compact {
            self.lied(at, what);
            self.announce(at, compact);
        }
    }

    fn tip_block(&self, at: usize) -> Arc<CheckedBlock> {
        let tip = self.nodes[at].chain.state.tip();
        Arc::clone(self.library.body(&tip).expect("a tip is a block"))
    }
}
