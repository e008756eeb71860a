//! Amounts of money, in quanta.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount in quanta; 1 QBTC is 10^8 quanta.
///
/// Holds 0 ..= [`Amount::MAX`]. How much money may exist on a chain is a smaller number of its spec; this range only
/// guarantees that sums of two amounts never overflow a `u64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

/// Why a number or a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// More than [`Amount::MAX`].
    #[error("amount of {found} quanta exceeds the largest of {} quanta", Amount::MAX.0)]
    TooLarge {
        /// The number of quanta found.
        found: u64,
    },
    /// The text is not a decimal number with at most eight places.
    #[error("{found:?} is no amount: expected digits with at most 8 decimal places, such as 12.5")]
    Text {
        /// The text found, cut to 40 characters.
        found: String,
    },
}

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The largest representable amount: 2^63 − 1 quanta, so that databases and languages with signed integers hold it too.
    pub const MAX: Self = Self(i64::MAX as u64);
    /// Quanta in one QBTC.
    pub const QUANTA_PER_COIN: u64 = 100_000_000;

    /// An amount of so many quanta.
    ///
    /// # Errors
    /// [`AmountError::TooLarge`] above [`Amount::MAX`].
    pub const fn from_quanta(quanta: u64) -> Result<Self, AmountError> {
        if quanta > Self::MAX.0 {
            return Err(AmountError::TooLarge { found: quanta });
        }
        Ok(Self(quanta))
    }

    /// An amount of so many whole coins; exact for every `u32`.
    #[must_use]
    pub const fn from_coins(coins: u32) -> Self {
        Self(coins as u64 * Self::QUANTA_PER_COIN)
    }

    /// The number of quanta.
    #[must_use]
    pub const fn quanta(self) -> u64 {
        self.0
    }

    /// The sum, or `None` above [`Amount::MAX`].
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) if sum <= Self::MAX.0 => Some(Self(sum)),
            _ => None,
        }
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The product with a whole number, or `None` above [`Amount::MAX`].
    #[must_use]
    pub const fn checked_mul(self, factor: u64) -> Option<Self> {
        match self.0.checked_mul(factor) {
            Some(product) if product <= Self::MAX.0 => Some(Self(product)),
            _ => None,
        }
    }

    /// The difference, or zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum of many, or `None` above [`Amount::MAX`].
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }
}

/// Decimal coins, without trailing zeros: `12.5`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (coins, quanta) = (self.0 / Self::QUANTA_PER_COIN, self.0 % Self::QUANTA_PER_COIN);
        if quanta == 0 {
            return write!(f, "{coins}");
        }
        let places = alloc::format!("{quanta:08}");
        write!(f, "{coins}.{}", places.trim_end_matches('0'))
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let refused = || AmountError::Text { found: text.chars().take(40).collect() };
        let (coins, places) = text.split_once('.').unwrap_or((text, "0"));
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(coins) || !is_digits(places) || places.len() > 8 {
            return Err(refused());
        }
        let scale = 10u64.pow(8 - u32::try_from(places.len()).map_err(|_| refused())?);
        let quanta = places.parse::<u64>().map_err(|_| refused())? * scale;
        let total = coins
            .parse::<u64>()
            .ok()
            .and_then(|coins| coins.checked_mul(Self::QUANTA_PER_COIN))
            .and_then(|whole| whole.checked_add(quanta))
            .ok_or_else(refused)?;
        Self::from_quanta(total)
    }
}

/// A varint of quanta in bytes; decimal coins as a string where people read it.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(de::Error::custom)
        } else {
            Self::from_quanta(u64::deserialize(deserializer)?).map_err(de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use alloc::string::ToString;

    #[test]
    fn range_is_kept() {
        assert_eq!(Amount::from_quanta(i64::MAX as u64), Ok(Amount::MAX));
        assert_eq!(Amount::from_quanta(1 << 63), Err(AmountError::TooLarge { found: 1 << 63 }));
        assert_eq!(Amount::MAX.checked_add(Amount(1)), None);
        assert_eq!(Amount::ZERO.checked_sub(Amount(1)), None);
        assert_eq!(Amount(1 << 62).checked_mul(2), None);
        assert_eq!(Amount::checked_sum([Amount(2), Amount(3)]), Some(Amount(5)));
    }

    #[test]
    fn text_round_trips() {
        for (text, quanta) in
            [("0", 0), ("12.5", 1_250_000_000), ("0.00000001", 1), ("21000000", 2_100_000_000_000_000)]
        {
            let amount: Amount = text.parse().unwrap();
            assert_eq!(amount.quanta(), quanta);
            assert_eq!(amount.to_string(), text);
        }
        for text in ["", ".", "1.", ".5", "-1", "1.000000000", "1e8", "99999999999999999999", "92233720369"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }
}
