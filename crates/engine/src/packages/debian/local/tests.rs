use std::collections::BTreeSet;

use cvmkit_debian::release::PinPriority;
use cvmkit_debian::resolver::Options;
use cvmkit_formats::architecture::Architecture;
use cvmkit_host::timestamp::Timestamp;

use super::super::archives::Archives;
use super::super::sample::{deb, tar_of};
use super::super::suite::TrustedSuite;
use super::super::{Source, SuiteError};
use super::*;
use crate::packages::LockedSuite;

/// A package that says this of itself.
fn local_deb(name: &str, version: &str, more: &str) -> Vec<u8> {
    let control = format!("Package: {name}\nVersion: {version}\n{more}");
    let architecture = if more.contains("Architecture") { "" } else { "Architecture: amd64\n" };
    deb(&format!("{control}{architecture}"), &tar_of(&[("./x", name.as_bytes())]))
}

fn of(files: &[(&str, Vec<u8>)]) -> Result<LocalPackages, LocalPackagesError> {
    let mut packages = LocalPackages::default();
    files.iter().for_each(|(path, bytes)| packages.add(path, bytes, "amd64"));
    packages.checked()
}

fn source() -> Source {
    serde_json::from_value(serde_json::json!({ "suites": ["stable"] })).unwrap()
}

/// A suite that has these packages, each name with its version and further fields.
fn suite(packages: &[(&str, &str, &str)]) -> TrustedSuite {
    let paragraph = |(name, version, more): &(&str, &str, &str)| {
        let architecture = if more.contains("Architecture") { "" } else { "Architecture: amd64\n" };
        format!(
            "Package: {name}\nVersion: {version}\n{architecture}Filename: pool/{name}.deb\n\
             Size: 7\nSHA256: {}\n{more}\n",
            Sha256::of(name.as_bytes())
        )
    };
    let text: String = packages.iter().map(paragraph).collect();
    let mut locked = LockedSuite::bare("debian", "stable", Timestamp(0));
    locked.indices = vec![crate::packages::LockedIndex {
        path: "Packages".into(),
        size: 0,
        sha256: Sha256::of(b""),
    }];
    let (priority, indices) = (PinPriority::Default, vec![text.into_bytes()]);
    TrustedSuite { locked, source: source(), architecture: Architecture::X86_64, priority, indices }
}

/// What is chosen for these requests: name, version, and archive and path.
fn chosen(
    suite: &[TrustedSuite],
    local: &LocalPackages,
    requests: &[&str],
) -> Vec<(String, String, String)> {
    let archives = Archives::parse(suite).unwrap();
    let (index, sources) = (local.index(), [source()]);
    let offered = archives.of_sources(&sources, Architecture::X86_64).and_local(&index);
    let options = Options { architecture: "amd64", essential: true };
    let packages = offered.resolve(requests, &options, &BTreeSet::new()).unwrap().packages;
    let told = packages.into_iter().map(|one| {
        assert_eq!(one.is_local(), one.suite.is_empty());
        (one.name, one.version, format!("{}:{}", one.archive, one.path))
    });
    told.collect()
}

fn three(name: &str, version: &str, path: &str) -> (String, String, String) {
    (name.into(), version.into(), path.into())
}

/// apt(8), `apt install ./FILE`: the file is taken, an older one too, for requests and dependencies, and
/// what it needs comes from the suites.
#[test]
fn a_local_package_is_taken_instead_of_those_of_its_name() {
    let suites = [suite(&[
        ("tool", "2", "Depends: lib\n"),
        ("lib", "5", ""),
        ("user", "1", "Depends: tool\n"),
    ])];
    let local = of(&[
        ("debs/tool_1.deb", local_deb("tool", "1", "Depends: lib (>= 3)\n")),
        ("debs/idle_1.deb", local_deb("idle", "1", "")),
    ])
    .unwrap();
    let expected = [
        three("lib", "5", "debian:pool/lib.deb"),
        three("tool", "1", ":debs/tool_1.deb"),
        three("user", "1", "debian:pool/user.deb"),
    ];
    assert_eq!(chosen(&suites, &local, &["user"]), expected);
    // A version that is asked for is meant, as `apt install tool=2` does.
    assert_eq!(chosen(&suites, &local, &["tool=2"])[1], three("tool", "2", "debian:pool/tool.deb"));
    assert_eq!(chosen(&suites, &of(&[]).unwrap(), &["tool"])[1].1, "2");
}

/// Nobody vouches for a file but who names it: that it says to be essential asks for nothing.
#[test]
fn a_local_package_is_essential_only_where_it_is_requested() {
    let suites = [suite(&[("base", "1", "Essential: yes\n"), ("lib", "5", "")])];
    let archives = Archives::parse(&suites).unwrap();
    let local = of(&[
        ("debs/base.deb", local_deb("base", "2", "Essential: yes\n")),
        ("debs/e.deb", local_deb("e", "1", "Essential: yes\n")),
        ("debs/idle.deb", local_deb("idle", "1", "")),
    ])
    .unwrap();
    let (index, sources) = (local.index(), [source()]);
    let options = Options { architecture: "amd64", essential: true };
    let unasked = |requests: &[&str], essential| {
        let options = Options { essential, ..options };
        let offered = archives.of_sources(&sources, Architecture::X86_64).and_local(&index);
        let chosen = offered.resolve(requests, &options, &BTreeSet::new()).unwrap();
        chosen.unasked.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let all = unasked(&["lib"], true);
    let words =
        "the local package `debs/base.deb` says that `base` is essential, and nothing requests it";
    assert_eq!((all.len(), all[0].as_str()), (2, words));
    assert_eq!(unasked(&["lib", "e"], true), [words]);
    assert_eq!(unasked(&["base", "e"], true), [""; 0]);
    assert_eq!(unasked(&["lib"], false), [""; 0]);
}

#[test]
fn all_that_is_wrong_with_local_packages_is_told_at_once() {
    let error = of(&[
        ("broken.deb", b"no archive".to_vec()),
        ("arm.deb", local_deb("arm", "1", "Architecture: arm64\n")),
        ("all.deb", local_deb("all", "1", "Architecture: all\n")),
        ("one.deb", local_deb("one", "1", "")),
        ("sub/one.deb", local_deb("one", "2", "")),
        ("copy.deb", local_deb("one", "1", "")),
        ("size.deb", local_deb("size", "1", "Size: 3\n")),
        ("version.deb", local_deb("version", "1:", "")),
    ])
    .unwrap_err();
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let starts = [
        "6 local packages can't be used",
        "the local file `broken.deb` can't be read as a package: ",
        "the local package `arm.deb` is for arm64, expected amd64 or all",
        "two local files have the package `one`: `one.deb` and `sub/one.deb`",
        "two local files have the package `one`: `one.deb` and `copy.deb`",
        "the control file of the local package `size.deb` can't be used: ",
        "the control file of the local package `version.deb` can't be used: ",
    ];
    assert_eq!(lines.len(), starts.len(), "{text}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    let hint = error.hint().unwrap();
    assert_eq!(hint.matches("leave one of the files out").count(), 1, "{hint}");
    assert_eq!(error.fault(), Fault::Definition);
}

/// The database of the image would say that it has the archive's package.
#[test]
fn a_package_that_says_to_be_that_of_a_suite_is_refused() {
    let suites = [suite(&[("tool", "2", ""), ("other", "1.0", "")])];
    let archives = Archives::parse(&suites).unwrap();
    let sources = [source()];
    let beside = |files: &[(&str, Vec<u8>)]| {
        let local = of(files).unwrap();
        archives.of_sources(&sources, Architecture::X86_64).compare(&local.index(), "amd64")
    };
    let error = beside(&[
        ("tool.deb", local_deb("tool", "2", "")),
        ("other.deb", local_deb("other", "1.0", "")),
    ])
    .unwrap_err();
    assert_eq!(error.0.len(), 2, "{error}");
    let words = "the local package `tool.deb` has name and version of `tool` 2 in suite `stable`, and \
                 differs from it";
    assert!(error.to_string().contains(words), "{error}");
    assert!(error.hint().unwrap().contains("`+local1`"));
    let notes = beside(&[("tool.deb", local_deb("tool", "1", ""))]).unwrap();
    assert_eq!(notes, ["the local package `tool` 1 is taken, although suite `stable` has 2"]);
    for version in ["3", "2+local1"] {
        assert!(beside(&[("tool.deb", local_deb("tool", version, ""))]).unwrap().is_empty());
    }
}

/// A flat archive has the packages of all architectures in one index.
#[test]
fn a_package_of_another_architecture_is_another_package() {
    let sources = [source()];
    for (architecture, is_refused) in [("arm64", false), ("amd64", true), ("all", true)] {
        let more = format!("Architecture: {architecture}\n");
        let suites = [suite(&[("tool", "2", &more), ("newer", "9", &more)])];
        let local = of(&[("tool.deb", local_deb("tool", "2", ""))]).unwrap();
        let archives = Archives::parse(&suites).unwrap();
        let compared =
            archives.of_sources(&sources, Architecture::X86_64).compare(&local.index(), "amd64");
        assert_eq!(compared.is_err(), is_refused, "{architecture}: {compared:?}");
        let local = of(&[("newer.deb", local_deb("newer", "2", ""))]).unwrap();
        let notes = archives
            .of_sources(&sources, Architecture::X86_64)
            .compare(&local.index(), "amd64")
            .unwrap();
        assert_eq!(notes.is_empty(), !is_refused, "{architecture}: {notes:?}");
    }
}

/// The very package of the suite, as a file: nothing is unclear.
#[test]
fn a_copy_of_a_suite_s_package_is_no_collision() -> Result<(), SuiteError> {
    let bytes = local_deb("tool", "2", "");
    let mut suites = [suite(&[("tool", "2", "")])];
    let text = String::from_utf8(suites[0].indices[0].clone()).unwrap();
    let (listed, real) = (Sha256::of(b"tool").to_string(), Sha256::of(&bytes).to_string());
    suites[0].indices[0] = text.replace(&listed, &real).into_bytes();
    let archives = Archives::parse(&suites)?;
    let local = of(&[("tool.deb", bytes)]).unwrap();
    assert!(
        archives
            .of_sources(&[source()], Architecture::X86_64)
            .compare(&local.index(), "amd64")
            .unwrap()
            .is_empty()
    );
    Ok(())
}
