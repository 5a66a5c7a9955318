//! What is told by its bytes: real logs, reports and quotes, the forms of registers, and what is none of them.

use std::path::Path;

use cvmkit_host::files;
use serde_json::json;

use super::super::tests::fixture::{pcr, rtmr, sha256};
use super::*;
use crate::tests::event_logs::{CCEL_OVMF, UKI};

/// A log with a digest of one algorithm in each entry.
fn log(algorithm: (u16, u16), entries: &[(u32, EventType, &[u8])]) -> Vec<u8> {
    let (id, len) = algorithm;
    let mut spec = SPEC_ID_SIGNATURE.to_vec();
    spec.extend([0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0]);
    spec.extend([id.to_le_bytes(), len.to_le_bytes()].concat());
    spec.push(0);
    let word = |number: u32| number.to_le_bytes();
    let sized = |bytes: &[u8]| [&word(u32::try_from(bytes.len()).unwrap())[..], bytes].concat();
    let mut log = [word(0), word(EventType::EV_NO_ACTION.0)].concat();
    log.extend([0; 20]);
    log.extend(sized(&spec));
    for (index, event_type, data) in entries {
        log.extend([word(*index), word(event_type.0), word(1)].concat());
        log.extend(id.to_le_bytes());
        log.extend(vec![0x5a; usize::from(len)]);
        log.extend(sized(data));
    }
    log
}

const SHA384: (u16, u16) = (0x0c, 48);

/// TCG PFP: entries with SP800-155 events are of index -1 and never extended, as Google's TDs
/// have them. They say nothing of the kind of log, and are not replayed.
#[test]
fn an_entry_that_extends_nothing_does_not_decide_whose_log_it_is() {
    let separator = (1, EventType::EV_SEPARATOR, &[0; 4][..]);
    let reference = (u32::MAX, EventType::EV_NO_ACTION, &b"SP800-155 Event"[..]);
    let action = (2, EventType::EV_EFI_ACTION, &b"an action"[..]);
    let without = log(SHA384, &[separator, action]);
    let rows = [
        without.clone(),
        log(SHA384, &[reference, separator, action]),
        log(SHA384, &[separator, reference, action, reference]),
    ];
    let replayed = |bytes: &[u8]| {
        let Observed::Log(log) = Observed::read(bytes).unwrap() else { panic!() };
        assert_eq!(log, Log::parse(bytes, RegisterSet::Td).unwrap());
        log.observed(Bank::Sha384).unwrap().replay()
    };
    for bytes in rows {
        assert_eq!(replayed(&bytes), replayed(&without));
    }
    let high = (7, EventType::EV_SEPARATOR, &[0; 4][..]);
    let bytes = log(SHA384, &[separator, high]);
    let tpm = Observed::read(&bytes).unwrap();
    assert_eq!(tpm.to_string(), "TPM event log");
}

#[test]
fn what_is_no_log_to_replay_is_named() {
    let words = |bytes: Vec<u8>| {
        let error = Observed::read(&bytes).unwrap_err();
        std::error::Error::source(&error).map_or_else(|| error.to_string(), |e| e.to_string())
    };
    let table = [b"CCEL".as_slice(), &[0x38, 0, 0, 0, 1, 0x9a], &[0; 46]].concat();
    assert!(words(table).contains("this is the ACPI table CCEL"));
    // TCG_PCR_EVENT of TPM 1.2: EV_S_CRTM_VERSION with a digest.
    let mut old = [0_u32.to_le_bytes(), 8_u32.to_le_bytes()].concat();
    old.extend([0x11; 20]);
    old.extend([2, 0, 0, 0, 0, 0]);
    assert!(words(old).contains("SHA-1 digests only"));
    let header = [0_u32.to_le_bytes(), 3_u32.to_le_bytes()].concat();
    let old = [&header[..], &[0; 20], &[16, 0, 0, 0], b"Spec ID Event00\0"].concat();
    assert!(words(old).contains("SHA-1 digests only"));
    assert!(words(vec![0xfe; 100]).contains("100 bytes that start with"));
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/fixtures");
    files::read(&folder.join(name)).unwrap()
}

/// dstack 312dc60, `verifier/fixtures/tdx-lite-getquote.json`: what a real TD answered.
fn answer() -> Value {
    serde_json::from_slice(&fixture("tdx/quote.json")).unwrap()
}

fn quote_bytes() -> Vec<u8> {
    hex::decode(answer()["quote"].as_str().unwrap()).unwrap()
}

/// Where a quote of version 4 has TDATTRIBUTES, MRTD and RTMR 0 (DCAP Quoting Library API, A.3.2).
const ATTRIBUTES_AT: usize = 48 + 120;
const MRTD_AT: usize = 48 + 136;
const RTMR_0_AT: usize = 48 + 328;

#[test]
fn each_form_is_told_by_its_bytes() {
    let report = fixture("snp_report_milan.bin");
    let digest = "0a".repeat(48);
    let rows: [(Vec<u8>, &str); 14] = [
        (UKI.to_vec(), "TPM event log"),
        (CCEL_OVMF.to_vec(), "TD event log"),
        (report, "SEV-SNP attestation report"),
        (quote_bytes(), "TD quote"),
        (answer().to_string().into_bytes(), "TD quote with event log"),
        (digest.clone().into_bytes(), "SEV-SNP launch digest"),
        (format!(" {}\n", digest.to_uppercase()).into_bytes(), "SEV-SNP launch digest"),
        (json!({ "launch_digest": digest }).to_string().into_bytes(), "SEV-SNP launch digest"),
        (json!({ "launch-digest": digest }).to_string().into_bytes(), "SEV-SNP launch digest"),
        (json!({ "measurement": digest }).to_string().into_bytes(), "SEV-SNP launch digest"),
        (format!("rtmr1={digest}").into_bytes(), "list of registers"),
        (format!("sha256:\n  4 : 0x{}", "0A".repeat(32)).into_bytes(), "list of registers"),
        (json!({ "pcr4": "0a".repeat(32) }).to_string().into_bytes(), "list of registers"),
        (json!([{ "mrtd": digest }]).to_string().into_bytes(), "list of registers"),
    ];
    for (bytes, form) in rows {
        assert_eq!(Observed::read(&bytes).unwrap().to_string(), form);
    }
}

/// A TD quote's type is behind its version; a report is as long as a report.
#[test]
fn a_report_is_told_by_its_length() {
    let report = fixture("snp_report_genoa.bin");
    let Observed::Report(parsed) = Observed::read(&report).unwrap() else { panic!() };
    // MEASUREMENT (publication 56860, table 23).
    assert_eq!(parsed.measurement.0.0[..], report[0x90..0xc0]);
    let mut unknown = report.clone();
    unknown[0] = 9;
    let error = Observed::read(&unknown).unwrap_err();
    assert!(matches!(error, ObservedError::Report(report::Error::Version { found: 9 })), "{error}");
    for len in [REPORT_LEN - 1, REPORT_LEN + 1] {
        let mut other = report.clone();
        other.resize(len, 0);
        let ObservedError::Unknown { found } = Observed::read(&other).unwrap_err() else {
            panic!("{len} bytes")
        };
        let head = hex::encode(&other[..16]);
        assert_eq!(found, format!("{len} bytes that start with {head}"));
    }
}

#[test]
fn a_quote_has_the_registers_that_are_signed() {
    let bytes = quote_bytes();
    let at = |at: usize| Bank::Sha384.digest(&bytes[at..at + 48]).unwrap();
    let Observed::Quote(quote) = Observed::read(&bytes).unwrap() else { panic!() };
    let get = |register| quote.registers.get(Bank::Sha384, register).unwrap();
    assert_eq!(get(Register::Mrtd), at(MRTD_AT));
    for number in 0..4 {
        let offset = RTMR_0_AT + usize::from(number) * 48;
        assert_eq!(get(rtmr(number)), at(offset), "{number}");
    }
    assert!(quote.events.is_none() && quote.refusal.is_none());
    // A TD that its host may debug (TDATTRIBUTES, bit 0).
    let mut debugged = bytes.clone();
    debugged[ATTRIBUTES_AT] |= 1;
    let Observed::Quote(quote) = Observed::read(&debugged).unwrap() else { panic!() };
    assert!(quote.refusal.unwrap().contains("bit 0 is DEBUG"));
    let error = Observed::read(&bytes[..600]).unwrap_err();
    assert!(matches!(error, ObservedError::Quote(quote::Error::Truncated { .. })), "{error}");
}

/// The log of an answer replays to the registers of its quote: of RTMR 3 digests are computed.
#[test]
fn the_log_beside_a_real_quote_replays_to_its_registers() {
    for (prefix, as_text) in [("", true), ("0x", true), ("", false)] {
        let mut answer = answer();
        answer["quote"] = format!("{prefix}{}", answer["quote"].as_str().unwrap()).into();
        if !as_text {
            answer["event_log"] =
                serde_json::from_str(answer["event_log"].as_str().unwrap()).unwrap();
        }
        let text = answer.to_string();
        let Observed::Quote(quote) = Observed::read(text.as_bytes()).unwrap() else { panic!() };
        let events = quote.events.unwrap();
        assert_eq!((events.registers(), events.bank()), (RegisterSet::Td, Bank::Sha384));
        assert_eq!(events.events().len(), 29);
        let replayed = events.replay();
        for number in 0..4 {
            let signed = quote.registers.get(Bank::Sha384, rtmr(number)).unwrap();
            assert_eq!(replayed[&rtmr(number)], signed, "RTMR {number}");
        }
    }
}

#[test]
fn an_answer_without_a_log_is_a_quote() {
    for log in [None, Some(Value::Null), Some("".into())] {
        let mut answer = json!({ "quote": answer()["quote"] });
        if let Some(log) = log {
            answer["event_log"] = log;
        }
        let observed = answer.to_string();
        assert_eq!(Observed::read(observed.as_bytes()).unwrap().to_string(), "TD quote");
    }
    let mut answer = json!({ "quote": answer()["quote"], "event_log": [] });
    assert_eq!(
        Observed::read(answer.to_string().as_bytes()).unwrap().to_string(),
        "TD quote with event log"
    );
    answer["event_log"] = "[]".into();
    let text = answer.to_string();
    let Observed::Quote(quote) = Observed::read(text.as_bytes()).unwrap() else { panic!() };
    assert!(quote.events.unwrap().events().is_empty());
}

/// dstack: what the running system extends is SHA-384 of type, name and payload, parted by colons.
#[test]
fn an_event_of_the_running_system_is_hashed_as_dstack_does() {
    let entry = |digest: &str, event: &str, payload: &str| LogEntry {
        imr: 3,
        event_type: 0x0800_0001,
        digest: digest.to_owned(),
        event: event.to_owned(),
        event_payload: payload.to_owned(),
    };
    let hashed = entry("", "app-id", "0a0b").digest().unwrap();
    assert_eq!(hashed, Bank::Sha384.hash(b"\x01\0\0\x08:app-id:\x0a\x0b"));
    let given = "0a".repeat(48);
    assert_eq!(entry(&given, "app-id", "xx").digest().unwrap().to_string(), given);
    assert!(entry("", "app-id", "0a0").digest().is_err());
    assert!(entry("0a", "app-id", "").digest().is_err());
}

/// What is done to an answer, the field that is named, and words of what is wrong with it.
#[test]
fn an_answer_that_is_none_names_its_field() {
    let entry = |imr: u64, digest: &str| json!([{ "imr": imr, "event_type": 1, "digest": digest }]);
    let (long, short) = ("0a".repeat(48), "0a".repeat(32));
    let quote = || answer()["quote"].clone();
    for (answer, field, words) in [
        (json!({ "quote": 1 }), "quote", "expected a string"),
        (json!({ "quote": "0xgg" }), "quote", "Invalid character 'g'"),
        (json!({ "quote": "abc" }), "quote", "Odd number of digits"),
        (json!({ "quote": quote(), "event_log": 1 }), "event_log", "expected an array"),
        (json!({ "quote": quote(), "event_log": "[" }), "event_log", "EOF"),
        (
            json!({ "quote": quote(), "event_log": entry(4, &long) }),
            "event_log",
            "entry 0 has imr 4, expected 0 to 3",
        ),
        (json!({ "quote": quote(), "event_log": [{ "imr": 0 }] }), "event_log", "event_type"),
        (json!({ "quote": quote(), "event_log": entry(256, &long) }), "event_log", "256"),
        (json!({ "quote": quote(), "event_log": entry(0, "0g") }), "event_log", "entry 0: "),
        (
            json!({ "quote": quote(), "event_log": entry(0, &short) }),
            "event_log",
            "event 0 has a digest of sha256, expected sha384",
        ),
    ] {
        let text = answer.to_string();
        match Observed::read(text.as_bytes()).unwrap_err() {
            ObservedError::GetQuote { field: found, why } => {
                assert_eq!(found, field, "{why}");
                assert!(why.contains(words), "{words}: {why}");
            }
            error => panic!("{words}: {error}"),
        }
    }
    let other = json!({ "quote": "00" }).to_string();
    let error = Observed::read(other.as_bytes()).unwrap_err();
    assert!(matches!(error, ObservedError::Quote(_)), "{error}");
}

#[test]
fn what_is_no_observation_is_described() {
    for (bytes, found) in [
        (&b""[..], "nothing"),
        (b" \n", "nothing"),
        (b"{}", "JSON without registers"),
        (b"[]", "JSON without registers"),
        (b"# a remark\n", "10 bytes that start with \"# a remark\""),
        (b"\xff\xfe", "2 bytes that start with fffe"),
        (b"a\0b", "3 bytes that start with 610062"),
        (b"0123456789abcdef\xff", "17 bytes that start with \"0123456789abcdef\""),
    ] {
        match Observed::read(bytes).unwrap_err() {
            ObservedError::Unknown { found: words } => assert_eq!(words, found),
            error => panic!("{found}: {error}"),
        }
    }
    let ObservedError::Unknown { found } = Observed::read(b"{ \"pcr4\"").unwrap_err() else {
        panic!()
    };
    assert!(found.starts_with("broken JSON (EOF"), "{found}");
    let error = Observed::read(b"hello world").unwrap_err();
    assert!(matches!(error, ObservedError::Registers(RegistersError::Line { line: 1, .. })));
    let wrong = json!({ "measurement": "0a", "pcr4": "0a".repeat(32) }).to_string();
    let Observed::Registers(registers) = Observed::read(wrong.as_bytes()).unwrap() else {
        panic!("a measurement that is no launch digest is none")
    };
    assert_eq!(registers.get(Bank::Sha256, pcr(4)), Some(sha256(0x0a)));
}

/// A log of PCRs above 4, or with digests of another function, is a TPM's.
#[test]
fn a_log_of_a_td_has_sha_384_and_registers_up_to_4() {
    let separator = |index| (index, EventType::EV_SEPARATOR, &[0; 4][..]);
    let form = |algorithm, index| {
        Observed::read(&log(algorithm, &[separator(index)])).unwrap().to_string()
    };
    assert_eq!(form(SHA384, 4), "TD event log");
    assert_eq!(form(SHA384, 5), "TPM event log");
    assert_eq!(form((0x0b, 32), 1), "TPM event log");
}
