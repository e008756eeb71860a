//! A node around the machine: a header tree, an empty mempool, a clock that the test moves, and peers that the test plays.
//!
//! Bodies are the header and filling, since the machine looks at no more of them.

use std::collections::{HashMap, VecDeque};

use qbtc_core::chain::{HeaderTree, InsertError};
use qbtc_core::hash::{BlockHash, MerkleRoot};
use qbtc_core::header::Header;
use qbtc_core::mempool::{Mempool, Policy};
use qbtc_core::net::{
    BlockBytes, Fault, HEADERS_MAX, Hello, PROTOCOL_VERSION, Services, SyncAnswer, SyncQuestion, UserAgent,
};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::{
    BlockOutcome, Body, ChainSync, Input, Limits, Moment, Output, PeerKey, RequestId, Surroundings, Ticket,
};
use qbtc_core::units::{BlockTime, FeeRate, Height, Work};

use crate::support::{mine, spec_text};

/// A time that no block is ahead of.
pub(crate) const CLOCK: BlockTime = BlockTime(u32::MAX - 10_000);

/// A chain with blocks of at most 160 KiB, so that a few of them fill what a machine may hold.
pub(crate) fn spec() -> ChainSpec {
    let limits = "block_bytes = 4_194_304, tx_bytes = 1_048_576";
    let text = spec_text().replace(limits, "block_bytes = 163_840, tx_bytes = 16_384");
    let spec = ChainSpec::from_toml(&text).unwrap();
    assert_eq!(spec.consensus().limits.block_bytes, 163_840);
    spec
}

/// So many headers on top of a parent. Another tag makes other headers.
pub(crate) fn headers(parent: &Header, count: usize, tag: u8) -> Vec<Header> {
    let mut chain = Vec::with_capacity(count);
    let mut last = *parent;
    for _ in 0..count {
        let merkle_root = MerkleRoot::from_bytes([tag; 32]);
        last = mine(Header { parent: last.id(), time: BlockTime(last.time.0 + 60), merkle_root, nonce: 0, ..last });
        chain.push(last);
    }
    chain
}

/// The node.
pub(crate) struct Desk {
    pub(crate) spec: ChainSpec,
    pub(crate) sync: ChainSync,
    pub(crate) tree: HeaderTree,
    pub(crate) pool: Mempool,
    pub(crate) now: Moment,
    pub(crate) clock: BlockTime,
    /// What the machine said that is not done yet.
    pub(crate) said: VecDeque<Output>,
    /// Blocks in the order in which they were handed out.
    pub(crate) taken: Vec<BlockHash>,
    pub(crate) faults: Vec<(PeerKey, Fault)>,
    /// What comes of blocks, where it is not [`BlockOutcome::Stored`].
    pub(crate) outcomes: HashMap<BlockHash, BlockOutcome>,
    pub(crate) is_synced: bool,
    pub(crate) limits: Limits,
}

/// A peer's chain.
#[derive(Clone)]
pub(crate) struct Chain {
    headers: Vec<Header>,
    ids: Vec<BlockHash>,
    places: HashMap<BlockHash, usize>,
    pub(crate) block_bytes: usize,
}

impl Chain {
    /// The genesis block, and so many after it.
    pub(crate) fn new(spec: &ChainSpec, count: usize, tag: u8) -> Self {
        let genesis = spec.genesis().header;
        let mut all = vec![genesis];
        all.extend(headers(&genesis, count, tag));
        Self::of(all)
    }

    /// These headers, the genesis block's first.
    pub(crate) fn of(headers: Vec<Header>) -> Self {
        let ids: Vec<_> = headers.iter().map(Header::id).collect();
        Self { places: ids.iter().copied().zip(0..).collect(), ids, headers, block_bytes: 200 }
    }

    /// Another chain, which leaves this one after so many blocks above the genesis block.
    pub(crate) fn fork(&self, shared: usize, count: usize, tag: u8) -> Self {
        let mut all = self.headers[..=shared].to_vec();
        all.extend(headers(&all[shared], count, tag));
        Self { block_bytes: self.block_bytes, ..Self::of(all) }
    }

    pub(crate) fn tip(&self) -> BlockHash {
        *self.ids.last().unwrap()
    }

    pub(crate) fn ids(&self) -> &[BlockHash] {
        &self.ids
    }

    pub(crate) fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// What two hashes a block come to.
    pub(crate) fn work(&self) -> Work {
        Work::from(2 * self.headers.len() as u64)
    }

    pub(crate) fn hello(&self, spec: &ChainSpec) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            chain_id: spec.chain_id(),
            tip: self.tip(),
            height: Height(u32::try_from(self.headers.len() - 1).unwrap()),
            work: self.work(),
            services: Services::NODE.and(Services::ALL_BODIES).and(Services::ALL_WITNESSES),
            fee_rate_min: FeeRate::from_quanta_per_1000_bytes(0),
            time: CLOCK,
            user_agent: UserAgent::new("test").unwrap(),
        }
    }

    pub(crate) fn body(&self, place: usize) -> Vec<u8> {
        let mut bytes = self.headers[place].to_bytes().to_vec();
        bytes.resize(self.block_bytes.max(Header::BYTES), 7);
        bytes
    }

    /// What an honest peer with this chain answers.
    pub(crate) fn answer(&self, question: &SyncQuestion, spec: &ChainSpec) -> SyncAnswer {
        let place = |id: &BlockHash| self.places.get(id).copied();
        match question {
            SyncQuestion::Headers { locator } => {
                let from = locator.iter().find_map(place).unwrap_or(0);
                SyncAnswer::Headers(self.headers[from + 1..].iter().take(HEADERS_MAX).copied().collect())
            }
            SyncQuestion::Blocks { ids } => {
                SyncAnswer::of_blocks(ids.iter().map_while(place).map(|place| self.body(place)), spec)
            }
            SyncQuestion::Transactions { .. } | SyncQuestion::BlockTransactions { .. } => {
                SyncAnswer::BlockTransactions(Vec::new())
            }
        }
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::of(&spec()))
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        let spec = spec();
        Self {
            sync: ChainSync::new(limits, 1, Moment(1)),
            tree: HeaderTree::new(&spec),
            pool: Mempool::new(Policy::default(), Height(1)),
            spec,
            now: Moment(1),
            clock: CLOCK,
            said: VecDeque::new(),
            taken: Vec::new(),
            faults: Vec::new(),
            outcomes: HashMap::new(),
            is_synced: true,
            limits,
        }
    }

    /// Tells the machine something, and does at once what concerns only the node. What remains are questions and verdicts.
    pub(crate) fn tell(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let at =
                Surroundings { now: self.now, clock: self.clock, tree: &self.tree, pool: &self.pool, spec: &self.spec };
            self.sync.handle(input, &at);
            assert!(self.sync.deadline() > self.now, "it would be woken again and again");
            assert!(self.sync.held_bytes() <= self.limits.held_bytes, "{} bytes", self.sync.held_bytes());
            while let Some(output) = self.sync.poll() {
                match output {
                    Output::TakeHeaders { ticket, headers } => inputs.push_back(self.take_headers(ticket, &headers)),
                    Output::TakeBlock { id, body } => inputs.push_back(self.take_block(id, &body)),
                    Output::Fault { peer, fault } => self.faults.push((peer, fault)),
                    Output::Synced(is_synced) => self.is_synced = is_synced,
                    said @ (Output::Ask { .. } | Output::Verdict { .. }) => self.said.push_back(said),
                }
            }
        }
    }

    fn take_headers(&mut self, ticket: Ticket, headers: &[Header]) -> Input {
        let insert = |header: &Header| self.tree.insert(*header, self.clock, &self.spec).map(drop);
        let outcome: Result<(), InsertError> = headers.iter().try_for_each(insert);
        Input::HeadersTaken { ticket, outcome }
    }

    fn take_block(&mut self, id: BlockHash, body: &Body) -> Input {
        if let Body::Bytes(bytes) = body {
            assert_eq!(Header::from_bytes(bytes.0.first_chunk().unwrap()).id(), id);
        }
        self.taken.push(id);
        let outcome = self.outcomes.remove(&id).unwrap_or(BlockOutcome::Stored);
        match outcome {
            BlockOutcome::Stored => self.tree.add_body(&id).unwrap(),
            BlockOutcome::WrongBody => {}
            BlockOutcome::Invalid => self.tree.mark_invalid(&id).unwrap(),
        }
        Input::BlocksTaken { outcomes: vec![(id, outcome)] }
    }

    pub(crate) fn peer_up(&mut self, peer: u64, chain: &Chain) {
        let hello = chain.hello(&self.spec);
        self.tell(Input::PeerUp { peer: PeerKey(peer), hello, is_outbound: true });
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
        self.tell(Input::Tick);
    }

    /// The next question, whoever it is for.
    pub(crate) fn asked(&mut self) -> Option<(u64, RequestId, SyncQuestion)> {
        let place = self.said.iter().position(|output| matches!(output, Output::Ask { .. }))?;
        match self.said.remove(place) {
            Some(Output::Ask { peer, request, question }) => Some((peer.0, request, question)),
            _ => None,
        }
    }

    /// All questions that wait.
    pub(crate) fn all_asked(&mut self) -> Vec<(u64, RequestId, SyncQuestion)> {
        std::iter::from_fn(|| self.asked()).collect()
    }

    pub(crate) fn answer(&mut self, request: RequestId, answer: &SyncAnswer) {
        // What is used is what came over the wire.
        let answer = SyncAnswer::from_bytes(&answer.to_bytes(), &self.spec).unwrap();
        self.tell(Input::Answer { request, answer });
    }

    /// Answers every question as these honest peers do, until none is left.
    pub(crate) fn serve(&mut self, chains: &[(u64, &Chain)]) {
        while let Some((peer, request, question)) = self.asked() {
            if let Some((_, chain)) = chains.iter().find(|(key, _)| *key == peer) {
                let answer = chain.answer(&question, &self.spec);
                self.answer(request, &answer);
            }
        }
    }

    /// Waits and serves for so long.
    pub(crate) fn serve_for(&mut self, ms: u64, chains: &[(u64, &Chain)]) {
        let end = self.now.plus(ms);
        self.serve(chains);
        while self.now < end {
            self.now = self.sync.deadline().min(end).max(self.now.plus(1));
            self.tell(Input::Tick);
            self.serve(chains);
        }
    }

    /// Fails unless the chain is complete up to this one's tip, and every block of it was taken once, in order.
    pub(crate) fn assert_has(&self, chain: &Chain) {
        assert_eq!(self.tree.best_complete().id(), chain.tip());
        assert_eq!(self.taken, chain.ids()[1..]);
        assert!(self.is_synced);
    }

    pub(crate) fn faults_of(&self, peer: u64) -> Vec<&Fault> {
        self.faults.iter().filter(|(key, _)| key.0 == peer).map(|(_, fault)| fault).collect()
    }
}

/// A body as it is sent.
pub(crate) fn block_bytes(bytes: Vec<u8>) -> BlockBytes {
    BlockBytes(bytes.into())
}
