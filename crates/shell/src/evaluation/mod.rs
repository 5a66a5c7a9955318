//! The evaluation of a script, as dash(1) does it, or bash(1).
//!
//! One shell, one thread: the commands of a pipeline run one after the other, each with the whole output
//! of the one before it; `&` runs its command at once. What a process would be is a copy of the shell's
//! state. Work and output are bounded ([`Limits`]).

mod aliases;
mod arithmetic;
mod bash;
mod builtins;
mod commands;
mod descriptors;
mod expansion;
mod fields;
mod redirections;
mod start;
mod state;
mod substitutions;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::pattern;
use crate::stop::Stop;
use crate::syntax::{self, Command, Dialect, List, SyntaxError};
use crate::world::{Invocation, World};
use descriptors::{Descriptor, Descriptors};
pub use start::Start;
use start::first_state;
use state::State;

/// `$$`: there is no process, and whatever names a file by it always names the same.
const PROCESS_ID: usize = 2;

/// How many bytes of a text are compared with a pattern in the time of a step.
const COMPARED_IN_A_STEP: u64 = 64;

/// How much larger than its text a parsed script may be.
const PARSED: u64 = 16;

/// A state of more bytes than this counts as words of each subshell: its copies may lie in one another.
const STATE_MAX: u64 = 64 << 10;

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

/// Evaluates a script as the shell of its dialect does; the files that it reads by `.` are of the same dialect.
///
/// # Errors
/// [`Stop`]: a script that does not parse, something that is not implemented, or a limit.
pub fn evaluate<W: World>(
    script: &[u8],
    start: Start,
    world: &mut W,
    limits: Limits,
) -> Result<Finished, Stop> {
    start.check()?;
    let list = parse(start.dialect, script, &start.name, limits)?;
    let text = script;
    let (output, errors) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
    let descriptors = Descriptors(BTreeMap::from([
        (0, Descriptor::text(start.input.clone())),
        (1, Descriptor::Sink(output.clone())),
        (2, Descriptor::Terminal(errors.clone())),
    ]));
    let script = start.name.clone();
    let state = first_state(start, descriptors);
    let mut shell = Shell::new(world, state, limits, script);
    let ended = shell.whole(text, list).and_then(|()| shell.in_bounds());
    shell.end(ended)?;
    let status = shell.state.exit_status();
    drop(shell);
    Ok(Finished { status, output: output.take(), errors: errors.take() })
}

/// Runs a builtin in a shell of its own, as a program of its name does; answers its exit status.
///
/// # Errors
/// As for [`evaluate`].
pub(crate) fn run_builtin<W: World>(world: &mut W, invocation: Invocation<'_>) -> Result<u8, Stop> {
    let (output, errors) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
    let name = invocation.words.first().map(Vec::as_slice).unwrap_or_default();
    let start = Start {
        name: String::from_utf8_lossy(name).into_owned(),
        environment: invocation.environment.clone(),
        directory: invocation.directory.to_vec(),
        umask: invocation.umask,
        ..Start::default()
    };
    let descriptors = Descriptors(BTreeMap::from([
        (0, Descriptor::text(invocation.input.to_vec())),
        (1, Descriptor::Sink(output.clone())),
        (2, Descriptor::Sink(errors.clone())),
    ]));
    let state = first_state(start, descriptors);
    let script = invocation.script.to_owned();
    let mut shell = Shell::new(world, state, Limits::default(), script);
    shell.line = invocation.line;
    let ran = shell.regular(invocation.words, false);
    shell.end(ran)?;
    let status = shell.state.exit_status();
    drop(shell);
    invocation.output.extend(output.take());
    invocation.errors.extend(errors.take());
    Ok(status)
}

/// Parses a script of this name.
fn parse(dialect: Dialect, text: &[u8], script: &str, limits: Limits) -> Result<List, Stop> {
    syntax::parse_as(dialect, text, limits.syntax).map_err(|source| stop_of(source, script))
}

/// The end of an evaluation whose script does not parse.
fn stop_of(source: SyntaxError, script: &str) -> Stop {
    let script = script.to_owned();
    match source {
        SyntaxError::Unsupported { line, what } => Stop::Unsupported { script, line, what },
        source => Stop::Syntax { script, source },
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
    /// Descriptor 1 could not take what the builtin that runs has to say.
    is_output_lost: bool,
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

impl<'w, W: World> Shell<'w, W> {
    fn new(world: &'w mut W, state: State, limits: Limits, script: String) -> Self {
        Self {
            world,
            state,
            limits,
            steps: 0,
            written: 0,
            expanded: 0,
            depth: 0,
            substituted: None,
            is_output_lost: false,
            line: 1,
            script,
        }
    }

    /// Counts a step.
    fn step(&mut self) -> Result<(), Fault> {
        self.steps(1)
    }

    /// Counts steps: those of what is copied without being expanded, too.
    fn steps(&mut self, count: u64) -> Result<(), Fault> {
        self.steps = self.steps.saturating_add(count);
        self.world.work(count);
        if self.steps > self.limits.steps {
            return Err(self.limit(self.limits.steps, "steps"));
        }
        self.in_bounds()
    }

    /// Ends where the world has no more room: what did not fit is missing.
    fn in_bounds(&self) -> Result<(), Fault> {
        match self.world.exceeded() {
            Some((limit, what)) => Err(self.limit(limit, what)),
            None => Ok(()),
        }
    }

    /// Counts what is copied without being expanded, by the kilobyte.
    fn copied(&mut self, bytes: u64) -> Result<(), Fault> {
        self.steps(bytes >> 10)
    }

    /// Whether a pattern matches all of a text; what is compared counts as steps.
    fn matches(&mut self, pattern: &pattern::Pattern, text: &[u8]) -> Result<bool, Fault> {
        let all = self.limits.steps.saturating_sub(self.steps).saturating_mul(COMPARED_IN_A_STEP);
        let mut left = all;
        let found = pattern::matches_within(pattern, text, &mut left);
        self.steps((all - left) / COMPARED_IN_A_STEP)?;
        found.ok_or_else(|| self.limit(self.limits.steps, "steps"))
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

    /// An error of the script's own: dash says it and exits with 2 (XCU 2.8.1). What bash does is not
    /// implemented.
    fn error(&mut self, message: &str) -> Fault {
        if self.is_bash() {
            return self.unsupported(format!("an error of the script: {message}"));
        }
        if let Err(fault) = self.complain(message) {
            return fault;
        }
        self.state.status = 2;
        Fault::Error
    }

    /// Writes a message as dash does.
    fn complain(&mut self, message: &str) -> Result<(), Fault> {
        self.check_message(message)?;
        let line =
            if self.is_bash() { format!("line {}", self.line) } else { self.line.to_string() };
        let message = format!("{}: {line}: {message}\n", String::from_utf8_lossy(&self.state.name));
        self.write(2, message.as_bytes())
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
        // Functions of it stay.
        self.expand(0, (text.len() as u64).saturating_mul(PARSED))?;
        let list = self.parse_now(text, &self.script)?;
        if list.items.is_empty() {
            self.state.status = 0;
        }
        self.deeper(|shell| shell.list(&list, tested))
    }

    /// Runs something with a copy of the state, and answers the status that it ends with.
    fn subshell(&mut self, run: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<u8, Fault> {
        let size = self.state.size();
        self.copied(size)?;
        if size > STATE_MAX {
            self.expand(0, size)?;
        }
        let outer = self.state.clone();
        self.state.is_subshell = true;
        // An action of the outer shell is not the inner one's (XCU 2.15, `trap`).
        self.state.traps.clear();
        if self.is_bash() {
            // bash leaves no loop that a subshell lies in.
            self.state.loops = 0;
        }
        let ended = self.deeper(run);
        let ended = self.end(ended);
        let status = self.state.exit_status();
        self.state = outer;
        ended?;
        self.state.status = status.into();
        Ok(status)
    }

    /// The output of commands, without the line breaks at its end (XCU 2.6.3).
    fn substitute(&mut self, list: &List) -> Result<Vec<u8>, Fault> {
        let output = Rc::new(RefCell::new(Vec::new()));
        let sink = Descriptor::Sink(output.clone());
        let status = self.state.status;
        let ended = self.subshell(|shell| {
            shell.state.descriptors.0.insert(1, sink);
            // bash(1), "Command Execution Environment".
            shell.state.options.exit_on_error &= !shell.is_bash();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::check;
    use crate::tests::{memory, world};
    use crate::world::{FileError, Files, Invocation, Ran, Status};

    /// XCU 2.15, `trap` and `exit`.
    #[test]
    fn traps_run_at_the_end() {
        check(
            r#"
$ trap 'echo bye $?' EXIT; echo hi; exit 3
hi
bye 3
exit: 3
$ trap 'echo bye $?' 0; false
bye 1
exit: 1
$ trap 'exit 5' EXIT; exit 3
exit: 5
$ trap 'false' EXIT; exit 3
exit: 3
$ trap 'return 6' EXIT; (exit 3)
exit: 3
$ trap 'echo a; nosuch; echo $?' EXIT; true
a
127
stderr: script: 1: nosuch: not found
$ trap 'echo one' EXIT; trap 'echo two' EXIT; (trap 'echo sub; exit 7' EXIT; true); echo $?
sub
7
two
$ trap 'echo no' EXIT; trap - EXIT; echo end
end
$ trap 'echo no' EXIT; trap '' EXIT; echo end
end
$ trap 'x=${u?msg}' EXIT; exit 3
stderr: script: 1: u: msg
exit: 2
$ f() { trap 'echo set in f' EXIT; }; f; echo end; x=$(trap 'echo in' EXIT; echo out); echo $x
end
out in
set in f
$ trap 'echo bye' EXIT; ${u?gone}; echo no
bye
stderr: script: 1: u: gone
exit: 2
"#,
        );
    }

    /// XCU 2.8.2.
    #[test]
    fn a_script_ends_with_its_last_status() {
        check(
            r#"
$ exit; echo no
$ false; exit; echo no
exit: 1
$ exit 300; echo no
exit: 44
$ exit x; echo no
stderr: script: 1: exit: Illegal number: x
exit: 2
$ return 4; echo no
exit: 4
$ false
exit: 1
$ (exit 9)
exit: 9
$ :
$ nosuch
stderr: script: 1: nosuch: not found
exit: 127
$ exec nosuch; echo no
stderr: script: 1: nosuch: not found
exit: 127
"#,
        );
    }

    fn evaluated(script: &str, limits: Limits) -> Result<Finished, Stop> {
        let start = Start { name: "s".into(), ..Start::default() };
        evaluate(script.as_bytes(), start, &mut world(), limits)
    }

    /// What is not implemented names the script, the line and the words; nothing is guessed.
    #[test]
    fn what_is_not_implemented_ends_the_evaluation() {
        for (script, line, what) in [
            ("true && alias a=b", 1, "`alias a=b`"),
            ("alias a='b; c'", 1, "`alias a=b; c`"),
            ("alias a", 1, "`alias a`"),
            ("alias", 1, "`alias`"),
            ("\nalias a=b\ncommand -v a", 3, "the alias `a` where a command is asked for"),
            ("alias a=b\na() { :; }", 2, "a function with the name of an alias"),
            ("unalias a", 1, "`unalias a`"),
            ("\nkill -9 1", 2, "`kill -9 1`"),
            ("kill -TERM $$", 1, "`kill -TERM 2`"),
            ("true & kill -0 $!", 1, "`kill -0 3`"),
            ("kill -l", 1, "`kill -l`"),
            ("kill -0 x", 1, "`kill -0 x`"),
            ("wait %1", 1, "`wait %1`"),
            ("times", 1, "`times`"),
            ("ulimit -a", 1, "`ulimit -a`"),
            ("ulimit -Hn", 1, "`ulimit -Hn`"),
            (":\n:\ncd -x /", 3, "`cd -x`"),
            ("umask q=rwx", 1, "`umask q=rwx`"),
            ("umask 8", 1, "`umask 8`"),
            ("umask 1000", 1, "`umask 1000`"),
            ("export -f x", 1, "`export -f`"),
            ("readonly -x", 1, "`readonly -x`"),
            ("set -q", 1, "`set -q`"),
            ("set -o vi", 1, "`set -o`"),
            ("set -o", 1, "`set -o`"),
            ("read -q x", 1, "`read -q`"),
            ("f() {\nlocal -\n}\nf", 2, "`local -`"),
            ("printf %q x", 1, "`printf` of `%q`"),
            ("printf 'a%'", 1, "`printf` of `%`"),
            ("echo a <> b", 1, "redirection `<> b`"),
            ("if true; then x=$(jobs); fi", 1, "`jobs`"),
        ] {
            let found = evaluated(script, Limits::default());
            let expected = Stop::Unsupported { script: "s".into(), line, what: what.to_owned() };
            assert_eq!(found, Err(expected), "{script}");
        }
        // Where it is never reached, nothing is wrong with it.
        assert!(evaluated("false && alias a=b; umask 0777", Limits::default()).is_ok());
    }

    #[test]
    fn a_script_that_does_not_parse_is_named() {
        let unterminated = |line| SyntaxError::Unterminated { line, what: "`\"`" };
        for (script, name, line) in [
            ("echo \"", "s", 1),
            ("eval 'echo \"'", "s", 1),
            ("trap 'echo \"' EXIT", "s", 1),
            ("echo 'x\necho \"' >/w/n; . /w/n", "/w/n", 2),
        ] {
            let expected = Stop::Syntax { script: name.into(), source: unterminated(line) };
            assert_eq!(evaluated(script, Limits::default()), Err(expected), "{script}");
        }
    }

    /// Each bound is what may just be.
    #[test]
    fn work_is_bounded() {
        let steps = |steps| Limits { steps, ..Limits::default() };
        let output = |output| Limits { output, ..Limits::default() };
        let words = |words| Limits { words, ..Limits::default() };
        let depth = |depth| Limits { depth, ..Limits::default() };
        for (script, enough, short, line, what) in [
            (":; :\n:", steps(3), steps(2), 2, "steps"),
            // A loop's turns count as its commands do.
            ("for x in 1 2; do :; done", steps(5), steps(4), 1, "steps"),
            ("while ! true; do :; done", steps(3), steps(2), 1, "steps"),
            ("echo abc\necho d >&2", output(6), output(5), 2, "bytes of output"),
            ("printf %5s x", output(5), output(4), 1, "bytes of output"),
            ("printf %.5d 1", output(5), output(4), 1, "bytes of output"),
            ("x=abc; : $x", words(4), words(3), 1, "bytes of words"),
            ("set -- a b; : \"$@\"", words(5), words(4), 1, "bytes of words"),
            ("eval 'eval :'", depth(2), depth(1), 1, "levels"),
            ("f() {\n:\n}\nf", depth(2), depth(1), 1, "levels"),
            ("(:)", depth(2), depth(1), 1, "levels"),
        ] {
            let found = evaluated(script, enough);
            assert!(found.is_ok(), "{script}: {found:?}");
            let limit = match what {
                "steps" => short.steps,
                "bytes of output" => short.output,
                "bytes of words" => short.words,
                _ => short.depth.into(),
            };
            let expected = Stop::Limit { script: "s".into(), line, limit, what };
            assert_eq!(evaluated(script, short), Err(expected), "{script}");
        }
        let short = syntax::Limits { len: 4, ..syntax::Limits::default() };
        let found = evaluated("echo a", Limits { syntax: short, ..Limits::default() });
        let source = SyntaxError::TooLong { len: 6, limit: 4 };
        assert_eq!(found, Err(Stop::Syntax { script: "s".into(), source }));
    }

    /// XCU 2.5.3: what the environment gives, and what it does not.
    #[test]
    fn a_script_starts_with_what_it_is_given() {
        let environment = [("A", "1"), ("IFS", ":"), ("OPTIND", "7"), ("PWD", "/elsewhere")];
        let start = |options: &[u8]| Start {
            name: "n".into(),
            arguments: vec![b"a".to_vec(), b"b:c d".to_vec()],
            environment: environment.map(|(name, value)| (name.into(), value.into())).into(),
            input: b"line\nrest".to_vec(),
            directory: b"/w".to_vec(),
            options: options.to_vec(),
            umask: 0o027,
            dialect: Dialect::Posix,
        };
        let run = |script: &str, start: Start| {
            let found = evaluate(script.as_bytes(), start, &mut world(), Limits::default());
            let found = found.unwrap();
            assert!(found.errors.is_empty(), "{found:?}");
            (found.status, String::from_utf8(found.output).unwrap())
        };
        let script =
            "read x; echo $0 $1 $2 $# $x $A $OPTIND $PWD; pwd; umask; echo $$; A=2; vars; cat";
        let expected = "n a b:c d 2 line 1 1 /w\n/w\n0027\n2\nA=2\nrest";
        assert_eq!(run(script, start(b"")), (0, expected.into()));
        assert_eq!(run("echo $-; false; echo no", start(b"eu")), (1, "ue\n".into()));
        let what = "the option -p of the shell".to_owned();
        let refused = Stop::Unsupported { script: "n".into(), line: 1, what };
        assert_eq!(evaluate(b"", start(b"ep"), &mut world(), Limits::default()), Err(refused));
        let bare = Start { directory: Vec::new(), ..start(b"") };
        assert_eq!(run("pwd; echo $PWD", bare), (0, "/\n/\n".into()));
    }

    /// A world that keeps what it is asked to run.
    struct Recorder(memory::Memory, Vec<String>);

    impl Files for Recorder {
        fn status(&self, path: &[u8], follow: bool) -> Result<Status, FileError> {
            self.0.status(path, follow)
        }

        fn read(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
            self.0.read(path)
        }

        fn write(&mut self, path: &[u8], contents: &[u8], mode: u16) -> Result<(), FileError> {
            self.1.push(format!("write {} {mode:o}", String::from_utf8_lossy(path)));
            self.0.write(path, contents, mode)
        }

        fn list(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, FileError> {
            self.0.list(path)
        }

        fn target(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
            self.0.target(path)
        }

        fn real_path(&self, path: &[u8]) -> Result<Vec<u8>, FileError> {
            self.0.real_path(path)
        }
    }

    impl World for Recorder {
        fn find(&self, name: &[u8], search: &[u8]) -> Option<Vec<u8>> {
            self.0.find(name, search)
        }

        fn run(&mut self, invocation: Invocation<'_>) -> Result<Ran, Stop> {
            let Invocation { script, line, words, directory, umask, input, .. } = &invocation;
            let text = String::from_utf8_lossy;
            self.1.push(format!(
                "{script}:{line} {} in {} umask {umask:o} input {}",
                text(&words.join(&b'|')),
                text(directory),
                text(input),
            ));
            self.0.run(invocation)
        }

        fn home(&self, login: &str) -> Option<Vec<u8>> {
            self.0.home(login)
        }
    }

    #[test]
    fn a_command_of_the_world_knows_where_it_is_called() {
        let mut world = Recorder(world(), Vec::new());
        let script =
            "vars a 'b c' \"\" $u\numask 077; cd /w/dir\necho in | cat\nvars >n\n. /w/dir/z";
        world.0.files.insert(b"/w/dir/z".to_vec(), b"\nvars z\n".to_vec());
        let start = Start { name: "s".into(), input: b"input".to_vec(), ..Start::default() };
        evaluate(script.as_bytes(), start, &mut world, Limits::default()).unwrap();
        let expected = [
            "s:1 vars|a|b c| in / umask 22 input input",
            "s:3 cat in /w/dir umask 77 input in\n",
            "write /w/dir/n 600",
            "s:4 vars in /w/dir umask 77 input input",
            "write /w/dir/n 600",
            "/w/dir/z:2 vars|z in /w/dir umask 77 input input",
        ];
        assert_eq!(world.1, expected);
    }
}
