//! What somebody looks for: a height, an id, an address, or something that is none of them and why.

use qbtc_core::lock::{Address, AddressPrefix, AddressTextError};

/// The longest text that is looked at, in characters.
const CHARACTERS_MAX: usize = 200;

/// What a text means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// A block's height.
    Height(u32),
    /// The id of a block or a transaction: nothing in the text tells which.
    Id(String),
    /// An address, as text.
    Address(String),
    /// Nothing.
    Empty,
    /// Nothing that can be looked for.
    Unclear(Unclear),
}

/// Why a text means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// It looks like an address and is none.
    Address {
        /// The text as it was given.
        text: String,
        /// What is wrong with it.
        error: AddressTextError,
        /// The character to look at, from 1, if one is known.
        position: Option<usize>,
    },
    /// It looks like an id and has another length.
    IdLength {
        /// Digits found.
        found: usize,
    },
    /// A height beyond all chains.
    Height,
    /// Anything else.
    Other,
}

impl Query {
    /// Reads a text. White space around it does not count, nor do spaces in it, as addresses are copied in groups.
    #[must_use]
    pub fn parse(text: &str, prefix: &AddressPrefix) -> Self {
        let text: String = text.chars().filter(|char| !char.is_whitespace()).take(CHARACTERS_MAX).collect();
        if text.is_empty() {
            return Self::Empty;
        }
        if text.chars().all(|char| char.is_ascii_digit()) && text.len() < 64 {
            return text.parse().map_or(Self::Unclear(Unclear::Height), Self::Height);
        }
        match Address::from_text(&text, prefix) {
            Ok(address) => return Self::Address(address.to_text(prefix)),
            Err(error) if looks_like_address(&text, prefix) => {
                let position = position(&error);
                return Self::Unclear(Unclear::Address { text, error, position });
            }
            Err(_) => {}
        }
        if text.chars().all(|char| char.is_ascii_hexdigit()) {
            return match text.len() {
                64 => Self::Id(text.to_ascii_lowercase()),
                found => Self::Unclear(Unclear::IdLength { found }),
            };
        }
        Self::Unclear(Unclear::Other)
    }
}

/// The character that an error points at, from 1.
#[must_use]
pub const fn position(error: &AddressTextError) -> Option<usize> {
    match error {
        AddressTextError::Character { position, .. } => Some(*position),
        AddressTextError::Checksum { likely } => *likely,
        _ => None,
    }
}

/// Whether whoever typed this meant an address: it begins with the network's prefix, or with letters and a `1`.
fn looks_like_address(text: &str, prefix: &AddressPrefix) -> bool {
    let lower = text.to_lowercase();
    let has_prefix = lower.starts_with(&format!("{}1", prefix.as_str()));
    let is_foreign = lower.len() > 40
        && lower.split_once('1').is_some_and(|(front, _)| {
            (1..=AddressPrefix::LETTERS_MAX).contains(&front.len())
                && front.chars().all(|char| char.is_ascii_alphabetic())
        });
    has_prefix || (is_foreign && !(text.len() == 64 && text.chars().all(|char| char.is_ascii_hexdigit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix() -> AddressPrefix {
        "dbqs".parse().unwrap()
    }

    fn address() -> String {
        Address::from_bytes([7; 32]).to_text(&prefix())
    }

    #[test]
    fn heights_ids_and_addresses_are_told_apart() {
        let parse = |text: &str| Query::parse(text, &prefix());
        assert_eq!(parse(" 840000 "), Query::Height(840_000));
        assert_eq!(parse(&"AB".repeat(32)), Query::Id("ab".repeat(32)));
        assert_eq!(parse(&"12".repeat(32)), Query::Id("12".repeat(32)));
        assert_eq!(parse(&address()), Query::Address(address()));
        let grouped =
            address().as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect::<Vec<_>>();
        assert_eq!(parse(&grouped.join(" ")), Query::Address(address()));
        assert_eq!(parse(&address().to_uppercase()), Query::Address(address()));
        assert_eq!(parse("  "), Query::Empty);
    }

    #[test]
    fn a_mistyped_address_points_at_the_character() {
        let mut text = address();
        let place = 20;
        let other = if text.as_bytes()[place] == b'q' { "p" } else { "q" };
        text.replace_range(place..=place, other);
        let Query::Unclear(Unclear::Address { position, error, .. }) = Query::parse(&text, &prefix()) else { panic!() };
        assert_eq!(position, Some(place + 1), "{error}");
        let strange = format!("{}b{}", &address()[..9], &address()[10..]);
        let Query::Unclear(Unclear::Address { position, .. }) = Query::parse(&strange, &prefix()) else { panic!() };
        assert_eq!(position, Some(10));
        let foreign = Address::from_bytes([7; 32]).to_text(&"bqs".parse().unwrap());
        let Query::Unclear(Unclear::Address { error, .. }) = Query::parse(&foreign, &prefix()) else { panic!() };
        assert!(matches!(error, AddressTextError::Prefix { .. }));
    }

    #[test]
    fn what_means_nothing_says_why() {
        let parse = |text: &str| Query::parse(text, &prefix());
        assert_eq!(parse(&"a".repeat(63)), Query::Unclear(Unclear::IdLength { found: 63 }));
        assert_eq!(parse("99999999999"), Query::Unclear(Unclear::Height));
        assert_eq!(parse("<script>alert(1)</script>"), Query::Unclear(Unclear::Other));
        assert_eq!(parse(&"é".repeat(100_000)), Query::Unclear(Unclear::Other));
    }
}
