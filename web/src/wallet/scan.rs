//! What the light client tells the wallet, taken into its accounts.
//!
//! The client looks through the chain once, for the addresses of all accounts together, so all accounts stand at the same block. What it hands
//! out it has shown already; here it is only read.

use std::collections::BTreeSet;

use qbtc_core::block::Block;
use qbtc_core::chain::BlockMark;
use qbtc_core::lock::Address;
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Height;
use qbtc_core::wallet::derivation::AccountKey;
use qbtc_core::wallet::ledger::TxEffects;

use super::account::AccountState;
use super::chain::{ChainError, block_bytes_max};

/// What the client is asked to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The first height that matters.
    pub start: Height,
    /// Blocks up to which everything is shown, rising; the accounts stand at the last.
    pub marks: Vec<BlockMark>,
    /// All addresses.
    pub addresses: Vec<Address>,
}

/// How often a scan is begun anew, because what was told did not follow what was told before: a few times at one tip of one client, then not until
/// there is another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restarts {
    count: u32,
    given_up: Option<(u64, BlockMark)>,
}

impl Restarts {
    /// So often, before it is given up.
    pub const MAX: u32 = 8;

    /// Notes that a scan has failed, while this client, by its run, showed this tip. Once that was too often, it is given up at each tip at which it fails.
    pub fn failed(&mut self, at: Option<(u64, BlockMark)>) {
        self.count = self.count.saturating_add(1);
        if self.count > Self::MAX {
            self.given_up = at;
        }
    }

    /// Gives up at once: another try would end alike.
    pub fn give_up(&mut self, at: (u64, BlockMark)) {
        self.given_up = Some(at);
    }

    /// Whether a scan may be begun with this client at this tip.
    #[must_use]
    pub fn may_start(&self, at: (u64, BlockMark)) -> bool {
        self.given_up != Some(at)
    }
}

/// Makes the accounts ready for the client, which has shown the chain up to this tip: what a node has only said is taken back, and those that
/// are ahead go back to where the last one stands. The keys are those of the accounts, in their order.
///
/// # Errors
/// [`ChainError::Account`], for the key of another account.
pub fn begin(accounts: &mut [AccountState], keys: &[AccountKey], tip: BlockMark) -> Result<Search, ChainError> {
    for (state, key) in accounts.iter_mut().zip(keys) {
        state.extend(key)?;
        // Fresh words: there is nothing to be found up to the tip.
        if state.proven().is_none() && state.birthday() > tip.height {
            state.start_proven_above(tip);
        }
        state.go_back(state.proven());
        state.looks_up_to(tip.height);
    }
    let last = accounts.iter().map(AccountState::proven).min_by_key(|mark| mark.map(|mark| mark.height)).flatten();
    for state in accounts.iter_mut().filter(|state| state.proven() != last) {
        state.go_back_proven(last);
    }
    let birthday = accounts.iter().map(AccountState::birthday).min().unwrap_or_default();
    // A birthday above the tip, which somebody has typed or a node has lied about, leaves no block out.
    let start = birthday.min(tip.height.next().unwrap_or(tip.height));
    let marks = accounts.first().map(|state| state.marks().to_vec()).unwrap_or_default();
    Ok(Search { start, marks, addresses: addresses(accounts).into_iter().collect() })
}

/// Takes in that the chain was looked through up to a block, with that block if it may concern an address. Returns the addresses that are
/// new.
///
/// # Errors
/// [`ChainError`]: what was told does not follow what was told before, and is to be asked for again.
pub fn take(
    accounts: &mut [AccountState],
    keys: &[AccountKey],
    to: BlockMark,
    block: Option<&[u8]>,
    spec: &ChainSpec,
) -> Result<Vec<Address>, ChainError> {
    let block = block.map(|bytes| read_block(bytes, to, spec)).transpose()?;
    let effects = block.as_ref().map(effects_of).unwrap_or_default();
    let known = addresses(accounts);
    for (state, key) in accounts.iter_mut().zip(keys) {
        state.take_proven(to, &effects, Some(key))?;
    }
    Ok(addresses(accounts).difference(&known).copied().collect())
}

fn read_block(bytes: &[u8], to: BlockMark, spec: &ChainSpec) -> Result<Block, ChainError> {
    let wrong = |why: String| ChainError::Block { height: to.height, why };
    let block = Block::from_bytes(bytes, block_bytes_max(spec)).map_err(|error| wrong(error.to_string()))?;
    if block.id() == to.id { Ok(block) } else { Err(wrong(format!("it is block {}", block.id()))) }
}

fn effects_of(block: &Block) -> Vec<TxEffects<'_>> {
    let coinbase = TxEffects::of_coinbase(block.coinbase.id(), &block.coinbase.outputs);
    let transactions = block.transactions.iter().map(|transaction| TxEffects::of_transaction(&transaction.body));
    std::iter::once(coinbase).chain(transactions).collect()
}

fn addresses(accounts: &[AccountState]) -> BTreeSet<Address> {
    accounts.iter().flat_map(|state| state.book().addresses()).collect()
}

#[cfg(test)]
mod tests {
    use qbtc_core::hash::BlockHash;
    use qbtc_core::wallet::layout::AddressLayout;
    use qbtc_core::wallet::mnemonic::WalletSeed;

    use super::*;
    use crate::wallet::account::account_key;

    fn key(account: u32) -> AccountKey {
        account_key(&WalletSeed::from_bytes([5; 64]), account, &ChainSpec::dev()).unwrap()
    }

    fn account(number: u32, birthday: u32) -> AccountState {
        AccountState::new(&ChainSpec::dev(), AddressLayout::default(), Height(birthday), &key(number))
    }

    fn mark(height: u32) -> BlockMark {
        BlockMark { height: Height(height), id: BlockHash::from_bytes([height.to_le_bytes()[0]; 32]) }
    }

    #[test]
    fn fresh_words_begin_at_the_tip() {
        let (mut accounts, keys) = (vec![account(0, 10)], [key(0)]);
        let search = begin(&mut accounts, &keys, mark(9)).unwrap();
        assert_eq!((search.start, search.marks), (Height(10), vec![mark(9)]));
        assert!(accounts[0].is_proven() && search.addresses.len() > 20);
        let mut late = vec![account(0, 500)];
        let search = begin(&mut late, &keys, mark(9)).unwrap();
        assert_eq!((search.start, search.marks), (Height(10), vec![mark(9)]), "no block is left out");
    }

    #[test]
    fn what_a_node_has_said_is_looked_at_again() {
        let (mut accounts, keys) = (vec![account(0, 3)], [key(0)]);
        accounts[0].start_above(mark(2));
        accounts[0].take(mark(5), &[], None).unwrap();
        let search = begin(&mut accounts, &keys, mark(9)).unwrap();
        assert_eq!((search.start, search.marks), (Height(3), Vec::new()));
        assert_eq!(accounts[0].mark(), None);
    }

    #[test]
    fn all_accounts_go_on_from_where_the_last_one_stands() {
        let (mut accounts, keys) = (vec![account(0, 1), account(1, 1)], [key(0), key(1)]);
        for (state, heights) in accounts.iter_mut().zip([[3, 8], [3, 5]]) {
            state.start_proven_above(mark(0));
            for height in heights {
                state.take_proven(mark(height), &[], None).unwrap();
            }
        }
        let search = begin(&mut accounts, &keys, mark(9)).unwrap();
        assert_eq!(search.marks, [mark(0), mark(3), mark(5)]);
        assert!(accounts.iter().all(|state| state.is_proven() && state.mark() == Some(mark(5))));
        assert_eq!(take(&mut accounts, &keys, mark(9), None, &ChainSpec::dev()), Ok(Vec::new()));
        assert!(accounts.iter().all(|state| state.is_proven() && state.mark() == Some(mark(9))));
        assert!(take(&mut accounts, &keys, mark(9), None, &ChainSpec::dev()).is_err(), "told twice");
        accounts.push(account(2, 1));
        let search = begin(&mut accounts, &[key(0), key(1), key(2)], mark(9)).unwrap();
        assert_eq!(
            (search.start, search.marks),
            (Height(1), Vec::new()),
            "a further account may have been used before"
        );
    }

    #[test]
    fn the_same_account_twice_is_said() {
        let mut accounts = vec![account(0, 1), account(1, 1), account(1, 1)];
        assert!(matches!(begin(&mut accounts, &[key(0), key(1), key(2)], mark(9)), Err(ChainError::Account(_))));
    }

    #[test]
    fn a_scan_that_keeps_failing_waits_for_another_tip() {
        let (mut restarts, at) = (Restarts::default(), (7, mark(9)));
        for _ in 0..Restarts::MAX {
            restarts.failed(Some(at));
            assert!(restarts.may_start(at));
        }
        restarts.failed(Some(at));
        assert!(!restarts.may_start(at), "however often it is asked");
        assert!(!restarts.may_start(at));
        assert!(restarts.may_start((8, mark(9))), "another client");
        assert!(restarts.may_start((7, mark(10))), "another tip");
        // There it has one try.
        restarts.failed(Some((7, mark(10))));
        assert!(!restarts.may_start((7, mark(10))));
        let mut once = Restarts::default();
        once.give_up(at);
        assert!(!once.may_start(at) && once.may_start((7, mark(10))));
    }

    #[test]
    fn only_the_block_that_was_named_is_read() {
        let (spec, keys) = (ChainSpec::dev(), [key(0)]);
        let genesis = spec.genesis();
        let mut accounts = vec![account(0, 0)];
        let to = BlockMark { height: Height(0), id: genesis.id() };
        let bytes = genesis.to_bytes();
        for wrong in [&bytes[1..], &[]] {
            assert!(matches!(take(&mut accounts, &keys, to, Some(wrong), &spec), Err(ChainError::Block { .. })));
        }
        assert!(take(&mut accounts, &keys, mark(0), Some(&bytes), &spec).is_err());
        assert_eq!(accounts[0].mark(), None);
        assert_eq!(take(&mut accounts, &keys, to, Some(&bytes), &spec), Ok(Vec::new()));
        assert_eq!(accounts[0].proven(), Some(to));
    }
}
