//! `qbtc completions`: scripts that complete commands in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output::print_bytes;

const EXAMPLES: &str = "\
Examples:
  qbtc completions bash > ~/.local/share/bash-completion/completions/qbtc
  qbtc completions fish > ~/.config/fish/completions/qbtc.fish
  qbtc completions zsh  > ~/.zfunc/_qbtc";

/// Prints a completion script.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompletionsCommand {
    /// The shell.
    shell: Shell,
}

impl CompletionsCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "qbtc", &mut script);
        print_bytes(&script)
    }
}
