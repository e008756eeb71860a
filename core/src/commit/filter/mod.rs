//! Compact filters: which addresses a block touches, in 21 bits each.
//!
//! A filter is the Golomb-coded set of BIP 158 (P = 19, M = 784,931), keyed with the first 16 bytes of the parent's id, over every
//! address that the block creates or spends. A light client asks it whether one of its addresses may be among them: a yes is
//! wrong once in M times, a no never. The commitments of each block carry the filter's hash, so that whoever holds the block's
//! header can check a filter that any cache served.
//!
//! Invariant: a [`Filter`] is well-formed. [`Filter::from_bytes`] refuses whatever no set of elements can have, so that one set
//! has one encoding and matching cannot fail.

mod bits;

use alloc::boxed::Box;
use alloc::vec::Vec;

use siphasher::sip::SipHasher24;

use self::bits::{BitReader, BitWriter, Ended};
use crate::block::{read_compact_size, write_compact_size};
use crate::hash::{BlockHash, FilterHash, sha256d};

/// Bits of a delta's remainder (BIP 158's P).
const REMAINDER_BITS: u32 = 19;
/// One in how many queries for an absent element is answered yes (BIP 158's M).
const FALSE_POSITIVE_RATE: u64 = 784_931;
/// The fewest bits of an element: a quotient of 0, ended by its zero bit, and the remainder.
const ELEMENT_BITS_MIN: u64 = 1 + REMAINDER_BITS as u64;

/// The compact filter of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// CompactSize(elements) ‖ the deltas between the sorted values.
    bytes: Box<[u8]>,
}

/// Why bytes are no filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// More bytes than the caller allows.
    #[error("filter of {found} bytes exceeds the limit of {limit}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The number of elements is cut off or not in its shortest form.
    #[error("filter's number of elements is truncated or not in its shortest form")]
    Count,
    /// More elements stated than the bits behind could hold.
    #[error("filter of {found} elements in bits that hold at most {limit}")]
    Elements {
        /// Elements stated.
        found: u64,
        /// The most for this number of bits.
        limit: u64,
    },
    /// The bits end within an element.
    #[error("filter ends within element {index}")]
    Truncated {
        /// The element's place, from 0.
        index: u64,
    },
    /// A value that no element hashes to.
    #[error("filter's element {index} lies outside the range of its hashes, {range}")]
    Value {
        /// The element's place, from 0.
        index: u64,
        /// Elements times M.
        range: u64,
    },
    /// More than the padding of the last byte follows, or the padding is not zero.
    #[error("filter continues after its last element")]
    Trailing,
}

impl Filter {
    /// The filter over these elements, each counted once, of a block with this parent.
    #[must_use]
    pub fn build<E: AsRef<[u8]>>(parent: &BlockHash, elements: impl IntoIterator<Item = E>) -> Self {
        let mut elements: Vec<E> = elements.into_iter().collect();
        elements.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        elements.dedup_by(|one, other| one.as_ref() == other.as_ref());

        let count = elements.len() as u64;
        let values = Hasher::new(parent, count).sorted(elements);
        let mut bytes = Vec::with_capacity(9 + values.len() * 3);
        write_compact_size(&mut bytes, count);
        let mut writer = BitWriter::new(bytes);
        let mut last = 0;
        for value in values {
            writer.write_delta(value - last, REMAINDER_BITS);
            last = value;
        }
        Self { bytes: writer.finish().into() }
    }

    /// The filter of exactly these bytes.
    ///
    /// # Errors
    /// [`FilterError`], if there are more than `limit` bytes or they are not the encoding of any set.
    pub fn from_bytes(bytes: &[u8], limit: usize) -> Result<Self, FilterError> {
        if bytes.len() > limit {
            return Err(FilterError::TooLong { found: bytes.len(), limit });
        }
        let (count, bits) = read_count(bytes).ok_or(FilterError::Count)?;
        let most = bits.len() as u64 * 8 / ELEMENT_BITS_MIN;
        if count > most {
            return Err(FilterError::Elements { found: count, limit: most });
        }
        let range = range(count);
        let mut reader = BitReader::new(bits);
        let mut value = 0;
        for index in 0..count {
            let delta = reader.read_delta(REMAINDER_BITS).map_err(|Ended| FilterError::Truncated { index })?;
            value += delta;
            if value >= range {
                return Err(FilterError::Value { index, range });
            }
        }
        if !reader.is_at_end() {
            return Err(FilterError::Trailing);
        }
        Ok(Self { bytes: bytes.into() })
    }

    /// The filter's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash that the block's commitments carry.
    #[must_use]
    pub fn hash(&self) -> FilterHash {
        FilterHash::from_bytes(sha256d(&self.bytes))
    }

    /// The number of distinct elements.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.parts().0
    }

    /// Whether one of the queries may be among the elements of the filter of a block with this parent. Costs one pass over the
    /// filter, however many queries there are.
    #[must_use]
    pub fn match_any<Q: AsRef<[u8]>>(&self, parent: &BlockHash, queries: impl IntoIterator<Item = Q>) -> bool {
        let (count, bits) = self.parts();
        if count == 0 {
            return false;
        }
        let queries = Hasher::new(parent, count).sorted(queries);
        let mut queries = queries.into_iter().peekable();
        let mut reader = BitReader::new(bits);
        let mut value = 0;
        for _ in 0..count {
            value += reader.read_delta(REMAINDER_BITS).unwrap_or_else(|Ended| unreachable!("{WELL_FORMED}"));
            while queries.next_if(|query| *query < value).is_some() {}
            match queries.peek() {
                None => return false,
                Some(query) if *query == value => return true,
                Some(_) => {}
            }
        }
        false
    }

    fn parts(&self) -> (u64, &[u8]) {
        read_count(&self.bytes).expect(WELL_FORMED)
    }
}

const WELL_FORMED: &str = "a filter is well-formed from its making on";

fn read_count(bytes: &[u8]) -> Option<(u64, &[u8])> {
    read_compact_size(bytes).ok().flatten()
}

/// The end of the range that the elements hash to. The elements are counted from memory or bounded by bits, so far below 2^44.
const fn range(count: u64) -> u64 {
    count * FALSE_POSITIVE_RATE
}

/// Hashes elements to values below elements × M.
struct Hasher {
    sip: SipHasher24,
    range: u64,
}

impl Hasher {
    fn new(parent: &BlockHash, count: u64) -> Self {
        let (key, _) = parent.as_bytes().split_first_chunk().expect("32 bytes have a first 16");
        Self { sip: SipHasher24::new_with_key(key), range: range(count) }
    }

    /// The hash of an element, scaled from 64 bits to the range by a multiplication (BIP 158, "Hashing Data Objects").
    fn value(&self, element: &[u8]) -> u64 {
        let product = u128::from(self.sip.hash(element)) * u128::from(self.range);
        u64::try_from(product >> 64).expect("the upper half of 128 bits")
    }

    fn sorted<E: AsRef<[u8]>>(&self, elements: impl IntoIterator<Item = E>) -> Vec<u64> {
        let mut values: Vec<u64> = elements.into_iter().map(|element| self.value(element.as_ref())).collect();
        values.sort_unstable();
        values
    }
}

#[cfg(test)]
mod tests;
