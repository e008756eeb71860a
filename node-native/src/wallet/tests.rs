//! Wallets on disk: made, opened, locked, put under another passphrase, damaged.

use qbtc_core::spec::ChainSpec;
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::mnemonic::Mnemonic;

use super::folder::FolderError;
use super::testing::{WORDS, key};
use super::*;

fn content() -> KeystoreContent {
    let mnemonic = Mnemonic::parse(WORDS).unwrap();
    KeystoreContent { mnemonic, layout: AddressLayout::default(), birthday: Height(7), labels: Vec::new() }
}

fn created(wallets: &Path) -> Wallet {
    Wallet::create(wallets, "savings", &ChainSpec::dev(), content(), "open sesame").unwrap().0
}

#[test]
fn a_wallet_is_made_opened_and_unlocked() {
    let folder = tempfile::tempdir().unwrap();
    let (wallet, unlocked) =
        Wallet::create(folder.path(), "savings", &ChainSpec::dev(), content(), "open sesame").unwrap();
    // The address to which the dev chain allocates money (core's dev.toml).
    let allocated = ChainSpec::dev().consensus().genesis.allocations[0].address;
    assert!(wallet.state().book().path_of(&allocated).is_some());
    assert_eq!(unlocked.key.path(), key().path());
    drop(wallet);
    let wallet = Wallet::open(folder.path(), "savings", &ChainSpec::dev()).unwrap();
    assert_eq!((wallet.name(), wallet.state().birthday()), ("savings", Height(7)));
    assert_eq!(
        wallet.unlock("open sesame", &ChainSpec::dev()).unwrap().content.mnemonic.phrase().as_str(),
        WORDS.replace("    ", "")
    );
    let refused = wallet.unlock("open barley", &ChainSpec::dev()).err().unwrap();
    assert!(matches!(refused, WalletError::Keystore { error: KeystoreError::WrongPassphrase, .. }));
}

#[test]
fn the_passphrase_changes_and_the_wallet_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut wallet = created(folder.path());
    assert!(wallet.change_passphrase("wrong", "new").is_err());
    wallet.change_passphrase("open sesame", "new").unwrap();
    drop(wallet);
    let wallet = Wallet::open(folder.path(), "savings", &ChainSpec::dev()).unwrap();
    assert!(wallet.unlock("open sesame", &ChainSpec::dev()).is_err());
    assert_eq!(wallet.unlock("new", &ChainSpec::dev()).unwrap().key.path(), key().path());
}

#[test]
fn keys_of_main_are_others_than_those_of_test_chains() {
    let folder = tempfile::tempdir().unwrap();
    let first_address = |name: &str, spec: &ChainSpec| {
        let (wallet, _) = Wallet::create(folder.path(), name, spec, content(), "p").unwrap();
        let (_, address) = wallet.state().book().next_unused(qbtc_core::wallet::derivation::Branch::Receive).unwrap();
        address
    };
    let (main, test, dev) = (ChainSpec::main(), ChainSpec::test(), ChainSpec::dev());
    assert_eq!(first_address("a", &test), first_address("b", &dev));
    assert_ne!(first_address("c", &main), first_address("d", &dev));
}

#[test]
fn a_wallet_of_another_chain_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(created(folder.path()));
    let refused = Wallet::open(folder.path(), "savings", &ChainSpec::test()).err().unwrap();
    assert!(matches!(refused, WalletError::OtherChain { .. }), "{refused}");
}

#[test]
fn two_processes_cannot_have_a_wallet_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let wallet = created(folder.path());
    let refused = Wallet::open(folder.path(), "savings", &ChainSpec::dev()).err().unwrap();
    assert!(matches!(refused, WalletError::Folder(FolderError::InUse { .. })), "{refused}");
    drop(wallet);
    Wallet::open(folder.path(), "savings", &ChainSpec::dev()).unwrap();
}

#[test]
fn a_lost_account_costs_a_rescan_and_a_damaged_keystore_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = created(folder.path()).path().to_owned();
    let open = || Wallet::open(folder.path(), "savings", &ChainSpec::dev()).err().unwrap();
    let mut state = std::fs::read(path.join("account")).unwrap();
    state[100] ^= 1;
    std::fs::write(path.join("account"), &state).unwrap();
    assert!(open().to_string().contains("qbtc wallet rescan --wallet savings"));
    std::fs::remove_file(path.join("account")).unwrap();
    assert!(matches!(open(), WalletError::State { error: StateError::Missing, .. }));
    let afresh = Wallet::open_afresh(folder.path(), "savings", &ChainSpec::dev(), "open sesame", None);
    afresh.unwrap().0.save().unwrap();
    Wallet::open(folder.path(), "savings", &ChainSpec::dev()).unwrap();

    let mut keystore = std::fs::read(path.join("keystore")).unwrap();
    keystore[30] ^= 1;
    std::fs::write(path.join("keystore"), &keystore).unwrap();
    assert!(matches!(open(), WalletError::Keystore { error: KeystoreError::HeaderDamaged, .. }));
    std::fs::write(path.join("keystore"), &keystore[..40]).unwrap();
    assert!(matches!(open(), WalletError::Keystore { error: KeystoreError::Truncated { .. }, .. }));
}
