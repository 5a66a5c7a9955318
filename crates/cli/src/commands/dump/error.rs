//! Why a file was not listed: what its decoder says.

use std::io;

/// An error of any of the decoders; the format that was read is named beside it.
pub(super) type Error = Box<dyn std::error::Error>;

/// True if the disk failed, not the format.
pub(super) fn is_environment(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let error = error.downcast_ref::<io::Error>();
        error.is_some_and(|error| error.raw_os_error().is_some())
    })
}
