//! Work that is spread over all processors.

use std::sync::Arc;

use qbtc_core::block::Block;
use qbtc_core::crypto::{CryptoError, SignatureJob, verify_serial};
use qbtc_core::spec::ChainSpec;
use qbtc_core::verify::{BlockError, CheckedBlock, check_block_with, check_transaction};
use rayon::prelude::*;

/// Below this number of signatures, waking other threads costs more than it saves.
const PARALLEL_MIN: usize = 3;

/// Verifies signatures, and names the first that failed, as a serial run does.
pub(crate) fn verify_in_parallel(jobs: &[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)> {
    if jobs.len() < PARALLEL_MIN {
        return verify_serial(jobs);
    }
    let failed = |(place, job): (usize, &SignatureJob<'_>)| job.verify().err().map(|error| (place, error));
    jobs.par_iter().enumerate().find_map_first(failed).map_or(Ok(()), Err)
}

/// [`qbtc_core::verify::check_block`] on all processors: it hashes every byte of the block.
///
/// # Errors
/// [`BlockError`].
pub(crate) fn check_block_in_parallel(block: Block, spec: &ChainSpec) -> Result<CheckedBlock, BlockError> {
    check_block_with(block, spec, |transactions| {
        let check = |transaction| check_transaction(transaction, spec.consensus()).map(Arc::new);
        transactions.into_par_iter().map(check).collect()
    })
}
