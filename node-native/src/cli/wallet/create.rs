//! `qbtc wallet create`, `restore` and `list`.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Args, value_parser};
use qbtc_core::crypto::Scheme;
use qbtc_core::units::{Amount, Height};
use qbtc_core::wallet::address_book::AddressBook;
use qbtc_core::wallet::derivation::{Branch, ChildIndex};
use qbtc_core::wallet::keystore::{Keystore, KeystoreContent};
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::mnemonic::Mnemonic;
use serde::Serialize;
use zeroize::Zeroizing;

use super::context::{Context, DEFAULT_NAME};
use super::words::{self, WordGrid, read_words};
use crate::cli::output::{note, table};
use crate::client::Client;
use crate::wallet::folder::{FolderError, WalletFolder, read_bounded};
use crate::wallet::source::ChainSource;
use crate::wallet::sync::check_chain;
use crate::wallet::{Wallet, WalletError, entropy};

const CREATE_EXAMPLES: &str = "\
The words are the wallet: whoever has them has the money, and with them it can be brought back when the file is lost.
They are shown once; `qbtc wallet words` shows them again, for the passphrase.

Examples:
  qbtc wallet create
  qbtc wallet create savings --fallback
  qbtc wallet create bot --passphrase-file secret.txt --json";

const RESTORE_EXAMPLES: &str = "\
Examples:
  qbtc wallet restore
  qbtc wallet restore savings --birthday 120000 --fallback
  qbtc wallet restore second --account 1                  another account of the same words
  qbtc wallet restore shop --gap 500                      has given many addresses away that nobody paid to
  qbtc wallet restore savings --backup savings.qbtc
  qbtc wallet restore bot --words-file words.txt --passphrase-file secret.txt";

/// What a new wallet's addresses are made of.
#[derive(Args)]
struct LayoutOptions {
    /// Which account of the words it is, from 0: each has addresses and coins of its own.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = value_parser!(u32).range(..=i64::from(ChildIndex::MAX.to_u32())))]
    account: u32,
    /// The scheme that signs: ML-DSA-44, ML-DSA-65, ML-DSA-87 or SLH-DSA-SHA2-128s.
    #[arg(long, value_name = "SCHEME", default_value_t = Scheme::default())]
    scheme: Scheme,
    /// Gives each address a dormant second key that rests on SHA-256 alone, should the first scheme ever break.
    #[arg(long)]
    fallback: bool,
}

impl LayoutOptions {
    fn account(&self) -> anyhow::Result<ChildIndex> {
        Ok(ChildIndex::new(self.account)?)
    }

    fn layout(&self) -> anyhow::Result<AddressLayout> {
        if self.fallback {
            Ok(AddressLayout::with_fallback(self.scheme)?)
        } else {
            Ok(AddressLayout::single(self.scheme))
        }
    }
}

/// Makes a wallet.
#[derive(Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(super) struct CreateCommand {
    /// The wallet's name.
    #[arg(default_value = DEFAULT_NAME)]
    name: String,
    /// How many words to write down: 12, 15, 18, 21 or 24.
    #[arg(long, value_name = "COUNT", default_value_t = Mnemonic::WORDS_DEFAULT)]
    words: usize,
    #[command(flatten)]
    layout: LayoutOptions,
}

/// Brings a wallet back.
#[derive(Args)]
#[command(after_help = RESTORE_EXAMPLES)]
pub(super) struct RestoreCommand {
    /// The wallet's name.
    #[arg(default_value = DEFAULT_NAME)]
    name: String,
    /// A file with the words; `-` for stdin [default: you are asked].
    #[arg(long, value_name = "FILE")]
    words_file: Option<PathBuf>,
    /// A file that `qbtc wallet backup` has written, in place of the words. Its passphrase stays.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["words_file", "birthday", "scheme", "fallback", "account"])]
    backup: Option<PathBuf>,
    /// The height of the block from which on to look for coins: any from before the wallet was made.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    birthday: u32,
    /// How many unpaid addresses in a row to look through, where a wallet has given many away: up to 1000.
    #[arg(long, value_name = "COUNT", default_value_t = AddressBook::GAP_LIMIT, value_parser = value_parser!(u32).range(1..=i64::from(AddressBook::GAP_LIMIT_MAX)))]
    gap: u32,
    #[command(flatten)]
    layout: LayoutOptions,
}

/// A wallet that was just made.
#[derive(Serialize)]
struct Made {
    wallet: String,
    path: PathBuf,
    account: u32,
    birthday: Height,
    scheme: String,
    has_fallback: bool,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "words::serialize")]
    words: Option<Zeroizing<String>>,
}

impl CreateCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let layout = self.layout.layout()?;
        // Three words for four bytes of entropy (BIP 39); another number of words gives a length that is refused.
        let length = if self.words.is_multiple_of(3) { self.words / 3 * 4 } else { self.words };
        let bytes = Zeroizing::new(entropy()?);
        let mnemonic = Mnemonic::from_entropy(bytes.get(..length).unwrap_or_default());
        let mnemonic =
            mnemonic.map_err(|_| anyhow::anyhow!("--words {}: expected 12, 15, 18, 21 or 24", self.words))?;
        refuse_existing(context, &self.name)?;
        let birthday = birthday_now(context);
        let passphrase = context.options.passphrase.choose()?;
        let account = self.layout.account()?;
        let content = KeystoreContent { mnemonic, layout, birthday, labels: Vec::new(), account };
        let (wallets, spec, gap) = (context.wallets(), &context.spec, AddressBook::GAP_LIMIT);
        let (wallet, unlocked) = Wallet::create(wallets, &self.name, spec, content, gap, &passphrase)?;
        let made = Made::new(&wallet, context, Some(&unlocked.content.mnemonic));
        context.show(&made)
    }
}

impl RestoreCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        refuse_existing(context, &self.name)?;
        let (content, passphrase) = match &self.backup {
            Some(file) => content_of_backup(context, file)?,
            None => self.content_of_words(context)?,
        };
        let (wallets, spec) = (context.wallets(), &context.spec);
        let (wallet, _) = Wallet::create(wallets, &self.name, spec, content, self.gap, &passphrase)?;
        context.show(&Made::new(&wallet, context, None))
    }
}

impl RestoreCommand {
    fn content_of_words(&self, context: &Context) -> anyhow::Result<(KeystoreContent, Zeroizing<String>)> {
        let layout = self.layout.layout()?;
        let mnemonic = read_words(self.words_file.as_deref(), context)?;
        let passphrase = context.options.passphrase.choose()?;
        let birthday = Height(self.birthday);
        let account = self.layout.account()?;
        Ok((KeystoreContent { mnemonic, layout, birthday, labels: Vec::new(), account }, passphrase))
    }
}

fn content_of_backup(context: &Context, file: &Path) -> anyhow::Result<(KeystoreContent, Zeroizing<String>)> {
    let keystore = Keystore::from_bytes(&read_bounded(file, Keystore::BYTES_MAX)?)?;
    let passphrase = context.options.passphrase.ask(&format!("in {}", file.display()))?;
    Ok((keystore.open(&passphrase)?, passphrase))
}

/// Tells of a name that is taken before anything is asked.
fn refuse_existing(context: &Context, name: &str) -> Result<(), FolderError> {
    let is_there = WalletFolder::list(context.wallets())?.iter().any(|other| other == name);
    let path = context.wallets().join(name);
    if is_there { Err(FolderError::Exists { name: name.to_owned(), path }) } else { Ok(()) }
}

/// No coin of a wallet made now can lie below. Mined coins mature once their block is as good as final: as far back is on the safe side.
fn birthday_now(context: &Context) -> Height {
    // A node of another chain may be far above this one, and payments below the birthday are never looked for.
    let of_this_chain = |node: &Client| check_chain(node, &context.spec).is_ok();
    let node = context.client().ok().filter(of_this_chain);
    let height = node.and_then(|node| node.height().ok());
    let Some(height) = height else {
        note(&"note: no node of this chain answers, so the wallet will look through the chain from its first block on");
        return Height::GENESIS;
    };
    Height(height.0.saturating_sub(context.spec.consensus().coinbase_maturity))
}

impl Made {
    fn new(wallet: &Wallet, context: &Context, words: Option<&Mnemonic>) -> Self {
        let book = wallet.state().book();
        let address = book.next_unused(Branch::Receive).map(|(_, address)| address);
        let address = address.map(|address| address.to_text(&context.spec.network().address_prefix));
        Self {
            wallet: wallet.name().to_owned(),
            path: wallet.path().to_owned(),
            account: book.path().account.to_u32(),
            birthday: wallet.state().birthday(),
            scheme: book.layout().scheme().to_string(),
            has_fallback: book.layout().has_fallback(),
            address: address.unwrap_or_default(),
            words: words.map(Mnemonic::phrase),
        }
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Ok(words)) = self.words.as_ref().map(|words| Mnemonic::parse(words)) {
            writeln!(f, "Write these words down, in this order, on paper. Whoever has them has the money.\n")?;
            writeln!(f, "{}", WordGrid(&words))?;
        }
        writeln!(f, "wallet         {}", self.wallet)?;
        writeln!(f, "kept in        {}", self.path.display())?;
        let fallback = if self.has_fallback {
            format!(", with a dormant key of {}", AddressLayout::FALLBACK)
        } else {
            String::new()
        };
        writeln!(f, "signs with     {}{fallback}", self.scheme)?;
        if self.account > 0 {
            writeln!(f, "account        {} of its words", self.account)?;
        }
        writeln!(f, "birthday       block {}", self.birthday)?;
        writeln!(f, "first address  {}", self.address)?;
        match &self.words {
            Some(_) => write!(f, "next           qbtc wallet backup-check    once the words are written down"),
            None => write!(f, "next           qbtc wallet sync --unlock   finds your coins"),
        }
    }
}

/// Lists wallets.
#[derive(Args)]
pub(super) struct ListCommand {}

/// The wallets of a chain.
#[derive(Serialize)]
struct Wallets {
    folder: PathBuf,
    wallets: Vec<Line>,
}

/// A wallet of the list.
#[derive(Serialize)]
struct Line {
    wallet: String,
    available: Option<Amount>,
    height: Option<Height>,
    problem: Option<String>,
}

impl ListCommand {
    #[expect(clippy::unused_self, reason = "all commands run alike")]
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let names = WalletFolder::list(context.wallets())?;
        let line = |wallet: String| match Wallet::open(context.wallets(), &wallet, &context.spec) {
            Ok(opened) => Line {
                available: Some(opened.state().account().balance(&context.spec).confirmed),
                height: opened.state().tip().map(|tip| tip.height),
                problem: None,
                wallet,
            },
            Err(error) => Line { available: None, height: None, problem: Some(problem(&error)), wallet },
        };
        let wallets = names.into_iter().map(line).collect();
        context.show(&Wallets { folder: context.wallets().clone(), wallets })
    }
}

/// What is wrong with a wallet, in a word or two.
fn problem(error: &WalletError) -> String {
    match error {
        WalletError::Folder(FolderError::InUse { .. }) => "in use".to_owned(),
        other => other.to_string(),
    }
}

impl fmt::Display for Wallets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wallets.is_empty() {
            return write!(f, "no wallet yet in {}; `qbtc wallet create` makes one", self.folder.display());
        }
        let mut lines = table(&["WALLET", "AVAILABLE", "AS OF BLOCK"], &[1, 2]);
        for line in &self.wallets {
            let amount = line.available.map_or_else(String::new, |amount| amount.to_string());
            let height = line.height.map(|height| height.to_string());
            let height = height.or_else(|| line.problem.clone()).unwrap_or_else(|| "never synchronised".to_owned());
            lines.add_row([&line.wallet, &amount, &height]);
        }
        write!(f, "{}", lines.trim_fmt())
    }
}
