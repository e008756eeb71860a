//! Who may connect: so many at once, and so many from one place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The connections that are open.
#[derive(Debug)]
pub(super) struct Guests {
    guests_max: usize,
    from_one_place_max: usize,
    places: Mutex<HashMap<IpAddr, usize>>,
    count: watch::Sender<usize>,
}

/// One connection that is let in. It leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Guest {
    guests: Arc<Guests>,
    place: IpAddr,
}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMany {
    /// The server is full.
    #[error("{limit} miners are connected, which is the limit")]
    Guests {
        /// The most at once.
        limit: usize,
    },
    /// One network address has more than its share.
    #[error("{limit} miners are connected from this address, which is the limit")]
    FromOnePlace {
        /// The most from one address.
        limit: usize,
    },
}

impl Guests {
    /// Nobody yet.
    pub(super) fn new(guests_max: usize, from_one_place_max: usize) -> Arc<Self> {
        let count = watch::Sender::new(0);
        Arc::new(Self { guests_max, from_one_place_max, places: Mutex::default(), count })
    }

    /// How many there are, as it changes.
    pub(super) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// Lets one in.
    ///
    /// # Errors
    /// [`TooMany`], if the server or the place has as many as it may have.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Result<Guest, TooMany> {
        let place = place_of(from);
        let mut places = self.places();
        if *self.count.borrow() >= self.guests_max {
            return Err(TooMany::Guests { limit: self.guests_max });
        }
        let here = places.entry(place).or_default();
        if *here >= self.from_one_place_max {
            return Err(TooMany::FromOnePlace { limit: self.from_one_place_max });
        }
        *here += 1;
        self.count.send_modify(|count| *count += 1);
        Ok(Guest { guests: Arc::clone(self), place })
    }

    fn places(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Counting cannot fail halfway.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut places = self.guests.places();
        if let Some(here) = places.get_mut(&self.place) {
            *here -= 1;
            if *here == 0 {
                places.remove(&self.place);
            }
        }
        self.guests.count.send_modify(|count| *count -= 1);
    }
}

/// What counts as one place: an IPv4 address, or the 64 bits of IPv6 that a single customer owns.
fn place_of(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        place => place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_limits_hold_and_places_are_given_back() {
        let guests = Guests::new(3, 2);
        let first = guests.enter(ip("10.0.0.1")).unwrap();
        let second = guests.enter(ip("::ffff:10.0.0.1")).unwrap();
        assert_eq!(guests.enter(ip("10.0.0.1")).unwrap_err(), TooMany::FromOnePlace { limit: 2 });
        let third = guests.enter(ip("10.0.0.2")).unwrap();
        assert_eq!(guests.enter(ip("10.0.0.3")).unwrap_err(), TooMany::Guests { limit: 3 });
        assert_eq!(*guests.count().borrow(), 3);
        drop(first);
        let again = guests.enter(ip("10.0.0.1")).unwrap();
        drop((second, third, again));
        assert_eq!(*guests.count().borrow(), 0);
        assert!(guests.places().is_empty(), "places that nobody uses take no memory");
    }

    #[test]
    fn a_customer_of_ipv6_is_one_place() {
        let guests = Guests::new(9, 1);
        let _first = guests.enter(ip("2001:db8:0:1::1")).unwrap();
        assert!(guests.enter(ip("2001:db8:0:1:ffff::2")).is_err());
        assert!(guests.enter(ip("2001:db8:0:2::1")).is_ok());
    }
}
