//! A disk that can fail, and that forgets what it was not told to keep.

use std::io;
use std::sync::{Arc, Mutex};

/// Bytes in memory. What was written since the last sync may be lost in a crash, piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What is read.
    bytes: Vec<u8>,
    /// What survives a crash for certain.
    kept: Vec<u8>,
    /// What was done since.
    pending: Vec<Change>,
    /// What will go wrong, and before how many times it goes well.
    fault: Option<(Fault, u64)>,
}

/// What goes wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is full: nothing can be written.
    Full,
    /// Writing fails.
    Write,
    /// Reading fails.
    Read,
    /// What was written cannot be brought to the disk.
    Sync,
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::Full => io::ErrorKind::StorageFull.into(),
            Self::Write | Self::Read | Self::Sync => io::Error::other("an injected fault"),
        }
    }
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

impl State {
    /// Does something that may go wrong by one of these faults.
    fn meet(&mut self, faults: &[Fault]) -> io::Result<()> {
        if let Some((fault, left)) = &mut self.fault
            && faults.contains(fault)
        {
            *left = left.checked_sub(1).ok_or_else(|| fault.error())?;
        }
        Ok(())
    }
}

impl Disk {
    /// Lets something go wrong once it has gone well so many times, and from then on.
    pub(crate) fn fail(&self, fault: Fault, after: u64) {
        self.0.lock().unwrap().fault = Some((fault, after));
    }

    /// Another disk with the same bytes.
    pub(crate) fn copy(&self) -> Self {
        let bytes = self.0.lock().unwrap().bytes.clone();
        Self(Arc::new(Mutex::new(State { kept: bytes.clone(), bytes, ..State::default() })))
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> usize {
        self.0.lock().unwrap().bytes.len()
    }

    /// Turns over some bits of a byte.
    pub(crate) fn damage(&self, at: usize, bits: u8) {
        self.0.lock().unwrap().bytes[at] ^= bits;
    }

    /// Loses a random part of what was not synced, and works again.
    pub(crate) fn crash(&self, seed: u64) {
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
        state.fault = None;
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.meet(&[Fault::Full, Fault::Write])?;
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
        let mut state = self.0.lock().unwrap();
        state.meet(&[Fault::Read])?;
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
        if let Some((fault @ Fault::Full, 0)) = state.fault {
            return Err(fault.error());
        }
        state.meet(&[Fault::Sync])?;
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
