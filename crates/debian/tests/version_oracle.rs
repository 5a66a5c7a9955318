//! Version order against dpkg, and its laws.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "runs dpkg")]

use std::cmp::Ordering;
use std::io::Write;
use std::process::{Command, Stdio};

use cvmkit_debian::version::Version;
use proptest::prelude::*;

/// Pieces that together reach every rule: tildes, empty parts, leading zeros, letters against
/// signs, numbers wider than any machine word.
const UPSTREAM: [&str; 16] = [
    "0",
    "1",
    "01",
    "1.0",
    "1.00",
    "1.0~",
    "1.0~~",
    "1.0~rc1",
    "1.0+dfsg",
    "1.0.",
    "1.0a",
    "1.0-a",
    "1.0Z",
    "99999999999999999999999",
    "1.0+",
    "1~0",
];
const REVISION: [&str; 7] = ["", "-0", "-1", "-1~bpo1", "-1+b1", "-01", "-1.1"];
const EPOCH: [&str; 3] = ["", "0:", "1:"];

#[test]
fn the_order_is_the_one_of_dpkg() {
    let mut versions = Vec::new();
    for upstream in UPSTREAM {
        for (at, revision) in REVISION.iter().enumerate() {
            let epoch = EPOCH[(at + upstream.len()) % EPOCH.len()];
            versions.push(format!("{epoch}{upstream}{revision}"));
        }
    }
    // One shell for all pairs: a process for each would take minutes.
    let mut script = String::new();
    let mut ours = Vec::new();
    for (at, left) in versions.iter().enumerate() {
        for step in [1, 5, 7, 20, 51] {
            let right = &versions[(at + step) % versions.len()];
            script += &format!(
                "if dpkg --compare-versions '{left}' lt '{right}'; then echo lt; \
                 elif dpkg --compare-versions '{left}' gt '{right}'; then echo gt; else echo eq; fi\n"
            );
            let order = Version::parse(left).unwrap().cmp(&Version::parse(right).unwrap());
            ours.push((left.clone(), right.clone(), order));
        }
    }
    let Ok(_) = Command::new("dpkg").arg("--version").output() else {
        assert!(std::env::var_os("CVMKIT_ORACLES").is_none_or(|value| value != "require"));
        eprintln!("SKIPPED: dpkg is not installed");
        return;
    };
    let mut shell =
        Command::new("sh").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = shell.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
    let output = shell.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), ours.len());
    for (answer, (left, right, order)) in answers.lines().zip(ours) {
        let expected = match answer {
            "lt" => Ordering::Less,
            "gt" => Ordering::Greater,
            _ => Ordering::Equal,
        };
        assert_eq!(order, expected, "{left} and {right}");
    }
}

fn version() -> impl Strategy<Value = Version> {
    "([0-2]:)?[0-9][0-9a~+.]{0,5}(-[0-9a~+.]{1,3})?"
        .prop_map(|text| Version::parse(&text).expect("the pattern makes valid versions"))
}

proptest! {
    #[test]
    fn the_order_is_total(a in version(), b in version(), c in version()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        if a <= b && b <= c {
            prop_assert!(a <= c, "{} {} {}", a, b, c);
        }
        if a == b {
            prop_assert_eq!(a.cmp(&c), b.cmp(&c));
        }
        prop_assert_eq!(a.cmp(&a), Ordering::Equal);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,20}") {
        let _ = Version::parse(&text);
    }
}
