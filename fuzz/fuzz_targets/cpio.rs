//! newc archives.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What is read and can be written
//! reads back the same.
//!
//! Input: an archive.

#![no_main]

use cvmkit_formats::cpio::{Options, Plan, dump, read};
use cvmkit_formats::sink::Checked;
use cvmkit_formats::source::{Source, read_all};
use cvmkit_formats::tree::{Node, Tree};
use libfuzzer_sys::fuzz_target;

fn contents<C: Source>(tree: &Tree<C>) -> Vec<Vec<u8>> {
    let walk = tree.walk().into_iter();
    walk.filter_map(|(_, id)| match &tree.inode(id).node {
        Node::File(file) => Some(read_all(file, u64::MAX).expect("the file is in the archive")),
        _ => None,
    })
    .collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(archive) = read(bytes) else { return };
    assert!(archive.end <= bytes.len() as u64, "the archive ends behind its bytes");
    let (listing, files) = (dump(&archive.tree), contents(&archive.tree));
    let Ok(plan) = Plan::new(&archive.tree, &Options::default()) else { return };
    let mut sink = Checked::new(Vec::new());
    plan.write(&mut sink).expect("memory does not fail");
    let bytes = sink.finish(plan.len()).expect("every byte is written once");
    let back = read(&bytes).expect("our own archive is read");
    assert_eq!(dump(&back.tree), listing);
    assert_eq!(contents(&back.tree), files);
});
