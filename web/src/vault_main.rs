//! The program of the worker that seals and opens keystores. Natively it only says where it runs.

fn main() {
    #[cfg(target_arch = "wasm32")]
    qbtc_web::start_vault();
    #[cfg(not(target_arch = "wasm32"))]
    qbtc_web::say_where_it_runs();
}
