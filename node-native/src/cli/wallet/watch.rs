//! `qbtc wallet export` and `watch`: a wallet on a machine that does not have its secret.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use qbtc_core::units::Height;
use serde::Serialize;

use super::addresses;
use super::context::Context;
use crate::wallet::Wallet;
use crate::wallet::folder::{WalletFolder, read_bounded, write_new};
use crate::wallet::watched::Watched;

const EXPORT_EXAMPLES: &str = "\
Keys of this chain have no public derivation: a wallet that watches cannot make addresses, and is given as many as it will need for a
while. Once they run short, export more and hand them to `qbtc wallet watch` again. Whoever has the file sees all that the wallet owns,
and can spend none of it.

Examples:
  qbtc wallet export watch.qbtc
  qbtc wallet export watch.qbtc --addresses 1000";

const WATCH_EXAMPLES: &str = "\
A wallet that watches shows balance and history, gives addresses to payers, and makes payments for the signer (`qbtc wallet partial`).
Both wallets give out the same addresses: ask only one of them.

Bare addresses can be watched too. Their keys are not known here, so that no payment can be made from them.

Examples:
  qbtc wallet watch till --from watch.qbtc        makes it, or adds the addresses that it lacks
  qbtc wallet watch exchange --address dbqs1… --address dbqs1…";

/// Writes the wallet's addresses, for a machine that only watches.
#[derive(Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(super) struct ExportCommand {
    /// The file to write. None is ever replaced.
    file: PathBuf,
    /// How many addresses to receive at, and as many for change.
    #[arg(long, value_name = "COUNT", default_value_t = Watched::EXPORT_DEFAULT)]
    addresses: u32,
}

/// Makes or extends a wallet that only watches.
#[derive(Args)]
#[command(after_help = WATCH_EXAMPLES)]
pub(super) struct WatchCommand {
    /// The wallet's name.
    name: String,
    /// A file that `qbtc wallet export` has written.
    #[arg(long, value_name = "FILE", required_unless_present = "address", conflicts_with = "address")]
    from: Option<PathBuf>,
    /// An address whose keys are not known. May be given several times.
    #[arg(long, value_name = "ADDRESS")]
    address: Vec<String>,
    /// With --address: the height of the block from which on to look for coins.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0, conflicts_with = "from")]
    birthday: u32,
}

/// Addresses that were written.
#[derive(Serialize)]
struct Exported {
    wallet: String,
    file: PathBuf,
    addresses: usize,
}

/// A wallet that watches.
#[derive(Serialize)]
struct Watching {
    wallet: String,
    path: PathBuf,
    addresses: usize,
    added: usize,
    birthday: Height,
}

impl ExportCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut wallet = context.open()?;
        let unlocked = context.unlock(&wallet)?;
        let exported = Watched::export(wallet.state_mut(), &unlocked.key, self.addresses)?;
        wallet.save()?;
        write_new(&self.file, &exported.to_bytes())?;
        let addresses = exported.book().len();
        context.show(&Exported { wallet: wallet.name().to_owned(), file: self.file, addresses })
    }
}

impl WatchCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let watched = self.watched(context)?;
        let is_there = WalletFolder::list(context.wallets())?.contains(&self.name);
        let (wallet, added) = if is_there {
            let mut wallet = context.open_named(&self.name)?;
            let added = wallet.watch_more(&watched)?;
            (wallet, added)
        } else {
            let added = watched.book().len();
            (Wallet::watch(context.wallets(), &self.name, watched)?, added)
        };
        context.show(&Watching {
            wallet: wallet.name().to_owned(),
            path: wallet.path().to_owned(),
            addresses: wallet.state().book().len(),
            added,
            birthday: wallet.state().birthday(),
        })
    }

    fn watched(&self, context: &Context) -> anyhow::Result<Watched> {
        let Some(file) = &self.from else {
            let addresses = self.address.iter().map(|text| addresses::parse(context, text));
            let addresses = addresses.collect::<anyhow::Result<Vec<_>>>()?;
            return Ok(Watched::bare(&context.spec, Height(self.birthday), &addresses)?);
        };
        let describe = || format!("{} cannot be watched", file.display());
        let watched = Watched::from_bytes(&read_bounded(file, Watched::BYTES_MAX)?).with_context(describe)?;
        watched.check_chain(&context.spec.chain_id()).with_context(describe)?;
        if watched.book().is_empty() {
            bail!("{} holds no addresses", file.display());
        }
        Ok(watched)
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} addresses of wallet {} are in {}", self.addresses, self.wallet, self.file.display())?;
        write!(f, "next  qbtc wallet watch NAME --from FILE    on the machine that watches")
    }
}

impl fmt::Display for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "wallet     {}, which only watches", self.wallet)?;
        writeln!(f, "kept in    {}", self.path.display())?;
        writeln!(f, "addresses  {}, {} of them new", self.addresses, self.added)?;
        write!(f, "birthday   block {}", self.birthday)
    }
}
