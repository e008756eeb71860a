//! The search for a nonce on one template: what a worker does, chunk by chunk.

use std::sync::Arc;

use qbtc_core::header::Header;
use qbtc_core::mempool::{BlockTemplate, EXTRANONCE_BYTES, Extranonce, Solution};
use qbtc_core::units::{BlockTime, Target};

use super::kernel::Kernel;

/// The nonces between two looks at anything else: milliseconds on a slow processor, and many times what a chunk costs beside its hashes.
const CHUNK: u32 = 1 << 14;

/// A search under one extranonce. No pair of time and nonce is tried twice.
#[derive(Debug)]
pub(super) struct Search {
    template: Arc<BlockTemplate>,
    target: Target,
    extranonce: Extranonce,
    header: Header,
    /// The next nonce to be tried, if any is left.
    next: Option<u32>,
}

/// What a chunk of nonces brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Searched {
    /// How many hashes were tried.
    pub(super) hashes: u64,
    /// The solution among them.
    pub(super) solution: Option<Solution>,
}

impl Search {
    /// A search with a number that no other search has: [`crate::node::Node::extranonce`].
    pub(super) fn new(number: u64, template: Arc<BlockTemplate>) -> Self {
        let extranonce = unique(number);
        let start = Solution { version: template.context().version, time: template.time_min(), nonce: 0, extranonce };
        let header = template.header(&start);
        let target = Target::from_compact(header.bits).expect("the difficulty rule demands bits that are a target");
        Self { template, target, extranonce, header, next: Some(0) }
    }

    /// Tries the next nonces, with the time that it is now: [`CHUNK`] of them, or fewer if not so many are asked for or left. `None` if all
    /// are tried; then it takes another search.
    pub(super) fn next_chunk(&mut self, kernel: Kernel, now: BlockTime, hashes_max: u64) -> Option<Searched> {
        let first = self.next?;
        let more = u32::try_from(hashes_max).unwrap_or(u32::MAX).clamp(1, CHUNK) - 1;
        let last = first.saturating_add(more);
        // Nonces go on from where they were: under another time they are other hashes anyway.
        self.header.time = self.header.time.max(now);
        let nonce = kernel.scan(&self.header, self.target, first..=last);
        let last = nonce.unwrap_or(last);
        self.next = last.checked_add(1);
        let solution = nonce.map(|nonce| Solution {
            version: self.header.version,
            time: self.header.time,
            nonce,
            extranonce: self.extranonce,
        });
        Some(Searched { hashes: u64::from(last - first) + 1, solution })
    }

    /// What it searches for.
    pub(super) const fn template(&self) -> &Arc<BlockTemplate> {
        &self.template
    }
}

/// The extranonce of a number. Its first four bytes differ from those that Stratum gives to its miners, which take theirs from the
/// same numbers.
fn unique(number: u64) -> Extranonce {
    let number = number.to_be_bytes();
    let mut extranonce = [0; EXTRANONCE_BYTES];
    extranonce[..4].copy_from_slice(&number[4..]);
    extranonce[4..].copy_from_slice(&number);
    extranonce
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::miner::tests::{open, payout, stop};
    use qbtc_core::spec::ChainSpec;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_nonce_is_tried_once_and_solutions_are_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let (node, thread) = open(folder.path(), ChainSpec::dev());
        let template = node.template(&payout()).unwrap();
        let mut search = Search::new(node.extranonce(), Arc::clone(&template));
        assert_eq!(search.header.time, template.time_min());
        let (mut hashes, mut now, mut solutions) = (0, node.now(), 0);
        while solutions < 3 {
            now = now.saturating_add(1);
            let searched = search.next_chunk(Kernel::fastest(), now, u64::MAX).unwrap();
            hashes += searched.hashes;
            assert_eq!(search.next.map(u64::from), Some(hashes), "each nonce counts once");
            assert!(searched.hashes <= u64::from(CHUNK));
            let Some(solution) = searched.solution else {
                assert_eq!(searched.hashes, u64::from(CHUNK));
                continue;
            };
            assert_eq!(solution.time, now);
            assert_eq!(u64::from(solution.nonce) + 1, hashes);
            assert_eq!(template.checked_block(&solution, node.spec()).unwrap().header().nonce, solution.nonce);
            solutions += 1;
        }
        let earlier = search.next_chunk(Kernel::fastest(), BlockTime(0), 7).unwrap();
        assert_eq!((search.header.time, earlier.hashes), (now, 7), "time does not go back");
        stop(&node, thread);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_search_ends_with_the_last_nonce() {
        let folder = tempfile::tempdir().unwrap();
        let (node, thread) = open(folder.path(), ChainSpec::dev());
        let mut search = Search::new(0, node.template(&payout()).unwrap());
        search.target = Target::MIN;
        search.next = Some(u32::MAX - 5);
        let last = search.next_chunk(Kernel::fastest(), node.now(), u64::MAX);
        assert_eq!(last, Some(Searched { hashes: 6, solution: None }));
        assert_eq!(search.next_chunk(Kernel::fastest(), node.now(), u64::MAX), None);
        search.target = Target::MAX;
        search.next = Some(u32::MAX);
        let last = search.next_chunk(Kernel::fastest(), node.now(), u64::MAX).unwrap();
        assert_eq!(last.solution.map(|solution| solution.nonce), Some(u32::MAX));
        assert_eq!(search.next_chunk(Kernel::fastest(), node.now(), u64::MAX), None);
        stop(&node, thread);
    }

    #[test]
    fn extranonces_differ_in_their_first_bytes() {
        assert_eq!(unique(0x0102_0304_0506_0708), [5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_ne!(unique(0)[..4], unique(1)[..4]);
    }
}
