//! The program of the wallet, with the explorer beside it, and of the wallet's helper. Natively it only says where it runs.

fn main() {
    #[cfg(target_arch = "wasm32")]
    qbtc_web::start_wallet();
    #[cfg(not(target_arch = "wasm32"))]
    qbtc_web::say_where_it_runs();
}
