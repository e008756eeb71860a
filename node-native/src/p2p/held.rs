//! How many bytes one peer can make the node hold, in all: the sum of what each part of the network lets wait for it.

use qbtc_core::net::addresses::{AddressesAnswer, AddressesQuestion};
use qbtc_core::net::{Hello, IdentityAnswer, LightAnswer, LightQuestion, SyncAnswer, SyncQuestion};
use qbtc_core::relay::StemMessage;
use qbtc_core::spec::ChainSpec;

use super::answers::ANSWERS_PER_PEER_MAX;
use super::behaviour::{CONNECTIONS_PER_PEER_MAX, QUESTIONS_MAX, SMALL_MAX, STEM_MAX};
use super::transport::{CONNECTION_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX};
use super::{gossip, kademlia, reach};

/// The most bytes that one peer can make this node hold, while it sends as much as it can and takes nothing.
///
/// Not among them is what is held for all peers together, whoever they are: blocks that are being fetched (`Limits::held_bytes` of the machine),
/// the mempool, transactions on the stem, the address book; each has a limit of its own.
#[must_use]
pub const fn held_bytes_max(spec: &ChainSpec) -> usize {
    // Light clients ask in the open or sealed.
    let questions = QUESTIONS_MAX * (SyncQuestion::BYTES_MAX + 2 * LightQuestion::bytes_max(spec))
        + STEM_MAX * StemMessage::bytes_max(spec)
        + SMALL_MAX
            * (2 * Hello::BYTES_MAX
                + IdentityAnswer::BYTES_MAX
                + AddressesQuestion::BYTES_MAX
                + AddressesAnswer::BYTES_MAX);
    // Questions and answers of Kademlia; small messages of relays (both roles), hole punching and AutoNAT (both roles); what goes through this node.
    let finding = 2 * kademlia::STREAMS_MAX * kademlia::MESSAGE_BYTES_MAX;
    let reaching = 5 * reach::STREAMS_MAX * reach::MESSAGE_BYTES_MAX
        + 2 * reach::CIRCUITS_PER_PEER_MAX * reach::CIRCUIT_BUFFER_BYTES;
    // What the transport holds unread, a WebSocket's message that comes and those that go, questions that are being read, and a message of gossip.
    let connection = CONNECTION_BYTES_MAX
        + 2 * WEBSOCKET_MESSAGE_BYTES_MAX
        + questions
        + finding
        + reaching
        + gossip::message_bytes_max(spec);
    let (sync, light) = (SyncAnswer::bytes_max(spec), LightAnswer::bytes_max(spec));
    let answers = ANSWERS_PER_PEER_MAX * if sync > light { sync } else { light };
    CONNECTIONS_PER_PEER_MAX as usize * connection + answers + gossip::queue_bytes_max(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/operating.md says so.
    #[test]
    fn it_is_as_much_as_is_written_down() {
        let most = held_bytes_max(&ChainSpec::main());
        assert!(most <= 192 << 20, "{} MiB", most >> 20);
        assert!(most > 128 << 20, "{} MiB: less than is written down", most >> 20);
    }
}
