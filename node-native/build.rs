//! The web app becomes part of the node's program: it is built anew whenever the app was.

use std::path::Path;

fn main() {
    // Cargo takes a path that is not there for one that has changed, and would compile the node at each call. So, until the app is
    // built, the folder in which that happens is watched.
    let app = "../web/dist";
    let watched = if Path::new(app).is_dir() { app } else { "../web" };
    println!("cargo::rerun-if-changed={watched}");
    println!("cargo::rerun-if-changed=build.rs");
}
