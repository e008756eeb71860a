//! Whether a wallet may still be opened: between the asking and the opening lie moments in which the tab waits, and in which the wallet can be locked or
//! another one opened.
//!
//! Invariant: what was locked after it was asked for stays locked, and a tab never shows the accounts of one seed for another.

use qbtc_core::wallet::mnemonic::WalletSeed;

/// What comes of asking that a wallet be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It opens now.
    Opens,
    /// It is open.
    IsOpen,
}

/// Why a wallet is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpeningFault {
    /// It was locked meanwhile.
    Locked,
    /// Another one is open.
    Another,
}

/// Decides it, for a seed. `asked` and `now` count how often the wallet was opened and locked: when it was asked for, and by now. `open` is the seed of the
/// wallet that is open.
///
/// # Errors
/// [`OpeningFault`].
pub fn check_opening(
    seed: &WalletSeed,
    open: Option<&WalletSeed>,
    asked: u64,
    now: u64,
) -> Result<Opening, OpeningFault> {
    match open {
        Some(open) if open.as_bytes() == seed.as_bytes() => Ok(Opening::IsOpen),
        Some(_) => Err(OpeningFault::Another),
        None if asked != now => Err(OpeningFault::Locked),
        None => Ok(Opening::Opens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallet_opens_once_and_no_other_in_its_place() {
        let (one, other) = (WalletSeed::from_bytes([1; 64]), WalletSeed::from_bytes([2; 64]));
        assert_eq!(check_opening(&one, None, 3, 3), Ok(Opening::Opens));
        // By another document, which has told its seed: the opening itself has counted.
        assert_eq!(check_opening(&one, Some(&one), 3, 4), Ok(Opening::IsOpen));
        assert_eq!(check_opening(&one, Some(&other), 3, 4), Err(OpeningFault::Another));
        assert_eq!(check_opening(&one, Some(&other), 3, 3), Err(OpeningFault::Another));
    }

    #[test]
    fn what_was_locked_meanwhile_stays_locked() {
        let seed = WalletSeed::from_bytes([1; 64]);
        assert_eq!(check_opening(&seed, None, 3, 4), Err(OpeningFault::Locked));
        // Opened and locked again.
        assert_eq!(check_opening(&seed, None, 3, 5), Err(OpeningFault::Locked));
    }
}
