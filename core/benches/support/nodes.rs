//! Nodes that answer a light client at once, from a chain in memory.
#![allow(dead_code, reason = "each bench uses a part of it")]

use std::sync::Arc;

use qbtc_core::commit::flyclient::{HistorySource as _, Sampling};
use qbtc_core::commit::mmr::BlockProof;
use qbtc_core::net::{Hello, LightAnswer, LightQuestion, LightTip, PROTOCOL_VERSION, ProofBytes, Services, UserAgent};
use qbtc_core::spec::ChainSpec;
use qbtc_core::sync::PeerKey;
use qbtc_core::sync::light::{At, Input, LightClient, Output};
use qbtc_core::units::{FeeRate, Height};

use crate::history::History;

/// A chain at the easiest bits there are, whose difficulty follows the clock.
pub(crate) fn spec() -> Arc<ChainSpec> {
    let text = ChainSpec::dev().to_toml();
    let easy = text.replace(&0x1f00_ffff_u32.to_string(), &crate::history::EASIEST.0.to_string());
    let easy = easy.replace("rule = \"fixed\"", "rule = \"asert\"\nhalf_life_s = 172800");
    Arc::new(ChainSpec::from_toml(&easy.replace("spacing_s = 10", "spacing_s = 60")).unwrap())
}

/// Lets three nodes answer until the client follows the tip.
pub(crate) fn to_tip(mut client: LightClient, chain: &History, at: At) -> LightClient {
    for peer in 1..=3 {
        client.handle(Input::PeerUp { peer: PeerKey(peer), hello: hello(chain, &client), group: None }, at);
    }
    while client.tip().mark.id != chain.tip_id() {
        match client.poll().unwrap() {
            Output::Ask { request, question, .. } => {
                if let Some(answer) = answer(chain, &question) {
                    client.handle(Input::Answer { request, answer }, at);
                }
            }
            Output::Fault { fault, .. } => panic!("{fault}"),
            Output::Leave { .. } | Output::Event(_) => {}
        }
    }
    client
}

pub(crate) fn answer(chain: &History, question: &LightQuestion) -> Option<LightAnswer> {
    Some(match question {
        LightQuestion::Tip => {
            let header = *chain.headers.last().unwrap();
            LightAnswer::Tip(LightTip { header, height: chain.tip(), work: chain.peaks.work() })
        }
        LightQuestion::Work { tip, seed } => {
            LightAnswer::Work(ProofBytes(chain.proof(&Sampling::live(*seed, *tip)).into()))
        }
        LightQuestion::Headers { start, count, .. } => {
            let headers = chain.headers.iter().skip(start.0 as usize).take(*count as usize);
            LightAnswer::Headers(headers.copied().collect())
        }
        LightQuestion::Block { height, .. } => {
            let header = chain.headers[height.0 as usize];
            let Ok(proof) = BlockProof::new(header, *height, chain.blocks(), |position| chain.node(position));
            LightAnswer::Block(Box::new(proof))
        }
        _ => return None,
    })
}

pub(crate) fn hello(chain: &History, client: &LightClient) -> Hello {
    Hello {
        version: PROTOCOL_VERSION,
        chain_id: chain.rules.genesis.id().into(),
        tip: chain.tip_id(),
        height: Height(0),
        work: client.tip().work,
        services: Services::NODE.and(Services::LIGHT).and(Services::ALL_BODIES),
        fee_rate_min: FeeRate::from_quanta_per_1000_bytes(0),
        time: client.tip().header.time,
        user_agent: UserAgent::default(),
    }
}
