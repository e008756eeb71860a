//! `qbtc wallet sign` and `verify`: texts signed for an address.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use qbtc_core::units::Height;
use qbtc_core::wallet::layout::AddressKeys;
use qbtc_core::wallet::message::{MessageDraft, MessageProof};
use serde::Serialize;

use super::addresses;
use super::context::Context;
use crate::wallet::entropy;
use crate::wallet::source::ChainSource;

/// The longest text, in bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;

const SIGN_EXAMPLES: &str = "\
The proof is for everyone to see and can be shown again: say in the text for whom it is, and when.

Examples:
  qbtc wallet sign dbqs1… 'I am the owner, to Alice, 2027-01-01' > proof.txt
  qbtc wallet sign dbqs1… - < contract.txt";

const VERIFY_EXAMPLES: &str = "\
Examples:
  qbtc wallet verify dbqs1… proof.txt 'I am the owner, to Alice, 2027-01-01'";

/// Signs a text.
#[derive(Args)]
#[command(after_help = SIGN_EXAMPLES)]
pub(super) struct SignCommand {
    /// The address, one of the wallet's.
    address: String,
    /// The text; `-` for what stdin holds.
    text: String,
}

/// Verifies a signed text.
#[derive(Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(super) struct VerifyCommand {
    /// The address.
    address: String,
    /// The proof, or the file that holds it.
    proof: String,
    /// The text; `-` for what stdin holds.
    text: String,
    /// The height at which the signer must be able to spend [default: the node's next, or 1 without a node].
    #[arg(long, value_name = "HEIGHT")]
    height: Option<u32>,
}

/// A signed text.
#[derive(Serialize)]
struct Signed {
    address: String,
    proof: String,
}

/// A text that was verified.
#[derive(Serialize)]
struct Verified {
    address: String,
    height: Height,
    is_valid: bool,
}

impl SignCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.text == "-" {
            context.options.passphrase.leave_stdin_for("the text")?;
        }
        let text = read_text(&self.text)?;
        let wallet = context.open()?;
        let book = wallet.state().book();
        let address = addresses::parse(context, &self.address)?;
        let foreign = || anyhow!("{} is none of this wallet's addresses", self.address);
        let path = book.path_of(&address).ok_or_else(foreign)?;
        let keys = book.entry(path).and_then(|entry| entry.keys.as_ref()).ok_or_else(foreign)?;
        let mut draft = MessageDraft::new(&context.spec.chain_id(), &keys.tree(), AddressKeys::SIGNING, &text)?;
        let unlocked = context.unlock(&wallet)?;
        draft.sign(&unlocked.key.secret_key(book.layout().scheme(), path), &entropy()?);
        context.show(&Signed { address: self.address, proof: draft.finish()?.to_string() })
    }
}

impl VerifyCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let address = addresses::parse(context, &self.address)?;
        let text = read_text(&self.text)?;
        let proof: MessageProof = read_proof(&self.proof)?.parse()?;
        let node_height = || context.client().ok().and_then(|node| node.height().ok()).and_then(Height::next);
        let height = self.height.map(Height).or_else(node_height).unwrap_or(Height(1));
        proof.verify(address, &text, height, &context.spec).context("the text is not signed for this address")?;
        context.show(&Verified { address: self.address, height, is_valid: true })
    }
}

fn read_text(text: &str) -> anyhow::Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut read = String::new();
    io::stdin().take(TEXT_BYTES_MAX + 1).read_to_string(&mut read).context("cannot read the text from stdin")?;
    if read.len() as u64 > TEXT_BYTES_MAX {
        bail!("the text exceeds {TEXT_BYTES_MAX} bytes");
    }
    Ok(read)
}

/// A proof as it was typed, or as a file holds it: no proof is so short that it could be a file's name.
fn read_proof(text: &str) -> anyhow::Result<String> {
    let path = Path::new(text);
    if text.len() > 1_024 || !path.exists() {
        return Ok(text.to_owned());
    }
    let limit = (MessageProof::BYTES_MAX as u64).div_ceil(3) * 4 + 1_024;
    if fs::metadata(path)?.len() > limit {
        bail!("{text} is too long for a proof");
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {text}"))
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.proof)
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "good: whoever can spend from {} has signed this text", self.address)
    }
}
