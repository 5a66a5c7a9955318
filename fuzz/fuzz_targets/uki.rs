//! Unified kernel images made from a foreign stub.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What is planned is written, and
//! its sections read back.
//!
//! Input: a stub.

#![no_main]

use cvmkit_formats::pe::Headers;
use cvmkit_formats::pe::uki::{Options, Plan};
use cvmkit_formats::sink::Checked;
use cvmkit_formats::source::{Source, read_all};
use libfuzzer_sys::fuzz_target;

const LINUX: &[u8] = &[0xcc; 700];
const CMDLINE: &[u8] = b"roothash=00";

fuzz_target!(|stub: &[u8]| {
    let _ = Options::for_kernel(stub);
    let sections = [(".linux", LINUX.len() as u64), (".cmdline", CMDLINE.len() as u64)];
    let Ok(plan) = Plan::new(stub, &sections, &Options { keep_nx_compat: true }) else { return };
    let (linux, cmdline) = (LINUX.to_vec(), CMDLINE.to_vec());
    let contents: [(&str, &dyn Source); 2] = [(".linux", &linux), (".cmdline", &cmdline)];
    let mut sink = Checked::new(Vec::new());
    plan.write(&contents, &mut sink).expect("memory does not fail");
    let image = sink.finish(plan.len()).expect("every byte is written once");
    let headers = Headers::read(&image).expect("our own image is read");
    for (name, expected) in [(".linux", LINUX), (".cmdline", CMDLINE)] {
        let section = headers.section(name).expect("the section is there");
        let found = section.contents(&image).expect("the section is in the file");
        assert_eq!(read_all(&found, 1 << 20).expect("the section is in the file"), expected);
    }
});
