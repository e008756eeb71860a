//! What a block does to addresses: the rows of the address index, and what subscribers are told.

use std::collections::BTreeMap;

use qbtc_core::hash::Txid;
use qbtc_core::lock::Address;
use qbtc_core::tx::TxOut;
use qbtc_core::utxo::Coin;
use qbtc_core::verify::CheckedBlock;

/// What one transaction does to one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRow {
    /// The address.
    pub address: Address,
    /// The transaction's place in the block; 0 for the coinbase.
    pub place: u32,
    /// The transaction.
    pub txid: Txid,
    /// What it pays to the address, in quanta.
    pub received: u64,
    /// What it spends from the address, in quanta.
    pub spent: u64,
}

/// What a block does to addresses, in its order, each address of a transaction once. `spent` are the coins that the block spends, in
/// the order of its inputs.
#[must_use]
pub fn address_rows(block: &CheckedBlock, spent: &[Coin]) -> Vec<AddressRow> {
    let mut rows = transaction_rows(0, block.coinbase_id(), &block.coinbase().outputs, &[]);
    let mut rest = spent;
    for (tx, place) in block.transactions().iter().zip(1..) {
        let (own, after) = rest.split_at(tx.body().inputs.len().min(rest.len()));
        rows.extend(transaction_rows(place, tx.txid(), &tx.body().outputs, own));
        rest = after;
    }
    rows
}

fn transaction_rows(place: u32, txid: Txid, outputs: &[TxOut], spent: &[Coin]) -> Vec<AddressRow> {
    let mut sums: BTreeMap<[u8; 32], (u64, u64)> = BTreeMap::new();
    for output in outputs {
        if let Some(address) = output.lock.address() {
            sums.entry(address.to_bytes()).or_default().0 += output.amount.quanta();
        }
    }
    for coin in spent {
        sums.entry(coin.address.to_bytes()).or_default().1 += coin.amount.quanta();
    }
    let row = |(address, (received, spent))| AddressRow {
        address: Address::from_bytes(address),
        place,
        txid,
        received,
        spent,
    };
    sums.into_iter().map(row).collect()
}
