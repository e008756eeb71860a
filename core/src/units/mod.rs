//! Quantities with a meaning: amounts, fee rates, heights, times, targets and work.
//!
//! Invariant: each value is in its range from construction on; arithmetic is checked and never wraps.
//! Nothing here knows what a block or a transaction is.

mod amount;
mod fee_rate;
mod height;
mod target;
mod time;
mod work;

pub use amount::{Amount, AmountError};
pub use fee_rate::FeeRate;
pub use height::Height;
pub use target::{CompactBits, Target, TargetError};
pub use time::BlockTime;
pub use work::Work;
