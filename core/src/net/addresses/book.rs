//! The address book itself.

use alloc::vec::Vec;
use core::mem::size_of;

use hashbrown::HashMap;

use super::address::{Group, PeerAddress};
use super::draws::Draws;
use super::entry::{AddressNews, CHANCE_MAX, DAY, Entry, FUTURE_MAX, HOUR, MINUTE};
use super::messages::ADDRESSES_MAX;
use super::table::{BUCKET_PLACES, Key, NEW_BUCKETS, TRIED_BUCKETS, Table, new_place, tried_place};
use crate::net::Services;
use crate::units::BlockTime;

/// Addresses of nodes, bounded, and hard to fill for one who holds few networks.
#[derive(Clone, Debug)]
pub struct AddressBook {
    key: Key,
    new: Table,
    tried: Table,
    /// Where each address stands. Never gone through, since its order is not the same in every run.
    places: HashMap<PeerAddress, Place>,
    /// Addresses of the new table that worked, and whose place in the tried table is taken.
    collisions: Vec<PeerAddress>,
    /// When any address was last connected to.
    last_success: BlockTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    New(usize),
    Tried(usize),
}

/// The most addresses that wait for the test of an older one.
const COLLISIONS_MAX: usize = 10;
/// How far the last time of an address that others told of is set back.
const HEARSAY_PENALTY: i64 = 2 * HOUR;
/// By how much news must be newer than what is known, to be taken.
const REFRESH: i64 = DAY;
/// How seldom the time of a connected address is renewed.
const CONNECTED_REFRESH: i64 = 20 * MINUTE;
/// How old an address said to be of the future is taken to be.
const FUTURE_AGE: i64 = 5 * DAY;
/// How long an address that worked need not be tested again.
const TESTED_FOR: i64 = 4 * HOUR;
/// How long a test may take.
const TEST_TIME_MAX: i64 = MINUTE;
/// After which time an older address gives way though it could not be tested.
const TEST_WAIT_MAX: i64 = 40 * MINUTE;
/// The most addresses that are drawn for one selection. The last one is taken whatever its chance.
const SELECTION_DRAWS_MAX: usize = 64;
/// The largest part of the addresses that is told to one who asks.
const SAMPLE_PERCENT: usize = 23;
/// So many are told even if they are more than that part: a network must begin somehow.
const SAMPLE_LEAST: usize = 8;

impl AddressBook {
    /// The most addresses: one in each place.
    pub const ADDRESSES_MAX: usize = (NEW_BUCKETS + TRIED_BUCKETS) * BUCKET_PLACES;
    /// The most bytes that a book holds: two tables of pointers, and for each address its entry, its text with two counters, and its place
    /// in an index that is at most seven eighths full and may just have doubled.
    pub const BYTES_MAX: usize = Self::ADDRESSES_MAX
        * (size_of::<usize>()
            + size_of::<Entry>()
            + PeerAddress::BYTES_MAX
            + 2 * size_of::<usize>()
            + 16 * (size_of::<(PeerAddress, Place)>() + 1) / 7)
        + NEW_BUCKETS
        + TRIED_BUCKETS;

    /// An empty book.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Self {
            key,
            new: Table::new(NEW_BUCKETS),
            tried: Table::new(TRIED_BUCKETS),
            places: HashMap::new(),
            collisions: Vec::new(),
            last_success: BlockTime(0),
        }
    }

    /// The book of entries that were kept. With the same key each is where it was; where two want one place, the first has it.
    #[must_use]
    pub fn restore(key: [u8; 16], entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut book = Self::new(key);
        for entry in entries {
            if book.places.contains_key(&entry.address) {
                continue;
            }
            let place = tried_place(&book.key, &entry.address);
            if entry.is_tried && book.tried.at(place).is_none() {
                book.last_success = book.last_success.max(entry.last_success);
                book.places.insert(entry.address.clone(), Place::Tried(place));
                book.tried.put(place, entry);
            } else {
                book.put_new(Entry { is_tried: false, ..entry }, None);
            }
        }
        book
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &[u8; 16] {
        &self.key
    }

    /// How many addresses are new.
    #[must_use]
    pub const fn new_len(&self) -> usize {
        self.new.len()
    }

    /// How many addresses are tried.
    #[must_use]
    pub const fn tried_len(&self) -> usize {
        self.tried.len()
    }

    /// How many addresses there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.new.len() + self.tried.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries: the tried ones, then the new ones, in the order of their places.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.tried.entries().chain(self.new.entries())
    }

    /// What is known of an address.
    #[must_use]
    pub fn entry(&self, address: &PeerAddress) -> Option<&Entry> {
        match *self.places.get(address)? {
            Place::New(place) => self.new.at(place),
            Place::Tried(place) => self.tried.at(place),
        }
    }

    fn entry_mut(&mut self, address: &PeerAddress) -> Option<&mut Entry> {
        match *self.places.get(address)? {
            Place::New(place) => self.new.at_mut(place),
            Place::Tried(place) => self.tried.at_mut(place),
        }
    }

    /// Hears of an address from someone of the group `source`. True, if it is in the book now and was not before.
    pub fn add(&mut self, news: AddressNews, source: Group, now: BlockTime) -> bool {
        let penalty = if source == news.address.group() { 0 } else { HEARSAY_PENALTY };
        let seen = if news.last_seen.seconds_since(now) > FUTURE_MAX {
            earlier(now, FUTURE_AGE)
        } else {
            earlier(news.last_seen, penalty)
        };
        if let Some(entry) = self.entry_mut(&news.address) {
            if seen.seconds_since(entry.last_seen) > REFRESH {
                entry.last_seen = seen;
            }
            // Its own words, once it was met, count more than hearsay.
            if !entry.is_tried {
                entry.services = entry.services.and(news.services);
            }
            return false;
        }
        self.put_new(Entry::new(AddressNews { last_seen: seen, ..news }, source), Some(now))
    }

    /// Puts an entry that is nowhere into the new table. Whoever has its place stays, unless it is terrible at this time.
    fn put_new(&mut self, entry: Entry, now: Option<BlockTime>) -> bool {
        let place = new_place(&self.key, &entry.address, entry.source);
        if let Some(other) = self.new.at(place) {
            if !now.is_some_and(|now| other.is_terrible(now)) {
                return false;
            }
            self.remove_new(place);
        }
        self.places.insert(entry.address.clone(), Place::New(place));
        self.new.put(place, entry);
        true
    }

    fn remove_new(&mut self, place: usize) -> Option<Entry> {
        let entry = self.new.take(place)?;
        self.places.remove(&entry.address);
        Some(entry)
    }

    /// An address is dialled. A failure is counted only if another address worked since one was last counted, so that a node without a network
    /// does not take all others for dead; and only if `counts`.
    pub fn dialled(&mut self, address: &PeerAddress, counts: bool, now: BlockTime) {
        let last_success = self.last_success;
        let Some(entry) = self.entry_mut(address) else { return };
        entry.last_try = now;
        if counts && entry.last_failure <= last_success && last_success != BlockTime(0) {
            entry.last_failure = now;
            entry.failures = entry.failures.saturating_add(1);
        }
    }

    /// An address was dialled, and its node is there. It moves to the tried table; if its place there is taken, the older address is first
    /// to be tested ([`Self::to_test`]).
    pub fn connected(&mut self, address: &PeerAddress, services: Services, now: BlockTime) {
        self.last_success = self.last_success.max(now);
        let Some(entry) = self.entry_mut(address) else { return };
        (entry.last_success, entry.last_try, entry.last_seen) = (now, now, entry.last_seen.max(now));
        (entry.failures, entry.services) = (0, services);
        if entry.is_tried {
            return;
        }
        if self.tried.at(tried_place(&self.key, address)).is_none() {
            self.move_to_tried(address);
        } else if self.collisions.len() < COLLISIONS_MAX && !self.collisions.contains(address) {
            self.collisions.push(address.clone());
        }
    }

    /// A connected address is still there.
    pub fn still_there(&mut self, address: &PeerAddress, now: BlockTime) {
        if let Some(entry) = self.entry_mut(address)
            && now.seconds_since(entry.last_seen) > CONNECTED_REFRESH
        {
            entry.last_seen = now;
        }
    }

    /// Moves an address of the new table to its place in the tried one. Whoever stood there goes back to the new table, and takes its place
    /// there from any other.
    fn move_to_tried(&mut self, address: &PeerAddress) {
        let Some(&Place::New(from)) = self.places.get(address) else { return };
        let Some(entry) = self.remove_new(from) else { return };
        let place = tried_place(&self.key, address);
        if let Some(older) = self.tried.take(place) {
            self.places.remove(&older.address);
            self.remove_new(new_place(&self.key, &older.address, older.source));
            self.put_new(Entry { is_tried: false, ..older }, None);
        }
        self.places.insert(address.clone(), Place::Tried(place));
        self.tried.put(place, Entry { is_tried: true, ..entry });
    }

    /// An address to dial: of the two tables each as likely, or only a new one; a bucket, then a place of it; taken the less likely the more
    /// often it failed.
    #[must_use]
    pub fn select(&self, only_new: bool, draws: &mut Draws, now: BlockTime) -> Option<&Entry> {
        let from_tried = match (self.tried.len(), self.new.len()) {
            (_, 0) => !only_new,
            (0, _) => false,
            _ => !only_new && draws.coin(),
        };
        let table = if from_tried { &self.tried } else { &self.new };
        let (mut entry, mut factor) = (table.draw(draws)?, CHANCE_MAX);
        for _ in 1..SELECTION_DRAWS_MAX {
            // The factor, in parts of CHANCE_MAX, rises by a fifth each time, so that an end comes also if all have failed.
            let chance = u128::from(entry.chance(now)) * u128::from(factor);
            if u128::from(draws.number() >> 32) < chance {
                break;
            }
            factor = factor.saturating_mul(6) / 5;
            entry = table.draw(draws)?;
        }
        Some(entry)
    }

    /// A tried address that is to be dialled, since another one worked that would have its place.
    #[must_use]
    pub fn to_test(&self, draws: &mut Draws) -> Option<&Entry> {
        let address = self.collisions.get(draws.below(self.collisions.len()))?;
        self.tried.at(tried_place(&self.key, address))
    }

    /// Decides which collisions are over: an older address that worked lately stays, one that was dialled in vain gives way, and so does one
    /// that could not be tested for long.
    pub fn settle_collisions(&mut self, now: BlockTime) {
        for address in core::mem::take(&mut self.collisions) {
            let Some(newer) = self.entry(&address).filter(|entry| !entry.is_tried) else { continue };
            let gives_way = match self.tried.at(tried_place(&self.key, &address)) {
                None => true,
                Some(older) if now.seconds_since(older.last_success) < TESTED_FOR => continue,
                Some(older) if now.seconds_since(older.last_try) < TESTED_FOR => {
                    now.seconds_since(older.last_try) > TEST_TIME_MAX
                }
                Some(_) => now.seconds_since(newer.last_success) > TEST_WAIT_MAX,
            };
            if gives_way {
                self.move_to_tried(&address);
            } else {
                self.collisions.push(address);
            }
        }
    }

    /// What is told to one who asks: random addresses that are not terrible, no more than `most` and [`ADDRESSES_MAX`], and no more than 23 %
    /// of all, unless those are less than eight.
    #[must_use]
    pub fn sample(&self, most: usize, draws: &mut Draws, now: BlockTime) -> Vec<AddressNews> {
        let limit = (self.len() * SAMPLE_PERCENT).div_ceil(100).max(SAMPLE_LEAST).min(most).min(ADDRESSES_MAX);
        let mut worthy: Vec<&Entry> = self.entries().filter(|entry| !entry.is_terrible(now)).collect();
        let count = limit.min(worthy.len());
        for index in 0..count {
            let other = index + draws.below(worthy.len() - index);
            worthy.swap(index, other);
        }
        worthy[..count].iter().map(|entry| entry.news()).collect()
    }

    /// Forgets new addresses that are terrible, and tells how many those were.
    pub fn forget_terrible(&mut self, now: BlockTime) -> usize {
        let terrible: Vec<PeerAddress> =
            self.new.entries().filter(|entry| entry.is_terrible(now)).map(|entry| entry.address.clone()).collect();
        terrible.iter().filter(|address| self.forget(address)).count()
    }

    /// Forgets an address, for example one that is this node's own. False, if it was not known.
    pub fn forget(&mut self, address: &PeerAddress) -> bool {
        let taken = match self.places.remove(address) {
            Some(Place::New(place)) => self.new.take(place),
            Some(Place::Tried(place)) => self.tried.take(place),
            None => None,
        };
        taken.is_some()
    }

    /// Whether tables and index agree, and each address stands where its hash says.
    #[cfg(test)]
    pub(super) fn is_consistent(&self) -> bool {
        let is_tried = |entry: &Entry| {
            let place = tried_place(&self.key, &entry.address);
            entry.is_tried
                && self.tried.at(place) == Some(entry)
                && self.places.get(&entry.address) == Some(&Place::Tried(place))
        };
        let is_new = |entry: &Entry| {
            let place = new_place(&self.key, &entry.address, entry.source);
            !entry.is_tried
                && self.new.at(place) == Some(entry)
                && self.places.get(&entry.address) == Some(&Place::New(place))
        };
        let counted = (self.tried.entries().count(), self.new.entries().count());
        counted == (self.tried.len(), self.new.len())
            && self.places.len() == self.len()
            && self.collisions.len() <= COLLISIONS_MAX
            && self.tried.entries().all(is_tried)
            && self.new.entries().all(is_new)
    }
}

/// So many seconds earlier, and not before 1970.
fn earlier(time: BlockTime, seconds: i64) -> BlockTime {
    BlockTime(u32::try_from((i64::from(time.0) - seconds).max(0)).unwrap_or(u32::MAX))
}
