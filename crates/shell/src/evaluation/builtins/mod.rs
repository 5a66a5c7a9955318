//! Commands of the shell itself: the special builtins (XCU 2.15), and the regular ones that dash has.

mod bash;
mod control;
mod output;
mod process;
mod read;
mod test;
mod variables;

use super::{Fault, Shell};
use crate::world::World;

/// Special builtins: assignments before them stay, and their errors end the shell (XCU 2.8.1 and 2.15).
const SPECIAL: [&str; 15] = [
    ".", ":", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set",
    "shift", "times", "trap", "unset",
];

/// Regular builtins (dash(1), "Builtins").
const REGULAR: [&str; 24] = [
    "[", "alias", "bg", "cd", "command", "echo", "false", "fg", "getopts", "hash", "jobs", "kill",
    "local", "printf", "pwd", "read", "test", "true", "type", "ulimit", "umask", "unalias", "wait",
    "fc",
];

pub(super) fn is_special(name: &[u8]) -> bool {
    SPECIAL.iter().any(|special| special.as_bytes() == name)
}

pub(super) fn is_regular(name: &[u8]) -> bool {
    REGULAR.iter().any(|regular| regular.as_bytes() == name)
}

impl<W: World> Shell<'_, W> {
    /// Runs a regular builtin, whose errors are a status (XCU 2.8.1). `local` ends the shell in dash.
    pub(super) fn regular(&mut self, words: &[Vec<u8>], tested: bool) -> Result<(), Fault> {
        let is_local = words.first().is_some_and(|name| name == b"local");
        match self.builtin(words, tested) {
            Err(Fault::Error) if !is_local => Ok(()),
            ran => ran,
        }
    }

    /// Runs a builtin; the status of the command before it is set.
    pub(super) fn builtin(&mut self, words: &[Vec<u8>], tested: bool) -> Result<(), Fault> {
        let (name, arguments) = match words.split_first() {
            Some((name, arguments)) => (String::from_utf8_lossy(name).into_owned(), arguments),
            None => return Ok(()),
        };
        self.state.status = match name.as_str() {
            "." => self.dot(arguments, tested)?,
            "source" if self.is_bash() => self.dot(arguments, tested)?,
            "command" => self.command_builtin(arguments, tested)?,
            "eval" => self.eval(arguments, tested)?,
            name => self.alone(name, words, arguments)?.into(),
        };
        if std::mem::take(&mut self.is_output_lost) {
            self.complain(&format!("{name}: {name}: I/O error"))?;
            self.state.status |= 1;
        }
        Ok(())
    }

    /// A builtin that runs no other command.
    fn alone(&mut self, name: &str, words: &[Vec<u8>], arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        if self.is_bash()
            && let Some(status) = self.alone_in_bash(name, arguments)?
        {
            return Ok(status);
        }
        Ok(match name {
            ":" | "true" => 0,
            "false" => 1,
            "break" | "continue" => self.leave_loops(name, arguments)?,
            "cd" => self.change_directory(arguments)?,
            "echo" => self.echo(arguments)?,
            "exec" => self.exec(arguments)?,
            "exit" | "return" => self.leave(name, arguments)?,
            "export" | "readonly" => self.mark(name, arguments)?,
            "getopts" => self.getopts(arguments)?,
            "hash" => 0,
            "kill" => self.kill(arguments)?,
            "local" => self.local(arguments)?,
            "printf" => self.printf(arguments)?,
            "pwd" => self.print_working_directory(arguments)?,
            "read" => self.read_line(arguments)?,
            "set" => self.set(arguments)?,
            "shift" => self.shift(arguments)?,
            "test" => self.test("test", arguments)?,
            "[" => match arguments.split_last() {
                Some((end, arguments)) if end == b"]" => self.test("[", arguments)?,
                _ => {
                    self.complain("[: missing ]")?;
                    2
                }
            },
            "trap" => self.trap(arguments)?,
            "type" => self.describe(arguments, true)?,
            "ulimit" => self.ulimit(arguments)?,
            "umask" => self.umask(arguments)?,
            "unset" => self.unset(arguments)?,
            "wait" => self.wait(arguments)?,
            _ => {
                let words: Vec<_> =
                    words.iter().map(|word| String::from_utf8_lossy(word)).collect();
                return Err(self.unsupported(format!("`{}`", words.join(" "))));
            }
        })
    }
}
