//! The folder of a chain while a node runs on it: one node at a time, and others find out where it listens.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::files::write_whole;
use crate::paths::{NodeAddresses, node_file};

/// The folder, which is this process's as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Locked; the system unlocks it when the process ends, however it ends.
    _lock: File,
}

/// Why a node cannot have the folder.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another node has it.
    #[error("another node{} runs on {}: stop it, or choose another --data-dir", pid_text(*pid), path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The other node's process, if it says.
        pid: Option<u32>,
    },
    /// It cannot be made or written to.
    #[error("cannot use the data folder {}: {error}", path.display())]
    Io {
        /// The folder, or the file in it.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

impl DataDir {
    /// Makes the folder, unless it is there, and takes it for this process.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| DataDirError::Io { path, error }
        };
        fs::create_dir_all(path).map_err(failed(path))?;
        let lock_path = path.join(".lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {
                forget_killed(path).map_err(failed(&node_file(path)))?;
                Ok(Self { path: path.into(), _lock: lock })
            }
            Err(TryLockError::WouldBlock) => {
                let other = fs::read(node_file(path)).ok();
                let other = other.and_then(|text| serde_json::from_slice::<NodeAddresses>(&text).ok());
                Err(DataDirError::InUse { path: path.into(), pid: other.map(|node| node.pid) })
            }
            Err(TryLockError::Error(error)) => Err(failed(&lock_path)(error)),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("chain.redb")
    }

    /// Tells others where the node listens.
    ///
    /// # Errors
    /// [`DataDirError::Io`].
    pub fn announce(&self, addresses: &NodeAddresses) -> Result<(), DataDirError> {
        let path = node_file(&self.path);
        let text = serde_json::to_vec_pretty(addresses).expect("addresses are plain strings");
        write_whole(&path, &text).map_err(|error| DataDirError::Io { path, error })
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // Whoever finds a stale file finds nobody listening there; no more can be done.
        let _ = fs::remove_file(node_file(&self.path));
    }
}

/// Removes what a node that was killed has left: addresses at which anybody may listen by now.
fn forget_killed(path: &Path) -> io::Result<()> {
    match fs::remove_file(node_file(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev");
        let first = DataDir::open(&path).unwrap();
        first.announce(&NodeAddresses { pid: 7, rpc: None, http: None, stratum: None, p2p: Vec::new() }).unwrap();
        let error = DataDir::open(&path).unwrap_err().to_string();
        assert!(error.contains("process 7") && error.contains("--data-dir"), "{error}");
        drop(first);
        assert!(!node_file(&path).exists());
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn what_a_killed_node_has_left_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let killed = DataDir::open(folder.path()).unwrap();
        killed.announce(&NodeAddresses { pid: 7, rpc: None, http: None, stratum: None, p2p: Vec::new() }).unwrap();
        let text = fs::read(node_file(folder.path())).unwrap();
        drop(killed);
        fs::write(node_file(folder.path()), text).unwrap();
        let _next = DataDir::open(folder.path()).unwrap();
        assert!(!node_file(folder.path()).exists());
        let error = DataDir::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("another node runs") && !error.contains("process"), "{error}");
    }
}
