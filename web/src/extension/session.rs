//! How the extension's documents share an unlocked wallet: one that opens it tells the others, and one that locks it locks them all.
//!
//! It is said on a channel of the extension's own origin, which neither web pages nor content scripts hear. What is unlocked is in the memory of the
//! extension's documents, and nowhere else: no script, no storage has it, and it is gone with the browser.

use qbtc_core::codec;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The longest message, in bytes.
const BYTES_MAX: usize = 256;

/// What one document tells the others.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub enum Session {
    /// It is locked, and asks whether another has the wallet open.
    Asked,
    /// It has the wallet open.
    Open {
        /// The seed.
        seed: Vec<u8>,
        /// No coin of the wallet is older.
        birthday: u32,
        /// The hash of the keystore in which the seed was: whoever knows another one has, or will have, another wallet.
        keystore: [u8; 32],
    },
    /// It has locked the wallet.
    Locked,
    /// The user has touched it.
    Touched,
}

impl Session {
    /// As bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode(self))
    }

    /// Reads a message; `None`, if it is none of this version.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes, BYTES_MAX).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        let told = Session::Open { seed: vec![7; 64], birthday: 41, keystore: [9; 32] };
        let read = Session::from_bytes(&told.to_bytes()).expect("it reads");
        let Session::Open { seed, birthday, keystore } = &read else { panic!("it is the same") };
        assert_eq!((&seed[..], *birthday, *keystore), (&[7; 64][..], 41, [9; 32]));
        for other in [Session::Asked, Session::Locked, Session::Touched] {
            let read = Session::from_bytes(&other.to_bytes()).expect("it reads");
            assert_eq!(read.to_bytes(), other.to_bytes());
        }
    }

    #[test]
    fn strange_messages_are_passed_over() {
        for bytes in [&[][..], &[9], &[0, 0], &[1; 1_000]] {
            assert!(Session::from_bytes(bytes).is_none());
        }
    }
}
