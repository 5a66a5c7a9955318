//! What happens when the machine has no memory left for the program (`ulimit -v`, a container): one line,
//! and the exit code of the environment.
//!
//! Rust has no answer to a failed allocation but to abort the process, with words of its own and a signal.
//! So a request that fails ends it here. Only the largest come back to their callers (`try_reserve`,
//! `read_to_end`), which can name the file that asks for so much. Nothing is cleaned up: what a killed
//! build leaves is what the next one expects.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its nature; each call is the system's own"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_int;
use std::io::Write as _;

/// The largest request that ends the process: what is larger is only ever a file that is read whole, which
/// is asked for in a way that can be refused.
const SMALL: usize = 256 << 20;

/// The exit code of an environment that is at fault.
const ENVIRONMENT: c_int = 3;

unsafe extern "C" {
    /// Ends the process at once (POSIX.1-2024). What would run at the end may want memory.
    fn _exit(code: c_int) -> !;
}

/// The system's allocator, which says so when it is at its end.
struct Telling;

#[global_allocator]
static ALLOCATOR: Telling = Telling;

// SAFETY: every request goes to the system's allocator as it is, and its answer is handed on.
unsafe impl GlobalAlloc for Telling {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is that of the system's allocator.
        told(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        told(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        told(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn told(memory: *mut u8, size: usize) -> *mut u8 {
    if memory.is_null() && size <= SMALL {
        end(size);
    }
    memory
}

/// Says it without asking for memory, and ends the process.
#[cold]
fn end(size: usize) -> ! {
    let mut line = [0_u8; 256];
    let mut rest = &mut line[..];
    // What does not fit is cut.
    let _ = writeln!(
        rest,
        "error: the machine has no memory left for cvmkit: {size} more bytes were refused\n\
         hint: raise the limit on memory (`ulimit -v`, or that of the container); 1 GiB is enough for most"
    );
    let unused = rest.len();
    let said = line.get(..line.len() - unused).unwrap_or_default();
    let _ = rustix::io::write(rustix::stdio::stderr(), said);
    // SAFETY: it takes any number, and does not come back.
    unsafe { _exit(ENVIRONMENT) }
}
