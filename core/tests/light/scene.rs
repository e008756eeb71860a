//! A client among peers that the test plays, with a clock that the test moves.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use qbtc_core::chain::BlockMark;
use qbtc_core::hash::BlockHash;
use qbtc_core::lock::Address;
use qbtc_core::net::{Fault, Hello, LightAnswer, LightQuestion, PROTOCOL_VERSION, Services, UserAgent};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::light::{
    AddressGroup, At, Event, FoundBlock, Input, Leaving, LightClient, Outcome, Output, Query, QueryId, Status, TipInfo,
};
use qbtc_core::sync::{Moment, PeerKey, RequestId};
use qbtc_core::units::{BlockTime, FeeRate, Height};

use super::node::FullNode;

/// What a peer does about a question.
pub(crate) enum Reply {
    /// What an honest node would.
    Honest,
    Answer(LightAnswer),
    /// What an honest node would, but later: see [`Scene::release`].
    Late,
    /// Nothing, for ever.
    Silence,
    /// Ends the question.
    End,
    /// Bytes that are no message.
    Junk,
}

/// How a peer behaves: given the question and the honest answer, if there is one now.
type Manner = Box<dyn FnMut(&LightQuestion, Option<&LightAnswer>) -> Reply>;

/// A node that the test can change while peers answer from it.
pub(crate) type Shared = Rc<RefCell<FullNode>>;

struct Peer {
    node: Shared,
    manner: Manner,
}

/// A question that is not answered yet.
struct Asked {
    peer: u64,
    request: RequestId,
    question: LightQuestion,
    since: Moment,
}

/// How long a node holds a question for its next tip back.
const HELD_MS: u64 = 30_000;

pub(crate) struct Scene {
    pub(crate) client: LightClient,
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) now: Moment,
    pub(crate) clock: BlockTime,
    peers: BTreeMap<u64, Peer>,
    asked: Vec<Asked>,
    /// Every question that was asked, and of whom.
    pub(crate) log: Vec<(u64, LightQuestion)>,
    pub(crate) tips: Vec<(TipInfo, Option<BlockMark>)>,
    pub(crate) statuses: Vec<Status>,
    pub(crate) faults: Vec<(u64, Fault)>,
    pub(crate) left: Vec<(u64, Leaving)>,
    pub(crate) answered: BTreeMap<QueryId, Outcome>,
    /// What the wallet was told, as it stands now.
    pub(crate) found: Vec<FoundBlock>,
    pub(crate) scanned: Option<BlockMark>,
    pub(crate) rolled_back: Vec<Option<BlockMark>>,
    /// Addresses that the wallet makes when it sees a block.
    pub(crate) grows: BTreeMap<BlockHash, Vec<Address>>,
    /// Whether the wallet takes in blocks by itself.
    pub(crate) takes: bool,
    /// Whether the wallet has a block that it has not taken in.
    is_given: bool,
    /// Answers that come late.
    late: Vec<Input>,
    next_peer: u64,
    next_query: u64,
}

impl Scene {
    pub(crate) fn new(spec: &Arc<ChainSpec>, clock: BlockTime) -> Self {
        let at = At { now: Moment(0), clock };
        Self::with(spec, clock, LightClient::new(Arc::clone(spec), [7; 32], at))
    }

    pub(crate) fn with(spec: &Arc<ChainSpec>, clock: BlockTime, client: LightClient) -> Self {
        Self {
            client,
            spec: Arc::clone(spec),
            now: Moment(0),
            clock,
            peers: BTreeMap::new(),
            asked: Vec::new(),
            log: Vec::new(),
            tips: Vec::new(),
            statuses: Vec::new(),
            faults: Vec::new(),
            left: Vec::new(),
            answered: BTreeMap::new(),
            found: Vec::new(),
            scanned: None,
            rolled_back: Vec::new(),
            grows: BTreeMap::new(),
            takes: true,
            is_given: false,
            late: Vec::new(),
            next_peer: 0,
            next_query: 0,
        }
    }

    pub(crate) fn at(&self) -> At {
        At { now: self.now, clock: self.clock }
    }

    /// An honest peer comes, in a group of its own.
    pub(crate) fn honest(&mut self, node: &Shared) -> u64 {
        self.peer(node, |_, _| Reply::Honest)
    }

    /// A peer comes.
    pub(crate) fn peer(
        &mut self,
        node: &Shared,
        manner: impl FnMut(&LightQuestion, Option<&LightAnswer>) -> Reply + 'static,
    ) -> u64 {
        let group = AddressGroup(self.next_peer + 1);
        self.peer_in(node, group, manner)
    }

    pub(crate) fn peer_in(
        &mut self,
        node: &Shared,
        group: AddressGroup,
        manner: impl FnMut(&LightQuestion, Option<&LightAnswer>) -> Reply + 'static,
    ) -> u64 {
        self.next_peer += 1;
        let key = self.next_peer;
        let hello = hello(&node.borrow());
        self.peers.insert(key, Peer { node: Rc::clone(node), manner: Box::new(manner) });
        self.tell(Input::PeerUp { peer: PeerKey(key), hello, group: Some(group) });
        self.run();
        key
    }

    pub(crate) fn gone(&mut self, peer: u64) {
        self.peers.remove(&peer);
        self.tell(Input::PeerDown { peer: PeerKey(peer) });
        self.run();
    }

    /// Looks for addresses from a height on.
    pub(crate) fn watch(&mut self, addresses: &[Address], from: u32) {
        self.tell(Input::Watch { addresses: addresses.to_vec(), from: Height(from) });
        self.run();
    }

    /// Asks something, and lets time pass until it is answered.
    pub(crate) fn query(&mut self, what: Query) -> Outcome {
        let query = self.begin_query(what);
        self.outcome(query)
    }

    /// Asks something.
    pub(crate) fn begin_query(&mut self, what: Query) -> QueryId {
        self.next_query += 1;
        let query = QueryId(self.next_query);
        self.tell(Input::Query { query, what });
        self.run();
        query
    }

    /// Lets the answers come that were late.
    pub(crate) fn release(&mut self) {
        assert!(!self.late.is_empty(), "something is late");
        for input in core::mem::take(&mut self.late) {
            self.tell(input);
        }
        self.run();
    }

    /// Lets time pass until it is answered.
    pub(crate) fn outcome(&mut self, query: QueryId) -> Outcome {
        for _ in 0..200 {
            if let Some(outcome) = self.answered.get(&query) {
                return outcome.clone();
            }
            self.wait(500);
        }
        panic!("no answer");
    }

    /// Hands something in and keeps what comes out.
    pub(crate) fn tell(&mut self, input: Input) {
        self.client.handle(input, self.at());
        while let Some(output) = self.client.poll() {
            match output {
                Output::Ask { peer, request, question } => {
                    self.log.push((peer.0, question.clone()));
                    self.asked.push(Asked { peer: peer.0, request, question, since: self.now });
                }
                Output::Fault { peer, fault } => self.faults.push((peer.0, fault)),
                Output::Leave { peer, why } => {
                    self.left.push((peer.0, why));
                    self.peers.remove(&peer.0);
                }
                Output::Event(event) => self.event(event),
            }
        }
        assert!(self.client.deadline() > self.now, "never a deadline that has passed");
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Status(status) => self.statuses.push(status),
            Event::Tip { tip, fork } => self.tips.push((tip, fork)),
            Event::RolledBack { to } => {
                self.rolled_back.push(to);
                self.is_given = false;
                let height = to.map(|to| to.height);
                assert!(height <= self.scanned.map(|mark| mark.height), "back, and not forth");
                self.found.retain(|found| Some(found.mark.height) <= height);
                self.scanned = to;
            }
            Event::Scanned { to, found } => {
                assert!(self.scanned.is_none_or(|last| last.height < to.height), "in order, and each once");
                self.scanned = Some(to);
                if let Some(found) = found {
                    assert_eq!(found.mark, to);
                    self.found.push(*found);
                    self.is_given = true;
                }
            }
            Event::Answered { query, outcome } => {
                assert!(self.answered.insert(query, outcome).is_none(), "one answer each");
            }
        }
    }

    /// Takes in the block that the wallet was given last.
    pub(crate) fn take(&mut self) {
        self.is_given = false;
        let Some(id) = self.found.last().map(|found| found.mark.id) else { return };
        let addresses = self.grows.get(&id).cloned().unwrap_or_default();
        self.tell(Input::Taken { id, addresses });
    }

    /// Lets peers answer until nobody has anything more to say at this moment.
    pub(crate) fn run(&mut self) {
        for _ in 0..10_000 {
            if self.takes && self.is_given {
                self.take();
                continue;
            }
            let Some(place) = (0..self.asked.len()).find(|place| self.is_due(*place)) else { return };
            self.answer(place);
        }
        panic!("it never ends");
    }

    fn is_due(&mut self, place: usize) -> bool {
        let Asked { peer, question, since, .. } = &self.asked[place];
        let Some(peer) = self.peers.get_mut(peer) else { return true };
        let honest = peer.node.borrow().answer(question);
        let is_held = matches!(question, LightQuestion::NextTip { .. }) && honest.is_none();
        if is_held {
            return self.now.since(*since) >= HELD_MS;
        }
        true
    }

    fn answer(&mut self, place: usize) {
        let Asked { peer, request, question, .. } = self.asked.remove(place);
        let Some(peer) = self.peers.get_mut(&peer) else { return };
        let node = peer.node.borrow();
        let honest = node.answer(&question).unwrap_or_else(|| LightAnswer::Tip(node.light_tip()));
        drop(node);
        let input = match (peer.manner)(&question, Some(&honest)) {
            Reply::Honest => Input::Answer { request, answer: over_the_wire(&honest, &self.spec) },
            Reply::Answer(answer) => Input::Answer { request, answer },
            Reply::Late => {
                self.late.push(Input::Answer { request, answer: over_the_wire(&honest, &self.spec) });
                return;
            }
            Reply::Silence => return,
            Reply::End => Input::Unanswered { request },
            Reply::Junk => Input::Malformed { request },
        };
        self.tell(input);
    }

    /// Lets time pass, with everything that happens in it.
    pub(crate) fn wait(&mut self, ms: u64) {
        let end = self.now.plus(ms);
        self.run();
        while self.now < end {
            let before = self.now;
            let held = self.asked.iter().map(|asked| asked.since.plus(HELD_MS)).filter(|moment| *moment > before).min();
            let next = self.client.deadline().min(held.unwrap_or(end)).min(end);
            self.now = next;
            let seconds = u32::try_from(next.0 / 1_000 - before.0 / 1_000).unwrap();
            self.clock = self.clock.saturating_add(seconds);
            self.tell(Input::Tick);
            self.run();
        }
    }

    pub(crate) fn tip(&self) -> BlockHash {
        self.client.tip().mark.id
    }

    /// What a peer was found at fault for.
    pub(crate) fn faults_of(&self, peer: u64) -> Vec<Fault> {
        self.faults.iter().filter(|(key, _)| *key == peer).map(|(_, fault)| fault.clone()).collect()
    }

    pub(crate) fn was_left(&self, peer: u64) -> Option<Leaving> {
        self.left.iter().find(|(key, _)| *key == peer).map(|(_, why)| *why)
    }

    /// How many questions of a kind were asked.
    pub(crate) fn asked_for(&self, is_kind: impl Fn(&LightQuestion) -> bool) -> usize {
        self.log.iter().filter(|(_, question)| is_kind(question)).count()
    }

    /// Heights of the blocks that the wallet was given.
    pub(crate) fn found_heights(&self) -> Vec<u32> {
        self.found.iter().map(|found| found.mark.height.0).collect()
    }
}

pub(crate) fn shared(node: FullNode) -> Shared {
    Rc::new(RefCell::new(node))
}

pub(crate) fn is_work(question: &LightQuestion) -> bool {
    matches!(question, LightQuestion::Work { .. })
}

pub(crate) fn hello(node: &FullNode) -> Hello {
    Hello {
        version: PROTOCOL_VERSION,
        chain_id: node.spec.chain_id(),
        tip: node.tip(),
        height: node.height(),
        work: node.work(),
        services: Services::NODE.and(Services::LIGHT).and(Services::ALL_BODIES),
        fee_rate_min: FeeRate::from_quanta_per_1000_bytes(0),
        time: node.tip_header().time,
        user_agent: UserAgent::new("test").unwrap(),
    }
}

/// What a message is when it arrives.
fn over_the_wire(answer: &LightAnswer, spec: &ChainSpec) -> LightAnswer {
    LightAnswer::from_bytes(&answer.to_bytes(), spec).unwrap()
}
