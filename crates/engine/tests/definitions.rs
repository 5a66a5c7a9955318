//! This version reads every definition of the repository: the recipes, and what the benchmark builds,
//! which no other test opens.

#![expect(clippy::disallowed_methods, reason = "lists the recipes, in any order")]

use std::path::{Path, PathBuf};

use cvmkit_engine::definition::Project;

#[test]
fn every_definition_of_the_repository_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let recipes = std::fs::read_dir(root.join("recipes")).unwrap();
    let recipes = recipes.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let folders: Vec<PathBuf> = recipes.chain([root.join("xtask/bench")]).collect();
    assert!(folders.len() > 1);
    for folder in folders {
        let read = Project::open(&folder).and_then(|project| project.definitions());
        assert!(read.is_ok(), "{}: {}", folder.display(), read.unwrap_err());
    }
}
