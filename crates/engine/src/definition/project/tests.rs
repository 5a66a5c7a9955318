//! Definitions as files, their variants, and what binds a lock to them.

use cvmkit_host::fault::{Diagnosis, Fault};

use super::*;
use crate::definition::sample;

fn project(top: &str, tables: &str) -> Project {
    sample::project(&sample::text(top, tables)).unwrap()
}

#[test]
fn a_definition_is_named_by_its_folder_or_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.toml");
    files::replace(&file, sample::text("", "").as_bytes()).unwrap();
    let other = folder.path().join("other.toml");
    files::replace(&other, sample::text("hostname = \"other\"", "").as_bytes()).unwrap();
    for (named, path) in [(folder.path(), &file), (&file, &file), (&other, &other)] {
        let project = Project::open(named).unwrap();
        assert_eq!((&project.path, project.folder()), (path, folder.path()));
        assert_eq!(project.lock_path(), path.with_extension("lock"));
    }
    assert_eq!(Project::open(&other).unwrap().definition(None).unwrap().hostname, "other");
}

#[test]
fn a_file_that_is_no_definition_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let open = |bytes: &[u8]| {
        files::replace(&folder.path().join("image.toml"), bytes).unwrap();
        Project::open(folder.path()).map(|_| ()).unwrap_err()
    };
    let missing = Project::open(folder.path()).map(|_| ()).unwrap_err();
    let DefinitionError::Missing { path } = &missing else { panic!("{missing:?}") };
    assert_eq!(*path, folder.path().join("image.toml"));
    assert_eq!(missing.fault(), Fault::Definition);
    assert!(missing.hint().unwrap().contains("a folder that holds `image.toml`"));
    for (bytes, at) in [(&b"id = \"\xff\""[..], 6), (b"\xff", 0), (b"# \xc3", 2)] {
        let error = open(bytes);
        assert!(
            matches!(error, DefinitionError::Encoding { at: found, .. } if found == at),
            "{error:?}"
        );
    }
    for (text, place) in [("id = \"a\"\nid = \"b\"\n", 2), ("id = 7", 1), ("[", 1)] {
        let error = open(text.as_bytes());
        let DefinitionError::Malformed { line, .. } = error else { panic!("{error:?}") };
        assert_eq!(line, place, "{text}");
    }
    let error = open(b"[root]\nblock-size = \"x\"");
    let DefinitionError::Malformed { message, line: 2, .. } = &error else { panic!("{error:?}") };
    assert_eq!(message, "`root.block-size`: expected a whole number, found \"x\"");
    let error = open(b"architecture = \"mips\"");
    let DefinitionError::Malformed { message, .. } = &error else { panic!("{error:?}") };
    assert!(message.starts_with("`architecture`: ") && message.contains("mips"), "{message}");
}

#[test]
fn the_longest_definition_has_two_mebibytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.toml");
    let mut text = sample::text("", "");
    text.push('#');
    let missing = (2 << 20) - text.len();
    text.push_str(&"x".repeat(missing));
    files::replace(&path, text.as_bytes()).unwrap();
    assert!(Project::open(&path).unwrap().definition(None).is_ok());
    text.push('x');
    files::replace(&path, text.as_bytes()).unwrap();
    let error = Project::open(&path).map(|_| ()).unwrap_err();
    assert!(matches!(error, DefinitionError::TooLong { limit: 2_097_152, .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("`source`"));
}

#[test]
fn the_host_s_refusal_is_not_the_definition_s_fault() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.toml");
    // A link to itself: the host can't say what it is.
    symlink("image.toml", &path).unwrap();
    let error = Project::open(&path).map(|_| ()).unwrap_err();
    let DefinitionError::File(inner) = &error else { panic!("{error:?}") };
    assert_eq!((error.fault(), error.hint()), (inner.fault(), inner.hint()));
}

#[test]
fn variants_are_laid_over_the_base_in_the_order_of_their_names() {
    let tables = "[variant.b]\nversion = \"2\"\n[variant.a]\ndebug = true";
    let project = project("", tables);
    let names = |definitions: Vec<Definition>| {
        definitions.iter().map(|of| (of.stem(), of.title())).collect::<Vec<_>>()
    };
    let expected = [("tiny_1", "tiny 1"), ("tiny_1_a", "tiny 1 (a)"), ("tiny_2_b", "tiny 2 (b)")];
    let expected = expected.map(|(stem, title)| (stem.to_owned(), title.to_owned()));
    assert_eq!(names(project.definitions().unwrap()), expected);
    assert!(project.written(Some("a")).variant.is_empty());
    assert_eq!(project.written(Some("none")).version.as_deref(), Some("1"));
}

#[test]
fn one_bad_variant_is_found_with_all_definitions() {
    let project = project("", "[variant.bad.root]\nblock-size = 7");
    assert!(project.definition(None).is_ok());
    let error = project.definitions().map(|_| ()).unwrap_err();
    assert!(matches!(error, DefinitionError::Invalid { key, .. } if key == "root.block-size"));
}

#[test]
fn a_variant_that_is_not_there_has_a_guess() {
    for (variants, name, hint) in [
        ("", "debug", "the definition has no variants; add a table `[variant.NAME]`"),
        ("[variant.debug]\ndebug = true", "debgu", "did you mean `debug`?"),
        ("[variant.debug]\ndebug = true", "zzz", "the variants are debug"),
        (
            "[variant.two]\nversion = \"2\"\n[variant.one]\nversion = \"3\"",
            "zzz",
            "the variants are one, two",
        ),
    ] {
        let error = project("", variants).definition(Some(name)).map(|_| ()).unwrap_err();
        assert!(
            matches!(&error, DefinitionError::UnknownVariant { name: found, .. } if found == name)
        );
        assert_eq!((error.hint().as_deref(), error.fault()), (Some(hint), Fault::Definition));
    }
}

#[test]
fn a_variant_that_says_nothing_is_refused() {
    for empty in ["[variant.v]", "[variant.v.packages]", "[variant.v]\nmirrors = []"] {
        let project = project("", empty);
        assert!(project.definition(None).is_ok(), "the base is not asked");
        let error = project.definition(Some("v")).map(|_| ()).unwrap_err();
        let DefinitionError::Invalid { key, found, expected, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!((key.as_str(), found.as_str()), ("variant.v", "an empty table"));
        assert_eq!(expected, "what is different in the variant");
    }
}

/// What a change of the definition moves: the checksum of each variant, and the packages of the lock.
#[test]
fn a_key_decides_about_packages_or_does_not() {
    let file = |name: &str| format!("{{ path = \"{name}\", sha256 = \"{}\" }}", "0a".repeat(32));
    let platform = |keys: &str| format!("[[platforms]]\nprofile = \"./p.toml\"\n{keys}");
    let of_packages = [
        "[[sources]]\nsuites = [\"forky\"]".to_owned(),
        "[packages]\ninstall = [\"a\"]".to_owned(),
        "[packages]\nessential = false".to_owned(),
        "[packages.drop]\na = \"x\"".to_owned(),
        "[boot]\nkind = \"direct\"".to_owned(),
        format!("[boot]\nstub = {}", file("stub")),
        format!("firmware = {}", file("fw")),
        platform(&format!("firmware = {}", file("fw"))),
        platform(&format!("variables = {}", file("vars"))),
        platform(&format!("pinned = {}", file("log"))),
        platform(&format!("image = {}", file("image"))),
        // Its machine may take a file more.
        platform(""),
    ];
    let of_the_rest = [
        "hostname = \"x\"",
        "mirrors = [\"http://a.test/debian\"]",
        "outside-folders = [\"..\"]",
        "[packages]\nexclude-paths = [\"/a\"]",
        "[packages]\ninclude-paths = [\"/a\"]",
        "[packages]\nmetadata = \"none\"",
        "[packages.debconf]\n\"a/b\" = \"c\"",
        "[packages.debconf]\n\"a/b\" = \"d\"",
        "[kernel]\ncommand-line = [\"quiet\"]",
        "[kernel]\nmodules = []",
        "[root]\nblock-size = 4096",
        "[verity]\nsalt = \"00\"",
        "[[files]]\npath = \"/a\"\ncontent = \"\"",
        "[[overlays]]\nsource = \"a\"",
        "[[users]]\nname = \"u\"",
        "[units]\nmask = [\"a\"]",
    ];
    // Keys without a table go to the top.
    let with = |change: &str| {
        let is_top = !change.starts_with('[');
        if is_top { project(change, "") } else { project("", change) }
    };
    let plain = project("", "");
    for change in &of_packages {
        let changed = with(change);
        assert_ne!(changed.package_checksum(), plain.package_checksum(), "{change}");
        assert_ne!(changed.checksum_of(None), plain.checksum_of(None), "{change}");
    }
    for change in of_the_rest {
        let changed = with(change);
        assert_eq!(changed.package_checksum(), plain.package_checksum(), "{change}");
        assert_ne!(changed.checksum(), plain.checksum(), "{change}");
        assert_ne!(changed.checksum_of(None), plain.checksum_of(None), "{change}");
    }
    // The numbers of a machine are not its files.
    let machine = |keys: &str| project("", &platform(keys)).package_checksum();
    assert_eq!(machine("vcpus = [2]"), machine(""));
    // A variant's packages are in the lock too, under its name.
    let variant = |name: &str, install: &str| {
        project("", &format!("[variant.{name}.packages]\ninstall = [\"{install}\"]"))
            .package_checksum()
    };
    assert_ne!(variant("a", "x"), plain.package_checksum());
    assert_ne!(variant("a", "x"), variant("a", "y"));
    assert_ne!(variant("a", "x"), variant("b", "x"));
}

/// An archive that moved to another host was chosen from anew, although suites, keys and packages were the same.
#[test]
fn the_address_of_an_archive_decides_about_no_package() {
    let of = |keys: &str| {
        let source = format!("[[sources]]\narchive = \"own\"\nsuites = [\"x\"]\n{keys}\n");
        [source.clone(), format!("[variant.v]\n{}", source.replace("sources", "variant.v.sources"))]
            .map(|tables| project("", &tables))
    };
    let plain = of("").map(|project| project.package_checksum());
    let moved = ["mirrors = [\"http://a.test/own\"]", "mirrors = [\"http://b.test/own\"]"].map(of);
    for project in &moved {
        assert_eq!(project.each_ref().map(|one| one.package_checksum()), plain);
        assert_ne!(project[0].checksum(), of("")[0].checksum());
    }
    assert_ne!(of("key-files = [\"k.asc\"]").map(|one| one.package_checksum()), plain);
}

#[test]
fn a_variant_has_the_checksum_of_what_it_comes_to() {
    let plain = project("", "");
    let laid_over = project("", "[variant.v]\nhostname = \"x\"");
    let written = project("hostname = \"x\"", "");
    assert_eq!(laid_over.checksum_of(Some("v")), written.checksum_of(None));
    assert_eq!(laid_over.checksum_of(None), plain.checksum_of(None));
    assert_eq!(plain.checksum_of(None), plain.checksum(), "without variants there is one checksum");
    assert_ne!(laid_over.checksum(), plain.checksum());
}
