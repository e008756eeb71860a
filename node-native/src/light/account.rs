//! Coins of bare addresses, as the light client finds them.

use qbtc_core::chain::BlockMark;
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::light::{FoundBlock, Level};
use qbtc_core::units::Height;
use qbtc_core::wallet::ledger::{Balance, Ledger, LedgerError, OwnedCoin, TxEffects, TxEntry};

use crate::wallet::watched::{WatchError, Watched};

/// Addresses, their coins and their history.
#[derive(Clone, Debug)]
pub struct LightAccount {
    watched: Watched,
    ledger: Ledger,
    maturity: u32,
}

/// Why addresses cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LightAccountError {
    /// The addresses.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// Blocks that came out of order.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl LightAccount {
    /// How much has been shown of what is said here: no block was left out.
    pub const LEVEL: Level = Level::Filter;

    /// These addresses, with nothing known of them.
    ///
    /// # Errors
    /// [`LightAccountError::Watch`] for one that stands twice.
    pub fn new(spec: &ChainSpec, addresses: &[Address]) -> Result<Self, LightAccountError> {
        let watched = Watched::bare(spec, Height::GENESIS, addresses)?;
        Ok(Self { watched, ledger: Ledger::default(), maturity: spec.consensus().coinbase_maturity })
    }

    /// Takes in that everything up to a block was looked through, and the block if it matters. Returns whether that changed anything.
    ///
    /// # Errors
    /// [`LightAccountError::Ledger`], if the block is not above the last.
    pub fn take(&mut self, to: BlockMark, found: Option<&FoundBlock>) -> Result<bool, LightAccountError> {
        let effects: Vec<TxEffects<'_>> = found.map_or_else(Vec::new, |found| {
            let coinbase = &found.block.coinbase;
            let first = TxEffects::of_coinbase(coinbase.id(), &coinbase.outputs);
            let others = found.block.transactions.iter().map(|tx| TxEffects::of_transaction(&tx.body));
            std::iter::once(first).chain(others).collect()
        });
        Ok(!self.ledger.apply(self.watched.book(), to, &effects)?.is_empty())
    }

    /// Goes back to a block, or to nothing.
    ///
    /// # Errors
    /// [`LightAccountError::Ledger`], if the block is above the last.
    pub fn go_back(&mut self, to: Option<BlockMark>) -> Result<(), LightAccountError> {
        match to {
            Some(to) => self.ledger.rewind(to)?,
            None => self.ledger = Ledger::default(),
        }
        Ok(())
    }

    /// Up to which block everything was looked through.
    #[must_use]
    pub const fn tip(&self) -> Option<BlockMark> {
        self.ledger.tip()
    }

    /// The coins that are not spent.
    pub fn coins(&self) -> impl Iterator<Item = &OwnedCoin> {
        self.ledger.coins()
    }

    /// Transactions, newest first.
    pub fn history(&self) -> impl Iterator<Item = &TxEntry> {
        self.ledger.history()
    }

    /// How much there is, and how much of it can be spent in the next block.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let next = self.tip().map_or(Height::GENESIS, |tip| tip.height.next().unwrap_or(tip.height));
        self.ledger.balance(next, self.maturity)
    }
}
