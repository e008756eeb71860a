//! A light client on this machine: core's machine over libp2p, a clock, randomness and a file.
//!
//! ```text
//! nodes ⇄ Asker (libp2p) ⇄ Light ⇄ LightClient (core, decides) → events
//! ```
//!
//! One task owns all of it. Proofs are checked on that task: whoever runs it has nothing more urgent to do.

mod account;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::Moment;
use qbtc_core::sync::light::{At, Event, Input, Leaving, LightClient, Output, STATE_BYTES_MAX, StateError};
use qbtc_core::units::BlockTime;

pub use account::{LightAccount, LightAccountError};

use crate::files::write_whole;
use crate::p2p::address::NodeAddress;
use crate::p2p::transport::TransportError;
use crate::p2p::{Asked, Asker};

/// What a light client runs on.
#[derive(Clone, Debug)]
pub struct LightOptions {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// Nodes to ask.
    pub nodes: Vec<NodeAddress>,
    /// What it goes on from, and leaves behind.
    pub state_file: Option<PathBuf>,
}

/// Why there is no light client.
#[derive(Debug, thiserror::Error)]
pub enum LightError {
    /// The network.
    #[error("cannot set up the network: {0}")]
    Transport(#[from] TransportError),
    /// Randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(io::Error),
    /// The state cannot be written.
    #[error("cannot keep the light client's state in {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What came of the state of the last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// There was none.
    New,
    /// It goes on from there.
    Resumed,
    /// It was of no use, and the client starts anew.
    Useless(String),
}

/// A light client that runs.
pub struct Light {
    client: LightClient,
    asker: Asker,
    started: Instant,
    state_file: Option<PathBuf>,
    resumed: Resumed,
    /// Nodes that could not be reached last, and why.
    unreachable: Vec<(String, String)>,
}

/// The most nodes of which it is remembered why they could not be reached.
const UNREACHABLE_MAX: usize = 32;

impl Light {
    /// Starts. Must be called within a runtime.
    ///
    /// # Errors
    /// [`LightError`].
    pub fn start(options: &LightOptions) -> Result<Self, LightError> {
        let asker = Asker::new(&options.spec, &options.nodes)?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| LightError::Randomness(io::Error::other(error)))?;
        let started = Instant::now();
        let at = At { now: Moment(0), clock: clock() };
        let (client, resumed) = begin(options, secret, at);
        let state_file = options.state_file.clone();
        Ok(Self { client, asker, started, state_file, resumed, unreachable: Vec::new() })
    }

    /// The client, to be asked how things stand.
    #[must_use]
    pub const fn client(&self) -> &LightClient {
        &self.client
    }

    /// What came of the state of the last time.
    #[must_use]
    pub const fn resumed(&self) -> &Resumed {
        &self.resumed
    }

    /// Nodes that could not be reached last, and why.
    #[must_use]
    pub fn unreachable(&self) -> &[(String, String)] {
        &self.unreachable
    }

    /// How long it has run.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Tells the client something.
    pub fn tell(&mut self, input: Input) {
        let at = self.at();
        self.client.handle(input, at);
    }

    /// Runs until something happens that is to be told. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Event {
        loop {
            while let Some(output) = self.client.poll() {
                if let Some(event) = self.act(output) {
                    return event;
                }
            }
            let wait = self.client.deadline().since(self.at().now);
            let input = match tokio::time::timeout(Duration::from_millis(wait), self.asker.next()).await {
                Ok(asked) => self.heard(asked),
                Err(_) => Some(Input::Tick),
            };
            if let Some(input) = input {
                self.tell(input);
            }
        }
    }

    /// Keeps what the next start goes on from.
    ///
    /// # Errors
    /// [`LightError::Write`].
    pub fn save(&self) -> Result<(), LightError> {
        let Some(path) = &self.state_file else { return Ok(()) };
        let failed = |error| LightError::Write { path: path.clone(), error };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        write_whole(path, &self.client.save()).map_err(failed)
    }

    fn act(&mut self, output: Output) -> Option<Event> {
        match output {
            Output::Ask { peer, request, question } => self.asker.ask(peer, request, question),
            Output::Fault { peer, fault } => tracing::info!(peer = peer.0, "a node is at fault: {fault}"),
            Output::Leave { peer, why } => {
                tracing::info!(peer = peer.0, ?why, "leaving a node");
                self.asker.leave(peer, matches!(why, Leaving::Unlucky | Leaving::Enough));
            }
            Output::Event(event) => return Some(event),
        }
        None
    }

    fn heard(&mut self, asked: Asked) -> Option<Input> {
        Some(match asked {
            Asked::Up { peer, hello, group, address } => {
                tracing::info!(peer = peer.0, %address, agent = %hello.user_agent, "a node is there");
                self.unreachable.retain(|(other, _)| *other != address);
                Input::PeerUp { peer, hello: *hello, group }
            }
            Asked::Down { peer } => Input::PeerDown { peer },
            Asked::Answer { request, answer } => Input::Answer { request, answer: *answer },
            Asked::Malformed { request } => Input::Malformed { request },
            Asked::Unanswered { request } => Input::Unanswered { request },
            Asked::Unreachable { address, why } => {
                tracing::info!(%address, "a node cannot be reached: {why}");
                self.unreachable.retain(|(other, _)| *other != address);
                if self.unreachable.len() < UNREACHABLE_MAX {
                    self.unreachable.push((address, why));
                }
                return None;
            }
        })
    }

    fn at(&self) -> At {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        At { now: Moment(now), clock: clock() }
    }
}

/// Goes on from the state of the last time, or begins with the genesis block.
fn begin(options: &LightOptions, secret: [u8; 32], at: At) -> (LightClient, Resumed) {
    let anew = || LightClient::new(Arc::clone(&options.spec), secret, at);
    let Some(path) = &options.state_file else { return (anew(), Resumed::New) };
    let bytes = match read(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return (anew(), Resumed::New),
        Err(error) => return (anew(), Resumed::Useless(format!("{}: {error}", path.display()))),
    };
    match LightClient::resume(Arc::clone(&options.spec), secret, &bytes, at) {
        Ok(client) => (client, Resumed::Resumed),
        Err(error) => (anew(), Resumed::Useless(useless(path, &error))),
    }
}

fn useless(path: &Path, error: &StateError) -> String {
    format!("{}: {error}", path.display())
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(found) if found.len() > STATE_BYTES_MAX as u64 => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too long to be a light client's state"));
        }
        Ok(_) => {}
    }
    fs::read(path).map(Some)
}

fn clock() -> BlockTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    BlockTime(u32::try_from(now.as_secs()).unwrap_or(u32::MAX))
}
