//! What to pay, as strangers may ask it: worked out now and then, and the same for all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use qbtc_core::mempool::{ESTIMATE_BLOCKS_MAX, FeeEstimate};

use super::Node;

/// For how long an answer is good.
const GOOD_FOR: Duration = Duration::from_secs(2);

/// The last answer.
#[derive(Debug, Default)]
pub(crate) struct FeeCache(Option<(Instant, Arc<[FeeEstimate]>)>);

impl Node {
    /// What to pay to be mined within so many blocks, from 1 to [`ESTIMATE_BLOCKS_MAX`] (others are brought in between). At most two seconds old: however
    /// often it is asked, the pool is walked over once in that time.
    pub(crate) fn recent_fee_estimate(&self, blocks: u32) -> FeeEstimate {
        let estimates = self.recent_fee_estimates();
        estimates[blocks.clamp(1, ESTIMATE_BLOCKS_MAX) as usize - 1]
    }

    fn recent_fee_estimates(&self) -> Arc<[FeeEstimate]> {
        // Whoever asks meanwhile waits for the same answer.
        let mut cache = self.0.fees.lock();
        match &cache.0 {
            Some((made, estimates)) if made.elapsed() < GOOD_FOR => Arc::clone(estimates),
            _ => {
                let estimates: Arc<[FeeEstimate]> = self.live().pool.estimate_fees(self.now(), self.spec()).into();
                cache.0 = Some((Instant::now(), Arc::clone(&estimates)));
                estimates
            }
        }
    }
}
