//! What the light client is doing, as it tells the pages, and what that means for what they show.

use qbtc_core::chain::BlockMark;
use qbtc_core::sync::light::{EclipseSign, PEERS_WANTED, Phase};
use qbtc_core::units::{BlockTime, Height};
use serde::{Deserialize, Serialize};

/// What the client is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Tells this client from the one that ran before, in another tab: that one has a smaller number.
    pub run: u64,
    /// What it is at.
    pub phase: Phase,
    /// How many nodes have named their tips.
    pub peers: u32,
    /// Why all of them may be one person's.
    pub eclipse: Option<EclipseSign>,
    /// Whether the tip is older than chance explains.
    pub is_stale: bool,
    /// The height at which no node gives what is needed.
    pub withheld: Option<Height>,
    /// The tip of the chain with the most work that was shown.
    pub tip: Tip,
    /// The nodes that it is connected with.
    pub nodes: Vec<NodeLine>,
    /// Bytes of questions and answers since it began.
    pub bytes: u64,
    /// Why its state cannot be kept, if it cannot.
    pub unkept: Option<String>,
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// The last block.
    pub mark: BlockMark,
    /// When it was mined, as its miner says.
    pub time: BlockTime,
}

/// A node that the client is connected with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLine {
    /// Where it is.
    pub address: String,
    /// What it runs, in its own words.
    pub program: String,
    /// How long it took to answer, in milliseconds.
    pub ping_ms: Option<u32>,
    /// Whether nothing has come of it for a while.
    pub is_suspect: bool,
    /// The seal under which it is asked: the node shows the same.
    pub seal: String,
}

/// How the client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No node is connected.
    Alone,
    /// The chain with the most work is being looked for.
    Proving,
    /// The tip is proven, and followed.
    Proven,
}

/// What is to be said beside a proven tip. None of it is certain; none of it is to be kept from whoever decides about money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// No node is connected: what was proven gets old.
    Alone,
    /// Fewer nodes than one should ask.
    FewNodes {
        /// How many there are.
        found: u32,
        /// How many there should be.
        wanted: usize,
    },
    /// All nodes are in one network.
    OneNetwork,
    /// All nodes claim less work than was shown before, or than the chain's spec names.
    LessWork,
    /// The tip is too old.
    Stale,
    /// No node gives what is needed to look at the block at this height.
    Withheld {
        /// The height.
        at: Height,
    },
}

impl News {
    /// How the client stands.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self.phase {
            Phase::Connecting => Standing::Alone,
            Phase::Proving | Phase::SyncingHeaders => Standing::Proving,
            Phase::Scanning | Phase::Live => Standing::Proven,
        }
    }

    /// Whether this client can show that something is in the chain.
    #[must_use]
    pub fn can_prove(&self) -> bool {
        self.standing() == Standing::Proven
    }

    /// What is to be said beside what is shown.
    #[must_use]
    pub fn doubts(&self) -> Vec<Doubt> {
        if self.standing() == Standing::Alone {
            return vec![Doubt::Alone];
        }
        let eclipse = self.eclipse.map(|sign| match sign {
            EclipseSign::FewPeers => Doubt::FewNodes { found: self.peers, wanted: PEERS_WANTED },
            EclipseSign::OneGroup => Doubt::OneNetwork,
            EclipseSign::LessWork => Doubt::LessWork,
        });
        let stale = self.is_stale.then_some(Doubt::Stale);
        let withheld = self.withheld.map(|at| Doubt::Withheld { at });
        eclipse.into_iter().chain(stale).chain(withheld).collect()
    }
}

#[cfg(test)]
mod tests {
    use qbtc_core::hash::BlockHash;

    use super::*;

    fn news(phase: Phase) -> News {
        News {
            run: 1,
            phase,
            peers: 1,
            eclipse: Some(EclipseSign::FewPeers),
            is_stale: true,
            withheld: Some(Height(5)),
            tip: Tip { mark: BlockMark { height: Height(9), id: BlockHash::ZERO }, time: BlockTime(1) },
            nodes: Vec::new(),
            bytes: 0,
            unkept: None,
        }
    }

    #[test]
    fn every_warning_is_said_where_something_is_shown() {
        let doubts = news(Phase::Live).doubts();
        assert_eq!(doubts, [Doubt::FewNodes { found: 1, wanted: 3 }, Doubt::Stale, Doubt::Withheld { at: Height(5) }]);
        assert_eq!(news(Phase::Connecting).doubts(), [Doubt::Alone]);
        let calm = News { eclipse: None, is_stale: false, withheld: None, ..news(Phase::Live) };
        assert_eq!(calm.doubts(), []);
        assert_eq!(News { eclipse: Some(EclipseSign::LessWork), ..calm }.doubts(), [Doubt::LessWork]);
    }

    #[test]
    fn only_a_client_with_a_tip_proves() {
        for (phase, proves) in [
            (Phase::Connecting, false),
            (Phase::Proving, false),
            (Phase::SyncingHeaders, false),
            (Phase::Scanning, true),
            (Phase::Live, true),
        ] {
            assert_eq!(news(phase).can_prove(), proves, "{phase:?}");
        }
    }

    #[test]
    fn news_pass_between_tabs() {
        let news = news(Phase::Live);
        assert_eq!(crate::light::read(&crate::light::write(&news)), Some(news));
    }
}
