//! A disk that can fail, and that forgets what it was not told to keep.

use std::io;
use std::sync::{Arc, Mutex};

/// Bytes in memory. What was written since the last sync may be lost in a crash, piece by piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What is read.
    bytes: Vec<u8>,
    /// What survives a crash for certain.
    kept: Vec<u8>,
    /// What was done since.
    pending: Vec<Change>,
    /// How many changes go well before the disk is full.
    changes_left: Option<u64>,
}

#[derive(Debug)]
enum Change {
    Length(usize),
    Write { at: usize, bytes: Vec<u8> },
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Length(length) => to.resize(*length, 0),
            Self::Write { at, bytes } => {
                let end = at + bytes.len();
                to.resize(to.len().max(end), 0);
                to[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

impl Disk {
    /// Lets the disk be full after so many changes.
    pub(super) fn fail_after(&self, changes: u64) {
        self.0.lock().unwrap().changes_left = Some(changes);
    }

    /// Loses a random part of what was not synced, and works again.
    pub(super) fn crash(&self, seed: u64) {
        let mut state = self.0.lock().unwrap();
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut kept = std::mem::take(&mut state.kept);
        for change in std::mem::take(&mut state.pending) {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if random >> 63 == 0 {
                change.apply(&mut kept);
            }
        }
        state.bytes.clone_from(&kept);
        state.kept = kept;
        state.changes_left = None;
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if let Some(left) = &mut state.changes_left {
            *left = left.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        }
        change.apply(&mut state.bytes);
        state.pending.push(change);
        Ok(())
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let at = place(offset);
        let found = state.bytes.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Length(place(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.changes_left == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut kept = std::mem::take(&mut state.kept);
        for change in std::mem::take(&mut state.pending) {
            change.apply(&mut kept);
        }
        state.kept = kept;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write { at: place(offset), bytes: data.to_vec() })
    }
}
