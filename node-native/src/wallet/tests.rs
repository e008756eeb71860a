//! Wallets on disk: made, opened, locked, put under another passphrase, damaged.

use qbtc_core::spec::ChainSpec;
use qbtc_core::wallet::address_book::AddressBook;
use qbtc_core::wallet::layout::AddressLayout;
use qbtc_core::wallet::mnemonic::Mnemonic;

use super::folder::FolderError;
use super::testing::{WORDS, key, other_key};
use super::*;
use qbtc_core::wallet::derivation::{Branch, ChildIndex};

fn content() -> KeystoreContent {
    let mnemonic = Mnemonic::parse(WORDS).unwrap();
    KeystoreContent {
        mnemonic,
        layout: AddressLayout::default(),
        birthday: Height(7),
        labels: Vec::new(),
        account: ChildIndex::ZERO,
    }
}

fn created(wallets: &Path) -> Wallet {
    Wallet::create(wallets, "savings", &ChainSpec::dev(), content(), AddressBook::GAP_LIMIT, "open sesame").unwrap().0
}

#[test]
fn a_wallet_is_made_opened_and_unlocked() {
    let folder = tempfile::tempdir().unwrap();
    let (wallet, unlocked) =
        Wallet::create(folder.path(), "savings", &ChainSpec::dev(), content(), AddressBook::GAP_LIMIT, "open sesame")
            .unwrap();
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
        let (wallet, _) = Wallet::create(folder.path(), name, spec, content(), AddressBook::GAP_LIMIT, "p").unwrap();
        let (_, address) = wallet.state().book().next_unused(Branch::Receive).unwrap();
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
    let found = FoundWallet::find(folder.path(), "savings").unwrap();
    found.open_afresh(&ChainSpec::dev(), "open sesame", None).unwrap().0.save().unwrap();
    Wallet::open(folder.path(), "savings", &ChainSpec::dev()).unwrap();

    let mut keystore = std::fs::read(path.join("keystore")).unwrap();
    keystore[30] ^= 1;
    std::fs::write(path.join("keystore"), &keystore).unwrap();
    assert!(matches!(open(), WalletError::Keystore { error: KeystoreError::HeaderDamaged, .. }));
    std::fs::write(path.join("keystore"), &keystore[..40]).unwrap();
    assert!(matches!(open(), WalletError::Keystore { error: KeystoreError::Truncated { .. }, .. }));
}

#[test]
fn a_new_look_begins_where_it_is_told_to_and_never_above_the_birthday() {
    let folder = tempfile::tempdir().unwrap();
    drop(created(folder.path()));
    let afresh = |from: Option<u32>| {
        let found = FoundWallet::find(folder.path(), "savings").unwrap();
        found.open_afresh(&ChainSpec::dev(), "open sesame", from.map(Height)).unwrap().0
    };
    assert_eq!(afresh(None).state().birthday(), Height(7));
    assert_eq!(afresh(Some(3)).state().birthday(), Height(3));
    // Coins of earlier blocks are not left out: what is known of them stays.
    let mut wallet = afresh(Some(9_000));
    assert_eq!((wallet.state().birthday(), wallet.state().tip()), (Height(7), None));
    let (_, given) = wallet.state().book().next_unused(Branch::Receive).unwrap();
    wallet.state_mut().book_mut().mark_used(&given);
    wallet.save().unwrap();
    drop(wallet);
    assert_ne!(afresh(None).state().book().next_unused(Branch::Receive).unwrap().1, given);
    // With what was known lost, there is only the birthday.
    std::fs::remove_file(folder.path().join("savings/account")).unwrap();
    assert_eq!(afresh(Some(9_000)).state().birthday(), Height(7));
}

#[test]
fn a_backup_brings_wallet_and_labels_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut wallet = created(folder.path());
    wallet.set_label("dbqs1abc", "rent").unwrap();
    assert!(wallet.set_label("dbqs1abc", "\n").is_err());
    assert!(wallet.backup("wrong").is_err());
    let bytes = wallet.backup("open sesame").unwrap();
    drop(wallet);
    let again = Wallet::open(folder.path(), "savings", &ChainSpec::dev()).unwrap();
    assert_eq!(again.labels().of("dbqs1abc"), Some("rent"));
    let content = Keystore::from_bytes(&bytes).unwrap().open("open sesame").unwrap();
    drop(
        Wallet::create(folder.path(), "again", &ChainSpec::dev(), content, AddressBook::GAP_LIMIT, "another").unwrap(),
    );
    let back = Wallet::open(folder.path(), "again", &ChainSpec::dev()).unwrap();
    assert_eq!((back.labels(), back.state()), (again.labels(), again.state()));
}

#[test]
fn a_wallet_that_only_watches_has_no_secret_and_takes_more_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let mut signer = created(folder.path());
    let mut export = |count| Watched::export(signer.state_mut(), &key(), count).unwrap();
    let mut wallet = Wallet::watch(folder.path(), "till", export(25)).unwrap();
    assert!(wallet.only_watches() && !wallet.is_bare());
    assert!(matches!(wallet.unlock("open sesame", &ChainSpec::dev()), Err(WalletError::WatchesOnly { .. })));
    assert!(matches!(wallet.change_passphrase("a", "b"), Err(WalletError::WatchesOnly { .. })));
    assert_eq!(wallet.watch_more(&export(30)).unwrap(), 10);
    drop(wallet);
    // Its list is what brings it back.
    std::fs::remove_file(folder.path().join("till/account")).unwrap();
    let found = FoundWallet::find(folder.path(), "till").unwrap();
    assert!(found.only_watches());
    let (wallet, unlocked) = found.open_afresh(&ChainSpec::dev(), "", None).unwrap();
    assert!(unlocked.is_none());
    assert_eq!(wallet.state().book().len(), 60);
    let more = export(31);
    assert!(matches!(signer.watch_more(&more), Err(WalletError::HasSecret { .. })));
}

#[test]
fn addresses_that_a_kill_left_out_are_brought_in_by_the_same_command() {
    let folder = tempfile::tempdir().unwrap();
    let mut signer = created(folder.path());
    let mut export = |count| Watched::export(signer.state_mut(), &key(), count).unwrap();
    drop(Wallet::watch(folder.path(), "till", export(25)).unwrap());
    let more = export(30);
    // The list was written, and the state was not.
    let written = WalletFolder::open(folder.path(), "till").unwrap();
    written.write_keys(&KeyFile::Watched(more.to_bytes())).unwrap();
    drop(written);
    let mut wallet = Wallet::open(folder.path(), "till", &ChainSpec::dev()).unwrap();
    assert_eq!((wallet.state().book().len(), wallet.watch_more(&more).unwrap()), (50, 0));
    assert_eq!(wallet.state().book().len(), 60);
}

#[test]
fn what_another_wallet_knew_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    drop(created(folder.path()));
    let key = other_key();
    let other = WalletState::new(&ChainSpec::dev(), AddressLayout::default(), Height(1), AddressBook::GAP_LIMIT, &key);
    std::fs::write(folder.path().join("savings/account"), other.to_bytes()).unwrap();
    let found = FoundWallet::find(folder.path(), "savings").unwrap();
    let (wallet, _) = found.open_afresh(&ChainSpec::dev(), "open sesame", Some(Height(9_000))).unwrap();
    assert!(!wallet.state().is_of_same_wallet(&other));
    assert_eq!(wallet.state().birthday(), Height(7));
}
