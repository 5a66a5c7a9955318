//! What programs draw at random. A build draws nothing: what is drawn is a secret, or an id of one machine, and the
//! image would give it to everybody.
//!
//! A value in its place, which can't be taken for another, goes through the script as the real one would. Files
//! that hold it when the script ends are left out, and told; what can't be left out ends the evaluation, and so
//! does a program of which nobody knows what it would make of the value.

use cvmkit_formats::tree::Node;
use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{Files as _, Invocation, Ran, absolute};

use super::System;
use super::asked::LeftOut;
use super::system::Before;
use super::words::shown;
use crate::content::Content;

/// What stands for a value: characters of private use (Unicode 23.5), which no text of a package has.
pub(super) const VALUE: &str = "\u{10c0de}\u{10c0de}\u{10c0de}\u{10c0de}\u{10c0de}\u{10c0de}\u{10c0de}\u{10c0de}\
    \u{10c0de}\u{10c0de}\u{10c0de}\u{10c0de}\u{10c0de}\u{10c0de}\u{10c0de}\u{10c0de}";

/// How many bytes of it are recognised, wherever a shell has cut it: as many as a character has.
const PIECE: usize = 4;

/// Texts that values may be: a word, and what base64 makes of bytes.
const OTHERS: [&str; 2] = ["QMZXWVKJHGFDSAPOIUYT", "p3Xq+9/aB7mZtR1w0LkYdQ=="];

/// Programs that pass a value on as it is, or only ask about the file that has it.
const CARRIERS: [&str; 27] = [
    "[",
    "cat",
    "certtool",
    "chgrp",
    "chmod",
    "chown",
    "cp",
    "echo",
    "env",
    "false",
    "find",
    "install",
    "ls",
    "mkdir",
    "mktemp",
    "mungekey",
    "mv",
    "nvme",
    "openssl",
    "printf",
    "rm",
    "slappasswd",
    "stat",
    "tee",
    "test",
    "touch",
    "true",
];

/// Filters that make another value of it: what comes of a random value is one.
const FILTERS: [&str; 11] = [
    "base64",
    "cut",
    "dd",
    "fold",
    "head",
    "md5sum",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "tail",
    "tr",
];

/// Whether bytes hold a value, or a piece of one.
pub(super) fn is_in(bytes: &[u8]) -> bool {
    let value = VALUE.as_bytes();
    bytes.windows(PIECE).any(|piece| (0..PIECE).any(|at| value[at..].starts_with(piece)))
}

/// Whether a path is that of the kernel's source of random bytes (random(4)).
pub(super) fn is_source(path: &[u8]) -> bool {
    matches!(path, b"/dev/random" | b"/dev/urandom")
}

/// How many characters of values bytes hold.
fn count(bytes: &[u8]) -> usize {
    bytes.windows(PIECE).filter(|part| VALUE.as_bytes().starts_with(part)).count()
}

/// A call while its program runs.
struct Watched<'w> {
    name: String,
    words: &'w [Vec<u8>],
    script: String,
    line: u32,
    package: String,
    /// The values in its words, or in what it can read.
    has_words: bool,
    input: usize,
    /// Whether what it can read is nothing but a value.
    is_all_value: bool,
    /// Those in files of its words.
    files: usize,
    directory: &'w [u8],
    /// Where its output starts.
    start: usize,
}

impl<'w> Watched<'w> {
    fn of(system: &System<'_, '_>, invocation: &Invocation<'w>) -> Self {
        let Invocation { words, input, directory, .. } = *invocation;
        let draws = system.reads_source.get() || !system.drawn.borrow().is_empty();
        let name = words.first().map(Vec::as_slice).unwrap_or_default();
        let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let package = invocation.environment.get("DPKG_MAINTSCRIPT_PACKAGE");
        let package = package.map(Vec::as_slice).unwrap_or_default();
        let is_sed = draws && name == b"sed";
        Self {
            name: String::from_utf8_lossy(name).into_owned(),
            words,
            script: invocation.script.to_owned(),
            line: invocation.line,
            package: String::from_utf8_lossy(package).into_owned(),
            has_words: draws && words.iter().any(|word| is_in(word)),
            input: if draws { usize::from(is_in(input)).max(count(input)) } else { 0 },
            is_all_value: draws && input.trim_ascii_end() == VALUE.as_bytes(),
            files: if is_sed { system.values_of(words, directory) } else { 0 },
            directory,
            start: invocation.output.len(),
        }
    }

    fn unknown(&self) -> Stop {
        Stop::Unsupported {
            script: self.script.clone(),
            line: self.line,
            what: format!("`{}`: a value that is random", self.name),
        }
    }

    /// sed(1) keeps what it does not replace: no value is missing where as many come out as went in.
    fn keeps(&self, system: &System<'_, '_>, output: &[u8]) -> bool {
        let is_in_place = |word: &Vec<u8>| match word.as_slice() {
            [b'-', b'-', rest @ ..] => rest.starts_with(b"in-place"),
            [b'-', rest @ ..] => rest.contains(&b'i'),
            _ => false,
        };
        let after = match self.words.iter().skip(1).any(is_in_place) {
            true => system.values_of(self.words, self.directory),
            false => count(output.get(self.start..).unwrap_or_default()),
        };
        after >= self.input + self.files
    }
}

impl System<'_, '_> {
    /// Runs a program, and looks what it makes of values: `dispatch` says whether it is a script, whose own calls
    /// come here too.
    ///
    /// # Errors
    /// [`Stop`]: that of the program, or nobody knows what it makes of them.
    pub(super) fn watch<F>(&mut self, invocation: Invocation<'_>, dispatch: F) -> Result<Ran, Stop>
    where
        F: Fn(&mut Self, Invocation<'_>) -> Result<(Ran, bool), Stop>,
    {
        let watched = Watched::of(self, &invocation);
        self.saw_value.set(false);
        let (output, errors) = (&mut *invocation.output, &mut *invocation.errors);
        let (ran, is_script) = dispatch(self, Invocation { output, errors, ..invocation })?;
        let saw = self.saw_value.take();
        if self.reads_source.take() {
            let call = reads_source(watched.words);
            self.draw(LeftOut { package: watched.package.clone(), call });
        }
        if is_script || !(saw || watched.has_words || watched.input > 0) {
            return Ok(ran);
        }
        let prints = invocation.output.len() > watched.start;
        if watched.name != "grep" || saw || watched.has_words || prints {
            self.judge(&watched, invocation.output)?;
            return Ok(ran);
        }
        // It asks of what stands around the value, if it answers the same of any other.
        for other in OTHERS {
            let input = String::from_utf8_lossy(invocation.input).replace(VALUE, other);
            let (input, mut output, mut errors) = (input.as_bytes(), Vec::new(), Vec::new());
            let (output, errors) = (&mut output, &mut errors);
            let call = Invocation { input, output, errors, ..invocation };
            if is_in(input) || dispatch(self, call)?.0.status != ran.status {
                return Err(watched.unknown());
            }
        }
        Ok(ran)
    }

    /// Says what came of a value that a program had.
    fn judge(&self, watched: &Watched<'_>, output: &mut Vec<u8>) -> Result<(), Stop> {
        match watched.name.as_str() {
            name if CARRIERS.contains(&name) => Ok(()),
            "dd" if watched.words.iter().any(|word| word.starts_with(b"of=")) => {
                // All of what the kernel draws is in the file, and of something else a part.
                if watched.input == 0 { Ok(()) } else { Err(watched.unknown()) }
            }
            name if FILTERS.contains(&name) => {
                let is_line = output.split_off(watched.start).ends_with(b"\n");
                output.extend_from_slice(VALUE.as_bytes());
                output.extend_from_slice(if is_line { b"\n" } else { b"" });
                Ok(())
            }
            "sed" if watched.keeps(self, output) => Ok(()),
            "sed" if watched.is_all_value && output.len() > watched.start + PIECE => {
                output.truncate(watched.start);
                output.extend_from_slice(format!("{VALUE}\n").as_bytes());
                Ok(())
            }
            _ => Err(watched.unknown()),
        }
    }

    /// The values in the files that words name.
    fn values_of(&self, words: &[Vec<u8>], directory: &[u8]) -> usize {
        let files = words.iter().skip(1).filter(|word| !word.starts_with(b"-"));
        let texts = files.filter_map(|word| self.read(&absolute(directory, word)).ok());
        texts.map(|text| count(&text)).sum()
    }

    /// Notes that a file was read, if it holds a value.
    pub(super) fn note_read(&self, text: &[u8]) {
        if !self.drawn.borrow().is_empty() && is_in(text) {
            self.saw_value.set(true);
        }
    }

    /// What a read of the kernel's source gives.
    pub(super) fn read_source(&self) -> Vec<u8> {
        self.saw_value.set(true);
        self.reads_source.set(true);
        VALUE.as_bytes().to_vec()
    }

    /// Takes down that a call of a package's script draws a value.
    pub(super) fn draw(&self, call: LeftOut) {
        let mut drawn = self.drawn.borrow_mut();
        if !drawn.contains(&call) {
            drawn.push(call);
        }
    }

    /// Leaves out the files in which a script of a package has put values.
    ///
    /// # Errors
    /// [`Stop`]: something that was there before has one, or a name.
    pub(super) fn leave_out_drawn(&mut self, script: &str, package: &str) -> Result<(), Stop> {
        if self.reads_source.take() {
            self.draw(LeftOut { package: package.to_owned(), call: "</dev/urandom".to_owned() });
        }
        if self.drawn.borrow().is_empty() {
            return Ok(());
        }
        let refused = |path: &[u8], why: &str| Stop::Unsupported {
            script: script.to_owned(),
            line: 1,
            what: format!("`/{}`: {why}", String::from_utf8_lossy(path)),
        };
        let mut paths = Vec::new();
        for (path, before) in &self.touched {
            let Some(id) = self.assembly.tree.lookup(path) else { continue };
            if is_in(path) {
                return Err(refused(path, "a random name"));
            }
            match &self.assembly.tree.inode(id).node {
                Node::Symlink(target) if is_in(target) => {
                    return Err(refused(path, "a link to a random name"));
                }
                Node::File(Content::Inline(text)) if is_in(text) => match before {
                    Before { inode: None, .. } => paths.push(path.clone()),
                    Before { inode: Some(_), .. } => {
                        return Err(refused(path, "a random value in a file that was there"));
                    }
                },
                _ => {}
            }
        }
        for path in paths {
            let path = [b"/".to_vec(), path].concat();
            self.leave_out_file(&path, package);
            self.remove(&path).map_err(|error| refused(&path[1..], error.words()))?;
        }
        Ok(())
    }

    /// Tells the file, with the calls that would have made what is in it.
    fn leave_out_file(&mut self, path: &[u8], package: &str) {
        let path = String::from_utf8_lossy(path).into_owned();
        let drawn = self.drawn.borrow();
        let own: Vec<&str> = drawn
            .iter()
            .filter(|one| one.package == package)
            .map(|one| one.call.as_str())
            .collect();
        let naming: Vec<&str> = own.iter().copied().filter(|call| call.contains(&path)).collect();
        let call = match (naming.as_slice(), own.as_slice()) {
            ([], own) => format!("{} # {path}", own.join("; ")).trim_start().to_owned(),
            (naming, _) => naming.join("; "),
        };
        let secret = LeftOut { package: package.to_owned(), call };
        if !self.asked.secrets.contains(&secret) {
            self.asked.secrets.push(secret);
        }
    }
}

impl System<'_, '_> {
    /// Whether a call is ucf's, of a file with a value.
    pub(super) fn is_ucf_of_value(&self, path: &[u8], call: &Invocation<'_>) -> bool {
        let has_value = || self.values_of(call.words, call.directory) > 0;
        path.ends_with(b"/ucf") && !self.drawn.borrow().is_empty() && has_value()
    }
}

/// `ucf [OPTION..] NEW FILE` of ucf 3.0052, where the new file has a value: it is put in its place, to be left out, and
/// ucf's table of digests has no row of it.
pub(super) fn ucf(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let operands = call.arguments().iter().filter(|word| !word.starts_with(b"-"));
    let operands: Vec<Vec<u8>> = operands.map(|word| call.path(word)).collect();
    let [new, file] = operands.as_slice() else { return Err(call.unsupported("these words")) };
    if system.status(file, false).is_ok() {
        return Err(call.unsupported("a value that is random, in the place of a file"));
    }
    match system.copy(new, file, 0o644) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("", file, error)),
    }
}

/// The call of a program that reads what the kernel draws, for who is told of it.
fn reads_source(words: &[Vec<u8>]) -> String {
    let names = words.iter().any(|word| word.windows(6).any(|part| part == b"random"));
    match names {
        true => shown(words),
        false => [shown(words), "</dev/urandom".to_owned()].join(" "),
    }
}
