//! Whatever a body of JSON-RPC may hold: it is taken apart, its parameters are checked against those of some call, and the replies are
//! well-formed, of the right version, and to the right request.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use qbtc_core::hash::BlockHash;
use qbtc_node::api::rpc::args::{self, Args, ArgsError};
use qbtc_node::api::rpc::param::{Kind, Param};
use qbtc_node::api::rpc::protocol::{Body, Caller, Outcome, Request, Version};
use qbtc_node::api::rpc::{Code, RpcError};
use serde_json::Value;
use serde_json::value::RawValue;

/// A call that takes a parameter of every type.
const PARAMS: &[Param] = &[
    Param::required(&["text"], Kind::Text, ""),
    Param::optional(&["hex"], Kind::Hex, "", ""),
    Param::optional(&["number", "height"], Kind::Number, "", ""),
    Param::optional(&["bool"], Kind::Bool, "", ""),
    Param::optional(&["array"], Kind::Array, "", ""),
    Param::optional(&["object"], Kind::Object, "", ""),
    Param::optional(&["amount"], Kind::Amount, "", ""),
    Param::optional(&["verbosity", "verbose"], Kind::Level, "", ""),
];

fuzz_target!(|input: &[u8]| {
    match Body::parse(input) {
        Ok(Body::Single(raw)) => answer(raw),
        Ok(Body::Batch(requests)) => requests.into_iter().for_each(answer),
        Err(error) => check_reply(&Caller::nobody(), &Err(error)),
    }
});

fn answer(raw: &RawValue) {
    match Request::parse(raw) {
        Ok(request) => check_reply(&request.caller, &call(&request)),
        Err((caller, error)) => {
            assert_eq!(error.code, Code::InvalidRequest);
            check_reply(&caller, &Err(error));
        }
    }
}

/// Gives its parameters back.
fn call(request: &Request<'_>) -> Outcome {
    let invalid = |error: serde_json::Error| RpcError::new(Code::InvalidRequest, error.to_string());
    let params = request.params.map(|params| serde_json::from_str(params.get())).transpose().map_err(invalid)?;
    let mut args = Args::new(PARAMS, params).map_err(|error| match error {
        ArgsError::Rpc(error) => error,
        ArgsError::Count { message } => RpcError::new(Code::Misc, message),
    })?;
    for param in PARAMS {
        let value = args.value(param.name());
        let is_right = param.kind.accepts().contains(&args::type_name(value));
        assert!(is_right || (value.is_null() && param.default.is_some()), "{}: {value}", param.name());
    }
    if let Ok(bytes) = args.bytes("hex", Code::Deserialization) {
        assert_eq!(hex::encode(bytes), args.text("hex").to_ascii_lowercase());
    }
    assert!(
        args.int_in("number", 5..=9).is_ok_and(|number| number.is_none_or(|number| (5..=9).contains(&number)))
            || args.value("number").is_number()
    );
    let level = args.level("verbosity", 1, 2)?;
    assert!(level <= 2);
    if let Ok(hash) = args.hash::<BlockHash>("text") {
        assert_eq!(hash.to_string(), args.text("text").to_ascii_lowercase());
    }
    let all: Vec<Value> = PARAMS.iter().map(|param| args.take(param.name())).collect();
    serde_json::value::to_raw_value(&all).map_err(RpcError::internal)
}

fn check_reply(caller: &Caller, outcome: &Outcome) {
    let status = caller.status(outcome).as_u16();
    let reply = caller.reply(outcome);
    // Raw, since an id may be a number that no machine has, and comes back as it was sent.
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(&reply).expect("replies are objects of JSON");
    assert_eq!(members.get("id").map(|id| id.get()), caller.id.as_deref().map(RawValue::get));
    let has = |name| members.contains_key(name);
    match caller.version {
        Version::V1 => assert!(has("result") && has("error") && !has("jsonrpc") && (status == 200) == outcome.is_ok()),
        Version::V2 => assert!(has("result") != has("error") && has("jsonrpc") && status == 200),
    }
    if let Err(error) = outcome {
        let shown: Value = serde_json::from_str(members["error"].get()).expect("errors are JSON");
        assert_eq!(shown["code"], error.code.number());
        assert_eq!(shown["message"], error.message);
    }
}
