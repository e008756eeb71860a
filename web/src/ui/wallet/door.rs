//! The door from the wallet's first pages into the rest of its program, which brings keys, signatures and payments: making a wallet, opening it, removing it,
//! and hearing of others.

use std::future::Future;
use std::pin::Pin;

use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::wallet::keystore::Keystore;
use qbtc_core::wallet::mnemonic::Mnemonic;
use wasm_split_helpers::wasm_split;
use web_sys::HtmlInputElement;
use zeroize::Zeroizing;

use super::keystore::{Made, Opened, opened};
use super::state::WalletState;
use crate::browser::{entropy, files};
use crate::text;
use crate::ui::chunk::Missing;
use crate::wallet::notes::Notes;

/// What the first pages have done behind the door.
pub(crate) enum Task {
    /// Makes a wallet.
    Create(New),
    /// Opens the one that is kept, with this passphrase.
    Unlock(Zeroizing<String>),
    /// Removes the one that is kept.
    Forget,
    /// Hears what another tab says.
    HearTab(Vec<u8>),
    /// Hears what another document of the extension says.
    HearSession(Zeroizing<Vec<u8>>),
}

/// A new wallet, as it is typed in.
pub(crate) struct New {
    pub(super) source: Source,
    pub(super) passphrase: Zeroizing<String>,
    /// The height of the chain.
    pub(super) tip: u32,
}

/// What a new wallet is made of.
pub(crate) enum Source {
    /// Fresh words.
    Fresh,
    /// The words that the user has, and the height below which nothing was paid to them.
    Words(Zeroizing<String>, String),
    /// The keystore file that is chosen here.
    File(HtmlInputElement),
}

/// Does it.
///
/// # Errors
/// A sentence, also if what is behind the door cannot be had.
pub(super) async fn run(wallet: WalletState, task: Task) -> Result<(), String> {
    match open(wallet, task).await {
        Ok(work) => work.await,
        Err(_) => Err(format!("{} {}", text::CHUNK_MISSING, text::CHUNK_MISSING_MEANS)),
    }
}

type Work = Pin<Box<dyn Future<Output = Result<(), String>>>>;

#[wasm_split(wallet, preload(load), fallible)]
pub(crate) fn open(wallet: WalletState, task: Task) -> Result<Work, Missing> {
    Ok(Box::pin(async move {
        let spec = wallet.spec();
        match task {
            Task::Create(new) => {
                let made = new.read(&spec).await?;
                wallet.create(&spec, made, &new.passphrase).await
            }
            Task::Unlock(passphrase) => wallet.unlock(&spec, &passphrase).await,
            Task::Forget => wallet.forget().await,
            Task::HearTab(said) => {
                wallet.hear_tab(&said).await;
                Ok(())
            }
            Task::HearSession(told) => {
                wallet.hear_session(&told);
                Ok(())
            }
        }
    }))
}

impl New {
    async fn read(&self, spec: &ChainSpec) -> Result<Made, String> {
        let is_backed_up = !matches!(self.source, Source::Fresh);
        let (words, birthday, accounts) = match &self.source {
            // Nothing can have been paid to fresh words below the next block; but the newest may be replaced.
            Source::Fresh => {
                let birthday = self.tip.saturating_sub(spec.consensus().coinbase_maturity);
                (Zeroizing::new(entropy()?.to_vec()), Height(birthday), 1)
            }
            Source::Words(words, birthday) => (parsed_words(words)?, parsed_height(birthday)?, 1),
            Source::File(input) => {
                #[expect(clippy::cast_precision_loss, reason = "the limit is a small number")]
                let file = files::chosen(input, Keystore::BYTES_MAX as f64).await?;
                let Opened { words, birthday, account } = opened(&file, &self.passphrase).await?;
                let accounts = usize::try_from(account).ok().and_then(|account| account.checked_add(1));
                let accounts = accounts.filter(|accounts| *accounts <= Notes::ACCOUNTS_MAX);
                let accounts = accounts.ok_or_else(|| text::account_too_high(account, Notes::ACCOUNTS_MAX))?;
                // The file tells it of its own account: those before it may be older.
                (words, if account == 0 { birthday } else { Height::GENESIS }, accounts)
            }
        };
        Ok(Made { words, birthday, accounts, is_backed_up })
    }
}

fn parsed_words(words: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    Mnemonic::parse(words).map(|mnemonic| mnemonic.entropy()).map_err(|error| text::words_fault(&error))
}

fn parsed_height(height: &str) -> Result<Height, String> {
    match height.trim() {
        "" => Ok(Height(0)),
        height => height.parse().map(Height).map_err(|_| text::NO_SUCH_HEIGHT.to_owned()),
    }
}
