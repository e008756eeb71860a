//! Block templates: transactions are chosen once for a tip and a state of the pool, however many miners ask.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use qbtc_core::hash::BlockHash;
use qbtc_core::mempool::{BlockTemplate, Payout, TemplateContext, TemplateError};
use qbtc_core::units::Height;

use super::{Live, Node};

/// What a template is made of: as long as this stays the same, so do its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateRevision {
    /// The tip.
    pub tip: BlockHash,
    /// [`qbtc_core::mempool::Mempool::revision`].
    pub pool: u64,
}

/// The last template.
#[derive(Debug, Default)]
pub(super) struct TemplateCache(Option<(TemplateRevision, Payout, Arc<BlockTemplate>)>);

/// The version of the headers that are made here: miners may roll bits 13 to 28 (BIP 320).
const HEADER_VERSION: u32 = 0x2000_0000;

impl Node {
    /// A block to be mined on top of the tip.
    ///
    /// # Errors
    /// [`TemplateError`], if the payout is not possible.
    ///
    /// # Panics
    /// Never: the tip is always in the tree.
    pub fn template(&self, payout: &Payout) -> Result<Arc<BlockTemplate>, TemplateError> {
        let started = Instant::now();
        let mut last = self.0.templates.lock();
        let live = self.live();
        let revision = revision_of(&live);
        let template = match &last.0 {
            Some((known, paid, template)) if *known == revision => {
                if paid == payout {
                    return Ok(Arc::clone(template));
                }
                Arc::new(template.with_payout(payout, self.spec())?)
            }
            _ => Arc::new(live.pool.template(&self.template_context(&live), payout, self.spec())?),
        };
        last.0 = Some((revision, payout.clone(), Arc::clone(&template)));
        self.metrics().template_made(started.elapsed());
        Ok(template)
    }

    /// [`Node::template`], with the transactions chosen anew even if nothing has changed: for measuring.
    pub(crate) fn fresh_template(&self, payout: &Payout) -> Result<BlockTemplate, TemplateError> {
        let live = self.live();
        live.pool.template(&self.template_context(&live), payout, self.spec())
    }

    /// What a template that is made now would be made of.
    #[must_use]
    pub fn template_revision(&self) -> TemplateRevision {
        revision_of(&self.live())
    }

    /// A number that is never given twice while the node runs, to make coinbases differ.
    #[must_use]
    pub fn extranonce(&self) -> u64 {
        self.0.extranonces.fetch_add(1, Ordering::Relaxed)
    }

    fn template_context(&self, live: &Live) -> TemplateContext {
        let state = live.chain.state();
        let parent = state.tip();
        let headers = self.headers();
        TemplateContext {
            parent,
            height: state.height().next().unwrap_or(Height(u32::MAX)),
            version: HEADER_VERSION,
            bits: headers.next_bits(&parent, self.spec()).expect("the tip is in the tree, which begins with genesis"),
            median_time_past: headers.median_time(&parent).expect("the tip is in the tree"),
            history_root: state.history_root(),
        }
    }
}

fn revision_of(live: &Live) -> TemplateRevision {
    TemplateRevision { tip: live.chain.state().tip(), pool: live.pool.revision() }
}
