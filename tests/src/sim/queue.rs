//! What is going to happen, by the time at which it does.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::link::{End, Message};

/// Something that is going to happen.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A connection stands.
    Open { link: usize },
    /// A message reaches this end.
    Deliver { link: usize, to: End, message: Message },
    /// A node sends what it has held back.
    Send { node: usize, link: u64, message: Message },
    /// A node notices that a connection is gone.
    Down { node: usize, life: u32, link: usize },
    /// A machine has asked to be woken.
    Wake { node: usize, life: u32 },
    /// The thread that owns the chain has done its next job.
    Work { node: usize, life: u32 },
    /// A node looks for somebody to connect to.
    Dial { node: usize, life: u32 },
    /// A node finds a block.
    Mine { node: usize },
    /// Somebody pays.
    Pay,
    /// A liar acts.
    Act { node: usize },
    /// A connection breaks.
    Break,
    /// A connection across a partition has been silent for too long.
    Silence { link: usize },
    /// The network falls into two parts.
    Part,
    /// It becomes whole again.
    Heal,
    /// A node crashes.
    Crash,
    /// A node comes back.
    Restart { node: usize },
    /// From now on nothing goes wrong any more.
    Calm,
    /// From now on nobody finds blocks any more.
    StopMining,
    /// The last block is found.
    LastBlock,
}

/// The queue. Of events at one time, the first to be added is the first to happen.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    added: u64,
}

#[derive(Debug)]
struct Entry {
    at_ms: u64,
    number: u64,
    event: Event,
}

impl Queue {
    pub(super) fn add(&mut self, at_ms: u64, event: Event) {
        self.added += 1;
        self.heap.push(Reverse(Entry { at_ms, number: self.added, event }));
    }

    pub(super) fn next(&mut self) -> Option<(u64, Event)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at_ms, entry.event))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}
