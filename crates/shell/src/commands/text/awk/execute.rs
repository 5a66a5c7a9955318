//! Statements and rules of awk (XCU `awk`, "Actions" and "Patterns").

use super::machine::{Machine, Read};
use super::syntax::{ENVIRON, Expr, OFMT, OFS, ORS, Output, Pattern, Place, Rule, Slot, Statement};
use super::value::Value;
use crate::stop::Stop;
use crate::world::Files;

/// Where a program goes on behind a statement.
enum Flow {
    Go,
    Break,
    Continue,
    Next,
    Exit,
    Return(Value),
}

/// The status of a program whose file can't be read.
const FATAL: u8 = 2;

/// Which of the 64 lists of a small table of mawk an index is in: that of its FNV-1a hash.
fn list_of(index: &[u8]) -> u32 {
    let hash = index
        .iter()
        .fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619));
    hash % 64
}

impl<F: Files> Machine<'_, '_, F> {
    /// Runs all rules; answers the exit status.
    pub(super) fn run(&mut self) -> Result<u8, Stop> {
        let program = self.program;
        let of = |wanted: fn(&Pattern) -> bool| {
            program.rules.iter().filter(move |rule| wanted(&rule.pattern))
        };
        let is_main = |pattern: &Pattern| !matches!(pattern, Pattern::Begin | Pattern::End);
        let mut is_over = self.all(of(|pattern| matches!(pattern, Pattern::Begin)))?;
        let reads = of(|pattern| !matches!(pattern, Pattern::Begin)).next().is_some();
        while reads && !is_over {
            match self.read()? {
                Read::Record => is_over = self.all(of(is_main))?,
                Read::End => break,
                Read::Failed => return Ok(FATAL),
            }
        }
        // `exit` ends the input, not this.
        self.all(of(|pattern| matches!(pattern, Pattern::End)))?;
        Ok(self.status)
    }

    /// Runs rules for a record; true if the program is over.
    fn all<'r>(&mut self, rules: impl Iterator<Item = &'r Rule>) -> Result<bool, Stop> {
        for rule in rules {
            if !self.selects(&rule.pattern)? {
                continue;
            }
            let flow = match &rule.action {
                Some(statements) => self.statements(statements)?,
                None => self.print(&[], Output::Standard)?,
            };
            match flow {
                Flow::Go => {}
                Flow::Next => return Ok(false),
                Flow::Exit => return Ok(true),
                Flow::Break | Flow::Continue | Flow::Return(_) => {
                    return Err(self.unsupported("`break` or `continue` of no loop"));
                }
            }
        }
        Ok(false)
    }

    fn selects(&mut self, pattern: &Pattern) -> Result<bool, Stop> {
        match pattern {
            Pattern::Begin | Pattern::End | Pattern::All => Ok(true),
            Pattern::Expr(expr) => self.holds(expr),
            Pattern::Range(first, last, number) => {
                if !self.ranges[*number] && !self.holds(first)? {
                    return Ok(false);
                }
                // It may end with the record that it begins with.
                self.ranges[*number] = !self.holds(last)?;
                Ok(true)
            }
        }
    }

    /// Runs the body of a function; answers what it returns.
    pub(super) fn run_function(&mut self, body: &[Statement]) -> Result<Value, Stop> {
        match self.statements(body)? {
            Flow::Go => Ok(Value::Unset),
            Flow::Return(value) => Ok(value),
            Flow::Break | Flow::Continue => {
                Err(self.unsupported("`break` or `continue` of no loop"))
            }
            Flow::Next | Flow::Exit => Err(self.unsupported("`next` or `exit` in a function")),
        }
    }

    fn statements(&mut self, statements: &[Statement]) -> Result<Flow, Stop> {
        for statement in statements {
            match self.statement(statement)? {
                Flow::Go => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Go)
    }

    fn statement(&mut self, statement: &Statement) -> Result<Flow, Stop> {
        self.count(0)?;
        match statement {
            Statement::Block(statements) => return self.statements(statements),
            Statement::Expr(expr) => drop(self.eval(expr)?),
            Statement::If(condition, then, otherwise) => {
                return match (self.holds(condition)?, otherwise) {
                    (true, _) => self.statement(then),
                    (false, Some(otherwise)) => self.statement(otherwise),
                    (false, None) => Ok(Flow::Go),
                };
            }
            Statement::While(condition, body) => {
                return self.repeat(Some(condition), None, body, true);
            }
            Statement::Do(body, condition) => {
                return self.repeat(Some(condition), None, body, false);
            }
            Statement::For(first, condition, step, body) => {
                if let Some(first) = first {
                    self.statement(first)?;
                }
                return self.repeat(condition.as_ref(), step.as_deref(), body, true);
            }
            Statement::ForIn(place, array, body) => return self.for_each(place, *array, body),
            Statement::Print(values, output) => return self.print(values, *output),
            Statement::Printf(values, output) => {
                let mut all = Vec::new();
                for value in values {
                    all.push(self.eval(value)?);
                }
                let format = self.text(&all[0])?;
                let text = self.formatted(&format, &all[1..])?;
                self.write(&text, *output == Output::Errors)?;
            }
            Statement::Delete(array, None) => self.array(*array)?.borrow_mut().clear(),
            Statement::Delete(array, Some(index)) => {
                let index = self.element_index(index)?;
                self.array(*array)?.borrow_mut().remove(&index);
            }
            Statement::Next => return Ok(Flow::Next),
            Statement::Exit(status) => {
                if let Some(status) = status {
                    self.status = self.exit_status(status)?;
                }
                return Ok(Flow::Exit);
            }
            Statement::Return(value) => {
                return Ok(Flow::Return(match value {
                    Some(value) => self.eval(value)?,
                    None => Value::Unset,
                }));
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Go)
    }

    /// What `exit` says: the low 8 bits of a whole number.
    fn exit_status(&mut self, status: &Expr) -> Result<u8, Stop> {
        let status = self.eval_number(status)?.trunc();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is in range"
        )]
        match (0.0..=255.0).contains(&status) {
            true => Ok(status as u8),
            false => Err(self.unsupported(format!("the exit status {status}"))),
        }
    }

    /// A loop: its condition is asked before each turn, or behind it.
    fn repeat(
        &mut self,
        condition: Option<&Expr>,
        step: Option<&Statement>,
        body: &Statement,
        asks_first: bool,
    ) -> Result<Flow, Stop> {
        let mut asks = asks_first;
        loop {
            self.count(0)?;
            if let (true, Some(condition)) = (asks, condition)
                && !self.holds(condition)?
            {
                return Ok(Flow::Go);
            }
            asks = true;
            match self.statement(body)? {
                Flow::Go | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Go),
                flow => return Ok(flow),
            }
            if let Some(step) = step {
                self.statement(step)?;
            }
        }
    }

    /// `for (k in a)`, in the order in which mawk has its elements. The environment is a set for every awk, whose
    /// order differs from machine to machine: here it is that of the names.
    fn for_each(&mut self, place: &Place, array: Slot, body: &Statement) -> Result<Flow, Stop> {
        let mut indices: Vec<Vec<u8>> = self.array(array)?.borrow().keys().cloned().collect();
        match array == Slot::Global(ENVIRON) {
            true => indices.sort(),
            false => self.order(&mut indices)?,
        }
        for index in indices {
            self.write_place(place, Value::text_of(&index))?;
            match self.statement(body)? {
                Flow::Go | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Go),
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Go)
    }

    /// Sorts indices as mawk has them: by the list of its table in which each is. Within one list the order
    /// follows from what a program did before, and a larger array has a larger table: both are refused, and
    /// so is another awk.
    fn order(&self, indices: &mut [Vec<u8>]) -> Result<(), Stop> {
        if indices.len() < 2 {
            return Ok(());
        }
        let awk = self.files.real_path(b"/usr/bin/awk").unwrap_or_default();
        let is_other =
            [&b"gawk"[..], b"original-awk", b"busybox"].iter().any(|name| awk.ends_with(name));
        indices.sort_by_key(|index| list_of(index));
        let is_shared = indices.windows(2).any(|two| list_of(&two[0]) == list_of(&two[1]));
        match is_other || is_shared {
            true => Err(self.unsupported("the order of these elements of an array")),
            false => Ok(()),
        }
    }

    fn print(&mut self, values: &[Expr], output: Output) -> Result<Flow, Stop> {
        let mut parts = Vec::new();
        for value in values {
            let value = self.eval(value)?;
            let conversion = self.special(OFMT)?;
            parts.push(self.told(value.text(&conversion))?);
        }
        if values.is_empty() {
            let record = self.field(&Value::Number(0.0))?;
            parts.push(self.text(&record)?);
        }
        let parts: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
        let (between, end) = (self.special(OFS)?, self.special(ORS)?);
        let line = [&parts.join(&between[..])[..], &end[..]].concat();
        self.write(&line, output == Output::Errors)?;
        Ok(Flow::Go)
    }
}
