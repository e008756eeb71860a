//! Which nodes to try, and when: whoever failed is left alone for a while, longer each time, and the next is drawn at random, so that no slow node
//! is tried again and again.

use qbtc_core::net::browser::{Address, PeerId};

/// The most addresses that are known.
pub(super) const BOOK_MAX: usize = 256;
/// How long a node is left alone after its first failure; twice as long after each further one, up to the longest.
const PAUSE_MS: f64 = 2_000.0;
const PAUSE_MAX_MS: f64 = 300_000.0;

/// Addresses of nodes. Those that the user named are never pushed out.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    address: Address,
    is_named: bool,
    is_taken: bool,
    failures: u32,
    not_before_ms: f64,
}

impl Book {
    /// Notes an address. Of one node there is one.
    pub(super) fn add(&mut self, address: Address, is_named: bool) {
        let (peer, is_room) = (address.peer(), self.entries.len() < BOOK_MAX);
        let known = self.entries.iter_mut().find(|entry| entry.address.peer() == peer);
        match known {
            Some(entry) if is_named || (!entry.is_named && entry.failures > 0 && !entry.is_taken) => {
                // The node may have moved.
                entry.address = address;
                entry.is_named |= is_named;
            }
            Some(_) => {}
            None if is_room => {
                self.entries.push(Entry { address, is_named, is_taken: false, failures: 0, not_before_ms: 0.0 });
            }
            None => {}
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes an address to be dialled. Those that failed less often come first, by lot among themselves.
    pub(super) fn take(&mut self, now_ms: f64, mut draw: impl FnMut(usize) -> usize) -> Option<Address> {
        let is_ready = |entry: &&mut Entry| !entry.is_taken && entry.not_before_ms <= now_ms;
        let least = self.entries.iter_mut().filter(is_ready).map(|entry| entry.failures).min()?;
        let mut ready: Vec<_> =
            self.entries.iter_mut().filter(is_ready).filter(|entry| entry.failures == least).collect();
        let drawn = draw(ready.len());
        let entry = ready.swap_remove(drawn);
        entry.is_taken = true;
        Some(entry.address.clone())
    }

    /// The dial, or the connection, has ended. A pause of zero is that of another failure.
    pub(super) fn give_back(&mut self, peer: &PeerId, has_failed: bool, pause_ms: f64, now_ms: f64) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.address.peer() == *peer) else { return };
        entry.is_taken = false;
        entry.failures = if has_failed { entry.failures.saturating_add(1) } else { 0 };
        let doubled = PAUSE_MS * 2_f64.powi(i32::try_from(entry.failures.min(16)).unwrap_or(16) - 1);
        let pause_ms = if pause_ms > 0.0 { pause_ms } else { doubled.min(PAUSE_MAX_MS) };
        entry.not_before_ms = now_ms + pause_ms;
    }

    /// Everything may be tried again at once: the network has changed.
    pub(super) fn forgive(&mut self) {
        for entry in &mut self.entries {
            if entry.not_before_ms.is_finite() && entry.failures <= 4 {
                entry.not_before_ms = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn address(number: u8) -> Address {
        Address::WebSocket {
            host: format!("n{number}.example"),
            port: 443,
            is_secure: true,
            peer: PeerId([number; 32]),
        }
    }

    fn book(count: u8) -> Book {
        let mut book = Book::default();
        (0..count).for_each(|number| book.add(address(number), true));
        book
    }

    #[test]
    fn each_is_tried_before_one_is_tried_again() {
        let (mut book, mut tried) = (book(5), BTreeSet::new());
        for round in 0..5 {
            let address = book.take(f64::from(round), |ready| ready - 1).unwrap();
            assert!(tried.insert(address.peer()));
            book.give_back(&address.peer(), true, 0.0, f64::from(round));
        }
        assert!(book.take(10.0, |_| 0).is_none(), "all of them pause");
        assert!(book.take(2_010.0, |_| 0).is_some());
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut book = book(1);
        let (peer, mut now) = (PeerId([0; 32]), 0.0);
        for pause in [2_000.0, 4_000.0, 8_000.0, 16_000.0] {
            assert!(book.take(now, |_| 0).is_some());
            book.give_back(&peer, true, 0.0, now);
            assert!(book.take(now + pause - 1.0, |_| 0).is_none());
            now += pause;
        }
        book.take(now, |_| 0).unwrap();
        book.give_back(&peer, true, 0.0, now);
        assert!(book.take(now, |_| 0).is_none());
        assert!(book.take(now + PAUSE_MAX_MS, |_| 0).is_some());
        book.give_back(&peer, true, 1e9, now);
        assert!(book.take(now + PAUSE_MAX_MS, |_| 0).is_none(), "a liar stays away");
    }

    #[test]
    fn what_is_taken_is_not_taken_again_and_the_book_is_bounded() {
        let mut book = book(1);
        assert!(book.take(0.0, |_| 0).is_some() && book.take(0.0, |_| 0).is_none());
        for number in 0..=u8::MAX {
            for other in 0..3 {
                let peer = PeerId([number.wrapping_add(other); 32]);
                let host = format!("n{other}.example");
                book.add(Address::WebSocket { host, port: 443, is_secure: true, peer }, false);
            }
        }
        assert!(book.len() <= BOOK_MAX);
    }
}
