//! Tests of payments: each is signed, measured, and taken in by a node.

use alloc::vec;

use super::*;
use crate::mempool::Mempool;
use crate::testing::test;
use crate::wallet::checks::*;
use crate::wallet::coin_selection::SelectionError;
use crate::wallet::derivation::{Branch, ChildIndex, CoinType};
use crate::wallet::mnemonic::WalletSeed;

#[test]
fn a_payment_with_several_outputs_and_data_is_built_and_signed() {
    for scheme in [Scheme::MlDsa44, Scheme::MlDsa65, Scheme::MlDsa87] {
        let account = account(AddressLayout::single(scheme), &[(0, 3_000_000), (0, 2_000_000), (1, 4_000_000)]);
        let data = TxOut { amount: Amount::ZERO, lock: Lock::Data(vec![1; 80].into()) };
        let outputs = vec![to(foreign(1), 1_500_000), to(foreign(2), 2_000_000), data.clone()];
        let unsigned = built(&account, &payment(&account, outputs.clone(), rate(1_000))).unwrap();
        let transaction = signed(&unsigned, rate(1_000));
        let coins = coins_of(&transaction, unsigned.partial().spent());
        let mut pool = Mempool::new(Policy::default(), HEIGHT);
        assert_eq!(relay(&mut pool, &transaction, &coins), Ok(vec![]));
        assert_eq!(transaction.witnesses.len(), 1, "one address suffices");
        assert!(outputs.iter().all(|output| transaction.body.outputs.contains(output)));
        let change = unsigned.change().unwrap();
        assert_eq!(change.lock, Lock::Address(change_address(&account)));
        assert!(transaction.body.outputs.contains(change));
        // The fee is the least: one quantum less would miss the rate.
        assert_eq!(Some(unsigned.fee()), rate(1_000).fee(unsigned.size_bytes()));
    }
}

#[test]
fn the_change_can_be_any_amount_and_the_fee_stays_exact() {
    // Around each place where the change's own encoding grows by a byte.
    let spend_fee = 4_000;
    for amount in [1 << 14, 1 << 21, 1 << 28] {
        for off in 0..80 {
            let account = plain(&[(0, 100_000 + spend_fee + amount - 40 + off)]);
            let unsigned = built(&account, &payment(&account, vec![to(foreign(1), 100_000)], rate(1_000))).unwrap();
            let least = rate(1_000).fee(unsigned.size_bytes()).unwrap();
            // At the very edge one quantum can be left that would make the change longer and cost more than itself.
            assert!(unsigned.fee() >= least && unsigned.fee().quanta() <= least.quanta() + 1);
        }
    }
}

#[test]
fn everything_is_sent() {
    let account = plain(&[(0, 3_000_000), (1, 2_000_000), (2, 100)]);
    let everything =
        |outputs| Payment { rest: Rest::Everything(foreign(9)), ..payment(&account, outputs, rate(1_000)) };
    let unsigned = built(&account, &everything(vec![])).unwrap();
    let transaction = signed(&unsigned, rate(1_000));
    let sent = quanta(5_000_000).checked_sub(unsigned.fee()).unwrap();
    assert_eq!(transaction.body.outputs, [to(foreign(9), sent.quanta())]);
    assert_eq!(unsigned.change(), None);
    let unsigned = built(&account, &everything(vec![to(foreign(1), 1_000_000)])).unwrap();
    let rest = quanta(4_000_000).checked_sub(unsigned.fee()).unwrap();
    assert_eq!(signed(&unsigned, rate(1_000)).body.outputs[1], to(foreign(9), rest.quanta()));

    // What is left must be worth spending, or nodes would not relay it.
    let fee = {
        let one = plain(&[(0, 3_000_000)]);
        built(&one, &Payment { rest: Rest::Everything(foreign(9)), ..payment(&one, vec![], rate(1_000)) })
            .unwrap()
            .fee()
    };
    // An amount below 2^14 is encoded in two bytes less than one of millions.
    let dust_min = Policy::default().dust_min();
    let least = fee.quanta() - 2 + dust_min.quanta();
    let send = |amount| {
        let one = plain(&[(0, amount)]);
        built(&one, &Payment { rest: Rest::Everything(foreign(9)), ..payment(&one, vec![], rate(1_000)) })
    };
    assert_eq!(send(least).unwrap().body().outputs, [to(foreign(9), dust_min.quanta())]);
    let refused = BuildError::RestTooSmall { available: quanta(least - 1), least: dust_min };
    assert_eq!(send(least - 1).unwrap_err(), refused);
}

#[test]
fn the_fallback_key_spends_when_it_is_asked_to() {
    let layout = AddressLayout::with_fallback(Scheme::MlDsa44).unwrap();
    let account = account(layout, &[(0, 3_000_000)]);
    let payment = payment(&account, vec![to(foreign(1), 1_000_000)], rate(1_000));
    for (key, scheme) in [(SigningKey::Ordinary, Scheme::MlDsa44), (SigningKey::Fallback, AddressLayout::FALLBACK)] {
        let unsigned = with_funds(&account, key, |funds| build(funds, &payment)).unwrap();
        let transaction = signed(&unsigned, rate(1_000));
        let crate::lock::Condition::Key(shown) = &transaction.witnesses[0].conditions[0] else { panic!() };
        assert_eq!(shown.scheme(), scheme);
        assert_eq!(transaction.witnesses[0].path.depth(), 1);
    }
    let single = plain(&[(0, 3_000_000)]);
    let refused = with_funds(&single, SigningKey::Fallback, |funds| build(funds, &payment));
    assert_eq!(refused, Err(BuildError::NoFallback));
}

#[test]
fn what_cannot_be_paid_is_refused_with_its_reason() {
    let account = plain(&[(0, 3_000_000)]);
    let refused = |payment: Payment| built(&account, &payment).unwrap_err();
    let pay = |outputs| payment(&account, outputs, rate(1_000));
    assert_eq!(refused(pay(vec![])), BuildError::NoOutputs);
    let least = Policy::default().dust_min();
    let dust = least.quanta() - 1;
    assert!(built(&account, &pay(vec![to(foreign(1), dust + 1)])).is_ok());
    assert_eq!(
        refused(pay(vec![to(foreign(1), 10_000), to(foreign(1), dust)])),
        BuildError::Dust { index: 1, found: quanta(dust), least }
    );
    let too_cheap = BuildError::FeeRate { found: rate(999), least: rate(1_000) };
    assert_eq!(refused(payment(&account, vec![to(foreign(1), 10_000)], rate(999))), too_cheap);
    let data = |bytes: usize, amount| TxOut { amount: quanta(amount), lock: Lock::Data(vec![1; bytes].into()) };
    assert!(built(&account, &pay(vec![data(80, 0)])).is_ok());
    assert_eq!(refused(pay(vec![data(81, 0)])), BuildError::Data { index: 0, found: 81, limit: 80 });
    assert_eq!(refused(pay(vec![data(80, 1)])), BuildError::DataAmount { index: 0, found: quanta(1) });
    assert_eq!(refused(pay(vec![data(1, 0), data(2, 0)])), BuildError::DataOutputs { found: 2, limit: 1 });
    let heights = |lock, expiry| Payment {
        lock_height: Height(lock),
        expiry_height: Height(expiry),
        ..pay(vec![to(foreign(1), 10_000)])
    };
    assert!(built(&account, &heights(7, 7)).is_ok() && built(&account, &heights(7, 0)).is_ok());
    let never = BuildError::NeverValid { lock: Height(7), expiry: Height(6) };
    assert_eq!(refused(heights(7, 6)), never);
    // What is needed is what is paid and the fee of a transaction without change.
    let fee = {
        let richer = plain(&[(0, 3_000_100)]);
        let everything = Payment { rest: Rest::Everything(foreign(1)), ..payment(&richer, vec![], rate(1_000)) };
        built(&richer, &everything).unwrap().fee()
    };
    let short = refused(pay(vec![to(foreign(1), 3_000_000)]));
    let missing = alloc::format!("{fee} QBTC are missing");
    assert!(alloc::string::ToString::to_string(&short).starts_with(&missing), "{short}");
    let BuildError::Selection(SelectionError::Insufficient { needed, available, .. }) = short else {
        panic!("{short}")
    };
    assert_eq!((needed, available), (quanta(3_000_000 + fee.quanta()), quanta(3_000_000)));
    assert_eq!(refused(pay(vec![to(foreign(1), i64::MAX as u64); 2])), BuildError::Overflow);
    let unsigned = built(&account, &pay(vec![to(foreign(1), 10_000)])).unwrap();
    let account_path = AccountPath { coin: CoinType::TEST, account: ChildIndex::new(1).unwrap() };
    let other = AccountKey::derive(&WalletSeed::from_bytes([5; 64]), account_path);
    let expected = AccountPath::first(CoinType::TEST);
    assert_eq!(unsigned.sign(&other, &[7; 32]), Err(BuildError::Account { found: account_path, expected }));
}

#[test]
fn a_scheme_signs_only_where_the_chain_allows_it() {
    let account = plain(&[(0, 3_000_000)]);
    let later = ChainSpec::dev()
        .to_toml()
        .replace("scheme = \"ML-DSA-44\"\nfrom_height = 0", "scheme = \"ML-DSA-44\"\nfrom_height = 101");
    let spec = ChainSpec::from_toml(&later).unwrap();
    assert_ne!(spec, ChainSpec::dev());
    let at = |height| {
        let outputs = vec![to(foreign(1), 1_000_000)];
        let payment = Payment { lock_height: Height(height), ..payment(&account, outputs, rate(1_000)) };
        with_funds(&account, SigningKey::Ordinary, |funds| build(&Funds { spec: &spec, ..*funds }, &payment))
    };
    assert_eq!(at(100), Err(BuildError::Scheme { scheme: Scheme::MlDsa44, height: Height(100) }));
    assert!(at(101).is_ok());
}

#[test]
fn a_payment_is_as_large_as_nodes_relay_and_no_larger() {
    let account = plain(&[(0, 3_000_000), (1, 3_000_000)]);
    let payment = payment(&account, vec![to(foreign(1), 5_000_000)], rate(1_000));
    let within = |tx_bytes_max| {
        let policy = Policy { tx_bytes_max, ..Policy::default() };
        with_funds(&account, SigningKey::Ordinary, |funds| build(&Funds { policy: &policy, ..*funds }, &payment))
    };
    let size = u32::try_from(within(100_000).unwrap().size_bytes()).unwrap();
    assert!(within(size).is_ok());
    let refused = SelectionError::TooLarge { found: size.into(), limit: (size - 1).into() };
    assert_eq!(within(size - 1), Err(BuildError::Selection(refused)));
}

#[test]
fn a_body_of_64_bytes_is_refused() {
    // Version, counts, input, amount, lock, heights: 43 bytes beside the data, so 21 bytes of data make 64.
    let account = plain(&[(0, 5_000)]);
    let write = |bytes: usize| {
        let data = TxOut { amount: Amount::ZERO, lock: Lock::Data(vec![1; bytes].into()) };
        built(&account, &Payment { expiry_height: Height(200), ..payment(&account, vec![data], rate(1_000)) })
    };
    let lengths: Vec<_> = (0..40).filter(|bytes| write(*bytes) == Err(BuildError::MerkleNodeSize)).collect();
    assert_eq!(lengths.len(), 1, "{lengths:?}");
    for bytes in [lengths[0] - 1, lengths[0] + 1] {
        signed(&write(bytes).unwrap(), rate(1_000));
    }
}

#[test]
fn a_watching_account_builds_with_public_keys_and_not_without() {
    let full = plain(&[(0, 3_000_000)]);
    let payment = payment(&full, vec![to(foreign(1), 1_000_000)], rate(1_000));
    let unsigned = built(&full, &payment).unwrap();
    // Built without the secret; another machine signs what it is handed.
    let mut handed = PartialTx::from_bytes(&unsigned.partial().to_bytes()).unwrap();
    assert_eq!(handed.sign(&secret().secret_key(Scheme::MlDsa44, unsigned.paths()[0]), &[1; 32]), 1);
    assert_valid(&handed.finalize().unwrap(), handed.spent(), &ChainSpec::dev(), HEIGHT);

    let address = full.book().entry(unsigned.paths()[0]).unwrap().address;
    let mut bare = AddressBook::new(secret().path(), full.book().layout(), 4).unwrap();
    bare.append(Branch::Receive, crate::wallet::address_book::BookEntry { address, keys: None }).unwrap();
    let refused = with_funds(&full, SigningKey::Ordinary, |funds| build(&Funds { book: &bare, ..*funds }, &payment));
    assert_eq!(refused, Err(BuildError::UnknownKeys { address }));
}

#[test]
fn payments_expire_about_an_hour_ahead() {
    let tip = Height(100);
    for (spacing, ahead) in [(60, 60), (10, 360), (600, 6), (3_600, 2), (604_800, 2), (1, 3_600)] {
        assert_eq!(expiry_height(tip, spacing), Height(100 + ahead));
    }
    assert_eq!(expiry_height(Height(u32::MAX), 60), Height::GENESIS);
    // By default, as the chain's spacing has it: ten seconds here.
    let account = plain(&[(0, 3_000_000)]);
    let unsigned = built(&account, &payment(&account, vec![to(foreign(1), 10_000)], rate(1_000))).unwrap();
    assert_eq!((unsigned.body().lock_height, unsigned.body().expiry_height), (HEIGHT, Height(460)));
}
