//! What passes between the app's pages and the worker with the light client: questions, answers, and what happens, as bytes.
//!
//! Both ends are this program, in tabs of one origin. What cannot be read comes from another version of it, in a tab that was not reloaded, and
//! is passed over.

use qbtc_core::chain::BlockMark;
use qbtc_core::codec;
use qbtc_core::hash::BlockHash;
use qbtc_core::lock::Address;
use qbtc_core::tx::Transaction;
use qbtc_core::units::{FeeRate, Height};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::news::News;

/// The longest message, in bytes: a block of the largest size on any chain, and a little.
pub const WIRE_BYTES_MAX: usize = (64 << 20) + 4_096;

/// Tells one scan from those before it: what is still on its way belongs to the one that it names.
pub type ScanNumber = u64;

/// With what a worker begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The name of the chain.
    pub chain: String,
    /// The name of the channel on which pages ask.
    pub channel: String,
    /// The number of this run: later ones have greater numbers.
    pub run: u64,
    /// Nodes to begin with.
    pub nodes: Vec<String>,
}

/// What a page asks of the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// What it is doing.
    News,
    /// To try these nodes as well.
    AddNodes(Vec<String>),
    /// To look through the chain for these addresses, in place of what was looked for before.
    Scan {
        /// Its number.
        number: ScanNumber,
        /// The first height that matters.
        start: Height,
        /// Blocks up to which everything is known, rising.
        marks: Vec<BlockMark>,
        /// The addresses.
        addresses: Vec<Address>,
    },
    /// To look for more addresses, from a height on.
    Watch {
        /// The addresses.
        addresses: Vec<Address>,
        /// The first height at which they matter.
        from: Height,
    },
    /// The block that was found has been taken in.
    Taken {
        /// The block.
        id: BlockHash,
        /// Addresses that are new.
        addresses: Vec<Address>,
    },
    /// For the header at a height.
    Header(Height),
    /// For the block at a height, without witnesses.
    Block(Height),
    /// To give a transaction to several nodes.
    Submit(Box<Transaction>),
    /// For what one should pay to be mined within so many blocks.
    Fees(Vec<u32>),
}

/// What the client answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done.
    Done,
    /// What it is doing.
    News(Box<News>),
    /// A header of the chain with the most work that was shown: its block.
    Header(BlockMark),
    /// A block of that chain, without witnesses, as bytes.
    Block(BlockMark, Vec<u8>),
    /// So many nodes took the transaction.
    Submitted(u32),
    /// All that were asked refused it: what they said.
    Refused(String),
    /// For each waiting time, the median of what so many nodes say.
    Fees(Vec<FeeRate>, u32),
    /// Nothing came of it: why.
    Failed(String),
}

/// What the client tells all pages by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// What it is doing has changed.
    News(Box<News>),
    /// Everything up to a block was looked through.
    Scanned {
        /// For this scan.
        number: ScanNumber,
        /// The block.
        to: BlockMark,
        /// The block's bytes, without witnesses, if it may concern an address: it is to be taken in.
        block: Option<Vec<u8>>,
    },
    /// What was told about blocks above this one does not hold, or will come again.
    RolledBack {
        /// For this scan.
        number: ScanNumber,
        /// The last block that holds; none, if nothing does.
        to: Option<BlockMark>,
    },
}

/// The bytes of a message.
#[must_use]
pub fn write<T: Serialize>(message: &T) -> Vec<u8> {
    codec::encode(message)
}

/// The message of these bytes; `None`, if they are none of this version.
#[must_use]
pub fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    codec::decode(bytes, WIRE_BYTES_MAX).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_sent() {
        let mark = BlockMark { height: Height(7), id: BlockHash::from_bytes([7; 32]) };
        let scan =
            Ask::Scan { number: 9, start: Height(3), marks: vec![mark], addresses: vec![Address::from_bytes([1; 32])] };
        assert_eq!(read(&write(&scan)), Some(scan));
        let told = Told::Scanned { number: 9, to: mark, block: Some(vec![1, 2, 3]) };
        assert_eq!(read(&write(&told)), Some(told));
        let answer = Answer::Fees(vec![FeeRate::from_quanta_per_1000_bytes(5)], 3);
        assert_eq!(read(&write(&answer)), Some(answer));
    }

    #[test]
    fn what_another_version_says_is_passed_over() {
        assert_eq!(read::<Ask>(&[]), None);
        assert_eq!(read::<Ask>(&[200, 1, 2]), None);
        let mut longer = write(&Ask::News);
        longer.push(0);
        assert_eq!(read::<Ask>(&longer), None);
    }
}
