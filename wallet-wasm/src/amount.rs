//! Amounts as people type them.

use alloc::string::String;

use qbtc_core::units::{Amount, AmountError};

use crate::failure::Failure;

/// The most places behind the point.
pub const DECIMALS_MAX: usize = 8;

/// Reads decimal coins, such as `12.5`, and says precisely what is wrong with another text.
///
/// # Errors
/// `amount-decimals` for more than [`DECIMALS_MAX`] places, `amount-comma`, `amount-empty`, `amount-too-large`, else `amount-format`.
pub fn parse(text: &str) -> Result<Amount, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::new("amount-empty", "no amount: expected digits, such as 12.5"));
    }
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once([',', '.']) {
        Some((whole, places)) if is_digits(whole) && is_digits(places) && text.contains(',') => {
            let sentence = format_args!("{:?} has a comma: expected a point before the decimal places", cut(text));
            Err(Failure::new("amount-comma", sentence).found(cut(text)))
        }
        Some((whole, places)) if is_digits(whole) && is_digits(places) && places.len() > DECIMALS_MAX => {
            let found = places.len();
            let sentence =
                format_args!("{:?} has {found} decimal places: an amount has at most {DECIMALS_MAX}", cut(text));
            Err(Failure::new("amount-decimals", sentence).found(found).expected(DECIMALS_MAX))
        }
        _ => match text.parse() {
            Ok(amount) => Ok(amount),
            Err(AmountError::Text { .. })
                if is_digits(text.split('.').next().unwrap_or_default()) && is_number(text) =>
            {
                let sentence = format_args!("{} QBTC are more than there can be", cut(text));
                Err(Failure::new("amount-too-large", sentence).found(cut(text)).expected(Amount::MAX))
            }
            Err(error) => Err(error.into()),
        },
    }
}

/// Whether a text is digits with at most one point between them.
fn is_number(text: &str) -> bool {
    let mut parts = text.split('.');
    parts.by_ref().take(2).all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        && parts.next().is_none()
}

/// As much of a text as an error shows.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (text, quanta) in
            [("0", 0), ("12.5", 1_250_000_000), (" 0.00000001 ", 1), ("92233720368.54775807", u64::MAX >> 1)]
        {
            assert_eq!(parse(text).unwrap().quanta(), quanta);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let code = |text: &str| parse(text).unwrap_err().code();
        for text in ["", "  "] {
            assert_eq!(code(text), "amount-empty");
        }
        for text in ["x", "1.", ".5", "1e3", "-1", "+1", "1 000", "1.2.3", "0x10", "١"] {
            assert_eq!(code(text), "amount-format", "{text}");
        }
        for text in ["92233720368.54775808", "99999999999999999999999"] {
            assert_eq!(code(text), "amount-too-large", "{text}");
        }
        assert_eq!(code("1,5"), "amount-comma");
        let failure = parse("0.123456789").unwrap_err();
        assert_eq!(failure.code(), "amount-decimals");
        assert_eq!(failure.to_string(), "\"0.123456789\" has 9 decimal places: an amount has at most 8");
    }
}
