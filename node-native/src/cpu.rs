//! Whether this processor has the instructions that the program was compiled for.
//!
//! Without this check a build for x86-64-v3 would die on an older processor of an illegal instruction, at some random place. What
//! is here is compiled with those instructions too, so it gives the compiler no reason to use one: numbers, branches and static
//! texts, nothing that is moved in memory. A test looks at the instructions that come of it.

use std::io::Write as _;

/// What `cpuid` is asked. The processor itself is asked, since the standard library's question is answered by the compiler for
/// whatever it was told to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// Leaf 1, ECX.
    Basic,
    /// Leaf 7, EBX.
    Structured,
    /// Leaf `0x8000_0001`, ECX.
    Extended,
    /// 1 if the operating system keeps the registers of AVX, else 0.
    System,
}

/// Something that a program may need.
struct Feature {
    name: &'static str,
    is_needed: bool,
    word: Word,
    mask: u32,
}

const fn feature(name: &'static str, is_needed: bool, word: Word, bit: u32) -> Feature {
    Feature { name, is_needed, word, mask: 1 << bit }
}

/// What x86-64-v2, v3 and v4 add.
const FEATURES: &[Feature] = &[
    feature("SSE3", cfg!(target_feature = "sse3"), Word::Basic, 0),
    feature("SSSE3", cfg!(target_feature = "ssse3"), Word::Basic, 9),
    feature("CMPXCHG16B", cfg!(target_feature = "cmpxchg16b"), Word::Basic, 13),
    feature("SSE4.1", cfg!(target_feature = "sse4.1"), Word::Basic, 19),
    feature("SSE4.2", cfg!(target_feature = "sse4.2"), Word::Basic, 20),
    feature("POPCNT", cfg!(target_feature = "popcnt"), Word::Basic, 23),
    feature("AVX", cfg!(target_feature = "avx"), Word::Basic, 28),
    feature("a system that allows AVX", cfg!(target_feature = "avx"), Word::System, 0),
    feature("AVX2", cfg!(target_feature = "avx2"), Word::Structured, 5),
    feature("BMI1", cfg!(target_feature = "bmi1"), Word::Structured, 3),
    feature("BMI2", cfg!(target_feature = "bmi2"), Word::Structured, 8),
    feature("F16C", cfg!(target_feature = "f16c"), Word::Basic, 29),
    feature("FMA", cfg!(target_feature = "fma"), Word::Basic, 12),
    feature("LZCNT", cfg!(target_feature = "lzcnt"), Word::Extended, 5),
    feature("MOVBE", cfg!(target_feature = "movbe"), Word::Basic, 22),
    feature("AVX-512F", cfg!(target_feature = "avx512f"), Word::Structured, 16),
    feature("AVX-512DQ", cfg!(target_feature = "avx512dq"), Word::Structured, 17),
    feature("AVX-512CD", cfg!(target_feature = "avx512cd"), Word::Structured, 28),
    feature("AVX-512BW", cfg!(target_feature = "avx512bw"), Word::Structured, 30),
    feature("AVX-512VL", cfg!(target_feature = "avx512vl"), Word::Structured, 31),
];

const HEAD: &str = "error: this program was built for newer processors: yours lacks ";
const MEND: &str = "; take the plain build, which `cargo build --release -p qbtc-node` makes without RUSTFLAGS: it runs on all of them\n";

/// Whether the program can run here; if not, it has said what is missing, with the mend.
#[must_use]
#[inline(never)]
pub fn is_fit() -> bool {
    lacks_nothing(FEATURES, ask, say)
}

#[inline(never)]
fn lacks_nothing(features: &[Feature], ask: fn(Word) -> u32, say: fn(&'static str)) -> bool {
    let mut is_fit = true;
    for feature in features {
        if !feature.is_needed || ask(feature.word) & feature.mask != 0 {
            continue;
        }
        say(if is_fit { HEAD } else { ", " });
        say(feature.name);
        is_fit = false;
    }
    if !is_fit {
        say(MEND);
    }
    is_fit
}

#[inline(never)]
fn say(text: &'static str) {
    // Where nobody can be told, the exit status still tells.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn ask(word: Word) -> u32 {
    use raw_cpuid::native_cpuid::cpuid_count;
    /// Up to which byte the area reaches that keeps the registers of AVX.
    const AVX_AREA_BYTES: u32 = 576 + 256;
    const XSAVE_IS_ON: u32 = 1 << 27;
    let leaf = match word {
        Word::Basic => 1,
        Word::Structured => 7,
        Word::Extended => 0x8000_0001,
        Word::System => 0xd,
    };
    if cpuid_count(leaf & 0x8000_0000, 0).eax < leaf {
        return 0;
    }
    match word {
        Word::Basic | Word::Extended => cpuid_count(leaf, 0).ecx,
        Word::Structured => cpuid_count(leaf, 0).ebx,
        // How long the area is tells which registers are on. To read them out, as is usual, is unsafe.
        Word::System => {
            u32::from(cpuid_count(1, 0).ecx & XSAVE_IS_ON != 0 && cpuid_count(leaf, 0).ebx >= AVX_AREA_BYTES)
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn ask(_: Word) -> u32 {
    u32::MAX
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static SAID: RefCell<String> = const { RefCell::new(String::new()) };
    }

    fn note(text: &'static str) {
        SAID.with_borrow_mut(|said| said.push_str(text));
    }

    fn said(needed: &[&str], ask: fn(Word) -> u32) -> Option<String> {
        SAID.take();
        let is_needed = |feature: &Feature| needed.is_empty() || needed.contains(&feature.name);
        let features: Vec<_> =
            FEATURES.iter().map(|feature| Feature { is_needed: is_needed(feature), ..*feature }).collect();
        let is_fit = lacks_nothing(&features, ask, note);
        (!is_fit).then(|| SAID.take())
    }

    #[test]
    fn the_processor_that_runs_this_has_what_it_was_built_for() {
        assert!(is_fit());
    }

    #[test]
    fn what_is_missing_is_named_in_one_sentence() {
        assert_eq!(said(&[], |_| u32::MAX), None);
        assert_eq!(said(&["AVX", "AVX2"], |_| u32::MAX), None);
        // A Nehalem.
        let old = |word| if word == Word::Basic { (1 << 20) | (1 << 23) } else { 0 };
        assert_eq!(said(&["SSE4.2", "POPCNT"], old), None);
        let sentence = said(&["SSE4.2", "AVX", "AVX2", "LZCNT"], old).unwrap();
        assert!(sentence.starts_with("error: "), "{sentence}");
        assert!(sentence.contains("yours lacks AVX, AVX2, LZCNT; take the plain build"), "{sentence}");
        assert_eq!(sentence.matches('\n').count(), 1);
        // A new processor under an old system.
        let off = |word| if word == Word::System { 0 } else { u32::MAX };
        assert!(said(&[], off).unwrap().contains("yours lacks a system that allows AVX; take the plain build"));
        let none = said(&[], |_| 0).unwrap();
        assert!(FEATURES.iter().all(|feature| none.contains(feature.name)), "{none}");
    }

    /// Asked of the standard library in another way: it must agree wherever the compiler has not settled it.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_processor_is_read_rightly() {
        let found = |name: &str| {
            let feature = FEATURES.iter().find(|feature| feature.name == name).unwrap();
            ask(feature.word) & feature.mask != 0
        };
        assert_eq!(found("SSE3"), is_x86_feature_detected!("sse3"));
        assert_eq!(found("SSSE3"), is_x86_feature_detected!("ssse3"));
        assert_eq!(found("CMPXCHG16B"), is_x86_feature_detected!("cmpxchg16b"));
        assert_eq!(found("SSE4.1"), is_x86_feature_detected!("sse4.1"));
        assert_eq!(found("SSE4.2"), is_x86_feature_detected!("sse4.2"));
        assert_eq!(found("POPCNT"), is_x86_feature_detected!("popcnt"));
        assert_eq!(found("BMI1"), is_x86_feature_detected!("bmi1"));
        assert_eq!(found("BMI2"), is_x86_feature_detected!("bmi2"));
        assert_eq!(found("LZCNT"), is_x86_feature_detected!("lzcnt"));
        assert_eq!(found("MOVBE"), is_x86_feature_detected!("movbe"));
        assert_eq!(found("AVX") && found("a system that allows AVX"), is_x86_feature_detected!("avx"));
        // The library tells these only where the system allows AVX.
        if found("a system that allows AVX") {
            assert_eq!(found("AVX2"), is_x86_feature_detected!("avx2"));
            assert_eq!(found("F16C"), is_x86_feature_detected!("f16c"));
            assert_eq!(found("FMA"), is_x86_feature_detected!("fma"));
        }
    }
}
