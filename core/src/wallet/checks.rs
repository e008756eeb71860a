//! What the wallet's tests share: an account with coins, and the way a node takes in what the wallet makes, from bytes to
//! verified signatures.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::account::Account;
use super::address_book::AddressBook;
use super::builder::{BuildError, Funds, Payment, Rest, SigningKey, UnsignedTx, build};
use super::derivation::{AccountKey, AccountPath, AddressPath, Branch, ChildIndex, CoinType};
use super::layout::AddressLayout;
use super::ledger::{BlockMark, Ledger, TxEffects};
use super::mnemonic::WalletSeed;
use crate::codec;
use crate::crypto::{Scheme, verify_serial};
use crate::hash::{BlockHash, Txid};
use crate::lock::{Address, Lock};
use crate::mempool::{AdmitError, Mempool, Policy};
use crate::spec::ChainSpec;
use crate::tx::{Transaction, TxOut};
use crate::units::{Amount, BlockTime, FeeRate, Height};
use crate::utxo::{Coin, CoinDiff, MemoryCoins};
use crate::verify::{ResolveError, ResolvedTx, VerifiedCache, check_transaction, resolve_transaction};

/// Panics unless the transaction may stand in a block of this height, given what it spends.
pub(super) fn assert_valid(transaction: &Transaction, spent: &[TxOut], spec: &ChainSpec, height: Height) -> ResolvedTx {
    let bytes = codec::encode(transaction);
    let decoded = codec::decode(&bytes, bytes.len()).unwrap();
    let checked = check_transaction(decoded, spec.consensus()).unwrap();
    let coins = coins_of(transaction, spent);
    let resolved = resolve_transaction(&Arc::new(checked), height, &coins, &VerifiedCache::new(0), spec).unwrap();
    let jobs = resolved.jobs();
    assert!(!jobs.is_empty(), "somebody signed");
    verify_serial(&jobs).unwrap();
    resolved
}

/// The coins that a transaction spends, mined long ago.
pub(super) fn coins_of(transaction: &Transaction, spent: &[TxOut]) -> MemoryCoins {
    let mut made = CoinDiff::default();
    for (outpoint, output) in transaction.body.inputs.iter().zip(spent) {
        made.create(*outpoint, Coin::of_output(output, Height::GENESIS, false).unwrap()).unwrap();
    }
    let mut coins = MemoryCoins::default();
    coins.apply(&made).unwrap();
    coins
}

/// The height of the tip and, for the tests, of the block that spends.
pub(super) const HEIGHT: Height = Height(100);

pub(super) fn secret() -> AccountKey {
    AccountKey::derive(&WalletSeed::from_bytes([5; 64]), AccountPath::first(CoinType::TEST))
}

pub(super) fn rate(quanta: u64) -> FeeRate {
    FeeRate::from_quanta_per_1000_bytes(quanta)
}

pub(super) fn quanta(quanta: u64) -> Amount {
    Amount::from_quanta(quanta).unwrap()
}

pub(super) fn to(address: Address, amount: u64) -> TxOut {
    TxOut { amount: quanta(amount), lock: Lock::Address(address) }
}

pub(super) fn foreign(number: u8) -> Address {
    Address::from_bytes([number; 32])
}

/// An account with coins of these amounts: (receive index, amount).
pub(super) fn account(layout: AddressLayout, coins: &[(u32, u64)]) -> Account {
    let mut book = AddressBook::new(secret().path(), layout, 4).unwrap();
    book.extend(&secret()).unwrap();
    let address = |index| {
        let path = AddressPath { branch: Branch::Receive, index: ChildIndex::new(index).unwrap() };
        book.entry(path).unwrap().address
    };
    let outputs: Vec<_> = coins.iter().map(|(index, amount)| to(address(*index), *amount)).collect();
    let mut account = Account::new(book, Ledger::default());
    let gift = TxEffects {
        txid: Txid::from_bytes([9; 32]),
        is_coinbase: false,
        expiry_height: Height::GENESIS,
        inputs: &[],
        outputs: &outputs,
    };
    let block = BlockMark { height: Height(1), id: BlockHash::ZERO };
    account.apply(block, &[gift], None).unwrap();
    account
}

pub(super) fn plain(coins: &[(u32, u64)]) -> Account {
    account(AddressLayout::single(Scheme::MlDsa44), coins)
}

/// Calls with the account's funds, as a shell gathers them.
pub(super) fn with_funds<T>(account: &Account, key: SigningKey, then: impl FnOnce(&Funds<'_>) -> T) -> T {
    let coins = account.ledger().spendable(HEIGHT, 10);
    let balance = account.ledger().balance(HEIGHT, 10);
    let (spec, policy) = (ChainSpec::dev(), Policy::default());
    then(&Funds { spec: &spec, policy: &policy, book: account.book(), coins: &coins, balance, key })
}

pub(super) fn change_address(account: &Account) -> Address {
    account.book().next_unused(Branch::Change).unwrap().1
}

pub(super) fn payment(account: &Account, outputs: Vec<TxOut>, fee_rate: FeeRate) -> Payment {
    Payment::new(outputs, Rest::Change(change_address(account)), fee_rate, HEIGHT, ChainSpec::dev().consensus())
}

pub(super) fn built(account: &Account, payment: &Payment) -> Result<UnsignedTx, BuildError> {
    with_funds(account, SigningKey::Ordinary, |funds| build(funds, payment))
}

/// Signs, and checks everything that was said about the transaction before: its size, its rate, and that a node takes it in.
pub(super) fn signed(unsigned: &UnsignedTx, fee_rate: FeeRate) -> Transaction {
    let transaction = unsigned.clone().sign(&secret(), &[7; 32]).unwrap();
    let resolved = assert_valid(&transaction, unsigned.partial().spent(), &ChainSpec::dev(), HEIGHT);
    assert_eq!(resolved.fee(), unsigned.fee());
    assert_eq!(codec::encoded_len(&transaction) as u64, unsigned.size_bytes(), "the size is exact");
    assert!(unsigned.fee() >= fee_rate.fee(unsigned.size_bytes()).unwrap(), "the rate is reached");
    assert!(transaction.body.inputs.is_sorted() && transaction.body.outputs.is_sorted_by_key(|output| output.amount));
    transaction
}

/// Takes a transaction into a pool, and returns what it pushed out.
pub(super) fn relay(
    pool: &mut Mempool,
    transaction: &Transaction,
    coins: &MemoryCoins,
) -> Result<Vec<Txid>, AdmitError> {
    let (spec, mut cache, now) = (ChainSpec::dev(), VerifiedCache::new(10), BlockTime(1_800_000_000));
    let checked = Arc::new(check_transaction(transaction.clone(), spec.consensus()).unwrap());
    let candidate = pool.resolve(&checked, coins, &cache, &spec, now).map_err(|error| match error {
        ResolveError::Invalid(error) => error,
        ResolveError::View(never) => match never {},
    })?;
    let removed = pool.insert(candidate.verify(verify_serial)?, &mut cache, now)?;
    Ok(removed.iter().map(|removal| removal.tx.txid()).collect())
}
