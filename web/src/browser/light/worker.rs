//! The worker's side: runs the client, answers the pages, and tells them what happens.
//!
//! A client whose page hangs is overtaken by one of another tab. It hears that one's news, and ends.
//!
//! What the client tells is passed on before the next question is looked at. So when a scan begins, nothing of the one before is on its way any
//! more.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use js_sys::{Array, Uint8Array};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::light::{Event, Input, Outcome, Query, QueryError};
use qbtc_wallet_wasm::client::{Client, ClientOptions, NodeInfo, Notice, Store};
use qbtc_wallet_wasm::transport::{Cancel, Dialer, Health, Page, Sleep, now_ms};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::MessagePort;

use crate::browser::channel::{Channel, Kind, Message};
use crate::browser::worker::listen;
use crate::light::{ADDRESSES_MAX, Answer, Ask, News, NodeLine, ScanNumber, Start, Tip, Told, read, write};

/// The database with the client's state, of all chains.
const DATABASE: &str = "qbtc-light";
/// Under which name addresses of nodes that answered are kept.
const NODES: &str = "nodes";
/// The most questions that wait to be looked at.
const ASKS_MAX: usize = 256;
/// How often news are looked at, and after how long they are told though nothing has changed: a page that hears nothing knows that nobody is there.
const LOOK_MS: u32 = 2_000;
const BEAT_MS: f64 = 10_000.0;

/// Waits for the page that says with what to begin, then runs the client.
pub(crate) fn serve() {
    listen(|to, message| {
        let Some((port, start)) = message.dyn_ref::<Array>().and_then(begin_of) else { return };
        let to = to.clone();
        spawn_local(async move {
            let ended = run(start, port).await;
            // The page takes this as the end.
            let _ = to.post_message(&JsValue::from_str(&ended.err().unwrap_or_default()));
        });
    });
}

fn begin_of(message: &Array) -> Option<(MessagePort, Start)> {
    let port = message.get(0).dyn_into::<MessagePort>().ok()?;
    let start = message.get(1).dyn_into::<Uint8Array>().ok()?.to_vec();
    Some((port, read(&start)?))
}

/// Runs the client until this worker ends.
///
/// # Errors
/// A sentence, if it cannot begin.
async fn run(start: Start, port: MessagePort) -> Result<(), String> {
    let spec = Arc::new(ChainSpec::by_name(&start.chain).ok_or("this chain is not known here")?);
    let chain = spec.chain_id();
    let mut unkept = None;
    let store = Store::open(DATABASE).await.map_err(|error| unkept = Some(error.to_string())).ok();
    let client = Client::start(ClientOptions {
        dialer: Dialer::page(Page::new(port)),
        addresses: start.nodes.iter().filter_map(|address| address.parse().ok()).collect(),
        store: store.map(|store| (store, format!("light/{chain}"))),
        spec,
    });
    let client = client.await.map_err(|error| error.to_string())?;
    // Those that cannot be read are missed by nobody: the page brings one.
    let kept = client.kept(NODES).await.ok().flatten().unwrap_or_default();
    let kept = String::from_utf8_lossy(&kept);
    let known: Vec<&str> = start.nodes.iter().filter_map(|address| node_of(address)).collect();
    let others =
        kept.lines().take(ADDRESSES_MAX).filter(|address| node_of(address).is_some_and(|node| !known.contains(&node)));
    others.filter_map(|address| address.parse().ok()).for_each(|address| client.add(address));
    let asks = Rc::new(RefCell::new(Asks { run: start.run, ..Asks::default() }));
    let queue = Rc::clone(&asks);
    let channel = Channel::open(&start.channel, move |message| queue.borrow_mut().push(message));
    let channel = channel.map_err(|error| crate::browser::told(&error))?;
    let runner = Runner {
        client,
        channel: Rc::new(channel),
        run: start.run,
        asks,
        scan: Cell::new(0),
        unkept: RefCell::new(unkept),
        told: RefCell::new(None),
        told_ms: Cell::new(0.0),
    };
    runner.run().await;
    Ok(())
}

/// What pages have asked and nobody has looked at yet.
#[derive(Default)]
struct Asks {
    /// The number of this client's run.
    run: u64,
    /// Whether a later client has spoken.
    is_overtaken: bool,
    queue: VecDeque<Message>,
    waker: Option<Waker>,
}

impl Asks {
    fn push(&mut self, message: Message) {
        match message.kind {
            Kind::Ask if self.queue.len() < ASKS_MAX => self.queue.push_back(message),
            Kind::Told => {
                if let Some(Told::News(news)) = read(&message.bytes) {
                    self.is_overtaken |= news.run > self.run;
                }
            }
            Kind::Ask | Kind::Answer => {}
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

enum Happened {
    Told(Option<Notice>),
    Asked(Message),
    Time,
}

struct Runner {
    client: Client,
    channel: Rc<Channel>,
    run: u64,
    asks: Rc<RefCell<Asks>>,
    scan: Cell<ScanNumber>,
    unkept: RefCell<Option<String>>,
    told: RefCell<Option<News>>,
    told_ms: Cell<f64>,
}

impl Runner {
    async fn run(&self) {
        loop {
            self.tell_news().await;
            match self.next().await {
                Happened::Told(None) => return,
                Happened::Told(Some(notice)) => self.pass_on(notice),
                Happened::Asked(message) => self.asked(&message),
                Happened::Time => {}
            }
        }
    }

    async fn next(&self) -> Happened {
        let (mut notice, mut timer) = (pin!(self.client.next()), Sleep::new(LOOK_MS));
        poll_fn(|cx| {
            let mut asks = self.asks.borrow_mut();
            if asks.is_overtaken {
                return Poll::Ready(Happened::Told(None));
            }
            if let Poll::Ready(notice) = notice.as_mut().poll(cx) {
                return Poll::Ready(Happened::Told(notice));
            }
            if let Some(message) = asks.queue.pop_front() {
                return Poll::Ready(Happened::Asked(message));
            }
            asks.waker = Some(cx.waker().clone());
            Pin::new(&mut timer).poll(cx).map(|()| Happened::Time)
        })
        .await
    }

    fn tell(&self, told: &Told) {
        self.channel.say(Kind::Told, "", 0, &write(told));
    }

    fn pass_on(&self, notice: Notice) {
        let number = self.scan.get();
        match notice {
            Notice::Event(Event::Scanned { to, found }) => {
                let block = found.map(|found| found.block.to_bytes());
                self.tell(&Told::Scanned { number, to, block });
            }
            Notice::Event(Event::RolledBack { to }) => self.tell(&Told::RolledBack { number, to }),
            Notice::StoreFailed(error) => drop(self.unkept.replace(Some(error))),
            // The tip and what it is doing are told as news; a state that could not be used costs one proof more; which nodes were tried in
            // vain, nobody asks.
            Notice::Event(Event::Tip { .. } | Event::Status(_) | Event::Answered { .. })
            | Notice::StateRefused(_)
            | Notice::NodeFailed { .. } => {}
        }
    }

    async fn tell_news(&self) {
        let news = self.news();
        let is_new = self.told.borrow().as_ref() != Some(&news);
        if !is_new && now_ms() - self.told_ms.get() < BEAT_MS {
            return;
        }
        self.told_ms.set(now_ms());
        self.tell(&Told::News(Box::new(news.clone())));
        let lines = |news: &News| news.nodes.iter().map(|node| node.address.clone()).collect::<Vec<_>>();
        let before = self.told.replace(Some(news.clone()));
        let is_other = !news.nodes.is_empty() && before.as_ref().map(lines) != Some(lines(&news));
        if is_other {
            // Whoever cannot keep them asks the node that serves the page.
            let _ = self.client.keep(NODES, lines(&news).join("\n").as_bytes()).await;
        }
    }

    fn news(&self) -> News {
        let (status, tip) = (self.client.status(), self.client.tip());
        News {
            run: self.run,
            phase: status.phase,
            peers: u32::try_from(status.peers).unwrap_or(u32::MAX),
            eclipse: status.warnings.eclipse,
            is_stale: status.warnings.is_stale,
            withheld: status.warnings.withheld,
            tip: Tip { mark: tip.mark, time: tip.header.time },
            nodes: self.client.nodes().into_iter().map(line).collect(),
            bytes: self.client.traffic().bytes(),
            unkept: self.unkept.borrow().clone(),
        }
    }

    fn asked(&self, message: &Message) {
        let Some(ask) = read::<Ask>(&message.bytes) else { return };
        let query = match ask {
            Ask::News => return self.answer(message, &Answer::News(Box::new(self.news()))),
            Ask::AddNodes(nodes) => {
                let nodes = nodes.iter().take(ADDRESSES_MAX).filter_map(|address| address.parse().ok());
                nodes.for_each(|address| self.client.add(address));
                // A page says so when the node that serves it is back.
                self.client.wake();
                return self.answer(message, &Answer::Done);
            }
            Ask::Scan { number, start, marks, addresses } => {
                self.scan.set(number);
                self.client.input(Input::Scan { start, marks, addresses });
                return self.answer(message, &Answer::Done);
            }
            Ask::Watch { addresses, from } => {
                self.client.input(Input::Watch { addresses, from });
                return self.answer(message, &Answer::Done);
            }
            Ask::Taken { id, addresses } => {
                self.client.input(Input::Taken { id, addresses });
                return self.answer(message, &Answer::Done);
            }
            Ask::Header(height) => Query::Header { height },
            Ask::Block(height) => Query::Block { height },
            Ask::Submit(transaction) => Query::Submit { transaction },
            Ask::Fees(blocks) => Query::Fees { blocks },
        };
        let (client, channel) = (self.client.clone(), Rc::clone(&self.channel));
        let (page, number) = (message.page.clone(), message.number);
        spawn_local(async move {
            let answer = match client.query(query, &Cancel::default()).await {
                Ok(outcome) => answer_of(outcome),
                Err(error) => Answer::Failed(error.to_string()),
            };
            channel.say(Kind::Answer, &page, number, &write(&answer));
        });
    }

    fn answer(&self, message: &Message, answer: &Answer) {
        if message.number > 0 {
            self.channel.say(Kind::Answer, &message.page, message.number, &write(answer));
        }
    }
}

/// The node of an address: what it has proved to be there.
fn node_of(address: &str) -> Option<&str> {
    address.rsplit_once("/p2p/").map(|(_, node)| node)
}

fn line(node: NodeInfo) -> NodeLine {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "floats saturate")]
    let ping_ms = node.ping_ms.map(|ping_ms| ping_ms.round() as u32);
    let is_suspect = node.health != Health::Open;
    let (address, seal) = (node.address.to_string(), node.seal.to_string());
    NodeLine { address, program: node.user_agent, ping_ms, is_suspect, seal }
}

fn answer_of(outcome: Outcome) -> Answer {
    let count = |nodes: usize| u32::try_from(nodes).unwrap_or(u32::MAX);
    match outcome {
        Outcome::Header(proven) => Answer::Header(proven.block),
        Outcome::Block(proven) => Answer::Block(proven.block, proven.value.to_bytes()),
        Outcome::Submitted { nodes, .. } => Answer::Submitted(count(nodes)),
        Outcome::Fees { rates, nodes } => Answer::Fees(rates, count(nodes)),
        Outcome::Failed(error @ QueryError::Refused { .. }) => Answer::Refused(error.to_string()),
        Outcome::Failed(error) => Answer::Failed(error.to_string()),
        // Nothing that asks for these is asked.
        Outcome::Transaction(_) | Outcome::Waiting(_) => Answer::Failed(String::new()),
    }
}
