//! The built-in miner's kernels, each on one thread, as multiples of the loop around the `sha2` crate.

use std::time::Duration;

use super::figure::{Bound, Figure};
use crate::miner::{self, Kernel, KernelRate};

/// How long is measured.
const DURATION: Duration = Duration::from_secs(10);

pub(super) fn run(tell: &dyn Fn(&str)) -> Vec<Figure> {
    tell("hashing");
    miner::bench(DURATION).iter().flat_map(figures).collect()
}

fn figures(measured: &KernelRate) -> Vec<Figure> {
    let kernel = measured.kernel;
    let mut figures = vec![Figure::plain(format!("kernel {kernel}"), measured.rate.0 / 1e6, "MH/s")];
    if kernel != Kernel::Reference {
        let claim = format!("{kernel}: ratio to {}", Kernel::Reference);
        figures.push(match promised(kernel) {
            Some(least) => Figure::bounded(claim, measured.ratio, "", Bound::AtLeast(least)),
            None => Figure::plain(claim, measured.ratio, ""),
        });
    }
    figures
}

const fn promised(kernel: Kernel) -> Option<f64> {
    match kernel {
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx512 => Some(2.6),
        #[cfg(target_arch = "x86_64")]
        Kernel::ShaNi => Some(2.1),
        _ => None,
    }
}
