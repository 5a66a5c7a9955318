//! One static program: it runs on a machine that has no library of this one. Oracle: readelf.

use crate::program::Folder;

#[test]
fn the_program_needs_no_library_and_no_loader() {
    let folder = Folder::new();
    let program = env!("CARGO_BIN_EXE_cvmkit");
    let Some(said) = folder.oracle("readelf", &["--wide", "--program-headers", program]) else {
        return;
    };
    let headers = said.answer();
    assert!(headers.contains("GNU_STACK"), "{headers}");
    assert!(!headers.contains("INTERP"), "{headers}");
    let said = folder.oracle("readelf", &["--wide", "--dynamic", program]).unwrap().answer();
    assert!(!said.contains("NEEDED"), "{said}");
    // Wherever it is loaded: addresses stay random.
    assert!(said.contains("PIE"), "{said}");
}
