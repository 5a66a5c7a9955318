//! What a TD may be, what it reports, and how well the one fits the other.

use cvmkit_measure::compare::{Kind, OpenComparison, RegisterComparison};
use serde_json::json;

use super::super::tests::fixture::{known, registers, rtmr, sha256, sha384};
use super::*;
use crate::tests::image::{ImageFolder, td_firmware, value};

fn direct() -> TdBoot {
    TdBoot::of_image(ImageFolder::direct().finish().path()).unwrap()
}

fn disk() -> TdBoot {
    TdBoot::disk_of_image(ImageFolder::new().uki().finish().path()).unwrap()
}

fn layout(name: &str) -> Layout {
    name.parse().unwrap()
}

fn td_file() -> TdFirmware {
    TdFirmware::new(Path::new("OVMF.fd"), td_firmware()).unwrap()
}

/// Everything that is not said is tried with every value that it can have.
#[test]
fn what_is_not_said_of_a_td_is_tried() {
    let (direct, disk, firmware) = (direct(), disk(), td_file());
    let nothing = Named::default();
    let any = TdOptions::default();
    let count =
        |boot, firmware, options: &TdOptions| candidates(boot, firmware, &nothing, options).len();
    // Layouts x QEMU's releases, those with a patched kernel for four sizes of memory, the newest layout
    // with a writable and a read-only disk; each with Secure Boot built in and absent, with a TPM and without.
    let sizes: usize = [13, 13, 10, 10, 2 * 10].iter().sum();
    assert_eq!(count(&direct, Some(&firmware), &any), sizes * 4);
    // Of a boot from the disk the memory does not count.
    let disks: usize = [4, 4, 4, 4, 2 * 4].iter().sum();
    assert_eq!(count(&disk, Some(&firmware), &any), disks * 4);
    // A cloud's firmware is not asked for its Secure Boot.
    assert_eq!(count(&disk, None, &any), disks * 2);
    let memory = TdOptions { memory: Some(1 << 30), ..any.clone() };
    assert_eq!(count(&direct, Some(&firmware), &memory), disks * 4);
    let tpm = TdOptions { tpm: Some(true), ..any.clone() };
    assert_eq!(count(&disk, None, &tpm), disks);
    let qemu = TdOptions { qemu: Some(QemuVersion::new(10, 1)), ..any.clone() };
    assert_eq!(count(&disk, None, &qemu), 2 * (4 + 2));
    let medium = Medium { is_writable: Some(false), ..Medium::default() };
    let read_only = TdOptions { medium, ..any.clone() };
    assert_eq!(count(&disk, None, &read_only), 2 * 5 * 4);
    let of_layout = TdOptions { layout: Some(layout("edk2-stable202411")), ..any };
    assert_eq!(count(&disk, None, &of_layout), 2 * 4);
    let all = TdOptions { qemu: qemu.qemu, memory: Some(1), tpm: Some(false), ..of_layout };
    let [only] = &candidates(&direct, None, &nothing, &all)[..] else { panic!() };
    assert!(only.knows_memory && !only.machine.tpm && only.machine.memory == 1);
    assert_eq!((only.layout, only.machine.qemu), (all.layout.unwrap(), QemuVersion::new(10, 1)));
    assert_eq!(only.machine.layout, all.layout);
}

/// The likeliest first: the newest layout and QEMU, or the QEMU that the image's profiles name.
#[test]
fn candidates_are_tried_in_their_order() {
    let boot = disk();
    let first = |named: &Named| {
        let candidates = candidates(&boot, None, named, &TdOptions::default());
        let first = &candidates[0];
        let is_writable = first.machine.medium.is_writable;
        (first.layout.name, first.machine.qemu, first.machine.tpm, is_writable)
    };
    let newest = ("edk2-stable202508", NEWEST, false, Some(true));
    assert_eq!(first(&Named::default()), newest);
    let td = value("td", ["tdx", "qemu", "uki-disk"], json!({ "vmm-version": "9.1" }));
    let named = Named::of(&known(&[td]));
    assert_eq!(first(&named), ("edk2-stable202508", QemuVersion::new(9, 1), false, Some(true)));
    let releases: Vec<QemuVersion> = candidates(&boot, None, &named, &TdOptions::default())
        .iter()
        .filter(|of| of.layout == layout("edk2-stable202205") && !of.machine.tpm)
        .map(|of| of.machine.qemu)
        .collect();
    let expected = [(9, 1), (10, 2), (10, 0), (9, 0), (8, 0)].map(|(a, b)| QemuVersion::new(a, b));
    assert_eq!(releases, expected);
}

/// QEMU patches a kernel for four sizes of memory; only a direct boot has one that it hands over.
#[test]
fn memory_is_tried_where_the_kernel_is_patched_for_it() {
    let (direct, disk) = (direct(), disk());
    let sizes = |boot, name: &str, (major, minor), memory| {
        let options = TdOptions { memory, ..TdOptions::default() };
        let machine = TdMachine::of_qemu(QemuVersion::new(major, minor), 0);
        let found = of_machine(boot, layout(name), &machine, &options);
        assert!(found.iter().all(|of| of.knows_memory == memory.is_some()));
        found.iter().map(|of| of.machine.memory >> 20).collect::<Vec<_>>()
    };
    let (old, new) = ("edk2-stable202411", "edk2-stable202502");
    for (boot, name, qemu, memory, expected) in [
        (&direct, old, (9, 0), None, &[512, 1024, 2048, 4096][..]),
        (&direct, old, (10, 1), None, &[512, 1024, 2048, 4096]),
        (&direct, old, (10, 2), None, &[1024]),
        (&direct, new, (9, 2), None, &[512, 1024, 2048, 4096]),
        (&direct, new, (10, 0), None, &[1024]),
        (&direct, old, (9, 0), Some(3 << 30), &[3072]),
        (&disk, old, (9, 0), None, &[1024]),
    ] {
        assert_eq!(sizes(boot, name, qemu, memory), expected, "{name} {qemu:?}");
    }
}

#[test]
fn an_image_boots_in_the_ways_that_it_has_files_for() {
    let whole = ImageFolder::direct().uki().finish();
    let kinds = |folder: &ImageFolder, boot| {
        let mut refusals = Vec::new();
        let boots = boots(folder.path(), boot, &mut refusals);
        (boots.iter().map(TdBoot::kind).collect::<Vec<_>>(), refusals.len())
    };
    assert_eq!(kinds(&whole, None), (vec!["direct", "uki-disk"], 0));
    assert_eq!(kinds(&whole, Some(Boot::Direct)), (vec!["direct"], 0));
    assert_eq!(kinds(&whole, Some(Boot::UkiDisk)), (vec!["uki-disk"], 0));
    let direct = ImageFolder::direct().finish();
    assert_eq!(kinds(&direct, None), (vec!["direct"], 1));
    assert_eq!(kinds(&direct, Some(Boot::UkiDisk)), (vec![], 1));
}

/// Said, named by the profiles, or those of the folder that start a TD.
#[test]
fn firmware_is_the_one_that_is_said_or_named_or_there() {
    let folder = ImageFolder::direct()
        .file("firmware", "snp.fd", &crate::tests::image::snp_firmware())
        .file("firmware", "OVMF.fd", &td_firmware())
        .finish();
    folder.put("said.fd", &td_firmware());
    let found = |named: &Named, path: Option<&str>| {
        let options =
            TdOptions { firmware: path.map(|name| folder.at(name)), ..TdOptions::default() };
        let mut notes = Vec::new();
        let firmware = firmware(folder.path(), named, &options, &mut notes).unwrap();
        let name = |of: &TdFirmware| of.path().file_name().unwrap().to_str().unwrap().to_owned();
        (firmware.iter().map(|of| of.as_ref().map(name)).collect::<Vec<_>>(), notes)
    };
    let some = |name: &str| Some(name.to_owned());
    let td = |vmm: &str, boot: &str, firmware: &str| {
        value("td", ["tdx", vmm, boot], json!({ "firmware": firmware }))
    };
    let named = Named::of(&known(&[td("qemu", "direct", "OVMF.fd"), td("gce", "uki-disk", "x")]));
    assert_eq!(found(&named, Some("said.fd")), (vec![some("said.fd")], vec![]));
    assert_eq!(found(&named, None), (vec![some("OVMF.fd"), None], vec![]));
    let (there, notes) = found(&Named::default(), None);
    assert_eq!(there, [some("OVMF.fd")]);
    assert!(notes.len() == 1 && notes[0].contains("snp.fd"), "{notes:?}");
    // A TD whose firmware is not at hand, such as a cloud's.
    let without = ImageFolder::direct().finish();
    let nothing = TdOptions::default();
    let found = firmware(without.path(), &Named::default(), &nothing, &mut Vec::new()).unwrap();
    assert!(matches!(found[..], [None]));
}

fn event(register: Register, event_type: EventType, digest: BankDigest) -> ObservedEvent<'static> {
    ObservedEvent { register, event_type, digest, data: Default::default() }
}

#[test]
fn what_is_reported_is_of_values_and_of_events() {
    let log = Observed::new(
        RegisterSet::Td,
        Bank::Sha384,
        vec![event(rtmr(2), EventType::EV_EVENT_TAG, sha384(2))],
    )
    .unwrap();
    // A TD has no bank but SHA-384.
    let values = registers(&[(Register::Mrtd, sha384(1)), (rtmr(1), sha256(1))]);
    let td = |log, values| ReportedTd { log, values };
    let names = |td: ReportedTd<'_>| td.reported().into_iter().collect::<Vec<_>>();
    assert_eq!(names(td(Some(&log), Some(&values))), [Register::Mrtd, rtmr(2)]);
    assert_eq!(names(td(Some(&log), None)), [rtmr(2)]);
    assert_eq!(names(td(None, None)), []);
    let given = td(Some(&log), Some(&values)).given();
    assert_eq!(given.into_iter().collect::<Vec<_>>(), [(Register::Mrtd, sha384(1))]);
}

/// The TD HOB describes the memory: by its digest the size is found.
#[test]
fn the_memory_is_found_by_the_first_td_hob() {
    use cvmkit_measure::firmware::Firmware;
    use cvmkit_measure::tdx::hob::TdHob;
    let (bytes, firmware) = (td_firmware(), td_file());
    let hob = |memory: u64| {
        let parsed = Firmware::parse(&bytes).unwrap();
        BankDigest::Sha384(TdHob::q35(&parsed, memory).unwrap().digests().sha384)
    };
    let hobs = EventType::EV_EFI_HANDOFF_TABLES2;
    let log = |events: &[(EventType, BankDigest)]| {
        let events = events.iter().map(|(kind, digest)| event(rtmr(0), *kind, *digest)).collect();
        Observed::new(RegisterSet::Td, Bank::Sha384, events).unwrap()
    };
    let memory = |events: &[(EventType, BankDigest)]| {
        let log = log(events);
        ReportedTd { log: Some(&log), values: None }.memory(&firmware)
    };
    let other = (EventType::EV_SEPARATOR, hob(1 << 30));
    assert_eq!(memory(&[other, (hobs, hob(3 << 30)), (hobs, hob(1 << 30))]), Some(3 << 30));
    assert_eq!(memory(&[(hobs, hob(2049 << 20))]), Some(2049 << 20));
    assert_eq!(memory(&[other]), None);
    assert_eq!(ReportedTd { log: None, values: None }.memory(&firmware), None);
    // A machine of another memory than is said.
    let events = log(&[(hobs, hob(2 << 30))]);
    let td = ReportedTd { log: Some(&events), values: None };
    assert_eq!(other_memory(&td, &firmware, Some(2 << 30)), None);
    assert_eq!(other_memory(&td, &firmware, None), None);
    let words = "the TD HOB of the log is that of a machine with 2048 MiB of memory, not 4096";
    assert_eq!(other_memory(&td, &firmware, Some(4 << 30)).as_deref(), Some(words));
}

/// A comparison of these values and these registers of a log: whether each is equal, or none if not given.
fn comparison(values: &[(Register, Option<bool>)], log: &[(u8, bool)]) -> TdComparison {
    let value = |(register, state): &(Register, Option<bool>)| ValueComparison {
        register: *register,
        expected: sha384(1),
        observed: state.map(|is_equal| if is_equal { sha384(1) } else { sha384(2) }),
        causes: Vec::new(),
    };
    let register = |(number, is_equal): &(u8, bool)| RegisterComparison {
        register: rtmr(*number),
        expected: sha384(1),
        observed: sha384(1),
        divergence: (!is_equal).then(|| divergence(*number)),
    };
    let events = Comparison {
        registers: log.iter().map(register).collect(),
        open: Vec::new(),
        not_predicted: Vec::new(),
    };
    TdComparison {
        boot: "direct",
        assumptions: TdAssumptions {
            firmware: None,
            layout: LAYOUTS[0],
            qemu: Some(QemuVersion::new(9, 0)),
            memory: Some(2 << 30),
            tpm: false,
        },
        tried: 1,
        values: values.iter().map(value).collect(),
        events: (!log.is_empty()).then_some(events),
        not_predicted: BTreeMap::new(),
        alike: 0,
        reported: BTreeSet::new(),
    }
}

/// An event that nothing is expected of: `compare` alone makes a divergence.
fn divergence(number: u8) -> Divergence {
    let event = event(rtmr(number), EventType::EV_SEPARATOR, sha384(9));
    let log = Observed::new(RegisterSet::Td, Bank::Sha384, vec![event]).unwrap();
    let nothing = cvmkit_measure::event::Events::default();
    let untouched = [rtmr(number)];
    let expected =
        compare::Prediction { untouched: &untouched, ..compare::Prediction::from(&nothing) };
    let found = compare::compare(expected, &log).first().unwrap().clone();
    assert_eq!((found.register, found.kind), (rtmr(number), Kind::Unexpected));
    found
}

#[test]
fn a_td_is_equal_if_something_was_judged_and_nothing_differs() {
    let mrtd = Register::Mrtd;
    for (values, log, is_equal) in [
        (&[(mrtd, Some(true))][..], &[][..], true),
        (&[], &[(1, true), (2, true)], true),
        (&[(mrtd, Some(true))], &[(1, true)], true),
        (&[(mrtd, None)], &[(1, true)], true),
        (&[], &[], false),
        (&[(mrtd, None)], &[], false),
        (&[(mrtd, Some(false))], &[(1, true)], false),
        (&[(mrtd, Some(true))], &[(1, true), (2, false)], false),
    ] {
        assert_eq!(comparison(values, log).is_equal(), is_equal, "{values:?} {log:?}");
    }
}

/// Fewer differences are better, then more that is equal, then more events that are alike.
#[test]
fn the_nearest_td_is_that_with_the_fewest_differences() {
    let mrtd = Register::Mrtd;
    let of = |values: &[(Register, Option<bool>)], log: &[(u8, bool)], alike| {
        let comparison = TdComparison { alike, ..comparison(values, log) };
        comparison.distance()
    };
    let ordered = [
        of(&[(mrtd, Some(true))], &[(1, true), (2, true)], 0),
        of(&[], &[(1, true), (2, true)], 9),
        of(&[(mrtd, Some(true))], &[(1, true)], 8),
        of(&[(mrtd, None)], &[(1, true)], 9),
        of(&[], &[(1, true), (2, true), (3, false)], 9),
        of(&[(mrtd, Some(false))], &[(1, true), (2, true)], 8),
        of(&[(mrtd, Some(false))], &[(1, false)], 99),
    ];
    for pair in ordered.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?}");
    }
}

#[test]
fn what_is_reported_and_not_predicted_is_silent() {
    let mut td = comparison(&[], &[(1, true)]);
    let reason = |register| (register, "unknown".to_owned());
    td.not_predicted = [reason(rtmr(0)), reason(Register::Mrtd), reason(rtmr(1))].into();
    td.reported = [rtmr(0), rtmr(1), rtmr(2)].into();
    assert_eq!(td.silent().copied().collect::<Vec<_>>(), [rtmr(0), rtmr(1)]);
    td.keep_reasons_of_lines();
    assert_eq!(td.not_predicted.into_keys().collect::<Vec<_>>(), [rtmr(1)]);
}

/// Each register has one line, and the reasons of those that have none stand below.
#[test]
fn every_register_of_a_td_has_one_line() {
    let mut td = comparison(&[(Register::Mrtd, Some(true))], &[(1, true), (2, false)]);
    let open = |number, divergence| OpenComparison {
        register: rtmr(number),
        known: 3,
        observed: sha384(1),
        divergence,
    };
    let events = td.events.as_mut().unwrap();
    events.open = vec![open(0, None), open(3, Some(divergence(3)))];
    td.not_predicted = [(rtmr(0), "no tables".to_owned()), (rtmr(3), "x".to_owned())].into();
    let value = sha384(1);
    let text = td.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "expected: qemu 9.0, direct boot, 2G, firmware as edk2-stable202205, without a TPM",
            &format!("  MRTD    equal    sha384:{value}"),
            &format!("  RTMR 1  equal    sha384:{value}"),
            &format!("  RTMR 2  DIFFERS  sha384:{value}"),
            "  RTMR 0  not judged beyond its first 3 events: no tables",
            "  RTMR 3  DIFFERS  within the 3 events known of it",
        ]
    );
    assert!(lines[6].starts_with("first divergence: RTMR "), "{text}");
    let mut without = comparison(&[], &[(1, true)]);
    without.not_predicted = [(Register::Mrtd, "no firmware".to_owned())].into();
    without.assumptions = TdAssumptions {
        firmware: Some("OVMF.fd".into()),
        qemu: None,
        memory: None,
        tpm: true,
        ..without.assumptions
    };
    let text = without.to_string();
    assert!(
        text.starts_with("expected: direct boot, OVMF.fd as edk2-stable202205, with a TPM\n"),
        "{text}"
    );
    assert!(text.ends_with("  MRTD    not predicted: no firmware\n"), "{text}");
}

/// Where values have a line, the log has none of the same register.
#[test]
fn the_log_has_lines_for_registers_without_a_value() {
    let td = comparison(&[], &[(1, true), (2, true)]);
    let values = ValuesComparison {
        expected: String::new(),
        tried: 1,
        fits_as_well: Vec::new(),
        registers: vec![ValueComparison {
            register: rtmr(1),
            expected: sha384(1),
            observed: None,
            causes: Vec::new(),
        }],
        not_predicted: Vec::new(),
        reasons: BTreeMap::new(),
    };
    struct Lines<'a>(&'a TdComparison, &'a ValuesComparison);
    impl fmt::Display for Lines<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.write_events(f, self.1)
        }
    }
    let text = Lines(&td, &values).to_string();
    assert_eq!(text, format!("  RTMR 2  equal    sha384:{}\n", sha384(1)));
}
