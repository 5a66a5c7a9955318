//! squashfs images.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What is read and can be written
//! reads back the same.
//!
//! Input: an image.

#![no_main]

use cvmkit_formats::squashfs::{Compression, Limits, Options, Plan, dump, read};
use cvmkit_formats::tree::{Inode, Meta, Node, Tree};
use libfuzzer_sys::fuzz_target;

/// Small enough that memory and time stay small.
const LIMITS: Limits = Limits { table_bytes: 1 << 20, content_bytes: 1 << 20 };

/// Paths and inodes in the order of the walk; a directory's entries are paths of their own.
fn shown(tree: &Tree<Vec<u8>>) -> Vec<(Vec<u8>, Meta, Option<Node<Vec<u8>>>)> {
    let walk = tree.walk().into_iter();
    walk.map(|(path, id)| {
        let Inode { meta, node } = tree.inode(id);
        let node = Some(node.clone()).filter(|node| !matches!(node, Node::Directory(_)));
        (path, meta.clone(), node)
    })
    .collect()
}

fuzz_target!(|bytes: &[u8]| {
    let _ = dump(bytes, &LIMITS);
    let Ok(tree) = read(bytes, &LIMITS) else { return };
    let compression = Compression::Gzip { level: 1 };
    let options = Options { block_size: 4096, compression, mkfs_time: 0 };
    let Ok(plan) = Plan::new(&tree, &options) else { return };
    let mut image = Vec::new();
    plan.write(&mut image).expect("memory does not fail");
    let back = read(image, &Limits::default()).expect("our own image is read");
    assert_eq!(shown(&back), shown(&tree));
});
