//! What a web page asks of the wallet, as the extension's scripts hand it on, and what is answered.
//!
//! The scripts have checked shapes and lengths; what an address and an amount are, is checked here.

use qbtc_core::lock::{AddressPrefix, Lock};
use qbtc_core::mempool::Policy;
use qbtc_core::tx::TxOut;
use qbtc_core::units::{Amount, FeeRate};
use qbtc_core::wallet::pay::Order;
use serde::{Deserialize, Serialize};

use crate::wallet::order::{self, AddressFault, AmountFault};

/// The most that is paid for a thousand bytes because a page says so: as many times the least that nodes relay.
const FEE_TIMES_MAX: u64 = 100;

/// A question of a page, for the user to answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Question {
    /// Its number.
    pub id: String,
    /// The page's origin, as the browser tells it.
    pub origin: String,
    /// What is asked for.
    #[serde(flatten)]
    pub wish: Wish,
}

/// What a page asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "method", content = "params")]
pub enum Wish {
    /// To be connected.
    #[serde(rename = "qbtc_requestAccounts")]
    Connect {},
    /// A signature on a text.
    #[serde(rename = "qbtc_signMessage")]
    Sign {
        /// The text.
        message: String,
        /// The address that is to sign; any of the wallet's, if none.
        #[serde(default)]
        address: Option<String>,
    },
    /// A payment.
    #[serde(rename = "qbtc_sendTransaction")]
    Send {
        /// Who gets how much.
        outputs: Vec<Output>,
        /// Quanta for a thousand bytes; what nodes say, if none.
        #[serde(default, rename = "feeRate")]
        fee_rate: Option<u64>,
    },
}

/// Somebody who is to be paid.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Output {
    /// Where to.
    pub address: String,
    /// How much, in QBTC.
    pub amount: String,
}

/// Why a payment that a page asks for is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderFault {
    /// An address is wrong.
    Address(AddressFault),
    /// An amount is wrong.
    Amount(AmountFault),
    /// Together they are more than there can be.
    TooMuch,
    /// The fee that the page wants is beyond all sense.
    FeeRate {
        /// What it wants, in quanta for a thousand bytes.
        found: u64,
        /// The most.
        most: u64,
    },
}

/// The payment that a page asks for, at its own rate or else at this one.
///
/// # Errors
/// [`OrderFault`].
pub fn order(
    outputs: &[Output],
    wanted: Option<u64>,
    usual: FeeRate,
    available: Amount,
    prefix: &AddressPrefix,
) -> Result<Order, OrderFault> {
    let policy = Policy::default();
    let least = policy.relay_fee_rate_min.quanta_per_1000_bytes();
    let most = least.saturating_mul(FEE_TIMES_MAX);
    let fee_rate = match wanted {
        Some(found) if found > most => return Err(OrderFault::FeeRate { found, most }),
        Some(found) => FeeRate::from_quanta_per_1000_bytes(found.max(least)),
        None => usual,
    };
    let recipient = |output: &Output| {
        let address = order::address(&output.address, prefix).map_err(OrderFault::Address)?;
        let amount = order::amount(&output.amount, available, policy.dust_min()).map_err(OrderFault::Amount)?;
        Ok(TxOut { amount, lock: Lock::Address(address) })
    };
    let outputs: Vec<TxOut> = outputs.iter().map(recipient).collect::<Result<_, _>>()?;
    Amount::checked_sum(outputs.iter().map(|output| output.amount)).ok_or(OrderFault::TooMuch)?;
    Ok(Order { outputs, fee_rate, ..Order::default() })
}

/// What the extension's scripts ask the wallet by itself, of which the user is not told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Call {
    /// To whom it is said.
    pub to: String,
    /// Which method.
    #[serde(default)]
    pub method: String,
}

/// What is answered to a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer<T> {
    /// The value.
    Result(T),
    /// Why there is none.
    Error {
        /// A code of EIP-1193 or of JSON-RPC.
        code: i32,
        /// A sentence.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use qbtc_core::lock::Address;
    use qbtc_core::spec::ChainSpec;

    use super::*;

    fn read(text: &str) -> Option<Question> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn questions_are_read() {
        let connect = read(r#"{"id":"1","origin":"https://a.example","method":"qbtc_requestAccounts","params":{}}"#);
        assert_eq!(connect.unwrap().wish, Wish::Connect {});
        let sign = read(r#"{"id":"2","origin":"o","method":"qbtc_signMessage","params":{"message":"hi"}}"#).unwrap();
        assert_eq!(sign.wish, Wish::Sign { message: "hi".to_owned(), address: None });
        let send = r#"{"id":"3","origin":"o","method":"qbtc_sendTransaction","params":{"outputs":[{"address":"a","amount":"1.5"}],"feeRate":7}}"#;
        let Wish::Send { outputs, fee_rate } = read(send).unwrap().wish else { panic!("it is a payment") };
        assert_eq!((outputs[0].amount.as_str(), fee_rate), ("1.5", Some(7)));
        for other in ["null", "{}", r#"{"id":"1","origin":"o","method":"qbtc_other","params":{}}"#] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_payment_is_checked_as_if_it_were_typed() {
        let spec = ChainSpec::dev();
        let prefix = &spec.network().address_prefix;
        let address = Address::from_bytes([7; 32]).to_text(prefix);
        let output = |address: &str, amount: &str| Output { address: address.to_owned(), amount: amount.to_owned() };
        let usual = FeeRate::from_quanta_per_1000_bytes(5_000);
        let have = Amount::from_coins(10);
        let order = |outputs: &[Output], rate| order(outputs, rate, usual, have, prefix);
        let good = order(&[output(&address, "1.5"), output(&address, "2")], None).unwrap();
        assert_eq!((good.outputs.len(), good.fee_rate), (2, usual));
        assert_eq!(good.outputs[0].amount, "1.5".parse().unwrap());
        let typo = format!("{address}q");
        assert!(matches!(order(&[output(&typo, "1")], None), Err(OrderFault::Address(_))));
        let main = Address::from_bytes([7; 32]).to_text(&ChainSpec::main().network().address_prefix);
        assert!(matches!(order(&[output(&main, "1")], None), Err(OrderFault::Address(_))), "of another chain");
        for amount in ["", "0", "-1", "1e3", "11", "0.000000001", "0.00000001"] {
            assert!(matches!(order(&[output(&address, amount)], None), Err(OrderFault::Amount(_))), "{amount}");
        }
    }

    #[test]
    fn a_page_cannot_have_the_money_burnt_as_a_fee() {
        let spec = ChainSpec::dev();
        let rate = |wanted| {
            let (usual, have) = (FeeRate::from_quanta_per_1000_bytes(5_000), Amount::from_coins(1));
            order(&[], wanted, usual, have, &spec.network().address_prefix).map(|order| order.fee_rate)
        };
        let least = Policy::default().relay_fee_rate_min;
        assert_eq!(rate(Some(1)), Ok(least));
        let most = least.quanta_per_1000_bytes() * FEE_TIMES_MAX;
        assert!(rate(Some(most)).is_ok());
        assert_eq!(rate(Some(most + 1)), Err(OrderFault::FeeRate { found: most + 1, most }));
    }

    #[test]
    fn answers_are_what_the_scripts_read() {
        let text = serde_json::to_string(&Answer::Result(["a"])).unwrap();
        assert_eq!(text, r#"{"result":["a"]}"#);
        let error: Answer<()> = Answer::Error { code: 4100, message: "No.".to_owned() };
        assert_eq!(serde_json::to_string(&error).unwrap(), r#"{"error":{"code":4100,"message":"No."}}"#);
    }
}
