//! What is predicted of a TD's registers is what real TDs and real firmware extended.
//!
//! Inputs that no test can have (the tables of a QEMU, the kernel and the initrd of somebody's
//! image) are taken from the logs; every other event is computed, and must be the log's. The
//! command lines of the two TDs are not known: those two digests are left out, and no others.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod tdvf_image;

use cvmkit_formats::digest::{Digests, Sha256, Sha384};
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::{
    Bank, BankDigest, EventType, Events, PcrIndex, Register, RegisterSet, Rtmr, RtmrIndex, Source,
};
use cvmkit_measure::firmware::Firmware;
use cvmkit_measure::firmware::layout::{LAYOUTS, Layout};
use cvmkit_measure::linux::KernelVersion;
use cvmkit_measure::tdx::hob::TdHob;
use cvmkit_measure::tdx::prediction::Unknown;
use cvmkit_measure::tdx::quote::Quote;
use cvmkit_measure::tdx::rtmr::{
    AcpiTables, ConfigurationItem, DirectBoot, Error, Platform, cfv_digests,
};
use cvmkit_measure::uefi::medium::Medium;
use cvmkit_measure::uefi::variables::{SecureBoot, authority_event};
use tdvf_image::{EDK2_MEMORY, empty_variables, firmware};

const CCEL: &[u8] = include_bytes!("fixtures/event_logs/ccel_ovmf.bin");
const QUOTE: &str = include_str!("fixtures/tdx/quote.json");

/// Logs of OVMF under QEMU 10.0.2 with swtpm, by layout, and what the firmware has as the variable
/// `SecureBoot`; the command line is the one QEMU was given.
const TPM_LOGS: [(&str, Option<bool>, &[u8]); 4] = [
    ("edk2-stable202205", Some(false), include_bytes!("fixtures/tdx/direct_2022.11_1g.bin")),
    ("edk2-stable202205", Some(false), include_bytes!("fixtures/tdx/direct_2022.11_8g.bin")),
    ("edk2-stable202502", None, include_bytes!("fixtures/tdx/direct_2025.02_1g.bin")),
    ("edk2-stable202508", None, include_bytes!("fixtures/tdx/direct_2026.08_1g.bin")),
];
const TPM_COMMAND_LINE: &[u8] = b"console=ttyS0 quiet panic=-1";

/// An event of a log: register, type, SHA-384.
type Logged = (RtmrIndex, EventType, Sha384);

fn json() -> serde_json::Value {
    serde_json::from_str(QUOTE).unwrap()
}

/// The events of the boot: RTMR 0 to 2. Those of RTMR 3 are the guest's own.
fn quote_log() -> Vec<Logged> {
    let events: serde_json::Value =
        serde_json::from_str(json()["event_log"].as_str().unwrap()).unwrap();
    let events = events.as_array().unwrap().iter().map(|event| {
        let number = |field: &str| u32::try_from(event[field].as_u64().unwrap()).unwrap();
        let index = RtmrIndex::new(u8::try_from(number("imr")).unwrap()).unwrap();
        let digest = event["digest"].as_str().unwrap();
        let digest = if index.number() < 3 { digest.parse().unwrap() } else { Sha384::ZERO };
        (index, EventType(number("event_type")), digest)
    });
    events.filter(|(index, ..)| index.number() < 3).collect()
}

fn ccel_log() -> Vec<Logged> {
    let log = Log::parse(CCEL, RegisterSet::Td).unwrap();
    let observed = log.observed(Bank::Sha384).unwrap();
    let event = |(register, event_type, digest)| match (register, digest) {
        (Register::Rtmr(index), BankDigest::Sha384(digest)) => (index, event_type, digest),
        other => panic!("{other:?}"),
    };
    observed.events().iter().map(|e| event((e.register, e.event_type, e.digest))).collect()
}

fn replay(log: &[Logged]) -> [Rtmr; 4] {
    let mut registers = [Rtmr(Sha384::ZERO); 4];
    for (index, _, digest) in log {
        let Rtmr(value) = &mut registers[usize::from(index.number())];
        *value = value.extend(*digest);
    }
    registers
}

/// An input that only its SHA-384 is known of.
fn known(sha384: Sha384) -> Digests {
    Digests { sha256: Sha256::ZERO, sha384 }
}

/// The digests in a log of one type, in its order.
fn of_type(log: &[Logged], event_type: EventType) -> Vec<Digests> {
    log.iter().filter(|event| event.1 == event_type).map(|event| known(event.2)).collect()
}

/// The prediction for a log of a TD with 2 GiB of memory and firmware without any variable set.
fn predicted(layout: &str, log: &[Logged]) -> DirectBoot<'static> {
    let bytes = firmware(0x40_0000, &empty_variables(), &EDK2_MEMORY);
    let parsed = Firmware::of_end(&bytes).unwrap();
    let [loader, rsdp, tables] =
        of_type(log, EventType::EV_PLATFORM_CONFIG_FLAGS).try_into().unwrap();
    DirectBoot {
        platform: Platform {
            layout: layout.parse().unwrap(),
            td_hob: TdHob::q35(&parsed, 2 << 30).unwrap().digests(),
            cfv: cfv_digests(&parsed).unwrap(),
            secure_boot: SecureBoot::default(),
            configuration: Vec::new(),
            acpi: Some(AcpiTables { loader, rsdp, tables }),
            has_tpm: false,
        },
        authority: None,
        smbios: None,
        kernel: of_type(log, EventType::EV_EFI_BOOT_SERVICES_APPLICATION)[0],
        kernel_version: Some(KernelVersion { major: 6, minor: 12 }),
        tpm: Some(false),
        medium: Medium::default(),
        initrd: of_type(log, EventType::EV_EVENT_TAG).get(1).copied(),
        command_line: b"unknown",
    }
}

fn as_logged(events: &Events) -> Vec<Logged> {
    let events = events.0.iter();
    events
        .map(|event| {
            (RtmrIndex::of_pcr(event.pcr).unwrap(), event.event_type, event.digests.sha384)
        })
        .collect()
}

/// Registers, types and digests of all events but the command line's digest.
fn assert_predicted(layout: &str, log: &[Logged]) {
    let events = predicted(layout, log).events().unwrap();
    let command_line =
        events.0.iter().position(|event| event.source == Source::CommandLine).unwrap();
    let found = as_logged(&events);
    assert_eq!(found.len(), log.len());
    for (at, (found, logged)) in found.iter().zip(log).enumerate() {
        let meaning = &events.0[at].meaning;
        assert_eq!((found.0, found.1), (logged.0, logged.1), "event {at}, {meaning}");
        assert_eq!(found.2 == logged.2, at != command_line, "event {at}, {meaning}");
    }
    assert_eq!(events.rtmrs()[..2], replay(log)[..2]);
}

#[test]
fn the_quote_s_log_replays_to_its_registers() {
    let bytes = hex::decode(json()["quote"].as_str().unwrap()).unwrap();
    let quote = Quote::parse(&bytes).unwrap();
    assert_eq!(replay(&quote_log())[..3], quote.rtmrs[..3]);
}

/// What the machine of the quote says of itself: 2 GiB, and firmware before May 2025.
#[test]
fn the_quote_s_events_are_predicted() {
    let config: serde_json::Value =
        serde_json::from_str(json()["vm_config"].as_str().unwrap()).unwrap();
    assert_eq!(config["memory_size"], 2_u64 << 30);
    assert_eq!(config["ovmf_variant"], "pre202505");
    let log = quote_log();
    assert_eq!(log.len(), 20);
    assert_predicted("edk2-stable202411", &log);
    // The next release differs in nothing that is in a log.
    assert_predicted("edk2-stable202502", &log);

    let events = predicted("edk2-stable202411", &log).events().unwrap();
    let bytes = hex::decode(json()["quote"].as_str().unwrap()).unwrap();
    assert_eq!(events.rtmrs()[..2], Quote::parse(&bytes).unwrap().rtmrs[..2]);
}

/// The same firmware some releases earlier: the last separator is in another register.
#[test]
fn an_older_log_is_predicted() {
    let log = ccel_log();
    assert_eq!(log.len(), 20);
    assert_predicted("edk2-stable202205", &log);
    let other = predicted("edk2-stable202411", &log).events().unwrap();
    assert_ne!(other.rtmrs()[0], replay(&log)[0]);
    assert_ne!(other.rtmrs()[1], replay(&log)[1]);
}

/// The events that a TPM gets of the same firmware: all but those of TDX, and separators of which a
/// TD gets one.
fn shared(events: &Events) -> Vec<(PcrIndex, EventType, Digests)> {
    let shared = events.0.iter().filter(|event| {
        let type_and_pcr = (event.event_type, event.pcr.number());
        !matches!(
            type_and_pcr,
            (EventType::EV_SEPARATOR, 0..=6)
                | (EventType::EV_EFI_HANDOFF_TABLES2, _)
                | (EventType::EV_EFI_PLATFORM_FIRMWARE_BLOB2, _)
                | (EventType::EV_PLATFORM_CONFIG_FLAGS, _)
        )
    });
    shared.map(|event| (event.pcr, event.event_type, event.digests)).collect()
}

/// The log of a TPM with both banks, without what [`shared`] leaves out, and without the firmware.
fn tpm_log(bytes: &[u8]) -> Vec<(PcrIndex, EventType, Digests)> {
    let log = Log::parse(bytes, RegisterSet::Tpm).unwrap();
    let banks = [Bank::Sha256, Bank::Sha384].map(|bank| log.observed(bank).unwrap());
    let [sha256, sha384] = &banks;
    let both = sha256.events().iter().zip(sha384.events());
    let events = both.filter_map(|(sha256, sha384)| {
        let Register::Pcr(pcr) = sha256.register else { panic!("{sha256:?}") };
        let skipped = [
            EventType::EV_S_CRTM_VERSION,
            EventType::EV_EFI_PLATFORM_FIRMWARE_BLOB,
            EventType::EV_PLATFORM_CONFIG_FLAGS,
        ];
        let separator = sha256.event_type == EventType::EV_SEPARATOR && pcr.number() < 7;
        let (BankDigest::Sha256(digest256), BankDigest::Sha384(digest384)) =
            (sha256.digest, sha384.digest)
        else {
            panic!("{sha256:?} {sha384:?}")
        };
        let digests = Digests { sha256: digest256, sha384: digest384 };
        (!separator && !skipped.contains(&sha256.event_type)).then_some((
            pcr,
            sha256.event_type,
            digests,
        ))
    });
    events.collect()
}

/// The kernel's, SMBIOS' and initrd's digests are the log's; boot options, the command line as the
/// firmware passes it, actions and variables are computed, and so is the order.
#[test]
fn firmware_with_a_tpm_measures_the_same() {
    for (layout, enabled, bytes) in TPM_LOGS {
        let log = tpm_log(bytes);
        let logged =
            |event_type, at| log.iter().filter(|e| e.1 == event_type).nth(at).map(|event| event.2);
        let none = known(Sha384::ZERO);
        let boot = DirectBoot {
            platform: Platform {
                layout: layout.parse().unwrap(),
                td_hob: none,
                cfv: none,
                secure_boot: SecureBoot { enabled, ..SecureBoot::default() },
                configuration: ConfigurationItem::of_direct_boot(),
                acpi: Some(AcpiTables { loader: none, rsdp: none, tables: none }),
                has_tpm: false,
            },
            authority: None,
            smbios: logged(EventType::EV_EFI_HANDOFF_TABLES, 0),
            kernel: logged(EventType::EV_EFI_BOOT_SERVICES_APPLICATION, 0).unwrap(),
            kernel_version: Some(KernelVersion { major: 6, minor: 12 }),
            tpm: Some(false),
            medium: Medium { is_writable: Some(false), ..Medium::default() },
            initrd: logged(EventType::EV_EVENT_TAG, 1),
            command_line: TPM_COMMAND_LINE,
        };
        assert_eq!(shared(&boot.events().unwrap()), log, "{layout}");
    }
}

/// Seventeen events of RTMR 0, as dstack captured them of its firmware of edk2-stable202505, whose
/// digests are in its source (`dstack-mr/src/tdvf.rs`).
#[test]
fn later_firmware_measures_configuration_and_smbios() {
    let mut boot = predicted("edk2-stable202505", &quote_log());
    boot.platform.configuration = ConfigurationItem::of_direct_boot();
    let unknown = Unknown::SmbiosTables { layout: "edk2-stable202505" };
    assert_eq!(boot.events(), Err(Error::Unknown(unknown)));
    let smbios = "fb66919801f1dfc9c4c273b6a739380790cb0fd3cb706a42f6ac050510ebc861\
                  8e7fba53a1564522f5c6f0dc9e1f41a6";
    boot.smbios = Some(known(smbios.parse().unwrap()));
    let events = boot.events().unwrap();
    let rtmr0: Vec<_> =
        as_logged(&events).into_iter().filter(|event| event.0.number() == 0).collect();
    let starts: Vec<_> = rtmr0.iter().map(|event| event.2.to_string()[..8].to_owned()).collect();
    assert_eq!(
        starts,
        [
            "0b8772e5", "344bc51c", "1dd6f7b4", "53d3dbc0", "9dc3a1f8", "6f2e3cbc", "d607c0ef",
            "08a74f89", "18cc6e01", "394341b7", "095d04cf", "8d9a4d47", "3070721e", "fb669198",
            "52b9a02d", "5068e6a9", "dd424f2e",
        ]
    );
}

#[test]
fn the_command_line_is_what_the_kernel_is_given() {
    let text = |layout: &str, command_line: &[u8], has_initrd| {
        let layout: Layout = layout.parse().unwrap();
        let argument = layout.initrd_argument;
        String::from_utf16(&argument.load_options(command_line, has_initrd)).unwrap()
    };
    assert_eq!(text("edk2-stable202505", b"quiet", true), "quiet initrd=initrd");
    assert_eq!(text("edk2-stable202508", b"quiet", true), "initrd=initrd quiet");
    assert_eq!(text("edk2-stable202508", b"quiet", false), "quiet");
    assert_eq!(text("edk2-stable202508", b"", true), "initrd=initrd ");
    let bytes = "\u{e9}".as_bytes();
    assert_eq!(text("edk2-stable202508", bytes, false), "\u{c3}\u{a9}", "a unit for each byte");

    let log = quote_log();
    let whole = predicted("edk2-stable202502", &log);
    let events = |initrd, command_line| {
        let boot = DirectBoot { initrd, command_line, ..whole.clone() };
        boot.events().map(|events| events.0.len())
    };
    assert_eq!(events(whole.initrd, b"quiet"), Ok(20));
    assert_eq!(events(whole.initrd, b""), Ok(20), "the initrd is named");
    assert_eq!(events(None, b"quiet"), Ok(19));
    assert_eq!(events(None, b""), Ok(18), "nothing was given to the kernel");
    assert_eq!(events(None, b"a\0b"), Err(Error::CommandLineNul { at: 1 }));
}

/// Logs have it where the firmware verified something: before the image it verified.
#[test]
fn with_secure_boot_the_authority_must_be_known() {
    let mut boot = predicted("edk2-stable202502", &quote_log());
    boot.platform.secure_boot.enabled = Some(true);
    assert_eq!(boot.events(), Err(Error::NoAuthority));
    boot.authority = Some(authority_event("db", b"entry"));
    let events = boot.events().unwrap();
    let at = events.0.iter().position(|event| Some(event) == boot.authority.as_ref()).unwrap();
    assert_eq!(events.0[at + 1].source, Source::Kernel);
    assert_eq!(RtmrIndex::of_pcr(events.0[at].pcr), RtmrIndex::new(0));
}

#[test]
fn a_layout_holds_until_the_next() {
    let name = |year, month| Layout::of_edk2(year, month).map(|layout| layout.name);
    assert_eq!(name(2022, 2), None);
    assert_eq!(name(2022, 11), Some("edk2-stable202205"));
    assert_eq!(name(2024, 8), Some("edk2-stable202205"));
    assert_eq!(name(2025, 2), Some("edk2-stable202502"));
    assert_eq!(name(2026, 8), Some("edk2-stable202508"));
    assert!(LAYOUTS.iter().all(|layout| layout.name.parse() == Ok(*layout)));
    let error = "edk2-stable202509".parse::<Layout>().unwrap_err();
    assert!(error.to_string().contains("edk2-stable202508"), "{error}");
    let patched = |layout: &str, qemu: &str| {
        let layout: Layout = layout.parse().unwrap();
        layout.measures_patched_kernel(qemu.parse().unwrap())
    };
    assert!(patched("edk2-stable202502", "9.2"));
    assert!(!patched("edk2-stable202502", "10.0") && !patched("edk2-stable202508", "11.0"));
    // Debian 12's firmware: QEMU leaves the kernel of a confidential guest alone from 10.2 on.
    for (qemu, expected) in [("9.2", true), ("10.0", true), ("10.1.5", true), ("10.2.0", false)] {
        assert_eq!(patched("edk2-stable202205", qemu), expected, "{qemu}");
    }
    assert!(!patched("edk2-stable202411", "11.0"));
}

/// The ACPI events of boots with a TPM, in their order: the room for its log is between RSDP and
/// tables, and its bytes are known.
#[test]
fn the_room_for_a_tpm_s_log_is_a_table() {
    for (layout, _, bytes) in TPM_LOGS.into_iter().skip(2) {
        let log = Log::parse(bytes, RegisterSet::Tpm).unwrap();
        let observed = log.observed(Bank::Sha384).unwrap();
        let is_table = |event_type| event_type == EventType::EV_PLATFORM_CONFIG_FLAGS;
        let logged = observed.events().iter().filter(|event| is_table(event.event_type));
        let logged: Vec<_> = logged
            .map(|event| match event.digest {
                BankDigest::Sha384(digest) => digest,
                other => panic!("{other:?}"),
            })
            .collect();
        let [loader, rsdp, _, tables] = logged[..] else { panic!("{logged:?}") };
        let [loader, rsdp, tables] = [loader, rsdp, tables].map(known);
        let mut boot = predicted("edk2-stable202502", &quote_log());
        boot.platform.acpi = Some(AcpiTables { loader, rsdp, tables });
        boot.platform.has_tpm = true;
        let events = boot.events().unwrap();
        let found = events.0.iter().filter(|event| is_table(event.event_type));
        let found: Vec<_> = found.map(|event| event.digests.sha384).collect();
        assert_eq!(found, logged, "{layout}");
    }
}
