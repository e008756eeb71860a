//! Following the chain for an account on the word of the node that serves the page, by what [`super::source`] gives and [`crate::wallet::chain`]
//! checks: only while the light client has no node.
//!
//! The account is held only while something is taken into it, never while an answer is waited for: the user may pay in between. So each
//! block is taken in only if it follows the one where the account stands by then.

use leptos::prelude::*;
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::wallet::derivation::AccountKey;
use qbtc_core::wallet::ledger::BlockMark;

use super::fetch::FetchError;
use super::source;
use crate::wallet::account::AccountState;
use crate::wallet::chain::{self, BATCH_BLOCKS, ChainError, Link};

/// How often the chain may turn in the middle before this gives up for now.
const TURNS_MAX: u32 = 8;

/// Why an account could not follow the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FollowError {
    /// The node does not answer as asked.
    Fetch(FetchError),
    /// What it answers does not hold.
    Chain(ChainError),
    /// Its chain does not stand still, or the account is gone.
    Restless,
}

impl From<FetchError> for FollowError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl From<ChainError> for FollowError {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

impl FollowError {
    /// A sentence for people.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Fetch(error) => error.sentence(),
            Self::Chain(error) => format!("{} {error}.", crate::text::NODE_LIES),
            Self::Restless => crate::text::RESTLESS.to_owned(),
        }
    }
}

/// An account among others.
#[derive(Clone, Copy)]
pub(crate) struct AccountAt {
    /// All accounts.
    pub(crate) accounts: RwSignal<Vec<AccountState>>,
    /// Which one.
    pub(crate) index: usize,
}

impl AccountAt {
    /// Does something with the account, and tells nobody yet.
    fn with<T>(self, then: impl FnOnce(&mut AccountState) -> T) -> Result<T, FollowError> {
        let done = self.accounts.try_update_untracked(|accounts| accounts.get_mut(self.index).map(then));
        done.flatten().ok_or(FollowError::Restless)
    }
}

/// One run up to the tip.
pub(crate) struct Follower<'a> {
    /// The chain.
    pub(crate) spec: &'a ChainSpec,
    /// The account's secret.
    pub(crate) key: &'a AccountKey,
    /// The account.
    pub(crate) account: AccountAt,
    /// Whether a node's word is still wanted: not once the light client shows the chain.
    pub(crate) is_wanted: &'a dyn Fn() -> bool,
}

impl Follower<'_> {
    /// Brings the account up to the tip, batch by batch: `on_batch` is told after each, when it can be shown and kept.
    ///
    /// # Errors
    /// [`FollowError`]; what was found until then stays.
    pub(crate) async fn follow(&self, tip: Height, on_batch: impl AsyncFn(Height)) -> Result<(), FollowError> {
        self.account.with(|state| {
            // A few blocks more are no new look.
            if state.mark().is_none() || state.is_looked_for() {
                state.looks_up_to(tip);
            }
            state.extend(self.key).map_err(ChainError::from)
        })??;
        let mut turns = 0;
        loop {
            let mark = match self.account.with(|state| state.mark())? {
                Some(mark) => mark,
                None => self.start(tip).await?,
            };
            let bytes = source::headers(mark.height, BATCH_BLOCKS + 1).await?;
            let links = chain::read_headers(&bytes, mark.height, self.spec)?;
            match links.split_first() {
                Some((first, [])) if first.mark == mark => return Ok(()),
                Some((first, next)) if first.mark == mark => {
                    self.look_through(next).await?;
                    on_batch(self.account.with(|state| state.height())?).await;
                }
                _ if turns >= TURNS_MAX => return Err(FollowError::Restless),
                _ => {
                    turns += 1;
                    self.turn_back().await?;
                }
            }
        }
    }

    /// Begins above the block before the birthday, or at the genesis block.
    async fn start(&self, tip: Height) -> Result<BlockMark, FollowError> {
        let birthday = self.account.with(|state| state.birthday())?;
        let Some(below) = birthday.min(tip).previous() else {
            self.check_wanted()?;
            return Ok(self.account.with(|state| chain::take_genesis(state, self.spec, Some(self.key)))??);
        };
        let links = chain::read_headers(&source::headers(below, 1).await?, below, self.spec)?;
        let link = links.first().ok_or(FollowError::Restless)?;
        self.check_wanted()?;
        self.account.with(|state| state.start_above(link.mark))?;
        Ok(link.mark)
    }

    /// Goes back to the newest block that is still in the node's chain.
    async fn turn_back(&self) -> Result<(), FollowError> {
        let Some(oldest) = self.account.with(|state| state.marks().first().copied())? else { return Ok(()) };
        let bytes = source::headers(oldest.height, BATCH_BLOCKS).await?;
        let links = chain::read_headers(&bytes, oldest.height, self.spec)?;
        self.check_wanted()?;
        self.account.with(|state| state.go_back(chain::common(state, &links)))
    }

    fn check_wanted(&self) -> Result<(), FollowError> {
        if (self.is_wanted)() { Ok(()) } else { Err(FollowError::Restless) }
    }

    async fn look_through(&self, links: &[Link]) -> Result<(), FollowError> {
        let Some(first) = links.first() else { return Ok(()) };
        let count = u32::try_from(links.len()).unwrap_or(BATCH_BLOCKS).min(BATCH_BLOCKS);
        let filters = source::filters(first.mark.height, count).await?;
        let filters = chain::read_filters(&filters, links, self.spec)?;
        let addresses = || self.account.with(|state| state.book().addresses().collect::<Vec<Address>>());
        let mut watched = addresses()?;
        for (link, filter) in links.iter().zip(&filters) {
            let block = match chain::concerns(filter, &link.header, &watched) {
                true => Some(source::block(&link.mark.id.to_string()).await?),
                false => None,
            };
            if self.take(link, block.as_deref())? > 0 {
                watched = addresses()?;
            }
        }
        Ok(())
    }

    /// Takes a block in if it follows the one where the account stands; without bytes, as one that does not concern it.
    fn take(&self, link: &Link, block: Option<&[u8]>) -> Result<usize, FollowError> {
        let taken = |state: &mut AccountState| {
            if !(self.is_wanted)() || state.mark().map(|mark| mark.id) != Some(link.header.parent) {
                return Err(FollowError::Restless);
            }
            Ok(match block {
                Some(bytes) => chain::take_block(state, link.mark, bytes, self.spec, Some(self.key))?,
                None => state.take(link.mark, &[], None).map_err(ChainError::from)?,
            })
        };
        self.account.with(taken)?
    }
}
