//! Questions of light clients and the answers of full nodes.
//!
//! A light client believes nothing of an answer that it has not checked: work by sampling ([`SampledProof`]), a block's place by the history
//! ([`BlockProof`]), filters by the commitments of their blocks ([`CommitmentsProof`]), transactions by a branch ([`MerkleProof`]). Whatever is
//! about the chain names the tip that the asker has in mind, so that an answer is about that chain or says that it is not the best one any
//! more. Only [`LightQuestion::Fees`], and what waits in the mempool, is the node's word.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::BlockBytes;
use super::sync::AROUND_LIST_BYTES;
use crate::codec::{self, CodecError};
use crate::commit::CommitmentsProof;
use crate::commit::flyclient::PROOF_BYTES_MAX;
use crate::commit::merkle::MerkleProof;
use crate::commit::mmr::BlockProof;
use crate::hash::{BlockHash, Txid};
use crate::header::Header;
use crate::spec::{ChainSpec, Consensus};
use crate::tx::{Transaction, TxBody};
use crate::units::{FeeRate, Height, Work};

/// The most headers of one answer.
pub const LIGHT_HEADERS_MAX: u32 = 2_000;
/// The most filters that one question asks for.
pub const LIGHT_FILTERS_MAX: u32 = 1_000;
/// The most blocks that one question asks for.
pub const LIGHT_BLOCKS_MAX: usize = 16;
/// The most waiting times that one question asks about.
pub const LIGHT_FEES_MAX: usize = 8;
/// The most bytes of a sentence that says why a transaction was not taken.
const REASON_BYTES_MAX: usize = 512;

/// What a light client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LightQuestion {
    /// The node's tip.
    Tip,
    /// The node's tip, once it is another one than this. After a while the same one comes, which shows that the node is alive.
    NextTip {
        /// The tip that is known.
        known: BlockHash,
    },
    /// A proof of the work of the chain up to a tip, with samples drawn from a seed that the node could not foresee.
    Work {
        /// The tip.
        tip: BlockHash,
        /// The seed.
        seed: [u8; 32],
    },
    /// Headers of the chain up to a tip.
    Headers {
        /// The tip.
        tip: BlockHash,
        /// The first.
        start: Height,
        /// How many, at most [`LIGHT_HEADERS_MAX`].
        count: u32,
    },
    /// A proof of which block stands at a height of the chain up to a tip: a place in the history up to and with the tip, whose root follows from
    /// the proof of its work.
    Block {
        /// The tip.
        tip: BlockHash,
        /// The height, not above the tip's.
        height: Height,
    },
    /// Compact filters of blocks of the chain up to a tip, each with a proof that its block commits to it.
    Filters {
        /// The tip.
        tip: BlockHash,
        /// The first block.
        start: Height,
        /// How many, at most [`LIGHT_FILTERS_MAX`].
        count: u32,
    },
    /// Blocks without witnesses.
    Blocks {
        /// Which.
        #[serde(deserialize_with = "codec::bounded::<_, _, LIGHT_BLOCKS_MAX>")]
        ids: Vec<BlockHash>,
    },
    /// A transaction, with its place in the chain if it has one.
    Transaction {
        /// Its id.
        txid: Txid,
    },
    /// Takes a transaction and spreads it.
    Submit {
        /// The transaction.
        transaction: Box<Transaction>,
    },
    /// What a transaction should pay.
    Fees {
        /// To be mined within so many blocks; one answer each.
        #[serde(deserialize_with = "codec::bounded::<_, _, LIGHT_FEES_MAX>")]
        blocks: Vec<u32>,
    },
}

/// What a full node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LightAnswer {
    /// To [`LightQuestion::Tip`] and [`LightQuestion::NextTip`].
    Tip(LightTip),
    /// The bytes of a [`SampledProof`](crate::commit::flyclient::SampledProof).
    Work(ProofBytes),
    /// As many of those asked for as there are and fit.
    Headers(#[serde(deserialize_with = "codec::bounded::<_, _, { LIGHT_HEADERS_MAX as usize }>")] Vec<Header>),
    /// The header at the height, and its place in the history up to and with the tip.
    Block(Box<BlockProof>),
    /// As many of those asked for as there are and fit, in their order.
    Filters(#[serde(deserialize_with = "codec::bounded::<_, _, { LIGHT_FILTERS_MAX as usize }>")] Vec<CommittedFilter>),
    /// As many of those asked for as fit, in their order.
    Blocks(#[serde(deserialize_with = "codec::bounded::<_, _, LIGHT_BLOCKS_MAX>")] Vec<BlockBytes>),
    /// The transaction.
    Transaction(Box<FoundTransaction>),
    /// The transaction was taken.
    Submitted(Txid),
    /// The transaction was not taken.
    Refused(Reason),
    /// A fee rate for each waiting time.
    Fees(#[serde(deserialize_with = "codec::bounded::<_, _, LIGHT_FEES_MAX>")] Vec<FeeRate>),
    /// There is no answer.
    Unavailable(Unavailable),
}

/// A node's tip, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LightTip {
    /// The header.
    pub header: Header,
    /// The height.
    pub height: Height,
    /// The work of the chain.
    pub work: Work,
}

/// The bytes of a proof of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofBytes(
    #[serde(
        serialize_with = "codec::bytes::serialize",
        deserialize_with = "codec::bytes::deserialize::<_, PROOF_BYTES_MAX>"
    )]
    pub Box<[u8]>,
);

/// A compact filter and what its block commits to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedFilter {
    /// The filter.
    #[serde(
        serialize_with = "codec::bytes::serialize",
        deserialize_with = "codec::bytes::deserialize::<_, { Consensus::BLOCK_BYTES_MAX as usize }>"
    )]
    pub filter: Box<[u8]>,
    /// The proof that its hash is that to which the block commits.
    pub commitments: CommitmentsProof,
}

/// A transaction, as a node has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FoundTransaction {
    /// It waits in the mempool, as the node says.
    Waiting(TxBody),
    /// It is in a block.
    Mined {
        /// The block's header.
        header: Header,
        /// The block's height.
        height: Height,
        /// The transaction without witnesses.
        body: TxBody,
        /// Its branch to the header's merkle root.
        proof: MerkleProof,
    },
}

/// A sentence of printable characters, cut to a bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason(
    #[serde(
        serialize_with = "codec::bytes::serialize",
        deserialize_with = "codec::bytes::deserialize::<_, REASON_BYTES_MAX>"
    )]
    Box<[u8]>,
);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum Unavailable {
    /// The tip is not in the node's best chain: another one has more work.
    #[error("the tip is not in the best chain any more")]
    OtherChain,
    /// The node does not have it, or not any more.
    #[error("the node does not have it")]
    NotHere,
    /// The asker has used up what it may ask for now.
    #[error("too many questions: ask later")]
    Busy,
}

impl LightQuestion {
    /// The most bytes of a question: one with a transaction.
    #[must_use]
    pub const fn bytes_max(spec: &ChainSpec) -> usize {
        let others = 1 + 5 + LIGHT_BLOCKS_MAX * 32;
        let transaction = 1 + spec.consensus().limits.tx_bytes as usize;
        if transaction > others { transaction } else { others }
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The question of exactly these bytes.
    ///
    /// # Errors
    /// [`CodecError`].
    pub fn from_bytes(bytes: &[u8], spec: &ChainSpec) -> Result<Self, CodecError> {
        codec::decode(bytes, Self::bytes_max(spec))
    }

    /// Whether an answer is of the kind that was asked for, and no longer than that.
    #[must_use]
    pub fn admits(&self, answer: &LightAnswer) -> bool {
        let fits = |found: usize, count: u32| u32::try_from(found).is_ok_and(|found| found <= count);
        match (self, answer) {
            (_, LightAnswer::Unavailable(_))
            | (Self::Tip | Self::NextTip { .. }, LightAnswer::Tip(_))
            | (Self::Work { .. }, LightAnswer::Work(_))
            | (Self::Block { .. }, LightAnswer::Block(_))
            | (Self::Transaction { .. }, LightAnswer::Transaction(_))
            | (Self::Submit { .. }, LightAnswer::Submitted(_) | LightAnswer::Refused(_)) => true,
            (Self::Headers { count, .. }, LightAnswer::Headers(found)) => fits(found.len(), *count),
            (Self::Filters { count, .. }, LightAnswer::Filters(found)) => fits(found.len(), *count),
            (Self::Blocks { ids }, LightAnswer::Blocks(found)) => found.len() <= ids.len(),
            (Self::Fees { blocks }, LightAnswer::Fees(found)) => found.len() == blocks.len(),
            _ => false,
        }
    }
}

impl LightAnswer {
    /// The most bytes of an answer: the longest proof, or the largest block.
    #[must_use]
    pub const fn bytes_max(spec: &ChainSpec) -> usize {
        let block = spec.consensus().limits.block_bytes as usize;
        ENVELOPE_BYTES + if block > PROOF_BYTES_MAX { block } else { PROOF_BYTES_MAX }
    }

    /// As many of these filters as one answer can hold: the first at least.
    #[must_use]
    pub fn of_filters(filters: impl IntoIterator<Item = CommittedFilter>, spec: &ChainSpec) -> Self {
        let filters = filters.into_iter().take(LIGHT_FILTERS_MAX as usize);
        Self::Filters(codec::fitting(filters, Self::bytes_max(spec) - AROUND_LIST_BYTES))
    }

    /// As many of these blocks as one answer can hold: the first at least.
    #[must_use]
    pub fn of_blocks(blocks: impl IntoIterator<Item = Vec<u8>>, spec: &ChainSpec) -> Self {
        let blocks = blocks.into_iter().take(LIGHT_BLOCKS_MAX).map(|bytes| BlockBytes(bytes.into()));
        Self::Blocks(codec::fitting(blocks, Self::bytes_max(spec) - AROUND_LIST_BYTES))
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

/// What is written around the longest answer: its kind, a count, a length.
const ENVELOPE_BYTES: usize = AROUND_LIST_BYTES + 5;

impl Reason {
    /// The sentence, with what cannot be printed left out, and cut if it is too long.
    #[must_use]
    pub fn new(sentence: &str) -> Self {
        let printable = sentence.bytes().filter(|byte| (0x20..0x7f).contains(byte));
        Self(printable.take(REASON_BYTES_MAX).collect())
    }

    /// The sentence. What a stranger wrote into it that cannot be printed is left out.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.iter().filter(|byte| (0x20..0x7f).contains(*byte)).map(|byte| char::from(*byte)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use crate::verify::genesis_block;
    use alloc::vec;

    fn tip() -> BlockHash {
        BlockHash::from_bytes([9; 32])
    }

    fn questions() -> Vec<LightQuestion> {
        vec![
            LightQuestion::Tip,
            LightQuestion::NextTip { known: tip() },
            LightQuestion::Work { tip: tip(), seed: [7; 32] },
            LightQuestion::Headers { tip: tip(), start: Height(5), count: 3 },
            LightQuestion::Block { tip: tip(), height: Height(1) },
            LightQuestion::Filters { tip: tip(), start: Height(5), count: 3 },
            LightQuestion::Blocks { ids: vec![tip(); LIGHT_BLOCKS_MAX] },
            LightQuestion::Transaction { txid: Txid::from_bytes([1; 32]) },
            LightQuestion::Fees { blocks: vec![u32::MAX; LIGHT_FEES_MAX] },
        ]
    }

    fn filter(bytes: usize) -> CommittedFilter {
        let spec = ChainSpec::dev();
        let genesis = spec.genesis();
        let commitments = CommitmentsProof::new(genesis.commitments, &genesis.leaves()).unwrap();
        CommittedFilter { filter: vec![7; bytes].into(), commitments }
    }

    #[test]
    fn questions_come_back_and_longer_ones_are_none() {
        let spec = ChainSpec::dev();
        for question in questions() {
            let bytes = question.to_bytes();
            assert!(bytes.len() <= LightQuestion::bytes_max(&spec));
            assert_eq!(LightQuestion::from_bytes(&bytes, &spec), Ok(question));
            assert!(LightQuestion::from_bytes(&[&bytes[..], &[0]].concat(), &spec).is_err());
        }
        let ids = vec![tip(); LIGHT_BLOCKS_MAX + 1];
        assert!(LightQuestion::from_bytes(&LightQuestion::Blocks { ids }.to_bytes(), &spec).is_err());
        let long = vec![0; LightQuestion::bytes_max(&spec) + 1];
        assert!(LightQuestion::from_bytes(&long, &spec).is_err());
    }

    #[test]
    fn answers_hold_what_fits_in_order() {
        let spec = ChainSpec::dev();
        let limit = spec.consensus().limits.block_bytes as usize;
        for (size, count) in [(10, 700), (limit / 3, 2), (limit / 2, 1), (100, 1_200)] {
            let answer = LightAnswer::of_filters((0..count).map(|_| filter(size)), &spec);
            let bytes = answer.to_bytes();
            assert!(bytes.len() <= LightAnswer::bytes_max(&spec));
            let LightAnswer::Filters(found) = LightAnswer::from_bytes(&bytes, &spec).unwrap() else { panic!() };
            assert_eq!(found.len(), count.min(LIGHT_FILTERS_MAX as usize));
        }
        let LightAnswer::Filters(cut) = LightAnswer::of_filters((0..9).map(|_| filter(limit / 2)), &spec) else {
            panic!()
        };
        assert_eq!(cut.len(), 1);
        let whole = LightAnswer::of_blocks([vec![7; limit], vec![8]], &spec);
        assert!(matches!(&whole, LightAnswer::Blocks(blocks) if blocks.len() == 1));
        assert_eq!(LightAnswer::from_bytes(&whole.to_bytes(), &spec), Ok(whole));
    }

    #[test]
    fn a_filter_that_came_can_be_checked() {
        let spec = ChainSpec::dev();
        let genesis = genesis_block(&spec);
        let answer = LightAnswer::of_filters([filter(3)], &spec);
        let LightAnswer::Filters(found) = LightAnswer::from_bytes(&answer.to_bytes(), &spec).unwrap() else { panic!() };
        let root = genesis.block().header().merkle_root;
        assert_eq!(found[0].commitments.check(root), Ok(genesis.block().commitments()));
    }

    #[test]
    fn an_answer_is_of_the_kind_and_number_that_was_asked_for() {
        let headers = |count| LightAnswer::Headers(vec![Header::from_bytes(&[1; Header::BYTES]); count]);
        let filters = |count| LightAnswer::Filters(vec![filter(1); count]);
        let fees = |count| LightAnswer::Fees(vec![FeeRate::from_quanta_per_1000_bytes(1); count]);
        for question in questions() {
            let admits = |answer: &LightAnswer| question.admits(answer);
            assert!(admits(&LightAnswer::Unavailable(Unavailable::Busy)));
            assert_eq!(admits(&headers(3)), matches!(question, LightQuestion::Headers { .. }));
            assert_eq!(admits(&filters(3)), matches!(question, LightQuestion::Filters { .. }));
            assert_eq!(admits(&fees(LIGHT_FEES_MAX)), matches!(question, LightQuestion::Fees { .. }));
            assert!(!admits(&headers(4)) && !admits(&filters(4)) && !admits(&fees(1)));
            assert!(!admits(&LightAnswer::Submitted(Txid::from_bytes([1; 32]))));
        }
    }

    #[test]
    fn reasons_can_stand_in_a_log() {
        assert_eq!(Reason::new("fee\n too low\u{1b}[2J").to_text(), "fee too low[2J");
        assert_eq!(Reason::new(&"x".repeat(10_000)).to_text().len(), REASON_BYTES_MAX);
        let strange = codec::encode(&Reason([0x1b, b'a', 0xff].into()));
        assert_eq!(codec::decode::<Reason>(&strange, 100).unwrap().to_text(), "a");
    }
}
