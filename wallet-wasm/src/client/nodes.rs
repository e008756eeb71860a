//! Enough nodes: dials them, pings them, and parts with them.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::ToString as _;
use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;

use qbtc_core::net::addresses::Group;
use qbtc_core::net::browser::Address;
use qbtc_core::net::{Hello, PROTOCOL_VERSION, Services, UserAgent};
use qbtc_core::sync::PeerKey;
use qbtc_core::sync::light::{AddressGroup, Input, Leaving};
use qbtc_core::units::FeeRate;
use wasm_bindgen_futures::spawn_local;

use super::driver::{Inner, Node, at};
use super::handle::Notice;
use super::link::{Link, LinkError};
use crate::transport::{Cancel, CloseReason, Health, Sleep, TransportError, now_ms};

/// How many nodes the client wants to be connected with, and how many it dials at the same time.
const LINKS_WANTED: usize = 4;
const DIALS_MAX: usize = 2;
/// How long a node may take that can be reached in another way as well: a network that lets no UDP through says nothing.
const FIRST_WAY_TIME_MAX_MS: u32 = 4_000;
/// How often a node is pinged, and how long it may take to answer: always, and after a sleep.
pub(super) const PING_INTERVAL_MS: f64 = 15_000.0;
pub(super) const PING_TIME_MAX_MS: u32 = 5_000;
const PROBE_TIME_MAX_MS: u32 = 3_000;
/// How long nodes stay away that were left: those with bad luck, those that serve nobody, liars.
const UNLUCKY_MS: f64 = 300_000.0;
const USELESS_MS: f64 = 3_600_000.0;
const LIAR_MS: f64 = 86_400_000.0;

impl Inner {
    /// Dials as many as are wanted.
    pub(super) fn dial(self: &Rc<Self>) {
        while self.nodes.borrow().len() + self.dials.get() < LINKS_WANTED && self.dials.get() < DIALS_MAX {
            let Some(address) = self.book.borrow_mut().take(now_ms(), draw) else { return };
            let is_hurried = self.book.borrow().has_other_way(&address.peer());
            self.dials.set(self.dials.get() + 1);
            let client = Rc::downgrade(self);
            let (dialer, spec, own) = (self.dialer.clone(), Arc::clone(&self.spec), self.hello());
            spawn_local(async move {
                let cancel = Cancel::default();
                let opening = Link::open(&address, &dialer, &spec, &own, &cancel);
                let opened = if is_hurried { hurried(opening).await } else { opening.await };
                let Some(client) = client.upgrade() else { return };
                client.dials.set(client.dials.get() - 1);
                match opened {
                    Ok(_) if client.is_stopped.get() => {}
                    Ok((link, hello)) => client.connected(link, &address, hello),
                    Err(error) => client.dial_failed(address, &error),
                }
                client.ring();
            });
        }
    }

    pub(super) fn dial_failed(&self, address: Address, error: &LinkError) {
        let pause_ms = if error.is_fault() { USELESS_MS } else { 0.0 };
        self.book.borrow_mut().give_back(&address.peer(), true, pause_ms, now_ms());
        self.tell(Notice::NodeFailed { address, error: error.to_string() });
    }

    pub(super) fn connected(self: &Rc<Self>, link: Link, address: &Address, hello: Hello) {
        self.last_key.set(self.last_key.get() + 1);
        let (peer, link) = (PeerKey(self.last_key.get()), Rc::new(link));
        let node = Node {
            link: Rc::clone(&link),
            address: address.clone(),
            user_agent: hello.user_agent.as_str().to_owned(),
            ping_ms: None,
            pinged_ms: now_ms(),
            is_pinging: false,
        };
        self.nodes.borrow_mut().insert(peer, node);
        let (client, watched) = (Rc::downgrade(self), link.connection.clone());
        spawn_local(async move {
            watched.closed().await;
            if let Some(client) = client.upgrade() {
                client.gone(peer);
            }
        });
        if self.book.borrow().is_short() {
            let client = Rc::downgrade(self);
            spawn_local(async move {
                let found = link.addresses().await.unwrap_or_default();
                if let Some(client) = client.upgrade() {
                    client.book.borrow_mut().hear(found.into_iter().filter(|address| client.dialer.can_dial(address)));
                    client.ring();
                }
            });
        }
        self.handle(Input::PeerUp { peer, hello, group: group(address) });
    }

    /// A connection has ended.
    pub(super) fn gone(self: &Rc<Self>, peer: PeerKey) {
        let node = self.nodes.borrow_mut().remove(&peer);
        if let Some(node) = node {
            self.book.borrow_mut().give_back(&node.address.peer(), true, 0.0, now_ms());
            self.handle(Input::PeerDown { peer });
        }
    }

    pub(super) fn leave(&self, peer: PeerKey, why: Leaving) {
        let Some(node) = self.nodes.borrow_mut().remove(&peer) else { return };
        let pause_ms = match why {
            Leaving::Liar => LIAR_MS,
            Leaving::OtherChain | Leaving::NotServing => USELESS_MS,
            Leaving::Unlucky | Leaving::Enough => UNLUCKY_MS,
        };
        self.book.borrow_mut().give_back(&node.address.peer(), true, pause_ms, now_ms());
        node.link.connection.close(CloseReason::Here);
        self.tell(Notice::NodeFailed { address: node.address, error: format!("left: {why:?}") });
    }

    /// Pings whoever is suspect, or was not pinged for so long. Whoever does not answer is gone.
    pub(super) fn heartbeat(self: &Rc<Self>, interval_ms: f64, limit_ms: u32) {
        let now = now_ms();
        for (peer, node) in self.nodes.borrow_mut().iter_mut() {
            let is_due = now - node.pinged_ms >= interval_ms || node.link.connection.health() == Health::Suspect;
            if !is_due || node.is_pinging {
                continue;
            }
            (node.pinged_ms, node.is_pinging) = (now, true);
            let (client, peer, connection) = (Rc::downgrade(self), *peer, node.link.connection.clone());
            spawn_local(async move {
                let answered = connection.ping(limit_ms, &Cancel::default()).await;
                if answered.is_err() {
                    connection.close(CloseReason::Silent);
                }
                if let Some(client) = client.upgrade()
                    && let Some(node) = client.nodes.borrow_mut().get_mut(&peer)
                {
                    (node.ping_ms, node.is_pinging) = (answered.ok().or(node.ping_ms), false);
                }
            });
        }
    }

    pub(super) fn wake(self: &Rc<Self>) {
        self.book.borrow_mut().forgive(now_ms());
        self.heartbeat(0.0, PROBE_TIME_MAX_MS);
        self.ring();
    }

    /// What this client says of itself: nothing that is not the same for all.
    fn hello(&self) -> Hello {
        let tip = self.machine.borrow().tip();
        Hello {
            version: PROTOCOL_VERSION,
            chain_id: self.spec.chain_id(),
            tip: tip.mark.id,
            height: tip.mark.height,
            work: tip.work,
            services: Services::default(),
            fee_rate_min: FeeRate::default(),
            time: at().clock,
            user_agent: UserAgent::new(concat!("/qbtc-light:", env!("CARGO_PKG_VERSION"), "/")).unwrap_or_default(),
        }
    }
}

/// Opens a link, but waits no longer than is worth while where there is another way.
async fn hurried<T>(opening: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    let (mut opening, mut timer) = (pin!(opening), Sleep::new(FIRST_WAY_TIME_MAX_MS));
    poll_fn(|cx| {
        if let Poll::Ready(opened) = opening.as_mut().poll(cx) {
            return Poll::Ready(opened);
        }
        let late = TransportError::Timeout { what: "connecting", limit_ms: FIRST_WAY_TIME_MAX_MS };
        Pin::new(&mut timer).poll(cx).map(|()| Err(late.into()))
    })
    .await
}

/// A number below this one.
fn draw(below: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "few")]
    let drawn = (js_sys::Math::random() * below as f64) as usize;
    drawn.min(below.saturating_sub(1))
}

/// The network where a node is: those of one may be one person's.
fn group(address: &Address) -> Option<AddressGroup> {
    let ip = match address {
        Address::WebRtc { ip, .. } => *ip,
        Address::WebSocket { host, .. } => host.trim_matches(['[', ']']).parse().ok()?,
    };
    AddressGroup::of(Group::of(ip))
}
