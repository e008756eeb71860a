//! How handlers read: off the event loop, so many at a time, each from one snapshot.
//!
//! Reading a block may touch the disk and decode 4 MiB. That is no work for the threads that serve connections, and no more of it goes on
//! at once than the machine has use for: whoever comes on top is told to come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use qbtc_core::block::Block;
use qbtc_core::chain::{ChainStore, HeaderNode};
use qbtc_core::hash::BlockHash;
use qbtc_core::header::Header;
use qbtc_core::units::{BlockTime, Height};
use qbtc_core::utxo::Coin;
use tokio::sync::Semaphore;

use super::cache::Validity;
use super::params::BlockRef;
use super::problem::Problem;
use super::shapes::{BlockHeader, Place, Standing};
use crate::metrics::{Interface, Rejection};
use crate::node::Node;
use crate::p2p::P2p;
use crate::store::ChainView;

/// The most handlers that read at once.
const READERS_MAX: usize = 16;
/// How long a handler waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);
/// For how long what was computed over the whole mempool is told again.
const FRESH: Duration = Duration::from_secs(2);

/// What all handlers share.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) node: Node,
    /// The network, unless it is off.
    pub(crate) p2p: Option<P2p>,
    turns: Arc<Semaphore>,
    kept: Mutex<HashMap<&'static str, Arc<Mutex<Option<Kept>>>>>,
}

/// An answer that was computed at a time.
#[derive(Clone, Debug)]
struct Kept {
    at: Instant,
    json: Arc<str>,
}

/// What was computed, as long as it may be told again.
fn fresh(kept: Option<&Kept>) -> Option<Arc<str>> {
    kept.filter(|kept| kept.at.elapsed() < FRESH).map(|kept| Arc::clone(&kept.json))
}

/// The chain at one moment, with the headers that it is made of.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) node: Node,
    pub(crate) chain: Arc<ChainView>,
}

/// A block with what was read beside it.
#[derive(Clone, Debug)]
pub(crate) struct ReadBlock {
    pub(crate) block: Block,
    pub(crate) size_bytes: usize,
}

impl Api {
    pub(crate) fn new(node: Node, p2p: Option<P2p>) -> Self {
        Self { node, p2p, turns: Arc::new(Semaphore::new(READERS_MAX)), kept: Mutex::default() }
    }

    /// Runs a reader on its own thread, with a snapshot of the chain.
    ///
    /// # Errors
    /// The reader's own; or a problem, if too many read already.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&self.turns).acquire_owned());
        let Ok(Ok(turn)) = turn.await else {
            self.node.metrics().request_rejected(Interface::Http, Rejection::Busy);
            return Err(Problem::busy("too many requests are being answered: try again later"));
        };
        let snapshot = Snapshot { node: self.node.clone(), chain: self.node.chain() };
        let reading = tokio::task::spawn_blocking(move || {
            // Kept until the work ends, also if nobody waits for it any more.
            let _turn = turn;
            read(&snapshot)
        });
        reading.await.map_err(|error| Problem::fault(&error))?
    }

    /// Answers with what a reader tells of the chain at its tip. Nothing is read for a client that has the answer of this tip already.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub(crate) async fn at_tip<T: IntoResponse + Send + 'static>(
        &self,
        asked: &HeaderMap,
        read: impl FnOnce(&Snapshot) -> Result<T, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        let here = Validity::AtTip(self.node.tip().borrow().id);
        if here.is_named_by(asked) {
            return Ok(here.respond(asked, ()));
        }
        let (tip, told) = self.read(move |snapshot| Ok((snapshot.tip(), read(snapshot)?))).await?;
        Ok(Validity::AtTip(tip).respond(asked, told))
    }

    /// An answer about the whole mempool as JSON, computed anew only every now and then: it costs a walk over everything that waits.
    ///
    /// # Errors
    /// As [`Api::read`].
    pub(crate) async fn every_now_and_then<T: serde::Serialize>(
        &self,
        name: &'static str,
        compute: impl FnOnce(&Node) -> Result<T, Problem> + Send + 'static,
    ) -> Result<Arc<str>, Problem> {
        let kept = Arc::clone(self.kept.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default());
        if let Some(json) = kept.try_lock().ok().and_then(|kept| fresh(kept.as_ref())) {
            return Ok(json);
        }
        self.read(move |snapshot| {
            // Held while it is computed, on a thread for readers: whoever asks meanwhile waits for the same answer.
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(json) = fresh(kept.as_ref()) {
                return Ok(json);
            }
            let answer = compute(&snapshot.node)?;
            let json: Arc<str> = serde_json::to_string(&answer).map_err(|error| Problem::fault(&error))?.into();
            *kept = Some(Kept { at: Instant::now(), json: Arc::clone(&json) });
            Ok(json)
        })
        .await
    }
}

impl Snapshot {
    /// The id of the last block.
    pub(crate) fn tip(&self) -> BlockHash {
        self.chain.state().tip()
    }

    /// The height of the last block.
    pub(crate) fn height(&self) -> Height {
        self.chain.state().height()
    }

    /// The id of a block that somebody asks for.
    pub(crate) fn find(&self, asked: BlockRef) -> Result<BlockHash, Problem> {
        let found = match asked {
            BlockRef::Id(id) => self.node.headers().node(&id).map(HeaderNode::id),
            BlockRef::Height(height) => self.chain.block_id(height)?,
        };
        found.ok_or_else(|| {
            let problem = Problem::not_found(format!("{asked} is not known"));
            match asked {
                BlockRef::Height(_) => problem.with_mend(format!("the chain ends at height {}", self.height())),
                BlockRef::Id(_) => problem,
            }
        })
    }

    /// What the header tree knows of a block.
    fn header_node(&self, id: &BlockHash) -> Result<HeaderNode, Problem> {
        let node = self.node.headers().node(id).cloned();
        node.ok_or_else(|| Problem::not_found(format!("block {id} is not known")))
    }

    /// Where a block stands in the chain.
    fn standing(&self, id: &BlockHash, height: Height) -> Result<Standing, Problem> {
        if self.chain.block_id(height)? != Some(*id) {
            return Ok(Standing { confirmations: None, next: None });
        }
        let next = height.next().map(|next| self.chain.block_id(next)).transpose()?.flatten();
        Ok(Standing { confirmations: Some(self.height().above(height).saturating_add(1)), next })
    }

    /// A block's header.
    pub(crate) fn header(&self, id: &BlockHash) -> Result<BlockHeader, Problem> {
        let node = self.header_node(id)?;
        Ok(BlockHeader::new(&node, self.standing(id, node.height())?))
    }

    /// A block's header as plain data.
    pub(crate) fn raw_header(&self, id: &BlockHash) -> Result<Header, Problem> {
        self.header_node(id).map(|node| *node.header())
    }

    /// Where a block is.
    pub(crate) fn place(&self, id: &BlockHash) -> Result<Place, Problem> {
        let node = self.header_node(id)?;
        let Standing { confirmations, .. } = self.standing(id, node.height())?;
        Ok(Place { block: *id, height: node.height(), time: node.header().time, confirmations })
    }

    /// A block's bytes.
    pub(crate) fn block_bytes(&self, id: &BlockHash) -> Result<Vec<u8>, Problem> {
        self.chain.block_bytes(id)?.ok_or_else(|| self.missing(id))
    }

    /// A block.
    pub(crate) fn block(&self, id: &BlockHash) -> Result<ReadBlock, Problem> {
        let bytes = self.block_bytes(id)?;
        let block = Block::from_bytes(&bytes, bytes.len()).map_err(|error| Problem::fault(&error))?;
        Ok(ReadBlock { block, size_bytes: bytes.len() })
    }

    /// The coins that a block of the chain spends, in the order of its inputs; `None` beside the chain, where nobody has looked for them.
    pub(crate) fn spent(&self, at: &Place) -> Result<Option<Vec<Coin>>, Problem> {
        if at.confirmations.is_none() || at.height == Height::GENESIS || at.height < self.chain.pruned_below() {
            return Ok(None);
        }
        Ok(Some(self.chain.undo(&at.block)?.0))
    }

    /// The median time that the next block's must exceed.
    pub(crate) fn median_time(&self) -> BlockTime {
        self.node.headers().median_time(&self.tip()).unwrap_or_default()
    }

    /// Why the bytes of a block whose header is known are not here.
    fn missing(&self, id: &BlockHash) -> Problem {
        let height = self.node.headers().node(id).map(HeaderNode::height);
        match height {
            Some(height) if height < self.chain.pruned_below() => Problem::pruned(format_args!("block {id}")),
            _ => Problem::not_found(format!("of block {id} only the header is known")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::http::StatusCode;
    use axum::http::header::{ETAG, IF_NONE_MATCH};

    use super::*;
    use crate::api::testing::TestNode;

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_read_for_who_has_the_answer() {
        let node = TestNode::with_blocks(13).await;
        let api = Api::new(node.node.clone(), None);
        let first = api.at_tip(&HeaderMap::new(), |_| Ok("told")).await.unwrap();
        let has_it = HeaderMap::from_iter([(IF_NONE_MATCH, first.headers()[ETAG].clone())]);
        let unread = api.at_tip(&has_it, |_| -> Result<(), Problem> { panic!("this is read") });
        let again = unread.await.unwrap();
        assert_eq!((again.status(), &again.headers()[ETAG]), (StatusCode::NOT_MODIFIED, &first.headers()[ETAG]));
        // Whoever asks whether there is anything at all is told so only if there is.
        let any = HeaderMap::from_iter([(IF_NONE_MATCH, "*".parse().unwrap())]);
        let missing = api.at_tip(&any, |_| Err::<(), _>(Problem::not_found("nothing"))).await;
        assert_eq!(missing.unwrap_err().status(), StatusCode::NOT_FOUND);
        node.mine().await;
        let moved = api.at_tip(&has_it, |_| Ok("told anew")).await.unwrap();
        assert_eq!(moved.status(), StatusCode::OK);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_all_ask_for_at_once_is_computed_once() {
        static COMPUTED: AtomicU32 = AtomicU32::new(0);
        let node = TestNode::with_blocks(13).await;
        let api = Arc::new(Api::new(node.node.clone(), None));
        let asking: Vec<_> = (0..READERS_MAX)
            .map(|_| {
                let api = Arc::clone(&api);
                let compute = |_: &Node| {
                    // Longer than all of them take to ask.
                    std::thread::sleep(Duration::from_millis(200));
                    Ok(COMPUTED.fetch_add(1, Ordering::Relaxed))
                };
                tokio::spawn(async move { api.every_now_and_then("count", compute).await })
            })
            .collect();
        for asked in asking {
            assert_eq!(&*asked.await.unwrap().unwrap(), "0");
        }
        assert_eq!(COMPUTED.load(Ordering::Relaxed), 1);
    }
}
