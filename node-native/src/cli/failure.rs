//! How errors are told, and with which exit code the program ends.

use std::process::ExitCode;

use qbtc_core::hash::Txid;
use qbtc_core::wallet::keystore::KeystoreError;
use serde_json::{Value, json};

use super::output::print_error;
use crate::client::ClientError;

const FAILED: u8 = 1;
const NOT_UNDERSTOOD: u8 = 2;
const NO_NODE: u8 = 3;
const WRONG_PASSPHRASE: u8 = 4;
const MAYBE_SENT: u8 = 5;

/// A payment that is signed and kept, and of which the node did not say whether it took it.
#[derive(Debug, thiserror::Error)]
#[error(
    "payment {txid} is signed and kept, but the node did not say whether it took it: `qbtc wallet sync` sends it again"
)]
pub(super) struct MaybeSent {
    /// The payment.
    pub(super) txid: Txid,
}

/// None of the nodes that were named or found has shown a chain.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoChainShown(pub(super) String);

/// Tells what is wrong, and gives the exit code for it.
pub(super) fn explain(error: &anyhow::Error, as_json: bool) -> ExitCode {
    let code = exit_code(error);
    if as_json {
        let rpc_code = error.chain().find_map(|cause| match cause.downcast_ref() {
            Some(ClientError::Rpc { code, .. }) => Some(*code),
            _ => None,
        });
        let mut value = as_value(code, &sentence(error), rpc_code);
        if let Some(MaybeSent { txid }) = error.downcast_ref() {
            value["error"]["txid"] = json!(txid);
        }
        print_error(&value);
    } else {
        print_error(&format_args!("error: {}", sentence(error)));
    }
    ExitCode::from(code)
}

/// Tells what clap did not understand. Help and version are no errors, and go to stdout.
pub(super) fn explain_usage(error: &clap::Error, as_json: bool) -> ExitCode {
    if as_json && error.use_stderr() {
        print_error(&as_value(NOT_UNDERSTOOD, &usage_sentence(&error.to_string()), None));
        return ExitCode::from(NOT_UNDERSTOOD);
    }
    // A closed pipe is the reader's matter.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(NOT_UNDERSTOOD) } else { ExitCode::SUCCESS }
}

fn as_value(code: u8, message: &str, rpc_code: Option<i64>) -> Value {
    json!({ "error": { "exit_code": code, "message": message, "rpc_code": rpc_code } })
}

/// What clap says is wrong, in one line, without what it says about usage.
fn usage_sentence(text: &str) -> String {
    let wrong = text.split("\n\nUsage:").next().unwrap_or_default();
    let wrong = wrong.strip_prefix("error: ").unwrap_or(wrong);
    wrong.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<MaybeSent>() {
        return MAYBE_SENT;
    }
    for cause in error.chain() {
        match cause.downcast_ref() {
            Some(ClientError::Rpc { .. }) => return FAILED,
            Some(ClientError::Url(_)) => return NOT_UNDERSTOOD,
            Some(_) => return NO_NODE,
            None => {}
        }
        if cause.is::<NoChainShown>() {
            return NO_NODE;
        }
        if let Some(KeystoreError::WrongPassphrase) = cause.downcast_ref() {
            return WRONG_PASSPHRASE;
        }
    }
    FAILED
}

/// The error and its causes in one line; a cause that its effect has told already is left out.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !sentence.contains(&cause) {
            sentence.push_str(": ");
            sentence.push_str(&cause);
        }
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn each_kind_of_failure_has_its_code() {
        let refused =
            ClientError::Rpc { method: "getblock".to_owned(), code: -5, message: "Block not found".to_owned() };
        assert_eq!(exit_code(&anyhow::Error::new(refused).context("cannot sync")), 1);
        assert_eq!(exit_code(&anyhow::Error::new(ClientError::Unauthorized { url: String::new() })), 3);
        assert_eq!(exit_code(&anyhow::Error::new(NoChainShown("nobody answers".to_owned()))), 3);
        assert_eq!(exit_code(&anyhow::Error::new(ClientError::Url("not//here".to_owned()))), 2);
        assert_eq!(exit_code(&anyhow::Error::new(KeystoreError::WrongPassphrase).context("cannot open")), 4);
        assert_eq!(exit_code(&anyhow::Error::new(KeystoreError::HeaderDamaged)), 1);
        assert_eq!(exit_code(&anyhow::anyhow!("other")), 1);
        let silent = anyhow::Error::new(ClientError::Unauthorized { url: String::new() });
        assert_eq!(exit_code(&silent.context(MaybeSent { txid: Txid::ZERO })), 5);
    }

    #[test]
    fn what_clap_says_fits_one_line() {
        let text = "error: unexpected argument '--x' found\n\n  tip: try '--y'\n\nUsage: qbtc [OPTIONS]\n\nFor more";
        assert_eq!(usage_sentence(text), "unexpected argument '--x' found tip: try '--y'");
    }

    #[test]
    fn causes_are_told_once() {
        let error = Err::<(), _>(anyhow::anyhow!("the disk is full")).context("cannot write").unwrap_err();
        assert_eq!(sentence(&error), "cannot write: the disk is full");
        let told = Err::<(), _>(anyhow::anyhow!("the disk is full")).context("cannot write: the disk is full");
        assert_eq!(sentence(&told.unwrap_err()), "cannot write: the disk is full");
    }
}
