//! Which source a package comes from that is no part of the root file system.

use super::error::LockError;
use super::role::{FIRMWARE_ROLE, STUB_ROLE};
use crate::definition::{BootKind, Definition, Input, Platform};
use crate::packages::debian::Source;

/// The inputs of a definition that do not go into the root file system, by role.
pub(super) fn inputs(definition: &Definition) -> impl Iterator<Item = (&'static str, &Input)> {
    let stub = (definition.boot == BootKind::Disk).then_some((STUB_ROLE, &definition.stub));
    let machines = definition.platforms.iter().flat_map(Platform::inputs);
    let machines = definition.firmware.iter().chain(machines);
    stub.into_iter().chain(machines.map(|input| (FIRMWARE_ROLE, input)))
}

/// The source, of one suite alone, that an input with a `suite` comes from: the one that lists the
/// suite; where none does, those of the input's archive, which is that of the first source unless
/// it is named. `None` for an input without a suite.
///
/// # Errors
/// There are several that would be trusted differently, or none.
pub(crate) fn source_of(
    definition: &Definition,
    role: &'static str,
    input: &Input,
) -> Result<Option<Source>, LockError> {
    let Input::Package { suite: Some(suite), archive, .. } = input else { return Ok(None) };
    let of_archive = |source: &&Source| archive.as_ref().is_none_or(|own| *own == source.archive);
    let listing = definition.sources.iter().filter(of_archive);
    let listing = listing.filter(|source| source.suites.contains(suite));
    let mut found = distinct(listing, suite);
    if found.is_empty() {
        let first = definition.sources.first().map(|source| &source.archive);
        let archive = archive.as_ref().or(first);
        let beside = definition.sources.iter().filter(|source| Some(&source.archive) == archive);
        found = distinct(beside, suite);
    }
    match (found.len(), found.pop()) {
        (1, source) => Ok(source),
        (_, Some(last)) => {
            found.push(last);
            let (suite, sources) = (suite.clone(), found.iter().map(in_words).collect());
            Err(LockError::AmbiguousSuite { role, suite, sources })
        }
        (_, None) => {
            let archive = archive.clone().unwrap_or_default();
            Err(LockError::UnknownArchive { role, archive })
        }
    }
}

fn distinct<'a>(sources: impl Iterator<Item = &'a Source>, suite: &str) -> Vec<Source> {
    let mut found: Vec<Source> = Vec::new();
    for source in sources.map(|source| source.alone(suite)) {
        if !found.contains(&source) {
            found.push(source);
        }
    }
    found
}

/// What tells a source from others, for an error.
fn in_words(source: &Source) -> String {
    let list = |name: &str, values: &[String]| match values {
        [] => String::new(),
        values => format!(", {name} {}", values.join(" ")),
    };
    let (keys, files) = (list("keys", &source.keys), list("key files", &source.key_files));
    format!("`{}` ({}{keys}{files})", source.archive, source.components.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::sample;

    fn local(name: &str) -> String {
        format!("{{ path = \"{name}\", sha256 = \"{}\" }}", "0a".repeat(32))
    }

    /// Role and name of each input, in order.
    fn found(tables: &str) -> Vec<String> {
        let definition = sample::definition(tables);
        let name = |(role, input): (&str, &Input)| match input {
            Input::Package { package, .. } => format!("{role} {package}"),
            Input::Local { path, .. } => format!("{role} {path}"),
        };
        inputs(&definition).map(name).collect()
    }

    #[test]
    fn inputs_are_the_stub_of_a_disk_and_all_files_of_machines() {
        assert_eq!(found(""), ["stub systemd-boot-efi"]);
        assert_eq!(found("[boot]\nkind = \"direct\""), [""; 0]);
        let platform = |keys: &str| format!("[[platforms]]\nprofile = \"./p.toml\"\n{keys}\n");
        let all: String = ["firmware", "variables", "pinned", "image"]
            .map(|key| format!("{key} = {}\n", local(key)))
            .concat();
        let default = format!("[firmware]\npath = \"own\"\nsha256 = \"{}\"\n", "0a".repeat(32));
        let tables = format!("{default}{}{}", platform(""), platform(&all));
        let expected = [
            "stub systemd-boot-efi",
            "firmware own",
            "firmware firmware",
            "firmware variables",
            "firmware pinned",
            "firmware image",
        ];
        assert_eq!(found(&tables), expected);
    }

    /// What tells the sources apart is in the error, and nothing that they share.
    #[test]
    fn sources_that_could_be_meant_are_told_apart_by_their_words() {
        let tables = "[[sources]]\nsuites = [\"other\"]\ncomponents = [\"main\", \"contrib\"]\n\
                      [[sources]]\nsuites = [\"third\"]\nkeys = [\"AB\", \"CD\"]\n\
                      [[sources]]\nsuites = [\"fourth\"]\nkey-files = [\"k.asc\"]\n\
                      [[sources]]\nsuites = [\"fifth\"]\n";
        let definition = sample::definition(tables);
        let input = |archive: Option<&str>| Input::Package {
            package: "p".into(),
            suite: Some("forky".into()),
            archive: archive.map(str::to_owned),
            path: "x".into(),
        };
        let error = source_of(&definition, STUB_ROLE, &input(None)).unwrap_err();
        let LockError::AmbiguousSuite { role, suite, sources } = error else { panic!("{error:?}") };
        assert_eq!((role, suite.as_str()), ("stub", "forky"));
        // Two of them differ in nothing but their suites: they would be trusted alike.
        assert_eq!(
            sources,
            [
                "`debian` (main)",
                "`debian` (main contrib)",
                "`debian` (main, keys AB CD)",
                "`debian` (main, key files k.asc)",
            ]
        );
        let error = source_of(&definition, FIRMWARE_ROLE, &input(Some("vendor"))).unwrap_err();
        let LockError::UnknownArchive { role, archive } = error else { panic!("{error:?}") };
        assert_eq!((role, archive.as_str()), ("firmware", "vendor"));
    }

    #[test]
    fn a_local_input_is_of_no_source() {
        let definition = sample::definition("");
        let input =
            Input::Local { path: "f".into(), sha256: cvmkit_formats::digest::Sha256([0; 32]) };
        assert_eq!(source_of(&definition, FIRMWARE_ROLE, &input).unwrap(), None);
    }

    /// A suite of the second archive was looked for in the first.
    #[test]
    fn an_input_s_suite_is_that_of_its_own_archive() {
        let two = "[[sources]]\nsuites = [\"stable\"]\n\
                   [[sources]]\narchive = \"vendor\"\nsuites = [\"tools\"]\nkeys = [\"00\"]\n";
        let same = "[[sources]]\nsuites = [\"stable\"]\n\
                    [[sources]]\narchive = \"vendor\"\nsuites = [\"stable\"]\n";
        let keys = "[[sources]]\nsuites = [\"stable\"]\n\
                    [[sources]]\nsuites = [\"other\"]\nkeys = [\"00\"]\n";
        let found = |sources: &str, input: &str| {
            let firmware = "[firmware]\npackage = \"p\"\npath = \"/p\"";
            let definition = sample::definition(&format!("{sources}{firmware}\n{input}"));
            let firmware = definition.firmware.clone().unwrap();
            source_of(&definition, "firmware", &firmware)
        };
        let of = |sources: &str, input: &str| {
            let source = found(sources, input).unwrap().unwrap();
            (source.archive, source.suites.join(" "), source.keys.len())
        };
        let expected =
            |archive: &str, suite: &str, keys: usize| (archive.to_owned(), suite.to_owned(), keys);
        assert_eq!(found(two, "").unwrap(), None);
        assert_eq!(of(two, "suite = \"tools\""), expected("vendor", "tools", 1));
        assert_eq!(of(two, "suite = \"forky\""), expected("debian", "forky", 0));
        let vendor = "suite = \"forky\"\narchive = \"vendor\"";
        assert_eq!(of(two, vendor), expected("vendor", "forky", 1));
        assert_eq!(of(keys, "suite = \"other\""), expected("debian", "other", 1));
        let stable = "suite = \"stable\"\narchive = \"vendor\"";
        assert_eq!(of(same, stable), expected("vendor", "stable", 0));
        for (sources, input) in [(same, "suite = \"stable\""), (keys, "suite = \"forky\"")] {
            let ambiguous = found(sources, input);
            assert!(matches!(ambiguous, Err(LockError::AmbiguousSuite { .. })), "{ambiguous:?}");
        }
        let unknown = found(two, "suite = \"x\"\narchive = \"elsewhere\"");
        assert!(matches!(unknown, Err(LockError::UnknownArchive { .. })), "{unknown:?}");
    }
}
