//! Who the peer is: Noise XX on the channel that both open by agreement, begun by the node.
//!
//! DTLS alone proves no id: the browser's certificate is a new one each time, and ours is known to the browser by its hash only. The prologue
//! ([`qbtc_core::net::browser::noise`]) binds both certificates to the Noise handshake, so that nobody can stand between the two.

use libp2p::PeerId;
use libp2p::core::upgrade::{OutboundConnectionUpgrade as _, UpgradeInfo as _};
use libp2p::identity::Keypair;
use libp2p::noise;

use super::muxer::Muxer;

/// Proves our id to the peer and takes its proof.
pub(super) async fn authenticate(muxer: &Muxer, identity: &Keypair, prologue: Vec<u8>) -> Result<PeerId, noise::Error> {
    let config = noise::Config::new(identity)?.with_prologue(prologue);
    let info = config.protocol_info().next().expect("Noise has one name");
    let (peer, _) = config.upgrade_outbound(muxer.handshake_stream(), info).await?;
    Ok(peer)
}
