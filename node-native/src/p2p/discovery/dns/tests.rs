//! Seeds that tell the truth, and others: each is a real DNS server on loopback.

use std::net::Ipv4Addr;

use libp2p::PeerId;
use tokio::net::UdpSocket;

use super::testing::{DnsServer, Told, a, aaaa, srv, txt};
use super::*;

fn ask_at(server: SocketAddr, takes_private: bool) -> Seeds {
    Seeds::new(&[server], 8333, takes_private).unwrap()
}

async fn found(told: impl IntoIterator<Item = Told>) -> Found {
    let server = DnsServer::start(told).await;
    ask_at(server.at, false).ask("seed.example").await
}

fn texts(found: &Found) -> Vec<&str> {
    found.addresses.iter().map(PeerAddress::as_str).collect()
}

#[tokio::test]
async fn all_kinds_of_records_are_put_together() {
    let peer = PeerId::random();
    let quic = format!("/ip4/8.8.1.1/udp/9/quic-v1/p2p/{peer}");
    let found = found([
        txt("_dnsaddr.seed.example.", &format!("dnsaddr={quic}")),
        txt("_dnsaddr.seed.example.", "v=spf1 -all"),
        txt("_dnsaddr.seed.example.", "dnsaddr=/dnsaddr/more.example"),
        txt("_dnsaddr.more.example.", "dnsaddr=/dns4/host.example/tcp/7"),
        srv("_qbtc._udp.seed.example.", 2, 1001, "host.example."),
        srv("_qbtc._udp.seed.example.", 1, 1000, "host.example."),
        srv("_qbtc._tcp.seed.example.", 1, 1002, "host.example."),
        a("host.example.", "8.8.2.2"),
        aaaa("host.example.", "2600::1"),
        a("seed.example.", "8.8.3.3"),
        aaaa("seed.example.", "2600::2"),
    ])
    .await;
    let expected = [
        &quic,
        "/ip4/8.8.2.2/tcp/7",
        "/ip4/8.8.2.2/udp/1000/quic-v1",
        "/ip6/2600::1/udp/1000/quic-v1",
        "/ip4/8.8.2.2/udp/1001/quic-v1",
        "/ip6/2600::1/udp/1001/quic-v1",
        "/ip4/8.8.2.2/tcp/1002",
        "/ip6/2600::1/tcp/1002",
        "/ip4/8.8.3.3/tcp/8333",
        "/ip6/2600::2/tcp/8333",
    ];
    assert_eq!(texts(&found), expected);
    assert_eq!((found.refused, found.is_silent), (0, false));
}

#[tokio::test]
async fn thousands_of_records_are_cut() {
    let many = (0..2_000u32).map(|number| a("seed.example.", &Ipv4Addr::from(0x0808_0000 + number).to_string()));
    let found = found(many).await;
    assert_eq!(found.addresses.len(), SEED_ADDRESSES_MAX);
    assert_eq!(found.refused, RECORDS_MAX - SEED_ADDRESSES_MAX);
}

#[tokio::test]
async fn lies_are_refused() {
    let lies = || {
        [
            a("seed.example.", "10.0.0.1"),
            a("seed.example.", "127.0.0.1"),
            aaaa("seed.example.", "::1"),
            aaaa("seed.example.", "::ffff:192.168.0.1"),
            txt("_dnsaddr.seed.example.", "dnsaddr=/ip4/192.168.0.1/tcp/1"),
            txt("_dnsaddr.seed.example.", "dnsaddr=/dns/inner.example/tcp/1"),
            txt("_dnsaddr.seed.example.", "dnsaddr=/ip4/8.8.8.8/tcp/1/p2p/nobody"),
            txt("_dnsaddr.seed.example.", "dnsaddr=/ip4/8.8.8.8"),
            txt("_dnsaddr.seed.example.", &format!("dnsaddr=/ip4/8.8.8.8/tcp/1/{}", "x".repeat(5_000))),
            srv("_qbtc._tcp.seed.example.", 0, 0, "outer.example."),
            srv("_qbtc._tcp.seed.example.", 0, 22, "inner.example."),
            a("inner.example.", "172.16.0.1"),
            a("outer.example.", "8.8.8.8"),
        ]
    };
    let strict = found(lies()).await;
    assert_eq!((texts(&strict), strict.refused), (vec![], 11));
    let server = DnsServer::start(lies()).await;
    let lenient = ask_at(server.at, true).ask("seed.example").await;
    assert!(texts(&lenient).contains(&"/ip4/192.168.0.1/tcp/1") && texts(&lenient).contains(&"/ip4/172.16.0.1/tcp/22"));
    assert_eq!(lenient.refused, 4, "what is malformed stays so");
}

#[tokio::test]
async fn circles_and_crowds_of_names_end() {
    let circle = found([
        txt("_dnsaddr.seed.example.", "dnsaddr=/dnsaddr/other.example"),
        txt("_dnsaddr.other.example.", "dnsaddr=/dnsaddr/SEED.example"),
        txt("_dnsaddr.other.example.", "dnsaddr=/dnsaddr/../x"),
        txt("_dnsaddr.other.example.", "dnsaddr=/ip4/8.8.8.8/tcp/1"),
    ])
    .await;
    assert_eq!(texts(&circle), ["/ip4/8.8.8.8/tcp/1"]);
    // Each name of a long chain tells one address.
    let chain = (0..40).flat_map(|number| {
        let name =
            if number == 0 { "_dnsaddr.seed.example.".to_owned() } else { format!("_dnsaddr.n{number}.example.") };
        let next = format!("dnsaddr=/dnsaddr/n{}.example", number + 1);
        [txt(&name, &next), txt(&name, &format!("dnsaddr=/ip4/8.8.8.{number}/tcp/1"))]
    });
    assert_eq!(found(chain).await.addresses.len(), DNSADDR_NAMES_MAX);
    let crowd = (0..100).flat_map(|number| {
        let host = format!("h{number}.example.");
        [srv("_qbtc._udp.seed.example.", number, 1, &host), a(&host, &format!("8.8.9.{number}"))]
    });
    let found = found(crowd).await;
    assert_eq!((found.addresses.len(), found.refused), (HOSTS_MAX, 100 - HOSTS_MAX));
}

#[tokio::test]
async fn names_that_are_not_there_and_names_that_are_none_tell_nothing() {
    let server = DnsServer::start([a("seed.example.", "8.8.8.8")]).await;
    let seeds = ask_at(server.at, false);
    for name in ["missing.example", "elsewhere.test", "", "..", "a b.example", &"x.".repeat(200)] {
        let found = seeds.ask(name).await;
        assert_eq!(found, Found::default(), "{name}");
    }
}

#[tokio::test]
async fn who_never_answers_is_not_waited_for() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let start = Instant::now();
    let found = ask_at(silent.local_addr().unwrap(), false).ask("seed.example").await;
    assert!(found.is_silent && found.addresses.is_empty());
    assert!(start.elapsed() < 2 * QUERY_TIME_MAX, "one query, not all of them");
    // A second server is asked if the first is silent.
    let server = DnsServer::start([a("seed.example.", "8.8.8.8")]).await;
    let seeds = Seeds::new(&[silent.local_addr().unwrap(), server.at], 8333, false).unwrap();
    assert_eq!(texts(&seeds.ask("seed.example").await), ["/ip4/8.8.8.8/tcp/8333"]);
}
