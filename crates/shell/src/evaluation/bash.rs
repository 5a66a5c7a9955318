//! What bash(1) does in another way than dash where words are expanded and commands run.
//!
//! Where its way is not implemented, the evaluation ends. So it does after an error of the script's own: what
//! bash goes on with depends on where the error stands.

use super::state::is_special;
use super::{Fault, Shell, Start, arithmetic};
use crate::pattern::{Char, is_pattern};
use crate::stop::Stop;
use crate::syntax::{Operation, Parameter, ParameterName, Piece};
use crate::world::World;

impl Start {
    /// Refuses a start that changes how bash works.
    pub(super) fn check_for_bash(&self) -> Result<(), Stop> {
        let unsupported =
            |what: String| Err(Stop::Unsupported { script: self.name.clone(), line: 1, what });
        let changes = |name: &&String| {
            name.starts_with("BASH")
                || ["CDPATH", "EXECIGNORE", "GLOBIGNORE", "POSIXLY_CORRECT", "SHELLOPTS", "TMOUT"]
                    .contains(&name.as_str())
        };
        if let Some(name) = self.environment.keys().find(changes) {
            return unsupported(format!("bash with `{name}` in its environment"));
        }
        // bash has one of its own then.
        match self.environment.contains_key("PATH") {
            false => unsupported("bash without `PATH` in its environment".into()),
            true => Ok(()),
        }
    }
}

impl<W: World> Shell<'_, W> {
    pub(super) fn is_bash(&self) -> bool {
        self.state.dialect == crate::syntax::Dialect::Bash
    }

    /// Refuses to say something in bash's stead where the script, or a file, takes it.
    pub(super) fn check_message(&self, message: &str) -> Result<(), Fault> {
        match self.is_bash() && self.state.descriptors.is_read(2) {
            true => Err(self.unsupported(format!("bash's own words for `{message}`"))),
            false => Ok(()),
        }
    }

    /// Refuses the name of a variable that has a meaning of its own in bash.
    pub(super) fn check_variable(&self, name: &str) -> Result<(), Fault> {
        match self.is_bash() && is_special(name) {
            true => Err(self.unsupported(format!("the variable `{name}` of bash"))),
            false => Ok(()),
        }
    }

    /// Refuses an expansion that bash has another value for; `is_words` where it may come to more than one.
    pub(super) fn check_parameter(
        &self,
        name: &ParameterName,
        operation: &Operation,
        is_words: bool,
    ) -> Result<(), Fault> {
        if !self.is_bash() {
            return Ok(());
        }
        let is_value = match operation {
            Operation::Value => true,
            Operation::Part { .. } | Operation::Replace { .. } | Operation::Case { .. } => {
                *name != ParameterName::Count
            }
            _ => false,
        };
        match name {
            ParameterName::Variable(name) => self.check_variable(name),
            ParameterName::Options => Err(self.unsupported("`$-` of bash")),
            ParameterName::All | ParameterName::Joined | ParameterName::Count if !is_value => {
                Err(self.unsupported(format!("`${{{name}}}` with an operator in bash")))
            }
            ParameterName::All | ParameterName::Joined
                if !is_words && self.state.separators() != b" \t\n" =>
            {
                Err(self.unsupported(format!("`${name}` with another `IFS` in bash")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses `"$@..."` of no parameters: bash looks at whether the rest is empty.
    pub(super) fn check_quotes(&self, pieces: &[Piece]) -> Result<(), Fault> {
        let is_all = |piece: &Piece| {
            matches!(piece, Piece::Parameter(Parameter { name: ParameterName::All, .. }))
        };
        let is_part = |piece: &Piece| {
            matches!(piece, Piece::Parameter(Parameter { operation: Operation::Part { .. }, .. }))
        };
        let mixed = pieces.len() > 1 && pieces.iter().any(is_all);
        match self.is_bash() && mixed {
            true if self.state.positional.is_empty() => {
                Err(self.unsupported("`\"$@...\"` of no parameters in bash"))
            }
            // It may be of none.
            true if pieces.iter().any(|piece| is_all(piece) && is_part(piece)) => {
                Err(self.unsupported("`\"${@:...}\"` beside something else in bash"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a tilde that bash has another home for.
    pub(super) fn check_tilde(&self, login: &str) -> Result<(), Fault> {
        let of_bash = login.starts_with(|c: char| matches!(c, '+' | '-') || c.is_ascii_digit());
        match self.is_bash() && (of_bash || (login.is_empty() && self.state.get("HOME").is_none()))
        {
            true => Err(self.unsupported(format!("`~{login}` of bash"))),
            false => Ok(()),
        }
    }

    /// Refuses a pattern that bash reads in another way.
    pub(super) fn check_pattern(&self, pattern: &[Char]) -> Result<(), Fault> {
        if !self.is_bash() {
            return Ok(());
        }
        let plain = |char: &Char, byte: u8| char.byte == byte && !char.quoted;
        let has_backslash = pattern.iter().any(|char| plain(char, b'\\'));
        let has_symbol = is_pattern(pattern)
            && pattern.windows(2).any(|pair| {
                plain(&pair[0], b'[') && (plain(&pair[1], b'.') || plain(&pair[1], b'='))
            });
        match has_backslash || has_symbol {
            true => Err(self.unsupported("a pattern with a backslash or `[.` in bash")),
            false => Ok(()),
        }
    }

    /// Refuses to match, or to count, what bash may read as characters of several bytes.
    pub(super) fn check_text(&self, pattern: &[Char], text: &[u8]) -> Result<(), Fault> {
        match self.is_bash() && !text.is_ascii() && is_pattern(pattern) {
            true => Err(self.unsupported("a pattern for bytes beyond ASCII in bash")),
            false => Ok(()),
        }
    }

    /// Refuses an expression that bash reads in another way.
    pub(super) fn check_arithmetic(&self, expression: &[u8]) -> Result<(), Fault> {
        if !self.is_bash() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(expression).into_owned();
        let refuse = || Err(self.unsupported(format!("the expression `{text}` in bash")));
        let has_other = text.contains(|c: char| !c.is_ascii() || "#,\"'\\[]{}@$`".contains(c));
        if has_other || ["++", "--", "**"].iter().any(|operator| text.contains(operator)) {
            return refuse();
        }
        for word in text.split(|c: char| !(c == '_' || c.is_ascii_alphanumeric())) {
            if word.starts_with(|c: char| c.is_ascii_digit()) {
                if word.len() > 18 {
                    return refuse();
                }
                continue;
            }
            self.check_variable(word)?;
            // bash evaluates a value as an expression.
            let is_number =
                |value: &Vec<u8>| value.len() <= 18 && arithmetic::number(value).is_some();
            let is_plain = match self.state.get(word) {
                Some(value) => value.is_empty() || is_number(value),
                None => word.is_empty() || !self.state.options.no_unset,
            };
            if !is_plain {
                return refuse();
            }
        }
        Ok(())
    }
}
