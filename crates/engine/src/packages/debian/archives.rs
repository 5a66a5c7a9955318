//! The packages that trusted suites offer, and the choice among them: apt's.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_debian::packages::{Index, Package, RelationField};
use cvmkit_debian::release::PinPriority;
use cvmkit_debian::resolver::{self, Options, Reason, Remaining, ResolveError, Selected, Suite};
use cvmkit_formats::architecture::Architecture;
use cvmkit_formats::digest::Sha256;

use super::Source;
use super::local::{LocalIndex, LocalPackagesError, LocalProblem};
use super::suite::{SuiteError, TrustedSuite};
use crate::packages::LockedPackage;

/// The indices of trusted suites.
pub(crate) struct Archives<'a> {
    suites: Vec<(&'a TrustedSuite, Index<'a>)>,
}

impl<'a> Archives<'a> {
    /// Reads the indices of all suites.
    ///
    /// # Errors
    /// [`SuiteError::Index`], for the first index that is malformed.
    pub(crate) fn parse(trusted: &'a [TrustedSuite]) -> Result<Self, SuiteError> {
        let mut suites = Vec::new();
        for suite in trusted {
            for (text, locked) in suite.indices.iter().zip(&suite.locked.indices) {
                let index = Index::parse(text)
                    .map_err(|source| SuiteError::Index { path: locked.path.clone(), source })?;
                suites.push((suite, index));
            }
        }
        Ok(Self { suites })
    }

    /// Hides every version of the packages `kept` but the locked one from images of an architecture.
    ///
    /// # Errors
    /// The first package that no suite has any more.
    pub(crate) fn keep<'k>(
        &mut self,
        architecture: Architecture,
        kept: impl Iterator<Item = &'k LockedPackage>,
    ) -> Result<(), &'k LockedPackage> {
        // A name may be locked twice, for the root and as an input of another suite.
        let mut locked: BTreeMap<&str, Vec<Sha256>> = BTreeMap::new();
        for package in kept {
            let is_locked =
                |found: &Package<'_>| found.sha256 == package.sha256 && found.name == package.name;
            let mut own =
                self.suites.iter().filter(|(suite, _)| suite.architecture == architecture);
            if !own.any(|(_, index)| index.packages.iter().any(is_locked)) {
                return Err(package);
            }
            locked.entry(&package.name).or_default().push(package.sha256);
        }
        let own = self.suites.iter_mut().filter(|(suite, _)| suite.architecture == architecture);
        for (_, index) in own {
            index.packages.retain(|found| {
                locked.get(found.name).is_none_or(|locked| locked.contains(&found.sha256))
            });
        }
        Ok(())
    }

    /// The suites of these sources as they are trusted for them, each index for this architecture alone, in
    /// their order.
    pub(crate) fn of_sources(&self, sources: &[Source], architecture: Architecture) -> Offered<'_> {
        let wanted =
            sources.iter().flat_map(|source| source.suites.iter().map(|suite| source.alone(suite)));
        let entries = wanted.flat_map(|wanted| {
            self.suites.iter().filter(move |(suite, _)| {
                suite.architecture == architecture && suite.source == wanted
            })
        });
        Offered { suites: entries.collect(), local: None }
    }
}

/// The packages that requests come to.
pub(crate) struct Chosen {
    /// Those of the image.
    pub(crate) packages: Vec<LockedPackage>,
    /// Those that are dropped, and those that stood only for them.
    pub(crate) gone: Vec<Gone>,
    /// Local packages that are there because they say themselves to be essential.
    pub(crate) unasked: Vec<LocalProblem>,
}

/// A package that is dropped, or that stood only for one.
pub(crate) struct Gone {
    /// What the lock would have of it.
    pub(crate) package: LockedPackage,
    /// Its field `Provides`, in one line: what needs one of these names does without it too.
    pub(crate) provides: String,
}

/// What the suites of some sources offer.
pub(crate) struct Offered<'a> {
    suites: Vec<&'a (&'a TrustedSuite, Index<'a>)>,
    local: Option<&'a LocalIndex<'a>>,
}

/// The name of what is in no suite: no suite has an empty one.
const NO_SUITE: &str = "";

impl<'a> Offered<'a> {
    /// The same, and local packages, each of which is taken instead of those of its name.
    pub(crate) fn and_local(self, local: &'a LocalIndex<'a>) -> Self {
        Self { local: Some(local), ..self }
    }

    /// Compares local packages with what the suites have for this architecture, and answers with what to know of
    /// it: newer versions.
    ///
    /// # Errors
    /// Every package that a suite has in other bytes.
    pub(crate) fn compare(
        &self,
        local: &LocalIndex<'_>,
        architecture: &str,
    ) -> Result<Vec<String>, LocalPackagesError> {
        let (mut notes, mut problems) = (Vec::new(), Vec::new());
        for own in &local.index.packages {
            let (name, version) = (own.name, own.version.as_str());
            let same = |(_, other): &(&str, &Package<'_>)| other.version == own.version;
            let other = self
                .of_name(name, architecture)
                .filter(same)
                .find(|(_, one)| one.sha256 != own.sha256);
            if let Some((suite, _)) = other {
                problems.push(LocalProblem::Collision {
                    path: local.path_of(own).unwrap_or_default().to_owned(),
                    name: name.to_owned(),
                    version: version.to_owned(),
                    suite: suite.to_owned(),
                });
            }
            let named = self.of_name(name, architecture);
            let newest = named.max_by(|(_, a), (_, b)| a.version.cmp(&b.version));
            if let Some((suite, newer)) = newest.filter(|(_, other)| other.version > own.version) {
                notes.push(format!(
                    "the local package `{name}` {version} is taken, although suite `{suite}` has {}",
                    newer.version
                ));
            }
        }
        if problems.is_empty() { Ok(notes) } else { Err(LocalPackagesError(problems)) }
    }

    /// Every package of the suites that has this name and that the architecture can have, with the name of its
    /// suite: a flat archive lists those of all architectures in one index.
    fn of_name(
        &self,
        name: &str,
        architecture: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Package<'a>)> {
        self.suites.iter().flat_map(move |(suite, index)| {
            let named = index.packages.iter().filter(move |package| {
                package.name == name && [architecture, "all"].contains(&package.architecture)
            });
            named.map(|package| (suite.locked.name.as_str(), package))
        })
    }
}

impl Offered<'_> {
    /// The packages that the requests need but those to `drop`, each with its reason and without roles.
    ///
    /// # Errors
    /// There is no set of packages that satisfies the requests.
    pub(crate) fn resolve(
        &self,
        requests: &[&str],
        options: &Options<'_>,
        drop: &BTreeSet<&str>,
    ) -> Result<Chosen, ResolveError> {
        let selection = resolver::resolve(&self.view(), requests, options)?;
        let Remaining { kept, gone } = selection.without(drop, options.architecture)?;
        let gone = gone.iter().map(|selected| {
            let provides = selected.package.relation_text(RelationField::Provides);
            let provides = provides.split_whitespace().collect::<Vec<_>>().join(" ");
            Gone { package: self.locked(selected), provides }
        });
        let is_unasked =
            |one: &&Selected<'_>| one.suite == NO_SUITE && one.reason == Reason::Essential;
        let unasked = kept.iter().filter(is_unasked).map(|selected| {
            let LockedPackage { path, name, .. } = self.locked(selected);
            LocalProblem::Unasked { path, name }
        });
        let (gone, unasked) = (gone.collect(), unasked.collect());
        Ok(Chosen { packages: kept.iter().map(|one| self.locked(one)).collect(), gone, unasked })
    }

    /// The newest version of one package by pin priority, without what it depends on.
    pub(crate) fn newest(&self, name: &str, architecture: &str) -> Option<LockedPackage> {
        let usable = |package: &&Package<'_>| {
            package.name == name && [architecture, "all"].contains(&package.architecture)
        };
        let suites = self.view();
        let candidates = suites.iter().flat_map(|suite| {
            suite.index.packages.iter().filter(usable).map(move |package| (suite, package))
        });
        let (suite, package) = candidates.max_by(|(a_suite, a), (b_suite, b)| {
            a_suite.priority.cmp(&b_suite.priority).then_with(|| a.version.cmp(&b.version))
        })?;
        let reason = Reason::Requested;
        Some(self.locked(&Selected { package, suite: suite.id, reason }))
    }

    /// As the resolver sees them.
    fn view(&self) -> Vec<Suite<'_>> {
        let view = self.suites.iter().map(|(suite, index)| Suite {
            id: suite.locked.name.as_str(),
            priority: suite.priority,
            index,
        });
        // apt meets the files that it is given after all suites, and so do we: among providers that
        // nothing else tells apart the order decides.
        let local = self.local.map(|local| Suite {
            id: NO_SUITE,
            priority: PinPriority::File,
            index: &local.index,
        });
        view.chain(local).collect()
    }

    /// The record of a chosen package.
    fn locked(&self, selected: &Selected<'_>) -> LockedPackage {
        let package = selected.package;
        let local = self.local.filter(|_| selected.suite == NO_SUITE);
        let (archive, path) = match local.and_then(|local| local.path_of(package)) {
            Some(path) => (String::new(), path.to_owned()),
            None => (self.archive_of(selected).clone(), package.filename.to_owned()),
        };
        LockedPackage {
            name: package.name.into(),
            version: package.version.to_string(),
            architecture: package.architecture.into(),
            archive,
            suite: selected.suite.into(),
            path,
            size: package.size,
            sha256: package.sha256,
            roles: Vec::new(),
            reason: selected.reason.to_string(),
        }
    }

    /// The archive of a package that was chosen from a suite.
    fn archive_of(&self, selected: &Selected<'_>) -> &String {
        let package = selected.package;
        // Two archives may have suites of one name: the first that has the package is meant.
        let has = |index: &Index<'_>| {
            let same =
                |found: &Package<'_>| found.name == package.name && found.sha256 == package.sha256;
            index.packages.iter().any(same)
        };
        let of_suite = |(suite, index): &&&(&TrustedSuite, Index<'_>)| {
            suite.locked.name == selected.suite && has(index)
        };
        let archive = self.suites.iter().find(of_suite).map(|(suite, _)| &suite.locked.archive);
        archive.expect("a package is chosen from these suites")
    }
}

#[cfg(test)]
mod tests {
    use cvmkit_host::timestamp::Timestamp;

    use super::*;
    use crate::packages::LockedSuite;

    fn suite(name: &str, archive: &str) -> TrustedSuite {
        let locked = LockedSuite::bare(archive, name, Timestamp(0));
        let (priority, indices) = (PinPriority::Default, Vec::new());
        let (source, architecture) = (source(archive, &[name]), Architecture::X86_64);
        TrustedSuite { locked, source, architecture, priority, indices }
    }

    fn source(archive: &str, suites: &[&str]) -> Source {
        let json = serde_json::json!({ "archive": archive, "suites": suites });
        serde_json::from_value(json).unwrap()
    }

    /// An index of package `a` in one version.
    fn index(version: &str) -> String {
        format!(
            "Package: a\nVersion: {version}\nArchitecture: amd64\nFilename: pool/a_{version}.deb\n\
             Size: 7\nSHA256: {}\n",
            Sha256::of(version.as_bytes())
        )
    }

    fn package(version: &str) -> LockedPackage {
        LockedPackage {
            name: "a".into(),
            version: version.into(),
            architecture: "amd64".into(),
            archive: "debian".into(),
            suite: "x".into(),
            path: format!("pool/a_{version}.deb"),
            size: 7,
            sha256: Sha256::of(version.as_bytes()),
            roles: Vec::new(),
            reason: String::new(),
        }
    }

    #[test]
    fn a_name_that_is_locked_in_two_versions_keeps_both() {
        let (stable, testing) = (suite("stable", "debian"), suite("testing", "debian"));
        let texts = [index("1"), index("2")];
        let [one, two] = [&texts[0], &texts[1]].map(|text| Index::parse(text.as_bytes()).unwrap());
        let mut archives = Archives { suites: vec![(&stable, one), (&testing, two)] };
        archives.keep(Architecture::X86_64, [package("1"), package("2")].iter()).unwrap();
        assert!(archives.suites.iter().all(|(_, index)| index.packages.len() == 1));
        archives.keep(Architecture::X86_64, [package("2")].iter()).unwrap();
        assert!(archives.suites[0].1.packages.is_empty());
        let gone = [package("3")];
        assert_eq!(archives.keep(Architecture::X86_64, gone.iter()), Err(&gone[0]));
    }

    /// An image of another architecture has packages of its own, which a lock without it leaves to be chosen.
    #[test]
    fn each_architecture_has_its_own_indices_and_keeps_its_own_packages() {
        let amd64 = suite("stable", "debian");
        let arm64 = TrustedSuite { architecture: Architecture::Arm64, ..suite("stable", "debian") };
        let texts = [index("1"), index("2").replace("amd64", "arm64")];
        let [one, two] = [&texts[0], &texts[1]].map(|text| Index::parse(text.as_bytes()).unwrap());
        let mut archives = Archives { suites: vec![(&amd64, one), (&arm64, two)] };
        archives.keep(Architecture::X86_64, [package("1")].iter()).unwrap();
        let gone = [package("2")];
        assert_eq!(archives.keep(Architecture::X86_64, gone.iter()), Err(&gone[0]));
        let sources = [source("debian", &["stable"])];
        let newest = |architecture: Architecture| {
            let found = archives.of_sources(&sources, architecture);
            // The other index is none of its own: a flat archive is the same for both.
            assert_eq!(found.view().len(), 1);
            found.newest("a", architecture.debian()).unwrap().version
        };
        assert_eq!(
            (newest(Architecture::X86_64), newest(Architecture::Arm64)),
            ("1".into(), "2".into())
        );
    }

    #[test]
    fn of_two_suites_of_one_name_the_one_that_has_the_package_is_noted() {
        let (ours, theirs) = (suite("stable", "debian"), suite("stable", "vendor"));
        let texts = [index("1"), index("2")];
        let [one, two] = [&texts[0], &texts[1]].map(|text| Index::parse(text.as_bytes()).unwrap());
        let archives = Archives { suites: vec![(&ours, one), (&theirs, two)] };
        let sources = [source("debian", &["stable"]), source("vendor", &["stable"])];
        let of_both = archives.of_sources(&sources, Architecture::X86_64);
        let chosen = of_both.newest("a", "amd64").unwrap();
        assert_eq!((chosen.version.as_str(), chosen.archive.as_str()), ("2", "vendor"));
    }

    /// What a variant says of a suite was passed over once a sibling had named the suite.
    #[test]
    fn a_suite_is_one_only_where_all_that_a_source_says_of_it_is() {
        let plain = source("debian", &["stable"]);
        let contrib = Source { components: vec!["contrib".into()], ..plain.clone() };
        let keys = Source { keys: vec!["00".into()], ..plain.clone() };
        let of =
            |source: &Source| TrustedSuite { source: source.clone(), ..suite("stable", "debian") };
        let trusted = [of(&plain), of(&contrib), of(&keys)];
        let texts = [index("1"), index("2"), index("3")];
        let indices = texts.each_ref().map(|text| Index::parse(text.as_bytes()).unwrap());
        let archives = Archives { suites: trusted.iter().zip(indices).collect() };
        for (source, version) in [(plain, "1"), (contrib, "2"), (keys, "3")] {
            let sources = [Source { suites: vec!["x".into(), "stable".into()], ..source }];
            let chosen = archives.of_sources(&sources, Architecture::X86_64);
            assert_eq!(chosen.view().len(), 1);
            assert_eq!(chosen.newest("a", "amd64").unwrap().version, version);
        }
    }
}
