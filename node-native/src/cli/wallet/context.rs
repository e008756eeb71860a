//! What wallet commands have in common: which wallet, its passphrase, and the node that it follows.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use qbtc_core::spec::ChainSpec;
use qbtc_core::wallet::derivation::AccountKey;
use qbtc_core::wallet::keystore::KeystoreError;
use serde::Serialize;

use super::WalletOptions;
use crate::cli::options::GlobalOptions;
use crate::cli::output::{note, progress, show};
use crate::client::{Client, ClientError};
use crate::paths::wallets_dir;
use crate::wallet::folder::WalletFolder;
use crate::wallet::pending::{PendingReport, follow_pending};
use crate::wallet::sync::{Synced, sync};
use crate::wallet::{Unlocked, Wallet, WalletError};

/// The name of a wallet that was given none.
pub(super) const DEFAULT_NAME: &str = "default";
/// How often the passphrase may be typed.
const PASSPHRASE_TRIES: u32 = 3;
/// How often what was found is saved during a long synchronisation.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// Where a wallet command runs.
pub(super) struct Context {
    pub(super) spec: ChainSpec,
    pub(super) options: WalletOptions,
    global: GlobalOptions,
    wallets: PathBuf,
}

/// What following the chain has found.
pub(super) struct Followed {
    pub(super) synced: Synced,
    pub(super) pending: PendingReport,
}

impl Context {
    pub(super) fn new(global: &GlobalOptions, options: WalletOptions) -> anyhow::Result<Self> {
        let spec = global.spec()?;
        let wallets = wallets_dir(&global.chain_dir(&spec)?);
        Ok(Self { spec, options, global: global.clone(), wallets })
    }

    /// The folder of the chain's wallets.
    pub(super) fn wallets(&self) -> &PathBuf {
        &self.wallets
    }

    /// Prints a result, as text or JSON.
    pub(super) fn show<T: Serialize + std::fmt::Display>(&self, result: &T) -> anyhow::Result<()> {
        show(result, self.global.json)
    }

    /// The wallet's name: given, or plain from what there is.
    pub(super) fn name(&self) -> anyhow::Result<String> {
        if let Some(name) = &self.options.wallet {
            return Ok(name.clone());
        }
        let names = WalletFolder::list(&self.wallets)?;
        match names.as_slice() {
            [only] => Ok(only.clone()),
            [] => bail!("there is no wallet yet in {}; `qbtc wallet create` makes one", self.wallets.display()),
            several if several.iter().any(|name| name == DEFAULT_NAME) => Ok(DEFAULT_NAME.to_owned()),
            several => bail!("there are several wallets: name one with --wallet: {}", several.join(", ")),
        }
    }

    /// Opens the wallet to look at.
    pub(super) fn open(&self) -> anyhow::Result<Wallet> {
        Ok(Wallet::open(&self.wallets, &self.name()?, &self.spec)?)
    }

    /// Opens the wallet and brings it up to date if a node answers; otherwise says that it is not.
    pub(super) fn open_current(&self) -> anyhow::Result<Wallet> {
        let mut wallet = self.open()?;
        if self.options.offline {
            return Ok(wallet);
        }
        // The secret is only needed to make more addresses, and opening it takes a while.
        let unlocked = if wallet.state().is_short() { self.unlock_if_given(&wallet)? } else { None };
        match self.follow(&mut wallet, unlocked.as_ref().map(|unlocked| &unlocked.key)) {
            Ok(_) => Ok(wallet),
            Err(error) if is_not_running(&error) => {
                note(&format_args!("note: {error}\n      this is what the wallet knew before"));
                Ok(wallet)
            }
            Err(error) => Err(error),
        }
    }

    /// The node.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        if self.options.offline {
            bail!("this needs a node: leave --offline out");
        }
        self.options.node.client(&self.global, &self.spec)
    }

    /// Asks for the passphrase, and opens the keystore. Who types it may mistype it.
    pub(super) fn unlock(&self, wallet: &Wallet) -> anyhow::Result<Unlocked> {
        if let Some(unlocked) = self.unlock_if_given(wallet)? {
            return Ok(unlocked);
        }
        for _ in 1..PASSPHRASE_TRIES {
            match wallet.unlock(&self.options.passphrase.ask(wallet.name())?, &self.spec) {
                Err(WalletError::Keystore { error: KeystoreError::WrongPassphrase, .. }) => {
                    note(&"That is not the passphrase. Again:");
                }
                unlocked => return Ok(unlocked?),
            }
        }
        Ok(wallet.unlock(&self.options.passphrase.ask(wallet.name())?, &self.spec)?)
    }

    /// Opens the keystore if a script has given the passphrase.
    pub(super) fn unlock_if_given(&self, wallet: &Wallet) -> anyhow::Result<Option<Unlocked>> {
        let given = self.options.passphrase.given()?;
        given.map(|passphrase| Ok(wallet.unlock(&passphrase, &self.spec)?)).transpose()
    }

    /// Follows the chain up to the node's tip, and the pending transactions; keeps what was found, even where that ends early.
    pub(super) fn follow(&self, wallet: &mut Wallet, secret: Option<&AccountKey>) -> anyhow::Result<Followed> {
        let node = self.client()?;
        let bar = progress(0, "blocks");
        let mut saved_at = Instant::now();
        let (folder, state) = wallet.parts();
        let synced = sync(state, &node, &self.spec, secret, |state, progress| {
            bar.set_length(u64::from(progress.done) + u64::from(progress.left));
            bar.set_position(progress.done.into());
            if saved_at.elapsed() >= SAVE_EVERY {
                // Only a shortcut for the next time: what matters is saved at the end, where failing is told.
                let _ = folder.write_state(&state.to_bytes());
                saved_at = Instant::now();
            }
        });
        bar.finish_and_clear();
        let pending = synced.is_ok().then(|| follow_pending(state, &node, secret));
        wallet.save()?;
        let (synced, pending) = (synced?, pending.transpose()?.unwrap_or_default());
        for (txid, reason) in &pending.refused {
            note(&format_args!("note: the node does not take payment {txid}: {reason}"));
        }
        Ok(Followed { synced, pending })
    }
}

/// Whether nobody was there to ask.
pub(super) fn is_not_running(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(ClientError::NotRunning { .. })))
}

/// Asks a question that only `y` or `yes` agrees to.
pub(super) fn confirm(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("no terminal to ask at: give --yes if you are sure");
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
