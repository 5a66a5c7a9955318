//! Observations against reference values alone: what each form of observation is judged by.

use std::path::{Path, PathBuf};

use cvmkit_host::files;
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::{Bank, RegisterSet};
use serde_json::{Map, Value, json};

use super::super::*;
use super::fixture::rtmr;
use crate::tests::event_logs::{CCEL_OVMF, UKI};
use crate::tests::image::{reference_values, value};

/// What a machine reported, and the reference values of one that it should be.
struct Case(tempfile::TempDir);

impl Case {
    fn of(observed: &[u8], values: &[Value]) -> Self {
        let case = Self(tempfile::tempdir().unwrap());
        case.put("observed", observed);
        case.put("values.json", reference_values(false, &[], values).as_bytes());
        case
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        files::replace(&self.0.path().join(name), bytes).unwrap();
    }

    fn observed(&self) -> PathBuf {
        self.0.path().join("observed")
    }

    fn compare(&self, options: &Options) -> Result<Report, CompareError> {
        compare(&self.observed(), &self.0.path().join("values.json"), options)
    }

    fn report(&self) -> Report {
        self.compare(&Options::default()).unwrap()
    }
}

fn names(judged: &[Judged]) -> String {
    listed(judged)
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/fixtures");
    files::read(&folder.join(name)).unwrap()
}

fn snp(digest: &str) -> Value {
    value("snp", ["sev-snp", "qemu", "direct"], json!({ "launch-digest": digest }))
}

fn td(registers: Value) -> Value {
    value("td", ["tdx", "qemu", "direct"], json!({ "registers": { "sha384": registers } }))
}

/// MEASUREMENT of a real report (publication 56860, table 23), which nobody verified here.
#[test]
fn a_report_is_judged_by_its_measurement() {
    let mut report = fixture("snp_report_milan.bin");
    let digest = hex::encode(&report[0x90..0xc0]);
    let found = Case::of(&report, &[snp(&digest)]).report();
    assert!(found.equal && found.launch.unwrap().is_equal());
    assert_eq!(found.judgement.equal, [Judged::LaunchDigest]);
    assert_eq!(
        found.notes,
        ["the signature of the report is not verified here: verify it before you rely on it"]
    );
    let found = Case::of(&report, &[snp(&"0a".repeat(48))]).report();
    assert_eq!((found.equal, found.judgement.verdict), (false, Verdict::Differs));
    assert_eq!(found.judgement.differing, [Judged::LaunchDigest]);
    // POLICY, bit 19: the host may debug the guest, whatever its digest is.
    report[8 + 2] |= 1 << 3;
    let found = Case::of(&report, &[snp(&digest)]).report();
    assert_eq!(found.judgement.verdict, Verdict::Differs);
    assert_eq!(found.judgement.equal, [Judged::LaunchDigest]);
    let [refusal] = &found.refusals[..] else { panic!("{:?}", found.refusals) };
    assert!(refusal.starts_with("the report's guest is not protected: "), "{refusal}");
    let text = found.to_string();
    assert!(text.contains(&format!("\n  not to be trusted: {refusal}\n")), "{text}");
}

/// A digest is short enough to be given in place of a file.
#[test]
fn a_launch_digest_is_given_itself() {
    let digest = "0a".repeat(48);
    let case = Case::of(b"", &[snp(&digest)]);
    let with = case.0.path().join("values.json");
    let found = compare(Path::new(&digest), &with, &Options::default()).unwrap();
    assert!(found.equal && found.notes.is_empty());
    assert_eq!(found.observed, "SEV-SNP launch digest");
    let short = compare(Path::new(&digest[1..]), &with, &Options::default()).unwrap_err();
    assert!(matches!(&short, CompareError::File(error) if error.is_not_found()), "{short}");
}

/// What is observed and what is expected are of one technology, or there is nothing to compare.
#[test]
fn values_of_another_technology_say_nothing() {
    let digest = "0a".repeat(48);
    let td = td(json!({ "rtmr1": digest }));
    let registers = json!({ "registers": { "sha256": { "pcr4": "0a".repeat(32) } } });
    let tpm = value("tpm", ["tpm", "qemu", "uki-disk"], registers);
    let pcrs = format!("pcr4={}", "0a".repeat(32));
    let rtmrs = format!("rtmr1={digest}");
    for (observed, expected, what) in [
        (digest.as_bytes(), &td, "a launch digest"),
        (UKI, &td, "any of these registers"),
        (CCEL_OVMF, &tpm, "any of these registers"),
        (pcrs.as_bytes(), &td, "any of these registers"),
        (rtmrs.as_bytes(), &tpm, "any of these registers"),
    ] {
        let error = Case::of(observed, std::slice::from_ref(expected))
            .compare(&Options::default())
            .unwrap_err();
        let CompareError::NoExpectation { what: found, is_folder: false, .. } = error else {
            panic!("{what}: {error}")
        };
        assert_eq!(found, what);
    }
}

/// No observation is cut: one byte more than is read is refused.
#[test]
fn an_observation_has_a_length_that_is_read_whole() {
    let line = format!("pcr4={}\n", "0a".repeat(32));
    let registers = json!({ "registers": { "sha256": { "pcr4": "0a".repeat(32) } } });
    let tpm = value("tpm", ["tpm", "qemu", "uki-disk"], registers);
    let most = usize::try_from(OBSERVED_MAX).unwrap();
    let mut bytes = line.into_bytes();
    bytes.resize(most, b'\n');
    let required: Vec<Judged> = vec!["pcr4".parse().unwrap()];
    let options = Options { required: Some(required), ..Options::default() };
    assert!(Case::of(&bytes, std::slice::from_ref(&tpm)).compare(&options).unwrap().equal);
    bytes.push(b'\n');
    let case = Case::of(&bytes, &[tpm]);
    let error = case.compare(&options).unwrap_err();
    let CompareError::TooLong { path, most } = &error else { panic!("{error}") };
    assert_eq!((path, *most), (&case.observed(), OBSERVED_MAX));
}

/// The registers that the boot of a real TD came to, of which the published values are in `measure`.
fn replayed(log: &[u8]) -> Map<String, Value> {
    let log = Log::parse(log, RegisterSet::Td).unwrap();
    let replayed = log.observed(Bank::Sha384).unwrap().replay();
    replayed.iter().map(|(register, value)| (register.key(), value.to_string().into())).collect()
}

#[test]
fn the_log_of_a_td_is_judged_by_what_it_replays_to() {
    let mut expected = replayed(CCEL_OVMF);
    assert_eq!(expected.keys().collect::<Vec<_>>(), ["rtmr0", "rtmr1", "rtmr2"]);
    let found = Case::of(CCEL_OVMF, &[td(expected.clone().into())]).report();
    assert!(found.equal && found.td.is_none() && found.events.is_none());
    assert_eq!(names(&found.judgement.equal), "RTMR 0, RTMR 1 and RTMR 2");
    assert_eq!(names(&found.judgement.not_expected), "RTMR 3");
    assert_eq!(found.notes.len(), 1);
    assert!(found.notes[0].starts_with("a log is the guest's own words"), "{:?}", found.notes);
    // A register that no event is for has the value that it starts with.
    for (value, is_equal) in [("00", true), ("33", false)] {
        expected.insert("rtmr3".to_owned(), value.repeat(48).into());
        let found = Case::of(CCEL_OVMF, &[td(expected.clone().into())]).report();
        assert_eq!(found.equal, is_equal, "{value}");
        let judged = if is_equal { &found.judgement.equal } else { &found.judgement.differing };
        assert!(judged.contains(&Judged::Register(rtmr(3))), "{value}");
    }
    for register in ["rtmr0", "rtmr1", "rtmr2"] {
        let mut other = replayed(CCEL_OVMF);
        other.insert(register.to_owned(), "0a".repeat(48).into());
        let found = Case::of(CCEL_OVMF, &[td(other.into())]).report();
        let differing: Vec<String> =
            found.judgement.differing.iter().map(|of| serde_json::to_string(of).unwrap()).collect();
        assert_eq!(differing, [format!("{register:?}")]);
        let values = found.values.unwrap();
        let causes = values.registers.iter().find(|value| !value.is_equal()).unwrap();
        assert!(!causes.causes.is_empty(), "{register}");
    }
}

/// `uki.pcrs.txt`: what the guest of `uki.bin` read from its TPM.
#[test]
fn the_log_of_a_tpm_is_judged_in_every_bank() {
    let text = String::from_utf8(fixture("event_logs/uki.pcrs.txt")).unwrap();
    let read = |name: &str| -> Map<String, Value> {
        let of_bank =
            text.lines().filter_map(|line| match line.split(' ').collect::<Vec<_>>().as_slice() {
                [bank, pcr @ ("4" | "5" | "9" | "11"), digest] if *bank == name => {
                    Some((format!("pcr{pcr}"), digest.to_lowercase().into()))
                }
                _ => None,
            });
        of_bank.collect()
    };
    let (short, long) = (read("PCR256"), read("PCR384"));
    assert_eq!(short.len(), 4);
    let value = |sha256: &Map<String, Value>, sha384: &Map<String, Value>| {
        let registers = json!({ "registers": { "sha256": sha256, "sha384": sha384 } });
        value("tpm", ["tpm", "qemu", "uki-disk"], registers)
    };
    let found = Case::of(UKI, &[value(&short, &long)]).report();
    assert!(found.equal, "{found}");
    assert_eq!(names(&found.judgement.equal), "PCR 4, PCR 5, PCR 9 and PCR 11");
    // A register that differs in one bank differs.
    let mut other = short.clone();
    other.insert("pcr9".to_owned(), "0a".repeat(32).into());
    let found = Case::of(UKI, &[value(&other, &long)]).report();
    assert_eq!(names(&found.judgement.differing), "PCR 9");
    assert_eq!(names(&found.judgement.equal), "PCR 4, PCR 5 and PCR 11");
}

/// Offsets of MRTD and RTMR 0 in a quote of version 4 (DCAP Quoting Library API, A.3.2).
fn registers_of(quote: &[u8]) -> Map<String, Value> {
    let at = |at: usize| Value::from(hex::encode(&quote[48 + at..96 + at]));
    let registers = [("mrtd", 136), ("rtmr0", 328), ("rtmr1", 376), ("rtmr2", 424), ("rtmr3", 472)];
    registers.into_iter().map(|(name, offset)| (name.to_owned(), at(offset))).collect()
}

/// The quote of a real TD of dstack, with its log and without.
#[test]
fn a_quote_is_judged_by_the_registers_in_it() {
    let answer: Value = serde_json::from_slice(&fixture("tdx/quote.json")).unwrap();
    let quote = hex::decode(answer["quote"].as_str().unwrap()).unwrap();
    let expected = registers_of(&quote);
    for observed in [quote.clone(), answer.to_string().into_bytes()] {
        let found = Case::of(&observed, &[td(expected.clone().into())]).report();
        assert!(found.equal && found.refusals.is_empty(), "{found}");
        assert_eq!(names(&found.judgement.equal), "MRTD, RTMR 0, RTMR 1, RTMR 2 and RTMR 3");
        let note =
            "the signature of the quote is not verified here: verify it before you rely on it";
        assert_eq!(found.notes, [note]);
    }
    // A log of other events than the quote signs is not what happened.
    for register in 0..4 {
        let mut log: Value = serde_json::from_str(answer["event_log"].as_str().unwrap()).unwrap();
        let events = log.as_array_mut().unwrap();
        let at = events.iter().position(|event| event["imr"] == register).unwrap();
        events[at]["digest"] = "0a".repeat(48).into();
        let planted = json!({ "quote": answer["quote"], "event_log": log });
        let found =
            Case::of(planted.to_string().as_bytes(), &[td(expected.clone().into())]).report();
        assert_eq!(found.judgement.verdict, Verdict::Differs);
        let [refusal] = &found.refusals[..] else { panic!("{:?}", found.refusals) };
        let signed = expected[&format!("rtmr{register}")].as_str().unwrap();
        let words =
            format!("RTMR {register} is {signed} in the quote, and its event log replays to ");
        assert!(refusal.starts_with(&words), "{refusal}");
    }
    // A log without the events of a register replays to where it starts.
    let mut log: Value = serde_json::from_str(answer["event_log"].as_str().unwrap()).unwrap();
    log.as_array_mut().unwrap().retain(|event| event["imr"] != 3);
    let cut = json!({ "quote": answer["quote"], "event_log": log });
    let found = Case::of(cut.to_string().as_bytes(), &[td(expected.into())]).report();
    let [refusal] = &found.refusals[..] else { panic!("{:?}", found.refusals) };
    assert!(refusal.ends_with(&"00".repeat(48)), "{refusal}");
}

/// What must be judged is what the image decides, unless more or less is required.
#[test]
fn what_is_required_decides_the_verdict() {
    let digests =
        json!({ "mrtd": "0a".repeat(48), "rtmr1": "01".repeat(48), "rtmr2": "02".repeat(48) });
    let verdict = |observed: &str, required: Option<&[&str]>| {
        let required = required.map(|names| names.iter().map(|of| of.parse().unwrap()).collect());
        let case = Case::of(observed.as_bytes(), &[td(digests.clone())]);
        case.compare(&Options { required, ..Options::default() }).unwrap().judgement
    };
    let line = |name: &str, byte: &str| format!("{name}={}\n", byte.repeat(48));
    let (one, two) = (line("rtmr1", "01"), line("rtmr2", "02"));
    let both = [one.as_str(), &two].concat();
    for (observed, required, expected, missing) in [
        (&both, None, Verdict::Equal, "nothing"),
        (&one, None, Verdict::Undecided, "RTMR 2"),
        (&one, Some(&["rtmr1"][..]), Verdict::Equal, "nothing"),
        (&one, Some(&[]), Verdict::Equal, "nothing"),
        (&both, Some(&["mrtd"]), Verdict::Undecided, "MRTD"),
        // Nothing is expected of it anywhere.
        (&both, Some(&["rtmr0"]), Verdict::Undecided, "RTMR 0"),
    ] {
        let found = verdict(observed, required);
        assert_eq!((found.verdict, names(&found.missing).as_str()), (expected, missing));
    }
    let differs = verdict(&[line("rtmr1", "0f"), two].concat(), Some(&["rtmr2"]));
    assert_eq!(differs.verdict, Verdict::Differs);
    assert_eq!(
        (names(&differs.equal), names(&differs.differing)),
        ("RTMR 2".into(), "RTMR 1".into())
    );
}

#[test]
fn a_broken_log_is_said_of_the_file_it_is_in() {
    let case = Case::of(&UKI[..UKI.len() - 7], &[td(json!({}))]);
    let error = case.compare(&Options::default()).unwrap_err();
    let CompareError::Observed { path, source: ObservedError::Log(_) } = &error else {
        panic!("{error}")
    };
    assert_eq!(path, &case.observed());
    // A log without a digest of either bank has nothing to replay.
    let mut sha1 = UKI.to_vec();
    sha1.truncate(32);
    let mut spec = b"Spec ID Event03\0".to_vec();
    spec.extend([0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0, 4, 0, 20, 0, 0]);
    sha1[28..32].copy_from_slice(&u32::try_from(spec.len()).unwrap().to_le_bytes());
    sha1.extend(spec);
    let case = Case::of(&sha1, &[td(json!({}))]);
    let error = case.compare(&Options::default()).unwrap_err();
    let CompareError::Observed { path, source: ObservedError::Log(why) } = &error else {
        panic!("{error}")
    };
    assert_eq!(path, &case.observed());
    assert!(why.to_string().contains("no sha256 digests, only sha1"), "{why}");
}

/// The whole answer as a program reads it: names of fields and registers stay.
#[test]
fn an_answer_is_written_with_the_names_that_programs_read() {
    let digest = "0a".repeat(48);
    let case = Case::of(digest.as_bytes(), &[snp(&digest)]);
    let report = case.report();
    let with = case.0.path().join("values.json");
    assert_eq!(
        serde_json::to_value(&report).unwrap(),
        json!({
            "equal": true,
            "judgement": {
                "verdict": "equal", "equal": ["launch-digest"], "differing": [], "not-given": [],
                "not-expected": [], "required": ["launch-digest"], "missing": [],
            },
            "observed": "SEV-SNP launch digest",
            "with": with,
            "refusals": [],
            "launch": {
                "observed": digest, "matching": ["snp (qemu, direct boot)"], "reference-values": 1,
                "would-match": [], "tried": 0,
            },
            "notes": [],
        })
    );
}
