//! The whole network of a node: the task that owns the swarm, and what drives it.
//!
//! ```text
//! swarm (service) ⇄ chain synchronisation (a thread) ⇄ driver of the chain
//!                 ⇄ relay of transactions (a task)   ⇄ mempool
//! ```

use std::io;

use qbtc_core::sync::Limits;
use tokio_util::task::TaskTracker;

use super::identity::Identity;
use super::relay::Relay;
use super::{P2p, P2pError, P2pOptions, Started, start, sync};
use crate::node::Node;

/// Why a node has no network.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The transports.
    #[error(transparent)]
    P2p(#[from] P2pError),
    /// Threads or randomness.
    #[error("the system refuses what the network needs: {0}")]
    System(#[from] io::Error),
}

/// Starts a node's network. All of it ends when the node stops; `tasks` has it then.
///
/// # Errors
/// [`LaunchError`]; then nothing runs.
pub async fn launch(
    node: &Node,
    identity: &Identity,
    options: P2pOptions,
    tasks: &TaskTracker,
) -> Result<P2p, LaunchError> {
    let (at_hand, waits_for_peers) = (options.at_hand.clone(), options.waits_for_peers);
    let Started { p2p, link, relay, service } = start(node, identity, options).await?;
    let relay = Relay::new(node, relay)?;
    let limits = Limits { waits_for_peers, ..Limits::of(node.spec()) };
    let syncing = sync::start(node, link, at_hand, limits)?;
    tasks.spawn(service.run());
    tasks.spawn(relay.run());
    tasks.spawn_blocking(move || {
        if let Err(panic) = syncing.join() {
            std::panic::resume_unwind(panic);
        }
    });
    Ok(p2p)
}

#[cfg(test)]
mod tests;
