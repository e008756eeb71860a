//! Which of several tabs runs the client: the one that holds a lock of the browser. The browser gives it on when that tab closes or crashes, and to one tab
//! at a time. A tab that is frozen keeps it, or is given it: it must be given up before.

use alloc::borrow::ToOwned as _;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::RefCell;

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;

/// There are no locks in this browser, or none are given out here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the browser gives out no lock: {0}")]
pub struct LeadershipError(String);

/// The lock. Dropping it lets the next tab lead.
pub struct Leadership {
    release: Function,
}

impl Leadership {
    /// Waits until no other tab leads under this name, for as long as it takes. Whoever drops this waits no more.
    ///
    /// # Errors
    /// [`LeadershipError`].
    pub async fn wait(name: &str) -> Result<Self, LeadershipError> {
        let locks = locks()?;
        let request: Function = get(&locks, "request")?.dyn_into().map_err(|_| missing())?;
        let waiting = Waiting { won: Rc::default(), stop: AbortController::new().map_err(|error| told(&error))? };
        let options = Object::new();
        Reflect::set(&options, &JsValue::from_str("signal"), &waiting.stop.signal()).map_err(|error| told(&error))?;
        let (winner, mut held) = (Rc::clone(&waiting.won), None);
        let given = Promise::new(&mut |given, refused| {
            let winner = Rc::clone(&winner);
            // The lock is held until the promise that its callback returns is settled.
            let callback = Closure::once_into_js(move |_lock: JsValue| -> Promise {
                let holding = Promise::new(&mut |release, _| *winner.borrow_mut() = Some(release));
                let _ = given.call0(&JsValue::UNDEFINED);
                holding
            });
            match request.call3(&locks, &JsValue::from_str(name), &options, &callback) {
                Ok(ended) => held = ended.dyn_into::<Promise>().ok().map(|ended| (ended, refused)),
                Err(error) => drop(refused.call1(&JsValue::UNDEFINED, &error)),
            }
        });
        // A request that is refused, as in a page without an origin, is told instead of waited for.
        if let Some((ended, refused)) = held {
            let refuse = Closure::once_into_js(move |error: JsValue| drop(refused.call1(&JsValue::UNDEFINED, &error)));
            let ignore = Closure::once_into_js(|_: JsValue| {});
            let then: Function = get(&ended, "then")?.dyn_into().map_err(|_| missing())?;
            let _ = then.call2(&ended, &ignore, &refuse);
        }
        JsFuture::from(given).await.map_err(|error| told(&error))?;
        let release = waiting.won.take();
        release.map(|release| Self { release }).ok_or_else(missing)
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
        drop(self.won.take().map(|release| Leadership { release }));
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        // A promise's own function takes any call.
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
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
