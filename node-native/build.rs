//! The web app becomes part of the node's program: it is built anew whenever the app was.

fn main() {
    println!("cargo::rerun-if-changed=../web/dist");
    println!("cargo::rerun-if-changed=build.rs");
}
