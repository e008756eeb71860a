//! Words, shown to be written down and read to bring a wallet back.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

use anyhow::{Context as _, bail};
use qbtc_core::wallet::mnemonic::{Mnemonic, MnemonicError};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::context::Context;
use crate::cli::output::note;

/// The longest text with words, in bytes: 24 of them with generous white space.
const BYTES_MAX: u64 = 4_096;
const COLUMNS: usize = 4;

/// Words in a numbered grid, read line by line.
pub(super) struct WordGrid<'a>(pub(super) &'a Mnemonic);

impl fmt::Display for WordGrid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.words().collect();
        for (line, words) in words.chunks(COLUMNS).enumerate() {
            for (column, word) in words.iter().enumerate() {
                let number = line * COLUMNS + column + 1;
                let width = if column + 1 == COLUMNS { 0 } else { 10 };
                write!(f, "  {number:>2} {word:<width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Writes words where the user has asked to see them. A secret serializes itself nowhere: each place says so.
pub(super) fn serialize<S: Serializer>(words: &Option<Zeroizing<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    words.as_ref().map(|words| words.as_str()).serialize(serializer)
}

/// Reads words: from a file, from stdin for `-`, or as the user types them.
pub(super) fn read_words(file: Option<&Path>, context: &Context) -> anyhow::Result<Mnemonic> {
    let text = match file {
        Some(path) if path.as_os_str() == "-" => {
            context.options.passphrase.leave_stdin_for("the words")?;
            read_all(io::stdin().lock())?
        }
        Some(path) => {
            let opened = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            read_all(BufReader::new(opened))?
        }
        None if io::stdin().is_terminal() => {
            note(&"Type the words, in one line or in several; an empty line ends them:");
            read_typed(io::stdin().lock())?
        }
        None => bail!("no terminal to type the words at: give --words-file FILE, or - for stdin"),
    };
    Ok(Mnemonic::parse(&text)?)
}

fn read_all(reader: impl Read) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(BYTES_MAX)? + 1));
    reader.take(BYTES_MAX + 1).read_to_string(&mut text).context("cannot read the words")?;
    if text.len() as u64 > BYTES_MAX {
        bail!("more than {BYTES_MAX} bytes are no words of a wallet");
    }
    Ok(text)
}

/// Reads lines until they are words with a sound checksum, or an empty line.
fn read_typed(reader: impl BufRead) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(BYTES_MAX)?));
    let mut reader = reader.take(BYTES_MAX);
    loop {
        let before = text.len();
        reader.read_line(&mut text).context("cannot read the words")?;
        let is_empty = text[before..].trim().is_empty();
        if let Some(unknown) = text[before..].split_whitespace().find(|word| !is_word(word)) {
            note(&format_args!("{unknown:?} is no such word. This line again:"));
            // What stays behind the end is wiped with the rest.
            text.truncate(before);
            continue;
        }
        // 12 words may be the first half of 24; with the greatest number there is nothing to wait for.
        if is_empty || text.split_whitespace().count() >= Mnemonic::WORDS_DEFAULT {
            return Ok(text);
        }
    }
}

/// Whether a word is of the list: then twelve of it are words, whatever their checksum.
fn is_word(word: &str) -> bool {
    let words = Zeroizing::new([word; 12].join(" "));
    !matches!(Mnemonic::parse(&words), Err(MnemonicError::UnknownWord { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ART: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                       abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";

    #[test]
    fn the_grid_numbers_every_word() {
        let grid = WordGrid(&Mnemonic::parse(ART).unwrap()).to_string();
        assert_eq!(grid.lines().count(), 6);
        assert!(grid.starts_with("   1 abandon") && grid.contains("24 art"), "{grid}");
    }

    #[test]
    fn words_come_in_one_line_or_many() {
        let halves = ART.split_at(ART.len() / 2 + 2);
        let lines = format!("{}\n{}\nmore", halves.0, halves.1);
        for typed in [ART, &lines, &ART.replace(' ', "\n")] {
            let text = read_typed(typed.as_bytes()).unwrap();
            assert_eq!(Mnemonic::parse(&text).unwrap().words().last(), Some("art"));
        }
        let short = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about\n\n";
        assert_eq!(Mnemonic::parse(&read_typed(short.as_bytes()).unwrap()).unwrap().words().count(), 12);
        // A line with a word that is none is typed again, and the lines before it stay.
        let mistyped = format!("{}\nabandon zebrafish\n{}\n", halves.0, halves.1);
        assert_eq!(Mnemonic::parse(&read_typed(mistyped.as_bytes()).unwrap()).unwrap().words().last(), Some("art"));
        assert!(read_all(&vec![b'a'; 4_097][..]).is_err());
    }
}
