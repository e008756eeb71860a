//! The web app of a node: wallet, explorer and dashboard, in one page.
//!
//! ```text
//! pages and components (ui, wasm32 only) → what the app knows (the modules below) → qbtc-core
//! ```
//!
//! Invariant: what is valid, and what is money, is decided by [`qbtc_core`]; nothing here is a rule of the chain. Whatever a page shows says
//! whether this tab has proven it or a node has said it ([`level`]). Secrets stay in the tab and are kept only encrypted.
//!
//! All that needs no browser is plain Rust, compiled and tested natively. What does is compiled for wasm32 alone.
#![forbid(unsafe_code)]

pub mod chart;
pub mod format;
pub mod level;
pub mod proof;
pub mod search;
pub mod light;
pub mod wallet;
pub mod extension;
pub mod node;
pub mod text;

#[cfg(target_arch = "wasm32")]
#[cfg_attr(
    not(feature = "page"),
    allow(
        dead_code,
        unused_imports,
        reason = "workers are built with a part of it; all of it is looked at with the page"
    )
)]
mod browser;
#[cfg(all(target_arch = "wasm32", feature = "page"))]
mod ui;

/// Starts the app in the page.
#[cfg(all(target_arch = "wasm32", feature = "page"))]
pub fn start() {
    ui::start();
}

/// Starts the wallet's helper in a worker.
#[cfg(target_arch = "wasm32")]
pub fn start_vault() {
    browser::worker::serve();
}

/// Starts the light client in a worker.
#[cfg(target_arch = "wasm32")]
pub fn start_light() {
    browser::light::worker::serve();
}

/// Says that the app's programs are for browsers.
#[cfg(not(target_arch = "wasm32"))]
pub fn say_where_it_runs() {
    use std::io::Write as _;
    // Whoever cannot be told so misses nothing.
    let _ = writeln!(std::io::stderr(), "the web app runs in browsers: `cargo xtask web` builds it");
}
