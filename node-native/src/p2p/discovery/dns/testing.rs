//! A DNS server on loopback.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::proto::rr::rdata::{A, AAAA, SOA, SRV, TXT};
use hickory_server::proto::rr::{Name, RData, Record, RecordSet, RecordType, RrKey};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::{TcpListener, UdpSocket};

/// A server for the zone `example.`. It ends when it is dropped.
pub(crate) struct DnsServer {
    pub(crate) at: SocketAddr,
    _server: Server<Catalog>,
}

/// A record: name within the zone, and what is there.
pub(crate) type Told = (String, RData);

pub(crate) fn a(name: &str, ip: &str) -> Told {
    (name.into(), RData::A(A(ip.parse().unwrap())))
}

pub(crate) fn aaaa(name: &str, ip: &str) -> Told {
    (name.into(), RData::AAAA(AAAA(ip.parse().unwrap())))
}

pub(crate) fn txt(name: &str, text: &str) -> Told {
    let pieces = text.as_bytes().chunks(255).map(|piece| String::from_utf8(piece.into()).unwrap()).collect();
    (name.into(), RData::TXT(TXT::new(pieces)))
}

pub(crate) fn srv(name: &str, priority: u16, port: u16, target: &str) -> Told {
    let target = Name::from_ascii(target).unwrap();
    (name.into(), RData::SRV(SRV::new(priority, 0, port, target)))
}

impl DnsServer {
    pub(crate) async fn start(told: impl IntoIterator<Item = Told>) -> Self {
        let origin = Name::from_ascii("example.").unwrap();
        let soa = SOA::new(origin.clone(), origin.clone(), 1, 60, 60, 60, 60);
        let mut sets: BTreeMap<RrKey, RecordSet> = BTreeMap::new();
        let all = [("example.".to_owned(), RData::SOA(soa))].into_iter().chain(told);
        for (name, data) in all {
            let name = Name::from_ascii(name).unwrap();
            let kind: RecordType = data.record_type();
            let set = sets
                .entry(RrKey::new(name.clone().into(), kind))
                .or_insert_with(|| RecordSet::new(name.clone(), kind, 1));
            set.insert(Record::from_rdata(name, 60, data), 1);
        }
        let zone: InMemoryZoneHandler<TokioRuntimeProvider> =
            InMemoryZoneHandler::new(origin.clone(), sets, ZoneType::Primary, AxfrPolicy::Deny).unwrap();
        let mut catalog = Catalog::new();
        catalog.upsert(origin.into(), vec![Arc::new(zone)]);
        let (udp, tcp) = sockets().await;
        let at = udp.local_addr().unwrap();
        let mut server = Server::new(catalog);
        server.register_socket(udp);
        server.register_listener(tcp, Duration::from_secs(5), 64);
        Self { at, _server: server }
    }
}

/// Both on the same free port.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both");
}
