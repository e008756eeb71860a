//! A block that is still to be mined: every rule but that of the work.

use alloc::sync::Arc;

use super::block::{BlockError, check_unmined};
use super::cache::VerifiedCache;
use super::header::{HeaderContext, check_place};
use super::resolve::ResolveError;
use super::resolve_block::{BlockContext, resolve_block};
use super::transaction::check_transaction;
use crate::block::Block;
use crate::crypto::{CryptoError, SignatureJob};
use crate::spec::ChainSpec;
use crate::utxo::CoinView;

/// Checks whether a block would be valid on top of its parent, whose coins are given, once somebody found the work for it: what a
/// miner asks about a block that it put together itself (BIP 23, "proposal"). There is no stronger type for it, since without
/// work it must not get anywhere.
///
/// `run` verifies signatures as in [`super::ResolvedBlock::verify`].
///
/// # Errors
/// [`ResolveError::Invalid`] with the first rule that it breaks; [`ResolveError::View`], if the coins cannot be read.
pub fn verify_proposal<V: CoinView>(
    block: Block,
    header: &HeaderContext,
    context: &BlockContext,
    coins: &V,
    cache: &VerifiedCache,
    spec: &ChainSpec,
    run: impl FnOnce(&[SignatureJob<'_>]) -> Result<(), (usize, CryptoError)>,
) -> Result<(), ResolveError<BlockError, V::Error>> {
    check_place(&block.header, header, spec.consensus()).map_err(|error| ResolveError::Invalid(error.into()))?;
    let check = |transaction| check_transaction(transaction, spec.consensus()).map(Arc::new);
    let checked = check_unmined(block, spec, |transactions| transactions.into_iter().map(check).collect());
    let resolved = resolve_block(checked.map_err(ResolveError::Invalid)?, context, coins, cache, spec)?;
    resolved.verify(run).map(drop).map_err(ResolveError::Invalid)
}
