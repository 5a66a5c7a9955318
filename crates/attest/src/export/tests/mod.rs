//! What the documents have in common: which machines are in them, what is noted, and what is refused.

pub(super) mod fixture;

use std::path::{Path, PathBuf};

use cvmkit_host::fault::{Diagnosis as _, Fault};
use cvmkit_host::files;
use cvmkit_measure::event::{Bank, RtmrIndex};
use cvmkit_measure::snp::id_block::PrivateKey;
use serde_json::{Value, json};

use self::fixture::{KEY, Values};
use super::machine::ExpectedMachine;
use super::*;
use crate::tests::image::value;

fn shapes() -> [Shape; 7] {
    [
        Shape::Corim,
        Shape::Rvps,
        Shape::Dstack,
        Shape::DstackMr,
        Shape::Oasis,
        Shape::Katana,
        Shape::SystemdMeasure,
    ]
}

fn exported(
    source: &ExportSource,
    shape: Shape,
    options: &Options,
) -> Result<Document, ExportError> {
    export(source, shape, &Selection::default(), options)
}

/// One machine of each platform, so that every shape but those of an image's files has a document.
fn values() -> Vec<Value> {
    let digest = |byte: &str, len| byte.repeat(len);
    let registers = json!({
        "mrtd": digest("0a", 48), "rtmr0": digest("0b", 48), "rtmr1": digest("0c", 48),
        "rtmr2": digest("0d", 48),
    });
    vec![
        value("snp", ["sev-snp", "qemu", "direct"], json!({ "launch-digest": digest("01", 48) })),
        value("td", ["tdx", "qemu", "direct"], json!({ "registers": { "sha384": registers } })),
        value(
            "tpm",
            ["tpm", "qemu", "uki-disk"],
            json!({ "registers": { "sha256": { "pcr11": digest("02", 32) } } }),
        ),
    ]
}

/// I9: nothing of a debug image leaves without its mark.
#[test]
fn values_of_a_debug_image_are_exported_marked_or_not_at_all() {
    let values = Values::of_debug(&values());
    let source = values.source();
    for shape in shapes() {
        let error = exported(&source, shape, &Options::default()).unwrap_err();
        let ExportError::Debug { path } = &error else { panic!("{error}") };
        assert_eq!((path, error.fault()), (&values.path(), Fault::Definition));
    }
    let allowed = Options { allow_debug: true, ..Options::default() };
    for shape in [Shape::Corim, Shape::Rvps, Shape::DstackMr, Shape::Oasis] {
        let document = exported(&source, shape, &allowed).unwrap();
        assert!(document.debug && document.has_debug_mark(), "{shape}");
        assert_eq!(document.notes.first(), Some(&Note::Debug), "{shape}");
        assert!(document.machines.iter().all(|name| name.starts_with(DEBUG_MARK)), "{shape}");
    }
}

#[test]
fn a_document_of_a_production_image_has_no_mark() {
    let values = Values::of(&values());
    for allow_debug in [false, true] {
        let options = Options { allow_debug, ..Options::default() };
        for shape in [Shape::Corim, Shape::Rvps, Shape::DstackMr, Shape::Oasis] {
            let document = exported(&values.source(), shape, &options).unwrap();
            assert!(!document.debug && !document.has_debug_mark(), "{shape}");
            assert!(!document.notes.contains(&Note::Debug), "{shape}");
        }
    }
}

/// A shape whose document of a debug image does not say so is a fault of this program.
#[test]
fn the_mark_is_looked_for_in_the_bytes() {
    let document = |bytes: &[u8]| Document {
        bytes: bytes.to_vec(),
        media_type: "application/json",
        debug: true,
        machines: Vec::new(),
        notes: Vec::new(),
    };
    for (bytes, has_mark) in [
        (&b"DEBUG IMAGE"[..], true),
        (b"x DEBUG IMAGE x", true),
        (b"DEBUG IMAG", false),
        (b"debug image", false),
        (b"", false),
    ] {
        assert_eq!(document(bytes).has_debug_mark(), has_mark);
    }
    assert_eq!(ExportError::Unmarked { shape: Shape::Rvps }.fault(), Fault::Bug);
}

/// Only a CoRIM has a place for a signature and for a time.
#[test]
fn a_key_or_a_time_is_refused_where_it_has_no_effect() {
    let values = Values::of(&values());
    let key = || PrivateKey::from_pem("key", KEY).unwrap();
    let not_after = "2027-12-31T23:59:59Z".parse().unwrap();
    let signed =
        || Options { signer: Some(Signer { key: key(), name: None }), ..Options::default() };
    let timed = || Options {
        validity: Some(Validity { not_before: None, not_after }),
        ..Options::default()
    };
    for options in [signed(), timed()] {
        for shape in shapes().into_iter().filter(|shape| *shape != Shape::Corim) {
            let error = exported(&values.source(), shape, &options).unwrap_err();
            assert!(matches!(error, ExportError::Unsigned { shape: of } if of == shape), "{error}");
        }
        exported(&values.source(), Shape::Corim, &options).unwrap();
    }
    let notes = |options| exported(&values.source(), Shape::Corim, &options).unwrap().notes;
    assert!(!notes(signed()).contains(&Note::Unsigned));
    assert!(notes(timed()).contains(&Note::Unsigned));
}

#[test]
fn json_is_text_that_ends_its_last_line() {
    let values = Values::of(&values());
    for (shape, is_binary) in [
        (Shape::Rvps, false),
        (Shape::DstackMr, false),
        (Shape::Oasis, false),
        (Shape::Corim, true),
    ] {
        let document = exported(&values.source(), shape, &Options::default()).unwrap();
        assert_eq!(document.is_binary(), is_binary, "{shape}");
        if !is_binary {
            assert_eq!(document.media_type, "application/json");
            serde_json::from_slice::<Value>(&document.bytes).unwrap();
            assert!(document.bytes.ends_with(b"}\n"), "{shape}");
        }
    }
}

/// Each of a profile, a number of vCPUs, their type and a size of memory leaves out the machines that it is
/// not of; of several, all hold.
#[test]
fn machines_are_chosen_by_all_that_is_given() {
    let of = |profile: &str, more| value(profile, ["sev-snp", "qemu", "direct"], more);
    let values = Values::of(&[
        of("a", json!({ "vcpus": 1, "vcpu-type": "EPYC-v4" })),
        of("a", json!({ "vcpus": 2, "vcpu-type": "EPYC-v4", "memory": "2G" })),
        of("b", json!({ "vcpus": 2, "vcpu-type": "EPYC-Milan", "memory": "1G" })),
        of("b", json!({})),
    ]);
    let source = values.source();
    let all: Vec<String> = source.machines.iter().map(ToString::to_string).collect();
    let chosen = |selection: Selection| -> Vec<usize> {
        let chosen = source.select(&selection).unwrap();
        let at = |name: String| all.iter().position(|other| *other == name).unwrap();
        chosen.iter().map(|machine| at(machine.to_string())).collect()
    };
    let any = Selection::default;
    let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
    let v4 = Some("EPYC-v4".to_owned());
    for (selection, expected) in [
        (any(), &[0, 1, 2, 3][..]),
        (Selection { profile: a.clone(), ..any() }, &[0, 1]),
        (Selection { vcpus: Some(2), ..any() }, &[1, 2]),
        (Selection { vcpu_type: v4, ..any() }, &[0, 1]),
        (Selection { memory: Some(1 << 30), ..any() }, &[2]),
        (Selection { profile: b, vcpus: Some(2), ..any() }, &[2]),
        (Selection { vcpus: Some(2), memory: Some(2 << 30), ..any() }, &[1]),
    ] {
        assert_eq!(chosen(selection.clone()), expected, "{selection:?}");
    }
    for selection in [
        Selection { profile: a, vcpus: Some(3), ..any() },
        Selection { memory: Some(3 << 30), ..any() },
        Selection { vcpu_type: Some("EPYC".to_owned()), ..any() },
    ] {
        let error = source.select(&selection).unwrap_err();
        let ExportError::NoMachine { path, known } = &error else { panic!("{error}") };
        assert_eq!((path, known), (&values.path(), &all));
        assert_eq!(
            error.hint().unwrap(),
            "choose by profile, number of vCPUs, vCPU type and memory"
        );
    }
}

/// Ids of CoMIDs are made of these names, so no two may be alike.
#[test]
fn machines_that_are_worded_alike_are_numbered() {
    let of = |profile: &str| value(profile, ["tpm", "azure", "uki-disk"], json!({}));
    let values = Values::of(&[of("a"), of("b"), of("a"), of("a"), of("b")]);
    let names: Vec<String> = values.source().machines.iter().map(ToString::to_string).collect();
    let (a, b) = ("a (azure, uki-disk boot)", "b (azure, uki-disk boot)");
    let numbered = |name: &str, number: usize| format!("{name} #{number}");
    assert_eq!(names, [a.to_owned(), b.to_owned(), numbered(a, 2), numbered(a, 3), numbered(b, 2)]);
}

#[test]
fn a_source_is_a_folder_or_its_reference_values() {
    let values = Values::of(&values());
    let file = values.source();
    let error = file.folder(Shape::Katana, "files").unwrap_err();
    let ExportError::NoFolder { path, shape: Shape::Katana, what: "files" } = &error else {
        panic!("{error}")
    };
    assert_eq!(path, &values.path());
    assert_eq!(error.hint().unwrap(), "name the image's folder");
    let folder = ExportSource::open(values.folder()).unwrap();
    assert_eq!(folder.folder(Shape::Katana, "files").unwrap(), values.folder());
    // Ids are derived from the bytes of the file, whichever names it.
    let bytes = files::read(&values.path()).unwrap();
    let identity = cvmkit_formats::digest::Sha256::of(&bytes);
    assert_eq!((file.sha256, folder.sha256), (identity, identity));
    let missing = ExportSource::open(&values.folder().join("none")).unwrap_err();
    assert!(matches!(&missing, ExportError::File(error) if error.is_not_found()), "{missing}");
    assert_eq!(missing.fault(), Fault::Definition);
}

#[test]
fn a_file_that_is_too_long_is_no_source() {
    let values = Values::of(&values());
    let len = usize::try_from(crate::output::DESCRIPTION_MAX).unwrap();
    files::replace(&values.path(), &vec![b' '; len + 1]).unwrap();
    let error = ExportSource::open(&values.path()).unwrap_err();
    assert!(matches!(error, ExportError::File(_)), "{error}");
}

#[test]
fn a_machine_needs_the_profile_of_its_name() {
    let of = |name: &str| value(name, ["tdx", "gce", "uki-disk"], json!({}));
    let profile = serde_json::to_value(crate::profile::Profile::built_in("gce-tdx").unwrap());
    let values = Values::with(false, &[profile.unwrap()], &[of("gce-tdx"), of("other")]);
    let source = values.source();
    assert_eq!(source.profile(&source.machines[0]).unwrap().name, "gce-tdx");
    let error = source.profile(&source.machines[1]).unwrap_err();
    let ExportError::NoProfile { path, profile } = &error else { panic!("{error}") };
    assert_eq!((path, profile.as_str()), (&values.path(), "other"));
    assert!(error.hint().unwrap().starts_with("name the folder of an image"), "{error}");
}

/// A value that is missing has the reason of the reference values, if they give one.
#[test]
fn what_is_missing_has_its_reason() {
    let machine = fixture::machine(value(
        "td",
        ["tdx", "qemu", "direct"],
        json!({
            "registers": { "sha384": { "rtmr1": "0c".repeat(48) }, "sha256": {} },
            "not-predicted": { "rtmr0": { "code": "acpi-tables" } },
        }),
    ));
    assert_eq!(machine.needed(Shape::Oasis, Bank::Sha384, "rtmr1").unwrap(), [0x0c; 48]);
    assert_eq!(machine.register(Bank::Sha256, "rtmr1"), None);
    let missing = |name: &str, bank| {
        let error = machine.needed(Shape::Oasis, bank, name).unwrap_err();
        let ExportError::Missing { shape: Shape::Oasis, machine: of, what, why } = &error else {
            panic!("{error}")
        };
        assert_eq!((of, what.as_str()), (&machine.to_string(), name));
        (why.clone(), error.hint())
    };
    let (why, hint) = missing("rtmr0", Bank::Sha384);
    assert_eq!(why, "the digests of the ACPI tables, which the VMM makes, are not known");
    assert!(hint.unwrap().contains("`[[acpi]]`"));
    let (why, hint) = missing("mrtd", Bank::Sha384);
    assert_eq!(why, "the reference values do not have it");
    assert!(hint.unwrap().contains("`firmware`"));
    let (why, hint) = missing("rtmr1", Bank::Sha256);
    assert_eq!((why.as_str(), hint), ("the reference values do not have it", None));
    let error = machine.needed_launch_digest(Shape::Katana).unwrap_err();
    assert!(
        matches!(&error, ExportError::Missing { what, .. } if what == "launch-digest"),
        "{error}"
    );
}

/// Conditions and reasons are those of the registers that a document has.
#[test]
fn notes_are_of_the_registers_that_are_asked_for() {
    let machine = fixture::machine(value(
        "mine",
        ["tpm", "qemu", "uki-disk"],
        json!({
            "registers": { "sha256": { "pcr4": "04".repeat(32) } },
            "conditions": {
                "pcr4": [{ "code": "secure-boot-off" }, { "code": "no-option-rom" }],
            },
            "not-predicted": { "pcr0": { "code": "firmware-build" }, "pcr10": { "code": "ima" } },
        }),
    ));
    let said = |wanted: &[&str]| -> Vec<String> {
        machine.words(|name| wanted.contains(&name)).iter().map(ToString::to_string).collect()
    };
    let name = machine.to_string();
    let pcr4 = format!("{name}: pcr4: if Secure Boot is off; if no device has an option ROM");
    assert_eq!(said(&["pcr4"]), std::slice::from_ref(&pcr4));
    let pcr10 = "Linux IMA extends it with the registers before it and with files it reads";
    assert_eq!(said(&["pcr10", "pcr4"]), [format!("{name}: no pcr10: {pcr10}"), pcr4]);
    assert_eq!(said(&["pcr11"]), Vec::<String>::new());
    assert_eq!(machine.words(|_| true).len(), 3);
}

#[test]
fn a_platform_is_named_once() {
    let of = |platform: &str| {
        let boot = if platform == "tpm" { "uki-disk" } else { "direct" };
        fixture::machine(value("p", [platform, "qemu", boot], json!({})))
    };
    let machines = ["tpm", "se", "tdx", "tpm", "sev-snp", "tdx"].map(of);
    let machines: Vec<&ExpectedMachine> = machines.iter().collect();
    assert_eq!(machine::platforms(&machines), ["sev-snp", "tdx", "tpm", "se"]);
    assert_eq!(machine::platforms(&[]), Vec::<String>::new());
}

#[test]
fn a_shape_for_one_machine_refuses_several() {
    let machines =
        ["a", "b"].map(|name| fixture::machine(value(name, ["se", "qemu", "direct"], json!({}))));
    let [one, other] = machines.each_ref();
    assert_eq!(document::single(Shape::Katana, &[one]).unwrap().to_string(), one.to_string());
    for several in [vec![one, other], vec![]] {
        let error = document::single(Shape::Katana, &several).unwrap_err();
        let ExportError::SeveralMachines { shape: Shape::Katana, machines } = &error else {
            panic!("{error}")
        };
        let names: Vec<String> = several.iter().map(ToString::to_string).collect();
        assert_eq!(machines, &names);
        assert_eq!(
            error.hint().unwrap(),
            "choose by profile, number of vCPUs, vCPU type and memory"
        );
    }
}

/// Whose fault it is, and the next step: `None` where there is none to name.
#[test]
fn an_error_says_whose_fault_it_is_and_the_next_step() {
    let path = || PathBuf::from("out");
    let shape = Shape::Dstack;
    let of_file = |kind| {
        let error = std::io::Error::from(kind);
        files::cannot("read", Path::new("out"))(error)
    };
    let missing = |what: &str| ExportError::Missing {
        shape,
        machine: "a machine".into(),
        what: what.into(),
        why: String::new(),
    };
    let rows: [(ExportError, Fault, Option<&str>); 15] = [
        (of_file(std::io::ErrorKind::NotFound).into(), Fault::Definition, None),
        (of_file(std::io::ErrorKind::StorageFull).into(), Fault::Environment, Some("make room")),
        (ExportError::Debug { path: path() }, Fault::Definition, None),
        (ExportError::Unmarked { shape }, Fault::Bug, None),
        (ExportError::Cbor { reason: String::new() }, Fault::Bug, None),
        (missing("rtmr0"), Fault::Definition, Some("`[[acpi]]` of a profile of your own")),
        (missing("mrtd"), Fault::Definition, Some("name the `firmware` of this platform")),
        (missing("pcr4"), Fault::Definition, None),
        (
            ExportError::SeveralPlatforms { shape, platforms: Vec::new() },
            Fault::Definition,
            Some("choose by profile"),
        ),
        (
            ExportError::NoPlace { shape, platforms: Vec::new(), carries: "", add: "a profile" },
            Fault::Definition,
            Some("add a profile to the definition's `platforms`"),
        ),
        (ExportError::NoHashTable { path: path() }, Fault::Definition, Some("OVMF.amdsev.fd")),
        (
            ExportError::OtherBoot {
                machine: String::new(),
                register: RtmrIndex::new(1).unwrap(),
                at: 1,
                expected: String::new(),
                found: String::new(),
            },
            Fault::Definition,
            Some("edk2 2024.11 to 2025.02"),
        ),
        (ExportError::NoRootfsHash, Fault::Definition, Some("`[kernel] command-line`")),
        (ExportError::Unsigned { shape }, Fault::Definition, None),
        (
            crate::predict::TdError::NoFirmware.into(),
            Fault::Definition,
            Some("name the latest layout"),
        ),
    ];
    for (error, fault, hint) in rows {
        assert_eq!(error.fault(), fault, "{error}");
        let found = error.hint();
        match hint {
            Some(words) => assert!(found.as_ref().unwrap().contains(words), "{error}: {found:?}"),
            None => assert_eq!(found, None, "{error}"),
        }
    }
}
