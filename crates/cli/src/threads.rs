//! The threads that share the work of a command.

use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

/// The system gives this process no threads: each needs some memory, and counts against a limit.
#[derive(Debug, Error)]
#[error("can't start the threads of this program, for lack of memory or of threads")]
pub(crate) struct NoThreads(#[from] rayon::ThreadPoolBuildError);

impl Diagnosis for NoThreads {
    fn fault(&self) -> Fault {
        Fault::Environment
    }

    fn hint(&self) -> Option<String> {
        Some("raise the limit (`ulimit -v`, `ulimit -u`, the container's)".to_owned())
    }
}

/// Starts them, once, before any work: where they start by themselves, a failure is a panic.
pub(crate) fn start() -> Result<(), NoThreads> {
    Ok(rayon::ThreadPoolBuilder::new().build_global()?)
}
