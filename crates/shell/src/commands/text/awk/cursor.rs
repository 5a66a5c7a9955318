//! Where the parser stands in the tokens, and what it knows of names. Variables become slots; which of them are
//! arrays follows from how they are used.

use std::collections::BTreeMap;

use super::lexer::{Keyword, Token};
use super::syntax::{ARGV, ENVIRON, Function, Program, SPECIAL, Slot};

/// How deep expressions and statements may lie in one another, links of a chain such as `1 + 2 + 3` among them.
const DEPTH_MAX: u32 = 200;

/// A call that hands a bare variable on.
#[derive(Clone, Copy, Debug)]
struct Handed {
    /// The function whose variable it is, if it is one's.
    owner: Option<usize>,
    variable: Slot,
    called: usize,
    argument: usize,
}

/// A parser on its way.
pub(super) struct Parser<'t> {
    tokens: &'t [(Token, u32)],
    pub(super) at: usize,
    pub(super) program: Program,
    globals: BTreeMap<String, usize>,
    /// The functions' numbers.
    functions: BTreeMap<String, usize>,
    /// The parameters of the function that is read.
    locals: Option<(usize, BTreeMap<String, usize>)>,
    handed: Vec<Handed>,
    depth: u32,
}

impl<'t> Parser<'t> {
    pub(super) fn new(tokens: &'t [(Token, u32)]) -> Self {
        let mut parser = Self {
            tokens,
            at: 0,
            program: Program::default(),
            globals: BTreeMap::new(),
            functions: BTreeMap::new(),
            locals: None,
            handed: Vec::new(),
            depth: 0,
        };
        for name in SPECIAL {
            parser.variable(name);
        }
        parser.set_array(Slot::Global(ENVIRON));
        parser.set_array(Slot::Global(ARGV));
        parser
    }

    /// A call may come before the function.
    pub(super) fn declare_functions(&mut self) {
        for pair in self.tokens.windows(2) {
            if let [
                (Token::Keyword(Keyword::Function), _),
                (Token::Call(name) | Token::Name(name), _),
            ] = pair
            {
                let number = self.program.functions.len();
                if self.functions.insert(name.clone(), number).is_none() {
                    self.program.functions.push(Function::default());
                }
            }
        }
    }

    pub(super) fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    pub(super) fn peek_behind(&self, more: usize) -> Option<&'t Token> {
        self.tokens.get(self.at + more).map(|(token, _)| token)
    }

    pub(super) fn next(&mut self) -> Option<&'t Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    pub(super) fn is(&self, symbol: &str) -> bool {
        matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol)
    }

    /// Takes a symbol, if it is the next token.
    pub(super) fn take(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), String> {
        match self.take(symbol) {
            true => Ok(()),
            false => Err(self.wrong(&format!("no `{symbol}`"))),
        }
    }

    pub(super) fn take_keyword(&mut self, keyword: Keyword) -> bool {
        let found = self.peek() == Some(&Token::Keyword(keyword));
        self.at += usize::from(found);
        found
    }

    pub(super) fn wrong(&self, what: &str) -> String {
        let line = self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(_, line)| *line);
        format!("line {line}: {what} in the program")
    }

    pub(super) fn skip_newlines(&mut self) {
        while self.peek() == Some(&Token::Newline) {
            self.at += 1;
        }
    }

    pub(super) fn skip_ends(&mut self) {
        while self.peek() == Some(&Token::Newline) || self.is(";") {
            self.at += 1;
        }
    }

    /// Reads what lies one level deeper; its links are no longer levels behind it.
    pub(super) fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        let before = self.depth;
        self.link()?;
        let found = read(self);
        self.depth = before;
        found
    }

    /// Counts a level, or a link of a chain.
    pub(super) fn link(&mut self) -> Result<(), String> {
        self.depth += 1;
        match self.depth > DEPTH_MAX {
            true => Err(self.wrong(&format!("more than {DEPTH_MAX} levels"))),
            false => Ok(()),
        }
    }

    /// The slot of a variable.
    pub(super) fn variable(&mut self, name: &str) -> Slot {
        if let Some(local) = self.locals.as_ref().and_then(|(_, names)| names.get(name)) {
            return Slot::Local(*local);
        }
        let next = self.globals.len();
        let number = *self.globals.entry(name.to_owned()).or_insert(next);
        if number == next {
            self.program.globals.push((name.to_owned(), false));
        }
        Slot::Global(number)
    }

    pub(super) fn set_array(&mut self, slot: Slot) {
        let function = self.locals.as_ref().map(|(number, _)| *number);
        self.set_array_of(function, slot);
    }

    /// Answers whether that was new.
    fn set_array_of(&mut self, function: Option<usize>, slot: Slot) -> bool {
        let is_array = match (slot, function) {
            (Slot::Global(number), _) => self.program.globals.get_mut(number).map(|(_, it)| it),
            (Slot::Local(number), Some(function)) => {
                self.program.functions[function].parameters.get_mut(number)
            }
            (Slot::Local(_), None) => None,
        };
        is_array.is_some_and(|is_array| !std::mem::replace(is_array, true))
    }

    /// The number of a function.
    pub(super) fn function_number(&self, name: &str) -> Result<usize, String> {
        let unknown = || self.wrong(&format!("a call of `{name}`, which is not defined,"));
        self.functions.get(name).copied().ok_or_else(unknown)
    }

    /// Remembers that a call hands a bare variable on, which may be an array.
    pub(super) fn hand_on(&mut self, variable: Slot, called: usize, argument: usize) {
        let owner = self.locals.as_ref().map(|(number, _)| *number);
        self.handed.push(Handed { owner, variable, called, argument });
    }

    /// Reads the body of a function, which has parameters of these names.
    pub(super) fn enter(&mut self, number: usize, names: BTreeMap<String, usize>) {
        self.program.functions[number].parameters = vec![false; names.len()];
        self.locals = Some((number, names));
    }

    pub(super) fn leave(&mut self) {
        self.locals = None;
    }

    pub(super) fn is_in_function(&self) -> bool {
        self.locals.is_some()
    }

    /// Finds which variables are arrays because a function takes them for one.
    pub(super) fn finish(mut self) -> Result<Program, String> {
        loop {
            let mut is_new = false;
            for Handed { owner, variable, called, argument } in self.handed.clone() {
                if self.program.functions[called].parameters.get(argument) == Some(&true) {
                    is_new |= self.set_array_of(owner, variable);
                }
            }
            if !is_new {
                return Ok(self.program);
            }
        }
    }
}
