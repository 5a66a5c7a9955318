//! A script as a tree. Lines count from 1.

use std::fmt;
use std::sync::{Arc, OnceLock};

/// Commands in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Each with what joins its pipelines.
    pub items: Vec<AndOr>,
}

/// Pipelines that `&&` and `||` join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AndOr {
    /// The first pipeline.
    pub first: Pipeline,
    /// The others, each with what stands before it.
    pub rest: Vec<(Connector, Pipeline)>,
    /// True if `&` ends it: it would run beside what follows.
    pub background: bool,
}

/// What joins two pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connector {
    /// `&&`: the next one runs after success.
    And,
    /// `||`: the next one runs after failure.
    Or,
}

/// Commands of which each reads what the one before it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// True with `!`: success and failure change places.
    pub negated: bool,
    /// At least one.
    pub commands: Vec<Command>,
}

/// A command, with its redirections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Where it starts.
    pub line: u32,
    /// What it does.
    pub kind: CommandKind,
    /// In the order in which they take effect.
    pub redirections: Vec<Redirection>,
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// Assignments, a command's name and its arguments; one of both may be missing.
    Simple {
        /// Before the name.
        assignments: Vec<Assignment>,
        /// The name and the arguments.
        words: Vec<Word>,
    },
    /// `{ ...; }`
    Group(List),
    /// `( ... )`: what it changes of the shell ends with it.
    Subshell(List),
    /// `if`, each `elif`, and `else`.
    If {
        /// Conditions, each with what runs if it is the first that holds.
        branches: Vec<(List, List)>,
        /// What runs if none holds.
        otherwise: Option<List>,
    },
    /// `while` and `until`.
    Loop {
        /// True for `until`: it ends when the condition holds.
        until: bool,
        /// The condition.
        condition: List,
        /// What is repeated.
        body: List,
    },
    /// `for NAME in WORDS`; the positional parameters without `in`.
    For {
        /// The variable.
        name: String,
        /// What it takes the values of.
        words: Option<Vec<Word>>,
        /// What is repeated.
        body: List,
    },
    /// `case`.
    Case {
        /// What is matched.
        word: Word,
        /// Patterns, each with what runs if one of them is the first that matches.
        branches: Vec<(Vec<Word>, List)>,
    },
    /// `[[ ... ]]` of bash.
    Condition(Condition),
    /// `NAME() COMMAND`.
    Function {
        /// Its name.
        name: String,
        /// What calling it runs.
        body: Arc<Command>,
    },
}

/// What `[[ ... ]]` of bash asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `WORD`: whether it is not empty.
    Word(Word),
    /// `-f WORD` and its like.
    Unary {
        /// The letter of the operator.
        letter: u8,
        /// What it is about.
        operand: Word,
    },
    /// `WORD == WORD` and its like.
    Binary {
        /// Left of the operator.
        left: Word,
        /// One of those of `test`, or `==`.
        operator: &'static str,
        /// Right of it: a pattern for `=`, `==` and `!=`.
        right: Word,
    },
    /// `! ...`
    Not(Box<Self>),
    /// `... && ...`
    And(Box<Self>, Box<Self>),
    /// `... || ...`
    Or(Box<Self>, Box<Self>),
}

/// `NAME=WORD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// Its value, which is not split.
    pub value: Word,
}

/// A change of one descriptor for one command (XCU 2.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// Where it stands.
    pub line: u32,
    /// The descriptor that it changes.
    pub descriptor: u32,
    /// To what.
    pub kind: RedirectionKind,
}

/// What a descriptor becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectionKind {
    /// `<`: a file to read.
    Read(Word),
    /// `>`: a file that is emptied first.
    Write(Word),
    /// `>|`: the same, whatever `set -C` says.
    Clobber(Word),
    /// `>>`: a file to append to.
    Append(Word),
    /// `<>`: a file to read and write.
    ReadWrite(Word),
    /// `&>` and `&>>` of bash: descriptors 1 and 2 write a file.
    WriteBoth {
        /// The file.
        file: Word,
        /// With `&>>`: it is not emptied first.
        append: bool,
    },
    /// `<<<` of bash: a word and a line break to read.
    HereString(Word),
    /// `<&` and `>&`: a copy of another descriptor; `-` closes it.
    Duplicate(Word),
    /// `<<` and `<<-`: a text, which stands below the line that announces it. It is set once the whole
    /// script is parsed.
    Here(Arc<OnceLock<Word>>),
}

/// A word as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// In their order.
    pub pieces: Vec<Piece>,
}

impl Word {
    /// Bytes that stand for themselves.
    #[must_use]
    pub fn quoted(bytes: Vec<u8>) -> Self {
        Self { pieces: vec![Piece::Quoted(bytes)] }
    }

    /// The word, if it is a name that nothing quotes (XBD 3.216).
    #[must_use]
    pub fn as_name(&self) -> Option<&str> {
        let [Piece::Literal(bytes)] = self.pieces.as_slice() else { return None };
        let name = str::from_utf8(bytes).ok()?;
        let is_of_name = |(at, byte): (usize, u8)| {
            byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit())
        };
        name.bytes().enumerate().all(is_of_name).then_some(name)
    }

    /// Whether it reads `NAME=...`, the name and `=` unquoted.
    #[must_use]
    pub fn is_assignment(&self) -> bool {
        let Some(Piece::Literal(bytes)) = self.pieces.first() else { return false };
        let end = bytes.iter().position(|byte| *byte == b'=');
        end.is_some_and(|end| {
            let name = Self { pieces: vec![Piece::Literal(bytes[..end].to_vec())] };
            end > 0 && name.as_name().is_some()
        })
    }

    /// The word with its quotes taken off, and whether it had any: the delimiter of a here-document (XCU
    /// 2.7.4). Nothing if it has expansions.
    #[must_use]
    pub fn without_quotes(&self) -> Option<(Vec<u8>, bool)> {
        let (mut bytes, mut quoted) = (Vec::new(), false);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => bytes.extend_from_slice(text),
                Piece::Quoted(text) => {
                    quoted = true;
                    bytes.extend_from_slice(text);
                }
                Piece::Double(pieces) => {
                    quoted = true;
                    bytes.extend(Self { pieces: pieces.clone() }.without_quotes()?.0);
                }
                _ => return None,
            }
        }
        Some((bytes, quoted))
    }
}

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes that stand for themselves, and for a pattern where a word is matched.
    Literal(Vec<u8>),
    /// Bytes that stand for themselves only: behind a backslash, in `'...'`, or literal in `"..."`.
    Quoted(Vec<u8>),
    /// `"..."`: what is expanded within is not split.
    Double(Vec<Piece>),
    /// `$NAME` and `${...}`.
    Parameter(Parameter),
    /// `$(...)` and `` `...` ``.
    Command(List),
    /// `$((...))`: an expression, after expansion of these pieces.
    Arithmetic(Vec<Piece>),
    /// `~` or `~NAME` at the start of a word, or behind `=` or `:` of an assignment.
    Tilde(String),
}

/// An expansion of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Where it stands.
    pub line: u32,
    /// Of which parameter.
    pub name: ParameterName,
    /// `${!NAME}` of bash: of the one that its value names.
    pub is_indirect: bool,
    /// What is made of its value.
    pub operation: Operation,
}

/// Which parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterName {
    /// A variable.
    Variable(String),
    /// `$1`, `${10}`.
    Positional(usize),
    /// `$@`.
    All,
    /// `$*`.
    Joined,
    /// `$#`.
    Count,
    /// `$?`.
    Status,
    /// `$-`.
    Options,
    /// `$$`.
    Process,
    /// `$!`.
    Background,
    /// `$0`.
    Script,
}

impl fmt::Display for ParameterName {
    /// As messages have it, without `$`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::Positional(number) => write!(f, "{number}"),
            Self::All => f.write_str("@"),
            Self::Joined => f.write_str("*"),
            Self::Count => f.write_str("#"),
            Self::Status => f.write_str("?"),
            Self::Options => f.write_str("-"),
            Self::Process => f.write_str("$"),
            Self::Background => f.write_str("!"),
            Self::Script => f.write_str("0"),
        }
    }
}

/// What is made of a parameter's value. `null` is true with `:`, where an empty value counts as none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The value.
    Value,
    /// `${#NAME}`: its length.
    Length,
    /// `${NAME-WORD}`: the word if there is none.
    Default {
        /// With a colon.
        null: bool,
        /// In its place.
        word: Word,
    },
    /// `${NAME=WORD}`: the same, and assigned.
    Assign {
        /// With a colon.
        null: bool,
        /// In its place.
        word: Word,
    },
    /// `${NAME?WORD}`: the word is an error if there is none.
    Require {
        /// With a colon.
        null: bool,
        /// The message.
        word: Word,
    },
    /// `${NAME+WORD}`: the word if there is one.
    Alternative {
        /// With a colon.
        null: bool,
        /// In its place.
        word: Word,
    },
    /// `${NAME#WORD}` and `${NAME##WORD}`: without the shortest or longest start that matches.
    WithoutStart {
        /// The longest.
        longest: bool,
        /// The pattern.
        pattern: Word,
    },
    /// `${NAME%WORD}` and `${NAME%%WORD}`: without the shortest or longest end that matches.
    WithoutEnd {
        /// The longest.
        longest: bool,
        /// The pattern.
        pattern: Word,
    },
    /// `${NAME:OFFSET}` and `${NAME:OFFSET:LENGTH}` of bash: a part, or some of the parameters of `$@`.
    Part {
        /// An expression: where it starts, from the end if it is negative.
        offset: Vec<Piece>,
        /// An expression: how long it is, or how far from the end it stops if it is negative.
        length: Option<Vec<Piece>>,
    },
    /// `${NAME/PATTERN/WORD}` and its like of bash: the word in the place of what matches.
    Replace {
        /// Which matches.
        which: Matches,
        /// The pattern.
        pattern: Word,
        /// In their place.
        with: Word,
    },
    /// `${NAME^}`, `${NAME^^}`, `${NAME,}` and `${NAME,,}` of bash: in capitals, or without.
    Case {
        /// In capitals.
        upper: bool,
        /// Every byte, and not only the first.
        all: bool,
        /// Only bytes that this matches; without one, all.
        pattern: Option<Word>,
    },
}

/// Which matches of a pattern are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matches {
    /// `/`: the first, the longest that starts there.
    First,
    /// `//`: each, one behind the other.
    All,
    /// `/#`: one at the start.
    Start,
    /// `/%`: one at the end.
    End,
}
