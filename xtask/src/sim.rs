//! `cargo xtask sim`: long runs of the simulator of the network, in release. Short ones are tests: tests/tests/sim.rs.

use anyhow::{Context, Result};

use crate::process::run_shown_for;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// What `cargo xtask sim` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The seed from which all chance comes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds to run, one after the other, from the first on.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// How many honest nodes there are.
    #[arg(long, default_value_t = 100)]
    nodes: u32,
    /// How many virtual hours troubles last, before all becomes calm.
    #[arg(long, default_value_t = 1)]
    hours: u64,
    /// The same in minutes.
    #[arg(long, conflicts_with = "hours")]
    minutes: Option<u64>,
    /// What goes wrong: `all`, `none`, or some of breaks,partitions,crashes,skew.
    #[arg(long, default_value = "all")]
    faults: String,
    /// Who lies: `all`, `none`, or names as docs/simulation.md lists them; one node for each, and a name may stand several times.
    #[arg(long, default_value = "all")]
    liars: String,
    /// How many blocks the chain has at the start.
    #[arg(long, default_value_t = 400)]
    blocks: u32,
    /// How many nodes start with nothing.
    #[arg(long, default_value_t = 2)]
    fresh: u32,
    /// Whether the first node knows one honest address only, and else liars: yes or no.
    #[arg(long, default_value = "no", value_parser = ["yes", "no"])]
    surrounded: String,
    /// Payments in an hour.
    #[arg(long, default_value_t = 60)]
    payments: u64,
    /// The bytes of data in each payment, at most 40,960.
    #[arg(long, default_value_t = 0)]
    payment_bytes: u32,
    /// The largest block, in bytes.
    #[arg(long, default_value_t = 262_144)]
    block_bytes: u32,
    /// Prints one line of JSON for each run.
    #[arg(long)]
    json: bool,
}

/// Runs the simulator, and stops at the first seed that fails.
///
/// # Errors
/// If it does not build, the options are wrong, or a check does not hold; it has told the last events and the command that replays them.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let minutes = options.minutes.unwrap_or(60 * options.hours);
    for seed in (options.seed..).take(usize::try_from(options.runs).unwrap_or(usize::MAX)) {
        let mut cargo = workspace.cargo(&Toolchain::Default);
        cargo.args(["run", "--quiet", "--release", "--package", "qbtc-tests", "--bin", "sim", "--"]);
        let numbers = [
            ("--seed", seed),
            ("--nodes", options.nodes.into()),
            ("--minutes", minutes),
            ("--blocks", options.blocks.into()),
            ("--fresh", options.fresh.into()),
            ("--payments", options.payments),
            ("--payment-bytes", options.payment_bytes.into()),
            ("--block-bytes", options.block_bytes.into()),
        ];
        for (name, number) in numbers {
            cargo.arg(name).arg(number.to_string());
        }
        let words = [("--faults", &options.faults), ("--liars", &options.liars), ("--surrounded", &options.surrounded)];
        for (name, word) in words {
            cargo.arg(name).arg(word);
        }
        if options.json {
            cargo.arg("--json");
        }
        run_shown_for(&mut cargo, None).with_context(|| format!("the seed {seed} failed"))?;
    }
    Ok(())
}
