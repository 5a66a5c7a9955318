//! Whatever is planted into the log of a real boot, the comparison names it: register, place, kind
//! and cause. What is planted is planted as bytes of the log, and read back by the parser.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod event_logs;

use std::borrow::Cow;
use std::collections::BTreeMap;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::compare::{
    Cause, Comparison, Kind, Prediction, compare, compare_values, identify,
};
use cvmkit_measure::event::log::{AlgorithmId, Log};
use cvmkit_measure::event::{
    Bank, BankDigest, Event, EventType, Events, PcrIndex, Register, RegisterSet, Source,
};
use cvmkit_measure::snp::LaunchDigest;
use event_logs::{ALL, CCEL_GKE_UKI, DIRECT, Record, UKI, header_index, records, write};

/// A log and what was predicted of it.
struct Boot {
    name: &'static str,
    log: Log<'static>,
    index: u32,
    bank: Bank,
}

impl Boot {
    fn new(name: &'static str, bytes: &'static [u8], set: RegisterSet, bank: Bank) -> Self {
        let log = Log::parse(bytes, set).unwrap();
        Self { name, log, index: header_index(bytes), bank }
    }

    /// Every boot at hand, with every bank its log has.
    fn all() -> Vec<Self> {
        let boot = |(name, bytes, set)| {
            let boots = Bank::ALL.map(|bank| Self::new(name, bytes, set, bank));
            boots.into_iter().filter(|boot| boot.log.observed(boot.bank).is_ok())
        };
        ALL.into_iter().flat_map(boot).collect()
    }

    /// The entries that extend a register, as they can be predicted.
    fn predicted(&self) -> Events {
        self.log.observed(self.bank).unwrap();
        let extensions = self.log.entries.iter().filter(|entry| entry.extends());
        extensions
            .map(|entry| {
                let digest = |bank, zero| entry.digest(bank).unwrap_or(zero);
                let [sha256, sha384] = [
                    digest(Bank::Sha256, BankDigest::Sha256(Sha256::ZERO)),
                    digest(Bank::Sha384, BankDigest::Sha384(Sha384::ZERO)),
                ];
                let (BankDigest::Sha256(sha256), BankDigest::Sha384(sha384)) = (sha256, sha384)
                else {
                    panic!("{}", self.name)
                };
                let pcr = pcr_of(entry.register.unwrap());
                let source = source(pcr, entry.event_type, &entry.describe());
                Event {
                    pcr,
                    event_type: entry.event_type,
                    meaning: Cow::Owned(entry.describe()),
                    source,
                    digests: Digests { sha256, sha384 },
                }
            })
            .collect()
    }

    fn compare(&self, records: &[Record]) -> Comparison {
        let bytes = write(&self.log.header, self.index, records);
        let log = Log::parse(&bytes, self.log.registers).unwrap();
        compare((&self.predicted()).into(), &log.observed(self.bank).unwrap())
    }

    /// Registers by record, none for records that extend nothing.
    fn registers(&self) -> Vec<Option<Register>> {
        let register = |entry: &cvmkit_measure::event::log::Entry<'_>| {
            entry.extends().then_some(entry.register).flatten()
        };
        self.log.entries.iter().map(register).collect()
    }
}

/// A PCR whose events end up in this register.
fn pcr_of(register: Register) -> PcrIndex {
    let number = match register {
        Register::Pcr(index) => return index,
        Register::Mrtd => 0,
        Register::Rtmr(index) => [7, 4, 9, 15][usize::from(index.number())],
    };
    PcrIndex::new(number).unwrap()
}

/// The source a predictor would name.
fn source(pcr: PcrIndex, event_type: EventType, description: &str) -> Source {
    match (pcr.number(), event_type) {
        (_, EventType::EV_SEPARATOR | EventType::EV_EFI_ACTION) => Source::Code,
        (0, _) => Source::Firmware,
        (_, EventType::EV_EFI_GPT_EVENT) => Source::PartitionTable,
        (_, EventType::EV_PLATFORM_CONFIG_FLAGS | EventType::EV_EFI_HANDOFF_TABLES2) => {
            Source::Machine
        }
        (1 | 7, _) => Source::FirmwareVariables,
        (4, _) if description.contains("BOOTX64") => Source::Uki,
        (4, _) => Source::Kernel,
        (9, _) if description.contains("initrd") => Source::Initrd,
        (9, _) => Source::CommandLine,
        _ => Source::UkiSection,
    }
}

/// The place of a record among those of its register.
fn place(registers: &[Option<Register>], at: usize) -> usize {
    registers[..at].iter().filter(|register| **register == registers[at]).count()
}

fn flip(record: &mut Record) {
    record.digests.iter_mut().for_each(|(_, digest)| digest[0] ^= 1);
}

/// Whether the comparison names exactly one register, and this place and kind in it.
fn names(found: &Comparison, register: Register, index: usize, kind: Kind) -> bool {
    let diverging: Vec<_> = found.divergences().collect();
    let [only] = diverging[..] else { return false };
    let is_named = (only.register, only.index, only.kind) == (register, index, kind);
    is_named && found.first() == Some(only) && !found.is_equal() && !only.causes.is_empty()
}

#[test]
fn untouched_logs_are_equal() {
    for boot in Boot::all() {
        let found = boot.compare(&records(&boot.log));
        assert!(found.is_equal(), "{}: {:#?}", boot.name, found.first());
        assert_eq!((found.first(), &found.not_predicted[..]), (None, &[][..]));
        let replayed = boot.log.observed(boot.bank).unwrap().replay();
        for register in &found.registers {
            assert_eq!(Some(&register.observed), replayed.get(&register.register));
            assert_eq!(register.expected, register.observed);
        }
        assert_eq!(found.registers.len(), replayed.len());
    }
}

/// Every event of every log: altered, dropped, or one more before it.
#[test]
fn each_planted_mismatch_is_named() {
    let mut planted = 0;
    for boot in Boot::all() {
        let original = records(&boot.log);
        let registers = boot.registers();
        for (at, register) in registers.iter().enumerate() {
            let Some(register) = *register else { continue };
            let index = place(&registers, at);
            let (name, bank) = (boot.name, boot.bank);

            let mut altered = original.clone();
            flip(&mut altered[at]);
            let found = boot.compare(&altered);
            assert!(names(&found, register, index, Kind::Differs), "{name} {bank} {at} {found:#?}");
            let first = found.first().unwrap();
            let expected = first.expected.as_ref().unwrap();
            assert_eq!(expected.digest, boot.log.entries[at].digest(bank).unwrap());
            assert_ne!(first.observed.as_ref().unwrap().digest, expected.digest);
            assert!(!first.observed.as_ref().unwrap().is_bound, "{name} {at}");

            let mut dropped = original.clone();
            dropped.remove(at);
            let found = boot.compare(&dropped);
            assert!(names(&found, register, index, Kind::Missing), "{name} {bank} {at} {found:#?}");

            let mut inserted = original.clone();
            let mut extra = original[at].clone();
            flip(&mut extra);
            inserted.insert(at, extra);
            let found = boot.compare(&inserted);
            assert!(names(&found, register, index, Kind::Unexpected), "{name} {at} {found:#?}");
            planted += 3;
        }
    }
    eprintln!("{planted} planted mismatches, each named");
    assert!(planted > 700, "{planted}");
}

/// Every two neighbours of one register, swapped.
#[test]
fn each_planted_swap_is_named() {
    let mut planted = 0;
    for boot in Boot::all() {
        let original = records(&boot.log);
        let registers = boot.registers();
        for at in 0..original.len() {
            let Some(register) = registers[at] else { continue };
            let later = (at + 1..original.len()).find(|later| registers[*later] == Some(register));
            let Some(later) = later else { continue };
            let mut swapped = original.clone();
            swapped.swap(at, later);
            let found = boot.compare(&swapped);
            let index = place(&registers, at);
            assert!(names(&found, register, index, Kind::OutOfOrder), "{} {at}", boot.name);
            planted += 1;
        }
    }
    assert!(planted > 180, "{planted}");
}

#[test]
fn the_first_divergence_of_all_is_the_first_that_is_predicted() {
    let boot = Boot::new("direct", DIRECT, RegisterSet::Tpm, Bank::Sha256);
    let original = records(&boot.log);
    let registers = boot.registers();
    for earlier in 0..original.len() {
        let changed = |later: usize| {
            let mut records = original.clone();
            flip(&mut records[later]);
            // The log ends early in the register of `earlier`, or has another digest there.
            if later.is_multiple_of(2) {
                drop(records.remove(earlier))
            } else {
                flip(&mut records[earlier])
            }
            boot.compare(&records)
        };
        for later in earlier + 1..original.len() {
            let found = changed(later);
            let first = found.first().unwrap();
            assert_eq!(Some(first.register), registers[earlier], "{earlier} {later}");
            assert_eq!(first.index, place(&registers, earlier), "{earlier} {later}");
        }
    }
}

/// The record of a register that has this type and says this.
fn find(boot: &Boot, register: &str, event_type: EventType, says: &str) -> usize {
    let register: Register = register.parse().unwrap();
    let mut entries = boot.log.entries.iter();
    let at = entries.position(|entry| {
        let is_of = entry.register == Some(register) && entry.event_type == event_type;
        is_of && entry.describe().contains(says)
    });
    at.unwrap_or_else(|| panic!("{}: no {event_type} {says} in {register}", boot.name))
}

fn direct() -> Boot {
    Boot::new("direct", DIRECT, RegisterSet::Tpm, Bank::Sha384)
}

fn uki() -> Boot {
    Boot::new("uki", UKI, RegisterSet::Tpm, Bank::Sha256)
}

fn gke() -> Boot {
    Boot::new("ccel_gke_uki", CCEL_GKE_UKI, RegisterSet::Td, Bank::Sha384)
}

#[test]
fn altered_inputs_are_the_likeliest_causes() {
    const APPLICATION: EventType = EventType::EV_EFI_BOOT_SERVICES_APPLICATION;
    const CONFIG: EventType = EventType::EV_EFI_VARIABLE_DRIVER_CONFIG;
    const BOOT: EventType = EventType::EV_EFI_VARIABLE_BOOT;
    const BLOB: EventType = EventType::EV_EFI_PLATFORM_FIRMWARE_BLOB;
    const ACPI: EventType = EventType::EV_PLATFORM_CONFIG_FLAGS;
    let cases: [(Boot, &str, EventType, &str, &[Cause]); 11] = [
        (
            direct(),
            "pcr9",
            EventType::EV_EVENT_TAG,
            "LoadOptions",
            &[Cause::CommandLine, Cause::CommandLineLayout],
        ),
        (direct(), "pcr9", EventType::EV_EVENT_TAG, "initrd", &[Cause::Initrd]),
        (direct(), "pcr4", APPLICATION, "kernel", &[Cause::Kernel, Cause::KernelPatched]),
        (uki(), "pcr4", APPLICATION, "BOOTX64", &[Cause::Uki]),
        (uki(), "pcr11", EventType::EV_IPL, ".cmdline", &[Cause::Uki]),
        (uki(), "pcr0", BLOB, "firmware", &[Cause::FirmwareBuild]),
        (uki(), "pcr7", CONFIG, "PK", &[Cause::SecureBootVariables]),
        (uki(), "pcr1", BOOT, "BootOrder", &[Cause::BootOrder]),
        (uki(), "pcr1", ACPI, "ACPI", &[Cause::MachineSize, Cause::Devices]),
        (
            gke(),
            "rtmr0",
            EventType::EV_EFI_HANDOFF_TABLES2,
            "TdxTable",
            &[Cause::MachineSize, Cause::FirmwareBuild],
        ),
        (gke(), "rtmr1", EventType::EV_EFI_GPT_EVENT, "disk", &[Cause::PartitionTable]),
    ];
    for (boot, register, event_type, says, causes) in cases {
        let mut altered = records(&boot.log);
        flip(&mut altered[find(&boot, register, event_type, says)]);
        let found = boot.compare(&altered);
        let first = found.first().unwrap();
        assert!(first.causes.starts_with(causes), "{says}: {:?}", first.causes);
        // Nobody patches the kernel of a UKI, and without one there is no stub of another version.
        let of_direct = [Cause::KernelPatched, Cause::CommandLineLayout];
        let of_uki = [Cause::Uki, Cause::StubVersion, Cause::OutsideUki];
        let is_direct = boot.name == "direct";
        let impossible = if is_direct { &of_uki[..] } else { &of_direct[..] };
        assert!(!first.causes.iter().any(|cause| impossible.contains(cause)), "{says}");
        let text = first.to_string();
        assert!(text.contains(&causes[0].to_string()) && text.contains(says), "{text}");
    }
}

fn action(boot: &Boot, index: u32, text: &str) -> Record {
    let hashed = |id: AlgorithmId, size: u16| {
        let bank = Bank::ALL.into_iter().find(|bank| bank.algorithm() == id);
        let hash = bank.map(|bank| bank.hash(text.as_bytes()).as_bytes().to_vec());
        (id, hash.unwrap_or_else(|| vec![0; size.into()]))
    };
    let digests = boot.log.header.algorithms.iter().map(|(id, size)| hashed(*id, *size)).collect();
    Record { index, event_type: EventType::EV_EFI_ACTION, digests, data: text.into() }
}

#[test]
fn a_retry_of_exit_boot_services_is_recognised() {
    for (boot, register, index) in [(uki(), "pcr5", 5), (gke(), "rtmr1", 2)] {
        let mut retried = records(&boot.log);
        let success = find(&boot, register, EventType::EV_EFI_ACTION, "with Success");
        retried.insert(success, action(&boot, index, "Exit Boot Services Invocation"));
        retried.insert(success, action(&boot, index, "Exit Boot Services Returned with Failure"));
        let found = boot.compare(&retried);
        let first = found.first().unwrap();
        assert_eq!(first.kind, Kind::Unexpected);
        assert_eq!(first.causes[0], Cause::ExitBootServicesRetry);
        let observed = first.observed.as_ref().unwrap();
        assert_eq!(observed.description, "\"Exit Boot Services Returned with Failure\"");
        assert!(observed.is_bound, "the digest is that of the text");
    }
}

#[test]
fn events_that_come_or_go_have_their_causes() {
    // A stub that does not load the kernel as an image.
    let boot = uki();
    let kernel = find(&boot, "pcr4", EventType::EV_EFI_BOOT_SERVICES_APPLICATION, "VenMedia");
    let mut without = records(&boot.log);
    without.remove(kernel);
    let found = boot.compare(&without);
    assert_eq!(found.first().unwrap().causes[0], Cause::StubVersion);

    // A disk without a partition table, and one with.
    let boot = gke();
    let table = find(&boot, "rtmr1", EventType::EV_EFI_GPT_EVENT, "disk");
    let mut without = records(&boot.log);
    let event = without.remove(table);
    let found = boot.compare(&without);
    assert_eq!(
        (found.first().unwrap().kind, found.first().unwrap().causes[0]),
        (Kind::Missing, Cause::PartitionTable)
    );
    let boot = uki();
    let mut with = records(&boot.log);
    let digests = with[0].digests.clone();
    with.push(Record { index: 5, digests, ..event });
    let found = boot.compare(&with);
    let first = found.first().unwrap();
    assert_eq!((first.kind, first.causes[0]), (Kind::Unexpected, Cause::PartitionTable));
    assert_eq!(first.expected, None);

    // Another kernel and, before it, one event more: the one more is named.
    let boot = direct();
    let kernel = find(&boot, "pcr4", EventType::EV_EFI_BOOT_SERVICES_APPLICATION, "kernel");
    let mut both = records(&boot.log);
    flip(&mut both[kernel]);
    both.insert(kernel, action(&boot, 4, "Returning from EFI Application from Boot Option"));
    let first = boot.compare(&both).first().unwrap().clone();
    assert_eq!((first.kind, first.causes[0]), (Kind::Unexpected, Cause::BootOrder));

    // A log that was cut.
    let mut cut = records(&boot.log);
    cut.pop();
    let first = boot.compare(&cut).first().unwrap().clone();
    assert_eq!((first.kind, first.observed), (Kind::Missing, None));
    assert!(first.causes.contains(&Cause::LogIncomplete));
}

#[test]
fn a_startup_locality_is_no_divergence_of_events() {
    let boot = uki();
    let observed = boot.log.observed(boot.bank).unwrap().with_startup_locality(3);
    let found = compare((&boot.predicted()).into(), &observed);
    assert!(names(&found, "pcr0".parse().unwrap(), 0, Kind::InitialValue), "{found:#?}");
    let first = found.first().unwrap();
    assert_eq!((&first.causes[..], &first.expected), (&[Cause::StartupLocality][..], &None));
    assert!(!first.to_string().contains("expected"), "{first}");
}

#[test]
fn what_is_not_predicted_is_listed_and_what_must_stay_untouched_is_judged() {
    let boot = uki();
    let mut predicted = boot.predicted();
    predicted.0.retain(|event| !matches!(event.pcr.number(), 0 | 1));
    let observed = boot.log.observed(boot.bank).unwrap();
    let found = compare((&predicted).into(), &observed);
    assert!(found.is_equal());
    let [pcr0, pcr1, pcr12, rtmr3] =
        ["pcr0", "pcr1", "pcr12", "rtmr3"].map(|name| name.parse::<Register>().unwrap());
    assert_eq!(found.not_predicted, [pcr0, pcr1]);

    // RTMR 3 is no register of a TPM.
    let untouched = [pcr12, rtmr3];
    let prediction = Prediction { untouched: &untouched, ..(&predicted).into() };
    let found = compare(prediction, &observed);
    assert!(found.is_equal());
    assert!(found.registers.iter().any(|register| register.register == pcr12));

    let mut extended = records(&boot.log);
    extended.push(Record { index: 12, ..extended[30].clone() });
    let bytes = write(&boot.log.header, 0, &extended);
    let log = Log::parse(&bytes, RegisterSet::Tpm).unwrap();
    let found = compare(prediction, &log.observed(boot.bank).unwrap());
    assert!(names(&found, pcr12, 0, Kind::Unexpected), "{found:#?}");
    assert_eq!(found.first().unwrap().causes[0], Cause::OutsideUki);

    // What must stay untouched is not what happened first.
    let mut both = extended.clone();
    let image = find(&boot, "pcr4", EventType::EV_EFI_BOOT_SERVICES_APPLICATION, "BOOTX64");
    flip(&mut both[image]);
    let bytes = write(&boot.log.header, 0, &both);
    let log = Log::parse(&bytes, RegisterSet::Tpm).unwrap();
    let found = compare(prediction, &log.observed(boot.bank).unwrap());
    assert_eq!(found.divergences().count(), 2);
    assert_eq!(found.first().unwrap().register, "pcr4".parse().unwrap());

    // A comparison of nothing is not equal.
    assert!(!compare((&Events::default()).into(), &observed).is_equal());
}

/// PCRs as the guest read them, without a log.
#[test]
fn values_are_compared_without_a_log() {
    let boot = uki();
    let predicted = boot.predicted();
    let text = include_str!("fixtures/event_logs/uki.pcrs.txt");
    let lines = text.lines().filter_map(|line| line.strip_prefix("PCR256 ")?.split_once(' '));
    let mut values: BTreeMap<Register, BankDigest> = lines
        .map(|(number, value)| (format!("pcr{number}").parse().unwrap(), value.parse().unwrap()))
        .collect();
    let (set, bank) = (RegisterSet::Tpm, Bank::Sha256);
    let pcr12: Register = "pcr12".parse().unwrap();
    let prediction = Prediction { untouched: &[pcr12], ..(&predicted).into() };
    let found = compare_values(prediction, set, bank, &values).unwrap();
    assert_eq!(found.len(), 11, "PCR 0 to 7, 9, 11 and 12");
    assert!(found.iter().all(|register| register.is_equal() && register.causes.is_empty()));

    let pcr9: Register = "pcr9".parse().unwrap();
    let pcr5: Register = "pcr5".parse().unwrap();
    values.insert(pcr9, bank.hash(b"other"));
    values.remove(&pcr5);
    let found = compare_values(prediction, set, bank, &values).unwrap();
    let differing: Vec<_> = found.iter().filter(|register| !register.is_equal()).collect();
    let [without, other] = differing[..] else { panic!("{differing:#?}") };
    assert_eq!((without.register, without.observed, other.register), (pcr5, None, pcr9));
    for cause in [Cause::CommandLine, Cause::Initrd] {
        assert!(other.causes.contains(&cause), "{:?}", other.causes);
    }
    values.insert(pcr5, Bank::Sha384.hash(b"other"));
    let error = compare_values(prediction, set, bank, &values).unwrap_err();
    assert_eq!((error.register, error.found), (pcr5, Bank::Sha384));
}

#[test]
fn a_launch_digest_is_found_among_candidates() {
    let candidates = || (1..=64_u8).map(|n| (n, LaunchDigest(Sha384::of(&[n]))));
    let found = identify(&LaunchDigest(Sha384::of(&[40])), candidates());
    assert_eq!((found.matching, found.tried), (vec![40], 64));
    let found = identify(&LaunchDigest(Sha384::of(b"none")), candidates());
    assert_eq!((found.matching, found.tried), (vec![], 64));
}

/// What a caller prints as JSON has the same fields, whatever the divergence.
#[test]
fn a_comparison_serializes() {
    let boot = uki();
    let mut altered = records(&boot.log);
    flip(&mut altered[find(&boot, "pcr7", EventType::EV_SEPARATOR, "separator")]);
    let json = serde_json::to_value(boot.compare(&altered)).unwrap();
    let register = &json["registers"][7];
    assert_eq!(register["register"], "pcr7");
    let divergence = &register["divergence"];
    assert_eq!(divergence["kind"], "differs");
    assert_eq!(divergence["index"], 5);
    assert_eq!(divergence["expected"]["event-type"], "EV_SEPARATOR");
    assert_eq!(divergence["causes"][0], "firmware-layout");
    assert_eq!(json["registers"][6]["divergence"], serde_json::Value::Null);
}
