//! Connections that come and go, a network that falls apart, nodes that crash.

use super::link::{End, LOSS_PERMILLE_MAX, Link, Message};
use super::node::Peer;
use super::queue::Event;
use super::scenario::Trouble;
use super::trace::Note;
use super::world::World;

/// How many connections a node makes.
const DIALS: usize = 8;
/// The mean time between breaks of one connection, between crashes of one node, and between partitions.
const BREAK_MS: u64 = 30 * 60_000;
const CRASH_MS: u64 = 120 * 60_000;
const PART_MS: u64 = 25 * 60_000;

impl World {
    /// Schedules a look for somebody to connect to, if there is none under way.
    pub(super) fn dial_soon(&mut self, at: usize) {
        let wait_ms = self.random.between(100, 3_000);
        let node = &mut self.nodes[at];
        if node.is_up && !node.is_dialling {
            node.is_dialling = true;
            self.queue.add(self.now_ms + wait_ms, Event::Dial { node: at, life: node.life });
        }
    }

    pub(super) fn dial(&mut self, at: usize, life: u32) {
        if self.nodes[at].life != life || !self.nodes[at].is_up {
            return;
        }
        self.nodes[at].is_dialling = false;
        if self.nodes[at].dialled() >= DIALS {
            return;
        }
        let (node, now_ms) = (&self.nodes[at], self.now_ms);
        let is_wanted = |other: &usize| !node.is_connected_to(*other) && !node.has_banned(*other, now_ms);
        let wanted: Vec<usize> = node.known.iter().copied().filter(is_wanted).collect();
        if wanted.is_empty() {
            let life = node.life;
            // Somebody may be unbanned, or leave.
            self.nodes[at].is_dialling = true;
            self.queue.add(now_ms + 30_000, Event::Dial { node: at, life });
            return;
        }
        let other = wanted[self.random.place(wanted.len())];
        let link = self.new_link(at, other);
        if self.can_meet(at, other) {
            self.queue.add(now_ms + link.handshake_ms(), Event::Open { link: self.links.len() });
            self.links.push(link);
        }
        self.dial_soon(at);
    }

    fn new_link(&mut self, at: usize, other: usize) -> Link {
        let link = Link::new(at, other, &mut self.random);
        if self.scenario.troubles.contains(&Trouble::Loss) && !self.is_calm {
            let loss_permille = self.random.below(LOSS_PERMILLE_MAX + 1);
            return link.losing(loss_permille);
        }
        link
    }

    fn can_meet(&self, at: usize, other: usize) -> bool {
        self.parts[at] == self.parts[other]
            && [(at, other), (other, at)]
                .iter()
                .all(|(one, two)| self.nodes[*one].is_up && !self.nodes[*one].has_banned(*two, self.now_ms))
    }

    pub(super) fn open(&mut self, link: usize) {
        let (dialler, listener) = (self.links[link].dialler, self.links[link].listener);
        let is_full = self.nodes[dialler].dialled() >= DIALS;
        if !self.can_meet(dialler, listener) || is_full || self.nodes[dialler].is_connected_to(listener) {
            self.links[link].is_open = false;
            return;
        }
        self.report.connections += 1;
        self.note(Note::Connected { from: dialler, to: listener });
        for (end, at, other) in [(End::Dialler, dialler, listener), (End::Listener, listener, dialler)] {
            self.nodes[at].peers.insert(link as u64, Peer { node: other, end, is_known: false });
            let hello = self.hello_of(at);
            self.send(at, link as u64, Message::Hello(hello));
        }
    }

    pub(super) fn close(&mut self, link: usize, why: &'static str) {
        if !std::mem::replace(&mut self.links[link].is_open, false) {
            return;
        }
        let (dialler, listener) = (self.links[link].dialler, self.links[link].listener);
        self.note(Note::Closed { from: dialler, to: listener, why });
        for at in [dialler, listener] {
            let node = &mut self.nodes[at];
            if node.peers.remove(&(link as u64)).is_some_and(|peer| peer.is_known) {
                node.asked.retain(|_, asked| *asked != link as u64);
                self.queue.add(self.now_ms, Event::Down { node: at, life: node.life, link });
            }
            self.dial_soon(at);
        }
    }

    pub(super) fn plan_troubles(&mut self) {
        for trouble in self.scenario.troubles.clone() {
            match trouble {
                Trouble::Breaks => self.break_later(),
                Trouble::Partitions => self.part_later(),
                Trouble::Crashes => self.crash_later(),
                Trouble::Skew | Trouble::Loss => {}
            }
        }
    }

    fn break_later(&mut self) {
        let open = self.links.iter().filter(|link| link.is_open).count() as u64;
        let wait_ms = self.random.exponential(BREAK_MS / open.max(1));
        self.queue.add(self.now_ms + wait_ms.max(1), Event::Break);
    }

    pub(super) fn break_one(&mut self) {
        if self.is_calm {
            return;
        }
        let open: Vec<usize> = (0..self.links.len()).filter(|link| self.links[*link].is_open).collect();
        if !open.is_empty() {
            let place = self.random.place(open.len());
            self.close(open[place], "break");
        }
        self.break_later();
    }

    fn part_later(&mut self) {
        // The first comes early, so that short runs have one too.
        let mean = if self.report.partitions == 0 { PART_MS / 10 } else { PART_MS };
        let wait_ms = self.random.exponential(mean);
        self.queue.add(self.now_ms + wait_ms, Event::Part);
    }

    pub(super) fn part(&mut self) {
        if self.is_calm {
            return;
        }
        self.report.partitions += 1;
        let share = self.random.between(20, 50);
        for part in &mut self.parts {
            *part = self.random.percent(share);
        }
        let nodes = self.parts.iter().filter(|part| **part).count();
        self.note(Note::Partitioned { nodes });
        for link in 0..self.links.len() {
            if self.links[link].is_open && self.parts[self.links[link].dialler] != self.parts[self.links[link].listener]
            {
                let silent_ms = self.random.between(5_000, 30_000);
                self.queue.add(self.now_ms + silent_ms, Event::Silence { link });
            }
        }
        let lasts_ms = self.random.between(4 * 60_000, 12 * 60_000);
        self.queue.add(self.now_ms + lasts_ms, Event::Heal);
    }

    pub(super) fn heal(&mut self) {
        if self.parts.iter().any(|part| *part) {
            self.parts.fill(false);
            self.note(Note::Healed);
        }
        if !self.is_calm {
            self.part_later();
        }
    }

    fn crash_later(&mut self) {
        let wait_ms = self.random.exponential(CRASH_MS / self.scenario.nodes as u64);
        self.queue.add(self.now_ms + wait_ms, Event::Crash);
    }

    pub(super) fn crash_one(&mut self) {
        if self.is_calm {
            return;
        }
        let at = self.random.place(self.scenario.nodes);
        if self.nodes[at].is_up {
            self.report.crashes += 1;
            self.note(Note::Crashed { node: at });
            let links: Vec<u64> = self.nodes[at].peers.keys().copied().collect();
            self.nodes[at].stop();
            for link in links {
                self.close(usize::try_from(link).expect("a number of a connection"), "crash");
            }
            let down_ms = self.random.between(2_000, 8 * 60_000);
            self.queue.add(self.now_ms + down_ms, Event::Restart { node: at });
        }
        self.crash_later();
    }

    pub(super) fn restart(&mut self, at: usize) {
        if self.nodes[at].is_up {
            return;
        }
        let clock = self.clock_of(at);
        let chain = self.nodes[at].chain.after_crash(clock, &mut self.library);
        self.nodes[at].chain = chain;
        let salt = self.random.next();
        self.nodes[at].start(salt, self.now_ms);
        self.note(Note::Restarted { node: at });
        self.dial_soon(at);
    }

    /// Ends all troubles.
    pub(super) fn calm(&mut self) {
        self.is_calm = true;
        self.heal();
        for at in 0..self.nodes.len() {
            self.restart(at);
        }
    }
}
