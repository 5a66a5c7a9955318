//! Host names are looked up by what is linked in: `/etc/hosts` and DNS.
//!
//! `/etc/nsswitch.conf` may name further modules (`mymachines`, `resolve`, `myhostname`). The C library
//! would load them into this static program, and with them the host's C library as a second one: if its
//! version differs, the process dies (docs/adr/0008). Deliberately absent: names that only such a module
//! knows.

#![expect(unsafe_code, reason = "the C library's own switch, which no crate offers")]

use std::ffi::{CStr, c_char, c_int};
use std::io;

use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

/// The C library refused its own services.
#[derive(Debug, Error)]
#[error("cannot make the C library look up host names by `files` and `dns` alone")]
pub(crate) struct NameServiceError(#[from] io::Error);

impl Diagnosis for NameServiceError {
    fn fault(&self) -> Fault {
        Fault::Environment
    }

    fn hint(&self) -> Option<String> {
        None
    }
}

/// The database of host names (nsswitch.conf(5)).
const DATABASE: &CStr = c"hosts";

/// The services that are part of the C library since glibc 2.34, in the usual order.
const SERVICES: &CStr = c"files dns";

unsafe extern "C" {
    /// Sets the services of a database in place of `/etc/nsswitch.conf` (glibc, `nss.h`). 0, or -1 and
    /// an `errno`.
    fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
}

/// From now on, names are looked up without modules of the host. A dynamically linked program shares its C
/// library with these modules and keeps them.
pub(crate) fn keep_to_what_is_linked_in() -> Result<(), NameServiceError> {
    if !cfg!(target_feature = "crt-static") {
        return Ok(());
    }
    // SAFETY: two static strings that end in NUL; the function locks by itself.
    match unsafe { __nss_configure_lookup(DATABASE.as_ptr(), SERVICES.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().into()),
    }
}
