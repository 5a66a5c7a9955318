//! How cvmkit talks: results to standard output, everything else to standard error, as text or as
//! JSON with the same fields.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use cvmkit_host::fault::{Diagnosis, Fault, of_the_machine};
use cvmkit_host::files::FileError;
use cvmkit_host::progress::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use crate::text::{block, line, plain};
use crate::{environment, refusal, standard_output};

/// The format of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// The exit code of a fault: a contract, like the names of the commands.
fn exit_code(fault: Fault) -> u8 {
    match fault {
        Fault::Negative => 1,
        Fault::Definition => 2,
        Fault::Environment => 3,
        Fault::Bug => 70,
    }
}

/// An error on its way to the user.
#[derive(Debug)]
pub(crate) struct CommandError {
    error: Box<dyn std::error::Error>,
    fault: Fault,
    hint: Option<String>,
}

impl<E: Diagnosis + 'static> From<E> for CommandError {
    fn from(error: E) -> Self {
        // An error that wraps another does not know everything that failed underneath.
        let fault = match error.fault() {
            Fault::Definition if of_the_machine(&error) => Fault::Environment,
            own => own,
        };
        Self { fault, hint: refusal::hint(&error).or_else(|| error.hint()), error: Box::new(error) }
    }
}

/// What a command answers.
pub(crate) type Answer = Result<ExitCode, CommandError>;

/// Standard output and standard error: a terminal, a pipe or a file each.
pub(crate) struct Console {
    format: Format,
    quiet: bool,
    color: bool,
    bar: ProgressBar,
    /// Why a result could not be printed.
    lost: Mutex<Option<io::Error>>,
    /// The notes so far, which the result in JSON carries.
    notes: Mutex<Notes>,
}

/// The notes of a command, in order.
#[derive(Default)]
struct Notes {
    said: Vec<String>,
}

/// A result with its notes.
#[derive(Serialize)]
struct Noted<'a, T> {
    #[serde(flatten)]
    result: &'a T,
    notes: &'a [String],
}

impl Console {
    pub(crate) fn new(format: Format, quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let bar = if terminal && !quiet && format == Format::Text {
            ProgressBar::new(0)
        } else {
            ProgressBar::hidden()
        };
        Self {
            format,
            quiet,
            color: terminal && !environment::no_color(),
            bar,
            lost: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    /// Shows on a terminal what the command waits for, and how long it has; [`Progress::end`] ends it.
    pub(crate) fn waiting(&self, what: &str) {
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            self.bar.set_style(style);
        }
        self.bar.set_message(what.to_owned());
        self.tick(200);
    }

    /// Draws the bar again and again, from a thread of its own: none where nobody sees it.
    fn tick(&self, milliseconds: u64) {
        if !self.bar.is_hidden() {
            self.bar.enable_steady_tick(Duration::from_millis(milliseconds));
        }
    }

    /// Prints a line that the user asked for to standard error, above the progress bar.
    pub(crate) fn aside(&self, line: &str) {
        self.bar.suspend(|| complain(line));
    }

    /// Prints a result that `--quiet` suppresses: the exit code says it too.
    pub(crate) fn result(&self, result: &(impl Serialize + Display)) {
        match self.format {
            Format::Text if self.quiet => {}
            Format::Text => self.print(&plain(&result.to_string())),
            Format::Json => self.print(&self.noted(result)),
        }
    }

    /// Prints a result that the command exists for, `--quiet` or not.
    pub(crate) fn answer(&self, result: &(impl Serialize + Display)) {
        match self.format {
            Format::Text => self.print(&plain(&result.to_string())),
            Format::Json => self.print(&self.noted(result)),
        }
    }

    /// A result as JSON with the notes so far as `notes`, so that no command can forget them.
    fn noted(&self, result: &impl Serialize) -> String {
        let mut notes = self.notes();
        let mut value = serde_json::to_value(result).unwrap_or_default();
        let own = value.get("notes").and_then(serde_json::Value::as_array).cloned();
        let is_own = |note: &String| own.iter().flatten().any(|own| own.as_str() == Some(note));
        let said: Vec<String> = notes.said.drain(..).collect();
        let (Some(fields), false) = (value.as_object_mut(), said.iter().all(is_own)) else {
            return json_text(result);
        };
        match own.clone() {
            // In the order of the fields, which a value would lose.
            None => json_text(&Noted { result, notes: &said }),
            Some(mut all) => {
                all.extend(said.into_iter().filter(|note| !is_own(note)).map(Into::into));
                fields.insert("notes".to_owned(), all.into());
                json_text(&value)
            }
        }
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The notes that no result has carried.
    fn unheard(&self) -> Vec<String> {
        std::mem::take(&mut self.notes().said)
    }

    /// Prints a text that the command exists for, `--quiet` or not.
    pub(crate) fn value(&self, text: &str) {
        self.print(&plain(text));
    }

    /// Prints a value that is JSON in either format, `--quiet` or not.
    pub(crate) fn json(&self, value: &impl Serialize) {
        self.print(&json_text(value));
    }

    /// Whether results are printed for programs.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether standard output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Writes a document to standard output byte by byte: nothing escaped, no line end added.
    pub(crate) fn document(&self, bytes: &[u8]) {
        self.keep(io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()));
    }

    /// Prints to standard output.
    fn print(&self, text: &str) {
        self.keep(print(io::stdout(), text));
    }

    /// Remembers why standard output did not take a result; a closed pipe is a reason too.
    fn keep(&self, printed: io::Result<()>) {
        if let Err(error) = printed.and_then(|()| received()) {
            *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    /// The exit code of a command that answered `code`; a result that was lost makes it 3.
    pub(crate) fn finish(&self, code: ExitCode) -> ExitCode {
        let unheard = self.unheard();
        if !unheard.is_empty() {
            complain(&json_text(&json!({ "notes": unheard })));
        }
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
        match lost {
            None => code,
            Some(source) => self.error(&not_taken(source)),
        }
    }

    /// Prints a warning, `--quiet` or not; a result in JSON carries it itself.
    pub(crate) fn warning(&self, text: &str) {
        if self.format == Format::Text {
            self.bar.suspend(|| {
                complain(&format!("{} {}", self.paint("warning:", "1;31"), block(text)));
            });
        }
    }

    /// Prints why the answer is no, for whoever sees standard error alone.
    pub(crate) fn failure(&self, text: &str) {
        if self.format == Format::Text {
            complain(&format!("{} {}", self.paint("error:", "1;31"), block(text)));
        }
    }

    /// Prints an error with its causes and its hint; answers its exit code.
    pub(crate) fn error(&self, error: &CommandError) -> ExitCode {
        let code = exit_code(error.fault);
        let causes = causes(&*error.error);
        let text = match self.format {
            Format::Text => self.error_text(error, &causes),
            Format::Json => json_text(&json!({
                "error": error.error.to_string(),
                "causes": causes,
                "hint": error.hint,
                "exit": code,
                "notes": self.unheard(),
            })),
        };
        complain(&text);
        ExitCode::from(code)
    }

    fn error_text(&self, error: &CommandError, causes: &[String]) -> String {
        let said = block(&error.error.to_string());
        let mut text = format!("{} {said}", self.paint("error:", "1;31"));
        for cause in causes {
            text.push_str(&format!("\n  caused by: {}", block(cause)));
        }
        if let Some(hint) = &error.hint {
            text.push_str(&format!("\n{} {}", self.paint("hint:", "1;36"), block(hint)));
        }
        text
    }

    /// Words in a colour (ECMA-48 `code`), if colours are wanted; no meaning depends on it.
    fn paint(&self, words: &str, code: &str) -> String {
        if self.color { format!("\x1b[{code}m{words}\x1b[0m") } else { words.to_owned() }
    }
}

impl Progress for Console {
    fn begin(&self, what: &str, total: u64) {
        let template = "{msg:>20} [{bar:30}] {bytes:>10}/{total_bytes:<10} {bytes_per_sec}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.reset();
        self.bar.set_length(total);
        self.bar.set_message(plain(what));
        self.tick(100);
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn end(&self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
    }

    fn note(&self, text: &str) {
        match self.format {
            Format::Json => self.notes().said.push(text.to_owned()),
            Format::Text if self.quiet => {}
            Format::Text => self.bar.suspend(|| {
                complain(&format!("{} {}", self.paint("note:", "1;33"), block(text)));
            }),
        }
    }
}

fn causes(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string).collect()
}

fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

/// An error if standard output was closed from the start.
fn received() -> io::Result<()> {
    match standard_output::was_closed() {
        true => Err(io::Error::new(io::ErrorKind::NotConnected, "it is closed")),
        false => Ok(()),
    }
}

/// Prints the help or the error of the command line's parser; answers the exit code.
pub(crate) fn say(said: clap::Error) -> ExitCode {
    if said.use_stderr() {
        complain(&refused(said));
        return ExitCode::from(exit_code(Fault::Definition));
    }
    match said.print().and_then(|()| io::stdout().flush()).and_then(|()| received()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(source) => Console::new(Format::Text, true).error(&not_taken(source)),
    }
}

/// An error of the command line's parser. Each word that was given stands in one line, its control
/// characters escaped.
fn refused(mut said: clap::Error) -> String {
    let shown = |value: &ContextValue| match value {
        ContextValue::String(text) => Some(ContextValue::String(line(text))),
        ContextValue::Strings(texts) => {
            Some(ContextValue::Strings(texts.iter().map(|text| line(text)).collect()))
        }
        _ => None,
    };
    let words: Vec<(ContextKind, ContextValue)> =
        said.context().filter_map(|(kind, value)| Some((kind, shown(value)?))).collect();
    for (kind, value) in words {
        said.insert(kind, value);
    }
    let word = |kind| said.get(kind).map(ToString::to_string).unwrap_or_default();
    let (value, argument) = (word(ContextKind::InvalidValue), word(ContextKind::InvalidArg));
    match std::error::Error::source(&said) {
        // The reason repeats the value and is not part of the context.
        Some(why) => format!(
            "error: invalid value '{value}' for '{argument}': {}\n\nFor more information, try '--help'.",
            line(&why.to_string())
        ),
        None => plain(&said.render().to_string()),
    }
}

/// The error for a result that standard output did not take.
fn not_taken(source: io::Error) -> CommandError {
    FileError { action: "write", path: PathBuf::from("standard output"), source }.into()
}

/// Prints to standard error; a failure there cannot be reported.
fn complain(text: &str) {
    drop(print(io::stderr(), text));
}

fn print(mut to: impl Write, text: &str) -> io::Result<()> {
    writeln!(to, "{}", text.trim_end_matches('\n'))?;
    to.flush()
}
