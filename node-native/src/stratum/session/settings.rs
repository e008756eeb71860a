//! What an operator can choose, and the limits that nobody can.

use std::time::Duration;

use qbtc_core::lock::{Address, AddressPrefix};
use qbtc_core::spec::ChainSpec;

use super::Difficulty;

/// What the sessions of one server have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What addresses of this chain begin with.
    pub prefix: AddressPrefix,
    /// How far the time of a header may be ahead of the clock, in seconds: the chain's rule.
    pub future_limit_s: u32,
    /// Who is paid for the work of miners whose user name holds no address.
    pub reward: Option<Address>,
    /// What a miner starts with. Default 0.01, a share every 43 seconds at 1 MH/s: a CPU has its first share within a minute, and a
    /// machine of 100 TH/s is at its own difficulty after about a hundred shares.
    pub difficulty_start: Difficulty,
    /// The least difficulty. Default 2⁻²⁰: 4,096 hashes.
    pub difficulty_min: Difficulty,
    /// The greatest difficulty. Default 2⁴⁸, out of reach of any machine of today.
    pub difficulty_max: Difficulty,
    /// How often each miner should find a share. Default 10 seconds: often enough to see within a minute that a machine fails.
    pub share_interval: Duration,
}

impl Settings {
    /// How long a miner may be silent.
    pub(super) fn idle(&self) -> Duration {
        IDLE_MIN.max(self.share_interval.saturating_mul(IDLE_INTERVALS))
    }

    /// The defaults on a chain.
    #[must_use]
    pub fn new(spec: &ChainSpec, reward: Option<Address>) -> Self {
        let difficulty = |value| Difficulty::new(value).expect("a number above zero");
        Self {
            prefix: spec.network().address_prefix.clone(),
            future_limit_s: spec.consensus().future_limit_s,
            reward,
            difficulty_start: difficulty(0.01),
            difficulty_min: difficulty(2f64.powi(-20)),
            difficulty_max: difficulty(2f64.powi(48)),
            share_interval: Duration::from_secs(10),
        }
    }
}

/// How long a connection may take until it has subscribed and authorized.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(15);
/// How long a miner may be silent at least. By then the difficulty has fallen for one that finds nothing.
const IDLE_MIN: Duration = Duration::from_secs(15 * 60);
/// How many intervals of shares it may be silent: at its right difficulty it is so by chance once in e²⁴ times.
const IDLE_INTERVALS: u32 = 24;
/// The jobs for which shares are accepted, until the tip changes.
pub(super) const JOBS_MAX: usize = 16;
/// The worker names of one connection: a proxy may speak for many machines.
pub(super) const WORKERS_MAX: usize = 256;
/// The bytes of a user name: an address, a point and a worker's name.
pub(super) const USER_BYTES_MAX: usize = 160;
/// The bytes of a user name that can stand without an address, where the operator's own address is there to fall back to. Shorter
/// than any address: one that is mistyped must not become a worker's name.
pub(super) const BARE_NAME_BYTES_MAX: usize = 32;
/// What may be held against a miner until it is cut off. An accepted share clears it.
pub(super) const STRIKES_MAX: u32 = 200;
/// What a line counts that is no request at all: twenty of them end the connection.
pub(super) const STRIKES_MALFORMED: u32 = 10;
/// What a request counts that is refused.
pub(super) const STRIKES_REFUSED: u32 = 1;
/// The bytes of a line that a miner sends. The longest honest one, an authorization with a long password, has some hundred.
pub const LINE_BYTES_MAX: usize = 4_096;
