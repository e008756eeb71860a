//! The program of the explorer and the dashboard. Natively it only says where it runs.

fn main() {
    #[cfg(target_arch = "wasm32")]
    qbtc_web::start_explorer();
    #[cfg(not(target_arch = "wasm32"))]
    qbtc_web::say_where_it_runs();
}
