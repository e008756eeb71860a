//! How sure the app is of what it shows.
//!
//! Invariant: a level is given by whoever has done the check that it stands for, at the place where it was done, and joining two things
//! never gives more than the lesser. Nothing is shown without one.

/// How sure the tab is of something. The order is from less to more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A node says so.
    Word,
    /// This tab has checked that it lies in a block which shows work. That the block is in the chain with the most work is a node's word.
    Block,
    /// This tab has checked that it lies in the chain with the most work that it was shown a proof of.
    Proven,
}

impl Level {
    /// The level of something that rests on both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// The name by which styles and tests know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Word => "word",
            Self::Block => "block",
            Self::Proven => "proven",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rests_on_a_word_is_a_word() {
        assert_eq!(Level::Proven.and(Level::Word), Level::Word);
        assert_eq!(Level::Block.and(Level::Proven), Level::Block);
        assert_eq!(Level::Proven.and(Level::Proven), Level::Proven);
    }
}
