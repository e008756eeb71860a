//! Asert: the target is an exponential of how far the chain is ahead of or behind its schedule.
//!
//! aserti3-2d of Bitcoin Cash (specification of 2020-11-15), with the half-life as a parameter:
//! target = first target × 2^((time − scheduled time) / half-life), where 2^x for 0 ≤ x < 1 is a cubic in fixed point. It depends
//! on the parent's height and time alone, so a light client can check any header's bits without the headers in between; it has no
//! memory, so errors do not add up; and it does not oscillate.

use primitive_types::U512;

use super::DifficultyError;
use crate::units::Target;

/// The rule and its half-life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asert {
    half_life_s: u32,
}

/// Bits behind the point of the exponent and of the factor.
const RADIX_BITS: u32 = 16;

impl Asert {
    /// A rule with this half-life: the target doubles for each half-life that the chain is behind its schedule.
    ///
    /// # Errors
    /// [`DifficultyError::HalfLife`] for zero.
    pub const fn new(half_life_s: u32) -> Result<Self, DifficultyError> {
        if half_life_s == 0 {
            return Err(DifficultyError::HalfLife);
        }
        Ok(Self { half_life_s })
    }

    /// The half-life, in seconds.
    #[must_use]
    pub const fn half_life_s(self) -> u32 {
        self.half_life_s
    }

    /// The target for the child of a block that is `behind_s` seconds behind its schedule (negative: ahead), where a block on
    /// schedule is followed by `first`; never above `limit`.
    pub(super) fn target(self, first: Target, behind_s: i128, limit: Target) -> Target {
        // The specification divides towards zero, and so does Rust.
        let exponent = (behind_s << RADIX_BITS) / i128::from(self.half_life_s);
        let doublings = exponent >> RADIX_BITS;
        let fraction = u64::try_from(exponent & 0xffff).expect("sixteen bits are left");
        // At most 273 bits: the first target has 256, the factor 17.
        let product = U512::from(first.to_u256()) * U512::from(power_of_two(fraction));
        let scaled = if doublings < 0 {
            shifted_right(product, doublings.unsigned_abs())
        } else {
            match shifted_left(product, doublings.unsigned_abs()) {
                Some(shifted) => shifted,
                None => return limit,
            }
        };
        clamp(scaled >> RADIX_BITS, limit)
    }
}

/// 2^(fraction / 2^16) for a fraction below 2^16, times 2^16: the specification's cubic, within 0.013 % of the truth.
fn power_of_two(fraction: u64) -> u64 {
    let cubic = 195_766_423_245_049 * fraction + 971_821_376 * fraction.pow(2) + 5_127 * fraction.pow(3) + (1 << 47);
    (cubic >> 48) + (1 << RADIX_BITS)
}

/// The largest sum in [`power_of_two`] stays below 2^64.
const _: () = {
    let most = 0xffff_u128;
    let sum = 195_766_423_245_049 * most + 971_821_376 * most.pow(2) + 5_127 * most.pow(3) + (1 << 47);
    assert!(sum < 1 << 64);
};

fn shifted_right(number: U512, bits: u128) -> U512 {
    match u32::try_from(bits) {
        Ok(bits) if bits < 512 => number >> bits,
        _ => U512::zero(),
    }
}

/// The shifted number, or `None` where it has more than 512 bits and so exceeds every target.
fn shifted_left(number: U512, bits: u128) -> Option<U512> {
    let free = 512 - number.bits();
    let bits = usize::try_from(bits).ok().filter(|bits| *bits <= free)?;
    Some(number << bits)
}

/// The number as a target: at least 1, the hardest, and at most the limit, the easiest.
pub(super) fn clamp(number: U512, limit: Target) -> Target {
    if number > U512::from(limit.to_u256()) {
        return limit;
    }
    let number = number.try_into().expect("at most the limit, which has 256 bits");
    Target::from_u256(number).unwrap_or(Target::MIN)
}
