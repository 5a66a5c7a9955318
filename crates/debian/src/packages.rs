//! The `Packages` index of a suite (Debian wiki "DebianRepository/Format", "Packages Indices";
//! deb-control(5)).
//!
//! The contract: [`Index::parse`] borrows from the decompressed text and checks what every later
//! step relies on: name, version, pool path, size and SHA-256. Relations stay text until they are
//! asked for, so that 63,000 packages cost a scan. Deliberately absent: translations, MD5sum and
//! SHA1. The oracle is apt, in the resolver's tests.

use std::collections::BTreeMap;

use cvmkit_formats::digest::Sha256;
use thiserror::Error;

use crate::deb822::{self, Deb822Error, Stanza};
use crate::relation::{self, Relation, RelationError};
use crate::release::{SIZE_MAX, is_pool_path, sha256};
use crate::version::{Version, VersionError};

/// Why an index was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PackagesError {
    /// Not UTF-8.
    #[error("the index is not UTF-8 at byte {0}")]
    Encoding(usize),
    /// Not paragraphs of fields.
    #[error("the index does not parse")]
    Syntax(#[from] Deb822Error),
    /// A mandatory field that is absent.
    #[error("line {line}: package `{name}` has no field `{field}`")]
    Missing {
        /// Where the paragraph starts.
        line: usize,
        /// Which package.
        name: String,
        /// Which field.
        field: &'static str,
    },
    /// A field with an invalid value.
    #[error("line {line}: package `{name}`, field `{field}`: `{found}` is not valid")]
    Invalid {
        /// Where the paragraph starts.
        line: usize,
        /// Which package.
        name: String,
        /// Which field.
        field: &'static str,
        /// Its value.
        found: String,
    },
    /// A version that does not parse.
    #[error("line {line}: package `{name}`")]
    Version {
        /// Where the paragraph starts.
        line: usize,
        /// Which package.
        name: String,
        /// Why.
        source: VersionError,
    },
}

/// `Priority` (Debian Policy 2.5), in the order in which apt prefers providers: by number, where an
/// unknown one is 0 and `required` is 1 (apt 2.6, `pkgCache::State::VerPriority`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// No priority, or an unknown one.
    Unknown,
    /// `required`
    Required,
    /// `important`
    Important,
    /// `standard`
    Standard,
    /// `optional`
    Optional,
    /// `extra`
    Extra,
}

/// `Multi-Arch` (deb-control(5)). The resolver, which knows one architecture, asks only for
/// [`MultiArch::Allowed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultiArch {
    /// `no`, or not given.
    No,
    /// `same`
    Same,
    /// `foreign`
    Foreign,
    /// `allowed`
    Allowed,
}

/// A relationship field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RelationField {
    /// `Pre-Depends`
    PreDepends,
    /// `Depends`
    Depends,
    /// `Conflicts`
    Conflicts,
    /// `Breaks`
    Breaks,
    /// `Recommends`
    Recommends,
    /// `Suggests`
    Suggests,
    /// `Replaces`
    Replaces,
    /// `Enhances`
    Enhances,
    /// `Provides`
    Provides,
}

impl RelationField {
    /// All of them, in the order in which apt reads them.
    pub const ALL: [Self; 9] = [
        Self::PreDepends,
        Self::Depends,
        Self::Conflicts,
        Self::Breaks,
        Self::Recommends,
        Self::Suggests,
        Self::Replaces,
        Self::Enhances,
        Self::Provides,
    ];

    /// The field's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PreDepends => "Pre-Depends",
            Self::Depends => "Depends",
            Self::Conflicts => "Conflicts",
            Self::Breaks => "Breaks",
            Self::Recommends => "Recommends",
            Self::Suggests => "Suggests",
            Self::Replaces => "Replaces",
            Self::Enhances => "Enhances",
            Self::Provides => "Provides",
        }
    }
}

/// One package of an index.
#[derive(Clone, Debug)]
pub struct Package<'a> {
    /// `Package`: its name, unique within a suite and an architecture.
    pub name: &'a str,
    /// `Version`, which orders it among those of its name.
    pub version: Version,
    /// `Architecture`: the machine that it is built for, or `all`.
    pub architecture: &'a str,
    /// The name in `Source`, or the package's own.
    pub source: &'a str,
    /// The version in `Source`, or the package's own.
    pub source_version: &'a str,
    /// `Essential: yes`: it must work at all times, and packages need not depend on it (Debian Policy
    /// 3.8).
    pub essential: bool,
    /// `Protected: yes`, or `Important: yes`, apt's older name for it.
    pub protected: bool,
    /// `Priority` (Debian Policy 2.5), which breaks ties among providers.
    pub priority: Priority,
    /// `Multi-Arch`: whether it stands in for a package of another architecture.
    pub multi_arch: MultiArch,
    /// `Filename`: relative to the archive's root, checked with [`is_pool_path`].
    pub filename: &'a str,
    /// `Size`, bytes.
    pub size: u64,
    /// `SHA256` of the `.deb`, which the download has to have.
    pub sha256: Sha256,
    /// `Installed-Size`, KiB.
    pub installed_size: Option<u64>,
    relations: [&'a str; RelationField::ALL.len()],
    text: &'a str,
}

impl<'a> Package<'a> {
    /// A relationship field as text, empty if not given.
    #[must_use]
    pub fn relation_text(&self, field: RelationField) -> &'a str {
        let at = RelationField::ALL.iter().position(|known| *known == field);
        at.and_then(|at| self.relations.get(at)).copied().unwrap_or_default()
    }

    /// A relationship field, decoded: groups of alternatives.
    ///
    /// # Errors
    /// [`RelationError`].
    pub fn relations(&self, field: RelationField) -> Result<Vec<Vec<Relation<'a>>>, RelationError> {
        relation::parse(self.relation_text(field))
    }

    /// The whole paragraph, for the fields that have no member here.
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }
}

/// A decoded index, in its own order.
#[derive(Clone, Debug, Default)]
pub struct Index<'a> {
    /// Every package.
    pub packages: Vec<Package<'a>>,
}

impl<'a> Index<'a> {
    /// Reads the decompressed bytes of a `Packages` file.
    ///
    /// # Errors
    /// [`PackagesError`], with line and package.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PackagesError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| PackagesError::Encoding(error.valid_up_to()))?;
        let packages = deb822::paragraphs(text).map(|stanza| package(&stanza?));
        Ok(Self { packages: packages.collect::<Result<_, _>>()? })
    }

    /// The packages by name; one name may have several versions.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<&'a str, Vec<&Package<'a>>> {
        let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for package in &self.packages {
            names.entry(package.name).or_default().push(package);
        }
        names
    }
}

fn package<'a>(stanza: &Stanza<'a>) -> Result<Package<'a>, PackagesError> {
    let line = stanza.line();
    let name = stanza.get("Package").unwrap_or_default();
    let invalid = |field, found: &str| PackagesError::Invalid {
        line,
        name: name.to_owned(),
        field,
        found: found.chars().take(200).collect(),
    };
    let required = |field: &'static str| match stanza.get(field) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(PackagesError::Missing { line, name: name.to_owned(), field }),
    };
    let number = |field: &'static str, text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let value = text.parse::<u64>().ok().filter(|value| digits && *value <= SIZE_MAX);
        value.ok_or_else(|| invalid(field, text))
    };
    if !relation::is_package_name(required("Package")?) {
        return Err(invalid("Package", name));
    }
    let version = required("Version")?;
    let (source, source_version) = source(stanza.get("Source").unwrap_or(name), version);
    let filename = required("Filename")?;
    // As `dpkg-scanpackages .` and `apt-ftparchive packages .` write it.
    let filename = filename.strip_prefix("./").unwrap_or(filename);
    if !is_pool_path(filename) {
        return Err(invalid("Filename", filename));
    }
    let digest = required("SHA256")?;
    let yes = |field| stanza.get(field) == Some("yes");
    let version = Version::parse(version).map_err(|source| PackagesError::Version {
        line,
        name: name.to_owned(),
        source,
    })?;
    Ok(Package {
        name,
        version,
        architecture: required("Architecture")?,
        source,
        source_version,
        essential: yes("Essential"),
        protected: yes("Protected") || yes("Important"),
        priority: priority(stanza.get("Priority")),
        multi_arch: multi_arch(stanza.get("Multi-Arch"))
            .ok_or_else(|| invalid("Multi-Arch", stanza.get("Multi-Arch").unwrap_or_default()))?,
        filename,
        size: number("Size", required("Size")?)?,
        sha256: sha256(digest).ok_or_else(|| invalid("SHA256", digest))?,
        installed_size: stanza
            .get("Installed-Size")
            .map(|size| number("Installed-Size", size))
            .transpose()?,
        relations: RelationField::ALL.map(|field| stanza.get(field.name()).unwrap_or_default()),
        text: stanza.text(),
    })
}

/// `name (version)`, where the version is only written if it differs from the package's.
fn source<'a>(source: &'a str, version: &'a str) -> (&'a str, &'a str) {
    let Some((name, rest)) = source.split_once('(') else { return (source.trim(), version) };
    (name.trim(), rest.trim_end_matches(')').trim())
}

fn priority(value: Option<&str>) -> Priority {
    match value {
        Some("required") => Priority::Required,
        Some("important") => Priority::Important,
        Some("standard") => Priority::Standard,
        Some("optional") => Priority::Optional,
        Some("extra") => Priority::Extra,
        _ => Priority::Unknown,
    }
}

fn multi_arch(value: Option<&str>) -> Option<MultiArch> {
    match value {
        None | Some("no") => Some(MultiArch::No),
        Some("same") => Some(MultiArch::Same),
        Some("foreign") => Some(MultiArch::Foreign),
        Some("allowed") => Some(MultiArch::Allowed),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(edit: impl Fn(String) -> String) -> String {
        edit(format!(
            "Package: a\nSource: src (1.0)\nVersion: 1.0+b1\nArchitecture: amd64\nEssential: yes\n\
             Priority: required\nMulti-Arch: allowed\nInstalled-Size: 12\n\
             Depends: b (>= 1) | c,\n d\nFilename: pool/main/a/a.deb\nSize: 7\nSHA256: {}\n",
            "0f".repeat(32)
        ))
    }

    #[test]
    fn fields() {
        let text = stanza(|text| text);
        let index = Index::parse(text.as_bytes()).unwrap();
        let package = &index.packages[0];
        assert_eq!((package.name, package.version.as_str()), ("a", "1.0+b1"));
        assert_eq!((package.source, package.source_version), ("src", "1.0"));
        assert!(package.essential && !package.protected);
        assert_eq!(
            (package.priority, package.multi_arch),
            (Priority::Required, MultiArch::Allowed)
        );
        assert_eq!((package.size, package.installed_size), (7, Some(12)));
        assert_eq!(package.sha256, Sha256([0x0f; 32]));
        let depends = package.relations(RelationField::Depends).unwrap();
        assert_eq!(depends.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(package.relation_text(RelationField::Breaks), "");
        assert_eq!(package.text(), text);
    }

    /// One changed field, and what is said of it.
    #[test]
    fn every_refusal_names_line_package_and_field() {
        let cases = [
            ("Package: a", "Package: a b", "package `a b`, field `Package`: `a b` is not valid"),
            ("Package: a", "Package:", "package `` has no field `Package`"),
            ("Version: 1.0+b1", "Version:", "package `a` has no field `Version`"),
            ("Version: 1.0+b1", "Version: x", "package `a`"),
            ("Architecture: amd64\n", "", "package `a` has no field `Architecture`"),
            (
                "Filename: p",
                "Filename: /p",
                "package `a`, field `Filename`: `/pool/main/a/a.deb` is not valid",
            ),
            (
                "Filename: pool/",
                "Filename: ../",
                "package `a`, field `Filename`: `../main/a/a.deb` is not valid",
            ),
            (
                "Size: 7",
                "Size: 1099511627777",
                "package `a`, field `Size`: `1099511627777` is not valid",
            ),
            ("Size: 7", "Size: 0x7", "package `a`, field `Size`: `0x7` is not valid"),
            (
                "Installed-Size: 12",
                "Installed-Size: ",
                "package `a`, field `Installed-Size`: `` is not valid",
            ),
            (
                "Multi-Arch: allowed",
                "Multi-Arch: Same",
                "package `a`, field `Multi-Arch`: `Same` is not valid",
            ),
        ];
        for (from, to, expected) in cases {
            let text = format!("\n\n{}", stanza(|text| text.replacen(from, to, 1)));
            let error = Index::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), format!("line 3: {expected}"), "{to}");
        }
        let short = stanza(|text| text.replace("SHA256: 0f", "SHA256: 0"));
        let error = Index::parse(short.as_bytes()).unwrap_err();
        assert!(matches!(error, PackagesError::Invalid { field: "SHA256", .. }), "{error}");
        assert_eq!(Index::parse(b"Package: \xff").unwrap_err(), PackagesError::Encoding(9));
    }

    #[test]
    fn a_path_of_a_flat_archive_is_relative_to_it() {
        let text = stanza(|text| text.replace("Filename: pool", "Filename: ./pool"));
        assert_eq!(
            Index::parse(text.as_bytes()).unwrap().packages[0].filename,
            "pool/main/a/a.deb"
        );
    }

    #[test]
    fn sizes_reach_up_to_their_bound() {
        let text = stanza(|text| text.replace("Size: 7", &format!("Size: {SIZE_MAX}")));
        assert_eq!(Index::parse(text.as_bytes()).unwrap().packages[0].size, SIZE_MAX);
        let text = stanza(|text| text.replace("Installed-Size: 12\n", ""));
        assert_eq!(Index::parse(text.as_bytes()).unwrap().packages[0].installed_size, None);
    }

    /// deb-control(5): `yes` is the only word that sets a flag.
    #[test]
    fn flags_and_words() {
        let of = |from: &str, to: &str| {
            let text = stanza(|text| text.replace(from, to));
            let index = Index::parse(text.as_bytes()).unwrap();
            let package = &index.packages[0];
            (package.essential, package.protected, package.priority, package.multi_arch)
        };
        let usual = (true, false, Priority::Required, MultiArch::Allowed);
        assert_eq!(of("", ""), usual);
        for not in ["no", "Yes", "true", ""] {
            let found = of("Essential: yes", &format!("Essential: {not}"));
            assert_eq!(found, (false, false, Priority::Required, MultiArch::Allowed), "{not}");
        }
        for protected in ["Protected: yes", "Important: yes"] {
            assert!(of("Essential: yes", protected).1, "{protected}");
            let no = protected.replace("yes", "no");
            assert!(!of("Essential: yes", &no).1, "{no}");
        }
        let mut priorities = vec![of("Priority: required", "Priority: ?").2];
        for word in ["required", "important", "standard", "optional", "extra"] {
            priorities.push(of("required", word).2);
        }
        assert_eq!(priorities[0], Priority::Unknown);
        assert!(priorities.is_sorted_by(|one, two| one < two), "{priorities:?}");
        for (word, expected) in
            [("no", MultiArch::No), ("same", MultiArch::Same), ("foreign", MultiArch::Foreign)]
        {
            assert_eq!(of("Multi-Arch: allowed", &format!("Multi-Arch: {word}")).3, expected);
        }
        assert_eq!(of("Multi-Arch: allowed\n", "").3, MultiArch::No);
    }

    /// deb-control(5), `Source`: the version is written where it differs.
    #[test]
    fn sources() {
        for (field, name, version) in [
            ("Source: src (1.0)", "src", "1.0"),
            ("Source: src(1:2-3)", "src", "1:2-3"),
            ("Source: src", "src", "1.0+b1"),
            ("X: y", "a", "1.0+b1"),
        ] {
            let text = stanza(|text| text.replace("Source: src (1.0)", field));
            let index = Index::parse(text.as_bytes()).unwrap();
            let package = &index.packages[0];
            assert_eq!((package.source, package.source_version), (name, version), "{field}");
        }
    }

    #[test]
    fn every_relationship_field_has_its_own_text() {
        for field in RelationField::ALL {
            let text = stanza(|text| {
                let rest = text.replace("Depends: b (>= 1) | c,\n d\n", "");
                format!("{rest}{}: x (= 2)\n", field.name())
            });
            let index = Index::parse(text.as_bytes()).unwrap();
            let package = &index.packages[0];
            for other in RelationField::ALL {
                let expected = if other == field { "x (= 2)" } else { "" };
                assert_eq!(package.relation_text(other), expected, "{}", other.name());
            }
            assert_eq!(package.relations(field).unwrap()[0][0].to_string(), "x (= 2)");
        }
    }

    #[test]
    fn one_name_may_have_several_versions() {
        let one = stanza(|text| text);
        let two = one.replace("Version: 1.0", "Version: 2.0");
        let other = one.replace("Package: a", "Package: b");
        let text = [one, two, other].join("\n");
        let index = Index::parse(text.as_bytes()).unwrap();
        let by_name = index.by_name();
        assert_eq!(by_name.keys().collect::<Vec<_>>(), [&"a", &"b"]);
        let versions: Vec<_> = by_name["a"].iter().map(|one| one.version.as_str()).collect();
        assert_eq!(versions, ["1.0+b1", "2.0+b1"]);
    }

    #[test]
    fn refused() {
        let cases: [(&str, &str); 12] = [
            ("Package: a", "Package: A b"),
            ("Package: a", "X: a"),
            ("Version: 1.0+b1", "Version: x"),
            ("Filename: pool/main/a/a.deb", "Filename: pool/../../etc/a.deb"),
            ("Filename: pool/main/a/a.deb", "Filename: /pool/a.deb"),
            ("Size: 7", "Size: +7"),
            ("Size: 7", "Size:"),
            ("Size: 7", "Size: 9223372036854775808"),
            ("Size: 12", "Size: 9223372036854775808"),
            ("SHA256: 0f", "SHA256: 0"),
            ("SHA256", "SHA1"),
            ("Multi-Arch: allowed", "Multi-Arch: maybe"),
        ];
        for (from, to) in cases {
            let text = stanza(|text| text.replace(from, to));
            assert!(Index::parse(text.as_bytes()).is_err(), "{to}");
        }
        assert!(Index::parse(b"Package: \xff").is_err());
        assert!(Index::parse(b"").unwrap().packages.is_empty());
    }
}
