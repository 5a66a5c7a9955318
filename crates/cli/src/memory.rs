//! Out of memory (`ulimit -v`, a container's limit): two lines, and the exit code of the environment.
//!
//! Rust aborts the process on a failed allocation, with its own message and a signal. So a request that fails
//! ends the process here. Only the largest requests return to their callers (`try_reserve`, `read_to_end`),
//! which can name the file that needs so much. Nothing is cleaned up: the next build copes with whatever a
//! killed one leaves.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its nature; each call is the system's own"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_int;
use std::io::Write as _;

/// The largest request that ends the process, bytes. Only a file that is read whole is larger, and its reader
/// handles a refusal.
const SMALL: usize = 256 << 20;

/// The exit code of the environment, as in `console`.
const ENVIRONMENT: c_int = 3;

unsafe extern "C" {
    /// Ends the process at once (POSIX.1-2024): exit handlers may need memory.
    fn _exit(code: c_int) -> !;
}

/// The system's allocator; a failed request ends the process with a message.
struct Reporting;

#[global_allocator]
static ALLOCATOR: Reporting = Reporting;

// SAFETY: every request goes to the system's allocator as it is, and its answer is handed on.
unsafe impl GlobalAlloc for Reporting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is that of the system's allocator.
        checked(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        checked(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        checked(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn checked(memory: *mut u8, size: usize) -> *mut u8 {
    if memory.is_null() && size <= SMALL {
        end(size);
    }
    memory
}

/// Prints the error without allocating, and ends the process.
#[cold]
fn end(size: usize) -> ! {
    let mut line = [0_u8; 256];
    let mut rest = &mut line[..];
    // A text that does not fit is cut.
    let _ = writeln!(
        rest,
        "error: out of memory: cannot allocate {size} more bytes\n\
         hint: raise the memory limit (`ulimit -v`, or the container's); 1 GiB is enough for most images"
    );
    let unused = rest.len();
    let said = line.get(..line.len() - unused).unwrap_or_default();
    let _ = rustix::io::write(rustix::stdio::stderr(), said);
    // SAFETY: it takes any number and does not return.
    unsafe { _exit(ENVIRONMENT) }
}
