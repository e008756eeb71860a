//! What becomes of blocks that miners find.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::session::Found;
use crate::metrics::BlockSource;
use crate::node::{Node, Submitted};

/// The blocks that may wait. A miner whose block finds no room waits with it.
pub(super) const WAITING_MAX: usize = 64;

/// Brings blocks to the chain, one after the other, until nobody is left who could find one.
pub(super) async fn bring_in(node: Node, mut found: mpsc::Receiver<Found>) {
    while let Some(found) = found.recv().await {
        // Where a block costs a second or less, several are found for one parent. A second one could never win, and would be stored
        // for ever.
        if node.tip().borrow().id != found.work.parent() {
            tracing::info!(user = found.user, "a block came too late: there is another one at its height");
            continue;
        }
        bring_one(&node, found).await;
    }
}

async fn bring_one(node: &Node, Found { work, solution, user }: Found) {
    let spec = Arc::clone(node.spec());
    let height = work.template().context().height;
    // All transactions go into its roots: milliseconds for a full block.
    let checked = tokio::task::spawn_blocking(move || work.template().checked_block(&solution, &spec));
    let block = match checked.await.expect("checking a block does not panic") {
        Ok(block) => block,
        // Ours: the session has checked the work, and the template is our own.
        Err(error) => return tracing::error!(%error, user, %height, "a block from our own template is not valid"),
    };
    let id = block.id();
    match node.submit_checked(block).await {
        Ok(Submitted::Connected) => {
            node.metrics().block_found(BlockSource::Stratum);
            tracing::info!(%id, %height, user, "a Stratum miner has found a block");
        }
        Ok(Submitted::SideBranch | Submitted::Known) => {
            tracing::info!(%id, %height, user, "a block of a Stratum miner did not become part of the chain");
        }
        Err(error) => tracing::error!(%error, %id, %height, user, "a block of a Stratum miner was refused"),
    }
}
