//! Random choices from a seed that the shell hands in.

use siphasher::sip::SipHasher24;

/// A row of random numbers: the same for the same seed, and not to be told by who does not know it.
#[derive(Clone, Debug)]
pub struct Draws {
    seed: [u8; 16],
    drawn: u64,
}

impl Draws {
    /// The row of a seed.
    #[must_use]
    pub const fn new(seed: [u8; 16]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        SipHasher24::new_with_key(&self.seed).hash(&self.drawn.to_le_bytes())
    }

    /// A number below this one, or 0. What is uneven about it is less than one in 2^40 for any table here.
    pub fn below(&mut self, limit: usize) -> usize {
        let product = u128::from(self.number()) * limit as u128;
        usize::try_from(product >> 64).expect("it is below the limit")
    }

    /// Yes or no.
    pub fn coin(&mut self) -> bool {
        self.number() & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn draws_are_repeatable_and_even() {
        let (mut one, mut two) = (Draws::new([7; 16]), Draws::new([7; 16]));
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            let drawn = one.below(10);
            assert_eq!(drawn, two.below(10));
            counts[drawn] += 1;
        }
        // Six standard deviations (each is 30).
        assert!(counts.iter().all(|count| (820..1_180).contains(count)), "{counts:?}");
        assert_eq!((one.below(1), one.below(0)), (0, 0));
        assert_ne!(Draws::new([8; 16]).number(), Draws::new([7; 16]).number());
    }
}
