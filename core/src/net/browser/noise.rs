//! What Noise is given and what is said in it, so that a channel proves who is at its other end (libp2p's `noise` and `webrtc-direct`).
//!
//! The handshake itself is a library's, another one at each end. Here is what both must agree on to the byte: the prologue that binds a
//! WebRTC connection's certificates, and the payload in which a peer signs its Noise key with its id.

use alloc::vec::Vec;

use super::address::{CertHash, PeerId};
use super::protobuf::{self, Field};

/// The name of the handshake.
pub const NOISE_PARAMS: &str = "Noise_XX_25519_ChaChaPoly_SHA256";
/// The longest message of a handshake, without its length: a payload with an id, a signature, and extensions of later versions.
pub const HANDSHAKE_BYTES_MAX: usize = 4_096;

const PROLOGUE_PREFIX: &[u8] = b"libp2p-webrtc-noise:";
const SIGNED_PREFIX: &[u8] = b"noise-libp2p-static-key:";
/// The protobuf fields of a payload.
const IDENTITY_KEY: u64 = 1;
const IDENTITY_SIGNATURE: u64 = 2;

/// Why a payload proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It is no protobuf.
    #[error("the proof of the peer's id is malformed")]
    Form,
    /// The id is none, or of another kind than Ed25519.
    #[error("the peer's id is not an Ed25519 key")]
    Key,
    /// The signature has another length.
    #[error("the signature of the peer's id has {found} bytes: expected 64")]
    Signature {
        /// Bytes found.
        found: usize,
    },
}

/// What the prologue of a WebRTC connection's handshake is: the hashes of both certificates, the client's first.
#[must_use]
pub fn prologue(client: &CertHash, server: &CertHash) -> Vec<u8> {
    [PROLOGUE_PREFIX, &client.to_multihash(), &server.to_multihash()].concat()
}

/// What a peer signs with its id.
#[must_use]
pub fn signed(noise_key: &[u8; 32]) -> Vec<u8> {
    [SIGNED_PREFIX, noise_key].concat()
}

/// The payload of a handshake's message.
#[must_use]
pub fn payload(peer: &PeerId, signature: &[u8; 64]) -> Vec<u8> {
    let key = peer.to_protobuf();
    let lengths = [key.len(), signature.len()].map(|length| u8::try_from(length).expect("both are below 128"));
    [&[0x0a, lengths[0]][..], &key, &[0x12, lengths[1]], signature].concat()
}

/// Whose id a payload names, and the signature that is to prove it: of [`signed`], with the peer's key.
///
/// # Errors
/// [`PayloadError`].
pub fn read_payload(bytes: &[u8]) -> Result<(PeerId, [u8; 64]), PayloadError> {
    let (mut key, mut signature) = (&[][..], &[][..]);
    protobuf::read(bytes, |number, field| match (number, field) {
        (IDENTITY_KEY, Field::Bytes(bytes)) => key = bytes,
        (IDENTITY_SIGNATURE, Field::Bytes(bytes)) => signature = bytes,
        _ => {}
    })
    .map_err(|_| PayloadError::Form)?;
    let peer = PeerId::from_protobuf(key).ok_or(PayloadError::Key)?;
    let signature = signature.try_into().map_err(|_| PayloadError::Signature { found: signature.len() })?;
    Ok((peer, signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    #[test]
    fn the_vector_of_the_specification() {
        let hash = |text: &str| CertHash(hex::decode(text).unwrap().try_into().unwrap());
        let client = hash("3e79af40d6059617a0d83b83a52ce73b0c1f37a72c6043ad2969e2351bdca870");
        let server = hash("30fc9f469c207419dfdd0aab5f27a86c973c94e40548db9375cca2e915973b99");
        let expected = "6c69627032702d7765627274632d6e6f6973653a12203e79af40d6059617a0d83b83a52ce73b0c1f37a72c6043ad2969e2351bdca870\
                        122030fc9f469c207419dfdd0aab5f27a86c973c94e40548db9375cca2e915973b99";
        assert_eq!(hex::encode(prologue(&client, &server)), expected);
        assert_ne!(prologue(&server, &client), prologue(&client, &server));
    }

    #[test]
    fn payloads_come_back_and_their_form_is_checked() {
        let (peer, signature) = (PeerId([5; 32]), [9; 64]);
        let bytes = payload(&peer, &signature);
        assert_eq!(read_payload(&bytes), Ok((peer, signature)));
        // Fields of later versions, such as the extensions, are passed over.
        let later = [&bytes[..], &[0x22, 2, 8, 1]].concat();
        assert_eq!(read_payload(&later), Ok((peer, signature)));
        assert_eq!(read_payload(&[]), Err(PayloadError::Key));
        assert_eq!(read_payload(&bytes[..bytes.len() - 1]), Err(PayloadError::Form));
        assert_eq!(read_payload(&bytes[..38]), Err(PayloadError::Signature { found: 0 }));
        let mut rsa = bytes;
        rsa[3] = 0;
        assert_eq!(read_payload(&rsa), Err(PayloadError::Key));
    }
}
