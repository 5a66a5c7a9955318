//! Why a root file system can't be assembled.

use std::fmt;

use cvmkit_formats::tree::TreeError;
use cvmkit_host::fault::{Diagnosis, Fault};
use thiserror::Error;

use super::finding::Finding;

/// Why a root file system can't be assembled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootfsError {
    /// A program without what runs it.
    #[error("`/{path}` can't run: `{runner}`, which runs it, is not in the image")]
    NoInterpreter {
        /// The program.
        path: String,
        /// Its interpreter or loader.
        runner: String,
    },
    /// Programs of enabled units that are nowhere.
    #[error("enabled units run programs that are not in the image:{}", lines(.0))]
    NoProgram(Vec<MissingProgram>),
    /// Findings of the audit that no production image may have.
    #[error(
        "the image holds what a production image must not:{}",
        .0.iter().map(|finding| format!("\n  {finding}")).collect::<String>()
    )]
    Findings(Vec<Finding>),
    /// The definition asks for something that changes nothing.
    #[error("{} {} no effect:{}", .0.len(), if .0.len() == 1 { "key has" } else { "keys have" }, lines(.0))]
    NoEffect(Vec<Unused>),
    /// The definition puts something where a boot hides or empties it.
    #[error("{key}: `{path}` is {}below {folder}, {}", led(path, real), fate(*is_mounted))]
    Hidden {
        /// The key of the definition.
        key: String,
        /// The path that it names.
        path: String,
        /// Where that leads in the tree.
        real: String,
        /// The folder of which nothing lasts.
        folder: &'static str,
        /// True where a file system is mounted over it, false where it is emptied.
        is_mounted: bool,
    },
    /// A path of an effect or of the definition does not fit into the tree.
    #[error("can't make `/{path}`: {source}")]
    Place {
        /// The path.
        path: String,
        /// Why.
        source: TreeError,
    },
    /// Accounts of the base that are not those of the image.
    #[error("accounts of the base `{base}` are not those of the image:{}", lines(.problems))]
    BaseAccounts {
        /// Its path beside the definition.
        base: String,
        /// Each account, and what is different.
        problems: Vec<String>,
    },
    /// Members of a layer do not fit into the tree.
    #[error("the layer `{layer}` does not fit over what is there:{}", lines(.problems))]
    Layer {
        /// Its path beside the definition.
        layer: String,
        /// Each path, and why.
        problems: Vec<String>,
    },
    /// The contents of a file could not be read.
    #[error("can't read `/{path}`: {source}")]
    Read {
        /// The path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not say what its format allows.
    #[error("`/{path}`, line {line}: {why}")]
    Syntax {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong, with what was found.
        why: String,
    },
    /// The image needs something that cvmkit does not support.
    #[error("`/{path}` holds {what}: not supported")]
    Unsupported {
        /// Where.
        path: String,
        /// What it is.
        what: String,
    },
    /// A name that no account has.
    #[error("{what} needs the {kind} `{name}`, which does not exist")]
    UnknownAccount {
        /// Who asks.
        what: String,
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Two accounts with one id.
    #[error("`{first}` and `{second}` both have the {kind} id {id}")]
    DuplicateId {
        /// `user` or `group`.
        kind: &'static str,
        /// The id.
        id: u32,
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// Accounts that the lock does not know.
    #[error(
        "the lock has no id for the {} {}, and nothing else fixes one",
        if .names.len() == 1 { "account" } else { "accounts" },
        quoted(.names)
    )]
    NoLockedId {
        /// Their names.
        names: Vec<String>,
    },
    /// An id of the lock that no account of the image takes.
    #[error(
        "the lock gives the account `{name}` the id {id}, but no account of that name needs one"
    )]
    IdleLockedId {
        /// The name.
        name: String,
        /// The id.
        id: u32,
    },
    /// An id of the lock that somebody else has by a package or the definition.
    #[error("the lock gives the account `{name}` the id {id}, which `{other}` has")]
    LockedIdTaken {
        /// The name.
        name: String,
        /// The id.
        id: u32,
        /// Who has it.
        other: String,
    },
    /// An account that has another id than the lock gives it.
    #[error(
        "the lock gives the account `{name}` the id {id}, but the {kind} `{name}` of the image has the id {found}"
    )]
    OtherId {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// In the lock.
        id: u32,
        /// In the image.
        found: u32,
    },
    /// An account can't be made as it is asked for.
    #[error("account `{name}`: {why}")]
    Account {
        /// The account.
        name: String,
        /// Why.
        why: String,
    },
    /// A unit can't be enabled or masked as it is asked for.
    #[error("unit `{unit}`: {why}")]
    Unit {
        /// The unit.
        unit: String,
        /// Why.
        why: String,
    },
    /// A production image could be entered from a terminal.
    #[error(
        "{what} {why}\n  --> {path}{}\n  no terminal of a production image leads to a shell",
        if started_by.is_empty() { String::new() } else { format!("\n  started by: {}", started_by.join(" -> ")) }
    )]
    Terminal {
        /// The unit, generator, program or setting.
        what: String,
        /// The file that says so.
        path: String,
        /// What it does.
        why: String,
        /// The units from the first one to it, if a boot starts it.
        started_by: Vec<String>,
    },
    /// A value of the request is malformed.
    #[error("{field} `{value}`: {why}")]
    Value {
        /// Which one.
        field: &'static str,
        /// What was found.
        value: String,
        /// What was expected.
        why: &'static str,
    },
}

/// A key of the definition, what it asks for, and why that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// The key, with its tables.
    pub key: String,
    /// What is asked for.
    pub value: String,
    /// Why nothing comes of it.
    pub why: String,
}

/// Where a path leads, if that is elsewhere.
fn led(path: &str, real: &str) -> String {
    if path == real { String::new() } else { format!("`{real}`, which is ") }
}

/// What a boot does with what is below such a folder.
fn fate(is_mounted: bool) -> &'static str {
    match is_mounted {
        true => "where a boot puts a file system of its own",
        false => "which a boot empties",
    }
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, why } = self;
        write!(f, "{key}: `{value}` {why}")
    }
}

/// A program that an enabled unit runs and that the image lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingProgram {
    /// The unit's file name.
    pub unit: String,
    /// The program, as the unit spells it.
    pub program: String,
    /// The file that says so.
    pub file: String,
}

impl fmt::Display for MissingProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unit, program, file } = self;
        write!(f, "`{unit}` runs `{program}`\n    --> {file}")
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn lines(all: &[impl fmt::Display]) -> String {
    all.iter().map(|one| format!("\n  {one}")).collect()
}

/// What to do about programs that are not there. Many units of Debian reload with `kill`, and do not have their
/// package depend on the one that has it, which a system that Debian installed always has.
fn missing_hint(missing: &[MissingProgram]) -> String {
    match missing.iter().all(|one| one.program == "kill" || one.program.ends_with("/kill")) {
        true => "add \"procps\", which has `/bin/kill`, to `packages.install`".to_owned(),
        false => "add the packages that have them to `packages.install`, or set other commands in drop-ins \
                  such as `/etc/systemd/system/UNIT.d/command.conf`"
            .to_owned(),
    }
}

impl Diagnosis for RootfsError {
    fn fault(&self) -> Fault {
        match self {
            Self::Read { .. } => Fault::Environment,
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoInterpreter { path, .. } => {
                format!("install the package that has it, or leave `/{path}` out")
            }
            Self::NoProgram(missing) => missing_hint(missing),
            Self::BaseAccounts { .. } => "write a table `[[users]]` with `name`, `uid` and `gid` of each, or \
                                          install the package that makes it"
                .to_owned(),
            Self::Layer { .. } => "a file takes the place of a file or link and a folder that of a folder: \
                                   make the archive without these members, or leave what they meet out \
                                   with `packages.exclude-paths`"
                .to_owned(),
            Self::UnknownAccount { kind: "group", name, .. } => format!(
                "write a table `[[users]]` with `name = \"{name}\"`, which makes a group of that name \
                 too, or install the package that makes it"
            ),
            Self::UnknownAccount { name, .. } => format!(
                "write a table `[[users]]` with `name = \"{name}\"`, or install the package that \
                 makes it"
            ),
            Self::Terminal { what, .. } => match what.strip_prefix("unit `") {
                Some(rest) => format!(
                    "mask it with `units.mask = [\"{}\"]`, leave it out, or keep it to a variant \
                     with `debug = true`",
                    rest.trim_end_matches('`')
                ),
                None => "leave it out, or keep it to a variant with `debug = true`".to_owned(),
            },
            Self::Findings(findings) => {
                let first = findings.first()?;
                format!(
                    "correct it; or allow each by name, with a table `[[allow]]` such as\n    \
                     [[allow]]\n    finding = \"{}\"\n    path = \"{}\"\n    reason = \"...\"",
                    first.finding.name(),
                    first.path
                )
            }
            Self::Hidden { folder, .. } => format!(
                "name a path that stays; what a program needs below {folder} is made at boot, by a line of \
                 tmpfiles.d"
            ),
            Self::NoEffect(_) => "correct it or leave it out".to_owned(),
            Self::OtherId { name, found, .. } => format!(
                "run `cvmkit lock`; if a script gives the id, fix it with a table `[[users]]` (`name = \"{name}\"`, \
                 `uid = {found}`) in the definition"
            ),
            Self::NoLockedId { .. } | Self::IdleLockedId { .. } => {
                "run `cvmkit lock`, which keeps the ids that are there".to_owned()
            }
            Self::LockedIdTaken { name, other, .. } => format!(
                "give one of them another id with `uid` in a table `[[users]]` of the definition: \
                 `{other}`, or `{name}` if no file outside of the image belongs to it"
            ),
            Self::DuplicateId { .. } => "pin another id in the definition".to_owned(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_program(programs: &[&str]) -> RootfsError {
        let missing = programs.iter().map(|&program| MissingProgram {
            unit: "a.service".into(),
            program: program.into(),
            file: "/etc/a".into(),
        });
        RootfsError::NoProgram(missing.collect())
    }

    #[test]
    fn every_missing_program_is_named_with_its_unit_and_file() {
        assert_eq!(
            no_program(&["/bin/kill", "x"]).to_string(),
            "enabled units run programs that are not in the image:\n  `a.service` runs `/bin/kill`\n    --> /etc/a\n  \
             `a.service` runs `x`\n    --> /etc/a"
        );
    }

    fn unknown(kind: &'static str) -> RootfsError {
        RootfsError::UnknownAccount { what: "x".into(), kind, name: "bot".into() }
    }

    fn terminal(what: &str) -> RootfsError {
        RootfsError::Terminal {
            what: what.into(),
            path: "/x".into(),
            why: "opens".into(),
            started_by: Vec::new(),
        }
    }

    /// The fault decides the exit code (`host::fault`): what the disk says is the host's.
    #[test]
    fn only_what_can_not_be_read_is_the_fault_of_the_host() {
        let source = fmt::Error;
        let read = RootfsError::Read { path: "x".into(), source: std::io::Error::other(source) };
        assert_eq!((read.fault(), read.hint()), (Fault::Environment, None));
        for error in [
            unknown("user"),
            terminal("unit `x.service`"),
            RootfsError::NoEffect(Vec::new()),
            RootfsError::NoLockedId { names: Vec::new() },
            RootfsError::Unit { unit: "x".into(), why: "y".into() },
        ] {
            assert_eq!(error.fault(), Fault::Definition, "{error}");
        }
    }

    #[test]
    fn hints_name_what_to_write() {
        let id =
            |name: &str| RootfsError::LockedIdTaken { name: name.into(), id: 5, other: "b".into() };
        for (error, words) in [
            (unknown("user"), &["`[[users]]` with `name = \"bot\"`, or install"][..]),
            (unknown("group"), &["`name = \"bot\"`, which makes a group of that name too"]),
            (
                terminal("unit `getty@.service`"),
                &["`units.mask = [\"getty@.service\"]`", "debug = true"],
            ),
            (
                terminal("generator `x`"),
                &["leave it out, or keep it to a variant with `debug = true`"],
            ),
            (
                RootfsError::NoInterpreter { path: "usr/bin/x".into(), runner: "/bin/y".into() },
                &["leave `/usr/bin/x` out"],
            ),
            (no_program(&["/bin/kill", "kill"]), &["\"procps\"", "`packages.install`"]),
            (no_program(&["/bin/kill", "x"]), &["add the packages", "UNIT.d/"]),
            (RootfsError::NoEffect(Vec::new()), &["correct it or leave it out"]),
            (RootfsError::NoLockedId { names: Vec::new() }, &["`cvmkit lock`"]),
            (RootfsError::IdleLockedId { name: "a".into(), id: 5 }, &["`cvmkit lock`"]),
            (id("a"), &["`uid` in a table `[[users]]`", "`b`, or `a` if no file"]),
            (
                RootfsError::DuplicateId {
                    kind: "user",
                    id: 5,
                    first: "a".into(),
                    second: "b".into(),
                },
                &["pin another id"],
            ),
        ] {
            let hint = error.hint().unwrap();
            for word in words {
                assert!(hint.contains(word), "{word} in {hint}");
            }
        }
        assert!(!terminal("generator `x`").hint().unwrap().contains("units.mask"));
        for error in [
            RootfsError::Unit { unit: "x".into(), why: "y".into() },
            RootfsError::Syntax { path: "x".into(), line: 1, why: "y".into() },
            RootfsError::Account { name: "x".into(), why: "y".into() },
        ] {
            assert_eq!(error.hint(), None, "{error}");
        }
    }

    #[test]
    fn one_and_several_are_told_apart() {
        let unused =
            |key: &str| Unused { key: key.into(), value: "v".into(), why: "is unused".into() };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        for (error, text) in [
            (RootfsError::NoEffect(vec![unused("a")]), "1 key has no effect:\n  a: `v` is unused"),
            (
                RootfsError::NoEffect(vec![unused("a"), unused("b")]),
                "2 keys have no effect:\n  a: `v` is unused\n  b: `v` is unused",
            ),
            (
                RootfsError::NoLockedId { names: names(&["a"]) },
                "the lock has no id for the account `a`, and nothing else fixes one",
            ),
            (
                RootfsError::NoLockedId { names: names(&["a", "b"]) },
                "the lock has no id for the accounts `a`, `b`, and nothing else fixes one",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
        let started = |started_by: &[&str]| RootfsError::Terminal {
            what: "unit `x`".into(),
            path: "/p".into(),
            why: "opens".into(),
            started_by: names(started_by),
        };
        assert!(!started(&[]).to_string().contains("started by"));
        assert!(started(&["a", "b"]).to_string().contains("\n  started by: a -> b\n"));
    }
}
