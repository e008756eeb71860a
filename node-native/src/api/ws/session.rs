//! One client: what it is subscribed to, and what keeps it within its bounds.

use std::collections::HashSet;
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message as Frame, Utf8Bytes, WebSocket, close_code};
use qbtc_core::lock::Address;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::Shared;
use super::hub::{Happening, Pushed};
use super::message::{self, Message, Request, Topic};
use crate::metrics::Metrics;

/// The most messages that a client may send between two pings.
const MESSAGES_MAX: u32 = 200;

/// A client that is connected.
pub(super) struct Session<'a> {
    shared: &'a Shared,
    socket: WebSocket,
    events: Receiver<Arc<Pushed>>,
    blocks: bool,
    transactions: bool,
    addresses: HashSet<Address>,
    messages: u32,
    has_answered: bool,
}

/// Why a session ends.
enum End {
    /// The client is gone.
    Gone,
    /// The client is told why, in a close frame.
    Told(u16, &'static str),
}

impl<'a> Session<'a> {
    pub(super) fn new(shared: &'a Shared, socket: WebSocket) -> Self {
        Self {
            socket,
            events: shared.hub.subscribe(),
            shared,
            blocks: false,
            transactions: false,
            addresses: HashSet::new(),
            messages: 0,
            has_answered: true,
        }
    }

    /// Serves the client until it leaves, does not keep to its bounds, or the node stops.
    pub(super) async fn run(mut self) {
        let every = self.shared.limits.ping;
        let mut pings = interval_at(Instant::now() + every, every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            let next = tokio::select! {
                () = self.shared.node.stopping().cancelled() => Break(End::Told(close_code::AWAY, "the node stops")),
                _ = pings.tick() => self.ping().await,
                frame = self.socket.recv() => match frame {
                    Some(Ok(frame)) => self.answer(frame).await,
                    Some(Err(_)) | None => Break(End::Gone),
                },
                event = self.events.recv() => self.push(event).await,
            };
            if let Break(end) = next {
                break end;
            }
        };
        if let End::Told(code, reason) = end {
            let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
            // Who does not take it is let go all the same.
            let _told = self.send(Frame::Close(Some(frame))).await;
        }
    }

    async fn ping(&mut self) -> ControlFlow<End> {
        if !self.has_answered {
            return Break(End::Told(close_code::POLICY, "no answer to a ping"));
        }
        (self.has_answered, self.messages) = (false, 0);
        self.send(Frame::Ping(axum::body::Bytes::new())).await
    }

    async fn answer(&mut self, frame: Frame) -> ControlFlow<End> {
        self.has_answered = true;
        self.messages += 1;
        if self.messages > MESSAGES_MAX {
            return Break(End::Told(close_code::POLICY, "too many messages"));
        }
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Binary(_) => return Break(End::Told(close_code::UNSUPPORTED, "expected text")),
            Frame::Close(_) => return Break(End::Gone),
            // A ping has been answered by the library.
            Frame::Ping(_) | Frame::Pong(_) => return Continue(()),
        };
        let text = match message::parse(&text).and_then(|request| self.apply(request)) {
            Ok(()) => self.subscriptions().to_text(),
            Err(message) => Message::Refused { message: &message }.to_text(),
        };
        self.send(Frame::Text(text.into())).await
    }

    /// Changes what the client is subscribed to, or says why nothing has changed.
    fn apply(&mut self, request: Request) -> Result<(), String> {
        let (topic, is_wanted) = match request {
            Request::Subscribe(topic) => (topic, true),
            Request::Unsubscribe(topic) => (topic, false),
        };
        match topic {
            Topic::Blocks => self.blocks = is_wanted,
            Topic::Transactions => self.transactions = is_wanted,
            Topic::Addresses(texts) => {
                let most = self.shared.limits.addresses_max;
                let named = message::addresses(&texts, most, self.shared.node.spec())?;
                if is_wanted {
                    let more = named.iter().filter(|address| !self.addresses.contains(address)).count();
                    if self.addresses.len() + more > most {
                        return Err(format!("{} addresses: at most {most}", self.addresses.len() + more));
                    }
                    self.addresses.extend(named);
                } else {
                    for address in &named {
                        self.addresses.remove(address);
                    }
                }
            }
        }
        Ok(())
    }

    fn subscriptions(&self) -> Message<'static> {
        let tip = *self.shared.node.tip().borrow();
        Message::Subscribed {
            blocks: self.blocks,
            transactions: self.transactions,
            addresses: self.addresses.len(),
            tip: tip.id,
            height: tip.height.0,
        }
    }

    async fn push(&mut self, event: Result<Arc<Pushed>, RecvError>) -> ControlFlow<End> {
        match event.as_deref() {
            Ok(Pushed::Block(happening)) => self.tell(happening, self.blocks).await,
            Ok(Pushed::Transaction(happening)) => self.tell(happening, self.transactions).await,
            Ok(Pushed::Missed(missed)) | Err(RecvError::Lagged(missed)) => self.let_go(*missed).await,
            Err(RecvError::Closed) => Break(End::Told(close_code::AWAY, "the node stops")),
        }
    }

    /// Tells what the client is subscribed to.
    async fn tell(&mut self, happening: &Happening, is_wanted: bool) -> ControlFlow<End> {
        if is_wanted {
            self.send(Frame::Text(happening.text.clone())).await?;
        }
        let (Some(state), false) = (happening.state, self.addresses.is_empty()) else { return Continue(()) };
        for (address, txid) in &happening.touched {
            if self.addresses.contains(address) {
                let address = address.to_text(&self.shared.node.spec().network().address_prefix);
                let message = Message::Address { address: &address, txid: *txid, state };
                self.send(Frame::Text(message.to_text().into())).await?;
            }
        }
        Continue(())
    }

    async fn let_go(&mut self, missed: u64) -> ControlFlow<End> {
        // Somebody who is subscribed to nothing has missed nothing.
        if !self.blocks && !self.transactions && self.addresses.is_empty() {
            return Continue(());
        }
        self.metrics().subscriber_dropped();
        self.send(Frame::Text(Message::Lagged { missed }.to_text().into())).await?;
        Break(End::Told(close_code::AGAIN, "too slow: events were lost"))
    }

    async fn send(&mut self, frame: Frame) -> ControlFlow<End> {
        match timeout(self.shared.limits.send, self.socket.send(frame)).await {
            Ok(Ok(())) => Continue(()),
            Ok(Err(_)) => Break(End::Gone),
            Err(_) => {
                self.metrics().subscriber_dropped();
                Break(End::Gone)
            }
        }
    }

    fn metrics(&self) -> &Metrics {
        self.shared.node.metrics()
    }
}
