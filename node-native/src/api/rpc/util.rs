//! Calls about addresses, signed messages and fees.

use data_encoding::HEXLOWER;
use qbtc_core::lock::{Address, AddressTextError};
use qbtc_core::mempool::ESTIMATE_BLOCKS_MAX;
use qbtc_core::wallet::message::MessageProof;
use serde::Serialize;

use super::args::Args;
use super::context::Context;
use super::error::{Code, RpcError};
use super::mempool::coins_per_1000_bytes;
use super::method::{Category, Method, Size};
use super::param::{Kind, Param};
use super::protocol::Outcome;
use super::{Rpc, json};
use crate::json::Coins;

/// The calls of this category.
/// The longest wait that is asked about, as Bitcoin Core has it.
const CONF_TARGET_MAX: u32 = 1_008;

pub(super) fn methods() -> Vec<Method<Context>> {
    const ADDRESS: &[Param] = &[Param::required(&["address"], Kind::Text, "The address.")];
    const MESSAGE: &[Param] = &[
        Param::required(&["address"], Kind::Text, "Who is said to have signed."),
        Param::required(&["signature"], Kind::Text, "The signature, in base64, as `qbtc wallet sign` wrote it."),
        Param::required(&["message"], Kind::Text, "The text that is said to be signed."),
    ];
    const ESTIMATE: &[Param] = &[
        Param::required(
            &["conf_target"],
            Kind::Number,
            "Within how many blocks it should be mined, 1 to 1008; above 100 is as 100, and the answer says so.",
        ),
        Param::optional(&["estimate_mode"], Kind::Text, "economical", "Taken for Bitcoin's sake; there is one mode."),
    ];
    vec![
        Method::blocking("validateaddress", Category::Util, validate_address)
            .about("Tells whether a text is an address of this chain, and what is wrong with it if not.", VALIDATE_RESULT)
            .takes(ADDRESS, "\"address\""),
        Method::blocking("verifymessage", Category::Util, verify_message)
            .about(
                "Tells whether whoever can spend from an address has signed a text, by the rules of the next block.",
                "bool    (boolean) Whether it is so",
            )
            .takes(MESSAGE, "\"address\" \"signature\" \"message\"")
            // A signature is as long as a transaction's.
            .sized(Size::Transaction),
        Method::blocking("estimatesmartfee", Category::Util, estimate)
            .about(
                "Tells what a transaction should pay to be mined within so many blocks.",
                "{\n  \"feerate\": n,    (numeric) The fee rate, in QBTC for 1,000 bytes\n  \"blocks\": n      (numeric) \
                 The number of blocks that it is for\n}",
            )
            .takes(ESTIMATE, "6"),
    ]
}

const VALIDATE_RESULT: &str = r#"{
  "isvalid": bool,              (boolean) Whether it is an address of this chain
  "address": "str",             (string, if it is) The address as it is usually written
  "scriptPubKey": "hex",        (string, if it is) Its 32 bytes
  "error": "str",               (string, if not) What is wrong
  "error_locations": [ n,... ]  (json array, if not) Where, as far as it can be told: characters counted from 0
}"#;

#[derive(Serialize)]
struct Validated {
    isvalid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(rename = "scriptPubKey", skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_locations: Option<Vec<usize>>,
}

fn validate_address(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let prefix = rpc.context.prefix();
    json(&match Address::from_text(args.text("address"), prefix) {
        Ok(address) => Validated {
            isvalid: true,
            address: Some(address.to_text(prefix)),
            root: Some(HEXLOWER.encode(address.as_bytes())),
            error: None,
            error_locations: None,
        },
        Err(error) => Validated {
            isvalid: false,
            address: None,
            root: None,
            error_locations: Some(location(&error).into_iter().map(|position| position - 1).collect()),
            error: Some(error.to_string()),
        },
    })
}

/// The place that an error points at, from 1.
const fn location(error: &AddressTextError) -> Option<usize> {
    match error {
        AddressTextError::Character { position, .. } => Some(*position),
        AddressTextError::Checksum { likely } => *likely,
        _ => None,
    }
}

fn verify_message(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let address = rpc.context.address(args.text("address"))?;
    let malformed = |error| RpcError::new(Code::Type, format!("Malformed signature: {error}"));
    let proof: MessageProof = args.text("signature").parse().map_err(malformed)?;
    let node = &rpc.context.node;
    let tip = node.chain().state().height();
    let holds = proof.verify(address, args.text("message"), tip.next().unwrap_or(tip), node.spec());
    json(&holds.is_ok())
}

#[derive(Serialize)]
struct Estimate {
    feerate: Coins,
    blocks: u32,
}

fn estimate(rpc: &Rpc<Context>, args: &Args) -> Outcome {
    let invalid = || {
        let found = args.value("conf_target");
        RpcError::parameter(format!("Invalid conf_target {found}, must be between 1 and {CONF_TARGET_MAX}"))
    };
    let found = args.int("conf_target")?.unwrap_or(0);
    let blocks =
        u32::try_from(found).ok().filter(|blocks| (1..=CONF_TARGET_MAX).contains(blocks)).ok_or_else(invalid)?;
    let blocks = blocks.min(ESTIMATE_BLOCKS_MAX);
    let mode = args.text_or_none("estimate_mode").unwrap_or("economical");
    if !["economical", "conservative", "unset"].contains(&mode.to_ascii_lowercase().as_str()) {
        let message = "Invalid estimate_mode parameter, must be one of: \"unset\", \"economical\", \"conservative\"";
        return Err(RpcError::parameter(message));
    }
    let node = &rpc.context.node;
    let estimate = node.live().pool.estimate_fee(blocks, node.now(), node.spec()).map_err(|_| invalid())?;
    json(&Estimate { feerate: coins_per_1000_bytes(estimate.rate), blocks })
}
