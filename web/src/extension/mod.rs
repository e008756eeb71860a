//! What the app knows beside all else where it is an extension of the browser: with which chain and nodes it begins, what a page's question asks
//! for, and how its documents share an unlocked wallet.
//!
//! A web page that asks is a stranger: whatever it gave is checked here once more, and nothing is signed but what was shown.

mod begin;
mod question;
mod session;

pub use begin::{Begin, BeginFault, CHAINS};
pub use question::{Answer, Call, OrderFault, Output, Question, Wish, order};
pub use session::Session;
