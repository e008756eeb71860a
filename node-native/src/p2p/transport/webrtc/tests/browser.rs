//! A second instance of the library plays the browser: it asks, and it opens streams as a page does.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::core::muxing::StreamMuxer as _;
use libp2p::core::upgrade::{InboundConnectionUpgrade as _, UpgradeInfo as _};
use libp2p::futures::future::poll_fn;
use libp2p::futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::identity::Keypair;
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::multihash::Multihash;
use libp2p::noise;
use qbtc_core::net::browser::CertHash;
use qbtc_core::net::browser::noise::prologue;
use str0m::config::Fingerprint;
use str0m::{Candidate, IceCreds};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::p2p::transport::webrtc::certificate::{Certificate, crypto};
use crate::p2p::transport::webrtc::connection::{self, Connection, Packet, Wiring};
use crate::p2p::transport::webrtc::error::ConnectionError;
use crate::p2p::transport::webrtc::limits::{Budget, Limits};
use crate::p2p::transport::webrtc::muxer::{Muxer, Shared, Substream};
use crate::p2p::transport::webrtc::socket::{Buffers, Socket};

/// Which credentials it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// A browser that has an open connection.
pub(super) struct Browser {
    pub(super) peer: PeerId,
    /// Who the node has proved to be.
    pub(super) node: PeerId,
    pub(super) muxer: Muxer,
}

/// What a test may do otherwise than a browser would.
#[derive(Clone, Debug)]
pub(super) struct Habits {
    pub(super) version: Version,
    pub(super) limits: Limits,
    /// Taken for the node's certificate in the prologue, instead of the one in its address.
    pub(super) certhash: Option<Multihash<64>>,
}

impl Default for Habits {
    fn default() -> Self {
        Self { version: Version::V2, limits: Limits::default(), certhash: None }
    }
}

/// The address and the certificate's hash in a multiaddr.
pub(super) fn target(address: &Multiaddr) -> (SocketAddr, Multihash<64>) {
    let (mut ip, mut port, mut hash) = (None, None, None);
    for part in address {
        match part {
            Protocol::Ip4(four) => ip = Some(IpAddr::from(four)),
            Protocol::Ip6(six) => ip = Some(IpAddr::from(six)),
            Protocol::Udp(number) => port = Some(number),
            Protocol::Certhash(digest) => hash = Some(digest),
            _ => {}
        }
    }
    (SocketAddr::new(ip.unwrap(), port.unwrap()), hash.unwrap())
}

/// The server's and the client's credentials.
pub(super) fn credentials(version: Version) -> (IceCreds, IceCreds) {
    let mut random = [0; 16];
    getrandom::fill(&mut random).unwrap();
    let random = hex::encode(random);
    match version {
        Version::V1 => {
            let name = format!("libp2p+webrtc+v1/{random}");
            let both = IceCreds { ufrag: name.clone(), pass: name };
            (both.clone(), both)
        }
        Version::V2 => {
            let name = format!("libp2p+webrtc+v2/{random}");
            (IceCreds { ufrag: name.clone(), pass: name }, IceCreds { ufrag: random[..4].into(), pass: random })
        }
    }
}

impl Browser {
    pub(super) async fn connect(address: &Multiaddr, habits: Habits) -> Result<Self, String> {
        let (node, certhash) = target(address);
        let socket = Arc::new(Socket::bind(SocketAddr::new(node.ip(), 0)).unwrap());
        let (server, client) = credentials(habits.version);
        let certificate = Certificate::generate().unwrap();
        let mut rtc = connection::config(crypto())
            .set_dtls_cert(certificate.dtls())
            .set_local_ice_credentials(client)
            .build(Instant::now());
        let host = |address| Candidate::host(address, str0m::net::Protocol::Udp).unwrap();
        rtc.add_local_candidate(host(socket.local()));
        rtc.add_remote_candidate(host(node));
        let mut api = rtc.direct_api();
        api.set_ice_controlling(true);
        api.set_remote_ice_credentials(server);
        api.set_remote_fingerprint(Fingerprint { hash_func: "sha-256".into(), bytes: certhash.digest().into() });
        api.start_dtls(true).unwrap();
        api.start_sctp(true);
        let channel = api.create_data_channel(connection::handshake_channel());

        let budget = Budget::new(habits.limits.unread_bytes_max);
        let shared = Shared::new(habits.limits, &budget, Arc::default());
        let (sender, packets) = mpsc::channel(2_048);
        let handshake_deadline = Instant::now() + Duration::from_secs(10);
        let wiring = Wiring {
            socket: Arc::clone(&socket),
            packets,
            shared: Arc::clone(&shared),
            counters: Arc::default(),
            handshake_deadline,
        };
        let (opened, open) = oneshot::channel();
        let announce = move |_| opened.send(()).map_err(|()| ConnectionError::Busy);
        let connection = Connection::new((rtc, channel), wiring, announce);
        tokio::spawn(async move {
            let cancel = CancellationToken::new();
            tokio::select! {
                _ = connection.run(cancel) => {}
                () = receive(&socket, &sender) => {}
            }
        });
        let muxer = Muxer::new(Arc::clone(&shared));
        open.await.map_err(|_| "the channel has not opened".to_owned())?;
        let identity = Keypair::generate_ed25519();
        let expected = habits.certhash.unwrap_or(certhash);
        let noise = noise::Config::new(&identity)
            .unwrap()
            .with_prologue(prologue(&certificate.cert_hash(), &CertHash(expected.digest().try_into().unwrap())));
        let info = noise.protocol_info().next().unwrap();
        let result = noise.upgrade_inbound(muxer.handshake_stream(), info).await;
        let (node, _) = result.map_err(|error| error.to_string())?;
        shared.set_authenticated();
        Ok(Self { peer: identity.public().to_peer_id(), node, muxer })
    }

    pub(super) async fn open(&mut self) -> Result<Substream, ConnectionError> {
        poll_fn(|cx| Pin::new(&mut self.muxer).poll_outbound(cx)).await
    }

    pub(super) async fn accept(&mut self) -> Result<Substream, ConnectionError> {
        poll_fn(|cx| Pin::new(&mut self.muxer).poll_inbound(cx)).await
    }

    /// Sends all, and takes all that comes back.
    pub(super) async fn echo(&mut self, data: &[u8]) -> std::io::Result<Vec<u8>> {
        let (mut reader, mut writer) = self.open().await?.split();
        let send = async {
            writer.write_all(data).await?;
            writer.close().await
        };
        let mut found = Vec::new();
        libp2p::futures::future::try_join(send, reader.read_to_end(&mut found)).await?;
        Ok(found)
    }

    /// Waits until the connection is over.
    pub(super) async fn ended(&mut self) -> ConnectionError {
        let poll = |muxer: &mut Muxer, cx: &mut Context<'_>| match Pin::new(muxer).poll(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(error),
            _ => Poll::Pending,
        };
        poll_fn(|cx| poll(&mut self.muxer, cx)).await
    }
}

async fn receive(socket: &Socket, packets: &mpsc::Sender<Packet>) {
    let budget = Budget::new(64 << 20);
    let mut buffers = Buffers::new();
    while socket.receive(&mut buffers).await.is_ok() {
        for datagram in socket.datagrams(&buffers) {
            let bytes = datagram.bytes.to_vec();
            let charge = budget.charge(bytes.len()).unwrap();
            let _ = packets.try_send(Packet { from: datagram.from, to: datagram.to, bytes, _charge: charge });
        }
    }
}
