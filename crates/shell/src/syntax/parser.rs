//! Commands (XCU 2.9 and 2.10), by recursive descent.

use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use super::SyntaxError;
use super::aliases::Aliases;
use super::ast::{
    AndOr, Command, CommandKind, Connector, List, Pipeline, Redirection, RedirectionKind, Word,
};
use super::bash;
use super::dialect::Dialect;
use super::lexer::{Announced, Parser, ends_word};
use super::limits::Limits;

/// Parses a script as dash does.
///
/// # Errors
/// [`SyntaxError`], with the line; and what is beyond `limits`.
pub fn parse(script: &[u8], limits: Limits) -> Result<List, SyntaxError> {
    parse_as(Dialect::Posix, script, limits)
}

/// Parses a script as dash does where it knows aliases.
///
/// # Errors
/// As for [`parse`]; and [`SyntaxError::Unsupported`].
pub fn parse_with(aliases: &Aliases, script: &[u8], limits: Limits) -> Result<List, SyntaxError> {
    read(Dialect::Posix, script, limits, aliases)
}

/// Parses a script as the shell of a dialect does.
///
/// # Errors
/// As for [`parse`]; and [`SyntaxError::Unsupported`].
pub fn parse_as(dialect: Dialect, script: &[u8], limits: Limits) -> Result<List, SyntaxError> {
    read(dialect, script, limits, &Aliases::default())
}

fn read(
    dialect: Dialect,
    script: &[u8],
    limits: Limits,
    aliases: &Aliases,
) -> Result<List, SyntaxError> {
    if script.len() > limits.len {
        return Err(SyntaxError::TooLong { len: script.len(), limit: limits.len });
    }
    let mut parser = Parser::new(script, 1, 0, limits);
    parser.dialect = dialect;
    parser.aliases = Rc::new(aliases.clone());
    parser.whole()
}

impl Parser<'_> {
    /// Commands up to the end.
    pub(super) fn whole(&mut self) -> Result<List, SyntaxError> {
        let list = self.list()?;
        self.skip_blanks();
        if self.peek().is_some() {
            return self.unexpected("a command");
        }
        self.documents()?;
        Ok(list)
    }

    /// Commands up to what can't start one.
    pub(super) fn list(&mut self) -> Result<List, SyntaxError> {
        self.nested(|parser| {
            let mut list = List::default();
            parser.line_breaks()?;
            while parser.at_command() {
                let mut item = parser.and_or()?;
                parser.skip_blanks();
                item.background = !parser.sees("&&") && parser.eat("&");
                let ended = item.background || (!parser.sees(";;") && parser.eat(";"));
                list.items.push(item);
                parser.skip_blanks();
                let on_this_line = parser.peek() != Some(b'\n');
                parser.line_breaks()?;
                if on_this_line && !ended {
                    break;
                }
            }
            Ok(list)
        })
    }

    /// A list with at least one command.
    fn commands(&mut self) -> Result<List, SyntaxError> {
        let list = self.list()?;
        if list.items.is_empty() { self.unexpected("a command") } else { Ok(list) }
    }

    /// Whether a command can start here.
    fn at_command(&mut self) -> bool {
        self.skip_blanks();
        let ends = ["}", "do", "done", "elif", "else", "esac", "fi", "then"];
        match self.peek() {
            None | Some(b'\n' | b';' | b'&' | b'|' | b')') => false,
            Some(b'(' | b'<' | b'>') => true,
            Some(_) => self.reserved().is_none_or(|word| !ends.contains(&word)),
        }
    }

    /// Line breaks, and the here-documents that begin behind the first.
    pub(super) fn line_breaks(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'\n') {
                return Ok(());
            }
            self.take();
            self.documents()?;
        }
    }

    fn and_or(&mut self) -> Result<AndOr, SyntaxError> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.skip_blanks();
            let connector = match () {
                () if self.eat("&&") => Connector::And,
                () if self.eat("||") => Connector::Or,
                () => return Ok(AndOr { first, rest, background: false }),
            };
            self.line_breaks()?;
            rest.push((connector, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, SyntaxError> {
        let negated = self.eat_reserved("!");
        let mut commands = vec![self.command()?];
        loop {
            self.skip_blanks();
            if self.sees("||") || !self.eat("|") {
                return Ok(Pipeline { negated, commands });
            }
            if self.is_bash() && self.eat("&") {
                commands.last_mut().into_iter().for_each(bash::with_errors);
            }
            self.line_breaks()?;
            commands.push(self.command()?);
        }
    }

    pub(super) fn command(&mut self) -> Result<Command, SyntaxError> {
        self.skip_blanks();
        let line = self.line;
        let of_bash = self.command_of_bash()?;
        let kind = match self.peek() {
            _ if let Some(kind) = of_bash => kind,
            Some(b'(') => self.subshell()?,
            _ => match self.reserved() {
                Some("{") => self.group()?,
                Some("if") => self.nested(Self::branches)?,
                Some("while") => self.repeated(false)?,
                Some("until") => self.repeated(true)?,
                Some("for") => self.for_each()?,
                Some("case") => self.case()?,
                None => return self.simple(line),
                Some(_) => return self.unexpected("a command"),
            },
        };
        let mut redirections = Vec::new();
        while let Some(redirection) = self.redirection()? {
            redirections.push(redirection);
        }
        Ok(Command { line, kind, redirections })
    }

    fn subshell(&mut self) -> Result<CommandKind, SyntaxError> {
        self.take();
        let list = self.commands()?;
        if self.eat(")") { Ok(CommandKind::Subshell(list)) } else { self.unexpected("`)`") }
    }

    fn group(&mut self) -> Result<CommandKind, SyntaxError> {
        self.take();
        let list = self.commands()?;
        self.expect("}", "`}`")?;
        Ok(CommandKind::Group(list))
    }

    /// Takes a reserved word, or says what was expected.
    fn expect(&mut self, word: &str, expected: &'static str) -> Result<(), SyntaxError> {
        if self.eat_reserved(word) { Ok(()) } else { self.unexpected(expected) }
    }

    fn branches(&mut self) -> Result<CommandKind, SyntaxError> {
        self.expect("if", "`if`")?;
        let mut branches = Vec::new();
        let otherwise = loop {
            let condition = self.commands()?;
            self.expect("then", "`then`")?;
            branches.push((condition, self.commands()?));
            if self.eat_reserved("elif") {
                continue;
            }
            break if self.eat_reserved("else") { Some(self.commands()?) } else { None };
        };
        self.expect("fi", "`fi`")?;
        Ok(CommandKind::If { branches, otherwise })
    }

    fn repeated(&mut self, until: bool) -> Result<CommandKind, SyntaxError> {
        self.expect(if until { "until" } else { "while" }, "a loop")?;
        let condition = self.commands()?;
        Ok(CommandKind::Loop { until, condition, body: self.body()? })
    }

    fn body(&mut self) -> Result<List, SyntaxError> {
        self.expect("do", "`do`")?;
        let body = self.commands()?;
        self.expect("done", "`done`")?;
        Ok(body)
    }

    fn for_each(&mut self) -> Result<CommandKind, SyntaxError> {
        self.expect("for", "`for`")?;
        self.skip_blanks();
        let name = self.name();
        if name.is_empty() || self.peek().is_some_and(|byte| !ends_word(byte)) {
            return self.unexpected("the name of a variable");
        }
        self.line_breaks()?;
        let mut words = None;
        if self.eat_reserved("in") {
            let mut found = Vec::new();
            loop {
                self.skip_blanks();
                match self.peek() {
                    Some(byte) if !ends_word(byte) => found.extend(self.words(false)?),
                    Some(b';') if !self.sees(";;") => {
                        self.take();
                        break;
                    }
                    Some(b'\n') => break,
                    _ => return self.unexpected("a word, `;` or the end of the line"),
                }
            }
            words = Some(found);
        } else if !self.sees(";;") {
            self.eat(";");
        }
        self.line_breaks()?;
        Ok(CommandKind::For { name, words, body: self.body()? })
    }

    fn case(&mut self) -> Result<CommandKind, SyntaxError> {
        self.expect("case", "`case`")?;
        self.skip_blanks();
        let word = self.required_word()?;
        self.line_breaks()?;
        self.expect("in", "`in`")?;
        let mut branches = Vec::new();
        loop {
            self.line_breaks()?;
            if self.eat_reserved("esac") {
                return Ok(CommandKind::Case { word, branches });
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.skip_blanks();
                patterns.push(self.required_word()?);
                self.skip_blanks();
                if self.eat(")") {
                    break;
                }
                if !self.eat("|") {
                    return self.unexpected("`|` or `)`");
                }
            }
            branches.push((patterns, self.list()?));
            self.skip_blanks();
            if !self.eat(";;") {
                self.line_breaks()?;
                self.expect("esac", "`;;` or `esac`")?;
                return Ok(CommandKind::Case { word, branches });
            }
        }
    }

    pub(super) fn required_word(&mut self) -> Result<Word, SyntaxError> {
        if self.peek().is_none_or(ends_word) { self.unexpected("a word") } else { self.word() }
    }

    /// Assignments, words and redirections; or the definition of a function.
    fn simple(&mut self, line: u32) -> Result<Command, SyntaxError> {
        let (mut assignments, mut words, mut redirections) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            self.skip_blanks();
            if let Some(redirection) = self.redirection()? {
                redirections.push(redirection);
                continue;
            }
            let is_first = words.is_empty();
            match self.peek() {
                Some(b'(') if words.len() == 1 && assignments.is_empty() => {
                    return self.function(line, words.first());
                }
                None => break,
                Some(byte) if ends_word(byte) => break,
                Some(_) if is_first && let Some(name) = self.assignment_name() => {
                    assignments.push(self.assigned(name)?);
                }
                Some(_) if is_first && let Some(name) = self.appended_name() => {
                    assignments.push(self.appended(name)?);
                }
                Some(_) if is_first => words.extend(self.first_words()?),
                Some(_) => words.extend(self.words(false)?),
            }
        }
        if assignments.is_empty() && words.is_empty() && redirections.is_empty() {
            return self.unexpected("a command");
        }
        Ok(Command { line, kind: CommandKind::Simple { assignments, words }, redirections })
    }

    fn function(&mut self, line: u32, word: Option<&Word>) -> Result<Command, SyntaxError> {
        let name = word.and_then(Word::as_name).filter(|_| self.sees("("));
        let Some(name) = name.map(str::to_owned) else { return self.unexpected("a word") };
        self.take();
        self.skip_blanks();
        if !self.eat(")") {
            return self.unexpected("`)`");
        }
        self.line_breaks()?;
        let kind = self.function_body(name)?;
        Ok(Command { line, kind, redirections: Vec::new() })
    }

    fn redirection(&mut self) -> Result<Option<Redirection>, SyntaxError> {
        self.skip_blanks();
        let line = self.line;
        let number = self.attempt(|parser| {
            let digits = parser.take_while(|byte| byte.is_ascii_digit());
            let number = String::from_utf8(digits).ok()?.parse::<u32>().ok()?;
            matches!(parser.peek(), Some(b'<' | b'>')).then_some(number)
        });
        let operators = ["<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">"];
        let of_bash = bash::REDIRECTIONS.into_iter().filter(|_| self.dialect == Dialect::Bash);
        let mut known = of_bash.chain(operators).collect::<Vec<_>>().into_iter();
        let Some(operator) = known.find(|operator| self.eat(operator)) else {
            return Ok(None);
        };
        let descriptor = number.unwrap_or(u32::from(operator.starts_with(['>', '&'])));
        self.skip_blanks();
        let word = self.required_word()?;
        self.check_target(line, operator, &word)?;
        let kind = match operator {
            "<<<" => RedirectionKind::HereString(word),
            "&>" | "&>>" => RedirectionKind::WriteBoth { file: word, append: operator == "&>>" },
            "<" => RedirectionKind::Read(word),
            ">" => RedirectionKind::Write(word),
            ">|" => RedirectionKind::Clobber(word),
            ">>" => RedirectionKind::Append(word),
            "<>" => RedirectionKind::ReadWrite(word),
            "<&" | ">&" => RedirectionKind::Duplicate(word),
            _ => {
                let text = Arc::new(OnceLock::new());
                let Some((delimiter, literal)) = word.without_quotes() else {
                    return self.unexpected("a delimiter without expansions");
                };
                self.announced.push(Announced {
                    line,
                    delimiter,
                    literal,
                    strip_tabs: operator == "<<-",
                    text: text.clone(),
                });
                RedirectionKind::Here(text)
            }
        };
        Ok(Some(Redirection { line, descriptor, kind }))
    }

    /// The texts of the here-documents that are announced, which begin here.
    fn documents(&mut self) -> Result<(), SyntaxError> {
        for announced in std::mem::take(&mut self.announced) {
            let line = self.line;
            let text = self.document(&announced)?;
            let word = match announced.literal {
                true => Word::quoted(text),
                false => self.within(&text, line).document_word()?,
            };
            // It is announced once.
            let _ = announced.text.set(word);
        }
        Ok(())
    }

    /// The lines before the delimiter.
    fn document(&mut self, announced: &Announced) -> Result<Vec<u8>, SyntaxError> {
        let mut text = Vec::new();
        // Behind a backslash a line goes on, and no delimiter is looked for (XCU 2.7.4).
        let mut goes_on = false;
        while self.raw().is_some() {
            let mut line = Vec::new();
            while let Some(byte) = self.take_raw() {
                line.push(byte);
                if byte == b'\n' {
                    break;
                }
            }
            if announced.strip_tabs && !goes_on {
                let tabs = line.iter().take_while(|byte| **byte == b'\t').count();
                line.drain(..tabs);
            }
            let bare = line.strip_suffix(b"\n").unwrap_or(&line);
            if !goes_on && bare == announced.delimiter {
                return Ok(text);
            }
            let backslashes = bare.iter().rev().take_while(|byte| **byte == b'\\').count();
            goes_on = !announced.literal && backslashes % 2 == 1;
            text.extend_from_slice(&line);
        }
        let delimiter = String::from_utf8_lossy(&announced.delimiter).into_owned();
        Err(SyntaxError::HereDocument { line: announced.line, delimiter })
    }
}

#[cfg(test)]
mod tests;
