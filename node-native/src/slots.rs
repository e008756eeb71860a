//! Slots for clients: so many at once, and so many of any one network.
//!
//! Whoever listens takes a slot for each connection and keeps it for as long as the connection lives, so that no client, however many
//! connections it opens, keeps all others out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The slots of one interface.
#[derive(Debug)]
pub(crate) struct Slots {
    all_max: usize,
    each_max: usize,
    networks: Mutex<HashMap<IpAddr, usize>>,
    taken: watch::Sender<usize>,
}

/// One slot, free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    network: Option<IpAddr>,
}

/// Why there is no slot for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoSlot {
    /// All are taken.
    #[error("{limit} clients are connected, which is the limit")]
    All {
        /// The most at once.
        limit: usize,
    },
    /// One network has its share.
    #[error("{limit} clients are connected from this network, which is the limit")]
    Network {
        /// The most from one network.
        limit: usize,
    },
}

impl Slots {
    /// So many slots, of which one network may take so many.
    pub(crate) fn new(all_max: usize, each_max: usize) -> Arc<Self> {
        Arc::new(Self { all_max, each_max, networks: Mutex::default(), taken: watch::Sender::new(0) })
    }

    /// How many are taken, as it changes.
    pub(crate) fn taken(&self) -> watch::Receiver<usize> {
        self.taken.subscribe()
    }

    /// Waits until one is free. Whoever is the only one to take them then gets it, unless its network has its share.
    pub(crate) async fn free(&self) {
        // It fails only if the sender is gone, which lives as long as this.
        let _ = self.taken.subscribe().wait_for(|taken| *taken < self.all_max).await;
    }

    /// A slot for a client at this address; without an address only the number of all counts.
    ///
    /// # Errors
    /// [`NoSlot`].
    pub(crate) fn take(self: &Arc<Self>, from: Option<IpAddr>) -> Result<Slot, NoSlot> {
        let network = from.map(network);
        let mut networks = self.networks();
        if *self.taken.borrow() >= self.all_max {
            return Err(NoSlot::All { limit: self.all_max });
        }
        if let Some(network) = network {
            if networks.get(&network).copied().unwrap_or(0) >= self.each_max {
                return Err(NoSlot::Network { limit: self.each_max });
            }
            *networks.entry(network).or_default() += 1;
        }
        self.taken.send_modify(|taken| *taken += 1);
        Ok(Slot { slots: Arc::clone(self), network })
    }

    fn networks(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Counting cannot fail halfway.
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut networks = self.slots.networks();
        if let Some(network) = self.network
            && let Some(here) = networks.get_mut(&network)
        {
            *here -= 1;
            if *here == 0 {
                networks.remove(&network);
            }
        }
        self.slots.taken.send_modify(|taken| *taken -= 1);
    }
}

/// What one customer of a provider holds whole: an IPv4 address, or the first 64 bits of an IPv6 address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// The address of a client on another machine; `None` for this one, where the operator's own programs and proxies run.
pub(crate) fn remote(address: IpAddr) -> Option<IpAddr> {
    Some(address.to_canonical()).filter(|address| !address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn both_limits_hold_and_slots_come_back() {
        let slots = Slots::new(3, 2);
        let first = slots.take(ip("10.0.0.1")).unwrap();
        let second = slots.take(ip("::ffff:10.0.0.1")).unwrap();
        assert_eq!(slots.take(ip("10.0.0.1")).unwrap_err(), NoSlot::Network { limit: 2 });
        let third = slots.take(ip("10.0.0.2")).unwrap();
        assert_eq!(slots.take(ip("10.0.0.3")).unwrap_err(), NoSlot::All { limit: 3 });
        assert_eq!(slots.take(None).unwrap_err(), NoSlot::All { limit: 3 });
        assert_eq!(*slots.taken().borrow(), 3);
        drop(first);
        let again = slots.take(ip("10.0.0.1")).unwrap();
        drop((second, third, again));
        assert_eq!(*slots.taken().borrow(), 0);
        assert!(slots.networks().is_empty(), "networks that nobody comes from take no memory");
    }

    #[test]
    fn a_customer_of_ipv6_is_one_and_this_machine_is_nobody() {
        let slots = Slots::new(9, 1);
        let _first = slots.take(ip("2001:db8:0:1::1")).unwrap();
        assert!(slots.take(ip("2001:db8:0:1:ffff::2")).is_err());
        assert!(slots.take(ip("2001:db8:0:2::1")).is_ok());
        for local in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(ip(local).and_then(remote), None);
        }
        assert_eq!(ip("::ffff:192.0.2.1").and_then(remote), ip("192.0.2.1"));
        let _taken: Vec<_> = (0..8).map(|_| slots.take(None).unwrap()).collect();
    }

    #[tokio::test]
    async fn a_slot_that_is_free_again_ends_the_wait() {
        let slots = Slots::new(1, 1);
        slots.free().await;
        let slot = slots.take(None).unwrap();
        let (short, long) = (Duration::from_millis(20), Duration::from_secs(20));
        assert!(timeout(short, slots.free()).await.is_err());
        let waiting = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.free().await }
        });
        drop(slot);
        timeout(long, waiting).await.expect("it is free").unwrap();
    }
}
