//! `qbtc wallet`: keys and money at the command line.
//!
//! Commands that only look bring the wallet up to date first where a node answers, and say so where none does. What spends asks for the
//! passphrase last, once it has shown what it is for.

mod addresses;
mod context;
mod create;
mod csv;
mod desk;
mod effect;
mod history;
mod info;
mod keys;
mod label;
mod message;
mod money;
mod order;
mod partial;
mod passphrase;
mod proof;
mod send;
mod show;
mod sync;
mod watch;
mod words;

use clap::{Args, Subcommand};

use super::options::{GlobalOptions, NodeOptions};
use context::Context;
use passphrase::PassphraseOptions;

const EXAMPLES: &str = "\
The passphrase is asked for. Scripts give it by --passphrase-file, --passphrase-stdin or the variable QBTC_PASSPHRASE.

Examples:
  qbtc wallet create
  qbtc wallet create savings --fallback
  qbtc wallet -w savings balance
  qbtc wallet send dbqs1…=12.5 dbqs1…=3 --confirm-within 2
  qbtc wallet history --json";

/// Keeps keys and money. The node holds no keys: wallets are encrypted files beside it.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct WalletCommand {
    #[command(flatten)]
    options: WalletOptions,
    #[command(subcommand)]
    action: Action,
}

/// Options of all wallet commands.
#[derive(Args, Clone, Default)]
struct WalletOptions {
    /// Which wallet [default: the only one, or the one named `default`].
    #[arg(long, short, global = true, env = "QBTC_WALLET", value_name = "NAME", hide_env_values = true)]
    wallet: Option<String>,
    /// Goes by what the wallet knows, without asking the node.
    #[arg(long, global = true)]
    offline: bool,
    /// Takes the word of a node for filters that it cannot prove, as where an early version has pruned blocks.
    #[arg(long, global = true)]
    trust_filters: bool,
    #[command(flatten)]
    passphrase: PassphraseOptions,
    #[command(flatten)]
    node: NodeOptions,
}

#[derive(Subcommand)]
enum Action {
    /// Makes a wallet, and shows the words that bring it back.
    Create(create::CreateCommand),
    /// Brings a wallet back from its words.
    Restore(create::RestoreCommand),
    /// Lists the wallets of the chain.
    List(create::ListCommand),
    /// Tells what the wallet is.
    Info(info::InfoCommand),
    /// Shows an address to be paid to.
    Address(addresses::AddressCommand),
    /// Lists the wallet's addresses.
    Addresses(addresses::AddressesCommand),
    /// Shows how much money there is.
    Balance(money::BalanceCommand),
    /// Lists the coins.
    Coins(money::CoinsCommand),
    /// Lists payments, newest first.
    History(history::HistoryCommand),
    /// Shows one payment: whence its money came and where it went.
    Show(show::ShowCommand),
    /// Pays.
    Send(send::SendCommand),
    /// Makes a payment that waits pay a higher fee.
    Bump(send::BumpCommand),
    /// Takes back a payment that waits.
    Cancel(send::CancelCommand),
    /// Makes, signs and sends payments where the secret is on another machine, or several sign.
    Partial(Box<partial::PartialCommand>),
    /// Writes something beside an address or a payment.
    Label(label::LabelCommand),
    /// Lists what was written beside addresses and payments.
    Labels(label::LabelsCommand),
    /// Proves that a payment is in a block.
    Proof(proof::ProofCommand),
    /// Signs a text for one of the wallet's addresses.
    Sign(message::SignCommand),
    /// Verifies a signed text. Needs no wallet.
    Verify(message::VerifyCommand),
    /// Follows the chain up to the node's tip.
    Sync(sync::SyncCommand),
    /// Forgets what the wallet knows of the chain, and looks through it again.
    Rescan(sync::RescanCommand),
    /// Writes the wallet's addresses, for a machine that only watches.
    Export(watch::ExportCommand),
    /// Watches a wallet, or addresses, whose secret is elsewhere.
    Watch(watch::WatchCommand),
    /// Changes the passphrase.
    Passphrase(keys::PassphraseCommand),
    /// Shows the words again.
    Words(keys::WordsCommand),
    /// Writes an encrypted file that brings the wallet back, labels and all.
    Backup(keys::BackupCommand),
    /// Checks that the words which you have written down are this wallet's.
    BackupCheck(keys::BackupCheckCommand),
}

impl WalletCommand {
    pub(super) fn run(self, global: &GlobalOptions) -> anyhow::Result<()> {
        let context = Context::new(global, self.options)?;
        match self.action {
            Action::Create(command) => command.run(&context),
            Action::Restore(command) => command.run(&context),
            Action::List(command) => command.run(&context),
            Action::Info(command) => command.run(&context),
            Action::Address(command) => command.run(&context),
            Action::Addresses(command) => command.run(&context),
            Action::Balance(command) => command.run(&context),
            Action::Coins(command) => command.run(&context),
            Action::History(command) => command.run(&context),
            Action::Show(command) => command.run(&context),
            Action::Send(command) => command.run(&context),
            Action::Bump(command) => command.run(&context),
            Action::Cancel(command) => command.run(&context),
            Action::Partial(command) => command.run(&context),
            Action::Label(command) => command.run(&context),
            Action::Labels(command) => command.run(&context),
            Action::Proof(command) => command.run(&context),
            Action::Sign(command) => command.run(&context),
            Action::Verify(command) => command.run(&context),
            Action::Sync(command) => command.run(&context),
            Action::Rescan(command) => command.run(&context),
            Action::Export(command) => command.run(&context),
            Action::Watch(command) => command.run(&context),
            Action::Passphrase(command) => command.run(&context),
            Action::Words(command) => command.run(&context),
            Action::Backup(command) => command.run(&context),
            Action::BackupCheck(command) => command.run(&context),
        }
    }
}
