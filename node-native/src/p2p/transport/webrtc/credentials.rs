//! Who asks for a connection: the ICE credentials of a browser, told by the first STUN request instead of by a signalling server.
//!
//! The request's USERNAME is `server ufrag:client ufrag`, and its MESSAGE-INTEGRITY is made with the server's password. WebRTC-direct chooses
//! the server's credentials so that the USERNAME tells everything:
//! - version 2: the server's ufrag and password are both `libp2p+webrtc+v2/` and the client's password. The browser's own credentials
//!   stay as it has made them;
//! - version 1: both sides' ufrag and password are one text `libp2p+webrtc+v1/…`. The page has to alter its offer for that, which Chromium
//!   is about to forbid.
//!
//! The credentials prove nothing about who asks, since each client makes its own. What they keep away is noise: nothing is allocated for
//! a packet that is no request whose integrity holds. The peer proves its id later, by Noise.

use str0m::IceCreds;
use str0m::crypto::CryptoProvider;
use str0m::ice::{StunMessage, TransId};

const PREFIX_V1: &str = "libp2p+webrtc+v1/";
const PREFIX_V2: &str = "libp2p+webrtc+v2/";

/// Lengths that RFC 8839 §5.4 allows.
const UFRAG_BYTES: std::ops::RangeInclusive<usize> = 4..=256;
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 22..=256;

/// A STUN message's header.
const HEADER_BYTES: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];

/// A well-formed USERNAME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials<'a> {
    username: &'a str,
    server: &'a str,
    client_ufrag: &'a str,
    client_password: &'a str,
}

impl<'a> Credentials<'a> {
    /// Reads a USERNAME; none if it is of no known version, or has forbidden lengths or characters.
    #[must_use]
    pub fn from_username(username: &'a str) -> Option<Self> {
        let (server, client_ufrag) = username.split_once(':')?;
        let client_password = if server.starts_with(PREFIX_V1) {
            (server == client_ufrag).then_some(server)?
        } else {
            server.strip_prefix(PREFIX_V2)?
        };
        let are_lengths_allowed = UFRAG_BYTES.contains(&server.len())
            && UFRAG_BYTES.contains(&client_ufrag.len())
            && PASSWORD_BYTES.contains(&server.len())
            && PASSWORD_BYTES.contains(&client_password.len());
        let is_ice_char = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
        let is_allowed = are_lengths_allowed && server.bytes().chain(client_ufrag.bytes()).all(is_ice_char);
        is_allowed.then_some(Self { username, server, client_ufrag, client_password })
    }

    /// The whole of it: what tells one connection from another.
    #[must_use]
    pub const fn username(&self) -> &'a str {
        self.username
    }

    /// What the node uses.
    #[must_use]
    pub fn server(&self) -> IceCreds {
        IceCreds { ufrag: self.server.into(), pass: self.server.into() }
    }

    /// What the browser uses.
    #[must_use]
    pub fn client(&self) -> IceCreds {
        IceCreds { ufrag: self.client_ufrag.into(), pass: self.client_password.into() }
    }
}

/// A packet that has the form of a STUN binding request with a USERNAME for us. Its integrity is not checked yet.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    message: StunMessage<'a>,
    credentials: Credentials<'a>,
}

impl<'a> Request<'a> {
    /// Reads a packet. The parser makes a text for whatever it does not like, so what is no request at all does not get to it.
    #[must_use]
    pub fn read(packet: &'a [u8]) -> Option<Self> {
        let length = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
        let is_request = packet.starts_with(&BINDING_REQUEST)
            && packet.get(4..8) == Some(&MAGIC_COOKIE)
            && packet.len() == HEADER_BYTES + length;
        if !is_request {
            return None;
        }
        let message = StunMessage::parse(packet).ok().filter(StunMessage::is_binding_request)?;
        let credentials = Credentials::from_username(message.username()?)?;
        Some(Self { message, credentials })
    }

    /// The credentials that it names.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials<'a> {
        &self.credentials
    }

    /// Whether it was made by someone who has these credentials.
    #[must_use]
    pub fn is_verified(&self, crypto: &CryptoProvider) -> bool {
        let hmac = |key: &[u8], parts: &[&[u8]]| crypto.sha1_hmac_provider.sha1_hmac(key, parts);
        self.message.verify(self.credentials.server.as_bytes(), hmac)
    }
}

/// The packet with which a browser begins. The node never sends one; tests and fuzzing do.
#[must_use]
pub fn request(username: &str, password: &str, crypto: &CryptoProvider) -> Vec<u8> {
    let message = StunMessage::binding_request(username, TransId::new(), true, 1, 1, true);
    let hmac = |key: &[u8], parts: &[&[u8]]| crypto.sha1_hmac_provider.sha1_hmac(key, parts);
    let mut packet = vec![0; username.len() + 200];
    let length = message.to_bytes(Some(password.as_bytes()), &mut packet, hmac).unwrap_or(0);
    packet.truncate(length);
    packet
}

#[cfg(test)]
mod tests {
    use super::super::certificate::crypto;
    use super::*;

    const PASSWORD: &str = "abcdefghijklmnopqrstuv";

    fn request(username: &str, password: &str) -> Vec<u8> {
        super::request(username, password, &crypto())
    }

    #[test]
    fn both_versions() {
        let name = format!("{PREFIX_V2}{PASSWORD}:ABcd");
        let credentials = Credentials::from_username(&name).unwrap();
        assert_eq!(credentials.server().ufrag, format!("{PREFIX_V2}{PASSWORD}"));
        assert_eq!(credentials.server().pass, credentials.server().ufrag);
        assert_eq!(credentials.client(), IceCreds { ufrag: "ABcd".into(), pass: PASSWORD.into() });
        let one = format!("{PREFIX_V1}{PASSWORD}");
        let name = format!("{one}:{one}");
        let credentials = Credentials::from_username(&name).unwrap();
        assert_eq!(credentials.server(), IceCreds { ufrag: one.clone(), pass: one });
        assert_eq!(credentials.client(), credentials.server());
    }

    #[test]
    fn the_bounds_of_names() {
        let v2 = |password: usize, ufrag: usize| {
            let name = format!("{PREFIX_V2}{}:{}", "p".repeat(password), "u".repeat(ufrag));
            Credentials::from_username(&name).is_some()
        };
        let longest = 256 - PREFIX_V2.len();
        assert!(v2(22, 4) && v2(22, 256) && v2(longest, 4));
        assert!(!v2(21, 4) && !v2(22, 3) && !v2(22, 257) && !v2(longest + 1, 4));
        for name in [
            String::new(),
            PASSWORD.into(),
            format!("{PASSWORD}:{PASSWORD}"),
            format!("libp2p+webrtc+v3/{PASSWORD}:ABcd"),
            format!("{PREFIX_V1}{PASSWORD}:{PREFIX_V1}{PASSWORD}x"),
            format!("{PREFIX_V1}abcd:{PREFIX_V1}abcd"),
            format!("{PREFIX_V2}{PASSWORD}:AB:cd"),
            format!("{PREFIX_V2}{PASSWORD}:AB-cd"),
            format!("{PREFIX_V2}{PASSWORD}é:ABcd"),
            format!("{PREFIX_V2}{PASSWORD}\n:ABcd"),
        ] {
            assert_eq!(Credentials::from_username(&name), None, "{name:?}");
        }
    }

    #[test]
    fn only_who_knows_the_password_is_let_in() {
        let crypto = crypto();
        let server = format!("{PREFIX_V2}{PASSWORD}");
        let good = request(&format!("{server}:ABcd"), &server);
        let read = Request::read(&good).unwrap();
        assert!(read.is_verified(&crypto));
        assert_eq!(read.credentials().username(), format!("{server}:ABcd"));
        assert!(!Request::read(&request(&format!("{server}:ABcd"), PASSWORD)).unwrap().is_verified(&crypto));
        // The attributes of another name under a good signature.
        let mut forged = good.clone();
        forged[24 + PREFIX_V2.len()] ^= 1;
        assert!(!Request::read(&forged).is_some_and(|request| request.is_verified(&crypto)));
    }

    #[test]
    fn what_is_no_request() {
        let server = format!("{PREFIX_V2}{PASSWORD}");
        let good = request(&format!("{server}:ABcd"), &server);
        for length in 0..good.len() {
            assert!(Request::read(&good[..length]).is_none(), "{length}");
        }
        let mut longer = good.clone();
        longer.push(0);
        assert!(Request::read(&longer).is_none());
        for index in [0, 1, 2, 3, 4] {
            let mut other = good.clone();
            other[index] ^= 0x10;
            assert!(Request::read(&other).is_none(), "{index}");
        }
        assert!(Request::read(&[0xff; 1_200]).is_none());
        assert!(Request::read(&request("somebody:else", PASSWORD)).is_none());
    }
}
