//! Every word that the app says, in English. Another language is another module like these.
#![allow(missing_docs, reason = "each text says by itself what it is")]

mod explorer;
mod extension;
mod sentences;
mod wallet;

pub use explorer::*;
pub use extension::*;
pub use sentences::*;
pub use wallet::*;
