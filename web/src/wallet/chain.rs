//! What the chain tells an account, and what the tab checks of it when a node's HTTP interface is the source.
//!
//! Checked: headers show work and follow one another; a block that is fetched is the one of its header and keeps the rules in isolation. Not
//! checked, and so a node's word: that this is the chain with the most work, and that a block whose filter does not match holds nothing of
//! the account's. The light client checks both; whatever it says goes through the same [`AccountState`].

use qbtc_core::block::{Block, read_compact_size};
use qbtc_core::commit::filter::Filter;
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::lock::Address;
use qbtc_core::pow::WorkError;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::verify::check_block;
use qbtc_core::wallet::account::AccountError;
use qbtc_core::wallet::derivation::AccountKey;
use qbtc_core::wallet::ledger::{BlockMark, TxEffects};

use super::account::AccountState;
use crate::proof::check_work;

/// How many blocks are asked for at once.
pub const BATCH_BLOCKS: u32 = 500;

/// Why what a node gave is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Bytes that are no whole number of headers, or too many.
    #[error("{found} bytes are no list of headers")]
    Headers {
        /// Bytes found.
        found: usize,
    },
    /// A header that shows no work.
    #[error("block {height} shows no work: {error}")]
    Work {
        /// Its height.
        height: Height,
        /// Why.
        error: WorkError,
    },
    /// A header that does not follow the one before it.
    #[error("block {height} does not follow the block before it")]
    Parent {
        /// Its height.
        height: Height,
    },
    /// Bytes that are no list of filters.
    #[error("the filters of blocks from {from} on cannot be read")]
    Filters {
        /// The height of the first.
        from: Height,
    },
    /// A filter of another block.
    #[error("a filter of another block was given for block {height}")]
    OtherFilter {
        /// The height asked for.
        height: Height,
    },
    /// Bytes that are not the block that was asked for, or one that breaks a rule.
    #[error("block {height} is not what its header says: {why}")]
    Block {
        /// Its height.
        height: Height,
        /// Why.
        why: String,
    },
    /// It does not fit the account.
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// A block of the chain: where it is, and its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it is.
    pub mark: BlockMark,
    /// Its header.
    pub header: Header,
}

/// Reads headers from a height on, as bytes.
///
/// # Errors
/// [`ChainError::Headers`] and [`ChainError::Work`].
pub fn read_headers(bytes: &[u8], from: Height, spec: &ChainSpec) -> Result<Vec<Link>, ChainError> {
    let (headers, rest) = bytes.as_chunks::<{ Header::BYTES }>();
    if !rest.is_empty() || headers.len() > BATCH_BLOCKS as usize + 1 {
        return Err(ChainError::Headers { found: bytes.len() });
    }
    let mut links: Vec<Link> = Vec::with_capacity(headers.len());
    for (height, bytes) in (from.0..).map(Height).zip(headers) {
        let header = Header::from_bytes(bytes);
        check_work(&header, spec).map_err(|error| ChainError::Work { height, error })?;
        if links.last().is_some_and(|parent| parent.mark.id != header.parent) {
            return Err(ChainError::Parent { height });
        }
        links.push(Link { mark: BlockMark { height, id: header.id() }, header });
    }
    Ok(links)
}

/// Reads the filters of blocks, as bytes: as many as there are, the first for the first block.
///
/// # Errors
/// [`ChainError::Filters`] and [`ChainError::OtherFilter`].
pub fn read_filters(mut bytes: &[u8], links: &[Link], spec: &ChainSpec) -> Result<Vec<Filter>, ChainError> {
    let mut filters = Vec::new();
    for link in links {
        if bytes.is_empty() {
            break;
        }
        let unreadable = || ChainError::Filters { from: link.mark.height };
        let (id, rest) = bytes.split_first_chunk::<32>().ok_or_else(unreadable)?;
        if BlockHash::from_bytes(*id) != link.mark.id {
            return Err(ChainError::OtherFilter { height: link.mark.height });
        }
        let (length, rest) = read_compact_size(rest).ok().flatten().ok_or_else(unreadable)?;
        let length = usize::try_from(length).map_err(|_| unreadable())?;
        let (filter, rest) = rest.split_at_checked(length).ok_or_else(unreadable)?;
        filters.push(Filter::from_bytes(filter, block_bytes_max(spec)).map_err(|_| unreadable())?);
        bytes = rest;
    }
    Ok(filters)
}

/// Whether a block may concern any of these addresses.
#[must_use]
pub fn concerns(filter: &Filter, header: &Header, addresses: &[Address]) -> bool {
    filter.match_any(&header.parent, addresses.iter().map(Address::as_bytes))
}

/// Takes the genesis block into an account that has seen nothing. It is part of the chain's rules, and shows no work.
///
/// # Errors
/// [`ChainError::Account`], for an account that has seen a block.
pub fn take_genesis(
    state: &mut AccountState,
    spec: &ChainSpec,
    key: Option<&AccountKey>,
) -> Result<BlockMark, ChainError> {
    let genesis = spec.genesis();
    let mark = BlockMark { height: Height::GENESIS, id: genesis.id() };
    let effects = TxEffects::of_coinbase(genesis.coinbase.id(), &genesis.coinbase.outputs);
    state.take(mark, &[effects], key)?;
    Ok(mark)
}

/// Checks a block's bytes and takes it into an account. Returns how many addresses that added.
///
/// # Errors
/// [`ChainError`]; the account is then as before.
pub fn take_block(
    state: &mut AccountState,
    mark: BlockMark,
    bytes: &[u8],
    spec: &ChainSpec,
    key: Option<&AccountKey>,
) -> Result<usize, ChainError> {
    let wrong = |why: String| ChainError::Block { height: mark.height, why };
    let block = Block::from_bytes(bytes, block_bytes_max(spec)).map_err(|error| wrong(error.to_string()))?;
    if block.id() != mark.id {
        return Err(wrong(format!("it is block {}", block.id())));
    }
    let block = check_block(block, spec).map_err(|error| wrong(error.to_string()))?;
    let coinbase = TxEffects::of_coinbase(block.coinbase_id(), &block.coinbase().outputs);
    let transactions = block.transactions().iter().map(|tx| TxEffects::of_transaction(tx.body()));
    let effects: Vec<_> = std::iter::once(coinbase).chain(transactions).collect();
    Ok(state.take(mark, &effects, key)?)
}

/// The newest block that an account and a node's chain have in common, of the headers from a height on.
#[must_use]
pub fn common(state: &AccountState, links: &[Link]) -> Option<BlockMark> {
    let is_there = |mark: &&BlockMark| links.iter().any(|link| link.mark == **mark);
    state.marks().iter().rev().find(is_there).copied()
}

pub(super) fn block_bytes_max(spec: &ChainSpec) -> usize {
    usize::try_from(spec.consensus().limits.block_bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use qbtc_core::block::write_compact_size;
    use qbtc_core::wallet::layout::AddressLayout;
    use qbtc_core::wallet::mnemonic::WalletSeed;

    use super::*;
    use crate::wallet::account::account_key;

    /// Headers of the dev chain, mined, above the genesis block.
    fn headers(count: u32) -> Vec<Header> {
        let spec = ChainSpec::dev();
        let mut headers = vec![spec.genesis().header];
        for _ in 0..count {
            let parent = headers[headers.len() - 1];
            let mut header = Header { parent: parent.id(), time: parent.time.saturating_add(10), ..parent };
            while spec.consensus().pow.check_work(&header).is_err() {
                header.nonce = header.nonce.wrapping_add(1);
            }
            headers.push(header);
        }
        headers
    }

    fn bytes(headers: &[Header]) -> Vec<u8> {
        headers.iter().flat_map(Header::to_bytes).collect()
    }

    #[test]
    fn headers_show_work_and_follow_one_another() {
        let (spec, headers) = (ChainSpec::dev(), headers(3));
        let links = read_headers(&bytes(&headers), Height(0), &spec).unwrap();
        assert_eq!((links.len(), links[3].mark.height), (4, Height(3)));
        let torn = [headers[0], headers[2]];
        assert_eq!(read_headers(&bytes(&torn), Height(0), &spec), Err(ChainError::Parent { height: Height(1) }));
        let mut idle = headers.clone();
        while spec.consensus().pow.check_work(&idle[3]).is_ok() {
            idle[3].nonce = idle[3].nonce.wrapping_add(1);
        }
        assert!(matches!(
            read_headers(&bytes(&idle), Height(0), &spec),
            Err(ChainError::Work { height: Height(3), .. })
        ));
        assert!(matches!(read_headers(&bytes(&headers)[1..], Height(0), &spec), Err(ChainError::Headers { .. })));
        let many = vec![0; Header::BYTES * (BATCH_BLOCKS as usize + 2)];
        assert!(matches!(read_headers(&many, Height(0), &spec), Err(ChainError::Headers { .. })));
    }

    #[test]
    fn filters_are_those_of_their_blocks() {
        let (spec, headers) = (ChainSpec::dev(), headers(2));
        let links = read_headers(&bytes(&headers), Height(0), &spec).unwrap();
        let address = Address::from_bytes([7; 32]);
        let filter = Filter::build(&headers[1].parent, [address.as_bytes()]);
        let mut given = headers[1].id().as_bytes().to_vec();
        write_compact_size(&mut given, filter.as_bytes().len() as u64);
        given.extend(filter.as_bytes());
        let read = read_filters(&given, &links[1..], &spec).unwrap();
        assert_eq!(read.len(), 1);
        assert!(concerns(&read[0], &headers[1], &[address]));
        assert!(!concerns(&read[0], &headers[1], &[]));
        assert_eq!(read_filters(&given, &links[2..], &spec), Err(ChainError::OtherFilter { height: Height(2) }));
        for length in 1..given.len() {
            assert!(read_filters(&given[..length], &links[1..], &spec).is_err(), "{length}");
        }
        let mut huge = headers[1].id().as_bytes().to_vec();
        write_compact_size(&mut huge, u64::MAX);
        assert!(read_filters(&huge, &links[1..], &spec).is_err());
    }

    #[test]
    fn only_the_block_of_the_header_is_taken() {
        let spec = ChainSpec::dev();
        let key = account_key(&WalletSeed::from_bytes([5; 64]), 0, &spec).unwrap();
        let mut state = AccountState::new(&spec, AddressLayout::default(), Height(0), &key);
        let genesis = spec.genesis();
        let mark = BlockMark { height: Height(0), id: genesis.id() };
        let mut altered = genesis.clone();
        altered.header.nonce ^= 1;
        for wrong in [altered.to_bytes(), genesis.to_bytes()[1..].to_vec(), Vec::new()] {
            assert!(matches!(take_block(&mut state, mark, &wrong, &spec, None), Err(ChainError::Block { .. })));
        }
        assert_eq!(state.mark(), None);
        assert_eq!(take_genesis(&mut state, &spec, Some(&key)), Ok(mark));
        assert_eq!(state.mark(), Some(mark));
        assert!(take_genesis(&mut state, &spec, Some(&key)).is_err());
    }

    #[test]
    fn a_common_block_is_the_newest_of_both() {
        let (spec, headers) = (ChainSpec::dev(), headers(4));
        let links = read_headers(&bytes(&headers), Height(0), &spec).unwrap();
        let key = account_key(&WalletSeed::from_bytes([5; 64]), 0, &spec).unwrap();
        let mut state = AccountState::new(&spec, AddressLayout::default(), Height(0), &key);
        assert_eq!(common(&state, &links), None);
        state.start_above(links[1].mark);
        state.take(links[2].mark, &[], None).unwrap();
        state.take(BlockMark { height: Height(3), id: BlockHash::ZERO }, &[], None).unwrap();
        assert_eq!(common(&state, &links), Some(links[2].mark));
    }
}
