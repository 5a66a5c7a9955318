//! The machines of an image, and their files beside it.

use cvmkit_attest::output::Role;
use cvmkit_attest::profile::ProfileError;

use super::*;
use crate::build::machines::{Machines, notes};
use crate::local::LocalError;

/// A definition without stub with these keys at the top and these tables.
fn bench(top: &str, tables: &str, files: &[(&str, &str)]) -> Bench {
    let text = definitions::text(top, &format!("[boot]\nkind = \"direct\"\n{tables}"));
    Bench::of(&text, files, None, lock(vec![package("p")]))
}

fn gathered(bench: &Bench) -> Result<Machines, BuildError> {
    Machines::gather(&bench.inputs(), bench.origins())
}

/// A platform with these files, each of its own bytes: the name is the text.
fn platform(profile: &str, files: &[(&str, &str)]) -> String {
    let keys: String =
        files.iter().map(|(key, path)| format!("{key} = {}\n", pinned(path, path))).collect();
    format!("[[platforms]]\nprofile = \"{profile}\"\n{keys}")
}

fn listed(machines: &Machines) -> Vec<(&str, Role, &str)> {
    machines
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.role, std::str::from_utf8(&file.bytes).unwrap()))
        .collect()
}

#[test]
fn each_file_of_a_machine_is_beside_the_image_once() {
    let files = ["d.fd", "o.fd", "v.fd", "log"].map(|name| (name, name));
    let tables = [
        platform("qemu-snp", &[]),
        platform("qemu-vtpm", &[("firmware", "o.fd"), ("variables", "v.fd"), ("pinned", "log")]),
        platform("qemu-vtpm", &[("firmware", "o.fd"), ("variables", "v.fd")]),
        platform("qemu-vtpm", &[]),
    ];
    let firmware = format!("firmware = {}", pinned("d.fd", "d.fd"));
    let machines = gathered(&bench(&firmware, &tables.concat(), &files)).unwrap();
    assert_eq!(
        listed(&machines),
        [
            ("d.fd", Role::Firmware, "d.fd"),
            ("o.fd", Role::Firmware, "o.fd"),
            ("v.fd", Role::FirmwareVariables, "v.fd"),
            ("log", Role::EventLog, "log"),
        ]
    );
    let named: Vec<_> = machines
        .profiles
        .iter()
        .map(|of| [&of.firmware, &of.variables, &of.pinned].map(|name| name.as_deref()))
        .collect();
    let both = [Some("o.fd"), Some("v.fd")];
    assert_eq!(
        named,
        [
            [Some("d.fd"), None, None],
            [both[0], both[1], Some("log")],
            [both[0], both[1], None],
            [None, None, None],
        ]
    );
    assert_eq!(machines.files[0].origin, "local file d.fd");
}

/// The definition's firmware is beside the image, even where no platform takes it.
#[test]
fn the_firmware_of_a_definition_is_there_without_platforms() {
    let firmware = format!("firmware = {}", pinned("d.fd", "d.fd"));
    let machines = gathered(&bench(&firmware, "", &[("d.fd", "d.fd")])).unwrap();
    assert_eq!(listed(&machines), [("d.fd", Role::Firmware, "d.fd")]);
    assert!(machines.profiles.is_empty());
}

/// Firmware has one suffix, and no file has the name of another or of a file of the image.
#[test]
fn a_file_has_its_own_name_or_a_number_before_it() {
    let names = |paths: &[(&str, &str)]| -> Vec<String> {
        let files: Vec<_> = paths.iter().map(|(_, path)| (*path, *path)).collect();
        let tables: String = paths.iter().map(|of| platform("qemu-vtpm", &[*of])).collect();
        let machines = gathered(&bench("", &tables, &files)).unwrap();
        machines.files.into_iter().map(|file| file.name).collect()
    };
    let firmware = |path| ("firmware", path);
    assert_eq!(names(&[firmware("a/CODE.fd")]), ["CODE.fd"]);
    assert_eq!(names(&[firmware("CODE.bin")]), ["CODE.bin.fd"]);
    assert_eq!(names(&[firmware("CODE")]), ["CODE.fd"]);
    assert_eq!(names(&[("variables", "VARS")]), ["VARS.fd"]);
    assert_eq!(names(&[("pinned", "log.bin")]), ["log.bin"], "a log keeps its name");
    let three = [firmware("a/x.fd"), firmware("b/x.fd"), firmware("c/x.fd")];
    assert_eq!(names(&three), ["x.fd", "2-x.fd", "3-x.fd"]);
    assert_eq!(names(&[firmware("x.fd"), ("variables", "x.fd")]), ["x.fd", "2-x.fd"]);
    for own in ["manifest.json", "reference-values.json", "SHA256SUMS", "tiny_1.raw", "tiny_1.x"] {
        assert_eq!(names(&[("pinned", own)]), [format!("2-{own}")], "{own}");
    }
    assert_eq!(names(&[("pinned", "tiny_1")]), ["tiny_1"]);
    assert_eq!(names(&[("pinned", "tiny_10.raw")]), ["tiny_10.raw"]);
}

#[test]
fn a_name_beside_the_image_has_plain_characters() {
    let of = |path: &str| {
        gathered(&bench("", &platform("qemu-vtpm", &[("pinned", path)]), &[(path, path)]))
    };
    for good in ["a", "0", "A.b_c+d~e-f", "a."] {
        assert_eq!(of(good).unwrap().files[0].name, good);
    }
    for bad in [".a", "a b", "a\u{e4}", "a:b", "a,b", "a=b"] {
        let error = of(bad).map(|_| ()).unwrap_err();
        assert!(matches!(&error, BuildError::MachineFileName { name } if name == bad), "{error:?}");
    }
}

#[test]
fn a_profile_of_a_file_is_checked_with_its_files() {
    let own = |technology: &str, more: &str| {
        format!(
            "name = \"mine\"\nversion = 1\ntechnology = \"{technology}\"\nvmm = \"qemu\"\n{more}"
        )
    };
    let snp = own("sev-snp", "boot = \"direct\"\nvcpus = [1]\nvcpu-types = [\"EPYC\"]\n");
    let se = own("se", "boot = \"direct\"\n");
    let error = |text: &str, keys: &str| {
        let tables = format!("[[platforms]]\nprofile = \"./p.toml\"\n{keys}");
        gathered(&bench("", &tables, &[("p.toml", text)])).map(|_| ()).unwrap_err()
    };
    for (text, key, expected) in [
        (&snp, "firmware", "the firmware of the machine"),
        (&se, "image", "a Secure Execution image"),
    ] {
        let error = error(text, "");
        let BuildError::Profile(ProfileError::Invalid {
            profile,
            key: named,
            found,
            expected: rule,
        }) = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!((profile.as_str(), named.as_str(), found.as_str()), ("mine", key, "nothing"));
        assert_eq!(rule, expected);
    }
    let error_of_keys = error(&snp, "vcpus = [0]");
    assert!(error_of_keys.to_string().contains("`vcpus` can't be `[0]`"), "{error_of_keys}");
    let malformed = error("name = 7", "");
    assert!(matches!(malformed, BuildError::Profile(ProfileError::Malformed { .. })));

    let tables = "[[platforms]]\nprofile = \"./p.toml\"";
    let bench_of = |bytes: &[u8]| {
        let bench = bench("", tables, &[("p.toml", "x")]);
        files::replace(&bench.folder.path().join("p.toml"), bytes).unwrap();
        let lock = survey(std::slice::from_ref(&bench.definition), bench.project.folder()).unwrap();
        Bench { lock: with_files(&bench, lock), ..bench }
    };
    let error = gathered(&bench_of(b"name = \"\xff\"")).map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, BuildError::ProfileEncoding { path } if path == "p.toml"),
        "{error:?}"
    );
    let longest = [&b"name = 7\n#"[..], &vec![b'x'; (1 << 20) - 10][..]].concat();
    let error = gathered(&bench_of(&longest)).map(|_| ()).unwrap_err();
    assert!(matches!(error, BuildError::Profile(_)), "as long as may be: {error:?}");
    let error = gathered(&bench_of(&[&longest[..], b"x"].concat())).map(|_| ()).unwrap_err();
    let BuildError::Local(LocalError::TooLong { limit, len, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!((limit, len), (1 << 20, (1 << 20) + 1));
}

/// The lock with these local files.
fn with_files(bench: &Bench, files: Vec<crate::lock::LocalFile>) -> LockFile {
    let lock = Lock { files, ..bench.lock.lock.clone() };
    crate::lock::sample::beside(&bench.project, lock)
}

#[test]
fn what_no_value_is_computed_with_is_noted() {
    let found = |top: &str, tables: &str, files: &[(&str, &str)]| {
        notes(&bench(top, tables, files).inputs()).unwrap()
    };
    let firmware = format!("firmware = {}", pinned("d.fd", "d.fd"));
    let file = [("d.fd", "d.fd")];
    let unused =
        "no effect: firmware: `d.fd` is beside the image, but no platform is measured with it";
    assert_eq!(found(&firmware, "", &file), [unused]);
    assert_eq!(found(&firmware, &platform("qemu-vtpm", &[]), &file), [unused]);
    assert_eq!(found(&firmware, &platform("qemu-snp", &[]), &file), [""; 0]);
    // All platforms that could take it have their own.
    let own = platform("qemu-snp", &[("firmware", "o.fd")]);
    let files = [("d.fd", "d.fd"), ("o.fd", "o.fd")];
    assert_eq!(found(&firmware, &own, &files), [unused]);
    assert_eq!(found(&firmware, &[own, platform("qemu-snp", &[])].concat(), &files), [""; 0]);

    let se = platform("se", &[("firmware", "o.fd"), ("image", "i")]);
    let starts = "no effect: platforms.firmware: `o.fd` is beside the image, but `se` starts without \
                  firmware";
    assert_eq!(found("", &se, &[("o.fd", "o.fd"), ("i", "i")]), [starts]);

    let twice = [platform("qemu-vtpm", &[]), platform("gce-tdx", &[]), platform("qemu-vtpm", &[])];
    let says = "no effect: platforms: `qemu-vtpm` says what an earlier one says";
    assert_eq!(found("", &twice.concat(), &[]), [says]);
    let other = [platform("qemu-vtpm", &[]), platform("qemu-vtpm", &[]) + "disk = \"read-only\""];
    assert_eq!(found("", &other.concat(), &[]), [""; 0]);
}

/// Values of clouds rest on what is documented: said of each profile once.
#[test]
fn what_values_rest_on_is_noted_once_for_a_profile() {
    let files = [("o.fd", "o.fd")];
    let ec2 = platform("ec2-snp", &[("firmware", "o.fd")]);
    let other = format!("{ec2}vcpus = [7]\n");
    let bench = bench("", &[ec2, other, platform("azure-vtpm", &[])].concat(), &files);
    let found = notes(&bench.inputs()).unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("ec2-snp: ") && found[1].starts_with("azure-vtpm: "), "{found:?}");
}
