//! Errors as JavaScript gets them: a stable code, a sentence, and what was found and expected.
//!
//! Codes never change their meaning, so that programs may compare them; sentences may, so that programs must not. Each error of core
//! has its code in `codes`: a new variant there does not compile before it has one.

mod codes;

use std::fmt;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    code: &'static str,
    message: String,
    details: Details,
}

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
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Details::default() }
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

    /// What is known beyond the sentence.
    #[must_use]
    pub const fn details(&self) -> &Details {
        &self.details
    }
}
