//! What keys, addresses and signatures know of a chain: enough to sign for it, and nothing of its rules.
//!
//! A program that only signs need not carry specs, nor the code that reads them. For the built-in chains the identities are written down here; a test
//! holds them to their specs.

use crate::hash::ChainId;
use crate::lock::AddressPrefix;
use crate::spec::ChainSpec;

/// Which chain something is signed for, and how its addresses begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainIdentity {
    /// Its id: that of its first block, which commits to its rules.
    pub id: ChainId,
    /// What its addresses begin with.
    pub address_prefix: AddressPrefix,
}

/// The built-in chains: name, id as people read it, prefix of addresses.
const BUILT_IN: [(&str, &str, &str); 4] = [
    ("main", "54798bbe5e49f104e91aa0ad4e274cb7af2a11c4f2fba36ab11d7905d88786f4", "bqs"),
    ("test", "0906723df7ad39bda67b0a7db9db1934239a80ff0570797d77795ede8a4b0c5d", "tbqs"),
    ("local", "a11b2061f8fb4d093fee83c6f197074564dbfb91f0f87b2e4c1c6d2b8558b3eb", "lbqs"),
    ("dev", "d083fed577f090b90dbb422bc64f719bbeee8ebf0e3e4ef1188c4c1b7e290eeb", "dbqs"),
];

impl ChainIdentity {
    /// That of a built-in chain, without reading its spec.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let (_, id, prefix) = BUILT_IN.iter().find(|(built_in, ..)| *built_in == name)?;
        Some(Self { id: id.parse().ok()?, address_prefix: prefix.parse().ok()? })
    }

    /// Whether its money is real.
    #[must_use]
    pub fn is_main(&self) -> bool {
        Self::by_name("main").is_some_and(|main| main.id == self.id)
    }
}

impl From<&ChainSpec> for ChainIdentity {
    fn from(spec: &ChainSpec) -> Self {
        Self { id: spec.chain_id(), address_prefix: spec.network().address_prefix.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn identities_of_built_in_chains_are_those_of_their_specs() {
        for (name, ..) in BUILT_IN {
            let spec = ChainSpec::by_name(name).unwrap();
            assert_eq!(ChainIdentity::by_name(name), Some(ChainIdentity::from(&spec)), "{name}");
            assert_eq!(ChainIdentity::from(&spec).is_main(), name == "main");
        }
        assert_eq!(ChainIdentity::by_name("regtest"), None);
    }
}
