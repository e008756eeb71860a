//! `qbtc wallet passphrase`, `words` and `backup-check`.

use std::fmt;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use qbtc_core::wallet::derivation::{AccountKey, AddressPath, Branch, ChildIndex};
use qbtc_core::wallet::mnemonic::Mnemonic;
use serde::Serialize;
use zeroize::Zeroizing;

use super::context::Context;
use super::passphrase::{choose_at_terminal, read_file};
use super::words::{self, WordGrid, read_words};
use crate::wallet::folder::write_new;

const PASSPHRASE_EXAMPLES: &str = "\
Copies of the file, such as backups, still open with the old passphrase.

Examples:
  qbtc wallet passphrase
  qbtc wallet passphrase --passphrase-file old.txt --new-passphrase-file new.txt";

const WORDS_EXAMPLES: &str = "\
Whoever has the words has the money. To see whether those on paper are right, `qbtc wallet backup-check` shows nothing.

Examples:
  qbtc wallet words
  qbtc wallet -w savings words --passphrase-file secret.txt --json";

/// Changes the passphrase.
#[derive(Args)]
#[command(after_help = PASSPHRASE_EXAMPLES)]
pub(super) struct PassphraseCommand {
    /// A file whose first line is the new passphrase [default: you are asked].
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

/// Something was done to a wallet.
#[derive(Serialize)]
struct Done {
    wallet: String,
    done: &'static str,
}

impl PassphraseCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut wallet = context.open()?;
        if wallet.only_watches() {
            bail!("wallet {:?} only watches, and has no passphrase", wallet.name());
        }
        let old = context.options.passphrase.ask(wallet.name())?;
        // Told at once, before a new one is thought up.
        wallet.unlock(&old, &context.spec)?;
        let new = match &self.new_passphrase_file {
            Some(path) => read_file(path)?,
            None => choose_at_terminal()?,
        };
        if new.is_empty() {
            bail!("an empty passphrase protects nothing: give one");
        }
        wallet.change_passphrase(&old, &new)?;
        let done = "the passphrase is changed; copies of the old file still open with the old one";
        context.show(&Done { wallet: wallet.name().to_owned(), done })
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wallet {}: {}", self.wallet, self.done)
    }
}

/// Shows the words.
#[derive(Args)]
#[command(after_help = WORDS_EXAMPLES)]
pub(super) struct WordsCommand {}

/// A wallet's words.
#[derive(Serialize)]
struct Words {
    #[serde(serialize_with = "words::serialize")]
    words: Option<Zeroizing<String>>,
}

impl WordsCommand {
    #[expect(clippy::unused_self, reason = "all commands run alike")]
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wallet = context.open()?;
        let unlocked = context.unlock(&wallet)?;
        context.show(&Words { words: Some(unlocked.content.mnemonic.phrase()) })
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words.as_ref().and_then(|words| Mnemonic::parse(words).ok());
        words.map_or(Err(fmt::Error), |words| write!(f, "{}", WordGrid(&words)))
    }
}

const BACKUP_EXAMPLES: &str = "\
The file is encrypted under the wallet's passphrase, and holds the words, the account, what the addresses are made of, the birthday and the labels:
all that the chain cannot give again. Without the passphrase it is worth nothing, so it does not take the place of the words on paper.

Examples:
  qbtc wallet backup savings.qbtc
  qbtc wallet restore savings --backup savings.qbtc";

/// Writes a backup.
#[derive(Args)]
#[command(after_help = BACKUP_EXAMPLES)]
pub(super) struct BackupCommand {
    /// The file to write. None is ever replaced.
    file: PathBuf,
}

/// A backup that was written.
#[derive(Serialize)]
struct Written {
    wallet: String,
    file: PathBuf,
    labels: usize,
}

impl BackupCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wallet = context.open()?;
        if wallet.only_watches() {
            bail!("wallet {:?} only watches, and can be exported again where its words are", wallet.name());
        }
        let passphrase = context.options.passphrase.ask(wallet.name())?;
        write_new(&self.file, &wallet.backup(&passphrase)?)?;
        let labels = wallet.labels().iter().len();
        context.show(&Written { wallet: wallet.name().to_owned(), file: self.file, labels })
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wallet {} is backed up in {}, which opens with its passphrase", self.wallet, self.file.display())
    }
}

const CHECK_EXAMPLES: &str = "\
Needs no passphrase: the words are compared by the address that they lead to.

Examples:
  qbtc wallet backup-check
  qbtc wallet backup-check --words-file words.txt";

/// Checks words that were written down.
#[derive(Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(super) struct BackupCheckCommand {
    /// A file with the words; `-` for stdin [default: you are asked].
    #[arg(long, value_name = "FILE")]
    words_file: Option<PathBuf>,
}

impl BackupCheckCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wallet = context.open()?;
        if wallet.only_watches() {
            bail!("wallet {:?} only watches, and has no words", wallet.name());
        }
        let words = read_words(self.words_file.as_deref(), context)?;
        let book = wallet.state().book();
        let key = AccountKey::derive(&words.to_seed(""), book.path());
        let first = AddressPath { branch: Branch::Receive, index: ChildIndex::ZERO };
        let found = book.layout().keys(&key, first).tree().address();
        if book.entry(first).is_none_or(|entry| entry.address != found) {
            bail!("these words are sound, but they are those of another wallet than {:?}", wallet.name());
        }
        context.show(&Done { wallet: wallet.name().to_owned(), done: "the words are right" })
    }
}
