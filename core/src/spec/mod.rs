//! Chain specs: every number that makes one chain different from another.
//!
//! A spec is a TOML file, or one of the built-in ones. Its consensus part is hashed, and the genesis coinbase carries that
//! hash, so that two different rule sets can never share a chain id. Rules ask the spec; none has a number or a height of its
//! own.

mod consensus;
mod genesis;
mod identity;
mod network;

pub use consensus::{Allocation, Consensus, ConsensusError, Genesis, Limits, SchemeRule, Subsidy};
pub use identity::ChainIdentity;
pub use network::{Checkpoint, Network, Ports};

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::codec::{self, CodecError};
use crate::commit::flyclient::HeaderRules;
use crate::hash::ChainId;
use crate::pow::Retarget;

/// Everything that makes a chain: rules, genesis block, and how to find its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSpec {
    file: SpecFile,
    retarget: Retarget,
    genesis: Block,
    chain_id: ChainId,
}

/// A spec as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    name: String,
    network: Network,
    consensus: Consensus,
}

/// Why a text is no chain spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Too long to be one.
    #[error("chain spec of {found} bytes exceeds the limit of {}", ChainSpec::TEXT_BYTES_MAX)]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// Not the bytes of a chain spec.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Not the TOML of a chain spec; the message names the line.
    #[error("{0}")]
    Toml(String),
    /// A name that cannot stand in paths and logs.
    #[error("chain name {found:?}: expected 1 to 32 lower-case letters, digits and hyphens")]
    Name {
        /// The name found.
        found: String,
    },
    /// Rules that contradict themselves or each other.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
}

impl ChainSpec {
    /// The longest text of a spec, in bytes.
    pub const TEXT_BYTES_MAX: usize = 1 << 20;

    /// The chain of real money.
    #[must_use]
    pub fn main() -> Self {
        Self::built_in(include_str!("main.hex"))
    }

    /// The public chain for trying things out: main's rules with a genesis of its own.
    #[must_use]
    pub fn test() -> Self {
        Self::built_in(include_str!("test.hex"))
    }

    /// A chain for a network on one machine, with real miners: a block every ten seconds.
    #[must_use]
    pub fn local() -> Self {
        Self::built_in(include_str!("local.hex"))
    }

    /// A chain for developers and tests: constant, trivial difficulty and an allocation to a published key.
    #[must_use]
    pub fn dev() -> Self {
        Self::built_in(include_str!("dev.hex"))
    }

    /// The built-in spec of this name: `main`, `test`, `local` or `dev`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "main" => Some(Self::main()),
            "test" => Some(Self::test()),
            "local" => Some(Self::local()),
            "dev" => Some(Self::dev()),
            _ => None,
        }
    }

    /// Reads a spec.
    ///
    /// # Errors
    /// [`SpecError`], if the text is not the TOML of a spec whose rules fit together.
    pub fn from_toml(text: &str) -> Result<Self, SpecError> {
        if text.len() > Self::TEXT_BYTES_MAX {
            return Err(SpecError::TooLong { found: text.len() });
        }
        Self::check(toml::from_str(text).map_err(|error| SpecError::Toml(error.to_string()))?)
    }

    /// Reads what [`ChainSpec::to_bytes`] wrote: what [`ChainSpec::from_toml`] reads of a text.
    ///
    /// # Errors
    /// [`SpecError`], if the bytes are no spec whose rules fit together.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SpecError> {
        Self::check(codec::decode(bytes, Self::TEXT_BYTES_MAX)?)
    }

    /// The spec as bytes, for readers that cannot afford a parser of TOML.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&self.file)
    }

    fn check(file: SpecFile) -> Result<Self, SpecError> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=32).contains(&file.name.len()) || !file.name.bytes().all(is_plain) {
            return Err(SpecError::Name { found: file.name });
        }
        let retarget = file.consensus.check()?;
        let genesis = genesis::block(&file.consensus);
        let chain_id = ChainId::from(genesis.id());
        Ok(Self { file, retarget, genesis, chain_id })
    }

    /// The spec as TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(&self.file).expect("a spec has string keys and no nulls")
    }

    /// The chain's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The rules.
    #[must_use]
    pub const fn consensus(&self) -> &Consensus {
        &self.file.consensus
    }

    /// The difficulty rule with this chain's numbers.
    #[must_use]
    pub const fn retarget(&self) -> &Retarget {
        &self.retarget
    }

    /// What a verifier of history proofs knows of this chain.
    #[must_use]
    pub fn header_rules(&self) -> HeaderRules {
        HeaderRules { genesis: self.genesis.header, pow: self.consensus().pow, retarget: self.retarget }
    }

    /// How the network is found. Changing it changes no rule.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.file.network
    }

    /// The first block.
    #[must_use]
    pub const fn genesis(&self) -> &Block {
        &self.genesis
    }

    /// The chain's id: that of its first block.
    #[must_use]
    pub const fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// A built-in spec, whose bytes stand in hex beside its TOML. A test holds the two together, and says what to write.
    fn built_in(hex: &str) -> Self {
        let bytes = hex::decode(hex.trim_ascii()).expect("the built-in specs are tested");
        Self::from_bytes(&bytes).expect("the built-in specs are tested")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn built_in() -> [ChainSpec; 4] {
        ["main", "test", "local", "dev"].map(|name| ChainSpec::by_name(name).unwrap())
    }

    #[test]
    fn the_bytes_of_each_built_in_spec_are_those_of_its_toml() {
        for (name, toml, hex) in [
            ("main", include_str!("main.toml"), include_str!("main.hex")),
            ("test", include_str!("test.toml"), include_str!("test.hex")),
            ("local", include_str!("local.toml"), include_str!("local.hex")),
            ("dev", include_str!("dev.toml"), include_str!("dev.hex")),
        ] {
            let bytes = ChainSpec::from_toml(toml).unwrap().to_bytes();
            assert_eq!(hex.trim_ascii(), hex::encode(&bytes), "write the right one into core/src/spec/{name}.hex");
            for length in 0..bytes.len() {
                assert!(matches!(ChainSpec::from_bytes(&bytes[..length]), Err(SpecError::Codec(_))), "{length}");
            }
        }
    }

    #[test]
    fn built_in_specs_are_sound_and_differ() {
        for spec in built_in() {
            assert_eq!(ChainSpec::from_toml(&spec.to_toml()).as_ref(), Ok(&spec));
            let same_name = built_in().into_iter().filter(|other| other.chain_id() == spec.chain_id());
            assert_eq!(same_name.map(|other| String::from(other.name())).collect::<Vec<_>>(), [spec.name()]);
        }
        assert_eq!(ChainSpec::by_name("regtest"), None);
    }

    #[test]
    fn a_change_of_a_rule_changes_the_chain_and_a_change_of_a_port_does_not() {
        let text = ChainSpec::dev().to_toml();
        let other_rule = ChainSpec::from_toml(&text.replace("spacing_s = 10", "spacing_s = 11")).unwrap();
        assert_ne!(other_rule.chain_id(), ChainSpec::dev().chain_id());
        let other_port = ChainSpec::from_toml(&text.replace("38333", "38334")).unwrap();
        assert_eq!(other_port.chain_id(), ChainSpec::dev().chain_id());
        assert_ne!(other_port, ChainSpec::dev());
    }

    #[test]
    fn absurd_specs_are_refused() {
        let text = ChainSpec::dev().to_toml();
        let refused = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            ChainSpec::from_toml(&text.replace(from, to)).unwrap_err()
        };
        assert!(matches!(refused("name = \"dev\"", "name = \"../x\""), SpecError::Name { .. }));
        assert!(matches!(refused("spacing_s", "spacing"), SpecError::Toml(_)));
        for (from, to) in [
            ("spacing_s = 10", "spacing_s = 0"),
            ("coinbase_maturity = 10", "coinbase_maturity = 0"),
            ("halving_blocks = 2100000", "halving_blocks = 2100001"),
            ("block_bytes = 4194304", "block_bytes = 4294967295"),
            ("data_bytes = 80", "data_bytes = 1000000"),
            ("ML-DSA-65", "ML-DSA-87"),
            ("from_height = 0", "from_height = 1"),
        ] {
            assert!(matches!(refused(from, to), SpecError::Consensus(_)), "{to}");
        }
        let long = alloc::format!("# {}", "x".repeat(ChainSpec::TEXT_BYTES_MAX));
        assert_eq!(ChainSpec::from_toml(&long), Err(SpecError::TooLong { found: long.len() }));
    }
}
