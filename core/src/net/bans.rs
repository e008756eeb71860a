//! Who is not talked to, and for how long.
//!
//! A ban is of a subnet, as the operator says or as a peer earned it. Whoever earns one again gets a longer one. Invariants: there are at most
//! [`BanList::BANS_MAX`]; the list never bans loopback by itself, since a proxy on this machine may stand for anybody.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::addresses::Reach;
use crate::units::BlockTime;

/// Addresses that begin with the same bits. IPv4 written as IPv6 (`::ffff:…`) is IPv4 here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    /// The rest of its bits are zero.
    ip: IpAddr,
    bits: u8,
}

/// A text is no subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address or a subnet, such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")]
pub struct SubnetError;

/// A ban, or what is remembered of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// When it began.
    pub since: BlockTime,
    /// When it ends.
    pub until: BlockTime,
    /// How many times the subnet has earned one; zero, if the operator said so.
    pub times: u32,
    /// Why, for people: at most [`Ban::WHY_BYTES_MAX`] bytes.
    pub why: String,
}

/// The subnet is banned already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is banned already")]
pub struct AlreadyBanned(pub Subnet);

/// All bans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BanList(BTreeMap<Subnet, Ban>);

/// How long the first ban is that a subnet earns.
const EARNED_FIRST_S: u32 = 3_600;
/// By which factor each further one is longer.
const EARNED_GROWTH: u32 = 4;
/// How long one is at most: a week.
const EARNED_MAX_S: u32 = 7 * 86_400;
/// How long it is remembered after its end, in seconds: thirty days.
const REMEMBERED_S: i64 = 30 * 86_400;

impl Subnet {
    /// A subnet of the addresses whose first `bits` bits are those of `ip`. None, if `ip` has no so many.
    #[must_use]
    pub fn new(ip: IpAddr, bits: u8) -> Option<Self> {
        let (ip, bits) = match (ip.to_canonical(), ip) {
            (IpAddr::V4(inner), IpAddr::V6(_)) => (IpAddr::V4(inner), bits.checked_sub(96)?),
            (ip, _) => (ip, bits),
        };
        let width = if ip.is_ipv4() { 32 } else { 128 };
        (bits <= width).then(|| Self { ip: masked(ip, bits), bits })
    }

    /// One address alone; of IPv6 its /64, which is what one customer has at least.
    #[must_use]
    pub fn of_peer(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        let bits = if ip.is_ipv4() { 32 } else { 64 };
        Self { ip: masked(ip, bits), bits }
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.ip.is_ipv4() && masked(ip, self.bits) == self.ip
    }
}

/// The address with all but its first bits zero.
fn masked(ip: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(ip) & mask))
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(ip) & mask))
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.bits)
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    /// `IP`, `IP/BITS`, or for IPv4 `IP/MASK`.
    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let (ip, rest) = text.split_once('/').map_or((text, None), |(ip, rest)| (ip, Some(rest)));
        let ip: IpAddr = ip.parse().map_err(|_| SubnetError)?;
        let bits = match rest {
            None if ip.is_ipv4() => 32,
            None => 128,
            Some(rest) if ip.is_ipv4() && rest.contains('.') => {
                let mask = u32::from(rest.parse::<Ipv4Addr>().map_err(|_| SubnetError)?);
                if mask.leading_ones() != mask.count_ones() {
                    return Err(SubnetError);
                }
                u8::try_from(mask.leading_ones()).map_err(|_| SubnetError)?
            }
            Some(rest) if rest.bytes().all(|byte| byte.is_ascii_digit()) => rest.parse().map_err(|_| SubnetError)?,
            Some(_) => return Err(SubnetError),
        };
        Self::new(ip, bits).ok_or(SubnetError)
    }
}

impl Ban {
    /// The most bytes of the reason. What is longer is cut.
    pub const WHY_BYTES_MAX: usize = 120;
    /// The most bytes of a ban's encoding.
    pub const BYTES_MAX: usize = 3 * 5 + 1 + Self::WHY_BYTES_MAX;

    fn new(since: BlockTime, until: BlockTime, times: u32, why: &str) -> Self {
        let end = (0..=Self::WHY_BYTES_MAX.min(why.len())).rev().find(|&end| why.is_char_boundary(end)).unwrap_or(0);
        Self { since, until, times, why: why[..end].to_string() }
    }

    /// Whether it is still on.
    #[must_use]
    pub fn is_on(&self, now: BlockTime) -> bool {
        now < self.until
    }
}

impl BanList {
    /// The most bans. When there are more, the one that ends first goes.
    pub const BANS_MAX: usize = 4_096;

    /// The bans that were kept.
    #[must_use]
    pub fn restore(kept: impl IntoIterator<Item = (Subnet, Ban)>) -> Self {
        let mut list = Self::default();
        for (subnet, ban) in kept {
            list.put(subnet, Ban::new(ban.since, ban.until, ban.times, &ban.why));
        }
        list
    }

    fn put(&mut self, subnet: Subnet, ban: Ban) {
        self.0.insert(subnet, ban);
        if self.0.len() > Self::BANS_MAX
            && let Some(first) = self.0.iter().min_by_key(|(_, ban)| ban.until).map(|(subnet, _)| *subnet)
        {
            self.0.remove(&first);
        }
    }

    /// Bans a subnet, since the operator says so.
    ///
    /// # Errors
    /// [`AlreadyBanned`].
    pub fn set(&mut self, subnet: Subnet, until: BlockTime, why: &str, now: BlockTime) -> Result<(), AlreadyBanned> {
        if self.0.get(&subnet).is_some_and(|ban| ban.is_on(now)) {
            return Err(AlreadyBanned(subnet));
        }
        self.put(subnet, Ban::new(now, until, 0, why));
        Ok(())
    }

    /// Bans the peer at an address, since it earned it: an hour, and four times as long each further time, up to a week. None for loopback, nor where
    /// the operator has banned it already.
    pub fn punish(&mut self, ip: IpAddr, why: &str, now: BlockTime) -> Option<(Subnet, &Ban)> {
        if Reach::of(ip) == Reach::Loopback {
            return None;
        }
        let subnet = Subnet::of_peer(ip);
        let known = self.0.get(&subnet);
        // The operator's own stands: nobody there is talked to, and it keeps out those who are wanted too.
        if known.is_some_and(|ban| ban.times == 0 && ban.is_on(now)) {
            return None;
        }
        let times = known.map_or(0, |ban| ban.times).saturating_add(1);
        let seconds = EARNED_FIRST_S.saturating_mul(EARNED_GROWTH.saturating_pow(times - 1)).min(EARNED_MAX_S);
        let until = now.saturating_add(seconds).max(known.map_or(BlockTime(0), |ban| ban.until));
        self.put(subnet, Ban::new(now, until, times, why));
        self.0.get(&subnet).map(|ban| (subnet, ban))
    }

    /// Lifts a ban, and forgets what was remembered of it. False, if there was none.
    pub fn lift(&mut self, subnet: &Subnet, now: BlockTime) -> bool {
        self.0.remove(subnet).is_some_and(|ban| ban.is_on(now))
    }

    /// Lifts all bans.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The ban of an address that ends last, if there is any.
    #[must_use]
    pub fn find(&self, ip: IpAddr, now: BlockTime) -> Option<(&Subnet, &Ban)> {
        self.on(now).filter(|(subnet, _)| subnet.contains(ip)).max_by_key(|(_, ban)| ban.until)
    }

    /// Whether nobody at an address is talked to. Of nodes that the operator wants to be connected with, only the operator's own bans keep any
    /// out: others may have earned one at the same address.
    #[must_use]
    pub fn refuses(&self, ip: IpAddr, is_wanted: bool, now: BlockTime) -> bool {
        self.on(now).any(|(subnet, ban)| subnet.contains(ip) && !(is_wanted && ban.times > 0))
    }

    /// The bans that are on, by their subnets.
    pub fn on(&self, now: BlockTime) -> impl Iterator<Item = (&Subnet, &Ban)> {
        self.0.iter().filter(move |(_, ban)| ban.is_on(now))
    }

    /// All that is kept: bans, and what is remembered of earlier ones.
    pub fn all(&self) -> impl Iterator<Item = (&Subnet, &Ban)> {
        self.0.iter()
    }

    /// Forgets what ended long ago.
    pub fn forget(&mut self, now: BlockTime) {
        self.0.retain(|_, ban| {
            let kept = if ban.times == 0 { 0 } else { REMEMBERED_S };
            now.seconds_since(ban.until) < kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::testing::test;
    use alloc::string::String;
    use alloc::vec::Vec;

    const NOW: BlockTime = BlockTime(1_800_000_000);

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn subnets_are_read_and_written() {
        for (text, same) in [
            ("192.0.2.1", "192.0.2.1/32"),
            ("192.0.2.77/24", "192.0.2.0/24"),
            ("192.0.2.77/255.255.0.0", "192.0.0.0/16"),
            ("192.0.2.77/0", "0.0.0.0/0"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:DB8:1::/32", "2001:db8::/32"),
            ("2001:db8::/0", "::/0"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ] {
            assert_eq!(subnet(text).to_string(), same);
            assert_eq!(subnet(same), subnet(text));
        }
        for wrong in [
            "",
            "x",
            "192.0.2.1/",
            "192.0.2.1/33",
            "192.0.2.1/+8",
            "192.0.2.1/255.0.255.0",
            "::/129",
            "::ffff:1.2.3.4/8",
            "::/255.0.0.0",
        ] {
            assert_eq!(wrong.parse::<Subnet>(), Err(SubnetError), "{wrong}");
        }
    }

    #[test]
    fn a_subnet_holds_its_addresses() {
        assert!(
            subnet("192.0.2.0/24").contains(ip("192.0.2.255")) && !subnet("192.0.2.0/24").contains(ip("192.0.3.0"))
        );
        assert!(subnet("192.0.2.0/24").contains(ip("::ffff:192.0.2.9")));
        assert!(subnet("0.0.0.0/0").contains(ip("1.2.3.4")) && !subnet("0.0.0.0/0").contains(ip("::1")));
        assert!(
            subnet("2001:db8::/33").contains(ip("2001:db8:7fff::"))
                && !subnet("2001:db8::/33").contains(ip("2001:db8:8000::"))
        );
        assert!(Subnet::of_peer(ip("2001:db8::1")).contains(ip("2001:db8::ffff")));
        assert!(!Subnet::of_peer(ip("192.0.2.1")).contains(ip("192.0.2.2")));
    }

    #[test]
    fn who_earns_it_again_is_banned_for_longer() {
        let mut list = BanList::default();
        let mut now = NOW;
        for hours in [1, 4, 16, 64, 168, 168] {
            let until = list.punish(ip("192.0.2.1"), "junk", now).unwrap().1.until;
            assert_eq!(until.seconds_since(now), hours * 3_600);
            let before = BlockTime(until.0 - 1);
            assert!(list.find(ip("192.0.2.1"), before).is_some() && list.find(ip("192.0.2.1"), until).is_none());
            list.forget(until);
            now = until;
        }
        assert!(list.find(ip("192.0.2.2"), NOW).is_none());
        list.forget(now.saturating_add(30 * 86_400));
        assert_eq!(list.all().count(), 0);
        let first = list.punish(ip("192.0.2.1"), "junk", now).unwrap().1.until;
        assert_eq!(first.seconds_since(now), 3_600);
        assert!(list.punish(ip("127.0.0.1"), "junk", now).is_none() && list.punish(ip("::1"), "junk", now).is_none());
    }

    #[test]
    fn the_operator_bans_and_lifts() {
        let mut list = BanList::default();
        let (net, later) = (subnet("192.0.2.0/24"), NOW.saturating_add(60));
        assert_eq!(list.set(net, later, "said so", NOW), Ok(()));
        assert_eq!(list.set(net, later, "said so", NOW), Err(AlreadyBanned(net)));
        assert_eq!(list.find(ip("192.0.2.3"), NOW).map(|(net, ban)| (*net, ban.until)), Some((net, later)));
        assert!(list.lift(&net, NOW) && !list.lift(&net, NOW));
        list.set(net, later, "", NOW).unwrap();
        list.forget(later);
        assert_eq!(list.all().count(), 0, "nothing is remembered of what was not earned");
        list.set(net, later, "", NOW).unwrap();
        list.punish(ip("192.0.2.3"), "x", NOW);
        // The longer of two bans counts, and one that would be earned meanwhile changes nothing of the operator's.
        assert_eq!(list.find(ip("192.0.2.3"), NOW).unwrap().1.times, 1);
        let far = NOW.saturating_add(86_400 * 365);
        list.set(subnet("192.0.2.9"), far, "", NOW).unwrap();
        assert_eq!(list.punish(ip("192.0.2.9"), "x", NOW), None);
        assert_eq!(list.find(ip("192.0.2.9"), NOW).map(|(_, ban)| (ban.until, ban.times)), Some((far, 0)));
        list.clear();
        assert!(list.find(ip("192.0.2.3"), NOW).is_none());
    }

    #[test]
    fn what_others_earn_keeps_out_nobody_who_is_wanted() {
        let (mut list, at) = (BanList::default(), ip("192.0.2.1"));
        list.punish(at, "junk", NOW);
        assert!(list.refuses(at, false, NOW) && !list.refuses(at, true, NOW));
        list.set(subnet("192.0.2.0/24"), NOW.saturating_add(60), "", NOW).unwrap();
        assert!(list.refuses(at, true, NOW) && !list.refuses(at, true, NOW.saturating_add(60)));
        assert!(!list.refuses(ip("192.0.3.1"), false, NOW));
        // What the operator says is the operator's, whatever was earned before.
        let mut list = BanList::default();
        let ended = list.punish(at, "junk", NOW).unwrap().1.until;
        list.set(Subnet::of_peer(at), ended.saturating_add(60), "", ended).unwrap();
        assert!(list.refuses(at, true, ended));
        // And what is earned in the meantime takes nothing from it.
        assert_eq!(list.punish(at, "junk", ended), None);
        assert!(list.refuses(at, true, ended));
    }

    #[test]
    fn the_list_is_bounded_and_comes_back() {
        let mut list = BanList::default();
        let count = u32::try_from(BanList::BANS_MAX).unwrap() + 10;
        for number in 0..count {
            let net = Subnet::of_peer(Ipv4Addr::from(0x0800_0000 + number).into());
            list.set(net, NOW.saturating_add(1 + number), &"ä".repeat(200), NOW).unwrap();
        }
        assert_eq!(list.all().count(), BanList::BANS_MAX);
        assert!(list.find(ip("8.0.0.9"), NOW).is_none() && list.find(ip("8.0.0.10"), NOW).is_some());
        assert!(
            list.all().all(|(_, ban)| ban.why.len() == Ban::WHY_BYTES_MAX && codec::encoded_len(ban) <= Ban::BYTES_MAX)
        );
        let kept: Vec<(String, Ban)> = list.all().map(|(net, ban)| (net.to_string(), ban.clone())).collect();
        assert_eq!(BanList::restore(kept.iter().map(|(net, ban)| (subnet(net), ban.clone()))), list);
    }
}
