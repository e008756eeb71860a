//! Payments that are passed around: read from a file or stdin, shown, and written.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use base64ct::{Base64, Encoding};
use clap::Args;
use qbtc_core::lock::Address;
use qbtc_core::wallet::partial::{Missing, PartialTx};
use serde::Serialize;

use super::super::context::Context;
use super::super::effect::Effect;
use crate::cli::output::print_error;
use crate::wallet::folder::{read_bounded, write_new};

/// The longest file: as base64, with line breaks.
const FILE_BYTES_MAX: usize = PartialTx::BYTES_MAX / 3 * 4 + (PartialTx::BYTES_MAX / 32) + 1_024;
const MAGIC: &[u8] = b"qbtcptx";

/// Where a payment is written to.
#[derive(Args)]
pub(super) struct OutOptions {
    /// The file to write; none is ever replaced [default: stdout].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A payment that may still lack signatures.
#[derive(Serialize)]
pub(super) struct Shown {
    effect: Effect,
    is_complete: bool,
    missing: Vec<String>,
}

/// A payment that was written, or is written to stdout.
#[derive(Serialize)]
struct Written {
    #[serde(flatten)]
    shown: Shown,
    /// How many signatures were added.
    signed: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// The payment itself, in base64.
    partial: String,
}

impl OutOptions {
    pub(super) fn write(
        &self,
        context: &Context,
        partial: &PartialTx,
        effect: Effect,
        signed: usize,
    ) -> anyhow::Result<()> {
        let text = Base64::encode_string(&partial.to_bytes());
        if let Some(file) = &self.out {
            write_new(file, format!("{text}\n").as_bytes())?;
        }
        let shown = Shown::new(effect, partial, context);
        let written = Written { shown, signed, file: self.out.clone(), partial: text };
        if written.file.is_none() && !context.is_json() {
            // The payment goes where it was sent, what it does is for whoever looks.
            print_error(&written.shown);
        }
        context.show(&written)
    }
}

/// A payment of this chain, from a file or stdin, as bytes or in base64.
pub(super) fn read(file: &Path, context: &Context) -> anyhow::Result<PartialTx> {
    let bytes = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).context("cannot read stdin")?;
        bytes
    } else {
        read_bounded(file, FILE_BYTES_MAX)?
    };
    let partial = parse(&bytes).with_context(|| format!("{} is no payment to sign", file.display()))?;
    if *partial.chain() != context.spec.chain_id() {
        bail!("{} is a payment on chain {}, not on {}", file.display(), partial.chain(), context.spec.name());
    }
    Ok(partial)
}

fn parse(bytes: &[u8]) -> anyhow::Result<PartialTx> {
    if bytes.starts_with(MAGIC) {
        return Ok(PartialTx::from_bytes(bytes)?);
    }
    if bytes.len() > FILE_BYTES_MAX {
        bail!("it has more than {FILE_BYTES_MAX} bytes");
    }
    let text: String =
        std::str::from_utf8(bytes).context("it is neither bytes of one nor base64")?.split_whitespace().collect();
    let decoded =
        Base64::decode_vec(&text).map_err(|error| anyhow!("it is neither bytes of one nor base64: {error}"))?;
    Ok(PartialTx::from_bytes(&decoded)?)
}

impl Shown {
    pub(super) fn new(effect: Effect, partial: &PartialTx, context: &Context) -> Self {
        let missing = missing_of(partial, context);
        Self { effect, is_complete: missing.is_empty(), missing }
    }
}

/// What a payment lacks, in words.
pub(super) fn missing_of(partial: &PartialTx, context: &Context) -> Vec<String> {
    let text = |address: &Address| address.to_text(&context.spec.network().address_prefix);
    let in_words = |missing: &Missing| match missing {
        Missing::Alternative { address } => format!("how to spend from {}", text(address)),
        Missing::Signatures { address, keys, .. } if keys.len() == 1 => format!("the signature for {}", text(address)),
        Missing::Signatures { address, count, keys } => {
            format!("{count} signatures of {} keys for {}", keys.len(), text(address))
        }
        Missing::Preimage { address, digest } => {
            format!("the preimage of {} for {}", hex::encode(digest), text(address))
        }
    };
    partial.missing().iter().map(in_words).collect()
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "payment  {}", self.effect.txid)?;
        writeln!(f, "{}", self.effect)?;
        if self.is_complete {
            return write!(f, "complete: `qbtc wallet partial send` hands it to a node");
        }
        let mut lines = self.missing.iter();
        lines.next().map_or(Ok(()), |first| write!(f, "lacks    {first}"))?;
        lines.try_for_each(|line| write!(f, "\n         {line}"))
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}\nwritten to {}", self.shown, file.display()),
            None => f.write_str(&self.partial),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use qbtc_core::hash::{ChainId, Txid};
    use qbtc_core::lock::Lock;
    use qbtc_core::tx::{OutPoint, TxBody, TxOut};
    use qbtc_core::units::{Amount, Height};

    #[test]
    fn payments_are_read_as_bytes_and_as_text() {
        let output =
            |coins| TxOut { amount: Amount::from_coins(coins), lock: Lock::Address(Address::from_bytes([1; 32])) };
        let body = TxBody {
            version: TxBody::VERSION,
            inputs: vec![OutPoint { txid: Txid::from_bytes([2; 32]), index: 0 }],
            outputs: vec![output(1)],
            lock_height: Height::GENESIS,
            expiry_height: Height::GENESIS,
        };
        let partial = PartialTx::new(ChainId::from_bytes([3; 32]), body, vec![output(2)]).unwrap();
        let bytes = partial.to_bytes();
        let text = Base64::encode_string(&bytes);
        let (first, second) = text.split_at(40);
        assert_eq!(parse(&bytes).unwrap(), partial);
        assert_eq!(parse(format!(" {first}\r\n{second}\n").as_bytes()).unwrap(), partial);
        for refused in [&b""[..], b"qbtcptx", b"????", b"\xff\xfe", &text.as_bytes()[..41], &bytes[..20]] {
            assert!(parse(refused).is_err());
        }
    }

    proptest! {
        #[test]
        fn no_file_breaks_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let as_bytes = [MAGIC, &[PartialTx::VERSION], &bytes].concat();
            let as_text = Base64::encode_string(&as_bytes);
            let read = parse(&as_bytes).ok();
            prop_assert_eq!(parse(as_text.as_bytes()).ok(), read.clone());
            prop_assert!(read.is_none_or(|partial| partial.to_bytes() == as_bytes));
            let _ = parse(&bytes);
        }
    }
}
