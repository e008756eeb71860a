//! How fast the kernels are on this machine, for `qbtc bench`.

use std::time::{Duration, Instant};

use super::hash_rate::HashesPerSecond;
use super::kernel::Kernel;

/// How fast a kernel is on one thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KernelRate {
    /// The kernel.
    pub kernel: Kernel,
    /// Its rate: the median.
    pub rate: HashesPerSecond,
    /// How many times faster than the loop around the `sha2` crate it is: the median of the ratios of two measurements that were made
    /// one after the other, so that what else the machine does weighs on both.
    pub ratio: f64,
}

/// How long a kernel is measured at a time.
const SLICE: Duration = Duration::from_millis(10);

/// Measures all kernels that this processor runs, by turns, for about so long in all. Blocks this thread.
#[must_use]
pub fn bench(duration: Duration) -> Vec<KernelRate> {
    let kernels: Vec<_> = Kernel::supported().collect();
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); kernels.len()];
    let started = Instant::now();
    while rates[0].is_empty() || started.elapsed() < duration {
        for (kernel, rates) in kernels.iter().zip(&mut rates) {
            rates.push(kernel.hashes_per_second(SLICE));
        }
    }
    let reference = kernels.iter().position(|kernel| *kernel == Kernel::Reference);
    let reference = rates[reference.expect("every processor runs the reference")].clone();
    let measured = kernels.into_iter().zip(rates).map(|(kernel, rates)| {
        let ratios = rates.iter().zip(&reference).map(|(rate, reference)| rate / reference).collect();
        KernelRate { kernel, rate: HashesPerSecond(median(rates)), ratio: median(ratios) }
    });
    measured.collect()
}

/// The middle of numbers, of which there is at least one: a shared machine is not as fast at one moment as at another.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![5.0]), 5.0);
    }

    #[test]
    fn every_kernel_is_measured_against_the_reference() {
        let rates = bench(Duration::ZERO);
        assert!(rates.iter().map(|rate| rate.kernel).eq(Kernel::supported()));
        assert!(rates.iter().all(|rate| rate.rate.0 > 0.0 && rate.ratio > 0.0));
        assert_eq!(rates.iter().find(|rate| rate.kernel == Kernel::Reference).map(|rate| rate.ratio), Some(1.0));
    }
}
