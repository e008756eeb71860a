//! Giving transactions to the mempool, or asking whether it would take them.

use std::sync::Arc;

use qbtc_core::hash::{Txid, Wtxid};
use qbtc_core::mempool::AdmitError;
use qbtc_core::tx::{OutPoint, Transaction};
use qbtc_core::units::{Amount, FeeRate};
use qbtc_core::utxo::CoinView as _;
use qbtc_core::{codec, verify::SpendError};
use serde::Serialize;
use serde_json::Value;

use super::super::args::{Args, type_name};
use super::super::context::Context;
use super::super::error::{Code, RpcError};
use super::super::method::{Category, Method, Size};
use super::super::param::{Kind, Param};
use super::super::protocol::Outcome;
use super::super::{Rpc, json, reasons};
use super::transaction;
use crate::json::Coins;
use crate::node::TxRefusal;
use crate::store::ChainView;

/// The most transactions that are tested at once.
const TESTED_MAX: usize = 25;
/// The highest fee rate that counts as meant, unless a call says otherwise: 0.10 QBTC for 1,000 bytes.
const FEE_RATE_MAX: FeeRate = FeeRate::from_quanta_per_1000_bytes(10_000_000);

pub(super) fn methods() -> [Method<Context>; 2] {
    const FEE_RATE: Param = Param::optional(
        &["maxfeerate"],
        Kind::Amount,
        "0.10",
        "The highest fee rate that is meant, in QBTC for 1,000 bytes; 0 for any.",
    );
    const SEND: &[Param] = &[Param::required(&["hexstring"], Kind::Hex, "The transaction's bytes."), FEE_RATE];
    const TEST: &[Param] = &[
        Param::required(&["rawtxs"], Kind::Array, "The transactions in hex, at most 25; each is tested by itself."),
        FEE_RATE,
    ];
    [
        Method::waiting("sendrawtransaction", Category::RawTransactions, |rpc, args| Box::pin(send(rpc, args)))
            .about(
                "Gives a transaction to the mempool and to the network. One that is there already is no error.",
                "\"hex\"    (string) Its id",
            )
            .takes(SEND, "\"hexstring\"")
            .sized(Size::Transaction),
        Method::waiting("testmempoolaccept", Category::RawTransactions, |rpc, args| Box::pin(test(rpc, args)))
            .about("Tells whether the mempool would take transactions. Nothing changes.", TEST_RESULT)
            .takes(TEST, "'[\"hexstring\"]'")
            .sized(Size::Block),
    ]
}

const TEST_RESULT: &str = r#"[
  {
    "txid": "hex",              (string) The id without witnesses
    "wtxid": "hex",             (string) The id with witnesses
    "allowed": bool,            (boolean) Whether the mempool would take it
    "vsize": n,                 (numeric, if allowed) The size with witnesses, in bytes; there is no discount
    "fees": {                   (json object, if allowed)
      "base": n                 (numeric) The fee in QBTC
    },
    "reject-reason": "str",     (string, if not allowed) Why not, in a word
    "reject-details": "str"     (string, if not allowed) Why not, in a sentence
  },...
]"#;

async fn send(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let most = fee_rate_max(&args)?;
    let transaction = rpc.compute(move |rpc| prepare(rpc, &args, most)).await??;
    let txid = transaction.txid();
    match rpc.context.node.spread_transaction(transaction).await {
        // Sent once more, as wallets do to be sure.
        Ok(_) | Err(TxRefusal::Admit(AdmitError::Known { .. })) => json(&txid),
        Err(refusal) => Err(refused(refusal, &txid)),
    }
}

fn prepare(rpc: &Rpc<Context>, args: &Args, most: FeeRate) -> Result<Transaction, RpcError> {
    let transaction = transaction(rpc, args.text("hexstring"))?;
    // What waits is looked at first, so that the tip need not wait for the disk.
    let (chain, waiting) = {
        let live = rpc.context.node.live();
        let output = |input: &OutPoint| {
            let parent = live.pool.entry(&input.txid)?;
            parent.tx().body().outputs.get(input.index as usize).map(|output| output.amount)
        };
        let waiting: Vec<Option<Amount>> = transaction.body.inputs.iter().map(output).collect();
        (Arc::clone(&live.chain), waiting)
    };
    if is_mined(&chain, transaction.txid(), transaction.body.outputs.len()) {
        return Err(RpcError::new(Code::VerifyAlreadyInChain, "Transaction outputs already in utxo set"));
    }
    let spent = transaction.body.inputs.iter().zip(waiting).map(|(input, waiting)| match waiting {
        Some(amount) => Ok(Some(amount)),
        None => Ok(chain.coin(input)?.map(|coin| coin.amount)),
    });
    let spent: Option<Vec<Amount>> = spent.collect::<Result<_, RpcError>>()?;
    // If a coin is missing, the mempool says so.
    let inputs = spent.and_then(Amount::checked_sum);
    let outputs = Amount::checked_sum(transaction.body.outputs.iter().map(|output| output.amount));
    let fee = inputs.zip(outputs).and_then(|(inputs, outputs)| inputs.checked_sub(outputs)).unwrap_or_default();
    check_fee(fee, codec::encoded_len(&transaction) as u64, most)?;
    Ok(transaction)
}

/// Whether a transaction with so many outputs is in the chain, as far as some coin that it made is there still.
fn is_mined(chain: &ChainView, txid: Txid, outputs: usize) -> bool {
    (0..).take(outputs).any(|index| matches!(chain.coin(&OutPoint { txid, index }), Ok(Some(_))))
}

fn check_fee(fee: Amount, size_bytes: u64, most: FeeRate) -> Result<(), RpcError> {
    let limit = most.fee(size_bytes).unwrap_or(Amount::MAX);
    if most != FeeRate::ZERO && fee > limit {
        let message = format!(
            "Fee exceeds maximum configured by user (e.g. maxfeerate): {fee} QBTC for {size_bytes} bytes, at most {limit} QBTC; \
             raise maxfeerate if this is meant, or set it to 0"
        );
        return Err(RpcError::new(Code::Verify, message));
    }
    Ok(())
}

/// The highest fee rate that is meant.
fn fee_rate_max(args: &Args) -> Result<FeeRate, RpcError> {
    let text = match args.value("maxfeerate") {
        Value::Null => return Ok(FEE_RATE_MAX),
        Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    let invalid = |error| RpcError::new(Code::Type, format!("Invalid amount for maxfeerate: {error}"));
    let rate: Amount = text.parse().map_err(invalid)?;
    if rate >= Amount::from_coins(1) {
        return Err(RpcError::parameter("Fee rates larger than or equal to 1 QBTC for 1,000 bytes are not accepted"));
    }
    Ok(FeeRate::from_quanta_per_1000_bytes(rate.quanta()))
}

fn refused(refusal: TxRefusal, txid: &Txid) -> RpcError {
    match (reasons::transaction_refusal(&refusal), refusal) {
        (_, TxRefusal::Fault(fault)) => fault.into(),
        (Some(reason), refusal) => {
            let code = if is_missing(&refusal) { Code::Verify } else { Code::VerifyRejected };
            RpcError::new(code, format!("{reason}, {refusal}"))
        }
        (None, refusal) => RpcError::internal(format!("transaction {txid}: {refusal}")),
    }
}

/// Whether it spends coins that are not there: it may be mined already, or come before those that it spends from.
const fn is_missing(refusal: &TxRefusal) -> bool {
    matches!(
        refusal,
        TxRefusal::Admit(AdmitError::Spend(SpendError::MissingCoin { .. }) | AdmitError::ParentLeft { .. })
    )
}

#[derive(Serialize)]
struct Verdict {
    txid: Txid,
    wtxid: Wtxid,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    vsize: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fees: Option<Fees>,
    #[serde(rename = "reject-reason", skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(rename = "reject-details", skip_serializing_if = "Option::is_none")]
    details: Option<String>,
}

#[derive(Serialize)]
struct Fees {
    base: Coins,
}

impl Verdict {
    fn refused(txid: Txid, wtxid: Wtxid, reason: &'static str, details: String) -> Self {
        let (reason, details) = (Some(reason), Some(details));
        Self { txid, wtxid, allowed: false, vsize: None, fees: None, reason, details }
    }
}

async fn test(rpc: Arc<Rpc<Context>>, args: Args) -> Outcome {
    let most = fee_rate_max(&args)?;
    let transactions = rpc.compute(move |rpc| rawtxs(rpc, &args)).await??;
    let mut verdicts = Vec::with_capacity(transactions.len());
    for transaction in transactions {
        let (txid, wtxid) = (transaction.txid(), transaction.wtxid());
        let outputs = transaction.body.outputs.len();
        verdicts.push(match rpc.context.node.test_transaction(transaction).await {
            Ok(tested) => match check_fee(tested.fee, tested.size_bytes.into(), most) {
                Ok(()) => {
                    let (vsize, fees) = (Some(tested.size_bytes), Some(Fees { base: Coins(tested.fee) }));
                    Verdict { txid, wtxid, allowed: true, vsize, fees, reason: None, details: None }
                }
                Err(error) => Verdict::refused(txid, wtxid, "max-fee-exceeded", error.message),
            },
            Err(TxRefusal::Fault(fault)) => return Err(fault.into()),
            Err(refusal) => {
                // Bitcoin Core's words for it in this call.
                let missing = if !is_missing(&refusal) {
                    None
                } else if rpc.compute(move |rpc| is_mined(&rpc.context.node.chain(), txid, outputs)).await? {
                    Some("txn-already-known")
                } else {
                    Some("missing-inputs")
                };
                let reason = missing.or(reasons::transaction_refusal(&refusal)).unwrap_or("rejected");
                Verdict::refused(txid, wtxid, reason, refusal.to_string())
            }
        });
    }
    json(&verdicts)
}

fn rawtxs(rpc: &Rpc<Context>, args: &Args) -> Result<Vec<Transaction>, RpcError> {
    let given = args.value("rawtxs").as_array().map(Vec::as_slice).unwrap_or_default();
    if !(1..=TESTED_MAX).contains(&given.len()) {
        return Err(RpcError::parameter(format!("Array must contain between 1 and {TESTED_MAX} transactions.")));
    }
    let one = |each: &Value| match each {
        Value::String(text) => transaction(rpc, text),
        other => {
            let message = format!("JSON value of type {} is not of expected type string", type_name(other));
            Err(RpcError::new(Code::Type, message))
        }
    };
    given.iter().map(one).collect()
}
