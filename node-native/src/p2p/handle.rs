//! The handle to the network: what the node's interfaces ask of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::RwLock;
use qbtc_core::net::addresses::Entry;
use qbtc_core::net::seal::SealId;
use qbtc_core::net::{AlreadyBanned, Ban, Hello, KeyHash, Subnet};
use qbtc_core::sync::PeerKey;
use qbtc_core::units::BlockTime;
use tokio::sync::{mpsc, oneshot};

use super::address::NodeAddress;
use super::gate::Bans;
use super::reach::ReachOptions;
use super::transport::entrance::Entrance;
use super::transport::link::{Carrier, KeyExchange};

/// The network of a running node. Clones are the same.
#[derive(Clone, Debug)]
pub struct P2p {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) entrance: Entrance,
    pub(super) shared: Arc<Shared>,
}

/// What the handle and the task share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) peer_id: String,
    pub(super) identity: KeyHash,
    /// Where the node listens, each with its peer id behind it.
    pub(super) addresses: RwLock<Vec<String>>,
    pub(super) bans: Bans,
    pub(super) reach: ReachOptions,
    pub(super) kademlia: bool,
}

/// The most commands that wait for the task.
pub(super) const COMMANDS_WAITING_MAX: usize = 64;

/// A peer, at one moment.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Its number in this run of the node.
    pub key: PeerKey,
    /// Its peer id.
    pub id: String,
    /// Where it is.
    pub address: String,
    /// Its address and port, unless a name or another machine stands between.
    pub socket: Option<SocketAddr>,
    /// Where it reached this node, if it did.
    pub reached: Option<String>,
    /// Whether this node made the connection.
    pub is_outbound: bool,
    /// Whether the operator wanted it.
    pub is_wanted: bool,
    /// What carries the connection.
    pub carrier: Option<Carrier>,
    /// The name of the ML-DSA key that it has shown, if it has.
    pub identity: Option<KeyHash>,
    /// How its keys were agreed on.
    pub key_exchange: Option<KeyExchange>,
    /// The seal under which it asks as a light client, if it does: X25519 and ML-KEM-768 above the connection.
    pub seal: Option<SealId>,
    /// What the peer said of itself last.
    pub hello: Option<Hello>,
    /// How far its clock was ahead of this node's when it said so, in seconds.
    pub time_offset: i64,
    /// Bytes of streams that came.
    pub received: u64,
    /// Bytes of streams that went.
    pub sent: u64,
    /// How long the last ping took.
    pub ping: Option<Duration>,
    /// How long the quickest ping took.
    pub ping_least: Option<Duration>,
    /// Since when it is connected.
    pub since: SystemTime,
}

/// A node that the operator wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedInfo {
    /// As it was added.
    pub address: NodeAddress,
    /// Where it is, and whether this node made the connection, if it is connected.
    pub connected: Option<(String, bool)>,
}

/// Which peer is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerName {
    /// The one with this number.
    Key(PeerKey),
    /// The one with this address or peer id.
    Text(String),
}

/// The network does not run any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node is stopping")]
pub struct Stopping;

/// A request to the task.
#[derive(Debug)]
pub(super) enum Command {
    Peers(oneshot::Sender<Vec<PeerInfo>>),
    Wanted(oneshot::Sender<Vec<WantedInfo>>),
    Add(NodeAddress, oneshot::Sender<bool>),
    Remove(NodeAddress, oneshot::Sender<bool>),
    Dial(NodeAddress, oneshot::Sender<()>),
    Disconnect(PeerName, oneshot::Sender<bool>),
    Ping(oneshot::Sender<()>),
    /// Bans have changed.
    BansChanged(oneshot::Sender<()>),
    Nodes(usize, oneshot::Sender<Vec<Entry>>),
}

impl P2p {
    /// This node's peer id.
    #[must_use]
    pub fn peer_id(&self) -> &str {
        &self.shared.peer_id
    }

    /// Where connections are handed in that another part of the node has accepted.
    #[must_use]
    pub const fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    /// The name of the key that this node shows to peers that ask who it is.
    #[must_use]
    pub fn identity(&self) -> KeyHash {
        self.shared.identity
    }

    /// How this node is to be reached.
    #[must_use]
    pub fn reach(&self) -> &ReachOptions {
        &self.shared.reach
    }

    /// Whether peers are asked by Kademlia.
    #[must_use]
    pub fn asks_kademlia(&self) -> bool {
        self.shared.kademlia
    }

    /// Where this node listens, each address with its peer id behind it.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.shared.addresses.read().clone()
    }

    /// The peers, by their numbers.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn peers(&self) -> Result<Vec<PeerInfo>, Stopping> {
        self.ask(Command::Peers).await
    }

    /// The nodes that the operator wanted.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn wanted(&self) -> Result<Vec<WantedInfo>, Stopping> {
        self.ask(Command::Wanted).await
    }

    /// Wants a node: it is dialled whenever it is not connected. False, if it is wanted already or there are too many.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn add(&self, address: NodeAddress) -> Result<bool, Stopping> {
        self.ask(|reply| Command::Add(address, reply)).await
    }

    /// Wants a node no more; it stays connected. False, if it was not wanted.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn remove(&self, address: NodeAddress) -> Result<bool, Stopping> {
        self.ask(|reply| Command::Remove(address, reply)).await
    }

    /// Dials a node once.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn dial(&self, address: NodeAddress) -> Result<(), Stopping> {
        self.ask(|reply| Command::Dial(address, reply)).await
    }

    /// Parts with a peer. False, if there is none of this name.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn disconnect(&self, peer: PeerName) -> Result<bool, Stopping> {
        self.ask(|reply| Command::Disconnect(peer, reply)).await
    }

    /// Asks all peers for a sign of life; how long it took stands in [`PeerInfo::ping`] when they have answered. Not more often than every
    /// five seconds.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn ping(&self) -> Result<(), Stopping> {
        self.ask(Command::Ping).await
    }

    /// The bans that are on, by their subnets.
    #[must_use]
    pub fn bans(&self, now: BlockTime) -> Vec<(Subnet, Ban)> {
        self.shared.bans.read().on(now).map(|(subnet, ban)| (*subnet, ban.clone())).collect()
    }

    /// Bans a subnet, and parts with its peers.
    ///
    /// # Errors
    /// [`AlreadyBanned`] within, [`Stopping`] without.
    pub async fn ban(
        &self,
        subnet: Subnet,
        until: BlockTime,
        now: BlockTime,
    ) -> Result<Result<(), AlreadyBanned>, Stopping> {
        if let Err(error) = self.shared.bans.write().set(subnet, until, "the operator said so", now) {
            return Ok(Err(error));
        }
        self.ask(Command::BansChanged).await.map(Ok)
    }

    /// Lifts a ban. False, if there is none of exactly this subnet.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn lift_ban(&self, subnet: Subnet, now: BlockTime) -> Result<bool, Stopping> {
        let is_lifted = self.shared.bans.write().lift(&subnet, now);
        self.ask(Command::BansChanged).await?;
        Ok(is_lifted)
    }

    /// Lifts all bans.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn clear_bans(&self) -> Result<(), Stopping> {
        self.shared.bans.write().clear();
        self.ask(Command::BansChanged).await
    }

    /// At most so many random nodes of the address book; none, if nodes are not looked for.
    ///
    /// # Errors
    /// [`Stopping`].
    pub async fn nodes(&self, most: usize) -> Result<Vec<Entry>, Stopping> {
        self.ask(|reply| Command::Nodes(most, reply)).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Stopping> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }
}
