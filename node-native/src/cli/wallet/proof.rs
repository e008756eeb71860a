//! `qbtc wallet proof`: that a block holds a payment, for whoever does not take the wallet's or the node's word for it.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use qbtc_core::commit::TxOutProof;
use qbtc_core::hash::{BlockHash, Txid};
use qbtc_core::units::Height;
use serde::Serialize;
use serde_json::json;

use super::context::Context;

const EXAMPLES: &str = "\
The proof holds the block's header, the transaction without signatures, and its way up the block's merkle tree. It is checked here
before it is shown; anybody with a node checks it by `qbtc rpc verifytxoutproof`.

Examples:
  qbtc wallet proof 4a5e…
  qbtc wallet proof 4a5e… --out receipt.hex
  qbtc rpc verifytxoutproof - < receipt.hex";

/// Proves that a payment is in a block.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ProofCommand {
    /// The payment, one of the wallet's.
    txid: Txid,
    /// Writes the proof to this file, in hex.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A proof that holds.
#[derive(Serialize)]
struct Proven {
    txid: Txid,
    block: BlockHash,
    height: Height,
    confirmations: u32,
    proof: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

impl ProofCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let node = context.client()?;
        let wallet = context.open_current()?;
        let unknown = || anyhow!("transaction {} is none of the wallet's; `qbtc wallet history` lists them", self.txid);
        let entry = wallet.state().ledger().entry(&self.txid).ok_or_else(unknown)?;
        let Some(block) = entry.block else { bail!("transaction {} is in no block yet", self.txid) };
        let text: String = node.call("gettxoutproof", json!([[self.txid], block.id]))?;
        check(&text, self.txid, block.id).context("the node's proof does not hold")?;
        if let Some(file) = &self.out {
            fs::write(file, format!("{text}\n")).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let confirmations = wallet.state().height().above(block.height).saturating_add(1);
        let Self { txid, out: file } = self;
        context.show(&Proven { txid, block: block.id, height: block.height, confirmations, proof: text, file })
    }
}

/// Checks that a proof shows this transaction in this block.
fn check(text: &str, txid: Txid, block: BlockHash) -> anyhow::Result<()> {
    let proof = TxOutProof::from_bytes(&hex::decode(text).map_err(|error| anyhow!("the proof is not hex: {error}"))?)?;
    let found = proof.header().id();
    if found != block {
        bail!("it is for block {found}, not for {block}");
    }
    if proof.proven()? != [txid] {
        bail!("it is for another transaction than {txid}");
    }
    Ok(())
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "proven     {}", self.txid)?;
        writeln!(f, "in block   {}", self.block)?;
        writeln!(f, "at height  {}, {} confirmations", self.height, self.confirmations)?;
        match &self.file {
            Some(file) => write!(f, "proof in   {}", file.display()),
            None => write!(f, "proof      {}", self.proof),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qbtc_core::spec::ChainSpec;

    #[test]
    fn only_the_very_transaction_in_the_very_block_will_do() {
        let spec = ChainSpec::dev();
        let (block, coinbase) = (spec.genesis(), spec.genesis().coinbase.id());
        let text = hex::encode(TxOutProof::new(block, &[coinbase]).unwrap().to_bytes());
        check(&text, coinbase, block.id()).unwrap();
        let refused = |text: &str, txid, id| check(text, txid, id).unwrap_err().to_string();
        assert!(refused(&text, Txid::ZERO, block.id()).contains("another transaction"));
        assert!(refused(&text, coinbase, BlockHash::ZERO).contains("not for"));
        assert!(check("00", coinbase, block.id()).is_err());
        assert!(check("xy", coinbase, block.id()).is_err());
    }
}
