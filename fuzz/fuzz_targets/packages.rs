//! Indices of packages and all their relations.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. No accepted path leaves the pool.
//!
//! Input: a decompressed `Packages`.

#![no_main]

use cvmkit_debian::packages::{Index, RelationField};
use cvmkit_debian::release::is_pool_path;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(index) = Index::parse(bytes) else { return };
    let by_name = index.by_name();
    for package in &index.packages {
        assert!(by_name.contains_key(package.name));
        assert!(is_pool_path(package.filename), "{}", package.filename);
        for field in RelationField::ALL {
            let _ = package.relations(field);
        }
    }
});
