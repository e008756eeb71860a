//! Who the peer is: Noise XX on the channel that both open by agreement, begun by the node.
//!
//! DTLS alone proves no id: the browser's certificate is a new one each time, and ours is known to the browser by its hash only. The prologue
//! binds both certificates to the Noise handshake, so that nobody can stand between the two.

use libp2p::PeerId;
use libp2p::core::upgrade::{OutboundConnectionUpgrade as _, UpgradeInfo as _};
use libp2p::identity::Keypair;
use libp2p::multihash::Multihash;
use libp2p::noise;

use super::muxer::Muxer;

const PREFIX: &[u8] = b"libp2p-webrtc-noise:";

/// What both sides must agree on: the hashes of the certificates, the client's first.
#[must_use]
pub(super) fn prologue(client: &Multihash<64>, server: &Multihash<64>) -> Vec<u8> {
    [PREFIX, &client.to_bytes(), &server.to_bytes()].concat()
}

/// Proves our id to the peer and takes its proof.
pub(super) async fn authenticate(muxer: &Muxer, identity: &Keypair, prologue: Vec<u8>) -> Result<PeerId, noise::Error> {
    let config = noise::Config::new(identity)?.with_prologue(prologue);
    let info = config.protocol_info().next().expect("Noise has one name");
    let (peer, _) = config.upgrade_outbound(muxer.handshake_stream(), info).await?;
    Ok(peer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p2p::transport::webrtc::certificate::sha256_multihash;

    #[test]
    fn the_vector_of_the_specification() {
        let hash = |text: &str| sha256_multihash(&hex::decode(text).unwrap().try_into().unwrap());
        let client = hash("3e79af40d6059617a0d83b83a52ce73b0c1f37a72c6043ad2969e2351bdca870");
        let server = hash("30fc9f469c207419dfdd0aab5f27a86c973c94e40548db9375cca2e915973b99");
        let expected = "6c69627032702d7765627274632d6e6f6973653a12203e79af40d6059617a0d83b83a52ce73b0c1f37a72c6043ad2969e2351bdca870\
                        122030fc9f469c207419dfdd0aab5f27a86c973c94e40548db9375cca2e915973b99";
        assert_eq!(hex::encode(prologue(&client, &server)), expected);
        assert_ne!(prologue(&server, &client), prologue(&client, &server));
    }
}
