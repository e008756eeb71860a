//! One node as the light client has it: greeted, sealed, and asked.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;

use hashbrown::HashMap;
use qbtc_core::hash::ChainId;
use qbtc_core::net::addresses::{AddressesAnswer, AddressesQuestion};
use qbtc_core::net::browser::Address;
use qbtc_core::net::seal::{
    ANSWER_BYTES, Asker, Ends, OFFER_ENTROPY_BYTES, Offer, SEALED_ANSWER_OVERHEAD, SealError, SealId,
};
use qbtc_core::net::{Hello, LightAnswer, LightQuestion};
use qbtc_core::spec::ChainSpec;
use zeroize::Zeroizing;

use crate::transport::{Cancel, Connection, Dialer, Framing, Question, TransportError};

/// How long a hello, a seal or addresses may take.
const GREETING_TIME_MAX_MS: u32 = 10_000;
/// How long an answer may take: the node waits up to 30 s for its next tip.
const ANSWER_TIME_MAX_MS: u32 = 60_000;

/// Why a node is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The connection, or the question on it.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// What came is no message.
    #[error("what the node answered is no message")]
    Malformed,
    /// The seal.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl LinkError {
    /// Whether the node has sent something that it must not, as opposed to nothing.
    pub(super) const fn is_fault(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_fault(),
            Self::Malformed | Self::Seal(_) => true,
        }
    }
}

/// The names of a chain's protocols.
#[derive(Clone, Debug)]
struct Names {
    hello: String,
    addresses: String,
    seal: String,
    sealed_light: String,
}

impl Names {
    fn new(chain: &ChainId) -> Self {
        let chain = hex::encode(&chain.as_bytes()[..4]);
        let name = |what: &str| format!("/qbtc/{chain}/{what}/1");
        Self {
            hello: name("hello"),
            addresses: name("addresses"),
            seal: name("seal"),
            sealed_light: name("sealed-light"),
        }
    }
}

/// A node that has proved its id, said hello, and agreed on a seal.
pub(super) struct Link {
    pub(super) connection: Connection,
    names: Names,
    spec: Arc<ChainSpec>,
    seal: RefCell<Asker>,
}

impl Link {
    /// Connects, says hello and hears the node's, and agrees on a seal.
    pub(super) async fn open(
        address: &Address,
        dialer: &Dialer,
        spec: &Arc<ChainSpec>,
        own: &Hello,
        cancel: &Cancel,
    ) -> Result<(Self, Hello), LinkError> {
        let names = Names::new(&spec.chain_id());
        let own = own.to_bytes();
        let answers = HashMap::from([(names.hello.clone(), own.clone())]);
        let connection = dialer.dial(address, answers, cancel).await?;
        let hello = ask(&connection, &names.hello, &own, Hello::BYTES_MAX, cancel).await?;
        let hello = Hello::from_bytes(&hello).map_err(|_| LinkError::Malformed)?;
        let seal = seal(&connection, &names.seal, cancel).await?;
        Ok((Self { connection, names, spec: Arc::clone(spec), seal: RefCell::new(seal) }, hello))
    }

    /// Which seal was agreed on.
    pub(super) fn seal_id(&self) -> SealId {
        self.seal.borrow().id()
    }

    /// Asks a question under the seal.
    pub(super) async fn ask(&self, question: &LightQuestion) -> Result<LightAnswer, LinkError> {
        let (sealed, asked) = self.seal.borrow_mut().seal(&question.to_bytes())?;
        let question = Question {
            protocol: &self.names.sealed_light,
            framing: Framing::Length,
            bytes: &sealed,
            answer_max: LightAnswer::bytes_max(&self.spec) + SEALED_ANSWER_OVERHEAD,
            limit_ms: ANSWER_TIME_MAX_MS,
        };
        let answer = asked.open(self.connection.ask(question, &Cancel::default()).await?)?;
        LightAnswer::from_bytes(&answer, &self.spec).map_err(|_| LinkError::Malformed)
    }

    /// Where other nodes are, as this one says. Those that browsers cannot reach are left out.
    pub(super) async fn addresses(&self) -> Result<Vec<Address>, LinkError> {
        let question = AddressesQuestion::default().to_bytes();
        let cancel = Cancel::default();
        let answer =
            ask(&self.connection, &self.names.addresses, &question, AddressesAnswer::BYTES_MAX, &cancel).await?;
        let answer = AddressesAnswer::from_bytes(&answer).map_err(|_| LinkError::Malformed)?;
        Ok(answer.addresses.iter().filter_map(|news| news.address.as_str().parse().ok()).collect())
    }
}

async fn ask(
    connection: &Connection,
    protocol: &str,
    bytes: &[u8],
    answer_max: usize,
    cancel: &Cancel,
) -> Result<Vec<u8>, TransportError> {
    let framing = Framing::Length;
    connection.ask(Question { protocol, framing, bytes, answer_max, limit_ms: GREETING_TIME_MAX_MS }, cancel).await
}

/// Agrees on a seal with the node.
async fn seal(connection: &Connection, protocol: &str, cancel: &Cancel) -> Result<Asker, LinkError> {
    let mut entropy = Zeroizing::new([0; OFFER_ENTROPY_BYTES]);
    getrandom::fill(&mut *entropy).map_err(|_| TransportError::Unsupported { what: "randomness" })?;
    let offer = Offer::new(&entropy);
    let answer = ask(connection, protocol, offer.bytes(), ANSWER_BYTES, cancel).await?;
    let (asker, answerer) = (connection.own().to_bytes(), connection.node().to_bytes());
    Ok(offer.accept(&answer, &Ends { protocol, asker: &asker, answerer: &answerer })?)
}
