//! What a transaction will do, as the user sees it before signing: made from the very bytes that are signed, not from what was typed.

use qbtc_core::hash::Txid;
use qbtc_core::lock::{Address, Lock};
use qbtc_core::tx::TxOut;
use qbtc_core::units::{Amount, FeeRate, Height};
use qbtc_core::wallet::account::Account;
use qbtc_core::wallet::builder::UnsignedTx;

/// What a transaction will do to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Who is paid, the change left out.
    pub payments: Vec<Paid>,
    /// What comes back as change.
    pub change: Amount,
    /// What the miner gets.
    pub fee: Amount,
    /// The fee for the size.
    pub fee_rate: FeeRate,
    /// The size when it is signed, in bytes.
    pub size_bytes: u64,
    /// What the account has less afterwards.
    pub leaves: Amount,
    /// Coins that are spent.
    pub coins: usize,
    /// The last height at which it can be mined; 0 for any.
    pub expiry_height: Height,
    /// The payment that this replaces, and those that go with it.
    pub replaces: Vec<Txid>,
    /// How many go with it: those that were made of its change.
    pub drops: usize,
    /// What they pay to others.
    pub dropped: Amount,
}

/// Somebody who is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// Where to; `None` for data, which pays nobody.
    pub address: Option<Address>,
    /// How much.
    pub amount: Amount,
    /// Whether the account pays itself.
    pub is_own: bool,
}

impl Effect {
    /// That of a transaction on an account, in place of another one or not.
    #[must_use]
    pub fn of(unsigned: &UnsignedTx, account: &Account, replaces: Option<&Txid>) -> Self {
        let (body, book) = (unsigned.body(), account.book());
        let mut gone = replaces.map(|txid| account.ledger().dependents(txid)).unwrap_or_default();
        gone.retain(|entry| entry.is_own_payment());
        let dropped = Amount::checked_sum(gone.iter().map(|entry| entry.paid_to_others)).unwrap_or(Amount::MAX);
        let is_own = |output: &TxOut| output.lock.address().is_some_and(|address| book.path_of(&address).is_some());
        let mut change = unsigned.change();
        let mut payments = Vec::new();
        for output in &body.outputs {
            if change == Some(output) {
                change = None;
                continue;
            }
            let address = match &output.lock {
                Lock::Address(address) => Some(*address),
                Lock::Data(_) => None,
            };
            payments.push(Paid { address, amount: output.amount, is_own: is_own(output) });
        }
        let sum = |outputs: &[TxOut]| {
            let own = outputs.iter().filter(|output| is_own(output)).map(|output| output.amount);
            Amount::checked_sum(own).unwrap_or(Amount::MAX)
        };
        let fee = unsigned.fee();
        Self {
            payments,
            change: unsigned.change().map_or(Amount::ZERO, |change| change.amount),
            fee,
            fee_rate: FeeRate::reached_by(fee, unsigned.size_bytes()).unwrap_or_default(),
            size_bytes: unsigned.size_bytes(),
            leaves: sum(unsigned.partial().spent()).saturating_sub(sum(&body.outputs)),
            coins: body.inputs.len(),
            expiry_height: body.expiry_height,
            replaces: replaces.copied().into_iter().chain(gone.iter().map(|entry| entry.txid)).collect(),
            drops: gone.len(),
            dropped,
        }
    }
}
