//! `qbtc chain show`: the rules of a chain at a glance.

use std::fmt;

use clap::Args;
use qbtc_core::hash::{BlockHash, ChainId};
use qbtc_core::pow::Difficulty;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Amount;
use serde::Serialize;

use crate::cli::options::GlobalOptions;
use crate::cli::output::{print, show};

const EXAMPLES: &str = "\
Examples:
  qbtc chain show --chain test
  qbtc chain show --chain acme.toml --json
  qbtc chain show --chain main --toml > mine.toml    a spec to start from
  qbtc chain show --chain acme.toml --hex            what the npm package reads";

/// Shows a chain's rules.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct ShowCommand {
    /// Prints the whole spec, as its file.
    #[arg(long, conflicts_with = "json")]
    toml: bool,
    /// Prints the whole spec as bytes in hex: what programs without a parser of TOML read.
    #[arg(long, conflicts_with_all = ["json", "toml"])]
    hex: bool,
}

impl ShowCommand {
    pub(in crate::cli) fn run(self, global: &GlobalOptions) -> anyhow::Result<()> {
        let spec = global.spec()?;
        if self.hex {
            return print(&hex::encode(spec.to_bytes()));
        }
        if self.toml { print(&spec.to_toml()) } else { show(&ChainSummary::of(&spec), global.json) }
    }
}

/// What people ask first about a chain.
#[derive(Serialize)]
pub(super) struct ChainSummary {
    name: String,
    chain_id: ChainId,
    genesis: BlockHash,
    genesis_time: u32,
    address_prefix: String,
    spacing_s: u32,
    difficulty: String,
    genesis_bits: String,
    subsidy: Amount,
    halving_blocks: u32,
    supply_max: Amount,
    allocations: usize,
    allocated: Amount,
    coinbase_maturity: u32,
    block_bytes: u32,
    tx_bytes: u32,
    schemes: Vec<String>,
    p2p_port: u16,
    rpc_port: u16,
    http_port: u16,
}

impl ChainSummary {
    pub(super) fn of(spec: &ChainSpec) -> Self {
        let (rules, network) = (spec.consensus(), spec.network());
        let amounts = rules.genesis.allocations.iter().map(|allocation| allocation.amount);
        Self {
            name: spec.name().to_owned(),
            chain_id: spec.chain_id(),
            genesis: spec.genesis().id(),
            genesis_time: rules.genesis.time.0,
            address_prefix: network.address_prefix.to_string(),
            spacing_s: rules.spacing_s,
            difficulty: difficulty(&rules.difficulty),
            genesis_bits: rules.genesis.bits.to_string(),
            subsidy: rules.subsidy.initial,
            halving_blocks: rules.subsidy.halving_blocks,
            supply_max: rules.supply_max,
            allocations: rules.genesis.allocations.len(),
            allocated: Amount::checked_sum(amounts).unwrap_or(Amount::MAX),
            coinbase_maturity: rules.coinbase_maturity,
            block_bytes: rules.limits.block_bytes,
            tx_bytes: rules.limits.tx_bytes,
            schemes: rules.schemes.iter().map(|rule| rule.scheme.to_string()).collect(),
            p2p_port: network.ports.p2p,
            rpc_port: network.ports.rpc,
            http_port: network.ports.http,
        }
    }
}

fn difficulty(rule: &Difficulty) -> String {
    match rule {
        Difficulty::Asert(rule) => format!("asert, half-life {} s", rule.half_life_s()),
        Difficulty::Interval(rule) => {
            format!("interval of {} blocks, by a factor of at most {}", rule.blocks(), rule.clamp())
        }
        Difficulty::Fixed => "fixed".to_owned(),
    }
}

impl fmt::Display for ChainSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_second(self.genesis_time.into()).map_err(|_| fmt::Error)?;
        writeln!(f, "chain          {}", self.name)?;
        writeln!(f, "chain id       {}", self.chain_id)?;
        writeln!(f, "first block    {time}, bits {}", self.genesis_bits)?;
        writeln!(f, "addresses      begin with {}1", self.address_prefix)?;
        writeln!(f, "a block every  {} s, difficulty {}", self.spacing_s, self.difficulty)?;
        writeln!(f, "reward         {} QBTC, halved every {} blocks", self.subsidy, self.halving_blocks)?;
        writeln!(f, "supply         at most {} QBTC", self.supply_max)?;
        writeln!(f, "allocated      {} QBTC to {} addresses in the first block", self.allocated, self.allocations)?;
        writeln!(f, "maturity       {} blocks until mined coins can be spent", self.coinbase_maturity)?;
        writeln!(f, "sizes          blocks of {} bytes, transactions of {}", self.block_bytes, self.tx_bytes)?;
        writeln!(f, "signatures     {}", self.schemes.join(", "))?;
        writeln!(f, "ports          peers {}, RPC {}, HTTP {}", self.p2p_port, self.rpc_port, self.http_port)
    }
}
