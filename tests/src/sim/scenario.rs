//! What a run is asked for, as a seed and a few numbers: everything else follows from them.

use std::fmt;

use qbtc_core::spec::Consensus;

use super::liar::Lie;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// All chance comes from it.
    pub seed: u64,
    /// How many honest nodes there are.
    pub nodes: usize,
    /// How many minutes of trouble there are, before all becomes calm.
    pub minutes: u64,
    /// What goes wrong.
    pub troubles: Vec<Trouble>,
    /// What each of the liars does, one node for each entry.
    pub liars: Vec<Lie>,
    /// How many blocks the chain has when the run begins.
    pub blocks: u32,
    /// How many of the honest nodes know only the genesis block when the run begins. The first of them is node 0.
    pub fresh: usize,
    /// Whether node 0 knows the addresses of one honest node only, and else of liars.
    pub is_surrounded: bool,
    /// Payments in an hour.
    pub payments: u64,
    /// The bytes of data in each payment, which make blocks large.
    pub payment_bytes: usize,
    /// The largest block, in bytes.
    pub block_bytes: u32,
}

/// Something that goes wrong now and then, through nobody's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Connections break.
    Breaks,
    /// The network falls into two parts for some minutes.
    Partitions,
    /// Nodes crash, forget what they had not written, and come back.
    Crashes,
    /// Clocks are off by up to 20 seconds.
    Skew,
    /// Lines lose packets, up to three in a hundred.
    Loss,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Breaks, Self::Partitions, Self::Crashes, Self::Skew, Self::Loss];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Breaks => "breaks",
            Self::Partitions => "partitions",
            Self::Crashes => "crashes",
            Self::Skew => "skew",
            Self::Loss => "loss",
        }
    }
}

impl Scenario {
    /// The time between blocks, in seconds.
    pub const SPACING_S: u32 = 30;
    /// The most bytes of data in a payment.
    pub const PAYMENT_BYTES_MAX: usize = 40_960;
    /// The least limit on blocks: the largest transaction fits.
    pub const BLOCK_BYTES_MIN: u32 = 131_072;

    /// Honest nodes on good links, for half an hour.
    #[must_use]
    pub const fn calm(seed: u64, nodes: usize) -> Self {
        Self {
            seed,
            nodes,
            minutes: 30,
            troubles: Vec::new(),
            liars: Vec::new(),
            blocks: 12,
            fresh: 0,
            is_surrounded: false,
            payments: 60,
            payment_bytes: 0,
            block_bytes: 262_144,
        }
    }

    /// The run that a command line asks for: `--name value` pairs.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn from_arguments(arguments: &[String]) -> Result<Self, String> {
        let mut scenario = Self::calm(1, 100);
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { return Err(format!("{} has no value", pair[0])) };
            scenario.set(name, value).map_err(|error| format!("{name} {value}: {error}"))?;
        }
        scenario.check()?;
        Ok(scenario)
    }

    /// Refuses what no world can be made of.
    fn check(&self) -> Result<(), String> {
        let least = if self.is_surrounded { 2 } else { 1 };
        if self.nodes < least || self.fresh >= self.nodes {
            return Err(format!(
                "--nodes {} --fresh {}: expected {least} or more, and fewer that are fresh",
                self.nodes, self.fresh
            ));
        }
        if self.payment_bytes > Self::PAYMENT_BYTES_MAX {
            return Err(format!(
                "--payment-bytes {}: expected at most {}",
                self.payment_bytes,
                Self::PAYMENT_BYTES_MAX
            ));
        }
        if !(Self::BLOCK_BYTES_MIN..=Consensus::BLOCK_BYTES_MAX).contains(&self.block_bytes) {
            return Err(format!(
                "--block-bytes {}: expected {} to {}",
                self.block_bytes,
                Self::BLOCK_BYTES_MIN,
                Consensus::BLOCK_BYTES_MAX
            ));
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--seed" => self.seed = number(value)?,
            "--nodes" => self.nodes = number(value)?,
            "--minutes" => self.minutes = number(value)?,
            "--hours" => self.minutes = 60 * number::<u64>(value)?,
            "--blocks" => self.blocks = number(value)?,
            "--fresh" => self.fresh = number(value)?,
            "--surrounded" => self.is_surrounded = value == "yes",
            "--payments" => self.payments = number(value)?,
            "--payment-bytes" => self.payment_bytes = number(value)?,
            "--block-bytes" => self.block_bytes = number(value)?,
            "--faults" => self.troubles = chosen(value, &Trouble::ALL, Trouble::name)?,
            "--liars" => self.liars = chosen(value, &Lie::ALL, Lie::name)?,
            _ => return Err("there is no such option".to_owned()),
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| "expected a whole number".to_owned())
}

/// `none`, `all`, or names with commas between them; a name may stand several times.
fn chosen<T: Copy>(value: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<Vec<T>, String> {
    match value {
        "none" => Ok(Vec::new()),
        "all" => Ok(all.to_vec()),
        list => list.split(',').map(|wanted| find(wanted, all, &name)).collect(),
    }
}

fn find<T: Copy>(wanted: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|one| name(*one) == wanted).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        format!("there is no `{wanted}`; there are: {}", names.join(", "))
    })
}

impl fmt::Display for Scenario {
    /// The command that runs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(",") };
        write!(
            f,
            "cargo xtask sim --seed {} --nodes {} --minutes {} --faults {} --liars {} --blocks {} --fresh {} --surrounded {} \
             --payments {} --payment-bytes {} --block-bytes {}",
            self.seed,
            self.nodes,
            self.minutes,
            names(self.troubles.iter().map(|trouble| trouble.name()).collect()),
            names(self.liars.iter().map(|lie| lie.name()).collect()),
            self.blocks,
            self.fresh,
            if self.is_surrounded { "yes" } else { "no" },
            self.payments,
            self.payment_bytes,
            self.block_bytes,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_the_command_that_runs_it() {
        let scenario = Scenario {
            troubles: vec![Trouble::Crashes, Trouble::Skew],
            liars: vec![Lie::Stall, Lie::Stall],
            is_surrounded: true,
            ..Scenario::calm(7, 3)
        };
        let command = scenario.to_string();
        let arguments: Vec<String> = command.split(' ').skip(3).map(str::to_owned).collect();
        assert_eq!(Scenario::from_arguments(&arguments), Ok(scenario));
    }

    #[test]
    fn what_is_no_scenario_is_refused() {
        for bad in [
            &["--seed"][..],
            &["--seed", "x"],
            &["--liars", "saint"],
            &["--nodes", "0"],
            &["--nodes", "2", "--fresh", "2"],
            &["--payment-bytes", "40961"],
            &["--block-bytes", "131071"],
            &["--what", "1"],
        ] {
            let arguments: Vec<String> = bad.iter().map(|&word| word.to_owned()).collect();
            assert!(Scenario::from_arguments(&arguments).is_err(), "{bad:?}");
        }
    }
}
