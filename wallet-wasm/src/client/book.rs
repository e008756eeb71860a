//! Which nodes to try, and when: whoever failed is left alone for a while, longer each time, and the next is drawn at random, so that no slow node
//! is tried again and again.
//!
//! A node may be reached in two ways, WebRTC and WebSocket. The first is tried first, the other at once when that fails: some networks let no UDP through.

use alloc::vec;
use alloc::vec::Vec;

use qbtc_core::net::browser::{Address, PeerId};

/// The most addresses that are known.
pub(super) const BOOK_MAX: usize = 256;
/// From so many known addresses on, nodes are not asked for more; and of how many of one node's answer note is taken, so that more than one is heard.
const ENOUGH: usize = 32;
const OF_ONE_MAX: usize = ENOUGH / 2;
/// How long a node is left alone after its first failure; twice as long after each further one, up to the longest.
const PAUSE_MS: f64 = 2_000.0;
const PAUSE_MAX_MS: f64 = 300_000.0;

/// Addresses of nodes. Those that the user named are never pushed out, and push others out.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// One of each kind, WebRTC first; never none.
    ways: Vec<Address>,
    /// How many of them have failed since one worked.
    tried: usize,
    is_named: bool,
    is_taken: bool,
    failures: u32,
    not_before_ms: f64,
}

impl Book {
    /// Notes an address. Of one node there is one. Whom the user names is tried without a pause, whatever happened before.
    pub(super) fn add(&mut self, address: Address, is_named: bool) {
        let peer = address.peer();
        let known = self.entries.iter_mut().find(|entry| entry.peer() == peer);
        match known {
            Some(entry) => {
                let may_move = is_named || (!entry.is_named && entry.failures > 0 && !entry.is_taken);
                match entry.ways.iter_mut().find(|way| is_direct(way) == is_direct(&address)) {
                    // The node may have moved.
                    Some(way) if may_move => *way = address,
                    Some(_) => {}
                    None if is_direct(&address) => entry.ways.insert(0, address),
                    None => entry.ways.push(address),
                }
                if is_named {
                    (entry.is_named, entry.failures, entry.not_before_ms) = (true, 0, 0.0);
                }
            }
            None => {
                let ways = vec![address];
                let entry = Entry { ways, tried: 0, is_named, is_taken: false, failures: 0, not_before_ms: 0.0 };
                let is_spare = |entry: &Entry| is_named && !entry.is_named && !entry.is_taken;
                if self.entries.len() < BOOK_MAX {
                    self.entries.push(entry);
                } else if let Some(spare) = self.entries.iter_mut().rfind(|entry| is_spare(entry)) {
                    *spare = entry;
                }
            }
        }
    }

    /// Notes what a node tells of others.
    pub(super) fn hear(&mut self, told: impl Iterator<Item = Address>) {
        told.take(OF_ONE_MAX).for_each(|address| self.add(address, false));
    }

    /// Whether more addresses are wanted.
    pub(super) const fn is_short(&self) -> bool {
        self.entries.len() < ENOUGH
    }

    /// Whether a node can be tried in another way than the one that was taken last, should that fail.
    pub(super) fn has_other_way(&self, peer: &PeerId) -> bool {
        let entry = self.entries.iter().find(|entry| entry.peer() == *peer);
        entry.is_some_and(|entry| entry.tried + 1 < entry.ways.len())
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
        Some(entry.ways[entry.tried % entry.ways.len()].clone())
    }

    /// The dial, or the connection, has ended. A pause of zero is that of another failure.
    pub(super) fn give_back(&mut self, peer: &PeerId, has_failed: bool, pause_ms: f64, now_ms: f64) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.peer() == *peer) else { return };
        entry.is_taken = false;
        entry.tried = if has_failed { entry.tried + 1 } else { 0 };
        if has_failed && pause_ms == 0.0 && entry.tried < entry.ways.len() {
            entry.not_before_ms = now_ms;
            return;
        }
        entry.tried = 0;
        entry.failures = if has_failed { entry.failures.saturating_add(1) } else { 0 };
        let doubled = PAUSE_MS / 2.0 * f64::from(1_u32 << entry.failures.min(16));
        let pause_ms = if pause_ms > 0.0 { pause_ms } else { doubled.min(PAUSE_MAX_MS) };
        entry.not_before_ms = now_ms + pause_ms;
    }

    /// What has failed may be tried again at once: the network has changed. What lied, or serves nobody, pauses for longer than failures do, and
    /// goes on pausing.
    pub(super) fn forgive(&mut self, now_ms: f64) {
        for entry in &mut self.entries {
            if entry.not_before_ms - now_ms <= PAUSE_MAX_MS && entry.failures <= 4 {
                entry.not_before_ms = 0.0;
            }
        }
    }
}

impl Entry {
    fn peer(&self) -> PeerId {
        self.ways[0].peer()
    }
}

const fn is_direct(address: &Address) -> bool {
    matches!(address, Address::WebRtc { .. })
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
    fn the_other_way_is_tried_at_once() {
        let (socket, peer) = (address(7), address(7).peer());
        let direct = Address::WebRtc {
            ip: [127, 0, 0, 1].into(),
            port: 1,
            certhash: qbtc_core::net::browser::CertHash([1; 32]),
            peer,
        };
        let mut book = Book::default();
        book.add(socket.clone(), true);
        book.add(direct.clone(), false);
        book.add(direct.clone(), true);
        assert_eq!(book.entries.len(), 1);
        assert_eq!(book.take(0.0, |_| 0), Some(direct.clone()));
        assert!(book.has_other_way(&peer));
        book.give_back(&peer, true, 0.0, 5.0);
        assert_eq!(book.take(5.0, |_| 0), Some(socket));
        assert!(!book.has_other_way(&peer));
        book.give_back(&peer, true, 0.0, 6.0);
        assert_eq!(book.take(6.0, |_| 0), None, "both have failed");
        assert_eq!(book.take(6.0 + PAUSE_MS, |_| 0), Some(direct.clone()));
        book.give_back(&peer, true, 1e6, 10_000.0);
        assert_eq!(book.take(20_000.0, |_| 0), None, "whoever lied is not tried in another way");
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
    fn another_network_ends_the_pauses_of_failures_and_not_those_of_lies() {
        let mut book = book(2);
        let [liar, absent] = [0, 1].map(|number| PeerId([number; 32]));
        book.take(0.0, |_| 0).unwrap();
        book.take(0.0, |_| 0).unwrap();
        book.give_back(&liar, true, 86_400_000.0, 0.0);
        book.give_back(&absent, true, 0.0, 0.0);
        assert_eq!(book.take(1.0, |_| 0), None);
        book.forgive(1.0);
        assert_eq!(book.take(1.0, |_| 0), Some(address(1)));
        assert_eq!(book.take(1.0, |_| 0), None, "who lied a moment ago is not asked again");
        book.forgive(80_000_000.0);
        assert_eq!(book.take(80_000_000.0, |_| 0), None);
        assert_eq!(book.take(86_400_000.0, |_| 0), Some(address(0)), "but after a day");
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
        assert!(book.entries.len() <= BOOK_MAX);
    }

    #[test]
    fn in_a_full_book_whom_the_user_names_takes_the_place_of_somebody_who_is_neither_named_nor_connected() {
        let other = |number: u8| PeerId([[number; 16], [!number; 16]].concat().try_into().unwrap());
        let stranger = |peer| Address::WebSocket { host: "n.example".to_owned(), port: 443, is_secure: true, peer };
        let mut book = Book::default();
        (0..=u8::MAX).for_each(|number| book.add(address(number), number == 255));
        let last = book.take(0.0, |ready| ready - 2).unwrap();
        assert_eq!((book.entries.len(), &last), (BOOK_MAX, &address(254)));
        book.add(stranger(other(1)), false);
        assert!(book.entries.iter().all(|entry| entry.peer() != other(1)), "nobody named this one");
        book.add(stranger(other(2)), true);
        let peers: Vec<_> = book.entries.iter().map(Entry::peer).collect();
        assert_eq!(peers.len(), BOOK_MAX);
        assert!([other(2), PeerId([255; 32]), PeerId([254; 32])].iter().all(|peer| peers.contains(peer)));
        assert!(!peers.contains(&PeerId([253; 32])));
        (0..=u8::MAX).for_each(|number| book.add(stranger(other(number)), true));
        assert_eq!(book.entries.len(), BOOK_MAX, "nobody who is named gives way");
        assert!(book.entries.iter().filter(|entry| !entry.is_taken).all(|entry| entry.is_named));
    }

    #[test]
    fn no_node_alone_says_which_others_there_are() {
        let mut book = book(1);
        book.hear((1..=u8::MAX).map(address));
        assert!(book.is_short() && book.entries.len() == 1 + OF_ONE_MAX);
        book.hear((100..=u8::MAX).map(address));
        assert!(!book.is_short());
    }

    #[test]
    fn who_lied_is_asked_again_once_the_user_names_it_again() {
        let mut book = book(1);
        book.take(0.0, |_| 0).unwrap();
        book.give_back(&PeerId([0; 32]), true, 86_400_000.0, 0.0);
        book.add(address(0), false);
        assert_eq!(book.take(1.0, |_| 0), None);
        book.add(address(0), true);
        assert_eq!(book.take(1.0, |_| 0), Some(address(0)));
    }
}
