//! Which numbers were there: a window over the latest, as RFC 6479 has it. Questions of one connection overtake each other, but not by
//! far, since only so many are under way.

/// How many numbers below the highest may still come.
const WINDOW: u64 = 1_024;
const WORDS: usize = (WINDOW / 64) as usize;

/// The numbers that were there.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// One above the highest number.
    end: u64,
    /// A bit for each number of the window, at the number's remainder.
    seen: [u64; WORDS],
}

impl Window {
    /// Whether a number is new, and not too old to tell.
    pub(super) fn is_new(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        number >= self.end || (self.end - number <= WINDOW && self.seen[word] & bit == 0)
    }

    /// Notes a number that is new.
    pub(super) fn note(&mut self, number: u64) {
        debug_assert!(self.is_new(number));
        if number >= self.end {
            let passed = (number - self.end).min(WINDOW);
            for skipped in number - passed..=number {
                let (word, bit) = place(skipped);
                self.seen[word] &= !bit;
            }
            // The highest number of all is refused by the session, so that this cannot overflow.
            self.end = number.saturating_add(1);
        }
        let (word, bit) = place(number);
        self.seen[word] |= bit;
    }
}

fn place(number: u64) -> (usize, u64) {
    let place = number % WINDOW;
    (usize::try_from(place / 64).expect("it is below the number of words"), 1 << (place % 64))
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::test;

    #[test]
    fn the_edges_of_the_window() {
        let mut window = Window::default();
        assert!(window.is_new(0) && window.is_new(u64::MAX));
        window.note(0);
        assert!(!window.is_new(0));
        window.note(WINDOW - 1);
        assert!(!window.is_new(0) && window.is_new(1));
        window.note(WINDOW);
        assert!(!window.is_new(0) && window.is_new(1), "too old is not new");
        window.note(5 * WINDOW);
        assert!(!window.is_new(4 * WINDOW) && window.is_new(4 * WINDOW + 1));
    }

    proptest! {
        #[test]
        fn as_a_set_of_all_numbers_would_say(numbers in prop::collection::vec(prop_oneof![0_u64..40, 0_u64..5_000], 1..400)) {
            let (mut window, mut seen) = (Window::default(), BTreeSet::new());
            for number in numbers {
                let highest = seen.last().copied();
                let is_late = highest.is_some_and(|highest| number + WINDOW <= highest);
                let is_new = !seen.contains(&number) && !is_late;
                prop_assert_eq!(window.is_new(number), is_new, "{} after {:?}", number, highest);
                if is_new {
                    window.note(number);
                    seen.insert(number);
                }
            }
        }
    }
}
