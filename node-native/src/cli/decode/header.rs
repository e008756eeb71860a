//! A header, taken apart.

use std::fmt;

use anyhow::{Context as _, anyhow};
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::spec::ChainSpec;
use serde::Serialize;

use super::tell;
use crate::json;

/// A header, and whether it proves work.
#[derive(Serialize)]
pub(super) struct Decoded {
    hash: BlockHash,
    #[serde(flatten)]
    json: json::Header,
    /// Why it proves no work, if it does not.
    problem: Option<String>,
    #[serde(skip)]
    text: String,
}

impl Decoded {
    pub(super) fn from_bytes(bytes: &[u8], spec: &ChainSpec) -> anyhow::Result<Self> {
        let found = bytes.len();
        let exact: &[u8; Header::BYTES] =
            bytes.try_into().with_context(|| anyhow!("{found} bytes: a header has {}", Header::BYTES))?;
        let header = Header::from_bytes(exact);
        let is_genesis = header == spec.genesis().header;
        let problem = spec.consensus().pow.check_work(&header).err().filter(|_| !is_genesis);
        Ok(Self {
            hash: header.id(),
            json: json::Header::from(&header),
            problem: problem.map(|error| error.to_string()),
            text: text(&header),
        })
    }
}

/// A header in lines.
pub(super) fn text(header: &Header) -> String {
    let json = json::Header::from(header);
    let time = jiff::Timestamp::from_second(header.time.0.into()).map(|time| time.to_string()).unwrap_or_default();
    let mut lines = vec![
        format!("id         {}", header.id()),
        format!("parent     {}", header.parent),
        format!("merkle     {}", header.merkle_root),
        format!("time       {time}"),
        format!("bits       {}, difficulty {}", json.bits, json.difficulty),
        format!("version    {}, nonce {:08x}", json.version_hex, header.nonce),
    ];
    lines.extend(json.target.map(|target| format!("target     {target}")));
    lines.join("\n")
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell(f, &self.text, "NO WORK  ", self.problem.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bitcoin's genesis header: its work is good by our rules too.
    const BITCOIN: &str = "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";

    #[test]
    fn a_header_is_told_and_its_work_checked() {
        let mut bytes = hex::decode(BITCOIN).unwrap();
        let decoded = Decoded::from_bytes(&bytes, &ChainSpec::main()).unwrap();
        assert!(decoded.to_string().contains("2009-01-03T18:15:05Z"), "{decoded}");
        assert_eq!(decoded.problem, None);
        bytes[79] ^= 1;
        assert!(Decoded::from_bytes(&bytes, &ChainSpec::main()).unwrap().to_string().contains("NO WORK"));
        let short = Decoded::from_bytes(&bytes[..79], &ChainSpec::main()).err().unwrap();
        assert_eq!(short.to_string(), "79 bytes: a header has 80");
    }
}
