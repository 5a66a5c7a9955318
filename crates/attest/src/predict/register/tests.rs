//! What is said of each register: by platform, by what boots and by what is known of the machine.

use cvmkit_formats::digest::Digests;
use cvmkit_measure::event::{Event, EventType, Events, Source};
use cvmkit_measure::linux::KernelVersion;
use cvmkit_measure::tpm::Unknown;
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy};

use super::*;
use crate::tests::Folder;
use crate::tests::bzimage::efi_kernel;
use crate::tests::small_disk::{DEFAULT_PATH, partitioned};
use crate::tests::small_uki::SmallUki;

/// A boot of this project's tests: OVMF 2025.02 with its firmware by `-bios`, of systemd-stub 257.
const BOOTED: Assumptions = Assumptions {
    firmware: cvmkit_measure::firmware::behaviour::FirmwareBuild::Ovmf202502,
    secure_boot: None,
    read_only_disk: Some(false),
    disk_bus: Some(DiskBus::VirtioBlk),
    firmware_by: Some(FirmwareBy::Bios),
    kernel: None,
};

const NOT_BOOTED: Assumptions = Assumptions { disk_bus: Some(DiskBus::Usb), ..BOOTED };

fn pcr(number: u8) -> PcrIndex {
    PcrIndex::new(number).unwrap()
}

/// A prediction of all registers, each with the one event of these bytes.
fn prediction(bytes: &[u8]) -> Prediction {
    let event = |number| Event {
        pcr: pcr(number),
        event_type: EventType::EV_IPL,
        meaning: "a test".into(),
        source: Source::Code,
        digests: Digests::of(bytes),
    };
    let events = (2..16).map(event).collect::<Events>();
    Prediction { events, ..Prediction::default() }
}

fn extended(bank: Bank, bytes: &[u8]) -> BankDigest {
    let digest = bank.hash(bytes);
    bank.initial(cvmkit_measure::event::Register::Pcr(pcr(4)), 0).extend(digest).unwrap()
}

/// An image with this stub, at this path of a disk.
fn on_disk(version: u32, path: &str) -> TpmBoot {
    let folder = Folder::new();
    let image = SmallUki::new(version).image();
    let uki = folder.put("a.efi", &image);
    let disk = folder.put("a.raw", &partitioned(&[(path, &image)]));
    TpmBoot::disk(uki, 0, Some(&disk)).unwrap()
}

fn direct() -> TpmBoot {
    let folder = Folder::new();
    let [kernel, initrd, line] = [
        folder.put("kernel", &efi_kernel()),
        folder.put("initrd", b"initrd"),
        folder.put("line", b"quiet"),
    ];
    TpmBoot::direct(kernel, &initrd, &line).unwrap()
}

/// QEMU's machine, with its disk and without variables.
fn known(boot: &TpmBoot) -> Known<'_> {
    Known { boot, platform: Platform::QemuOvmf, variables: false, disk: true }
}

fn conditions(known: Known<'_>, number: u8, assumptions: Assumptions) -> Vec<&'static str> {
    match known.prediction(Bank::Sha256, pcr(number), &[(assumptions, prediction(b"a"))]) {
        RegisterPrediction::Predicted { value, conditions } => {
            assert_eq!(value, extended(Bank::Sha256, b"a"));
            conditions.into_iter().map(|condition| condition.code.code()).collect()
        }
        RegisterPrediction::Open(reason) => panic!("PCR {number}: {reason}"),
    }
}

fn reason(found: RegisterPrediction) -> Reason {
    match found {
        RegisterPrediction::Open(reason) => reason,
        found => panic!("{found:?}"),
    }
}

#[test]
fn a_register_rests_on_what_else_the_machine_has() {
    let (disk, named) = (on_disk(257, DEFAULT_PATH), on_disk(257, "EFI/Linux/a.efi"));
    for (number, of_default, of_named) in [
        (2, &["no-option-rom"][..], &["no-option-rom"][..]),
        (3, &["no-option-rom"], &["no-option-rom"]),
        (
            4,
            &["no-foreign-disk", "secure-boot-off"],
            &["no-foreign-disk", "named-by-boot-option", "secure-boot-off"],
        ),
        (5, &[], &["named-by-boot-option"]),
        (6, &[], &[]),
        (7, &["without-secure-boot"], &["without-secure-boot"]),
        (8, &[], &[]),
        (9, &["no-added-command-line"], &["no-added-command-line", "named-by-boot-option"]),
        (11, &[], &[]),
        (12, &["no-added-command-line"], &["no-added-command-line", "named-by-boot-option"]),
        (13, &[], &[]),
        (14, &[], &[]),
    ] {
        assert_eq!(conditions(known(&disk), number, BOOTED), of_default, "PCR {number}");
        assert_eq!(conditions(known(&named), number, BOOTED), of_named, "PCR {number}");
    }
}

#[test]
fn a_kernel_from_the_vmm_rests_on_no_disk() {
    let boot = direct();
    let without = Assumptions { read_only_disk: None, disk_bus: None, ..BOOTED };
    for (number, expected) in [
        (2, &["no-option-rom"][..]),
        (4, &[]),
        (5, &[]),
        (7, &["without-secure-boot"]),
        (9, &[]),
        (12, &[]),
    ] {
        assert_eq!(conditions(known(&boot), number, without), expected, "PCR {number}");
    }
}

#[test]
fn what_is_known_of_the_machine_is_no_condition() {
    let (of_257, of_262) = (on_disk(257, DEFAULT_PATH), on_disk(262, DEFAULT_PATH));
    let bare = Known { disk: false, ..known(&of_257) };
    assert_eq!(conditions(bare, 5, BOOTED), ["without-partition-table"]);
    let with_variables = Known { variables: true, ..known(&of_257) };
    assert_eq!(conditions(with_variables, 4, BOOTED), ["no-foreign-disk"]);
    assert_eq!(conditions(with_variables, 7, BOOTED), [""; 0]);
    let off = Assumptions { secure_boot: Some(false), ..BOOTED };
    assert_eq!(conditions(known(&of_257), 7, off), ["no-secure-boot-keys", "not-booted"]);
    // A stub that starts the kernel itself measures the same with Secure Boot.
    assert_eq!(conditions(known(&of_262), 4, BOOTED), ["no-foreign-disk"]);
}

#[test]
fn a_machine_that_no_test_boots_is_said_to_be_one() {
    let boot = on_disk(257, DEFAULT_PATH);
    assert_eq!(conditions(known(&boot), 11, NOT_BOOTED), ["not-booted"]);
    // One of several is enough.
    let both = [BOOTED, NOT_BOOTED].map(|assumptions| (assumptions, prediction(b"a")));
    let found = known(&boot).prediction(Bank::Sha384, pcr(11), &both);
    let expected = RegisterPrediction::Predicted {
        value: extended(Bank::Sha384, b"a"),
        conditions: vec![ConditionCode::NotBooted.into()],
    };
    assert_eq!(found, expected);
    // What is known of a cloud is no boot at all, which its own condition says.
    let azure = Known { platform: Platform::Azure, ..known(&boot) };
    assert_eq!(conditions(azure, 11, NOT_BOOTED), ["qemu-rules"]);
}

/// The documentation of the clouds: `measure::tpm::platform`.
#[test]
fn a_platform_decides_which_registers_are_predicted() {
    let boot = on_disk(257, DEFAULT_PATH);
    let predictions = [(BOOTED, prediction(b"a"))];
    for (platform, number, expected) in [
        (Platform::QemuOvmf, 0, ReasonCode::FirmwareBuild),
        (Platform::QemuOvmf, 1, ReasonCode::MachineConfiguration),
        (Platform::QemuOvmf, 10, ReasonCode::Ima),
        (Platform::QemuOvmf, 15, ReasonCode::UserspaceIdentities),
        (Platform::QemuOvmf, 17, ReasonCode::DynamicLaunch),
        (Platform::QemuOvmf, 23, ReasonCode::Applications),
        (Platform::Azure, 2, ReasonCode::AzureFirmware),
        (Platform::Azure, 5, ReasonCode::AzureBootAttempts),
        (Platform::Gce, 0, ReasonCode::GoogleFirmwareEndorsed),
        (Platform::Gce, 6, ReasonCode::GoogleFirmware),
        (Platform::NitroTpm, 1, ReasonCode::AmazonConstant),
        (Platform::NitroTpm, 9, ReasonCode::AmazonUndocumented),
        (Platform::Azure, 7, ReasonCode::ProviderKeys),
        (Platform::Gce, 7, ReasonCode::ProviderKeys),
        (Platform::NitroTpm, 7, ReasonCode::ProviderKeys),
    ] {
        let known = Known { platform, ..known(&boot) };
        let found = known.prediction(Bank::Sha256, pcr(number), &predictions);
        assert_eq!(found, RegisterPrediction::Open(expected.into()), "{platform}, PCR {number}");
    }
    for (platform, number, expected) in [
        (Platform::Azure, 4, &["qemu-rules", "no-foreign-disk"][..]),
        (Platform::Azure, 7, &["provider-keys", "qemu-rules"]),
        (Platform::Gce, 5, &["partition-table-kept", "qemu-rules"]),
        (Platform::Gce, 13, &["untouched-before-userspace", "qemu-rules"]),
        (Platform::NitroTpm, 12, &["qemu-rules", "no-added-command-line"]),
    ] {
        let known = Known { platform, variables: true, ..known(&boot) };
        assert_eq!(conditions(known, number, BOOTED), expected, "{platform}, PCR {number}");
    }
}

#[test]
fn a_register_that_one_prediction_leaves_open_has_no_value() {
    let boot = on_disk(257, DEFAULT_PATH);
    let found = KernelVersion { major: 6, minor: 0 };
    let old = [(pcr(9), Unknown::OldKernel { found }), (pcr(1), Unknown::PinnedStub)];
    let open = Prediction { open: old.into(), ..prediction(b"a") };
    let predictions = [(BOOTED, prediction(b"a")), (NOT_BOOTED, open)];
    let of = |platform, number| {
        let known = Known { platform, ..known(&boot) };
        reason(known.prediction(Bank::Sha256, pcr(number), &predictions))
    };
    let expected = Reason::with(ReasonCode::OldKernelForTpm, [Word::of("6.0")]);
    assert_eq!(of(Platform::QemuOvmf, 9), expected);
    // PCR 1 is predicted nowhere but by a log, and what is wrong with that is the reason.
    for platform in [Platform::QemuOvmf, Platform::Azure, Platform::NitroTpm] {
        assert_eq!(of(platform, 1), ReasonCode::PinnedWithOtherStub.into(), "{platform}");
    }
    // Where the platform says why there is no value, that is the reason.
    assert_eq!(of(Platform::NitroTpm, 9), ReasonCode::AmazonUndocumented.into());
    let known = known(&boot);
    assert!(matches!(
        known.prediction(Bank::Sha256, pcr(4), &predictions),
        RegisterPrediction::Predicted { .. }
    ));
}

#[test]
fn a_log_pins_pcr_0_and_1_and_no_other() {
    let boot = on_disk(257, DEFAULT_PATH);
    let mut prediction = prediction(b"a");
    let mut pinned: Vec<_> = prediction.events.0[..2].to_vec();
    (pinned[0].pcr, pinned[1].pcr) = (pcr(0), pcr(1));
    prediction.events.extend(pinned);
    let predictions = [(NOT_BOOTED, prediction.clone())];
    for platform in [Platform::QemuOvmf, Platform::Azure, Platform::NitroTpm] {
        let known = Known { platform, ..known(&boot) };
        for (bank, number) in [(Bank::Sha256, 0), (Bank::Sha384, 0), (Bank::Sha384, 1)] {
            let expected = RegisterPrediction::Predicted {
                value: extended(bank, b"a"),
                conditions: vec![ConditionCode::PinnedByLog.into()],
            };
            assert_eq!(known.prediction(bank, pcr(number), &predictions), expected);
        }
    }
    let azure = Known { platform: Platform::Azure, ..known(&boot) };
    let found = azure.prediction(Bank::Sha256, pcr(2), &predictions);
    assert_eq!(reason(found), ReasonCode::AzureFirmware.into());
    // A log without the bank pins nothing in it.
    prediction.unpinned = vec![Bank::Sha384];
    let found = known(&boot).prediction(Bank::Sha384, pcr(0), &[(BOOTED, prediction)]);
    assert_eq!(reason(found), ReasonCode::FirmwareBuild.into());
}

#[test]
fn nothing_is_known_where_nothing_is_predicted() {
    let boot = on_disk(257, DEFAULT_PATH);
    let none = [(BOOTED, Prediction::default())];
    for predictions in [&[][..], &none] {
        let found = known(&boot).prediction(Bank::Sha256, pcr(4), predictions);
        assert_eq!(reason(found), ReasonCode::NothingKnown.into());
    }
}

#[test]
fn predictions_that_differ_leave_a_register_open() {
    let boot = on_disk(257, DEFAULT_PATH);
    let newer = Assumptions { firmware: "ovmf-2026.08".parse().unwrap(), ..BOOTED };
    let predictions = [(BOOTED, prediction(b"a")), (newer, prediction(b"b"))];
    let found = reason(known(&boot).prediction(Bank::Sha384, pcr(5), &predictions));
    assert_eq!(found.code, ReasonCode::FirmwareBehaviour);
    let candidates = found.candidates.iter().map(ToString::to_string).collect::<Vec<_>>();
    let [one, other] = [b"a", b"b"].map(|bytes| extended(Bank::Sha384, bytes));
    assert_eq!(
        candidates,
        [
            format!("{one} with firmware-behaviour ovmf-2025.02"),
            format!("{other} with firmware-behaviour ovmf-2026.08"),
        ]
    );
}

#[test]
fn a_value_is_of_the_bank_that_was_asked_for() {
    let mut prediction = prediction(b"a");
    prediction.untouched = vec![pcr(16)];
    for bank in Bank::ALL {
        assert_eq!(value(bank, &prediction, pcr(4)), Some(extended(bank, b"a")));
        let zero = bank.initial(cvmkit_measure::event::Register::Pcr(pcr(16)), 0);
        assert_eq!(value(bank, &prediction, pcr(16)), Some(zero));
        assert_eq!(value(bank, &prediction, pcr(0)), None);
    }
}

fn assumptions(firmware: &str, kernel: Option<KernelHeader>) -> Assumptions {
    Assumptions {
        firmware: firmware.parse().unwrap(),
        secure_boot: None,
        read_only_disk: None,
        disk_bus: None,
        firmware_by: None,
        kernel,
    }
}

const PATCHED: KernelHeader = KernelHeader::Patched { memory: 2 << 30 };

/// What to say is the least that leaves one value: the firmware, the kernel, or both.
#[test]
fn a_reason_asks_for_the_least_that_decides_the_register() {
    let value = |text: &str| Bank::Sha256.hash(text.as_bytes());
    let (old, new) = ("ovmf-2022.11", "ovmf-2025.02");
    let (file, patched) = (Some(KernelHeader::InFile), Some(PATCHED));
    for (values, code, expected) in [
        (
            vec![(old, file, "a"), (new, file, "b"), (new, patched, "b")],
            ReasonCode::FirmwareBehaviour,
            &["a: ovmf-2022.11", "b: ovmf-2025.02"][..],
        ),
        (
            vec![(old, file, "a"), (old, patched, "b"), (new, file, "a")],
            ReasonCode::KernelHeader,
            &["a: in-file", "b: patched 2G"],
        ),
        (
            vec![(old, file, "a"), (old, patched, "b"), (new, file, "b"), (new, patched, "a")],
            ReasonCode::FirmwareAndKernelHeader,
            &[
                "a: ovmf-2022.11 in-file",
                "b: ovmf-2022.11 patched 2G",
                "b: ovmf-2025.02 in-file",
                "a: ovmf-2025.02 patched 2G",
            ],
        ),
        // What is left undecided by all that can be said.
        (vec![(old, file, "a"), (old, file, "b")], ReasonCode::Undecided, &[]),
    ] {
        let values: Vec<_> = values
            .into_iter()
            .map(|(firmware, kernel, text)| (assumptions(firmware, kernel), value(text)))
            .collect();
        let reason = open(&values);
        assert_eq!(reason.code, code);
        let shown = |candidate: &Candidate| {
            let named =
                ["a", "b"].into_iter().find(|text| value(text).to_string() == candidate.value);
            let when = candidate.when.values().map(Word::as_str).collect::<Vec<_>>().join(" ");
            format!("{}: {when}", named.unwrap())
        };
        assert_eq!(reason.candidates.iter().map(shown).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_candidate_says_what_it_holds_for() {
    let when = of_both(&assumptions("ovmf-2025.02", Some(PATCHED)));
    let words: Vec<(&str, &str)> =
        when.iter().map(|(key, word)| (key.as_str(), word.as_str())).collect();
    assert_eq!(
        words,
        [("firmware-behaviour", "ovmf-2025.02"), ("kernel-header", "patched"), ("memory", "2G")]
    );
    assert!(of_kernel(&assumptions("ovmf-2025.02", None)).is_empty());
}
