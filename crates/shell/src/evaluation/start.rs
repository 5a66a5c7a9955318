//! What a script starts with, whoever starts it.

use std::collections::BTreeMap;

use super::state::Options;
use crate::stop::Stop;
use crate::syntax::Dialect;

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
