//! Whether the process was started with a standard output at all.
//!
//! Rust's runtime opens `/dev/null` in the place of a standard stream that is closed, before `main`:
//! from then on a result that is written goes nowhere, and nothing says so. So the question is asked
//! earlier, where the C library runs what an executable lists to be run first (System V gABI,
//! "Initialization and Termination Functions").

use std::sync::atomic::{AtomicBool, Ordering};

static CLOSED: AtomicBool = AtomicBool::new(false);

extern "C" fn look() {
    let flags = rustix::io::fcntl_getfd(rustix::stdio::stdout());
    CLOSED.store(flags == Err(rustix::io::Errno::BADF), Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "a section of that name holds functions to be called, as this is")]
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

/// True if standard output was closed when the process was started.
pub(crate) fn was_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}
