//! `qbtc chain new`: the spec of a chain of one's own.
//!
//! A built-in spec is taken as it is but for what the user asks to be different, and the outcome is read back as any spec is: what
//! is written has been checked.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use qbtc_core::lock::{Address, AddressPrefix};
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Amount;
use serde::Serialize;
use toml::{Table, Value};

use super::show::ChainSummary;
use crate::cli::options::GlobalOptions;
use crate::cli::output::{print, show};

/// The names and prefixes that the built-in chains have.
const BUILT_IN: [&str; 4] = ["main", "test", "local", "dev"];

const EXAMPLES: &str = "\
The first block proves no work: it follows from the rules, and its id is the chain's. Whoever has the same file is on the same chain.
An address for --allocate may be of any chain: keys of test chains are the same, so one of `qbtc wallet address --chain dev` will do.

Examples:
  qbtc chain new --name acme
  qbtc chain new --name acme --spacing 30 --reward 10 --halving 1000000 --allocate dbqs1…=1000000
  qbtc node --chain acme.toml --mine";

/// Writes the spec of a chain of your own.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct NewCommand {
    /// The chain's name: lower-case letters, digits and hyphens.
    #[arg(long)]
    name: String,
    /// The built-in chain whose numbers are taken where none are given.
    #[arg(long, value_name = "CHAIN", default_value = "local", value_parser = BUILT_IN)]
    like: String,
    /// What addresses begin with, before the `1` [default: the name's letters].
    #[arg(long, value_name = "LETTERS")]
    prefix: Option<AddressPrefix>,
    /// Seconds between blocks.
    #[arg(long, value_name = "SECONDS")]
    spacing: Option<u32>,
    /// What the first blocks pay, in QBTC.
    #[arg(long, value_name = "AMOUNT")]
    reward: Option<Amount>,
    /// Blocks between halvings of the reward.
    #[arg(long, value_name = "BLOCKS")]
    halving: Option<u32>,
    /// The most money that can ever exist, in QBTC [default: what rewards and allocations come to].
    #[arg(long, value_name = "AMOUNT")]
    supply: Option<Amount>,
    /// Blocks until mined coins can be spent.
    #[arg(long, value_name = "BLOCKS")]
    maturity: Option<u32>,
    /// How the difficulty follows the miners.
    #[arg(long, value_name = "fixed|asert:HALF_LIFE_S|interval:BLOCKS:CLAMP", value_parser = difficulty)]
    difficulty: Option<Table>,
    /// The first difficulty, in Bitcoin's compact form, such as 1f00ffff.
    #[arg(long, value_name = "HEX", value_parser = bits)]
    bits: Option<u32>,
    /// The lowest difficulty that may ever be, in the same form.
    #[arg(long, value_name = "HEX", value_parser = bits)]
    bits_limit: Option<u32>,
    /// The largest block, in bytes.
    #[arg(long, value_name = "BYTES")]
    block_bytes: Option<u32>,
    /// The first block's time, in seconds since 1970 [default: now].
    #[arg(long, value_name = "SECONDS")]
    time: Option<u32>,
    /// Words to stand in the first block [default: `qBTC NAME`].
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Money that exists from the start. May be given many times.
    #[arg(long, value_name = "ADDRESS=AMOUNT", value_parser = allocation)]
    allocate: Vec<Allocation>,
    /// Ports for peers, RPC and HTTP.
    #[arg(long, value_name = "P2P,RPC,HTTP", default_value = "48333,48332,48080", value_parser = ports)]
    ports: [u16; 3],
    /// The file; `-` for stdout [default: NAME.toml].
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replaces a file that is there.
    #[arg(long)]
    force: bool,
}

/// Money from the start, as the command line names it.
#[derive(Clone, Debug)]
struct Allocation {
    address: Address,
    amount: Amount,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    file: PathBuf,
    #[serde(flatten)]
    summary: ChainSummary,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        write!(f, "{}\nwritten to     {file}\nnext           qbtc node --chain {file}", self.summary)
    }
}

impl NewCommand {
    pub(in crate::cli) fn run(self, global: &GlobalOptions) -> anyhow::Result<()> {
        let spec = self.spec()?;
        let text = format!(
            "# A chain made by `qbtc chain new`. Its id, {}, follows from the rules below:\n\
             # to change one is to make another chain. [network] may be changed freely.\n{}",
            spec.chain_id(),
            spec.to_toml()
        );
        ChainSpec::from_toml(&text).context("the spec cannot be read back")?;
        let file = self.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.toml", self.name)));
        if file.as_os_str() == "-" {
            return print(&text);
        }
        self.write(&file, &text)?;
        show(&Made { file, summary: ChainSummary::of(&spec) }, global.json)
    }

    fn write(&self, file: &PathBuf, text: &str) -> anyhow::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true);
        if self.force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let mut opened = options.open(file).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => anyhow!("{} is there already; --force replaces it", file.display()),
            _ => anyhow!("cannot write {}: {error}", file.display()),
        })?;
        opened.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))
    }

    fn spec(&self) -> anyhow::Result<ChainSpec> {
        let model = ChainSpec::by_name(&self.like).ok_or_else(|| anyhow!("no chain {:?}", self.like))?;
        let mut file: Table = toml::from_str(&model.to_toml())?;
        let prefix = self.prefix()?;
        if let Some(spec) = BUILT_IN
            .into_iter()
            .filter_map(ChainSpec::by_name)
            .find(|spec| spec.name() == self.name || spec.network().address_prefix == prefix)
        {
            bail!("the name {:?} or the prefix {prefix} is that of the built-in chain {}", self.name, spec.name());
        }
        file.insert("name".to_owned(), self.name.clone().into());
        let network = part(&mut file, "network")?;
        network.insert("address_prefix".to_owned(), prefix.as_str().into());
        let ports = ["p2p", "rpc", "http"].into_iter().zip(self.ports);
        let ports: Table = ports.map(|(name, port)| (name.to_owned(), i64::from(port).into())).collect();
        network.insert("ports".to_owned(), ports.into());
        for list in ["dns_seeds", "bootstrap_peers", "checkpoints"] {
            network.remove(list);
        }
        self.set_rules(part(&mut file, "consensus")?)?;
        Ok(ChainSpec::from_toml(&toml::to_string(&file)?)?)
    }

    fn prefix(&self) -> anyhow::Result<AddressPrefix> {
        if let Some(prefix) = &self.prefix {
            return Ok(prefix.clone());
        }
        let letters = self.name.chars().filter(char::is_ascii_lowercase).take(AddressPrefix::LETTERS_MAX);
        let letters: String = letters.collect();
        letters
            .parse()
            .with_context(|| format!("the name {:?} gives no address prefix; choose one with --prefix", self.name))
    }

    fn set_rules(&self, rules: &mut Table) -> anyhow::Result<()> {
        set(rules, "spacing_s", self.spacing);
        set(rules, "coinbase_maturity", self.maturity);
        set(rules, "bits_limit", self.bits_limit);
        if let Some(difficulty) = &self.difficulty {
            rules.insert("difficulty".to_owned(), difficulty.clone().into());
        }
        set(part(rules, "limits")?, "block_bytes", self.block_bytes);
        let subsidy = part(rules, "subsidy")?;
        set(subsidy, "halving_blocks", self.halving);
        if let Some(reward) = self.reward {
            subsidy.insert("initial".to_owned(), reward.to_string().into());
        }
        let supply = match self.supply {
            Some(supply) => supply,
            None => self.supply_of(subsidy)?,
        };
        rules.insert("supply_max".to_owned(), supply.to_string().into());
        let genesis = part(rules, "genesis")?;
        set(genesis, "bits", self.bits);
        let message = self.message.clone().unwrap_or_else(|| format!("qBTC {}", self.name));
        genesis.insert("message".to_owned(), message.into());
        let now = || u32::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_secs()).context("the clock is beyond 2106");
        let time = self.time.map_or_else(now, Ok)?;
        genesis.insert("time".to_owned(), i64::from(time).into());
        let allocations: Vec<Value> = self.allocate.iter().map(Allocation::to_toml).collect();
        genesis.insert("allocations".to_owned(), allocations.into());
        Ok(())
    }

    /// All money that the rules make: the sum over the halvings, as the check of a spec counts it, and the allocations.
    fn supply_of(&self, subsidy: &Table) -> anyhow::Result<Amount> {
        let initial: Amount = subsidy.get("initial").and_then(Value::as_str).unwrap_or_default().parse()?;
        let blocks = subsidy.get("halving_blocks").and_then(Value::as_integer).unwrap_or_default();
        let blocks = u128::try_from(blocks).unwrap_or_default();
        let mined: u128 = (0..63).map(|halvings| u128::from(initial.quanta() >> halvings) * blocks).sum();
        let given: u128 = self.allocate.iter().map(|allocation| u128::from(allocation.amount.quanta())).sum();
        let too_much =
            || anyhow!("rewards and allocations come to more money than can be counted; lower --reward or --halving");
        let quanta = u64::try_from(mined + given).map_err(|_| too_much())?;
        Amount::from_quanta(quanta).map_err(|_| too_much())
    }
}

impl Allocation {
    fn to_toml(&self) -> Value {
        let pairs = [("address", hex::encode(self.address.as_bytes())), ("amount", self.amount.to_string())];
        Value::Table(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
    }
}

fn part<'a>(table: &'a mut Table, name: &str) -> anyhow::Result<&'a mut Table> {
    table.get_mut(name).and_then(Value::as_table_mut).ok_or_else(|| anyhow!("the model spec has no {name}"))
}

fn set(table: &mut Table, name: &str, number: Option<u32>) {
    if let Some(number) = number {
        table.insert(name.to_owned(), i64::from(number).into());
    }
}

fn bits(text: &str) -> Result<u32, String> {
    let digits = text.trim_start_matches("0x");
    u32::from_str_radix(digits, 16).map_err(|_| "expected eight hex digits, such as 1f00ffff".to_owned())
}

fn ports(text: &str) -> Result<[u16; 3], String> {
    let ports: Result<Vec<u16>, _> = text.split(',').map(str::parse).collect();
    let ports = ports.ok().and_then(|ports| ports.try_into().ok()).filter(|ports: &[u16; 3]| !ports.contains(&0));
    ports.ok_or_else(|| "expected three ports, such as 48333,48332,48080".to_owned())
}

fn difficulty(text: &str) -> Result<Table, String> {
    let refused = || "expected fixed, asert:HALF_LIFE_S or interval:BLOCKS:CLAMP".to_owned();
    let mut parts = text.split(':');
    let rule = parts.next().unwrap_or_default();
    let names: &[&str] = match rule {
        "fixed" => &[],
        "asert" => &["half_life_s"],
        "interval" => &["blocks", "clamp"],
        _ => return Err(refused()),
    };
    let mut table = Table::from_iter([("rule".to_owned(), rule.into())]);
    for name in names {
        let number: u32 = parts.next().and_then(|part| part.parse().ok()).ok_or_else(refused)?;
        table.insert((*name).to_owned(), i64::from(number).into());
    }
    if parts.next().is_some() { Err(refused()) } else { Ok(table) }
}

fn allocation(text: &str) -> Result<Allocation, String> {
    let (address, amount) = text.rsplit_once('=').ok_or("expected ADDRESS=AMOUNT")?;
    let amount = amount.parse().map_err(|error| format!("{error}"))?;
    Ok(Allocation { address: address_of_any_chain(address)?, amount })
}

/// The address of a text, whatever chain it is for: its prefix is taken at its word.
fn address_of_any_chain(text: &str) -> Result<Address, String> {
    let (prefix, _) = text.rsplit_once('1').ok_or_else(|| format!("{text:?} is no address"))?;
    let prefix: AddressPrefix = prefix.to_lowercase().parse().map_err(|error| format!("{error}"))?;
    Address::from_text(text, &prefix).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        command: NewCommand,
    }

    fn spec(args: &[&str]) -> anyhow::Result<ChainSpec> {
        let line = [&["new", "--name", "acme", "--time", "1800000000"], args].concat();
        Line::try_parse_from(line)?.command.spec()
    }

    #[test]
    fn a_chain_differs_from_its_model_by_what_was_asked() {
        let plain = spec(&[]).unwrap();
        assert_eq!((plain.name(), plain.network().address_prefix.as_str()), ("acme", "acme"));
        assert_eq!(plain.consensus().spacing_s, ChainSpec::local().consensus().spacing_s);
        assert_eq!(plain.consensus().genesis.message, "qBTC acme");
        assert_ne!(plain.chain_id(), ChainSpec::local().chain_id());
        assert_eq!(spec(&[]).unwrap().chain_id(), plain.chain_id());

        let text = Address::from_bytes([7; 32]).to_text(&ChainSpec::dev().network().address_prefix);
        let allocate = format!("{text}=12.5");
        let own = spec(&[
            "--like",
            "main",
            "--spacing",
            "30",
            "--reward",
            "1",
            "--halving",
            "10",
            "--maturity",
            "5",
            "--difficulty",
            "interval:100:4",
            "--bits",
            "1e00ffff",
            "--block-bytes",
            "2000000",
            "--message",
            "hello",
            "--allocate",
            &allocate,
            "--ports",
            "1,2,3",
            "--prefix",
            "zz",
        ]);
        let own = own.unwrap();
        let rules = own.consensus();
        assert_eq!((rules.spacing_s, rules.coinbase_maturity, rules.limits.block_bytes), (30, 5, 2_000_000));
        assert_eq!(rules.genesis.allocations[0].address, Address::from_bytes([7; 32]));
        assert_eq!(own.network().ports.http, 3);
        // 10 blocks each of 1, 1/2, 1/4 … QBTC, rounded down to quanta, and the allocation.
        let mined: u64 = (0..63).map(|halvings| 10 * (100_000_000_u64 >> halvings)).sum();
        assert_eq!(rules.supply_max.quanta(), mined + 1_250_000_000);
    }

    #[test]
    fn absurd_chains_are_refused() {
        let refused = |args: &[&str]| spec(args).unwrap_err().to_string();
        assert!(refused(&["--spacing", "0"]).contains("spacing"));
        assert!(refused(&["--supply", "1"]).contains("supply_max"));
        assert!(refused(&["--prefix", "bqs"]).contains("built-in"));
        assert!(refused(&["--difficulty", "asert"]).contains("HALF_LIFE_S"));
        assert!(refused(&["--bits", "xyz"]).contains("1f00ffff"));
        assert!(refused(&["--allocate", "dbqs1x=1"]).contains("address"));
        assert!(refused(&["--reward", "90000000000", "--halving", "4000000000"]).contains("--reward"));
        assert!(refused(&["--ports", "1,2"]).contains("three ports"));
        assert!(Line::parse_from(["new", "--name", "dev"]).command.spec().is_err());
        assert!(
            Line::parse_from(["new", "--name", "123"]).command.spec().unwrap_err().to_string().contains("--prefix")
        );
    }
}
