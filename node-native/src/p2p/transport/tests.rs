//! Links over loopback: what they are, and which are not made.

use std::time::Duration;

use futures_util::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::core::muxing::{StreamMuxerExt as _, SubstreamBox};
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportEvent};
use libp2p::core::{ConnectedPoint, Endpoint, Multiaddr};
use libp2p::multiaddr::Protocol;

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);
const ADDRESSES: [&str; 3] = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0/ws"];

/// Somebody on the network.
struct Party {
    peer: PeerId,
    transport: Transport,
    links: Links,
}

impl Party {
    fn new() -> Self {
        Self::with(&Identity::random(), Tls::new)
    }

    /// Somebody whose only key exchange is X25519.
    fn classical() -> Self {
        Self::with(&Identity::random(), |identity| Ok(Tls::classical(identity)))
    }

    fn with(identity: &Identity, tls: impl Fn(&Identity) -> Result<Tls, TlsError>) -> Self {
        let (links, tls) = (Links::default(), tls(identity).unwrap());
        let quic = quic(tls.clone()).unwrap();
        let all = either(quic, either(tcp::websocket(identity).unwrap(), tcp::tcp(tls)));
        Self { peer: identity.peer_id(), transport: recorded(all, &links), links }
    }

    /// Listens, and tells where.
    async fn listen(&mut self, address: &str) -> Multiaddr {
        self.transport.listen_on(ListenerId::next(), address.parse().unwrap()).unwrap();
        match self.transport.next().await.unwrap() {
            TransportEvent::NewAddress { listen_addr, .. } => listen_addr,
            other => panic!("{other:?}"),
        }
    }

    async fn dial(&mut self, address: &Multiaddr) -> std::io::Result<(PeerId, StreamMuxerBox)> {
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
        self.transport.dial(address.clone(), options).unwrap().await
    }
}

fn dialer_of(address: &Multiaddr) -> ConnectedPoint {
    let (role_override, port_use) = (Endpoint::Dialer, PortUse::Reuse);
    ConnectedPoint::Dialer { address: address.clone(), role_override, port_use }
}

/// Takes one connection, with what the swarm would know of it.
async fn accept(party: &mut Party) -> std::io::Result<(PeerId, StreamMuxerBox, Option<Link>)> {
    loop {
        if let TransportEvent::Incoming { upgrade, local_addr, send_back_addr, .. } =
            party.transport.next().await.unwrap()
        {
            // The socket must be read while the handshake runs.
            let links = party.links.clone();
            let task = tokio::spawn(async move {
                let (peer, muxer) = upgrade.await?;
                let link = links.take(&peer, &ConnectedPoint::Listener { local_addr, send_back_addr });
                Ok((peer, muxer, link))
            });
            return task.await.unwrap();
        }
    }
}

/// A stream of a connection, which is driven from then on, as a swarm would.
async fn stream(mut muxer: StreamMuxerBox, is_ours: bool) -> SubstreamBox {
    let opening = std::future::poll_fn(|cx| {
        assert!(muxer.poll_unpin(cx).is_pending());
        if is_ours { muxer.poll_outbound_unpin(cx) } else { muxer.poll_inbound_unpin(cx) }
    });
    let stream = opening.await.unwrap();
    tokio::spawn(async move { std::future::poll_fn(|cx| muxer.poll_unpin(cx)).await.map(drop) });
    stream
}

/// Sends one text there and back over a stream of its own.
async fn echo(dialled: StreamMuxerBox, accepted: StreamMuxerBox) {
    let asking = async {
        let mut stream = stream(dialled, true).await;
        stream.write_all(b"there and back").await.unwrap();
        stream.close().await.unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, b"there and back");
    };
    let answering = async {
        let mut stream = stream(accepted, false).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.close().await.unwrap();
    };
    tokio::join!(asking, answering);
}

/// What becomes of a connection at both ends.
async fn meet(dialler: &mut Party, listener: &mut Party, address: &Multiaddr) -> Result<[Link; 2], String> {
    let meeting = async { tokio::join!(dialler.dial(address), accept(listener)) };
    let ((peer, dialled), (other, accepted, inbound)) = match tokio::time::timeout(DEADLINE, meeting).await.unwrap() {
        (Ok(dialled), Ok(accepted)) => (dialled, accepted),
        (dialled, accepted) => return Err(format!("{:?} {:?}", dialled.err(), accepted.err())),
    };
    assert_eq!((peer, other), (listener.peer, dialler.peer));
    let outbound = dialler.links.take(&peer, &dialer_of(address)).unwrap();
    tokio::time::timeout(DEADLINE, echo(dialled, accepted)).await.unwrap();
    Ok([outbound, inbound.unwrap()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_say_what_they_are() {
    let kinds = [
        (Carrier::Tcp, KeyExchange::X25519MlKem768),
        (Carrier::Quic, KeyExchange::X25519MlKem768),
        (Carrier::WebSocket, KeyExchange::X25519),
    ];
    for (address, (carrier, key_exchange)) in ADDRESSES.into_iter().zip(kinds) {
        let (mut dialler, mut listener) = (Party::new(), Party::new());
        let address = listener.listen(address).await.with(Protocol::P2p(listener.peer));
        let links = meet(&mut dialler, &mut listener, &address).await.unwrap();
        for link in &links {
            assert_eq!((link.carrier, link.key_exchange), (carrier, key_exchange), "{address}");
            assert!(link.traffic.sent() >= 14 && link.traffic.received() >= 14, "{address}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_post_quantum_keys_there_is_no_link() {
    for address in &ADDRESSES[..2] {
        let (mut old, mut new) = (Party::classical(), Party::new());
        let at = new.listen(address).await;
        assert!(meet(&mut old, &mut new, &at).await.is_err(), "{address}: an old one dials");
        let (mut old, mut new) = (Party::classical(), Party::new());
        let at = old.listen(address).await;
        assert!(meet(&mut new, &mut old, &at).await.is_err(), "{address}: an old one is dialled");
        // Two of them would understand each other: it is the key exchange that is refused.
        let (mut first, mut second) = (Party::classical(), Party::classical());
        let at = second.listen(address).await;
        let met = meet(&mut first, &mut second, &at).await;
        if address.contains("quic") {
            met.unwrap();
        } else {
            // Over TCP what was negotiated is looked at, whatever was offered.
            assert!(met.unwrap_err().contains("KeyExchange"), "{address}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libp2ps_own_transports_are_understood() {
    let key = libp2p::identity::Keypair::generate_ed25519();
    let theirs = libp2p::quic::tokio::Transport::new(libp2p::quic::Config::new(&key));
    let theirs = theirs.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed();
    let tcp = libp2p::tcp::tokio::Transport::new(libp2p::tcp::Config::new());
    let tcp = tcp
        .upgrade(libp2p::core::upgrade::Version::V1)
        .authenticate(libp2p::tls::Config::new(&key).unwrap())
        .multiplex(libp2p::yamux::Config::default())
        .boxed();
    for (their, address) in [(tcp, ADDRESSES[0]), (theirs, ADDRESSES[1])] {
        let mut listener = Party::new();
        let mut other = Party { peer: key.public().to_peer_id(), transport: their, links: Links::default() };
        let at = listener.listen(address).await;
        let meeting = async { tokio::join!(other.dial(&at), accept(&mut listener)) };
        let (dialled, accepted) = tokio::time::timeout(DEADLINE, meeting).await.unwrap();
        let ((peer, _one), (who, _two, link)) = (dialled.unwrap(), accepted.unwrap());
        assert_eq!((peer, who), (listener.peer, other.peer));
        assert_eq!(link.unwrap().key_exchange, KeyExchange::X25519MlKem768, "{address}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quic_refuses_another_peer_than_the_one_dialled() {
    let (mut dialler, mut listener) = (Party::new(), Party::new());
    let at = listener.listen(ADDRESSES[1]).await.with(Protocol::P2p(PeerId::random()));
    let told = meet(&mut dialler, &mut listener, &at).await.unwrap_err();
    assert!(!told.is_empty());
    assert!(dialler.links.take(&listener.peer, &dialer_of(&at)).is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_dials_from_there() {
    let (mut dialler, mut listener) = (Party::new(), Party::new());
    let from = dialler.listen(ADDRESSES[1]).await;
    let at = listener.listen(ADDRESSES[1]).await;
    let incoming = async {
        loop {
            let event = listener.transport.next().await.unwrap();
            if let TransportEvent::Incoming { send_back_addr, .. } = event {
                return send_back_addr;
            }
        }
    };
    let dialling = dialler.dial(&at);
    let seen = tokio::select! { seen = incoming => seen, _ = dialling => panic!("nobody has answered") };
    assert_eq!(seen, from);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_crowd_nothing_is_kept_for_those_who_cannot_be_reached() {
    let (mut dialler, mut listener) = (Party::new(), Party::new());
    let at = listener.listen(ADDRESSES[1]).await;
    // Handshakes that nobody goes on with. From the ninth on, addresses have proved themselves; the dialler does.
    let mut dials: Vec<_> = Vec::new();
    let mut waiting = Vec::new();
    while waiting.len() < 64 {
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
        dials.push(tokio::spawn(dialler.transport.dial(at.clone(), options).unwrap()));
        let event = tokio::time::timeout(DEADLINE, listener.transport.next()).await.unwrap().unwrap();
        if let TransportEvent::Incoming { upgrade, .. } = event {
            waiting.push(upgrade);
        }
    }
    // One more is not even looked at, until another one has gone.
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
    let late = tokio::spawn(dialler.transport.dial(at.clone(), options).unwrap());
    let event = tokio::time::timeout(Duration::from_millis(300), listener.transport.next()).await;
    assert!(event.is_err(), "{event:?}");
    waiting.clear();
    let event = tokio::time::timeout(DEADLINE, listener.transport.next()).await.unwrap().unwrap();
    let TransportEvent::Incoming { upgrade, .. } = event else { panic!("{event:?}") };
    let Party { peer, mut transport, .. } = listener;
    // The socket must be read while the handshake runs.
    let driving = tokio::spawn(async move { while transport.next().await.is_some() {} });
    let (dialled, accepted) = tokio::time::timeout(DEADLINE, async { tokio::join!(late, upgrade) }).await.unwrap();
    assert_eq!((dialled.unwrap().unwrap().0, accepted.unwrap().0), (peer, dialler.peer));
    driving.abort();
    dials.into_iter().for_each(|dial| dial.abort());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_families_have_the_same_port() {
    let mut party = Party::new();
    let four = party.listen("/ip4/127.0.0.1/udp/0/quic-v1").await;
    let Some(Protocol::Udp(port)) = four.iter().nth(1) else { panic!("{four}") };
    // A machine without IPv6 has no such address to refuse.
    if std::net::UdpSocket::bind("[::1]:0").is_ok() {
        let six = party.listen(&format!("/ip6/::1/udp/{port}/quic-v1")).await;
        assert_eq!(six.to_string(), format!("/ip6/::1/udp/{port}/quic-v1"));
    }
    let again = format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().unwrap();
    assert!(party.transport.listen_on(ListenerId::next(), again).is_err(), "the port is taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_removed_says_so_and_is_gone() {
    let mut party = Party::new();
    let id = ListenerId::next();
    party.transport.listen_on(id, ADDRESSES[1].parse().unwrap()).unwrap();
    let at = match party.transport.next().await.unwrap() {
        TransportEvent::NewAddress { listen_addr, .. } => listen_addr,
        other => panic!("{other:?}"),
    };
    assert!(party.transport.remove_listener(id) && !party.transport.remove_listener(ListenerId::next()));
    assert!(matches!(party.transport.next().await.unwrap(), TransportEvent::ListenerClosed { reason: Ok(()), .. }));
    let mut other = Party::new();
    let dialled = tokio::time::timeout(DEADLINE, other.dial(&at)).await.unwrap();
    assert!(dialled.is_err());
}
