//! What happens in a node, for whoever subscribes.

use std::sync::Arc;

use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::header::Header;
use qbtc_core::lock::Address;
use qbtc_core::mempool::Removal;
use qbtc_core::units::Height;
use qbtc_core::utxo::Coin;
use qbtc_core::verify::{CheckedBlock, CheckedTx};

use crate::store::address_rows;

/// Where the chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The block.
    pub id: BlockHash,
    /// Its height.
    pub height: Height,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The chain moved. Sent when the move is on the disk.
    Tip(Arc<TipMoved>),
    /// A transaction came into the mempool.
    Added(Arc<CheckedTx>),
    /// A transaction left the mempool, or left the chain without coming back to the mempool.
    Removed(Removal),
}

/// How the chain moved.
#[derive(Clone, Debug)]
pub struct TipMoved {
    /// The blocks that left, the old tip first.
    pub disconnected: Vec<BlockSummary>,
    /// The blocks that entered, the lowest first.
    pub connected: Vec<BlockSummary>,
}

/// What subscribers are told of a block.
#[derive(Clone, Debug)]
pub struct BlockSummary {
    /// Its id.
    pub id: BlockHash,
    /// Its height.
    pub height: Height,
    /// Its header.
    pub header: Header,
    /// Its size with witnesses, in bytes.
    pub size_bytes: u32,
    /// The number of its transactions, the coinbase included.
    pub transactions: u32,
    /// The addresses that its transactions pay or spend from. Of a block that left, only those that it paid.
    pub touched: Vec<(Address, Txid)>,
}

impl BlockSummary {
    pub(crate) fn new(block: &CheckedBlock, spent: &[Coin]) -> Self {
        let rows = address_rows(block, spent);
        Self {
            id: block.id(),
            height: block.coinbase().height,
            header: *block.header(),
            size_bytes: block.size_bytes(),
            transactions: u32::try_from(block.transactions().len() + 1).unwrap_or(u32::MAX),
            touched: rows.into_iter().map(|row| (row.address, row.txid)).collect(),
        }
    }
}
