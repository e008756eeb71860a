//! A node that lies to light clients in a browser: it passes their questions on to an honest node and alters the answers. It prints its address, and how often it
//! has lied, as lines of JSON, and ends when its standard input does. `tests/browser/light` drives it.
//!
//! `light_liar CHAIN HONEST_NODE LIE`; the lies are in [`Lie`].

mod shared;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use libp2p::futures::StreamExt as _;
use libp2p::identity::Keypair;
use libp2p::request_response::{Event, Message, ProtocolSupport, ResponseChannel};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{PeerId, StreamProtocol, Swarm, ping};
use qbtc_core::net::seal::{ANSWER_ENTROPY_BYTES, Answerer, Ends, Reply, answer_offer};
use qbtc_core::net::{FoundTransaction, Hello, LightAnswer, LightQuestion, Unavailable};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::{PeerKey, RequestId};
use qbtc_core::units::Work;
use qbtc_node::p2p::transport::webrtc::{Certificate, Limits, WebRtcTransport};
use qbtc_node::p2p::{Asked, Asker};
use tokio::sync::oneshot;

use crate::shared::{Exchange, ExchangeEvent, Messages, input_ended, listening, patient, say, say_address};

/// What is not true.
#[derive(Clone, Copy)]
enum Lie {
    /// The chain has twice the work that it has.
    Work,
    /// No block concerns anybody.
    Filters,
    /// A block's last bytes are others.
    Blocks,
    /// No block is there.
    Hidden,
    /// The last byte of a proof is another: of work, of a header's place, of a transaction's.
    Proof,
}

impl Lie {
    fn named(name: &str) -> anyhow::Result<Self> {
        Ok(match name {
            "work" => Self::Work,
            "filters" => Self::Filters,
            "blocks" => Self::Blocks,
            "hidden" => Self::Hidden,
            "proof" => Self::Proof,
            other => bail!("{other}: expected work, filters, blocks, hidden or proof"),
        })
    }

    fn told(self, answer: LightAnswer) -> Vec<u8> {
        let is_proof = matches!(&answer, LightAnswer::Work(_) | LightAnswer::Block(_))
            || matches!(&answer, LightAnswer::Transaction(found) if matches!(**found, FoundTransaction::Mined { .. }));
        let told = match (self, answer) {
            (Self::Work, LightAnswer::Tip(mut tip)) => {
                tip.work = tip.work.checked_add(tip.work).unwrap_or(Work::ZERO);
                LightAnswer::Tip(tip)
            }
            (Self::Filters, LightAnswer::Filters(mut filters)) => {
                // A filter over nothing: a count of zero.
                filters.iter_mut().for_each(|filter| filter.filter = Box::new([0]));
                LightAnswer::Filters(filters)
            }
            (Self::Blocks, LightAnswer::Blocks(mut blocks)) => {
                blocks.iter_mut().filter_map(|block| block.0.last_mut()).for_each(|byte| *byte ^= 1);
                LightAnswer::Blocks(blocks)
            }
            (Self::Hidden, LightAnswer::Blocks(_)) => LightAnswer::Unavailable(Unavailable::NotHere),
            (_, honest) => honest,
        };
        let mut bytes = told.to_bytes();
        if matches!(self, Self::Proof) && is_proof {
            bytes.iter_mut().last().into_iter().for_each(|byte| *byte ^= 1);
        }
        bytes
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    ping: ping::Behaviour,
    hello: Exchange,
    seal: Exchange,
    light: Exchange,
}

/// The liar, between browsers and the honest node.
struct Liar {
    spec: Arc<ChainSpec>,
    lie: Lie,
    swarm: Swarm<Behaviour>,
    seal_protocol: StreamProtocol,
    asker: Asker,
    honest: Option<(PeerKey, Hello)>,
    seals: HashMap<PeerId, Answerer>,
    asked: HashMap<RequestId, (ResponseChannel<Vec<u8>>, Reply)>,
    /// Greetings that came before the honest node's.
    early: VecDeque<ResponseChannel<Vec<u8>>>,
    last_request: u64,
    /// How many answers were altered.
    lies: u64,
}

impl Liar {
    fn new(spec: ChainSpec, honest: &str, lie: Lie) -> anyhow::Result<Self> {
        let spec = Arc::new(spec);
        let chain = hex::encode(&spec.chain_id().as_bytes()[..4]);
        let name = |what: &str| StreamProtocol::try_from_owned(format!("/qbtc/{chain}/{what}/1"));
        let exchange = |name: StreamProtocol| {
            Exchange::with_codec(Messages { have_length: true }, [(name, ProtocolSupport::Inbound)], patient(100))
        };
        let behaviour = Behaviour {
            ping: ping::Behaviour::new(ping::Config::new()),
            hello: exchange(name("hello")?),
            seal: exchange(name("seal")?),
            light: exchange(name("sealed-light")?),
        };
        let identity = Keypair::generate_ed25519();
        let transport = WebRtcTransport::new(identity.clone(), Certificate::generate()?, Limits::default());
        let swarm = listening(&identity, transport, behaviour)?;
        let asker = Asker::new(&spec, &[honest.parse()?])?;
        Ok(Self {
            spec,
            lie,
            swarm,
            seal_protocol: name("seal")?,
            asker,
            honest: None,
            seals: HashMap::new(),
            asked: HashMap::new(),
            early: VecDeque::new(),
            last_request: 0,
            lies: 0,
        })
    }

    async fn run(&mut self, mut end: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                _ = &mut end => return,
                event = self.swarm.select_next_some() => self.swarm_event(event),
                asked = self.asker.next() => self.heard(asked),
            }
        }
    }

    fn swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                say_address(address, *self.swarm.local_peer_id());
            }
            SwarmEvent::Behaviour(BehaviourEvent::Hello(event)) => {
                if let Some((_, _, channel)) = question(event) {
                    self.early.push_back(channel);
                    self.greet();
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Seal(event)) => {
                if let Some((peer, offer, channel)) = question(event) {
                    self.agree(peer, &offer, channel);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Light(event)) => {
                if let Some((peer, sealed, channel)) = question(event) {
                    self.pass_on(peer, &sealed, channel);
                }
            }
            _ => {}
        }
    }

    /// Says hello in the honest node's words.
    fn greet(&mut self) {
        let Some((_, hello)) = &self.honest else { return };
        let hello = hello.to_bytes();
        for channel in self.early.drain(..) {
            let _ = self.swarm.behaviour_mut().hello.send_response(channel, hello.clone());
        }
    }

    fn agree(&mut self, peer: PeerId, offer: &[u8], channel: ResponseChannel<Vec<u8>>) {
        let mut entropy = [0; ANSWER_ENTROPY_BYTES];
        getrandom::fill(&mut entropy).expect("a test has randomness");
        let (asker, answerer) = (peer.to_bytes(), self.swarm.local_peer_id().to_bytes());
        let ends = Ends { protocol: self.seal_protocol.as_ref(), asker: &asker, answerer: &answerer };
        if let Ok((answer, seal)) = answer_offer(offer, &entropy, &ends) {
            self.seals.insert(peer, seal);
            let _ = self.swarm.behaviour_mut().seal.send_response(channel, answer);
        }
    }

    fn pass_on(&mut self, peer: PeerId, sealed: &[u8], channel: ResponseChannel<Vec<u8>>) {
        let opened = self.seals.get_mut(&peer).and_then(|seal| seal.open(sealed).ok());
        let (Some((question, reply)), Some((honest, _))) = (opened, &self.honest) else { return };
        if let Ok(question) = LightQuestion::from_bytes(&question, &self.spec) {
            self.last_request += 1;
            self.asked.insert(RequestId(self.last_request), (channel, reply));
            self.asker.ask(*honest, RequestId(self.last_request), question);
        }
    }

    fn heard(&mut self, asked: Asked) {
        match asked {
            Asked::Up { peer, hello, .. } => {
                self.honest = Some((peer, *hello));
                self.greet();
            }
            Asked::Down { .. } => self.honest = None,
            Asked::Answer { request, answer } => {
                if let Some((channel, reply)) = self.asked.remove(&request) {
                    let honest = answer.to_bytes();
                    let told = self.lie.told(*answer);
                    if told != honest {
                        self.lies += 1;
                        say(&serde_json::json!({ "lies": self.lies }));
                    }
                    let answer = reply.seal(told);
                    let _ = self.swarm.behaviour_mut().light.send_response(channel, answer);
                }
            }
            // Dropping the channel turns the question down.
            Asked::Malformed { request } | Asked::Unanswered { request } => drop(self.asked.remove(&request)),
            Asked::Unreachable { address, why } => eprintln!("{address}: {why}"),
        }
    }
}

/// What was asked, by whom, and where the answer goes.
fn question(event: ExchangeEvent) -> Option<(PeerId, Vec<u8>, ResponseChannel<Vec<u8>>)> {
    match event {
        Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
            Some((peer, request, channel))
        }
        _ => None,
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [chain, honest, lie] = &args[..] else { bail!("expected: light_liar CHAIN HONEST_NODE LIE") };
    let spec = ChainSpec::by_name(chain).with_context(|| format!("there is no chain {chain}"))?;
    let mut liar = Liar::new(spec, honest, Lie::named(lie)?)?;
    liar.run(input_ended()).await;
    Ok(())
}
