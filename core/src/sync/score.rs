//! What peers have done wrong lately, and what follows from it.

use alloc::collections::BTreeMap;

use super::{Moment, PeerKey};
use crate::net::Fault;

/// In this time a point is forgotten: a ban's worth within an hour.
const POINT_MS: u64 = 36_000;
/// From so many points on a peer is left; whoever has them for one fault is banned, since bad luck alone does not weigh so much.
const LEAVE_POINTS: u32 = Fault::BAN_POINTS / 2;

/// The points of all peers that are connected. As many are held as there are peers: of whoever is gone, or never was there, nothing is remembered.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    scores: BTreeMap<PeerKey, Score>,
}

#[derive(Clone, Copy, Debug)]
struct Score {
    points: u32,
    at: Moment,
}

/// What follows from a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing but that it is remembered.
    Bear,
    /// The peer is left, for much bad luck; it may come back.
    Leave,
    /// The peer is left, and its address may not come back for a while.
    Ban,
}

impl Scores {
    /// A peer is there, whose faults are remembered from now on.
    pub fn meet(&mut self, peer: PeerKey) {
        self.scores.entry(peer).or_insert(Score { points: 0, at: Moment::default() });
    }

    /// Adds a fault to what is remembered of a peer. What comes to light once it is gone is judged by itself.
    pub fn hold(&mut self, peer: PeerKey, fault: &Fault, now: Moment) -> Judgement {
        let mut gone = Score { points: 0, at: now };
        let score = self.scores.get_mut(&peer).unwrap_or(&mut gone);
        if score.points == 0 {
            score.at = now;
        }
        let forgotten = now.since(score.at) / POINT_MS;
        score.points = score.points.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX));
        score.at = score.at.plus(forgotten * POINT_MS);
        score.points = score.points.saturating_add(fault.points());
        if score.points < LEAVE_POINTS {
            Judgement::Bear
        } else if fault.points() < LEAVE_POINTS {
            Judgement::Leave
        } else {
            Judgement::Ban
        }
    }

    /// Forgets a peer that is gone.
    pub fn forget(&mut self, peer: PeerKey) {
        self.scores.remove(&peer);
    }

    /// The points of a peer when it last did wrong.
    #[must_use]
    pub fn points(&self, peer: PeerKey) -> u32 {
        self.scores.get(&peer).map_or(0, |score| score.points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::test;

    const PEER: PeerKey = PeerKey(1);

    #[test]
    fn lies_are_answered_at_once_and_bad_luck_only_if_it_stays() {
        let mut scores = Scores::default();
        for peer in [PEER, PeerKey(2), PeerKey(3)] {
            scores.meet(peer);
        }
        assert_eq!(scores.hold(PeerKey(2), &Fault::NoWork, Moment(0)), Judgement::Ban);
        assert_eq!(scores.hold(PeerKey(3), &Fault::ClaimNotShown, Moment(0)), Judgement::Ban);
        for _ in 0..4 {
            assert_eq!(scores.hold(PEER, &Fault::Timeout, Moment(0)), Judgement::Bear);
        }
        assert_eq!(scores.hold(PEER, &Fault::Timeout, Moment(0)), Judgement::Leave);
    }

    #[test]
    fn faults_are_forgotten_with_time() {
        let mut scores = Scores::default();
        scores.meet(PEER);
        let day = 24 * 60 * 60 * 1_000;
        for hour in 0..24 {
            assert_eq!(scores.hold(PEER, &Fault::Timeout, Moment(hour * day / 24)), Judgement::Bear);
        }
        scores.forget(PEER);
        scores.meet(PEER);
        for _ in 0..4 {
            scores.hold(PEER, &Fault::Timeout, Moment(day));
        }
        assert_eq!(scores.points(PEER), 40);
        assert_eq!(scores.hold(PEER, &Fault::Timeout, Moment(day + 20 * POINT_MS)), Judgement::Bear);
        assert_eq!(scores.points(PEER), 30);
    }

    #[test]
    fn whoever_is_gone_is_judged_and_not_remembered() {
        let mut scores = Scores::default();
        for number in 0..1_000 {
            assert_eq!(scores.hold(PeerKey(number), &Fault::NoWork, Moment(0)), Judgement::Ban);
            for _ in 0..10 {
                assert_eq!(scores.hold(PeerKey(number), &Fault::Timeout, Moment(0)), Judgement::Bear);
            }
        }
        scores.meet(PEER);
        scores.hold(PEER, &Fault::Timeout, Moment(0));
        scores.meet(PEER);
        assert_eq!((scores.points(PEER), scores.scores.len()), (10, 1));
        scores.forget(PEER);
        assert_eq!(scores.scores.len(), 0);
    }

    #[test]
    fn rests_of_a_point_are_not_lost() {
        let mut scores = Scores::default();
        scores.meet(PEER);
        scores.hold(PEER, &Fault::Timeout, Moment(0));
        // Many little faults in between do not keep the old one from being forgotten.
        for step in 1..=40 {
            scores.hold(
                PEER,
                &Fault::Header(crate::chain::InsertError::HeightOverflow { parent: crate::hash::BlockHash::ZERO }),
                Moment(step * POINT_MS / 4),
            );
        }
        assert_eq!(scores.points(PEER), 0);
    }
}
