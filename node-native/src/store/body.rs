//! How a block lies on disk: what is kept for ever apart from what may be pruned.
//!
//! ```text
//! body:      transactions (u32) ‖ envelope length (u32) ‖ length of each body (u32) ‖ envelope ‖ bodies
//! witnesses: length of each transaction's witnesses (u32) ‖ witnesses
//! ```
//! All lengths are little-endian. The envelope is header, number of leaves, coinbase and commitments, as in a block; a transaction
//! is its body and its witnesses, one after the other, so that a block is put together again by copying.

use qbtc_core::block::{Coinbase, Commitments, read_compact_size, write_compact_size};
use qbtc_core::codec;
use qbtc_core::hash::{Txid, sha256d};
use qbtc_core::header::Header;
use qbtc_core::units::Amount;
use qbtc_core::verify::CheckedBlock;
use serde::Serialize;

use super::StoreError;

/// A block, cut in two. Made once for many blocks: memory for megabytes costs more than to fill it.
#[derive(Default)]
pub(super) struct SplitBlock {
    pub(super) body: Vec<u8>,
    pub(super) witnesses: Vec<u8>,
}

impl SplitBlock {
    /// Cuts a block, in place of the one before.
    pub(super) fn cut(&mut self, block: &CheckedBlock) {
        let Self { body, witnesses } = self;
        let transactions = block.transactions();
        let mut envelope = block.header().to_bytes().to_vec();
        write_compact_size(&mut envelope, 2 + transactions.len() as u64);
        envelope.extend(block.coinbase().to_bytes());
        envelope.extend(block.commitments().to_bytes());

        body.clear();
        body.extend(length_bytes(transactions.len()));
        body.extend(length_bytes(envelope.len()));
        let lengths = body.len();
        body.resize(lengths + 4 * transactions.len(), 0);
        body.extend(envelope);
        witnesses.clear();
        witnesses.resize(4 * transactions.len(), 0);
        for (place, tx) in transactions.iter().map(|tx| tx.transaction()).enumerate() {
            append(&tx.body, body, lengths + 4 * place);
            append(&tx.witnesses, witnesses, 4 * place);
        }
    }
}

/// Appends a part, and writes its length at a place.
fn append(part: &impl Serialize, bytes: &mut Vec<u8>, length_at: usize) {
    let start = bytes.len();
    codec::encode_into(part, bytes);
    let length = length_bytes(bytes.len() - start);
    bytes[length_at..length_at + length.len()].copy_from_slice(&length);
}

/// How large a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockExtent {
    /// The size with witnesses, in bytes.
    pub size_bytes: usize,
    /// How many transactions there are beside the coinbase.
    pub transactions: usize,
    /// What the coinbase pays; `None` if so many transactions stand before it that it is not among the first bytes.
    pub paid: Option<Amount>,
}

/// A stored body, taken apart.
pub(super) struct StoredBody<'a> {
    pub(super) envelope: &'a [u8],
    pub(super) bodies: Vec<&'a [u8]>,
}

impl<'a> StoredBody<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, StoreError> {
        let mut rest = Reader(bytes);
        let count = rest.length()?;
        let envelope_bytes = rest.length()?;
        let mut lengths = rest.lengths(count)?;
        let envelope = rest.take(envelope_bytes)?;
        let bodies = lengths.try_fold(Vec::with_capacity(count), |mut bodies, length| {
            bodies.push(rest.take(length)?);
            Ok::<_, StoreError>(bodies)
        })?;
        Ok(Self { envelope, bodies })
    }

    /// How many transactions a block has and how long it is, from the first bytes of its stored body and the lengths of body and witnesses.
    pub(super) fn extent(start: &[u8], body_bytes: usize, witnesses_bytes: usize) -> Result<BlockExtent, StoreError> {
        let mut rest = Reader(start);
        let (transactions, envelope_bytes) = (rest.length()?, rest.length()?);
        let envelope = rest.lengths(transactions).and_then(|_| rest.take(envelope_bytes));
        let paid = match envelope {
            Ok(envelope) => Amount::checked_sum(coinbase_of(envelope)?.0.outputs.iter().map(|output| output.amount)),
            Err(_) => None,
        };
        // What is there beside the block's own bytes: see the head of this file.
        let lengths = transactions.saturating_mul(4);
        let own = (body_bytes + witnesses_bytes).checked_sub(8 + lengths.saturating_mul(2));
        let short = || StoreError::inconsistent("a stored block ends early");
        Ok(BlockExtent { size_bytes: own.ok_or_else(short)?, transactions, paid })
    }

    /// The bytes of the whole block.
    pub(super) fn join(&self, witnesses: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut block = Vec::with_capacity(
            self.envelope.len() + self.bodies.iter().map(|body| body.len()).sum::<usize>() + witnesses.len(),
        );
        block.extend_from_slice(self.envelope);
        for (body, witnesses) in self.bodies.iter().zip(self.witnesses(witnesses)?) {
            block.extend_from_slice(body);
            block.extend_from_slice(witnesses);
        }
        Ok(block)
    }

    /// The bytes of the block without witnesses: each transaction has an empty list of them.
    pub(super) fn strip(&self) -> Vec<u8> {
        let bodies = self.bodies.iter().map(|body| body.len() + 1).sum::<usize>();
        let mut block = Vec::with_capacity(self.envelope.len() + bodies);
        block.extend_from_slice(self.envelope);
        for body in &self.bodies {
            block.extend_from_slice(body);
            block.push(0);
        }
        block
    }

    /// The block's leaves: the coinbase's id, the commitments, and the ids of the transactions.
    pub(super) fn leaves(&self) -> Result<(Txid, Commitments, impl Iterator<Item = Txid>), StoreError> {
        let (coinbase, rest) = coinbase_of(self.envelope)?;
        let commitments = rest.first_chunk().map(Commitments::from_bytes).ok_or_else(damaged)?;
        let txids = self.bodies.iter().map(|body| Txid::from_bytes(sha256d(body)));
        Ok((coinbase.id(), commitments, txids))
    }

    /// The bytes of one transaction, counted from 0.
    pub(super) fn transaction(&self, place: usize, witnesses: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let witnesses = self.witnesses(witnesses)?;
        let parts = self.bodies.get(place).zip(witnesses.get(place));
        Ok(parts.map(|(body, witnesses)| [*body, witnesses].concat()))
    }

    fn witnesses<'w>(&self, bytes: &'w [u8]) -> Result<Vec<&'w [u8]>, StoreError> {
        let mut rest = Reader(bytes);
        let mut lengths = rest.lengths(self.bodies.len())?;
        lengths.try_fold(Vec::with_capacity(self.bodies.len()), |mut witnesses, length| {
            witnesses.push(rest.take(length)?);
            Ok(witnesses)
        })
    }
}

/// The coinbase in an envelope, and what follows it.
fn coinbase_of(envelope: &[u8]) -> Result<(Coinbase, &[u8]), StoreError> {
    let (_, rest) = envelope.split_first_chunk::<{ Header::BYTES }>().ok_or_else(damaged)?;
    let (_, rest) = read_compact_size(rest).ok().flatten().ok_or_else(damaged)?;
    Coinbase::from_prefix(rest).map_err(|_| damaged())
}

fn damaged() -> StoreError {
    StoreError::inconsistent("a stored block's beginning is damaged")
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], StoreError> {
        let short = || StoreError::inconsistent("a stored block ends early");
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn length(&mut self) -> Result<usize, StoreError> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(bytes) as usize)
    }

    fn lengths(&mut self, count: usize) -> Result<impl Iterator<Item = usize> + use<'a>, StoreError> {
        let bytes = self.take(count.saturating_mul(4))?;
        let (lengths, _) = bytes.as_chunks::<4>();
        Ok(lengths.iter().map(|length| u32::from_le_bytes(*length) as usize))
    }
}

fn length_bytes(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a block is below 4 GiB").to_le_bytes()
}
