//! Rules, functions and statements of awk (XCU `awk`, "Grammar").

use std::collections::BTreeMap;

use super::cursor::Parser;
use super::expressions::Scope;
use super::lexer::{Keyword, Token, tokens};
use super::syntax::{Expr, Output, Pattern, Place, Program, Rule, SPECIAL, Statement};

/// Parses a program.
///
/// # Errors
/// What is no program, or is not implemented: the line and the words.
pub(super) fn parse(text: &[u8]) -> Result<Program, String> {
    let tokens = tokens(text)?;
    let mut parser = Parser::new(&tokens);
    parser.declare_functions();
    parser.items()?;
    parser.finish()
}

impl Parser<'_> {
    fn items(&mut self) -> Result<(), String> {
        loop {
            self.skip_ends();
            match self.peek() {
                None => return Ok(()),
                Some(Token::Keyword(Keyword::Function)) => self.function()?,
                Some(_) => {
                    let rule = self.rule()?;
                    self.program.rules.push(rule);
                }
            }
        }
    }

    fn function(&mut self) -> Result<(), String> {
        self.next();
        let Some(Token::Call(name) | Token::Name(name)) = self.next() else {
            return Err(self.wrong("a function without a name"));
        };
        let number = self.function_number(name)?;
        self.expect("(")?;
        let mut names = BTreeMap::new();
        while !self.take(")") {
            let Some(Token::Name(parameter)) = self.next() else {
                return Err(self.wrong("what is no parameter"));
            };
            let next = names.len();
            if names.insert(parameter.clone(), next).is_some()
                || SPECIAL.contains(&parameter.as_str())
            {
                return Err(self.wrong(&format!("the parameter `{parameter}`")));
            }
            if self.take(",") {
                self.skip_newlines();
            }
        }
        self.enter(number, names);
        self.skip_newlines();
        let body = self.block()?;
        self.leave();
        self.program.functions[number].body = body;
        Ok(())
    }

    fn rule(&mut self) -> Result<Rule, String> {
        let pattern = match self.peek() {
            Some(Token::Keyword(Keyword::Begin)) => {
                self.next();
                Pattern::Begin
            }
            Some(Token::Keyword(Keyword::End)) => {
                self.next();
                Pattern::End
            }
            _ if self.is("{") => Pattern::All,
            _ => {
                let first = self.expr(Scope::WHOLE)?;
                if self.take(",") {
                    self.skip_newlines();
                    self.program.ranges += 1;
                    let last = self.expr(Scope::WHOLE)?;
                    Pattern::Range(first, last, self.program.ranges - 1)
                } else {
                    Pattern::Expr(first)
                }
            }
        };
        let action = if self.is("{") { Some(self.block()?) } else { None };
        match (&pattern, &action) {
            (Pattern::Begin | Pattern::End, None) => {
                Err(self.wrong("a pattern without its action"))
            }
            _ => Ok(Rule { pattern, action }),
        }
    }

    fn block(&mut self) -> Result<Vec<Statement>, String> {
        self.expect("{")?;
        let mut statements = Vec::new();
        loop {
            self.skip_ends();
            if self.take("}") {
                return Ok(statements);
            }
            let statement = self.deeper(Self::statement)?;
            statements.push(statement);
        }
    }

    /// What ends a simple statement; a brace only has to come.
    fn end(&mut self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(Token::Newline | Token::Symbol(";")) => {
                self.at += 1;
                Ok(())
            }
            Some(Token::Symbol("}")) => Ok(()),
            Some(_) => Err(self.wrong("what is behind a statement")),
        }
    }

    /// The statement of a loop or a condition; a semicolon alone does nothing.
    fn body(&mut self) -> Result<Box<Statement>, String> {
        self.skip_newlines();
        if self.take(";") {
            return Ok(Box::new(Statement::Block(Vec::new())));
        }
        self.deeper(Self::statement).map(Box::new)
    }

    fn statement(&mut self) -> Result<Statement, String> {
        if self.is("{") {
            return self.block().map(Statement::Block);
        }
        let Some(Token::Keyword(keyword)) = self.peek() else {
            let statement = self.simple()?;
            self.end()?;
            return Ok(statement);
        };
        let statement = match keyword {
            Keyword::If => return self.condition(),
            Keyword::For => return self.for_loop(),
            Keyword::While => {
                self.next();
                let condition = self.parenthesized()?;
                return Ok(Statement::While(condition, self.body()?));
            }
            Keyword::Do => {
                self.next();
                let body = self.body()?;
                self.skip_ends();
                if !self.take_keyword(Keyword::While) {
                    return Err(self.wrong("`do` without its `while`"));
                }
                Statement::Do(body, self.parenthesized()?)
            }
            Keyword::Next | Keyword::Break | Keyword::Continue => {
                self.next();
                match keyword {
                    Keyword::Next => Statement::Next,
                    Keyword::Break => Statement::Break,
                    _ => Statement::Continue,
                }
            }
            Keyword::Exit | Keyword::Return => {
                self.next();
                let is_over =
                    matches!(self.peek(), None | Some(Token::Newline | Token::Symbol(";" | "}")));
                let value = if is_over { None } else { Some(self.expr(Scope::WHOLE)?) };
                match keyword {
                    Keyword::Exit => Statement::Exit(value),
                    _ if !self.is_in_function() => {
                        return Err(self.wrong("`return` of no function"));
                    }
                    _ => Statement::Return(value),
                }
            }
            _ => self.simple()?,
        };
        self.end()?;
        Ok(statement)
    }

    fn parenthesized(&mut self) -> Result<Expr, String> {
        self.expect("(")?;
        let expr = self.expr(Scope::WHOLE)?;
        self.expect(")")?;
        Ok(expr)
    }

    fn condition(&mut self) -> Result<Statement, String> {
        self.next();
        let condition = self.parenthesized()?;
        let then = self.body()?;
        let before = self.at;
        self.skip_ends();
        if !self.take_keyword(Keyword::Else) {
            self.at = before;
            return Ok(Statement::If(condition, then, None));
        }
        Ok(Statement::If(condition, then, Some(self.body()?)))
    }

    fn for_loop(&mut self) -> Result<Statement, String> {
        self.next();
        self.expect("(")?;
        if let (
            Some(Token::Name(name)),
            Some(Token::Keyword(Keyword::In)),
            Some(Token::Name(array)),
        ) = (self.peek(), self.peek_behind(1), self.peek_behind(2))
            && self.peek_behind(3) == Some(&Token::Symbol(")"))
        {
            self.at += 4;
            let (variable, array) = (self.variable(name), self.variable(array));
            self.set_array(array);
            return Ok(Statement::ForIn(Place::Variable(variable), array, self.body()?));
        }
        let first = if self.is(";") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(";")?;
        self.skip_newlines();
        let condition = if self.is(";") { None } else { Some(self.expr(Scope::WHOLE)?) };
        self.expect(";")?;
        self.skip_newlines();
        let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        Ok(Statement::For(first, condition, step, self.body()?))
    }

    /// A statement without others in it.
    fn simple(&mut self) -> Result<Statement, String> {
        match self.peek() {
            Some(Token::Keyword(keyword @ (Keyword::Print | Keyword::Printf))) => {
                self.next();
                self.print(*keyword == Keyword::Printf)
            }
            Some(Token::Keyword(Keyword::Delete)) => {
                self.next();
                let Some(Token::Name(name)) = self.next() else {
                    return Err(self.wrong("`delete` without an array"));
                };
                let array = self.variable(name);
                self.set_array(array);
                let index = match self.take("[") {
                    true => Some(self.list("]")?),
                    false => None,
                };
                Ok(Statement::Delete(array, index))
            }
            _ => self.expr(Scope::WHOLE).map(Statement::Expr),
        }
    }

    fn print(&mut self, is_format: bool) -> Result<Statement, String> {
        let is_over = |parser: &Self| {
            matches!(
                parser.peek(),
                None | Some(Token::Newline | Token::Symbol(";" | "}" | ">" | ">>" | "|"))
            )
        };
        let mut values = Vec::new();
        if !is_over(self) {
            values.push(self.expr(Scope::PRINTED)?);
            while self.take(",") {
                self.skip_newlines();
                values.push(self.expr(Scope::PRINTED)?);
            }
        }
        // `print (a, b)` prints two values.
        if let [Expr::List(_)] = values.as_slice()
            && let Some(Expr::List(inner)) = values.pop()
        {
            values = inner;
        }
        if values.iter().any(|value| matches!(value, Expr::List(_))) {
            return Err(self.wrong("a list"));
        }
        let output = match self.peek() {
            Some(Token::Symbol(">")) => {
                self.next();
                match self.next() {
                    Some(Token::Text(path)) if path == b"/dev/stderr" => Output::Errors,
                    Some(Token::Text(path)) if path == b"/dev/stdout" => Output::Standard,
                    _ => return Err(self.wrong("output to a file")),
                }
            }
            Some(Token::Symbol(">>" | "|")) => {
                return Err(self.wrong("output to a file or a program"));
            }
            _ => Output::Standard,
        };
        match (is_format, values.is_empty()) {
            (true, true) => Err(self.wrong("`printf` without a format")),
            (true, false) => Ok(Statement::Printf(values, output)),
            (false, _) => Ok(Statement::Print(values, output)),
        }
    }
}
