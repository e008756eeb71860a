//! What wallet commands have in common: which wallet, its passphrase, and the node that it follows.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::BlockTime;
use qbtc_core::wallet::derivation::AccountKey;
use qbtc_core::wallet::keystore::KeystoreError;
use serde::Serialize;

use super::WalletOptions;
use crate::cli::options::GlobalOptions;
use crate::cli::output::{note, progress, show};
use crate::client::{Client, ClientError};
use crate::paths::wallets_dir;
use crate::wallet::folder::{FolderError, WalletFolder};
use crate::wallet::pending::{PendingReport, follow_pending};
use crate::wallet::sync::{SyncRules, Synced, sync};
use crate::wallet::{FoundWallet, Unlocked, Wallet, WalletError};

/// The name of a wallet that was given none.
pub(super) const DEFAULT_NAME: &str = "default";
/// How often the passphrase may be typed.
const PASSPHRASE_TRIES: u32 = 3;
/// How often what was found is saved during a long synchronisation.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// How long a command waits for another that has the wallet open, and how often it looks.
const IN_USE_WAIT: Duration = Duration::from_secs(5);
const IN_USE_PAUSE: Duration = Duration::from_millis(50);

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

    /// Whether results are printed as JSON.
    pub(super) const fn is_json(&self) -> bool {
        self.global.json
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

    /// Opens the wallet to look at. Another command of a moment ago may still have it open.
    pub(super) fn open(&self) -> anyhow::Result<Wallet> {
        self.open_named(&self.name()?)
    }

    /// Opens the wallet of this name.
    pub(super) fn open_named(&self, name: &str) -> anyhow::Result<Wallet> {
        patiently(|| Wallet::open(&self.wallets, name, &self.spec))
    }

    /// Finds the wallet, whatever is wrong with what it knows of the chain.
    pub(super) fn find(&self) -> anyhow::Result<FoundWallet> {
        let name = self.name()?;
        patiently(|| FoundWallet::find(&self.wallets, &name))
    }

    /// Opens the wallet if there is one; not one that was named and is not there.
    pub(super) fn open_if_any(&self) -> anyhow::Result<Option<Wallet>> {
        if self.options.wallet.is_none() && WalletFolder::list(&self.wallets)?.is_empty() {
            return Ok(None);
        }
        self.open().map(Some)
    }

    /// Opens the wallet and brings it up to date if a node answers; otherwise says that it is not.
    pub(super) fn open_current(&self) -> anyhow::Result<Wallet> {
        let mut wallet = self.open()?;
        self.bring_up_to_date(&mut wallet)?;
        Ok(wallet)
    }

    /// Brings a wallet up to date if a node answers; otherwise says that it is not.
    pub(super) fn bring_up_to_date(&self, wallet: &mut Wallet) -> anyhow::Result<()> {
        if self.options.offline {
            return Ok(());
        }
        // The secret is only needed to make more addresses, and opening it takes a while.
        let unlocked = if wallet.state().is_short() { self.unlock_if_given(wallet)? } else { None };
        match self.follow(wallet, unlocked.as_ref().map(|unlocked| &unlocked.key)) {
            Ok(_) => Ok(()),
            Err(error) if is_not_running(&error) => {
                note(&format_args!("note: {error}\n      this is what the wallet knew before"));
                Ok(())
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
        if wallet.only_watches() {
            return Err(WalletError::WatchesOnly { name: wallet.name().to_owned() }.into());
        }
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

    /// Opens the keystore if there is one and a script has given the passphrase.
    pub(super) fn unlock_if_given(&self, wallet: &Wallet) -> anyhow::Result<Option<Unlocked>> {
        if wallet.only_watches() {
            return Ok(None);
        }
        let given = self.options.passphrase.given()?;
        given.map(|passphrase| Ok(wallet.unlock(&passphrase, &self.spec)?)).transpose()
    }

    /// Follows the chain up to the node's tip, and the pending transactions; keeps what was found, even where that ends early.
    pub(super) fn follow(&self, wallet: &mut Wallet, secret: Option<&AccountKey>) -> anyhow::Result<Followed> {
        let node = self.client()?;
        let bar = progress(0, "blocks");
        let mut saved_at = Instant::now();
        let (folder, state) = wallet.parts();
        let rules = SyncRules { spec: &self.spec, now: now(), trusts_filters: self.options.trust_filters };
        let synced = sync(state, &node, &rules, secret, |state, progress| {
            bar.set_length(u64::from(progress.done) + u64::from(progress.left));
            bar.set_position(progress.done.into());
            if saved_at.elapsed() >= SAVE_EVERY {
                // Only a shortcut for the next time: what matters is saved at the end, where failing is told.
                let _ = folder.write_state(&state.to_bytes());
                saved_at = Instant::now();
            }
        });
        bar.finish_and_clear();
        let pending = synced.is_ok().then(|| follow_pending(state, &node, &self.spec, secret));
        wallet.save()?;
        let (synced, pending) = (synced?, pending.transpose()?.unwrap_or_default());
        for (txid, reason) in &pending.refused {
            note(&format_args!("note: the node does not take payment {txid}: {reason}"));
        }
        for txid in &pending.unproven {
            note(&format_args!(
                "note: the node has a payment {txid} of the wallet's coins that is not proven to be the wallet's"
            ));
        }
        for txid in &pending.gone {
            note(&format_args!("note: payment {txid} has left the node's pool without being mined"));
        }
        Ok(Followed { synced, pending })
    }
}

/// Tries again for a while where another process has the wallet open.
fn patiently<T>(mut open: impl FnMut() -> Result<T, WalletError>) -> anyhow::Result<T> {
    let until = Instant::now() + IN_USE_WAIT;
    loop {
        match open() {
            Err(WalletError::Folder(FolderError::InUse { .. })) if Instant::now() < until => {
                thread::sleep(IN_USE_PAUSE);
            }
            opened => return Ok(opened?),
        }
    }
}

/// The time by this machine's clock.
fn now() -> BlockTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    BlockTime(u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
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
