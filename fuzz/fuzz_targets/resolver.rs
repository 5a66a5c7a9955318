//! Dependency resolution over a foreign index.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. What is chosen has the
//! architecture asked for or none, and one version.
//!
//! Input: a decompressed `Packages`; `a` and `b=1` are asked for.

#![no_main]

use cvmkit_debian::packages::Index;
use cvmkit_debian::release::PinPriority;
use cvmkit_debian::resolver::{Options, Suite, resolve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(index) = Index::parse(bytes) else { return };
    let suite = Suite { id: "s", priority: PinPriority::Default, index: &index };
    let options = Options { architecture: "amd64", essential: true };
    for request in ["a", "b=1"] {
        let Ok(selection) = resolve(&[suite], &[request], &options) else { continue };
        for chosen in &selection.packages {
            let package = chosen.package;
            assert!(["amd64", "all"].contains(&package.architecture), "{}", package.architecture);
            assert_eq!(
                selection.packages.iter().filter(|s| s.package.name == package.name).count(),
                1
            );
            let _ = selection.explain(package.name);
        }
    }
});
