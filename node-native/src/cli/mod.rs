//! The command line: what users type, and what they read.
//!
//! Here words become values and errors become sentences; everything else is done by the modules below. Results go to stdout and
//! nothing else does, so that they can be piped; progress, questions and errors go to stderr.

mod bench;
mod chain;
mod completions;
mod decode;
mod failure;
mod light;
mod node;
pub mod options;
mod output;
mod rpc;
mod wallet;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use options::GlobalOptions;

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  refused or failed; stderr says why
  2  not understood: an unknown option or a missing value
  3  no node to ask: it does not run, does not answer, or does not know you
  4  wrong passphrase
  5  a payment is signed and kept, and the node did not say whether it took it

Examples:
  qbtc wallet create                       make a wallet and show its words
  qbtc wallet address                      an address to be paid to
  qbtc wallet send dbqs1…=12.5             pay
  qbtc light balance dbqs1…                what an address owns, without a node of your own
  qbtc rpc getblockchaininfo               ask the node
  qbtc decode tx 01…                       take a transaction apart, offline
  qbtc chain new --name acme               a chain of your own";

/// The qBTC node, miner, wallet and tools.
#[derive(Parser)]
#[command(name = "qbtc", version, after_help = AFTER_HELP, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a full node.
    Node(Box<node::NodeCommand>),
    /// Keeps keys and money: create, restore, pay, sign, and more.
    Wallet(Box<wallet::WalletCommand>),
    /// Asks nodes as a light client: the proven tip, coins, transactions, without a node of your own.
    Light(Box<light::LightCommand>),
    /// Calls a method of the node's JSON-RPC.
    Rpc(rpc::RpcCommand),
    /// Takes a transaction, block, header or address apart, offline.
    Decode(decode::DecodeCommand),
    /// Makes and shows chain specs: the rules of a chain.
    #[command(subcommand)]
    Chain(chain::ChainCommand),
    /// Measures this machine and the node's promises of speed.
    Bench(bench::BenchCommand),
    /// Prints a script that completes commands in your shell.
    Completions(completions::CompletionsCommand),
}

/// Runs the program with the arguments that it was given.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { global, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        // What asks for JSON may itself not be understood, so it is looked for by hand.
        Err(error) => return failure::explain_usage(&error, std::env::args_os().any(|arg| arg == "--json")),
    };
    let done = match command {
        Command::Node(command) => command.run(&global),
        Command::Wallet(command) => command.run(&global),
        Command::Light(command) => command.run(&global),
        Command::Rpc(command) => command.run(&global),
        Command::Decode(command) => command.run(&global),
        Command::Chain(command) => command.run(&global),
        Command::Bench(command) => command.run(&global),
        Command::Completions(command) => command.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::explain(&error, global.json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_sound() {
        Cli::command().debug_assert();
    }

    /// The flags of `qbtc node`, those of all commands among them.
    fn flags_of_node() -> Vec<clap::Arg> {
        let mut program = Cli::command();
        program.build();
        let node = program.find_subcommand("node").unwrap();
        let own = |arg: &&clap::Arg| arg.get_long().is_some_and(|name| !["help", "version", "json"].contains(&name));
        node.get_arguments().filter(own).cloned().collect()
    }

    #[test]
    fn each_variable_is_named_after_its_flag() {
        let flags = flags_of_node();
        for flag in &flags {
            let name = flag.get_long().unwrap();
            let variable = format!("QBTC_{}", name.to_uppercase().replace('-', "_"));
            assert_eq!(flag.get_env(), Some(variable.as_ref()), "--{name}");
        }
        assert!(flags.iter().any(|flag| flag.get_long() == Some("config-file")));
    }

    #[test]
    fn the_table_of_settings_has_each_flag_of_a_node_and_no_other() {
        let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md");
        let document = std::fs::read_to_string(document).unwrap();
        let (_, settings) = document.split_once("\n## Settings\n").unwrap();
        let (settings, _) = settings.split_once("\n## ").unwrap();
        let first_cells = settings.lines().filter(|line| line.starts_with("| `--"));
        let first_cells = first_cells.filter_map(|line| line.split('|').nth(1));
        let mut told: Vec<String> = first_cells
            .flat_map(|cell| cell.split('`').filter_map(|part| part.strip_prefix("--")))
            .map(|flag| flag.split(' ').next().unwrap().to_owned())
            .collect();
        let mut flags: Vec<String> =
            flags_of_node().iter().filter_map(|flag| Some(flag.get_long()?.to_owned())).collect();
        told.sort();
        flags.sort();
        assert_eq!(told, flags);
    }
}
