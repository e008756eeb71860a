//! The primitives of the handshake for `snow`: those that the rest of the program has anyway, instead of the library's own older copies.

use alloc::boxed::Box;

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use sha2::{Digest as _, Sha256};
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::Zeroizing;

const TAG_BYTES: usize = 16;

/// X25519, ChaCha20-Poly1305 and SHA-256, and randomness of the browser.
pub(super) struct Primitives;

impl CryptoResolver for Primitives {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(BrowserRandom))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::<X25519>::default() as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::<Sha2>::default() as Box<dyn Hash>)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::ChaChaPoly).then(|| Box::<ChaCha>::default() as Box<dyn Cipher>)
    }
}

struct BrowserRandom;

impl Random for BrowserRandom {
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(out).map_err(|_| Error::Rng)
    }
}

#[derive(Default)]
struct X25519 {
    private: Zeroizing<[u8; 32]>,
    public: [u8; 32],
}

impl X25519 {
    fn derive(&mut self) {
        self.public = x25519_dalek::x25519(*self.private, x25519_dalek::X25519_BASEPOINT_BYTES);
    }
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, private: &[u8]) {
        self.private.copy_from_slice(private);
        self.derive();
    }

    fn generate(&mut self, random: &mut dyn Random) -> Result<(), Error> {
        random.try_fill_bytes(&mut self.private[..])?;
        self.derive();
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.private[..]
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public = public.get(..32).and_then(|public| public.try_into().ok()).ok_or(Error::Dh)?;
        out[..32].copy_from_slice(&x25519_dalek::x25519(*self.private, public));
        Ok(())
    }
}

#[derive(Default)]
struct ChaCha(Zeroizing<[u8; 32]>);

fn nonce(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_le_bytes());
    nonce
}

impl Cipher for ChaCha {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        *self.0 = *key;
    }

    fn encrypt(&self, number: u64, data: &[u8], plain: &[u8], out: &mut [u8]) -> usize {
        let (sealed, tag) = out[..plain.len() + TAG_BYTES].split_at_mut(plain.len());
        sealed.copy_from_slice(plain);
        let cipher = ChaCha20Poly1305::new((&*self.0).into());
        let made = cipher.encrypt_inout_detached(&nonce(number).into(), data, (&mut *sealed).into());
        tag.copy_from_slice(&made.expect("a handshake's message is far below 256 GB"));
        plain.len() + TAG_BYTES
    }

    fn decrypt(&self, number: u64, data: &[u8], sealed: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let length = sealed.len().checked_sub(TAG_BYTES).ok_or(Error::Decrypt)?;
        let (sealed, tag) = sealed.split_at(length);
        let plain = out.get_mut(..length).ok_or(Error::Decrypt)?;
        plain.copy_from_slice(sealed);
        let tag = tag.try_into().map_err(|_| Error::Decrypt)?;
        let cipher = ChaCha20Poly1305::new((&*self.0).into());
        let opened = cipher.decrypt_inout_detached(&nonce(number).into(), data, (&mut *plain).into(), tag);
        opened.map(|()| length).map_err(|_| Error::Decrypt)
    }
}

#[derive(Default)]
struct Sha2(Sha256);

impl Hash for Sha2 {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Sha256::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        out[..32].copy_from_slice(&self.0.finalize_reset());
    }
}
