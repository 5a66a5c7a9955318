//! Whether standard output was open when the process started.
//!
//! Before `main`, Rust's runtime opens `/dev/null` in place of a closed standard stream: a result then
//! vanishes without an error. So this module looks earlier, in a function that the C library calls before
//! `main` (System V gABI, "Initialization and Termination Functions").

use std::sync::atomic::{AtomicBool, Ordering};

static CLOSED: AtomicBool = AtomicBool::new(false);

extern "C" fn look() {
    let flags = rustix::io::fcntl_getfd(rustix::stdio::stdout());
    CLOSED.store(flags == Err(rustix::io::Errno::BADF), Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "the section holds pointers to functions of this type")]
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

/// True if standard output was closed when the process started.
pub(crate) fn was_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}
