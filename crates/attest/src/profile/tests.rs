//! Every profile of the program parses, and what does not fit together is refused.

use cvmkit_host::fault::Diagnosis as _;

use super::*;

#[test]
fn every_built_in_profile_is_what_its_name_says() {
    for (name, _) in BUILT_IN {
        let profile = Profile::built_in(name).unwrap();
        assert_eq!((profile.name.as_str(), profile.version), (name, 1));
        let technology = match profile.technology {
            Technology::SevSnp => "snp",
            Technology::Tdx => "tdx",
            Technology::Tpm => "tpm",
            Technology::Se => "se",
        };
        assert!(name.contains(technology), "{name}: {technology}");
        let is_qemu = name.starts_with("qemu") || name == "se";
        assert_eq!(profile.vmm == Vmm::Qemu, is_qemu, "{name}");
    }
}

#[test]
fn a_profile_survives_json() {
    for (name, _) in BUILT_IN {
        let profile = Profile::built_in(name).unwrap();
        let json = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile, "{json}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let (_, snp) = BUILT_IN[0];
    let edits = [
        ("boot = \"direct\"", "boot = \"uki-disk\"", "`boot` can't be `uki-disk`"),
        ("vmm = \"qemu\"", "vmm = \"azure\"", "`vmm` can't be `azure`"),
        ("vcpus = [1]", "vcpus = [0]", "`vcpus` can't be `[0]`"),
        ("vcpus = [1]", "vcpus = []", "`vcpus` can't be `[]`"),
        ("[\"EPYC-v4\"]", "[\"EPYC-v9\"]", "`vcpu-types` can't be `EPYC-v9`"),
        ("[\"EPYC-v4\"]", "[]", "`vcpu-types` can't be `[]`"),
        (
            "vcpu-types = [\"EPYC-v4\"]",
            "vcpu-types = [\"EPYC-Turin\"]\nvmm-version = \"10.0\"",
            "QEMU 10.1 or later for `EPYC-Turin`",
        ),
        ("\"0x1\"", "\"1\"", "a number in hex"),
        ("\"0x1\"", "\"0x20\"", "SEV-SNP is active"),
        ("vcpus = [1]", "vcpus = [1, 1]", "each once"),
        ("version = 1", "version = 1\nmemory = [\"2G\"]", "`memory` can't be `given`"),
        ("version = 1", "version = 1\nfirmware = \"x.fd\"", "no files"),
        ("version = 1", "version = 1\nfeatures = 1", "unknown field `features`"),
    ];
    for (from, to, expected) in edits {
        let error = Profile::parse(&snp.replacen(from, to, 1), "mine").unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
    let (_, tdx) = BUILT_IN[3];
    let many: Vec<u32> = (1..=500).collect();
    let sizes: Vec<String> = (1..=9).map(|size| format!("{size}G")).collect();
    let machines = tdx.replace("vcpus = [1]", &format!("vcpus = {many:?}"));
    let machines = machines.replace("memory = [\"2G\"]", &format!("memory = {sizes:?}"));
    let error = Profile::parse(&machines, "mine").unwrap_err().to_string();
    assert!(error.contains("`4500`") && error.contains("at most 4096"), "{error}");
    let error = Profile::parse(&tdx.replace("\"10.1\"", "\"10.x\""), "mine").unwrap_err();
    assert!(error.to_string().contains("a version of QEMU"), "{error}");
    let error = Profile::parse(&tdx.replace("vmm-version", "# "), "mine").unwrap_err();
    assert!(error.to_string().contains("a version of QEMU"), "{error}");
    let hint = Profile::built_in("qemu-sn").unwrap_err().hint().unwrap();
    assert_eq!(hint, "did you mean `qemu-snp`?");
}

/// Each key belongs to technologies: where it has no effect it is refused, and not passed over.
#[test]
fn a_key_without_effect_is_refused() {
    let digest = "00".repeat(48);
    let smbios = format!("smbios = \"{digest}\"");
    for (line, technologies) in [
        ("vcpu-types = [\"EPYC-v4\"]", &["qemu-snp"][..]),
        ("guest-features = \"0x1\"", &["qemu-snp"]),
        ("memory = [\"2G\"]", &["qemu-tdx-direct", "qemu-vtpm"]),
        ("vcpus = [1]", &["qemu-snp", "qemu-tdx-direct"]),
        ("disk = \"read-only\"", &["qemu-tdx-direct", "qemu-vtpm"]),
        ("disk-bus = \"nvme\"", &["qemu-tdx-direct", "qemu-vtpm"]),
        ("firmware-by = \"pflash\"", &["qemu-vtpm"]),
        ("firmware-layout = \"edk2-stable202411\"", &["qemu-tdx-direct"]),
        ("firmware-behaviour = \"ovmf-2025.02\"", &["qemu-vtpm"]),
        ("secure-boot = \"absent\"", &["qemu-tdx-direct"]),
        (smbios.as_str(), &["qemu-tdx-direct"]),
    ] {
        let key = line.split(' ').next().unwrap();
        for name in ["qemu-snp", "qemu-tdx-direct", "qemu-vtpm", "se"] {
            let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name).unwrap();
            // In place of the profile's own.
            let own = |of: &&str| !of.starts_with(&format!("{key} ="));
            let text: Vec<&str> = text.lines().filter(own).collect();
            let at = text.iter().position(|of| of.starts_with('[')).unwrap_or(text.len());
            let (top, tables) = text.split_at(at);
            let text = [top.join("\n").as_str(), line, &tables.join("\n")].join("\n");
            let found = Profile::parse(&text, name);
            match technologies.contains(&name) {
                true => assert!(found.is_ok(), "{name}: {line}: {found:?}"),
                false => {
                    let error = found.unwrap_err().to_string();
                    assert!(error.contains(&format!("`{key}` can't be")), "{name}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_file_of_a_machine_lies_beside_the_image() {
    let mut profile = Profile::built_in("qemu-vtpm").unwrap();
    for (name, is_beside) in [("a.fd", true), ("../a.fd", false), ("/a.fd", false), ("", false)] {
        profile.firmware = Some(name.to_owned());
        profile.variables = None;
        assert_eq!(profile.check_files().is_ok(), is_beside, "{name:?}");
        (profile.firmware, profile.variables) = (None, Some(name.to_owned()));
        assert_eq!(profile.check_files().is_ok(), is_beside, "{name:?}");
    }
}

/// A cloud has its own firmware: that of the definition is not measured there.
#[test]
fn the_firmware_of_a_definition_is_for_qemu() {
    for (name, needs, takes, condition) in [
        ("qemu-snp", true, true, None),
        ("ec2-snp", true, false, Some(ConditionCode::DocumentedRules)),
        ("qemu-tdx-uki", true, true, None),
        ("gce-tdx", false, false, None),
        ("qemu-vtpm", false, false, None),
        ("azure-vtpm", false, false, Some(ConditionCode::QemuRules)),
        ("se", false, false, None),
    ] {
        let profile = Profile::built_in(name).unwrap();
        let found =
            (profile.needs_firmware(), profile.takes_default_firmware(), profile.condition());
        assert_eq!(found, (needs, takes, condition), "{name}");
        assert_eq!(profile.has_firmware(), name != "se");
    }
}

#[test]
fn a_disk_is_writable_unless_it_is_said_to_be_read_only() {
    let mut profile = Profile::built_in("qemu-vtpm").unwrap();
    for (disk, is_writable) in [(None, true), (Some(DiskAccess::ReadOnly), false)] {
        profile.disk = disk;
        assert_eq!(profile.medium().is_writable, Some(is_writable));
    }
}

#[test]
fn recorded_tables_are_those_of_one_machine() {
    let mut profile = Profile::built_in("qemu-tdx-direct").unwrap();
    let recorded = || "00".repeat(48).parse::<Recorded>().unwrap();
    let tables = |vcpus, memory| RecordedAcpi {
        vcpus,
        memory: Memory(memory),
        loader: recorded(),
        rsdp: recorded(),
        tables: recorded(),
    };
    profile.acpi = vec![tables(1, 2 << 30), tables(2, 2 << 30)];
    assert_eq!(profile.acpi_of(2, Memory(2 << 30)).map(|of| of.vcpus), Some(2));
    assert_eq!(profile.acpi_of(2, Memory(4 << 30)), None);
    assert_eq!(profile.acpi_of(3, Memory(2 << 30)), None);
}

/// Hostile text: no input makes the reader fail but with an error.
#[test]
fn what_is_no_profile_is_an_error_with_its_place() {
    for text in ["", "\0", "name", "name = 1", "[x]", "name = \"x\"\nname = \"y\"", "\u{feff}a"] {
        let error = Profile::parse(text, "mine.toml").unwrap_err().to_string();
        assert!(error.contains("mine.toml"), "{error}");
    }
}
