//! What stage0 measures: kernels, and the commands ACPI tables are made by.
//!
//! Errors are fine; panics are bugs. Both variants of the setup data have one length.
//!
//! Input: a bzImage, or an `etc/table-loader` of fw_cfg.

#![no_main]

use cvmkit_measure::stage0::{self, SetupDataVariant};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(kernel) = stage0::split(bytes) {
        let setup = kernel.setup_data(SetupDataVariant::ByQemu);
        assert_eq!(setup.len(), kernel.setup_data(SetupDataVariant::Unmodified).len());
        assert!(setup.len() < bytes.len(), "the setup data is all of the kernel");
    }
    let _ = stage0::acpi_digest(bytes, None, |name| (name != "missing").then_some(b"table"));
});
