//! How much one address may ask in a time, each route weighed by what it costs.
//!
//! Every address has a budget that refills steadily; a request takes its cost from it, and is turned away unread if there is not enough.
//! Requests from the machine itself, where wallets and explorers of its operator run, have a budget of their own, so large that only
//! a runaway program meets it. An IPv6 address stands for its /64, which one subscriber holds whole.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{FromFnLayer, Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use super::rest::Problem;
use crate::metrics::{Interface, Metrics, Rejection};
use crate::slots;

/// The most addresses that are remembered. Beyond it, all share one budget, until some have not asked for a while and are
/// forgotten.
const ADDRESSES_MAX: usize = 100_000;

/// How often those are forgotten who have not asked for a while, once there are so many.
const FORGET_INTERVAL: Duration = Duration::from_secs(1);

/// How much may be asked. One is the cost of a light request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// How much an address may ask each second, for ever.
    pub per_second: u32,
    /// How much it may ask at once.
    pub burst: u32,
    /// How much the machine itself may ask each second.
    pub local_per_second: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { per_second: 0, burst: 0, local_per_second: 20_000 }.with_rate(20)
    }
}

impl RateLimits {
    /// How many seconds' worth an address may ask at once.
    const BURST_S: u32 = 20;

    /// With so much for an address each second.
    #[must_use]
    pub const fn with_rate(self, per_second: u32) -> Self {
        Self { per_second, burst: per_second.saturating_mul(Self::BURST_S), ..self }
    }
}

/// What a request takes from the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost(NonZeroU32);

impl Cost {
    /// Of a few reads.
    pub(crate) const LIGHT: Self = Self::of(1);
    /// Of reading a block, or a little of many.
    pub(crate) const READING: Self = Self::of(4);
    /// Of reading thousands of things, or of verifying signatures.
    pub(crate) const HEAVY: Self = Self::of(20);

    const fn of(cost: u32) -> Self {
        Self(NonZeroU32::new(cost).expect("costs are above zero"))
    }
}

/// The budgets of all addresses.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    remote: DefaultKeyedRateLimiter<IpAddr>,
    local: DefaultKeyedRateLimiter<()>,
    clock: DefaultClock,
    forgotten_at: Mutex<Instant>,
    metrics: Arc<Metrics>,
}

impl RateLimiter {
    /// Full budgets.
    pub(crate) fn new(limits: RateLimits, metrics: Arc<Metrics>) -> Self {
        let quota = |per_second: u32, burst: u32| {
            let above_zero = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
            // A budget below the cost of one request would refuse it for ever.
            Quota::per_second(above_zero(per_second)).allow_burst(above_zero(burst.max(Cost::HEAVY.0.get())))
        };
        Self {
            remote: DefaultKeyedRateLimiter::keyed(quota(limits.per_second, limits.burst)),
            local: DefaultKeyedRateLimiter::keyed(quota(limits.local_per_second, limits.local_per_second)),
            clock: DefaultClock::default(),
            forgotten_at: Mutex::new(Instant::now()),
            metrics,
        }
    }

    /// A layer that takes this cost from the budget of whoever asks.
    pub(crate) fn layer<T>(self: &Arc<Self>, cost: Cost) -> FromFnLayer<Check, Priced, T> {
        let check: Check = |State(priced), request, next| Box::pin(check(priced, request, next));
        from_fn_with_state(Priced { rate: Arc::clone(self), cost }, check)
    }

    /// Takes a cost from the budget of whoever asks, or says when to come again.
    ///
    /// # Errors
    /// The answer.
    pub(crate) fn charge(&self, from: SocketAddr, cost: Cost) -> Result<(), Problem> {
        self.take(from.ip(), cost).map_err(|wait| {
            self.metrics.request_rejected(Interface::Http, Rejection::Rate);
            Problem::rate(wait.as_secs() + 1)
        })
    }

    /// Takes a cost from the budget of an address.
    ///
    /// # Errors
    /// How long to wait until there is enough again.
    fn take(&self, address: IpAddr, Cost(cost): Cost) -> Result<(), Duration> {
        let taken = match slots::remote(address) {
            None => self.local.check_key_n(&(), cost),
            Some(address) => self.remote.check_key_n(&self.remembered(slots::network(address)), cost),
        };
        match taken {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            // The budget holds every cost, as seen to above.
            Err(_) => Err(Duration::from_secs(1)),
        }
    }

    /// The key of an address, if there is place for it. Those whose budget is full again are forgotten, which takes a walk over all,
    /// so not with each request.
    fn remembered(&self, network: IpAddr) -> IpAddr {
        if self.remote.len() >= ADDRESSES_MAX
            && let Ok(mut forgotten_at) = self.forgotten_at.try_lock()
            && forgotten_at.elapsed() >= FORGET_INTERVAL
        {
            self.remote.retain_recent();
            *forgotten_at = Instant::now();
        }
        if self.remote.len() >= ADDRESSES_MAX { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { network }
    }
}

/// What a layer knows: whose budgets, and what to take from them.
#[derive(Clone, Debug)]
pub(crate) struct Priced {
    rate: Arc<RateLimiter>,
    cost: Cost,
}

/// What a layer does, as a type that can be named.
pub(crate) type Check = fn(State<Priced>, Request, Next) -> Pin<Box<dyn Future<Output = Response> + Send>>;

async fn check(Priced { rate, cost }: Priced, request: Request, next: Next) -> Response {
    // Without a connection, as in tests of routes alone, there is nobody to limit.
    let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() else {
        return next.run(request).await;
    };
    match rate.charge(*peer, cost) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(limits: RateLimits) -> RateLimiter {
        RateLimiter::new(limits, Arc::new(Metrics::new("dev")))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_a_budget_of_its_own() {
        let limiter = limiter(RateLimits { per_second: 1, burst: 40, local_per_second: 1_000 });
        let (one, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        assert_eq!(limiter.take(one, Cost::HEAVY), Ok(()));
        assert_eq!(limiter.take(one, Cost::HEAVY), Ok(()));
        let wait = limiter.take(one, Cost::HEAVY).unwrap_err();
        assert!(wait > Duration::from_secs(15) && wait <= Duration::from_secs(20), "{wait:?}");
        assert_eq!(limiter.take(ip("::ffff:192.0.2.1"), Cost::HEAVY).map_err(|_| ()), Err(()));
        assert_eq!(limiter.take(other, Cost::HEAVY), Ok(()));
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_and_the_machine_itself_is_generously_treated() {
        let limiter = limiter(RateLimits { per_second: 1, burst: 20, local_per_second: 1_000 });
        assert_eq!(limiter.take(ip("2001:db8:1:2::1"), Cost::HEAVY), Ok(()));
        assert!(limiter.take(ip("2001:db8:1:2:ffff::9"), Cost::LIGHT).is_err());
        assert_eq!(limiter.take(ip("2001:db8:1:3::1"), Cost::HEAVY), Ok(()));
        for _ in 0..50 {
            assert_eq!(limiter.take(ip("127.0.0.1"), Cost::HEAVY), Ok(()));
        }
        assert!(limiter.take(ip("::1"), Cost::HEAVY).is_err());
    }

    #[test]
    fn memory_is_bounded_and_newcomers_share_a_budget_when_it_is_full() {
        let limiter = limiter(RateLimits { per_second: 1, burst: 20, local_per_second: 1_000 });
        let address = |number: usize| IpAddr::V4(u32::try_from(number).unwrap().saturating_add(0x0b00_0000).into());
        for number in 0..ADDRESSES_MAX {
            assert_eq!(limiter.take(address(number), Cost::HEAVY), Ok(()));
        }
        assert_eq!(limiter.take(address(ADDRESSES_MAX), Cost::HEAVY), Ok(()));
        assert!(limiter.take(address(ADDRESSES_MAX + 1), Cost::HEAVY).is_err(), "the newcomers' budget is one");
        assert_eq!(limiter.remote.len(), ADDRESSES_MAX + 1);
    }

    #[test]
    fn a_rate_allows_twenty_seconds_worth_at_once() {
        let limits = RateLimits::default().with_rate(2);
        assert_eq!(limits, RateLimits { per_second: 2, burst: 40, ..RateLimits::default() });
        let limiter = limiter(limits);
        assert_eq!(limiter.take(ip("192.0.2.1"), Cost::HEAVY), Ok(()));
        assert_eq!(limiter.take(ip("192.0.2.1"), Cost::HEAVY), Ok(()));
        let wait = limiter.take(ip("192.0.2.1"), Cost::HEAVY).unwrap_err();
        assert!(wait <= Duration::from_secs(10), "{wait:?}");
    }

    #[test]
    fn a_budget_is_never_too_small_for_one_request() {
        let limiter = limiter(RateLimits { per_second: 0, burst: 0, local_per_second: 0 });
        assert_eq!(limiter.take(ip("192.0.2.1"), Cost::HEAVY), Ok(()));
        assert_eq!(limiter.take(ip("127.0.0.1"), Cost::HEAVY), Ok(()));
    }
}
