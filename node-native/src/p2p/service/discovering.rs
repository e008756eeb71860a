//! Nodes are found, dialled for what they are good for, asked for addresses and told some; who earns it is banned.

use std::net::IpAddr;
use std::time::Instant;

use futures_util::StreamExt as _;
use libp2p::PeerId;
use libp2p::request_response::{Event, Message, OutboundFailure};
use libp2p::swarm::ConnectionId;
use qbtc_core::net::Services;
use qbtc_core::net::addresses::{AddressNews, AddressesAnswer, AddressesQuestion, Entry};
use qbtc_core::sync::PeerKey;
use tokio::task::JoinHandle;

use super::Service;
use super::commands::remote_address;
use super::meeting::Refusal;
use super::room::group_of;
use crate::p2p::address::NodeAddress;
use crate::p2p::allowance::Kind;
use crate::p2p::discovery::Discovery;
use crate::p2p::discovery::dialer::{Met, Purpose, Step};
use crate::p2p::discovery::dns::Found;
use crate::p2p::peers::Peer;
use crate::p2p::place::{host_of, ip_of, socket};
use crate::p2p::wire::{ExchangeEvent, Malformed, is_malformed};

/// A tip is stale when it is older than so many times the spacing of blocks.
const STALE_SPACINGS: u64 = 3;

/// The next seed that was asked. Waits for ever, if none is.
pub(super) async fn asked_seeds(discovery: &mut Option<Discovery>) -> Option<(String, Found)> {
    match discovery {
        Some(discovery) if !discovery.asking.is_empty() => discovery.asking.next().await,
        _ => std::future::pending().await,
    }
}

impl Service {
    pub(super) fn discover(&mut self, now: Instant) {
        let (clock, tip) = (self.node.now(), self.node.chain().state().tip());
        if tip != self.tip_seen.0 {
            self.tip_seen = (tip, now);
        }
        let spacing = u64::from(self.node.spec().consensus().spacing_s);
        let is_stale = now.duration_since(self.tip_seen.1).as_secs() > STALE_SPACINGS * spacing;
        let Some(discovery) = &mut self.discovery else { return };
        discovery.listens(&self.shared.addresses.read());
        discovery.dialer.tip_is_stale(is_stale);
        discovery.forget(now, clock);
        let steps = discovery.dialer.tick(&mut discovery.book, now, clock);
        let is_save_due = discovery.is_save_due(now);
        self.node.metrics().set_known_nodes(discovery.book.new_len() as u64, discovery.book.tried_len() as u64);
        self.perform(steps);
        if is_save_due {
            drop(self.keep_network());
            self.shared.bans.write().forget(clock);
        }
    }

    fn perform(&mut self, steps: Vec<Step>) {
        for step in steps {
            let Some(discovery) = &mut self.discovery else { return };
            match step {
                Step::AskSeed => discovery.ask_seed(),
                Step::Dial(dial, address) => {
                    let Ok(address) = address.as_str().parse::<NodeAddress>() else {
                        discovery.dialer.failed(dial);
                        continue;
                    };
                    let options = address.dial_options();
                    let connection = options.connection_id();
                    discovery.dials.insert(connection, dial);
                    if let Err(error) = self.swarm.dial(options) {
                        tracing::debug!(%address, "a node is not dialled: {error}");
                        self.discovery_failed(connection, false);
                    }
                }
                Step::AskAddresses(peer) => {
                    let own = discovery.own(&self.shared.addresses.read());
                    if let Some(id) = self.peers.by_key(peer) {
                        self.swarm.behaviour_mut().addresses.send_request(&id, Ok(AddressesQuestion { own }));
                    }
                }
                Step::Part(peer) => {
                    if let Some(id) = self.peers.by_key(peer) {
                        // It may be gone by now.
                        let _ = self.swarm.disconnect_peer_id(id);
                    }
                }
            }
        }
    }

    pub(super) fn seed_told(&mut self, seed: &str, found: Found) {
        let clock = self.node.now();
        self.node.metrics().network().seed_asked(!found.addresses.is_empty(), found.is_silent);
        if let Some(discovery) = &mut self.discovery {
            let refused = discovery.seed_told(seed, found, &mut self.silent_seeds, clock);
            self.node.metrics().addresses_refused(refused);
        }
    }

    /// A dial has come to nothing.
    pub(super) fn discovery_failed(&mut self, connection: ConnectionId, is_own: bool) {
        let Some(discovery) = &mut self.discovery else { return };
        let Some(dial) = discovery.dials.remove(&connection) else { return };
        if discovery.dialer.is_feeler(dial) {
            self.node.metrics().network().felt(false);
        }
        if let Some(address) = discovery.dialer.dialling(dial).filter(|_| is_own).cloned() {
            discovery.dialer.is_own(address, &mut discovery.book);
        }
        discovery.dialer.failed(dial);
    }

    /// A peer has said hello.
    pub(super) fn met(&mut self, id: &PeerId, services: Services) {
        let (now, clock) = (Instant::now(), self.node.now());
        let (Some(peer), Some(discovery)) = (self.peers.by_id(id), &mut self.discovery) else { return };
        let dial = peer.connections.iter().find_map(|connection| discovery.dials.remove(&connection.id));
        if dial.is_some_and(|dial| discovery.dialer.is_feeler(dial)) {
            self.node.metrics().network().felt(true);
        }
        let met = Met {
            key: peer.key,
            id: id.to_string(),
            socket: socket(&remote_address(peer)),
            dial,
            is_outbound: peer.is_outbound(),
            services,
        };
        let steps = discovery.dialer.met(met, &mut discovery.book, now, clock);
        self.perform(steps);
    }

    /// A dial has led to a peer that is up already. Whether it was one of the dialler's.
    pub(super) fn led_to(&mut self, id: &PeerId, connection: ConnectionId) -> bool {
        let clock = self.node.now();
        let (Some(peer), Some(discovery)) = (self.peers.by_id(id), &mut self.discovery) else { return false };
        let Some(dial) = discovery.dials.remove(&connection) else { return false };
        if let Some(hello) = &peer.hello {
            discovery.dialer.led_to(dial, peer.key, hello.services, &mut discovery.book, clock);
        }
        true
    }

    /// Whether this node dialled a peer for blocks only.
    pub(super) fn is_anchor(&self, key: PeerKey) -> bool {
        self.discovery.as_ref().is_some_and(|discovery| discovery.dialer.purpose(key) == Some(Purpose::BlockRelay))
    }

    /// A peer that had said hello is gone.
    pub(super) fn gone(&mut self, id: &PeerId, key: PeerKey) {
        let (now, clock) = (Instant::now(), self.node.now());
        self.offer_no_more(id);
        if let Some(discovery) = &mut self.discovery {
            discovery.told.remove(id);
            discovery.dialer.gone(key, &mut discovery.book, now, clock);
        }
    }

    pub(super) fn addresses_event(&mut self, event: ExchangeEvent<AddressesQuestion, AddressesAnswer>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => match request {
                Ok(question) => {
                    if let Some(answer) = self.addresses_for(peer, question) {
                        // The peer may be gone by now.
                        let _ = self.swarm.behaviour_mut().addresses.send_response(channel, answer);
                    }
                }
                Err(Malformed) => self.refuse(&peer, &Refusal::Malformed),
            },
            Event::Message { peer, message: Message::Response { response, .. }, .. } => {
                self.learn(&peer, response.addresses);
            }
            Event::OutboundFailure { peer, error: OutboundFailure::Io(error), .. } if is_malformed(&error) => {
                self.refuse(&peer, &Refusal::Malformed);
            }
            Event::OutboundFailure { .. } | Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    /// What a peer is told. It is also heard, where it says it can be reached.
    fn addresses_for(&mut self, id: PeerId, question: AddressesQuestion) -> Option<AddressesAnswer> {
        if !self.admits(&id, Kind::Addresses, 0) {
            return None;
        }
        let (now, clock) = (Instant::now(), self.node.now());
        let peer = self.peers.by_id(&id)?;
        let services = peer.hello.as_ref()?.services;
        let key = peer.key;
        let discovery = self.discovery.as_mut()?;
        // Whoever is asked for blocks only is not to know more of this node.
        if discovery.dialer.purpose(key) == Some(Purpose::BlockRelay) || !discovery.may_tell(id, now) {
            return None;
        }
        let addresses = discovery.book.sample(usize::MAX, &mut discovery.draws, clock);
        self.offer_told(&id, &question.own);
        let own = question.own.into_iter().map(|address| AddressNews { address, services, last_seen: clock });
        self.learn(&id, own.collect());
        Some(AddressesAnswer { addresses })
    }

    fn learn(&mut self, id: &PeerId, told: Vec<AddressNews>) {
        let clock = self.node.now();
        let (Some(peer), Some(discovery)) = (self.peers.by_id(id), &mut self.discovery) else { return };
        let source = group_of(peer);
        let refused = discovery.learn(told, source, clock);
        self.node.metrics().addresses_refused(refused);
    }

    /// At most so many nodes of the address book, in no order.
    pub(super) fn known_nodes(&mut self, most: usize) -> Vec<Entry> {
        let Some(discovery) = &mut self.discovery else { return Vec::new() };
        let mut all: Vec<Entry> = discovery.book.entries().cloned().collect();
        for index in 0..most.min(all.len()) {
            let other = index + discovery.draws.below(all.len() - index);
            all.swap(index, other);
        }
        all.truncate(most);
        all
    }

    /// Bans a peer that earned it, unless the operator wanted it.
    pub(super) fn punish(&mut self, id: &PeerId, why: &Refusal) {
        let is_wanted = self.wanted.has(id);
        let Some(peer) = self.peers.by_id(id).filter(|peer| !is_wanted && !peer.is_punished) else { return };
        if let Some(ip) = host_of(&remote_address(peer)) {
            peer.is_punished = true;
            self.ban(ip, why);
        }
    }

    /// A peer is gone, and what it did has come to light only now.
    pub(super) fn blame(&mut self, peer: PeerKey, why: &Refusal) {
        if let Some(ip) = why.earns_ban().then(|| self.departed.take(peer)).flatten() {
            self.ban(ip, why);
        }
    }

    fn ban(&mut self, ip: IpAddr, why: &Refusal) {
        let banned = self
            .shared
            .bans
            .write()
            .punish(ip, &why.to_string(), self.node.now())
            .map(|(subnet, ban)| (subnet, ban.until));
        if let Some((subnet, until)) = banned {
            tracing::info!(%subnet, until = until.0, "banned: {why}");
            self.node.metrics().network().banned();
            self.part_with_the_banned();
        }
    }

    /// Parts with all peers that are banned by now, and soon keeps the bans.
    pub(super) fn part_with_the_banned(&mut self) {
        let now = self.node.now();
        let banned: Vec<PeerId> = {
            let bans = self.shared.bans.read();
            let is_banned = |peer: &&Peer| {
                let ip = ip_of(&remote_address(peer));
                ip.is_some_and(|ip| bans.refuses(ip, self.wanted.has(&peer.id), now))
            };
            self.peers.iter().filter(is_banned).map(|peer| peer.id).collect()
        };
        for id in banned {
            // It may be gone by now.
            let _ = self.swarm.disconnect_peer_id(id);
        }
        if let Some(discovery) = &mut self.discovery {
            discovery.save_soon(Instant::now());
        }
    }

    /// Keeps the address book, the anchors and the bans.
    pub(super) fn keep_network(&self) -> Option<JoinHandle<()>> {
        let (store, network) = self.discovery.as_ref()?.to_keep(&self.shared.bans.read());
        Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = store.save_network(&network) {
                tracing::warn!("the address book and the bans are not kept: {error}");
            }
        }))
    }
}
