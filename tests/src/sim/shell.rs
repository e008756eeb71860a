//! What a node's shell does: carries messages to and from the machine, does what it says, and holds its faults against peers.

use std::rc::Rc;

use qbtc_core::hash::BlockHash;
use qbtc_core::net::{CompactBlock, Fault, Hello};
use qbtc_core::sync::{Announcement, BlockOutcome, Input, Judgement, Moment, Output, PeerKey, Verdict};

use super::chain::Moved;
use super::link::{Content, End, Gossip, Message};
use super::node::{BAN_MS, Job, LEFT_MS};
use super::queue::Event;
use super::trace::Note;
use super::world::World;

/// How often in a row a machine may ask to be woken at once.
const WAKES_MAX: u32 = 100;
/// What a single fault may weigh that is found in an honest peer: more than bad luck ever weighs.
const BAD_LUCK_POINTS: u32 = 10;

impl World {
    pub(super) fn hello_of(&self, at: usize) -> Hello {
        let (node, clock) = (&self.nodes[at], self.clock_of(at));
        let hello = node.hello(clock, self.library.spec());
        node.liar.as_ref().map_or_else(|| hello.clone(), |liar| liar.hello(hello.clone()))
    }

    /// Sends a message over a connection, if it still stands.
    pub(super) fn send(&mut self, at: usize, link: u64, message: Message) {
        let Some(peer) = self.nodes[at].peers.get(&link) else { return };
        let (end, place) = (peer.end, usize::try_from(link).expect("a number of a connection"));
        let bytes = message.bytes();
        self.report.sent_bytes += bytes;
        let arrival = self.links[place].arrival(end, bytes, self.now_ms, &mut self.random);
        self.queue.add(arrival, Event::Deliver { link: place, to: end.other(), message });
    }

    pub(super) fn deliver(&mut self, link: usize, to: End, message: Message) {
        let (at, from) = (self.links[link].at(to), self.links[link].at(to.other()));
        // What is under way when a connection breaks or the network falls apart is lost.
        if !self.links[link].is_open || self.parts[at] != self.parts[from] {
            return;
        }
        self.note(Note::Arrived { from, to: at, what: message.name(), bytes: message.bytes() });
        let key = link as u64;
        match message {
            Message::Hello(hello) => {
                let Some(peer) = self.nodes[at].peers.get_mut(&key) else { return };
                peer.is_known = true;
                let is_outbound = peer.end == End::Dialler;
                self.nodes[at].scores.meet(PeerKey(key));
                self.feed(at, Input::PeerUp { peer: PeerKey(key), hello, is_outbound });
            }
            Message::Question(request, question) => {
                if self.nodes[at].is_honest() {
                    let node = &self.nodes[at];
                    let at_hand = |id: &BlockHash| node.sync.block_at_hand(id).cloned();
                    let answer = node.chain.answer(&question, at_hand, &mut self.library);
                    self.send(at, key, Message::Answer(request, Some(answer)));
                } else {
                    self.answer_as_liar(at, key, request, &question);
                }
            }
            Message::Answer(request, answer) => {
                // An answer belongs to the question on whose stream it comes; others have none.
                if self.nodes[at].asked.get(&request) == Some(&key) {
                    self.nodes[at].asked.remove(&request);
                    self.feed(
                        at,
                        answer.map_or(Input::Unanswered { request }, |answer| Input::Answer { request, answer }),
                    );
                }
            }
            Message::Gossip(gossip) => self.hear(at, key, gossip),
        }
    }

    /// A node hears of something new.
    fn hear(&mut self, at: usize, link: u64, gossip: Rc<Gossip>) {
        if !self.nodes[at].sees(gossip.key) {
            return;
        }
        match &gossip.content {
            Content::Transaction(tx) => {
                let clock = self.clock_of(at);
                if self.nodes[at].chain.admit(tx, clock, &mut self.library) {
                    self.pass_on(at, &gossip, Some(link));
                }
            }
            Content::Block(block) => {
                let block = CompactBlock::clone(block);
                self.hear_as_liar(at, &block);
                self.number += 1;
                let announcement = Announcement(self.number);
                self.nodes[at].announced.insert(self.number, (gossip, link));
                self.feed(at, Input::Announced { peer: PeerKey(link), block, announcement });
            }
        }
    }

    pub(super) fn down(&mut self, at: usize, life: u32, link: usize) {
        if self.nodes[at].life == life && self.nodes[at].is_up {
            self.nodes[at].scores.forget(PeerKey(link as u64));
            self.feed(at, Input::PeerDown { peer: PeerKey(link as u64) });
        }
    }

    pub(super) fn wake(&mut self, at: usize, life: u32) {
        if self.nodes[at].life != life || self.nodes[at].wake_at != Some(self.now_ms) {
            return;
        }
        self.nodes[at].wake_at = None;
        if self.nodes[at].sync.deadline().0 <= self.now_ms {
            self.feed(at, Input::Tick);
        } else {
            self.rest(at);
        }
    }

    /// Tells a machine what happened, and does what it says.
    pub(super) fn feed(&mut self, at: usize, input: Input) {
        let clock = self.clock_of(at);
        let node = &mut self.nodes[at];
        node.handle(input, self.now_ms, clock, self.library.spec());
        let (held, limit) = (node.sync.held_bytes(), node.limits.held_bytes);
        self.report.held_bytes_max = self.report.held_bytes_max.max(held);
        if held > limit {
            self.fail(format!("the machine of node {at} holds {held} bytes of {limit}"));
        }
        while let Some(output) = self.nodes[at].sync.poll() {
            self.act(at, output);
        }
        self.rest(at);
    }

    /// Has a machine woken when it wants to be.
    fn rest(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let deadline = node.sync.deadline().0;
        node.restless = if deadline <= self.now_ms { node.restless + 1 } else { 0 };
        if node.restless > WAKES_MAX {
            self.fail(format!("the machine of node {at} never rests"));
            return;
        }
        let wake_at = deadline.max(self.now_ms + 1);
        if node.wake_at.is_none_or(|before| before > wake_at) {
            node.wake_at = Some(wake_at);
            self.queue.add(wake_at, Event::Wake { node: at, life: node.life });
        }
    }

    fn act(&mut self, at: usize, output: Output) {
        match output {
            Output::Ask { peer, request, question } => {
                if self.nodes[at].peers.contains_key(&peer.0) {
                    self.nodes[at].asked.insert(request, peer.0);
                    self.send(at, peer.0, Message::Question(request, question));
                }
            }
            Output::TakeHeaders { ticket, headers } => {
                let takes_ms = 1 + headers.len() as u64 / 100;
                self.give_work(at, Job::Headers(ticket, headers), takes_ms);
            }
            Output::TakeBlock { id, body } => {
                let takes_ms = 2 + body.size_bytes() as u64 / 20_000;
                self.give_work(at, Job::Block(id, body), takes_ms);
            }
            Output::Verdict { announcement, verdict } => self.judge(at, announcement, verdict),
            Output::Fault { peer, fault } => self.blame(at, peer, &fault),
            Output::Synced(is_synced) => self.nodes[at].is_synced = is_synced,
        }
    }

    fn judge(&mut self, at: usize, announcement: Announcement, verdict: Verdict) {
        let Some((gossip, link)) = self.nodes[at].announced.remove(&announcement.0) else {
            self.fail(format!("node {at} judges an announcement that it was not told of, or twice"));
            return;
        };
        match verdict {
            Verdict::Accept if self.nodes[at].passes_on() => self.pass_on(at, &gossip, Some(link)),
            Verdict::Accept | Verdict::Ignore => {}
            Verdict::Reject => {
                let from = self.other_end(at, link);
                if self.nodes[at].is_honest() && self.nodes[from].is_honest() {
                    self.fail(format!("node {at} rejects a block that node {from}, which is honest, passed on"));
                }
            }
        }
    }

    fn other_end(&self, at: usize, link: u64) -> usize {
        let link = &self.links[usize::try_from(link).expect("a number of a connection")];
        if link.dialler == at { link.listener } else { link.dialler }
    }

    /// Holds a fault against a peer. That of an honest one must be bad luck, and rare.
    fn blame(&mut self, at: usize, peer: PeerKey, fault: &Fault) {
        let of = self.other_end(at, peer.0);
        let text = format!("{fault:?}");
        self.note(Note::Fault { at, of, fault: text.clone() });
        if !self.nodes[at].is_honest() {
            return;
        }
        let is_honest = self.nodes[of].is_honest();
        if is_honest && fault.points() > BAD_LUCK_POINTS {
            self.fail(format!("node {at} accuses node {of}, which is honest, of {text}"));
        }
        let faults = if is_honest { &mut self.report.honest_faults } else { &mut self.report.liar_faults };
        let name = text.split([' ', '(']).next().unwrap_or(&text).to_owned();
        *faults.entry(name).or_default() += 1;
        // It may be gone already, and what it did come to light only now.
        if !self.nodes[at].peers.contains_key(&peer.0) {
            return;
        }
        let judgement = self.nodes[at].scores.hold(peer, fault, Moment(self.now_ms));
        let link = usize::try_from(peer.0).expect("a number of a connection");
        if is_honest && judgement != Judgement::Bear {
            self.fail(format!("node {at} leaves node {of}, which is honest, for {text} and what was before"));
        }
        match judgement {
            Judgement::Bear => {}
            Judgement::Leave => {
                self.nodes[at].ban(of, self.now_ms + LEFT_MS);
                self.close(link, "faults");
            }
            Judgement::Ban => {
                self.report.bans += 1;
                self.note(Note::Banned { at, whom: of });
                self.nodes[at].ban(of, self.now_ms + BAN_MS);
                self.close(link, "ban");
            }
        }
    }

    /// Gives the thread that owns the chain something to do, after what it has to do already.
    fn give_work(&mut self, at: usize, job: Job, takes_ms: u64) {
        let node = &mut self.nodes[at];
        node.busy_until = node.busy_until.max(self.now_ms) + takes_ms;
        node.jobs.push_back(job);
        self.queue.add(node.busy_until, Event::Work { node: at, life: node.life });
    }

    pub(super) fn work(&mut self, at: usize, life: u32) {
        if self.nodes[at].life != life || !self.nodes[at].is_up {
            return;
        }
        let Some(job) = self.nodes[at].jobs.pop_front() else { return };
        let clock = self.clock_of(at);
        let chain = &mut self.nodes[at].chain;
        let input = match job {
            Job::Headers(ticket, headers) => {
                let take = |header| chain.take_header(header, clock, &self.library).map(drop);
                let outcome = headers.into_iter().try_for_each(take);
                Input::HeadersTaken { ticket, outcome }
            }
            Job::Block(id, body) => {
                let (outcome, moves) = chain.take_body(&id, &body, clock, &mut self.library);
                if outcome == BlockOutcome::Stored {
                    self.moved(at, &id, &moves);
                } else if self.nodes[at].is_honest() {
                    self.report.refused += 1;
                }
                Input::BlocksTaken { outcomes: vec![(id, outcome)] }
            }
        };
        self.nodes[at].flush_if_due(self.now_ms);
        self.feed(at, input);
    }

    /// Notes that a node has a block, and where its tip went.
    pub(super) fn moved(&mut self, at: usize, id: &BlockHash, moves: &[Moved]) {
        if self.nodes[at].is_honest()
            && let Some(spread) = self.spread.get_mut(id)
        {
            spread.nodes += 1;
            spread.last_ms = self.now_ms;
        }
        let (tip, height) = (self.nodes[at].chain.state.tip(), self.nodes[at].chain.state.height().0);
        for moved in moves {
            self.note(Note::Tip { node: at, height, id: tip, left: moved.left });
            if self.nodes[at].is_honest() {
                self.report.reorg_depth_max = self.report.reorg_depth_max.max(moved.left);
            }
        }
    }
}
