//! How a wallet's files are wrapped: `magic ‖ version u8 ‖ encoded content ‖ sha256d of all before`, so that another kind of file, a
//! newer program's, and a damaged one are told apart. The checksum is against accidents and not against liars.

use qbtc_core::codec::{self, CodecError};
use qbtc_core::hash::sha256d;
use serde::Serialize;
use serde::de::DeserializeOwned;

const CHECKSUM_BYTES: usize = 32;

/// What tells one kind of file from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope {
    pub(super) magic: [u8; 8],
    pub(super) version: u8,
}

/// Why bytes are no such file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Something else, or cut short.
    #[error("its file is of another kind, or cut short")]
    Magic,
    /// Written by a newer program.
    #[error("its file has version {found}, and this program reads {expected}")]
    Version {
        /// Version found.
        found: u8,
        /// Version known.
        expected: u8,
    },
    /// Bytes have changed.
    #[error("its file is damaged")]
    Checksum,
    /// Malformed bytes under a good checksum: the fault of the program that wrote them.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Envelope {
    pub(super) fn wrap(self, content: &impl Serialize) -> Vec<u8> {
        let mut bytes = [&self.magic[..], &[self.version], &codec::encode(content)].concat();
        let checksum = sha256d(&bytes);
        bytes.extend(checksum);
        bytes
    }

    /// Reads what [`Envelope::wrap`] wrote, of at most so many bytes.
    pub(super) fn unwrap<T: DeserializeOwned + Serialize>(
        self,
        bytes: &[u8],
        limit: usize,
    ) -> Result<T, EnvelopeError> {
        self.unwrap_extended(bytes, &[], limit)
    }

    /// Reads what [`Envelope::wrap`] wrote of content that had not yet what these bytes encode, behind all that it had.
    pub(super) fn unwrap_extended<T: DeserializeOwned + Serialize>(
        self,
        bytes: &[u8],
        extension: &[u8],
        limit: usize,
    ) -> Result<T, EnvelopeError> {
        let body = bytes.strip_prefix(&self.magic).ok_or(EnvelopeError::Magic)?;
        let (found, body) = body.split_first().ok_or(EnvelopeError::Magic)?;
        if *found != self.version {
            return Err(EnvelopeError::Version { found: *found, expected: self.version });
        }
        let (encoded, checksum) = body.split_last_chunk::<CHECKSUM_BYTES>().ok_or(EnvelopeError::Magic)?;
        if sha256d(&bytes[..bytes.len() - CHECKSUM_BYTES]) != *checksum {
            return Err(EnvelopeError::Checksum);
        }
        if extension.is_empty() {
            return Ok(codec::decode(encoded, limit)?);
        }
        Ok(codec::decode(&[encoded, extension].concat(), limit)?)
    }
}
