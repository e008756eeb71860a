//! A stretch of the chain that is being looked through: its headers, filters and the blocks that match.
//!
//! Invariant: once linked, each header is the parent of the next and the last one is known to be in the chain; a filter is held only if its
//! block commits to it, and a block only if its leaves make its header's merkle root.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::super::PeerKey;
use super::proven::FoundBlock;
use crate::block::{Block, NODE_PREIMAGE_BYTES};
use crate::chain::BlockMark;
use crate::codec;
use crate::commit::filter::Filter;
use crate::commit::merkle;
use crate::hash::{BlockHash, MerkleRoot};
use crate::header::Header;
use crate::lock::Address;
use crate::net::{CommittedFilter, Fault, LIGHT_BLOCKS_MAX};
use crate::spec::ChainSpec;
use crate::units::Height;

/// The most blocks of a segment: as many headers as one answer has.
pub(super) const SEGMENT_BLOCKS: u32 = 2_000;
/// As many bytes of filters are held as one answer has; if more are, no further ones are asked for.
const FILTER_BYTES_AHEAD: usize = 1 << 20;

/// The stretch.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) start: Height,
    pub(super) end: Height,
    /// All of them, or none yet; with who gave them, if that is not known to be true.
    headers: Vec<Header>,
    giver: Option<PeerKey>,
    /// The block at the end, once it is known to be in the chain.
    end_id: Option<BlockHash>,
    /// The filters from `passed` on that were looked at, and their bytes.
    filters: VecDeque<Filter>,
    filter_bytes: usize,
    /// The first height whose block was not passed yet.
    pub(super) passed: Height,
    /// Heights from `passed` on whose filters match.
    matches: BTreeSet<Height>,
    blocks: BTreeMap<Height, Block>,
    /// The block at `passed` is with the wallet.
    given: Option<BlockHash>,
}

/// What comes next of a segment.
pub(super) enum Next {
    /// Nothing until more is there.
    Wait,
    /// All up to this block is clean.
    Clean(BlockMark),
    /// This block matches.
    Found(Box<FoundBlock>),
}

impl Segment {
    /// A segment whose headers are in the chain.
    pub(super) fn linked(start: Height, headers: Vec<Header>) -> Option<Self> {
        let last = headers.last()?.id();
        let count = u32::try_from(headers.len()).ok()?;
        let mut segment = Self::new(start, start.plus(count - 1)?, Some(last));
        segment.headers = headers;
        Some(segment)
    }

    /// A segment whose headers are not here. Its last block may be known.
    pub(super) const fn new(start: Height, end: Height, end_id: Option<BlockHash>) -> Self {
        Self {
            start,
            end,
            headers: Vec::new(),
            giver: None,
            end_id,
            filters: VecDeque::new(),
            filter_bytes: 0,
            passed: start,
            matches: BTreeSet::new(),
            blocks: BTreeMap::new(),
            given: None,
        }
    }

    /// The genesis block, which nobody needs to be asked for.
    pub(super) fn genesis(spec: &ChainSpec, watched: &BTreeSet<Address>) -> Option<Self> {
        let genesis = spec.genesis();
        let mut segment = Self::linked(Height::GENESIS, alloc::vec![genesis.header])?;
        let made = genesis.coinbase.outputs.iter().filter_map(|output| output.lock.address());
        let filter = Filter::build(&genesis.header.parent, made.map(Address::to_bytes));
        segment.push(filter, watched);
        segment.blocks.insert(Height::GENESIS, genesis.clone());
        Some(segment)
    }

    /// How many blocks it has.
    pub(super) const fn count(&self) -> u32 {
        self.end.above(self.start) + 1
    }

    pub(super) const fn wants_headers(&self) -> bool {
        self.headers.is_empty()
    }

    pub(super) const fn wants_place(&self) -> bool {
        self.end_id.is_none()
    }

    /// From which height on filters are wanted.
    pub(super) fn wants_filters(&self) -> Option<Height> {
        let next = self.next_filter();
        (self.is_linked() && next <= self.end && self.filter_bytes < FILTER_BYTES_AHEAD).then_some(next)
    }

    /// Blocks that are wanted, in order.
    pub(super) fn wants_blocks(&self) -> Vec<BlockHash> {
        if !self.blocks.is_empty() || self.given.is_some() {
            return Vec::new();
        }
        self.matches.iter().filter_map(|height| self.header(*height).map(Header::id)).take(LIGHT_BLOCKS_MAX).collect()
    }

    /// The first height that is not looked through.
    pub(super) fn next_filter(&self) -> Height {
        Height(self.passed.0.saturating_add(u32::try_from(self.filters.len()).unwrap_or(u32::MAX)))
    }

    /// Whether a block is with the wallet.
    pub(super) const fn is_waiting_at_wallet(&self) -> bool {
        self.given.is_some()
    }

    /// Whether all of it was passed.
    pub(super) fn is_done(&self) -> bool {
        self.passed > self.end
    }

    /// The first header's parent, once the headers are linked.
    pub(super) fn parent(&self) -> Option<BlockHash> {
        self.headers.first().filter(|_| self.is_linked()).map(|header| header.parent)
    }

    fn is_linked(&self) -> bool {
        !self.headers.is_empty() && self.giver.is_none()
    }

    fn header(&self, height: Height) -> Option<&Header> {
        let place = height.0.checked_sub(self.start.0)?;
        self.headers.get(usize::try_from(place).ok()?)
    }

    fn mark(&self, height: Height) -> Option<BlockMark> {
        Some(BlockMark { height, id: self.header(height)?.id() })
    }

    /// Takes in headers that a peer gave.
    pub(super) fn take_headers(&mut self, headers: Vec<Header>, giver: PeerKey) -> Result<(), Fault> {
        let is_linked = headers.windows(2).all(|pair| pair[1].parent == pair[0].id());
        if !is_linked {
            return Err(Fault::Unlinked);
        }
        if headers.len() != self.count() as usize {
            return Err(Fault::Withheld);
        }
        self.headers = headers;
        self.giver = Some(giver);
        Ok(())
    }

    /// Takes in the id of the last block, which was shown to be in the chain.
    pub(super) const fn take_place(&mut self, id: BlockHash) {
        self.end_id = Some(id);
    }

    /// Links headers and place, if both are there. Gives the peer whose headers are others.
    pub(super) fn link(&mut self) -> Result<(), PeerKey> {
        let (Some(giver), Some(end), Some(last)) = (self.giver, self.end_id, self.headers.last()) else {
            return Ok(());
        };
        self.giver = None;
        if last.id() == end {
            return Ok(());
        }
        self.headers = Vec::new();
        Err(giver)
    }

    /// Takes in filters from the next height on: those before the first that is wrong. Filters that came before are ignored.
    pub(super) fn take_filters(
        &mut self,
        start: Height,
        filters: &[CommittedFilter],
        watched: &BTreeSet<Address>,
        spec: &ChainSpec,
    ) -> Result<(), Fault> {
        if start != self.next_filter() {
            return Ok(());
        }
        for committed in filters {
            let height = self.next_filter();
            let header = self.header(height).ok_or(Fault::OtherAnswer)?;
            let filter = check_filter(committed, header, spec)?;
            self.push(filter, watched);
        }
        if filters.is_empty() { Err(Fault::Withheld) } else { Ok(()) }
    }

    fn push(&mut self, filter: Filter, watched: &BTreeSet<Address>) {
        let height = self.next_filter();
        let parent = self.header(height).map(|header| header.parent).unwrap_or_default();
        if filter.match_any(&parent, watched.iter().map(Address::as_bytes)) {
            self.matches.insert(height);
        }
        self.filter_bytes += filter.as_bytes().len();
        self.filters.push_back(filter);
    }

    /// Looks through what is at hand once more, for addresses that are new.
    pub(super) fn look_again(&mut self, addresses: &BTreeSet<Address>) {
        for (height, filter) in (self.passed.0..).map(Height).zip(&self.filters) {
            let parent = self.header(height).map(|header| header.parent).unwrap_or_default();
            if filter.match_any(&parent, addresses.iter().map(Address::as_bytes)) {
                self.matches.insert(height);
            }
        }
    }

    /// Takes in blocks: the first of those that were asked for.
    pub(super) fn take_blocks(&mut self, ids: &[BlockHash], blocks: &[&[u8]], spec: &ChainSpec) -> Result<(), Fault> {
        for (id, bytes) in ids.iter().zip(blocks) {
            let place =
                self.matches.iter().find(|height| self.header(**height).is_some_and(|it| it.id() == *id)).copied();
            let Some(height) = place else { continue };
            let header = *self.header(height).ok_or(Fault::OtherBlock)?;
            self.blocks.insert(height, check_body(bytes, &header, spec)?);
        }
        if blocks.is_empty() { Err(Fault::Withheld) } else { Ok(()) }
    }

    /// What can be passed on to the wallet now.
    pub(super) fn next(&mut self) -> Next {
        if self.given.is_some() {
            return Next::Wait;
        }
        let first = self.matches.first().copied();
        let clean_up_to = first.unwrap_or_else(|| self.next_filter());
        while self.passed < clean_up_to {
            self.pass_one();
        }
        let found = first.and_then(|height| Some((self.mark(height)?, self.blocks.remove(&height)?)));
        match (first, found) {
            (_, Some((mark, block))) => {
                self.given = Some(mark.id);
                Next::Found(Box::new(FoundBlock { mark, block }))
            }
            (Some(_), None) => Next::Wait,
            (None, None) => {
                let last = self.passed.previous().filter(|last| *last >= self.start).and_then(|last| self.mark(last));
                last.map_or(Next::Wait, Next::Clean)
            }
        }
    }

    /// The wallet has taken in the block that it was given: where it stands now.
    pub(super) fn taken(&mut self, id: &BlockHash) -> Option<BlockMark> {
        if self.given.as_ref() != Some(id) {
            return None;
        }
        self.given = None;
        let mark = self.mark(self.passed);
        self.matches.remove(&self.passed);
        self.pass_one();
        mark
    }

    fn pass_one(&mut self) {
        if let Some(filter) = self.filters.pop_front() {
            self.filter_bytes = self.filter_bytes.saturating_sub(filter.as_bytes().len());
        }
        self.passed = self.passed.next().unwrap_or(self.passed);
    }
}

/// A filter, once it is seen to be the one to which the block with this header commits.
fn check_filter(committed: &CommittedFilter, header: &Header, spec: &ChainSpec) -> Result<Filter, Fault> {
    // Rule: the commitments are leaf 1 of the block's merkle tree.
    let commitments = committed.commitments.check(header.merkle_root).map_err(|_| Fault::FalseProof)?;
    let limit = spec.consensus().limits.block_bytes as usize;
    let filter = Filter::from_bytes(&committed.filter, limit).map_err(|_| Fault::FalseProof)?;
    // Rule: the filter has the hash to which its block commits.
    if filter.hash() == commitments.filter_hash { Ok(filter) } else { Err(Fault::FalseProof) }
}

/// A block without witnesses, once its leaves are seen to make its header's merkle root.
pub(super) fn check_body(bytes: &[u8], header: &Header, spec: &ChainSpec) -> Result<Block, Fault> {
    let limit = spec.consensus().limits.block_bytes as usize;
    let block = Block::from_bytes(bytes, limit).map_err(|_| Fault::Body)?;
    if block.header != *header {
        return Err(Fault::OtherBlock);
    }
    // Rule: no leaf of the merkle tree has a preimage of 64 bytes (CVE-2017-12842); of a coinbase, decoding has seen it.
    if block.transactions.iter().any(|transaction| codec::encoded_len(&transaction.body) == NODE_PREIMAGE_BYTES) {
        return Err(Fault::Body);
    }
    let leaves = block.leaves().iter().map(|leaf| leaf.to_bytes()).collect();
    // Rule: the leaves make the header's merkle root, and no other list of leaves does (CVE-2012-2459).
    let root = merkle::root(leaves).map_err(|_| Fault::Body)?;
    if MerkleRoot::from_bytes(root) != header.merkle_root {
        return Err(Fault::Body);
    }
    // Witnesses that come along were not asked for, and not checked.
    Ok(block.strip_witnesses())
}
