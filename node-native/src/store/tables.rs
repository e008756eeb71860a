//! The on-disk format: every table, with its keys and values.
//!
//! Integers in keys are ordered as numbers; hashes are in the order in which they are hashed. Values that are bytes are the canonical
//! encoding of `qbtc_core::codec`, unless said otherwise. Blocks have numbers in the order in which their headers came, so that what
//! belongs to a block is appended to the end of its table instead of being scattered over it.

use qbtc_core::commit::mmr::Node;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::header::Header;
use qbtc_core::lock::Address;
use qbtc_core::tx::OutPoint;
use redb::TableDefinition;

/// The version of this format. A database of a newer version is refused.
pub const SCHEMA_VERSION: u32 = 2;
/// The version before [`COMMITMENTS`].
pub(super) const SCHEMA_WITHOUT_COMMITMENTS: u32 = 1;

/// Single values by name; see the constants below.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Number of a block → header. Parents come before children.
pub(super) const HEADERS: TableDefinition<'_, u64, &[u8; Header::BYTES]> = TableDefinition::new("headers");
/// Block id → number.
pub(super) const NUMBERS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("numbers");
/// Ids of blocks that were found invalid; those that build on them are not listed.
pub(super) const INVALID: TableDefinition<'_, &[u8; 32], ()> = TableDefinition::new("invalid");
/// A block without witnesses, as `body` writes it.
pub(super) const BODIES: BlobTable = TableDefinition::new("bodies");
/// The witnesses of a block, as `body` writes them.
pub(super) const WITNESSES: BlobTable = TableDefinition::new("witnesses");
/// The coins that a block spent: `qbtc_core::utxo::Undo`. Of blocks that are or were in the chain.
pub(super) const UNDO: BlobTable = TableDefinition::new("undo");
/// A block's compact filter. Of blocks that are or were in the chain.
pub(super) const FILTERS: BlobTable = TableDefinition::new("filters");
/// The number of a block → `qbtc_core::commit::CommitmentsProof`: what proves its filter, and its place in the history, without its body. Of
/// blocks that are or were in the chain.
pub(super) const COMMITMENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("commitments");
/// Outpoint ([`outpoint_key`]) → `qbtc_core::utxo::Coin`.
pub(super) const COINS: TableDefinition<'_, &[u8; 36], &[u8]> = TableDefinition::new("coins");
/// Height → id of the chain's block.
pub(super) const HEIGHTS: TableDefinition<'_, u32, &[u8; 32]> = TableDefinition::new("heights");
/// Place in the append-only list of the history → node.
pub(super) const HISTORY: TableDefinition<'_, u64, &[u8; Node::BYTES]> = TableDefinition::new("history");
/// Txid → height, and place in the block (0 for the coinbase). Optional.
pub(super) const TXIDS: TableDefinition<'_, &[u8; 32], (u32, u32)> = TableDefinition::new("txids");
/// Address, height and place in the block ([`event_key`]) → txid, quanta received, quanta spent. Optional.
pub(super) const ADDRESS_EVENTS: TableDefinition<'_, &[u8; 40], (&[u8; 32], u64, u64)> =
    TableDefinition::new("address_events");
/// Address and outpoint ([`address_coin_key`]). Optional.
pub(super) const ADDRESS_COINS: TableDefinition<'_, &[u8; 68], ()> = TableDefinition::new("address_coins");
/// Place in the order of arrival → seconds since 1970, transaction: the mempool of the last run.
pub(super) const MEMPOOL: TableDefinition<'_, u64, (u32, &[u8])> = TableDefinition::new("mempool");
/// Txid → quanta by which the operator values a transaction above what it pays. Made when it is first needed.
pub(super) const PRIORITIES: TableDefinition<'_, &[u8; 32], i64> = TableDefinition::new("priorities");
/// Txid → whether others know a transaction of the mempool that was handed in here. Made when it is first needed.
pub(super) const OWN: TableDefinition<'_, &[u8; 32], bool> = TableDefinition::new("own");

/// Address of a node → `qbtc_core::net::addresses::Entry`. Like the two below, made when it is first needed.
pub(super) const NODES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("nodes");
/// Subnet → `qbtc_core::net::Ban`.
pub(super) const BANS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("bans");
/// Number → address of a node that is dialled first after a restart.
pub(super) const ANCHORS: TableDefinition<'_, u32, &str> = TableDefinition::new("anchors");

/// The number of a block and of a piece → the piece, of at most [`super::blob::PIECE_BYTES`].
pub(super) type BlobTable = TableDefinition<'static, (u64, u32), &'static [u8]>;

/// In [`META`]: [`SCHEMA_VERSION`], u32, little-endian.
pub(super) const META_SCHEMA: &str = "schema";
/// In [`META`]: the chain id, 32 bytes.
pub(super) const META_CHAIN: &str = "chain";
/// In [`META`]: `qbtc_core::chain::ChainState`.
pub(super) const META_STATE: &str = "state";
/// In [`META`]: how many coins there are, u64, little-endian.
pub(super) const META_COINS: &str = "coins";
/// In [`META`]: below which height bodies are gone, then below which height witnesses are, u32 each, little-endian.
pub(super) const META_PRUNED: &str = "pruned";
/// In [`META`]: one byte, of [`INDEX_TXIDS`] and [`INDEX_ADDRESSES`].
pub(super) const META_INDEXES: &str = "indexes";
/// In [`META`]: the key of the address book, 16 bytes. There once an address book was kept.
pub(super) const META_NODES_KEY: &str = "nodes_key";
/// [`TXIDS`] is kept.
pub(super) const INDEX_TXIDS: u8 = 1;
/// [`ADDRESS_EVENTS`] and [`ADDRESS_COINS`] are kept.
pub(super) const INDEX_ADDRESSES: u8 = 2;

/// Txid ‖ index, big-endian.
pub(super) fn outpoint_key(outpoint: &OutPoint) -> [u8; 36] {
    let mut key = [0; 36];
    key[..32].copy_from_slice(outpoint.txid.as_bytes());
    key[32..].copy_from_slice(&outpoint.index.to_be_bytes());
    key
}

/// The outpoint of a key.
pub(super) fn outpoint_of_key(key: &[u8; 36]) -> OutPoint {
    let (txid, index) = split::<36, 32, 4>(key);
    OutPoint { txid: Txid::from_bytes(txid), index: u32::from_be_bytes(index) }
}

/// Address ‖ height, big-endian ‖ place in the block, big-endian.
pub(super) fn event_key(address: &Address, height: u32, place: u32) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(&address.to_bytes());
    key[32..36].copy_from_slice(&height.to_be_bytes());
    key[36..].copy_from_slice(&place.to_be_bytes());
    key
}

/// The height and the place of a key.
pub(super) fn event_of_key(key: &[u8; 40]) -> (u32, u32) {
    let (_, place) = split::<40, 32, 8>(key);
    let (height, index) = split::<8, 4, 4>(&place);
    (u32::from_be_bytes(height), u32::from_be_bytes(index))
}

/// Address ‖ [`outpoint_key`].
pub(super) fn address_coin_key(address: &Address, outpoint: &OutPoint) -> [u8; 68] {
    let mut key = [0; 68];
    key[..32].copy_from_slice(&address.to_bytes());
    key[32..].copy_from_slice(&outpoint_key(outpoint));
    key
}

/// The outpoint of a key.
pub(super) fn outpoint_of_address_coin(key: &[u8; 68]) -> OutPoint {
    outpoint_of_key(&split::<68, 32, 36>(key).1)
}

/// A block's key.
pub(super) const fn id_key(id: &BlockHash) -> &[u8; 32] {
    id.as_bytes()
}

fn split<const N: usize, const A: usize, const B: usize>(bytes: &[u8; N]) -> ([u8; A], [u8; B]) {
    const { assert!(A + B == N, "the parts are the whole") };
    let (mut front, mut back) = ([0; A], [0; B]);
    front.copy_from_slice(&bytes[..A]);
    back.copy_from_slice(&bytes[A..]);
    (front, back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip_and_sort_as_numbers() {
        let outpoint = OutPoint { txid: Txid::from_bytes([7; 32]), index: 0x0102_0304 };
        assert_eq!(outpoint_of_key(&outpoint_key(&outpoint)), outpoint);
        let address = Address::from_bytes([9; 32]);
        assert_eq!(outpoint_of_address_coin(&address_coin_key(&address, &outpoint)), outpoint);
        assert_eq!(event_of_key(&event_key(&address, 300, 70_000)), (300, 70_000));
        assert!(event_key(&address, 255, 9) < event_key(&address, 256, 0));
        assert!(event_key(&address, 1, u32::MAX) < event_key(&address, 2, 0));
    }
}
