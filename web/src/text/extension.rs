//! Words of the browser extension.

use crate::extension::{BeginFault, OrderFault};
use crate::format;

use super::{amount_fault, mistyped};
use crate::wallet::order::AddressFault;

pub const NAV_SITES: &str = "Sites";
pub const BEGIN: &str = "Where to begin";
pub const BEGIN_MEANS: &str = "This wallet talks to nodes directly and checks what they say. It needs one to begin with, best your own: its page “Node” and its log say where browsers reach it. Others are found from there.";
pub const BEGIN_CHAIN: &str = "Chain";
pub const BEGIN_NODES: &str = "Nodes, one address a line";
pub const BEGIN_NODES_HINT: &str = "/ip4/…/udp/…/webrtc-direct/certhash/…/p2p/…";
pub const BEGIN_SAVE: &str = "Begin";
pub const BEGIN_ANEW: &str = "Begin anew with these";
pub const BEGIN_ANEW_MEANS: &str = "Each chain has a wallet of its own. Another chain does not remove this one.";
pub const BEGIN_ELSEWHERE: &str = "Another chain, or other nodes";
pub const RUNS_HIDDEN: &str = "A document of the extension that stays while the browser runs.";
pub const STORAGE_OF_EXTENSION: &str = "The browser keeps this wallet until the extension is removed. Removing it removes the keys: make sure that the words are written down.";
pub const SITES: &str = "Connected sites";
pub const SITES_MEAN: &str = "These sites see the first account’s next address and its balance, and may ask you to sign and to pay. Nothing is signed without a window like the one in which you connected them.";
pub const NO_SITES: &str = "No site is connected.";
pub const DISCONNECT: &str = "Disconnect";
pub const QUESTION_OVER: &str = "This question is over. You can close the window.";
pub const SITE_UNTOLD: &str = "The site could not be told: its question is over. You can close the window.";
pub const SITE: &str = "Site";
pub const ASKS_CONNECT: &str = "asks to be connected";
pub const ASKS_SIGN: &str = "asks for your signature on a message";
pub const ASKS_SEND: &str = "asks you to pay";
pub const CONNECT_MEANS: &str = "It will see this address and the balance of your first account, now and later, until you disconnect it. It cannot pay or sign: it can only ask, and you are asked each time.";
pub const CONNECT: &str = "Connect";
pub const REFUSE: &str = "Refuse";
pub const SIGN: &str = "Sign";
pub const SIGNS_AS: &str = "Signs as";
pub const SIGN_FOR_SITE: &str = "The site gets the signature and can show it to anybody. Sign only what you understand: a text meant for another site may let this one pass for you there.";
pub const WANTS_NO_WALLET: &str =
    "There is no wallet yet. Open the extension and make one, then let the site ask again.";
pub const CANNOT: &str = "This cannot be done";
pub const TELL_SITE: &str = "Close and tell the site";
pub const NOT_SET_UP: &str = "The wallet is not set up yet: open the extension.";
pub const NO_METHOD: &str = "The wallet knows no such call.";

#[must_use]
pub fn begin_fault(fault: &BeginFault) -> String {
    match fault {
        BeginFault::Chain => "This app does not know this chain.".to_owned(),
        BeginFault::Address { line, why } => format!("Line {line} is no address of a node: {why}."),
        BeginFault::NotWebRtc { line } => {
            format!(
                "Line {line} is an address of WebSocket. An extension reaches nodes by WebRTC: take the one with webrtc-direct in it."
            )
        }
        BeginFault::Many => "These are too many nodes.".to_owned(),
        BeginFault::NoNode => "This chain has no nodes that are always there: name at least one.".to_owned(),
    }
}

#[must_use]
pub fn order_fault(fault: &OrderFault) -> String {
    match fault {
        OrderFault::Address(AddressFault::Empty) => "The site names no address.".to_owned(),
        OrderFault::Address(AddressFault::Text { error, .. }) => {
            format!("The site names an address that is none. {}", mistyped(error))
        }
        OrderFault::Amount(fault) => format!("The site names an amount that cannot be paid. {}", amount_fault(*fault)),
        OrderFault::TooMuch => "The site asks for more than there can be.".to_owned(),
        OrderFault::FeeRate { found, most } => format!(
            "The site wants a fee of {}. This wallet pays at most {}.",
            format::fee_rate(*found),
            format::fee_rate(*most)
        ),
    }
}
