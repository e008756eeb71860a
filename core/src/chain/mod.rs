//! The chain: which headers are known, which tip is best, and how to get there.
//!
//! ```text
//! headers → HeaderTree::insert ─┐
//! bodies  → HeaderTree::add_body ┴→ HeaderTree::path → reorg (verify, undo) → ChangeSet → one store transaction
//! ```
//!
//! The [`HeaderTree`] decides where to go, [`reorg()`] says what changes on the way, and whoever stores the chain applies that
//! [`ChangeSet`] whole. Nothing here stores anything: until the change set is applied, nothing has happened.

mod change_set;
mod header_tree;
mod mark;
mod path;
mod reorg;
mod state;

pub use change_set::ChangeSet;
pub use header_tree::{Base, BaseError, HeaderNode, HeaderTree, InsertError, Inserted, Status, TreeError};
pub use mark::BlockMark;
pub use path::Path;
pub use reorg::{ChainStore, Inconsistency, ReorgError, reorg};
pub use state::{ChainState, NoBlocks};
