//! Kernels for a direct boot: the setup header, and what QEMU makes of it.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. A patched header has the length of
//! the one in the file, and patching it again changes nothing.
//!
//! Input: eight bytes that choose memory and initrd, then a kernel.

#![no_main]

use cvmkit_measure::linux::{self, Boot, SetupHeader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((numbers, kernel)) = bytes.split_first_chunk::<8>() else { return };
    let [a, b, c, d, e, f, g, h] = *numbers;
    let memory = u64::from(u32::from_le_bytes([a, b, c, d])) << 4;
    let initrd = Some(u64::from(u32::from_le_bytes([e, f, g, h]))).filter(|size| size % 7 != 0);
    // The command line is foreign as well.
    let command_line = &kernel[..kernel.len().min(64)];
    let boot = Boot { memory, initrd, command_line };
    let _ = linux::digests(kernel, &SetupHeader::AsInFile);
    let _ = linux::digests(kernel, &SetupHeader::Patched(boot));
    let Ok(head) = linux::patched_header(kernel, &boot) else { return };
    let mut patched = kernel.to_vec();
    patched[..head.len()].copy_from_slice(&head);
    let again = linux::patched_header(&patched, &boot).expect("a patched kernel is a kernel");
    assert_eq!(again, head);
});
