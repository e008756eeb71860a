//! What the calls work on: the node, and what its operator has chosen for them.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use qbtc_core::chain::HeaderNode;
use qbtc_core::hash::{BlockHash, WitnessRoot};
use qbtc_core::lock::{Address, AddressPrefix};
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;

use super::control::LogControl;
use super::error::{Code, RpcError};
use crate::node::{Fault, Node};
use crate::p2p::P2p;
use crate::store::{ChainView, StoreError};

/// What the calls work on.
pub struct Context {
    /// The node.
    pub node: Node,
    /// Who is paid for blocks that are mined over getblocktemplate, unless a call names somebody.
    pub reward: Option<Address>,
    /// When a long poll ends.
    pub long_poll: LongPoll,
    /// The file that the chain is stored in.
    pub database: Option<PathBuf>,
    /// What changes the log, where that is possible.
    pub log: Option<LogControl>,
    /// The network, unless it is off.
    pub p2p: Option<P2p>,
    /// Whether the mempool of the last run is restored.
    pub is_mempool_loaded: Arc<AtomicBool>,
    /// The transactions of the last template, as JSON: many miners ask for the same.
    pub(super) template_transactions: Mutex<Option<(WitnessRoot, Arc<str>)>>,
}

/// When a long poll ends, if the tip does not move.
#[derive(Clone, Copy, Debug)]
pub struct LongPoll {
    /// How long a change of the mempool is not worth new work.
    pub mempool_after: Duration,
    /// How often the mempool is looked at from then on.
    pub mempool_every: Duration,
    /// When new work is given in any case, so that no connection waits for ever.
    pub most: Duration,
}

impl LongPoll {
    /// As Bitcoin Core has it, in parts of the time between blocks: there it is a minute of ten, then every ten seconds. Fresh work
    /// after five minutes renews the time in headers.
    #[must_use]
    pub fn of(spec: &ChainSpec) -> Self {
        let spacing = Duration::from_secs(spec.consensus().spacing_s.into());
        Self { mempool_after: spacing / 10, mempool_every: spacing / 60, most: Duration::from_secs(300) }
    }
}

impl Context {
    /// The calls of this node.
    #[must_use]
    pub fn new(node: Node, reward: Option<Address>) -> Self {
        Self {
            long_poll: LongPoll::of(node.spec()),
            node,
            reward,
            database: None,
            log: None,
            p2p: None,
            is_mempool_loaded: Arc::new(AtomicBool::new(true)),
            template_transactions: Mutex::default(),
        }
    }

    /// The size of the file that the chain is stored in.
    #[must_use]
    pub fn database_bytes(&self) -> Option<u64> {
        self.database.as_ref()?.metadata().ok().map(|metadata| metadata.len())
    }

    /// What addresses of this chain begin with.
    #[must_use]
    pub fn prefix(&self) -> &AddressPrefix {
        &self.node.spec().network().address_prefix
    }

    /// The address of a text.
    ///
    /// # Errors
    /// [`Code::InvalidAddressOrKey`], with what is wrong with it.
    pub fn address(&self, text: &str) -> Result<Address, RpcError> {
        let invalid = |error| RpcError::new(Code::InvalidAddressOrKey, format!("Invalid address: {error}"));
        Address::from_text(text, self.prefix()).map_err(invalid)
    }

    /// What is known of a block's header.
    ///
    /// # Errors
    /// [`Code::InvalidAddressOrKey`], if nothing is.
    pub fn header(&self, id: &BlockHash) -> Result<HeaderNode, RpcError> {
        self.node.headers().node(id).cloned().ok_or_else(block_not_found)
    }
}

/// That a block is not known.
#[must_use]
pub(super) fn block_not_found() -> RpcError {
    RpcError::new(Code::InvalidAddressOrKey, "Block not found")
}

/// Whether a block is in the chain of a snapshot.
///
/// # Errors
/// A fault of the store.
pub(super) fn is_in_chain(chain: &ChainView, height: Height, id: &BlockHash) -> Result<bool, RpcError> {
    Ok(chain.block_id(height)?.as_ref() == Some(id))
}

impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> Self {
        Self::new(Code::Database, error.to_string())
    }
}

impl From<Fault> for RpcError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Stopping => Self::new(Code::NotConnected, "Shutting down"),
            fault => Self::new(Code::Database, fault.to_string()),
        }
    }
}
