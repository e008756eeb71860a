//! Calls about addresses, signed messages and fees.

use qbtc_core::crypto::{ENTROPY_BYTES, Scheme, SecretKey};
use qbtc_core::wallet::message::MessageDraft;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_told_from_what_is_none() {
    let world = World::new();
    let text = world.text_of(Owner(1));
    let good = world.ok("validateaddress", json!([text.to_uppercase()])).await;
    let root = hex::encode(Owner(1).address().as_bytes());
    assert_eq!(good, json!({"isvalid": true, "address": text, "scriptPubKey": root}));
    let mut mistyped = text.clone().into_bytes();
    mistyped[20] = if mistyped[20] == b'q' { b'p' } else { b'q' };
    let bad = world.ok("validateaddress", json!([String::from_utf8(mistyped).unwrap()])).await;
    assert_eq!((&bad["isvalid"], &bad["error_locations"]), (&json!(false), &json!([20])));
    assert!(bad["error"].as_str().unwrap().contains("checksum"), "{bad}");
    let other = Owner(1).address().to_text(&ChainSpec::main().network().address_prefix);
    for wrong in ["", "nonsense", other.as_str(), "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"] {
        let shown = world.ok("validateaddress", json!([wrong])).await;
        assert!(shown["isvalid"] == json!(false) && shown["error"].is_string(), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_hold_for_their_address_and_text() {
    let world = World::new();
    let secret = SecretKey::from_seed(Scheme::MlDsa44, &[7; 32]);
    let tree = AddressTree::single(Conditions::key(secret.public_key().clone()));
    let address = tree.address().to_text(&world.node.spec().network().address_prefix);
    let mut draft = MessageDraft::new(&world.node.spec().chain_id(), &tree, 0, "it was me").unwrap();
    draft.sign(&secret, &[1; ENTROPY_BYTES]);
    let proof = draft.finish().unwrap().to_string();
    assert_eq!(world.ok("verifymessage", json!([address, proof, "it was me"])).await, json!(true));
    assert_eq!(world.ok("verifymessage", json!([address, proof, "it was you"])).await, json!(false));
    assert_eq!(world.ok("verifymessage", json!([world.text_of(Owner(1)), proof, "it was me"])).await, json!(false));
    assert_eq!(world.code("verifymessage", json!(["nobody", proof, "it was me"])).await, -5);
    for malformed in ["", "!", "AAAA"] {
        assert_eq!(world.code("verifymessage", json!([address, malformed, "it was me"])).await, -3, "{malformed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_are_estimated_for_waits_that_are_known() {
    let world = World::new();
    assert_eq!(world.ok("estimatesmartfee", json!([6])).await, json!({"feerate": 0.00001, "blocks": 6}));
    for wait in [100, 101, 1_008] {
        assert_eq!(world.ok("estimatesmartfee", json!([wait, "CONSERVATIVE"])).await["blocks"], json!(100));
    }
    for (wait, code) in [(json!(0), -8), (json!(1009), -8), (json!(-1), -8), (json!(1.5), -1)] {
        assert_eq!(world.code("estimatesmartfee", json!([wait])).await, code, "{wait}");
    }
    assert_eq!(world.code("estimatesmartfee", json!([6, "hasty"])).await, -8);
}
