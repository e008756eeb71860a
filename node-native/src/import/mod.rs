//! Taking in many blocks at once: from a file now, from peers by the same way.
//!
//! ```text
//! read and decode (one thread) → check → verify signatures (all processors, some blocks ahead) → driver (in order) → written in batches
//! ```
//!
//! They go from thread to thread in runs: waking a thread takes longer than all that it does for a small block.

mod ahead;
mod run;

pub(crate) use ahead::{Checking, Verifying, verify_ahead};
pub(crate) use run::RunSize;

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

use qbtc_core::block::Block;
use qbtc_core::verify::{VerifiedCache, check_block};
use tokio::sync::{mpsc, oneshot};

use crate::blocks_file::{BlocksFileError, BlocksReader};
use crate::node::{BlockRefusal, Fault, Importing, Node};

/// How many runs of blocks may be ahead of the one that is connected, at each step on the way: enough to keep all processors busy.
const RUNS_AHEAD_MAX: usize = 8;

/// How many runs of blocks may wait for the driver, or for its answer.
pub(crate) const RUNS_UNDER_WAY_MAX: usize = 8;

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Blocks that were read.
    pub blocks: u64,
    /// Their size, in bytes.
    pub bytes: u64,
    /// Their transactions, without the coinbases.
    pub transactions: u64,
}

/// Why an import ended early. What came before is kept.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file.
    #[error(transparent)]
    File(#[from] BlocksFileError),
    /// A block of it.
    #[error("block {number} of the file: {refusal}")]
    Refused {
        /// Which block, from 0.
        number: u64,
        /// Why.
        refusal: BlockRefusal,
    },
}

/// Why a block of the file cannot be given to the node.
#[derive(Debug)]
enum Unusable {
    /// The file.
    File(BlocksFileError),
    /// The block.
    Refused(BlockRefusal),
}

impl From<Fault> for Unusable {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.into())
    }
}

/// Gives the node all blocks of a file, and tells again and again what has been done.
///
/// # Errors
/// [`ImportError`].
pub async fn import(
    node: &Node,
    source: impl Read + Send + 'static,
    progress: impl FnMut(&Imported),
) -> Result<Imported, ImportError> {
    import_knowing(node, source, VerifiedCache::new(1), progress).await
}

/// [`import`], with witnesses that were verified elsewhere; the node knows them too.
///
/// # Errors
/// [`ImportError`].
pub(crate) async fn import_knowing(
    node: &Node,
    source: impl Read + Send + 'static,
    known: VerifiedCache,
    mut progress: impl FnMut(&Imported),
) -> Result<Imported, ImportError> {
    let mut runs = verify_ahead(node, known, check_ahead(node, source));
    let mut under_way = VecDeque::new();
    let mut done = Imported::default();
    while let Some(Verifying { blocks, verified }) = runs.recv().await {
        let (first, mut run, mut unusable) = (done.blocks, Vec::with_capacity(blocks.len()), None);
        let stopped = |fault: Fault| ImportError::Refused { number: first, refusal: fault.into() };
        for block in blocks {
            match block {
                Ok(block) => {
                    done.blocks += 1;
                    done.bytes += u64::from(block.size_bytes());
                    done.transactions += block.transactions().len() as u64;
                    run.push(block);
                }
                Err(error) => {
                    unusable = Some(error);
                    break;
                }
            }
        }
        let verified = verified.await.map_err(|_| stopped(Fault::Stopping))?;
        let importing = node.import_checked(run, verified).await.map_err(stopped)?;
        under_way.push_back((first, importing));
        if let Some(unusable) = unusable {
            finish(&mut under_way, 0).await?;
            return Err(match unusable {
                Unusable::File(error) => error.into(),
                Unusable::Refused(refusal) => ImportError::Refused { number: done.blocks, refusal },
            });
        }
        finish(&mut under_way, RUNS_UNDER_WAY_MAX).await?;
        progress(&done);
    }
    finish(&mut under_way, 0).await?;
    Ok(done)
}

/// Waits until no more than so many runs are under way, each with the number of its first block.
async fn finish(under_way: &mut VecDeque<(u64, Importing)>, most: usize) -> Result<(), ImportError> {
    while under_way.len() > most {
        let Some((first, mut importing)) = under_way.pop_front() else { break };
        let refused = |number, refusal| ImportError::Refused { number, refusal };
        let outcomes = importing.finish().await.map_err(|fault| refused(first, fault.into()))?;
        for (number, outcome) in (first..).zip(outcomes) {
            outcome.map_err(|refusal| refused(number, refusal))?;
        }
    }
    Ok(())
}

/// Reads blocks on a thread of its own and has them checked, in their order.
fn check_ahead(node: &Node, source: impl Read + Send + 'static) -> mpsc::Receiver<Checking<Unusable>> {
    let (sender, receiver) = mpsc::channel(RUNS_AHEAD_MAX);
    let spec = Arc::clone(node.spec());
    tokio::task::spawn_blocking(move || {
        let mut reader = BlocksReader::new(source, spec.consensus().limits.block_bytes as usize);
        loop {
            let (mut size, mut run) = (RunSize::default(), Vec::new());
            while !size.is_full()
                && let Some(block) = reader.next()
            {
                run.push(block);
                size.add(reader.block_bytes());
            }
            if run.is_empty() {
                return;
            }
            let (checked, checking) = oneshot::channel();
            let spec = Arc::clone(&spec);
            rayon::spawn(move || {
                let check = |block: Result<Block, BlocksFileError>| {
                    let block = block.map_err(Unusable::File)?;
                    check_block(block, &spec).map(Arc::new).map_err(|error| Unusable::Refused(error.into()))
                };
                // Nobody waits for it any more if the import has ended early.
                drop(checked.send(run.into_iter().map(check).collect()));
            });
            if sender.blocking_send(checking).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests;
