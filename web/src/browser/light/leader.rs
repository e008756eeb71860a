//! The leading tab: it holds the browser's lock, and the connections, for a worker that runs the client. When it closes, the browser gives the lock to
//! the next tab. Before it is frozen, it gives the lock up itself; when it hangs, the next tab takes it.

use std::future::pending;

use js_sys::{Array, Reflect, Uint8Array};
use leptos::prelude::*;
use qbtc_core::net::browser::Address;
use qbtc_wallet_wasm::client::{Leadership, first_of};
use qbtc_wallet_wasm::transport::{Server, Sleep, now_ms};
use wasm_bindgen::JsValue;
use web_sys::MessageChannel;

use super::Light;
use super::life::Life;
use crate::browser::worker;
use crate::light::{Start, at_origin, write};
use crate::text;

/// The program with the light client.
const PROGRAM: &str = "qbtc-light";
/// How long to wait before a worker that has ended is started again.
pub(crate) const AGAIN_MS: u32 = 5_000;

/// Whether a tab leads when it is its turn, and with which nodes the client then begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// With those that the node knows that serves the page.
    WithServer,
    /// With these.
    With(Vec<String>),
    /// It never does: another document is there for it.
    Never,
}

impl Lead {
    async fn nodes(&self) -> Vec<String> {
        match self {
            Self::WithServer => super::nodes_of_server().await,
            Self::With(nodes) => nodes.clone(),
            Self::Never => Vec::new(),
        }
    }
}

/// Whether this browser gives out locks here: pages that were not served securely get none.
pub(crate) fn has_locks() -> bool {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into());
    let locks = navigator.and_then(|navigator| Reflect::get(&navigator, &"locks".into()));
    locks.is_ok_and(|locks| locks.is_object())
}

/// Leads when it is this tab's turn, for as long as the page lives, but for when it is frozen. Without a lock it leads for itself alone.
pub(crate) async fn lead(light: Light, chain: String, channel: String, lead: Lead) {
    let life = Life::listen();
    loop {
        life.during(wait_and_lead(light, &chain, &channel, &lead)).await;
        // Now it may be another tab's turn.
        light.leads.set(false);
        life.resumed().await;
    }
}

/// Waits until this tab leads, then leads until another has overtaken it. Dropping it ends the client, and gives the lock up.
async fn wait_and_lead(light: Light, chain: &str, channel: &str, lead: &Lead) {
    let leadership = Leadership::wait(channel).await;
    light.leads.set(true);
    let lost = async {
        match &leadership {
            Ok(leadership) => leadership.lost().await,
            // Without a lock there is nobody who could take it.
            Err(_) => pending().await,
        }
    };
    first_of(lost, run_clients(light, chain, channel, lead)).await;
}

/// Runs one client after another. The lock is held all the while: a tab that cannot run the client would be followed by others that cannot either.
async fn run_clients(light: Light, chain: &str, channel: &str, lead: &Lead) {
    loop {
        let nodes = lead.nodes().await;
        let start = Start { chain: chain.to_owned(), channel: channel.to_owned(), run: next_run(light), nodes };
        let ended = work(light, &start).await;
        light.fault.set(Some(ended.unwrap_or_else(|error| crate::browser::told(&error))));
        light.news.set(None);
        Sleep::new(AGAIN_MS).await;
    }
}

/// The number of a run that begins now: greater than that of the one which is heard, also if the clock was set back since. By milliseconds, and by lot
/// within one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats saturate")]
fn next_run(light: Light) -> u64 {
    let heard = light.news.with_untracked(|news| news.as_ref().map_or(0, |news| news.run.saturating_add(1)));
    let timed = ((now_ms() as u64) << 20) | (js_sys::Math::random() * f64::from(1 << 20)) as u64;
    timed.max(heard)
}

/// The policy of the page lets it open sockets to the node that serves it and to nobody else.
fn may_dial() -> impl Fn(&Address) -> bool {
    let own = super::own_origin();
    move |address| match address {
        Address::WebRtc { .. } => true,
        Address::WebSocket { peer, .. } => at_origin(&own, *peer).as_ref() == Some(address),
    }
}

/// Runs a worker until it ends or says nothing any more, and returns why.
async fn work(light: Light, start: &Start) -> Result<String, JsValue> {
    let ports = MessageChannel::new()?;
    let server = Server::new(ports.port1(), may_dial()).map_err(|error| JsValue::from_str(&error.to_string()))?;
    let running = worker::start(PROGRAM).await?;
    let begin = Array::of2(&ports.port2(), &Uint8Array::from(&write(start)[..]));
    let ended = match running.worker().post_message_with_transfer(&begin, &Array::of1(&ports.port2())) {
        // To this page alone it says nothing more unless it has to end.
        Ok(()) => first_of(running.heard(None), hanging(light)).await,
        Err(error) => Err(error),
    };
    drop(server);
    Ok(ended?.as_string().unwrap_or_default())
}

/// Waits until the client, which speaks to all tabs, has said nothing for too long.
async fn hanging(light: Light) -> Result<JsValue, JsValue> {
    light.silence().await;
    Err(JsValue::from_str(text::LIGHT_HANGS))
}
