//! `qbtc chain`: specs for chains of one's own, and a look at any chain's rules.

mod new;
mod show;

use clap::Subcommand;

use super::options::GlobalOptions;

/// Makes and shows chain specs.
#[derive(Subcommand)]
pub(super) enum ChainCommand {
    /// Writes the spec of a chain of your own, with its first block.
    New(Box<new::NewCommand>),
    /// Shows a chain's rules: of --chain, a built-in one or a file.
    Show(show::ShowCommand),
}

impl ChainCommand {
    pub(super) fn run(self, global: &GlobalOptions) -> anyhow::Result<()> {
        match self {
            Self::New(command) => command.run(global),
            Self::Show(command) => command.run(global),
        }
    }
}
