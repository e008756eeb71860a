//! The command line as its users see it: the real program, its files, and a node beside it.

use std::fs;
use std::path::Path;

use qbtc_core::spec::ChainSpec;
use serde_json::Value;

use crate::support::{Owner, User, eventually};

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn help_tells_examples_and_codes_and_mistakes_are_pointed_at() {
    let user = User::new();
    assert!(user.done(&["--help"]).contains("Exit codes:"));
    assert!(user.done(&["--version"]).starts_with("qbtc "));
    for command in [
        &["wallet"][..],
        &["wallet", "send"],
        &["rpc"],
        &["decode"],
        &["chain", "new"],
        &["chain", "export"],
        &["completions"],
    ] {
        let help = user.done(&[command, &["--help"]].concat());
        assert!(help.contains("Examples:"), "{command:?}: {help}");
    }
    assert!(user.refused(2, &["walet"]).contains("wallet"));
    user.refused(2, &["wallet", "send"]);
    user.refused(2, &["chain", "new"]);
}

#[test]
fn completions_are_made_for_each_shell() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = user.done(&["completions", shell]);
        assert!(script.contains("qbtc") && script.contains("backup-check"), "{shell}");
    }
}

#[test]
fn a_chain_of_ones_own_is_written_and_read() {
    let user = User::new();
    let made: Value = serde_json::from_str(&user.done(&["chain", "new", "--name", "acme", "--json"])).unwrap();
    let file = text(&made["file"]);
    let shown: Value = serde_json::from_str(&user.done(&["chain", "show", "--chain", &file, "--json"])).unwrap();
    assert_eq!((&shown["chain_id"], &shown["name"]), (&made["chain_id"], &Value::from("acme")));
    let spec = ChainSpec::from_toml(&fs::read_to_string(user.path("acme.toml")).unwrap()).unwrap();
    assert_eq!(text(&made["chain_id"]), spec.chain_id().to_string());
    assert!(user.refused(1, &["chain", "new", "--name", "acme"]).contains("--force"));
    user.done(&["chain", "new", "--name", "acme", "--force"]);
    assert!(user.refused(1, &["chain", "new", "--name", "main"]).contains("built-in"));
    let toml = user.done(&["chain", "new", "--name", "other", "--out", "-"]);
    assert_eq!(ChainSpec::from_toml(&toml).unwrap().name(), "other");
    assert!(user.refused(1, &["--json", "chain", "show", "--chain", "nowhere"]).contains("\"exit_code\":1"));
}

#[test]
fn a_chain_is_carried_to_another_machine_in_a_file() {
    const BLOCKS: u32 = 40;
    let (user, other) = (User::new(), User::new());
    let node = user.start_node(&[]);
    node.mine(BLOCKS, Owner(1));
    let told: Value = serde_json::from_str(&user.done(&["chain", "export", "--out", "blocks", "--json"])).unwrap();
    assert_eq!((&told["from"], &told["to"]), (&Value::from(1), &Value::from(BLOCKS)));
    let size = fs::metadata(user.path("blocks")).unwrap().len();
    assert_eq!(told["bytes"].as_u64().unwrap() + 4 * u64::from(BLOCKS), size);
    assert!(user.refused(1, &["chain", "export", "--out", "blocks"]).contains("--force"));
    assert!(user.refused(1, &["chain", "export", "--out", "more", "--to", "41"]).contains("1 to 40"));
    assert!(!user.path("more").exists());
    // In two parts.
    user.done(&["chain", "export", "--out", "first", "--to", "25"]);
    user.done(&["chain", "export", "--out", "second", "--from", "26"]);
    let parts = [user.path("first"), user.path("second")].map(|part| fs::read(part).unwrap()).concat();
    assert!(parts == fs::read(user.path("blocks")).unwrap());
    let file = user.path("blocks");
    let loading = other.start_node(&["--load-blocks", file.to_str().unwrap()]);
    eventually("the blocks are loaded", || loading.height() == BLOCKS);
    assert_eq!(loading.tip(), node.tip());
    loading.stop();
    node.stop();
    assert!(user.refused(3, &["chain", "export", "--out", "late"]).contains("no node answers"));
    assert!(!user.path("late").exists());
}

#[test]
fn bytes_are_taken_apart_offline() {
    let user = User::new();
    let spec = ChainSpec::dev();
    let block = hex::encode(spec.genesis().to_bytes());
    assert!(user.done(&["decode", "block", &block]).contains(&spec.chain_id().to_string()));
    let piped = user.run_with(&["decode", "block", "-", "--json"], &format!("\"{block}\"\n"));
    let json: Value = serde_json::from_str(&piped.stdout).unwrap();
    assert_eq!(text(&json["hash"]), spec.genesis().id().to_string());
    let id = user.done(&["decode", "header", &block[..160]]);
    assert!(id.contains(&spec.genesis().id().to_string()));
    let address = spec.consensus().genesis.allocations[0].address;
    let root = user.done(&["decode", "address", &address.to_text(&spec.network().address_prefix)]);
    assert!(root.contains(&hex::encode(address.as_bytes())));
    assert!(user.refused(1, &["decode", "tx", &block]).contains("decode block"));
    assert!(user.refused(1, &["decode", "block", "zz"]).contains("position 1"));
    assert!(user.refused(1, &["decode", "tx", ""]).contains("Transaction"));
}

#[test]
fn a_wallet_lives_through_its_days() {
    let user = User::new();
    assert!(user.refused(1, &["wallet", "balance"]).contains("qbtc wallet create"));
    let made = user.wallet(&["create"]);
    let words = text(&made["words"]);
    assert_eq!(words.split(' ').count(), 24);
    assert!(user.refused(1, &["wallet", "create", "--passphrase-file", "pass"]).contains("already"));
    // Looking needs no passphrase, and no node.
    let address = user.done(&["wallet", "--offline", "address"]);
    assert_eq!(address, text(&made["address"]));
    let fresh = user.done(&["wallet", "--offline", "address", "--new"]);
    assert_eq!(fresh, address);
    assert_ne!(user.done(&["wallet", "--offline", "address"]), address);
    assert!(user.done(&["wallet", "list"]).contains("never synchronised"));
    assert!(user.done(&["wallet", "--offline", "balance"]).contains("0 QBTC"));
    // Secrets need it.
    assert_eq!(text(&user.wallet(&["words"])["words"]), words);
    assert!(user.refused(1, &["wallet", "words"]).contains("--passphrase-file"));
    user.write("bad", "open barley\n");
    assert!(user.refused(4, &["wallet", "words", "--passphrase-file", "bad"]).contains("wrong passphrase"));
    assert!(user.run_with(&["wallet", "words", "--passphrase-stdin"], "open sesame\n").stdout.contains("24 "));
    // The words are the wallet.
    user.write("words", &words);
    user.wallet(&["backup-check", "--words-file", "words"]);
    user.write("others", WORDS);
    let refused = user.refused(1, &["wallet", "backup-check", "--words-file", "others"]);
    assert!(refused.contains("another wallet"), "{refused}");
    let restored = user.wallet(&["restore", "again", "--words-file", "words"]);
    assert_eq!(text(&restored["address"]), address);
    // Another passphrase.
    user.write("new", "a better one\n");
    user.wallet(&["-w", "default", "passphrase", "--new-passphrase-file", "new"]);
    user.refused(4, &["wallet", "-w", "default", "words", "--passphrase-file", "pass"]);
    user.done(&["wallet", "-w", "default", "words", "--passphrase-file", "new"]);
}

#[test]
fn damage_is_told_apart_and_names_the_mend() {
    let user = User::new();
    user.wallet(&["create"]);
    let folder = user.path("data/dev/wallets/default");
    let damage = |file: &Path, place: usize| {
        let mut bytes = fs::read(file).unwrap();
        bytes[place] ^= 1;
        fs::write(file, bytes).unwrap();
    };
    damage(&folder.join("account"), 500);
    assert!(user.refused(1, &["wallet", "--offline", "balance"]).contains("qbtc wallet rescan"));
    damage(&folder.join("account"), 500);
    damage(&folder.join("keystore"), 150);
    let refused = user.refused(1, &["wallet", "words", "--passphrase-file", "pass"]);
    assert!(refused.contains("content is damaged"), "{refused}");
    damage(&folder.join("keystore"), 30);
    assert!(user.refused(1, &["wallet", "words", "--passphrase-file", "pass"]).contains("header is damaged"));
}

#[test]
fn texts_are_signed_and_verified() {
    let user = User::new();
    let address = text(&user.wallet(&["create"])["address"]);
    let proof = text(&user.wallet(&["sign", &address, "I am here"])["proof"]);
    user.write("proof", &proof);
    for given in ["proof", &proof] {
        assert!(user.done(&["wallet", "--offline", "verify", &address, given, "I am here"]).starts_with("good"));
    }
    let refused = user.refused(1, &["wallet", "--offline", "verify", &address, "proof", "I was here"]);
    assert!(refused.contains("not signed"), "{refused}");
    assert!(user.refused(1, &["wallet", "--offline", "verify", &address, "nonsense", "x"]).contains("signed message"));
}

#[test]
fn without_a_node_the_mend_is_named() {
    let user = User::new();
    let address = text(&user.wallet(&["create"])["address"]);
    let refused =
        user.refused(3, &["--json", "wallet", "send", &format!("{address}=1"), "--yes", "--rpc", "127.0.0.1:9"]);
    let error: Value = serde_json::from_str(&refused).unwrap();
    assert_eq!(error["error"]["exit_code"], 3);
    assert!(text(&error["error"]["message"]).contains("qbtc node --chain dev"));
    let looked = user.run(&["wallet", "balance", "--rpc", "127.0.0.1:9"]);
    assert_eq!(looked.code, Some(0));
    assert!(looked.stderr.contains("no node answers"));
    user.refused(3, &["rpc", "getblockcount", "--rpc", "127.0.0.1:9"]);
}

#[test]
fn the_wallet_guards_against_fees_that_are_mistakes() {
    let user = User::new();
    let _node = user.start_node(&[]);
    user.write("words", WORDS);
    user.wallet(&["restore", "rich", "--words-file", "words"]);
    let bob = text(&user.wallet(&["create", "bob"])["address"]);
    user.done(&["rpc", "generatetoaddress", "10", &bob]);
    let order = format!("{bob}=12.5");
    let refused = user.refused(1, &["wallet", "-w", "rich", "send", &order, "--yes", "--max-fee", "0.00000001"]);
    assert!(refused.contains("--max-fee"), "{refused}");
    // Who raises the guard means it, whatever the node holds for a mistake.
    let dear = ["wallet", "-w", "rich", "send", &order, "--yes", "--fee-rate", "20000000"];
    assert!(user.refused(1, &dear).contains("--max-fee"));
    let sent = user.wallet(&[&dear[1..], &["--max-fee", "10"]].concat());
    assert!(user.done(&["rpc", "getrawmempool"]).contains(&text(&sent["txid"])));
}

#[test]
fn money_moves_from_wallet_to_wallet() {
    let user = User::new();
    let node = user.start_node(&[]);
    user.write("words", WORDS);
    user.wallet(&["restore", "rich", "--words-file", "words"]);
    let bob = text(&user.wallet(&["create", "bob"])["address"]);
    // What is allotted in the first block is mature from the tenth on.
    user.done(&["rpc", "generatetoaddress", "10", &bob]);
    assert_eq!(user.wallet(&["-w", "rich", "balance"])["available"], "4200000");

    let order = format!("{bob}=12.5");
    let planned = user.wallet(&["-w", "rich", "send", &order, "--dry-run"]);
    assert_eq!(planned["recipients"][0]["amount"], "12.5");
    assert!(user.refused(1, &["wallet", "-w", "rich", "send", &order]).contains("--yes"));
    let sent = user.wallet(&["-w", "rich", "send", &order, "--yes"]);
    assert!(user.done(&["rpc", "getrawmempool"]).contains(&text(&sent["txid"])));
    assert_eq!(user.wallet(&["-w", "bob", "balance"])["pending"], "12.5");

    let bumped = user.wallet(&["-w", "rich", "bump", &text(&sent["txid"]), "--yes"]);
    assert_eq!(bumped["replaces"], sent["txid"]);
    let txid = text(&bumped["txid"]);
    let pool = user.done(&["rpc", "getrawmempool"]);
    assert!(pool.contains(&txid) && !pool.contains(&text(&sent["txid"])), "{pool}");

    user.done(&["rpc", "generatetoaddress", "1", &bob]);
    let history = user.wallet(&["-w", "bob", "history"]);
    let entry = history["entries"].as_array().unwrap().iter().find(|entry| entry["txid"] == txid).unwrap();
    assert_eq!((&entry["change"], &entry["confirmations"]), (&Value::from("+12.5"), &Value::from(1)));
    let proven = user.wallet(&["-w", "bob", "proof", &txid]);
    let checked = user.done(&["rpc", "verifytxoutproof", &text(&proven["proof"])]);
    assert!(checked.contains(&txid), "{checked}");
    assert!(user.refused(1, &["wallet", "-w", "rich", "bump", &txid, "--yes"]).contains("in the block"));

    // The block is undone: the payment waits again, and is mined again.
    let tip = user.done(&["rpc", "getbestblockhash"]);
    user.done(&["rpc", "invalidateblock", &tip]);
    assert_eq!(user.wallet(&["-w", "rich", "sync"])["undone"], 1);
    assert!(user.wallet(&["-w", "rich", "history"])["entries"][0]["height"].is_null());

    let cancelled = user.wallet(&["-w", "rich", "cancel", &txid, "--yes"]);
    user.done(&["rpc", "generatetoaddress", "1", &bob]);
    let rich = user.wallet(&["-w", "rich", "history"]);
    assert_eq!((&rich["entries"][0]["txid"], &rich["entries"][0]["kind"]), (&cancelled["txid"], &Value::from("moved")));
    // What will not be mined changes nothing: what is left adds up to the balance.
    let entries = rich["entries"].as_array().unwrap();
    let ended: Vec<_> = entries.iter().filter(|entry| entry["ended"].is_string()).collect();
    assert!(
        !ended.is_empty() && ended.iter().all(|entry| entry["change"].is_null() && entry["fee"].is_null()),
        "{rich}"
    );
    let sum: f64 = entries.iter().filter_map(|entry| entry["change"].as_str()?.parse::<f64>().ok()).sum();
    let total: f64 = text(&user.wallet(&["-w", "rich", "balance"])["total"]).parse().unwrap();
    assert!((sum - total).abs() < 1e-6, "{sum} {total} {rich}");
    let csv = user.done(&["wallet", "-w", "rich", "history", "--csv"]);
    assert!(csv.lines().any(|line| line.starts_with(",,0,sent,,,") && line.ends_with(",replaced")), "{csv}");
    let info = user.wallet(&["-w", "rich", "info"]);
    assert_eq!((&info["payments"], &info["ended"]), (&entries.len().into(), &ended.len().into()));
    // All that was known is forgotten and found again.
    let before = user.wallet(&["-w", "rich", "balance"]);
    user.wallet(&["-w", "rich", "rescan"]);
    assert_eq!(user.wallet(&["-w", "rich", "balance"]), before);
    drop(node);
    user.refused(3, &["wallet", "-w", "rich", "sync"]);
}
