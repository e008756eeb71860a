//! Fee rates.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::Amount;

/// What a transaction pays for its size, in quanta for each 1,000 bytes of its encoding, witnesses included.
///
/// A thousand bytes, because a rate for one byte would be a small number with a rough grain. Fees are rounded up, so that a
/// transaction with the fee of a rate never pays less than the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeeRate(u64);

impl FeeRate {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The size that a rate's quanta are for, in bytes.
    pub const BYTES: u64 = 1_000;

    /// The rate of so many quanta for each 1,000 bytes.
    #[must_use]
    pub const fn from_quanta_per_1000_bytes(quanta: u64) -> Self {
        Self(quanta)
    }

    /// The quanta for each 1,000 bytes.
    #[must_use]
    pub const fn quanta_per_1000_bytes(self) -> u64 {
        self.0
    }

    /// The highest rate that a fee reaches over a size in bytes: rounded down. `None` for no bytes.
    #[must_use]
    pub fn reached_by(fee: Amount, size_bytes: u64) -> Option<Self> {
        let milli_quanta = u128::from(fee.quanta()) * u128::from(Self::BYTES);
        let rate = milli_quanta.checked_div(u128::from(size_bytes))?;
        // Both factors of the product are below 2^63 and 2^10: a rate above u64 needs a size below ten bytes.
        Some(Self(u64::try_from(rate).unwrap_or(u64::MAX)))
    }

    /// The least fee that reaches this rate over a size in bytes: rounded up. `None` above [`Amount::MAX`].
    #[must_use]
    pub fn fee(self, size_bytes: u64) -> Option<Amount> {
        let milli_quanta = u128::from(self.0) * u128::from(size_bytes);
        let quanta = u64::try_from(milli_quanta.div_ceil(u128::from(Self::BYTES))).ok()?;
        Amount::from_quanta(quanta).ok()
    }
}

/// Quanta for each 1,000 bytes, with the unit.
impl fmt::Display for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} quanta per 1000 bytes", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    fn rate(quanta: u64) -> FeeRate {
        FeeRate::from_quanta_per_1000_bytes(quanta)
    }

    fn quanta(quanta: u64) -> Amount {
        Amount::from_quanta(quanta).unwrap()
    }

    #[test]
    fn fees_round_up_and_rates_down() {
        assert_eq!(rate(1).fee(1_000), Some(quanta(1)));
        assert_eq!(rate(1).fee(1_001), Some(quanta(2)));
        assert_eq!(rate(0).fee(1_001), Some(Amount::ZERO));
        assert_eq!(FeeRate::reached_by(quanta(2), 1_001), Some(rate(1)));
        assert_eq!(FeeRate::reached_by(quanta(2), 1_000), Some(rate(2)));
        assert_eq!(FeeRate::reached_by(quanta(2), 0), None);
    }

    #[test]
    fn the_fee_of_a_rate_reaches_it() {
        for (quanta, size) in [(1, 1), (999, 7_301), (1_000, 7_301), (123_457, 1_048_576), (u32::MAX.into(), 1)] {
            let fee = rate(quanta).fee(size).unwrap();
            assert!(FeeRate::reached_by(fee, size).unwrap() >= rate(quanta), "{quanta} {size}");
        }
    }

    #[test]
    fn a_fee_beyond_all_amounts_is_none() {
        assert_eq!(rate(i64::MAX as u64).fee(1_000), Some(Amount::MAX));
        assert_eq!(rate(i64::MAX as u64).fee(1_001), None);
        assert_eq!(rate(u64::MAX).fee(u64::MAX), None);
        assert_eq!(FeeRate::reached_by(Amount::MAX, 1), Some(rate(u64::MAX)));
    }
}
