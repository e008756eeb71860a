//! A wallet's folder: its files, the lock on it, and writing so that a crash leaves the old file or the new one.
//!
//! | file | holds |
//! |---|---|
//! | `keystore` | the words, encrypted. Whoever loses it and the words loses the money. |
//! | `watch` | in place of the keystore, the addresses of a wallet that only watches |
//! | `account` | addresses, coins, history. Holds no secret, and is found again on the chain if it is lost. |
//! | `labels` | what the user wrote beside addresses and payments, if anything |
//! | `lock` | nothing; whoever has the wallet open holds a lock on it, which ends with the process |
//!
//! On Unix only the owner can read any of them.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use qbtc_core::wallet::keystore::Keystore;

use super::labels::Labels;
use super::state::WalletState;
use super::watched::Watched;
use crate::files::{private_options, sync_folder, write_private};

const KEYSTORE: &str = "keystore";
const WATCHED: &str = "watch";
const STATE: &str = "account";
const LABELS: &str = "labels";
const LOCK: &str = "lock";

/// A wallet's folder, locked for as long as this lives.
#[derive(Debug)]
pub struct WalletFolder {
    name: String,
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

/// What makes a folder a wallet: bytes that cannot be found again on the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFile {
    /// The keystore.
    Sealed(Vec<u8>),
    /// The addresses that are watched.
    Watched(Vec<u8>),
}

/// What can be wrong with a wallet's files.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A name that is no plain name of a folder.
    #[error("{0:?} is no name for a wallet: expected 1 to {max} letters, digits, `-` and `_`", max = WalletFolder::NAME_CHARS_MAX)]
    Name(String),
    /// No such wallet.
    #[error("there is no wallet {name:?} in {}; `qbtc wallet create` makes one", wallets.display())]
    NotFound {
        /// The name.
        name: String,
        /// Where it was looked for.
        wallets: PathBuf,
    },
    /// A wallet of that name.
    #[error("there is a wallet {name:?} already, in {}; choose another name", path.display())]
    Exists {
        /// The name.
        name: String,
        /// Where it is.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("wallet {name:?} is in use by another qbtc; try again once that has ended")]
    InUse {
        /// The name.
        name: String,
    },
    /// A file that is longer than any that was written.
    #[error("{} of {found} bytes exceeds the limit of {limit}", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The system refuses.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

impl WalletFolder {
    /// The longest name, in characters.
    pub const NAME_CHARS_MAX: usize = 64;

    /// Makes the folder of a new wallet, with both its files.
    ///
    /// # Errors
    /// [`FolderError`], above all if there is one of this name.
    pub fn create(wallets: &Path, name: &str, keys: &KeyFile, state: &[u8]) -> Result<Self, FolderError> {
        check_name(name)?;
        make_folder(wallets)?;
        let path = wallets.join(name);
        if is_wallet(&path) {
            return Err(FolderError::Exists { name: name.to_owned(), path });
        }
        make_folder(&path)?;
        let folder = Self { name: name.to_owned(), _lock: lock(&path, name)?, path };
        // The keys are what makes it a wallet, so they come last; and somebody may have been faster.
        if is_wallet(&folder.path) {
            return Err(FolderError::Exists { name: folder.name, path: folder.path });
        }
        folder.write_state(state)?;
        folder.write_keys(keys)?;
        sync_folder(wallets).map_err(failed("write", wallets))?;
        Ok(folder)
    }

    /// Opens and locks a wallet's folder.
    ///
    /// # Errors
    /// [`FolderError::NotFound`] and [`FolderError::InUse`] among others.
    pub fn open(wallets: &Path, name: &str) -> Result<Self, FolderError> {
        check_name(name)?;
        let path = wallets.join(name);
        if !is_wallet(&path) {
            return Err(FolderError::NotFound { name: name.to_owned(), wallets: wallets.to_owned() });
        }
        Ok(Self { name: name.to_owned(), _lock: lock(&path, name)?, path })
    }

    /// The names of all wallets of a folder, in order.
    ///
    /// # Errors
    /// [`FolderError::Io`]. A folder that is not there has none.
    pub fn list(wallets: &Path) -> Result<Vec<String>, FolderError> {
        let entries = match fs::read_dir(wallets) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed("list", wallets))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed("list", wallets))?;
            let name = entry.file_name().into_string().ok().filter(|name| check_name(name).is_ok());
            names.extend(name.filter(|_| is_wallet(&entry.path())));
        }
        names.sort();
        Ok(names)
    }

    /// The wallet's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the keystore, or the addresses that are watched.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn read_keys(&self) -> Result<KeyFile, FolderError> {
        let keystore = self.path.join(KEYSTORE);
        if keystore.exists() {
            return read(&keystore, Keystore::BYTES_MAX as u64).map(KeyFile::Sealed);
        }
        read(&self.path.join(WATCHED), Watched::BYTES_MAX as u64).map(KeyFile::Watched)
    }

    /// Reads the labels; `None` if there is no file.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn read_labels(&self) -> Result<Option<Vec<u8>>, FolderError> {
        read_if_there(&self.path.join(LABELS), Labels::BYTES_MAX as u64)
    }

    /// Reads the account; `None` if there is no file.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn read_state(&self) -> Result<Option<Vec<u8>>, FolderError> {
        read_if_there(&self.path.join(STATE), WalletState::BYTES_MAX as u64)
    }

    /// Writes the keystore, or the addresses that are watched.
    ///
    /// # Errors
    /// [`FolderError::Io`], with the old file in place.
    pub fn write_keys(&self, keys: &KeyFile) -> Result<(), FolderError> {
        match keys {
            KeyFile::Sealed(bytes) => write(&self.path, KEYSTORE, bytes),
            KeyFile::Watched(bytes) => write(&self.path, WATCHED, bytes),
        }
    }

    /// Writes the labels.
    ///
    /// # Errors
    /// [`FolderError::Io`], with the old file in place.
    pub fn write_labels(&self, bytes: &[u8]) -> Result<(), FolderError> {
        write(&self.path, LABELS, bytes)
    }

    /// Writes the account.
    ///
    /// # Errors
    /// [`FolderError::Io`], with the old file in place.
    pub fn write_state(&self, bytes: &[u8]) -> Result<(), FolderError> {
        write(&self.path, STATE, bytes)
    }
}

/// Writes a file that only the owner can read, and never in the place of another: a backup.
///
/// # Errors
/// [`FolderError::Io`], also if there is a file of this name.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let written = private_options().create_new(true).open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(failed("write", path))
}

/// Reads a file of at most so many bytes.
///
/// # Errors
/// [`FolderError`].
pub fn read_bounded(path: &Path, limit: usize) -> Result<Vec<u8>, FolderError> {
    read(path, limit as u64)
}

fn is_wallet(path: &Path) -> bool {
    path.join(KEYSTORE).exists() || path.join(WATCHED).exists()
}

fn read_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FolderError> {
    if path.exists() { read(path, limit).map(Some) } else { Ok(None) }
}

fn check_name(name: &str) -> Result<(), FolderError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=WalletFolder::NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(FolderError::Name(name.chars().take(WalletFolder::NAME_CHARS_MAX).collect()))
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> FolderError {
    move |error| FolderError::Io { action, path: path.to_owned(), error }
}

/// Makes a folder and those that it lies in.
fn make_folder(path: &Path) -> Result<(), FolderError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed("make the folder", path))
}

fn lock(folder: &Path, name: &str) -> Result<File, FolderError> {
    let path = folder.join(LOCK);
    let file = private_options().create(true).truncate(true).open(&path).map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FolderError::InUse { name: name.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
    }
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FolderError> {
    let failed = failed("read", path);
    let file = File::open(path).map_err(&failed)?;
    let found = file.metadata().map_err(&failed)?.len();
    if found > limit {
        return Err(FolderError::TooLong { path: path.to_owned(), found, limit });
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(&failed)?;
    Ok(bytes)
}

/// Writes a file in the place of the old one. The folder's lock keeps others away meanwhile.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
    let path = folder.join(name);
    write_private(&path, bytes).map_err(failed("write", &path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> KeyFile {
        KeyFile::Sealed(bytes.to_vec())
    }

    #[test]
    fn a_watched_wallet_is_one_too_and_labels_lie_beside() {
        let folder = tempfile::tempdir().unwrap();
        let watched = KeyFile::Watched(b"addresses".to_vec());
        let wallet = WalletFolder::create(folder.path(), "till", &watched, b"state").unwrap();
        assert_eq!((wallet.read_keys().unwrap(), wallet.read_labels().unwrap()), (watched, None));
        wallet.write_labels(b"{}").unwrap();
        assert_eq!(wallet.read_labels().unwrap(), Some(b"{}".to_vec()));
        drop(wallet);
        assert_eq!(WalletFolder::list(folder.path()).unwrap(), ["till"]);
        let refused = WalletFolder::create(folder.path(), "till", &keys(b"k"), b"s");
        assert!(matches!(refused, Err(FolderError::Exists { .. })));
    }

    #[test]
    fn a_backup_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        write_new(&path, b"one").unwrap();
        assert!(matches!(write_new(&path, b"two"), Err(FolderError::Io { .. })));
        assert_eq!(read_bounded(&path, 3).unwrap(), b"one");
        assert!(matches!(read_bounded(&path, 2), Err(FolderError::TooLong { .. })));
    }

    #[test]
    fn a_wallet_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let wallets = folder.path().join("deep/wallets");
        assert_eq!(WalletFolder::list(&wallets).unwrap(), Vec::<String>::new());
        let made = WalletFolder::create(&wallets, "savings", &keys(b"keys"), b"state").unwrap();
        assert_eq!((made.name(), made.read_keys().unwrap()), ("savings", keys(b"keys")));
        assert_eq!(made.read_state().unwrap(), Some(b"state".to_vec()));
        made.write_state(b"later").unwrap();
        drop(made);
        assert!(matches!(
            WalletFolder::create(&wallets, "savings", &keys(b"other"), b""),
            Err(FolderError::Exists { .. })
        ));
        let again = WalletFolder::open(&wallets, "savings").unwrap();
        assert_eq!(again.read_state().unwrap(), Some(b"later".to_vec()));
        assert_eq!(WalletFolder::list(&wallets).unwrap(), ["savings"]);
        let error = WalletFolder::open(&wallets, "other").unwrap_err();
        assert!(matches!(error, FolderError::NotFound { .. }), "{error}");
    }

    #[test]
    fn two_cannot_have_it_open() {
        let folder = tempfile::tempdir().unwrap();
        let first = WalletFolder::create(folder.path(), "a", &keys(b"k"), b"s").unwrap();
        assert!(matches!(WalletFolder::open(folder.path(), "a"), Err(FolderError::InUse { .. })));
        drop(first);
        WalletFolder::open(folder.path(), "a").unwrap();
    }

    #[test]
    fn a_half_written_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let wallet = WalletFolder::create(folder.path(), "a", &keys(b"keys"), b"state").unwrap();
        fs::write(wallet.path().join("keystore.new"), b"half").unwrap();
        assert_eq!(wallet.read_keys().unwrap(), keys(b"keys"));
        wallet.write_keys(&keys(b"whole")).unwrap();
        assert_eq!(wallet.read_keys().unwrap(), keys(b"whole"));
        // Where the file cannot be put in its place, the old one stays.
        fs::create_dir(wallet.path().join("account.new")).unwrap();
        assert!(matches!(wallet.write_state(b"other"), Err(FolderError::Io { .. })));
        assert_eq!(wallet.read_state().unwrap(), Some(b"state".to_vec()));
    }

    #[test]
    fn names_cannot_lead_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", "../a", "a/b", "a\\b", "a b", "a\0", ".hidden", &"x".repeat(65)] {
            assert!(matches!(WalletFolder::open(folder.path(), name), Err(FolderError::Name(_))), "{name:?}");
            assert!(matches!(WalletFolder::create(folder.path(), name, &keys(b""), b""), Err(FolderError::Name(_))));
        }
        assert!(check_name(&"x".repeat(64)).is_ok());
    }

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let wallet = WalletFolder::create(folder.path(), "a", &keys(&vec![0; Keystore::BYTES_MAX + 1]), b"").unwrap();
        assert!(matches!(wallet.read_keys(), Err(FolderError::TooLong { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let wallet = WalletFolder::create(&folder.path().join("w"), "a", &keys(b"keys"), b"state").unwrap();
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(wallet.path().to_owned()), 0o700);
        for file in [KEYSTORE, STATE, LOCK] {
            assert_eq!(mode(wallet.path().join(file)), 0o600, "{file}");
        }
    }
}
