//! Calls with whatever parameters: each is answered, and none breaks the node.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

/// How many calls of each method.
const CALLS: usize = 40;

/// Values that calls may take, and values that none does.
fn values(known: Vec<Value>) -> impl Strategy<Value = Value> {
    let numbers = prop_oneof![
        (-3_i64..130).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ];
    let texts = prop_oneof![
        "[0-9a-f]{0,12}".prop_map(Value::from),
        "[0-9a-f]{64}".prop_map(Value::from),
        "([0-9a-f]{2}){60,200}".prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        Just(json!("economical")),
        Just(json!("template")),
        Just(json!("proposal")),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        numbers,
        texts,
        proptest::sample::select(known),
    ];
    let names = proptest::sample::select(vec!["mode", "data", "rules", "longpollid", "address", "capabilities", "x"]);
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((names.clone().prop_map(str::to_owned), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_breaks_the_node_whatever_it_is_given() {
    let world = World::with(Indexes { txids: true, addresses: false }, |context| {
        context.long_poll.most = std::time::Duration::from_millis(1);
    });
    let coins = world.coins(2, Owner(1)).await;
    let transaction = Owner(1).spend(&coins[..1], Owner(2), 10_000);
    let txid = world.send(&transaction).await;
    let block = world.mine(1, Owner(3)).await.remove(0);
    let waiting = Owner(1).spend(&coins[1..], Owner(2), 10_000);
    let waiting_txid = world.send(&waiting).await;
    let known = vec![
        json!(txid),
        json!(waiting_txid),
        json!(block),
        json!(world.node.spec().genesis().id().to_string()),
        json!(hex_of(&transaction)),
        json!(hex_of(&waiting)),
        json!([hex_of(&waiting)]),
        json!([txid]),
        json!(world.text_of(Owner(1))),
        world.ok("getblock", json!([block, 0])).await,
        world.ok("getblockheader", json!([block, false])).await,
        world.ok("gettxoutproof", json!([[txid]])).await,
        json!({"rules": ["segwit"]}),
    ];
    let (mut runner, strategy) = (TestRunner::default(), proptest::collection::vec(values(known), 0..4));
    let methods: Vec<_> = world.rpc.methods().map(|method| method.name).filter(|name| *name != "stop").collect();
    for method in methods {
        for _ in 0..CALLS {
            let params = strategy.new_tree(&mut runner).unwrap().current();
            if method == "generatetoaddress" && params.first().and_then(Value::as_i64).is_some_and(|blocks| blocks > 9)
            {
                continue;
            }
            let params = Value::from(params);
            let (status, reply) = world.reply(method, params.clone()).await;
            assert_ne!(reply["error"]["code"], json!(-32_603), "{method} {params}: {reply}");
            assert_ne!(reply["error"]["code"], json!(-20), "{method} {params}: {reply}");
            assert_eq!(status == 200, reply["error"].is_null(), "{method} {params}: {reply}");
        }
    }
    assert!(world.node.fault().is_none() && !world.node.stopping().is_cancelled());
    world.mine(1, Owner(3)).await;
}
