//! The task of one connection: it gives packets, time and frames to the library, and takes packets and events from it.
//!
//! The library (`str0m`) does ICE, DTLS and SCTP without I/O of its own. Invariant: after each input all outputs are taken, and the task ends
//! when the peer is gone, when libp2p wants no more of the connection, or when the listener goes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use qbtc_core::net::browser::CertHash;
use qbtc_core::net::browser::frame::FRAME_BYTES_MAX;
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::config::{DtlsVersion, Fingerprint};
use str0m::crypto::CryptoProvider;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, IceCreds, Input, Output, Rtc, RtcConfig};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::certificate::Certificate;
use super::error::ConnectionError;
use super::limits::{Charge, Counters};
use super::muxer::{EndOnDrop, HANDSHAKE, Key, Shared};
use super::socket::Socket;

/// What SCTP may hold unsent: more would overflow the receive buffers of browsers, and what is lost there is missed for a second.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Packets that are taken in before others get their turn.
const PACKETS_PER_TURN: usize = 64;
/// The pause after each turn while readers are behind. It slows the sender down without taking the acknowledgements of what we send from us.
const BEHIND_PAUSE: Duration = Duration::from_millis(10);

/// A packet on its way to a connection's task.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
    /// What it takes of the memory for packets.
    pub(super) _charge: Charge,
}

/// Who connects to whom, as the first packet tells it.
pub(super) struct Answer {
    pub(super) crypto: Arc<CryptoProvider>,
    pub(super) certificate: Arc<Certificate>,
    pub(super) server: IceCreds,
    pub(super) client: IceCreds,
    /// Where the first packet was sent to.
    pub(super) local: SocketAddr,
}

/// What a connection's task works with.
pub(super) struct Wiring {
    pub(super) socket: Arc<Socket>,
    pub(super) packets: mpsc::Receiver<Packet>,
    pub(super) shared: Arc<Shared>,
    pub(super) counters: Arc<Counters>,
    pub(super) handshake_deadline: Instant,
}

/// The library as the node needs it, and the channel of the handshake: it answers, and never asks.
pub(super) fn answer(answer: Answer) -> Result<(Rtc, ChannelId), ConnectionError> {
    let mut rtc = config(answer.crypto)
        .set_dtls_cert(answer.certificate.dtls())
        .set_ice_lite(true)
        .set_local_ice_credentials(answer.server)
        // Noise binds the certificates: nobody has told us the browser's before.
        .set_fingerprint_verification(false)
        .build(Instant::now());
    let candidate = Candidate::host(answer.local, Protocol::Udp);
    rtc.add_local_candidate(candidate.map_err(|error| protocol(&error))?);
    let mut api = rtc.direct_api();
    api.set_ice_controlling(false);
    api.set_remote_ice_credentials(answer.client);
    api.set_remote_fingerprint(Fingerprint { hash_func: "sha-256".into(), bytes: vec![0; 32] });
    api.start_dtls(false).map_err(|error| protocol(&error))?;
    api.start_sctp(false);
    let channel = api.create_data_channel(handshake_channel());
    Ok((rtc, channel))
}

/// What both sides have in common.
pub(super) fn config(crypto: Arc<CryptoProvider>) -> RtcConfig {
    RtcConfig::new()
        .set_crypto_provider(crypto)
        .set_dtls_version(DtlsVersion::Auto)
        .set_sctp_max_message_size(u32::try_from(FRAME_BYTES_MAX).expect("a few kilobytes"))
        .set_sctp_max_buffered_amount(SEND_BUFFER_BYTES)
        .clear_codecs()
}

/// The channel that opens by agreement.
pub(super) fn handshake_channel() -> ChannelConfig {
    ChannelConfig { negotiated: Some(0), ..ChannelConfig::default() }
}

/// The connection inside its task. `announce` is told once, with the hash of the peer's certificate, when the peer can be asked for its id.
pub(super) struct Connection<A> {
    rtc: Rtc,
    socket: Arc<Socket>,
    packets: mpsc::Receiver<Packet>,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
    handshake_deadline: Instant,
    announce: Option<A>,
    keys: HashMap<ChannelId, Key>,
    channels: HashMap<Key, ChannelId>,
    /// A frame that SCTP has not taken yet.
    stalled: Option<(ChannelId, Vec<u8>)>,
}

impl<A> Connection<A>
where
    A: FnOnce(CertHash) -> Result<(), ConnectionError>,
{
    pub(super) fn new((rtc, handshake): (Rtc, ChannelId), wiring: Wiring, announce: A) -> Self {
        Self {
            rtc,
            socket: wiring.socket,
            packets: wiring.packets,
            shared: wiring.shared,
            counters: wiring.counters,
            handshake_deadline: wiring.handshake_deadline,
            announce: Some(announce),
            keys: HashMap::from([(handshake, HANDSHAKE)]),
            channels: HashMap::from([(HANDSHAKE, handshake)]),
            stalled: None,
        }
    }

    /// Runs until the connection is over, and says why it is.
    pub(super) async fn run(mut self, cancel: CancellationToken) -> ConnectionError {
        let shared = Arc::clone(&self.shared);
        let _end = EndOnDrop(Arc::clone(&shared));
        let reason = tokio::select! {
            () = cancel.cancelled() => ConnectionError::Closed,
            reason = self.drive() => reason,
        };
        self.counters.ended(&reason, shared.is_authenticated());
        tracing::debug!(%reason, "a WebRTC connection has ended");
        shared.end(reason.clone());
        self.say_goodbye().await;
        reason
    }

    async fn drive(&mut self) -> ConnectionError {
        loop {
            match self.turn().await {
                Ok(()) => {}
                Err(reason) => return reason,
            }
        }
    }

    /// Does what is to be done, then waits for the next reason to do something, and takes it in.
    async fn turn(&mut self) -> Result<(), ConnectionError> {
        let deadline = self.settle().await?;
        if self.shared.is_closing() {
            return Err(ConnectionError::Closed);
        }
        let now = Instant::now();
        let is_late = !self.shared.is_authenticated() && now >= self.handshake_deadline;
        if is_late {
            return Err(ConnectionError::HandshakeTimeout);
        }
        if self.shared.is_behind() {
            tokio::time::sleep(BEHIND_PAUSE).await;
        }
        let wake_at = tokio::time::Instant::from_std(self.wake_at(deadline));
        tokio::select! {
            packet = self.packets.recv() => {
                let Some(packet) = packet else { return Err(ConnectionError::Closed) };
                self.take_in(packet).await?;
                for _ in 1..PACKETS_PER_TURN {
                    let Ok(packet) = self.packets.try_recv() else { break };
                    self.take_in(packet).await?;
                }
            }
            () = self.shared.wake.notified() => {}
            () = tokio::time::sleep_until(wake_at) => {
                self.rtc.handle_input(Input::Timeout(Instant::now())).map_err(|error| protocol(&error))?;
            }
        }
        Ok(())
    }

    fn wake_at(&self, deadline: Instant) -> Instant {
        let handshake = (!self.shared.is_authenticated()).then_some(self.handshake_deadline);
        [handshake, self.shared.close_deadline()].into_iter().flatten().fold(deadline, Instant::min)
    }

    /// Moves frames and packets until there is nothing to move, and returns when the library wants to be called.
    async fn settle(&mut self) -> Result<Instant, ConnectionError> {
        loop {
            let has_moved = self.pump()?;
            let (deadline, has_events) = self.drain().await?;
            if !has_moved && !has_events {
                return Ok(deadline);
            }
        }
    }

    /// What the packet means to the library. One that means nothing is no reason to end: anybody can send one in the peer's name.
    async fn take_in(&mut self, packet: Packet) -> Result<(), ConnectionError> {
        let taken = Receive::new(Protocol::Udp, packet.from, packet.to, &packet.bytes)
            .is_ok_and(|receive| self.rtc.handle_input(Input::Receive(Instant::now(), receive)).is_ok());
        if !taken {
            Counters::add(&self.counters.malformed);
        }
        self.drain().await.map(drop)
    }

    /// Opens channels, sends frames and closes channels as the streams want it. Returns whether there was any of it.
    fn pump(&mut self) -> Result<bool, ConnectionError> {
        let mut has_moved = false;
        while let Some(key) = self.shared.next_to_open() {
            let channel = self.rtc.direct_api().create_data_channel(ChannelConfig::default());
            self.keys.insert(channel, key);
            self.channels.insert(key, channel);
            has_moved = true;
        }
        has_moved |= self.send_frames()?;
        while let Some(key) = self.shared.next_to_close(Instant::now()) {
            if let Some(channel) = self.channels.get(&key) {
                self.rtc.direct_api().close_data_channel(*channel);
                has_moved = true;
            }
        }
        Ok(has_moved)
    }

    fn send_frames(&mut self) -> Result<bool, ConnectionError> {
        let mut has_moved = false;
        loop {
            let (channel, frame) = match self.stalled.take() {
                Some(stalled) => stalled,
                None => {
                    let Self { rtc, channels, shared, .. } = self;
                    let mut is_open = |key| channels.get(&key).is_some_and(|channel| rtc.channel(*channel).is_some());
                    let mut frame = Vec::new();
                    let Some(key) = shared.next_frame(&mut is_open, &mut frame) else { return Ok(has_moved) };
                    (channels[&key], frame)
                }
            };
            // A channel that has gone meanwhile takes its frame with it.
            let Some(mut open) = self.rtc.channel(channel) else { continue };
            if open.write(true, &frame).map_err(|error| protocol(&error))? {
                has_moved = true;
            } else {
                self.stalled = Some((channel, frame));
                return Ok(has_moved);
            }
        }
    }

    /// Takes all outputs. Returns when the library wants to be called, and whether there were events.
    async fn drain(&mut self) -> Result<(Instant, bool), ConnectionError> {
        let mut has_events = false;
        loop {
            match self.rtc.poll_output().map_err(|error| protocol(&error))? {
                Output::Timeout(deadline) => return Ok((deadline, has_events)),
                Output::Transmit(packet) => {
                    Counters::add_bytes(&self.counters.sent_bytes, packet.contents.len());
                    self.socket.send(packet.source.ip(), packet.destination, &packet.contents).await;
                }
                Output::Event(event) => {
                    has_events = true;
                    self.on_event(event)?;
                }
            }
        }
    }

    fn on_event(&mut self, event: Event) -> Result<(), ConnectionError> {
        match event {
            Event::ChannelOpen(channel, _) => match self.keys.get(&channel) {
                None => {
                    let key = self.shared.arrived()?;
                    self.keys.insert(channel, key);
                    self.channels.insert(key, channel);
                }
                Some(&HANDSHAKE) => self.announce()?,
                Some(_) => {}
            },
            Event::ChannelData(data) => {
                if let Some(key) = self.keys.get(&data.id) {
                    self.shared.received(*key, &data.data);
                }
            }
            Event::ChannelClose(channel) => {
                if let Some(key) = self.keys.remove(&channel) {
                    self.channels.remove(&key);
                    self.shared.channel_closed(key);
                }
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => return Err(ConnectionError::Lost),
            Event::Closed => return Err(ConnectionError::ClosedByPeer),
            _ => {}
        }
        Ok(())
    }

    fn announce(&mut self) -> Result<(), ConnectionError> {
        let Some(announce) = self.announce.take() else { return Ok(()) };
        let api = self.rtc.direct_api();
        let fingerprint = api.remote_dtls_fingerprint().filter(|print| print.hash_func.eq_ignore_ascii_case("sha-256"));
        let hash = fingerprint.and_then(|print| print.bytes[..].try_into().ok());
        let hash: [u8; 32] =
            hash.ok_or_else(|| ConnectionError::Protocol("the peer has shown no certificate".into()))?;
        tracing::debug!(dtls = ?api.dtls_protocol_version(), "a WebRTC channel is open");
        announce(CertHash(hash))
    }

    /// Tells the peer, without waiting for an answer.
    async fn say_goodbye(&mut self) {
        if self.rtc.close().is_ok() {
            while self.rtc.is_alive() {
                match self.rtc.poll_output() {
                    Ok(Output::Transmit(packet)) => {
                        Counters::add_bytes(&self.counters.sent_bytes, packet.contents.len());
                        self.socket.send(packet.source.ip(), packet.destination, &packet.contents).await;
                    }
                    Ok(Output::Event(_)) => {}
                    Ok(Output::Timeout(_)) | Err(_) => return,
                }
            }
        }
    }
}

fn protocol(error: &impl ToString) -> ConnectionError {
    ConnectionError::Protocol(error.to_string())
}
