//! The light client in a browser: core's machine, driven by a page's timers, connections and storage.
//!
//! ```text
//! handle   what whoever uses it holds: inputs, queries, events
//! driver   one loop: hands the machine what happened, does what it wants
//! nodes    enough of them: dials, pings, parts
//! link     one node: greeted, sealed, asked
//! book     which nodes to try, and when
//! store    what is kept over a reload
//! watch    addresses that are watched: their coins and history
//! leader   which of several tabs runs it
//! ```
//! Invariants: whatever is handed out comes from the machine, which has checked it; a node is asked only under a seal; what was kept is
//! read through the machine's own checks; a failure of the storage is told and never passed over.

mod book;
mod driver;
mod handle;
mod leader;
mod link;
mod nodes;
mod store;
mod watch;

pub use handle::{Client, ClientOptions, NodeInfo, Notice};
pub use leader::{Leadership, LeadershipError, first_of};
pub use link::LinkError;
pub use store::{Store, StoreError, persist};
pub use watch::{TooManyAddresses, Watch};
