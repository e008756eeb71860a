//! Whether this processor has the instructions that the program was compiled for.
//!
//! Without this check a build for x86-64-v3 would die on an older processor of an illegal instruction, at some random place.

/// What is missing, as a sentence with the mend; `None` if all is there.
#[must_use]
pub fn missing_instructions() -> Option<String> {
    let missing: Vec<&str> = required().into_iter().filter(|(_, is_there)| !is_there).map(|(name, _)| name).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "this program was built for newer processors: yours lacks {}. Take the build for x86-64, or build it yourself \
             with `cargo build --release -p qbtc-node`",
            missing.join(", ")
        )
    })
}

/// What the program was compiled for, and whether it is there. Asked of the processor itself: the standard library's question is
/// answered by the compiler for whatever it was told to use.
#[cfg(target_arch = "x86_64")]
fn required() -> Vec<(&'static str, bool)> {
    let cpu = raw_cpuid::CpuId::new();
    let (features, extended) = (cpu.get_feature_info(), cpu.get_extended_feature_info());
    let feature = |has: fn(&raw_cpuid::FeatureInfo) -> bool| features.as_ref().is_some_and(has);
    let extended = |has: fn(&raw_cpuid::ExtendedFeatures) -> bool| extended.as_ref().is_some_and(has);
    let mut required = Vec::new();
    if cfg!(target_feature = "sse4.2") {
        required.push(("SSE4.2", feature(raw_cpuid::FeatureInfo::has_sse42)));
    }
    if cfg!(target_feature = "avx") {
        required.push(("AVX", feature(raw_cpuid::FeatureInfo::has_avx)));
    }
    if cfg!(target_feature = "fma") {
        required.push(("FMA", feature(raw_cpuid::FeatureInfo::has_fma)));
    }
    if cfg!(target_feature = "avx2") {
        required.push(("AVX2", extended(raw_cpuid::ExtendedFeatures::has_avx2)));
    }
    if cfg!(target_feature = "bmi2") {
        required.push(("BMI2", extended(raw_cpuid::ExtendedFeatures::has_bmi2)));
    }
    if cfg!(target_feature = "avx512f") {
        required.push(("AVX-512", extended(raw_cpuid::ExtendedFeatures::has_avx512f)));
    }
    required
}

#[cfg(not(target_arch = "x86_64"))]
fn required() -> Vec<(&'static str, bool)> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_processor_that_runs_this_has_what_it_was_built_for() {
        assert_eq!(super::missing_instructions(), None);
    }
}
