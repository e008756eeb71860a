//! Where passphrases come from: a file, stdin, the environment, or the user at a terminal.

use std::cell::OnceCell;
use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use zeroize::Zeroizing;

use crate::cli::output::note;

const VARIABLE: &str = "QBTC_PASSPHRASE";
/// The longest passphrase, in bytes.
const BYTES_MAX: u64 = 4_096;
/// How often a new passphrase may be typed in two different ways.
const TRIES_MAX: u32 = 3;
/// Fewer characters are remarked on.
const CHARS_GOOD: usize = 12;

/// How a script gives the passphrase.
#[derive(Args, Clone, Default)]
pub(super) struct PassphraseOptions {
    /// A file whose first line is the passphrase.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "passphrase_stdin")]
    passphrase_file: Option<PathBuf>,
    /// Reads the passphrase from the first line of stdin.
    #[arg(long, global = true)]
    passphrase_stdin: bool,
    /// What stdin held: it can be read only once, and some commands ask twice.
    #[arg(skip)]
    from_stdin: OnceCell<Zeroizing<String>>,
}

impl PassphraseOptions {
    /// The passphrase that a script gives, if it does.
    pub(super) fn given(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        if let Some(path) = &self.passphrase_file {
            return read_file(path).map(Some);
        }
        if self.passphrase_stdin {
            return self.read_stdin(io::stdin().lock()).map(Some);
        }
        Ok(env::var(VARIABLE).ok().map(Zeroizing::new))
    }

    fn read_stdin(&self, stdin: impl BufRead) -> anyhow::Result<Zeroizing<String>> {
        if let Some(passphrase) = self.from_stdin.get() {
            return Ok(passphrase.clone());
        }
        let passphrase = first_line(stdin).context("cannot read the passphrase from stdin")?;
        Ok(self.from_stdin.get_or_init(|| passphrase).clone())
    }

    /// Refuses to read something else from stdin, where the passphrase comes from.
    pub(super) fn leave_stdin_for(&self, what: &str) -> anyhow::Result<()> {
        if self.passphrase_stdin {
            bail!("stdin gives the passphrase, so it cannot give {what} too: use a file for one of them");
        }
        Ok(())
    }

    /// The passphrase of a wallet: given, or asked for.
    pub(super) fn ask(&self, wallet: &str) -> anyhow::Result<Zeroizing<String>> {
        match self.given()? {
            Some(passphrase) => Ok(passphrase),
            None => prompt(&format!("Passphrase of wallet {wallet}: ")),
        }
    }

    /// A passphrase for a new wallet: given, or asked for twice.
    pub(super) fn choose(&self) -> anyhow::Result<Zeroizing<String>> {
        match self.given()? {
            Some(passphrase) => checked(passphrase),
            None => choose_at_terminal(),
        }
    }
}

/// Asks twice for a new passphrase.
pub(super) fn choose_at_terminal() -> anyhow::Result<Zeroizing<String>> {
    for _ in 0..TRIES_MAX {
        let passphrase = checked(prompt("New passphrase: ")?)?;
        if passphrase.chars().count() < CHARS_GOOD {
            note(&"That is short: whoever gets the file can try many. Several words are better.");
        }
        if *prompt("Once more: ")? == *passphrase {
            return Ok(passphrase);
        }
        note(&"They differ. Again:");
    }
    bail!("the passphrase was typed in different ways {TRIES_MAX} times")
}

/// The passphrase in the first line of a file.
pub(super) fn read_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let describe = || format!("cannot read the passphrase from {}", path.display());
    let file = File::open(path).with_context(describe)?;
    first_line(BufReader::new(file)).with_context(describe)
}

fn prompt(text: &str) -> anyhow::Result<Zeroizing<String>> {
    let explain =
        "no terminal to ask for the passphrase at: give --passphrase-file, --passphrase-stdin or QBTC_PASSPHRASE";
    if !io::stderr().is_terminal() && !io::stdin().is_terminal() {
        bail!(explain);
    }
    rpassword::prompt_password(text).map(Zeroizing::new).context(explain)
}

fn first_line(reader: impl BufRead) -> anyhow::Result<Zeroizing<String>> {
    // All the room at once: growing would leave copies behind.
    let mut line = Zeroizing::new(String::with_capacity(usize::try_from(BYTES_MAX)? + 2));
    reader.take(BYTES_MAX + 2).read_line(&mut line)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    if length as u64 > BYTES_MAX {
        bail!("the passphrase exceeds {BYTES_MAX} bytes");
    }
    line.truncate(length);
    Ok(line)
}

fn checked(passphrase: Zeroizing<String>) -> anyhow::Result<Zeroizing<String>> {
    if passphrase.is_empty() {
        bail!("an empty passphrase protects nothing: give one");
    }
    Ok(passphrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_passphrase() {
        let line = |text: &str| first_line(text.as_bytes()).map(|line| line.to_string());
        assert_eq!(line("open sesame\nnot this\n").unwrap(), "open sesame");
        assert_eq!(line("open sesame \r\n").unwrap(), "open sesame ");
        assert_eq!(line("no end").unwrap(), "no end");
        assert_eq!(line("").unwrap(), "");
        assert_eq!(line(&"x".repeat(4_096)).unwrap().len(), 4_096);
        assert!(line(&"x".repeat(4_097)).is_err());
        assert!(first_line(&b"\xff\n"[..]).is_err());
    }

    #[test]
    fn stdin_is_read_once() {
        let options = PassphraseOptions { passphrase_stdin: true, ..PassphraseOptions::default() };
        assert_eq!(options.read_stdin(&b"open sesame\n"[..]).unwrap().as_str(), "open sesame");
        assert_eq!(options.read_stdin(&b""[..]).unwrap().as_str(), "open sesame");
        assert!(options.leave_stdin_for("the words").is_err());
        assert!(PassphraseOptions::default().leave_stdin_for("the words").is_ok());
    }

    #[test]
    fn a_file_is_read_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        let options = PassphraseOptions { passphrase_file: Some(path.clone()), ..PassphraseOptions::default() };
        assert!(format!("{:#}", options.given().unwrap_err()).contains("pass"));
        std::fs::write(&path, "secret\n").unwrap();
        assert_eq!(options.ask("a").unwrap().as_str(), "secret");
        assert_eq!(options.choose().unwrap().as_str(), "secret");
        std::fs::write(&path, "\n").unwrap();
        assert!(options.choose().is_err());
    }
}
