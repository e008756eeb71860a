//! What the wallet's tests hold its transactions against: the way a node takes them in, from bytes to verified signatures.

use alloc::sync::Arc;

use crate::codec;
use crate::crypto::verify_serial;
use crate::spec::ChainSpec;
use crate::tx::{Transaction, TxOut};
use crate::units::Height;
use crate::utxo::{Coin, CoinDiff, MemoryCoins};
use crate::verify::{ResolvedTx, VerifiedCache, check_transaction, resolve_transaction};

/// Panics unless the transaction may stand in a block of this height, given what it spends.
pub(super) fn assert_valid(transaction: &Transaction, spent: &[TxOut], spec: &ChainSpec, height: Height) -> ResolvedTx {
    let bytes = codec::encode(transaction);
    let decoded = codec::decode(&bytes, bytes.len()).unwrap();
    let checked = check_transaction(decoded, spec.consensus()).unwrap();
    let coins = coins_of(transaction, spent);
    let resolved = resolve_transaction(&Arc::new(checked), height, &coins, &VerifiedCache::new(0), spec).unwrap();
    let jobs = resolved.jobs();
    assert!(!jobs.is_empty(), "somebody signed");
    verify_serial(&jobs).unwrap();
    resolved
}

/// The coins that a transaction spends, mined long ago.
pub(super) fn coins_of(transaction: &Transaction, spent: &[TxOut]) -> MemoryCoins {
    let mut made = CoinDiff::default();
    for (outpoint, output) in transaction.body.inputs.iter().zip(spent) {
        made.create(*outpoint, Coin::of_output(output, Height::GENESIS, false).unwrap()).unwrap();
    }
    let mut coins = MemoryCoins::default();
    coins.apply(&made).unwrap();
    coins
}
