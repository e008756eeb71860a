//! What a method is: its name, its parameters with their types and docs, and what answers it.
//!
//! Types are checked and `help` is written from this alone, so that neither can say anything else than what is called.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Rpc;
use super::args::Args;
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
            Self::RawTransactions => "Rawtransactions",
            Self::Util => "Util",
        }
    }
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name, and then others that it is known by.
    pub names: &'static [&'static str],
    /// The type of JSON that it must have.
    pub kind: Kind,
    /// What counts if it is left out; `None` if it may not be.
    pub default: Option<&'static str>,
    /// What it is for.
    pub about: &'static str,
}

impl Param {
    /// One that a call must give.
    #[must_use]
    pub const fn required(names: &'static [&'static str], kind: Kind, about: &'static str) -> Self {
        Self { names, kind, default: None, about }
    }

    /// One that may be left out.
    #[must_use]
    pub const fn optional(
        names: &'static [&'static str],
        kind: Kind,
        default: &'static str,
        about: &'static str,
    ) -> Self {
        Self { names, kind, default: Some(default), about }
    }

    /// The name that it is shown under.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.names.first().expect("a parameter has a name")
    }
}

/// A type of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A string of hex digits.
    Hex,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// An array.
    Array,
    /// An object.
    Object,
    /// An amount of QBTC: a number, or a string of a decimal number.
    Amount,
    /// A number, or `true` for 1 and `false` for 0.
    Level,
    /// A string of 64 hex digits, or a number.
    HashOrHeight,
}

impl Kind {
    /// The JSON types that pass.
    #[must_use]
    pub const fn accepts(self) -> &'static [&'static str] {
        match self {
            Self::Text | Self::Hex => &["string"],
            Self::Number => &["number"],
            Self::Bool => &["bool"],
            Self::Array => &["array"],
            Self::Object => &["object"],
            Self::Amount | Self::HashOrHeight => &["number", "string"],
            Self::Level => &["number", "bool"],
        }
    }

    /// How `help` names it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Hex => "string, hex",
            Self::Number => "numeric",
            Self::Bool => "boolean",
            Self::Array => "json array",
            Self::Object => "json object",
            Self::Amount => "numeric or string",
            Self::Level => "numeric or boolean",
            Self::HashOrHeight => "string or numeric",
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

/// An outcome to come.
pub type Answer = Pin<Box<dyn Future<Output = Outcome> + Send>>;
