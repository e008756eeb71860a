//! Questions and answers of nodes about blocks and transactions.
//!
//! Each question can be answered in [`SyncAnswer::bytes_max`] bytes; whoever answers gives as much of what was asked for as fits, in the
//! order in which it was asked for, and never part of a block or transaction. Whoever asks for more than it may is at fault.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::chain::HeaderTree;
use crate::codec::{self, CodecError};
use crate::hash::{BlockHash, Wtxid};
use crate::header::Header;
use crate::spec::{ChainSpec, Consensus};
use crate::tx::Transaction;

/// The most headers of one answer.
pub const HEADERS_MAX: usize = 2_000;
/// The most blocks that one question asks for.
pub const BLOCKS_MAX: usize = 128;
/// The most transactions that one question asks for by their ids.
pub const TRANSACTIONS_MAX: usize = 128;
/// The most transactions of one block that one question asks for. If more are missing, the block is fetched whole.
pub const BLOCK_TRANSACTIONS_MAX: usize = 1 << 17;

/// What a node asks another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyncQuestion {
    /// The headers of its chain after the highest block that stands in the locator ([`HeaderTree::locator`]). Its chain ends in its tip:
    /// whoever gives a header has verified the block.
    Headers {
        /// Blocks of the asker's chain, the highest first.
        #[serde(deserialize_with = "codec::bounded::<_, _, { HeaderTree::LOCATOR_IDS_MAX }>")]
        locator: Vec<BlockHash>,
    },
    /// Whole blocks.
    Blocks {
        /// Which.
        #[serde(deserialize_with = "codec::bounded::<_, _, BLOCKS_MAX>")]
        ids: Vec<BlockHash>,
    },
    /// Transactions that wait in the mempool.
    Transactions {
        /// Which.
        #[serde(deserialize_with = "codec::bounded::<_, _, TRANSACTIONS_MAX>")]
        wtxids: Vec<Wtxid>,
    },
    /// Transactions of one block, which a compact block did not bring.
    BlockTransactions {
        /// The block.
        block: BlockHash,
        /// Their places among the block's transactions, in rising order.
        #[serde(deserialize_with = "codec::bounded::<_, _, BLOCK_TRANSACTIONS_MAX>")]
        places: Vec<u32>,
    },
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyncAnswer {
    /// Headers, each the parent of the next. Fewer than [`HEADERS_MAX`]: there are no more.
    Headers(#[serde(deserialize_with = "codec::bounded::<_, _, HEADERS_MAX>")] Vec<Header>),
    /// The first blocks of those asked for; none, if the first is not to be had.
    Blocks(#[serde(deserialize_with = "codec::bounded::<_, _, BLOCKS_MAX>")] Vec<BlockBytes>),
    /// Those of the transactions asked for that wait here.
    Transactions(#[serde(deserialize_with = "codec::bounded::<_, _, TRANSACTIONS_MAX>")] Vec<Transaction>),
    /// All transactions asked for; none, if the block is not to be had.
    BlockTransactions(#[serde(deserialize_with = "codec::bounded::<_, _, BLOCK_TRANSACTIONS_MAX>")] Vec<Transaction>),
}

/// A block's bytes, not looked at yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockBytes(
    #[serde(
        serialize_with = "codec::bytes::serialize",
        deserialize_with = "codec::bytes::deserialize::<_, { Consensus::BLOCK_BYTES_MAX as usize }>"
    )]
    pub Box<[u8]>,
);

impl SyncQuestion {
    /// The most bytes of a question: a block's transactions by their places, which are below 2^21 and so three bytes each.
    pub const BYTES_MAX: usize = 64 + 3 * BLOCK_TRANSACTIONS_MAX;

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The question of exactly these bytes.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }

    /// Whether an answer is of the kind that was asked for, and no longer than that.
    #[must_use]
    pub fn admits(&self, answer: &SyncAnswer) -> bool {
        match (self, answer) {
            (Self::Headers { .. }, SyncAnswer::Headers(_)) => true,
            (Self::Blocks { ids }, SyncAnswer::Blocks(blocks)) => blocks.len() <= ids.len(),
            (Self::Transactions { wtxids }, SyncAnswer::Transactions(found)) => found.len() <= wtxids.len(),
            (Self::BlockTransactions { places, .. }, SyncAnswer::BlockTransactions(found)) => {
                found.is_empty() || found.len() == places.len()
            }
            _ => false,
        }
    }
}

impl SyncAnswer {
    /// The most bytes of an answer: the largest block, or all headers, and what is written around them.
    #[must_use]
    pub const fn bytes_max(spec: &ChainSpec) -> usize {
        let block = spec.consensus().limits.block_bytes as usize;
        let headers = HEADERS_MAX * Header::BYTES;
        ENVELOPE_BYTES + if block > headers { block } else { headers }
    }

    /// As many of these blocks as one answer can hold: the first at least.
    #[must_use]
    pub fn of_blocks(blocks: impl IntoIterator<Item = Vec<u8>>, spec: &ChainSpec) -> Self {
        let blocks = blocks.into_iter().take(BLOCKS_MAX);
        let blocks = blocks.map(|bytes| BlockBytes(bytes.into()));
        Self::Blocks(codec::fitting(blocks, Self::bytes_max(spec) - AROUND_LIST_BYTES))
    }

    /// As many of these transactions as one answer can hold: the first at least.
    #[must_use]
    pub fn of_transactions(transactions: impl IntoIterator<Item = Transaction>, spec: &ChainSpec) -> Self {
        let transactions = transactions.into_iter().take(TRANSACTIONS_MAX);
        Self::Transactions(codec::fitting(transactions, Self::bytes_max(spec) - AROUND_LIST_BYTES))
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The answer of exactly these bytes.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8], spec: &ChainSpec) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::bytes_max(spec))
    }
}

/// What is written around the largest block: the answer's kind, the number of blocks, the block's length.
const ENVELOPE_BYTES: usize = AROUND_LIST_BYTES + 5;
/// What is written around the elements of a list: the answer's kind, and their number.
pub(super) const AROUND_LIST_BYTES: usize = 1 + 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Txid;
    use crate::lock::{Address, Lock};
    use crate::testing::test;
    use crate::tx::{OutPoint, TxBody, TxOut};
    use crate::units::{Amount, Height};
    use alloc::vec;

    fn transaction(outputs: usize) -> Transaction {
        let lock = Lock::Address(Address::from_bytes([1; 32]));
        let body = TxBody {
            version: TxBody::VERSION,
            inputs: vec![OutPoint { txid: Txid::from_bytes([2; 32]), index: 0 }],
            outputs: vec![TxOut { amount: Amount::from_coins(1), lock }; outputs],
            lock_height: Height(0),
            expiry_height: Height(0),
        };
        Transaction { body, witnesses: Vec::new() }
    }

    fn questions() -> [SyncQuestion; 4] {
        let places = (0..u32::try_from(BLOCK_TRANSACTIONS_MAX).unwrap()).collect();
        [
            SyncQuestion::Headers { locator: vec![BlockHash::from_bytes([9; 32]); HeaderTree::LOCATOR_IDS_MAX] },
            SyncQuestion::Blocks { ids: vec![BlockHash::ZERO; BLOCKS_MAX] },
            SyncQuestion::Transactions { wtxids: vec![Wtxid::ZERO; TRANSACTIONS_MAX] },
            SyncQuestion::BlockTransactions { block: BlockHash::ZERO, places },
        ]
    }

    #[test]
    fn the_longest_questions_fit_and_longer_ones_are_none() {
        for question in questions() {
            let bytes = question.to_bytes();
            assert!(bytes.len() <= SyncQuestion::BYTES_MAX);
            assert_eq!(SyncQuestion::from_bytes(&bytes), Ok(question));
        }
        let ids = vec![BlockHash::ZERO; BLOCKS_MAX + 1];
        assert!(SyncQuestion::from_bytes(&SyncQuestion::Blocks { ids }.to_bytes()).is_err());
        assert!(SyncQuestion::from_bytes(&vec![3; SyncQuestion::BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn the_largest_block_fits_into_an_answer() {
        let spec = ChainSpec::dev();
        let limit = spec.consensus().limits.block_bytes as usize;
        let answer = SyncAnswer::of_blocks([vec![7; limit], vec![8; 1]], &spec);
        assert!(matches!(&answer, SyncAnswer::Blocks(blocks) if blocks.len() == 1));
        let bytes = answer.to_bytes();
        assert!(bytes.len() <= SyncAnswer::bytes_max(&spec));
        assert_eq!(SyncAnswer::from_bytes(&bytes, &spec), Ok(answer));
        let longer = [&bytes[..], &[0; ENVELOPE_BYTES]].concat();
        assert!(SyncAnswer::from_bytes(&longer, &spec).is_err());
    }

    #[test]
    fn all_headers_fit_on_a_chain_of_small_blocks() {
        let dev = ChainSpec::dev().to_toml();
        let small = dev
            .replace("block_bytes = 4194304", "block_bytes = 32768")
            .replace("tx_bytes = 1048576", "tx_bytes = 16384");
        let spec = ChainSpec::from_toml(&small).unwrap();
        assert_eq!(spec.consensus().limits.block_bytes, 32_768);
        let answer = SyncAnswer::Headers(vec![Header::from_bytes(&[7; Header::BYTES]); HEADERS_MAX]);
        assert_eq!(SyncAnswer::from_bytes(&answer.to_bytes(), &spec), Ok(answer));
    }

    #[test]
    fn answers_hold_what_fits_in_order() {
        let spec = ChainSpec::dev();
        let third = spec.consensus().limits.block_bytes as usize / 3;
        for (size, count) in [(third - 10, 3), (third + 10, 2), (1, BLOCKS_MAX)] {
            let answer = SyncAnswer::of_blocks((0..200).map(|number| vec![number; size]), &spec);
            let SyncAnswer::Blocks(blocks) = &answer else { panic!() };
            assert_eq!(blocks.len(), count);
            assert!(blocks.iter().zip(0..).all(|(block, number)| block.0[0] == number));
            assert!(answer.to_bytes().len() <= SyncAnswer::bytes_max(&spec));
        }
        let answer = SyncAnswer::of_transactions((0..200).map(|_| transaction(2_000)), &spec);
        let SyncAnswer::Transactions(transactions) = &answer else { panic!() };
        assert!((2..TRANSACTIONS_MAX).contains(&transactions.len()));
        let bytes = answer.to_bytes();
        assert!(bytes.len() <= SyncAnswer::bytes_max(&spec));
        assert!(bytes.len() + codec::encoded_len(&transaction(2_000)) > SyncAnswer::bytes_max(&spec));
        assert_eq!(SyncAnswer::of_blocks([], &spec), SyncAnswer::Blocks(vec![]));
    }

    #[test]
    fn an_answer_is_of_the_kind_and_number_that_was_asked_for() {
        let [headers, blocks, transactions, places] = questions();
        let none = |kind: u8| SyncAnswer::from_bytes(&[kind, 0], &ChainSpec::dev()).unwrap();
        for (kind, question) in (0..).zip([&headers, &blocks, &transactions, &places]) {
            for other in 0..4 {
                assert_eq!(question.admits(&none(other)), kind == other);
            }
        }
        let two = SyncAnswer::Blocks(vec![BlockBytes([1].into()); 2]);
        let ask = |count| SyncQuestion::Blocks { ids: vec![BlockHash::ZERO; count] };
        assert!(ask(2).admits(&two) && ask(3).admits(&two) && !ask(1).admits(&two));
        let found = |count| SyncAnswer::BlockTransactions(vec![transaction(1); count]);
        let ask = SyncQuestion::BlockTransactions { block: BlockHash::ZERO, places: vec![1, 5] };
        assert!(ask.admits(&found(2)) && ask.admits(&found(0)));
        assert!(!ask.admits(&found(1)) && !ask.admits(&found(3)), "all or none");
    }
}
