//! Making a WebRTC connection: an offer to nobody, an answer made of the node's address, and the handshake on channel 0.

use alloc::borrow::ToOwned as _;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::future::{Future as _, poll_fn};
use core::net::IpAddr;
use core::pin::{Pin, pin};
use core::task::Poll;

use js_sys::{Function, Promise, Reflect};
use qbtc_core::net::browser::noise::{HANDSHAKE_BYTES_MAX, prologue};
use qbtc_core::net::browser::{CertHash, PeerId};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    RtcDataChannel, RtcDataChannelEvent, RtcDataChannelInit, RtcIceConnectionState, RtcIceGatheringState,
    RtcPeerConnection, RtcPeerConnectionState, RtcSdpType, RtcSessionDescriptionInit,
};

use super::arrivals::Arrivals;
use super::channel::{Channel, Unread};
use super::error::{CloseReason, TransportError};
use super::life::{Health, Life};
use super::noise::{Handshake, Identity};
use super::sdp::Offer;
use super::stream::Stream;
use super::time::Sleep;

/// Bytes of a handshake message's length.
const LENGTH_BYTES: usize = 2;
/// How long a connection that is given up may look for its own addresses before it is closed.
const GATHERING_TIME_MAX_MS: u32 = 20_000;

/// A peer connection of the browser. Dropping it closes it, as soon as the browser can free it, and leaves no handler behind.
pub(super) struct PeerConnection {
    inner: RtcPeerConnection,
    /// Whether it has begun to look for its own addresses.
    gathers: Cell<bool>,
    is_closed: Cell<bool>,
    unread: Unread,
    pub(super) arrived: Arrivals,
    _on_state: Closure<dyn FnMut()>,
    _on_channel: Closure<dyn FnMut(RtcDataChannelEvent)>,
}

impl PeerConnection {
    /// A new one, connected with nobody.
    pub(super) fn new(life: &Life) -> Result<Self, TransportError> {
        if !is_supported() {
            return Err(TransportError::Unsupported { what: "WebRTC" });
        }
        let inner = RtcPeerConnection::new()?;
        let (unread, arrived) = (Unread::default(), Arrivals::default());
        let (connection, life) = (inner.clone(), life.clone());
        let on_state = Closure::<dyn FnMut()>::new(move || match connection.connection_state() {
            RtcPeerConnectionState::Failed => life.end(CloseReason::Lost),
            RtcPeerConnectionState::Closed => life.end(CloseReason::Here),
            RtcPeerConnectionState::Disconnected => life.set_health(Health::Suspect),
            RtcPeerConnectionState::Connected => life.set_health(Health::Open),
            _ => {}
        });
        let (all_unread, arrivals) = (Rc::clone(&unread), arrived.clone());
        let on_channel = Closure::<dyn FnMut(RtcDataChannelEvent)>::new(move |event: RtcDataChannelEvent| {
            let channel = Channel::new(event.channel(), super::inbound::QUESTION_BYTES_MAX, &all_unread);
            arrivals.put(Stream::Rtc(channel));
        });
        inner.set_onconnectionstatechange(Some(on_state.as_ref().unchecked_ref()));
        inner.set_ondatachannel(Some(on_channel.as_ref().unchecked_ref()));
        Ok(Self {
            inner,
            gathers: Cell::default(),
            is_closed: Cell::default(),
            unread,
            arrived,
            _on_state: on_state,
            _on_channel: on_channel,
        })
    }

    /// Connects with the node and lets it prove its id. The channel of the handshake, whose end is the connection's.
    pub(super) async fn connect(
        &self,
        (ip, port, certhash): (IpAddr, u16, CertHash),
        identity: &Identity,
    ) -> Result<(Channel, PeerId), TransportError> {
        let options = RtcDataChannelInit::new();
        options.set_negotiated(true);
        options.set_id(0);
        let channel = self.inner.create_data_channel_with_data_channel_dict("", &options);
        let channel = Channel::new(channel, 4 * HANDSHAKE_BYTES_MAX, &self.unread);
        let offer = JsFuture::from(self.inner.create_offer()).await?;
        self.gathers.set(true);
        let described = JsFuture::from(self.inner.set_local_description(offer.unchecked_ref())).await;
        self.gathers.set(described.is_ok());
        described?;
        let description = self.inner.local_description().map(|description| description.sdp());
        let offer = description.as_deref().and_then(Offer::read);
        let offer = offer.ok_or_else(|| TransportError::Browser("its offer is of no known form".to_owned()))?;
        let answer = RtcSessionDescriptionInit::new(RtcSdpType::Answer);
        answer.set_sdp(&offer.answer(ip, port, &certhash));
        JsFuture::from(self.inner.set_remote_description(&answer)).await?;
        channel.opened().await?;
        let peer = authenticate(&channel, identity, &prologue(&offer.certhash, &certhash)).await?;
        Ok((channel, peer))
    }

    /// A new stream, on which at most so many bytes may wait to be read.
    pub(super) fn open(&self, unread_max: usize) -> Result<Stream, TransportError> {
        Ok(Stream::Rtc(Channel::new(create_data_channel(&self.inner)?, unread_max, &self.unread)))
    }

    /// Why a connection that has failed before it was open has done so.
    pub(super) fn failure(&self) -> TransportError {
        let is_reached = matches!(
            self.inner.ice_connection_state(),
            RtcIceConnectionState::Connected | RtcIceConnectionState::Completed
        );
        if is_reached { TransportError::WrongCertificate } else { TransportError::Unreachable }
    }

    /// Closes it.
    pub(super) fn close(&self) {
        if self.is_closed.replace(true) {
            return;
        }
        self.inner.set_onconnectionstatechange(None);
        self.inner.set_ondatachannel(None);
        self.arrived.clear();
        if self.gathers.get() && !has_gathered(&self.inner) {
            spawn_local(close_later(self.inner.clone()));
        } else {
            self.inner.close();
        }
    }
}

impl Drop for PeerConnection {
    fn drop(&mut self) {
        self.close();
    }
}

/// Closes a connection once it looks for its own addresses no more, or has done so for long: Chromium never frees one that is closed while it does.
async fn close_later(connection: RtcPeerConnection) {
    let (mut gathered, mut timer) = (pin!(gathered(&connection)), Sleep::new(GATHERING_TIME_MAX_MS));
    poll_fn(|cx| match gathered.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => Pin::new(&mut timer).poll(cx),
    })
    .await;
    connection.set_onicegatheringstatechange(None);
    connection.close();
}

async fn gathered(connection: &RtcPeerConnection) {
    while !has_gathered(connection) {
        let changed = Promise::new(&mut |resolve, _| connection.set_onicegatheringstatechange(Some(&resolve)));
        // It does not fail.
        let _ = JsFuture::from(changed).await;
    }
}

fn has_gathered(connection: &RtcPeerConnection) -> bool {
    connection.ice_gathering_state() == RtcIceGatheringState::Complete
}

/// Whether this is a page of a browser that has WebRTC.
pub(super) fn is_supported() -> bool {
    let constructor = Reflect::get(&js_sys::global(), &JsValue::from_str("RTCPeerConnection"));
    constructor.is_ok_and(|constructor| constructor.is_instance_of::<Function>())
}

/// A data channel. The browser throws on a connection that is closed, which `web-sys` does not know.
fn create_data_channel(connection: &RtcPeerConnection) -> Result<RtcDataChannel, JsValue> {
    let create: Function = Reflect::get(connection, &JsValue::from_str("createDataChannel"))?.dyn_into()?;
    create.call1(connection, &JsValue::from_str(""))?.dyn_into()
}

/// The handshake, which the node begins.
async fn authenticate(channel: &Channel, identity: &Identity, prologue: &[u8]) -> Result<PeerId, TransportError> {
    let mut handshake = Handshake::new(identity, prologue, false)?;
    let mut held = Vec::new();
    handshake.read_first(&read(channel, &mut held).await?)?;
    let proof = handshake.proof()?;
    let length = u16::try_from(proof.len()).map_err(|_| TransportError::Malformed)?;
    channel.send(&[&length.to_be_bytes()[..], &proof].concat()).await?;
    handshake.check(&read(channel, &mut held).await?)
}

async fn read(channel: &Channel, held: &mut Vec<u8>) -> Result<Vec<u8>, TransportError> {
    loop {
        if let Some(length) = held.first_chunk::<LENGTH_BYTES>() {
            let length = usize::from(u16::from_be_bytes(*length));
            if length > HANDSHAKE_BYTES_MAX {
                return Err(TransportError::TooLong { limit: HANDSHAKE_BYTES_MAX });
            }
            if held.len() >= LENGTH_BYTES + length {
                let rest = held.split_off(LENGTH_BYTES + length);
                let mut message = core::mem::replace(held, rest);
                message.drain(..LENGTH_BYTES);
                return Ok(message);
            }
        }
        held.extend_from_slice(&channel.read().await?.ok_or(TransportError::TurnedDown)?);
    }
}
