//! Every profile of the program parses, and what does not fit together is refused.

use cvmkit_host::fault::{Diagnosis as _, Fault};

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
        ("vcpus = [1]", "vcpus = [1, 2, 1]", "`vcpus` can't be `1 twice`"),
        (
            "[\"EPYC-v4\"]",
            "[\"EPYC\", \"EPYC-v4\", \"EPYC-v4\"]",
            "`vcpu-types` can't be `EPYC-v4 twice`",
        ),
        ("version = 1", "version = 1\nmemory = [\"2G\"]", "`memory` can't be `given`"),
        ("version = 1", "version = 1\nfirmware = \"x.fd\"", "`firmware` can't be `x.fd`"),
        ("version = 1", "version = 1\nvariables = \"x.fd\"", "`variables` can't be `x.fd`"),
        ("version = 1", "version = 1\npinned = \"x.log\"", "`pinned` can't be `x.log`"),
        ("version = 1", "version = 1\nimage = \"x.img\"", "`image` can't be `x.img`"),
        ("version = 1", "version = 1\nfeatures = 1", "unknown field `features`"),
    ];
    for (from, to, expected) in edits {
        let error = Profile::parse(&snp.replacen(from, to, 1), "mine").unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
    let (_, tdx) = BUILT_IN[3];
    let sizes = tdx.replace("memory = [\"2G\"]", "memory = [\"2G\", \"2048M\"]");
    let error = Profile::parse(&sizes, "mine").unwrap_err().to_string();
    assert!(error.contains("`memory` can't be `2G twice`"), "{error}");
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

/// A built-in profile with some of its fields changed.
fn changed(name: &str, change: impl FnOnce(&mut Profile)) -> Profile {
    let mut profile = Profile::built_in(name).unwrap();
    change(&mut profile);
    profile
}

/// What the check of a profile is refused with: the key, what it holds, and what it should.
fn refused(profile: &Profile) -> (String, String, String) {
    match profile.check().unwrap_err() {
        ProfileError::Invalid { profile: name, key, found, expected } => {
            assert_eq!(name, profile.name);
            (key, found, expected)
        }
        other => panic!("{other}"),
    }
}

/// Every technology with every VMM and boot: which go together, and which key is refused where they don't.
#[test]
fn a_vmm_starts_the_technologies_that_it_has_and_boots_them_as_it_can() {
    use Boot::{Direct, UkiDisk};
    use Technology::{Se, SevSnp, Tdx, Tpm};
    let rows = [
        (SevSnp, Vmm::Qemu, Direct, None),
        (SevSnp, Vmm::Qemu, UkiDisk, Some("boot")),
        (SevSnp, Vmm::Ec2, UkiDisk, None),
        (SevSnp, Vmm::Ec2, Direct, Some("boot")),
        (SevSnp, Vmm::Gce, UkiDisk, None),
        (SevSnp, Vmm::Gce, Direct, Some("boot")),
        (SevSnp, Vmm::Azure, UkiDisk, Some("vmm")),
        (Tdx, Vmm::Qemu, Direct, None),
        (Tdx, Vmm::Qemu, UkiDisk, None),
        (Tdx, Vmm::Gce, UkiDisk, None),
        (Tdx, Vmm::Gce, Direct, Some("boot")),
        (Tdx, Vmm::Ec2, UkiDisk, Some("vmm")),
        (Tdx, Vmm::Azure, UkiDisk, Some("vmm")),
        (Tpm, Vmm::Qemu, Direct, None),
        (Tpm, Vmm::Qemu, UkiDisk, None),
        (Tpm, Vmm::Ec2, UkiDisk, None),
        (Tpm, Vmm::Ec2, Direct, Some("boot")),
        (Tpm, Vmm::Azure, Direct, Some("boot")),
        (Tpm, Vmm::Gce, Direct, Some("boot")),
        (Se, Vmm::Qemu, Direct, None),
        (Se, Vmm::Qemu, UkiDisk, Some("boot")),
        (Se, Vmm::Ec2, Direct, Some("vmm")),
    ];
    for (technology, vmm, boot, expected) in rows {
        let profile = changed("se", |profile| {
            (profile.technology, profile.vmm, profile.boot) = (technology, vmm, boot);
        });
        let found = profile.check_machine();
        match expected {
            None => assert!(found.is_ok(), "{technology:?} {vmm:?} {boot:?}: {found:?}"),
            Some(key) => {
                let error = found.unwrap_err().to_string();
                assert!(error.contains(&format!("`{key}` can't be")), "{vmm:?} {boot:?}: {error}");
            }
        }
    }
}

/// Both sides of each bound.
#[test]
fn counts_of_vcpus_are_1_to_512() {
    for (vcpus, fits) in [
        (vec![1], true),
        (vec![512], true),
        (vec![1, 512], true),
        (vec![0], false),
        (vec![513], false),
        (vec![1, 513], false),
        (vec![], false),
    ] {
        let profile = changed("qemu-snp", |profile| profile.vcpus.clone_from(&vcpus));
        if fits {
            profile.check().unwrap();
        } else {
            let expected = ("vcpus".to_owned(), format!("{vcpus:?}"), "1 to 512 each".to_owned());
            assert_eq!(refused(&profile), expected);
        }
    }
}

/// vCPU counts x types x sizes of memory: 4096 machines and no more.
#[test]
fn machines_are_4096_at_most() {
    let of = |vcpus: u32, sizes: u64| {
        changed("qemu-tdx-direct", |profile| {
            profile.vcpus = (1..=vcpus).collect();
            profile.memory = (1..=sizes).map(|size| Memory(size << 30)).collect();
        })
    };
    of(512, 8).check().unwrap();
    let (key, found, expected) = refused(&of(241, 17));
    assert_eq!((key.as_str(), found.as_str()), ("number of machines", "4097"));
    assert!(expected.starts_with("at most 4096: "), "{expected}");
    // A list that is empty counts as one.
    let types = ["EPYC", "EPYC-v1", "EPYC-v2", "EPYC-v3", "EPYC-v4", "EPYC-Rome", "EPYC-Milan"];
    let of_types = |count: usize| {
        changed("qemu-snp", |profile| {
            profile.vcpus = (1..=512).collect();
            profile.vcpu_types = types[..count].iter().map(ToString::to_string).collect();
        })
    };
    of_types(7).check().unwrap();
}

#[test]
fn a_machine_is_named_once() {
    let twice = |change: fn(&mut Profile)| refused(&changed("qemu-tdx-direct", change));
    let of_snp = |change: fn(&mut Profile)| refused(&changed("qemu-snp", change));
    let rows = [
        twice(|profile| profile.vcpus = vec![2, 1, 2]),
        twice(|profile| profile.memory = vec![Memory(1 << 30); 2]),
        of_snp(|profile| profile.vcpu_types = vec!["EPYC".to_owned(); 2]),
    ];
    let memory = format!("{} twice", Memory(1 << 30));
    let named = [("vcpus", "2 twice"), ("memory", memory.as_str()), ("vcpu-types", "EPYC twice")];
    for ((key, found, expected), named) in rows.into_iter().zip(named) {
        assert_eq!((key.as_str(), found.as_str()), named);
        assert_eq!(expected, "each once");
    }
}

/// AMD64 Architecture Programmer's Manual, volume 2, SEV_FEATURES: bit 0 is SNPActive.
#[test]
fn the_features_of_a_guest_have_snp_active() {
    for (bits, is_active) in [(1, true), (0x21, true), (u64::MAX, true), (0, false), (0x20, false)]
    {
        let profile = changed("qemu-snp", |profile| profile.guest_features = Some(Features(bits)));
        if is_active {
            profile.check().unwrap();
        } else {
            let (key, found, expected) = refused(&profile);
            assert_eq!((key, found), ("guest-features".to_owned(), format!("{bits:#x}")));
            assert!(expected.starts_with("bit 0 set"), "{expected}");
        }
    }
}

/// Only QEMU's CPU models are measured.
#[test]
fn a_type_of_vcpu_is_for_qemu() {
    let types = |name: &str, types: &[&str]| {
        changed(name, |profile| {
            profile.vcpu_types = types.iter().map(ToString::to_string).collect();
        })
    };
    types("qemu-snp", &["EPYC", "EPYC-Genoa"]).check().unwrap();
    for profile in [types("qemu-snp", &[]), types("gce-snp", &["EPYC-v4"])] {
        let (key, _, expected) = refused(&profile);
        assert_eq!(key, "vcpu-types");
        assert!(expected.ends_with("none for clouds: theirs are not measured"), "{expected}");
    }
    let (key, found, expected) = refused(&types("qemu-snp", &["EPYC", "epyc"]));
    assert_eq!((key.as_str(), found.as_str()), ("vcpu-types", "epyc"));
    assert!(expected.starts_with("EPYC, EPYC-v1, ") && expected.contains("EPYC-Turin-v1"));
}

/// QEMU `builtin_x86_defs`: each model came with a release; an earlier one does not know it.
#[test]
fn a_type_of_vcpu_is_one_that_the_version_of_qemu_has() {
    let of = |version: Option<&str>, types: &[&str]| {
        changed("qemu-snp", |profile| {
            profile.vmm_version = version.map(str::to_owned);
            profile.vcpu_types = types.iter().map(ToString::to_string).collect();
        })
    };
    for (version, name) in [
        (Some("8.1"), "EPYC-Genoa"),
        (Some("9.0"), "EPYC-Genoa"),
        (Some("10.1"), "EPYC-Turin"),
        (None, "EPYC-Turin"),
    ] {
        of(version, &[name]).check().unwrap();
    }
    for (version, name, since) in
        [("8.0", "EPYC-Genoa", "8.1"), ("7.2", "EPYC-Genoa", "8.1"), ("10.0", "EPYC-Turin", "10.1")]
    {
        let (key, found, expected) = refused(&of(Some(version), &["EPYC", name]));
        assert_eq!((key.as_str(), found.as_str()), ("vmm-version", version));
        assert_eq!(expected, format!("QEMU {since} or later for `{name}`"));
    }
}

/// The version decides what QEMU measures of a TD; of other technologies it may be left out, and is read
/// where it is given.
#[test]
fn the_version_of_qemu_is_one() {
    let of = |name: &str, version: Option<&str>| {
        changed(name, |profile| profile.vmm_version = version.map(str::to_owned))
    };
    for (name, version) in [
        ("qemu-tdx-direct", Some("10.1")),
        ("qemu-snp", None),
        ("qemu-vtpm", None),
        ("gce-tdx", None),
        // A cloud's version is its own matter.
        ("gce-tdx", Some("2026-11")),
    ] {
        of(name, version).check().unwrap();
    }
    for (name, version, shown) in [
        ("qemu-tdx-direct", None, ""),
        ("qemu-tdx-direct", Some("ten"), "ten"),
        ("qemu-snp", Some("0.1"), "0.1"),
        ("qemu-vtpm", Some(""), ""),
    ] {
        let (key, found, expected) = refused(&of(name, version));
        assert_eq!((key.as_str(), found.as_str()), ("vmm-version", shown), "{name}");
        assert_eq!(expected, "a version of QEMU such as `10.1`");
    }
    let version = |name: &str, version| of(name, version).qemu_version();
    assert_eq!(version("qemu-snp", Some("10.1.2")), Some(QemuVersion::new(10, 1)));
    assert_eq!(version("qemu-snp", None), None);
    assert_eq!(version("gce-snp", Some("10.1")), None);
}

#[test]
fn names_of_firmware_are_those_that_are_known() {
    let layout = |name: &str| {
        changed("qemu-tdx-direct", |profile| profile.firmware_layout = Some(name.to_owned()))
    };
    let behaviour = |name: &str| {
        changed("qemu-vtpm", |profile| profile.firmware_behaviour = Some(name.to_owned()))
    };
    for profile in [layout("edk2-stable202411"), behaviour("ovmf-2025.02")] {
        profile.check().unwrap();
    }
    for (profile, key, name) in [
        (layout("edk2-stable202410"), "firmware-layout", "edk2-stable202410"),
        (layout(""), "firmware-layout", ""),
        (behaviour("ovmf"), "firmware-behaviour", "ovmf"),
    ] {
        let (found_key, found, _) = refused(&profile);
        assert_eq!((found_key.as_str(), found.as_str()), (key, name));
    }
    let (_, _, expected) = refused(&layout("edk2-stable202410"));
    assert!(expected.contains("edk2-stable202411"), "{expected}");
    let (key, found, expected) =
        refused(&changed("qemu-tdx-direct", |profile| profile.memory = Vec::new()));
    assert_eq!((key.as_str(), found.as_str()), ("memory", "nothing"));
    assert_eq!(expected, "sizes such as `2G`");
}

/// The files of a machine are the definition's to name, in every profile that has such a file.
#[test]
fn a_file_without_effect_is_refused() {
    type Set = fn(&mut Profile);
    let rows: [(&str, Set, &[&str]); 4] = [
        ("variables", |profile| profile.variables = Some("v.fd".into()), &["qemu-vtpm"]),
        ("pinned", |profile| profile.pinned = Some("log".into()), &["qemu-vtpm"]),
        ("image", |profile| profile.image = Some("se.img".into()), &["se"]),
        (
            "firmware",
            |profile| profile.firmware = Some("a.fd".into()),
            &["qemu-snp", "qemu-tdx-direct", "qemu-vtpm", "se"],
        ),
    ];
    for (key, set, of) in rows {
        for name in ["qemu-snp", "qemu-tdx-direct", "qemu-vtpm", "se"] {
            let profile = changed(name, set);
            match of.contains(&name) {
                true => profile.check().unwrap(),
                false => assert_eq!(refused(&profile).0, key, "{name}"),
            }
            // The text of a profile names none of them.
            let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name).unwrap();
            let text = format!("{key} = \"a.fd\"\n{text}");
            let error = Profile::parse(&text, name).unwrap_err().to_string();
            assert!(error.contains("no files: the definition's `platforms` name them"), "{error}");
        }
    }
    for (key, set, _) in rows {
        let profile = changed("se", |profile| {
            set(profile);
            for file in [
                &mut profile.firmware,
                &mut profile.variables,
                &mut profile.pinned,
                &mut profile.image,
            ] {
                *file = file.take().map(|name| format!("../{name}"));
            }
        });
        let error = profile.check_files().unwrap_err();
        let ProfileError::Invalid { key: of, found, .. } = &error else { panic!("{error}") };
        assert_eq!(of, key);
        assert!(found.starts_with("../"), "{found}");
    }
}

#[test]
fn what_is_missing_names_the_firmware_that_is_required() {
    for (name, _) in BUILT_IN {
        let profile = Profile::built_in(name).unwrap();
        let expected = match profile.requires {
            Some(requirement) => requirement.words(),
            None => "the firmware of the machine",
        };
        assert_eq!(profile.required_firmware(), expected, "{name}");
    }
    let words = |name: &str| Profile::built_in(name).unwrap().required_firmware();
    assert!(words("qemu-snp").contains("kernel hashes") && words("gce-tdx").contains("Google"));
}

#[test]
fn how_a_machine_has_its_disk_is_said_as_it_is_in_the_profile() {
    let profile = changed("qemu-vtpm", |profile| {
        profile.disk_bus = Some(DiskBus::Nvme);
        profile.firmware_by = Some(FirmwareBy::Bios);
        profile.disk = Some(DiskAccess::Writable);
    });
    let expected = Medium {
        is_writable: Some(true),
        bus: Some(DiskBus::Nvme),
        firmware_by: Some(FirmwareBy::Bios),
    };
    assert_eq!(profile.medium(), expected);
}

/// The words of files are those of messages.
#[test]
fn a_word_is_written_as_it_is_in_a_file() {
    let vmms = [Vmm::Qemu, Vmm::Ec2, Vmm::Gce, Vmm::Azure];
    assert_eq!(vmms.map(|vmm| vmm.to_string()), ["qemu", "ec2", "gce", "azure"]);
    assert_eq!(format!("[{:>6}]", Vmm::Gce), "[   gce]");
    let technologies = [Technology::SevSnp, Technology::Tdx, Technology::Tpm, Technology::Se];
    assert_eq!(technologies.map(|of| word(&of)), ["sev-snp", "tdx", "tpm", "se"]);
    assert_eq!([Boot::Direct, Boot::UkiDisk].map(|of| word(&of)), ["direct", "uki-disk"]);
    // What is no word is none.
    assert_eq!(word(&1), "");
}

#[test]
fn a_name_that_is_not_known_is_answered_with_those_that_are() {
    for (name, hint) in
        [("qemu-tdx", "did you mean `qemu-tdx-uki`?"), ("azure-vtmp", "did you mean `azure-vtpm`?")]
    {
        let error = Profile::built_in(name).unwrap_err();
        assert!(matches!(&error, ProfileError::Unknown { name: found } if found == name));
        assert_eq!((error.hint().unwrap().as_str(), error.fault()), (hint, Fault::Definition));
    }
    let hint = Profile::built_in("x").unwrap_err().hint().unwrap();
    assert!(hint.starts_with("the profiles are qemu-snp, ec2-snp, "), "{hint}");
    assert!(hint.contains(", se; in a definition `./FILE.toml`"), "{hint}");
    let error = Profile::parse("version = 1", "mine.toml").unwrap_err();
    assert!(matches!(&error, ProfileError::Malformed { place, .. } if place == "mine.toml"));
    assert_eq!((error.hint(), error.fault()), (None, Fault::Definition));
}

/// What is published of a requirement, and what a person reads.
#[test]
fn a_requirement_is_a_code() {
    for code in Requirement::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.code());
        assert_eq!(serde_json::from_value::<Requirement>(code.code().into()).unwrap(), *code);
    }
    let schema = serde_json::to_value(schemars::schema_for!(Requirement)).unwrap();
    let codes: Vec<&str> = Requirement::ALL.iter().map(|code| code.code()).collect();
    assert_eq!(schema["enum"], serde_json::json!(codes));
    assert!(serde_json::from_str::<Requirement>("\"seabios\"").is_err());
}
