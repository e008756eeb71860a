//! `qbtc decode`: bytes taken apart, offline.
//!
//! What can be said without the chain is said: ids, sizes, amounts, addresses, who signs, and which rule is broken. Whether coins exist
//! and signatures hold only a node can tell, since what is signed covers the coins.

mod address;
mod block;
mod header;
mod transaction;

use std::fmt;
use std::io::{self, Read};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use super::options::GlobalOptions;
use super::output::show;

/// The longest text: the largest block of the most generous chain, in hex.
const TEXT_BYTES_MAX: u64 = 129 << 20;

const EXAMPLES: &str = "\
`-` reads stdin. Addresses are shown as those of --chain.

Examples:
  qbtc decode tx 0101… --chain dev
  qbtc rpc getblock 00… 0 | qbtc decode block - --json
  qbtc decode address dbqs1…
  qbtc decode header 0100…";

/// Takes bytes apart.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DecodeCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// A transaction, in hex.
    Tx(Bytes),
    /// A block, in hex.
    Block(Bytes),
    /// A block's header, in hex.
    Header(Bytes),
    /// An address, or its 32 bytes in hex.
    Address {
        /// The address.
        text: String,
    },
}

#[derive(Args)]
struct Bytes {
    /// The bytes in hex; `-` for what stdin holds.
    hex: String,
}

impl DecodeCommand {
    pub(super) fn run(self, global: &GlobalOptions) -> anyhow::Result<()> {
        let spec = global.spec()?;
        match self.what {
            What::Tx(bytes) => show(&transaction::Decoded::from_bytes(&bytes.read()?, &spec)?, global.json),
            What::Block(bytes) => show(&block::Decoded::from_bytes(&bytes.read()?, &spec)?, global.json),
            What::Header(bytes) => show(&header::Decoded::from_bytes(&bytes.read()?, &spec)?, global.json),
            What::Address { text } => show(&address::Decoded::from_text(&text, &spec)?, global.json),
        }
    }
}

impl Bytes {
    fn read(&self) -> anyhow::Result<Vec<u8>> {
        if self.hex != "-" {
            return from_hex(&self.hex);
        }
        let mut text = String::new();
        io::stdin().take(TEXT_BYTES_MAX + 1).read_to_string(&mut text).context("cannot read stdin")?;
        if text.len() as u64 > TEXT_BYTES_MAX {
            bail!("stdin holds more than the largest block in hex, {TEXT_BYTES_MAX} characters");
        }
        from_hex(&text)
    }
}

/// Hex with white space around it, and with the quotes that JSON puts about a text.
fn from_hex(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits = text.trim().trim_matches('"');
    hex::decode(digits).map_err(|error| match error {
        hex::FromHexError::InvalidHexCharacter { c, index } => {
            anyhow::anyhow!("character {c:?} at position {} is no hex digit", index + 1)
        }
        _ => anyhow::anyhow!("{} hex digits: one is missing or too many, since two make a byte", digits.len()),
    })
}

/// Writes what was taken apart and, behind this mark, what is wrong with it.
fn tell(f: &mut fmt::Formatter<'_>, text: &str, mark: &str, problem: Option<&impl fmt::Display>) -> fmt::Result {
    f.write_str(text)?;
    problem.map_or(Ok(()), |problem| write!(f, "\n{mark}  {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_and_what_is_none_is_pointed_at() {
        assert_eq!(from_hex(" 00fF\n").unwrap(), [0, 255]);
        assert_eq!(from_hex("\"00ff\"").unwrap(), [0, 255]);
        assert_eq!(from_hex("").unwrap(), Vec::<u8>::new());
        assert!(from_hex("00g0").unwrap_err().to_string().contains("position 3"));
        assert!(from_hex("000").unwrap_err().to_string().contains("3 hex digits"));
    }
}
