//! The search: marks packages for installation in apt's order (apt 2.6, `apt-pkg/depcache.cc`,
//! `pkgDepCache::MarkInstall` and the functions `MarkInstall_*` in front of it).
//!
//! "Protected" is apt's word for a package whose state is settled: it was requested, or nothing else
//! can satisfy a settled package's dependency. Settled packages rule out what they conflict with
//! before any alternative is tried; a mark that fails is taken back and its package ruled out.
//!
//! The order in which this happens decides the selection, so each step names the function of apt
//! whose steps it repeats. What those do for packages that are installed already is left out.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::error::ResolveError;
use super::selection::{Reason, Selected, Selection};
use super::universe::{Group, Universe};
use crate::packages::RelationField;
use crate::relation::Relation;

/// How deep dependencies may nest; the deepest chain in Debian is below 200.
const DEPTH_MAX: usize = 1000;

/// What is known of a candidate (apt: `pkgDepCache::StateCache`).
#[derive(Clone, Default)]
struct State<'a> {
    /// It is marked: `ModeInstall`.
    installed: bool,
    /// Its state is settled, whether marked or not: `Protect()`.
    protected: bool,
    /// Why it can't be installed, once that is known; apt discards the candidate then.
    refused: Option<String>,
    /// Why it is not marked although it may be; for messages.
    given_up: Option<String>,
    /// Why it was marked last.
    reason: Option<Reason<'a>>,
}

impl State<'_> {
    fn is_candidate(&self) -> bool {
        self.refused.is_none()
    }
}

/// How a package came to be marked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Request,
    Dependency { depth: usize },
}

pub(super) struct Marking<'u, 'a> {
    universe: &'u Universe<'a>,
    states: Vec<State<'a>>,
}

/// What marking a package has to see to.
struct Work<'u, 'a> {
    groups: Vec<&'u Group<'a>>,
    negative: Vec<(RelationField, &'u Relation<'a>)>,
}

impl<'u, 'a> Marking<'u, 'a> {
    pub(super) fn new(universe: &'u Universe<'a>) -> Self {
        Self { universe, states: vec![State::default(); universe.candidates.len()] }
    }

    /// Marks all that is wanted, then all it needs; what is broken after that is an error.
    pub(super) fn select(
        mut self,
        wanted: &[(usize, Reason<'a>)],
    ) -> Result<Selection<'a>, ResolveError> {
        for (id, reason) in wanted {
            let state = &mut self.states[*id];
            (state.protected, state.installed) = (true, true);
            state.reason = Some(reason.clone());
        }
        for (id, _) in wanted {
            self.install(*id, By::Request)?;
        }
        self.check()?;
        self.sweep(wanted)?;
        let chosen = self.universe.candidates.iter().zip(self.states);
        let mut packages: Vec<_> = chosen
            .filter(|(_, state)| state.installed)
            .filter_map(|(candidate, state)| {
                let (package, suite) = (candidate.package, candidate.suite.id);
                Some(Selected { package, suite, reason: state.reason? })
            })
            .collect();
        packages.sort_unstable_by_key(|selected| selected.package.name);
        Ok(Selection { packages })
    }

    /// Marks a package and what it needs. Answers whether that succeeded; a request stays marked
    /// when it fails, and [`Marking::check`] says what is missing (`pkgDepCache::MarkInstall`).
    ///
    /// `protected` is the state before the call. While its dependencies are marked, every package is
    /// protected (`ScopedProtected`), so that none of them can take it back.
    fn install(&mut self, id: usize, by: By) -> Result<bool, ResolveError> {
        let depth = match by {
            By::Request => 0,
            By::Dependency { depth } => depth,
        };
        if depth > DEPTH_MAX {
            return Err(ResolveError::TooDeep(self.universe.name(id).to_owned()));
        }
        let State { installed, protected, .. } = self.states[id];
        // `IsModeChangeOk`: what a settled package ruled out stays out.
        if by != By::Request && protected && !installed || !self.states[id].is_candidate() {
            return Ok(false);
        }
        if !protected && installed && !self.is_broken(id)? {
            return Ok(true);
        }
        // `IsInstallOkDependenciesSatisfiableByCandidates`: before anything changes.
        if let Some(group) = self.unsatisfiable(id)? {
            if !protected {
                self.refuse(id, self.unsatisfied(id, group).to_string());
            }
            return Ok(false);
        }
        let work = self.work(id, protected)?;
        // The opposite of apt's `failEarly`: a settled package does all it can before it fails.
        let settled = protected || by == By::Request;
        let mut succeeded = self.rule_out(id, &work, protected, settled);
        if !succeeded && !settled {
            return Ok(false);
        }
        let state = &mut self.states[id];
        (state.installed, state.protected) = (true, true);
        let dependencies = self.install_dependencies(id, &work, protected, settled, depth);
        self.states[id].protected = protected;
        let missing = dependencies?;
        if let Some(missing) = missing {
            if !settled {
                self.states[id].installed = false;
                self.refuse(id, missing.to_string());
                return Ok(false);
            }
            succeeded = false;
        }
        Ok(succeeded)
    }

    /// The dependencies that are not satisfied and the conflicts that are true now; of a settled
    /// package, all (`MarkInstall_CollectDependencies`).
    fn work(&self, id: usize, protected: bool) -> Result<Work<'u, 'a>, ResolveError> {
        let all = self.universe.dependencies(id)?;
        let groups = all.groups.iter().filter(|group| protected || !self.is_satisfied(group));
        let negative = all.negative.iter().filter(|(_, relation)| {
            protected || self.rivals(id, relation).any(|rival| self.states[rival].installed)
        });
        Ok(Work {
            groups: groups.collect(),
            negative: negative.map(|(field, relation)| (*field, relation)).collect(),
        })
    }

    /// Takes conflicting packages back; a settled package also rules them out for good. Answers
    /// whether all could be (`MarkInstall_RemoveConflictsIfNotUpgradeable`).
    fn rule_out(&mut self, id: usize, work: &Work<'u, 'a>, protected: bool, settled: bool) -> bool {
        let mut succeeded = true;
        for (field, relation) in &work.negative {
            let rivals: Vec<usize> = self.rivals(id, relation).collect();
            for rival in rivals {
                if !self.states[rival].is_candidate() {
                    continue;
                }
                let why = format!("`{}` {} `{relation}`", self.universe.name(id), field.name());
                if self.states[rival].installed && self.states[rival].protected {
                    self.states[id].given_up = Some(why);
                    succeeded = false;
                    if !settled {
                        return false;
                    }
                    continue;
                }
                self.states[rival].installed = false;
                if protected {
                    self.refuse(rival, why);
                    self.states[rival].protected = true;
                } else {
                    self.states[rival].given_up = Some(why);
                }
            }
        }
        succeeded
    }

    /// Marks one solution for every group that has none. Answers the first dependency that could not
    /// be satisfied (`MarkInstall_InstallDependencies`).
    fn install_dependencies(
        &mut self,
        id: usize,
        work: &Work<'u, 'a>,
        protected: bool,
        settled: bool,
        depth: usize,
    ) -> Result<Option<ResolveError>, ResolveError> {
        let by = By::Dependency { depth: depth + 1 };
        let mut missing = None;
        for group in &work.groups {
            if self.is_satisfied(group) {
                if protected && !self.settle_only_solution(group, by)? {
                    missing = missing.or_else(|| Some(self.unsatisfied(id, group)));
                }
                continue;
            }
            let solutions = self.solutions(group);
            // Protection spreads where there is no choice, and nowhere else.
            let only = protected && solutions.len() == 1;
            let mut found = false;
            for solution in solutions {
                if !self.states[solution].is_candidate() {
                    continue;
                }
                let reason = self.because(id, group);
                let before = self.states[solution].reason.replace(reason);
                if only {
                    let state = &mut self.states[solution];
                    (state.installed, state.protected) = (true, true);
                }
                if self.install(solution, by)? {
                    found = true;
                    break;
                }
                if !self.states[solution].installed {
                    self.states[solution].reason = before;
                }
            }
            if !found {
                missing = missing.or_else(|| Some(self.unsatisfied(id, group)));
                if !settled {
                    break;
                }
            }
        }
        Ok(missing)
    }

    /// A settled package's dependency is satisfied: if only one package can do that, it is settled
    /// too.
    fn settle_only_solution(&mut self, group: &Group<'a>, by: By) -> Result<bool, ResolveError> {
        let mut solutions = self.solutions(group);
        solutions.sort_unstable();
        solutions.dedup();
        match solutions.as_slice() {
            &[only] if !self.states[only].protected => {
                self.states[only].protected = true;
                self.install(only, by)
            }
            _ => Ok(true),
        }
    }

    fn because(&self, id: usize, group: &Group<'a>) -> Reason<'a> {
        let of = self.universe.name(id);
        Reason::Dependency { of, field: group.field, relation: group.text() }
    }

    /// What can satisfy a group, in the order in which it is tried: the alternatives from the left,
    /// sorted within each (`getAllPossibleSolutions`). Neighbours alone are compared for duplicates, as
    /// there.
    fn solutions(&self, group: &Group<'a>) -> Vec<usize> {
        let mut solutions = Vec::new();
        for relation in &group.alternatives {
            let mut targets = self.universe.targets(relation);
            targets.retain(|&id| {
                let state = &self.states[id];
                state.is_candidate() && (state.installed || !state.protected)
            });
            if targets.len() > 1 {
                targets.sort_by_cached_key(|&id| self.preference(id, relation));
            }
            solutions.extend(targets);
        }
        solutions.dedup();
        solutions
    }

    /// The less, the better: settled, of the very name, essential, `Protected: yes`, of a higher
    /// priority, mentioned later (`CompareProviders`).
    fn preference(&self, id: usize, relation: &Relation<'_>) -> impl Ord + use<'a> {
        let package = self.universe.candidates[id].package;
        (
            Reverse((
                self.states[id].protected,
                package.name == relation.name,
                package.essential,
                package.protected,
            )),
            package.priority,
            Reverse(self.universe.first_mention(id)),
        )
    }

    /// The packages a conflict is true of; never the one that declares it (Debian Policy 7.6.2).
    fn rivals(&self, id: usize, relation: &Relation<'a>) -> impl Iterator<Item = usize> + use<'a> {
        self.universe.targets(relation).into_iter().filter(move |&rival| rival != id)
    }

    fn is_satisfied(&self, group: &Group<'a>) -> bool {
        let mut targets =
            group.alternatives.iter().flat_map(|relation| self.universe.targets(relation));
        targets.any(|id| self.states[id].installed)
    }

    /// The first dependency that neither the selection nor any candidate satisfies.
    fn unsatisfiable(&self, id: usize) -> Result<Option<&'u Group<'a>>, ResolveError> {
        let groups = &self.universe.dependencies(id)?.groups;
        Ok(groups.iter().find(|group| {
            let relations = group.alternatives.iter();
            let mut targets = relations.flat_map(|relation| self.universe.targets(relation));
            !targets.any(|id| self.states[id].installed || self.states[id].is_candidate())
        }))
    }

    fn is_broken(&self, id: usize) -> Result<bool, ResolveError> {
        Ok(self.breakage(id)?.is_some())
    }

    fn breakage(&self, id: usize) -> Result<Option<ResolveError>, ResolveError> {
        let all = self.universe.dependencies(id)?;
        if let Some(group) = all.groups.iter().find(|group| !self.is_satisfied(group)) {
            return Ok(Some(self.unsatisfied(id, group)));
        }
        for (field, relation) in &all.negative {
            let rival = self.rivals(id, relation).find(|&rival| self.states[rival].installed);
            if let Some(rival) = rival {
                let with = self.universe.candidates[rival].package;
                return Ok(Some(ResolveError::Conflict {
                    package: self.universe.name(id).to_owned(),
                    field: field.name(),
                    relation: relation.to_string(),
                    with: format!("{} {}", with.name, with.version),
                }));
            }
        }
        Ok(None)
    }

    fn refuse(&mut self, id: usize, why: String) {
        if !self.states[id].installed {
            self.states[id].refused.get_or_insert(why);
        }
    }

    /// Says for each alternative what stands against it.
    fn unsatisfied(&self, id: usize, group: &Group<'a>) -> ResolveError {
        let why = group.alternatives.iter().map(|relation| self.obstacle(relation));
        ResolveError::Unsatisfied {
            package: self.universe.name(id).to_owned(),
            field: group.field.name(),
            relation: group.text(),
            why: why.collect(),
        }
    }

    /// What stands against one alternative: against the first package it is true of, or that there
    /// is none.
    fn obstacle(&self, relation: &Relation<'a>) -> String {
        let Some(&target) = self.universe.targets(relation).first() else {
            return match self.universe.find(relation.name) {
                Ok(found) => {
                    let package = self.universe.candidates[found].package;
                    format!("`{}` is version {}", package.name, package.version)
                }
                Err(_) => format!("no suite has `{}`", relation.name),
            };
        };
        let (name, state) = (self.universe.name(target), &self.states[target]);
        match (&state.refused, &state.given_up) {
            (Some(why), _) => format!("`{name}` can't be installed: {why}"),
            (None, Some(why)) => format!("`{name}` was rejected: {why}"),
            (None, None) => format!("`{name}` was not tried: request it by name"),
        }
    }

    /// Refuses a selection with anything missing or in conflict, where apt calls `pkgProblemResolver`.
    /// A conflict is named first: what is missing most often follows from one.
    fn check(&self) -> Result<(), ResolveError> {
        let installed = (0..self.states.len()).filter(|&id| self.states[id].installed);
        let mut broken = None;
        for id in installed {
            match self.breakage(id)? {
                Some(conflict @ ResolveError::Conflict { .. }) => return Err(conflict),
                found => broken = broken.or(found),
            }
        }
        broken.map_or(Ok(()), Err)
    }

    /// Drops what was marked for an alternative that was rejected: whatever the wanted packages do
    /// not reach. Being recommended or suggested is enough to stay, as `APT::AutoRemove::
    /// RecommendsImportant` and `SuggestsImportant` are true by default, and essential and protected
    /// packages are roots (`pkgDepCache::MarkRequired`).
    fn sweep(&mut self, wanted: &[(usize, Reason<'a>)]) -> Result<(), ResolveError> {
        let mut pending: Vec<usize> = wanted.iter().map(|(id, _)| *id).collect();
        let flagged = self.universe.candidates.iter().enumerate();
        let flagged = flagged
            .filter(|(_, candidate)| candidate.package.essential || candidate.package.protected);
        pending.extend(flagged.map(|(id, _)| id).filter(|&id| self.states[id].installed));
        let mut reached: BTreeSet<usize> = pending.iter().copied().collect();
        while let Some(id) = pending.pop() {
            for target in self.universe.mentioned(id)? {
                if self.states[target].installed && reached.insert(target) {
                    pending.push(target);
                }
            }
        }
        for (id, state) in self.states.iter_mut().enumerate() {
            state.installed &= reached.contains(&id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
