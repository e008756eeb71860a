//! What happened in a world, in order: the hash of all of it, and the last of it in words.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};

use qbtc_core::hash::BlockHash;
use sha2::{Digest, Sha256};

/// How many of the last events a failure shows.
const LAST_MAX: usize = 60;

/// Something that happened.
#[derive(Clone, Debug, Hash)]
pub(super) enum Note {
    /// A message arrived.
    Arrived { from: usize, to: usize, what: &'static str, bytes: u64 },
    /// Two nodes are connected.
    Connected { from: usize, to: usize },
    /// Two nodes are not connected any more.
    Closed { from: usize, to: usize, why: &'static str },
    /// A node found a block.
    Mined { node: usize, height: u32, id: BlockHash },
    /// A node has another tip.
    Tip { node: usize, height: u32, id: BlockHash, left: usize },
    /// A node holds a fault against another one.
    Fault { at: usize, of: usize, fault: String },
    /// A node has another one banned.
    Banned { at: usize, whom: usize },
    /// A node fell, and forgot what it had not written.
    Crashed { node: usize },
    /// It is back.
    Restarted { node: usize },
    /// The network fell into two parts; so many nodes are in the smaller one.
    Partitioned { nodes: usize },
    /// It is whole again.
    Healed,
    /// A liar did something.
    Lied { node: usize, what: &'static str },
}

/// What happened so far.
pub(super) struct Trace {
    hasher: Sha,
    events: u64,
    last: VecDeque<(u64, Note)>,
}

struct Sha(Sha256);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash: [u8; 32] = self.0.clone().finalize().into();
        u64::from_le_bytes(*hash.first_chunk().expect("32 bytes have a first 8"))
    }
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { hasher: Sha(Sha256::new()), events: 0, last: VecDeque::new() }
    }

    pub(super) fn note(&mut self, now_ms: u64, note: Note) {
        (now_ms, &note).hash(&mut self.hasher);
        self.events += 1;
        if self.last.len() == LAST_MAX {
            self.last.pop_front();
        }
        self.last.push_back((now_ms, note));
    }

    /// How many events there were.
    pub(super) const fn events(&self) -> u64 {
        self.events
    }

    /// The hash of all events with their times.
    pub(super) fn hash(&self) -> u64 {
        self.hasher.finish()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (now_ms, note) in &self.last {
            writeln!(f, "{:>10}.{:03} s  {note:?}", now_ms / 1_000, now_ms % 1_000)?;
        }
        Ok(())
    }
}
