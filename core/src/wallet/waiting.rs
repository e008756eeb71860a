//! Transactions of others that wait in a node's mempool, and what shows that they are what they seem.
//!
//! Nodes verify what they relay, but one that lies can hand a wallet anything. Money that seems to come does no harm, since it counts only
//! once it is mined; money that seems to go does.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::convert::Infallible;

use super::account::Account;
use super::ledger::OwnedCoin;
use crate::crypto::verify_serial;
use crate::spec::ChainSpec;
use crate::tx::{OutPoint, Transaction};
use crate::units::Height;
use crate::utxo::{Coin, CoinView};
use crate::verify::{VerifiedCache, check_transaction, resolve_transaction};

/// An account's coins, mined and pending, spent by what waits or not.
#[derive(Clone, Debug)]
pub struct OwnCoins(BTreeMap<OutPoint, Coin>);

impl OwnCoins {
    /// Those of an account.
    #[must_use]
    pub fn of(account: &Account) -> Self {
        let mut coins = Self(BTreeMap::new());
        account.ledger().coins().for_each(|coin| coins.insert(coin));
        account.ledger().pending().flat_map(|entry| &entry.received).for_each(|coin| coins.insert(coin));
        coins
    }

    /// Adds a coin that has come since.
    pub fn insert(&mut self, coin: &OwnedCoin) {
        let OwnedCoin { outpoint, amount, address, is_coinbase, .. } = *coin;
        let height = coin.height.unwrap_or(Height::GENESIS);
        self.0.insert(outpoint, Coin { amount, address, height, is_coinbase });
    }

    /// Whether a transaction leaves these coins alone, or shows by valid signatures that it may spend them in a block of this height.
    /// Without that, a node could make the wallet believe that its money is on its way to somebody. One that spends coins of others
    /// besides, which the wallet does not know, cannot show it.
    #[must_use]
    pub fn are_left_or_rightly_spent(&self, transaction: &Transaction, height: Height, spec: &ChainSpec) -> bool {
        if !transaction.body.inputs.iter().any(|input| self.0.contains_key(input)) {
            return true;
        }
        let Ok(checked) = check_transaction(transaction.clone(), spec.consensus()) else { return false };
        let resolved = resolve_transaction(&Arc::new(checked), height, self, &VerifiedCache::new(0), spec);
        resolved.is_ok_and(|resolved| verify_serial(&resolved.jobs()).is_ok())
    }
}

impl CoinView for OwnCoins {
    type Error = Infallible;

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, Infallible> {
        Ok(self.0.get(outpoint).copied())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::lock::Lock;
    use crate::testing::test;
    use crate::wallet::checks::{foreign, plain, rate, secret, to};
    use crate::wallet::ledger::TxEffects;
    use crate::wallet::pay::{Order, pay};

    #[test]
    fn only_who_may_spend_a_coin_is_believed() {
        let (account, spec) = (plain(&[(0, 500_000_000)]), ChainSpec::dev());
        let order = Order { outputs: vec![to(foreign(1), 100_000_000)], fee_rate: rate(1_000), ..Order::default() };
        let payment = pay(&account, &spec, &order).unwrap().sign(&secret(), &[7; 32]).unwrap();
        let (coins, next) = (OwnCoins::of(&account), account.next_height());
        let is_believed = |transaction: &Transaction| coins.are_left_or_rightly_spent(transaction, next, &spec);
        assert!(is_believed(&payment));
        let mut redirected = payment.clone();
        redirected.body.outputs[0].lock = Lock::Address(foreign(2));
        let mut unsigned = payment.clone();
        unsigned.witnesses.clear();
        let mut mixed = payment.clone();
        mixed.body.inputs.push(OutPoint { index: 7, ..payment.body.inputs[0] });
        for wrong in [&redirected, &unsigned, &mixed] {
            assert!(!is_believed(wrong), "{:?}", wrong.body);
        }
        // Coins of others are their own matter.
        let mut strange = unsigned;
        strange.body.inputs[0].index = 9;
        assert!(is_believed(&strange));
        // What a payment that waits has made is the account's too.
        let mut later = account.clone();
        later.add_pending(&TxEffects::of_transaction(&payment.body), Some(&secret())).unwrap();
        let change = later.ledger().pending_coins()[0];
        strange.body.inputs[0] = change.outpoint;
        assert!(!OwnCoins::of(&later).are_left_or_rightly_spent(&strange, next, &spec));
    }
}
