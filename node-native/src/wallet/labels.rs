//! What the user wrote beside addresses and payments.
//!
//! The file is that of BIP 329, one JSON object a line: `{"type":"addr","ref":"dbqs1…","label":"rent"}`, with the types `addr` and `tx`.
//! It is not encrypted, so that looking needs no passphrase; who can read it can read the wallet's addresses and payments anyway.
//! A backup takes the labels along, encrypted.

use std::collections::BTreeMap;

use qbtc_core::hash::Txid;
use qbtc_core::wallet::keystore::{KeystoreContent, Label};
use serde::{Deserialize, Serialize};

/// The user's notes, by what they are about: an address as it is shown, or a transaction's id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<String, String>);

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "ref")]
    subject: String,
    label: String,
}

/// Why a note cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// A line that is none of BIP 329.
    #[error("line {line} of the labels is not as BIP 329 has it: {what}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// Too long.
    #[error("a label of {found} bytes exceeds the limit of {limit}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Characters that would move the cursor of who reads it.
    #[error("a label may have no line breaks or control characters")]
    ControlCharacter,
    /// Too many.
    #[error("more than {} labels", KeystoreContent::LABELS_MAX)]
    TooMany,
}

impl Labels {
    /// The longest file, in bytes: every label with room for escapes and what stands around it.
    pub const BYTES_MAX: usize =
        KeystoreContent::LABELS_MAX * (6 * Label::TEXT_BYTES_MAX + Label::SUBJECT_BYTES_MAX + 64);

    /// The note about an address or a transaction.
    #[must_use]
    pub fn of(&self, subject: &str) -> Option<&str> {
        self.0.get(subject).map(String::as_str)
    }

    /// All notes, in order of what they are about.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(subject, text)| (subject.as_str(), text.as_str()))
    }

    /// Puts a note beside something, in place of the one before; an empty one takes that away.
    ///
    /// # Errors
    /// [`LabelError`], with the notes as they were.
    pub fn set(&mut self, subject: &str, text: &str) -> Result<(), LabelError> {
        for (found, limit) in [(subject.len(), Label::SUBJECT_BYTES_MAX), (text.len(), Label::TEXT_BYTES_MAX)] {
            if found > limit {
                return Err(LabelError::TooLong { found, limit });
            }
        }
        if [subject, text].iter().any(|text| text.chars().any(char::is_control)) {
            return Err(LabelError::ControlCharacter);
        }
        if text.is_empty() {
            self.0.remove(subject);
        } else if self.0.len() < KeystoreContent::LABELS_MAX || self.0.contains_key(subject) {
            self.0.insert(subject.to_owned(), text.to_owned());
        } else {
            return Err(LabelError::TooMany);
        }
        Ok(())
    }

    /// The notes as a keystore keeps them.
    #[must_use]
    pub fn to_keystore(&self) -> Vec<Label> {
        self.iter().map(|(subject, text)| Label { subject: subject.to_owned(), text: text.to_owned() }).collect()
    }

    /// The notes that a keystore has kept, with blanks for line breaks and control characters, which other programs may write.
    ///
    /// # Panics
    /// For more or longer ones than a keystore can hold.
    #[must_use]
    pub fn from_keystore(labels: &[Label]) -> Self {
        let plain = |text: &str| text.replace(char::is_control, " ");
        let mut all = Self::default();
        for Label { subject, text } in labels {
            all.set(&plain(subject), &plain(text)).expect("a keystore's bounds are the same");
        }
        all
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for (subject, label) in self.iter() {
            let kind = if subject.parse::<Txid>().is_ok() { "tx" } else { "addr" };
            let line = Line { kind: kind.to_owned(), subject: subject.to_owned(), label: label.to_owned() };
            text.push_str(&serde_json::to_string(&line).expect("three texts are JSON"));
            text.push('\n');
        }
        text.into_bytes()
    }

    /// Reads lines of BIP 329. Those about other things than addresses and transactions are passed over.
    ///
    /// # Errors
    /// [`LabelError`], for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LabelError> {
        let mut all = Self::default();
        for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let read: Result<Line, _> = serde_json::from_slice(bytes);
            let Line { kind, subject, label } =
                read.map_err(|error| LabelError::Line { line, what: error.to_string() })?;
            if kind == "addr" || kind == "tx" {
                all.set(&subject, &label)?;
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_label_that_is_taken_is_read_again(subject in "[^\\p{C}]{1,40}", text in "\\PC{1,80}") {
            let mut labels = Labels::default();
            if labels.set(&subject, &text).is_ok() {
                prop_assert_eq!(labels.to_bytes().iter().filter(|byte| **byte == b'\n').count(), labels.iter().len());
                prop_assert_eq!(Labels::from_bytes(&labels.to_bytes()), Ok(labels));
            }
        }

        #[test]
        fn no_file_breaks_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..400), line in ".*") {
            let line = serde_json::json!({ "type": "addr", "ref": line.clone(), "label": line }).to_string();
            for bytes in [&bytes[..], line.as_bytes(), &[line.as_bytes(), &bytes].concat()] {
                if let Ok(labels) = Labels::from_bytes(bytes) {
                    prop_assert!(labels.iter().all(|(subject, text)| !(subject.to_owned() + text).contains(char::is_control)));
                }
            }
        }
    }

    #[test]
    fn labels_round_trip_as_bip_329_has_them() {
        let txid = Txid::from_bytes([3; 32]).to_string();
        let mut labels = Labels::default();
        labels.set("dbqs1abc", "rent, \"June\"").unwrap();
        labels.set(&txid, "täglich Brot").unwrap();
        let bytes = labels.to_bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains("{\"type\":\"addr\",\"ref\":\"dbqs1abc\",\"label\":\"rent, \\\"June\\\"\"}\n"), "{text}");
        assert!(text.contains("\"type\":\"tx\""), "{text}");
        assert_eq!(Labels::from_bytes(&bytes), Ok(labels.clone()));
        assert_eq!(Labels::from_keystore(&labels.to_keystore()), labels);
        let other = Label { subject: "a".to_owned(), text: "two\nlines\u{85}".to_owned() };
        assert_eq!(Labels::from_keystore(&[other]).of("a"), Some("two lines "));
        labels.set("dbqs1abc", "").unwrap();
        assert_eq!((labels.of("dbqs1abc"), labels.of(&txid)), (None, Some("täglich Brot")));
        let other = b"{\"type\":\"xpub\",\"ref\":\"a\",\"label\":\"b\"}\n\n";
        assert_eq!(Labels::from_bytes(other), Ok(Labels::default()));
        assert!(matches!(Labels::from_bytes(b"{}\n"), Err(LabelError::Line { line: 1, .. })));
    }

    #[test]
    fn labels_are_bounded_and_plain() {
        let mut labels = Labels::default();
        assert_eq!(labels.set("a", &"x".repeat(256)), Ok(()));
        assert_eq!(labels.set("a", &"x".repeat(257)), Err(LabelError::TooLong { found: 257, limit: 256 }));
        assert_eq!(labels.set(&"a".repeat(129), "x"), Err(LabelError::TooLong { found: 129, limit: 128 }));
        assert_eq!(labels.set("a", "\u{1b}[2J"), Err(LabelError::ControlCharacter));
        for number in 1..KeystoreContent::LABELS_MAX {
            labels.set(&number.to_string(), &"\"".repeat(256)).unwrap();
        }
        assert!(labels.to_bytes().len() <= Labels::BYTES_MAX);
        assert_eq!(labels.set("one more", "x"), Err(LabelError::TooMany));
        assert_eq!(labels.set("a", "another"), Ok(()));
    }
}
