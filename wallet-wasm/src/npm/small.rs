//! What the standard library does elsewhere, for the program of those who only sign: memory, and the end of a program that is in disorder.
//!
//! A panic is a bare trap, which the layer above shows as `fatal`. So nothing that would write its message, or say its place, is in the program: a third
//! of what it would weigh.

use core::panic::PanicInfo;

use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static MEMORY: GlobalDlmalloc = GlobalDlmalloc;

#[panic_handler]
fn trap(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
