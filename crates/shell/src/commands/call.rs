//! A call of a program: its words, what it can read, and what it says.

use crate::stop::Stop;
use crate::world::{FileError, Files, Invocation, World, absolute};

/// A program: what it does, and its exit status.
pub(super) type Program<W> = fn(&mut W, &mut Call<'_>) -> Result<u8, Stop>;

/// A call that runs.
pub(super) struct Call<'a> {
    pub(super) invocation: Invocation<'a>,
    consumed: usize,
}

impl<'a> Call<'a> {
    pub(super) fn new(invocation: Invocation<'a>) -> Self {
        Self { invocation, consumed: 0 }
    }

    /// How much of its input it has read.
    pub(super) fn consumed(&self) -> usize {
        self.consumed
    }

    /// The program's name, as messages have it.
    pub(super) fn name(&self) -> String {
        let word = self.invocation.words.first().map_or(&b""[..], |word| base(word));
        shown(word)
    }

    /// The words behind the name.
    pub(super) fn arguments(&self) -> &'a [Vec<u8>] {
        self.invocation.words.get(1..).unwrap_or_default()
    }

    /// A path of its words, absolute.
    pub(super) fn path(&self, word: &[u8]) -> Vec<u8> {
        absolute(self.invocation.directory, word)
    }

    /// Writes to descriptor 1.
    pub(super) fn print(&mut self, bytes: &[u8]) {
        self.invocation.output.extend_from_slice(bytes);
    }

    /// Writes a message to descriptor 2, with the program's name before it.
    pub(super) fn complain(&mut self, message: &str) {
        let line = format!("{}: {message}\n", self.name());
        self.invocation.errors.extend_from_slice(line.as_bytes());
    }

    /// Says of a file what went wrong; answers the status 1.
    pub(super) fn fail(&mut self, doing: &str, word: &[u8], error: FileError) -> u8 {
        let word = shown(word);
        self.complain(&match doing {
            "" => format!("{word}: {}", error.words()),
            doing => format!("{doing} '{word}': {}", error.words()),
        });
        1
    }

    /// All that is left of the input.
    pub(super) fn input(&mut self) -> Vec<u8> {
        let rest = self.invocation.input.get(self.consumed..).unwrap_or_default();
        self.consumed = self.invocation.input.len();
        rest.to_vec()
    }

    /// The contents of a file of its words; `-` is the input.
    pub(super) fn contents(
        &mut self,
        files: &impl Files,
        word: &[u8],
    ) -> Result<Vec<u8>, FileError> {
        match word {
            b"-" | b"/dev/stdin" => Ok(self.input()),
            b"/dev/null" => Ok(Vec::new()),
            word => files.read(&self.path(word)),
        }
    }

    /// Runs another program, which has nothing to read; answers its status.
    pub(super) fn run<W: World>(&mut self, world: &mut W, words: &[Vec<u8>]) -> Result<u8, Stop> {
        let ran = world.run(Invocation {
            words,
            input: b"",
            output: self.invocation.output,
            errors: self.invocation.errors,
            ..self.invocation
        })?;
        Ok(ran.status)
    }

    /// Something that is not implemented.
    pub(super) fn unsupported(&self, what: impl std::fmt::Display) -> Stop {
        Stop::Unsupported {
            script: self.invocation.script.to_owned(),
            line: self.invocation.line,
            what: format!("`{}`: {what}", self.name()),
        }
    }

    /// A call that the program itself refuses; answers the status that it has then.
    pub(super) fn usage(&mut self, message: &str, status: u8) -> u8 {
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
