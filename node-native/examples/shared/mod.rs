//! What the peers that browsers are tested against have in common: messages on streams, a swarm over WebRTC on loopback, and their end.

use std::io::{self, Write as _};
use std::time::Duration;

use libp2p::core::Transport as _;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, Codec};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, swarm};
use qbtc_node::p2p::transport::webrtc::WebRtcTransport;
use tokio::sync::oneshot;

const MESSAGE_BYTES_MAX: u32 = 16 << 20;

/// Questions and answers of bytes.
pub(crate) type Exchange = request_response::Behaviour<Messages>;
/// What happens to them.
pub(crate) type ExchangeEvent = request_response::Event<Vec<u8>, Vec<u8>>;

/// How messages end: where their sender has finished, or where the length before them says, as nodes send them.
#[derive(Clone, Copy)]
pub(crate) struct Messages {
    pub(crate) have_length: bool,
}

impl Codec for Messages {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut length = MESSAGE_BYTES_MAX.to_be_bytes();
        if self.have_length {
            io.read_exact(&mut length).await?;
        }
        let length = u32::from_be_bytes(length).min(MESSAGE_BYTES_MAX);
        let mut bytes = Vec::new();
        io.take(length.into()).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        name: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        self.read_request(name, io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        if self.have_length {
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            io.write_all(&length.to_be_bytes()).await?;
        }
        io.write_all(&bytes).await?;
        io.close().await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        name: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        self.write_request(name, io, bytes).await
    }
}

/// How questions are asked and answered: so patiently that a busy machine ends none.
pub(crate) fn patient(streams_max: usize) -> request_response::Config {
    request_response::Config::default()
        .with_request_timeout(Duration::from_secs(60))
        .with_max_concurrent_streams(streams_max)
}

/// A swarm that listens for browsers on loopback.
pub(crate) fn listening<B: NetworkBehaviour>(
    identity: &Keypair,
    transport: WebRtcTransport,
    behaviour: B,
) -> anyhow::Result<Swarm<B>> {
    let transport = transport.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed();
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(60));
    let mut swarm = Swarm::new(transport, behaviour, identity.public().to_peer_id(), config);
    swarm.listen_on("/ip4/127.0.0.1/udp/0/webrtc-direct".parse()?)?;
    Ok(swarm)
}

/// Tells where this peer listens.
pub(crate) fn say_address(address: Multiaddr, peer: PeerId) {
    let address = address.with_p2p(peer).map(|address| address.to_string()).unwrap_or_default();
    say(&serde_json::json!({ "address": address }));
}

/// Prints a line.
pub(crate) fn say(line: &serde_json::Value) {
    // Whoever does not read any more ends this by closing the input.
    let _ = writeln!(io::stdout(), "{line}");
}

/// Resolves when the standard input ends.
pub(crate) fn input_ended() -> oneshot::Receiver<()> {
    let (sender, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = sender.send(());
    });
    ended
}
