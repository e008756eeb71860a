//! Errors as JavaScript gets them: a stable code, a sentence, and what was found and expected.
//!
//! Codes never change their meaning, so that programs may compare them; sentences may, so that programs must not. Each error of core
//! has its code in `codes`: a new variant there does not compile before it has one.

mod codes;

use alloc::string::{String, ToString as _};
use core::fmt;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    code: &'static str,
    sentence: Sentence,
    details: Details,
}

/// What is said to a person.
///
/// The program for who only signs has no sentences: there, the layer in TypeScript makes them of the code, the details and what an error is about, and
/// whatever would write them here is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence(String);

/// What an error says beyond its sentence, where that is of use to a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// What was found.
    pub found: Option<String>,
    /// What was expected, or the limit.
    pub expected: Option<String>,
    /// The place of what is wrong, from 1: a character of an address, a word of a mnemonic, an output of a payment.
    pub position: Option<usize>,
}

impl Failure {
    /// An error with this code and sentence.
    #[must_use]
    pub fn new(code: &'static str, sentence: impl Into<Sentence>) -> Self {
        Self { code, sentence: sentence.into(), details: Details::default() }
    }

    /// With what was found.
    #[must_use]
    pub fn found(mut self, found: impl fmt::Display) -> Self {
        self.details.found = Some(found.to_string());
        self
    }

    /// With what was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.details.expected = Some(expected.to_string());
        self
    }

    /// With the place of what is wrong, from 1.
    #[must_use]
    pub const fn at(mut self, position: usize) -> Self {
        self.details.position = Some(position);
        self
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// With the argument that is meant, where there is no sentence to name it.
    #[must_use]
    pub fn about(mut self, argument: &str) -> Self {
        if !cfg!(feature = "sentences") {
            self.sentence.0 = argument.into();
        }
        self
    }

    /// What is said to a person; in the program for who only signs, what the error is about.
    #[must_use]
    pub fn sentence(&self) -> &str {
        &self.sentence.0
    }

    /// What is known beyond the sentence.
    #[must_use]
    pub const fn details(&self) -> &Details {
        &self.details
    }
}

impl<T: fmt::Display> From<T> for Sentence {
    fn from(sentence: T) -> Self {
        Self(if cfg!(feature = "sentences") { sentence.to_string() } else { String::new() })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl core::error::Error for Failure {}
