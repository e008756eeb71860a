//! What a miner and the server agree upon before work begins.

use super::*;

#[test]
fn passwords_and_configuration_ask_for_difficulty() {
    let mut scene = Scene::new();
    scene.ask(&scene.miner.subscribe_request());
    scene.ask(&scene.miner.authorize_request("x,d=0.00000001"));
    scene.session.work(work(0));
    scene.settle();
    assert_eq!(scene.miner.job().difficulty, 1e-8);
    let minimum = |value: f64| {
        json!({"id": 1, "method": "mining.configure",
        "params": [["minimum-difficulty"], {"minimum-difficulty.value": value}]})
    };
    assert_eq!(scene.ask(&minimum(2e-8)), json!({"minimum-difficulty": true}));
    assert_eq!(scene.miner.job().difficulty, 2e-8);
    assert_eq!(scene.ask(&minimum(1e300)), json!({"minimum-difficulty": false}));
    let target = format!("0000{}", "f".repeat(60));
    scene.ask(&json!({"id": 1, "method": "mining.suggest_target", "params": [target]}));
    assert_eq!(scene.miner.job().difficulty, 2f64.powi(-16), "what the network asks for");
    for wrong in [json!([0]), json!([-1]), json!(["x"]), json!(["NaN"]), json!(["inf"]), json!([]), json!([[1]])] {
        let request = json!({"id": 1, "method": "mining.suggest_difficulty", "params": wrong});
        assert_eq!(code(&scene.ask(&request)), 20, "{wrong}");
    }
}

/// BIP 310 with a machine that rolls versions.
#[test]
fn versions_can_be_rolled_within_the_mask() {
    let mut scene = Scene::working();
    let configure = json!({"id": 1, "method": "mining.configure", "params": [
        ["version-rolling", "subscribe-extranonce", "unheard-of"],
        {"version-rolling.mask": "ffffffff", "version-rolling.min-bit-count": 16}]});
    assert_eq!(
        scene.ask(&configure),
        json!({"version-rolling": true, "version-rolling.mask": "1fffe000", "subscribe-extranonce": true,
            "unheard-of": false})
    );
    let limit = ShareRule::CPUMINER_OPT.0 / scene.miner.job().difficulty;
    let time = scene.miner.job().time;
    let mut rolled = |bits: u32| {
        let mut tried = (0..).map(|nonce| scene.miner.try_out(&[2; 8], time, nonce, Some(bits)));
        let share = tried.find(|share| top(&share.hash) < limit).unwrap();
        drop(tried);
        let request = scene.miner.submit_request(&share);
        scene.ask(&request)
    };
    assert_eq!(rolled(0x1fff_e000), true);
    assert_eq!(rolled(0x0000_2000), true);
    assert_eq!(code(&rolled(0x0000_1000)), 20);
    assert_eq!(code(&rolled(0x4000_0000)), 20);
}

#[test]
fn versions_are_not_rolled_unless_agreed() {
    let mut scene = Scene::working();
    let too_few = json!({"id": 1, "method": "mining.configure", "params": [
        ["version-rolling"], {"version-rolling.mask": "0000e000", "version-rolling.min-bit-count": 4}]});
    assert_eq!(scene.ask(&too_few)["version-rolling"], false);
    let share = scene.miner.try_out(&[2; 8], scene.miner.job().time, 0, Some(0x2000));
    let request = scene.miner.submit_request(&share);
    assert_eq!(code(&scene.ask(&request)), 20);
    for wrong in [
        json!([]),
        json!([["version-rolling"], {"version-rolling.mask": "1fffe0"}]),
        json!([["version-rolling"], {"version-rolling.mask": 7}]),
        json!([[7], {}]),
        json!([["minimum-difficulty"], {"minimum-difficulty.value": 0}]),
        json!([["minimum-difficulty"]]),
    ] {
        assert_eq!(code(&scene.ask(&json!({"id": 1, "method": "mining.configure", "params": wrong}))), 20, "{wrong}");
    }
}

#[test]
fn user_names_hold_the_address_that_is_paid() {
    let prefix = ChainSpec::dev().network().address_prefix.clone();
    let good = address().to_text(&prefix);
    let foreign = address().to_text(&"bqs".parse().unwrap());
    let mistyped = format!("{}q", &good[..good.len() - 1]);
    let authorize = |scene: &mut Scene, user: &str| {
        scene
            .session
            .line(&json!({"id": 2, "method": "mining.authorize", "params": [user, "x"]}).to_string(), scene.now);
        let Some(Output::Line(line)) = scene.session.poll() else { panic!("an answer") };
        scene.settle();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let mut scene = Scene::new();
    for (user, reason) in [
        (&*foreign, "begins with bqs1, not with dbqs1"),
        (&mistyped, "checksum"),
        ("worker", "expected dbqs1"),
        ("", "expected dbqs1"),
        (&"a".repeat(161), "161 bytes"),
        ("\u{e9}\u{e9}\u{e9}1\u{e9}", "character"),
    ] {
        let answer = authorize(&mut scene, user);
        assert_eq!((&answer["result"], &answer["error"][0]), (&json!(false), &json!(24)), "{user}");
        let text = answer["error"][1].as_str().unwrap();
        assert!(text.contains(reason), "{user}: {text}");
    }
    assert_eq!(authorize(&mut scene, &good)["result"], true);
    assert_eq!(authorize(&mut scene, &good.to_uppercase())["result"], true);
    assert_eq!(authorize(&mut scene, &format!("{good}.second.rig"))["result"], true);
    let other = Address::from_bytes([8; 32]).to_text(&prefix);
    assert!(authorize(&mut scene, &other)["error"][1].as_str().unwrap().contains(&good));

    let reward = Address::from_bytes([9; 32]);
    for (user, paid) in [
        ("", Some(reward)),
        ("rig.1", Some(reward)),
        (&good, Some(address())),
        ("dbqs1qq", None),
        ("DBQS1qq", None),
        (&mistyped, None),
        (&foreign, None),
    ] {
        let mut scene = Scene::with(|settings| settings.reward = Some(reward));
        scene.ask(&scene.miner.subscribe_request());
        authorize(&mut scene, user);
        assert_eq!(scene.session.payout(), paid, "{user}");
    }
}

#[test]
fn workers_of_one_connection_are_bounded() {
    let mut scene = Scene::new();
    let name =
        |number: usize| json!({"id": 2, "method": "mining.authorize", "params": [format!("{}.{number}", user()), "x"]});
    for number in 0..WORKERS_MAX {
        assert_eq!(scene.ask(&name(number)), true);
    }
    assert_eq!(code(&scene.ask(&name(WORKERS_MAX))), 24);
    assert_eq!(scene.ask(&name(0)), true);
}

#[test]
fn work_comes_only_after_both_steps_in_either_order() {
    for authorize_first in [false, true] {
        let mut scene = Scene::new();
        let mut requests = [scene.miner.subscribe_request(), scene.miner.authorize_request("x")];
        if authorize_first {
            requests.reverse();
        }
        scene.ask(&requests[0]);
        scene.session.work(work(0));
        assert!(scene.session.poll().is_none());
        assert_eq!(code(&scene.submit_params(&json!([]))), if authorize_first { 25 } else { 20 });
        scene.ask(&requests[1]);
        assert!(matches!(scene.other.last(), Some(Output::Ready(ready)) if *ready == address()));
        assert_eq!(scene.sent.len(), 1, "nothing before work is there");
        scene.session.work(work(0));
        scene.settle();
        assert_eq!(scene.sent.len(), 2);
        scene.ask(&requests[0]);
        scene.ask(&requests[1]);
        let ready = scene.other.iter().filter(|output| matches!(output, Output::Ready(_))).count();
        assert_eq!(ready, 1, "once is enough");
    }
}

/// What real miners send until they work, as their sources write it, and what has to come back.
#[test]
fn real_miners_begin_their_conversations() {
    let user = user();
    let conversations: [&[&str]; 4] = [
        // cpuminer 2.5.1 (minerd)
        &[
            r#"{"id": 1, "method": "mining.subscribe", "params": ["cpuminer/2.5.1"]}"#,
            r#"{"id": 2, "method": "mining.authorize", "params": ["USER", "x"]}"#,
        ],
        // cpuminer-opt
        &[
            r#"{"id": 1, "method": "mining.subscribe", "params": ["cpuminer-opt-26.1-x64L"]}"#,
            r#"{"id": 2, "method": "mining.authorize", "params": ["USER", "x"]}"#,
            r#"{"id": 3, "method": "mining.extranonce.subscribe", "params": []}"#,
        ],
        // cgminer 4.12, which asks for an older session when it comes back
        &[
            r#"{"id": 0, "method": "mining.configure", "params": [["version-rolling"], {"version-rolling.mask": "1fffe000"}]}"#,
            r#"{"id": 1, "method": "mining.subscribe", "params": ["cgminer/4.12.0", "00010203"]}"#,
            r#"{"id": 2, "method": "mining.authorize", "params": ["USER", "x"]}"#,
        ],
        // BFGMiner
        &[
            r#"{"params": ["bfgminer/5.5.0"], "id": 0, "method": "mining.subscribe"}"#,
            r#"{"id": "auth", "method": "mining.authorize", "params": ["USER", "x"]}"#,
            r#"{"id": null, "params": ["00000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"], "method": "mining.suggest_target"}"#,
            r#"{"id": "xnsub", "method": "mining.extranonce.subscribe", "params": []}"#,
        ],
    ];
    for lines in conversations {
        let mut scene = Scene::new();
        for line in lines {
            let answer = scene.send(&line.replace("USER", &user)).expect("each request is answered");
            if line.contains("subscribe\", \"params\": [\"c") || line.contains("[\"bfgminer") {
                assert_eq!(scene.sent.len(), 1, "nothing but the answer");
                scene.miner.subscribed(&answer);
            }
        }
        scene.session.work(work(0));
        scene.settle();
        let share = scene.miner.mine(ShareRule::MINERD);
        // With the spaces and the constant id of C programs.
        let line = format!(
            r#"{{"method": "mining.submit", "params": ["{user}", "{}", "{}", "{:08x}", "{:08x}"], "id":4}}"#,
            share.job,
            hex::encode(&share.extranonce2),
            share.time,
            share.nonce
        );
        assert_eq!(scene.send(&line), Some(true.into()), "{lines:?}");
    }
}
