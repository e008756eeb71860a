//! From a passphrase to keys: Argon2id (RFC 9106), then HKDF-SHA256 (RFC 5869) for one key to encrypt with and one to check.

use argon2::{Algorithm, Argon2, Params, Version};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::KeystoreError;
use crate::wallet::passphrase::Passphrase;

/// What one guess at a passphrase costs.
///
/// Invariant: within the limits below, whoever wrote the file. A hostile file can cost its reader at most
/// [`KdfParams::MEMORY_KIB_MAX`] of memory and [`KdfParams::WORK_KIB_MAX`] of memory passed over: seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfParams {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// 64 MiB, three passes, one lane: about 0.15 s, and nothing that a phone's browser cannot spare. RFC 9106 §4 recommends it with four
/// lanes; one, because a browser has one thread.
impl Default for KdfParams {
    fn default() -> Self {
        Self { memory_kib: 64 << 10, passes: 3, lanes: 1 }
    }
}

/// The two keys of a keystore.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct KeystoreKeys {
    pub(super) encryption: [u8; 32],
    pub(super) check: [u8; 32],
}

impl KdfParams {
    /// The most memory, in KiB: 512 MiB.
    pub const MEMORY_KIB_MAX: u32 = 512 << 10;
    /// The most passes over the memory.
    pub const PASSES_MAX: u32 = 64;
    /// The most lanes.
    pub const LANES_MAX: u32 = 8;
    /// The most work, memory times passes, in KiB: 2 GiB, ten times the default.
    pub const WORK_KIB_MAX: u32 = 2 << 20;

    /// Argon2id with this much memory, so many passes and lanes. Fewer than [`KdfParams::default`] make guessing cheaper.
    ///
    /// # Errors
    /// [`KeystoreError::Kdf`] for a number outside its range.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, KeystoreError> {
        check_range("lanes", lanes, 1, Self::LANES_MAX)?;
        // RFC 9106 §3.1: at least eight blocks of a KiB for each lane.
        check_range("memory in KiB", memory_kib, 8 * lanes, Self::MEMORY_KIB_MAX)?;
        check_range("passes", passes, 1, Self::PASSES_MAX.min(Self::WORK_KIB_MAX / memory_kib))?;
        Ok(Self { memory_kib, passes, lanes })
    }

    /// Memory in KiB.
    #[must_use]
    pub const fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    #[must_use]
    pub const fn passes(self) -> u32 {
        self.passes
    }

    /// Lanes.
    #[must_use]
    pub const fn lanes(self) -> u32 {
        self.lanes
    }

    /// Makes the keys of a passphrase.
    pub(super) fn keys(self, passphrase: &Passphrase, salt: &[u8; 16]) -> Result<KeystoreKeys, KeystoreError> {
        let mut stretched = Zeroizing::new([0; 32]);
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(stretched.len()));
        let params = params.expect("the ranges of KdfParams lie within those of Argon2");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_str().as_bytes(), salt, &mut *stretched)
            .map_err(|_| KeystoreError::Memory { kib: self.memory_kib })?;
        let hkdf = Hkdf::<Sha256>::new(None, &*stretched);
        let mut keys = KeystoreKeys { encryption: [0; 32], check: [0; 32] };
        for (info, key) in
            [("qbtc/keystore/encryption", &mut keys.encryption), ("qbtc/keystore/check", &mut keys.check)]
        {
            hkdf.expand(info.as_bytes(), key).expect("32 bytes are within HKDF's 255 blocks");
        }
        Ok(keys)
    }
}

fn check_range(what: &'static str, found: u32, least: u32, most: u32) -> Result<(), KeystoreError> {
    if (least..=most).contains(&found) { Ok(()) } else { Err(KeystoreError::Kdf { what, found, least, most }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use argon2::{AssociatedData, ParamsBuilder};

    #[test]
    fn ranges_are_kept_at_their_edges() {
        let refused = |what, found, least, most| Err(KeystoreError::Kdf { what, found, least, most });
        assert!(KdfParams::new(8, 1, 1).is_ok());
        assert_eq!(KdfParams::new(7, 1, 1), refused("memory in KiB", 7, 8, 512 << 10));
        assert!(KdfParams::new(64, 1, 8).is_ok());
        assert_eq!(KdfParams::new(63, 1, 8), refused("memory in KiB", 63, 64, 512 << 10));
        assert_eq!(KdfParams::new(64, 1, 0), refused("lanes", 0, 1, 8));
        assert_eq!(KdfParams::new(128, 1, 9), refused("lanes", 9, 1, 8));
        assert_eq!(KdfParams::new(8, 0, 1), refused("passes", 0, 1, 64));
        assert!(KdfParams::new(8, 64, 1).is_ok());
        assert_eq!(KdfParams::new(8, 65, 1), refused("passes", 65, 1, 64));
        assert!(KdfParams::new(512 << 10, 4, 1).is_ok());
        assert_eq!(KdfParams::new(512 << 10, 5, 1), refused("passes", 5, 1, 4));
        assert!(KdfParams::new((512 << 10) + 1, 1, 1).is_err());
        let KdfParams { memory_kib, passes, lanes } = KdfParams::default();
        assert_eq!(KdfParams::new(memory_kib, passes, lanes), Ok(KdfParams::default()));
    }

    /// RFC 9106 §5.3, to see that the crate is built right on this target.
    #[test]
    fn the_vector_of_rfc_9106_holds() {
        let params = ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(AssociatedData::new(&[4; 12]).unwrap())
            .output_len(32)
            .build()
            .unwrap();
        let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut tag = [0; 32];
        argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
        assert_eq!(hex::encode(tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
    }
}
