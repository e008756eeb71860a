//! What a method is: its name, its parameters with their types and docs, and what answers it.
//!
//! Types are checked and `help` is written from this alone, so that neither can say anything else than what is called.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Rpc;
use super::args::Args;
use super::param::Param;
use super::protocol::Outcome;

/// A method. `C` is what the methods work on.
pub struct Method<C: 'static> {
    /// Its name.
    pub name: &'static str,
    /// Where `help` lists it.
    pub category: Category,
    /// What it does, in whole sentences.
    pub about: &'static str,
    /// What it takes, in order.
    pub params: &'static [Param],
    /// What it answers, as lines for people.
    pub result: &'static str,
    /// Parameters of a call, as one writes them on the command line.
    pub example: &'static str,
    /// How long the text of its parameters may be.
    pub size: Size,
    /// What answers it.
    pub handler: Handler<C>,
}

impl<C> Method<C> {
    /// A method that reads and computes.
    #[must_use]
    pub const fn blocking(name: &'static str, category: Category, handler: fn(&Rpc<C>, &Args) -> Outcome) -> Self {
        Self::new(name, category, Handler::Blocking(handler))
    }

    /// A method that waits for others.
    #[must_use]
    pub const fn waiting(name: &'static str, category: Category, handler: fn(Arc<Rpc<C>>, Args) -> Answer) -> Self {
        Self::new(name, category, Handler::Waiting(handler))
    }

    const fn new(name: &'static str, category: Category, handler: Handler<C>) -> Self {
        Self { name, category, about: "", params: &[], result: "", example: "", size: Size::Small, handler }
    }

    /// With what it does and what it answers.
    #[must_use]
    pub const fn about(mut self, about: &'static str, result: &'static str) -> Self {
        self.about = about;
        self.result = result;
        self
    }

    /// With what it takes, and an example of it.
    #[must_use]
    pub const fn takes(mut self, params: &'static [Param], example: &'static str) -> Self {
        self.params = params;
        self.example = example;
        self
    }

    /// With parameters of another size than most.
    #[must_use]
    pub const fn sized(mut self, size: Size) -> Self {
        self.size = size;
        self
    }
}

/// Where `help` lists a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Blocks and coins.
    Blockchain,
    /// The node itself.
    Control,
    /// What waits for a block.
    Mempool,
    /// Making blocks.
    Mining,
    /// Peers.
    Network,
    /// Transactions as bytes.
    RawTransactions,
    /// Addresses, messages, fees.
    Util,
}

impl Category {
    /// The heading in `help`.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Blockchain => "Blockchain",
            Self::Control => "Control",
            Self::Mempool => "Mempool",
            Self::Mining => "Mining",
            Self::Network => "Network",
            Self::RawTransactions => "Rawtransactions",
            Self::Util => "Util",
        }
    }
}

/// How long the text of a method's parameters may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As long as those of most: 64 KiB.
    Small,
    /// As long as a transaction in hex needs.
    Transaction,
    /// As long as a block in hex needs.
    Block,
}

/// What answers a method.
pub enum Handler<C: 'static> {
    /// Reads and computes. Runs apart from the event loop, few at a time.
    Blocking(fn(&Rpc<C>, &Args) -> Outcome),
    /// Waits for others, and computes next to nothing itself.
    Waiting(fn(Arc<Rpc<C>>, Args) -> Answer),
}

impl<C> Clone for Handler<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Handler<C> {}

/// An outcome to come.
pub type Answer = Pin<Box<dyn Future<Output = Outcome> + Send>>;
