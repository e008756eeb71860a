//! The page's program keeps the linker's notes on what refers to what: by them it is split into chunks (xtask/tools).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo::rustc-link-arg-bin=qbtc-web=--emit-relocs");
    }
}
