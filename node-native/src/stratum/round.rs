//! One round of work: the transactions chosen once, and a coinbase for each address that miners work for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use qbtc_core::hash::BlockHash;
use qbtc_core::lock::Address;
use qbtc_core::mempool::{BlockTemplate, Payout, TemplateError};
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::{Amount, BlockTime};

use super::session::Work;

type Made = Arc<OnceLock<Result<Arc<Work>, TemplateError>>>;

/// The work of one moment, for everybody.
#[derive(Debug)]
pub(super) struct Round {
    base: Arc<BlockTemplate>,
    tag: Box<[u8]>,
    time: BlockTime,
    spec: Arc<ChainSpec>,
    works: Mutex<HashMap<Address, Made>>,
}

impl Round {
    /// The addresses whose work is kept. Only they, and no connections, could be more: who authorizes, leaves and comes again.
    const ADDRESSES_MAX: usize = 4_096;

    /// A round of this template, whoever it pays, at this time of the clock. The tag goes into every coinbase.
    pub(super) fn new(base: Arc<BlockTemplate>, tag: Box<[u8]>, time: BlockTime, spec: Arc<ChainSpec>) -> Self {
        Self { base, tag, time, spec, works: Mutex::default() }
    }

    /// The block that its work is on top of.
    pub(super) fn parent(&self) -> BlockHash {
        self.base.context().parent
    }

    /// What a block of this round pays.
    pub(super) fn value(&self) -> Amount {
        self.base.value()
    }

    /// The work for an address, if it is made already.
    pub(super) fn ready(&self, address: &Address) -> Option<Result<Arc<Work>, TemplateError>> {
        let works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        works.get(address).and_then(|made| made.get().cloned())
    }

    /// The work for an address. Takes milliseconds in a full block, so it is no work for an event loop.
    ///
    /// # Errors
    /// [`TemplateError`], if the address cannot be paid.
    pub(super) fn work(&self, address: &Address) -> Result<Arc<Work>, TemplateError> {
        let made = {
            let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
            if works.len() >= Self::ADDRESSES_MAX && !works.contains_key(address) {
                works.clear();
            }
            Arc::clone(works.entry(*address).or_default())
        };
        // Outside the lock: other addresses need not wait.
        made.get_or_init(|| {
            let payout = Payout { address: *address, outputs: Vec::new(), message: self.tag.clone() };
            let template = self.base.with_payout(&payout, &self.spec)?;
            Ok(Arc::new(Work::new(template, self.time)))
        })
        .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qbtc_core::hash::HistoryRoot;
    use qbtc_core::lock::Lock;
    use qbtc_core::mempool::{Mempool, Policy, TemplateContext};
    use qbtc_core::units::Height;

    fn round() -> Round {
        let spec = Arc::new(ChainSpec::dev());
        let genesis = spec.genesis().header;
        let context = TemplateContext {
            parent: genesis.id(),
            height: Height(1),
            version: 0x2000_0000,
            bits: genesis.bits,
            median_time_past: genesis.time,
            history_root: HistoryRoot::ZERO,
        };
        let pool = Mempool::new(Policy::default(), Height(1));
        let base = pool.template(&context, &Payout::to(Address::from_bytes([0; 32])), &spec).unwrap();
        Round::new(Arc::new(base), (*b"tag").into(), genesis.time, spec)
    }

    #[test]
    fn each_address_has_its_own_work_made_once() {
        let round = round();
        let addresses = [Address::from_bytes([1; 32]), Address::from_bytes([2; 32])];
        assert!(round.ready(&addresses[0]).is_none());
        let works = addresses.map(|address| round.work(&address).unwrap());
        for (work, address) in works.iter().zip(addresses) {
            assert_eq!(work.template().coinbase().outputs[0].lock, Lock::Address(address));
            assert!(Arc::ptr_eq(work, &round.work(&address).unwrap()));
            assert!(Arc::ptr_eq(work, &round.ready(&address).unwrap().unwrap()));
        }
        assert_eq!((works[0].parent(), round.parent()), (ChainSpec::dev().genesis().id(), works[1].parent()));
        assert_eq!(works[0].template().coinbase().extra[12..], *b"tag");
    }

    #[test]
    fn addresses_that_are_kept_are_bounded() {
        let round = round();
        for number in 0..=u32::try_from(Round::ADDRESSES_MAX).unwrap() {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_le_bytes());
            round.works.lock().unwrap().entry(Address::from_bytes(bytes)).or_default();
        }
        round.work(&Address::from_bytes([9; 32])).unwrap();
        assert_eq!(round.works.lock().unwrap().len(), 1);
    }
}
