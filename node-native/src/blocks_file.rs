//! Files of blocks: how a chain is carried from one machine to another without a network.
//!
//! Each block is its length in bytes (u32, little-endian) and its bytes as miners and peers exchange them, parents before children;
//! the genesis block, which whoever knows the chain has, is not among them. Nothing in such a file is trusted: whoever reads it checks every block.

use std::io::{self, Read, Write};

use qbtc_core::block::{Block, BlockBytesError};

/// Writes blocks.
#[derive(Debug)]
pub struct BlocksWriter<W>(W);

/// Reads blocks.
#[derive(Debug)]
pub struct BlocksReader<R> {
    source: R,
    block_bytes_max: usize,
    blocks: u64,
    /// Those of the block at hand; kept, since memory for megabytes costs more than to fill it.
    bytes: Vec<u8>,
}

/// Why the next block cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BlocksFileError {
    /// The file cannot be read, or ends within a block.
    #[error("reading block {number} of the file: {error}")]
    Read {
        /// Which block, from 0.
        number: u64,
        /// Why.
        error: io::Error,
    },
    /// A block that is too long.
    #[error("block {number} of the file has {found} bytes, at most {limit} are allowed")]
    TooLong {
        /// Which block, from 0.
        number: u64,
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Bytes that are no block.
    #[error("block {number} of the file: {error}")]
    Block {
        /// Which block, from 0.
        number: u64,
        /// What is wrong.
        error: BlockBytesError,
    },
}

impl<W: Write> BlocksWriter<W> {
    /// Writes to the end of `target`.
    pub const fn new(target: W) -> Self {
        Self(target)
    }

    /// Writes a block.
    ///
    /// # Errors
    /// Those of the target; also for a block of 4 GiB and more.
    pub fn write(&mut self, block: &[u8]) -> io::Result<()> {
        let length = u32::try_from(block.len()).map_err(io::Error::other)?;
        self.0.write_all(&length.to_le_bytes())?;
        self.0.write_all(block)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Those of the target.
    pub fn finish(mut self) -> io::Result<W> {
        self.0.flush()?;
        Ok(self.0)
    }
}

impl<R: Read> BlocksReader<R> {
    /// Reads from `source`, which had better be buffered, blocks of at most so many bytes.
    pub const fn new(source: R, block_bytes_max: usize) -> Self {
        Self { source, block_bytes_max, blocks: 0, bytes: Vec::new() }
    }

    /// How many bytes the block has that was read last.
    pub const fn block_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn read(&mut self) -> Result<Option<Block>, BlocksFileError> {
        let number = self.blocks;
        let failed = |error| BlocksFileError::Read { number, error };
        let mut length = [0; 4];
        if self.source.read(&mut length[..1]).map_err(failed)? == 0 {
            return Ok(None);
        }
        self.source.read_exact(&mut length[1..]).map_err(failed)?;
        let (found, limit) = (u32::from_le_bytes(length) as usize, self.block_bytes_max);
        if found > limit {
            return Err(BlocksFileError::TooLong { number, found, limit });
        }
        self.bytes.resize(found, 0);
        self.source.read_exact(&mut self.bytes).map_err(failed)?;
        self.blocks += 1;
        Block::from_bytes(&self.bytes, limit).map(Some).map_err(|error| BlocksFileError::Block { number, error })
    }
}

impl<R: Read> Iterator for BlocksReader<R> {
    type Item = Result<Block, BlocksFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qbtc_core::spec::ChainSpec;

    fn file() -> Vec<u8> {
        let mut writer = BlocksWriter::new(Vec::new());
        for spec in [ChainSpec::dev(), ChainSpec::local()] {
            writer.write(&spec.genesis().to_bytes()).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn blocks_come_back_in_order() {
        let blocks: Result<Vec<_>, _> = BlocksReader::new(&file()[..], 10_000).collect();
        assert_eq!(blocks.unwrap(), [ChainSpec::dev().genesis().clone(), ChainSpec::local().genesis().clone()]);
    }

    #[test]
    fn a_file_that_ends_within_a_block_or_lies_about_a_length_is_refused() {
        let file = file();
        for end in [2, 4, 100, file.len() - 1] {
            assert!(BlocksReader::new(&file[..end], 10_000).any(|block| block.is_err()), "{end}");
        }
        let error = BlocksReader::new(&file[..], 10).next().unwrap().unwrap_err();
        assert!(matches!(error, BlocksFileError::TooLong { number: 0, limit: 10, .. }), "{error}");
        assert!(BlocksReader::new(&[0xff; 8][..], 10_000).next().unwrap().is_err());
    }
}
