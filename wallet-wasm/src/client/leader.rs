//! Which of several tabs does what one alone may do: the one that holds a lock of the browser. The browser gives it on when that tab closes or crashes,
//! and to one tab at a time. A tab that is frozen keeps it, or is given it: it must be given up before.
//!
//! A tab can also hang without a word, and hold the lock for as long as it does. So whoever waits asks it every few seconds whether it is there
//! ([`Presence`]), and takes the lock away once it has not answered for a while. Whoever lost it hears so as soon as he runs again ([`Leadership::lost`]);
//! what he writes until then is refused by what is written to (for the light client that is [`Store::claim`](super::Store::claim)).

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::{Cell, RefCell};
use core::future::{Future, pending, poll_fn};
use core::pin::pin;
use core::task::Poll;

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, BroadcastChannel, MessageEvent};

use crate::transport::{Sleep, now_ms};

/// How often whoever waits asks whether the leading tab is there, and after how many questions in vain it is taken to hang.
const ASK_MS: u32 = 5_000;
const VAIN_MAX: u32 = 4;
/// How long whoever was given the lock waits for word that he has lost it since: a tab that was frozen meanwhile hears both, one after the other.
const SETTLE_MS: u32 = 100;
/// The question, and the answer.
const ASKS: &str = "there?";
const HERE: &str = "here";

/// There are no locks in this browser, or none are given out here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the browser gives out no lock: {0}")]
pub struct LeadershipError(String);

/// The lock. Dropping it lets the next tab lead.
pub struct Leadership {
    lock: Lock,
    _presence: Option<Presence>,
}

impl Leadership {
    /// Waits until no other tab leads under this name, for as long as it takes, or until the one that does says nothing any more: then it is overtaken.
    /// Whoever drops this waits no more.
    ///
    /// # Errors
    /// [`LeadershipError`].
    pub async fn wait(name: &str) -> Result<Self, LeadershipError> {
        loop {
            let free = first_of(async { Some(Lock::request(name, Turn::Next).await) }, async {
                silence(name).await;
                None
            });
            let lock = match free.await {
                Some(lock) => lock?,
                None => Lock::request(name, Turn::Now).await?,
            };
            let leadership = Self { lock, _presence: Presence::answer(name) };
            let lost = async {
                leadership.lost().await;
                true
            };
            let settled = async {
                Sleep::new(SETTLE_MS).await;
                false
            };
            if !first_of(lost, settled).await {
                return Ok(leadership);
            }
        }
    }

    /// Waits until the lock is held no more: another tab has taken it away, since this one did not answer, or it was given back.
    pub fn lost(&self) -> impl Future<Output = ()> + 'static {
        let ended = self.lock.ended.clone();
        async move { drop(JsFuture::from(ended).await) }
    }
}

/// What comes of the one that is done first; the other is dropped.
pub async fn first_of<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(value),
        Poll::Pending => other.as_mut().poll(cx),
    })
    .await
}

/// When a lock is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// When whoever has it gives it back.
    Next,
    /// Whoever has it loses it.
    Now,
}

/// The browser's lock. Dropping it gives it back.
struct Lock {
    release: Function,
    /// Settled once it is held no more; with an error, if it was taken away.
    ended: Promise,
}

impl Lock {
    async fn request(name: &str, turn: Turn) -> Result<Self, LeadershipError> {
        let locks = locks()?;
        let request: Function = get(&locks, "request")?.dyn_into().map_err(|_| missing())?;
        let waiting = Waiting { won: Rc::default(), stop: AbortController::new().map_err(|error| told(&error))? };
        let options = Object::new();
        // The browser takes either of them, not both.
        let (option, value) = match turn {
            Turn::Next => ("signal", waiting.stop.signal().into()),
            Turn::Now => ("steal", JsValue::TRUE),
        };
        Reflect::set(&options, &option.into(), &value).map_err(|error| told(&error))?;
        let winner = Rc::clone(&waiting.won);
        let (mut given, mut refused) = (None, None);
        let turned = Promise::new(&mut |resolve, reject| (given, refused) = (Some(resolve), Some(reject)));
        let (given, refused) = given.zip(refused).ok_or_else(missing)?;
        // The lock is held until the promise that its callback returns is settled.
        let callback = Closure::once_into_js(move |_lock: JsValue| -> Promise {
            let holding = Promise::new(&mut |release, _| *winner.borrow_mut() = Some(release));
            let _ = given.call0(&JsValue::UNDEFINED);
            holding
        });
        let ended = request.call3(&locks, &name.into(), &options, &callback).map_err(|error| told(&error))?;
        let ended: Promise = ended.dyn_into().map_err(|_| missing())?;
        // A request that is refused, as in a page without an origin, is told instead of waited for.
        let refuse = Closure::once_into_js(move |error: JsValue| drop(refused.call1(&JsValue::UNDEFINED, &error)));
        let ignore = Closure::once_into_js(|_: JsValue| {});
        let then: Function = get(&ended, "then")?.dyn_into().map_err(|_| missing())?;
        let _ = then.call2(&ended, &ignore, &refuse);
        JsFuture::from(turned).await.map_err(|error| told(&error))?;
        let release = waiting.won.take().ok_or_else(missing)?;
        Ok(Self { release, ended })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A promise's own function takes any call.
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}

/// One that waits for the lock. Dropping it takes that back, and the lock itself if it was given meanwhile.
struct Waiting {
    won: Rc<RefCell<Option<Function>>>,
    stop: AbortController,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A lock that was given is not touched by this.
        self.stop.abort();
        if let Some(release) = self.won.take() {
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// Says to whoever asks that this tab is there. Words arrive also where timers are held back, as in tabs that nobody looks at.
struct Presence {
    channel: BroadcastChannel,
    _hear: Closure<dyn FnMut(MessageEvent)>,
}

impl Presence {
    /// Answers for as long as it is kept. Where there are no channels, nobody asks.
    fn answer(name: &str) -> Option<Self> {
        let presence = Self::hear(name, ASKS, |channel| say(channel, HERE))?;
        // Whoever asked before hears it too.
        say(&presence.channel, HERE);
        Some(presence)
    }

    fn hear(name: &str, word: &'static str, heard: impl Fn(&BroadcastChannel) + 'static) -> Option<Self> {
        let channel = BroadcastChannel::new(&format!("{name}-presence")).ok()?;
        let back = channel.clone();
        let hear = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if event.data().as_string().as_deref() == Some(word) {
                heard(&back);
            }
        });
        channel.set_onmessage(Some(hear.as_ref().unchecked_ref()));
        Some(Self { channel, _hear: hear })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}

/// Waits until nobody who leads under this name answers any more.
async fn silence(name: &str) {
    let is_heard = Rc::new(Cell::new(false));
    let heard = Rc::clone(&is_heard);
    let Some(presence) = Presence::hear(name, HERE, move |_| heard.set(true)) else { return pending().await };
    let mut vain = 0;
    while vain < VAIN_MAX {
        is_heard.set(false);
        say(&presence.channel, ASKS);
        let asked_ms = now_ms();
        Sleep::new(ASK_MS).await;
        // A tab that has slept itself, or whose timers are held back, may have missed the answer.
        let is_late = now_ms() - asked_ms > f64::from(2 * ASK_MS);
        vain = if is_heard.get() || is_late { 0 } else { vain + 1 };
    }
}

fn say(channel: &BroadcastChannel, word: &str) {
    // Text can be cloned, and a channel that is closed takes everything.
    let _ = channel.post_message(&word.into());
}

fn locks() -> Result<JsValue, LeadershipError> {
    let locks = get(&get(&js_sys::global(), "navigator")?, "locks")?;
    if locks.is_undefined() { Err(missing()) } else { Ok(locks) }
}

fn get(object: &JsValue, key: &str) -> Result<JsValue, LeadershipError> {
    Reflect::get(object, &JsValue::from_str(key)).map_err(|error| told(&error))
}

fn missing() -> LeadershipError {
    LeadershipError("it has no Web Locks, or this page is not served securely".to_owned())
}

fn told(error: &JsValue) -> LeadershipError {
    let text = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    LeadershipError(text.or_else(|| error.as_string()).unwrap_or_else(|| "no reason given".to_owned()))
}
