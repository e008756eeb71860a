//! The dev chain pays its allocation to the first address of a wallet whose words everybody knows.

use crate::support::test;
use qbtc_core::crypto::Scheme;
use qbtc_core::lock::{AddressTree, Conditions};
use qbtc_core::spec::ChainSpec;
use qbtc_core::units::Amount;
use qbtc_core::verify::genesis_block;
use qbtc_core::wallet::derivation::{AccountKey, AccountPath, AddressPath, Branch, ChildIndex, CoinType};
use qbtc_core::wallet::mnemonic::Mnemonic;

#[test]
fn the_allocation_is_the_published_wallets() {
    let words = "abandon ".repeat(23) + "art";
    let seed = Mnemonic::parse(&words).unwrap().to_seed("");
    let account = AccountKey::derive(&seed, AccountPath::first(CoinType::TEST));
    let first = AddressPath { branch: Branch::Receive, index: ChildIndex::ZERO };
    let key = account.secret_key(Scheme::MlDsa87, first).public_key().clone();
    let address = AddressTree::single(Conditions::key(key)).address();

    let dev = ChainSpec::dev();
    let genesis = genesis_block(&dev);
    let coins: Vec<_> = genesis.diff().created().values().map(|coin| (coin.address, coin.amount)).collect();
    assert_eq!(coins, [(address, Amount::from_coins(4_200_000))]);
}
