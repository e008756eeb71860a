//! The history as comma-separated values (RFC 4180), for spreadsheets and accountants.
//!
//! A field that a spreadsheet would take for a formula gets an apostrophe in front, since labels may come from anywhere.

use std::collections::BTreeMap;

use jiff::Timestamp;
use qbtc_core::hash::BlockHash;

use super::context::Context;
use super::history::Line;
use crate::cli::output::{note, print};
use crate::wallet::source::ChainSource;

const TITLES: [&str; 10] =
    ["time", "block", "confirmations", "kind", "change", "fee", "txid", "block_id", "label", "ended"];
/// How many headers are asked for at once.
const HEADERS_AT_ONCE: usize = 100;

/// Prints payments, newest first.
pub(super) fn print_history(lines: &[Line], context: &Context) -> anyhow::Result<()> {
    let times = times(lines, context);
    let mut text = row(&TITLES.map(str::to_owned));
    for line in lines {
        let time = line.block.and_then(|block| times.get(&block).cloned());
        text += &row(&[
            time.unwrap_or_default(),
            line.height.map(|height| height.to_string()).unwrap_or_default(),
            line.confirmations.to_string(),
            line.kind.to_owned(),
            line.change.clone().unwrap_or_default(),
            line.fee.map(|fee| fee.to_string()).unwrap_or_default(),
            line.txid.to_string(),
            line.block.map(|block| block.to_string()).unwrap_or_default(),
            quoted(line.label.as_deref().unwrap_or_default()),
            line.ended.unwrap_or_default().to_owned(),
        ]);
    }
    print(&text)
}

/// When blocks say that they were made, as far as a node tells.
fn times(lines: &[Line], context: &Context) -> BTreeMap<BlockHash, String> {
    let mut times = BTreeMap::new();
    let mut blocks: Vec<_> = lines.iter().filter_map(|line| line.block).collect();
    blocks.dedup();
    let Ok(node) = context.client() else { return times };
    for ids in blocks.chunks(HEADERS_AT_ONCE) {
        let Ok(headers) = node.headers(ids) else {
            note(&"note: no node tells when blocks were made; their times are left out");
            break;
        };
        // A header has the id that was asked for, or it is another block's.
        for header in headers {
            let time = Timestamp::from_second(header.time.0.into()).map(|time| time.to_string());
            times.insert(header.id(), time.unwrap_or_default());
        }
    }
    times
}

fn row(fields: &[String; TITLES.len()]) -> String {
    fields.join(",") + "\r\n"
}

fn quoted(text: &str) -> String {
    let formula = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    if text.is_empty() { String::new() } else { format!("\"{formula}{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_leave_their_field_or_become_formulas() {
        assert_eq!(quoted("rent, \"June\""), "\"rent, \"\"June\"\"\"");
        assert_eq!(quoted("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
        assert_eq!((quoted(""), quoted("a").as_str()), (String::new(), "\"a\""));
    }
}
