//! Logs of real boots replay to the registers that were read beside them, other parsers answer the
//! same, and hostile logs are refused.
//!
//! `CVMKIT_VECTORS` may name a folder with more logs; tpm2_eventlog is found in `PATH`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs the oracle, found by the environment, on files it can open"
)]

mod event_logs;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cvmkit_formats::digest::Sha256;
use cvmkit_measure::event::log::{AlgorithmId, Entry, Error, Header, Log};
use cvmkit_measure::event::observed::ObservedError;
use cvmkit_measure::event::{
    Bank, BankDigest, EventType, Observed, ObservedEvent, PcrIndex, Register, RegisterSet,
};
use event_logs::{
    ALL, CCEL_GKE_UKI, CCEL_GRUB, CCEL_OVMF, CCEL_TD_SHIM, DIRECT, Record, UKI, header_index,
    records, write,
};
use proptest::prelude::*;

const TPM: RegisterSet = RegisterSet::Tpm;
const TD: RegisterSet = RegisterSet::Td;

fn tpm(bytes: &[u8]) -> Log<'_> {
    Log::parse(bytes, TPM).unwrap()
}

fn pcr(index: u8) -> Register {
    Register::Pcr(PcrIndex::new(index).unwrap())
}

/// The lines `PCR256 NUMBER VALUE` of what a guest read from its TPM. PCR 10 is left out: Linux
/// extends it itself, and keeps a log of its own of that.
fn read_pcrs(text: &str) -> BTreeMap<Register, BankDigest> {
    let values = text.lines().filter_map(|line| {
        let (number, value) = line.strip_prefix("PCR256 ")?.split_once(' ')?;
        Some((pcr(number.parse().unwrap()), value.parse().unwrap()))
    });
    let zero = BankDigest::Sha256(Sha256::ZERO);
    values.filter(|(register, value)| *register != pcr(10) && *value != zero).collect()
}

fn check_pcrs(log: &[u8], pcrs: &str) {
    let expected = read_pcrs(pcrs);
    assert!(expected.len() >= 9, "{pcrs}");
    assert_eq!(tpm(log).observed(Bank::Sha256).unwrap().replay(), expected);
}

#[test]
fn logs_of_boots_replay_to_the_pcrs_the_guest_read() {
    check_pcrs(UKI, include_str!("fixtures/event_logs/uki.pcrs.txt"));
    check_pcrs(DIRECT, include_str!("fixtures/event_logs/direct.pcrs.txt"));
}

/// A folder of vectors, of which the fixtures are copies.
fn vectors() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    env::var_os("CVMKIT_VECTORS").map_or(beside, PathBuf::from)
}

/// The same, of the folder of vectors, when it is there.
#[test]
fn logs_of_the_vectors_replay_to_their_pcrs() {
    let folder = vectors();
    let pairs =
        [("evlog257.bin", "pcrs-uki257-trixieovmf.txt"), ("evlog_dT.bin", "pcrs-direct-T.txt")];
    for (log, pcrs) in pairs {
        let (Ok(log), Ok(pcrs)) =
            (fs::read(folder.join(log)), fs::read_to_string(folder.join(pcrs)))
        else {
            // The copies among the fixtures are never missing, so nothing is required here.
            eprintln!("SKIPPED: no {log} with {pcrs}, which CVMKIT_VECTORS would name");
            continue;
        };
        check_pcrs(&log, &pcrs);
    }
}

/// The quote of a real TD and the log beside it, as dstack has it in JSON: events that no binary
/// log had, which replay to the RTMRs the quote signs.
#[test]
fn events_out_of_json_replay_to_the_rtmrs_of_the_quote() {
    /// Where RTMR 0 is in a quote of version 4: after its header of 48 bytes.
    const RTMR0: usize = 48 + 328;
    let Ok(text) = fs::read_to_string(vectors().join("dstack-tdx-lite-getquote.json")) else {
        eprintln!("SKIPPED: no quote of dstack, which CVMKIT_VECTORS would name");
        return;
    };
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let quote = hex::decode(json["quote"].as_str().unwrap()).unwrap();
    let log: Vec<serde_json::Value> =
        serde_json::from_str(json["event_log"].as_str().unwrap()).unwrap();
    // What dstack itself extends into RTMR 3 is there without a digest.
    let of_boot = log.iter().filter(|event| event["imr"] != 3);
    let event = |event: &serde_json::Value| ObservedEvent {
        register: format!("rtmr{}", event["imr"]).parse().unwrap(),
        event_type: EventType(event["event_type"].as_u64().unwrap().try_into().unwrap()),
        digest: event["digest"].as_str().unwrap().parse().unwrap(),
        data: hex::decode(event["event_payload"].as_str().unwrap()).unwrap().into(),
    };
    let observed = Observed::new(TD, Bank::Sha384, of_boot.map(event).collect()).unwrap();
    for (number, (register, value)) in observed.replay().into_iter().enumerate() {
        assert_eq!(register.to_string(), format!("RTMR {number}"));
        let signed = &quote[RTMR0 + 48 * number..][..48];
        assert_eq!(value.to_string(), hex::encode(signed), "{register}");
    }
    assert!(observed.events().len() > 15);
}

/// A log of a TD as it was published.
struct Published {
    log: &'static [u8],
    /// Bytes of the whole file, what it is filled up with, and its hash.
    len: usize,
    fill: u8,
    sha256: &'static str,
    /// RTMR 0 to 2 as trustee's `test_rtmr_integrity` expects them.
    rtmrs: [&'static str; 3],
}

const TD_LOGS: [Published; 4] = [
    Published {
        log: CCEL_OVMF,
        len: 65536,
        fill: 0xff,
        sha256: "0e6e0c6a327f658cd73d735cdca29e41adc3b108bf776ae11eeac0aab132d808",
        rtmrs: [
            "8566f998798db09443b244c62de9a3041fb02e2e6936c4396d784bba2e90177329ec5aba3bb484404f2ab9cc90abe193",
            "775b9f6bfe99f8a31396f0d0218e67ffa796d3b96ccf961cbb0deba48c79c00f082cda1a5567c1c16305f1fc210c13c6",
            "94eaf7a7bf398ed8d888c91057ae0261802e4f3df084213a76ca7f0b5055ac9d2241de43cd58d9e8b49c503bbf25f34a",
        ],
    },
    Published {
        log: CCEL_GRUB,
        len: 65536,
        fill: 0xff,
        sha256: "cab97131de63eb997c6a0608742576cbe0e013d1860a5a1d0f3d4e0426338df7",
        rtmrs: [
            "cec0a104f691f60da2387fea3c2de00c4ac035e2bb479ff02edcce69039d9e9907f0b3e55031da3dc7038f423adebd79",
            "6c289e0c62182d41ebe97bdbc9872d10998a08eaa86adcdc684001a363207ee72942c7522cdf00a4bbc3d784bed7b670",
            "08919d017ba0e52cd6d966351c7de16fe76c1d3d3d3da4554239e4c7d16cb8b82a94e7eaea3a0e6e18eb690b999fd31e",
        ],
    },
    Published {
        log: CCEL_GKE_UKI,
        len: 262_144,
        fill: 0xff,
        sha256: "ece8c9c14157f19f9a59c151139e89fd47fbca7a8886aed9be0904a0f1e3492b",
        rtmrs: [
            "bc9945139042cf2cc75caf920aa57f14884ecfd7e893bccc51250c8ce90eb53ce72741e6adaa18183eb1331a87d4544a",
            "c17cb288a4dee302bb9ed8d27257a168f3264ad68cab53757f37eeaa7039657fa887cad65cf910e0fdc435ff110f8a7b",
            "334aeba2c985f8886cea97d1ecffbd512769d528b9a94009583db667ad7d2faa7d37fa145d75b192ceee2d2f10b2eb6d",
        ],
    },
    Published {
        log: CCEL_TD_SHIM,
        len: 1_048_576,
        fill: 0,
        sha256: "d9cd052549c551fe7038a7fda7d7c8f7eefafbc747fd06140a4c9b3d2db009f5",
        rtmrs: [
            "2dc712306a963eadb894ad47dbaa17df44814151555aee11cbb843becca88950ffd079664902e6f22c66f7c8213543f4",
            "0fa3be56af61208bbd179dc7b124988eb929319154663c539d6f46445ecac2fec287075047ff7bd1922829fec28cd3cf",
            "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
        ],
    },
];

#[test]
fn logs_of_tds_replay_to_the_rtmrs_their_publishers_expect() {
    for Published { log, len, fill, sha256, rtmrs } in TD_LOGS {
        let mut filled = log.to_vec();
        filled.resize(len, fill);
        assert_eq!(Sha256::of(&filled).to_string(), sha256, "the file as published");
        let parsed = Log::parse(&filled, TD).unwrap();
        assert_eq!(parsed.len, log.len());
        assert_eq!(parsed, Log::parse(log, TD).unwrap());
        let replayed = parsed.observed(Bank::Sha384).unwrap().replay();
        for (number, expected) in rtmrs.iter().enumerate() {
            let register: Register = format!("rtmr{number}").parse().unwrap();
            let value = replayed.get(&register).map(ToString::to_string);
            assert_eq!(value.unwrap_or_else(|| "0".repeat(96)), *expected, "{register}");
        }
    }
}

/// Register, type, digest and whether the digest is that of the data, as trustee's parser has it.
#[test]
fn entries_of_tds_are_those_of_another_parser() {
    let answers = [
        (CCEL_OVMF, include_str!("fixtures/event_logs/ccel_ovmf.events.txt")),
        (CCEL_GRUB, include_str!("fixtures/event_logs/ccel_grub.events.txt")),
        (CCEL_GKE_UKI, include_str!("fixtures/event_logs/ccel_gke_uki.events.txt")),
    ];
    let mut bound = 0;
    for (bytes, answer) in answers {
        let log = Log::parse(bytes, TD).unwrap();
        let events = log.observed(Bank::Sha384).unwrap();
        let mut events = events.events().iter();
        assert_eq!(log.entries.len(), answer.lines().count());
        for (entry, line) in log.entries.iter().zip(answer.lines()) {
            let [index, name, digest, matches] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            assert_eq!(entry.index.to_string(), index);
            assert_eq!(entry.event_type.to_string(), name);
            assert_eq!(entry.digest(Bank::Sha384).unwrap().to_string(), digest, "{line}");
            if !entry.extends() {
                continue;
            }
            let event = events.next().unwrap();
            let is_variable = entry.event_type == EventType::EV_EFI_VARIABLE_BOOT;
            // That parser does not know that firmware hashes the contents of boot options alone.
            assert_eq!(event.binds_data(), matches == "true" || is_variable, "{line}");
            bound += usize::from(event.binds_data());
        }
    }
    assert!(bound > 30, "{bound}");
}

fn tool() -> Option<&'static str> {
    if Command::new("tpm2_eventlog").arg("--version").output().is_ok() {
        return Some("tpm2_eventlog");
    }
    let required = env::var("CVMKIT_ORACLES").as_deref() == Ok("require");
    assert!(!required, "tpm2_eventlog is not installed");
    eprintln!("SKIPPED: tpm2_eventlog is not installed");
    None
}

/// One entry as tpm2_eventlog has it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    number: usize,
    index: u32,
    event_type: String,
    size: usize,
    digests: Vec<(String, String)>,
}

/// Entries and registers by bank, out of the tool's YAML.
fn ask(tool: &str, log: &[u8]) -> (Vec<Answer>, BTreeMap<String, BTreeMap<u32, String>>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    // The tool wants register 0 in the header, where logs of TDs have 1.
    fs::write(&path, [&[0; 4], &log[4..]].concat()).unwrap();
    let output = Command::new(tool).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let (events, registers) = text.split_once("\npcrs:\n").unwrap();
    let mut banks: BTreeMap<String, BTreeMap<u32, String>> = BTreeMap::new();
    let mut bank = String::new();
    for line in registers.lines() {
        match line.split_once(" : 0x") {
            Some((number, value)) => {
                let values = banks.get_mut(&bank).unwrap();
                values.insert(number.trim().parse().unwrap(), value.to_owned());
            }
            None => {
                bank = line.trim().trim_end_matches(':').to_owned();
                banks.insert(bank.clone(), BTreeMap::new());
            }
        }
    }
    let blocks = events.split("\n- EventNum: ").skip(2);
    (blocks.map(answer).collect(), banks)
}

fn answer(block: &str) -> Answer {
    let mut answer =
        Answer { number: block.lines().next().unwrap().parse().unwrap(), ..Answer::default() };
    for line in block.lines() {
        let Some((key, value)) = line.split_once(": ") else { continue };
        match key {
            "  PCRIndex" => answer.index = value.parse().unwrap(),
            "  EventType" => value.clone_into(&mut answer.event_type),
            "  EventSize" => answer.size = value.parse().unwrap(),
            "  - AlgorithmId" => answer.digests.push((value.to_owned(), String::new())),
            "    Digest" => {
                value.trim_matches('"').clone_into(&mut answer.digests.last_mut().unwrap().1);
            }
            _ => {}
        }
    }
    answer
}

/// Whether the tool's entries and registers are ours.
fn check_tool(tool: &str, name: &str, bytes: &[u8], set: RegisterSet) {
    let log = Log::parse(bytes, set).unwrap();
    let (answers, registers) = ask(tool, bytes);
    let ours = log.entries.iter().map(|entry| Answer {
        number: entry.number,
        index: entry.index,
        event_type: entry.event_type.to_string(),
        size: entry.data.len(),
        digests: entry
            .digests
            .iter()
            .map(|(id, bytes)| (id.to_string(), hex::encode(bytes)))
            .collect(),
    });
    assert_eq!(ours.collect::<Vec<_>>(), answers, "{name}");
    // The tool (5.4) extends what extends nothing, so where such an entry is, it has other values.
    let quiet = |entry: &&Entry<'_>| !entry.extends();
    let skipped: Vec<_> = log.entries.iter().filter(quiet).map(|entry| entry.index).collect();
    let mut banks = 0;
    for bank in Bank::ALL {
        let Ok(observed) = log.observed(bank) else { continue };
        let replayed = observed.replay();
        let ours = replayed.iter().map(|(r, value)| (log_index(*r), value.to_string()));
        let ours: BTreeMap<_, _> = ours.filter(|(index, _)| !skipped.contains(index)).collect();
        let mut theirs = registers[&bank.to_string()].clone();
        theirs.retain(|index, _| !skipped.contains(index));
        assert_eq!(ours, theirs, "{name}, {bank}");
        banks += 1;
    }
    assert!(banks > 0, "{name}");
}

fn log_index(register: Register) -> u32 {
    match register {
        Register::Pcr(index) => index.number().into(),
        Register::Mrtd => 0,
        Register::Rtmr(index) => u32::from(index.number()) + 1,
    }
}

#[test]
fn tpm2_eventlog_has_the_same_entries_and_registers() {
    let Some(tool) = tool() else { return };
    for (name, bytes, set) in ALL {
        check_tool(tool, name, bytes, set);
    }
}

fn no_action(log: &Log<'_>, data: &[u8]) -> Record {
    let digests =
        log.header.algorithms.iter().map(|(id, size)| (*id, vec![0; usize::from(*size)])).collect();
    Record { index: 0, event_type: EventType::EV_NO_ACTION, digests, data: data.to_vec() }
}

/// Values of PCR 0 that hashlib gives when the log's digests are folded from 31 zero bytes and 0, 3
/// or 4.
const STARTED: [(u8, &str); 3] = [
    (0, "0101271704ccc2360ddbb08438d591c23fb8a0a9cb0cebc60cefea7868833f8e"),
    (3, "4b729b48d66e6d3625c3c7eec9498c3e8147500e00a4840cc116924ed47e1f33"),
    (4, "092a7d503af361a5645bfe443c2eac7e02e2a1484ae7c7318e545ded0e44b0b3"),
];

#[test]
fn a_startup_locality_is_where_pcr_0_starts() {
    let log = tpm(DIRECT);
    let plain = log.observed(Bank::Sha256).unwrap().replay();
    for (locality, expected) in STARTED {
        let mut with = records(&log);
        with.insert(0, no_action(&log, &[b"StartupLocality\0", &[locality][..]].concat()));
        let bytes = write(&log.header, 0, &with);
        let observed = tpm(&bytes).observed(Bank::Sha256).unwrap();
        assert_eq!(observed.startup_locality(), locality);
        let replayed = observed.replay();
        assert_eq!(replayed[&pcr(0)].to_string(), expected);
        assert_eq!(replayed[&pcr(7)], plain[&pcr(7)]);
        if let Some(tool) = tool() {
            check_tool(tool, "locality", &bytes, TPM);
        }
    }
    for (at, data) in [(0, &b"StartupLocality\0\x01"[..]), (2, b"StartupLocality\0\x03")] {
        let mut with = records(&log);
        with.insert(at, no_action(&log, data));
        let bytes = write(&log.header, 0, &with);
        let error = tpm(&bytes).observed(Bank::Sha256).unwrap_err();
        assert!(matches!(error, Error::StartupLocality { .. }), "{error}");
    }
    let mut with = records(&log);
    with.insert(0, no_action(&log, b"StartupLocality\0"));
    let bytes = write(&log.header, 0, &with);
    assert!(matches!(tpm(&bytes).startup_locality(), Err(Error::Truncated { .. })));
}

#[test]
fn the_writer_of_these_tests_writes_the_logs_of_boots() {
    for (name, bytes, set) in ALL {
        let log = Log::parse(bytes, set).unwrap();
        assert_eq!(write(&log.header, header_index(bytes), &records(&log)), bytes, "{name}");
    }
}

#[test]
fn what_the_events_of_boots_say() {
    let descriptions = |bytes, set| -> Vec<String> {
        let log = Log::parse(bytes, set).unwrap();
        log.entries
            .iter()
            .map(|entry| format!("{} {}", entry.event_type, entry.describe()))
            .collect()
    };
    let uki = descriptions(UKI, TPM);
    let expected = [
        "EV_S_CRTM_VERSION \"2025.02-8+deb13u1\"",
        "EV_EFI_PLATFORM_FIRMWARE_BLOB 0xe0000 bytes of firmware at 0x820000",
        "EV_EFI_VARIABLE_DRIVER_CONFIG variable SecureBoot: not set",
        "EV_PLATFORM_CONFIG_FLAGS \"ACPI DATA\"",
        "EV_EFI_VARIABLE_BOOT variable BootOrder: 0001, 0000, 0002",
        "EV_EFI_VARIABLE_BOOT variable Boot0001: \"UEFI Non-Block Boot Device\", \
         PciRoot(0x0)/Pci(0x1,0x0), 16 bytes 4eac0881119f594d850ee21a522c59b2",
        "EV_EFI_VARIABLE_BOOT variable Boot0000: \"UiApp\", \
         Fv(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(462caa21-7614-4503-836e-8ab6f4662331), \
         attributes 0x109",
        "EV_EFI_ACTION \"Calling EFI Application from Boot Option\"",
        "EV_SEPARATOR separator",
        "EV_EFI_BOOT_SERVICES_APPLICATION image of 16264192 bytes from \
         PciRoot(0x0)/Pci(0x1,0x0)/\"\\EFI\\BOOT\\BOOTX64.EFI\"",
        "EV_IPL \".linux\"",
        "EV_EVENT_TAG tag 0x8f3b22ed, \"LOADED_IMAGE::LoadOptions\"",
        "EV_EFI_ACTION \"Exit Boot Services Returned with Success\"",
    ];
    for line in expected {
        assert!(uki.iter().any(|found| found == line), "{line}\n{uki:#?}");
    }
    let gke = descriptions(CCEL_GKE_UKI, TD);
    let grub = descriptions(CCEL_GRUB, TD);
    let expected = [
        (&gke, "EV_EFI_HANDOFF_TABLES2 \"TdxTable\", 1 table"),
        (&gke, "EV_EFI_VARIABLE_DRIVER_CONFIG variable SecureBoot: off"),
        (
            &gke,
            "EV_EFI_VARIABLE_DRIVER_CONFIG variable dbx: 3 x X.509 certificate, 183 x SHA-256 hash",
        ),
        (&gke, "EV_NO_ACTION note \"SP800-155 Event3\""),
        (
            &gke,
            "EV_EFI_GPT_EVENT disk 31918d1c-a93a-45d1-a195-a84a9db04099 with 3 partitions: \"esp\" (",
        ),
        (&grub, "EV_EFI_VARIABLE_DRIVER_CONFIG variable SecureBoot: on"),
        (&grub, "EV_EFI_VARIABLE_DRIVER_CONFIG variable dbx: 1 x SHA-256 hash"),
        (&grub, "EV_EFI_VARIABLE_AUTHORITY verified by db: certificate of 1556 bytes, owner "),
        (&grub, "EV_EFI_VARIABLE_AUTHORITY verified by SbatLevel: \"sbat,1,2023012900"),
    ];
    for (found, start) in expected {
        assert!(found.iter().any(|line| line.starts_with(start)), "{start}\n{found:#?}");
    }
}

fn refusal(bytes: &[u8]) -> Error {
    Log::parse(bytes, TPM).unwrap_err()
}

#[test]
fn what_is_no_such_log_is_refused_by_name() {
    let mut legacy = 0_u32.to_le_bytes().to_vec();
    legacy.extend(EventType::EV_S_CRTM_VERSION.0.to_le_bytes());
    legacy.extend([7; 20]);
    legacy.extend(4_u32.to_le_bytes());
    legacy.extend(b"1.0\0");
    let error = refusal(&legacy);
    assert!(matches!(error, Error::Legacy { .. }), "{error}");
    assert!(error.to_string().contains("SHA-1 digests only"), "{error}");
    let mut old = UKI.to_vec();
    old[32..48].copy_from_slice(b"Spec ID Event00\0");
    assert!(matches!(refusal(&old), Error::Legacy { .. }));
    let mut table = b"CCEL8\0\0\0\x01".to_vec();
    table.resize(56, 0);
    assert_eq!(refusal(&table), Error::AcpiTable);
    for bytes in [&[0; 4096][..], &[0xff; 4096], &[0x7f, b'E', b'L', b'F'].repeat(30)] {
        let error = refusal(bytes);
        assert!(matches!(error, Error::NotALog { .. }), "{error}");
    }
    assert!(matches!(refusal(b""), Error::Truncated { offset: 0, .. }));
    // A TD's log has no PCR 7, nor 5.
    let error = Log::parse(UKI, TD).unwrap_err();
    assert!(matches!(error, Error::UnknownRegister { found: 7, .. }), "{error}");
    assert_eq!(
        Log::parse(CCEL_OVMF, TD).unwrap().observed(Bank::Sha256),
        Err(Error::NoBank { bank: Bank::Sha256, available: vec![AlgorithmId::SHA384] })
    );
}

/// A change to the header or to the entries of a log, and the refusal it must have.
#[test]
fn ambiguous_entries_are_refused() {
    let log = tpm(DIRECT);
    let rewritten = |change: &dyn Fn(&mut Vec<Record>)| {
        let mut records = records(&log);
        change(&mut records);
        write(&log.header, 0, &records)
    };
    let none = rewritten(&|records| records[2].digests.clear());
    assert!(matches!(refusal(&none), Error::DigestCount { entry: 3, found: 0, expected: 4, .. }));
    let twice = rewritten(&|records| records[1].digests[1] = records[1].digests[0].clone());
    let algorithm = AlgorithmId::SHA1;
    assert!(
        matches!(refusal(&twice), Error::DuplicateAlgorithm { entry: 2, algorithm: a, .. } if a == algorithm)
    );
    let unlisted = rewritten(&|records| records[0].digests[0].0 = AlgorithmId::SM3_256);
    assert!(matches!(refusal(&unlisted), Error::UnlistedAlgorithm { entry: 1, .. }));
    let register = rewritten(&|records| records[5].index = 24);
    assert!(matches!(refusal(&register), Error::UnknownRegister { entry: 6, found: 24, .. }));
    let without = rewritten(&|records| drop(records[4].digests.remove(1)));
    let missing = tpm(&without).observed(Bank::Sha256).unwrap_err();
    assert!(matches!(missing, Error::MissingDigest { entry: 5, bank: Bank::Sha256, .. }));
    tpm(&without).observed(Bank::Sha384).unwrap();

    let header = |algorithms: &[(u16, u16)]| {
        let algorithms = algorithms.iter().map(|(id, size)| (AlgorithmId(*id), *size)).collect();
        let header = Header { algorithms, ..log.header.clone() };
        refusal(&write(&header, 0, &[]))
    };
    assert_eq!(header(&[]), Error::AlgorithmCount { found: 0 });
    assert_eq!(header(&[(0xb, 32); 17]), Error::AlgorithmCount { found: 17 });
    assert!(matches!(header(&[(0xb, 32), (0xb, 32)]), Error::DuplicateAlgorithm { entry: 0, .. }));
    assert!(matches!(header(&[(0xb, 48)]), Error::DigestSize { found: 48, expected: 32, .. }));
    assert!(matches!(header(&[(0x99, 0)]), Error::DigestSize { found: 0, expected: 1, .. }));
}

#[test]
fn a_log_that_is_cut_is_refused_except_between_entries() {
    for (name, bytes, set) in ALL {
        let log = Log::parse(bytes, set).unwrap();
        let ends: Vec<_> =
            log.entries.iter().map(|entry| entry.offset).chain([bytes.len()]).collect();
        for len in 0..bytes.len() {
            let parsed = Log::parse(&bytes[..len], set);
            let whole = ends.iter().position(|end| *end == len);
            match whole {
                Some(entries) => assert_eq!(parsed.unwrap().entries.len(), entries, "{name} {len}"),
                // A cut behind zeros only can't be told from filling.
                None => {
                    assert!(parsed.is_err() || ends.contains(&parsed.unwrap().len), "{name} {len}")
                }
            }
        }
    }
}

/// A mebibyte of the smallest entries and as much filling take no time to speak of.
#[test]
fn many_entries_are_read_in_one_pass() {
    let log = tpm(DIRECT);
    let header = Header { algorithms: vec![(AlgorithmId(0x99), 1)], ..log.header.clone() };
    let digests = vec![(AlgorithmId(0x99), vec![0])];
    let record = Record { index: 0, event_type: EventType(0), digests, data: Vec::new() };
    let mut bytes = write(&header, 0, &vec![record; 50_000]);
    // Zeros almost to the end: each entry starts before the filling.
    bytes.resize(bytes.len() + 1_000_000, 0);
    assert_eq!(tpm(&bytes).entries.len(), 50_000);
}

#[test]
fn observed_events_are_of_one_machine_and_bank() {
    let event = |register: &str, digest: BankDigest| ObservedEvent {
        register: register.parse().unwrap(),
        event_type: EventType::EV_IPL,
        digest,
        data: Vec::new().into(),
    };
    let [short, long] = Bank::ALL.map(|bank| bank.hash(b"a"));
    let new = |set, events| Observed::new(set, Bank::Sha384, events);
    assert!(new(TD, vec![event("rtmr2", long), event("mrtd", long)]).is_ok());
    let error = new(TD, vec![event("rtmr2", long), event("pcr2", long)]).unwrap_err();
    assert!(matches!(error, ObservedError::Register { event: 1, .. }), "{error}");
    let error = new(TPM, vec![event("PCR 2", short)]).unwrap_err();
    assert!(matches!(error, ObservedError::Bank { event: 0, .. }), "{error}");
    for text in ["pcr24", "rtmr4", "pcr", "mrtd0", "", "pcr-1"] {
        assert!(text.parse::<Register>().is_err(), "{text}");
    }
}

fn any_record() -> impl Strategy<Value = Record> {
    let digest =
        |id, len| prop::collection::vec(any::<u8>(), len).prop_map(move |bytes| (id, bytes));
    let digests = (digest(AlgorithmId::SHA256, 32), digest(AlgorithmId::SHA384, 48));
    let types = prop_oneof![
        any::<u32>(),
        0_u32..0x13,
        0x8000_0001_u32..0x8000_000e,
        Just(0x8000_00e0_u32),
    ];
    let data = prop::collection::vec(any::<u8>(), 0..120);
    (0_u32..24, types, digests, data).prop_map(|(index, event_type, (a, b), data)| Record {
        index,
        event_type: EventType(event_type),
        digests: vec![a, b],
        data,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        records_in in prop::collection::vec(any_record(), 0..12),
        filling in 0_usize..200,
        fill in prop_oneof![Just(0_u8), Just(0xff)],
    ) {
        let header = Header {
            platform_class: 1,
            version: [2, 0, 106],
            algorithms: vec![(AlgorithmId::SHA256, 32), (AlgorithmId::SHA384, 48)],
            vendor_info: b"vendor",
        };
        let mut bytes = write(&header, 0, &records_in);
        let len = bytes.len();
        bytes.resize(len + filling, fill);
        let log = Log::parse(&bytes, TPM).unwrap();
        prop_assert_eq!(&log.header, &header);
        prop_assert_eq!(records(&log), records_in);
        prop_assert_eq!(log.len, len);
        for entry in &log.entries {
            let text = entry.describe();
            prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
        }
    }

    #[test]
    fn hostile_logs_never_panic(
        which in 0_usize..ALL.len(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (_, bytes, set) = ALL[which];
        let mut bytes = bytes.to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        bytes.truncate(cut.index(bytes.len() * 2).max(at));
        if let Ok(log) = Log::parse(&bytes, set) {
            for entry in &log.entries {
                prop_assert!(entry.describe().len() < 10_000);
            }
            let _ = log.observed(Bank::Sha384).map(|observed| observed.replay());
        }
    }
}
