//! Who is at the other end: Noise XX, in which both sides sign their Noise key with their id.
//!
//! Sans-io, one message after the other. On WebRTC's channel 0 the node begins, on a WebSocket we do.

mod primitives;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use qbtc_core::net::browser::PeerId;
use qbtc_core::net::browser::noise::{HANDSHAKE_BYTES_MAX, NOISE_PARAMS, payload, read_payload, signed};
use snow::{Builder, HandshakeState, TransportState};

use self::primitives::Primitives;
use super::error::TransportError;

/// Bytes by which a message of Noise is longer than its content.
const TAG_BYTES: usize = 16;

/// What a client is known by: an Ed25519 key, made anew for each client, so that nobody is recognised by it.
#[derive(Clone)]
pub struct Identity(SigningKey);

impl Identity {
    /// A new one.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`]: there is no randomness.
    pub fn generate() -> Result<Self, TransportError> {
        let mut seed = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|_| TransportError::Unsupported { what: "randomness" })?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The id.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        PeerId(self.0.verifying_key().to_bytes())
    }
}

/// A handshake that is under way.
pub(super) struct Handshake {
    state: HandshakeState,
    payload: Vec<u8>,
}

impl Handshake {
    /// The side that waits for the first message, or the one that sends it.
    pub(super) fn new(identity: &Identity, prologue: &[u8], is_first: bool) -> Result<Self, TransportError> {
        let pair = builder()?.generate_keypair().map_err(unproven)?;
        let key: [u8; 32] = pair.public[..].try_into().map_err(|_| unproven("the key has another length"))?;
        let payload = payload(&identity.peer(), &identity.0.sign(&signed(&key)).to_bytes());
        let builder = builder()?.local_private_key(&pair.private).map_err(unproven)?;
        let builder = builder.prologue(prologue).map_err(unproven)?;
        let state = if is_first { builder.build_initiator() } else { builder.build_responder() };
        Ok(Self { state: state.map_err(unproven)?, payload })
    }

    /// The first message, in which nothing is said yet. On channel 0 the node sends it.
    pub(super) fn first(&mut self) -> Result<Vec<u8>, TransportError> {
        write(&mut self.state, &[])
    }

    /// Reads the other side's first message.
    pub(super) fn read_first(&mut self, message: &[u8]) -> Result<(), TransportError> {
        read(&mut self.state, message).map(drop)
    }

    /// The message with our id.
    pub(super) fn proof(&mut self) -> Result<Vec<u8>, TransportError> {
        write(&mut self.state, &self.payload)
    }

    /// Who the peer is, by its message.
    pub(super) fn check(&mut self, message: &[u8]) -> Result<PeerId, TransportError> {
        let (peer, signature) = read_payload(&read(&mut self.state, message)?)?;
        let key = self.state.get_remote_static().and_then(|key| key.try_into().ok());
        let key: [u8; 32] = key.ok_or_else(|| unproven("it has shown no key"))?;
        let verifier = VerifyingKey::from_bytes(&peer.0).map_err(unproven)?;
        verifier.verify_strict(&signed(&key), &Signature::from_bytes(&signature)).map_err(unproven)?;
        Ok(peer)
    }
}

impl Handshake {
    /// What goes on under the keys that were agreed on, once both sides have proved their ids.
    pub(super) fn into_session(self) -> Result<Session, TransportError> {
        self.state.into_transport_mode().map(Session).map_err(unproven)
    }
}

/// A channel under Noise: messages with their lengths before them, each of at most so many bytes of content.
pub(super) struct Session(TransportState);

impl Session {
    /// The most bytes in one message.
    pub(super) const CONTENT_BYTES_MAX: usize = u16::MAX as usize - TAG_BYTES;

    /// Appends a message with its length. The content is no longer than allowed.
    pub(super) fn seal(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), TransportError> {
        let mut message = vec![0; content.len() + TAG_BYTES];
        let length = self.0.write_message(content, &mut message).map_err(unproven)?;
        let length_bytes = u16::try_from(length).map_err(|_| TransportError::Malformed)?.to_be_bytes();
        out.extend_from_slice(&length_bytes);
        out.extend_from_slice(&message[..length]);
        Ok(())
    }

    /// The content of a message.
    pub(super) fn open(&mut self, message: &[u8]) -> Result<Vec<u8>, TransportError> {
        let mut content = vec![0; message.len()];
        let length = self.0.read_message(message, &mut content).map_err(|_| TransportError::Malformed)?;
        content.truncate(length);
        Ok(content)
    }
}

fn builder<'a>() -> Result<Builder<'a>, TransportError> {
    let params = NOISE_PARAMS.parse().map_err(unproven)?;
    Ok(Builder::with_resolver(params, Box::new(Primitives)))
}

fn write(state: &mut HandshakeState, payload: &[u8]) -> Result<Vec<u8>, TransportError> {
    let mut message = vec![0; HANDSHAKE_BYTES_MAX];
    let length = state.write_message(payload, &mut message).map_err(unproven)?;
    message.truncate(length);
    Ok(message)
}

fn read(state: &mut HandshakeState, message: &[u8]) -> Result<Vec<u8>, TransportError> {
    let mut payload = vec![0; HANDSHAKE_BYTES_MAX];
    let length = state.read_message(message, &mut payload).map_err(unproven)?;
    payload.truncate(length);
    Ok(payload)
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn unproven(error: impl ToString) -> TransportError {
    TransportError::Unproven(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both sides of ours; that the node's library agrees is shown by the tests in a browser.
    fn handshake(prologues: [&[u8]; 2]) -> Result<(PeerId, PeerId), TransportError> {
        let (one, two) = (Identity::generate()?, Identity::generate()?);
        let mut first = Handshake::new(&one, prologues[0], true)?;
        let mut second = Handshake::new(&two, prologues[1], false)?;
        second.read_first(&first.first()?)?;
        let seen_by_first = first.check(&second.proof()?)?;
        let seen_by_second = second.check(&first.proof()?)?;
        assert_eq!((seen_by_first, seen_by_second), (two.peer(), one.peer()));
        Ok((seen_by_first, seen_by_second))
    }

    #[test]
    fn both_prove_their_ids() {
        let (one, two) = handshake([b"same", b"same"]).unwrap();
        assert_ne!(one, two);
    }

    #[test]
    fn what_follows_is_sealed_both_ways_and_in_order() {
        let identity = Identity::generate().unwrap();
        let mut first = Handshake::new(&identity, b"", true).unwrap();
        let mut second = Handshake::new(&identity, b"", false).unwrap();
        second.read_first(&first.first().unwrap()).unwrap();
        first.check(&second.proof().unwrap()).unwrap();
        second.check(&first.proof().unwrap()).unwrap();
        let (mut one, mut two) = (first.into_session().unwrap(), second.into_session().unwrap());
        let longest = vec![7; Session::CONTENT_BYTES_MAX];
        for content in [&b"hello"[..], b"", &longest] {
            let mut sealed = Vec::new();
            one.seal(content, &mut sealed).unwrap();
            assert_eq!(usize::from(u16::from_be_bytes([sealed[0], sealed[1]])), sealed.len() - 2);
            assert_eq!(two.open(&sealed[2..]).unwrap(), content);
            assert_eq!(two.open(&sealed[2..]), Err(TransportError::Malformed), "a message is opened once");
        }
        let mut back = Vec::new();
        two.seal(b"back", &mut back).unwrap();
        back[4] ^= 1;
        assert_eq!(one.open(&back[2..]), Err(TransportError::Malformed));
    }

    #[test]
    fn other_certificates_are_found_out() {
        assert!(matches!(handshake([b"one", b"other"]), Err(TransportError::Unproven(_))));
    }

    #[test]
    fn a_stolen_proof_is_worth_nothing() {
        let (thief, victim) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let mut first = Handshake::new(&thief, b"", true).unwrap();
        let mut second = Handshake::new(&victim, b"", false).unwrap();
        second.read_first(&first.first().unwrap()).unwrap();
        // Another one's payload, signed for another key.
        first.payload = Handshake::new(&victim, b"", true).unwrap().payload;
        first.check(&second.proof().unwrap()).unwrap();
        assert!(matches!(second.check(&first.proof().unwrap()), Err(TransportError::Unproven(_))));
    }

    #[test]
    fn altered_messages_are_refused() {
        for index in [0, 31, 40, 100] {
            let identity = Identity::generate().unwrap();
            let mut first = Handshake::new(&identity, b"", true).unwrap();
            let mut second = Handshake::new(&identity, b"", false).unwrap();
            second.read_first(&first.first().unwrap()).unwrap();
            let mut proof = second.proof().unwrap();
            proof[index] ^= 1;
            assert!(first.check(&proof).is_err(), "{index}");
        }
        let mut second = Handshake::new(&Identity::generate().unwrap(), b"", false).unwrap();
        assert!(second.read_first(&[1; 31]).is_err());
    }
}
