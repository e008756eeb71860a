//! What the standard library does elsewhere, for the programs for signing and of the light client: memory, and the end of a program that is in disorder.
//!
//! A panic is a bare trap, which the layer above shows as `fatal`. So nothing that would write its message, or say its place, is in the program.

use core::panic::PanicInfo;

use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static MEMORY: GlobalDlmalloc = GlobalDlmalloc;

#[panic_handler]
fn trap(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
