//! Calls about the node itself, after Bitcoin Core's `rpc_help.py`, `rpc_uptime.py`, `rpc_misc.py` and `feature_logging.py`.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Owner, Place, User, eventually};

#[test]
fn each_call_has_its_text_and_is_answered() {
    let place = Place::new();
    let node = place.start(&[]);
    let overview: String = node.call("help", json!([]));
    let names: Vec<&str> = overview
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("=="))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let of_issue = "getblockchaininfo getblockcount getbestblockhash getblockhash getblock getblockheader getchaintips getdifficulty \
                    gettxout gettxoutproof verifytxoutproof getblockfilter invalidateblock reconsiderblock pruneblockchain \
                    getrawtransaction decoderawtransaction sendrawtransaction testmempoolaccept getmempoolinfo getrawmempool \
                    getmempoolentry savemempool getblocktemplate submitblock submitheader getmininginfo getnetworkhashps \
                    generatetoaddress prioritisetransaction validateaddress verifymessage estimatesmartfee help uptime stop getmemoryinfo logging \
                    getpeerinfo getnetworkinfo getconnectioncount addnode disconnectnode getaddednodeinfo ping \
                    setban listbanned clearbanned getnodeaddresses";
    for name in of_issue.split_whitespace() {
        assert!(names.contains(&name), "{name} is not in\n{overview}");
    }
    for name in &names {
        let text: String = node.call("help", [name]);
        assert!(text.starts_with(name) && text.contains("\nResult:\n") && text.contains("\nExamples:\n"), "{text}");
        // Known, whatever it says to such parameters.
        let (code, message) = node.fails(name, vec![Value::Null; 50]);
        assert!(code == -1 && message.contains(&text[..20.min(text.len())]), "{name}: {message}");
    }
    assert_eq!(node.ok("help", json!(["no such call"])), "help: unknown command: no such call");
}

#[test]
fn a_node_tells_of_itself_and_stops_when_asked() {
    let place = Place::new();
    let node = place.start(&[]);
    let memory = node.ok("getmemoryinfo", json!([]));
    #[cfg(target_os = "linux")]
    assert!(memory["resident"].as_u64().unwrap() > 1 << 20);
    node.mine(10, Owner(1));
    assert_eq!(node.ok("getmemoryinfo", json!([]))["headers"], json!(memory["headers"].as_u64().unwrap() + 10));
    let began = node.ok("uptime", json!([])).as_u64().unwrap();
    eventually("time passes", || node.ok("uptime", json!([])).as_u64().unwrap() > began);
    let active = node.ok("getrpcinfo", json!([]));
    assert_eq!(active["active_commands"][0]["method"], "getrpcinfo");

    let (client, tip) = (node.another_client(), node.tip());
    assert_eq!(node.ok("stop", json!([])), "qBTC stopping");
    assert!(node.ended().success());
    assert!(client.call::<Value>("getblockcount", json!([])).is_err());
    assert_eq!(place.start(&[]).tip(), tip);
}

/// Ctrl-C and a service manager's signal end it alike, in the middle of whatever it does.
#[test]
fn signals_stop_it_and_lose_nothing() {
    let place = Place::new();
    let mut height = 0;
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let node = place.start(&["--mine", "--threads", "1", "--reward", &Owner(1).text(&place.spec)]);
        assert!(node.height() >= height);
        eventually("a block is mined", || node.height() > height);
        height = node.height();
        node.signal(signal);
        assert!(node.ended().success());
    }
    assert!(place.start(&[]).height() >= height);
}

#[test]
fn the_built_in_miner_tells_how_fast_it_is() {
    let place = Place::new();
    let reward = Owner(1).text(&place.spec);
    let node = place.start(&["--mine", "--threads", "1", "--reward", &reward, "--log", "info"]);
    let mut line = String::new();
    eventually("the hash rate is told", || {
        let log = node.log();
        line = log.lines().find(|line| line.contains("mining rate=")).unwrap_or_default().to_owned();
        !line.is_empty()
    });
    let (_, rate) = line.split_once("rate=").unwrap();
    let number = rate.split_whitespace().next().unwrap();
    assert!(number.parse::<f64>().unwrap() > 0.0 && rate.contains("H/s") && rate.contains("threads=1"), "{line}");
    assert!(node.stop().success());
}

#[test]
fn details_are_logged_while_they_are_asked_for() {
    let place = Place::new();
    let node = place.start(&["--log", "error"]);
    let logged = || node.log().len();
    node.mine(1, Owner(1));
    assert_eq!(logged(), 0, "{}", node.log());
    let on = node.ok("logging", json!([["all"]]));
    assert!(on.as_object().unwrap().values().all(|on| *on == json!(true)), "{on}");
    node.mine(1, Owner(1));
    eventually("details come", || logged() > 0);
    let off = node.ok("logging", json!([[], ["all"]]));
    assert!(off.as_object().unwrap().values().all(|on| *on == json!(false)), "{off}");
    assert_eq!(node.fails("logging", json!([["nothing of the kind"]])).0, -8);
    // What follows is quiet again: two blocks leave no line.
    let before = logged();
    node.mine(2, Owner(1));
    assert_eq!(logged(), before, "{}", node.log());
}

#[test]
fn a_user_calls_from_the_command_line() {
    let user = User::new();
    assert!(user.refused(3, &["rpc", "getblockcount"]).contains("qbtc node"));
    let _node = user.start_node(&[]);
    assert_eq!(user.done(&["rpc", "getblockcount"]), "0");
    let hash = user.done(&["rpc", "getblockhash", "0"]);
    assert!(user.done(&["rpc", "getblock", &hash]).contains(&hash));
    assert!(user.refused(1, &["rpc", "getblockhash", "7"]).contains("-8"));
    assert!(user.refused(1, &["rpc", "nonsense"]).contains("-32601"));
    assert!(user.done(&["rpc", "help"]).contains("getblockhash"));
    let login = ["--rpc-user", "nobody", "--rpc-password", "x"];
    assert!(
        user.refused(3, &[&["rpc", "getblockcount"][..], &login].concat()).contains("refuses the user or password")
    );
}
