//! What is printed: results to stdout, for people or as JSON, everything else to stderr.
//!
//! A reader who closes the pipe, as `head` does, is no error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use zeroize::Zeroizing;

/// Prints a result: as JSON, or as the text that it shows itself as.
pub(super) fn show<T: Serialize + Display>(result: &T, as_json: bool) -> anyhow::Result<()> {
    if as_json { print_json(result) } else { print(result) }
}

/// Prints a text, ending in one line break.
pub(super) fn print(text: &impl Display) -> anyhow::Result<()> {
    // It may hold a wallet's words.
    let text = Zeroizing::new(text.to_string());
    print_bytes(text.as_bytes())?;
    if text.is_empty() || text.ends_with('\n') { Ok(()) } else { print_bytes(b"\n") }
}

/// Prints bytes as they are.
pub(super) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints a value as indented JSON.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&*Zeroizing::new(serde_json::to_string_pretty(value)?))
}

/// Prints an error to stderr, where nobody is left to tell if that fails. Parts of it may come from a node.
pub(super) fn print_error(text: &impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", plain(&text.to_string()));
}

/// A text without what would move a terminal's cursor, change its title or hide what stands there.
pub(super) fn plain(text: &str) -> String {
    let is_plain = |char: char| !char.is_control() || char == '\n' || char == '\t';
    text.chars().map(|char| if is_plain(char) { char } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Prints a remark to stderr.
pub(super) fn note(text: &impl Display) {
    print_error(text);
}

/// A table without lines, its columns as wide as their content; those named are aligned to the right.
pub(super) fn table(titles: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(titles);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for column in right {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A bar for long work, shown on a terminal only.
pub(super) fn progress(total: u64, what: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}").expect("the template is a constant");
    ProgressBar::new(total).with_style(style).with_message(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_node_commands_the_terminal() {
        assert_eq!(plain("a\nb\tc"), "a\nb\tc");
        assert_eq!(plain("\u{1b}[2J\r\u{9b}31m\u{7}x"), "\u{fffd}[2J\u{fffd}\u{fffd}31m\u{fffd}x");
    }
}
