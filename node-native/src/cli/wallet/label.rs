//! `qbtc wallet label` and `labels`: what the user writes beside addresses and payments.

use std::fmt;

use anyhow::bail;
use clap::Args;
use qbtc_core::hash::Txid;
use qbtc_core::lock::Address;
use serde::Serialize;

use super::context::Context;
use crate::cli::output::table;

const EXAMPLES: &str = "\
Labels stand beside addresses, coins, payments, and before a payment beside whom it pays. They stay on this machine, in the file
`labels` of the wallet's folder, in the format of BIP 329; `qbtc wallet backup` takes them along.

Examples:
  qbtc wallet label dbqs1… Alice                  an address, the wallet's or anybody's
  qbtc wallet label 4a5e… 'rent of June'          a payment
  qbtc wallet label dbqs1… ''                     takes the label away
  qbtc wallet labels --json";

/// Writes a label.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LabelCommand {
    /// An address or a payment's id.
    #[arg(value_name = "ADDRESS|TXID")]
    subject: String,
    /// The label; an empty one takes it away.
    text: String,
}

/// Lists labels.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LabelsCommand {}

/// The wallet's labels.
#[derive(Serialize)]
struct Shown {
    labels: Vec<Line>,
}

/// A label.
#[derive(Serialize)]
struct Line {
    subject: String,
    label: String,
}

impl LabelCommand {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let subject = check(&self.subject, context)?;
        let mut wallet = context.open()?;
        wallet.set_label(&subject, self.text.trim())?;
        let line = Line { subject, label: self.text.trim().to_owned() };
        context.show(&Shown { labels: vec![line] })
    }
}

impl LabelsCommand {
    #[expect(clippy::unused_self, reason = "all commands run alike")]
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let wallet = context.open()?;
        let line = |(subject, label): (&str, &str)| Line { subject: subject.to_owned(), label: label.to_owned() };
        context.show(&Shown { labels: wallet.labels().iter().map(line).collect() })
    }
}

/// What a label is about, in the form in which it is looked up: an address of this chain, or an id.
fn check(subject: &str, context: &Context) -> anyhow::Result<String> {
    let subject = subject.trim();
    if let Ok(txid) = subject.parse::<Txid>() {
        return Ok(txid.to_string());
    }
    let prefix = &context.spec.network().address_prefix;
    match Address::from_text(subject, prefix) {
        Ok(address) => Ok(address.to_text(prefix)),
        Err(error) => bail!("{subject:?} is neither a payment's id nor an address: {error}"),
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.labels.is_empty() {
            return f.write_str("no labels yet; `qbtc wallet label` writes one");
        }
        let mut lines = table(&["LABEL", "BESIDE"], &[]);
        for line in &self.labels {
            lines.add_row([if line.label.is_empty() { "(none)" } else { &line.label }, &line.subject]);
        }
        write!(f, "{}", lines.trim_fmt())
    }
}
