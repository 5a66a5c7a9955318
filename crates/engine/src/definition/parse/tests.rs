//! What a definition may say, and what it may not.

mod files;
mod machines;
mod values;

use cvmkit_host::fault::Diagnosis;

use super::*;
use crate::definition::{Project, sample};

const MINIMAL: &str = r#"
id = "tiny"
version = "1"
architecture = "x86-64"
seed = "0e9a6fe0-68f6-408c-bbeb-136054d20445"
[[sources]]
suites = ["trixie"]
[variant.debug]
debug = true
[variant.debug.packages]
install = ["strace"]
[packages]
install = ["systemd"]
"#;

fn project(text: &str) -> Result<Project, DefinitionError> {
    let path = Path::new("image.toml").to_owned();
    Ok(Project { raw: toml(text, &path)?, path })
}

#[test]
fn variants_append_lists_and_replace_keys() {
    let project = project(MINIMAL).unwrap();
    let base = project.definition(None).unwrap();
    assert_eq!((base.stem().as_str(), base.debug), ("tiny_1", false));
    let debug = project.definition(Some("debug")).unwrap();
    assert_eq!((debug.stem().as_str(), debug.debug), ("tiny_1_debug", true));
    assert_eq!(debug.packages.install, ["systemd", "strace"]);
    let error = project.definition(Some("debgu")).unwrap_err();
    assert_eq!(error.hint().unwrap(), "did you mean `debug`?");
}

#[test]
fn unknown_keys_say_where_and_what_was_meant() {
    let error = project("id = \"x\"\n[packages]\n  instal = []\n").unwrap_err();
    let DefinitionError::UnknownKey { line, column, key, .. } = &error else { panic!("{error}") };
    assert_eq!((*line, *column, key.as_str()), (3, 3, "instal"));
    assert_eq!(error.hint().unwrap(), "did you mean `install`?");
}

#[test]
fn bad_toml_says_where() {
    let error = project("id = \"x\"\nversion = \n").unwrap_err();
    assert!(error.to_string().contains("image.toml:2:"), "{error}");
}

#[test]
fn production_images_have_no_shell() {
    for parameter in ["rd.shell", "systemd.debug-shell=1", "single", "kgdboc=ttyS0"] {
        let text = format!("{MINIMAL}\n[kernel]\ncommand-line = [\"{parameter}\"]");
        let project = project(&text).unwrap();
        assert!(project.definition(None).is_err(), "{parameter}");
        assert!(project.definition(Some("debug")).is_ok(), "{parameter}");
    }
    let text = format!("{MINIMAL}\n[[users]]\nname = \"x\"\nshell = \"/bin/bash\"");
    assert!(project(&text).unwrap().definition(None).is_err());
    assert!(project(&format!("debug = true\n{MINIMAL}")).unwrap().definition(None).is_err());
}

#[test]
fn nothing_is_said_twice_or_to_stage1_in_vain() {
    let refused = |more: &str| project(&format!("{MINIMAL}\n{more}")).unwrap().definition(None);
    for parameter in [
        "roothash",
        "roothash=00",
        "--",
        "a=\\\"b\\\"",
        "init=sbin/init",
        "init",
        "cvmkit.root_wait=",
        "cvmkit.root_wait=3601",
    ] {
        let error = refused(&format!("[kernel]\ncommand-line = [\"{parameter}\"]")).unwrap_err();
        assert!(matches!(error, DefinitionError::Invalid { .. }), "{parameter}: {error}");
    }
    assert!(refused("[kernel]\ncommand-line = [\"init=/a\", \"init=/b\"]").is_err());
    assert!(refused("[kernel]\ncommand-line = [\"init=/a\", \"quiet\"]").is_ok());
    assert!(refused("[[users]]\nname = \"x\"\n[[users]]\nname = \"x\"\nuid = 7").is_err());
    for source in [
        "suites = [\"trixie\"]\ncomponents = [\"contrib\"]",
        "suites = []",
        "suites = [\"forky\"]\ncomponents = []",
        "suites = [\"forky\"]\narchive = \"../debian\"",
        "suites = [\"../forky\"]",
    ] {
        assert!(refused(&format!("[[sources]]\n{source}")).is_err(), "{source}");
    }
    assert!(refused("[[sources]]\narchive = \"other\"\nsuites = [\"trixie\"]").is_ok());
}

#[test]
fn production_images_take_no_credentials_or_variables_of_the_host() {
    let base = project(MINIMAL).unwrap();
    let own = [NO_EFI_VARIABLES, NO_HOST_CREDENTIALS];
    assert_eq!(base.definition(None).unwrap().command_line, own);
    assert!(base.definition(Some("debug")).unwrap().command_line.is_empty());
    for parameter in [
        "systemd.import_credentials=yes",
        "systemd.import-credentials",
        "efi=runtime",
        "efi=debug,runtime",
    ] {
        let text = format!("{MINIMAL}\n[kernel]\ncommand-line = [\"{parameter}\"]");
        assert!(project(&text).unwrap().definition(None).is_err(), "{parameter}");
    }
    let text = format!("{MINIMAL}\n[kernel]\ncommand-line = [\"efi=debug\"]");
    assert!(project(&text).unwrap().definition(None).is_ok());
}

#[test]
fn files_have_capabilities_and_attributes_and_may_be_there_already() {
    let files = |more: &str| {
        project(&format!("{MINIMAL}\n[[files]]\npath = \"/usr/bin/x\"\n{more}"))?.definition(None)
    };
    let definition = files("capabilities = \"cap_net_raw+ep\"\nmode = \"0750\"").unwrap();
    let [file] = definition.files.as_slice() else { panic!("{:?}", definition.files) };
    assert_eq!((&file.kind, file.mode), (&FileKind::Existing, Some(0o750)));
    let value = file.xattrs.get(&b"security.capability"[..]).map(hex::encode);
    assert_eq!(value.as_deref(), Some("0100000200200000000000000000000000000000"));
    let xattrs =
        files("content = \"x\"\nxattrs = { \"user.a\" = \"t\", \"security.b\" = \"0x00ff\" }");
    let xattrs = &xattrs.unwrap().files[0].xattrs;
    assert_eq!(xattrs.get(&b"security.b"[..]), Some(&vec![0, 0xff]));
    for more in [
        "",
        "capabilities = \"cap_net_raw\"",
        "capabilities = \"cap_nonsense+ep\"",
        "symlink = \"y\"\ncapabilities = \"cap_net_raw+ep\"",
        "symlink = \"y\"\nmode = \"0600\"",
        "xattrs = { \"system.posix_acl_access\" = \"x\" }",
        "xattrs = { \"user.\" = \"x\" }",
        "xattrs = { \"user.a\" = \"0xzz\" }",
        "capabilities = \"cap_kill+p\"\nxattrs = { \"security.capability\" = \"0x00\" }",
        "mode = \"0600\"\n[[files]]\npath = \"/usr/bin/x\"\ncontent = \"y\"",
    ] {
        let error = files(more).unwrap_err();
        assert!(matches!(error, DefinitionError::Invalid { .. }), "{more}: {error}");
    }
}

#[test]
fn a_skip_names_what_was_read_and_a_variant_says_something() {
    let scripts = |text: &str| {
        project(&MINIMAL.replace("[packages]\n", &format!("[packages]\nscripts.x = {text}\n")))?
            .definition(None)
    };
    let digest = "a".repeat(64);
    let definition = scripts(&format!("{{ skip = [\"{digest}\"] }}")).unwrap();
    assert_eq!(definition.packages.skip["x"].len(), 1);
    let error = scripts("\"skip\"").unwrap_err();
    assert!(error.to_string().contains("scripts.PACKAGE.skip = [\"SHA-256\"]"), "{error}");
    assert!(scripts("{ skip = [] }").is_err());
    assert!(scripts("{ skip = [\"abc\"] }").is_err());
    let empty = project(&format!("{MINIMAL}\n[variant.same]\n")).unwrap();
    let error = empty.definition(Some("same")).unwrap_err();
    assert!(error.to_string().contains("variant.same"), "{error}");
}

/// `MyImage` passed `new` and `lock`, and failed a build after it had unpacked everything.
#[test]
fn one_rule_for_ids_wherever_they_go() {
    let named = |id: &str| {
        project(&MINIMAL.replace("\"tiny\"", &format!("\"{id}\""))).unwrap().definition(None)
    };
    for id in ["a", "my-image", "node.v2", "0", &"x".repeat(64)] {
        assert_eq!(named(id).unwrap().id, id);
    }
    for id in ["MyImage", "a_b", "a+b", "a~b", "-a", "a-", "a.", ".a", "a..b", "a.-b", "ä", ""] {
        let error = named(id).unwrap_err().to_string();
        assert!(error.contains("lower-case letters and digits"), "{id}: {error}");
    }
    let host = |name: &str| {
        project(&format!("hostname = \"{name}\"\n{MINIMAL}")).unwrap().definition(None)
    };
    assert_eq!(host("Node.example").unwrap().hostname, "Node.example");
    assert!(host("a+b").is_err() && host("a-").is_err());
}

#[test]
fn the_checksum_of_the_base_is_not_of_its_variants() {
    let plain = project(MINIMAL).unwrap();
    let more = project(&format!("{MINIMAL}\n[variant.other]\nversion = \"2\"")).unwrap();
    assert_ne!(plain.checksum(), more.checksum());
    assert_eq!(plain.checksum_of(None), more.checksum_of(None));
    assert_eq!(plain.checksum_of(Some("debug")), more.checksum_of(Some("debug")));
    assert_ne!(plain.checksum_of(None), plain.checksum_of(Some("debug")));
}

#[test]
fn the_checksum_is_of_what_is_said_not_how() {
    let plain = project(MINIMAL).unwrap();
    let commented = project(&format!("# a comment\n{MINIMAL}")).unwrap();
    assert_eq!(plain.checksum(), commented.checksum());
    let other = project(&MINIMAL.replace("\"1\"", "\"2\"")).unwrap();
    assert_ne!(plain.checksum(), other.checksum());
    assert_eq!(plain.package_checksum(), other.package_checksum());
    let more = project(&MINIMAL.replace("\"systemd\"", "\"systemd\", \"dbus\"")).unwrap();
    assert_ne!(plain.package_checksum(), more.package_checksum());
}

/// Each of these was reported under the name of another key, or of none.
#[test]
fn a_value_is_refused_under_the_name_of_its_own_key() {
    for (tables, key) in [
        ("[packages]\nexclude-paths = [\"usr\"]", "packages.exclude-paths"),
        ("[packages]\ninclude-paths = [\"usr\"]", "packages.include-paths"),
        (
            "[[variant.v.files]]\npath = \"/a\"\nfolder = true\n\
          [[variant.v.files]]\npath = \"/a\"\nfolder = true",
            "variant.v.files.path",
        ),
        (
            "[variant.a]\nhostname = \"x\"\n[variant.a.variant.b]\nhostname = \"y\"",
            "variant.a.variant",
        ),
        ("[firmware]\npath = \"/x\"\nsuite = \"x\"", "firmware.package"),
        ("[boot.stub]\npath = \"/x\"\narchive = \"x\"", "boot.stub.package"),
        ("[[sources]]\nsuites = []", "sources.suites"),
        ("[[sources]]\nsuites = [\"x\"]\ncomponents = []", "sources.components"),
    ] {
        let project = sample::project(&sample::text("", tables)).unwrap();
        let error = project.definitions().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{key}` ")), "{tables}: {error}");
    }
}

/// One row for each rule: what stands in the file, and the key that is named.
#[test]
fn each_value_that_is_refused_names_its_key() {
    let digest = "a".repeat(64);
    let long = "x".repeat(65);
    let too_long = format!("[kernel]\ncommand-line = [\"{}\"]", "x".repeat(2047));
    let salt = format!("[verity]\nsalt = \"{}\"", "0".repeat(514));
    let pinned = format!("[firmware]\npackage = \"ovmf\"\npath = \"/x\"\nsha256 = \"{digest}\"");
    let digest_of_link =
        format!("[[files]]\npath = \"/x\"\nsymlink = \"y\"\nsha256 = \"{digest}\"");
    for (text, key) in [
        ("[verity]\nsalt = \"0\"", "verity.salt"),
        ("[verity]\nsalt = \"zz\"", "verity.salt"),
        (salt.as_str(), "verity.salt"),
        ("[verity]\nuuid = \"x\"", "verity.uuid"),
        ("[verity]\nuuid = \"0e9a6fe068f6408cbbeb136054d20445\"", "verity.uuid"),
        ("[verity]\ndata-block-size = 512", "verity.data-block-size"),
        ("[verity]\nhash-block-size = 8192", "verity.hash-block-size"),
        ("[root]\nblock-size = 4095", "root.block-size"),
        ("[root]\nblock-size = 2097152", "root.block-size"),
        ("[root]\ncompression-level = 0", "root.compression-level"),
        ("[root]\ncompression-level = 23", "root.compression-level"),
        ("[root]\ncompression = \"gzip\"\ncompression-level = 10", "root.compression-level"),
        (too_long.as_str(), "kernel.command-line"),
        ("[kernel]\ncommand-line = [\"a b\"]", "kernel.command-line"),
        ("[kernel]\ncommand-line = [\"\"]", "kernel.command-line"),
        ("[kernel]\ncommand-line = [\"\\u00e4\"]", "kernel.command-line"),
        (pinned.as_str(), "firmware"),
        (digest_of_link.as_str(), "files.`/x`"),
        ("[[files]]\npath = \"x\"\ncontent = \"\"", "files.path"),
        ("[[files]]\npath = \"/a/../b\"\ncontent = \"\"", "files.path"),
        ("[[files]]\npath = \"/a//b\"\ncontent = \"\"", "files.path"),
        ("[[files]]\npath = \"/a\"\ncontent = \"\"\nsymlink = \"b\"", "files.`/a`"),
        ("[[files]]\npath = \"/a\"\ncontent = \"\"\nmode = \"0888\"", "files.`/a`.mode"),
        ("[[files]]\npath = \"/a\"\ncontent = \"\"\nmode = \"10000\"", "files.`/a`.mode"),
        ("[[files]]\npath = \"/a\"\ncontent = \"\"\nmode = \"+755\"", "files.`/a`.mode"),
    ] {
        let error = project(&format!("{MINIMAL}\n{text}")).unwrap().definition(None).unwrap_err();
        let named = format!("`{key}` can't be ");
        assert!(error.to_string().starts_with(&named), "{text}: {error}");
    }
    let named = |version: &str| {
        project(&MINIMAL.replace("version = \"1\"", &format!("version = \"{version}\"")))
            .and_then(|it| it.definition(None))
    };
    // UAPI.10: `_` joins the parts of a file name.
    for version in ["", "-1", "1_2", "1 2", "1/2", "ä", long.as_str()] {
        let error = named(version).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("`version`"), "{version}: {error}");
    }
    for version in ["1", "1.2~rc1+b-3^4", &long[1..]] {
        assert_eq!(named(version).unwrap().version, version);
    }
}

#[test]
fn a_key_that_is_missing_has_an_example_to_copy() {
    for (key, example) in [
        ("id", "id = \"my-image\""),
        ("version", "version = \"1\""),
        ("architecture", "architecture = \"x86-64\""),
        ("seed", "uuidgen"),
    ] {
        let line = |line: &&str| !line.starts_with(&format!("{key} ="));
        let text: Vec<&str> = MINIMAL.lines().filter(line).collect();
        let error = project(&text.join("\n")).unwrap().definition(None).unwrap_err();
        assert!(error.to_string().contains(&format!("`{key}` is missing")), "{error}");
        assert!(error.hint().unwrap().contains(example), "{key}");
    }
    let text = MINIMAL.replace("[[sources]]\nsuites = [\"trixie\"]\n", "");
    let error = project(&text).unwrap().definition(None).unwrap_err();
    assert!(error.hint().unwrap().contains("suites = [\"trixie\"]"), "{error}");
}

/// Tables of every depth: the key, where it stands, and what is near it.
#[test]
fn a_misspelt_key_of_any_table_has_a_guess() {
    for (text, key, guess) in [
        ("idd = 1", "idd", "did you mean `id`?"),
        ("[kernel]\ncommandline = []", "commandline", "did you mean `command-line`?"),
        ("[kernel]\ncommand_line = []", "command_line", "did you mean `command-line`?"),
        ("[verity]\nslat = \"\"", "slat", "did you mean `salt`?"),
        ("[root]\nformt = \"squashfs\"", "formt", "did you mean `format`?"),
        ("[[files]]\npth = \"/x\"", "pth", "did you mean `path`?"),
        ("[[users]]\nnmae = \"x\"", "nmae", "did you mean `name`?"),
        ("[units]\nenabled = []", "enabled", "did you mean `enable`?"),
        ("[variant.a.packages]\ninstal = []", "instal", "did you mean `install`?"),
        ("[units]\nzzzzzzzz = []", "zzzzzzzz", "the keys here are "),
    ] {
        let error = project(text).map(|_| ()).unwrap_err();
        let DefinitionError::UnknownKey { key: found, .. } = &error else {
            panic!("{text}: {error}")
        };
        assert_eq!(found, key);
        assert!(error.to_string().starts_with(&format!("unknown key `{key}`")), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with(guess), "{text}: {hint}");
    }
}

/// A quoted key of TOML may hold anything, also what stands around it in a message.
#[test]
fn an_unknown_key_is_named_whole() {
    for key in ["a`b", "`", "a`, expected `id`", "a`, expected one of `id`, `b", "", "a b", "a.b"] {
        let error = project(&format!("\"{key}\" = 1")).map(|_| ()).unwrap_err();
        let DefinitionError::UnknownKey { key: found, known, line, column, .. } = &error else {
            panic!("{key}: {error:?}")
        };
        assert_eq!((found.as_str(), *line, *column), (key, 1, 1));
        assert!(known.contains(&"seed".to_owned()) && known.len() > 15, "{known:?}");
    }
    let one = project("[packages.scripts.x]\n\"`skip\" = 1").map(|_| ()).unwrap_err();
    assert_eq!(one.hint().as_deref(), Some("did you mean `skip`?"));
}
