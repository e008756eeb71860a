//! The network of a node, as its operator has set it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use qbtc_core::net::KeyHash;
use qbtc_core::spec::ChainSpec;
use tokio_util::task::TaskTracker;

use super::RunError;
use crate::config::{NodeConfig, PeerIdentity, PeerListen, Whole};
use crate::node::Node;
use crate::p2p::address::ListenAddress;
use crate::p2p::discovery::dialer::Slots;
use crate::p2p::discovery::{DiscoveryOptions, SeedNames, is_of_one_machine};
use crate::p2p::identity::Identity;
use crate::p2p::node_key::{NodeKey, RequiredIdentity};
use crate::p2p::transport::webrtc::Certificate;
use crate::p2p::{self, ConnectionsMax, P2p, P2pOptions, ReachOptions};
use crate::store::{Store, StoredNetwork};

/// What the network is started with; `None` if it is off.
pub(super) fn options(config: &NodeConfig, spec: &ChainSpec) -> Result<Option<P2pOptions>, RunError> {
    if config.p2p.contains(&PeerListen::Off) {
        let has_peers = !config.connect.is_empty() || !config.add_node.is_empty();
        return if has_peers { Err(RunError::PeersOff) } else { Ok(None) };
    }
    let mut options = P2pOptions { connections: connections(config), ..P2pOptions::default() };
    options.external.clone_from(&config.external_address);
    options.required_identity = required_identity(config);
    options.wanted = config.connect.iter().chain(&config.add_node).cloned().collect();
    options.kademlia = config.kademlia.unwrap_or(looks_for_nodes(config));
    options.reach = reach(config, spec)?;
    options.listen = config.p2p.iter().filter_map(listen_address).collect();
    if config.p2p.is_empty() && config.connect.is_empty() {
        let port = spec.network().ports.p2p;
        let (ipv4, ipv6) = (IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED));
        options.listen.push(ListenAddress::at((ipv4, port).into()));
        // Not every machine has IPv6; and a node is of use to other nodes where browsers cannot reach it.
        options.listen_if_possible.push(ListenAddress::at((ipv6, port).into()));
        let for_browsers = |ip| ListenAddress::webrtc((ip, port.saturating_add(1)).into());
        options.listen_if_possible.extend([ipv4, ipv6].map(for_browsers));
    }
    Ok(Some(options))
}

/// Whether nodes are looked for beside those that are named.
fn looks_for_nodes(config: &NodeConfig) -> bool {
    config.discover.unwrap_or(config.connect.is_empty())
}

/// How others are to reach the node.
fn reach(config: &NodeConfig, spec: &ChainSpec) -> Result<ReachOptions, RunError> {
    if let Some(relay) = config.relay_through.iter().find(|relay| !relay.names_peer()) {
        return Err(RunError::RelayUnnamed(relay.clone()));
    }
    Ok(ReachOptions {
        autonat: config.autonat.unwrap_or(looks_for_nodes(config) && !is_of_one_machine(spec)),
        // A router that opens ports for whoever asks is for its owner to like, and asking it is multicast.
        upnp: config.upnp.unwrap_or(false),
        relay: config.relay.unwrap_or(false),
        hole_punching: config.hole_punching.unwrap_or(true),
        relays: config.relay_through.clone(),
    })
}

/// Starts the network on the identity in the chain's folder.
pub(super) async fn start(
    node: &Node,
    chain_dir: &Path,
    mut options: P2pOptions,
    store: Store,
    config: &NodeConfig,
    tasks: &TaskTracker,
) -> Result<P2p, RunError> {
    let identity = Identity::open(chain_dir)?;
    options.node_key = Some(NodeKey::open(chain_dir)?);
    let reading = store.clone();
    let reading = tokio::task::spawn_blocking(move || reading.load_network());
    let stored = match reading.await.map_err(|error| RunError::System(error.into()))? {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!("the address book and the bans of the last run are lost: {error}");
            StoredNetwork::default()
        }
    };
    let discovery = discovery(config, node.spec(), store, stored);
    options.waits_for_peers = waits_for_peers(node.spec(), &options, &discovery);
    options.discovery = Some(discovery);
    if options.listen.iter().chain(&options.listen_if_possible).any(ListenAddress::is_webrtc) {
        // Part of the addresses that browsers know, so it stays over restarts.
        options.webrtc = Some(Certificate::load_or_generate(&chain_dir.join("webrtc.pem"))?);
    }
    let p2p = p2p::launch(node, &identity, options, tasks).await?;
    tracing::info!(peer_id = p2p.peer_id(), "the network is on");
    Ok(p2p)
}

/// Whether there is somebody to ask for a newer tip than the node's own. On chains of one's own machine, the node's is as good as any.
fn waits_for_peers(spec: &ChainSpec, options: &P2pOptions, discovery: &DiscoveryOptions) -> bool {
    let knows_some =
        !discovery.seeds.is_empty() || !discovery.bootstrap.is_empty() || !discovery.stored.entries.is_empty();
    let looks_for_some = discovery.slots.full > 0 && knows_some;
    !is_of_one_machine(spec) && (!options.wanted.is_empty() || looks_for_some)
}

/// How nodes are looked for. Bans are kept also where none are.
fn discovery(config: &NodeConfig, spec: &ChainSpec, store: Store, stored: StoredNetwork) -> DiscoveryOptions {
    let network = spec.network();
    let is_on = looks_for_nodes(config);
    let SeedNames { names, takes_private } = SeedNames::of(spec, &config.dns_seed, config.allow_private_addresses);
    DiscoveryOptions {
        seeds: if is_on { names } else { Vec::new() },
        dns_servers: config.dns_server.clone(),
        bootstrap: network.bootstrap_peers.iter().filter_map(|address| address.parse().ok()).collect(),
        port: network.ports.p2p,
        takes_private,
        slots: if is_on { Slots::default() } else { Slots { full: 0, block_relay: 0 } },
        store,
        stored,
    }
}

fn listen_address(listen: &PeerListen) -> Option<ListenAddress> {
    match listen {
        PeerListen::Off => None,
        PeerListen::At(address) => Some(address.clone()),
    }
}

fn required_identity(config: &NodeConfig) -> RequiredIdentity {
    let hash = |identity: &PeerIdentity| match identity {
        PeerIdentity::Any => None,
        PeerIdentity::Key(hash) => Some(*hash),
    };
    // Whoever admits any admits those that are named as well.
    match config.require_identity.iter().map(hash).collect::<Option<BTreeSet<KeyHash>>>() {
        None => RequiredIdentity::Any,
        Some(none) if none.is_empty() => RequiredIdentity::None,
        Some(keys) => RequiredIdentity::Only(keys),
    }
}

fn connections(config: &NodeConfig) -> ConnectionsMax {
    let default = ConnectionsMax::default();
    ConnectionsMax {
        inbound: config.connections_in_max.map_or(default.inbound, Whole::get),
        outbound: config.connections_out_max.map_or(default.outbound, Whole::get),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(config: &NodeConfig) -> Result<Option<P2pOptions>, RunError> {
        options(config, &ChainSpec::dev())
    }

    #[test]
    fn nodes_listen_unless_they_are_told_whom_to_connect_with() {
        let usual = of(&NodeConfig::default()).unwrap().unwrap();
        assert_eq!(usual.listen, ["0.0.0.0:38333".parse().unwrap()]);
        let if_possible = ["[::]:38333", "/ip4/0.0.0.0/udp/38334/webrtc-direct", "/ip6/::/udp/38334/webrtc-direct"];
        assert_eq!(usual.listen_if_possible, if_possible.map(|address| address.parse().unwrap()));
        let connect = vec!["127.0.0.1:1".parse().unwrap()];
        let only = of(&NodeConfig { connect: connect.clone(), ..NodeConfig::default() }).unwrap().unwrap();
        assert!(only.listen.is_empty() && only.listen_if_possible.is_empty() && only.wanted == connect);
        let p2p = vec!["127.0.0.1:0".parse().unwrap()];
        let both = NodeConfig { connect, p2p, add_node: vec!["127.0.0.1:2".parse().unwrap()], ..NodeConfig::default() };
        let both = of(&both).unwrap().unwrap();
        assert_eq!((both.listen.len(), both.listen_if_possible.len(), both.wanted.len()), (1, 0, 2));
    }

    #[test]
    fn what_reaches_out_is_off_where_it_is_not_wanted() {
        let usual = of(&NodeConfig::default()).unwrap().unwrap();
        assert!(usual.kademlia && usual.reach.hole_punching);
        assert!(!usual.reach.autonat && !usual.reach.upnp && !usual.reach.relay, "a chain of one's own machine");
        let main = options(&NodeConfig::default(), &ChainSpec::main()).unwrap().unwrap();
        assert!(main.kademlia && main.reach.autonat && !main.reach.upnp && !main.reach.relay);
        let alone = NodeConfig { discover: Some(false), ..NodeConfig::default() };
        let alone = options(&alone, &ChainSpec::main()).unwrap().unwrap();
        assert!(!alone.kademlia && !alone.reach.autonat);
    }

    #[test]
    fn a_relay_is_named_by_its_peer_id() {
        let config = |relay: &str| NodeConfig { relay_through: vec![relay.parse().unwrap()], ..NodeConfig::default() };
        let told = of(&config("192.0.2.1:8333")).unwrap_err().to_string();
        assert!(told.contains("/p2p/"), "{told}");
        let whole = config(&format!("/ip4/192.0.2.1/tcp/8333/p2p/{}", Identity::random().peer_id()));
        assert_eq!(of(&whole).unwrap().unwrap().reach.relays, whole.relay_through);
    }

    #[test]
    fn off_is_off() {
        let off = NodeConfig { p2p: vec![PeerListen::Off], ..NodeConfig::default() };
        assert!(of(&off).unwrap().is_none());
        let told = of(&NodeConfig { connect: vec!["127.0.0.1:1".parse().unwrap()], ..off }).unwrap_err().to_string();
        assert!(told.contains("--connect"), "{told}");
    }
}
