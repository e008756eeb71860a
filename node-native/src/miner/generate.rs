//! Blocks at once, for tests and for chains on which blocks are easy.

use std::sync::Arc;
use std::time::Duration;

use qbtc_core::hash::BlockHash;
use qbtc_core::mempool::{Payout, TemplateError};
use qbtc_core::units::BlockTime;
use qbtc_core::verify::CheckedBlock;
use tokio_util::sync::CancellationToken;

use super::kernel::Kernel;
use super::search::Search;
use crate::node::{BlockRefusal, Fault, Node, Submitted};

/// Why blocks cannot be generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// No template for this payout.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The node did not take a block.
    #[error("the node refused a block of its own: {0}")]
    Refused(#[from] BlockRefusal),
}

/// How often to look whether a block may be made yet.
const RETRY: Duration = Duration::from_millis(100);

/// Mines `count` blocks on the tip, one after the other, and returns their ids. They are in the chain by then. One thread does it, with at
/// most `tries_max` hashes for all: if they do not suffice, only the blocks mined until then are returned.
///
/// Each block states a time of one second after its parent's until the chain has reached the clock, so that blocks made this way use up as
/// little time as can be. From there on, blocks that are made faster than some a second state times ahead of the clock, as the median of
/// their parents' must be passed. When that is as far as the chain's rules allow, this waits for the clock.
///
/// If the future is dropped, the search ends.
///
/// # Errors
/// [`GenerateError`]; [`Fault::Stopping`] within it, if the node stops meanwhile.
pub async fn generate(
    node: &Node,
    payout: &Payout,
    count: u32,
    tries_max: u64,
) -> Result<Vec<BlockHash>, GenerateError> {
    let cancelled = node.stopping().child_token();
    let _guard = cancelled.clone().drop_guard();
    let mut tries = tries_max;
    let mut ids = Vec::new();
    while ids.len() < count as usize && tries > 0 {
        if cancelled.is_cancelled() {
            return Err(BlockRefusal::Fault(Fault::Stopping).into());
        }
        let (searcher, payout, token) = (node.clone(), payout.clone(), cancelled.clone());
        let searched = tokio::task::spawn_blocking(move || search(&searcher, &payout, tries, &token)).await;
        match searched.map_err(|_| BlockRefusal::Fault(Fault::Stopping))?? {
            Searched::Found { block, hashes } => {
                tries = tries.saturating_sub(hashes);
                let id = block.id();
                // A block beside the chain does not count: another one came first, so the next goes on top of that.
                if node.submit_checked(*block).await? == Submitted::Connected {
                    ids.push(id);
                }
            }
            Searched::Exhausted => break,
            Searched::TooEarly => tokio::time::sleep(RETRY).await,
        }
    }
    Ok(ids)
}

enum Searched {
    Found {
        block: Box<CheckedBlock>,
        hashes: u64,
    },
    /// So many hashes were not enough.
    Exhausted,
    /// The time that a block would have to state is too far ahead.
    TooEarly,
}

fn search(node: &Node, payout: &Payout, tries: u64, cancelled: &CancellationToken) -> Result<Searched, GenerateError> {
    // To find out which kernel is fastest takes longer than blocks that are made this way. This one is never the slowest, above all not in a
    // debug build, where dependencies are optimised and the kernels are not.
    let kernel = Kernel::Reference;
    let template = node.template(payout)?;
    let limit_s = node.spec().consensus().future_limit_s;
    if template.time_min() > node.now().saturating_add(limit_s) {
        return Ok(Searched::TooEarly);
    }
    let time = time_after(node, &template.context().parent);
    let mut search = Search::new(node.extranonce(), Arc::clone(&template));
    let mut hashes = 0;
    while hashes < tries {
        if cancelled.is_cancelled() {
            return Err(BlockRefusal::Fault(Fault::Stopping).into());
        }
        let Some(searched) = search.next_chunk(kernel, time, tries - hashes) else {
            search = Search::new(node.extranonce(), Arc::clone(&template));
            continue;
        };
        hashes += searched.hashes;
        if let Some(solution) = searched.solution {
            let block = template.checked_block(&solution, node.spec()).map_err(BlockRefusal::from)?;
            return Ok(Searched::Found { block: Box::new(block), hashes });
        }
    }
    Ok(Searched::Exhausted)
}

/// The time for a block on this parent: a second later, but not ahead of the clock. What the rules ask for at least goes before it.
fn time_after(node: &Node, parent: &BlockHash) -> BlockTime {
    let parent = node.headers().node(parent).map_or(BlockTime(0), |parent| parent.header().time);
    parent.saturating_add(1).min(node.now())
}
