//! Builtins where bash(1) differs from dash ("SHELL BUILTIN COMMANDS"), and those that only bash has.

use super::super::state::Variable;
use super::super::{Fault, Shell};
use super::variables::split;
use crate::escape::control;
use crate::syntax::{Assignment, Condition, Word};
use crate::world::World;

/// Builtins that dash has not; those that are not implemented end the evaluation.
const OF_BASH: [&str; 23] = [
    "bind",
    "builtin",
    "caller",
    "compgen",
    "complete",
    "compopt",
    "declare",
    "dirs",
    "disown",
    "enable",
    "help",
    "history",
    "let",
    "logout",
    "mapfile",
    "popd",
    "pushd",
    "readarray",
    "shopt",
    "source",
    "suspend",
    "times",
    "typeset",
];

/// Reserved words that dash has not.
const RESERVED: [&str; 7] = ["[[", "]]", "coproc", "function", "in", "select", "time"];

/// Letters of `test`'s operators of one operand that are implemented.
const UNARY: &[u8] = b"abcdefghkLnOpGrsStuwxz";

const BINARY: [&[u8]; 16] = [
    b"=", b"==", b"!=", b"<", b">", b"-eq", b"-ne", b"-gt", b"-ge", b"-lt", b"-le", b"-nt", b"-ot",
    b"-ef", b"-a", b"-o",
];

/// Why `test` has no answer.
enum Wrong {
    /// What bash says; its status is 2.
    Message(String),
    /// What is not implemented.
    Unsupported(String),
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl<W: World> Shell<'_, W> {
    /// Whether the shell has a builtin of this name that is no special one.
    pub(in super::super) fn has_builtin(&self, name: &[u8]) -> bool {
        super::is_regular(name)
            || (self.is_bash() && OF_BASH.iter().any(|known| known.as_bytes() == name))
    }

    pub(super) fn is_reserved_by_bash(&self, name: &[u8]) -> bool {
        self.is_bash() && RESERVED.iter().any(|known| known.as_bytes() == name)
    }

    /// Refuses a function that bash would call where dash does not.
    pub(in super::super) fn check_function(&self, name: &str) -> Result<(), Fault> {
        let is_called = super::is_special(name.as_bytes()) || name == "command_not_found_handle";
        match self.is_bash() && is_called {
            true => Err(self.unsupported(format!("the function `{name}` in bash"))),
            false => Ok(()),
        }
    }

    /// Refuses assignments before a special builtin: they end with it in bash.
    pub(in super::super) fn check_prefixes(
        &self,
        name: &[u8],
        assignments: &[Assignment],
    ) -> Result<(), Fault> {
        match self.is_bash() && !assignments.is_empty() {
            true => {
                let name = String::from_utf8_lossy(name);
                Err(self.unsupported(format!("an assignment before `{name}` in bash")))
            }
            false => Ok(()),
        }
    }

    /// Refuses what a command of the world says where bash would have said it, or shows of bash's variables.
    pub(in super::super) fn check_ran(
        &self,
        words: &[Vec<u8>],
        status: u8,
        errors: &[u8],
    ) -> Result<(), Fault> {
        let name = words.first().map(Vec::as_slice).unwrap_or_default();
        let lists = words.len() == 1 && (name.ends_with(b"env") || name.ends_with(b"printenv"));
        if self.is_bash() && lists {
            let shown = String::from_utf8_lossy(name);
            return Err(self.unsupported(format!("the environment that `{shown}` has of bash")));
        }
        match status == 127 && !errors.is_empty() {
            true => self.check_message(&String::from_utf8_lossy(errors)),
            false => Ok(()),
        }
    }

    pub(super) fn check_dot(&self, arguments: &[Vec<u8>]) -> Result<(), Fault> {
        let is_plain = matches!(arguments, [name] if !name.starts_with(b"-"));
        match self.is_bash() && !is_plain {
            true => Err(self.unsupported("`.` with options or arguments in bash")),
            false => Ok(()),
        }
    }

    /// Refuses a description of names that bash words in another way.
    pub(super) fn check_described(&self, names: &[Vec<u8>], long: bool) -> Result<(), Fault> {
        match self.is_bash() && (names.len() != 1 || (long && self.state.descriptors.is_read(1))) {
            true => Err(self.unsupported("what bash says of a command")),
            false => Ok(()),
        }
    }

    /// Whether bash does something else with these words, which is not implemented.
    fn differs(&self, name: &str, arguments: &[Vec<u8>]) -> bool {
        let first = arguments.first().map(Vec::as_slice);
        let has_option = first.is_some_and(|first| first.starts_with(b"-") && first != b"--");
        match name {
            "break" | "continue" => self.state.loops == 0 || arguments.len() > 1,
            "cd" => {
                let is_known = matches!(first, Some(b"-L" | b"-P"));
                (has_option && !is_known && first != Some(b"-"))
                    || first == Some(b"")
                    || arguments.len() > 1 + usize::from(is_known)
            }
            "exec" => has_option,
            "exit" => arguments.len() > 1,
            "export" | "readonly" => arguments.is_empty() || has_option,
            "getopts" => true,
            "hash" => !arguments.is_empty() && arguments != [b"-r"],
            "pwd" => arguments.len() > 1 || !matches!(first, None | Some(b"-L" | b"-P")),
            "printf" => match arguments {
                [option, _, rest @ ..] if option == b"-v" => !is_plain_printf(rest),
                arguments => !is_plain_printf(arguments),
            },
            "read" => {
                let mut options = arguments.iter().take_while(|word| word.starts_with(b"-"));
                options.any(|option| option != b"-r" && option != b"--")
            }
            "return" => {
                arguments.len() > 1 || (self.state.locals.is_empty() && self.state.sourced == 0)
            }
            "set" => arguments.is_empty(),
            "shift" => arguments.len() > 1,
            "trap" => !is_plain_trap(arguments),
            "umask" => (has_option && arguments != [b"-S"]) || arguments.len() > 1,
            _ => false,
        }
    }

    /// A builtin that runs no other command, if bash has it in another way than dash.
    pub(super) fn alone_in_bash(
        &mut self,
        name: &str,
        arguments: &[Vec<u8>],
    ) -> Result<Option<u8>, Fault> {
        let first = arguments.first().map(Vec::as_slice);
        if self.differs(name, arguments) {
            let words: Vec<_> =
                arguments.iter().map(|word| String::from_utf8_lossy(word)).collect();
            return Err(self.unsupported(format!("`{name} {}` in bash", words.join(" "))));
        }
        Ok(Some(match (name, arguments) {
            ("echo", _) => self.echo_of_bash(arguments)?,
            ("test", _) => self.test_of_bash(name, arguments)?,
            ("[", [inner @ .., end]) if end == b"]" => self.test_of_bash(name, inner)?,
            ("declare" | "local" | "typeset", _) => self.declare(name, arguments)?,
            ("printf", [option, name, rest @ ..]) if option == b"-v" => {
                let name = String::from_utf8_lossy(name).into_owned();
                let name = self.checked_name("printf", name)?;
                let (text, status) = self.printed(rest)?;
                self.state.set(&name, text).map_err(|why| self.error(&why))?;
                status
            }
            ("shift", _) => {
                let count = match first {
                    Some(text) => usize::try_from(self.number(name, text)?).unwrap_or(usize::MAX),
                    None => 1,
                };
                if count <= self.state.positional.len() {
                    return Ok(None);
                }
                1
            }
            ("return", [text]) => {
                self.state.status = self.number(name, text)? & 0xff;
                return Err(Fault::Return);
            }
            ("type", _) => self.type_of_bash(arguments)?,
            ("unset", _) => self.unset_of_bash(arguments)?,
            _ => return Ok(None),
        }))
    }

    /// `echo`: backslashes are read with `-e` alone.
    fn echo_of_bash(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let (mut line_break, mut reads, mut words) = (true, false, arguments);
        while let Some((option, rest)) = words.split_first()
            && let Some(letters) = option.strip_prefix(b"-").filter(|letters| !letters.is_empty())
            && letters.iter().all(|letter| b"neE".contains(letter))
        {
            for letter in letters {
                match letter {
                    b'n' => line_break = false,
                    letter => reads = *letter == b'e',
                }
            }
            words = rest;
        }
        let mut text = words.join(&b' ');
        if reads {
            let Some((read, ended)) = escaped(&text) else {
                let shown = String::from_utf8_lossy(&text).into_owned();
                return Err(self.unsupported(format!("`echo -e` of `{shown}`")));
            };
            (text, line_break) = (read, line_break && !ended);
        }
        if line_break {
            text.push(b'\n');
        }
        self.write(1, &text)?;
        Ok(0)
    }

    fn test_of_bash(&mut self, name: &str, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        match self.answer(arguments) {
            Ok(value) => Ok(u8::from(!value)),
            Err(Wrong::Message(message)) => {
                self.complain(&format!("{name}: {message}"))?;
                Ok(2)
            }
            Err(Wrong::Unsupported(what)) => {
                Err(self.unsupported(format!("`{name}` of {what} in bash")))
            }
        }
    }

    /// What up to four words mean is given by their number (XCU `test`); more are an expression.
    fn answer(&self, words: &[Vec<u8>]) -> Result<bool, Wrong> {
        let shown = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
        match words {
            [] => Ok(false),
            [word] => Ok(!word.is_empty()),
            [not, word] if not == b"!" => Ok(word.is_empty()),
            [operator, operand] => match operator.as_slice() {
                [b'-', letter] if UNARY.contains(letter) => self.asked(*letter, operand),
                operator @ [b'-', b'N' | b'o' | b'R' | b'v'] => {
                    Err(Wrong::Unsupported(format!("`{}`", shown(operator))))
                }
                operator => {
                    Err(Wrong::Message(format!("{}: unary operator expected", shown(operator))))
                }
            },
            [left, operator, right] if BINARY.contains(&operator.as_slice()) => {
                self.compared(left, operator, right)
            }
            [not, rest @ ..] if not == b"!" && rest.len() < 4 => {
                self.answer(rest).map(|value| !value)
            }
            [open, inner @ .., close] if open == b"(" && close == b")" && inner.len() < 3 => {
                self.answer(inner)
            }
            [_, operator, _] => {
                Err(Wrong::Message(format!("{}: binary operator expected", shown(operator))))
            }
            words => self
                .expression(words)
                .map_err(|_| Wrong::Unsupported("an expression that is not plain".into())),
        }
    }

    fn asked(&self, letter: u8, operand: &[u8]) -> Result<bool, Wrong> {
        match letter {
            b'a' => Ok(self.unary(b'e', operand)?),
            b't' => Ok(false),
            letter => Ok(self.unary(letter, operand)?),
        }
    }

    fn compared(&self, left: &[u8], operator: &[u8], right: &[u8]) -> Result<bool, Wrong> {
        let is_there = |path: &[u8]| self.unary(b'e', path);
        Ok(match operator {
            b"==" => left == right,
            b"-a" => !left.is_empty() && !right.is_empty(),
            b"-o" => !left.is_empty() || !right.is_empty(),
            // One that is there is newer than none.
            b"-nt" if !is_there(right)? => is_there(left)?,
            b"-ot" if !is_there(left)? => is_there(right)?,
            operator => self.compare(left, operator, right)?,
        })
    }

    /// `[[ ... ]]`.
    pub(in super::super) fn condition(&mut self, condition: &Condition) -> Result<bool, Fault> {
        self.step()?;
        Ok(match condition {
            Condition::Word(word) => !self.expand_one(word)?.is_empty(),
            Condition::Not(inner) => !self.condition(inner)?,
            Condition::And(one, other) => self.condition(one)? && self.condition(other)?,
            Condition::Or(one, other) => self.condition(one)? || self.condition(other)?,
            Condition::Unary { letter, operand } => {
                let operand = self.expand_one(operand)?;
                self.asked(*letter, &operand).map_err(|_| self.unsupported("`[[` of it"))?
            }
            Condition::Binary { left, operator, right } => {
                self.condition_compares(left, operator, right)?
            }
        })
    }

    fn condition_compares(
        &mut self,
        left: &Word,
        operator: &str,
        right: &Word,
    ) -> Result<bool, Fault> {
        let left = self.expand_one(left)?;
        if matches!(operator, "=" | "==" | "!=") {
            let pattern = self.expand_pattern(right)?;
            self.check_text(&pattern, &left)?;
            let found = self.matches(&pattern, &left)?;
            return Ok(found == (operator != "!="));
        }
        let right = self.expand_one(right)?;
        let is_of_files = matches!(operator, "-nt" | "-ot" | "-ef");
        // An operand may be an expression.
        if let Some(operand) = [&left, &right].into_iter().find(|it| !is_of_files && !is_plain(it))
        {
            let shown = String::from_utf8_lossy(operand).into_owned();
            return Err(self.unsupported(format!("the number `{shown}` in `[[`")));
        }
        self.compared(&left, operator.as_bytes(), &right)
            .map_err(|_| self.unsupported(format!("`{operator}` in `[[`")))
    }

    /// `local`, and `declare` and `typeset`, which are the same in a function.
    fn declare(&mut self, command: &str, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let (mut read_only, mut exported, mut global, mut words) = (false, false, false, arguments);
        while let Some((option, rest)) = words.split_first()
            && option.starts_with(b"-")
        {
            words = rest;
            match option.as_slice() {
                b"--" => break,
                b"-r" => read_only = true,
                b"-x" => exported = true,
                b"-g" if command != "local" => global = true,
                option => {
                    let shown = String::from_utf8_lossy(option).into_owned();
                    return Err(self.unsupported(format!("`{command} {shown}`")));
                }
            }
        }
        let in_function = !self.state.locals.is_empty();
        if words.is_empty() || (command == "local" && !in_function) {
            return Err(self.unsupported(format!("`{command}` without names or a function")));
        }
        for word in words {
            let (name, value) = split(word);
            let name = self.checked_name(command, name)?;
            if in_function && !global {
                self.make_local(&name)?;
            }
            if let Some(value) = value {
                self.state.set(&name, value).map_err(|why| self.error(&why))?;
            }
            let variable = self.state.variables.entry(name).or_default();
            variable.read_only |= read_only;
            variable.exported |= exported;
        }
        Ok(0)
    }

    /// Puts a variable aside until the function returns: the local one has no value, and is exported if that is.
    fn make_local(&mut self, name: &str) -> Result<(), Fault> {
        let is_of_a_caller = self.is_local_of_a_caller(name);
        if self.state.prefixed.iter().any(|prefixed| prefixed == name) {
            return Err(
                self.unsupported(format!("the local variable `{name}` with a value before it"))
            );
        }
        let old = self.state.variables.get(name).cloned();
        let Some(locals) = self.state.locals.last_mut() else { return Ok(()) };
        let is_local = locals.contains_key(name);
        if old.as_ref().is_some_and(|old| old.read_only && (is_local || !is_of_a_caller)) {
            return Err(self.error(&format!("{name}: readonly variable")));
        }
        if !is_local {
            let exported = old.as_ref().is_some_and(|old| old.exported);
            locals.insert(name.to_owned(), old);
            let local = Variable { exported, ..Variable::default() };
            self.state.variables.insert(name.to_owned(), local);
        }
        Ok(())
    }

    fn is_local_of_a_caller(&self, name: &str) -> bool {
        self.state.locals.iter().rev().skip(1).any(|locals| locals.contains_key(name))
    }

    /// `unset`: a variable, or the function of its name where there is none.
    fn unset_of_bash(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let (variables, functions, names) = match arguments.split_first() {
            Some((option, names)) if option == b"-f" => (false, true, names),
            Some((option, names)) if option == b"-v" => (true, false, names),
            Some((option, names)) if option == b"--" => (true, true, names),
            Some((option, _)) if option.starts_with(b"-") => {
                let shown = String::from_utf8_lossy(option).into_owned();
                return Err(self.unsupported(format!("`unset {shown}`")));
            }
            _ => (true, true, arguments),
        };
        for name in names {
            let name = self.checked_name("unset", String::from_utf8_lossy(name).into_owned())?;
            let is_local =
                self.state.locals.last().is_some_and(|locals| locals.contains_key(&name));
            let is_hidden = !is_local && self.is_local_of_a_caller(&name);
            match self.state.variables.get(&name) {
                Some(variable) if variables => {
                    // The variable that this one hides would be there again.
                    if variable.read_only || is_hidden || self.state.prefixed.contains(&name) {
                        return Err(self.unsupported(format!("`unset {name}` in bash")));
                    }
                    self.state.variables.remove(&name);
                }
                _ if functions => drop(self.state.functions.remove(&name)),
                _ => {}
            }
        }
        Ok(0)
    }

    /// `type`: what it says is bash's own, its status and `-t` are not.
    fn type_of_bash(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        if let [option, name] = arguments
            && option == b"-t"
        {
            let search = self.state.get("PATH").cloned().unwrap_or_default();
            let kind = match name.as_slice() {
                name if self.is_reserved_by_bash(name) || crate::syntax::is_reserved(name) => {
                    "keyword"
                }
                name if self.function(name).is_some() => "function",
                name if super::is_special(name) || self.has_builtin(name) => "builtin",
                name if self.world.find(&self.sought(name), &search).is_some() => "file",
                _ => return Ok(1),
            };
            self.write(1, format!("{kind}\n").as_bytes())?;
            return Ok(0);
        }
        if arguments.iter().any(|word| word.starts_with(b"-")) {
            return Err(self.unsupported("`type` with options in bash"));
        }
        let mut status = 0;
        for name in arguments {
            self.check_described(std::slice::from_ref(name), true)?;
            if self.describe(std::slice::from_ref(name), true)? != 0 {
                let shown = String::from_utf8_lossy(name).into_owned();
                self.complain(&format!("type: {shown}: not found"))?;
                status = 1;
            }
        }
        Ok(status)
    }

    /// The name of a signal, which bash knows with `SIG` too.
    pub(super) fn signal<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        if self.is_bash() { without_prefix(name) } else { name }
    }

    /// A command as the world looks for it: a path is absolute.
    fn sought(&self, name: &[u8]) -> Vec<u8> {
        if name.contains(&b'/') { self.state.absolute(name) } else { name.to_vec() }
    }
}

fn without_prefix(name: &[u8]) -> &[u8] {
    match name {
        [prefix @ .., _] if prefix.len() >= 3 && name[..3].eq_ignore_ascii_case(b"SIG") => {
            &name[3..]
        }
        name => name,
    }
}

/// A decimal number that nothing else can be.
fn is_plain(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    (1..=18).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && (digits == b"0" || digits[0] != b'0')
}

/// A text with its backslashes read, and whether `\c` ended it; nothing if it has some that are not
/// implemented.
fn escaped(text: &[u8]) -> Option<(Vec<u8>, bool)> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((&byte, others)) = rest.split_first() {
        rest = others;
        let letter = match (byte, rest.first()) {
            (b'\\', Some(letter)) => *letter,
            _ => {
                out.push(byte);
                continue;
            }
        };
        rest = &rest[1..];
        match letter {
            letter if let Some(byte) = control(letter) => out.push(byte),
            b'c' => return Some((out, true)),
            b'e' | b'E' => out.push(0x1b),
            b'\\' => out.push(b'\\'),
            b'0' => out.push(number(&mut rest, 8, 3)),
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
                out.push(number(&mut rest, 16, 2));
            }
            b'u' | b'U' | b'x' => return None,
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
    }
    Some((out, false))
}

/// The value of up to so many digits, as a byte.
fn number(rest: &mut &[u8], radix: u32, most: usize) -> u8 {
    let mut value = 0;
    for _ in 0..most {
        let Some(digit) = rest.first().and_then(|byte| char::from(*byte).to_digit(radix)) else {
            break;
        };
        *rest = &rest[1..];
        value = value * radix + digit;
    }
    u8::try_from(value & 0xff).unwrap_or_default()
}

/// Whether bash's `printf` does with these words what dash's does.
fn is_plain_printf(arguments: &[Vec<u8>]) -> bool {
    let (format, values) = match arguments {
        [dashes, format, values @ ..] if dashes == b"--" => (format, values),
        [format, values @ ..] if !format.starts_with(b"-") => (format, values),
        _ => return false,
    };
    let has_plain_escapes = |text: &[u8]| {
        let mut bytes = text.iter();
        while let Some(byte) = bytes.next() {
            if *byte == b'\\' && bytes.next().is_none_or(|next| b"xuUcE\"'?".contains(next)) {
                return false;
            }
        }
        true
    };
    let mut letters = Vec::new();
    let mut bytes = format.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            continue;
        }
        let mut flags = bytes.by_ref().skip_while(|byte| b"-0 .123456789".contains(byte));
        match flags.next() {
            Some(b'%') => {}
            Some(letter) if b"bdioqsuxX".contains(letter) => letters.push(*letter),
            _ => return false,
        }
    }
    let is_fit = |(at, value): (usize, &Vec<u8>)| match letters.get(at % letters.len().max(1)) {
        Some(b's') | None => true,
        Some(b'b') => has_plain_escapes(value),
        // What else there is stands in `$'...'`.
        Some(b'q') => value.iter().all(|byte| matches!(byte, b' '..=b'~')),
        Some(_) => is_plain(value),
    };
    has_plain_escapes(format) && values.iter().enumerate().all(is_fit)
}

/// Whether bash's `trap` does with these words what dash's does.
fn is_plain_trap(arguments: &[Vec<u8>]) -> bool {
    let words = match arguments {
        [dashes, words @ ..] if dashes == b"--" => words,
        words => words,
    };
    let known = |name: &Vec<u8>| super::control::condition(without_prefix(name)).is_some();
    match words {
        [] => false,
        [action, ..] if action.starts_with(b"-") && action != b"-" => false,
        [name] => known(name),
        [_, names @ ..] => names.iter().all(known),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::state::is_special;
    use super::*;

    #[test]
    fn names_of_variables_of_bash_are_known() {
        for name in ["_", "UID", "BASH", "BASH_VERSION", "COMP_LINE", "RANDOM", "OPTIND"] {
            assert!(is_special(name), "{name}");
        }
        for name in ["PATH", "IFS", "HOME", "PWD", "x", "RANDOMX", "uid"] {
            assert!(!is_special(name), "{name}");
        }
    }

    /// bash(1), `printf` and `trap`: what dash and bash read alike.
    #[test]
    fn words_that_both_read_alike_are_told_apart() {
        let words = |text: &str| -> Vec<Vec<u8>> {
            text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
        };
        let plain = |text: &str| is_plain_printf(&words(text));
        for text in ["%s\\n a b", "-- %s", "x", "%-5s|%05d a 1 b -2", "%b a\\tb", "%%", "a\\101"] {
            assert!(plain(text), "{text}");
        }
        for text in [
            "-v x y",
            "%q \u{e4}",
            "%*s 1 a",
            "%d x",
            "%d 010",
            "%c a",
            "%b \\x41",
            "\\x41",
            "a\\",
            "%",
            "%5",
            "%s%d a b",
            "%+d 1",
            "%f 1",
        ] {
            assert!(!plain(text), "{text}");
        }
        let plain = |text: &str| is_plain_trap(&words(text));
        for text in ["x EXIT", "- INT", "-- x 0", "x SIGHUP sigterm", "INT"] {
            assert!(plain(text), "{text}");
        }
        for text in ["-p", "-l", "x ERR", "x DEBUG", "x RETURN", "x"] {
            assert!(!plain(text), "{text}");
        }
        assert!(!is_plain_trap(&[]));
    }
}
