//! A disk that takes no more, and one that has changed what it was given: the node says so, exits with 1, and has what it had acknowledged.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::node::command;
use crate::support::{NodeProcess, Owner, Place};

/// The command, run by a shell under which no file can become longer.
fn with_files_up_to(bytes: u64, limited: &Command) -> Command {
    let mut shell = Command::new("sh");
    limited.get_envs().for_each(|(name, _)| _ = shell.env_remove(name));
    // In units of 512 bytes. Without the trap, the first such write would end the process.
    shell.args(["-c", "trap '' XFSZ; ulimit -f \"$0\" && exec \"$@\"", &(bytes / 512).to_string()]);
    shell.arg(limited.get_program()).args(limited.get_args());
    shell
}

#[test]
fn a_disk_that_takes_no_more() {
    let place = Place::new();
    let node = place.start(&[]);
    node.mine(1, Owner(1));
    assert!(node.stop().success());
    let database = place.chain_dir().join("chain.redb");
    let limit = fs::metadata(&database).unwrap().len();
    let mut limited = with_files_up_to(limit, &command(&place.chain(), place.path(), &[]));
    let node = NodeProcess::run(&mut limited, &place.chain(), place.path());
    let client = node.another_client();
    let miner = Owner(1).text(&place.spec);
    let mut acknowledged = node.tip();
    let mut refused = None;
    for _ in 0..500 {
        match client.call::<Vec<String>>("generatetoaddress", (20, &miner)) {
            Ok(mined) => acknowledged.clone_from(mined.last().unwrap()),
            Err(error) => {
                refused = Some(error.to_string());
                break;
            }
        }
    }
    let log = place.chain_dir().join("test.log");
    let refused = refused.expect("the file is as long as it may become");
    assert_eq!(node.ended().code(), Some(1), "{refused}");
    let said = fs::read_to_string(log).unwrap();
    let sentence = format!("reading or writing the database {} failed", database.display());
    assert!(said.lines().any(|line| line.starts_with("error: ") && line.contains(&sentence)), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    let node = place.start(&[]);
    let header: Value = node.call("getblockheader", [&acknowledged]);
    assert!(header["confirmations"].as_i64().unwrap() > 0, "{header}");
    assert!(node.stop().success());
}

#[test]
fn a_database_that_is_damaged_in_the_middle() {
    let place = Place::new();
    let node = place.start(&[]);
    node.mine(30, Owner(1));
    let tip = node.tip();
    assert!(node.stop().success());
    let file = place.chain_dir().join("chain.redb");
    let good = fs::read(&file).unwrap();
    let spoil = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = good.clone();
        bytes[4_096..].chunks_mut(4_096).for_each(change);
        fs::write(&file, bytes).unwrap();
    };
    let refused = |options: &[&str]| {
        let said = place.refused(options);
        assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{said}");
        assert!(!said.contains("panicked"), "{said}");
        let told = ["chain.redb", "move it away, then start the node again"];
        assert!(told.iter().all(|word| said.contains(word)), "{said}");
    };
    spoil(&|page| page.fill(0xa5));
    refused(&[]);
    refused(&["--check-database"]);
    // Only a value here and there, which nobody asks for at a start.
    spoil(&|page| page[3_000] ^= 1);
    refused(&["--check-database"]);
    fs::write(&file, &good).unwrap();
    let node = place.start(&["--check-database"]);
    assert_eq!(node.tip(), tip);
    assert!(node.stop().success());
}
