//! Session descriptions: what is read out of the browser's offer, and the answer that is made in the node's name.
//!
//! The offer is given to the browser as it came: Chromium is about to refuse altered ones. The node learns the browser's credentials from
//! the first packet, whose user name the answer determines (version 2 of WebRTC-direct).

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use core::net::IpAddr;

use qbtc_core::net::browser::CertHash;

/// What the node's user name and password begin with.
const PREFIX: &str = "libp2p+webrtc+v2/";
/// The longest message on a data channel that both sides take.
const MESSAGE_BYTES_MAX: usize = 16_384;

/// What an offer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    password: String,
    media: String,
    pub(super) certhash: CertHash,
}

impl Offer {
    /// Reads a browser's offer. Lines come in any order.
    pub(super) fn read(sdp: &str) -> Option<Self> {
        let value = |name: &str| sdp.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let fingerprint = |line: &str| CertHash::from_fingerprint(line.strip_prefix("a=fingerprint:")?.trim());
        Some(Self {
            password: value("a=ice-pwd:")?.to_owned(),
            media: value("a=mid:")?.to_owned(),
            certhash: sdp.lines().find_map(fingerprint)?,
        })
    }

    /// The answer of a node that is known by its address.
    pub(super) fn answer(&self, ip: IpAddr, port: u16, certhash: &CertHash) -> String {
        let (kind, credentials) = (if ip.is_ipv4() { "IP4" } else { "IP6" }, format!("{PREFIX}{}", self.password));
        let (media, fingerprint) = (&self.media, certhash.to_fingerprint());
        let lines = [
            "v=0".to_owned(),
            format!("o=- 0 0 IN {kind} {ip}"),
            "s=-".to_owned(),
            "t=0 0".to_owned(),
            format!("a=group:BUNDLE {media}"),
            "a=ice-lite".to_owned(),
            format!("m=application {port} UDP/DTLS/SCTP webrtc-datachannel"),
            format!("c=IN {kind} {ip}"),
            format!("a=mid:{media}"),
            "a=ice-options:ice2".to_owned(),
            format!("a=ice-ufrag:{credentials}"),
            format!("a=ice-pwd:{credentials}"),
            format!("a=fingerprint:{fingerprint}"),
            "a=setup:passive".to_owned(),
            "a=sctp-port:5000".to_owned(),
            format!("a=max-message-size:{MESSAGE_BYTES_MAX}"),
            format!("a=candidate:1 1 UDP 2113937151 {ip} {port} typ host"),
            "a=end-of-candidates".to_owned(),
        ];
        lines.join("\r\n") + "\r\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINGERPRINT: &str =
        "C3:AB:8F:F1:37:20:E8:AD:90:47:DD:39:46:6B:3C:89:74:E5:92:C2:FA:38:3D:4A:39:60:71:4C:AE:F0:C4:F2";

    #[test]
    fn chromiums_and_firefoxs_offers_are_read() {
        // Shortened from Chromium 156 and Firefox 140; Firefox has the fingerprint before the media, and another order.
        let chromium = format!(
            "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
             c=IN IP4 0.0.0.0\r\na=ice-ufrag:7FQx\r\na=ice-pwd:Zp3bcJ2r8bG0V7JmkM5v3w5H\r\na=ice-options:trickle\r\n\
             a=fingerprint:sha-256 {FINGERPRINT}\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n"
        );
        let firefox = format!(
            "v=0\r\na=fingerprint:sha-256 {FINGERPRINT}\r\na=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
             a=ice-pwd:Zp3bcJ2r8bG0V7JmkM5v3w5H\r\na=ice-ufrag:7FQx\r\na=mid:0\r\n"
        );
        let read = Offer::read(&chromium).unwrap();
        assert_eq!(Offer::read(&firefox).unwrap(), read);
        assert_eq!((read.password.as_str(), read.media.as_str()), ("Zp3bcJ2r8bG0V7JmkM5v3w5H", "0"));
        assert_eq!(read.certhash.to_fingerprint(), format!("sha-256 {FINGERPRINT}"));
        for missing in ["a=ice-pwd:", "a=mid:", "a=fingerprint:"] {
            assert_eq!(Offer::read(&chromium.replace(missing, "a=x:")), None, "{missing}");
        }
    }

    #[test]
    fn the_answer_names_the_node_and_carries_the_password() {
        let offer = Offer { password: "secret".into(), media: "0".into(), certhash: CertHash([1; 32]) };
        let answer = offer.answer("2001:db8::1".parse().unwrap(), 8334, &CertHash([0xab; 32]));
        let has = |line: &str| assert!(answer.split("\r\n").any(|found| found == line), "{line} in {answer}");
        has("a=ice-ufrag:libp2p+webrtc+v2/secret");
        has("a=ice-pwd:libp2p+webrtc+v2/secret");
        has("a=candidate:1 1 UDP 2113937151 2001:db8::1 8334 typ host");
        has("c=IN IP6 2001:db8::1");
        has("a=setup:passive");
        assert!(answer.contains("a=fingerprint:sha-256 AB:AB:") && answer.ends_with("\r\n"));
    }
}
