//! Wallets as their users have them: one that watches and one that signs on another machine, several that must sign, labels, backups,
//! and what happens when processes meet or are killed.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use qbtc_core::lock::{AddressTree, Condition, Conditions, Lock, Path};
use qbtc_core::spec::ChainSpec;
use qbtc_core::tx::{OutPoint, TxBody, TxOut};
use qbtc_core::units::{Amount, Height};
use qbtc_core::wallet::derivation::{AddressPath, Branch, ChildIndex};
use qbtc_core::wallet::partial::PartialTx;
use qbtc_node::wallet::watched::Watched;
use serde_json::Value;

use crate::support::{User, qbtc};

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn carry(from: &User, to: &User, file: &str) {
    fs::copy(from.path(file), to.path(file)).unwrap();
}

/// A user whose wallet `rich` has what the dev chain allots to everybody, ten blocks deep.
pub(crate) fn rich() -> (User, crate::support::NodeProcess, String) {
    let user = User::new();
    let node = user.start_node(&[]);
    user.write("words", WORDS);
    user.wallet(&["restore", "rich", "--words-file", "words"]);
    let bob = text(&user.wallet(&["create", "bob"])["address"]);
    user.done(&["rpc", "generatetoaddress", "10", &bob]);
    (user, node, bob)
}

#[test]
fn what_watches_makes_a_payment_and_what_is_offline_signs_it() {
    let (online, offline) = (User::new(), User::new());
    let _node = online.start_node(&[]);
    offline.wallet(&["create", "cold"]);
    offline.wallet(&["export", "watch.qbtc", "--addresses", "25"]);
    assert!(
        offline.refused(1, &["wallet", "export", "watch.qbtc", "--passphrase-file", "pass"]).contains("watch.qbtc")
    );
    carry(&offline, &online, "watch.qbtc");
    let made = online.wallet(&["watch", "till", "--from", "watch.qbtc"]);
    assert_eq!((&made["addresses"], &made["added"]), (&Value::from(50), &Value::from(50)));
    let address = online.done(&["wallet", "-w", "till", "address", "--label", "rent"]);
    assert_eq!(address, offline.done(&["wallet", "--offline", "address"]));
    let bob = text(&online.wallet(&["create", "bob"])["address"]);
    online.done(&["rpc", "generatetoaddress", "1", &address]);
    online.done(&["rpc", "generatetoaddress", "10", &bob]);
    let coins = online.wallet(&["-w", "till", "coins"]);
    assert_eq!((&coins["coins"][0]["amount"], &coins["coins"][0]["label"]), (&Value::from("4"), &Value::from("rent")));

    // It has no secret, and says what to do instead.
    let order = format!("{bob}=1.5");
    for refused in [&["send", &order, "--yes"][..], &["sign", &address, "x"], &["words"], &["sync", "--unlock"]] {
        let all = [&["wallet", "-w", "till", "--passphrase-file", "pass"], refused].concat();
        assert!(online.refused(1, &all).contains("only watches"), "{refused:?}");
    }
    let made = online.wallet(&["-w", "till", "partial", "create", &order, "--out", "pay.ptx"]);
    assert_eq!((&made["is_complete"], &made["effect"]["own_inputs"]), (&Value::from(false), &Value::from(1)));
    assert!(online.refused(1, &["wallet", "-w", "till", "partial", "send", "pay.ptx", "--yes"]).contains("lacks"));

    carry(&online, &offline, "pay.ptx");
    let shown = offline.done(&["wallet", "partial", "show", "pay.ptx"]);
    assert!(shown.contains(&format!("1.5 QBTC  to {bob}")) && shown.contains("lacks    the signature"), "{shown}");
    assert!(shown.contains("(your own)"), "the change is recognised: {shown}");
    assert!(offline.refused(1, &["wallet", "partial", "sign", "pay.ptx"]).contains("--yes"));
    let dear = offline.refused(1, &["wallet", "partial", "sign", "pay.ptx", "--yes", "--max-fee", "0.00000001"]);
    assert!(dear.contains("--max-fee"), "{dear}");
    let signed = offline.wallet(&["partial", "sign", "pay.ptx", "--yes", "--out", "signed.ptx"]);
    assert_eq!((&signed["signed"], &signed["is_complete"]), (&Value::from(1), &Value::from(true)));
    assert_eq!(signed["effect"]["txid"], made["effect"]["txid"]);
    // Another wallet, and another chain, have nothing to sign.
    online.write("words", WORDS);
    online.wallet(&["restore", "rich", "--words-file", "words"]);
    let refused = online.refused(1, &["wallet", "-w", "rich", "partial", "sign", "pay.ptx", "--yes"]);
    assert!(refused.contains("none of the keys"), "{refused}");
    assert!(offline.refused(1, &["--chain", "test", "wallet", "partial", "show", "pay.ptx"]).contains("on chain"));

    carry(&offline, &online, "signed.ptx");
    let send = ["wallet", "-w", "till", "partial", "send", "signed.ptx", "--yes"];
    assert!(online.refused(1, &[&send[..], &["--max-fee", "0.00000001"]].concat()).contains("--max-fee"));
    let sent = online.wallet(&send[1..]);
    assert!(online.done(&["rpc", "getrawmempool"]).contains(&text(&sent["txid"])));
    online.done(&["rpc", "generatetoaddress", "1", &bob]);
    let history = online.wallet(&["-w", "till", "history"]);
    assert_eq!((&history["entries"][0]["txid"], &history["entries"][0]["kind"]), (&sent["txid"], &Value::from("sent")));
    // All of it is found again from the list alone.
    let before = online.wallet(&["-w", "till", "balance"]);
    fs::remove_file(online.path("data/dev/wallets/till/account")).unwrap();
    assert!(online.refused(1, &["wallet", "-w", "till", "balance"]).contains("rescan"));
    online.done(&["wallet", "-w", "till", "rescan"]);
    assert_eq!(online.wallet(&["-w", "till", "balance"]), before);
}

#[test]
fn bare_addresses_are_watched_and_new_ones_are_looked_for_from_the_beginning() {
    let (user, _node, bob) = rich();
    let made = user.wallet(&["watch", "look", "--address", &bob]);
    assert_eq!(made["addresses"], 1);
    assert_eq!(user.wallet(&["-w", "look", "balance"])["total"], "40");
    let rich = text(&user.wallet(&["-w", "rich", "addresses", "--all"])["addresses"][0]["address"]);
    assert_eq!(user.wallet(&["watch", "look", "--address", &rich, "--address", &bob])["added"], 1);
    assert_eq!(user.wallet(&["-w", "look", "balance"])["total"], "4200040");
    assert_eq!(user.wallet(&["-w", "look", "info"])["kind"], "watches-addresses");
    let refused = user.refused(1, &["wallet", "-w", "look", "partial", "create", &format!("{bob}=1")]);
    assert!(refused.contains("bare addresses"), "{refused}");
    assert!(user.refused(1, &["wallet", "watch", "rich", "--address", &bob]).contains("has its secret"));
}

#[test]
fn two_of_two_sign_copies_that_are_combined() {
    let signers = [User::new(), User::new()];
    let key = |user: &User| {
        user.wallet(&["create", "cold"]);
        user.wallet(&["export", "watch.qbtc", "--addresses", "20"]);
        let watched = Watched::from_bytes(&fs::read(user.path("watch.qbtc")).unwrap()).unwrap();
        let path = AddressPath { branch: Branch::Receive, index: ChildIndex::new(3).unwrap() };
        watched.book().entry(path).unwrap().keys.as_ref().unwrap().signing.clone()
    };
    let keys = signers.iter().map(key).collect();
    let conditions = Conditions::new(vec![Condition::Threshold { required: 2, keys }]).unwrap();
    let address = AddressTree::single(conditions.clone()).address();
    let output = |coins| TxOut { amount: Amount::from_coins(coins), lock: Lock::Address(address) };
    let body = TxBody {
        version: TxBody::VERSION,
        inputs: vec![OutPoint { txid: ChainSpec::dev().genesis().coinbase.id(), index: 0 }],
        outputs: vec![output(1)],
        lock_height: Height::GENESIS,
        expiry_height: Height::GENESIS,
    };
    let mut partial = PartialTx::new(ChainSpec::dev().chain_id(), body, vec![output(2)]).unwrap();
    partial.choose(conditions, Path::default()).unwrap();
    for signer in &signers {
        fs::write(signer.path("pay.ptx"), partial.to_bytes()).unwrap();
        let signed = signer.wallet(&["partial", "sign", "pay.ptx", "--yes", "--max-fee", "1", "--out", "signed.ptx"]);
        assert_eq!((&signed["signed"], &signed["is_complete"]), (&Value::from(1), &Value::from(false)));
        assert_eq!(signed["effect"]["own_inputs"], 0);
    }
    let [first, second] = signers;
    fs::copy(second.path("signed.ptx"), first.path("other.ptx")).unwrap();
    let whole = first.done(&["wallet", "partial", "combine", "signed.ptx", "other.ptx"]);
    first.write("whole.ptx", &whole);
    assert!(first.done(&["wallet", "partial", "show", "whole.ptx"]).contains("complete"));
    let bytes = data_encoding::BASE64.decode(whole.as_bytes()).unwrap();
    PartialTx::from_bytes(&bytes).unwrap().finalize().unwrap();
}

#[test]
fn several_are_paid_the_recipients_bear_the_fee_and_labels_are_shown() {
    let (user, _node, bob) = rich();
    let carol = text(&user.wallet(&["create", "carol"])["address"]);
    user.wallet(&["-w", "rich", "label", &carol, "Carol"]);
    let (to_bob, to_carol) = (format!("{bob}=3"), format!("{carol}=2"));
    let planned = user.done(&["wallet", "-w", "rich", "send", &to_bob, &to_carol, "--subtract-fee", "--dry-run"]);
    assert!(planned.contains("(Carol)"), "{planned}");
    let send = ["-w", "rich", "send", &to_bob, &to_carol, "--subtract-fee", "--label", "wages, =June", "--yes"];
    let sent = user.wallet(&send);
    assert_eq!((&sent["leaves"], sent["recipients"].as_array().unwrap().len()), (&Value::from("5"), 2));
    user.done(&["rpc", "generatetoaddress", "1", &bob]);
    assert_eq!(user.wallet(&["-w", "rich", "balance"])["total"], "4199995");
    let got: f64 = text(&user.wallet(&["-w", "carol", "balance"])["available"]).parse().unwrap();
    assert!((1.9..2.0).contains(&got), "{got}");

    assert_eq!(user.wallet(&["-w", "rich", "history"])["entries"][0]["label"], "wages, =June");
    let shown = user.wallet(&["-w", "rich", "show", &text(&sent["txid"])]);
    assert_eq!(
        (&shown["kind"], &shown["change"], &shown["spent_coins"][0]["amount"]),
        (&"sent".into(), &"-5".into(), &"4200000".into())
    );
    let change = &shown["received_coins"][0];
    let coin = format!("{}:{}", text(&change["txid"]), change["index"]);
    let planned = user.wallet(&["-w", "rich", "send", &to_bob, "--coin", &coin, "--dry-run"]);
    assert_eq!(planned["inputs"], 1);
    let gone = format!("{}:77", text(&sent["txid"]));
    assert!(
        user.refused(1, &["wallet", "-w", "rich", "send", &to_bob, "--coin", &gone, "--dry-run"])
            .contains("qbtc wallet coins")
    );
    let csv = user.done(&["wallet", "-w", "rich", "history", "--csv", "--limit", "0"]);
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 3, "{csv}");
    assert!(lines[0].starts_with("time,block,"), "{csv}");
    assert!(lines[1].contains("Z,11,1,sent,-5,") && lines[1].ends_with("\"wages, =June\","), "{csv}");
    let labels = user.wallet(&["-w", "rich", "labels"]);
    assert_eq!(labels["labels"].as_array().unwrap().len(), 2);
    user.wallet(&["-w", "rich", "label", &carol, ""]);
    assert!(user.refused(1, &["wallet", "-w", "rich", "label", "nobody", "x"]).contains("neither"));

    // Wallet, labels and all come back from one file.
    user.wallet(&["-w", "rich", "backup", "rich.qbtc"]);
    user.write("bad", "open barley\n");
    user.refused(4, &["wallet", "restore", "again", "--backup", "rich.qbtc", "--passphrase-file", "bad"]);
    user.wallet(&["restore", "again", "--backup", "rich.qbtc"]);
    assert_eq!(user.wallet(&["-w", "again", "history"])["entries"][0]["label"], "wages, =June");
    assert_eq!(user.wallet(&["-w", "again", "info"])["kind"], "keys");
}

#[test]
fn a_rescan_forgets_neither_given_addresses_nor_payments_that_wait() {
    let (user, _node, bob) = rich();
    let given: Vec<_> =
        (0..30).map(|_| text(&user.wallet(&["-w", "rich", "--offline", "address", "--new"])["address"])).collect();
    let sent = user.wallet(&["-w", "rich", "send", &format!("{bob}=1"), "--yes"]);
    let before = user.wallet(&["-w", "rich", "history"]);
    user.wallet(&["-w", "rich", "rescan"]);
    assert_eq!(user.wallet(&["-w", "rich", "history"]), before);
    assert!(!given.contains(&user.done(&["wallet", "-w", "rich", "--offline", "address"])));
    // The last of them is far beyond the gap of what was paid to.
    user.done(&["rpc", "generatetoaddress", "1", &given[29]]);
    let immature = text(&user.wallet(&["-w", "rich", "balance"])["immature"]);
    assert!(immature.starts_with("4.0"), "the reward and the fee: {immature}");
    assert_eq!(user.wallet(&["-w", "rich", "history"])["entries"][0]["txid"], sent["txid"]);
}

#[test]
fn processes_that_meet_wait_for_each_other() {
    let user = User::new();
    user.wallet(&["create"]);
    let start = || {
        let mut command = qbtc();
        command.args(["wallet", "--offline", "address", "--new"]).stdout(Stdio::piped());
        command.env("QBTC_DATA_DIR", user.path("data")).env("QBTC_CHAIN", "dev").spawn().unwrap()
    };
    let started: Vec<_> = (0..6).map(|_| start()).collect();
    let addresses: BTreeSet<_> = started
        .into_iter()
        .map(|process| {
            let output = process.wait_with_output().unwrap();
            assert!(output.status.success());
            output.stdout
        })
        .collect();
    assert_eq!(addresses.len(), 6, "no address is given to two");
}

#[test]
fn a_wallet_outlives_processes_that_are_killed_while_they_save() {
    let user = User::new();
    let words = text(&user.wallet(&["create"])["words"]);
    for round in 0..20 {
        let mut command = qbtc();
        command.args(["wallet", "--offline", "address", "--new"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("QBTC_DATA_DIR", user.path("data")).env("QBTC_CHAIN", "dev");
        let mut process = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(3 * round));
        process.kill().unwrap();
        process.wait().unwrap();
        user.done(&["wallet", "--offline", "address"]);
    }
    assert_eq!(text(&user.wallet(&["words"])["words"]), words);
}

#[test]
fn mistakes_are_told_with_their_mend() {
    let (user, _node, bob) = rich();
    let send =
        |order: &str| user.refused(1, &["wallet", "-w", "rich", "send", order, "--yes", "--passphrase-file", "pass"]);
    assert!(send("12").contains("ADDRESS=AMOUNT"));
    let (start, last) = bob.split_at(bob.len() - 1);
    let other = if last == "q" { "p" } else { "q" };
    assert!(send(&format!("{start}{other}=1")).contains(&bob[..20]));
    assert!(send(&format!("{bob}=0.123456789")).contains("0.123456789"));
    assert!(send(&format!("{bob}=1,5")).contains("1,5"));
    assert!(send(&format!("{bob}=99999999")).contains("are missing"));
    assert!(send(&format!("{bob}=0.00000001")).contains("not worth spending"));
    let main = ChainSpec::main();
    let foreign = ChainSpec::dev().consensus().genesis.allocations[0].address.to_text(&main.network().address_prefix);
    assert!(send(&format!("{foreign}=1")).contains("dbqs"));
    // What is not understood is told as JSON too.
    let refused: Value = serde_json::from_str(&user.refused(2, &["--json", "wallet", "sned"])).unwrap();
    assert_eq!(refused["error"]["exit_code"], 2);
    // The passphrase and something else cannot both come from stdin.
    let ended = user.run_with(&["wallet", "restore", "x", "--words-file", "-", "--passphrase-stdin"], WORDS);
    assert!(ended.stderr.contains("stdin gives the passphrase"), "{}", ended.stderr);
    // A node of another chain is no measure of when a wallet was made.
    let ended = user.run(&[
        "wallet",
        "create",
        "elsewhere",
        "--chain",
        "test",
        "--passphrase-file",
        "pass",
        "--json",
        "--rpc",
        "127.0.0.1:9",
    ]);
    let made: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(made["birthday"], 0);
}
