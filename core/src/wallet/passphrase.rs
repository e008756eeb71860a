//! Passphrases, in the one form that keys are made of.
//!
//! Invariant: the text is in Unicode's form NFKD, as BIP 39 demands, so that it does not matter how a keyboard composes accents. It is a
//! secret: it wipes itself, and has no `Debug`.

use alloc::borrow::Cow;
use alloc::string::String;

use zeroize::Zeroizing;

/// What somebody typed to protect words or a keystore; may be empty.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// A text that is in NFKD already. For browsers, which bring the tables for it along: ours would be a fifth of what a page loads. Of
    /// another form of the text come other keys.
    #[must_use]
    pub fn from_nfkd(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Passphrase {
    fn from(text: &str) -> Self {
        let mut normal = Cow::Borrowed(text);
        bip39::Mnemonic::normalize_utf8_cow(&mut normal);
        Self(Zeroizing::new(normal.into_owned()))
    }
}

impl From<&String> for Passphrase {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Zeroizing<String>> for Passphrase {
    fn from(text: &Zeroizing<String>) -> Self {
        Self::from(text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;
    use alloc::string::ToString;

    #[test]
    fn one_form_whatever_was_typed() {
        for (typed, nfkd) in [("\u{e9}", "e\u{301}"), ("\u{fb01}", "fi"), ("plain", "plain"), ("", "")] {
            assert_eq!(Passphrase::from(typed).as_str(), nfkd);
            assert_eq!(Passphrase::from(&nfkd.to_string()).as_str(), Passphrase::from_nfkd(nfkd.into()).as_str());
        }
    }
}
