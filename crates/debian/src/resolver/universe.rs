//! What could be installed: one candidate per name, and who provides what.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::error::ResolveError;
use super::selection::Suite;
use crate::packages::{MultiArch, Package, RelationField};
use crate::relation::{self, Relation};
use crate::version::Version;

/// How many similar names an error lists.
const NEAR_NAMES: usize = 5;

/// The version of a package that is installed if the package is.
pub(super) struct Candidate<'a> {
    pub(super) package: &'a Package<'a>,
    /// Its place in the caller's list.
    pub(super) suite: Suite<'a>,
    dependencies: OnceCell<Dependencies<'a>>,
}

/// One dependency: alternatives, of which one must be installed.
pub(super) struct Group<'a> {
    pub(super) field: RelationField,
    pub(super) alternatives: Vec<Relation<'a>>,
}

impl Group<'_> {
    /// The group as it is written.
    pub(super) fn text(&self) -> String {
        self.alternatives.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
    }
}

/// What a package says about others, in the order in which apt reads it.
#[derive(Default)]
pub(super) struct Dependencies<'a> {
    pub(super) groups: Vec<Group<'a>>,
    pub(super) negative: Vec<(RelationField, Relation<'a>)>,
}

pub(super) struct Universe<'a> {
    suites: Vec<Suite<'a>>,
    architecture: &'a str,
    pub(super) candidates: Vec<Candidate<'a>>,
    by_name: BTreeMap<&'a str, usize>,
    /// By provided name: which candidate, and as which version if it says one.
    providers: BTreeMap<&'a str, Vec<(usize, Option<Version>)>>,
    /// By candidate: when apt first meets the name; see [`Universe::first_mention`].
    mentions: OnceCell<Vec<usize>>,
}

impl<'a> Universe<'a> {
    /// `pins` are name and version of what the caller wants in no other version.
    pub(super) fn new(
        suites: &[Suite<'a>],
        pins: &[(&str, &str)],
        architecture: &'a str,
    ) -> Result<Self, ResolveError> {
        let mut universe = Self {
            suites: suites.to_vec(),
            architecture,
            candidates: Vec::new(),
            by_name: BTreeMap::new(),
            providers: BTreeMap::new(),
            mentions: OnceCell::new(),
        };
        for suite in suites {
            for package in &suite.index.packages {
                universe.consider(package, *suite);
            }
        }
        for (name, version) in pins {
            universe.pin(name, version)?;
        }
        universe.collect_providers()?;
        Ok(universe)
    }

    pub(super) fn is_native(&self, package: &Package<'_>) -> bool {
        matches!(package.architecture, "all") || package.architecture == self.architecture
    }

    /// Keeps the better one: the higher priority, then the higher version, then the earlier suite
    /// (apt_preferences(5), "How APT Interprets Priorities").
    fn consider(&mut self, package: &'a Package<'a>, suite: Suite<'a>) {
        if !self.is_native(package) {
            return;
        }
        let candidate = Candidate { package, suite, dependencies: OnceCell::new() };
        let known = self.by_name.get(package.name).and_then(|&id| self.candidates.get_mut(id));
        match known {
            None => {
                self.by_name.insert(package.name, self.candidates.len());
                self.candidates.push(candidate);
            }
            Some(known) => {
                let rank = (suite.priority, &package.version);
                if rank > (known.suite.priority, &known.package.version) {
                    *known = candidate;
                }
            }
        }
    }

    /// Makes a version the candidate, whatever the suites' priorities (apt-get(8), `package=version`).
    /// The text must be equal: `1` does not name `1-0`.
    fn pin(&mut self, name: &str, version: &str) -> Result<(), ResolveError> {
        let id = self.find(name)?;
        let mut known = Vec::new();
        for suite in &self.suites {
            for package in &suite.index.packages {
                if package.name != name || !self.is_native(package) {
                    continue;
                }
                if package.version.as_str() == version {
                    let dependencies = OnceCell::new();
                    let pinned = Candidate { package, suite: *suite, dependencies };
                    if let Some(candidate) = self.candidates.get_mut(id) {
                        *candidate = pinned;
                    }
                    return Ok(());
                }
                known.push(package.version.to_string());
            }
        }
        let (name, version) = (name.to_owned(), version.to_owned());
        Err(ResolveError::UnknownVersion { name, version, known })
    }

    fn collect_providers(&mut self) -> Result<(), ResolveError> {
        for (id, candidate) in self.candidates.iter().enumerate() {
            let package = candidate.package;
            if package.relation_text(RelationField::Provides).is_empty() {
                continue;
            }
            for provided in relations(package, RelationField::Provides)?.into_iter().flatten() {
                let version = provided.constraint.map(|(_, version)| version);
                self.providers.entry(provided.name).or_default().push((id, version));
            }
        }
        Ok(())
    }

    /// The candidates that are `Essential: yes`, by name.
    pub(super) fn essential(&self) -> impl Iterator<Item = usize> {
        self.by_name.values().copied().filter(|&id| self.candidates[id].package.essential)
    }

    /// A package by name, or an error that helps.
    pub(super) fn find(&self, name: &str) -> Result<usize, ResolveError> {
        if let Some(&id) = self.by_name.get(name) {
            return Ok(id);
        }
        if let Some(providers) = self.providers.get(name) {
            let mut providers: Vec<String> =
                providers.iter().map(|&(id, _)| self.name(id).to_owned()).collect();
            providers.sort_unstable();
            providers.dedup();
            return Err(ResolveError::VirtualPackage { name: name.to_owned(), providers });
        }
        Err(ResolveError::UnknownPackage { name: name.to_owned(), near: self.near(name) })
    }

    fn near(&self, name: &str) -> Vec<String> {
        let near = |known: &&str| {
            let distance = strsim::damerau_levenshtein(name, known);
            let close = distance <= 1 + name.len() / 6;
            let longer = known.starts_with(name) && !name.is_empty();
            (close || longer).then_some((distance, (*known).to_owned()))
        };
        let mut found: Vec<_> = self.by_name.keys().filter_map(near).collect();
        found.sort_unstable();
        found.into_iter().take(NEAR_NAMES).map(|(_, known)| known).collect()
    }

    pub(super) fn name(&self, id: usize) -> &'a str {
        self.candidates[id].package.name
    }

    /// What a candidate says about others.
    pub(super) fn dependencies(&self, id: usize) -> Result<&Dependencies<'a>, ResolveError> {
        let candidate = &self.candidates[id];
        if let Some(known) = candidate.dependencies.get() {
            return Ok(known);
        }
        let package = candidate.package;
        let mut found = Dependencies::default();
        for field in [RelationField::PreDepends, RelationField::Depends] {
            for mut alternatives in relations(package, field)? {
                alternatives.retain(|relation| relation.applies_to(self.architecture));
                if !alternatives.is_empty() {
                    found.groups.push(Group { field, alternatives });
                }
            }
        }
        for field in [RelationField::Conflicts, RelationField::Breaks] {
            for relation in relations(package, field)?.into_iter().flatten() {
                if relation.applies_to(self.architecture) {
                    found.negative.push((field, relation));
                }
            }
        }
        Ok(candidate.dependencies.get_or_init(|| found))
    }

    /// The candidates that a relation is true of: the package of that name, then its providers in the
    /// order of the suites (Debian Policy 7.5). Only a versioned `Provides` satisfies a versioned
    /// relation, and it does so with the provided version, never with the package's own.
    pub(super) fn targets(&self, relation: &Relation<'a>) -> Vec<usize> {
        let real = self.by_name.get(relation.name).copied();
        let real = real.filter(|&id| relation.accepts(Some(&self.candidates[id].package.version)));
        let providers = self.providers.get(relation.name).into_iter().flatten();
        let providers =
            providers.filter(|(_, version)| relation.accepts(version.as_ref())).map(|&(id, _)| id);
        real.into_iter().chain(providers).filter(|&id| self.qualifies(id, relation)).collect()
    }

    /// Every candidate that a package depends on, recommends or suggests.
    pub(super) fn mentioned(&self, id: usize) -> Result<Vec<usize>, ResolveError> {
        let package = self.candidates[id].package;
        let mut found: Vec<usize> = Vec::new();
        for group in &self.dependencies(id)?.groups {
            found.extend(group.alternatives.iter().flat_map(|relation| self.targets(relation)));
        }
        for field in [RelationField::Recommends, RelationField::Suggests] {
            let relations = relations(package, field)?.into_iter().flatten();
            found.extend(relations.flat_map(|relation| self.targets(&relation)));
        }
        Ok(found)
    }

    /// The architecture behind the colon (deb-control(5), "Multi-Arch"; Debian wiki
    /// "Multiarch/HOWTO"): `any` needs a package with `Multi-Arch: allowed`, any other architecture
    /// than ours is never there. `same` and `foreign` decide nothing as long as there is one
    /// architecture.
    fn qualifies(&self, id: usize, relation: &Relation<'_>) -> bool {
        match relation.qualifier {
            None | Some("native") => true,
            Some("any") => self.candidates[id].package.multi_arch == MultiArch::Allowed,
            Some(architecture) => architecture == self.architecture,
        }
    }

    /// When apt first meets a candidate's name while it reads the suites in their order: as a
    /// package or in another one's relations. Between providers that nothing else tells apart, apt
    /// takes the one it met last: `CompareProviders` ends with the higher `ID`, and the cache generator
    /// numbers names as it meets them (`pkgCacheGenerator::NewPackage`).
    pub(super) fn first_mention(&self, id: usize) -> usize {
        self.mentions.get_or_init(|| self.mentions())[id]
    }

    fn mentions(&self) -> Vec<usize> {
        let mut first = vec![usize::MAX; self.candidates.len()];
        let mut count = 0;
        let mut mention = |name: &str| {
            if let Some(&id) = self.by_name.get(name)
                && first[id] == usize::MAX
            {
                first[id] = count;
                count += 1;
            }
        };
        for package in self.suites.iter().flat_map(|suite| &suite.index.packages) {
            mention(package.name);
            for field in RelationField::ALL {
                relation::names(package.relation_text(field)).for_each(&mut mention);
            }
        }
        first
    }
}

pub(super) fn relations<'a>(
    package: &'a Package<'a>,
    field: RelationField,
) -> Result<Vec<Vec<Relation<'a>>>, ResolveError> {
    package.relations(field).map_err(|source| ResolveError::Relation {
        package: package.name.to_owned(),
        field: field.name(),
        source,
    })
}

#[cfg(test)]
mod tests;
