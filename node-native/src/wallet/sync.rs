//! Following the chain: headers and compact filters of every block, and the whole of the few blocks that may concern the wallet.
//!
//! What is checked, so that an honest mistake or a node that turns to another branch in the middle does no harm: the headers follow
//! one another; a block that is fetched has the id that was asked for and keeps the rules in isolation, and commits to the very
//! filter that led to it. What a lying node can do is leave a payment out, by a false filter. Whoever does not trust the node with
//! that runs one of his own.
//!
//! Must not ask for the secret. Without it, addresses can run short: the block where that happened is noted, and the next time
//! that the secret is there, the chain is looked through again from that block on.

use std::ops::Range;

use qbtc_core::block::{Block, BlockBytesError};
use qbtc_core::commit::filter::{Filter, FilterError};
use qbtc_core::hash::{BlockHash, ChainId, FilterHash, Txid};
use qbtc_core::header::Header;
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::verify::{BlockError, CheckedBlock, check_block};
use qbtc_core::wallet::account::AccountError;
use qbtc_core::wallet::derivation::{AccountKey, Branch};
use qbtc_core::wallet::ledger::{BlockMark, TxEffects};

use super::source::ChainSource;
use super::state::WalletState;
use crate::client::ClientError;

/// How many blocks are asked for at once.
const BATCH_BLOCKS: u32 = 100;
/// Bitcoin's error for a height above the tip.
const OUT_OF_RANGE: i64 = -8;
/// How often the node may turn to another branch in the middle before this gives up for now.
const TURNS_MAX: u32 = 8;

/// What a synchronisation found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// Blocks looked at.
    pub blocks: u32,
    /// Blocks fetched whole.
    pub fetched: u32,
    /// Transactions in them that touch the wallet.
    pub touched: Vec<Txid>,
    /// How many blocks it went back because the chain had turned elsewhere.
    pub undone: u32,
}

/// How far a synchronisation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Blocks looked at since it began.
    pub done: u32,
    /// Blocks still to look at.
    pub left: u32,
}

/// Why a wallet could not follow the chain.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The node did not answer, or refused.
    #[error("{0}")]
    Source(#[from] ClientError),
    /// The node is on another chain.
    #[error("the node is on chain {found}, the wallet on {expected}; is --chain the node's?")]
    OtherChain {
        /// The id of the node's first block.
        found: BlockHash,
        /// The wallet's chain.
        expected: ChainId,
    },
    /// The node has not got as far as the wallet's beginning.
    #[error("the node is at height {node}, below the wallet's birthday at {birthday}: let it catch up first")]
    Behind {
        /// The node's height.
        node: Height,
        /// The wallet's birthday.
        birthday: Height,
    },
    /// The node gives fewer or more answers than were asked for.
    #[error("the node answers with {found} items where {expected} were asked for")]
    Count {
        /// Items found.
        found: usize,
        /// Items asked for.
        expected: usize,
    },
    /// The node changes its branch faster than it can be followed.
    #[error("the node has changed to another branch {TURNS_MAX} times while it was asked; try again")]
    Restless,
    /// Bytes that are no block.
    #[error("block {id}: {error}")]
    BlockBytes {
        /// The block.
        id: BlockHash,
        /// What is wrong.
        error: BlockBytesError,
    },
    /// A block that breaks a rule: the node is broken, or lies.
    #[error("the node gives block {id}, which is not valid: {error}")]
    Block {
        /// The block.
        id: BlockHash,
        /// What is wrong.
        error: Box<BlockError>,
    },
    /// Another block than asked for.
    #[error("the node gives block {found} for {expected}")]
    OtherBlock {
        /// The block given.
        found: BlockHash,
        /// The block asked for.
        expected: BlockHash,
    },
    /// Bytes that are no filter.
    #[error("filter of block {id}: {error}")]
    Filter {
        /// The block.
        id: BlockHash,
        /// What is wrong.
        error: FilterError,
    },
    /// Another filter than the block commits to.
    #[error("the node gives a filter of hash {found} for block {id}, which commits to {expected}")]
    FalseFilter {
        /// The block.
        id: BlockHash,
        /// The filter's hash.
        found: FilterHash,
        /// The hash in the block.
        expected: FilterHash,
    },
    /// What was found does not fit the wallet.
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// Brings a wallet up to the node's tip. `on_progress` is told after every batch, when the state can be saved.
///
/// # Errors
/// [`SyncError`]; what was found until then stays.
pub fn sync(
    state: &mut WalletState,
    source: &impl ChainSource,
    spec: &ChainSpec,
    secret: Option<&AccountKey>,
    mut on_progress: impl FnMut(&WalletState, Progress),
) -> Result<Synced, SyncError> {
    let genesis = one(source.block_ids(0..1)?)?;
    if genesis != spec.genesis().id() {
        return Err(SyncError::OtherChain { found: genesis, expected: spec.chain_id() });
    }
    let mut found = Synced::default();
    extend(state, secret)?;
    for _ in 0..TURNS_MAX {
        let before = state.height();
        go_back_to_chain(state, source)?;
        found.undone += before.above(state.height());
        start(state, source, spec, secret)?;
        let tip = source.height()?;
        let mut scan = Scan { state, source, spec, secret, found: &mut found };
        if scan.follow(tip, &mut on_progress)? {
            return Ok(found);
        }
    }
    Err(SyncError::Restless)
}

/// Fills the gaps between addresses and goes back to where they ran short, if the secret is there.
fn extend(state: &mut WalletState, secret: Option<&AccountKey>) -> Result<(), SyncError> {
    let Some(secret) = secret else { return Ok(()) };
    state.book_mut().extend(secret).map_err(AccountError::Book)?;
    if let Some(short_since) = state.short_since.take() {
        let back_to = state.marks().find(|mark| mark.height < short_since);
        state.go_back(back_to);
    }
    Ok(())
}

/// Goes back to the last block that is still in the node's chain.
fn go_back_to_chain(state: &mut WalletState, source: &impl ChainSource) -> Result<(), SyncError> {
    let node = source.height()?;
    let marks: Vec<_> = state.marks().collect();
    for mark in marks {
        if mark.height <= node && one(source.block_ids(mark.height.0..mark.height.0 + 1)?)? == mark.id {
            if state.tip() != Some(mark) {
                state.go_back(Some(mark));
            }
            return Ok(());
        }
    }
    state.go_back(None);
    Ok(())
}

/// Begins, if the wallet has seen nothing yet: with the genesis block, or above the block before the birthday.
fn start(
    state: &mut WalletState,
    source: &impl ChainSource,
    spec: &ChainSpec,
    secret: Option<&AccountKey>,
) -> Result<(), SyncError> {
    if state.tip().is_some() {
        return Ok(());
    }
    let birthday = state.birthday();
    if let Some(height) = birthday.previous() {
        let node = source.height()?;
        if node < height {
            return Err(SyncError::Behind { node, birthday });
        }
        let id = one(source.block_ids(height.0..birthday.0)?)?;
        state.start_above(BlockMark { height, id });
        return Ok(());
    }
    let genesis = spec.genesis();
    let mark = BlockMark { height: Height::GENESIS, id: genesis.id() };
    let effects = TxEffects::of_coinbase(genesis.coinbase.id(), &genesis.coinbase.outputs);
    state.account.apply(mark, &[effects], secret)?;
    state.pass(&[mark]);
    Ok(())
}

/// One run up the chain.
struct Scan<'a, S> {
    state: &'a mut WalletState,
    source: &'a S,
    spec: &'a ChainSpec,
    secret: Option<&'a AccountKey>,
    found: &'a mut Synced,
}

impl<S: ChainSource> Scan<'_, S> {
    /// Looks at every block up to this height. `false`, if the node has turned to another branch in between.
    fn follow(&mut self, to: Height, on_progress: &mut impl FnMut(&WalletState, Progress)) -> Result<bool, SyncError> {
        while self.state.height() < to {
            let next = self.state.height().0 + 1;
            let end = next.saturating_add(BATCH_BLOCKS - 1).min(to.0);
            if !self.look_at(next..end + 1)? {
                return Ok(false);
            }
            on_progress(self.state, Progress { done: self.found.blocks, left: to.above(self.state.height()) });
        }
        Ok(true)
    }

    fn look_at(&mut self, heights: Range<u32>) -> Result<bool, SyncError> {
        let expected = heights.len();
        let ids = match self.source.block_ids(heights.clone()) {
            // The node's chain has become shorter.
            Err(ClientError::Rpc { code: OUT_OF_RANGE, .. }) => return Ok(false),
            ids => counted(ids?, expected)?,
        };
        let headers = counted(self.source.headers(&ids)?, expected)?;
        let tip = self.state.tip().map_or(BlockHash::ZERO, |tip| tip.id);
        if !is_chain(tip, &ids, &headers) {
            return Ok(false);
        }
        let filters = counted(self.source.filters(&ids)?, expected)?;
        let mut addresses: Vec<_> = self.state.book().addresses().collect();
        let mut passed = Vec::with_capacity(expected);
        for (((height, id), header), filter) in heights.zip(ids).zip(headers).zip(filters) {
            let mark = BlockMark { height: Height(height), id };
            let limit = usize::try_from(self.spec.consensus().limits.block_bytes).unwrap_or(usize::MAX);
            let filter = Filter::from_bytes(&filter, limit).map_err(|error| SyncError::Filter { id, error })?;
            let concerns = filter.match_any(&header.parent, addresses.iter().map(Address::as_bytes));
            if concerns && self.take(mark, &filter)? > 0 {
                addresses = self.state.book().addresses().collect();
            }
            passed.push(mark);
            self.found.blocks += 1;
        }
        // The ledger may be spared blocks that do not concern it, but for the last.
        if let Some(last) = passed.last().filter(|last| self.state.tip() != Some(**last)) {
            self.state.account.apply(*last, &[], self.secret)?;
        }
        self.state.pass(&passed);
        Ok(true)
    }

    /// Fetches a block that may concern the wallet, checks it, and takes it in. Returns how many addresses that added.
    fn take(&mut self, mark: BlockMark, filter: &Filter) -> Result<usize, SyncError> {
        let id = mark.id;
        let block = self.fetch(&id)?;
        let (found, expected) = (filter.hash(), block.commitments().filter_hash);
        if found != expected {
            return Err(SyncError::FalseFilter { id, found, expected });
        }
        self.found.fetched += 1;
        let coinbase = TxEffects::of_coinbase(block.coinbase_id(), &block.coinbase().outputs);
        let transactions = block.transactions().iter().map(|tx| TxEffects::of_transaction(tx.body()));
        let effects: Vec<_> = std::iter::once(coinbase).chain(transactions).collect();
        let applied = self.state.account.apply(mark, &effects, self.secret)?;
        self.found.touched.extend(applied.touched);
        let is_short = Branch::ALL.iter().any(|branch| self.state.book().missing(*branch) > 0);
        if is_short && self.state.short_since.is_none() {
            self.state.short_since = Some(mark.height);
        }
        Ok(applied.addresses_added)
    }

    fn fetch(&self, id: &BlockHash) -> Result<CheckedBlock, SyncError> {
        let limit = usize::try_from(self.spec.consensus().limits.block_bytes).unwrap_or(usize::MAX);
        let block = Block::from_bytes(&self.source.block(id)?, limit);
        let block = block.map_err(|error| SyncError::BlockBytes { id: *id, error })?;
        let found = block.id();
        if found != *id {
            return Err(SyncError::OtherBlock { found, expected: *id });
        }
        check_block(block, self.spec).map_err(|error| SyncError::Block { id: *id, error: Box::new(error) })
    }
}

/// Whether these are the headers of these ids, each the child of the one before.
fn is_chain(tip: BlockHash, ids: &[BlockHash], headers: &[Header]) -> bool {
    let parents = std::iter::once(&tip).chain(ids);
    parents.zip(ids).zip(headers).all(|((parent, id), header)| header.id() == *id && header.parent == *parent)
}

fn one<T>(items: Vec<T>) -> Result<T, SyncError> {
    let found = items.len();
    let mut items = items.into_iter();
    match (items.next(), items.next()) {
        (Some(item), None) => Ok(item),
        _ => Err(SyncError::Count { found, expected: 1 }),
    }
}

fn counted<T>(items: Vec<T>, expected: usize) -> Result<Vec<T>, SyncError> {
    match items.len() {
        found if found != expected => Err(SyncError::Count { found, expected }),
        _ => Ok(items),
    }
}

#[cfg(test)]
mod tests;
