//! How a node starts, and how it refuses to: with a status that is not zero, and a sentence that tells the mend. Nothing is lost by
//! that: a node that is started rightly afterwards has all that was there.

use std::fs;
use std::net::TcpListener;

use qbtc_core::spec::ChainSpec;
use redb::{Database, TableDefinition};
use serde_json::{Value, json};

use crate::support::node::{command, refusal};
use crate::support::program::qbtc;
use crate::support::{NodeProcess, Owner, Place, eventually, quick_spec};

/// A place where a node has mined a block.
fn used() -> (Place, String) {
    let place = Place::new();
    let node = place.start(&[]);
    node.mine(1, Owner(1));
    let tip = node.tip();
    assert!(node.stop().success());
    (place, tip)
}

/// Checks that a node can be started and has its block.
fn still_works(place: &Place, tip: &str) {
    let node = place.start(&[]);
    assert_eq!(node.tip(), tip);
    assert!(node.stop().success());
}

fn says(said: &str, words: &[&str]) {
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} in: {said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "one sentence: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_port_in_use() {
    let (place, tip) = used();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    for flag in ["--rpc", "--http", "--stratum"] {
        let said = place.refused(&[flag, &address]);
        says(&said, &[&address, "choose another address with", flag, "port 0"]);
    }
    still_works(&place, &tip);
}

#[test]
fn a_second_node_on_one_folder() {
    let place = Place::new();
    let node = place.start(&[]);
    let tip = node.mine(1, Owner(1))[0].clone();
    let said = place.refused(&[]);
    says(&said, &["another node (process ", "choose another --data-dir"]);
    assert_eq!(node.tip(), tip, "the first does not care");
    // The folder of a node that was killed is free at once.
    node.kill();
    still_works(&place, &tip);
}

#[test]
fn a_folder_of_another_chain() {
    let (place, tip) = used();
    let other = quick_spec().to_toml().replace("halving_blocks = 2100000", "halving_blocks = 2100001");
    let file = place.path().join("other.toml");
    fs::write(&file, other).unwrap();
    let other = file.to_str().unwrap();
    let said = refusal(&mut command(other, place.path(), &[]));
    let id = ChainSpec::from_toml(&fs::read_to_string(&file).unwrap()).unwrap().chain_id().to_string();
    says(&said, &[&place.spec.chain_id().to_string(), &id, "choose another --data-dir or --chain"]);
    still_works(&place, &tip);
}

#[test]
fn a_newer_database() {
    const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
    let (place, tip) = used();
    let schema = |version: u32| {
        let database = Database::open(place.chain_dir().join("chain.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(META).unwrap().insert("schema", &version.to_le_bytes()[..]).unwrap();
        transaction.commit().unwrap();
    };
    schema(999);
    says(&place.refused(&[]), &["schema version 999", "use a newer qbtc"]);
    schema(qbtc_node::store::SCHEMA_VERSION);
    still_works(&place, &tip);
}

#[test]
fn a_damaged_database() {
    let (place, tip) = used();
    let file = place.chain_dir().join("chain.redb");
    let good = fs::read(&file).unwrap();
    let mut headless = good.clone();
    headless[..64].fill(0xa5);
    let half = good[..good.len() / 2].to_vec();
    for (what, bytes) in [("no database", b"hello".repeat(1_000)), ("no head", headless), ("half", half)] {
        fs::write(&file, bytes).unwrap();
        let said = place.refused(&[]);
        assert!(said.contains("move it away, then start the node again"), "{what}: {said}");
        says(&said, &["chain.redb", "damaged"]);
    }
    fs::write(&file, good).unwrap();
    still_works(&place, &tip);
    // As it is told.
    fs::remove_file(&file).unwrap();
    still_works(&place, &place.spec.genesis().id().to_string());
}

#[test]
fn settings_that_cannot_be_meant() {
    let (place, tip) = used();
    let foreign = Owner(1).text(&ChainSpec::main());
    for (options, words) in [
        (&["--mine"][..], &["--mine needs --reward", "qbtc wallet address"][..]),
        (&["--reward", &foreign], &["--reward", "begins with bqs1, not with dbqs1"]),
        (&["--rpc-user", "a"], &["--rpc-user and --rpc-password belong together"]),
        (&["--rpcauth", "nonsense"], &["rpcauth"]),
        (&["--log", "qbtc=loud"], &["--log"]),
        (&["--config-file", "nowhere.toml"], &["nowhere.toml", "cannot read the settings"]),
    ] {
        says(&place.refused(options), words);
    }
    let said = refusal(&mut command("nowhere", place.path(), &[]));
    says(&said, &["neither a chain (main, test, local, dev) nor a file", "qbtc chain new"]);
    let file = place.path().join("chain.toml");
    says(&refusal(&mut command(&place.chain(), &file, &[])), &["cannot use the data folder", "chain.toml"]);
    for (text, word) in
        [("txindexx = true", "txindexx"), ("prune = \"deep\"", "prune"), ("rpc = 5", "line 1"), ("=", "line 1")]
    {
        fs::write(place.chain_dir().join("node.toml"), text).unwrap();
        says(&place.refused(&[]), &["node.toml", word]);
    }
    fs::remove_file(place.chain_dir().join("node.toml")).unwrap();
    still_works(&place, &tip);
}

/// A node whose interfaces are not given on the command line.
fn plain(place: &Place) -> std::process::Command {
    let mut command = qbtc();
    command
        .args(["node", "--chain", &place.chain(), "--rpc", "127.0.0.1:0", "--p2p", "off"])
        .arg("--data-dir")
        .arg(place.path());
    command
}

#[test]
fn a_flag_wins_over_its_variable_and_that_over_the_file() {
    let (place, _) = used();
    let file = "http = \"off\"\nstratum = \"127.0.0.1:0\"\ntxindex = true\nlog = \"info\"\n";
    fs::write(place.chain_dir().join("node.toml"), file).unwrap();
    let start = |change: &dyn Fn(&mut std::process::Command)| {
        let mut command = plain(&place);
        change(&mut command);
        NodeProcess::run(&mut command, &place.chain(), place.path())
    };
    let has_txindex = |node: &NodeProcess| {
        let block = node.ok("getblock", json!([node.tip()]));
        node.client.call::<Value>("getrawtransaction", [&block["tx"][0]]).is_ok()
    };
    let node = start(&|_| {});
    let seen = (node.addresses.http.is_some(), node.addresses.stratum.is_some(), has_txindex(&node));
    assert_eq!(seen, (false, true, true), "the file");
    assert!(node.log().contains("node started"));
    assert!(node.stop().success());
    let node = start(&|command| {
        command.env("QBTC_TXINDEX", "false").env("QBTC_STRATUM", "off").env("QBTC_LOG", "warn");
    });
    let seen = (node.addresses.http.is_some(), node.addresses.stratum.is_some(), has_txindex(&node));
    assert_eq!(seen, (false, false, false), "variables over the file");
    assert!(!node.log().contains("node started"));
    assert!(node.stop().success());
    let node = start(&|command| {
        command.env("QBTC_TXINDEX", "false").env("QBTC_HTTP", "nonsense").args(["--txindex", "--http", "127.0.0.1:0"]);
    });
    let seen = (node.addresses.http.is_some(), node.addresses.stratum.is_some(), has_txindex(&node));
    assert_eq!(seen, (true, true, true), "flags over variables");
    assert!(node.stop().success());
    // Another file, in place of that of the folder.
    let other = place.path().join("other.toml");
    fs::write(&other, "http = \"127.0.0.1:0\"\nlog = \"warn\"").unwrap();
    let node = start(&|command| {
        command.arg("--config-file").arg(&other);
    });
    assert_eq!((node.addresses.http.is_some(), node.addresses.stratum.is_some()), (true, false));
}

#[test]
fn addresses_are_told_and_taken_back() {
    let place = Place::new();
    let node = place.start(&["--stratum", "127.0.0.1:0", "--log", "info", "--log-json"]);
    for (what, address) in [
        ("listening for JSON-RPC", &node.addresses.rpc),
        ("listening for HTTP", &node.addresses.http),
        ("listening for Stratum", &node.addresses.stratum),
    ] {
        // The file that says so is there a moment before the log does. Its last line may be half written.
        let mut line = None;
        eventually(what, || {
            let log = node.log();
            let mut told = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            line = told.find(|line| line["fields"]["message"] == what);
            line.is_some()
        });
        assert_eq!(line.unwrap()["fields"]["address"], json!(address));
    }
    let (written, cookie) = (node.chain_dir().join("node.json"), node.chain_dir().join(".cookie"));
    let password = fs::read_to_string(&cookie).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&cookie).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(node.stop().success());
    assert!(!written.exists() && !cookie.exists());
    // What a killed node leaves behind is no way in to the next.
    place.start(&[]).kill();
    let left = fs::read_to_string(&cookie).unwrap();
    assert_ne!(left, password);
    let node = place.start(&[]);
    assert_ne!(fs::read_to_string(&cookie).unwrap(), left);
    assert_eq!(node.height(), 0);
}
