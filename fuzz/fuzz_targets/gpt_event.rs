//! Partition tables as firmware measures them.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What is measured is the header of
//! the disk, a count, and as many entries, each of which is on the disk.
//!
//! Input: a disk.

#![no_main]

use cvmkit_measure::uefi::gpt;
use libfuzzer_sys::fuzz_target;

/// Bytes of the header that are measured, and of the count behind it.
const HEADER: usize = 92;
const COUNT: usize = 8;

fuzz_target!(|disk: &[u8]| {
    let Ok(Some(data)) = gpt::data(disk) else { return };
    assert_eq!(data.get(..HEADER), disk.get(512..512 + HEADER), "another header");
    let number = |bytes: &[u8], at: usize| {
        u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
    };
    let (most, size) = (number(&data, 80), number(&data, 84));
    let used = number(&data, HEADER);
    assert!(used <= most && data.len() == HEADER + COUNT + used * size, "{used} of {most}");
    assert!(data.len() <= disk.len() + COUNT, "more than the disk has");
    for entry in data[HEADER + COUNT..].chunks(size) {
        assert!(entry[..16].iter().any(|byte| *byte != 0), "an unused entry");
    }
    let _ = gpt::event(&data);
});
