//! `qbtc chain`: specs for chains of one's own, a look at any chain's rules, and a chain as a file.

mod export;
mod new;
mod show;

use clap::Subcommand;

use super::options::GlobalOptions;

/// Makes and shows chain specs, and writes a chain to a file.
#[derive(Subcommand)]
pub(super) enum ChainCommand {
    /// Writes the spec of a chain of your own, with its first block.
    New(Box<new::NewCommand>),
    /// Shows a chain's rules: of --chain, a built-in one or a file.
    Show(show::ShowCommand),
    /// Writes a node's chain to a file, for a machine without a network.
    Export(Box<export::ExportCommand>),
}

impl ChainCommand {
    pub(super) fn run(self, global: &GlobalOptions) -> anyhow::Result<()> {
        match self {
            Self::New(command) => command.run(global),
            Self::Show(command) => command.run(global),
            Self::Export(command) => command.run(global),
        }
    }
}
