//! The web app becomes part of an optimised node, which is therefore built anew whenever the app was. Other builds read it as it is served.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("PROFILE").is_some_and(|profile| profile == "debug") {
        return;
    }
    // Cargo takes a path that is not there for one that has changed, and would compile the node at each call. So, until the app is
    // built, the folder in which that happens is watched.
    let app = "../web/dist";
    let watched = if Path::new(app).is_dir() { app } else { "../web" };
    println!("cargo::rerun-if-changed={watched}");
}
