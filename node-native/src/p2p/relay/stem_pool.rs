//! Transactions on the stem: valid, held here, and shown to nobody.

use std::collections::{HashMap, VecDeque};

use qbtc_core::codec;
use qbtc_core::hash::Wtxid;
use qbtc_core::tx::{OutPoint, Transaction};

/// The most bytes that are held; the oldest make room. What is forgotten so is not lost: others on the stem hold it too.
const BYTES_MAX: usize = 16 << 20;

/// What is on the stem.
#[derive(Debug, Default)]
pub(super) struct StemPool {
    held: HashMap<Wtxid, Transaction>,
    /// Who spends the coins that they spend.
    spends: HashMap<OutPoint, Wtxid>,
    /// In the order in which they came; some may be gone.
    order: VecDeque<(Wtxid, usize)>,
    bytes: usize,
}

impl StemPool {
    pub(super) fn put(&mut self, wtxid: Wtxid, transaction: Transaction) {
        let bytes = codec::encoded_len(&transaction);
        for input in &transaction.body.inputs {
            self.spends.entry(*input).or_insert(wtxid);
        }
        if self.held.insert(wtxid, transaction).is_some() {
            return;
        }
        self.order.push_back((wtxid, bytes));
        self.bytes += bytes;
        while self.bytes > BYTES_MAX
            && let Some((oldest, bytes)) = self.order.pop_front()
        {
            self.forget(&oldest);
            self.bytes -= bytes;
        }
    }

    /// Whether another one that is held spends the same coin: a block can have one of them, and nobody need carry the others.
    pub(super) fn is_spent_otherwise(&self, transaction: &Transaction) -> bool {
        let wtxid = transaction.wtxid();
        let others = transaction.body.inputs.iter().filter_map(|input| self.spends.get(input));
        others.into_iter().any(|other| *other != wtxid)
    }

    #[cfg(test)]
    pub(super) fn has(&self, wtxid: &Wtxid) -> bool {
        self.held.contains_key(wtxid)
    }

    pub(super) fn remove(&mut self, wtxid: &Wtxid) -> Option<Transaction> {
        let removed = self.forget(wtxid)?;
        if let Some(place) = self.order.iter().position(|(held, _)| held == wtxid)
            && let Some((_, bytes)) = self.order.remove(place)
        {
            self.bytes -= bytes;
        }
        Some(removed)
    }

    fn forget(&mut self, wtxid: &Wtxid) -> Option<Transaction> {
        let held = self.held.remove(wtxid)?;
        for input in &held.body.inputs {
            if self.spends.get(input) == Some(wtxid) {
                self.spends.remove(input);
            }
        }
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qbtc_core::hash::Txid;
    use qbtc_core::lock::Lock;
    use qbtc_core::tx::{TxBody, TxOut};
    use qbtc_core::units::{Amount, Height};

    fn transaction(number: u8) -> Transaction {
        let output = TxOut { amount: Amount::from_coins(0), lock: Lock::Data(vec![7; 1 << 16].into()) };
        let body = TxBody {
            version: number,
            inputs: vec![],
            outputs: vec![output; 16],
            lock_height: Height(0),
            expiry_height: Height(0),
        };
        Transaction { body, witnesses: vec![] }
    }

    #[test]
    fn a_coin_is_spent_once() {
        let spending = |number: u8, coins: &[u8]| {
            let mut transaction = transaction(number);
            transaction.body.inputs =
                coins.iter().map(|coin| OutPoint { txid: Txid::from_bytes([*coin; 32]), index: 0 }).collect();
            transaction
        };
        let (first, second, third) = (spending(1, &[1, 2]), spending(2, &[2, 3]), spending(3, &[3]));
        let mut pool = StemPool::default();
        pool.put(first.wtxid(), first.clone());
        assert!(!pool.is_spent_otherwise(&first) && pool.is_spent_otherwise(&second));
        assert!(!pool.is_spent_otherwise(&third));
        pool.remove(&first.wtxid());
        assert!(!pool.is_spent_otherwise(&second) && pool.spends.is_empty());
    }

    #[test]
    fn bytes_are_bounded_and_the_oldest_make_room() {
        let mut pool = StemPool::default();
        let all: Vec<Transaction> = (0..40).map(transaction).collect();
        for one in &all {
            pool.put(one.wtxid(), one.clone());
            pool.put(one.wtxid(), one.clone());
            assert!(pool.bytes <= BYTES_MAX);
        }
        assert!(pool.remove(&all[0].wtxid()).is_none());
        for one in all[26..].iter().rev() {
            assert_eq!(pool.remove(&one.wtxid()).as_ref(), Some(one));
        }
        let left: Vec<Wtxid> = pool.held.keys().copied().collect();
        for wtxid in left {
            pool.remove(&wtxid);
        }
        assert_eq!((pool.bytes, pool.order.len(), pool.held.len()), (0, 0, 0));
    }
}
