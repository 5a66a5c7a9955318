//! A call of a program: its words, what it can read, and what it says.

use std::collections::BTreeMap;

use crate::stop::Stop;
use crate::world::{FileError, Files, Invocation, World, absolute};

/// How many programs may call one another, as `env nice env ...` does.
const NESTED_MAX: u32 = 20;

/// A program: what it does over a world when it is called, and its exit status.
pub type Program<W> = fn(&mut W, &mut Call<'_>) -> Result<u8, Stop>;

/// A call of a program while it runs: what it was given, and what it has written so far.
#[derive(Debug)]
pub struct Call<'a> {
    /// What the script called.
    pub(super) invocation: Invocation<'a>,
    consumed: usize,
}

impl<'a> Call<'a> {
    /// A call that has read and written nothing yet.
    #[must_use]
    pub fn new(invocation: Invocation<'a>) -> Self {
        Self { invocation, consumed: 0 }
    }

    /// How many bytes of its input it has read.
    #[must_use]
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// The program's name without its folder, as messages have it.
    #[must_use]
    pub fn name(&self) -> String {
        let word = self.invocation.words.first().map_or(&b""[..], |word| base(word));
        shown(word)
    }

    /// The words behind the name: options and operands, not told apart yet.
    #[must_use]
    pub fn arguments(&self) -> &'a [Vec<u8>] {
        self.invocation.words.get(1..).unwrap_or_default()
    }

    /// A path of its words, absolute: seen from the working directory.
    #[must_use]
    pub fn path(&self, word: &[u8]) -> Vec<u8> {
        absolute(self.invocation.directory, word)
    }

    /// The exported variables.
    #[must_use]
    pub fn environment(&self) -> &'a BTreeMap<String, Vec<u8>> {
        self.invocation.environment
    }

    /// An exported variable, if it is there.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&'a [u8]> {
        self.environment().get(name).map(Vec::as_slice)
    }

    /// The working directory, absolute.
    #[must_use]
    pub fn directory(&self) -> &'a [u8] {
        self.invocation.directory
    }

    /// The permissions that new files lack.
    #[must_use]
    pub fn umask(&self) -> u16 {
        self.invocation.umask
    }

    /// Writes bytes to descriptor 1, as they are.
    pub fn print(&mut self, bytes: &[u8]) {
        self.invocation.output.extend_from_slice(bytes);
    }

    /// Writes bytes to descriptor 2, as they are.
    pub fn print_error(&mut self, bytes: &[u8]) {
        self.invocation.errors.extend_from_slice(bytes);
    }

    /// Writes a message to descriptor 2, with the program's name before it.
    pub fn complain(&mut self, message: &str) {
        let line = format!("{}: {message}\n", self.name());
        self.invocation.errors.extend_from_slice(line.as_bytes());
    }

    /// Says of a file what went wrong; answers the status 1.
    pub fn fail(&mut self, doing: &str, word: &[u8], error: FileError) -> u8 {
        let word = shown(word);
        self.complain(&match doing {
            "" => format!("{word}: {}", error.words()),
            doing => format!("{doing} '{word}': {}", error.words()),
        });
        1
    }

    /// All that is left of the input, which is read then.
    pub fn input(&mut self) -> Vec<u8> {
        let rest = self.invocation.input.get(self.consumed..).unwrap_or_default();
        self.consumed = self.invocation.input.len();
        rest.to_vec()
    }

    /// So much of what is left of the input, which is read then.
    pub(super) fn input_up_to(&mut self, most: usize) -> Vec<u8> {
        let rest = self.invocation.input.get(self.consumed..).unwrap_or_default();
        let taken = rest[..most.min(rest.len())].to_vec();
        self.consumed += taken.len();
        taken
    }

    /// The contents of a file of its words; `-` is the input.
    ///
    /// # Errors
    /// As for [`Files::read`].
    pub fn contents(&mut self, files: &impl Files, word: &[u8]) -> Result<Vec<u8>, FileError> {
        match word {
            b"-" | b"/dev/stdin" => Ok(self.input()),
            b"/dev/null" => Ok(Vec::new()),
            word => files.read(&self.path(word)),
        }
    }

    /// Runs another program, which has nothing to read; answers its exit status.
    ///
    /// # Errors
    /// As for [`World::run`].
    pub fn run<W: World>(&mut self, world: &mut W, words: &[Vec<u8>]) -> Result<u8, Stop> {
        let ran = world.run(Invocation {
            words,
            nested: self.nested()?,
            input: b"",
            output: self.invocation.output,
            errors: self.invocation.errors,
            ..self.invocation
        })?;
        Ok(ran.status)
    }

    /// What [`Invocation::nested`] is of a program that this one calls.
    ///
    /// # Errors
    /// [`Stop::Limit`]: each lies on the stack of the one that calls it.
    pub(super) fn nested(&self) -> Result<u32, Stop> {
        match self.invocation.nested < NESTED_MAX {
            true => Ok(self.invocation.nested + 1),
            false => Err(Stop::Limit {
                script: self.invocation.script.to_owned(),
                line: self.invocation.line,
                limit: NESTED_MAX.into(),
                what: "programs that run one another",
            }),
        }
    }

    /// The end of the evaluation, for something that is not implemented: an option, a value.
    #[must_use]
    pub fn unsupported(&self, what: impl std::fmt::Display) -> Stop {
        Stop::Unsupported {
            script: self.invocation.script.to_owned(),
            line: self.invocation.line,
            what: format!("`{}`: {what}", self.name()),
        }
    }

    /// A name in quotes, as the messages of GNU programs have it; one that they would escape is not
    /// implemented.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn quoted(&self, word: &[u8]) -> Result<String, Stop> {
        let is_plain = word.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\'');
        match is_plain {
            true => Ok(format!("'{}'", shown(word))),
            false => Err(self.unsupported(format!("the quotes of `{}`", word.escape_ascii()))),
        }
    }

    /// Says why the program itself refuses the call; answers the status that it has then.
    pub fn usage(&mut self, message: &str, status: u8) -> u8 {
        self.complain(message);
        status
    }
}

/// The last component of a path.
pub(super) fn base(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// A word as messages have it.
pub(super) fn shown(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// A decimal number without a sign.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    let digits = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    digits.then(|| str::from_utf8(word).ok()?.parse().ok())?
}
