//! The way to redb: what goes wrong behind it comes out as an error that names the file, and is told to whoever must stop then.
//!
//! redb looks at the checksums of pages when it repairs, not when it reads: on a page that is damaged it panics. Such a panic is an
//! error here; all others go on their way.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Once, OnceLock};

use super::StoreError;

/// Stands before one database.
pub(super) struct Gate {
    path: PathBuf,
    alarm: OnceLock<Alarm>,
}

type Alarm = Box<dyn Fn(&StoreError) + Send + Sync>;

impl Gate {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, alarm: OnceLock::new() }
    }

    /// Has somebody told of each failure of the disk or the database from now on. Only the first who asks for it is told.
    pub(super) fn tell(&self, alarm: impl Fn(&StoreError) + Send + Sync + 'static) {
        // An error would mean that somebody is told already.
        let _ = self.alarm.set(Box::new(alarm));
    }

    /// Does something with the database.
    ///
    /// # Errors
    /// As the work does; [`StoreError::Damaged`] too, if redb panics.
    pub(super) fn pass<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let outcome = caught(work).unwrap_or_else(|detail| Err(StoreError::damaged(detail)));
        outcome.map_err(|error| {
            let error = error.of(&self.path);
            if let Some(alarm) = self.alarm.get().filter(|_| error.is_of_the_disk()) {
                alarm(&error);
            }
            error
        })
    }

    /// Something that cannot be, of this database.
    pub(super) fn inconsistent(&self, detail: impl Into<String>) -> StoreError {
        StoreError::inconsistent(detail).of(&self.path)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("path", &self.path).finish_non_exhaustive()
    }
}

thread_local! {
    /// How many gates this thread has passed and not come back from.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    /// What redb said when it panicked.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does something; if redb panics meanwhile, returns what it said.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(listen);
    // Whoever panics drops what passes here too: what was said before stays said.
    let before = SAID.take();
    INSIDE.set(INSIDE.get() + 1);
    // What is left half done is redb's, which gives nothing of it away, or local to the work.
    let outcome = catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(INSIDE.get() - 1);
    let said = SAID.replace(before);
    outcome.or_else(|panic| said.map_or_else(|| resume_unwind(panic), Err))
}

/// Notes what redb says instead of printing it.
fn listen() {
    let otherwise = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match said_by_redb(panic).filter(|_| INSIDE.get() > 0) {
        Some(said) => SAID.set(Some(said)),
        None => otherwise(panic),
    }));
}

fn said_by_redb(panic: &PanicHookInfo<'_>) -> Option<String> {
    let place = panic.location()?;
    let file = Path::new(place.file());
    file.components().find(|part| part.as_os_str().to_string_lossy().starts_with("redb-"))?;
    let payload = panic.payload();
    let said = payload.downcast_ref::<&str>().copied();
    let said = said.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("something unknown");
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Some(format!("redb stopped in {name}, line {}: {}", place.line(), said.replace('\n', " ")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn only_failures_of_the_disk_raise_the_alarm_and_all_name_the_file() {
        let gate = Gate::new("here.redb".into());
        let told = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&told);
        gate.tell(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(gate.pass(|| Ok(5)).unwrap(), 5);
        let odd = gate.pass(|| Err::<(), _>(StoreError::inconsistent("odd"))).unwrap_err();
        assert!(odd.to_string().contains("here.redb contradicts itself: odd"), "{odd}");
        assert_eq!(told.load(Ordering::Relaxed), 0);
        let failed = gate.pass(|| Err::<(), _>(std::io::Error::other("broken").into())).unwrap_err();
        assert!(failed.to_string().contains("here.redb failed: broken"), "{failed}");
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_panic_of_our_own_goes_on_its_way() {
        let gate = Gate::new("here.redb".into());
        let panic = catch_unwind(AssertUnwindSafe(|| gate.pass(|| -> Result<(), StoreError> { panic!("on purpose") })));
        assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "on purpose");
    }
}
