//! The store: the chain on disk, in one redb database.
//!
//! ```text
//! ChangeSet → Batch (in memory, mergeable) → Store::commit (one transaction) → Store::view → ChainView (a snapshot)
//! ```
//!
//! Invariants:
//! - blocks, coins, history, indexes and tip move together: a [`Batch`] is one transaction, so that a crash falls before or after it;
//! - what [`Store::commit`] has answered is on the disk, whatever happens next;
//! - a [`ChainView`] never changes, and reading it waits for nobody.
//!
//! The store decides nothing: whether a block is valid, and which tip is best, is said by `qbtc_core::chain`. It must not import the
//! driver. `tables` is the on-disk format; whoever changes it raises [`SCHEMA_VERSION`].

mod address_rows;
mod batch;
mod blob;
mod body;
mod commit;
mod error;
mod gate;
mod indexes;
mod light;
mod load;
mod mempool;
mod network;
mod open;
mod prune;
mod tables;
mod upgrade;
mod view;

pub use address_rows::{AddressRow, address_rows};
pub use batch::Batch;
pub use body::BlockExtent;
pub use error::StoreError;
pub use light::ProvenTransaction;
pub use load::LoadedTree;
pub use mempool::{MempoolChange, StoredMempool};
pub use network::StoredNetwork;
pub use open::{Indexes, Store, StoreOptions};
pub use tables::SCHEMA_VERSION;
pub use view::{AddressCursor, AddressEvent, ChainView, TxPlace};

#[cfg(test)]
pub(crate) mod tests;
