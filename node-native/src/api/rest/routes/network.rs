//! How the node is connected, in numbers.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use qbtc_core::net::PROTOCOL_VERSION;

use super::{App, Problems};
use crate::api::rest::cache::Validity;
use crate::api::rest::problem::Problem;
use crate::api::rest::shapes::{Counted, NetworkSummary};
use crate::p2p::PeerInfo;
use crate::p2p::transport::link::{Carrier, KeyExchange};

/// How the node is connected.
///
/// Told as numbers: who the peers are is nobody's business. `dials` are the addresses at which browsers reach the node directly.
#[utoipa::path(get, operation_id = "network", path = "/network", tag = "network", responses((status = OK, description = "As asked.", body = NetworkSummary), Problems))]
pub(crate) async fn network(State(api): App) -> Result<Response, Problem> {
    let summary = match &api.p2p {
        None => NetworkSummary::off(PROTOCOL_VERSION),
        Some(p2p) => {
            let peers = p2p.peers().await.map_err(|stopping| Problem::busy(stopping.to_string()))?;
            let dials = p2p.addresses().into_iter().filter(|address| is_for_browsers(address)).collect();
            let peer_id = Some(p2p.peer_id().to_owned());
            NetworkSummary { is_on: true, peer_id, dials, ..summed(&peers) }
        }
    };
    Ok(Validity::Moment.respond(&HeaderMap::new(), Json(summary)))
}

/// Whether browsers can dial an address.
fn is_for_browsers(address: &str) -> bool {
    address.contains("/webrtc-direct/") || address.contains("/ws/")
}

fn summed(peers: &[PeerInfo]) -> NetworkSummary {
    let known: Vec<_> = peers.iter().filter(|peer| peer.hello.is_some()).collect();
    let outbound = known.iter().filter(|peer| peer.is_outbound).count();
    NetworkSummary {
        peers: known.len(),
        inbound: known.len() - outbound,
        outbound,
        post_quantum: known.iter().filter(|peer| peer.key_exchange.is_some_and(KeyExchange::is_post_quantum)).count(),
        transports: counted(known.iter().filter_map(|peer| peer.carrier).map(Carrier::name)),
        key_exchanges: counted(known.iter().filter_map(|peer| peer.key_exchange)),
        programs: counted(known.iter().filter_map(|peer| peer.hello.as_ref()).map(|hello| hello.user_agent.as_str())),
        ..NetworkSummary::off(PROTOCOL_VERSION)
    }
}

/// How often each occurs, the most frequent first.
fn counted(names: impl Iterator<Item = impl ToString>) -> Vec<Counted> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name.to_string()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().map(|(name, peers)| Counted { name, peers }).collect();
    counts.sort_by_key(|counted| std::cmp::Reverse(counted.peers));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_comes_first() {
        let counts = counted(["tcp", "quic", "quic"].into_iter());
        let expected = [("quic", 2), ("tcp", 1)].map(|(name, peers)| Counted { name: name.to_owned(), peers });
        assert_eq!(counts, expected);
    }

    #[test]
    fn only_what_browsers_can_dial_is_told() {
        assert!(is_for_browsers("/ip4/1.2.3.4/udp/9/webrtc-direct/certhash/uE/p2p/12D"));
        assert!(is_for_browsers("/ip4/1.2.3.4/tcp/9/ws/p2p/12D"));
        assert!(!is_for_browsers("/ip4/1.2.3.4/udp/9/quic-v1/p2p/12D"));
    }
}
