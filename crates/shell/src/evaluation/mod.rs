//! The evaluation of a script, as dash(1) does it.
//!
//! One shell, one thread: the commands of a pipeline run one after the other, each with the whole output
//! of the one before it; `&` runs its command at once. What a process would be is a copy of the shell's
//! state. Work and output are bounded ([`Limits`]).

mod arithmetic;
mod builtins;
mod commands;
mod descriptors;
mod expansion;
mod fields;
mod pattern;
mod redirections;
mod state;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::stop::Stop;
use crate::syntax::{self, Command, List};
use crate::world::World;
use descriptors::{Descriptor, Descriptors};
use state::{Options, State, Variable};

/// `$$`: there is no process, and whatever names a file by it always names the same.
const PROCESS_ID: usize = 2;

/// Bounds of an evaluation, far beyond any real script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most commands, words and turns of loops.
    pub steps: u64,
    /// The most bytes of all outputs together.
    pub output: u64,
    /// The most bytes that all expansions come to together.
    pub words: u64,
    /// How deep functions, substitutions and scripts may call one another.
    pub depth: u32,
    /// Bounds of each script.
    pub syntax: syntax::Limits,
}

impl Default for Limits {
    /// 10 million steps, 64 MiB of output, 128 MiB of words, 200 levels.
    fn default() -> Self {
        Self {
            steps: 10_000_000,
            output: 64 << 20,
            words: 128 << 20,
            depth: 200,
            syntax: syntax::Limits::default(),
        }
    }
}

/// What a script starts with.
#[derive(Clone, Debug, Default)]
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
}

/// What a script came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Its exit status.
    pub status: u8,
    /// What it wrote to descriptor 1.
    pub output: Vec<u8>,
    /// What it wrote to descriptor 2.
    pub errors: Vec<u8>,
}

/// Evaluates a script.
///
/// # Errors
/// [`Stop`]: a script that does not parse, something that is not implemented, or a limit.
pub fn evaluate<W: World>(
    script: &[u8],
    start: Start,
    world: &mut W,
    limits: Limits,
) -> Result<Finished, Stop> {
    let list = syntax::parse(script, limits.syntax)
        .map_err(|source| Stop::Syntax { script: start.name.clone(), source })?;
    let (output, errors) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
    let descriptors = Descriptors(BTreeMap::from([
        (0, Descriptor::text(start.input.clone())),
        (1, Descriptor::Sink(output.clone())),
        (2, Descriptor::Sink(errors.clone())),
    ]));
    let script = start.name.clone();
    let state = first_state(start, descriptors);
    let mut shell = Shell {
        world,
        state,
        limits,
        steps: 0,
        written: 0,
        expanded: 0,
        depth: 0,
        substituted: None,
        line: 1,
        script,
    };
    let ended = shell.list(&list, false);
    shell.end(ended)?;
    let status = shell.state.status;
    drop(shell);
    Ok(Finished { status, output: output.take(), errors: errors.take() })
}

/// The state of a shell that starts.
fn first_state(start: Start, descriptors: Descriptors) -> State {
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
        umask: 0o022,
        descriptors,
        status: 0,
        getopts_at: 0,
        loops: 0,
        is_subshell: false,
    }
}

/// A shell that runs.
struct Shell<'w, W> {
    world: &'w mut W,
    state: State,
    limits: Limits,
    steps: u64,
    written: u64,
    expanded: u64,
    depth: u32,
    /// The status of the last substitution of the command that runs.
    substituted: Option<u8>,
    /// Of the command that runs.
    line: u32,
    /// The script's name in messages.
    script: String,
}

/// Why commands do not go on in their order.
#[derive(Debug)]
enum Fault {
    /// The evaluation ends.
    Stop(Stop),
    /// The shell, or the subshell, exits with the status that is set.
    Exit,
    /// An error of the script's own, which ends the shell unless `command` ran it.
    Error,
    /// `break`, out of so many loops.
    Break(u32),
    /// `continue`, of the loop that so many lie in.
    Continue(u32),
    /// `return`, of a function or of a script that `.` reads.
    Return,
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl<W: World> Shell<'_, W> {
    /// Counts a step.
    fn step(&mut self) -> Result<(), Fault> {
        self.steps += 1;
        if self.steps > self.limits.steps {
            return Err(self.limit(self.limits.steps, "steps"));
        }
        Ok(())
    }

    /// Counts the bytes of an expansion, and one for each word, before they are put together.
    fn expand(&mut self, words: u64, bytes: u64) -> Result<(), Fault> {
        self.expanded = self.expanded.saturating_add(words).saturating_add(bytes);
        if self.expanded > self.limits.words {
            return Err(self.limit(self.limits.words, "bytes of words"));
        }
        Ok(())
    }

    fn limit(&self, limit: u64, what: &'static str) -> Fault {
        Stop::Limit { script: self.script.clone(), line: self.line, limit, what }.into()
    }

    /// Something that is not implemented.
    fn unsupported(&self, what: impl Into<String>) -> Fault {
        Stop::Unsupported { script: self.script.clone(), line: self.line, what: what.into() }.into()
    }

    /// An error of the script's own: dash says it and exits with 2 (XCU 2.8.1).
    fn error(&mut self, message: &str) -> Fault {
        if let Err(fault) = self.complain(message) {
            return fault;
        }
        self.state.status = 2;
        Fault::Error
    }

    /// Writes a message as dash does.
    fn complain(&mut self, message: &str) -> Result<(), Fault> {
        let line = self.line;
        let message = format!("{}: {line}: {message}\n", String::from_utf8_lossy(&self.state.name));
        self.write(2, message.as_bytes()).map(drop)
    }

    /// Runs what calls other commands, one level down.
    fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= self.limits.depth {
            return Err(self.limit(self.limits.depth.into(), "levels"));
        }
        self.depth += 1;
        let ran = run(self);
        self.depth -= 1;
        ran
    }

    /// Ends a shell: what `trap ... EXIT` asks for runs, with the status that it had.
    fn end(&mut self, ended: Result<(), Fault>) -> Result<(), Stop> {
        if let Err(Fault::Stop(stop)) = ended {
            return Err(stop);
        }
        let Some(action) = self.state.traps.remove("EXIT") else { return Ok(()) };
        let status = self.state.status;
        match self.run_text(&action, false) {
            Err(Fault::Stop(stop)) => return Err(stop),
            Err(Fault::Exit | Fault::Error) => {}
            Ok(()) | Err(_) => self.state.status = status,
        }
        Ok(())
    }

    /// Runs a text: that of `eval`, a trap, or a file.
    fn run_text(&mut self, text: &[u8], tested: bool) -> Result<(), Fault> {
        let parsed = syntax::parse(text, self.limits.syntax);
        let list: List = match parsed {
            Ok(list) => list,
            Err(source) => {
                return Err(Stop::Syntax { script: self.script.clone(), source }.into());
            }
        };
        self.deeper(|shell| shell.list(&list, tested))
    }

    /// Runs something with a copy of the state, and answers the status that it ends with.
    fn subshell(&mut self, run: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<u8, Fault> {
        let outer = self.state.clone();
        self.state.is_subshell = true;
        // An action of the outer shell is not the inner one's (XCU 2.15, `trap`).
        self.state.traps.clear();
        let ended = self.deeper(run);
        let ended = self.end(ended);
        let status = self.state.status;
        self.state = outer;
        ended?;
        self.state.status = status;
        Ok(status)
    }

    /// The output of commands, without the line breaks at its end (XCU 2.6.3).
    fn substitute(&mut self, list: &List) -> Result<Vec<u8>, Fault> {
        let output = Rc::new(RefCell::new(Vec::new()));
        let sink = Descriptor::Sink(output.clone());
        let status = self.state.status;
        let ended = self.subshell(|shell| {
            shell.state.descriptors.0.insert(1, sink);
            shell.list(list, false)
        })?;
        // `$?` stays that of the command before, until the whole command has run.
        self.state.status = status;
        self.substituted = Some(ended);
        let mut output = output.take();
        while output.last() == Some(&b'\n') {
            output.pop();
        }
        output.retain(|byte| *byte != 0);
        self.expand(1, output.len() as u64)?;
        Ok(output)
    }

    /// The function of this name, if the script has defined one.
    fn function(&self, name: &[u8]) -> Option<std::sync::Arc<Command>> {
        self.state.functions.get(str::from_utf8(name).ok()?).cloned()
    }
}
