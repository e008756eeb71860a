//! The program of the page: explorer, wallet and dashboard. Natively it only says where it runs.

fn main() {
    #[cfg(target_arch = "wasm32")]
    qbtc_web::start();
    #[cfg(not(target_arch = "wasm32"))]
    qbtc_web::say_where_it_runs();
}
