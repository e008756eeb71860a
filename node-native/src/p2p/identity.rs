//! Who a node is on the network: an Ed25519 key, made at the first start and kept in the chain's folder.
//!
//! The key only says that a peer is the same one as before. It is no secret of the money kind, but whoever has it can pass for this node.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use libp2p::PeerId;
use libp2p::identity::{KeyType, Keypair};
use zeroize::Zeroizing;

use crate::files::write_private;

/// The key of a node. Shown as its peer id.
#[derive(Clone)]
pub struct Identity(Keypair);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or made.
    #[error("cannot use the node's key {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file holds no key.
    #[error(
        "the node's key {} is damaged: put a copy of it back, or remove it and the node takes a new peer id",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The file's name in a chain's folder.
const FILE: &str = "p2p.key";
/// The most bytes that are read of it; a key takes 68.
const FILE_BYTES_MAX: u64 = 1_024;

impl Identity {
    /// The key in a chain's folder, made if there is none. The folder is this process's alone.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn open(chain_dir: &Path) -> Result<Self, IdentityError> {
        let path = chain_dir.join(FILE);
        let failed = |error| IdentityError::Io { path: path.clone(), error };
        match File::open(&path) {
            Ok(file) => {
                let mut bytes = Zeroizing::new(Vec::new());
                file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
                let key = Keypair::from_protobuf_encoding(&bytes).ok();
                let key = key.filter(|key| key.key_type() == KeyType::Ed25519);
                key.map(Self).ok_or(IdentityError::Damaged { path })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let identity = Self::random();
                identity.write(&path).map_err(failed)?;
                Ok(identity)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// A key that is kept nowhere.
    #[must_use]
    pub fn random() -> Self {
        Self(Keypair::generate_ed25519())
    }

    /// The name by which others know the node.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.0.public().to_peer_id()
    }

    pub(super) const fn keypair(&self) -> &Keypair {
        &self.0
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        write_private(path, &Zeroizing::new(self.0.to_protobuf_encoding().map_err(io::Error::other)?))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.peer_id())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn it_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::open(folder.path()).unwrap();
        assert_eq!(Identity::open(folder.path()).unwrap().peer_id(), first.peer_id());
        assert_ne!(Identity::random().peer_id(), first.peer_id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let secret = hex::encode(first.keypair().to_protobuf_encoding().unwrap());
        assert!(!format!("{first:?}").contains(&secret[8..40]));
    }

    #[test]
    fn a_damaged_file_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let key = Keypair::generate_ed25519().to_protobuf_encoding().unwrap();
        for bytes in [&key[..key.len() - 1], b"", &[0; 4_096]] {
            fs::write(&path, bytes).unwrap();
            let told = Identity::open(folder.path()).unwrap_err().to_string();
            assert!(told.contains("p2p.key") && told.contains("damaged"), "{told}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
}
