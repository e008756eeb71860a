//! The program of the worker with the light client. Natively it only says where it runs.

fn main() {
    #[cfg(target_arch = "wasm32")]
    qbtc_web::start_light();
    #[cfg(not(target_arch = "wasm32"))]
    qbtc_web::say_where_it_runs();
}
