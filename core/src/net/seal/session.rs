//! Questions and answers under a seal.

use alloc::vec::Vec;
use core::fmt;

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead as _, AeadInOut as _, KeyInit as _};
use zeroize::Zeroizing;

use super::SealError;
use super::window::Window;

/// How much longer a sealed question is: its number and a tag.
pub const SEALED_QUESTION_OVERHEAD: usize = NUMBER_BYTES + TAG_BYTES;
/// How much longer a sealed answer is: a tag.
pub const SEALED_ANSWER_OVERHEAD: usize = TAG_BYTES;

const NUMBER_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
/// The most questions under one seal: far below what ChaCha20-Poly1305 bears, and above what a connection asks.
const QUESTIONS_MAX: u64 = 1 << 48;

/// A key of ChaCha20-Poly1305.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// What both ends have agreed on.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) questions: Key,
    pub(super) answers: Key,
    pub(super) id: SealId,
}

/// Tells one seal from all others, and is the same at both ends. It tells nothing of the keys. Shown as hex, 16 digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealId(pub(super) [u8; 8]);

impl fmt::Display for SealId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The asker's side.
pub struct Asker {
    keys: Keys,
    next: u64,
}

/// A question that waits for its answer.
#[must_use = "an answer can be opened with this alone"]
pub struct Asked {
    key: Key,
    number: u64,
}

/// The answerer's side.
pub struct Answerer {
    keys: Keys,
    window: Window,
}

/// The right to answer one question, once.
#[must_use = "an answer can be sealed with this alone"]
pub struct Reply {
    key: Key,
    number: u64,
}

impl Asker {
    pub(super) const fn new(keys: Keys) -> Self {
        Self { keys, next: 0 }
    }

    /// Which seal this is.
    #[must_use]
    pub const fn id(&self) -> SealId {
        self.keys.id
    }

    /// Seals a question.
    ///
    /// # Errors
    /// [`SealError::Exhausted`].
    pub fn seal(&mut self, question: &[u8]) -> Result<(Vec<u8>, Asked), SealError> {
        let number = self.next;
        if number >= QUESTIONS_MAX {
            return Err(SealError::Exhausted);
        }
        self.next += 1;
        let sealed = cipher(&self.keys.questions).encrypt(&nonce(number).into(), question);
        let sealed = sealed.expect("a message is far below 256 GB");
        Ok(([&number.to_be_bytes()[..], &sealed].concat(), Asked { key: self.keys.answers.clone(), number }))
    }
}

impl Asked {
    /// The answer.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub fn open(self, mut answer: Vec<u8>) -> Result<Vec<u8>, SealError> {
        let opened = cipher(&self.key).decrypt_in_place(&nonce(self.number).into(), &[], &mut answer);
        opened.map(|()| answer).map_err(|_| SealError::Broken)
    }
}

impl Answerer {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, window: Window::default() }
    }

    /// Which seal this is.
    #[must_use]
    pub const fn id(&self) -> SealId {
        self.keys.id
    }

    /// The question, and the right to answer it. Only what opens counts as having been there.
    ///
    /// # Errors
    /// [`SealError::Length`], [`SealError::Replayed`], [`SealError::Broken`].
    pub fn open(&mut self, question: &[u8]) -> Result<(Vec<u8>, Reply), SealError> {
        let too_short = SealError::Length { found: question.len(), expected: SEALED_QUESTION_OVERHEAD };
        let (number, sealed) = question.split_first_chunk::<NUMBER_BYTES>().ok_or(too_short)?;
        let number = u64::from_be_bytes(*number);
        if number >= QUESTIONS_MAX || !self.window.is_new(number) {
            return Err(SealError::Replayed { number });
        }
        let opened = cipher(&self.keys.questions).decrypt(&nonce(number).into(), sealed);
        let opened = opened.map_err(|_| SealError::Broken)?;
        self.window.note(number);
        Ok((opened, Reply { key: self.keys.answers.clone(), number }))
    }
}

impl Reply {
    /// Seals the answer.
    #[must_use]
    pub fn seal(self, mut answer: Vec<u8>) -> Vec<u8> {
        let sealed = cipher(&self.key).encrypt_in_place(&nonce(self.number).into(), &[], &mut answer);
        sealed.expect("a message is far below 256 GB");
        answer
    }
}

fn cipher(key: &Key) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new((&**key).into())
}

fn nonce(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce
}
