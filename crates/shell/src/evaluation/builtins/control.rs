//! What changes which commands run next, and where.

use super::super::{Fault, Shell};
use crate::stop::Stop;
use crate::syntax;
use crate::world::{FileType, World};

impl<W: World> Shell<'_, W> {
    /// `.`: a file's commands in this shell.
    pub(super) fn dot(&mut self, arguments: &[Vec<u8>], tested: bool) -> Result<u8, Fault> {
        let Some(name) = arguments.first() else {
            return Err(self.error(".: filename argument required"));
        };
        let path = match name.contains(&b'/') {
            true => self.state.absolute(name),
            false => {
                let search = self.state.get("PATH").cloned().unwrap_or_default();
                let candidates = search
                    .split(|byte| *byte == b':')
                    .map(|folder| self.state.absolute(&[folder, b"/", name].concat()));
                let mut found = candidates.filter(|path| self.world.read(path).is_ok());
                let found = found.next();
                found.unwrap_or_else(|| name.clone())
            }
        };
        let shown = String::from_utf8_lossy(name).into_owned();
        let Ok(text) = self.world.read(&path) else {
            return Err(self.error(&format!(".: cannot open {shown}: No such file")));
        };
        let list = syntax::parse(&text, self.limits.syntax)
            .map_err(|source| Stop::Syntax { script: shown.clone(), source })?;
        let script = std::mem::replace(&mut self.script, shown);
        self.state.status = 0;
        let ran = self.deeper(|shell| shell.list(&list, tested));
        self.script = script;
        match ran {
            Ok(()) | Err(Fault::Return) => Ok(self.state.status),
            Err(fault) => Err(fault),
        }
    }

    pub(super) fn eval(&mut self, arguments: &[Vec<u8>], tested: bool) -> Result<u8, Fault> {
        let text = arguments.join(&b' ');
        self.state.status = 0;
        self.run_text(&text, tested)?;
        Ok(self.state.status)
    }

    /// `exec`: its redirections stay; a command is the last of the shell.
    pub(super) fn exec(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        if arguments.is_empty() {
            return Ok(0);
        }
        self.external(arguments)?;
        self.state.traps.clear();
        Err(Fault::Exit)
    }

    /// `break` and `continue`.
    pub(super) fn leave_loops(&mut self, name: &str, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let wanted = match arguments.first() {
            None => 1,
            Some(text) => self.number(name, text)?,
        };
        let loops = wanted.min(self.state.loops);
        self.state.status = 0;
        match (loops, name) {
            (0, _) if wanted == 0 => Err(self.error(&format!("{name}: Illegal number: 0"))),
            (0, _) => Ok(0),
            (loops, "break") => Err(Fault::Break(loops)),
            (loops, _) => Err(Fault::Continue(loops)),
        }
    }

    /// `exit` and `return`, with a status or that of the command before.
    pub(super) fn leave(&mut self, name: &str, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        if let Some(text) = arguments.first() {
            let status = self.number(name, text)?;
            self.state.status = u8::try_from(status & 0xff).unwrap_or_default();
        }
        Err(if name == "exit" { Fault::Exit } else { Fault::Return })
    }

    /// A number that is not negative, or the shell's error.
    pub(super) fn number(&mut self, name: &str, text: &[u8]) -> Result<u32, Fault> {
        let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| {
            let shown = String::from_utf8_lossy(text).into_owned();
            self.error(&format!("{name}: Illegal number: {shown}"))
        })
    }

    /// `command`: a command that is no function; with `-v` and `-V`, what a name is.
    pub(super) fn command_builtin(
        &mut self,
        arguments: &[Vec<u8>],
        tested: bool,
    ) -> Result<u8, Fault> {
        let mut rest = arguments;
        while let Some((option, others)) = rest.split_first() {
            match option.as_slice() {
                b"-p" => rest = others,
                b"--" => {
                    rest = others;
                    break;
                }
                b"-v" => return self.describe(others, false),
                b"-V" => return self.describe(others, true),
                _ => break,
            }
        }
        match rest.first() {
            None => Ok(0),
            Some(name) if super::is_special(name) || super::is_regular(name) => {
                match self.builtin(rest, tested) {
                    // `command` takes this from a special builtin (XCU `command`).
                    Ok(()) | Err(Fault::Error) => Ok(self.state.status),
                    Err(fault) => Err(fault),
                }
            }
            Some(_) => {
                self.external(rest)?;
                Ok(self.state.status)
            }
        }
    }

    /// `command -v`, and `type` with `long`.
    pub(super) fn describe(&mut self, names: &[Vec<u8>], long: bool) -> Result<u8, Fault> {
        let search = self.state.get("PATH").cloned().unwrap_or_default();
        let mut status = 0;
        for name in names {
            let found = match name.as_slice() {
                name if self.function(name).is_some() => Some((name.to_vec(), "a shell function")),
                name if super::is_special(name) => Some((name.to_vec(), "a special shell builtin")),
                name if super::is_regular(name) => Some((name.to_vec(), "a shell builtin")),
                name => self.world.find(name, &search).map(|path| (path, "")),
            };
            let line = match (found, long) {
                (Some((path, _)), false) => [path.as_slice(), b"\n"].concat(),
                (Some((path, "")), true) => [name.as_slice(), b" is ", &path, b"\n"].concat(),
                (Some((_, what)), true) => {
                    [name.as_slice(), b" is ", what.as_bytes(), b"\n"].concat()
                }
                (None, long) => {
                    status = 127;
                    match long {
                        true => [name.as_slice(), b": not found\n"].concat(),
                        false => Vec::new(),
                    }
                }
            };
            self.write(1, &line)?;
        }
        Ok(status)
    }

    pub(super) fn change_directory(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let mut arguments =
            arguments.iter().filter(|word| !matches!(word.as_slice(), b"-L" | b"--"));
        let mut back = false;
        let wanted = match arguments.next() {
            None => self.state.get("HOME").cloned().unwrap_or_default(),
            Some(word) if word == b"-" => {
                back = true;
                self.state.get("OLDPWD").cloned().unwrap_or_default()
            }
            Some(word) if word == b"-P" => return Err(self.unsupported("`cd -P`")),
            Some(word) => word.clone(),
        };
        let path = without_parents(&self.state.absolute(&wanted));
        let is_directory = self
            .world
            .status(&path, true)
            .is_ok_and(|status| status.file_type == FileType::Directory);
        if !is_directory {
            let shown = String::from_utf8_lossy(&wanted).into_owned();
            self.complain(&format!("cd: can't cd to {shown}"))?;
            return Ok(2);
        }
        let old = std::mem::replace(&mut self.state.directory, path.clone());
        self.state.set("OLDPWD", old).map_err(|why| self.error(&why))?;
        self.state.set("PWD", path).map_err(|why| self.error(&why))?;
        if back { self.print_directory() } else { Ok(0) }
    }

    pub(super) fn print_directory(&mut self) -> Result<u8, Fault> {
        let line = [self.state.directory.as_slice(), b"\n"].concat();
        Ok(u8::from(!self.write(1, &line)?))
    }

    /// `umask`, in octal digits.
    pub(super) fn umask(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let Some(text) = arguments.first() else {
            let line = format!("{:04o}\n", self.state.umask);
            return Ok(u8::from(!self.write(1, line.as_bytes())?));
        };
        let shown = String::from_utf8_lossy(text).into_owned();
        match u16::from_str_radix(&shown, 8).ok().filter(|mask| *mask <= 0o777) {
            Some(mask) => self.state.umask = mask,
            None => return Err(self.unsupported(format!("`umask {shown}`"))),
        }
        Ok(0)
    }

    /// `trap`: only the end of the shell ever comes.
    pub(super) fn trap(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let arguments = match arguments.split_first() {
            Some((first, rest)) if first == b"--" => rest,
            _ => arguments,
        };
        let Some((action, conditions)) = arguments.split_first() else {
            for (name, action) in self.state.traps.clone() {
                let line = [b"trap -- ".as_slice(), &quoted(&action), b" ", name.as_bytes(), b"\n"]
                    .concat();
                self.write(1, &line)?;
            }
            return Ok(0);
        };
        // A number alone, or `-`, takes actions away.
        let resets = action == b"-" || conditions.is_empty();
        let names = if conditions.is_empty() { arguments } else { conditions };
        for name in names {
            let name = String::from_utf8_lossy(name).to_uppercase();
            let name = match name.strip_prefix("SIG").unwrap_or(&name) {
                "0" | "EXIT" => "EXIT".to_owned(),
                other => other.to_owned(),
            };
            match resets {
                true => self.state.traps.remove(&name),
                false => self.state.traps.insert(name, action.clone()),
            };
        }
        Ok(0)
    }
}

/// A path without `..`, taken away by name as `cd -L` does (XCU `cd`, step 8).
fn without_parents(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
        match part {
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return b"/".to_vec();
    }
    parts.iter().flat_map(|part| [b"/".as_slice(), part].concat()).collect()
}

/// In single quotes, as dash prints it: quotes within stand in double quotes.
pub(super) fn quoted(text: &[u8]) -> Vec<u8> {
    let (mut quoted, mut rest) = (Vec::new(), text);
    loop {
        let plain = rest.iter().position(|byte| *byte == b'\'').unwrap_or(rest.len());
        quoted.extend_from_slice(&[b"'", &rest[..plain], b"'"].concat());
        rest = &rest[plain..];
        let quotes = rest.iter().take_while(|byte| **byte == b'\'').count();
        if quotes > 0 {
            quoted.extend_from_slice(&[b"\"", &rest[..quotes], b"\""].concat());
            rest = &rest[quotes..];
        }
        if rest.is_empty() {
            return quoted;
        }
    }
}
