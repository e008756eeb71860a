//! What a client keeps over a restart, so that it starts from the chain that was shown to it before: a few headers are fetched then instead of
//! a proof.
//!
//! The bytes are a tag and a version ‖ a checksum ‖ the encoded content. A checksum and not a signature: whoever can write there can change the
//! wallet as well. What is read is still checked as far as it can be, so that nothing damaged is followed.

use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::LightClient;
use super::chain::{LightChain, LightChainError, TREE_HEADERS_MAX};
use super::input::At;
use super::scan::{MARKS_MAX, Scan};
use crate::chain::BlockMark;
use crate::codec::{self, CodecError};
use crate::commit::mmr::Peaks;
use crate::hash::{ChainId, tagged};
use crate::header::Header;
use crate::spec::ChainSpec;
use crate::units::Height;

/// The most bytes of a saved state.
pub const STATE_BYTES_MAX: usize =
    TAG.len() + CHECKSUM_BYTES + 64 + 32 * 72 + Header::BYTES * TREE_HEADERS_MAX + 40 * MARKS_MAX;
/// What the bytes begin with; the last two digits are the version.
const TAG: &[u8; 12] = b"qbtc-light01";
const CHECKSUM_BYTES: usize = 32;

/// Why bytes are no state that can be gone on from. Start anew, and say so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The bytes do not begin as a state of this version does.
    #[error("no state of a light client that this version can read")]
    Version,
    /// Some of the bytes have changed.
    #[error("the state of the light client is damaged")]
    Checksum,
    /// The content is none.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It is about another chain.
    #[error("the state is about the chain {found}: expected {expected}")]
    OtherChain {
        /// The chain found.
        found: ChainId,
        /// The chain expected.
        expected: ChainId,
    },
    /// The headers do not make a chain.
    #[error("the state's headers: {0}")]
    Headers(#[from] LightChainError),
    /// A header without work, or another genesis block.
    #[error("the state's header at height {height} is none of this chain")]
    Header {
        /// Its height.
        height: Height,
    },
    /// Blocks to go back to that do not stand in order.
    #[error("the state's marks are out of order")]
    Marks,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    chain: ChainId,
    base: Peaks,
    #[serde(deserialize_with = "codec::bounded::<_, _, TREE_HEADERS_MAX>")]
    headers: Vec<Header>,
    start: Height,
    #[serde(deserialize_with = "codec::bounded::<_, _, MARKS_MAX>")]
    marks: Vec<BlockMark>,
}

impl LightClient {
    /// What to keep for [`Self::resume`]. The addresses stay with the wallet.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let headers: Vec<Header> = self.chain.headers().copied().collect();
        let saved = Saved {
            chain: self.spec.chain_id(),
            base: self.chain.base().clone(),
            headers,
            start: self.scan.start,
            marks: self.scan.marks.clone(),
        };
        let content = codec::encode(&saved);
        [&TAG[..], &checksum(&content), &content].concat()
    }

    /// A client that goes on from what was kept. Where the scan stood is kept as well, but the addresses are not: tell them with
    /// [`Input::Watch`](super::Input::Watch) from the next height on, or begin where the wallet stands with
    /// [`Input::Scan`](super::Input::Scan).
    ///
    /// # Errors
    /// [`StateError`], for bytes that are damaged or about another chain.
    pub fn resume(spec: Arc<ChainSpec>, secret: [u8; 32], bytes: &[u8], at: At) -> Result<Self, StateError> {
        let content = bytes.strip_prefix(&TAG[..]).ok_or(StateError::Version)?;
        let (sum, content) = content.split_first_chunk::<CHECKSUM_BYTES>().ok_or(StateError::Checksum)?;
        let saved = codec::decode::<Saved>(content, STATE_BYTES_MAX);
        if *sum != checksum(content) {
            return Err(StateError::Checksum);
        }
        let Saved { chain: found, base, headers, start, marks } = saved?;
        let expected = spec.chain_id();
        if found != expected {
            return Err(StateError::OtherChain { found, expected });
        }
        check_headers(&base, &headers, &spec)?;
        if !marks.is_sorted_by(|one, other| one.height < other.height) {
            return Err(StateError::Marks);
        }
        let chain = LightChain::on_base(base, &headers)?;
        let mut client = Self::with_chain(spec, secret, chain, at);
        client.scan = Scan::resumed(start, marks);
        Ok(client)
    }
}

/// Each header has its work; where they begin with the genesis block, it is this chain's.
fn check_headers(base: &Peaks, headers: &[Header], spec: &ChainSpec) -> Result<(), StateError> {
    for (height, header) in (base.blocks()..).map(Height).zip(headers) {
        let is_genesis = height == Height::GENESIS;
        let is_right =
            if is_genesis { *header == spec.genesis().header } else { spec.consensus().pow.check_work(header).is_ok() };
        if !is_right {
            return Err(StateError::Header { height });
        }
    }
    Ok(())
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    tagged("qbtc/light/state", &[content])
}
