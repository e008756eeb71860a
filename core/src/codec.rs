//! The only byte format: postcard, made canonical and bounded.
//!
//! Every structure but the header and the block's envelope is encoded here, and what is hashed is what is encoded. postcard
//! itself accepts overlong varints and ignores trailing bytes, either of which would give one value two encodings and so two
//! ids. [`decode`] therefore takes a size limit, refuses what is left over, and demands that encoding the value again gives the
//! very bytes it came from.
//!
//! Invariant: `decode(bytes) == Ok(value)` exactly if `encode(value) == bytes`, and decoding never allocates more than a small
//! multiple of the bytes that have really arrived: [`bounded`] and [`bytes`] grow with the data, never by a stated length.
//! No `usize` is ever encoded, so that all targets agree.

use alloc::vec::Vec;
use core::marker::PhantomData;

use postcard::{de_flavors, ser_flavors};
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Why bytes are not the encoding of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// More bytes than the caller allows.
    #[error("{what} of {found} bytes exceeds the limit of {limit}")]
    TooLong {
        /// The type that was expected.
        what: &'static str,
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes end early, or a tag, length or value in them is out of its range.
    #[error("malformed or truncated {what} in {found} bytes")]
    Malformed {
        /// The type that was expected.
        what: &'static str,
        /// Bytes found.
        found: usize,
    },
    /// Bytes are left after the value.
    #[error("{trailing} bytes after the end of {what}")]
    Trailing {
        /// The type that was expected.
        what: &'static str,
        /// Bytes left over.
        trailing: usize,
    },
    /// The bytes stand for a value whose encoding is different, for example by an overlong varint.
    #[error("{what} is not in its canonical encoding")]
    NotCanonical {
        /// The type that was expected.
        what: &'static str,
    },
}

/// Encodes a value.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    run(value, ser_flavors::AllocVec::new())
}

/// Appends a value's encoding to bytes.
pub fn encode_into<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    run(value, Appender(bytes));
}

/// The length of a value's encoding, in bytes.
#[must_use]
pub fn encoded_len<T: Serialize + ?Sized>(value: &T) -> usize {
    run(value, ser_flavors::Size::default())
}

/// SHA-256 applied twice to a value's encoding, without holding that encoding.
#[must_use]
pub fn sha256d<T: Serialize + ?Sized>(value: &T) -> [u8; 32] {
    Sha256::digest(hash_into(Sha256::new(), value).finalize()).into()
}

/// Feeds a value's encoding into a hash that has begun, without holding that encoding.
#[must_use]
pub(crate) fn hash_into<T: Serialize + ?Sized>(hash: Sha256, value: &T) -> Sha256 {
    run(value, Hasher { hash, gathered: [0; 64], count: 0 })
}

/// Decodes a value from exactly these bytes.
///
/// # Errors
/// [`CodecError`], if the bytes exceed `limit` or are anything but the canonical encoding of one value.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, CodecError> {
    let what = name_of::<T>();
    if bytes.len() > limit {
        return Err(CodecError::TooLong { what, found: bytes.len(), limit });
    }
    let (value, rest) = decode_prefix(bytes)?;
    if !rest.is_empty() {
        return Err(CodecError::Trailing { what, trailing: rest.len() });
    }
    Ok(value)
}

/// Decodes a value from the front of the bytes and returns what follows it. The caller has bounded the bytes.
///
/// # Errors
/// [`CodecError`], if the bytes do not begin with the canonical encoding of a value.
pub fn decode_prefix<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), CodecError> {
    let what = name_of::<T>();
    let malformed = |_| CodecError::Malformed { what, found: bytes.len() };
    let mut deserializer = postcard::Deserializer::from_flavor(de_flavors::Slice::new(bytes));
    let value = T::deserialize(&mut deserializer).map_err(malformed)?;
    let rest = deserializer.finalize().map_err(malformed)?;
    let mut again = postcard::Serializer { output: Comparison(bytes) };
    let is_same = value.serialize(&mut again).is_ok() && again.output.0.len() == rest.len();
    if !is_same {
        return Err(CodecError::NotCanonical { what });
    }
    Ok((value, rest))
}

/// The type's name without its path. Errors carry it, so it must not depend on the target.
fn name_of<T>() -> &'static str {
    let name = core::any::type_name::<T>();
    let path = name.split('<').next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path)
}

fn run<T: Serialize + ?Sized, F: ser_flavors::Flavor>(value: &T, flavor: F) -> F::Output {
    // postcard fails only for sequences of unknown length and for a full output. All our types know their lengths, and no
    // flavor used here can be full.
    postcard::serialize_with_flavor(value, flavor).expect("every encoded type has sequences of known length")
}

/// Appends what is serialized.
struct Appender<'a>(&'a mut Vec<u8>);

impl ser_flavors::Flavor for Appender<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Feeds what is serialized into a hash. Ids and numbers arrive byte by byte: they are gathered, since a hash takes a block at a
/// time much faster.
struct Hasher {
    hash: Sha256,
    gathered: [u8; 64],
    count: usize,
}

impl Hasher {
    fn flush(&mut self) {
        self.hash.update(&self.gathered[..self.count]);
        self.count = 0;
    }
}

impl ser_flavors::Flavor for Hasher {
    type Output = Sha256;

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.flush();
        self.hash.update(data);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.count == self.gathered.len() {
            self.flush();
        }
        self.gathered[self.count] = byte;
        self.count += 1;
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<Sha256> {
        self.flush();
        Ok(self.hash)
    }
}

/// Compares what is serialized with expected bytes; holds those that are still to come.
struct Comparison<'a>(&'a [u8]);

impl ser_flavors::Flavor for Comparison<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0 = self.0.strip_prefix(data).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// The first of these whose encodings have at most `bytes_max` bytes together.
pub(crate) fn fitting<T: Serialize>(all: impl Iterator<Item = T>, bytes_max: usize) -> Vec<T> {
    let mut room = bytes_max;
    let mut fitting = Vec::new();
    for one in all {
        let Some(rest) = room.checked_sub(encoded_len(&one)) else { break };
        room = rest;
        fitting.push(one);
    }
    fitting
}

/// Sequences of at most `MAX` elements: `#[serde(deserialize_with = "codec::bounded::<_, _, MAX>")]`.
///
/// # Errors
/// A serde error at the first element beyond `MAX`.
pub fn bounded<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Elements<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Elements<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            write!(f, "at most {MAX} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = sequence.next_element()? {
                if elements.len() == MAX {
                    return Err(A::Error::invalid_length(MAX + 1, &self));
                }
                elements.push(element);
            }
            Ok(elements)
        }
    }

    deserializer.deserialize_seq(Elements::<T, MAX>(PhantomData))
}

/// Byte strings: a length and the bytes as they are; hex where people read it.
/// `#[serde(serialize_with = "codec::bytes::serialize", deserialize_with = "codec::bytes::deserialize::<_, MAX>")]`.
pub mod bytes {
    use super::*;
    use alloc::boxed::Box;
    use alloc::string::String;

    /// Writes a byte string.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&hex::encode(bytes))
        } else {
            serializer.serialize_bytes(bytes)
        }
    }

    /// Reads a byte string of at most `MAX` bytes; a longer one is refused before it is copied.
    ///
    /// # Errors
    /// A serde error for a longer string, or for text that is not hex.
    pub fn deserialize<'de, D: Deserializer<'de>, const MAX: usize>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
        struct ByteString<const MAX: usize>;

        impl<const MAX: usize> Visitor<'_> for ByteString<MAX> {
            type Value = Box<[u8]>;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "at most {MAX} bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Box<[u8]>, E> {
                if bytes.len() > MAX {
                    return Err(E::invalid_length(bytes.len(), &self));
                }
                Ok(bytes.into())
            }
        }

        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let bytes = hex::decode(&text).map_err(D::Error::custom)?;
            return ByteString::<MAX>.visit_bytes(&bytes);
        }
        deserializer.deserialize_bytes(ByteString::<MAX>)
    }
}

/// Arrays of exactly `N` bytes, without a length; hex where people read it. `#[serde(with = "codec::array")]`.
pub mod array {
    use super::*;
    use alloc::string::String;
    use serde::ser::SerializeTuple;

    /// Writes the bytes.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.serialize_str(&hex::encode(bytes));
        }
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in bytes {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }

    /// Reads `N` bytes.
    ///
    /// # Errors
    /// A serde error for another number of bytes, or for text that is not hex.
    pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
        struct Array<const N: usize>;

        impl<'de, const N: usize> Visitor<'de> for Array<N> {
            type Value = [u8; N];

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{N} bytes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<[u8; N], A::Error> {
                let mut bytes = [0; N];
                for (index, byte) in bytes.iter_mut().enumerate() {
                    *byte = sequence.next_element()?.ok_or_else(|| A::Error::invalid_length(index, &self))?;
                }
                Ok(bytes)
            }
        }

        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let mut bytes = [0; N];
            hex::decode_to_slice(&text, &mut bytes).map_err(D::Error::custom)?;
            return Ok(bytes);
        }
        deserializer.deserialize_tuple(N, Array::<N>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        number: u32,
        #[serde(deserialize_with = "bounded::<_, _, 2>")]
        list: Vec<u16>,
        #[serde(serialize_with = "bytes::serialize", deserialize_with = "bytes::deserialize::<_, 3>")]
        text: alloc::boxed::Box<[u8]>,
    }

    fn sample() -> Sample {
        Sample { number: 300, list: alloc::vec![1, 2], text: (*b"abc").into() }
    }

    /// The postcard specification: varints are LEB128, sequences and byte strings have a varint length.
    const SAMPLE: [u8; 9] = [0xac, 0x02, 2, 1, 2, 3, b'a', b'b', b'c'];

    #[test]
    fn value_and_bytes_are_one_to_one() {
        assert_eq!(encode(&sample()), SAMPLE);
        assert_eq!(encoded_len(&sample()), SAMPLE.len());
        let mut bytes = SAMPLE.to_vec();
        encode_into(&sample(), &mut bytes);
        assert_eq!(bytes, [SAMPLE, SAMPLE].concat());
        assert_eq!(decode(&SAMPLE, 9), Ok(sample()));
        assert_eq!(sha256d(&sample()), <[u8; 32]>::from(Sha256::digest(Sha256::digest(SAMPLE))));
    }

    #[test]
    fn refuses_all_but_the_canonical_bytes() {
        let what = "Sample";
        assert_eq!(decode::<Sample>(&SAMPLE, 8), Err(CodecError::TooLong { what, found: 9, limit: 8 }));
        assert_eq!(decode::<Sample>(&SAMPLE[..8], 9), Err(CodecError::Malformed { what, found: 8 }));
        let trailing = [&SAMPLE[..], &[0]].concat();
        assert_eq!(decode::<Sample>(&trailing, 99), Err(CodecError::Trailing { what, trailing: 1 }));
        let overlong = [0xac, 0x82, 0x00, 2, 1, 2, 3, b'a', b'b', b'c'];
        assert_eq!(decode::<Sample>(&overlong, 99), Err(CodecError::NotCanonical { what }));
    }

    #[test]
    fn refuses_long_sequences_and_strings() {
        let long_list = [0, 3, 1, 2, 3, 0];
        assert_eq!(decode::<Sample>(&long_list, 99), Err(CodecError::Malformed { what: "Sample", found: 6 }));
        let long_text = [0, 0, 4, 1, 2, 3, 4];
        assert_eq!(decode::<Sample>(&long_text, 99), Err(CodecError::Malformed { what: "Sample", found: 7 }));
        // A stated length of 2^32 − 1 elements, and nothing behind it: refused without an allocation for them.
        let absurd = [0, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(decode::<Sample>(&absurd, 99), Err(CodecError::Malformed { what: "Sample", found: 6 }));
    }
}
