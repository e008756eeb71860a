//! How hard a share is to find, on the scale of Bitcoin's pools: a share of difficulty d takes 2³²·d hashes on average.
//!
//! A measure for bookkeeping, never for validity: whether a hash makes a block is asked of the chain's [`Target`] alone. That is why
//! floating point is good enough here; an error in the 53rd bit moves no money.

use std::fmt;
use std::str::FromStr;

use qbtc_core::units::Target;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The difficulty of a share: finite and above zero.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Difficulty(f64);

/// A text that is no difficulty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no difficulty: expected a number above zero")]
pub struct DifficultyTextError {
    found: String,
}

/// A finite number is equal to itself.
impl Eq for Difficulty {}

impl Difficulty {
    /// The hashes of a share of difficulty 1, on average.
    pub const HASHES: f64 = 4_294_967_296.0;

    /// The difficulty of this value, if it is a finite number above zero.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value > 0.0).then_some(Self(value))
    }

    /// The hardest difficulty that a hash, in its own byte order, is a share of: 2²²⁴ / hash.
    ///
    /// It is the most generous of the rules in use. Some miners count from 65535 · 2²⁰⁸ instead, and so hand in a little less.
    #[must_use]
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        Self(2f64.powi(224) / number(hash).max(1.0))
    }

    /// The most that may be asked of a miner, so that whatever meets this target is a share to it too, by the strictest of the rules
    /// in use: 65535 · 2²⁰⁸ / target.
    #[must_use]
    pub fn below_target(target: Target) -> Self {
        let mut hash = target.to_be_bytes();
        hash.reverse();
        Self(65_535.0 * 2f64.powi(208) / number(&hash))
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }

    /// The smaller of two.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// The number nearest to this one between two limits; where they cross, the upper one.
    #[must_use]
    pub const fn within(self, least: Self, most: Self) -> Self {
        Self(self.0.max(least.0).min(most.0))
    }
}

/// A hash as the little-endian number that it is compared as.
fn number(hash: &[u8; 32]) -> f64 {
    hash.iter().rev().fold(0.0, |number, byte| number * 256.0 + f64::from(*byte))
}

impl FromStr for Difficulty {
    type Err = DifficultyTextError;

    fn from_str(text: &str) -> Result<Self, DifficultyTextError> {
        text.parse().ok().and_then(Self::new).ok_or_else(|| DifficultyTextError { found: text.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Difficulty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| de::Error::custom(DifficultyTextError { found: value.to_string() }))
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A whole number without a fraction, since firmware exists that reads integers only.
impl Serialize for Difficulty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Up to here floating point knows every whole number.
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0 <= EXACT_MAX {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 1 to 2^53")]
            serializer.serialize_u64(self.0 as u64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qbtc_core::units::CompactBits;

    fn difficulty(value: f64) -> Difficulty {
        Difficulty::new(value).unwrap()
    }

    fn target(bits: u32) -> Target {
        Target::from_compact(CompactBits(bits)).unwrap()
    }

    /// The difficulties of Bitcoin's bits, as its documentation and block explorers give them.
    #[test]
    fn targets_have_the_difficulty_that_bitcoin_shows() {
        assert_eq!(Difficulty::below_target(target(0x1d00_ffff)), difficulty(1.0));
        let example = Difficulty::below_target(target(0x1b04_04cb)).value();
        assert!((example - 16_307.420_938_523_983).abs() < 1e-9, "{example}");
        assert_eq!(Difficulty::below_target(target(0x1f00_ffff)).value(), 2f64.powi(-16));
        let regtest = Difficulty::below_target(target(0x207f_ffff)).value();
        assert!((regtest - 4.656_542_373_906_925e-10).abs() < 1e-24, "{regtest}");
    }

    #[test]
    fn a_hash_is_a_share_up_to_two_to_the_224_over_the_difficulty() {
        let mut hash = [0; 32];
        hash[28] = 1; // 2^224
        assert_eq!(Difficulty::of_hash(&hash), difficulty(1.0));
        hash[28] = 4;
        assert_eq!(Difficulty::of_hash(&hash), difficulty(0.25));
        hash[0] = 1; // The last of 256 bits is beyond floating point; the next byte that counts is not.
        hash[26] = 1;
        assert!(Difficulty::of_hash(&hash) < difficulty(0.25));
        assert!(Difficulty::of_hash(&[0; 32]).value().is_finite());
        assert!(Difficulty::of_hash(&[0xff; 32]).value() > 0.0);
    }

    #[test]
    fn whoever_meets_the_target_has_a_share() {
        for bits in [0x1d00_ffff, 0x1b04_04cb, 0x1f00_ffff, 0x207f_ffff, 0x1e7f_ffff] {
            let mut worst = target(bits).to_be_bytes();
            worst.reverse();
            assert!(Difficulty::of_hash(&worst) >= Difficulty::below_target(target(bits)), "{bits:08x}");
        }
    }

    #[test]
    fn only_finite_numbers_above_zero_are_difficulties() {
        for refused in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Difficulty::new(refused), None);
            assert!(refused.to_string().parse::<Difficulty>().is_err());
        }
        assert_eq!("0.25".parse(), Ok(difficulty(0.25)));
        assert_eq!(serde_json::from_str::<Difficulty>("16").unwrap(), difficulty(16.0));
        let told = serde_json::from_str::<Difficulty>("-1").unwrap_err().to_string();
        assert!(told.contains("\"-1\" is no difficulty"), "{told}");
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        let text = |value| serde_json::to_string(&difficulty(value)).unwrap();
        assert_eq!(text(1.0), "1");
        assert_eq!(text(65_536.0), "65536");
        assert_eq!(text(0.5), "0.5");
        assert_eq!(text(1e300), "1e+300");
    }
}
