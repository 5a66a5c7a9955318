//! What a guest says of itself when things are not well in it, and what its TPM says: one image with
//! units that can't start, booted once by UEFI firmware with a TPM.
//!
//! Oracles: systemd, and Linux, which reads the same event log from inside.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "prepares a recipe in a folder of its own")]
#![expect(clippy::disallowed_types, reason = "runs the program")]

mod rig;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cvmkit_formats::digest::Sha256;
use cvmkit_measure::event::log::Log;
use cvmkit_measure::event::{Bank, Register, RegisterSet};
use rig::{Image, cvmkit, run, run_machine, skip};
use serde_json::Value;

/// Units that the definition enables, and what `ready` is to say of them; nothing of the last two.
const UNITS: [(&str, &str, &str); 6] = [
    (
        "test-condition.service",
        "[Unit]\nConditionPathExists=/run/nonexistent\n[Service]\nExecStart=/bin/true",
        "condition failed",
    ),
    ("test-fails.service", "[Service]\nType=oneshot\nExecStart=/bin/false", "failed"),
    (
        "test-orphan.service",
        "[Unit]\nRequires=test-fails.service\nAfter=test-fails.service\n[Service]\nExecStart=/bin/true",
        "not started",
    ),
    // As sshd without host keys: it never gets past its first command, and tries for ever.
    (
        "test-restarts.service",
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStartPre=/bin/false\nExecStart=/bin/true\n\
         Restart=on-failure\nRestartSec=500ms",
        "restart",
    ),
    ("test-over.service", "[Service]\nType=oneshot\nExecStart=/bin/true", ""),
    // What only another target wants is not missing here.
    ("test-other.service", "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=rescue.target", ""),
];

/// Says what the kernel has of the TPM, and when it has said all.
const TPM: &str = "\
[Service]
Type=oneshot
StandardOutput=tty
TTYPath=/dev/console
ExecStart=/bin/sh -c 'for at in 0 1 2 3 4 5 6 7 8 9; do \
echo test-pcr $at $(cat /sys/class/tpm/tpm0/pcr-sha256/$at); done; \
echo test-log $(sha256sum /sys/kernel/security/tpm0/binary_bios_measurements); echo test-end'
";

/// The recipe with these units, built.
fn build(folder: &Path) -> PathBuf {
    let image = Image::minimal();
    let recipe = folder.join("recipe");
    rig::copy_folder(&image.recipe, &recipe);
    let units = recipe.join("tree/usr/lib/systemd/system");
    let install = "\n[Install]\nWantedBy=multi-user.target\n";
    let unit = |name: &str, text: &str| {
        let install = if text.contains("[Install]") { "\n" } else { install };
        fs::write(units.join(name), format!("{text}{install}")).unwrap();
    };
    UNITS.iter().for_each(|(name, text, _)| unit(name, text));
    unit("test-tpm.service", TPM);
    let names = UNITS.iter().map(|(name, _, _)| *name).chain(["test-tpm.service"]);
    let names: String = names.map(|name| format!(", \"{name}\"")).collect();
    let path = recipe.join("image.toml");
    let text = fs::read_to_string(&path).unwrap();
    let enable = "enable = [\"cvmkit-ready.service\"";
    assert!(text.contains(enable));
    fs::write(&path, text.replacen(enable, &format!("{enable}{names}"), 1)).unwrap();
    run(cvmkit(["lock".as_ref(), recipe.as_os_str()]).args(["--accept-expired", "forky"])).answer();
    let out = folder.join("out");
    let mut build = cvmkit(["build".as_ref(), recipe.as_os_str()]);
    run(build.arg("--offline").arg("--out").arg(&out)).answer();
    out
}

/// The PCRs and the digest of the log, as the guest printed them.
fn printed(console: &str) -> (BTreeMap<u8, String>, String) {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let said = |word: &'static str| console.lines().filter_map(move |line| line.split_once(word));
    let pcrs = said("test-pcr ").map(|(_, rest)| words(rest));
    let pcrs = pcrs.map(|words| (words[0].parse().unwrap(), words[1].to_lowercase())).collect();
    let log = said("test-log ").map(|(_, rest)| words(rest)[0].clone()).next().unwrap();
    (pcrs, log)
}

#[test]
fn units_that_are_not_well_are_named_and_the_event_log_is_the_one_that_linux_has() {
    for tool in ["qemu-system-x86_64", "swtpm"] {
        if rig::found(tool).is_none() {
            return skip(&format!("{tool} is not installed"));
        }
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let out = build(folder.path());
    let file = |name: &str| folder.path().join(name);
    let mut boot = cvmkit(["boot", "--format", "json", "--tpm", "--compare", "--timeout", "600"]);
    boot.arg(&out).args(["--until", "cvmkit: ready", "--until", "test-end"]);
    boot.arg("--event-log").arg(file("log")).arg("--serial-log").arg(file("serial"));
    let said = run_machine(&mut boot);
    let console = fs::read(file("serial")).unwrap();
    let console = String::from_utf8_lossy(&console);
    let answer: Value = serde_json::from_str(&said.stdout).unwrap_or_default();

    // The units.
    assert_eq!(said.code, Some(1), "{}\n{}\n{console}", said.stdout, said.stderr);
    let units = answer["failed-units"].as_array().unwrap();
    let units: Vec<&str> = units.iter().map(|unit| unit.as_str().unwrap()).collect();
    for (name, _, why) in UNITS {
        let found = units.iter().find(|unit| unit.starts_with(name));
        match why {
            "" => assert_eq!(found, None),
            why => assert!(found.is_some_and(|unit| unit.contains(why)), "{name}: {units:?}"),
        }
    }
    assert_eq!(units.len(), 4, "{units:?}\n{console}");
    let verdict = answer["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("failed units: test-condition.service [condition failed]"));

    // The log, of firmware that has Secure Boot; that of the image's profile has none, which is no
    // matter here.
    let comparison = &answer["comparison"];
    assert_eq!(comparison["equal"], true, "{}", said.stdout);
    let equal = comparison["judgement"]["equal"].as_array().unwrap();
    assert!(equal.contains(&Value::from("pcr7")), "{}", said.stdout);
    let bytes = fs::read(file("log")).unwrap();
    let (pcrs, log) = printed(&console);
    assert_eq!(Sha256::of(&bytes).to_string(), log, "byte by byte what Linux has");
    let parsed = Log::parse(&bytes, RegisterSet::Tpm).unwrap();
    let replayed = parsed.observed(Bank::Sha256).unwrap().replay();
    let replayed: BTreeMap<u8, String> = replayed
        .iter()
        .filter_map(|(register, value)| match register {
            Register::Pcr(pcr) => Some((pcr.number(), value.to_string())),
            _ => None,
        })
        .filter(|(pcr, _)| pcrs.contains_key(pcr))
        .collect();
    assert_eq!((pcrs.len(), replayed.len()), (10, 9), "all but PCR 8: {replayed:?}\n{console}");
    for (pcr, value) in replayed {
        assert_eq!(pcrs[&pcr], value, "PCR {pcr}");
    }
}
