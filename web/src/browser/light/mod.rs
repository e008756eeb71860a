//! The light client as a page holds it, whichever tab runs it: what it is doing, what one can ask it, and what it tells.

mod leader;
mod life;
pub(crate) mod worker;

pub(crate) use leader::{AGAIN_MS, Lead, has_locks, lead};
pub(crate) use qbtc_wallet_wasm::transport::Sleep;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use leptos::prelude::*;
use leptos::task::spawn_local;
use qbtc_core::hash::BlockHash;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_wallet_wasm::transport::now_ms;

use super::channel::{Channel, Kind, Message};
use super::fetch;
use crate::light::{Answer, Ask, News, Tip, Told, at_origin, reachable, read, write};
use crate::node::{Network, path};

/// How long an answer may take.
const ANSWER_MS: u32 = 90_000;
/// The most questions of this page that wait.
const CALLS_MAX: usize = 256;
/// After so long without a word, nobody runs the client: it speaks every ten seconds.
const SILENT_MS: f64 = 40_000.0;
/// How often that is looked at.
const LOOK_MS: u32 = 5_000;

/// The light client, as a page holds it.
#[derive(Clone, Copy)]
pub(crate) struct Light {
    /// What it is doing; none, while nobody runs it.
    pub(crate) news: RwSignal<Option<News>>,
    /// The last tip that was shown, also by a client that has no node any more, or that is gone.
    pub(crate) shown: RwSignal<Option<Tip>>,
    /// Whether this tab runs it.
    pub(crate) leads: RwSignal<bool>,
    /// Why it cannot run here, if it cannot.
    pub(crate) fault: RwSignal<Option<String>>,
    tab: StoredValue<Option<Rc<Tab>>, LocalStorage>,
    hearer: StoredValue<Option<Hearer>, LocalStorage>,
}

/// Whoever is told what the scan finds.
type Hearer = Rc<dyn Fn(Told)>;

struct Tab {
    channel: Channel,
    /// Tells this page from the others.
    own: String,
    last: Cell<u32>,
    calls: Rc<RefCell<BTreeMap<u32, Call>>>,
    heard_ms: Cell<f64>,
}

struct Call {
    bytes: Vec<u8>,
    answer: Option<Answer>,
    waker: Option<Waker>,
}

impl Light {
    /// One that does nothing yet.
    pub(crate) fn idle() -> Self {
        Self {
            news: RwSignal::new(None),
            shown: RwSignal::new(None),
            leads: RwSignal::new(false),
            fault: RwSignal::new(None),
            tab: StoredValue::new_local(None),
            hearer: StoredValue::new_local(None),
        }
    }

    /// Joins the tabs of a chain and hears the client, unless it does already. Returns the name under which one of the tabs is to [`lead`] them.
    pub(crate) fn join(self, spec: &ChainSpec) -> Option<String> {
        if self.tab.with_value(Option::is_some) {
            return None;
        }
        let own = hex::encode(super::entropy().unwrap_or_default());
        // Where there are no locks, each tab has a client of its own.
        let alone = if has_locks() { "" } else { own.as_str() };
        let name = format!("qbtc-light-{}{alone}", spec.chain_id());
        let opened = Channel::open(&name, move |message| self.hear(&message));
        let channel = match opened {
            Ok(channel) => channel,
            Err(error) => {
                self.fault.set(Some(super::told(&error)));
                return None;
            }
        };
        self.tab.set_value(Some(Rc::new(Tab {
            channel,
            own,
            last: Cell::new(0),
            calls: Rc::default(),
            heard_ms: Cell::new(now_ms()),
        })));
        spawn_local(async move {
            if let Some(Answer::News(news)) = self.ask(&Ask::News).await {
                self.learn(*news);
            }
        });
        set_interval(move || self.notice_silence(), std::time::Duration::from_millis(LOOK_MS.into()));
        Some(name)
    }

    /// Hears what the scan finds from now on.
    pub(crate) fn on_told(self, hearer: impl Fn(Told) + 'static) {
        self.hearer.set_value(Some(Rc::new(hearer)));
    }

    /// Says something that needs no answer.
    pub(crate) fn say(self, ask: &Ask) {
        if let Some(tab) = self.tab.get_value() {
            tab.channel.say(Kind::Ask, &tab.own, 0, &write(ask));
        }
    }

    /// Asks, and waits for the answer; none, if nobody answers in time.
    pub(crate) async fn ask(self, ask: &Ask) -> Option<Answer> {
        let tab = self.tab.get_value()?;
        if tab.calls.borrow().len() >= CALLS_MAX {
            return None;
        }
        tab.last.set(tab.last.get().wrapping_add(1).max(1));
        let call = Waiting { calls: Rc::clone(&tab.calls), number: tab.last.get() };
        let bytes = write(ask);
        tab.channel.say(Kind::Ask, &tab.own, call.number, &bytes);
        tab.calls.borrow_mut().insert(call.number, Call { bytes, answer: None, waker: None });
        drop(tab);
        let mut timer = Sleep::new(ANSWER_MS);
        poll_fn(|cx| {
            let mut calls = call.calls.borrow_mut();
            let Some(waiting) = calls.get_mut(&call.number) else { return Poll::Ready(None) };
            if let Some(answer) = waiting.answer.take() {
                return Poll::Ready(Some(answer));
            }
            waiting.waker = Some(cx.waker().clone());
            Pin::new(&mut timer).poll(cx).map(|()| None)
        })
        .await
    }

    /// Whether the client has a node that it can ask.
    pub(crate) fn has_nodes(self) -> bool {
        self.news.with_untracked(|news| news.as_ref().is_some_and(|news| news.peers > 0))
    }

    /// The block at a height of the chain with the most work, without witnesses, as bytes; none, if the client cannot get it.
    pub(crate) async fn block(self, height: u32) -> Option<Vec<u8>> {
        match self.has_nodes() {
            true => match self.ask(&Ask::Block(Height(height))).await {
                Some(Answer::Block(_, bytes)) => Some(bytes),
                _ => None,
            },
            false => None,
        }
    }

    /// Whether the client has shown that this block is in the chain with the most work.
    pub(crate) async fn has_proven(self, height: u32, id: &BlockHash) -> bool {
        let is_below_tip = |news: &Option<News>| {
            news.as_ref().is_some_and(|news| news.can_prove() && news.tip.mark.height >= Height(height))
        };
        if !self.news.with_untracked(is_below_tip) {
            return false;
        }
        matches!(self.ask(&Ask::Header(Height(height))).await, Some(Answer::Header(mark)) if mark.id == *id)
    }

    /// Tells the client where the node that serves the page is: it may have moved.
    pub(crate) fn refresh_nodes(self) {
        spawn_local(async move {
            let nodes = nodes_of_server().await;
            if !nodes.is_empty() {
                self.say(&Ask::AddNodes(nodes));
            }
        });
    }

    fn hear(self, message: &Message) {
        let Some(tab) = self.tab.get_value() else { return };
        match message.kind {
            Kind::Answer if message.page == tab.own => {
                let waker = match (tab.calls.borrow_mut().get_mut(&message.number), read(&message.bytes)) {
                    (Some(call), Some(answer)) => {
                        call.answer = Some(answer);
                        call.waker.take()
                    }
                    _ => None,
                };
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Kind::Told => match read(&message.bytes) {
                Some(Told::News(news)) => self.learn(*news),
                Some(told) => {
                    if let Some(hearer) = self.hearer.get_value() {
                        hearer(told);
                    }
                }
                None => {}
            },
            Kind::Ask | Kind::Answer => {}
        }
    }

    fn learn(self, news: News) {
        let Some(tab) = self.tab.get_value() else { return };
        // A client that was overtaken speaks until it hears so.
        if self.news.with_untracked(|known| known.as_ref().is_some_and(|known| known.run > news.run)) {
            return;
        }
        tab.heard_ms.set(now_ms());
        let is_other = self.news.with_untracked(|known| known.as_ref().is_none_or(|known| known.run != news.run));
        if is_other {
            // What was asked of the client before, or of nobody, is asked again.
            for (number, call) in tab.calls.borrow().iter().filter(|(_, call)| call.answer.is_none()) {
                tab.channel.say(Kind::Ask, &tab.own, *number, &call.bytes);
            }
        }
        self.fault.set(None);
        if news.can_prove() && self.shown.get_untracked() != Some(news.tip) {
            self.shown.set(Some(news.tip));
        }
        if self.news.with_untracked(|known| known.as_ref() != Some(&news)) {
            self.news.set(Some(news));
        }
    }

    /// Waits until the client has said nothing for [`SILENT_MS`] from now on, while this page was awake to hear it.
    async fn silence(self) {
        let (mut since, mut looked) = (now_ms(), now_ms());
        loop {
            Sleep::new(LOOK_MS).await;
            let now = now_ms();
            let heard = self.tab.with_value(|tab| tab.as_ref().map_or(now, |tab| tab.heard_ms.get()));
            // A page that has slept may have missed what was said.
            let is_late = now - looked > f64::from(2 * LOOK_MS);
            since = if is_late { now } else { since.max(heard) };
            looked = now;
            if now - since > SILENT_MS {
                return;
            }
        }
    }

    fn notice_silence(self) {
        let is_silent =
            self.tab.with_value(|tab| tab.as_ref().is_some_and(|tab| now_ms() - tab.heard_ms.get() > SILENT_MS));
        if is_silent && self.news.with_untracked(Option::is_some) {
            self.news.set(None);
        }
    }
}

/// Where browsers reach the node that serves the page; nowhere, if it does not say.
async fn nodes_of_server() -> Vec<String> {
    let Ok(network) = fetch::json::<Network>(path::NETWORK).await else { return Vec::new() };
    let host = web_sys::window().and_then(|window| window.location().hostname().ok()).unwrap_or_default();
    let mut nodes = reachable(&network.dials, &host);
    let peer = network.peer_id.and_then(|peer_id| peer_id.parse().ok());
    nodes.extend(peer.and_then(|peer| at_origin(&own_origin(), peer)).map(|address| address.to_string()));
    nodes
}

/// From where the page came, such as `http://127.0.0.1:8080`.
fn own_origin() -> String {
    web_sys::window().and_then(|window| window.location().origin().ok()).unwrap_or_default()
}

/// A question that waits. Dropping it forgets it.
struct Waiting {
    calls: Rc<RefCell<BTreeMap<u32, Call>>>,
    number: u32,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.calls.borrow_mut().remove(&self.number);
    }
}
