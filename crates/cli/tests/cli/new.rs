//! `cvmkit new`: what is written is the recipe, with an id and a seed of its own.

#![expect(clippy::disallowed_methods, reason = "walks folders that the test made")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::program::Folder;

/// Every file below a folder, with its permissions and bytes.
fn files(folder: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let executable = path.metadata().unwrap().permissions().mode() & 0o111;
            files.insert(name, (executable, fs::read(&path).unwrap()));
        }
    }
    files
}

#[test]
fn the_copy_is_the_recipe_with_its_own_id_and_seed() {
    let folder = Folder::new();
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/minimal");
    let said = folder.cvmkit("new minimal my-image").answer();
    assert!(said.contains("cd my-image") && said.contains("cvmkit lock"), "{said}");
    let (mut copy, mut original) = (files(&folder.path("my-image")), files(&recipe));
    original.remove("image.lock");
    let definition = copy.remove("image.toml").unwrap().1;
    let of_recipe = original.remove("image.toml").unwrap().1;
    assert_eq!(copy, original);
    assert_ne!(definition, of_recipe);

    let project = cvmkit_engine::definition::Project::open(&folder.path("my-image")).unwrap();
    let definitions = project.definitions().unwrap();
    assert!(definitions.iter().all(|definition| definition.id == "my-image"));
    let seed = definitions[0].seed.0;
    assert_eq!((seed[6] >> 4, seed[8] >> 6), (4, 2), "a version 4 UUID");

    folder.cvmkit("new minimal other").answer();
    assert_ne!(definition, folder.get("other/image.toml"));
    let other = cvmkit_engine::definition::Project::open(&folder.path("other")).unwrap();
    assert_ne!(seed, other.definition(None).unwrap().seed.0);
    let said = folder.cvmkit("lock --check my-image");
    assert_ne!(said.code, Some(0), "nothing is locked yet");
    assert!(said.stderr.contains("cvmkit lock"), "{said:?}");
}

#[test]
fn defaults_are_the_first_template_in_a_folder_of_its_name() {
    let folder = Folder::new();
    folder.cvmkit("new --quiet").answer();
    assert_eq!(folder.names(), ["minimal"]);
    assert!(folder.path("minimal/image.toml").is_file());

    fs::create_dir(folder.path("here")).unwrap();
    folder.cvmkit("new minimal ./here/.").answer();
    let project = cvmkit_engine::definition::Project::open(&folder.path("here")).unwrap();
    assert_eq!(project.definition(None).unwrap().id, "here");
}

#[test]
fn refusals_write_nothing() {
    let folder = Folder::new();
    fs::create_dir(folder.path("full")).unwrap();
    folder.put("full/precious", b"");
    folder.put("file", b"");
    for line in ["new minimal full", "new minimal a_b", "new minimal .hidden", "new nothing a"] {
        let said = folder.cvmkit(line);
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{line}: {said:?}");
    }
    assert_eq!(folder.cvmkit("new minimal file").code, Some(3));
    assert_eq!(folder.names(), ["file", "full"]);
    assert_eq!(files(&folder.path("full")).len(), 1);
    insta::assert_snapshot!(folder.cvmkit("new minimul a").refusal(), @r#"
    exit 2
    error: unknown template `minimul`, expected `minimal`
    hint: did you mean `minimal`?
    "#);
    insta::assert_snapshot!(folder.cvmkit("new minimal a_b").refusal(), @r#"
    exit 2
    error: the folder's name `a_b` cannot be the image's id: expected 1 to 64 lower-case letters and digits, with `.` or `-` between them
    "#);
}
