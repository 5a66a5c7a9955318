//! What logs of boots with unusual machines and command lines say, against predictions; and PCR 0 and
//! 1 of a log, taken for other boots. `fixtures/event_logs/README.md` says where the logs are from.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "each test uses a part")]
mod event_logs;
#[allow(dead_code, reason = "each test uses a part")]
mod small_uki;

use cvmkit_formats::digest::Digests;
use cvmkit_measure::event::log::{AlgorithmId, Header, Log};
use cvmkit_measure::event::{Bank, EventType, PcrIndex, Register, RegisterSet};
use cvmkit_measure::firmware::behaviour::Behaviour;
use cvmkit_measure::linux::KernelVersion;
use cvmkit_measure::tpm::{
    self, DirectKernel, Disk, Firmware, PinnedError, Prediction, Uki, Unknown,
};
use cvmkit_measure::uefi::medium::{DiskBus, FirmwareBy, Medium};
use cvmkit_measure::uefi::variables::SecureBoot;
use event_logs::{Record, header_index, records, write};
use small_uki::SmallUki;

macro_rules! log {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/event_logs/", $name)).as_slice()
    };
}

const MEDIUM: Medium = Medium {
    is_writable: Some(true),
    bus: Some(DiskBus::VirtioBlk),
    firmware_by: Some(FirmwareBy::Pflash),
};
const TABLE: &[u8] = b"a partition table";

fn pcr(number: u8) -> PcrIndex {
    PcrIndex::new(number).unwrap()
}

/// Type and digest of what a log has of a register.
fn logged(bytes: &[u8], bank: Bank, number: u8) -> Vec<(EventType, String)> {
    let log = Log::parse(bytes, RegisterSet::Tpm).unwrap();
    let observed = log.observed(bank).unwrap();
    let own = observed.events().iter().filter(|e| e.register == Register::Pcr(pcr(number)));
    own.map(|event| (event.event_type, event.digest.to_string())).collect()
}

fn listed(prediction: &Prediction, bank: Bank, number: u8) -> Vec<(EventType, String)> {
    let own = prediction.events.0.iter().filter(|event| event.pcr == pcr(number));
    own.map(|event| (event.event_type, bank.pick(&event.digests).to_string())).collect()
}

fn firmware(behaviour: Behaviour) -> Firmware {
    Firmware { behaviour, secure_boot: SecureBoot::default(), pinned: None }
}

fn disk(medium: Medium) -> Disk<'static> {
    Disk { partition_table: Some(TABLE), medium, loader_is_file: true }
}

fn direct(firmware: &Firmware, command_line: &[u8]) -> Prediction {
    let nothing = Digests::of(b"");
    let direct = DirectKernel {
        kernel: nothing,
        signatures: &[],
        kernel_version: Some(KernelVersion { major: 6, minor: 12 }),
        command_line,
        initrd: nothing,
        medium: MEDIUM,
    };
    tpm::direct_boot(firmware, &direct).unwrap()
}

/// Stub 257 loses what is above U+FFFF, OVMF 2025.02 makes a unit of each byte of `-append`.
#[test]
fn each_loader_has_its_own_command_line() {
    let mut uki = SmallUki::new(257);
    uki.set(".cmdline", Some("console=ttyS0 panic=-1 a=é漢 b=😀c".as_bytes()));
    let older = firmware(Behaviour::OVMF_2025_02);
    let of_stub = tpm::disk_boot(&older, &uki.read().unwrap(), &disk(MEDIUM)).unwrap();
    let line = "console=ttyS0 panic=-1 é=1 漢字=2 😀";
    let of_vmm = direct(&older, line.as_bytes());
    for bank in Bank::ALL {
        for (prediction, log) in
            [(&of_stub, log!("cmdline_uki.bin")), (&of_vmm, log!("cmdline_direct.bin"))]
        {
            assert_eq!(listed(prediction, bank, 9)[0], logged(log, bank, 9)[0]);
        }
    }
    // OVMF 2026.08 puts the name of the initrd first.
    let newer = direct(&firmware(Behaviour::OVMF_2026_08), "é漢".as_bytes());
    // As a boot of Debian's build had it.
    assert!(listed(&newer, Bank::Sha256, 9)[0].1.starts_with("297dd084"));
    // Another stub does the same.
    let mut uki = SmallUki::new(262);
    uki.set(".cmdline", Some("console=ttyS0 a=é b=😀".as_bytes()));
    assert_eq!(uki.read().unwrap().command_line, "console=ttyS0 a=é b=");
}

/// One image, writable disks, OVMF 2026.08: by its bus the first call fails, or does not.
#[test]
fn the_bus_of_the_disk_decides_how_often_boot_services_are_left() {
    let uki = SmallUki::new(257).read().unwrap();
    let newer = firmware(Behaviour::OVMF_2026_08);
    let without_table = |events: Vec<(EventType, String)>| -> Vec<_> {
        events.into_iter().filter(|event| event.0 != EventType::EV_EFI_GPT_EVENT).collect()
    };
    let logs = [
        (DiskBus::VirtioBlk, log!("exit_virtio_blk.bin"), 5),
        (DiskBus::VirtioScsi, log!("exit_virtio_scsi.bin"), 3),
    ];
    for (bus, log, count) in logs {
        let medium = Medium { bus: Some(bus), ..MEDIUM };
        let prediction = tpm::disk_boot(&newer, &uki, &disk(medium)).unwrap();
        for bank in Bank::ALL {
            let expected = without_table(listed(&prediction, bank, 5));
            assert_eq!(expected.len(), count, "{bus}");
            assert_eq!(expected, without_table(logged(log, bank, 5)), "{bus}");
        }
    }
}

/// A log of a TPM with these algorithms of another, and changed records.
fn rewritten(
    bytes: &[u8],
    algorithms: &[AlgorithmId],
    change: impl FnOnce(&mut Vec<Record>),
) -> Vec<u8> {
    let log = Log::parse(bytes, RegisterSet::Tpm).unwrap();
    let kept = log.header.algorithms.iter().copied().filter(|(id, _)| algorithms.contains(id));
    let header = Header { algorithms: kept.collect(), ..log.header.clone() };
    let mut records = records(&log);
    for record in &mut records {
        record.digests.retain(|(id, _)| algorithms.contains(id));
    }
    change(&mut records);
    write(&header, header_index(bytes), &records)
}

/// The same firmware with PCR 0 and 1 of a log.
fn pinned(bytes: &[u8]) -> Firmware {
    let log = Log::parse(bytes, RegisterSet::Tpm).unwrap();
    Firmware { pinned: Some(tpm::pinned(&log).unwrap()), ..firmware(Behaviour::OVMF_2025_02) }
}

fn booted(firmware: &Firmware, uki: &Uki, disk: &Disk<'_>) -> Prediction {
    tpm::disk_boot(firmware, uki, disk).unwrap()
}

/// PCR 1 is not that of a boot from something else: the firmware measures boot options.
#[test]
fn a_log_pins_boots_of_its_own_kind() {
    let bare = Disk { partition_table: None, ..disk(MEDIUM) };
    let of_257 = SmallUki::new(257).read().unwrap();
    let uki = log!("uki.bin");
    let same = booted(&pinned(uki), &of_257, &bare);
    for bank in Bank::ALL {
        for number in [0, 1] {
            assert_eq!(listed(&same, bank, number), logged(uki, bank, number), "PCR {number}");
        }
    }
    let reason = |prediction: &Prediction| {
        assert_eq!(listed(prediction, Bank::Sha256, 0), logged(uki, Bank::Sha256, 0));
        assert_eq!(listed(prediction, Bank::Sha256, 1), []);
        prediction.open.get(&pcr(1)).copied()
    };
    let with_table = booted(&pinned(uki), &of_257, &disk(MEDIUM));
    assert_eq!(reason(&with_table), Some(Unknown::PinnedDisk));
    assert_eq!(reason(&direct(&pinned(uki), b"quiet")), Some(Unknown::PinnedDisk));
    // 262 measures SMBIOS tables, which a boot with 257 does not have.
    let of_262 = SmallUki::new(262).read().unwrap();
    assert_eq!(reason(&booted(&pinned(uki), &of_262, &bare)), Some(Unknown::PinnedStub));
    let by_vmm = direct(&pinned(log!("direct.bin")), b"another");
    assert_eq!(listed(&by_vmm, Bank::Sha384, 1), logged(log!("direct.bin"), Bank::Sha384, 1));
}

/// What a stub measured into PCR 1 is of boots with such a stub alone.
#[test]
fn tables_that_a_stub_measures_are_of_that_stub() {
    let bare = Disk { partition_table: None, ..disk(MEDIUM) };
    let uki = log!("uki.bin");
    let both = [AlgorithmId::SHA256, AlgorithmId::SHA384];
    let tagged = Record {
        index: 1,
        event_type: EventType::EV_EVENT_TAG,
        digests: vec![(AlgorithmId::SHA256, vec![7; 32]), (AlgorithmId::SHA384, vec![7; 48])],
        data: [&7_u32.to_le_bytes()[..], &4_u32.to_le_bytes(), b"type"].concat(),
    };
    let log = rewritten(uki, &both, |records| records.push(tagged));
    let of = |version| {
        let prediction = booted(&pinned(&log), &SmallUki::new(version).read().unwrap(), &bare);
        assert!(prediction.open.is_empty());
        listed(&prediction, Bank::Sha256, 1)
    };
    assert_eq!(of(262), logged(&log, Bank::Sha256, 1));
    assert_eq!(of(257), logged(uki, Bank::Sha256, 1));
}

/// swtpm_setup makes TPMs with SHA-256 alone, and firmware that starts one from an H-CRTM says so.
#[test]
fn a_log_of_one_bank_pins_that_bank_and_a_locality_is_where_pcr_0_starts() {
    let bare = Disk { partition_table: None, ..disk(MEDIUM) };
    let uki = SmallUki::new(257).read().unwrap();
    let one = rewritten(log!("uki.bin"), &[AlgorithmId::SHA256], |_| {});
    let prediction = booted(&pinned(&one), &uki, &bare);
    let sha256 = prediction.pcrs_sha256();
    let whole = booted(&pinned(log!("uki.bin")), &uki, &bare);
    assert_eq!(sha256, whole.pcrs_sha256());
    let sha384 = prediction.pcrs_sha384();
    assert!(!sha384.contains_key(&pcr(0)) && !sha384.contains_key(&pcr(1)));
    assert_eq!(sha384[&pcr(4)], whole.pcrs_sha384()[&pcr(4)]);
    assert!(prediction.in_bank(Bank::Sha384).0.iter().all(|event| event.pcr.number() > 1));

    let locality = Record {
        index: 0,
        event_type: EventType::EV_NO_ACTION,
        digests: vec![(AlgorithmId::SHA256, vec![0; 32]), (AlgorithmId::SHA384, vec![0; 48])],
        data: [b"StartupLocality\0".as_slice(), &[3]].concat(),
    };
    let both = [AlgorithmId::SHA256, AlgorithmId::SHA384];
    let started = rewritten(log!("uki.bin"), &both, |records| records.insert(0, locality));
    let replayed = |bank| {
        let log = Log::parse(&started, RegisterSet::Tpm).unwrap();
        log.observed(bank).unwrap().replay()[&Register::Pcr(pcr(0))].to_string()
    };
    let prediction = booted(&pinned(&started), &uki, &bare);
    assert_eq!(prediction.pcrs_sha256()[&pcr(0)].to_string(), replayed(Bank::Sha256));
    assert_eq!(prediction.pcrs_sha384()[&pcr(0)].to_string(), replayed(Bank::Sha384));
    assert_ne!(prediction.pcrs_sha256()[&pcr(0)], sha256[&pcr(0)]);

    let none = rewritten(log!("uki.bin"), &[AlgorithmId::SHA1], |_| {});
    let log = Log::parse(&none, RegisterSet::Tpm).unwrap();
    let error = tpm::pinned(&log).unwrap_err();
    assert!(matches!(error, PinnedError::Log(_)), "{error}");
}
