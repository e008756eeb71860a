//! What a method takes: names and types of its parameters.

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
            Self::Amount => &["number", "string"],
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
        }
    }
}
