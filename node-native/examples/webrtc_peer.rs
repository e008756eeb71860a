//! A peer that browsers are tested against: WebRTC-direct on loopback, ping, identify, an echo, and a push of its own. It prints its address and then, once a
//! second, what it holds, as lines of JSON; it ends when its standard input does. `tests/browser` drives it.

mod shared;

use std::io;
use std::path::Path;
use std::time::Duration;

use libp2p::futures::StreamExt as _;
use libp2p::identity::Keypair;
use libp2p::request_response::{Event, Message, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{StreamProtocol, Swarm, identify, ping};
use qbtc_node::p2p::transport::webrtc::{Certificate, Limits, WebRtcTransport};
use serde_json::json;

use crate::shared::{Exchange, ExchangeEvent, Messages, input_ended, listening, patient, say, say_address};

#[derive(NetworkBehaviour)]
struct Behaviour {
    ping: ping::Behaviour,
    identify: identify::Behaviour,
    echo: Exchange,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(io::stderr).with_env_filter(std::env::var("LOG").unwrap_or_default()).init();
    let identity = Keypair::generate_ed25519();
    let certificate = match std::env::args().nth(1) {
        Some(path) => Certificate::load_or_generate(Path::new(&path))?,
        None => Certificate::generate()?,
    };
    let limits = Limits { connections_per_source_max: 200, ..Limits::default() };
    let transport = WebRtcTransport::new(identity.clone(), certificate, limits);
    let (counters, tasks) = (transport.counters(), transport.tasks());
    let behaviour = Behaviour {
        ping: ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(2))),
        identify: identify::Behaviour::new(identify::Config::new("/qbtc-test/1".into(), identity.public())),
        echo: Exchange::with_codec(
            Messages { have_length: false },
            [(StreamProtocol::new("/echo/1"), ProtocolSupport::Full)],
            patient(200),
        ),
    };
    let mut swarm = listening(&identity, transport, behaviour)?;
    let mut end = input_ended();
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = &mut end => return Ok(()),
            _ = every_second.tick() => say(&json!({ "tasks": tasks.len(), "counters": format!("{counters:?}") })),
            event = swarm.select_next_some() => on_event(&mut swarm, event),
        }
    }
}

fn on_event(swarm: &mut Swarm<Behaviour>, event: SwarmEvent<BehaviourEvent>) {
    match event {
        SwarmEvent::NewListenAddr { address, .. } => say_address(address, *swarm.local_peer_id()),
        SwarmEvent::ConnectionEstablished { peer_id, .. } => say(&json!({ "connected": peer_id.to_string() })),
        SwarmEvent::ConnectionClosed { peer_id, cause, .. } => {
            say(&json!({ "closed": peer_id.to_string(), "cause": cause.map(|cause| cause.to_string()) }));
        }
        SwarmEvent::IncomingConnectionError { error, .. } => say(&json!({ "failed": error.to_string() })),
        SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { result, .. })) => {
            say(&json!({ "ping_ms": result.ok().map(|time| time.as_secs_f64() * 1e3) }));
        }
        SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { info, .. })) => {
            say(&json!({ "identified": info.agent_version }));
        }
        SwarmEvent::Behaviour(BehaviourEvent::Echo(event)) => on_echo(swarm, event),
        _ => {}
    }
}

/// Echoes what was asked. `push N` makes as many requests of our own, `goodbye` closes the connection.
fn on_echo(swarm: &mut Swarm<Behaviour>, event: ExchangeEvent) {
    match event {
        Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
            let pushes =
                std::str::from_utf8(&request).ok().and_then(|text| text.strip_prefix("push ")?.parse::<u16>().ok());
            for number in 0..pushes.unwrap_or(0) {
                swarm.behaviour_mut().echo.send_request(&peer, format!("pushed {number}").into_bytes());
            }
            let is_goodbye = request == b"goodbye";
            let _ = swarm.behaviour_mut().echo.send_response(channel, request);
            if is_goodbye {
                let _ = swarm.disconnect_peer_id(peer);
            }
        }
        Event::Message { message: Message::Response { response, .. }, .. } => {
            say(&json!({ "answered": String::from_utf8_lossy(&response) }));
        }
        Event::OutboundFailure { error, .. } => say(&json!({ "push_failed": error.to_string() })),
        Event::InboundFailure { error, .. } => say(&json!({ "echo_failed": error.to_string() })),
        Event::ResponseSent { .. } => {}
    }
}
