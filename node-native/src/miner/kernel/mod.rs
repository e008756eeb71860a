//! Kernels: code that looks for a nonce whose hash meets a target, one for each kind of processor.
//!
//! Invariant: every kernel finds the same nonces as [`PowAlgorithm::check_work`](qbtc_core::pow::PowAlgorithm::check_work) does, one
//! after the other. A kernel itself compares only the highest word of a hash; [`Kernel::scan`] has what it finds judged by core.
//!
//! The one `unsafe` of the package is in this file: the calls that claim that the processor has the instructions that a
//! kernel is compiled for. [`Kernel::is_supported`] is asked right before. The kernels need no more, for a function with
//! `#[target_feature]` may call the intrinsics of that feature safely.

#[macro_use]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod job;
mod portable;
mod reference;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use qbtc_core::header::Header;
use qbtc_core::units::Target;

use self::job::Job;

/// A way to scan nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// A loop around the `sha2` crate, which is what the others are measured against. On processors other than x86-64 it is the fastest,
    /// since the crate knows their instructions.
    Reference,
    /// Plain Rust, one nonce at a time.
    Portable,
    /// Eight nonces at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Four nonces at a time with the SHA extensions.
    #[cfg(target_arch = "x86_64")]
    ShaNi,
    /// Sixteen nonces at a time.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// How long a kernel is tried at a time when the fastest is looked for.
const TRIAL: Duration = Duration::from_millis(2);
/// How often each is tried: the best of its trials counts, as anything else on the machine only ever slows one down.
const TRIALS: usize = 4;

impl Kernel {
    /// Every kernel of this architecture, whether or not this processor runs it.
    #[cfg(target_arch = "x86_64")]
    pub const ALL: &[Self] = &[Self::Reference, Self::Portable, Self::Avx2, Self::ShaNi, Self::Avx512];
    /// Every kernel of this architecture.
    #[cfg(not(target_arch = "x86_64"))]
    pub const ALL: &[Self] = &[Self::Reference, Self::Portable];

    /// The name, as logs and tables show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reference => "sha2",
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi => "sha-ni",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this processor, and the system on it, runs the kernel.
    #[must_use]
    pub fn is_supported(self) -> bool {
        match self {
            Self::Reference | Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi => {
                is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("avx")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
        }
    }

    /// The kernels that this processor runs.
    pub fn supported() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kernel| kernel.is_supported())
    }

    /// The fastest kernel on this processor. The first call tries them all, which takes some hundredths of a second.
    #[must_use]
    pub fn fastest() -> Self {
        static FASTEST: OnceLock<Kernel> = OnceLock::new();
        *FASTEST.get_or_init(|| {
            let mut fastest = (Self::Portable, 0.0);
            for _ in 0..TRIALS {
                for kernel in Self::supported() {
                    let hashes_per_second = kernel.hashes_per_second(TRIAL);
                    if hashes_per_second > fastest.1 {
                        fastest = (kernel, hashes_per_second);
                    }
                }
            }
            fastest.0
        })
    }

    /// The lowest nonce of the range with which `header` meets `target`. The nonce of `header` itself does not matter.
    ///
    /// # Panics
    /// If the processor does not run this kernel.
    #[must_use]
    pub fn scan(self, header: &Header, target: Target, nonces: RangeInclusive<u32>) -> Option<u32> {
        let job = Job::new(header, target.to_be_bytes());
        let last = *nonces.end();
        let mut next = Some(*nonces.start());
        while let Some(first) = next.filter(|first| *first <= last) {
            let nonce = self.candidate(&job, first, last)?;
            let hash = Header { nonce, ..*header }.id().to_bytes();
            if target.is_met_by(&hash) {
                return Some(nonce);
            }
            next = nonce.checked_add(1);
        }
        None
    }

    /// How many hashes a second one thread does, measured for about so long.
    pub(super) fn hashes_per_second(self, duration: Duration) -> f64 {
        /// Few enough to end in time on a slow processor.
        const NONCES: u32 = 1 << 12;
        // No hash is so low, so that all nonces are scanned.
        let job = Job::new(&Header::from_bytes(&[0x5a; 80]), [0; 32]);
        let started = Instant::now();
        let mut rounds = 0_u32;
        while started.elapsed() < duration {
            std::hint::black_box(self.candidate(&job, NONCES, 2 * NONCES - 1));
            rounds += 1;
        }
        f64::from(rounds) * f64::from(NONCES) / started.elapsed().as_secs_f64()
    }

    /// The lowest nonce from `first` to `last` whose hash's highest word is at most the target's.
    #[allow(
        unsafe_code,
        reason = "code for one processor's instructions can only be called by claiming that it has them"
    )]
    fn candidate(self, job: &Job, first: u32, last: u32) -> Option<u32> {
        assert!(self.is_supported(), "kernel {self} on a processor that cannot run it");
        match self {
            Self::Reference => reference::scan(job, first, last),
            Self::Portable => portable::scan(job, first, last),
            // SAFETY: the processor has AVX2, as `is_supported` was asserted above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::scan(job, first, last) },
            // SAFETY: the processor has SHA, SSE4.1 and AVX, as `is_supported` was asserted above.
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi => unsafe { sha_ni::scan(job, first, last) },
            // SAFETY: the processor has AVX-512F, as `is_supported` was asserted above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::scan(job, first, last) },
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
