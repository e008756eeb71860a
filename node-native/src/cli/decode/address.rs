//! An address, taken apart.

use std::fmt;

use anyhow::bail;
use qbtc_core::lock::{Address, AddressPrefix};
use qbtc_core::spec::ChainSpec;
use serde::Serialize;

const BUILT_IN: [&str; 4] = ["main", "test", "local", "dev"];

/// An address.
#[derive(Serialize)]
pub(super) struct Decoded {
    address: String,
    /// The chain whose addresses begin like this.
    chain: String,
    /// The root of its tree of alternatives, in hex.
    root: String,
}

impl Decoded {
    pub(super) fn from_text(text: &str, spec: &ChainSpec) -> anyhow::Result<Self> {
        let text = text.trim();
        let mut root = [0; 32];
        if hex::decode_to_slice(text, &mut root).is_ok() {
            return Ok(Self::new(Address::from_bytes(root), spec));
        }
        let built_in = BUILT_IN.into_iter().filter_map(ChainSpec::by_name);
        let Some(spec) = [spec.clone()].into_iter().chain(built_in).find(|spec| begins_with(text, spec)) else {
            return Self::of_unknown_chain(text, spec);
        };
        Ok(Self::new(Address::from_text(text, &spec.network().address_prefix)?, &spec))
    }

    fn new(address: Address, spec: &ChainSpec) -> Self {
        Self {
            address: address.to_text(&spec.network().address_prefix),
            chain: spec.name().to_owned(),
            root: hex::encode(address.as_bytes()),
        }
    }

    /// An address that may be sound, but of a chain that is not known here.
    fn of_unknown_chain(text: &str, spec: &ChainSpec) -> anyhow::Result<Self> {
        let prefix = text.rsplit_once('1').and_then(|(prefix, _)| prefix.to_lowercase().parse::<AddressPrefix>().ok());
        match prefix.and_then(|prefix| Some((Address::from_text(text, &prefix).ok()?, prefix))) {
            Some((address, prefix)) => bail!(
                "a sound address of a chain whose prefix is {prefix}: give that chain's file with --chain; its root is {}",
                hex::encode(address.as_bytes())
            ),
            None => Ok(Self::new(Address::from_text(text, &spec.network().address_prefix)?, spec)),
        }
    }
}

fn begins_with(text: &str, spec: &ChainSpec) -> bool {
    let prefix = text.rsplit_once('1').map(|(prefix, _)| prefix.to_lowercase());
    prefix.is_some_and(|prefix| prefix == spec.network().address_prefix.as_str())
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "address    {}\nchain      {}\nroot       {}", self.address, self.chain, self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "bqs1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0s3st82m";

    #[test]
    fn addresses_of_every_known_chain_are_told() {
        let decoded = Decoded::from_text(TEXT, &ChainSpec::dev()).unwrap();
        assert_eq!(decoded.chain, "main");
        assert_eq!(decoded.root, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        let from_root = Decoded::from_text(&decoded.root, &ChainSpec::main()).unwrap();
        assert_eq!(from_root.address, TEXT);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let refused = |text: &str| Decoded::from_text(text, &ChainSpec::main()).err().unwrap().to_string();
        assert!(refused(&TEXT.replace("q5rq", "q5rp")).contains("look at character"));
        assert!(refused("hello").contains("no address"));
        let prefix = "acme".parse().unwrap();
        assert!(refused(&Address::from_bytes([9; 32]).to_text(&prefix)).contains("prefix is acme"));
    }
}
