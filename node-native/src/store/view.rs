//! A snapshot of the stored chain.

use std::sync::Arc;

use qbtc_core::block::Block;
use qbtc_core::chain::{ChainState, ChainStore};
use qbtc_core::codec;
use qbtc_core::commit::mmr::{HistoryError, Node, Peaks};
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::OutPoint;
use qbtc_core::units::Height;
use qbtc_core::utxo::{Coin, CoinView, Undo};
use qbtc_core::verify::{CheckedBlock, check_block};
use redb::{ReadOnlyTable, ReadTransaction};

use super::body::{BlockExtent, StoredBody};
use super::commit::coin_count;
use super::gate::Gate;
use super::indexes::{decode_coin, decode_undo};
use super::tables::{
    ADDRESS_COINS, ADDRESS_EVENTS, BODIES, COINS, COMMITMENTS, FILTERS, HEIGHTS, HISTORY, META, META_COINS,
    META_PRUNED, META_STATE, NUMBERS, TXIDS, UNDO, WITNESSES, address_coin_key, event_key, event_of_key, id_key,
    outpoint_key, outpoint_of_address_coin, outpoint_of_key,
};
use super::{Indexes, StoreError, blob};
use qbtc_core::commit::CommitmentsProof;

/// The chain at one moment. It never changes, and reading it waits for nobody. While it is kept, the disk space of what changed
/// since then stays in use: hold it for a request, not for ever.
#[derive(Debug)]
pub struct ChainView {
    spec: Arc<ChainSpec>,
    state: ChainState,
    coin_count: u64,
    bodies_pruned: Height,
    witnesses_pruned: Height,
    tables: Tables,
    pub(super) gate: Arc<Gate>,
}

type EventReader = ReadOnlyTable<&'static [u8; 40], (&'static [u8; 32], u64, u64)>;
type BlobReader = ReadOnlyTable<(u64, u32), &'static [u8]>;

#[derive(Debug)]
struct Tables {
    numbers: ReadOnlyTable<&'static [u8; 32], u64>,
    bodies: BlobReader,
    witnesses: BlobReader,
    undo: BlobReader,
    filters: BlobReader,
    commitments: ReadOnlyTable<u64, &'static [u8]>,
    coins: ReadOnlyTable<&'static [u8; 36], &'static [u8]>,
    heights: ReadOnlyTable<u32, &'static [u8; 32]>,
    history: ReadOnlyTable<u64, &'static [u8; Node::BYTES]>,
    txids: Option<ReadOnlyTable<&'static [u8; 32], (u32, u32)>>,
    address_events: Option<EventReader>,
    address_coins: Option<ReadOnlyTable<&'static [u8; 68], ()>>,
}

/// Where in the chain a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxPlace {
    /// The block.
    pub block: BlockHash,
    /// Its height.
    pub height: Height,
    /// The transaction's place in it; 0 for the coinbase.
    pub place: u32,
}

/// Where to go on in the history of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressCursor {
    /// The height of the last event that was read.
    pub height: Height,
    /// Its place in the block.
    pub place: u32,
}

/// What one transaction in the chain did to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressEvent {
    /// Height and place of the transaction.
    pub at: AddressCursor,
    /// The transaction.
    pub txid: Txid,
    /// What it paid to the address, in quanta.
    pub received: u64,
    /// What it spent from the address, in quanta.
    pub spent: u64,
}

impl ChainView {
    pub(super) fn new(
        transaction: &ReadTransaction,
        spec: Arc<ChainSpec>,
        indexes: Indexes,
        gate: Arc<Gate>,
    ) -> Result<Self, StoreError> {
        let meta = transaction.open_table(META)?;
        let value = |name| {
            let missing = || StoreError::inconsistent(format!("no {name}"));
            Ok::<_, StoreError>(meta.get(name)?.ok_or_else(missing)?.value().to_vec())
        };
        let state = value(META_STATE)?;
        let state = codec::decode(&state, state.len())
            .map_err(|error| StoreError::inconsistent(format!("state of the chain: {error}")))?;
        let pruned = value(META_PRUNED)?;
        let (pruned, _) = pruned.as_chunks::<4>();
        let [bodies, witnesses] = pruned else {
            return Err(StoreError::inconsistent("heights of pruning of odd length"));
        };
        Ok(Self {
            spec,
            state,
            coin_count: coin_count(&value(META_COINS)?)?,
            bodies_pruned: Height(u32::from_le_bytes(*bodies)),
            witnesses_pruned: Height(u32::from_le_bytes(*witnesses)),
            gate,
            tables: Tables {
                numbers: transaction.open_table(NUMBERS)?,
                bodies: transaction.open_table(BODIES)?,
                witnesses: transaction.open_table(WITNESSES)?,
                undo: transaction.open_table(UNDO)?,
                filters: transaction.open_table(FILTERS)?,
                commitments: transaction.open_table(COMMITMENTS)?,
                coins: transaction.open_table(COINS)?,
                heights: transaction.open_table(HEIGHTS)?,
                history: transaction.open_table(HISTORY)?,
                txids: if indexes.txids { Some(transaction.open_table(TXIDS)?) } else { None },
                address_events: if indexes.addresses { Some(transaction.open_table(ADDRESS_EVENTS)?) } else { None },
                address_coins: if indexes.addresses { Some(transaction.open_table(ADDRESS_COINS)?) } else { None },
            },
        })
    }

    /// Where the chain stands.
    #[must_use]
    pub const fn state(&self) -> &ChainState {
        &self.state
    }

    /// The chain's rules.
    #[must_use]
    pub fn spec(&self) -> &Arc<ChainSpec> {
        &self.spec
    }

    /// How many coins there are.
    #[must_use]
    pub const fn coin_count(&self) -> u64 {
        self.coin_count
    }

    /// The lowest height from which on blocks are whole; 0 without pruning.
    #[must_use]
    pub fn pruned_below(&self) -> Height {
        self.witnesses_pruned
    }

    /// The lowest height from which on the bodies of transactions are there; 0 without pruning.
    #[must_use]
    pub fn bodies_pruned_below(&self) -> Height {
        self.bodies_pruned
    }

    /// Which optional indexes can be asked.
    #[must_use]
    pub const fn indexes(&self) -> Indexes {
        Indexes { txids: self.tables.txids.is_some(), addresses: self.tables.address_events.is_some() }
    }

    /// The chain's block at a height; `None` above the tip.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn block_id(&self, height: Height) -> Result<Option<BlockHash>, StoreError> {
        self.gate.pass(|| Ok(self.tables.heights.get(height.0)?.map(|id| BlockHash::from_bytes(*id.value()))))
    }

    /// Whether the block is stored, perhaps without witnesses, in the chain or beside it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_block(&self, id: &BlockHash) -> Result<bool, StoreError> {
        self.gate.pass(|| match self.number(id)? {
            Some(number) => blob::has(&self.tables.bodies, number),
            None => Ok(false),
        })
    }

    /// A block's bytes, as miners and peers exchange them; `None` if it is unknown or its witnesses are pruned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn block_bytes(&self, id: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.gate.pass(|| {
            let Some((body, witnesses)) = self.stored_block(id)? else { return Ok(None) };
            StoredBody::parse(&body)?.join(&witnesses).map(Some)
        })
    }

    /// How large a block is and what its coinbase pays, without reading it whole; `None` if it is unknown or its witnesses are pruned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn block_extent(&self, id: &BlockHash) -> Result<Option<BlockExtent>, StoreError> {
        self.gate.pass(|| {
            let Some(number) = self.number(id)? else { return Ok(None) };
            let body = blob::peek(&self.tables.bodies, number)?;
            let Some(((start, body), (_, witnesses))) = body.zip(blob::peek(&self.tables.witnesses, number)?) else {
                return Ok(None);
            };
            StoredBody::extent(&start, body, witnesses).map(Some)
        })
    }

    /// A block as plain data; `None` if it is unknown or its witnesses are pruned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn plain_block(&self, id: &BlockHash) -> Result<Option<Block>, StoreError> {
        self.gate.pass(|| {
            let Some(bytes) = self.block_bytes(id)? else { return Ok(None) };
            let damaged = |error| StoreError::inconsistent(format!("block {id}: {error}"));
            Block::from_bytes(&bytes, bytes.len()).map(Some).map_err(damaged)
        })
    }

    /// The bytes of one transaction of a block, counted from 1 as in [`TxPlace::place`]; `None` if there is none, the block is
    /// unknown or its witnesses are pruned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn transaction_bytes(&self, block: &BlockHash, place: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.gate.pass(|| {
            let Some(place) = place.checked_sub(1) else { return Ok(None) };
            let Some((body, witnesses)) = self.stored_block(block)? else { return Ok(None) };
            StoredBody::parse(&body)?.transaction(place as usize, &witnesses)
        })
    }

    /// A proof of what a block commits to; `None` if the block was never in the chain, or its body was pruned before nodes kept such proofs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn commitments_proof(&self, id: &BlockHash) -> Result<Option<CommitmentsProof>, StoreError> {
        self.gate.pass(|| {
            let Some(number) = self.number(id)? else { return Ok(None) };
            let Some(bytes) = self.tables.commitments.get(number)? else { return Ok(None) };
            let damaged = |error| StoreError::inconsistent(format!("block {id}: {error}"));
            CommitmentsProof::from_bytes(bytes.value()).map(Some).map_err(damaged)
        })
    }

    /// The bytes of a block's compact filter; `None` if the block was never in the chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn filter_bytes(&self, id: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.gate.pass(|| match self.number(id)? {
            Some(number) => blob::read(&self.tables.filters, number),
            None => Ok(None),
        })
    }

    /// The node at a place of the history's append-only list.
    ///
    /// # Errors
    /// [`StoreError`], also beyond the end.
    pub fn history_node(&self, position: u64) -> Result<Node, StoreError> {
        self.gate.pass(|| {
            let missing = || StoreError::inconsistent(format!("no node at place {position} of the history"));
            Ok(Node::from_bytes(self.tables.history.get(position)?.ok_or_else(missing)?.value()))
        })
    }

    /// Where in the chain a transaction is. Only with [`Indexes::txids`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn transaction_place(&self, txid: &Txid) -> Result<Option<TxPlace>, StoreError> {
        self.gate.pass(|| {
            let Some(table) = &self.tables.txids else { return Ok(None) };
            let Some(row) = table.get(txid.as_bytes())? else { return Ok(None) };
            let (height, place) = row.value();
            let missing = || StoreError::inconsistent(format!("transaction {txid} at height {height}, above the tip"));
            let height = Height(height);
            Ok(Some(TxPlace { block: self.block_id(height)?.ok_or_else(missing)?, height, place }))
        })
    }

    /// What happened to an address, newest first, before `before`. Only with [`Indexes::addresses`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn address_events(
        &self,
        address: &Address,
        before: Option<AddressCursor>,
        limit: usize,
    ) -> Result<Vec<AddressEvent>, StoreError> {
        self.gate.pass(|| {
            let Some(table) = &self.tables.address_events else { return Ok(Vec::new()) };
            let first = event_key(address, 0, 0);
            let end =
                before.map_or(event_key(address, u32::MAX, u32::MAX), |at| event_key(address, at.height.0, at.place));
            let mut events = Vec::new();
            for row in table.range::<&[u8; 40]>(&first..&end)?.rev().take(limit) {
                let (key, value) = row?;
                let (height, place) = event_of_key(key.value());
                let (txid, received, spent) = value.value();
                let at = AddressCursor { height: Height(height), place };
                events.push(AddressEvent { at, txid: Txid::from_bytes(*txid), received, spent });
            }
            Ok(events)
        })
    }

    /// The coins of an address in the order of their outpoints, after `after`. Only with [`Indexes::addresses`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn address_coins(
        &self,
        address: &Address,
        after: Option<OutPoint>,
        limit: usize,
    ) -> Result<Vec<(OutPoint, Coin)>, StoreError> {
        self.gate.pass(|| {
            use std::ops::Bound::{Excluded, Included};
            let Some(table) = &self.tables.address_coins else { return Ok(Vec::new()) };
            let lowest = OutPoint { txid: Txid::ZERO, index: 0 };
            let highest = OutPoint { txid: Txid::from_bytes([0xff; 32]), index: u32::MAX };
            let first = address_coin_key(address, &after.unwrap_or(lowest));
            let last = address_coin_key(address, &highest);
            let start = if after.is_some() { Excluded(&first) } else { Included(&first) };
            let mut coins = Vec::new();
            for row in table.range::<&[u8; 68]>((start, Included(&last)))?.take(limit) {
                let outpoint = outpoint_of_address_coin(row?.0.value());
                let missing = || StoreError::inconsistent("the index of addresses names a coin that is not there");
                coins.push((outpoint, self.coin(&outpoint)?.ok_or_else(missing)?));
            }
            Ok(coins)
        })
    }

    /// All coins, in the order of their outpoints.
    ///
    /// # Errors
    /// [`StoreError`], also for each coin.
    pub fn coins(&self) -> Result<impl Iterator<Item = Result<(OutPoint, Coin), StoreError>>, StoreError> {
        let mut rows = self.gate.pass(|| Ok(self.tables.coins.range::<&[u8; 36]>(..)?))?;
        let mut next = move || {
            let Some(row) = rows.next() else { return Ok(None) };
            let (outpoint, coin) = row?;
            Ok(Some((outpoint_of_key(outpoint.value()), decode_coin(coin.value())?)))
        };
        Ok(std::iter::from_fn(move || self.gate.pass(&mut next).transpose()))
    }

    fn number(&self, id: &BlockHash) -> Result<Option<u64>, StoreError> {
        Ok(self.tables.numbers.get(id_key(id))?.map(|number| number.value()))
    }

    /// What is stored of a block beside its witnesses.
    pub(super) fn stored_body(&self, id: &BlockHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.gate.pass(|| match self.number(id)? {
            Some(number) => blob::read(&self.tables.bodies, number),
            None => Ok(None),
        })
    }

    /// The body and the witnesses.
    #[expect(clippy::type_complexity, reason = "a pair that has no name anywhere else")]
    fn stored_block(&self, id: &BlockHash) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
        let Some(number) = self.number(id)? else { return Ok(None) };
        let body = blob::read(&self.tables.bodies, number)?;
        Ok(body.zip(blob::read(&self.tables.witnesses, number)?))
    }
}

impl CoinView for ChainView {
    type Error = StoreError;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreError> {
        self.gate.pass(|| {
            let found = self.tables.coins.get(&outpoint_key(outpoint))?;
            found.map(|coin| decode_coin(coin.value())).transpose()
        })
    }
}

impl ChainStore for ChainView {
    fn block(&self, id: &BlockHash) -> Result<CheckedBlock, StoreError> {
        self.gate.pass(|| {
            let missing = || StoreError::inconsistent(format!("block {id} is not stored, or pruned"));
            let block = self.plain_block(id)?.ok_or_else(missing)?;
            if *id == self.spec.genesis().id() {
                return Ok(qbtc_core::verify::genesis_block(&self.spec).block().clone());
            }
            check_block(block, &self.spec).map_err(|error| StoreError::inconsistent(format!("block {id}: {error}")))
        })
    }

    fn undo(&self, id: &BlockHash) -> Result<Undo, StoreError> {
        self.gate.pass(|| {
            let missing = || StoreError::inconsistent(format!("no undo data of block {id}"));
            let number = self.number(id)?.ok_or_else(missing)?;
            decode_undo(&blob::read(&self.tables.undo, number)?.ok_or_else(missing)?)
        })
    }

    fn history(&self, blocks: u32) -> Result<Peaks, StoreError> {
        Peaks::load(blocks, |position| self.history_node(position))
    }
}

impl From<HistoryError> for StoreError {
    fn from(error: HistoryError) -> Self {
        Self::inconsistent(error.to_string())
    }
}
