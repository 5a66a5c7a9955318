//! What a script starts with, whoever starts it.

use std::collections::BTreeMap;

use super::descriptors::Descriptors;
use super::state::{Getopts, Options, State, Variable};
use crate::stop::Stop;
use crate::syntax::{Aliases, Dialect};

/// What a script starts with.
#[derive(Clone, Debug)]
pub struct Start {
    /// `$0`, and its name in messages.
    pub name: String,
    /// `$1` and so on.
    pub arguments: Vec<Vec<u8>>,
    /// The exported variables.
    pub environment: BTreeMap<String, Vec<u8>>,
    /// What it can read.
    pub input: Vec<u8>,
    /// The working directory; `/` when empty.
    pub directory: Vec<u8>,
    /// Options of `#!/bin/sh -e`, as `set` takes them.
    pub options: Vec<u8>,
    /// The permissions that new files lack (umask(2)); 022 where nothing says otherwise.
    pub umask: u16,
    /// The shell that reads the script.
    pub dialect: Dialect,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            name: String::new(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            input: Vec::new(),
            directory: Vec::new(),
            options: Vec::new(),
            umask: 0o022,
            dialect: Dialect::Posix,
        }
    }
}

impl Start {
    /// Refuses options that a shell would know and this one does not.
    pub(super) fn check(&self) -> Result<(), Stop> {
        let is_known = |letter: &&u8| Options::default().of_letter(**letter).is_none();
        match self.options.iter().find(is_known) {
            Some(letter) => {
                let what = format!("the option -{} of the shell", letter.escape_ascii());
                Err(Stop::Unsupported { script: self.name.clone(), line: 1, what })
            }
            None if self.dialect == Dialect::Bash => self.check_for_bash(),
            None => Ok(()),
        }
    }
}

/// The state of a shell that starts.
pub(super) fn first_state(start: Start, descriptors: Descriptors) -> State {
    let mut options = Options::default();
    for letter in start.options {
        if let Some(option) = options.of_letter(letter) {
            *option = true;
        }
    }
    let exported = |value| Variable { value: Some(value), exported: true, read_only: false };
    let mut variables: BTreeMap<String, Variable> =
        start.environment.into_iter().map(|(name, value)| (name, exported(value))).collect();
    let own = |value: &[u8]| Variable { value: Some(value.to_vec()), ..Variable::default() };
    // Whatever the environment says (XCU 2.5.3).
    variables.insert("IFS".into(), own(b" \t\n"));
    variables.insert("OPTIND".into(), own(b"1"));
    let directory = if start.directory.is_empty() { b"/".to_vec() } else { start.directory };
    // dash sets and exports it at its start.
    variables.insert("PWD".into(), exported(directory.clone()));
    State {
        variables,
        locals: Vec::new(),
        functions: BTreeMap::new(),
        positional: start.arguments,
        name: start.name.into_bytes(),
        options,
        traps: BTreeMap::new(),
        directory,
        umask: start.umask,
        descriptors,
        status: 0,
        getopts: Getopts::default(),
        loops: 0,
        is_subshell: false,
        dialect: start.dialect,
        prefixed: Vec::new(),
        sourced: 0,
        background: BTreeMap::new(),
        bounds: BTreeMap::new(),
        aliases: Aliases::default(),
    }
}
