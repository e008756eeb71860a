//! The dialler in a world of its own: time passes when it is told to.

use std::net::Ipv4Addr;

use super::*;

struct World {
    dialer: Dialer,
    book: AddressBook,
    start: Instant,
    seconds: u32,
    last_key: u64,
    dialled: Vec<(u32, PeerAddress)>,
    seeds_asked: Vec<u32>,
    questions: usize,
    parted: usize,
    /// How much time passes at once, in seconds.
    step: u32,
    /// What is connected: peer, address.
    connected: BTreeMap<PeerKey, PeerAddress>,
}

const CLOCK: u32 = 1_800_000_000;

fn address(ip: u32, port: u16) -> PeerAddress {
    format!("/ip4/{}/tcp/{port}", Ipv4Addr::from(ip)).parse().unwrap()
}

/// One of another public group each.
fn public(number: u32) -> PeerAddress {
    address(0x0800_0001 + (number << 16), 1)
}

impl World {
    fn new(slots: Slots, anchors: Vec<PeerAddress>, bootstrap: Vec<PeerAddress>) -> Self {
        let start = Instant::now();
        Self {
            dialer: Dialer::new(slots, [5; 16], anchors, bootstrap, start),
            book: AddressBook::new([6; 16]),
            start,
            seconds: 0,
            last_key: 0,
            dialled: Vec::new(),
            seeds_asked: Vec::new(),
            questions: 0,
            parted: 0,
            step: 1,
            connected: BTreeMap::new(),
        }
    }

    fn knowing(addresses: impl IntoIterator<Item = PeerAddress>) -> Self {
        let mut world = Self::new(Slots::default(), Vec::new(), Vec::new());
        for address in addresses {
            world.learn(address);
        }
        world
    }

    fn now(&self) -> (Instant, BlockTime) {
        (self.start + Duration::from_secs(self.seconds.into()), BlockTime(CLOCK + self.seconds))
    }

    fn learn(&mut self, address: PeerAddress) {
        let (_, clock) = self.now();
        let group = address.group();
        self.book.add(AddressNews { address, services: Services::NODE, last_seen: clock }, group, clock);
    }

    /// Lets a second pass, or several. A dial ends well if it is answered.
    fn second(&mut self, answers: impl Fn(&PeerAddress) -> bool) {
        let (now, clock) = self.now();
        let mut steps: VecDeque<Step> = self.dialer.tick(&mut self.book, now, clock).into();
        while let Some(step) = steps.pop_front() {
            match step {
                Step::Dial(dial, address) => {
                    self.dialled.push((self.seconds, address.clone()));
                    if !answers(&address) {
                        self.dialer.failed(dial);
                        continue;
                    }
                    self.last_key += 1;
                    let key = PeerKey(self.last_key);
                    let socket = address.ip().map(|ip| SocketAddr::new(ip, address.port()));
                    let met = Met {
                        key,
                        id: format!("peer{}", key.0),
                        socket,
                        dial: Some(dial),
                        is_outbound: true,
                        services: Services::NODE,
                    };
                    self.connected.insert(key, address);
                    steps.extend(self.dialer.met(met, &mut self.book, now, clock));
                }
                Step::AskSeed => self.seeds_asked.push(self.seconds),
                Step::AskAddresses(_) => self.questions += 1,
                Step::Part(key) => {
                    self.parted += 1;
                    self.part(key);
                }
            }
        }
        self.seconds += self.step;
    }

    fn part(&mut self, key: PeerKey) {
        let (now, clock) = self.now();
        self.connected.remove(&key).unwrap();
        self.dialer.gone(key, &mut self.book, now, clock);
    }

    fn count(&self, purpose: Purpose) -> usize {
        self.connected.keys().filter(|key| self.dialer.purpose(**key) == Some(purpose)).count()
    }
}

#[test]
fn the_slots_are_filled_with_one_of_each_group() {
    // Of each group three, and fewer groups than slots would need if they were not looked at.
    let all = (0..40).flat_map(|number| (0..3).map(move |host| address(0x0800_0001 + (number << 16) + host, 1)));
    let mut world = World::knowing(all);
    for _ in 0..60 {
        world.second(|_| true);
    }
    assert_eq!((world.count(Purpose::Full), world.count(Purpose::BlockRelay)), (8, 2));
    let groups: HashSet<Group> = world.connected.values().map(PeerAddress::group).collect();
    assert_eq!(groups.len(), 10);
    assert!(world.seeds_asked.is_empty(), "the book is not thin");
    assert_eq!(world.questions, 8, "those for blocks only are asked nothing");
    // One group is not enough for two peers.
    let mut world = World::knowing((0..50).map(|host| address(0x0800_0001 + host, 1)));
    for _ in 0..60 {
        world.second(|_| true);
    }
    assert_eq!(world.connected.len(), 1);
    // Within a private network there are no groups.
    let mut world = World::knowing((1..50).map(|port| address(0x7f00_0001, port)));
    for _ in 0..60 {
        world.second(|_| true);
    }
    assert_eq!(world.connected.len(), 10);
}

#[test]
fn who_does_not_answer_is_dialled_ever_more_seldom() {
    let mut world = World::knowing([public(1)]);
    for _ in 0..600 {
        world.second(|_| false);
    }
    let times: Vec<u32> = world.dialled.iter().map(|(second, _)| *second).collect();
    assert!(times.len() <= 41 && times.windows(2).all(|pair| pair[1] - pair[0] >= 15), "{times:?}");
}

#[test]
fn seeds_and_bootstrap_peers_are_the_last_resort() {
    let bootstrap = public(99);
    let mut world = World::new(Slots::default(), Vec::new(), vec![bootstrap.clone()]);
    for _ in 0..100 {
        world.second(|_| false);
    }
    assert_eq!(world.seeds_asked, [0, 30, 60, 90]);
    let dialled: Vec<u32> = world.dialled.iter().map(|(second, _)| *second).collect();
    assert_eq!((dialled[0], world.dialled[0].1 == bootstrap), (10, true));
    assert!(dialled.len() <= 5);
    // One peer, and what it knows: seeds are hardly asked any more.
    world.learn(public(1));
    for _ in 0..300 {
        world.second(|_| true);
    }
    assert!(world.seeds_asked.len() <= 5, "{:?}", world.seeds_asked);
    assert!(world.questions > 20, "peers are asked instead");
}

#[test]
fn anchors_come_first_and_are_kept() {
    let anchors = vec![public(70), public(71)];
    let mut world = World::new(Slots::default(), anchors.clone(), Vec::new());
    assert_eq!(world.dialer.anchors(), anchors, "not lost if the node stops at once");
    for number in 0..40 {
        world.learn(public(number));
    }
    world.second(|_| true);
    assert_eq!([&world.dialled[0].1, &world.dialled[1].1], [&anchors[0], &anchors[1]]);
    for _ in 0..60 {
        world.second(|_| true);
    }
    assert_eq!(world.dialer.anchors(), anchors);
    assert_eq!(world.count(Purpose::BlockRelay), 2);
    let gone = *world.connected.iter().find(|(_, address)| **address == anchors[0]).unwrap().0;
    world.part(gone);
    for _ in 0..60 {
        world.second(|address| *address != anchors[0]);
    }
    assert_eq!(world.dialer.anchors().len(), 2);
    assert!(!world.dialer.anchors().contains(&anchors[0]));
}

#[test]
fn feelers_fill_the_tried_table_and_stay_short() {
    let mut world = World::knowing((0..60).map(public));
    for _ in 0..3_600 {
        world.second(|_| true);
    }
    // Ten are connected; about thirty were felt.
    assert!((30..=60).contains(&world.book.tried_len()), "{}", world.book.tried_len());
    assert_eq!(world.connected.len(), 10);
    assert!((20..=60).contains(&world.parted), "{}", world.parted);
}

#[test]
fn a_peer_makes_room_now_and_then_and_a_stale_tip_takes_one_more() {
    let mut world = World::knowing((0..100).map(public));
    for _ in 0..60 {
        world.second(|_| true);
    }
    let first: HashSet<PeerAddress> = world.connected.values().cloned().collect();
    world.dialer.tip_is_stale(true);
    for _ in 0..5 {
        world.second(|_| true);
    }
    assert_eq!(world.count(Purpose::Full), 9);
    world.dialer.tip_is_stale(false);
    for _ in 0..5 {
        world.second(|_| true);
    }
    let now: HashSet<PeerAddress> = world.connected.values().cloned().collect();
    assert_eq!((world.count(Purpose::Full), now == first), (8, true), "the extra one went");
    world.step = 10;
    for _ in 0..12 * 360 {
        world.second(|_| true);
    }
    let later: HashSet<PeerAddress> = world.connected.values().cloned().collect();
    let replaced = first.difference(&later).count();
    assert!((2..=8).contains(&replaced), "{replaced}");
    assert_eq!(world.count(Purpose::Full), 8);
}

#[test]
fn the_same_node_is_not_dialled_twice_and_this_node_never() {
    let with_id =
        |port: u16, id: &str| -> PeerAddress { format!("/ip4/127.0.0.1/tcp/{port}/p2p/{id}").parse().unwrap() };
    // The same place with and without a peer id, and the same peer id at another place.
    let mut world = World::knowing([with_id(1, "peer1"), address(0x7f00_0001, 1), with_id(2, "peer1")]);
    for _ in 0..100 {
        world.second(|_| true);
    }
    assert_eq!(world.connected.len(), 1);
    let own = with_id(3, "me");
    world.learn(own.clone());
    world.dialer.is_own(own.clone(), &mut world.book);
    world.learn(own.clone());
    assert!(world.dialer.has_own(&own));
    for _ in 0..100 {
        world.second(|_| true);
    }
    assert!(world.dialled.iter().all(|(_, address)| *address != own));
}

#[test]
fn dials_that_hang_are_given_up() {
    let mut world = World::knowing((0..40).map(public));
    let (now, clock) = world.now();
    let steps = world.dialer.tick(&mut world.book, now, clock);
    assert_eq!(steps.len(), DIALS_MAX);
    let soon = now + DIAL_TIME_MAX - Duration::from_secs(1);
    assert!(world.dialer.tick(&mut world.book, soon, clock).is_empty());
    assert!(!world.dialer.tick(&mut world.book, now + DIAL_TIME_MAX, clock).is_empty());
}

#[test]
fn an_address_that_leads_to_a_peer_that_is_there_gives_its_place_back() {
    let mut world = World::new(Slots { full: 1, block_relay: 0 }, Vec::new(), Vec::new());
    let (now, clock) = world.now();
    let (key, port) = (PeerKey(7), |port| address(0x7f00_0001, port));
    // It has connected by itself, from where it does not listen.
    let socket = Some(SocketAddr::from(([127, 0, 0, 1], 50_000)));
    let met = Met { key, id: "peer7".into(), socket, dial: None, is_outbound: false, services: Services::NODE };
    world.dialer.met(met, &mut world.book, now, clock);
    world.learn(port(1));
    let dials = |world: &mut World| {
        let (now, clock) = world.now();
        world.seconds += 1;
        let steps = world.dialer.tick(&mut world.book, now, clock);
        let dial = |step| if let Step::Dial(dial, address) = step { Some((dial, address)) } else { None };
        steps.into_iter().filter_map(dial).collect::<Vec<_>>()
    };
    let first = dials(&mut world);
    assert_eq!((first.len(), &first[0].1), (1, &port(1)));
    assert!(dials(&mut world).is_empty(), "the place is taken");
    world.dialer.led_to(first[0].0, key, Services::NODE, &mut world.book, clock);
    assert!(world.book.entries().any(|entry| entry.address == port(1) && entry.is_tried));
    world.seconds += 86_400;
    assert!(dials(&mut world).is_empty(), "nobody else is known");
    world.learn(port(2));
    let second = dials(&mut world);
    assert_eq!((second.len(), &second[0].1), (1, &port(2)), "the place was free");
    world.dialer.failed(second[0].0);
    let (now, clock) = world.now();
    world.dialer.gone(key, &mut world.book, now, clock);
    let third: Vec<PeerAddress> = (0..1_000).flat_map(|_| dials(&mut world)).map(|(_, address)| address).collect();
    assert!(third.contains(&port(1)), "the peer is gone");
}
