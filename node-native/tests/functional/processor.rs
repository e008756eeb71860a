//! A build for newer processors says so on an older one: whatever runs before that has only instructions that all processors know.

use std::fs;
use std::path::Path;
use std::process::Command;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// The crate that asks the processor, as short as it can be.
const RAW_CPUID: &str = "pub mod native_cpuid {
    pub fn cpuid_count(leaf: u32, part: u32) -> std::arch::x86_64::CpuidResult {
        #[allow(unused_unsafe)]
        unsafe { std::arch::x86_64::__cpuid_count(leaf, part) }
    }
}";

/// Compiles a file for x86-64-v3, and returns its instructions.
fn assembly(folder: &Path, name: &str, kind: &str, needed: Option<&str>, source: &str) -> String {
    let file = folder.join(format!("{name}.rs"));
    fs::write(&file, source).unwrap();
    let said = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()))
        .args(["--edition", "2024", "-O", "-C", "codegen-units=1", "-C", "target-cpu=x86-64-v3", "--emit", "asm,link"])
        .args(["--crate-name", name, "--crate-type", kind, "-L", ".", "--out-dir", "."])
        .args(needed.map(|needed| format!("--extern={needed}")))
        .arg(file)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    fs::read_to_string(folder.join(format!("{name}.s"))).unwrap()
}

/// Whether a line is an instruction that x86-64 does not have: of AVX, BMI, LZCNT or MOVBE.
fn is_new(line: &str) -> bool {
    let Some(word) = line.strip_prefix('\t').and_then(|line| line.split_whitespace().next()) else { return false };
    let new =
        ["andn", "bextr", "bls", "bzhi", "mulx", "pdep", "pext", "rorx", "sarx", "shlx", "shrx", "lzcnt", "movbe"];
    word.starts_with('v') || new.iter().any(|new| word.starts_with(new))
}

#[test]
fn nothing_new_comes_before_the_question() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Already to move something takes what an older processor lacks.
    let moved = "#[inline(never)] pub fn moved(from: &[u64; 8], to: &mut [u64; 8]) { *to = *from; }";
    assert!(assembly(folder, "moved", "rlib", None, moved).lines().any(is_new), "what must be seen is not seen");
    assembly(folder, "raw_cpuid", "rlib", None, RAW_CPUID);
    let library = format!(
        "#[path = {:?}] pub mod cpu;
        pub mod cli {{ pub fn main() -> std::process::ExitCode {{ std::process::ExitCode::SUCCESS }} }}",
        format!("{SOURCES}/cpu.rs"),
    );
    let library = assembly(folder, "qbtc_node", "rlib", Some("raw_cpuid"), &library);
    let program = fs::read_to_string(format!("{SOURCES}/main.rs")).unwrap();
    let program = assembly(folder, "qbtc", "bin", Some("qbtc_node"), &program);
    assert!(library.contains("is_fit") && program.contains("is_fit"));
    for line in library.lines().chain(program.lines()) {
        assert!(!is_new(line), "{line}");
    }
}
