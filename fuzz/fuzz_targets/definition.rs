//! Definitions.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. The name of an image stays in its
//! folder; a definition's digest depends on nothing but itself.
//!
//! Input: an `image.toml`.

#![no_main]

use std::path::PathBuf;

use cvmkit_engine::definition::Project;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(raw) = toml::from_str(text) else { return };
    let project = Project { path: PathBuf::from("image.toml"), raw };
    assert_eq!(project.checksum(), project.clone().checksum());
    let _ = project.package_checksum();
    for definition in project.definitions().unwrap_or_default() {
        let stem = definition.stem();
        assert!(!stem.contains(['/', '\0']) && !stem.starts_with('.'), "{stem}");
    }
});
