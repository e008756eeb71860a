//! A channel of the browser that all tabs of one origin hear, and their workers.
//!
//! A message is `[kind, page, number, bytes]`. Everything on it was said by this origin, so it is trusted as the page itself is.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A page asks.
    Ask,
    /// The worker answers one page.
    Answer,
    /// The worker tells all.
    Told,
}

/// A message.
pub(crate) struct Message {
    pub(crate) kind: Kind,
    /// The page that has asked; empty, where all are told.
    pub(crate) page: String,
    /// The number of the question; 0, where none is answered.
    pub(crate) number: u32,
    pub(crate) bytes: Vec<u8>,
}

/// A channel. Dropping it closes it.
pub(crate) struct Channel {
    channel: BroadcastChannel,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Channel {
    /// Opens the channel of this name, and hears what others say on it.
    ///
    /// # Errors
    /// What the browser says.
    pub(crate) fn open(name: &str, mut heard: impl FnMut(Message) + 'static) -> Result<Self, JsValue> {
        let channel = BroadcastChannel::new(name)?;
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(message) = event.data().dyn_ref::<Array>().and_then(read) {
                heard(message);
            }
        });
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Ok(Self { channel, _on_message: on_message })
    }

    /// Says something.
    pub(crate) fn say(&self, kind: Kind, page: &str, number: u32, bytes: &[u8]) {
        let kind = match kind {
            Kind::Ask => 0,
            Kind::Answer => 1,
            Kind::Told => 2,
        };
        let message = Array::of4(&kind.into(), &page.into(), &number.into(), &Uint8Array::from(bytes));
        // Numbers, text and bytes can be cloned, and a channel that is closed takes everything.
        let _ = self.channel.post_message(&message);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats saturate")]
fn read(message: &Array) -> Option<Message> {
    let number = |index| message.get(index).as_f64().map(|number| number as u32);
    let kind = match number(0)? {
        0 => Kind::Ask,
        1 => Kind::Answer,
        2 => Kind::Told,
        _ => return None,
    };
    let bytes = message.get(3).dyn_into::<Uint8Array>().ok()?.to_vec();
    Some(Message { kind, page: message.get(1).as_string()?, number: number(2)?, bytes })
}
