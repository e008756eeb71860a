//! How many blocks go from thread to thread together.

/// The size of a run of blocks, while it grows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RunSize {
    blocks: usize,
    bytes: usize,
}

impl RunSize {
    /// Where a run ends that has so many bytes: a large block goes alone, so that all processors have some.
    const BYTES_MAX: usize = 128 << 10;
    /// Where a run ends that has so many blocks.
    const BLOCKS_MAX: usize = 16;

    /// Counts one more block.
    pub(crate) const fn add(&mut self, bytes: usize) {
        self.blocks += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Whether the run ends here.
    pub(crate) const fn is_full(self) -> bool {
        self.blocks >= Self::BLOCKS_MAX || self.bytes >= Self::BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks_of(bytes: usize) -> usize {
        let mut size = RunSize::default();
        (1..)
            .find(|_| {
                size.add(bytes);
                size.is_full()
            })
            .unwrap()
    }

    #[test]
    fn small_blocks_go_together_and_large_ones_alone() {
        assert_eq!(blocks_of(300), RunSize::BLOCKS_MAX);
        assert_eq!(blocks_of(RunSize::BYTES_MAX / 2), 2);
        assert_eq!(blocks_of(RunSize::BYTES_MAX), 1);
        assert_eq!(blocks_of(usize::MAX), 1);
    }
}
