//! A fixed number of places for clients, few of them for any one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The places.
#[derive(Clone, Debug)]
pub(super) struct Places {
    taken: Arc<Mutex<Taken>>,
    all_max: usize,
    each_max: usize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    address: Option<IpAddr>,
}

impl Places {
    pub(super) fn new(all_max: usize, each_max: usize) -> Self {
        Self { taken: Arc::default(), all_max, each_max }
    }

    /// A place for a client at this address, if one is left. The machine itself may take all of them.
    pub(super) fn take(&self, address: Option<IpAddr>) -> Option<Place> {
        let address = address.map(|address| address.to_canonical()).filter(|address| !address.is_loopback());
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.all_max {
            return None;
        }
        if let Some(address) = address {
            let count = taken.by_address.entry(address).or_default();
            if *count >= self.each_max {
                return None;
            }
            *count += 1;
        }
        taken.all += 1;
        drop(taken);
        Some(Place { taken: Arc::clone(&self.taken), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = taken.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_few_and_come_back() {
        let places = Places::new(3, 2);
        let (one, other) = ("192.0.2.1".parse().ok(), "192.0.2.2".parse().ok());
        let first = places.take(one).expect("a place");
        let _second = places.take(one).expect("a second");
        assert!(places.take(one).is_none(), "an address takes no third");
        let _third = places.take(other).expect("one is left");
        assert!(places.take(None).is_none(), "all are taken");
        drop(first);
        assert!(places.take(one).is_some());
    }

    #[test]
    fn an_address_that_left_is_forgotten_and_the_machine_itself_may_take_all() {
        let places = Places::new(3, 0);
        let local = "::ffff:127.0.0.1".parse().ok();
        let taken: Vec<_> = (0..3).map(|_| places.take(local).expect("a place")).collect();
        drop(taken);
        assert!(places.take("192.0.2.1".parse().ok()).is_none());
        let places = Places::new(3, 1);
        drop(places.take("192.0.2.1".parse().ok()));
        assert!(places.taken.lock().unwrap().by_address.is_empty());
    }
}
