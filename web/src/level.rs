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
    /// The light client has shown that it lies in the chain with the most work.
    Header,
    /// Beside that, the light client has shown that nothing was left out: every block was held against its filter.
    Filter,
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
            Self::Header => "header",
            Self::Filter => "filter",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rests_on_a_word_is_a_word() {
        assert_eq!(Level::Filter.and(Level::Word), Level::Word);
        assert_eq!(Level::Block.and(Level::Header), Level::Block);
        assert_eq!(Level::Header.and(Level::Filter), Level::Header);
        assert_eq!(Level::Filter.and(Level::Filter), Level::Filter);
    }
}
