//! The file that keeps a wallet's secrets, encrypted under a passphrase.
//!
//! Bytes, numbers little-endian:
//!
//! | from | length | |
//! |---|---|---|
//! | 0 | 8 | `qbtckeys` |
//! | 8 | 1 | version, 1 |
//! | 9 | 3 | zero |
//! | 12 | 12 | Argon2id's memory in KiB, passes, lanes |
//! | 24 | 16 | salt |
//! | 40 | 32 | key check |
//! | 72 | 24 | nonce |
//! | 96 | 4 | length of the ciphertext |
//! | 100 | 20 | zero |
//! | 120 | 8 | checksum: the first bytes of sha256d of all before |
//! | 128 | … | ciphertext and tag: XChaCha20-Poly1305 over the content, the whole header authenticated with it |
//!
//! Argon2id makes 32 bytes of the passphrase; HKDF-SHA256 makes of them a key to encrypt with and, under another label, the key check.
//!
//! **What is wrong is told apart.** A damaged header fails its checksum before any work is done; a short file is
//! [`KeystoreError::Truncated`]; with a sound header, a key check that differs means [`KeystoreError::WrongPassphrase`]; and if the key
//! check is right and the tag is not, the ciphertext is damaged. Every version keeps its checksum in the last 8 of 128 bytes, so a
//! flipped version is damage, not a future version.
//!
//! **The key check tells a thief nothing new.** Whoever has the file can test a guess against the tag already, and pays for Argon2id
//! either way, beside which all else is nothing. HKDF's outputs are independent: the key check is no help towards the encryption
//! key. It even adds something, since the tag alone does not commit to a key: one can make a ciphertext that opens under many
//! keys and so test many guesses at once with an honest reader. 32 bytes of a hash do commit.

mod content;
mod kdf;

use alloc::vec::Vec;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

pub use content::{KeystoreContent, Label};
pub use kdf::KdfParams;

use crate::crypto::ENTROPY_BYTES;
use crate::hash::{sha256d, tagged};
use crate::wallet::passphrase::Passphrase;

const MAGIC: [u8; 8] = *b"qbtckeys";
const TAG_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 8;

/// An encrypted wallet: a keystore file, read but not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keystore {
    kdf: KdfParams,
    salt: [u8; 16],
    key_check: [u8; 32],
    nonce: [u8; 24],
    ciphertext: Vec<u8>,
}

/// Why a file is no keystore, or does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    /// Something else.
    #[error("not a keystore: it does not begin with \"qbtckeys\"")]
    Magic,
    /// It ends early.
    #[error("keystore of {found} bytes is cut short: expected {expected}")]
    Truncated {
        /// Bytes found.
        found: usize,
        /// Bytes of the whole.
        expected: usize,
    },
    /// Bytes behind the end.
    #[error("keystore of {found} bytes: expected {expected}")]
    Trailing {
        /// Bytes found.
        found: usize,
        /// Bytes of the whole.
        expected: usize,
    },
    /// The header's checksum fails: the file is damaged. The passphrase was not tried.
    #[error("the keystore's header is damaged; use a copy of the file, or the words")]
    HeaderDamaged,
    /// Written by a newer program.
    #[error("keystore of version {found}: expected {}", Keystore::VERSION)]
    Version {
        /// Version found.
        found: u8,
    },
    /// A header that no program writes, though its checksum holds.
    #[error("the keystore's header has bytes set that must be zero")]
    Reserved,
    /// A cost that is absurd or dangerous.
    #[error("keystore's {what}: {found}, expected {least} to {most}")]
    Kdf {
        /// Which cost.
        what: &'static str,
        /// The number found.
        found: u32,
        /// The least allowed.
        least: u32,
        /// The most allowed.
        most: u32,
    },
    /// A ciphertext that no content makes.
    #[error("keystore with a ciphertext of {found} bytes: expected {least} to {most}")]
    CiphertextLength {
        /// Bytes found.
        found: u32,
        /// The least allowed.
        least: usize,
        /// The most allowed.
        most: usize,
    },
    /// Less memory than Argon2id needs.
    #[error("{kib} KiB of memory are needed to open the keystore, and are not to be had")]
    Memory {
        /// Memory in KiB.
        kib: u32,
    },
    /// The file is sound, the passphrase is another.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The passphrase is right, but the ciphertext is damaged.
    #[error("the passphrase is right, but the keystore's content is damaged; use a copy of the file, or the words")]
    CiphertextDamaged,
    /// What was encrypted is no content: the fault of the program that wrote it.
    #[error("the keystore opens, but what is in it is no wallet")]
    Content,
    /// Too many labels.
    #[error("{found} labels: expected at most {limit}")]
    Labels {
        /// Labels found.
        found: usize,
        /// Labels allowed.
        limit: usize,
    },
    /// A label too long.
    #[error("label {index} with a part of {found} bytes: expected at most {limit}")]
    LabelLength {
        /// The label's place.
        index: usize,
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

impl Keystore {
    /// The only version so far.
    pub const VERSION: u8 = 1;
    /// The length of the header, of every version.
    pub const HEADER_BYTES: usize = 128;
    /// The longest ciphertext, with its tag.
    pub const CIPHERTEXT_BYTES_MAX: usize = KeystoreContent::BYTES_MAX + TAG_BYTES;
    /// The longest file.
    pub const BYTES_MAX: usize = Self::HEADER_BYTES + Self::CIPHERTEXT_BYTES_MAX;

    /// Encrypts a wallet under a passphrase.
    ///
    /// Salt and nonce come from the entropy, which must be fresh for each sealing: used twice under one passphrase, it gives away
    /// how the two contents differ.
    ///
    /// # Errors
    /// [`KeystoreError`] for labels beyond their limits, or too little memory.
    pub fn seal(
        content: &KeystoreContent,
        passphrase: impl Into<Passphrase>,
        kdf: KdfParams,
        entropy: &[u8; ENTROPY_BYTES],
    ) -> Result<Self, KeystoreError> {
        let plain = content.encode()?;
        let salt = first_bytes(&tagged("qbtc/keystore-salt", &[entropy]));
        let nonce = first_bytes(&tagged("qbtc/keystore-nonce", &[entropy]));
        let keys = kdf.keys(&passphrase.into(), &salt)?;
        let mut sealed = Self { kdf, salt, key_check: keys.check, nonce, ciphertext: Vec::new() };
        let aad = sealed.header(plain.len() + TAG_BYTES);
        let cipher = XChaCha20Poly1305::new(&keys.encryption.into());
        sealed.ciphertext = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &aad })
            .expect("the content is far below the cipher's limit of 256 GiB");
        Ok(sealed)
    }

    /// Decrypts the wallet.
    ///
    /// # Errors
    /// [`KeystoreError::WrongPassphrase`], [`KeystoreError::CiphertextDamaged`], or [`KeystoreError::Memory`].
    pub fn open(&self, passphrase: impl Into<Passphrase>) -> Result<KeystoreContent, KeystoreError> {
        let keys = self.kdf.keys(&passphrase.into(), &self.salt)?;
        // What the key check is compared with is public, and finding a passphrase that matches more of it costs as much as
        // finding the passphrase: time tells nothing here.
        if keys.check != self.key_check {
            return Err(KeystoreError::WrongPassphrase);
        }
        let cipher = XChaCha20Poly1305::new(&keys.encryption.into());
        let payload = Payload { msg: &self.ciphertext, aad: &self.header(self.ciphertext.len()) };
        let plain = cipher.decrypt(&XNonce::from(self.nonce), payload);
        let plain = Zeroizing::new(plain.map_err(|_| KeystoreError::CiphertextDamaged)?);
        KeystoreContent::decode(&plain)
    }

    /// The same wallet under another passphrase, or other costs. Whoever kept the old file can still open it with the old one.
    ///
    /// # Errors
    /// As [`Keystore::open`].
    pub fn change_passphrase(
        &self,
        old: impl Into<Passphrase>,
        new: impl Into<Passphrase>,
        kdf: KdfParams,
        entropy: &[u8; ENTROPY_BYTES],
    ) -> Result<Self, KeystoreError> {
        Self::seal(&self.open(old)?, new, kdf, entropy)
    }

    /// What opening costs.
    #[must_use]
    pub const fn kdf(&self) -> KdfParams {
        self.kdf
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.header(self.ciphertext.len())[..], &self.ciphertext].concat()
    }

    /// Reads a file, without opening it.
    ///
    /// # Errors
    /// [`KeystoreError`]; never [`KeystoreError::WrongPassphrase`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeystoreError> {
        let found = bytes.len();
        let compared = found.min(MAGIC.len());
        if bytes[..compared] != MAGIC[..compared] || found == 0 {
            return Err(KeystoreError::Magic);
        }
        let expected = Self::HEADER_BYTES;
        let (header, ciphertext) =
            bytes.split_first_chunk::<{ Self::HEADER_BYTES }>().ok_or(KeystoreError::Truncated { found, expected })?;
        let (mut sealed, length) = Self::from_header(header)?;
        let expected = Self::HEADER_BYTES + length;
        match ciphertext.len() {
            short if short < length => Err(KeystoreError::Truncated { found, expected }),
            long if long > length => Err(KeystoreError::Trailing { found, expected }),
            _ => {
                sealed.ciphertext = ciphertext.to_vec();
                Ok(sealed)
            }
        }
    }

    /// Everything but the ciphertext, and that one's length.
    fn from_header(header: &[u8; Self::HEADER_BYTES]) -> Result<(Self, usize), KeystoreError> {
        let (checked, checksum) = header.split_at(Self::HEADER_BYTES - CHECKSUM_BYTES);
        if sha256d(checked)[..CHECKSUM_BYTES] != *checksum {
            return Err(KeystoreError::HeaderDamaged);
        }
        let version = header[8];
        if version != Self::VERSION {
            return Err(KeystoreError::Version { found: version });
        }
        if header[9..12].iter().chain(&header[100..120]).any(|byte| *byte != 0) {
            return Err(KeystoreError::Reserved);
        }
        let number = |at: usize| u32::from_le_bytes(first_bytes(&header[at..]));
        let kdf = KdfParams::new(number(12), number(16), number(20))?;
        let (found, least, most) = (number(96), TAG_BYTES, Self::CIPHERTEXT_BYTES_MAX);
        let length = usize::try_from(found).ok().filter(|length| (least..=most).contains(length));
        let length = length.ok_or(KeystoreError::CiphertextLength { found, least, most })?;
        let sealed = Self {
            kdf,
            salt: first_bytes(&header[24..]),
            key_check: first_bytes(&header[40..]),
            nonce: first_bytes(&header[72..]),
            ciphertext: Vec::new(),
        };
        Ok((sealed, length))
    }

    fn header(&self, ciphertext_bytes: usize) -> [u8; Self::HEADER_BYTES] {
        let length = u32::try_from(ciphertext_bytes).expect("a ciphertext is bounded by CIPHERTEXT_BYTES_MAX");
        let mut header = [0; Self::HEADER_BYTES];
        header[..8].copy_from_slice(&MAGIC);
        header[8] = Self::VERSION;
        header[12..16].copy_from_slice(&self.kdf.memory_kib().to_le_bytes());
        header[16..20].copy_from_slice(&self.kdf.passes().to_le_bytes());
        header[20..24].copy_from_slice(&self.kdf.lanes().to_le_bytes());
        header[24..40].copy_from_slice(&self.salt);
        header[40..72].copy_from_slice(&self.key_check);
        header[72..96].copy_from_slice(&self.nonce);
        header[96..100].copy_from_slice(&length.to_le_bytes());
        let at = Self::HEADER_BYTES - CHECKSUM_BYTES;
        let checksum = first_bytes::<CHECKSUM_BYTES>(&sha256d(&header[..at]));
        header[at..].copy_from_slice(&checksum);
        header
    }
}

fn first_bytes<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("the layout has that many bytes there")
}

#[cfg(test)]
mod tests;
