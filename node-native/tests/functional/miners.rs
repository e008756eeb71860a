//! Real miners, unmodified: `QBTC_TEST_MINERD` names pooler's minerd, `QBTC_TEST_CPUMINER` cpuminer-opt. Without them nothing is
//! tested here; the miners of `qbtc_tests` are built after them.

use std::process::{Command, Stdio};

use qbtc_core::spec::ChainSpec;
use serde_json::json;

use crate::support::program::Running;
use crate::support::{NodeProcess, Owner, Place, eventually};

/// So many blocks must be found by each way.
const BLOCKS: u32 = 5;

/// The dev chain, easy enough for one thread, hard enough that most shares are not stale: cpuminer-opt gives up otherwise.
fn place() -> Place {
    let text = ChainSpec::dev().to_toml();
    let [easy, hard] = [0x1f00_ffff_u32, 0x1e07_ffff].map(|bits| bits.to_string());
    Place::with(ChainSpec::from_toml(&text.replace(&easy, &hard)).unwrap())
}

/// Runs a miner until it has found some blocks, each of which pays an owner.
fn mine(node: &NodeProcess, program: &str, arguments: &[&str], payee: Owner) {
    let before = node.height();
    let mut command = Command::new(program);
    command.args(["-a", "sha256d", "-t", "1"]).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let mut miner = Running::start(&mut command);
    eventually("blocks are found", || {
        assert!(miner.status().is_none(), "{program} gave up");
        node.height() >= before + BLOCKS
    });
    drop(miner);
    for height in before + 1..=before + BLOCKS {
        let id = node.ok("getblockhash", json!([height]));
        let coinbase = node.ok("getblock", json!([id, 2]))["tx"][0].take();
        assert_eq!(coinbase["vout"][0]["scriptPubKey"]["address"], json!(payee.text(&node.spec)));
    }
}

/// Lets a program mine over both doors of a node.
fn mine_over_both(variable: &str) {
    let Ok(program) = std::env::var(variable) else {
        eprintln!("skipped: {variable} does not name a program");
        return;
    };
    let place = place();
    let reward = Owner(1).text(&place.spec);
    let login = ["--rpc-user", "miner", "--rpc-password", "secret"];
    let stratum = ["--stratum", "127.0.0.1:0", "--stratum-difficulty", "0.0001", "--reward", &reward];
    let node = place.start(&[&login[..], &stratum].concat());
    let template = format!("http://{}", node.rpc());
    mine(&node, &program, &["-o", &template, "-u", "miner", "-p", "secret"], Owner(1));
    let stratum = format!("stratum+tcp://{}", node.addresses.stratum.as_ref().unwrap());
    let user = format!("{}.rig", Owner(2).text(&place.spec));
    mine(&node, &program, &["-o", &stratum, "-u", &user, "-p", "x"], Owner(2));
    assert!(node.stop().success());
}

#[test]
fn minerd_mines() {
    mine_over_both("QBTC_TEST_MINERD");
}

#[test]
fn cpuminer_opt_mines() {
    mine_over_both("QBTC_TEST_CPUMINER");
}
