//! What changes an account beside the chain, and what tabs tell each other of the wallet.
//!
//! One tab keeps the wallet: it alone follows the chain for it and writes it down, so nothing that one tab has learnt is overwritten by another. What
//! another tab does is told to that one.

use qbtc_core::lock::Address;
use qbtc_core::tx::Transaction;
use qbtc_core::wallet::account::AccountError;
use qbtc_core::wallet::derivation::AccountKey;
use serde::{Deserialize, Serialize};

use super::account::AccountState;

/// What changes an account beside the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// An address was given to a payer: the next one gets another.
    GiveAway(Address),
    /// A payment was handed in.
    Sent(Box<Transaction>),
}

/// What one tab tells the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// What is kept has changed: the accounts, or the notes.
    Kept,
    /// This happened to an account, and is to be kept.
    Changed {
        /// The account's number.
        account: u32,
        /// What happened.
        change: Change,
    },
    /// The wallet is another: made, brought back, or removed.
    Another,
}

impl Change {
    /// Changes the account.
    ///
    /// # Errors
    /// [`AccountError`]; the account is then as before.
    pub fn apply(&self, state: &mut AccountState, key: &AccountKey) -> Result<(), AccountError> {
        match self {
            Self::GiveAway(address) => state.give_away(address, key),
            Self::Sent(transaction) => state.sent(transaction, Some(key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use qbtc_core::hash::{BlockHash, Txid};
    use qbtc_core::lock::Lock;
    use qbtc_core::spec::ChainSpec;
    use qbtc_core::tx::TxOut;
    use qbtc_core::units::{Amount, FeeRate, Height};
    use qbtc_core::wallet::layout::AddressLayout;
    use qbtc_core::wallet::ledger::{BlockMark, TxEffects};
    use qbtc_core::wallet::mnemonic::WalletSeed;

    use super::*;
    use crate::wallet::account::account_key;
    use crate::wallet::order::{Order, Recipient};

    #[test]
    fn what_one_tab_does_another_keeps() {
        let spec = ChainSpec::dev();
        let key = account_key(&WalletSeed::from_bytes([5; 64]), 0, &spec).unwrap();
        let mut kept = AccountState::new(&spec, AddressLayout::default(), Height(0), &key);
        let outputs = [TxOut { amount: Amount::from_coins(5), lock: Lock::Address(kept.receive_address().unwrap()) }];
        let paid = TxEffects::of_coinbase(Txid::from_bytes([1; 32]), &outputs);
        let mark = |height| BlockMark { height: Height(height), id: BlockHash::ZERO };
        kept.take(mark(1), &[paid], Some(&key)).unwrap();
        kept.take(mark(20), &[], Some(&key)).unwrap();

        let mut here = kept.clone();
        let recipient = Recipient { address: Address::from_bytes([9; 32]), amount: Amount::from_coins(1) };
        let fee_rate = FeeRate::from_quanta_per_1000_bytes(10_000);
        let order = Order { recipients: vec![recipient], everything_to: None, fee_rate };
        let transaction = here.pay(&order, &spec).unwrap().sign(&key, &[3; 32]).unwrap();
        let change = Change::Sent(Box::new(transaction));
        change.apply(&mut here, &key).unwrap();
        let shown = here.receive_address().unwrap();
        Change::GiveAway(shown).apply(&mut here, &key).unwrap();
        assert_ne!(here.receive_address(), Some(shown));

        let said = Said::Changed { account: 0, change };
        let said: Said = crate::light::read(&crate::light::write(&said)).unwrap();
        let Said::Changed { change, .. } = said else { panic!() };
        change.apply(&mut kept, &key).unwrap();
        assert_eq!(kept.own(), here.own());
        assert_eq!(kept.balance(&spec), here.balance(&spec));
    }
}
