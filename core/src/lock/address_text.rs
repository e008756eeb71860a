//! Addresses as text: bech32m (BIP 350) with the prefix of the network, such as `bqs1…`.
//!
//! Reading takes the prefix that is expected, so that money cannot go to an address of another network. What is refused is
//! told as what most likely happened to the text, in this order: its characters, prefix, length, checksum. A mistyped character is
//! pointed at but never corrected: a guess that is wrong would be an address that nobody can spend from (BIP 173).

use alloc::string::String;
use alloc::vec::Vec;

use bech32::primitives::checksum::Engine;
use bech32::primitives::decode::{CharError, ChecksumError, UncheckedHrpstring, UncheckedHrpstringError};
use bech32::{Bech32m, Checksum, Fe32};

use super::{Address, AddressPrefix};

/// Why a text is no address of the expected network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressTextError {
    /// Letters of both cases. Either is fine, for the sake of QR codes, but one at a time.
    #[error("address mixes upper and lower case")]
    MixedCase,
    /// A character that addresses do not have.
    #[error("character {found:?} at position {position} is not one of an address")]
    Character {
        /// The character.
        found: char,
        /// Its place among the characters, from 1.
        position: usize,
    },
    /// No `1`, or nothing before it.
    #[error("no address: expected {expected}1 and what follows it")]
    Separator {
        /// The network's prefix.
        expected: AddressPrefix,
    },
    /// An address of another network, or the prefix is mistyped.
    #[error("address begins with {found}1, not with {expected}1: it belongs to another network")]
    Prefix {
        /// The prefix found.
        found: String,
        /// The network's prefix.
        expected: AddressPrefix,
    },
    /// Too few or too many characters.
    #[error("address of {found} characters: expected {expected}")]
    Length {
        /// Characters found.
        found: usize,
        /// Characters of an address with this prefix.
        expected: usize,
    },
    /// The checksum is that of bech32, the older form (BIP 173).
    #[error("address has the checksum of bech32: expected that of bech32m")]
    OldChecksum,
    /// The checksum does not hold: something is mistyped.
    #[error("checksum of the address does not hold{}", Position(.likely))]
    Checksum {
        /// The place of the mistyped character, from 1, if only one is.
        likely: Option<usize>,
    },
    /// The four bits that 52 characters have beyond 32 bytes are not zero.
    #[error("padding of the address is not zero")]
    Padding,
}

/// Points at a character, if one is known.
struct Position<'a>(&'a Option<usize>);

impl core::fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.map_or(Ok(()), |position| write!(f, ": look at character {position}"))
    }
}

/// The longest text of bech32m that BIP 173 allows.
const CHARACTERS_MAX: usize = 90;
/// The characters of 32 bytes.
const ROOT_CHARACTERS: usize = 52;
const _: () = assert!(AddressPrefix::LETTERS_MAX + 1 + ROOT_CHARACTERS + Bech32m::CHECKSUM_LENGTH <= CHARACTERS_MAX);

impl Address {
    /// The address as text for this network.
    #[must_use]
    pub fn to_text(&self, prefix: &AddressPrefix) -> String {
        bech32::encode_lower::<Bech32m>(prefix.to_hrp(), self.as_bytes())
            .expect("32 bytes are far from bech32m's limit")
    }

    /// The address of a text for this network, in either case.
    ///
    /// # Errors
    /// [`AddressTextError`], the first thing that is wrong.
    pub fn from_text(text: &str, expected: &AddressPrefix) -> Result<Self, AddressTextError> {
        let parts = check_characters(text, expected)?;
        let prefix = parts.hrp().to_lowercase();
        if prefix != expected.as_str() {
            return Err(AddressTextError::Prefix { found: prefix, expected: expected.clone() });
        }
        let length = length(expected);
        if text.len() != length {
            return Err(AddressTextError::Length { found: text.len(), expected: length });
        }
        check_checksum(&parts)?;
        let checked = parts.remove_checksum::<Bech32m>();
        checked.validate_segwit_padding().map_err(|_| AddressTextError::Padding)?;
        let mut root = [0; 32];
        root.iter_mut().zip(checked.byte_iter()).for_each(|(place, byte)| *place = byte);
        Ok(Self::from_bytes(root))
    }
}

/// The number of characters of every address with this prefix.
fn length(prefix: &AddressPrefix) -> usize {
    prefix.as_str().len() + 1 + ROOT_CHARACTERS + Bech32m::CHECKSUM_LENGTH
}

/// Splits a text at its last `1`, after a look at every character.
fn check_characters<'a>(text: &'a str, expected: &AddressPrefix) -> Result<UncheckedHrpstring<'a>, AddressTextError> {
    if text.len() > CHARACTERS_MAX {
        return Err(AddressTextError::Length { found: text.chars().count(), expected: length(expected) });
    }
    let separator = || AddressTextError::Separator { expected: expected.clone() };
    if !text.contains('1') {
        return Err(separator());
    }
    UncheckedHrpstring::new(text).map_err(|error| match error {
        UncheckedHrpstringError::Char(CharError::MixedCase) => AddressTextError::MixedCase,
        UncheckedHrpstringError::Char(CharError::InvalidChar(found)) => character(text, |each| each == found),
        UncheckedHrpstringError::Hrp(_) if text.chars().any(is_unprintable) => character(text, is_unprintable),
        _ => separator(),
    })
}

fn is_unprintable(character: char) -> bool {
    !character.is_ascii_graphic()
}

/// The error for the last such character: where one is wrong only after the `1`, it is the last one that is meant.
fn character(text: &str, is_wrong: impl Fn(char) -> bool) -> AddressTextError {
    let last = text.chars().enumerate().filter(|(_, each)| is_wrong(*each)).last();
    let (place, found) = last.expect("a wrong character stands in the text");
    AddressTextError::Character { found, position: place + 1 }
}

fn check_checksum(parts: &UncheckedHrpstring<'_>) -> Result<(), AddressTextError> {
    let error = match parts.validate_checksum::<Bech32m>() {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    match &error {
        ChecksumError::InvalidResidue(residue) if residue.matches_bech32_checksum() => {
            Err(AddressTextError::OldChecksum)
        }
        _ => Err(AddressTextError::Checksum { likely: mistyped(parts) }),
    }
}

/// The place of the one mistyped character that explains the checksum, from 1.
///
/// It is tried out which: texts of this length that both hold differ in five places or more (BIP 173), so at most one fits. The library solves equations
/// for it, which is quicker, and takes a twentieth of the program for who only signs.
fn mistyped(parts: &UncheckedHrpstring<'_>) -> Option<usize> {
    let data: Vec<Fe32> =
        parts.data_part_ascii().iter().filter_map(|byte| Fe32::from_char((*byte).into()).ok()).collect();
    let holds_with = |at: usize, other: Fe32| {
        let mut engine = Engine::<Bech32m>::new();
        engine.input_hrp(parts.hrp());
        data.iter()
            .enumerate()
            .for_each(|(place, character)| engine.input_fe(if place == at { other } else { *character }));
        *engine.residue() == Bech32m::TARGET_RESIDUE
    };
    let place = (0..data.len()).find(|place| Fe32::iter_alpha().any(|other| holds_with(*place, other)))?;
    Some(parts.hrp().len() + "1".len() + place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use alloc::string::ToString;

    fn prefix(text: &str) -> AddressPrefix {
        text.parse().unwrap()
    }

    fn parse(text: &str) -> Result<Address, AddressTextError> {
        Address::from_text(text, &prefix("bqs"))
    }

    /// The bytes 0 to 31; texts by a second implementation, BIP 350's reference code transcribed to Python.
    const TEXT: &str = "bqs1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0s3st82m";

    fn address() -> Address {
        Address::from_bytes(core::array::from_fn(|place| u8::try_from(place).unwrap()))
    }

    #[test]
    fn texts_of_a_second_implementation() {
        for (network, address, text) in [
            ("bqs", address(), TEXT),
            ("tbqs", address(), "tbqs1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0suhv3tg"),
            ("dbqs", address(), "dbqs1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sye5gdm"),
            ("bqs", Address::from_bytes([0; 32]), "bqs1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqcyq92z"),
            ("bqs", Address::from_bytes([0xff; 32]), "bqs1llllllllllllllllllllllllllllllllllllllllllllllllllls66r5r4"),
        ] {
            assert_eq!(address.to_text(&prefix(network)), text);
            assert_eq!(Address::from_text(text, &prefix(network)), Ok(address));
            assert_eq!(Address::from_text(&text.to_uppercase(), &prefix(network)), Ok(address));
        }
    }

    /// BIP 350, "Test vectors for Bech32m".
    #[test]
    fn valid_vectors_of_bip_350() {
        for text in [
            "A1LQFN3A",
            "a1lqfn3a",
            "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
            "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
            "11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
            "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
            "?1v759aa",
        ] {
            let parts = check_characters(text, &prefix("bqs")).unwrap();
            assert_eq!(check_checksum(&parts), Ok(()), "{text}");
            assert!(matches!(parse(text), Err(AddressTextError::Prefix { .. })), "{text}");
        }
    }

    /// BIP 350, the strings that are no bech32m, with what is wrong with them.
    #[test]
    fn invalid_vectors_of_bip_350() {
        let character = |found, position| AddressTextError::Character { found, position };
        let separator = AddressTextError::Separator { expected: prefix("bqs") };
        let length = AddressTextError::Length { found: 91, expected: 62 };
        let checksum = AddressTextError::Checksum { likely: None };
        for (text, expected) in [
            ("\u{20}1xj0phk", character('\u{20}', 1)),
            ("\u{7f}1g6xzxy", character('\u{7f}', 1)),
            ("\u{80}1vctc34", character('\u{80}', 1)),
            ("an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4", length),
            ("qyrz8wqd2c9m", separator.clone()),
            ("1qyrz8wqd2c9m", separator.clone()),
            ("y1b0jsk6g", character('b', 3)),
            ("lt1igcx5c0", character('i', 4)),
            ("in1muywd", checksum.clone()),
            ("mm1crxm3i", character('i', 9)),
            ("au1s5cgom", character('o', 8)),
            ("M1VUXWEZ", checksum),
            ("16plkw9", separator.clone()),
            ("1p2gdwpf", separator),
        ] {
            let found = check_characters(text, &prefix("bqs")).and_then(|parts| check_checksum(&parts));
            assert_eq!(found, Err(expected), "{text}");
            assert!(parse(text).is_err());
        }
    }

    #[test]
    fn other_networks_are_named() {
        let text = address().to_text(&prefix("tbqs"));
        let error = parse(&text).unwrap_err();
        assert_eq!(error, AddressTextError::Prefix { found: "tbqs".into(), expected: prefix("bqs") });
        assert_eq!(error.to_string(), "address begins with tbqs1, not with bqs1: it belongs to another network");
        let bitcoin = parse("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4");
        assert_eq!(bitcoin, Err(AddressTextError::Prefix { found: "bc".into(), expected: prefix("bqs") }));
    }

    #[test]
    fn one_mistyped_character_is_pointed_at() {
        for place in "bqs1".len()..TEXT.len() {
            let other = if TEXT.as_bytes()[place] == b'q' { "p" } else { "q" };
            let mistyped = [&TEXT[..place], other, &TEXT[place + 1..]].concat();
            assert_eq!(parse(&mistyped), Err(AddressTextError::Checksum { likely: Some(place + 1) }));
        }
        let swapped = [&TEXT[..20], &TEXT[21..22], &TEXT[20..21], &TEXT[22..]].concat();
        assert_ne!(swapped, TEXT);
        assert_eq!(parse(&swapped), Err(AddressTextError::Checksum { likely: None }));
        let error = AddressTextError::Checksum { likely: Some(9) };
        assert_eq!(error.to_string(), "checksum of the address does not hold: look at character 9");
    }

    #[test]
    fn lengths_are_told() {
        let length = |found| Err(AddressTextError::Length { found, expected: 62 });
        assert_eq!(parse("bqs1"), length(4));
        assert_eq!(parse(&TEXT[..61]), length(61));
        assert_eq!(parse(&[TEXT, "q"].concat()), length(63));
        assert_eq!(parse(&"q".repeat(1_000)), length(1_000));
        // With checksums that hold.
        assert_eq!(parse("bqs1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0283yjn"), length(61));
        assert_eq!(parse("bqs1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sqkde9je"), length(63));
    }

    #[test]
    fn other_forms_are_refused() {
        assert_eq!(
            parse("bqs1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0syvmt0e"),
            Err(AddressTextError::OldChecksum)
        );
        assert_eq!(
            parse("bqs1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc03vxljhf"),
            Err(AddressTextError::Padding)
        );
        let mixed = [&TEXT[..30], &TEXT[30..].to_uppercase()].concat();
        assert_eq!(parse(&mixed), Err(AddressTextError::MixedCase));
        let separator = Err(AddressTextError::Separator { expected: prefix("bqs") });
        assert_eq!(parse(""), separator);
        assert_eq!(parse("bqs"), separator);
        assert_eq!(parse(" bqs1"), Err(AddressTextError::Character { found: ' ', position: 1 }));
    }
}
