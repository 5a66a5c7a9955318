//! What a shell remembers: variables, functions, options, descriptors. A subshell has a copy.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::descriptors::Descriptors;
use crate::syntax::{Aliases, Command, Dialect};

/// Variables that bash sets, or that change how it works (bash(1), "Shell Variables"), beside those whose names
/// start with `BASH` or `COMP_`.
const SPECIAL_IN_BASH: [&str; 40] = [
    "CDPATH",
    "COLUMNS",
    "COPROC",
    "DIRSTACK",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "EXECIGNORE",
    "FCEDIT",
    "FIGNORE",
    "FUNCNAME",
    "FUNCNEST",
    "GLOBIGNORE",
    "GROUPS",
    "HISTCMD",
    "HISTFILE",
    "HISTSIZE",
    "HOSTNAME",
    "HOSTTYPE",
    "IGNOREEOF",
    "LINENO",
    "LINES",
    "MACHTYPE",
    "MAPFILE",
    "OPTARG",
    "OPTERR",
    "OPTIND",
    "OSTYPE",
    "PIPESTATUS",
    "POSIXLY_CORRECT",
    "PPID",
    "RANDOM",
    "READLINE_LINE",
    "REPLY",
    "SECONDS",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    "TIMEFORMAT",
    "TMOUT",
];

/// Whether a variable has a meaning of its own in bash.
pub(super) fn is_special(name: &str) -> bool {
    let others = ["_", "UID"];
    name.starts_with("BASH")
        || name.starts_with("COMP_")
        || SPECIAL_IN_BASH.contains(&name)
        || others.contains(&name)
}

/// A variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Variable {
    /// None of one that is only marked.
    pub(super) value: Option<Vec<u8>>,
    pub(super) exported: bool,
    pub(super) read_only: bool,
}

/// `set -o` (XCU 2.15, `set`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) all_export: bool,
    pub(super) no_clobber: bool,
    pub(super) exit_on_error: bool,
    pub(super) no_glob: bool,
    pub(super) no_exec: bool,
    pub(super) no_unset: bool,
    pub(super) verbose: bool,
    pub(super) trace: bool,
    /// `pipefail`, which has no letter: in bash alone.
    pub(super) pipe_fail: bool,
}

impl Options {
    /// The option of a letter.
    pub(super) fn of_letter(&mut self, letter: u8) -> Option<&mut bool> {
        Some(match letter {
            b'a' => &mut self.all_export,
            b'C' => &mut self.no_clobber,
            b'e' => &mut self.exit_on_error,
            b'f' => &mut self.no_glob,
            b'n' => &mut self.no_exec,
            b'u' => &mut self.no_unset,
            b'v' => &mut self.verbose,
            b'x' => &mut self.trace,
            _ => return None,
        })
    }

    /// The letter of a name behind `-o`.
    pub(super) fn letter_of(name: &[u8]) -> Option<u8> {
        Some(match name {
            b"allexport" => b'a',
            b"noclobber" => b'C',
            b"errexit" => b'e',
            b"noglob" => b'f',
            b"noexec" => b'n',
            b"nounset" => b'u',
            b"verbose" => b'v',
            b"xtrace" => b'x',
            _ => return None,
        })
    }

    /// `$-`, in dash's order.
    pub(super) fn letters(mut self) -> Vec<u8> {
        b"uaCvxnfe"
            .iter()
            .copied()
            .filter(|letter| self.of_letter(*letter).is_some_and(|it| *it))
            .collect()
    }
}

/// Where `getopts` stands. dash keeps it beside `OPTIND`: what a script assigns starts it there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Getopts {
    /// The number of the next word, from 1.
    pub(super) next: usize,
    /// Where it goes on in the word before that, unless that is done with.
    pub(super) within: Option<usize>,
}

impl Default for Getopts {
    fn default() -> Self {
        Self { next: 1, within: None }
    }
}

impl Getopts {
    /// One that starts where `OPTIND` says.
    ///
    /// # Errors
    /// It does not say a number.
    pub(super) fn from_index(index: &[u8]) -> Result<Self, String> {
        let number = str::from_utf8(index).ok().and_then(|text| text.parse::<usize>().ok());
        let illegal = || format!("Illegal number: {}", String::from_utf8_lossy(index));
        Ok(Self { next: number.ok_or_else(illegal)?.max(1), within: None })
    }
}

/// The state of a shell.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) variables: BTreeMap<String, Variable>,
    /// For each function that runs, what `local` put aside.
    pub(super) locals: Vec<BTreeMap<String, Option<Variable>>>,
    pub(super) functions: BTreeMap<String, Arc<Command>>,
    /// `$1` and so on.
    pub(super) positional: Vec<Vec<u8>>,
    /// `$0`.
    pub(super) name: Vec<u8>,
    pub(super) options: Options,
    /// Actions by the name of their condition: `EXIT`, `HUP`.
    pub(super) traps: BTreeMap<String, Vec<u8>>,
    pub(super) directory: Vec<u8>,
    pub(super) umask: u16,
    pub(super) descriptors: Descriptors,
    /// `$?`: more than 8 bits if `return` gave it (dash).
    pub(super) status: u32,
    pub(super) getopts: Getopts,
    pub(super) loops: u32,
    pub(super) is_subshell: bool,
    pub(super) dialect: Dialect,
    /// Variables that are assigned before the functions that run.
    pub(super) prefixed: Vec<String>,
    /// How many files that `.` reads run.
    pub(super) sourced: u32,
    /// What each command came to that `&` ran, by the number that it has.
    pub(super) background: BTreeMap<usize, u8>,
    /// What `ulimit` has set, by its letter.
    pub(super) bounds: BTreeMap<u8, String>,
    pub(super) aliases: Aliases,
}

/// The bytes of texts.
fn bytes<'t>(texts: impl IntoIterator<Item = &'t Vec<u8>>) -> usize {
    texts.into_iter().map(|text| text.len() + size_of::<Vec<u8>>()).sum()
}

impl State {
    /// About how many bytes a copy has.
    pub(super) fn size(&self) -> u64 {
        let values = |of: &BTreeMap<String, Option<Variable>>| {
            bytes(of.values().flatten().filter_map(|variable| variable.value.as_ref()))
        };
        let variables = self.variables.values().filter_map(|variable| variable.value.as_ref());
        let size = bytes(variables)
            + bytes(&self.positional)
            + bytes(self.traps.values())
            + self.locals.iter().map(values).sum::<usize>()
            + (self.functions.len() + self.background.len()) * size_of::<Vec<u8>>();
        size as u64
    }

    pub(super) fn get(&self, name: &str) -> Option<&Vec<u8>> {
        self.variables.get(name)?.value.as_ref()
    }

    /// Assigns a value.
    ///
    /// # Errors
    /// The variable is read only.
    pub(super) fn set(&mut self, name: &str, value: Vec<u8>) -> Result<(), String> {
        if self.dialect == Dialect::Bash && name == "_" {
            // Each command sets it again, and no script can read what it held.
            return Ok(());
        }
        if self.dialect == Dialect::Bash && is_special(name) {
            return Err(format!("{name}: a variable of bash"));
        }
        let export = self.options.all_export;
        let variable = self.variables.entry(name.to_owned()).or_default();
        if variable.read_only {
            return Err(format!("{name}: is read only"));
        }
        if name == "OPTIND" {
            self.getopts = Getopts::from_index(&value)?;
        }
        variable.value = Some(value);
        variable.exported |= export;
        Ok(())
    }

    /// What whoever started the shell learns of its status (XCU 2.8.2).
    pub(super) fn exit_status(&self) -> u8 {
        u8::try_from(self.status & 0xff).unwrap_or_default()
    }

    /// Sets the positional parameters: `getopts` starts with the first of them.
    pub(super) fn set_positional(&mut self, positional: Vec<Vec<u8>>) {
        self.positional = positional;
        self.getopts = Getopts::default();
    }

    /// What fields are split by (XCU 2.6.5).
    pub(super) fn separators(&self) -> Vec<u8> {
        self.get("IFS").cloned().unwrap_or_else(|| b" \t\n".to_vec())
    }

    /// The variables that commands get.
    pub(super) fn environment(&self) -> BTreeMap<String, Vec<u8>> {
        let exported = self.variables.iter().filter(|(_, variable)| variable.exported);
        exported.filter_map(|(name, it)| Some((name.clone(), it.value.clone()?))).collect()
    }

    /// A path as it is from the root, without `.` and empty parts.
    pub(super) fn absolute(&self, path: &[u8]) -> Vec<u8> {
        crate::world::absolute(&self.directory, path)
    }
}

impl super::arithmetic::Variables for State {
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        Self::get(self, name).cloned()
    }

    fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
        Self::set(self, name, value.to_string().into_bytes())
    }
}
