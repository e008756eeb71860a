//! Taking in many blocks at once: from a file now, from peers by the same way.
//!
//! ```text
//! read and decode (one thread) → check → verify signatures (all processors, some blocks ahead) → driver (in order) → written in batches
//! ```

mod ahead;

pub(crate) use ahead::{Checking, Verifying, verify_ahead};

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

use qbtc_core::hash::BlockHash;
use qbtc_core::verify::{VerifiedCache, check_block};
use tokio::sync::{mpsc, oneshot};

use crate::blocks_file::{BlocksFileError, BlocksReader};
use crate::node::{BlockRefusal, Fault, Importing, Node};

/// How many blocks may be ahead of the one that is connected, at each step on the way: enough to keep all processors busy.
const BLOCKS_AHEAD_MAX: usize = 8;

/// How many blocks may wait for the driver, or for its answer.
const BLOCKS_UNDER_WAY_MAX: usize = 8;

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

/// Gives the node all blocks of a file, and tells after each what has been done.
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
    let mut blocks = verify_ahead(node, known, check_ahead(node, source));
    let mut under_way = VecDeque::new();
    let mut done = Imported::default();
    while let Some(block) = blocks.recv().await {
        let refused = |refusal| ImportError::Refused { number: done.blocks, refusal };
        let Verifying { block, verified } = block.map_err(|unusable| match unusable {
            Unusable::File(error) => error.into(),
            Unusable::Refused(refusal) => refused(refusal),
        })?;
        let verified = verified.await.map_err(|_| refused(Fault::Stopping.into()))?;
        let (bytes, transactions) = (block.size_bytes(), block.transactions().len());
        // The genesis block may lead the file; it is everybody's.
        if block.header().parent != BlockHash::ZERO {
            let importing = node.import_checked(block, verified).await.map_err(|fault| refused(fault.into()))?;
            under_way.push_back((done.blocks, importing));
        }
        finish(&mut under_way, BLOCKS_UNDER_WAY_MAX).await?;
        done.blocks += 1;
        done.bytes += u64::from(bytes);
        done.transactions += transactions as u64;
        progress(&done);
    }
    finish(&mut under_way, 0).await?;
    Ok(done)
}

/// Waits until no more than so many blocks are under way.
async fn finish(under_way: &mut VecDeque<(u64, Importing)>, most: usize) -> Result<(), ImportError> {
    while under_way.len() > most {
        let Some((number, mut importing)) = under_way.pop_front() else { break };
        importing.finish().await.map_err(|refusal| ImportError::Refused { number, refusal })?;
    }
    Ok(())
}

/// Reads blocks on a thread of its own and has them checked, in their order.
fn check_ahead(node: &Node, source: impl Read + Send + 'static) -> mpsc::Receiver<Checking<Unusable>> {
    let (sender, receiver) = mpsc::channel(BLOCKS_AHEAD_MAX);
    let spec = Arc::clone(node.spec());
    tokio::task::spawn_blocking(move || {
        for block in BlocksReader::new(source, spec.consensus().limits.block_bytes as usize) {
            let (checked, checking) = oneshot::channel();
            let spec = Arc::clone(&spec);
            // Nobody waits for it any more if the import has ended early.
            match block {
                Ok(block) => rayon::spawn(move || {
                    let outcome = check_block(block, &spec).map(Arc::new);
                    drop(checked.send(outcome.map_err(|error| Unusable::Refused(error.into()))));
                }),
                Err(error) => drop(checked.send(Err(Unusable::File(error)))),
            }
            if sender.blocking_send(checking).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests;
