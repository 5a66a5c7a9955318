//! Inputs that do not go into the root file system, and the platforms that they are for.

use cvmkit_formats::digest::Sha256;

use super::*;
use crate::definition::sample;

fn parsed(tables: &str) -> Result<Definition, DefinitionError> {
    sample::project(&sample::text("", tables)).unwrap().definition(None)
}

fn digest() -> String {
    "0a".repeat(32)
}

/// An input with these keys, wherever a definition can have one.
fn inputs(keys: &str) -> Vec<(&'static str, Result<Definition, DefinitionError>)> {
    let platform = |key: &str, profile: &str| {
        parsed(&format!("[[platforms]]\nprofile = \"{profile}\"\n[platforms.{key}]\n{keys}"))
    };
    vec![
        ("firmware", parsed(&format!("[firmware]\n{keys}"))),
        ("boot.stub", parsed(&format!("[boot.stub]\n{keys}"))),
        ("platforms.firmware", platform("firmware", "qemu-vtpm")),
        ("platforms.variables", platform("variables", "qemu-vtpm")),
        ("platforms.pinned", platform("pinned", "qemu-vtpm")),
        ("platforms.image", platform("image", "se")),
    ]
}

#[test]
fn an_input_is_a_file_of_a_package_or_a_local_file_with_its_digest() {
    let package = |suite: Option<&str>, archive: Option<&str>| Input::Package {
        package: "p".into(),
        suite: suite.map(str::to_owned),
        archive: archive.map(str::to_owned),
        path: "a/b".into(),
    };
    let local = Input::Local { path: "a/b".into(), sha256: Sha256([0x0a; 32]) };
    for (keys, expected) in [
        ("package = \"p\"\npath = \"/a/b\"", package(None, None)),
        ("package = \"p\"\npath = \"/a/b\"\nsuite = \"s\"", package(Some("s"), None)),
        (
            "package = \"p\"\npath = \"/a/b\"\nsuite = \"s\"\narchive = \"r\"",
            package(Some("s"), Some("r")),
        ),
        (&format!("path = \"a/b\"\nsha256 = \"{}\"", digest()), local),
    ] {
        for (key, found) in inputs(keys) {
            let definition = found.unwrap();
            let found = match key {
                "firmware" => definition.firmware,
                "boot.stub" => Some(definition.stub),
                _ => definition.platforms[0].inputs().next().cloned(),
            };
            assert_eq!(found.as_ref(), Some(&expected), "{key}: {keys}");
        }
    }
}

/// What is missing is named, not what would be missing of an input of the other kind.
#[test]
fn an_input_that_lacks_a_key_names_that_key() {
    for (keys, missing, example) in [
        ("package = \"p\"", "path", "path = \"...\""),
        (&format!("sha256 = \"{}\"", digest()), "path", "path = \"...\""),
        ("path = \"a\"", "sha256", "sha256 = \"...\""),
        ("path = \"/a\"\nsuite = \"s\"", "package", "package = \"...\""),
        ("path = \"/a\"\narchive = \"r\"", "package", "package = \"...\""),
        ("path = \"/a\"\nsuite = \"s\"\narchive = \"r\"", "package", "package = \"...\""),
    ] {
        for (key, found) in inputs(keys) {
            let error = found.map(|_| ()).unwrap_err();
            let DefinitionError::MissingKey { key: named, example: shown, .. } = &error else {
                panic!("{key}: {error:?}")
            };
            assert_eq!((named, shown.as_str()), (&format!("{key}.{missing}"), example), "{keys}");
        }
    }
}

#[test]
fn an_input_is_of_one_kind() {
    let sha256 = format!("sha256 = \"{}\"", digest());
    let mixture = "either a package and suite, or a local file and its sha256";
    let path = "an absolute path without `.`, `..` and empty names";
    for (keys, place, found, expected) in [
        (&*format!("package = \"p\"\npath = \"/a\"\n{sha256}"), "", "a mixture", mixture),
        (&*format!("suite = \"s\"\npath = \"/a\"\n{sha256}"), "", "a mixture", mixture),
        (&*format!("archive = \"r\"\npath = \"/a\"\n{sha256}"), "", "a mixture", mixture),
        ("package = \"p\"\npath = \"a\"", ".path", "a", path),
        ("package = \"p\"\npath = \"/\"", ".path", "/", path),
        ("package = \"p\"\npath = \"/a/../b\"", ".path", "/a/../b", path),
        (
            "package = \"p\"\npath = \"/a\"\narchive = \"r\"",
            ".archive",
            "r",
            "the archive of a `suite` that is named beside it",
        ),
    ] {
        for (key, result) in inputs(keys) {
            let error = result.map(|_| ()).unwrap_err();
            let DefinitionError::Invalid { key: named, found: held, expected: rule, .. } = &error
            else {
                panic!("{key}: {error:?}")
            };
            assert_eq!(*named, format!("{key}{place}"), "{keys}");
            assert_eq!((held.as_str(), rule.as_str()), (found, expected), "{keys}");
        }
    }
}

#[test]
fn an_image_without_a_uki_has_no_stub() {
    let stub = "[boot]\nkind = \"direct\"\n[boot.stub]\npackage = \"p\"\npath = \"/a\"";
    let error = parsed(stub).map(|_| ()).unwrap_err();
    let DefinitionError::Invalid { key, found, expected, .. } = &error else { panic!("{error:?}") };
    assert_eq!((key.as_str(), found.as_str()), ("boot.stub", "a stub"));
    assert_eq!(expected, "no stub with `kind = \"direct\"`, which has no UKI");
    assert!(parsed(&stub.replace("direct", "disk")).is_ok());
}

/// Which platform takes the definition's firmware, and which has to have its own.
#[test]
fn a_platform_has_the_firmware_that_its_profile_needs() {
    let file = |name: &str| format!("{{ path = \"{name}\", sha256 = \"{}\" }}", digest());
    let default = format!("[firmware]\npath = \"default.fd\"\nsha256 = \"{}\"\n", digest());
    let platform =
        |profile: &str, keys: &str| format!("[[platforms]]\nprofile = \"{profile}\"\n{keys}\n");
    let own = format!("firmware = {}", file("own.fd"));
    // Profile; whether it is refused without firmware, with the definition's, with one of its own.
    for (profile, bare, with_default, with_own) in [
        ("qemu-snp", false, true, true),
        ("qemu-tdx-direct", false, true, true),
        ("ec2-snp", false, false, true),
        ("gce-tdx", true, true, true),
        ("qemu-vtpm", true, true, true),
    ] {
        assert_eq!(parsed(&platform(profile, "")).is_ok(), bare, "{profile}");
        let both = format!("{default}{}", platform(profile, ""));
        assert_eq!(parsed(&both).is_ok(), with_default, "{profile}");
        assert_eq!(parsed(&platform(profile, &own)).is_ok(), with_own, "{profile}");
    }
    let error = parsed(&platform("qemu-snp", "")).map(|_| ()).unwrap_err();
    let DefinitionError::MissingKey { key, example, .. } = &error else { panic!("{error:?}") };
    assert_eq!(key, "platforms.firmware");
    assert!(example.contains("OVMF with SEV metadata"), "{example}");

    let definition = parsed(&format!(
        "{default}{}{}{}",
        platform("qemu-snp", ""),
        platform("qemu-snp", &own),
        platform("qemu-vtpm", "")
    ));
    let definition = definition.unwrap();
    let named = definition.platforms.iter().map(|platform| {
        let profile = platform.resolve(|_| Err(unread())).unwrap();
        match platform.firmware_of(&profile, definition.firmware.as_ref()) {
            Some(Input::Local { path, .. }) => Some(path.as_str()),
            _ => None,
        }
    });
    assert_eq!(named.collect::<Vec<_>>(), [Some("default.fd"), Some("own.fd"), None]);
}

/// A built-in profile is in no file.
fn unread() -> ProfileError {
    ProfileError::Unknown { name: "no file is read".into() }
}

#[test]
fn a_secure_execution_platform_has_its_image() {
    let error = parsed("[[platforms]]\nprofile = \"se\"").map(|_| ()).unwrap_err();
    let DefinitionError::MissingKey { key, example, .. } = &error else { panic!("{error:?}") };
    assert_eq!(key, "platforms.image");
    assert_eq!(example, "image = { path = \"...\", sha256 = \"...\" }");
    let image = format!("image = {{ path = \"se.img\", sha256 = \"{}\" }}", digest());
    assert!(parsed(&format!("[[platforms]]\nprofile = \"se\"\n{image}")).is_ok());
}

#[test]
fn a_platform_names_a_profile_of_the_program_or_a_file() {
    let error = parsed("[[platforms]]\nvcpus = [1]").map(|_| ()).unwrap_err();
    let DefinitionError::MissingKey { key, example, .. } = &error else { panic!("{error:?}") };
    assert_eq!((key.as_str(), example.as_str()), ("platforms.profile", "profile = \"qemu-snp\""));
    let error = parsed("[[platforms]]\nprofile = \"qemu-vtmp\"").map(|_| ()).unwrap_err();
    assert!(matches!(&error, DefinitionError::Profile { path, source }
        if path == Path::new("image.toml")
            && matches!(&**source, ProfileError::Unknown { name } if name == "qemu-vtmp")));
    assert_eq!(error.hint().unwrap(), "did you mean `qemu-vtpm`?");
    // A file is read when the image is built: what it needs is not known yet.
    let definition = parsed("[[platforms]]\nprofile = \"./own.toml\"\nvcpus = [0]").unwrap();
    let [Platform { profile: ProfileSource::File(path), .. }] = &definition.platforms[..] else {
        panic!("{:?}", definition.platforms)
    };
    assert_eq!(path, "own.toml");
    for text in ["own.toml", "/own.toml", ".own.toml", "../own.toml"] {
        let error =
            parsed(&format!("[[platforms]]\nprofile = \"{text}\"")).map(|_| ()).unwrap_err();
        assert!(matches!(error, DefinitionError::Profile { .. }), "{text}: {error:?}");
    }
}

#[test]
fn a_change_that_does_not_fit_the_profile_is_refused_with_its_key() {
    let firmware = format!("[firmware]\npath = \"f\"\nsha256 = \"{}\"\n", digest());
    for (profile, change, named) in [
        ("qemu-snp", "vcpus = [0]", "`vcpus` can't be `[0]`"),
        ("qemu-snp", "vcpus = [513]", "`vcpus` can't be `[513]`"),
        ("qemu-snp", "vcpus = [2, 1, 2]", "`vcpus` can't be `2 twice`"),
        ("qemu-snp", "vcpu-types = [\"EPYC\", \"EPYC\"]", "`vcpu-types` can't be `EPYC twice`"),
        ("qemu-tdx-uki", "memory = [\"1G\", \"1024M\"]", "`memory` can't be `1G twice`"),
        ("qemu-snp", "memory = [\"1G\"]", "`memory` can't be `given`"),
        ("qemu-snp", "boot = \"uki-disk\"", "`boot` can't be `uki-disk`"),
        ("qemu-vtpm", "firmware-behaviour = \"x\"", "`firmware-behaviour` can't be `x`"),
        ("qemu-tdx-uki", "firmware-layout = \"x\"", "`firmware-layout` can't be `x`"),
        ("qemu-vtpm", "vmm-version = \"x\"", "`vmm-version` can't be `x`"),
        ("qemu-snp", "disk-bus = \"nvme\"", "`disk-bus` can't be `given`"),
    ] {
        let text = format!("{firmware}[[platforms]]\nprofile = \"{profile}\"\n{change}");
        let error = parsed(&text).map(|_| ()).unwrap_err();
        let DefinitionError::Profile { source, .. } = &error else { panic!("{error:?}") };
        let words = source.to_string();
        assert!(words.starts_with(&format!("profile `{profile}`: {named}")), "{words}");
    }
    for (profile, change) in [
        ("qemu-snp", "vcpus = [1, 512]"),
        ("qemu-tdx-uki", "memory = [\"1G\", \"1025M\"]"),
        ("qemu-vtpm", "disk-bus = \"nvme\""),
    ] {
        let text = format!("{firmware}[[platforms]]\nprofile = \"{profile}\"\n{change}");
        assert!(parsed(&text).is_ok(), "{profile}: {change}");
    }
}
