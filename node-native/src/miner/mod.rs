//! The built-in miner.

mod kernel;

pub use self::kernel::Kernel;
