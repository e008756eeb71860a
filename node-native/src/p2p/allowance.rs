//! How much a peer may send, and be told: buckets that fill with time.
//!
//! What comes beyond is not looked at (the peer is throttled); whoever goes on and on is parted with. Questions of nodes are looked at later
//! instead: there are few of a peer at a time, and one that fetches a chain of small blocks has nobody else to ask. The numbers are far above
//! what an honest node sends, and far below what would keep this one busy.

use std::time::{Duration, Instant};

/// Messages or bytes: so many at once, and so many each minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) per_minute: i64,
    pub(super) at_once: i64,
}

/// What is left of a [`Rate`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    rate: Rate,
    /// Below zero is debt.
    balance: i64,
    at: Instant,
}

/// What a peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Hello,
    Identify,
    Addresses,
    Sync,
    Light,
    Stem,
    Block,
    Transaction,
    /// All messages that come as gossip, also what was heard before.
    Gossip,
}

/// What is left of what one peer may send, of each kind.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    left: [(Budget, Budget); Kind::ALL.len()],
    dropped: (Budget, u64),
}

/// What this node sends one peer along the stem: less than the peer takes, so that nobody can have them fall out by sending much.
pub(super) const STEM_SENT: (Rate, Rate) =
    (Rate { per_minute: 1_000, at_once: 900 }, Rate { per_minute: 24 * MIB, at_once: 24 * MIB });

/// How many messages may be dropped before their sender has to go.
const DROPPED: Rate = Rate { per_minute: 600, at_once: 2_000 };

const MIB: i64 = 1 << 20;

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Hello,
        Self::Identify,
        Self::Addresses,
        Self::Sync,
        Self::Light,
        Self::Stem,
        Self::Block,
        Self::Transaction,
        Self::Gossip,
    ];

    /// One word, for a label.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Identify => "identify",
            Self::Addresses => "addresses",
            Self::Sync => "sync",
            Self::Light => "light",
            Self::Stem => "stem",
            Self::Block => "block",
            Self::Transaction => "transaction",
            Self::Gossip => "gossip",
        }
    }

    /// How many messages may come.
    const fn messages(self) -> Rate {
        match self {
            // A node says it when its tip has moved, and at most every five seconds.
            Self::Hello => Rate { per_minute: 30, at_once: 30 },
            Self::Identify => Rate { per_minute: 30, at_once: 30 },
            Self::Addresses => Rate { per_minute: 10, at_once: 10 },
            // What answers cost is another budget's.
            Self::Sync => Rate { per_minute: 12_000, at_once: 2_000 },
            Self::Light => Rate { per_minute: 6_000, at_once: 2_000 },
            Self::Stem => Rate { per_minute: 1_200, at_once: 1_000 },
            // Each has cost the work of a block.
            Self::Block => Rate { per_minute: 600, at_once: 2_000 },
            Self::Transaction => Rate { per_minute: 12_000, at_once: 20_000 },
            // An honest peer passes on what all others send too, each within its own bounds; what comes again costs a hash.
            Self::Gossip => Rate { per_minute: 100_000, at_once: 160_000 },
        }
    }

    /// How many bytes may come.
    const fn bytes(self) -> Rate {
        match self {
            Self::Hello => Rate { per_minute: MIB, at_once: MIB },
            Self::Identify => Rate { per_minute: MIB, at_once: MIB },
            Self::Addresses => Rate { per_minute: MIB, at_once: MIB },
            Self::Sync => Rate { per_minute: 64 * MIB, at_once: 64 * MIB },
            Self::Light => Rate { per_minute: 16 * MIB, at_once: 16 * MIB },
            Self::Stem => Rate { per_minute: 32 * MIB, at_once: 32 * MIB },
            Self::Block => Rate { per_minute: 64 * MIB, at_once: 64 * MIB },
            Self::Transaction => Rate { per_minute: 240 * MIB, at_once: 160 * MIB },
            Self::Gossip => Rate { per_minute: 1_024 * MIB, at_once: 1_024 * MIB },
        }
    }
}

impl Allowance {
    pub(super) fn new(now: Instant) -> Self {
        let left = Kind::ALL.map(|kind| (Budget::new(kind.messages(), now), Budget::new(kind.bytes(), now)));
        Self { left, dropped: (Budget::new(DROPPED, now), 0) }
    }

    /// Takes a message of so many bytes into account. Whether it is looked at; else it is dropped.
    pub(super) fn admit(&mut self, kind: Kind, bytes: usize, now: Instant) -> bool {
        let (messages, all_bytes) = &mut self.left[kind as usize];
        let is_taken = messages.has(now) && all_bytes.has(now);
        if is_taken {
            messages.spend(1, now);
            all_bytes.spend(bytes, now);
        }
        is_taken
    }

    /// Takes a message of so many bytes into account that is looked at in any case: after how long.
    pub(super) fn delay(&mut self, kind: Kind, bytes: usize, now: Instant) -> Duration {
        let (messages, all_bytes) = &mut self.left[kind as usize];
        messages.spend(1, now);
        all_bytes.spend(bytes, now);
        messages.wait(now).max(all_bytes.wait(now))
    }

    /// Takes messages into account that were looked at, of so many bytes together: how many of them were too many.
    pub(super) fn charge(&mut self, kind: Kind, count: u64, bytes: u64, now: Instant) -> u64 {
        let cost = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (messages, all_bytes) = &mut self.left[kind as usize];
        if !all_bytes.has(now) {
            return count;
        }
        let taken = count.min(messages.left(now));
        messages.spend(cost(taken), now);
        all_bytes.spend(cost(bytes), now);
        count - taken
    }

    /// Takes a message into account that is dropped. Whether its sender may stay.
    pub(super) fn drop_one(&mut self, now: Instant) -> bool {
        let (budget, count) = &mut self.dropped;
        *count += 1;
        budget.spend(1, now);
        budget.has(now)
    }

    /// How many messages were dropped.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped.1
    }
}

impl Budget {
    pub(super) const fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, balance: rate.at_once, at: now }
    }

    /// Takes what something costs. Debt may come of it.
    pub(super) fn spend(&mut self, cost: usize, now: Instant) {
        self.refill(now);
        self.balance = self.balance.saturating_sub(i64::try_from(cost).unwrap_or(i64::MAX));
    }

    /// Whether anything is left.
    pub(super) fn has(&mut self, now: Instant) -> bool {
        self.left(now) > 0
    }

    pub(super) fn left(&mut self, now: Instant) -> u64 {
        self.refill(now);
        self.balance.max(0).unsigned_abs()
    }

    /// How long it takes until all debt is paid.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        self.refill(now);
        let debt = self.balance.min(0).unsigned_abs();
        Duration::from_millis(debt.saturating_mul(60_000) / self.rate.per_minute.unsigned_abs())
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        let passed_ms = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        let earned = passed_ms.saturating_mul(self.rate.per_minute) / 60_000;
        if earned > 0 {
            self.balance = self.balance.saturating_add(earned).min(self.rate.at_once);
            self.at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_comes_back_with_time() {
        let start = Instant::now();
        let mut budget = Budget::new(Rate { per_minute: 60_000, at_once: 4_000 }, start);
        budget.spend(4_000, start);
        assert_eq!((budget.wait(start), budget.has(start)), (Duration::ZERO, false));
        budget.spend(1_000, start);
        assert_eq!(budget.wait(start), Duration::from_secs(1));
        assert_eq!(budget.wait(start + Duration::from_millis(600)), Duration::from_millis(400));
        let later = start + Duration::from_secs(3_600);
        assert_eq!(budget.wait(later), Duration::ZERO);
        assert_eq!(budget.balance, 4_000, "no more than at once is saved");
    }

    #[test]
    fn each_kind_is_throttled_and_whoever_goes_on_has_to_go() {
        for kind in Kind::ALL {
            let now = Instant::now();
            let mut allowance = Allowance::new(now);
            let taken = (0..1_000_000).take_while(|_| allowance.admit(kind, 100, now)).count();
            assert_eq!(i64::try_from(taken).unwrap(), kind.messages().at_once, "{kind:?}");
            let dropped = (0..1_000_000).take_while(|_| allowance.drop_one(now)).count();
            assert!(dropped.abs_diff(2_000) < 3, "{dropped}");
            let later = now + Duration::from_secs(60);
            assert!(allowance.admit(kind, 100, later) && allowance.drop_one(later), "after a while, it may again");
        }
    }

    #[test]
    fn what_is_looked_at_in_any_case_is_so_later() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        let at_once = Kind::Sync.messages().at_once;
        assert!((0..at_once).all(|_| allowance.delay(Kind::Sync, 100, now) == Duration::ZERO));
        let each = Duration::from_millis(60_000 / Kind::Sync.messages().per_minute.unsigned_abs());
        assert_eq!([1, 2].map(|_| allowance.delay(Kind::Sync, 100, now)), [each, 2 * each]);
        assert_eq!(allowance.delay(Kind::Sync, 100, now + 3 * each), Duration::ZERO);
        assert_eq!(
            allowance.delay(Kind::Stem, 64 << 20, now),
            Duration::from_secs(60),
            "bytes, of which half are free"
        );
        assert_eq!(allowance.dropped(), 0);
    }

    #[test]
    fn what_was_looked_at_and_is_too_much_is_told_by_number() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        let at_once = Kind::Gossip.messages().at_once.unsigned_abs();
        assert_eq!(allowance.charge(Kind::Gossip, at_once - 1, 100, now), 0);
        assert_eq!(allowance.charge(Kind::Gossip, 3, 100, now), 2);
        assert_eq!(allowance.charge(Kind::Gossip, 3, 100, now), 3);
        let later = now + Duration::from_secs(60);
        assert_eq!(allowance.charge(Kind::Gossip, 3, 1 << 32, later), 0, "it pays what it did not have");
        assert_eq!(allowance.charge(Kind::Gossip, 3, 0, later), 3);
    }

    #[test]
    fn along_the_stem_less_is_sent_than_is_taken() {
        let (taken, sent) = ([Kind::Stem.messages(), Kind::Stem.bytes()], [STEM_SENT.0, STEM_SENT.1]);
        for (taken, sent) in taken.into_iter().zip(sent) {
            assert!(sent.per_minute < taken.per_minute && sent.at_once < taken.at_once, "{sent:?} of {taken:?}");
        }
    }

    #[test]
    fn bytes_count_as_messages_do() {
        let now = Instant::now();
        let mut allowance = Allowance::new(now);
        let taken = (0..).take_while(|_| allowance.admit(Kind::Stem, 1 << 20, now)).count();
        assert_eq!(taken, 32);
        assert!(allowance.admit(Kind::Transaction, 1, now), "each kind for itself");
    }
}
