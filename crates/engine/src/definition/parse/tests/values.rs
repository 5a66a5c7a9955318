//! Both sides of each bound of a single value, with the whole error of the side that is refused.

use cvmkit_formats::digest::Sha256;

use super::*;
use crate::definition::raw::RawMetadata;
use crate::definition::{Packages, sample};

/// What is wrong with these tables: the key, what it holds and what it should.
fn refusal(tables: &str) -> (String, String, String) {
    let project = sample::project(&sample::text("", tables)).unwrap();
    match project.definition(None).map(|_| ()).unwrap_err() {
        DefinitionError::Invalid { path, key, found, expected } => {
            assert_eq!(path, Path::new("image.toml"));
            (key, found, expected)
        }
        other => panic!("{tables}: {other:?}"),
    }
}

#[track_caller]
fn refused(tables: &str, key: &str, found: &str, expected: &str) {
    let found = (key.to_owned(), found.to_owned(), expected.to_owned());
    assert_eq!(refusal(tables), found, "{tables}");
}

/// A parameter of the command line alone.
fn parameter(parameter: &str) -> String {
    format!("[kernel]\ncommand-line = [\"{parameter}\"]\n")
}

#[test]
fn a_root_file_system_has_a_level_of_its_compression_and_a_power_of_two_of_bytes() {
    let root = |keys: &str| {
        let Root { compression, level, block_size } =
            sample::definition(&format!("[root]\n{keys}")).root;
        (compression, level, block_size)
    };
    use RawCompression::{Gzip, Zstd};
    for (keys, expected) in [
        ("", (Zstd, 3, 131_072)),
        ("format = \"squashfs\"", (Zstd, 3, 131_072)),
        ("compression-level = 1", (Zstd, 1, 131_072)),
        ("compression-level = 22", (Zstd, 22, 131_072)),
        ("compression = \"gzip\"", (Gzip, 9, 131_072)),
        ("compression = \"gzip\"\ncompression-level = 1", (Gzip, 1, 131_072)),
        ("compression = \"gzip\"\ncompression-level = 9", (Gzip, 9, 131_072)),
        ("block-size = 4096", (Zstd, 3, 4096)),
        ("block-size = 1048576", (Zstd, 3, 1_048_576)),
    ] {
        assert_eq!(root(keys), expected, "{keys}");
    }
    for (compression, level, expected) in [
        ("zstd", 0, "1 to 22"),
        ("zstd", 23, "1 to 22"),
        ("gzip", 0, "1 to 9"),
        ("gzip", 10, "1 to 9"),
    ] {
        let tables =
            format!("[root]\ncompression = \"{compression}\"\ncompression-level = {level}");
        refused(&tables, "root.compression-level", &level.to_string(), expected);
    }
    for size in [0_u32, 1, 2048, 4095, 4097, 12_288, 2_097_152, u32::MAX] {
        let expected = "a power of two from 4096 to 1048576";
        refused(
            &format!("[root]\nblock-size = {size}"),
            "root.block-size",
            &size.to_string(),
            expected,
        );
    }
}

/// What is not said follows from the seed, by SHA-256 and RFC 9562 (version 8).
#[test]
fn salt_and_uuid_of_dm_verity_are_derived_from_the_seed_or_given() {
    let verity = |keys: &str| sample::definition(&format!("[verity]\n{keys}")).verity;
    let seed = hex::decode("0e9a6fe068f6408cbbeb136054d20445").unwrap();
    let derived = |purpose: &str| {
        let input = [format!("cvmkit\0{purpose}\0").as_bytes(), &seed].concat();
        Sha256::of(&input).0
    };
    let own = verity("");
    assert_eq!(own.salt, derived("verity salt"));
    let mut uuid = derived("verity")[..16].to_vec();
    uuid[6] = 0x80 | (uuid[6] & 0x0f);
    uuid[8] = 0x80 | (uuid[8] & 0x3f);
    assert_eq!(own.uuid.to_vec(), uuid);
    assert_eq!((own.data_block_size, own.hash_block_size), (4096, 4096));

    assert_eq!(verity("salt = \"\"").salt, [0; 0]);
    assert_eq!(verity("salt = \"00fF\"").salt, [0, 0xff]);
    let longest = "ab".repeat(256);
    assert_eq!(verity(&format!("salt = \"{longest}\"")).salt, [0xab; 256]);
    for salt in [format!("{longest}ab"), "0".into(), "0g".into(), " 00".into(), "0x00".into()] {
        let tables = format!("[verity]\nsalt = \"{salt}\"");
        refused(&tables, "verity.salt", &salt, "up to 256 bytes in hex");
    }
    let upper = verity("uuid = \"0E9A6FE0-68F6-408C-BBEB-136054D20445\"");
    assert_eq!(upper.uuid.to_vec(), seed);
    for size in [1024, 4096] {
        let keys = format!("data-block-size = {size}\nhash-block-size = {}", 5120 - size);
        let Verity { data_block_size, hash_block_size, .. } = verity(&keys);
        assert_eq!((data_block_size, hash_block_size), (size, 5120 - size));
    }
    for (key, size) in [
        ("data-block-size", 0),
        ("data-block-size", 2048),
        ("hash-block-size", 512),
        ("hash-block-size", 8192),
    ] {
        let tables = format!("[verity]\n{key} = {size}");
        refused(&tables, &format!("verity.{key}"), &size.to_string(), "1024 or 4096");
    }
}

/// RFC 9562, section 4: 8-4-4-4-12 digits.
#[test]
fn a_uuid_has_its_dashes_where_uuidgen_prints_them() {
    for uuid in [
        "",
        "0e9a6fe068f6408cbbeb136054d20445",
        "0e9a6fe-068f6-408c-bbeb-136054d20445",
        "0e9a6fe0-68f6-408c-bbeb136054d20445",
        "0e9a6fe0-68f6-408c-bbeb-136054d20445-",
        "0e9a6fe0-68f6-408c-bbeb-136054d2044",
        "0e9a6fe0-68f6-408c-bbeb-136054d204450",
        "0e9a6fe0-68f6-408c-bbeb-136054d2044g",
        "{0e9a6fe0-68f6-408c-bbeb-136054d20445}",
        "0e9a6fe0_68f6_408c_bbeb_136054d20445",
        "\u{e4}e9a6fe0-68f6-408c-bbeb-136054d20445",
    ] {
        let tables = format!("[verity]\nuuid = \"{uuid}\"");
        refused(&tables, "verity.uuid", uuid, "a UUID, such as uuidgen prints");
        let text = sample::text("", "");
        let seed = text.replace("0e9a6fe0-68f6-408c-bbeb-136054d20445", uuid);
        let error = sample::project(&seed).unwrap().definition(None).map(|_| ()).unwrap_err();
        let DefinitionError::Invalid { key, found, .. } = &error else { panic!("{error:?}") };
        assert_eq!((key.as_str(), found.as_str()), ("seed", uuid));
    }
}

/// `COMMAND_LINE_SIZE` of x86 is 2048 with the NUL (Linux, `arch/x86/include/asm/setup.h`): what the
/// build adds counts too.
#[test]
fn the_longest_command_line_that_the_kernel_takes_is_accepted() {
    let own = "roothash= efi=noruntime systemd.import_credentials=no  --";
    let longest = 2047 - 64 - own.len();
    let fits = sample::definition(&parameter(&"x".repeat(longest)));
    let line = crate::image::built_for(&fits);
    assert_eq!(line.len() + 64, 2047, "with the digits of the root hash");
    let expected = "at most 2047 bytes with `roothash=`";
    let tables = parameter(&"x".repeat(longest + 1));
    refused(&tables, "kernel.command-line", "2048 bytes", expected);

    // A debug image has no parameters of its own.
    let longest = 2047 - 64 - "roothash=  --".len();
    let debug = |len: usize| {
        let variant = parameter(&"x".repeat(len)).replace("[kernel]", "[variant.debug.kernel]");
        let text = sample::text("", &format!("[variant.debug]\ndebug = true\n{variant}"));
        sample::project(&text).unwrap().definition(Some("debug"))
    };
    assert_eq!(crate::image::built_for(&debug(longest).unwrap()).len() + 64, 2047);
    let error = debug(longest + 1).unwrap_err();
    assert!(matches!(error, DefinitionError::Invalid { found, .. } if found == "2048 bytes"));
}

#[test]
fn a_parameter_of_the_command_line_is_one_word_of_the_kernel() {
    let key = "kernel.command-line";
    for bad in ["", " ", "a b", "a\\tb", "\\u00e4", "\\u007f", "\\u0000"] {
        let found: toml::Table = format!("x = \"{bad}\"").parse().unwrap();
        let found = found["x"].as_str().unwrap().to_owned();
        refused(&parameter(bad), key, &found, "one parameter of printable ASCII without spaces");
    }
    for bad in ["roothash", "roothash=", "roothash=00"] {
        let expected = "no `roothash=`: the build adds the one it computes";
        refused(&parameter(bad), key, bad, expected);
    }
    for (bad, found) in [("--", "--"), ("a=\\\"b\\\"", "a=\"b\"")] {
        let expected = "no quotes, as a parameter has no spaces, and no `--`";
        refused(&parameter(bad), key, found, expected);
    }
    let own = ["efi=noruntime", "systemd.import_credentials=no"].map(str::to_owned);
    for good in ["!", "~", "roothash.x=1", "xroothash=1", "---", "--a", "a=--", "a=b=c"] {
        let line = sample::definition(&parameter(good)).command_line;
        assert_eq!(line, [&own[..], &[good.to_owned()]].concat());
    }
}

/// Each side of the bounds of stage 1 (`crates/stage1/src/cmdline.rs`).
#[test]
fn what_stage_1_would_refuse_at_boot_is_refused_here() {
    for good in ["init=/", "init=/sbin/init", "cvmkit.root_wait=0", "cvmkit.root_wait=3600"] {
        assert!(sample::definition(&parameter(good)).command_line.contains(&good.to_owned()));
    }
    // What only begins like it is not for stage 1.
    for other in ["initcall_debug", "initrd=x", "cvmkit.root_waits=x"] {
        assert!(sample::definition(&parameter(other)).command_line.contains(&other.to_owned()));
    }
    let key = "kernel.command-line";
    for bad in ["init", "init=", "init=sbin/init", "init==/sbin/init"] {
        refused(&parameter(bad), key, bad, "`init=` at most once, with an absolute path");
    }
    for seconds in ["", "=", "=3601", "=65536", "=-1", "=1.5", "= ", "=s", "=1s"] {
        let bad = format!("cvmkit.root_wait{seconds}");
        if bad.contains(' ') {
            continue;
        }
        let rule = "`cvmkit.root_wait=` at most once, with whole seconds up to 3600";
        refused(&parameter(&bad), key, &bad, rule);
    }
    for (one, other) in [("init=/a", "init=/a"), ("init=/a", "init=/b")] {
        let tables = format!("[kernel]\ncommand-line = [\"{one}\", \"quiet\", \"{other}\"]");
        refused(&tables, key, one, "`init=` at most once, with an absolute path");
    }
}

/// kernel-command-line(7), systemd.system-credentials(7), and `efi=` of the kernel's parameters.
#[test]
fn what_the_host_offers_is_for_debug_images() {
    let in_debug = |word: &str| {
        let variant = parameter(word).replace("[kernel]", "[variant.debug.kernel]");
        let text = sample::text("", &format!("[variant.debug]\ndebug = true\n{variant}"));
        sample::project(&text).unwrap().definition(Some("debug")).unwrap().command_line
    };
    let credentials = "no credentials of the host, but in a variant with `debug = true`";
    let variables = "no variables of the firmware, but in a variant with `debug = true`";
    let shell = "no shell on the console, but in a variant with `debug = true`";
    for (word, expected) in [
        ("systemd.import_credentials=no", credentials),
        ("systemd.import-credentials", credentials),
        ("efi=runtime", variables),
        ("efi=noruntime,runtime", variables),
        ("efi=runtime,debug", variables),
        ("systemd.debug_shell", shell),
    ] {
        refused(&parameter(word), "kernel.command-line", word, expected);
        assert_eq!(in_debug(word), [word]);
    }
    for word in ["efi=debug", "efi=runtimes", "efi=noruntime", "efi", "xefi=runtime"] {
        assert!(sample::definition(&parameter(word)).command_line.contains(&word.to_owned()));
    }
}

#[test]
fn modules_are_those_that_are_named_or_the_drivers_of_the_disks_of_clouds() {
    let own = ["virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "nvme"];
    assert_eq!(sample::definition("").modules, own);
    assert_eq!(sample::definition("[kernel]\nmodules = []").modules, [""; 0]);
    assert_eq!(sample::definition("[kernel]\nmodules = [\"ahci\"]").modules, ["ahci"]);
}

#[test]
fn what_is_not_said_has_a_default() {
    let definition = sample::definition("");
    assert_eq!((definition.hostname.as_str(), definition.boot), ("tiny", BootKind::Disk));
    let Packages {
        install,
        local,
        essential,
        exclude_paths,
        include_paths,
        metadata,
        skip,
        give,
        debconf,
        drop,
    } = definition.packages;
    assert!(install.is_empty() && exclude_paths.is_empty() && include_paths.is_empty());
    assert!(essential && skip.is_empty() && give.is_empty() && debconf.is_empty());
    assert!(drop.is_empty() && local.is_empty());
    assert_eq!(metadata, RawMetadata::Full);
    assert_eq!(definition.default_target, "multi-user.target");
    let stub = "usr/lib/systemd/boot/efi/linuxx64.efi.stub".to_owned();
    let package = "systemd-boot-efi".to_owned();
    assert_eq!(definition.stub, Input::Package { package, suite: None, archive: None, path: stub });
    let tables = "[packages]\nessential = false\nmetadata = \"none\"\n[units]\ndefault = \"x.target\"\n\
                  enable = [\"a\"]\nmask = [\"b\"]\n[boot]\nkind = \"direct\"";
    let said = sample::definition(tables);
    assert!(!said.packages.essential);
    assert_eq!((said.packages.metadata, said.boot), (RawMetadata::None, BootKind::Direct));
    assert_eq!(said.default_target, "x.target");
    assert_eq!((said.units_enable, said.units_mask), (vec!["a".to_owned()], vec!["b".to_owned()]));
}

#[test]
fn local_packages_are_named_once() {
    let definition = sample::definition("[packages]\nlocal = [\"debs/\", \"../x.deb\"]");
    assert_eq!(definition.packages.local, ["debs", "../x.deb"]);
    let expected = "a `.deb` file or a folder below the definition's, given once";
    for (found, list) in [("", "\"\""), ("/", "\"/\""), ("a/", "\"a\", \"a/\"")] {
        let tables = format!("[packages]\nlocal = [{list}]");
        refused(&tables, "packages.local", found, expected);
    }
}

#[test]
fn patterns_of_paths_are_absolute() {
    let expected = "a pattern of absolute paths, such as `/usr/share/doc/*`";
    for key in ["exclude-paths", "include-paths"] {
        for pattern in ["", "usr", "*", "!/usr", " /usr"] {
            let tables = format!("[packages]\n{key} = [\"/usr/a\", \"{pattern}\"]");
            refused(&tables, &format!("packages.{key}"), pattern, expected);
        }
    }
    let tables = "[packages]\nexclude-paths = [\"/a/*\"]\ninclude-paths = [\"/a/b\"]";
    let Packages { exclude_paths, include_paths, .. } = sample::definition(tables).packages;
    assert_eq!((exclude_paths, include_paths), (vec!["/a/*".to_owned()], vec!["/a/b".to_owned()]));
}

#[test]
fn what_is_dropped_is_not_requested() {
    let tables = "[packages]\ninstall = [\"a=1\"]\n[packages.drop]\n";
    let drop = sample::definition(&format!("{tables}b = \"not needed\"")).packages.drop;
    assert_eq!(drop, BTreeMap::from([("b".to_owned(), "not needed".to_owned())]));
    let requested = "no package that `packages.install` requests";
    refused(&format!("{tables}a = \"x\""), "packages.drop.`a`", "a=1", requested);
    let reason = "the reason in one line, of at most 200 bytes";
    refused(&format!("{tables}b = \"\""), "packages.drop.`b`", "", reason);
    let name = "the name of a package, without a version";
    refused(&format!("{tables}\"b=1\" = \"x\""), "packages.drop", "b=1", name);
}

#[test]
fn a_source_names_suites_and_components_of_one_archive() {
    let refused = |source: &str, key: &str, found: &str, expected: &str| {
        refused(&format!("[[sources]]\n{source}"), key, found, expected);
    };
    let archive = "the last part of the archive's address, such as `debian`";
    for name in ["", ".", "..", "a/b", "/debian", "a b", "a?b", "a%2fb"] {
        let source = format!("archive = \"{name}\"\nsuites = [\"x\"]");
        refused(&source, "sources.archive", name, archive);
    }
    refused("suites = []", "sources.suites", "an empty list", "at least one suite");
    let components = "suites = [\"x\"]\ncomponents = []";
    refused(components, "sources.components", "an empty list", "at least one component");
    let suite = "a suite's name, once for each archive";
    for name in ["", "../x", "/x", "x//y", "x/.", "a b"] {
        refused(&format!("suites = [\"{name}\"]"), "sources.suites", name, suite);
    }
    refused("suites = [\"trixie\"]", "sources.suites", "trixie", suite);
    refused("suites = [\"x\", \"x\"]", "sources.suites", "x", suite);
    for good in [
        "suites = [\"trixie/updates\", \"sid\"]",
        "archive = \"debian-security\"\nsuites = [\"trixie\"]",
    ] {
        assert_eq!(sample::definition(&format!("[[sources]]\n{good}")).sources.len(), 2);
    }
}

#[test]
fn names_of_images_and_variants_are_parts_of_file_names() {
    let rule = "1 to 64 letters, digits and `.-+~^`, a letter or digit first";
    let variant = |name: &str| {
        let text = sample::text("", &format!("[variant.\"{name}\"]\nhostname = \"x\""));
        sample::project(&text).unwrap().definition(Some(name))
    };
    let longest = "x".repeat(64);
    for name in ["a", "0", "a.b-c+d~e^f", &longest] {
        assert_eq!(variant(name).unwrap().variant.as_deref(), Some(name));
        assert_eq!(variant(name).unwrap().stem(), format!("tiny_1_{name}"));
    }
    for name in ["a_b", "a b", "-a", ".a", "a/b", "\u{e4}", &format!("{longest}x")] {
        let error = variant(name).map(|_| ()).unwrap_err();
        let DefinitionError::Invalid { key, found, expected, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!((key.as_str(), found.as_str(), expected.as_str()), ("variant", name, rule));
    }
    // hostname(7): the host name of the kernel has at most 64 bytes.
    let host = |name: &str| {
        sample::project(&sample::text(&format!("hostname = \"{name}\""), ""))
            .unwrap()
            .definition(None)
    };
    assert_eq!(host(&longest).unwrap().hostname, longest);
    let error = host(&format!("{longest}x")).map(|_| ()).unwrap_err();
    let expected = "1 to 64 letters and digits, with `.` or `-` between them";
    assert!(
        matches!(&error, DefinitionError::Invalid { key, expected: rule, .. }
            if key == "hostname" && rule == expected),
        "{error:?}"
    );
}

#[test]
fn a_variant_has_no_variants_and_a_base_is_no_debug_image() {
    let nested = "[variant.a]\nhostname = \"x\"\n[variant.a.variant.b]\nhostname = \"y\"";
    let project = sample::project(&sample::text("", nested)).unwrap();
    let error = project.definition(Some("a")).map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, DefinitionError::Invalid { key, found, expected, .. }
            if (key.as_str(), found.as_str()) == ("variant.a.variant", "a table")
                && expected == "no variant within a variant"),
        "{error:?}"
    );
    let debug = sample::project(&sample::text("debug = true", "")).unwrap();
    let error = debug.definition(None).map(|_| ()).unwrap_err();
    assert!(
        matches!(&error, DefinitionError::Invalid { key, found, expected, .. }
            if (key.as_str(), found.as_str()) == ("debug", "true")
                && expected == "only a variant can be a debug image"),
        "{error:?}"
    );
    let off = sample::project(&sample::text("debug = false", "")).unwrap();
    assert!(!off.definition(None).unwrap().debug);
}

#[test]
fn a_user_of_a_production_image_has_no_shell() {
    let user = |shell: &str| format!("[[users]]\nname = \"u\"\nshell = \"{shell}\"");
    for shell in ["/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false"] {
        assert_eq!(sample::definition(&user(shell)).users[0].shell.as_deref(), Some(shell));
    }
    let expected = "no login shell, but in a variant with `debug = true`";
    for shell in ["/bin/sh", "", "nologin", "/bin/falsey", "/usr/sbin/nologin/", "/nologin/sh"] {
        refused(&user(shell), "users.`u`.shell", shell, expected);
    }
    assert_eq!(sample::definition("[[users]]\nname = \"u\"").users[0].shell, None);
    let twice = "[[users]]\nname = \"u\"\n[[users]]\nname = \"v\"\n[[users]]\nname = \"u\"";
    refused(twice, "users.name", "u", "a name that is given once");
}

#[test]
fn a_layer_is_an_archive_with_a_place() {
    let of =
        |keys: &str| sample::definition(&format!("[[layers]]\nsource = \"l.tar\"\n{keys}")).layers;
    let digest = Sha256::of(b"l");
    for (keys, sha256, target) in [
        (String::new(), None, ""),
        ("target = \"/\"".to_owned(), None, ""),
        (format!("target = \"/srv/a\"\nsha256 = \"{digest}\""), Some(digest), "srv/a"),
    ] {
        let layers = of(&keys);
        let [layer] = &layers[..] else { panic!("{layers:?}") };
        assert_eq!(
            (layer.source.as_str(), layer.sha256, layer.target.as_str()),
            ("l.tar", sha256, target)
        );
    }
    let again = "[[layers]]\nsource = \"l.tar\"\ntarget = \"/srv\"\n";
    assert_eq!(of(again).len(), 2, "at another place");
    let twice = format!("{again}{again}");
    refused(&twice, "layers.source", "l.tar", "an archive that is named once for each target");
    let out = "[[layers]]\nsource = \"l\"\ntarget = \"/a/../b\"";
    refused(out, "layers.target", "/a/../b", "an absolute path without `.`, `..` and empty names");
}

#[test]
fn a_base_is_a_layout_beside_the_definition() {
    let base = |keys: &str| sample::definition(&format!("[base]\n{keys}")).base.unwrap();
    let Base { oci, reference } = base("oci = \"a/b//\"\nreference = \"1\"");
    assert_eq!((oci.as_str(), reference.as_deref()), ("a/b", Some("1")));
    assert_eq!(base("oci = \"b.tar\"").reference, None);
    let rule = "a folder or an archive, relative to the definition";
    refused("[base]\noci = \"/\"", "base.oci", "/", rule);
    refused("[base]\noci = \"\"", "base.oci", "", rule);
}

#[test]
fn an_overlay_is_laid_over_a_folder_of_the_image() {
    let overlay = |keys: &str| {
        let overlays =
            sample::definition(&format!("[[overlays]]\nsource = \"t\"\n{keys}")).overlays;
        let [Overlay { source, target, ownership: Ownership { owner, group } }] = &overlays[..]
        else {
            panic!("{overlays:?}")
        };
        assert_eq!(source, "t");
        [target.clone(), owner.clone(), group.clone()]
    };
    for (keys, expected) in [
        ("", ["", "root", "root"]),
        ("target = \"/\"", ["", "root", "root"]),
        ("target = \"/srv/www\"\nowner = \"a\"", ["srv/www", "a", "root"]),
        ("group = \"7\"", ["", "root", "7"]),
    ] {
        assert_eq!(overlay(keys), expected, "{keys}");
    }
    for target in ["", "srv", "//", "/srv/", "/./a", "/a/../b"] {
        let tables = format!("[[overlays]]\nsource = \"t\"\ntarget = \"{target}\"");
        let expected = "an absolute path without `.`, `..` and empty names";
        refused(&tables, "overlays.target", target, expected);
    }
}
