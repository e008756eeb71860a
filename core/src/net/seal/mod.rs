//! The seal: keys above an authenticated connection, so that what is recorded today cannot be read by a quantum computer tomorrow.
//!
//! Browsers agree on the keys of WebRTC and of WebSocket by elliptic curves alone. So the asker and the answerer of such a connection agree once more,
//! inside it, by X25519 and ML-KEM-768 together, and seal each question and each answer under the keys that follow. Whoever wants to
//! read them has to break both exchanges.
//! ```text
//! offer    asker → answerer   ML-KEM-768 key [1184] ‖ X25519 key [32]
//! answer   answerer → asker   ML-KEM-768 ciphertext [1088] ‖ X25519 key [32]
//! keys     HKDF-SHA256(salt: hash of protocol, both ids, offer and answer; secret: ML-KEM's ‖ X25519's), one for each direction
//! id       8 bytes more of the same HKDF: by which people at both ends see that they have agreed on the same
//! question number u64 ‖ ChaCha20-Poly1305(number; question)        answer: ChaCha20-Poly1305(the question's number; answer)
//! ```
//! **Who the other side is** this does not prove: the connection below has, at the time. What it adds is secrecy that lasts. Both ids are part of
//! the keys, so that nobody can pass an exchange on to somebody else.
//!
//! Invariants: a key never seals two messages under one number. The asker counts; the answerer takes each number once (`window`), and gives
//! one answer to it, under another key. Randomness is handed in; nothing here waits, and what a session holds has a fixed size.

mod exchange;
mod session;
#[cfg(test)]
mod tests;
mod window;

pub use exchange::{ANSWER_BYTES, ANSWER_ENTROPY_BYTES, Ends, OFFER_BYTES, OFFER_ENTROPY_BYTES, Offer, answer_offer};
pub use session::{Answerer, Asked, Asker, Reply, SEALED_ANSWER_OVERHEAD, SEALED_QUESTION_OVERHEAD, SealId};

/// How the keys are agreed on, by the name that TLS has for the two together (the group `X25519MLKEM768`).
pub const KEY_EXCHANGE: &str = "X25519MLKEM768";

/// Why there is no seal, or why something is not under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A message has another length.
    #[error("a message of {found} bytes: expected {expected}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes expected, or the fewest.
        expected: usize,
    },
    /// The ML-KEM key is none (FIPS 203 §7.2: a coefficient is not below q).
    #[error("what was offered is no ML-KEM-768 key")]
    KemKey,
    /// The X25519 key is one with which every exchange has the same result.
    #[error("the X25519 key is of low order")]
    LowOrder,
    /// The message is not under this seal: it was altered, or is somebody else's.
    #[error("the message is not under this seal")]
    Broken,
    /// The number was there before, or is too far behind the highest one.
    #[error("the question's number {number} was there before, or is too old")]
    Replayed {
        /// The number.
        number: u64,
    },
    /// All numbers are used.
    #[error("the seal is used up")]
    Exhausted,
}
