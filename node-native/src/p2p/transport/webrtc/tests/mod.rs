//! The transport against another WebRTC peer over UDP on loopback.

mod browser;
mod node;

use std::net::UdpSocket;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libp2p::core::muxing::StreamMuxer as _;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, Transport as _, TransportEvent};
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::futures::future::{join_all, poll_fn};
use libp2p::futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::identity::Keypair;
use tokio::time::timeout;

use browser::{Browser, Habits, Version, credentials, target};
use node::{Node, TIMEOUT, count, until};

use super::certificate::crypto;
use super::error::ConnectionError;
use super::{Certificate, Limits, WebRtcTransport};
use crate::p2p::identity::Identity;
use crate::p2p::transport::link::{Carrier, KeyExchange, Links};
use crate::p2p::transport::{Ways, transport_with};

fn data(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| u8::try_from(index % 253).unwrap()).collect()
}

async fn connect(node: &Node, habits: Habits) -> Browser {
    timeout(TIMEOUT, Browser::connect(&node.address, habits)).await.expect("in time").expect("a connection")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_prove_ids_and_carry_streams_of_all_sizes() {
    let node = Node::echoing(Limits::default()).await;
    for version in [Version::V2, Version::V1] {
        let mut browser = connect(&node, Habits { version, ..Habits::default() }).await;
        assert_eq!(browser.node, node.peer, "{version:?}");
        for bytes in [0, 1, 1 << 10, 16 << 10, 64 << 10, 1 << 20, 4 << 20] {
            let data = data(bytes);
            let found = timeout(TIMEOUT, browser.echo(&data)).await.expect("in time").unwrap();
            assert!(found == data, "{version:?}: {} of {bytes} bytes", found.len());
        }
    }
    assert_eq!(count(&node.counters.accepted), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_learns_the_browsers_id_and_can_push() {
    let mut node = Node::accepting(Limits::default()).await;
    let mut browser = connect(&node, Habits::default()).await;
    let (peer, mut muxer) = timeout(TIMEOUT, node.accepted.recv()).await.expect("in time").unwrap();
    assert_eq!(peer, browser.peer);
    // More than one after the other, so that ids of ended streams are used again.
    for round in 0..20_u8 {
        let mut stream = poll_fn(|cx| Pin::new(&mut muxer).poll_outbound(cx)).await.unwrap();
        stream.write_all(&[round; 100]).await.unwrap();
        stream.close().await.unwrap();
        let mut pushed = timeout(TIMEOUT, browser.accept()).await.expect("in time").unwrap();
        let mut found = Vec::new();
        timeout(TIMEOUT, pushed.read_to_end(&mut found)).await.expect("in time").unwrap();
        assert_eq!(found, [round; 100]);
        pushed.write_all(b"thanks").await.unwrap();
        pushed.close().await.unwrap();
        let mut answer = Vec::new();
        timeout(TIMEOUT, stream.read_to_end(&mut answer)).await.expect("in time").unwrap();
        assert_eq!(answer, b"thanks");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_at_once_and_one_after_the_other() {
    let node = Node::echoing(Limits::default()).await;
    let mut browser = connect(&node, Habits::default()).await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(browser.open().await.unwrap());
    }
    let echoes = streams.into_iter().enumerate().map(|(index, mut stream)| async move {
        let data = data(1_000 * index);
        stream.write_all(&data).await.unwrap();
        stream.close().await.unwrap();
        let mut found = Vec::new();
        stream.read_to_end(&mut found).await.unwrap();
        assert_eq!(found, data);
    });
    timeout(TIMEOUT, join_all(echoes)).await.expect("in time");
    // Far more than may be open at a time.
    for round in 0..600 {
        let found = timeout(TIMEOUT, browser.echo(b"again")).await.expect("in time");
        assert_eq!(found.unwrap(), b"again", "{round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_connections_of_which_nothing_is_left() {
    let node = Node::echoing(Limits::default()).await;
    let visits = (0..20).map(|_| async {
        let mut browser = connect(&node, Habits::default()).await;
        let data = data(200_000);
        assert!(timeout(TIMEOUT, browser.echo(&data)).await.expect("in time").unwrap() == data);
        browser
    });
    let browsers = join_all(visits).await;
    assert_eq!(node.tasks.len(), 1 + browsers.len());
    let reading = node.counters.reading();
    assert_eq!((reading.open, reading.opened), (20, 20));
    assert!(reading.received_bytes > 20 * 200_000 && reading.sent_bytes > 20 * 200_000, "{reading:?}");
    drop(browsers);
    node.has_tasks(1).await;
    until(|| node.counters.reading().open == 0, || format!("{:?}", node.counters.reading())).await;
    node.stop();
    node.has_tasks(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_is_counted_and_hurts_nobody() {
    let node = Node::echoing(Limits::default()).await;
    let (address, _) = target(&node.address);
    let is_over = Arc::new(AtomicBool::new(false));
    let flood = std::thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let packets = [
                vec![0; 1_200],
                vec![0xff; 1],
                b"\x00\x01\x00\x00\x21\x12\xa4\x42............".to_vec(),
                vec![22; 1_900],
                vec![7; 9_000],
            ];
            let mut sent = 0_u64;
            while !is_over.load(Ordering::Relaxed) || sent < 20_000 {
                sent += u64::from(socket.send_to(&packets[usize::try_from(sent % 5).unwrap()], address).is_ok());
            }
            sent
        }
    });
    let mut browser = connect(&node, Habits::default()).await;
    let data = data(500_000);
    for _ in 0..4 {
        assert!(timeout(TIMEOUT, browser.echo(&data)).await.expect("in time").unwrap() == data);
    }
    is_over.store(true, Ordering::Relaxed);
    let sent = flood.join().unwrap();
    until(|| count(&node.counters.junk) > 5_000, || format!("{} of {sent}", count(&node.counters.junk))).await;
    assert_eq!(node.tasks.len(), 2, "junk opens nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_goes_silent_in_the_handshake_is_forgotten() {
    let limits = Limits { handshake_timeout: Duration::from_secs(2), ..Limits::default() };
    let node = Node::echoing(limits).await;
    let (address, _) = target(&node.address);
    let (server, client) = credentials(Version::V2);
    let username = format!("{}:{}", server.ufrag, client.ufrag);
    let packet = super::credentials::request(&username, &server.pass, &crypto());
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&packet, address).await.unwrap();
    let mut answer = [0; 500];
    timeout(TIMEOUT, socket.recv(&mut answer)).await.expect("in time").unwrap();
    assert_eq!(node.tasks.len(), 2);
    node.has_tasks(1).await;
    assert_eq!(node.counters.reading().failed[2], ("handshake", 1));
    assert_eq!(count(&node.counters.accepted), 0);
    // It asks again, as a browser does that has not heard of the end, and is not told that all is well.
    socket.send_to(&packet, address).await.unwrap();
    until(|| count(&node.counters.late) == 1, || "the packet has not come".into()).await;
    assert_eq!(node.tasks.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_between_is_noticed() {
    let node = Node::echoing(Limits::default()).await;
    let other = Certificate::generate().unwrap().multihash();
    let habits = Habits { certhash: Some(other), ..Habits::default() };
    let result = timeout(TIMEOUT, Browser::connect(&node.address, habits)).await.expect("in time");
    assert!(result.is_err());
    node.has_tasks(1).await;
    assert_eq!(count(&node.counters.accepted), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_side_closes_and_the_other_knows() {
    let mut node = Node::accepting(Limits::default()).await;
    let mut browser = connect(&node, Habits::default()).await;
    let (_, mut muxer) = node.accepted.recv().await.unwrap();
    timeout(TIMEOUT, poll_fn(|cx| Pin::new(&mut muxer).poll_close(cx))).await.expect("in time").unwrap();
    assert_eq!(timeout(TIMEOUT, browser.ended()).await.expect("in time"), ConnectionError::ClosedByPeer);
    drop(browser);
    node.has_tasks(1).await;

    let browser = connect(&node, Habits::default()).await;
    let (_, mut muxer) = node.accepted.recv().await.unwrap();
    drop(browser);
    let error = timeout(TIMEOUT, poll_fn(|cx| Pin::new(&mut muxer).poll_inbound(cx))).await.expect("in time");
    assert_eq!(error.unwrap_err(), ConnectionError::ClosedByPeer);
    node.has_tasks(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_streams_end_the_connection() {
    let node = Node::accepting(Limits { streams_in_max: 10, ..Limits::default() }).await;
    let mut browser = connect(&node, Habits::default()).await;
    let mut streams = Vec::new();
    for _ in 0..11 {
        let mut stream = browser.open().await.unwrap();
        stream.write_all(b"hello").await.unwrap();
        streams.push(stream);
    }
    timeout(TIMEOUT, browser.ended()).await.expect("in time");
    node.has_tasks(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_reads_resets_its_stream_and_no_other() {
    let mut node = Node::accepting(Limits { unread_per_stream_bytes_max: 100_000, ..Limits::default() }).await;
    let mut browser = connect(&node, Habits::default()).await;
    let (_, mut muxer) = node.accepted.recv().await.unwrap();
    let mut greedy = browser.open().await.unwrap();
    let mut modest = browser.open().await.unwrap();
    modest.write_all(b"hello").await.unwrap();
    let sent = timeout(TIMEOUT, greedy.write_all(&data(1 << 20))).await.expect("in time");
    let failed = match sent {
        Ok(()) => timeout(TIMEOUT, greedy.read(&mut [0])).await.expect("in time").is_err(),
        Err(_) => true,
    };
    assert!(failed, "the stream was reset");
    assert_eq!(count(&node.counters.streams_reset), 1);
    let mut found = false;
    for _ in 0..2 {
        let mut stream =
            timeout(TIMEOUT, poll_fn(|cx| Pin::new(&mut muxer).poll_inbound(cx))).await.expect("in time").unwrap();
        let mut buffer = [0; 5];
        found |= stream.read_exact(&mut buffer).await.is_ok() && &buffer == b"hello";
    }
    assert!(found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enough_connections_are_enough() {
    let node = Node::echoing(Limits { connections_max: 2, ..Limits::default() }).await;
    let first = connect(&node, Habits::default()).await;
    let _second = connect(&node, Habits::default()).await;
    let third = tokio::spawn({
        let address = node.address.clone();
        async move { Browser::connect(&address, Habits::default()).await }
    });
    until(|| count(&node.counters.refused) > 0, || "the third is not refused".into()).await;
    assert_eq!(node.tasks.len(), 3);
    drop(first);
    // Its requests go on, and now there is room.
    assert!(timeout(TIMEOUT, third).await.expect("in time").unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wildcard_is_reached_at_each_address_and_listeners_go() {
    let (identity, certificate) = (Keypair::generate_ed25519(), Certificate::generate().unwrap());
    let mut transport = WebRtcTransport::new(identity, certificate, Limits::default());
    let tasks = transport.tasks();
    let id = ListenerId::next();
    transport.listen_on(id, "/ip4/0.0.0.0/udp/0/webrtc-direct".parse().unwrap()).unwrap();
    let mut next = async || timeout(TIMEOUT, poll_fn(|cx| Pin::new(&mut transport).poll(cx))).await.expect("in time");
    let address = loop {
        if let TransportEvent::NewAddress { listen_addr, .. } = next().await
            && listen_addr.to_string().starts_with("/ip4/127.0.0.1/udp/")
        {
            break listen_addr;
        }
    };
    let (browser, upgrade) = tokio::join!(Browser::connect(&address, Habits::default()), async {
        loop {
            if let TransportEvent::Incoming { upgrade, local_addr, .. } = next().await {
                assert_eq!(local_addr, address);
                break upgrade.await;
            }
        }
    });
    let (mut browser, (peer, _muxer)) = (browser.unwrap(), upgrade.unwrap());
    assert_eq!(peer, browser.peer);
    assert!(transport.remove_listener(id) && !transport.remove_listener(id));
    let is_closed =
        |event: &TransportEvent<_, _>| matches!(event, TransportEvent::ListenerClosed { reason: Ok(()), .. });
    assert!(is_closed(&poll_fn(|cx| Pin::new(&mut transport).poll(cx)).await));
    timeout(TIMEOUT, browser.ended()).await.expect("in time");
    until(|| tasks.is_empty(), || format!("{} tasks", tasks.len())).await;
    let opts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    assert!(transport.dial(address, opts).is_err());
    assert!(transport.listen_on(id, "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_libp2p_refuses_is_closed_at_once() {
    let limits = Limits { handshake_timeout: Duration::from_secs(600), ..Limits::default() };
    let (identity, certificate) = (Keypair::generate_ed25519(), Certificate::generate().unwrap());
    let mut transport = WebRtcTransport::new(identity, certificate, limits);
    let tasks = transport.tasks();
    transport.listen_on(ListenerId::next(), "/ip4/127.0.0.1/udp/0/webrtc-direct".parse().unwrap()).unwrap();
    let mut next = async || timeout(TIMEOUT, poll_fn(|cx| Pin::new(&mut transport).poll(cx))).await.expect("in time");
    let TransportEvent::NewAddress { listen_addr, .. } = next().await else { panic!("it listens") };
    let (browser, ()) = tokio::join!(Browser::connect(&listen_addr, Habits::default()), async {
        assert!(matches!(next().await, TransportEvent::Incoming { .. }));
    });
    assert!(browser.is_err());
    until(|| tasks.len() == 1, || format!("{} tasks", tasks.len())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_with_a_browser_says_what_it_is() {
    let (identity, links) = (Identity::random(), Links::default());
    let certificate = Certificate::generate().unwrap();
    let mut transport = transport_with(
        &identity,
        Ways {
            webrtc: Some(WebRtcTransport::new(identity.keypair().clone(), certificate, Limits::default())),
            ..Ways::default()
        },
        &links,
    )
    .unwrap();
    for address in ["/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/webrtc-direct"] {
        transport.listen_on(ListenerId::next(), address.parse().unwrap()).unwrap();
    }
    let mut next = async || timeout(TIMEOUT, poll_fn(|cx| Pin::new(&mut transport).poll(cx))).await.expect("in time");
    let address = loop {
        if let TransportEvent::NewAddress { listen_addr, .. } = next().await
            && listen_addr.to_string().contains("webrtc-direct")
        {
            break listen_addr;
        }
    };
    let (browser, link) = tokio::join!(Browser::connect(&address, Habits::default()), async {
        loop {
            if let TransportEvent::Incoming { upgrade, local_addr, send_back_addr, .. } = next().await {
                let (peer, _muxer) = upgrade.await.unwrap();
                break links.take(&peer, &ConnectedPoint::Listener { local_addr, send_back_addr });
            }
        }
    });
    assert_eq!(browser.unwrap().node, identity.peer_id());
    let link = link.unwrap();
    assert_eq!((link.carrier, link.key_exchange), (Carrier::WebRtc, KeyExchange::EllipticCurve));
}
