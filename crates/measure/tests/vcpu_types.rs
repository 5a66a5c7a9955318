//! The vCPU types are those that QEMU lists, of the release that is installed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "asks the oracle")]

use std::collections::BTreeSet;
use std::process::Command;

use cvmkit_measure::qemu::QemuVersion;
use cvmkit_measure::snp::VCPU_TYPES;

const QEMU: &str = "qemu-system-x86_64";

fn qemu(arguments: &[&str]) -> Option<String> {
    match Command::new(QEMU).args(arguments).output() {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap()),
        Err(error) => {
            let is_required = std::env::var("CVMKIT_ORACLES").as_deref() == Ok("require");
            assert!(!is_required, "{QEMU}: {error}");
            eprintln!("SKIPPED: {QEMU} is not installed");
            None
        }
    }
}

#[test]
fn qemu_lists_the_types_that_it_came_with() {
    let Some(version) = qemu(&["--version"]) else { return };
    let version = version.split_whitespace().find_map(|word| word.parse::<QemuVersion>().ok());
    let version = version.unwrap();
    let listed = qemu(&["-cpu", "help"]).unwrap();
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    let names: BTreeSet<&str> = names.filter(|name| name.starts_with("EPYC")).collect();
    let known = VCPU_TYPES.iter().filter(|it| it.since <= (version.major, version.minor));
    assert_eq!(names, known.map(|it| it.name).collect());
    assert!(names.len() >= 16, "{listed}");
}
