//! What a call that fails answers: a code of Bitcoin Core's, and a sentence.

use serde::Serialize;

/// Bitcoin Core's error codes (its `src/rpc/protocol.h`), as far as they can occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body is no JSON.
    Parse,
    /// The JSON is no request.
    InvalidRequest,
    /// No such method.
    MethodNotFound,
    /// Something in the node failed.
    Internal,
    /// Anything without a code of its own, wrong numbers of parameters among it.
    Misc,
    /// A parameter of the wrong type.
    Type,
    /// An address, key, or transaction that is not valid or not known.
    InvalidAddressOrKey,
    /// A parameter with a value that is not possible.
    InvalidParameter,
    /// The node is not connected.
    NotConnected,
    /// The node has not caught up with the chain.
    InInitialDownload,
    /// A node that was added before.
    NodeAlreadyAdded,
    /// A node that was not added.
    NodeNotAdded,
    /// A node that is not connected.
    NodeNotConnected,
    /// Neither an address nor a subnet, or one that is not banned.
    InvalidSubnet,
    /// The network is off.
    P2pDisabled,
    /// The store failed.
    Database,
    /// Bytes that do not decode.
    Deserialization,
    /// A block or transaction that could not be checked, or lacks what it builds on.
    Verify,
    /// A block or transaction that breaks a rule.
    VerifyRejected,
    /// A transaction that is in the chain already.
    VerifyAlreadyInChain,
    /// Not on this chain, or not in this mode.
    Forbidden,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (code {})", .code.number())]
pub struct RpcError {
    /// What kind of failure.
    pub code: Code,
    /// What was found, what was expected, and what mends it.
    pub message: String,
}

impl Code {
    /// The number that goes over the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Parse => -32_700,
            Self::InvalidRequest => -32_600,
            Self::MethodNotFound => -32_601,
            Self::Internal => -32_603,
            Self::Misc => -1,
            Self::Forbidden => -2,
            Self::Type => -3,
            Self::InvalidAddressOrKey => -5,
            Self::InvalidParameter => -8,
            Self::NotConnected => -9,
            Self::InInitialDownload => -10,
            Self::Database => -20,
            Self::Deserialization => -22,
            Self::Verify => -25,
            Self::VerifyRejected => -26,
            Self::VerifyAlreadyInChain => -27,
            Self::NodeAlreadyAdded => -23,
            Self::NodeNotAdded => -24,
            Self::NodeNotConnected => -29,
            Self::InvalidSubnet => -30,
            Self::P2pDisabled => -31,
        }
    }
}

impl RpcError {
    /// An error of this kind.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The node's own failure, which its log tells more about.
    #[must_use]
    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(Code::Internal, format!("{message}; the node's log may tell more"))
    }

    /// A value that is not possible.
    #[must_use]
    pub fn parameter(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameter, message)
    }
}

impl Serialize for RpcError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            code: i32,
            message: &'a str,
        }
        Fields { code: self.code.number(), message: &self.message }.serialize(serializer)
    }
}
