//! Chooses packages as `apt-get install` does on an empty system, without Recommends.
//!
//! The contract: the same suites and requests, in the same order, give the same selection on every
//! machine, and it is the one apt 2.6 gives. The search is apt's: depth first, the first
//! alternative that can be installed, a real package before those that provide its name, candidates
//! by pin priority and then version. Where apt would call its problem resolver and may give
//! packages up, this is an error that names the packages and the relation. Deliberately absent:
//! backtracking, installed systems, foreign architectures, Recommends. The oracle is `apt-get -s
//! install` with an empty status file.

mod closure;
mod dropping;
mod error;
mod marking;
mod selection;
mod universe;

pub use closure::{Closure, Flaw, Need, Verdict};
pub use dropping::Remaining;
pub use error::ResolveError;
use marking::Marking;
pub use selection::{Reason, Selected, Selection, Suite};
use universe::Universe;

/// What to resolve for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// Debian's name of the architecture, such as `amd64`.
    pub architecture: &'a str,
    /// Whether every `Essential: yes` package is installed too. Packages use those without depending
    /// on them (Debian Policy 3.8), so only a tree that is not a Debian system does without.
    pub essential: bool,
}

/// Chooses the requested packages and all they need. A request is a name or `name=version`; order
/// matters as it does to apt: of two requests that could satisfy one dependency, both are
/// installed, but what the first one pulls in is seen by the second one. Essential packages come
/// before all requests, in the order of their names.
///
/// # Errors
/// [`ResolveError`].
pub fn resolve<'a>(
    suites: &[Suite<'a>],
    requests: &[&str],
    options: &Options<'a>,
) -> Result<Selection<'a>, ResolveError> {
    let (names, pins): (Vec<_>, Vec<_>) = requests.iter().map(|request| split(request)).unzip();
    let pins: Vec<_> = pins.into_iter().flatten().collect();
    let universe = Universe::new(suites, &pins, options.architecture)?;
    let essential = universe.essential().filter(|_| options.essential);
    let mut wanted: Vec<(usize, Reason<'a>)> =
        essential.map(|id| (id, Reason::Essential)).collect();
    for name in names {
        let id = universe.find(name)?;
        match wanted.iter_mut().find(|(known, _)| *known == id) {
            Some((_, reason)) => *reason = Reason::Requested,
            None => wanted.push((id, Reason::Requested)),
        }
    }
    Marking::new(&universe).select(&wanted)
}

/// `name=version`, or a name alone.
fn split(request: &str) -> (&str, Option<(&str, &str)>) {
    match request.split_once('=') {
        Some((name, version)) => (name, Some((name, version))),
        None => (request, None),
    }
}

#[cfg(test)]
mod tests;
