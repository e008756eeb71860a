//! The two tables: buckets of places, and which place an address has.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use siphasher::sip::SipHasher24;

use super::address::{Group, PeerAddress};
use super::draws::Draws;
use super::entry::Entry;

/// The places of a bucket.
pub(super) const BUCKET_PLACES: usize = 64;
/// The buckets of the new table.
pub(super) const NEW_BUCKETS: usize = 1_024;
/// The buckets of the tried table.
pub(super) const TRIED_BUCKETS: usize = 256;
/// How many buckets of the new table the addresses that one group tells can reach.
pub const NEW_BUCKETS_PER_SOURCE: u64 = 64;
/// How many buckets of the tried table the addresses of one group can reach.
pub const TRIED_BUCKETS_PER_GROUP: u64 = 8;

/// How many buckets are drawn blindly before those that have entries are counted.
const DRAWS_MAX: usize = 8;

/// The key under which an address book hashes. Who does not know it cannot say which addresses push which others out.
pub(super) type Key = [u8; 16];

/// A table: at most one entry in each place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    places: Box<[Option<Box<Entry>>]>,
    /// How many entries each bucket has.
    counts: Box<[u8]>,
    len: usize,
}

impl Table {
    pub(super) fn new(buckets: usize) -> Self {
        let places = vec![None; buckets * BUCKET_PLACES].into_boxed_slice();
        Self { places, counts: vec![0; buckets].into_boxed_slice(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn at(&self, place: usize) -> Option<&Entry> {
        self.places[place].as_deref()
    }

    pub(super) fn at_mut(&mut self, place: usize) -> Option<&mut Entry> {
        self.places[place].as_deref_mut()
    }

    /// Puts an entry into a place that is free.
    pub(super) fn put(&mut self, place: usize, entry: Entry) {
        debug_assert!(self.places[place].is_none());
        self.places[place] = Some(Box::new(entry));
        self.counts[place / BUCKET_PLACES] += 1;
        self.len += 1;
    }

    pub(super) fn take(&mut self, place: usize) -> Option<Entry> {
        let entry = self.places[place].take()?;
        self.counts[place / BUCKET_PLACES] -= 1;
        self.len -= 1;
        Some(*entry)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.places.iter().flatten().map(|entry| &**entry)
    }

    /// An entry of a random bucket that has any, so that a full bucket is drawn no more often than one with a single entry.
    pub(super) fn draw(&self, draws: &mut Draws) -> Option<&Entry> {
        if self.len == 0 {
            return None;
        }
        // Each way every bucket that has any is as likely; the first is quick while most have some.
        let drawn = (0..DRAWS_MAX).map(|_| draws.below(self.counts.len())).find(|&bucket| self.counts[bucket] > 0);
        let bucket = drawn.or_else(|| {
            let inhabited: Vec<usize> = (0..self.counts.len()).filter(|&bucket| self.counts[bucket] > 0).collect();
            inhabited.get(draws.below(inhabited.len())).copied()
        })?;
        let start = draws.below(BUCKET_PLACES);
        (start..start + BUCKET_PLACES).find_map(|place| self.at(bucket * BUCKET_PLACES + place % BUCKET_PLACES))
    }
}

/// The place of an address in the new table.
pub(super) fn new_place(key: &Key, address: &PeerAddress, source: Group) -> usize {
    let (group, source) = (address.group().to_bytes(), source.to_bytes());
    let slot = hash(key, 1, &[&group, &source]) % NEW_BUCKETS_PER_SOURCE;
    let bucket = hash(key, 2, &[&source, &slot.to_le_bytes()]) % NEW_BUCKETS as u64;
    place(bucket, hash(key, 3, &[&bucket.to_le_bytes(), address.as_str().as_bytes()]))
}

/// The place of an address in the tried table.
pub(super) fn tried_place(key: &Key, address: &PeerAddress) -> usize {
    let text = address.as_str().as_bytes();
    let slot = hash(key, 4, &[text]) % TRIED_BUCKETS_PER_GROUP;
    let bucket = hash(key, 5, &[&address.group().to_bytes(), &slot.to_le_bytes()]) % TRIED_BUCKETS as u64;
    place(bucket, hash(key, 6, &[&bucket.to_le_bytes(), text]))
}

fn place(bucket: u64, hash: u64) -> usize {
    let place = bucket * BUCKET_PLACES as u64 + hash % BUCKET_PLACES as u64;
    usize::try_from(place).expect("tables have fewer than 2^17 places")
}

/// A keyed hash of parts, all but the last of fixed length, for one purpose.
fn hash(key: &Key, purpose: u8, parts: &[&[u8]]) -> u64 {
    use core::hash::Hasher as _;
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(&[purpose]);
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}
