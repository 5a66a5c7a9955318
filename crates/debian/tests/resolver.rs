//! The resolver's rules on small archives, and against apt on a few hundred random ones.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "runs apt")]
#![expect(clippy::unwrap_used, reason = "a test binary")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use cvmkit_debian::packages::Index;
use cvmkit_debian::release::PinPriority;
use cvmkit_debian::resolver::{Options, Reason, ResolveError, Selection, Suite, resolve};

/// `name version; Field: value; ...`, one package a line, as the text of an index.
fn index_text(lines: &str) -> String {
    let paragraph = |line: &str| {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        let fields: String = parts.map(|field| format!("{field}\n")).collect();
        let architecture =
            if fields.contains("Architecture:") { "" } else { "Architecture: all\n" };
        format!(
            "Package: {name}\nVersion: {version}\n{architecture}{fields}Filename: pool/{name}.deb\n\
             Size: 1\nSHA256: {}\n\n",
            "00".repeat(32)
        )
    };
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(paragraph).collect()
}

const AMD64: Options<'_> = Options { architecture: "amd64", essential: false };

fn with<T>(lines: &str, check: impl FnOnce(&[Suite<'_>]) -> T) -> T {
    let text = index_text(lines);
    let index = Index::parse(text.as_bytes()).unwrap();
    check(&[Suite { id: "s", priority: PinPriority::Default, index: &index }])
}

fn names(selection: &Selection<'_>) -> Vec<String> {
    selection.packages.iter().map(|found| found.package.name.to_owned()).collect()
}

#[track_caller]
fn chosen(lines: &str, requests: &[&str], expected: &[&str]) {
    with(lines, |suites| {
        let selection = resolve(suites, requests, &AMD64).unwrap();
        assert_eq!(names(&selection), expected);
    });
}

fn refused(lines: &str, requests: &[&str]) -> ResolveError {
    with(lines, |suites| resolve(suites, requests, &AMD64).unwrap_err())
}

#[test]
fn the_first_alternative_that_can_be_installed_wins() {
    chosen("a 1; Depends: missing | b | c\nb 1\nc 1", &["a"], &["a", "b"]);
    chosen("a 1; Depends: b | c\nb 1; Depends: missing\nc 1", &["a"], &["a", "c"]);
    chosen("a 1; Depends: b | c\nb 1\nc 1", &["a", "c"], &["a", "c"]);
    chosen("a 1; Depends: b (>= 2) | c\nb 1\nc 1", &["a"], &["a", "c"]);
    chosen("a 1; Depends: x [i386], b [!i386]\nb 1", &["a"], &["a", "b"]);
    chosen("a 1; Depends: b\nb 1; Depends: a", &["a"], &["a", "b"]);
}

#[test]
fn real_packages_come_before_providers() {
    let lines = "a 1; Depends: v\nv 1\np 1; Provides: v; Priority: required";
    chosen(lines, &["a"], &["a", "v"]);
    chosen("a 1; Depends: v\np 1; Provides: v", &["a"], &["a", "p"]);
    chosen(
        "a 1; Depends: v\np 1; Provides: v; Priority: extra\nq 1; Provides: v; Priority: optional",
        &["a"],
        &["a", "q"],
    );
    let versioned = "a 1; Depends: v (>= 2)\np 1; Provides: v\nq 1; Provides: v (= 2)";
    chosen(versioned, &["a"], &["a", "q"]);
    let unversioned = refused("a 1; Depends: v (>= 2)\np 1; Provides: v", &["a"]);
    assert!(matches!(unversioned, ResolveError::Unsatisfied { .. }));
}

#[test]
fn what_an_abandoned_alternative_pulled_in_is_dropped() {
    let lines = "a 1; Depends: b | c\nb 1; Depends: x, y\nx 1\ny 1; Depends: missing\nc 1";
    chosen(lines, &["a"], &["a", "c"]);
    // Being suggested is enough to stay, as in apt.
    let lines = "a 1; Depends: b | c; Suggests: x\nb 1; Depends: x, y\nx 1\n\
                 y 1; Depends: z\nz 1; Depends: w (>> 1)\nw 1\nc 1";
    chosen(lines, &["a"], &["a", "c", "x"]);
}

#[test]
fn conflicts_name_both_packages_and_the_relation() {
    let error = refused("a 1; Conflicts: b (<< 2)\nb 1", &["a", "b"]);
    assert_eq!(error.to_string(), "`a` Conflicts `b (<< 2)`, which matches the selected `b 1`");
    let error = refused("a 1\nb 1; Breaks: v\nc 1; Provides: v", &["a", "b", "c"]);
    assert_eq!(error.to_string(), "`b` Breaks `v`, which matches the selected `c 1`");
    // A package never conflicts with itself.
    chosen("a 1; Provides: v; Conflicts: v", &["a"], &["a"]);
    // What a requested package conflicts with is no alternative.
    let lines = "a 1; Conflicts: b; Depends: d\nd 1; Depends: b | c\nb 1\nc 1";
    chosen(lines, &["a"], &["a", "c", "d"]);
}

#[test]
fn errors_say_what_is_missing_and_why() {
    let error = refused("a 1; Depends: b\nb 1; Depends: c (>= 2) | d\nc 1", &["a"]);
    let expected = "`b` Depends on `c (>= 2) | d`, but `c` is version 1; no suite has `d`";
    assert_eq!(error.to_string(), expected);
    let error =
        refused("a 1; Depends: b | e\nb 1; Depends: c (>= 2)\nc 1\ne 1; Conflicts: a", &["a"]);
    let expected = "`a` Depends on `b | e`, but `b` can't be installed: `b` Depends on `c (>= 2)`, \
                    but `c` is version 1; `e` was rejected: `e` Conflicts `a`";
    assert_eq!(error.to_string(), expected);
    let error = refused("a 1; Depends: d | e\nb 1; Conflicts: d\nd 1\ne 1", &["a", "b"]);
    let expected = "`a` Depends on `d | e`, but `d` can't be installed: `b` Conflicts `d`; `e` \
                    was not tried: request it by name";
    assert_eq!(error.to_string(), expected);
    let error = refused("openssh-server 1\nnginx 1", &["opensh-server"]);
    let expected = "no suite has a package `opensh-server`; did you mean `openssh-server`?";
    assert_eq!(error.to_string(), expected);
    let error = refused("a 1; Provides: v\nb 1; Provides: v", &["v"]);
    assert!(
        matches!(error, ResolveError::VirtualPackage { providers, .. } if providers == ["a", "b"])
    );
    let error = refused("a 1; Depends: b (=> 1)", &["a"]);
    assert!(matches!(error, ResolveError::Relation { field: "Depends", .. }));
}

#[test]
fn candidates_go_by_priority_then_version_then_order() {
    let texts = ["a 1\nb 2", "a 2\nb 2\nc 1", "a 3\nb 3\nc 3\nd 3"].map(index_text);
    let indices = texts.each_ref().map(|text| Index::parse(text.as_bytes()).unwrap());
    let suite = |id, at: usize, priority| Suite { id, priority, index: &indices[at] };
    let suites = [
        suite("stable", 0, PinPriority::Default),
        suite("security", 1, PinPriority::Default),
        suite("backports", 2, PinPriority::ButAutomaticUpgrades),
    ];
    let found = |requests: &[&str]| -> Vec<String> {
        let selection = resolve(&suites, requests, &AMD64).unwrap();
        let text = selection.packages.iter().map(|found| {
            format!("{} {} {}", found.package.name, found.package.version, found.suite)
        });
        text.collect()
    };
    let expected = ["a 2 security", "b 2 stable", "c 1 security", "d 3 backports"];
    assert_eq!(found(&["a", "b", "c", "d"]), expected);
    assert_eq!(found(&["a=1", "b=3"]), ["a 1 stable", "b 3 backports"]);
    let error = resolve(&suites, &["a=4"], &AMD64).unwrap_err();
    assert!(
        matches!(error, ResolveError::UnknownVersion { known, .. } if known == ["1", "2", "3"])
    );
}

#[test]
fn architectures_and_qualifiers() {
    let lines = "a 1; Depends: b:any, c:native, d:amd64\nb 1; Multi-Arch: allowed\nc 1\nd 1\n\
                 e 1; Architecture: i386\nf 1; Depends: c:any\ng 1; Depends: c:i386";
    chosen(lines, &["a"], &["a", "b", "c", "d"]);
    assert!(matches!(refused(lines, &["e"]), ResolveError::UnknownPackage { .. }));
    assert!(matches!(refused(lines, &["f"]), ResolveError::Unsatisfied { .. }));
    assert!(matches!(refused(lines, &["g"]), ResolveError::Unsatisfied { .. }));
}

#[test]
fn essential_packages_and_reasons() {
    let lines = "a 1; Depends: b\nb 1; Pre-Depends: c | d\nc 1\nz 1; Essential: yes; Depends: c";
    with(lines, |suites| {
        let options = Options { essential: true, ..AMD64 };
        let selection = resolve(suites, &["a"], &options).unwrap();
        assert_eq!(names(&selection), ["a", "b", "c", "z"]);
        assert_eq!(selection.get("z").unwrap().reason, Reason::Essential);
        let chain = |name| -> Vec<String> {
            let chain = selection.explain(name);
            chain.iter().map(|one| format!("{}: {}", one.package.name, one.reason)).collect()
        };
        assert_eq!(chain("c"), ["c: Depends of z: c", "z: essential"]);
        assert_eq!(chain("b"), ["b: Depends of a: b", "a: requested"]);
        assert!(chain("nothing").is_empty());
    });
}

#[test]
fn deep_chains_end_in_an_error_and_not_in_a_crash() {
    let chain = |len: usize| -> String {
        (0..len).map(|at| format!("p{at} 1; Depends: p{}\n", at + 1)).collect::<String>()
            + &format!("p{len} 1")
    };
    with(&chain(900), |suites| {
        assert_eq!(resolve(suites, &["p0"], &AMD64).unwrap().packages.len(), 901);
    });
    assert!(matches!(refused(&chain(5000), &["p0"]), ResolveError::TooDeep(_)));
}

/// A generator of numbers that is the same everywhere (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

const PACKAGES: u64 = 12;
const ROUNDS: u64 = 250;

/// Packages `u<round>p0`.. whose relations stay within the round. No Pre-Depends: in cycles of them
/// apt fails only after it has selected, when it orders the installation.
fn random_archive(round: u64, numbers: &mut Numbers) -> String {
    let mut lines = String::new();
    for at in 0..PACKAGES {
        lines += &format!("u{round}p{at} {}", 1 + numbers.below(3));
        let priority = numbers.pick(&["optional", "optional", "standard", "extra", "important"]);
        lines += &format!("; Priority: {priority}");
        for (field, odds, most) in [("Depends", 2, 3), ("Conflicts", 9, 1), ("Breaks", 9, 1)] {
            if numbers.below(odds) != 0 {
                continue;
            }
            let groups: Vec<String> = (0..=numbers.below(most))
                .map(|_| {
                    let alternatives =
                        if field.ends_with("Depends") { numbers.below(3) } else { 0 };
                    let group: Vec<_> =
                        (0..=alternatives).map(|_| random_relation(round, numbers)).collect();
                    group.join(" | ")
                })
                .collect();
            lines += &format!("; {field}: {}", groups.join(", "));
        }
        if numbers.below(3) == 0 {
            let version = numbers.pick(&["", "", " (= 1)", " (= 2)"]);
            lines += &format!("; Provides: u{round}v{}{version}", numbers.below(3));
        }
        lines.push('\n');
    }
    lines
}

fn random_relation(round: u64, numbers: &mut Numbers) -> String {
    let constraint = numbers.pick(&["", "", "", "", " (>= 2)", " (<< 3)", " (= 1)", " (>> 1)"]);
    match numbers.below(4) {
        0 => format!("u{round}v{}{constraint}", numbers.below(4)),
        _ => format!("u{round}p{}{constraint}", numbers.below(PACKAGES)),
    }
}

struct Apt<'a>(&'a Path);

impl Apt<'_> {
    fn get(&self, arguments: &[&str]) -> Option<String> {
        let own = |name: &str, path: &str| format!("{name}={}", self.0.join(path).display());
        let options = [
            own("Dir::Etc::sourcelist", "sources.list"),
            own("Dir::Etc::sourceparts", "none"),
            own("Dir::Etc::preferencesparts", "none"),
            own("Dir::State::lists", "lists"),
            own("Dir::State::status", "status"),
            own("Dir::State::extended_states", "extended_states"),
            own("Dir::Cache", "cache"),
            "Dir::Etc::preferences=/nonexistent".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "APT::Architectures=amd64".to_owned(),
            "APT::Install-Recommends=false".to_owned(),
            "APT::Sandbox::User=".to_owned(),
        ];
        let output = Command::new("apt-get")
            .args(options.iter().flat_map(|option| ["-o", option]))
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Whatever is selected is what apt selects, and nothing is selected that apt refuses. Where apt
/// finds more by giving packages up again, the resolver may refuse.
#[test]
fn random_archives_resolve_as_apt_resolves_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for part in ["lists/partial", "cache/archives/partial", "none", "archive"] {
        std::fs::create_dir_all(root.join(part)).unwrap();
    }
    let mut numbers = Numbers(1);
    let rounds: Vec<String> =
        (0..ROUNDS).map(|round| random_archive(round, &mut numbers)).collect();
    let text = index_text(&rounds.concat());
    std::fs::write(root.join("archive/Packages"), &text).unwrap();
    std::fs::write(root.join("status"), "").unwrap();
    let source = format!("deb [trusted=yes] file:{} ./\n", root.join("archive").display());
    std::fs::write(root.join("sources.list"), source).unwrap();
    let apt = Apt(root);
    if apt.get(&["update"]).is_none() {
        assert!(std::env::var_os("CVMKIT_ORACLES").is_none_or(|value| value != "require"));
        eprintln!("SKIPPED: apt-get is not installed");
        return;
    }
    let index = Index::parse(text.as_bytes()).unwrap();
    let suites = [Suite { id: "s", priority: PinPriority::Default, index: &index }];
    let (mut same, mut both_refuse, mut only_apt) = (0, 0, 0);
    for round in 0..ROUNDS {
        let requests = [format!("u{round}p0"), format!("u{round}p1")];
        let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
        let theirs = apt.get(&[&["-s", "install"], &requests[..]].concat()).map(|output| {
            let lines = output.lines().filter_map(|line| line.strip_prefix("Inst "));
            lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<BTreeSet<_>>()
        });
        match (resolve(&suites, &requests, &AMD64), theirs) {
            (Ok(ours), Some(theirs)) => {
                let ours: BTreeSet<String> = names(&ours).into_iter().collect();
                assert_eq!(
                    ours,
                    theirs,
                    "requests {requests:?} of\n{}",
                    rounds[usize::try_from(round).unwrap()]
                );
                same += 1;
            }
            (Ok(ours), None) => panic!(
                "apt refuses {:?} of\n{}",
                names(&ours),
                rounds[usize::try_from(round).unwrap()]
            ),
            (Err(_), None) => both_refuse += 1,
            (Err(error), Some(theirs)) => {
                eprintln!("only apt: {error}\n  {theirs:?}");
                only_apt += 1;
            }
        }
    }
    eprintln!("{same} equal, {both_refuse} refused by both, {only_apt} by us alone");
    assert!(same > ROUNDS / 4 && only_apt < ROUNDS / 10);
}
