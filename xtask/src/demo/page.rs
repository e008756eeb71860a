//! The part of the demo's story that is played in Chromium, by tests/browser/demo.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::PATIENCE;
use crate::process::Beside;

/// What its lines about something that holds begin with.
const HOLDS: &str = "ok     ";

/// A browser with a page of the demo.
pub(super) struct Page {
    process: Beside,
    log: PathBuf,
    /// How many of its lines were shown.
    shown: usize,
}

impl Page {
    /// Starts the script.
    ///
    /// # Errors
    /// If it does not start.
    pub(super) fn open(command: &mut Command, log: PathBuf) -> Result<Self> {
        Ok(Self { process: Beside::start(command, &log)?, log, shown: 0 })
    }

    /// What follows a word that the script prints, once it does.
    ///
    /// # Errors
    /// If it ends before, or takes too long.
    pub(super) fn told(&mut self, word: &str) -> Result<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            // Asked first: what it printed last is there when it has ended.
            let ended = self.process.ended()?;
            let lines = self.lines();
            if let Some(told) = lines.iter().find_map(|line| line.strip_prefix(word)) {
                return Ok(told.trim().to_owned());
            }
            if ended.is_some() || Instant::now() > until {
                bail!("the browser did not get so far; what it printed:\n{}", lines.join("\n"));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If something did not hold, or it takes too long.
    pub(super) fn end(mut self) -> Result<()> {
        self.told("test result:")?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.process.ended()? {
                ensure!(status.success(), "the story in the browser does not hold:\n{}", self.lines().join("\n"));
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("the browser does not end")
    }

    /// All its lines. What holds is shown to the user, once.
    fn lines(&mut self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        // The last one may not be whole yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines: Vec<String> = whole.lines().map(str::to_owned).collect();
        for line in lines.iter().skip(self.shown).filter_map(|line| line.strip_prefix(HOLDS)) {
            super::story::holds(line);
        }
        self.shown = self.shown.max(lines.len());
        lines
    }
}
