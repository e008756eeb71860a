//! Following the chain: headers and compact filters of every block, and the whole of the few blocks that may concern the wallet.
//!
//! The node is believed as little as it can be. The headers follow one another and show the work that the chain's rules demand
//! (`headers`); each filter is the one that its block commits to, proven by a branch of the block's merkle tree; a block that is
//! fetched has the id that was asked for and keeps the rules in isolation. So a node can hide a payment only by mining blocks of
//! its own, or by keeping the newest ones to itself. Where a node pruned a block before nodes kept proofs, it cannot prove the filter: whoever
//! says so takes such filters on trust.
//!
//! Must not ask for the secret. Without it, addresses can run short: the block where that happened is noted, and the next time
//! that the secret is there, the chain is looked through again from that block on.

mod error;

use std::ops::Range;

use qbtc_core::block::Block;
use qbtc_core::commit::filter::Filter;
use qbtc_core::hash::{BlockHash, FilterHash, Txid};
use qbtc_core::header::Header;
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::{BlockTime, Height};
use qbtc_core::verify::{CheckedBlock, check_block};
use qbtc_core::wallet::account::AccountError;
use qbtc_core::wallet::derivation::{AccountKey, Branch};
use qbtc_core::wallet::ledger::{BlockMark, TxEffects};

pub use error::SyncError;

use super::headers::check_headers;
use super::source::{BlockFilter, ChainSource};
use super::state::WalletState;
use crate::client::ClientError;

/// How many blocks are asked for at once.
const BATCH_BLOCKS: u32 = 100;
/// Bitcoin's error for a height above the tip.
const OUT_OF_RANGE: i64 = -8;
/// How many blocks a chain may turn back from what the wallet has seen: as many as nodes keep for it.
const TURN_BLOCKS_MAX: u32 = 288;
/// How often the node may turn to another branch in the middle before this gives up for now.
const TURNS_MAX: u32 = 8;

/// What a synchronisation goes by.
#[derive(Clone, Copy, Debug)]
pub struct SyncRules<'a> {
    /// The chain.
    pub spec: &'a ChainSpec,
    /// The time by the wallet's own clock.
    pub now: BlockTime,
    /// Whether filters count that the node cannot prove.
    pub trusts_filters: bool,
}

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

/// Brings a wallet up to the node's tip. `on_progress` is told after every batch, when the state can be saved.
///
/// # Errors
/// [`SyncError`]; what was found until then stays.
pub fn sync(
    state: &mut WalletState,
    source: &impl ChainSource,
    rules: &SyncRules<'_>,
    secret: Option<&AccountKey>,
    mut on_progress: impl FnMut(&WalletState, Progress),
) -> Result<Synced, SyncError> {
    check_chain(source, rules.spec)?;
    let mut found = Synced::default();
    extend(state, secret)?;
    for _ in 0..TURNS_MAX {
        let before = state.height();
        go_back_to_chain(state, source)?;
        found.undone += before.above(state.height());
        start(state, source, rules.spec, secret)?;
        let tip = source.height()?;
        let mut scan = Scan { state, source, rules, secret, found: &mut found };
        if scan.follow(tip, &mut on_progress)? {
            return Ok(found);
        }
    }
    Err(SyncError::Restless)
}

/// Checks that a node is on this chain.
///
/// # Errors
/// [`SyncError::OtherChain`], if it is not.
pub fn check_chain(source: &impl ChainSource, spec: &ChainSpec) -> Result<(), SyncError> {
    let found = one(source.block_ids(0..1)?)?;
    if found != spec.genesis().id() {
        return Err(SyncError::OtherChain { found, expected: spec.chain_id() });
    }
    Ok(())
}

/// Fills the gaps between addresses and goes back to where they ran short, if the secret is there.
fn extend(state: &mut WalletState, secret: Option<&AccountKey>) -> Result<(), SyncError> {
    let Some(secret) = secret else { return Ok(()) };
    state.book_mut().extend(secret).map_err(AccountError::Book)?;
    state.look_again();
    Ok(())
}

/// Goes back to the last block that is still in the node's chain. A turn from far below is not followed: a node that is still catching
/// up would undo all that the wallet knows, and so would one that lies, by a chain of its own that shows little work.
fn go_back_to_chain(state: &mut WalletState, source: &impl ChainSource) -> Result<(), SyncError> {
    let Some(tip) = state.tip() else { return Ok(()) };
    let node = source.height()?;
    let is_there = |mark: &BlockMark| -> Result<bool, SyncError> {
        Ok(mark.height <= node && one(source.block_ids(mark.height.0..mark.height.0 + 1)?)? == mark.id)
    };
    let (mut common, mut reached) = (None, tip);
    for mark in state.marks() {
        reached = mark;
        if is_there(&mark)? {
            common = Some(mark);
            break;
        }
    }
    let lost = tip.height.above(reached.height);
    if lost > TURN_BLOCKS_MAX {
        return Err(SyncError::DeepTurn { node, lost });
    }
    if common != Some(tip) {
        state.go_back(common);
    }
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
    rules: &'a SyncRules<'a>,
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
        let Some(headers) = self.headers(&ids)? else { return Ok(false) };
        let filters = counted(self.source.filters(&ids)?, expected)?;
        let mut addresses: Vec<_> = self.state.book().addresses().collect();
        let mut passed = Vec::with_capacity(expected);
        for (((height, id), header), filter) in heights.zip(ids).zip(headers).zip(filters) {
            let mark = BlockMark { height: Height(height), id };
            let filter = self.check_filter(mark, &header, &filter)?;
            let concerns = filter.match_any(&header.parent, addresses.iter().map(Address::as_bytes));
            if concerns && self.take(mark, &filter)? > 0 {
                addresses = self.state.book().addresses().collect();
            }
            passed.push(mark);
            self.found.blocks += 1;
        }
        // The ledger may be spared blocks that do not concern it, but for the last.
        if let Some(last) = passed.last().filter(|last| self.state.tip() != Some(**last)) {
            self.state.change(|account| account.apply(*last, &[], self.secret))?;
        }
        self.state.pass(&passed);
        Ok(true)
    }

    /// The headers of these blocks, if they follow the last block that was looked at: `None`, if they do not.
    fn headers(&self, ids: &[BlockHash]) -> Result<Option<Vec<Header>>, SyncError> {
        // That of the last block comes along, since the rules ask what its child must be like. The genesis block is known.
        let tip = self.state.tip();
        let height = self.state.height();
        let tip = tip.map_or_else(|| self.rules.spec.genesis().id(), |tip| tip.id);
        let asked: Vec<_> = std::iter::once(tip).chain(ids.iter().copied()).collect();
        let headers = counted(self.source.headers(&asked)?, asked.len())?;
        if !is_chain(&asked, &headers) {
            return Ok(None);
        }
        let Some((parent, headers)) = headers.split_first() else { return Ok(None) };
        check_headers((height, parent), headers, self.rules.spec, self.rules.now)
            .map_err(|(height, error)| SyncError::Header { height, error })?;
        Ok(Some(headers.to_vec()))
    }

    /// The filter that a node gives for a block, once it is seen to be the one that the block commits to.
    fn check_filter(&self, mark: BlockMark, header: &Header, given: &BlockFilter) -> Result<Filter, SyncError> {
        let BlockMark { height, id } = mark;
        let filter = Filter::from_bytes(&given.bytes, self.block_bytes_max());
        let filter = filter.map_err(|error| SyncError::Filter { id, error })?;
        let Some(proof) = &given.proof else {
            return if self.rules.trusts_filters { Ok(filter) } else { Err(SyncError::Unproven { height }) };
        };
        let commitments = proof.check(header.merkle_root).map_err(|error| SyncError::FalseProof { id, error })?;
        check_hash(id, &filter, commitments.filter_hash)?;
        Ok(filter)
    }

    /// Fetches a block that may concern the wallet, checks it, and takes it in. Returns how many addresses that added.
    fn take(&mut self, mark: BlockMark, filter: &Filter) -> Result<usize, SyncError> {
        let id = mark.id;
        let block = self.fetch(&id)?;
        // Proven before, but for a filter that was taken on trust.
        check_hash(id, filter, block.commitments().filter_hash)?;
        self.found.fetched += 1;
        let coinbase = TxEffects::of_coinbase(block.coinbase_id(), &block.coinbase().outputs);
        let transactions = block.transactions().iter().map(|tx| TxEffects::of_transaction(tx.body()));
        let effects: Vec<_> = std::iter::once(coinbase).chain(transactions).collect();
        let applied = self.state.change(|account| account.apply(mark, &effects, self.secret))?;
        self.found.touched.extend(applied.touched);
        let is_short = Branch::ALL.iter().any(|branch| self.state.book().missing(*branch) > 0);
        if is_short && self.state.short_since.is_none() {
            self.state.short_since = Some(mark.height);
        }
        Ok(applied.addresses_added)
    }

    fn fetch(&self, id: &BlockHash) -> Result<CheckedBlock, SyncError> {
        let block = Block::from_bytes(&self.source.block(id)?, self.block_bytes_max());
        let block = block.map_err(|error| SyncError::BlockBytes { id: *id, error })?;
        let found = block.id();
        if found != *id {
            return Err(SyncError::OtherBlock { found, expected: *id });
        }
        check_block(block, self.rules.spec).map_err(|error| SyncError::Block { id: *id, error: Box::new(error) })
    }

    fn block_bytes_max(&self) -> usize {
        usize::try_from(self.rules.spec.consensus().limits.block_bytes).unwrap_or(usize::MAX)
    }
}

/// Whether these are the headers of these ids, each but the first the child of the one before.
fn is_chain(ids: &[BlockHash], headers: &[Header]) -> bool {
    let is_named = ids.iter().zip(headers).all(|(id, header)| header.id() == *id);
    is_named && ids.iter().zip(headers.iter().skip(1)).all(|(parent, header)| header.parent == *parent)
}

fn check_hash(id: BlockHash, filter: &Filter, expected: FilterHash) -> Result<(), SyncError> {
    let found = filter.hash();
    if found == expected { Ok(()) } else { Err(SyncError::FalseFilter { id, found, expected }) }
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
