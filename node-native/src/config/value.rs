//! The values of settings: each is read by one rule, whether it comes from the command line, the environment or a file.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use qbtc_core::net::KeyHash;
use serde::de::{self, Deserialize, Deserializer};

use crate::p2p::address::{AddressError, ListenAddress, NodeAddress};

/// Where an interface listens, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// Here.
    At(SocketAddr),
}

/// Where the node listens for peers, if it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerListen {
    /// Nowhere, and it has no peers.
    Off,
    /// Here.
    At(ListenAddress),
}

/// Why a text is no value of a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?}: expected {expected}")]
pub struct ValueError {
    found: String,
    expected: String,
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<const LEAST: u32, const MOST: u32>(u32);

/// The name of a host, without a port, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

/// The origin of web pages or of a browser's extension as browsers write it, such as `https://explorer.example`: no path, no port where
/// it is the scheme's own, lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl ValueError {
    fn new(found: &str, expected: impl fmt::Display) -> Self {
        Self { found: found.to_owned(), expected: expected.to_string() }
    }
}

impl FromStr for Listen {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "off" => Ok(Self::Off),
            text => text
                .parse()
                .map(Self::At)
                .map_err(|_| ValueError::new(text, "an address to listen on, IP:PORT such as 127.0.0.1:8332, or off")),
        }
    }
}

/// Which key a peer must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerIdentity {
    /// Some.
    Any,
    /// This one.
    Key(KeyHash),
}

impl FromStr for PeerIdentity {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "any" {
            return Ok(Self::Any);
        }
        let expected = "any, or the hash of a node's key: 64 hex digits, as `identity` in getnetworkinfo";
        text.parse().map(Self::Key).map_err(|_| ValueError::new(text, expected))
    }
}

impl FromStr for PeerListen {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text == "off" { Ok(Self::Off) } else { text.parse().map(Self::At) }
    }
}

impl<const LEAST: u32, const MOST: u32> Whole<LEAST, MOST> {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    fn new(number: Option<u32>, found: &str) -> Result<Self, ValueError> {
        let number = number.filter(|number| (LEAST..=MOST).contains(number));
        let expected = || match MOST {
            u32::MAX => format!("a whole number of at least {LEAST}"),
            most => format!("a whole number from {LEAST} to {most}"),
        };
        number.map(Self).ok_or_else(|| ValueError::new(found, expected()))
    }
}

impl<const LEAST: u32, const MOST: u32> FromStr for Whole<LEAST, MOST> {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Self::new(text.parse().ok(), text)
    }
}

impl HostName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for HostName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let is_name =
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !is_name {
            return Err(ValueError::new(text, "the name of a host such as node.example, without scheme and port"));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl Origin {
    /// The origin as browsers write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::new(text, "an origin, SCHEME://HOST or SCHEME://HOST:PORT without a path");
        let lower = text.to_ascii_lowercase();
        let (scheme, host) = lower.split_once("://").ok_or_else(wrong)?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let is_host =
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
        if !is_scheme || !is_host {
            return Err(wrong());
        }
        let own_port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        let host = host.strip_suffix(own_port).unwrap_or(host);
        Ok(Self(format!("{scheme}://{host}")))
    }
}

impl Secret {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = i64::deserialize(deserializer)?;
        Self::new(u32::try_from(found).ok(), &found.to_string()).map_err(de::Error::custom)
    }
}

/// Lets a value stand in a file as the text that it is on the command line.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

as_text!(Listen, PeerListen, PeerIdentity, NodeAddress, HostName, Origin);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        for (text, expected) in [
            ("https://explorer.example", "https://explorer.example"),
            ("HTTPS://Explorer.Example:443", "https://explorer.example"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().as_str(), expected);
        }
        for refused in [
            "",
            "*",
            "null",
            "explorer.example",
            "https://",
            "https://a/",
            "https://a/b",
            "https://u@a",
            "://a",
            "a b://c",
        ] {
            let told = refused.parse::<Origin>().unwrap_err().to_string();
            assert!(told.contains("SCHEME://HOST"), "{refused}: {told}");
        }
    }

    #[test]
    fn hosts_have_no_port() {
        assert_eq!("Node.Example".parse::<HostName>().unwrap().as_str(), "node.example");
        for refused in ["", "node.example:8332", "http://node.example", "node.example/", "*"] {
            assert!(refused.parse::<HostName>().is_err(), "{refused}");
        }
    }

    #[test]
    fn numbers_keep_to_their_range() {
        type Blocks = Whole<288, { u32::MAX }>;
        assert_eq!("288".parse::<Blocks>().unwrap().get(), 288);
        assert_eq!(
            "287".parse::<Blocks>().unwrap_err().to_string(),
            "\"287\": expected a whole number of at least 288"
        );
        let told = "x".parse::<Whole<1, 600>>().unwrap_err().to_string();
        assert_eq!(told, "\"x\": expected a whole number from 1 to 600");
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", Secret::from("abc".to_owned())), "Secret");
    }
}
