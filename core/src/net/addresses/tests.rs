//! The book under any sequence of events, and under attack.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::table::{BUCKET_PLACES, new_place, tried_place};
use super::*;
use crate::codec;
use crate::net::Services;
use crate::testing::test;
use crate::units::BlockTime;

const NOW: BlockTime = BlockTime(1_800_000_000);
const KEY: [u8; 16] = [7; 16];

fn news(address: &str) -> AddressNews {
    AddressNews { address: address.parse().unwrap(), services: Services::NODE, last_seen: NOW }
}

fn at(ip: u32, port: u16) -> AddressNews {
    news(&format!("/ip4/{}/tcp/{port}", core::net::Ipv4Addr::from(ip)))
}

fn group(number: u32) -> Group {
    Group::of(core::net::Ipv4Addr::from(number << 16).into())
}

/// A book with so many addresses, each of its own group and told by itself.
fn book_of(count: u32) -> AddressBook {
    let mut book = AddressBook::new(KEY);
    for number in 0..count {
        let news = at((1 + number) << 16 | 1, 8333);
        book.add(news.clone(), news.address.group(), NOW);
    }
    book
}

#[test]
fn who_holds_one_network_fills_few_buckets() {
    let mut book = AddressBook::new(KEY);
    let source = group(0x0102);
    // Addresses of all groups, told by one: 64 buckets.
    for number in 0..200_000u32 {
        book.add(at(number.wrapping_mul(0x9e37_79b1) | 0x0100_0000, 1), source, NOW);
    }
    let buckets = |book: &AddressBook| {
        let bucket = |entry: &Entry| new_place(&KEY, &entry.address, entry.source) / BUCKET_PLACES;
        book.entries().filter(|entry| !entry.is_tried).map(bucket).collect::<BTreeSet<_>>().len() as u64
    };
    assert!((32..=NEW_BUCKETS_PER_SOURCE).contains(&buckets(&book)), "{}", buckets(&book));
    assert!(book.is_consistent());
    // Addresses of one group, told by itself: one bucket, whatever their number.
    let mut book = AddressBook::new(KEY);
    for number in 0..65_536 {
        book.add(at(0x0102_0000 | number, 1), source, NOW);
    }
    assert_eq!((buckets(&book), book.len()), (1, BUCKET_PLACES));
    // Told by a hundred groups, and all of them connected to: eight buckets of the tried table.
    for number in 0..65_536 {
        let news = at(0x0102_0000 | number, 2);
        book.add(news.clone(), group(number % 100), NOW);
        book.connected(&news.address, Services::NODE, NOW);
    }
    let bucket = |entry: &Entry| tried_place(&KEY, &entry.address) / BUCKET_PLACES;
    let tried: BTreeSet<_> = book.entries().filter(|entry| entry.is_tried).map(bucket).collect();
    assert!(tried.len() as u64 <= TRIED_BUCKETS_PER_GROUP && tried.len() > 1);
    assert!(book.tried_len() <= BUCKET_PLACES * tried.len());
    assert!(book.is_consistent());
}

#[test]
fn many_ports_and_peer_ids_of_one_machine_are_of_one_group() {
    let mut book = AddressBook::new(KEY);
    let source = group(0x0102);
    for port in 1..5_000 {
        book.add(news(&format!("/ip4/1.2.3.4/udp/{port}/quic-v1/p2p/{port}")), source, NOW);
        book.add(news(&format!("/dns/n{port}.example/tcp/1")), source, NOW);
    }
    assert!(book.len() <= 2 * BUCKET_PLACES);
}

#[test]
fn a_full_bucket_takes_only_what_pushes_out_the_terrible() {
    let mut book = AddressBook::new(KEY);
    let source = group(1);
    let first = at(0x0102_0001, 1);
    assert!(book.add(first.clone(), source, NOW) && !book.add(first.clone(), source, NOW));
    let place = new_place(&KEY, &first.address, source);
    let rival =
        (2..).map(|number| at(0x0102_0000 | number, 1)).find(|rival| new_place(&KEY, &rival.address, source) == place);
    let rival = rival.unwrap();
    assert!(!book.add(rival.clone(), source, NOW), "whoever is there stays");
    let later = NOW.saturating_add(31 * 86_400);
    assert!(book.add(AddressNews { last_seen: later, ..rival.clone() }, source, later));
    assert!(book.entry(&first.address).is_none() && book.entry(&rival.address).is_some());
    assert!(book.is_consistent());
}

#[test]
fn times_of_strangers_are_not_believed() {
    let mut book = AddressBook::new(KEY);
    let seen = |book: &AddressBook, news: &AddressNews| book.entry(&news.address).unwrap().last_seen.0;
    let hearsay = at(0x0102_0001, 1);
    book.add(hearsay.clone(), group(1), NOW);
    assert_eq!(seen(&book, &hearsay), NOW.0 - 7_200);
    let own = at(0x0102_0001, 2);
    book.add(own.clone(), own.address.group(), NOW);
    assert_eq!(seen(&book, &own), NOW.0);
    let future = AddressNews { last_seen: NOW.saturating_add(601), ..at(0x0102_0001, 3) };
    book.add(future.clone(), group(1), NOW);
    assert_eq!(seen(&book, &future), NOW.0 - 5 * 86_400);
    let ancient = AddressNews { last_seen: BlockTime(5), ..at(0x0102_0001, 4) };
    book.add(ancient.clone(), group(1), NOW);
    assert_eq!(seen(&book, &ancient), 0);
    book.add(AddressNews { last_seen: NOW, ..ancient.clone() }, group(1), NOW);
    assert_eq!(seen(&book, &ancient), NOW.0 - 7_200, "newer news is taken");
    assert_eq!(book.forget_terrible(NOW.saturating_add(86_400 * 40)), 4);
    assert!(book.is_empty() && book.is_consistent());
}

#[test]
fn failures_are_counted_only_while_something_works() {
    let mut book = book_of(2);
    let [one, two] = [at(0x0001_0001, 8333).address, at(0x0002_0001, 8333).address];
    let failures = |book: &AddressBook| book.entry(&one).unwrap().failures;
    book.dialled(&one, true, NOW);
    assert_eq!(failures(&book), 0, "the node may have no network");
    book.connected(&two, Services::NODE, NOW);
    for _ in 0..3 {
        book.dialled(&one, true, NOW.saturating_add(1));
    }
    assert_eq!(failures(&book), 1);
    book.connected(&two, Services::NODE, NOW.saturating_add(2));
    book.dialled(&one, false, NOW.saturating_add(3));
    assert_eq!(failures(&book), 1, "not asked to count");
    book.dialled(&one, true, NOW.saturating_add(3));
    assert_eq!(failures(&book), 2);
    book.connected(&one, Services::NODE, NOW.saturating_add(4));
    let entry = book.entry(&one).unwrap();
    assert!(entry.is_tried && entry.failures == 0);
}

/// Two addresses whose place in the tried table is the same.
fn rivals(book: &mut AddressBook) -> [PeerAddress; 2] {
    let first = at(0x0102_0001, 1);
    let place = tried_place(&KEY, &first.address);
    let mut others = (2..).map(|number| at(0x0102_0000 | number, 1));
    let second = others.find(|other| tried_place(&KEY, &other.address) == place).unwrap();
    assert!(book.add(first.clone(), group(1), NOW) && book.add(second.clone(), group(2), NOW));
    [first.address, second.address]
}

#[test]
fn an_older_address_gives_way_only_after_a_test() {
    let four_hours = 4 * 3_600;
    for (works, waits) in [(true, false), (false, false), (false, true)] {
        let mut book = AddressBook::new(KEY);
        let [older, newer] = rivals(&mut book);
        book.connected(&older, Services::NODE, NOW);
        let later = NOW.saturating_add(four_hours);
        book.connected(&newer, Services::NODE, later);
        book.connected(&newer, Services::NODE, later);
        book.settle_collisions(later.saturating_add(1));
        let tested = book.to_test(&mut Draws::new([1; 16])).map(|entry| entry.address.clone());
        assert_eq!(tested.as_ref(), Some(&older));
        let then = if waits { later.saturating_add(40 * 60 + 1) } else { later.saturating_add(62) };
        if !waits {
            book.dialled(&older, true, later.saturating_add(1));
            book.settle_collisions(later.saturating_add(2));
            assert!(book.entry(&older).unwrap().is_tried, "the test may still come out well");
        }
        if works {
            book.connected(&older, Services::NODE, later.saturating_add(2));
        }
        book.settle_collisions(then);
        let is_tried = |address| book.entry(address).map(|entry| entry.is_tried);
        assert_eq!((is_tried(&older), is_tried(&newer)), (Some(works), Some(!works)));
        assert!(book.is_consistent() && book.to_test(&mut Draws::new([1; 16])).is_none());
    }
}

#[test]
fn selection_prefers_what_works_and_ends_though_nothing_does() {
    let mut draws = Draws::new([3; 16]);
    assert!(AddressBook::new(KEY).select(false, &mut draws, NOW).is_none());
    let mut book = book_of(2);
    let [good, bad] = [at(0x0001_0001, 8333).address, at(0x0002_0001, 8333).address];
    for second in 0..16 {
        book.connected(&at(0x0009_0001, 1).address, Services::NODE, NOW.saturating_add(2 * second));
        book.dialled(&bad, true, NOW.saturating_add(2 * second + 1));
    }
    let later = NOW.saturating_add(3_600);
    let mut drawn = |book: &AddressBook, only_new: bool| {
        book.select(only_new, &mut draws, later).map(|entry| entry.address.clone())
    };
    let count = (0..1_000).filter(|_| drawn(&book, false).as_ref() == Some(&good)).count();
    assert!((880..1_000).contains(&count), "{count}");
    assert!(book.forget(&good));
    assert_eq!(drawn(&book, false), Some(bad.clone()));
    // Tried ones are drawn as often as new ones, however many those are.
    let mut book = book_of(500);
    book.connected(&good, Services::NODE, NOW);
    let count = (0..1_000).filter(|_| drawn(&book, false).as_ref() == Some(&good)).count();
    assert!((400..600).contains(&count), "{count}");
    assert!((0..100).all(|_| drawn(&book, true).as_ref() != Some(&good)));
    let mut book = book_of(1);
    book.connected(&good, Services::NODE, NOW);
    assert_eq!((drawn(&book, true), drawn(&book, false)), (None, Some(good)));
}

#[test]
fn a_sample_is_a_part_and_never_terrible() {
    let book = book_of(1_000);
    let known = book.len();
    let sample = book.sample(usize::MAX, &mut Draws::new([1; 16]), NOW);
    assert_eq!(sample.len(), (known * 23).div_ceil(100));
    let distinct: BTreeSet<_> = sample.iter().map(|news| news.address.clone()).collect();
    assert_eq!(distinct.len(), sample.len());
    assert_eq!(book.sample(5, &mut Draws::new([1; 16]), NOW).len(), 5);
    let other = book.sample(usize::MAX, &mut Draws::new([2; 16]), NOW);
    assert_ne!(sample, other);
    assert!(book.sample(usize::MAX, &mut Draws::new([1; 16]), NOW.saturating_add(31 * 86_400)).is_empty());
    assert_eq!(book_of(5).sample(9, &mut Draws::new([1; 16]), NOW).len(), 5);
    assert_eq!(book_of(20).sample(9, &mut Draws::new([1; 16]), NOW).len(), 8);
    let large = book_of(20_000);
    assert!(large.len() > 5_000);
    assert_eq!(large.sample(usize::MAX, &mut Draws::new([1; 16]), NOW).len(), ADDRESSES_MAX);
}

#[derive(Clone, Debug)]
enum Event {
    Add(u8, u8, i32),
    Dialled(u8),
    Connected(u8),
    StillThere(u8),
    Settle,
    ForgetTerrible,
    Forget(u8),
    Pass(u32),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (any::<u8>(), any::<u8>(), any::<i32>()).prop_map(|(number, source, age)| Event::Add(number, source, age)),
        3 => any::<u8>().prop_map(Event::Dialled),
        4 => any::<u8>().prop_map(Event::Connected),
        1 => any::<u8>().prop_map(Event::StillThere),
        1 => Just(Event::Settle),
        1 => Just(Event::ForgetTerrible),
        1 => any::<u8>().prop_map(Event::Forget),
        2 => (0u32..100_000).prop_map(Event::Pass),
    ]
}

/// Few places are reached, so that addresses meet: one group, and two sources.
fn play(events: &[Event]) -> AddressBook {
    let address = |number: u8| at(0x0102_0000 | u32::from(number), 1);
    let (mut book, mut now) = (AddressBook::new(KEY), NOW);
    for event in events {
        match *event {
            Event::Add(number, source, age) => {
                let last_seen = BlockTime(now.0.saturating_add_signed(age / 500));
                book.add(AddressNews { last_seen, ..address(number) }, group(u32::from(source % 2)), now);
            }
            Event::Dialled(number) => book.dialled(&address(number).address, true, now),
            Event::Connected(number) => book.connected(&address(number).address, Services::LIGHT, now),
            Event::StillThere(number) => book.still_there(&address(number).address, now),
            Event::Settle => book.settle_collisions(now),
            Event::ForgetTerrible => {
                book.forget_terrible(now);
            }
            Event::Forget(number) => {
                book.forget(&address(number).address);
            }
            Event::Pass(seconds) => now = now.saturating_add(seconds),
        }
        assert!(book.is_consistent(), "after {event:?}");
    }
    book
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn tables_and_index_agree_after_any_events(events in prop::collection::vec(event(), 1..120)) {
        let book = play(&events);
        prop_assert!(book.new_len() <= 2 * BUCKET_PLACES);
        // The same events make the same book.
        let again = play(&events);
        prop_assert!(book.entries().eq(again.entries()));
        let drawn = |book: &AddressBook| book.select(false, &mut Draws::new([9; 16]), NOW).cloned();
        prop_assert_eq!(drawn(&book), drawn(&again));
        // What is kept comes back as it was.
        let kept: Vec<u8> = codec::encode(&book.entries().cloned().collect::<Vec<Entry>>());
        let entries: Vec<Entry> = codec::decode(&kept, usize::MAX).unwrap();
        let restored = AddressBook::restore(KEY, entries);
        prop_assert!(restored.is_consistent() && restored.entries().eq(book.entries()));
    }
}

#[test]
fn another_key_keeps_what_fits() {
    let mut book = book_of(300);
    for entry in book.entries().cloned().collect::<Vec<_>>().iter().take(100) {
        book.connected(&entry.address, Services::NODE, NOW);
    }
    let entries: Vec<Entry> = book.entries().cloned().collect();
    let doubled = [entries.clone(), entries].concat();
    let other = AddressBook::restore([8; 16], doubled);
    assert!(
        other.is_consistent() && other.len() > 280 && other.tried_len() > 90,
        "{} {}",
        other.len(),
        other.tried_len()
    );
}

#[test]
fn the_bound_on_memory_is_what_a_node_can_bear() {
    assert_eq!(AddressBook::ADDRESSES_MAX, 81_920);
    const { assert!(AddressBook::BYTES_MAX < 48 << 20) };
}
