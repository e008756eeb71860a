//! Questions and answers under a seal.

use alloc::vec::Vec;

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

/// The asker's side.
pub struct Asker {
    questions: Key,
    answers: Key,
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
    questions: Key,
    answers: Key,
    window: Window,
}

/// The right to answer one question, once.
#[must_use = "an answer can be sealed with this alone"]
pub struct Reply {
    key: Key,
    number: u64,
}

impl Asker {
    pub(super) const fn new(questions: Key, answers: Key) -> Self {
        Self { questions, answers, next: 0 }
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
        let sealed = cipher(&self.questions).encrypt(&nonce(number).into(), question);
        let sealed = sealed.expect("a message is far below 256 GB");
        Ok(([&number.to_be_bytes()[..], &sealed].concat(), Asked { key: self.answers.clone(), number }))
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
    pub(super) fn new(questions: Key, answers: Key) -> Self {
        Self { questions, answers, window: Window::default() }
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
        let opened = cipher(&self.questions).decrypt(&nonce(number).into(), sealed);
        let opened = opened.map_err(|_| SealError::Broken)?;
        self.window.note(number);
        Ok((opened, Reply { key: self.answers.clone(), number }))
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
