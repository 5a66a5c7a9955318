//! Whether the packages of a lock are a set that stands, by what each package says itself.
//!
//! A lock can be edited and sealed again, so a build does not believe that it is what a search came to: every
//! dependency of every package has to be met by one that is there, or by one that the definition drops.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_attest::output::Notice;
use cvmkit_debian::packages::{Index, PackagesError, RelationField};
use cvmkit_debian::resolver::{Closure, Flaw, ResolveError, Verdict};
use cvmkit_formats::digest::Sha256;
use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

use super::package::Package;

/// Why the packages of a root file system can't be those of its definition.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClosureError {
    /// What does not stand.
    #[error(
        "the packages that the lock has for `{role}` can't be all, and no more, that the definition asks for:{}",
        .flaws.iter().map(|flaw| format!("\n    {flaw}")).collect::<String>()
    )]
    Flaws {
        /// The root file system: `root`, `root:VARIANT`.
        role: String,
        /// All of it.
        flaws: Vec<Flaw>,
    },
    /// A control file that can't be read.
    #[error("the control file of a package can't be used")]
    Control(#[from] PackagesError),
    /// A field that names other packages.
    #[error("a control file can't be used")]
    Relation(#[from] ResolveError),
}

impl Diagnosis for ClosureError {
    fn fault(&self) -> Fault {
        Fault::Definition
    }

    fn hint(&self) -> Option<String> {
        let Self::Flaws { .. } = self else { return None };
        Some(
            "restore the lock from version control, or run `cvmkit lock --update`; a package to have \
             anyway is one to name in `packages.install`, one to do without in `packages.drop`"
                .to_owned(),
        )
    }
}

/// A package that the definition drops, as the lock has it.
#[derive(Clone, Debug)]
pub(crate) struct Dropped<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// The version that would be there.
    pub(crate) version: &'a str,
    /// Its field `Provides`.
    pub(crate) provides: &'a str,
    /// Why the definition drops it.
    pub(crate) because: &'a str,
}

/// The packages of a root file system, and what its definition says of them.
pub(crate) struct Whole<'a> {
    /// `root`, `root:VARIANT`.
    pub(crate) role: &'a str,
    /// Those that are there.
    pub(crate) packages: &'a [Package],
    /// Those that are not.
    pub(crate) dropped: &'a [Dropped<'a>],
    /// The names that the definition requests.
    pub(crate) requested: BTreeSet<&'a str>,
    /// The names of local packages, which are not there for being essential.
    pub(crate) local: BTreeSet<&'a str>,
    /// Whether it requests every essential package too.
    pub(crate) essential: bool,
    /// Debian's name of the machine, such as `amd64`.
    pub(crate) architecture: &'a str,
}

/// What every paragraph of an index has.
fn paragraph(fields: &[(&str, String)]) -> String {
    let lines: String = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    // Nothing is fetched by it: a place, a size and a digest are there because each index has them.
    format!("{lines}Filename: x\nSize: 0\nSHA256: {}\n\n", Sha256::ZERO)
}

impl<'a> Whole<'a> {
    /// Judges the packages, and names what the definition drops.
    ///
    /// # Errors
    /// All that does not stand.
    pub(crate) fn check(&self) -> Result<Vec<Notice>, ClosureError> {
        let present: String = self.packages.iter().map(of_package).collect();
        let dropped: String = self.dropped.iter().map(of_dropped).collect();
        let (present, dropped) =
            (Index::parse(present.as_bytes())?, Index::parse(dropped.as_bytes())?);
        let essential = self.packages.iter().filter(|package| {
            let is_local = self.local.contains(package.name.as_str());
            let says = package.control.fields.get("Essential").is_some_and(|value| value == "yes");
            self.essential && says && !is_local
        });
        let essential = essential.map(|package| package.name.as_str());
        let roots = self.requested.iter().copied().chain(essential).collect();
        let closure = Closure {
            present: &present,
            dropped: &dropped,
            roots,
            architecture: self.architecture,
        };
        let Verdict { flaws, excused } = closure.judge()?;
        if !flaws.is_empty() {
            return Err(ClosureError::Flaws { role: self.role.to_owned(), flaws });
        }
        let mut needed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (need, by) in excused {
            by.into_iter().for_each(|by| needed.entry(by).or_default().push(need.to_string()));
        }
        let notice = |dropped: &Dropped<'_>| Notice::PackageDropped {
            package: dropped.name.to_owned(),
            because: dropped.because.to_owned(),
            needed: needed.remove(dropped.name).unwrap_or_default(),
        };
        Ok(self.dropped.iter().map(notice).collect())
    }
}

/// What an index would have of a package, by its own control file.
fn of_package(package: &Package) -> String {
    let relations = RelationField::ALL.map(RelationField::name);
    let names = ["Package", "Version", "Architecture", "Essential", "Multi-Arch"];
    let field = |name: &'static str| {
        let value = package.control.fields.get(name).unwrap_or_default();
        (name, value.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    paragraph(&names.into_iter().chain(relations).map(field).collect::<Vec<_>>())
}

/// The same of a package that is not there. Which architecture's it is says the lock nowhere: `any` would do.
fn of_dropped(dropped: &Dropped<'_>) -> String {
    let Dropped { name, version, provides, .. } = dropped;
    let fields = [
        ("Package", *name),
        ("Version", version),
        ("Architecture", "all"),
        ("Multi-Arch", "allowed"),
        ("Provides", provides),
    ];
    paragraph(&fields.map(|(name, value)| (name, value.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::debian::tests::package;

    fn packages() -> Vec<Package> {
        vec![
            package("app", "Depends: lib (>= 1),\n tool | other, mta\nPre-Depends: base\n", &[]),
            package("base", "Essential: yes\n", &[]),
            package("lib", "Suggests: own\n", &[]),
        ]
    }

    const TOOL: Dropped<'_> =
        Dropped { name: "tool", version: "1", provides: "mta (= 1)", because: "not used" };

    fn checked(packages: &[Package], dropped: &[Dropped<'_>]) -> Result<Vec<Notice>, ClosureError> {
        let (requested, local) = (BTreeSet::from(["app"]), BTreeSet::from(["own"]));
        let (role, essential, architecture) = ("root", true, "amd64");
        let whole = Whole { role, packages, dropped, requested, local, essential, architecture };
        whole.check()
    }

    fn refused(packages: &[Package], dropped: &[Dropped<'_>]) -> String {
        checked(packages, dropped).unwrap_err().to_string()
    }

    /// A package that somebody took out of the lock is missed, whatever the seal says.
    #[test]
    fn a_package_that_was_taken_out_is_missed() {
        let notices = checked(&packages(), &[TOOL]).unwrap();
        let needed = ["Depends of app: tool | other", "Depends of app: mta"];
        let needed = needed.map(str::to_owned).to_vec();
        let (package, because) = ("tool".to_owned(), "not used".to_owned());
        assert_eq!(notices, [Notice::PackageDropped { package, because, needed }]);
        let mut fewer = packages();
        fewer.retain(|package| package.name == "app");
        let text = refused(&fewer, &[Dropped { provides: "", ..TOOL }]);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines[1..],
            [
                "`app` Pre-Depends on `base`, which no package meets",
                "`app` Depends on `lib (>= 1)`, which no package meets",
                "`app` Depends on `mta`, which no package meets",
            ]
        );
        assert!(lines[0].contains("`root`"), "{text}");
        let hint = checked(&packages(), &[]).unwrap_err().hint().unwrap();
        assert!(hint.contains("`cvmkit lock --update`") && hint.contains("`packages.drop`"));
    }

    /// Neither is what somebody put in taken for what the definition asks for.
    #[test]
    fn a_package_that_was_put_in_is_noticed() {
        let with = |name: &str, control: &str| {
            let mut more = packages();
            more.push(package(name, control, &[]));
            more
        };
        let unasked = "`more` is there, and neither requested nor needed";
        assert!(refused(&with("more", ""), &[TOOL]).contains(unasked));
        checked(&with("more", "Essential: yes\n"), &[TOOL]).unwrap();
        // One of a file is not there because it says that it is essential; one that is suggested may be.
        checked(&with("own", "Essential: yes\n"), &[TOOL]).unwrap();
        let mut alone = with("own", "Essential: yes\n");
        alone[2] = package("lib", "", &[]);
        assert!(refused(&alone, &[TOOL]).contains("`own` is there"));
        let rival = refused(&with("more", "Conflicts: lib\nEssential: yes\n"), &[TOOL]);
        assert!(rival.contains("`more` Conflicts `lib`, which `lib 1.0` matches"), "{rival}");
    }

    #[test]
    fn a_field_that_does_not_parse_is_an_error() {
        let broken = [package("app", "Depends: lib (?? 1)\n", &[])];
        let error = checked(&broken, &[]).unwrap_err();
        assert!(matches!(error, ClosureError::Relation(_)), "{error}");
        let broken = [package("app", "Multi-Arch: maybe\n", &[])];
        assert!(matches!(checked(&broken, &[]), Err(ClosureError::Control(_))));
    }
}
