//! What changes variables, parameters and options.

use super::super::state::Options;
use super::super::{Fault, Shell};
use super::control::quoted;
use crate::world::World;

/// A name and what `=` gives it.
fn split(word: &[u8]) -> (String, Option<Vec<u8>>) {
    match word.iter().position(|byte| *byte == b'=') {
        Some(at) => {
            (String::from_utf8_lossy(&word[..at]).into_owned(), Some(word[at + 1..].to_vec()))
        }
        None => (String::from_utf8_lossy(word).into_owned(), None),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

impl<W: World> Shell<'_, W> {
    /// A name of a variable, or the shell's error.
    fn checked_name(&mut self, command: &str, name: String) -> Result<String, Fault> {
        match is_name(&name) {
            true => Ok(name),
            false => Err(self.error(&format!("{command}: {name}: bad variable name"))),
        }
    }

    /// `export` and `readonly`.
    pub(super) fn mark(&mut self, command: &str, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let exports = command == "export";
        let arguments = match arguments.split_first() {
            Some((option, [])) if option == b"-p" => &[],
            Some((option, rest)) if option == b"--" => rest,
            Some((option, _)) if option.starts_with(b"-") => {
                let shown = String::from_utf8_lossy(option).into_owned();
                return Err(self.unsupported(format!("`{command} {shown}`")));
            }
            _ => arguments,
        };
        if arguments.is_empty() {
            return self.print_marked(command, exports);
        }
        for word in arguments {
            let (name, value) = split(word);
            let name = self.checked_name(command, name)?;
            if let Some(value) = value {
                self.state.set(&name, value).map_err(|why| self.error(&why))?;
            }
            let variable = self.state.variables.entry(name).or_default();
            variable.exported |= exports;
            variable.read_only |= !exports;
        }
        Ok(0)
    }

    fn print_marked(&mut self, command: &str, exports: bool) -> Result<u8, Fault> {
        let marked = self.state.variables.iter().filter(|(_, variable)| match exports {
            true => variable.exported,
            false => variable.read_only,
        });
        let mut text = Vec::new();
        for (name, variable) in marked {
            text.extend_from_slice(format!("{command} {name}").as_bytes());
            if let Some(value) = &variable.value {
                text.push(b'=');
                text.extend(quoted(value));
            }
            text.push(b'\n');
        }
        Ok(u8::from(!self.write(1, &text)?))
    }

    /// `local`: until the function returns.
    pub(super) fn local(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        if self.state.locals.is_empty() {
            return Err(self.error("local: not in a function"));
        }
        for word in arguments {
            let (name, value) = split(word);
            if name == "-" {
                return Err(self.unsupported("`local -`"));
            }
            let name = self.checked_name("local", name)?;
            let old = self.state.variables.get(&name).cloned();
            if let Some(locals) = self.state.locals.last_mut() {
                locals.entry(name.clone()).or_insert(old);
            }
            // In dash a local variable keeps the value that it had outside.
            if let Some(value) = value {
                self.state.set(&name, value).map_err(|why| self.error(&why))?;
            }
        }
        Ok(0)
    }

    pub(super) fn unset(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let (functions, names) = match arguments.split_first() {
            Some((option, names)) if option == b"-f" => (true, names),
            Some((option, names)) if option == b"-v" || option == b"--" => (false, names),
            _ => (false, arguments),
        };
        for name in names {
            let name = String::from_utf8_lossy(name).into_owned();
            if functions {
                self.state.functions.remove(&name);
                continue;
            }
            let name = self.checked_name("unset", name)?;
            match self.state.variables.get(&name) {
                Some(variable) if variable.read_only => {
                    return Err(self.error(&format!("unset: {name}: is read only")));
                }
                _ => self.state.variables.remove(&name),
            };
        }
        Ok(0)
    }

    /// `set`: options, then positional parameters.
    pub(super) fn set(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        if arguments.is_empty() {
            let mut text = Vec::new();
            for (name, variable) in &self.state.variables {
                if let Some(value) = &variable.value {
                    text.extend_from_slice(
                        &[name.as_bytes(), b"=", &quoted(value), b"\n"].concat(),
                    );
                }
            }
            return Ok(u8::from(!self.write(1, &text)?));
        }
        let mut words = arguments.iter();
        while let Some(word) = words.clone().next() {
            let (on, letters) = match word.split_first() {
                Some((b'-', letters)) => (true, letters),
                Some((b'+', letters)) => (false, letters),
                _ => break,
            };
            words.next();
            match word.as_slice() {
                b"--" => {
                    self.state.positional = words.cloned().collect();
                    return Ok(0);
                }
                b"-" => {
                    self.state.options.trace = false;
                    self.state.options.verbose = false;
                    break;
                }
                _ => {}
            }
            for letter in letters {
                let letter = match letter {
                    b'o' => words.next().and_then(|name| Options::letter_of(name)),
                    letter => Some(*letter),
                };
                let option = letter.and_then(|letter| self.state.options.of_letter(letter));
                match option {
                    Some(option) => *option = on,
                    None => {
                        let shown = String::from_utf8_lossy(word).into_owned();
                        return Err(self.unsupported(format!("`set {shown}`")));
                    }
                }
            }
        }
        let rest: Vec<Vec<u8>> = words.cloned().collect();
        if !rest.is_empty() {
            self.state.positional = rest;
        }
        Ok(0)
    }

    pub(super) fn shift(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let count = match arguments.first() {
            None => 1,
            Some(text) => self.number("shift", text)?,
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > self.state.positional.len() {
            return Err(self.error("shift: can't shift that many"));
        }
        self.state.positional.drain(..count);
        Ok(0)
    }

    /// `getopts` (XCU `getopts`).
    pub(super) fn getopts(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let (Some(wanted), Some(name)) = (arguments.first(), arguments.get(1)) else {
            return Err(self.error("getopts: Usage: getopts optstring var [arg...]"));
        };
        let name = String::from_utf8_lossy(name).into_owned();
        let name = self.checked_name("getopts", name)?;
        let words = match arguments.get(2..) {
            Some(words) if !words.is_empty() => words.to_vec(),
            _ => self.state.positional.clone(),
        };
        let index =
            self.state.get("OPTIND").and_then(|text| str::from_utf8(text).ok()?.parse().ok());
        let mut index: usize = index.unwrap_or(1).max(1);
        let mut at = self.state.getopts_at;
        let silent = wanted.first() == Some(&b':');
        let found = next_option(&words, &mut index, &mut at, wanted);
        let (letter, argument, status) = match found {
            Found::End => (b"?".to_vec(), None, 1),
            Found::Option(letter, argument) => (vec![letter], argument, 0),
            Found::Unknown(letter) if silent => (b"?".to_vec(), Some(vec![letter]), 0),
            Found::Missing(letter) if silent => (b":".to_vec(), Some(vec![letter]), 0),
            Found::Unknown(letter) | Found::Missing(letter) => {
                let why = match found {
                    Found::Unknown(_) => "Illegal option",
                    _ => "No arg for",
                };
                let message = format!(
                    "{why} -{}{}\n",
                    char::from(letter),
                    if why.starts_with('N') { " option" } else { "" }
                );
                self.write(2, message.as_bytes())?;
                (b"?".to_vec(), None, 0)
            }
        };
        self.state.set(&name, letter).map_err(|why| self.error(&why))?;
        match argument {
            Some(argument) => self.state.set("OPTARG", argument).map_err(|why| self.error(&why))?,
            None => {
                self.state.variables.remove("OPTARG");
            }
        }
        self.state.set("OPTIND", index.to_string().into_bytes()).map_err(|why| self.error(&why))?;
        self.state.getopts_at = at;
        Ok(status)
    }
}

/// What `getopts` comes to next.
enum Found {
    End,
    Option(u8, Option<Vec<u8>>),
    Unknown(u8),
    Missing(u8),
}

fn next_option(words: &[Vec<u8>], index: &mut usize, at: &mut usize, wanted: &[u8]) -> Found {
    if *at == 0 {
        match words.get(*index - 1).map(Vec::as_slice) {
            Some(b"--") => {
                *index += 1;
                return Found::End;
            }
            Some([b'-', _, ..]) => *at = 1,
            _ => return Found::End,
        }
    }
    let Some(word) = words.get(*index - 1) else { return Found::End };
    let Some(&letter) = word.get(*at) else { return Found::End };
    let next_word = |index: &mut usize, at: &mut usize| {
        *index += 1;
        *at = 0;
    };
    *at += 1;
    let is_last = *at >= word.len();
    let spec = wanted.iter().position(|byte| *byte == letter && letter != b':');
    let Some(spec) = spec else {
        if is_last {
            next_word(index, at);
        }
        return Found::Unknown(letter);
    };
    if wanted.get(spec + 1) != Some(&b':') {
        if is_last {
            next_word(index, at);
        }
        return Found::Option(letter, None);
    }
    let argument = if is_last {
        next_word(index, at);
        match words.get(*index - 1) {
            Some(argument) => argument.clone(),
            None => return Found::Missing(letter),
        }
    } else {
        word[*at..].to_vec()
    };
    next_word(index, at);
    Found::Option(letter, Some(argument))
}
