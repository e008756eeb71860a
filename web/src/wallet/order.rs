//! What somebody types into the form of a payment, and what is wrong with it, field by field.

use qbtc_core::lock::{Address, AddressPrefix, AddressTextError};
use qbtc_core::units::Amount;

/// What is wrong with an address as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressFault {
    /// Nothing was typed.
    Empty,
    /// It is none.
    Text {
        /// Why.
        error: AddressTextError,
        /// What was typed, cut at the character to look at, if one is known: before it, it, and after it.
        marked: Option<(String, String, String)>,
    },
}

/// What somebody asks for: `qbtc:ADDRESS?amount=1.5&label=Coffee`, as BIP 21 has it for Bitcoin. A bare address is one as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where to.
    pub address: Address,
    /// How much, as the field for it takes it.
    pub amount: Option<String>,
}

/// What is wrong with a request for a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// Its address.
    Address(AddressFault),
    /// Its amount is none, or there are two.
    Amount,
    /// It asks for something else.
    Part {
        /// What, by its name.
        name: String,
    },
}

/// What is wrong with an amount as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountFault {
    /// Nothing was typed.
    Empty,
    /// Not a number.
    Number,
    /// More decimals than there are quanta in a coin.
    Decimals {
        /// Decimals found.
        found: usize,
    },
    /// Beyond all the money there can be.
    TooLarge,
    /// Nothing is paid.
    Zero,
    /// More than there is.
    Beyond {
        /// What can be spent.
        available: Amount,
    },
    /// Too little to be worth spending.
    Dust {
        /// The least that nodes relay.
        least: Amount,
    },
}

/// Decimals of a coin.
const DECIMALS: usize = 8;

/// The scheme of a request, as QR codes of other wallets have it: in capitals where that makes the code smaller.
const SCHEME: &str = "qbtc:";
/// The longest text that is looked at, in characters.
const CHARACTERS_MAX: usize = 1_000;

/// Reads a request for a payment, or a bare address.
///
/// # Errors
/// [`RequestFault`]. A part that is not known is one: what it asks for would not be done.
pub fn request(text: &str, prefix: &AddressPrefix) -> Result<Request, RequestFault> {
    let (of, parts) = text.split_once('?').unwrap_or((text, ""));
    let address = address(of, prefix).map_err(RequestFault::Address)?;
    let mut amount = None;
    for part in parts.trim().split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match name {
            "amount" if value.parse::<Amount>().is_ok() && amount.is_none() => amount = Some(value.to_owned()),
            "amount" => return Err(RequestFault::Amount),
            // Words of whoever asks: nothing to be done.
            "label" | "message" => {}
            name => return Err(RequestFault::Part { name: name.chars().take(40).collect() }),
        }
    }
    Ok(Request { address, amount })
}

/// Reads an address as it was typed. Spaces in it do not count: addresses are shown in groups.
///
/// # Errors
/// [`AddressFault`].
pub fn address(text: &str, prefix: &AddressPrefix) -> Result<Address, AddressFault> {
    let text: String = text.chars().filter(|char| !char.is_whitespace()).take(CHARACTERS_MAX).collect();
    let text = match text.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest.to_owned(),
        _ => text,
    };
    if text.is_empty() {
        return Err(AddressFault::Empty);
    }
    Address::from_text(&text, prefix).map_err(|error| {
        let position = crate::search::position(&error);
        let marked = position.and_then(|position| mark(&text, position));
        AddressFault::Text { error, marked }
    })
}

fn mark(text: &str, position: usize) -> Option<(String, String, String)> {
    let before: String = text.chars().take(position.checked_sub(1)?).collect();
    let mut rest = text.chars().skip(position - 1);
    let at = rest.next()?.to_string();
    Some((before, at, rest.collect()))
}

/// Reads an amount as it was typed, in QBTC.
///
/// # Errors
/// [`AmountFault`].
pub fn amount(text: &str, available: Amount, least: Amount) -> Result<Amount, AmountFault> {
    let text: String = text.chars().filter(|char| !char.is_whitespace() && *char != '_').collect();
    let text = text.replace(',', ".");
    if text.is_empty() {
        return Err(AmountFault::Empty);
    }
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(part) || (whole.is_empty() && part.is_empty()) {
        return Err(AmountFault::Number);
    }
    if part.len() > DECIMALS {
        return Err(AmountFault::Decimals { found: part.len() });
    }
    let whole = if whole.is_empty() { "0" } else { whole.trim_start_matches('0') };
    let whole = if whole.is_empty() { "0" } else { whole };
    let plain = if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") };
    let amount: Amount = plain.parse().map_err(|_| AmountFault::TooLarge)?;
    match amount {
        Amount::ZERO => Err(AmountFault::Zero),
        amount if amount < least => Err(AmountFault::Dust { least }),
        amount if amount > available => Err(AmountFault::Beyond { available }),
        amount => Ok(amount),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix() -> AddressPrefix {
        "dbqs".parse().unwrap()
    }

    #[test]
    fn an_address_is_read_as_it_is_copied() {
        let expected = Address::from_bytes([3; 32]);
        let text = expected.to_text(&prefix());
        let grouped = crate::format::grouped(&text).join(" ");
        for form in [text.clone(), format!(" {text}\n"), grouped, format!("qbtc:{text}"), text.to_uppercase()] {
            assert_eq!(address(&form, &prefix()), Ok(expected), "{form}");
        }
        assert_eq!(address(" ", &prefix()), Err(AddressFault::Empty));
    }

    #[test]
    fn a_request_brings_its_amount_and_nothing_that_is_not_understood() {
        let expected = Address::from_bytes([3; 32]);
        let text = expected.to_text(&prefix());
        let read = |tail: &str| request(&format!("qbtc:{text}{tail}"), &prefix());
        let asked = |amount: Option<&str>| Ok(Request { address: expected, amount: amount.map(str::to_owned) });
        assert_eq!(request(&format!("QBTC:{}", text.to_uppercase()), &prefix()), asked(None));
        assert_eq!(request(&format!("{text}?amount=2"), &prefix()), asked(Some("2")));
        for (tail, amount) in [
            ("", None),
            ("?", None),
            ("?amount=1.5", Some("1.5")),
            ("?label=Coffee%20to%20go&amount=0.00000001 ", Some("0.00000001")),
            ("?message=Thanks", None),
        ] {
            assert_eq!(read(tail), asked(amount), "{tail}");
        }
        for tail in ["?amount=", "?amount", "?amount=ten", "?amount=1,5", "?amount=-1", "?amount=1&amount=2"] {
            assert_eq!(read(tail), Err(RequestFault::Amount), "{tail}");
        }
        assert_eq!(read("?req-fee=1"), Err(RequestFault::Part { name: "req-fee".to_owned() }));
        assert_eq!(read("?Amount=1"), Err(RequestFault::Part { name: "Amount".to_owned() }));
        assert_eq!(request("bitcoin:x?amount=1", &prefix()), request("bitcoin:x", &prefix()));
        assert!(matches!(request("bitcoin:x", &prefix()), Err(RequestFault::Address(AddressFault::Text { .. }))));
        assert_eq!(request("qbtc:", &prefix()), Err(RequestFault::Address(AddressFault::Empty)));
        // Where only an address is taken, nothing beside it is dropped unseen.
        assert!(address(&format!("qbtc:{text}?amount=1"), &prefix()).is_err());
    }

    #[test]
    fn the_mistyped_character_is_marked() {
        let text = Address::from_bytes([3; 32]).to_text(&prefix());
        let (front, rest) = text.split_at(15);
        let wrong = if rest.starts_with('q') { 'p' } else { 'q' };
        let mistyped = format!("{front}{wrong}{}", &rest[1..]);
        let Err(AddressFault::Text { marked: Some((before, at, after)), .. }) = address(&mistyped, &prefix()) else {
            panic!()
        };
        assert_eq!((before.as_str(), at.as_str(), after.as_str()), (front, wrong.to_string().as_str(), &rest[1..]));
    }

    #[test]
    fn amounts_say_what_is_wrong_with_them() {
        let (available, least) = (Amount::from_coins(10), Amount::from_quanta(1_000).unwrap());
        let read = |text: &str| amount(text, available, least);
        for (text, quanta) in
            [("1", 100_000_000), ("0,5", 50_000_000), (".00001", 1_000), ("01.50", 150_000_000), ("10.", 1_000_000_000)]
        {
            assert_eq!(read(text).map(Amount::quanta), Ok(quanta), "{text}");
        }
        assert_eq!(read(""), Err(AmountFault::Empty));
        for strange in ["1e3", "-1", ".", "1.2.3", "∞", "0x10", "1 .2 .3"] {
            assert_eq!(read(strange), Err(AmountFault::Number), "{strange}");
        }
        assert_eq!(read("0.000000001"), Err(AmountFault::Decimals { found: 9 }));
        assert_eq!(read(&"9".repeat(30)), Err(AmountFault::TooLarge));
        assert_eq!(read("0.00"), Err(AmountFault::Zero));
        assert_eq!(read("0.00000999"), Err(AmountFault::Dust { least }));
        assert_eq!(read("10.00000001"), Err(AmountFault::Beyond { available }));
    }
}
