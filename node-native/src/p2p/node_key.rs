//! The ML-DSA key of a node, which it shows to peers that ask ([`qbtc_core::net::IdentityAnswer`]), and what it asks of them itself.
//!
//! The key is made at the first start and kept beside `p2p.key`. As there, whoever has it can pass for this node, and no more.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use qbtc_core::crypto::{SEED_BYTES, SecretKey};
use qbtc_core::hash::sha256d;
use qbtc_core::net::{Claim, IdentityAnswer, KeyHash};
use zeroize::Zeroizing;

use super::identity::IdentityError;
use crate::files::write_private;

/// The file's name in a chain's folder.
const FILE: &str = "identity.key";
/// What the file begins with: its kind and its version.
const MAGIC: &[u8; 8] = b"qbtc-id\x01";
/// Bytes of the checksum at its end: the first of SHA-256d of all before them.
const CHECKSUM_BYTES: usize = 8;
const FILE_BYTES: usize = MAGIC.len() + SEED_BYTES + CHECKSUM_BYTES;

/// The key of a node. Shown as its hash. Clones are the same.
#[derive(Clone)]
pub struct NodeKey {
    secret: Arc<SecretKey>,
    hash: KeyHash,
}

/// Which peers a node has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RequiredIdentity {
    /// All of this chain.
    #[default]
    None,
    /// Those that show a key, whichever.
    Any,
    /// Those that show one of these keys.
    Only(BTreeSet<KeyHash>),
}

impl RequiredIdentity {
    /// Whether a peer that has shown this key is wanted.
    #[must_use]
    pub fn admits(&self, shown: KeyHash) -> bool {
        match self {
            Self::None | Self::Any => true,
            Self::Only(keys) => keys.contains(&shown),
        }
    }
}

impl NodeKey {
    /// The key in a chain's folder, made if there is none. The folder is this process's alone.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn open(chain_dir: &Path) -> Result<Self, IdentityError> {
        let path = chain_dir.join(FILE);
        let failed = |error| IdentityError::Io { path: path.clone(), error };
        match File::open(&path) {
            Ok(file) => {
                let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES + 1));
                file.take(FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
                let seed = seed_of(&bytes).ok_or(IdentityError::Damaged { path })?;
                Ok(Self::of(&seed))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let seed = random_seed();
                write_private(&path, &file_of(&seed)).map_err(failed)?;
                Ok(Self::of(&seed))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// A key that is kept nowhere.
    #[must_use]
    pub fn random() -> Self {
        Self::of(&random_seed())
    }

    /// Its name.
    #[must_use]
    pub const fn hash(&self) -> KeyHash {
        self.hash
    }

    /// Shows it. A millisecond's work.
    pub(super) fn answer(&self, claim: &Claim<'_>) -> IdentityAnswer {
        let mut entropy = Zeroizing::new([0; 32]);
        getrandom::fill(&mut entropy[..]).expect("the system has randomness, or no node could make keys");
        IdentityAnswer::new(&self.secret, claim, &entropy)
    }

    fn of(seed: &[u8; SEED_BYTES]) -> Self {
        let secret = Arc::new(SecretKey::from_seed(IdentityAnswer::SCHEME, seed));
        Self { hash: KeyHash::of(secret.public_key()), secret }
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({})", self.hash)
    }
}

fn random_seed() -> Zeroizing<[u8; SEED_BYTES]> {
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    getrandom::fill(&mut seed[..]).expect("the system has randomness, or no node could make keys");
    seed
}

fn file_of(seed: &[u8; SEED_BYTES]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(seed);
    let checksum = sha256d(&bytes);
    bytes.extend_from_slice(&checksum[..CHECKSUM_BYTES]);
    bytes
}

fn seed_of(bytes: &[u8]) -> Option<Zeroizing<[u8; SEED_BYTES]>> {
    let seed: &[u8; SEED_BYTES] = bytes.strip_prefix(MAGIC)?.first_chunk()?;
    (file_of(seed)[..] == *bytes).then(|| Zeroizing::new(*seed))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn it_stays_the_same_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = NodeKey::open(folder.path()).unwrap();
        assert_eq!(NodeKey::open(folder.path()).unwrap().hash(), first.hash());
        assert_ne!(NodeKey::random().hash(), first.hash());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_file_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        NodeKey::open(folder.path()).unwrap();
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1;
            assert!(seed_of(&bytes).is_none(), "byte {place}");
        }
        for bytes in [&whole[..whole.len() - 1], &[&whole[..], &[0]].concat(), b""] {
            fs::write(&path, bytes).unwrap();
            let told = NodeKey::open(folder.path()).unwrap_err().to_string();
            assert!(told.contains("identity.key") && told.contains("damaged"), "{told}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn those_are_admitted_that_are_named() {
        let (one, two) = (NodeKey::random().hash(), NodeKey::random().hash());
        assert!(RequiredIdentity::None.admits(one) && RequiredIdentity::Any.admits(one));
        let only = RequiredIdentity::Only([one].into());
        assert!(only.admits(one) && !only.admits(two));
    }
}
