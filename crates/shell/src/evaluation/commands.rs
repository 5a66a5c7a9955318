//! Commands (XCU 2.9): lists, pipelines, compound and simple commands.

use std::cell::RefCell;
use std::rc::Rc;

use super::descriptors::Descriptor;
use super::state::{Getopts, Variable};
use super::{Fault, Shell, builtins};
use crate::syntax::{
    AndOr, Assignment, Command, CommandKind, Connector, List, Pipeline, Redirection, Word,
};
use crate::world::{Invocation, World};

impl<W: World> Shell<'_, W> {
    /// Runs commands in their order. `tested` is true where a status is asked for: `set -e` does not
    /// count there.
    pub(super) fn list(&mut self, list: &List, tested: bool) -> Result<(), Fault> {
        for item in &list.items {
            self.and_or(item, tested)?;
        }
        Ok(())
    }

    pub(super) fn and_or(&mut self, item: &AndOr, tested: bool) -> Result<(), Fault> {
        if item.background {
            let status = self.subshell(|shell| shell.pipelines(item, false))?;
            self.remember_background(status);
            self.state.status = 0;
            return Ok(());
        }
        self.pipelines(item, tested)
    }

    /// Those of a list that `&&` and `||` join.
    fn pipelines(&mut self, item: &AndOr, tested: bool) -> Result<(), Fault> {
        let last = item.rest.len();
        self.pipeline(&item.first, tested || last > 0)?;
        for (at, (connector, pipeline)) in item.rest.iter().enumerate() {
            let succeeded = self.state.status == 0;
            if succeeded == (*connector == Connector::And) {
                self.pipeline(pipeline, tested || at + 1 < last)?;
            }
        }
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, tested: bool) -> Result<(), Fault> {
        let tested_within = tested || pipeline.negated;
        match pipeline.commands.as_slice() {
            [command] => self.command(command, tested_within)?,
            commands => self.piped(commands, tested_within)?,
        }
        if pipeline.negated {
            self.state.status = u32::from(self.state.status == 0);
        }
        Ok(())
    }

    /// Each command in a subshell, with what the one before it wrote.
    fn piped(&mut self, commands: &[Command], tested: bool) -> Result<(), Fault> {
        let (mut input, mut failed): (Option<Descriptor>, Option<u32>) = (None, None);
        for (at, command) in commands.iter().enumerate() {
            let is_last = at + 1 == commands.len();
            let output = Rc::new(RefCell::new(Vec::new()));
            let (sink, source) = (Descriptor::Sink(output.clone()), input.take());
            self.subshell(|shell| {
                let descriptors = &mut shell.state.descriptors.0;
                descriptors.extend(source.map(|source| (0, source)));
                if !is_last {
                    descriptors.insert(1, sink);
                }
                shell.command(command, tested)
            })?;
            failed = Some(self.state.status).filter(|status| *status != 0).or(failed);
            input = Some(Descriptor::text(output.take()));
        }
        if self.state.options.pipe_fail {
            self.state.status = failed.unwrap_or(0);
        }
        self.exit_on_error(tested)
    }

    /// `set -e` (XCU 2.15, `set`).
    fn exit_on_error(&mut self, tested: bool) -> Result<(), Fault> {
        match self.state.options.exit_on_error && !tested && self.state.status != 0 {
            true => Err(Fault::Exit),
            false => Ok(()),
        }
    }

    pub(super) fn command(&mut self, command: &Command, tested: bool) -> Result<(), Fault> {
        self.line = command.line;
        self.step()?;
        if self.state.options.no_exec {
            return Ok(());
        }
        if let CommandKind::Simple { assignments, words } = &command.kind {
            self.simple(assignments, words, &command.redirections, tested)?;
            return self.exit_on_error(tested);
        }
        let Some(before) = self.redirect(&command.redirections)? else {
            return self.exit_on_error(tested);
        };
        let ran = self.deeper(|shell| shell.compound(&command.kind, tested));
        self.put_back(before);
        ran
    }

    fn compound(&mut self, kind: &CommandKind, tested: bool) -> Result<(), Fault> {
        match kind {
            CommandKind::Simple { .. } => Ok(()),
            CommandKind::Group(list) => self.list(list, tested),
            CommandKind::Subshell(list) => {
                self.subshell(|shell| shell.list(list, tested))?;
                self.exit_on_error(tested)
            }
            CommandKind::If { branches, otherwise } => {
                for (condition, body) in branches {
                    self.list(condition, true)?;
                    if self.state.status == 0 {
                        return self.list(body, tested);
                    }
                }
                // `else` sees the status of the last condition.
                match otherwise {
                    Some(body) => self.list(body, tested),
                    None => {
                        self.state.status = 0;
                        Ok(())
                    }
                }
            }
            CommandKind::Loop { until, condition, body } => {
                self.repeat(*until, condition, body, tested)
            }
            CommandKind::For { name, words, body } => {
                let values = match words {
                    Some(words) => self.expand_all(words)?,
                    None => {
                        self.copied(self.state.size())?;
                        self.state.positional.clone()
                    }
                };
                self.for_each(name, values, body, tested)
            }
            CommandKind::Case { word, branches } => self.case(word, branches, tested),
            CommandKind::Condition(condition) => {
                self.state.status = u32::from(!self.condition(condition)?);
                self.exit_on_error(tested)
            }
            CommandKind::Function { name, body } => {
                self.check_function(name)?;
                self.state.functions.insert(name.clone(), body.clone());
                self.state.status = 0;
                Ok(())
            }
        }
    }

    fn repeat(
        &mut self,
        until: bool,
        condition: &List,
        body: &List,
        tested: bool,
    ) -> Result<(), Fault> {
        let mut status = 0;
        self.state.loops += 1;
        loop {
            self.step()?;
            let ran = self.list(condition, true);
            let holds = (self.state.status == 0) != until;
            match self.in_loop(ran)? {
                Some(false) => break,
                Some(true) => continue,
                None => {}
            }
            if !holds {
                self.state.status = status;
                break;
            }
            let ran = self.list(body, tested);
            let ended = self.in_loop(ran)?;
            status = self.state.status;
            if ended == Some(false) {
                break;
            }
        }
        self.state.loops -= 1;
        Ok(())
    }

    fn for_each(
        &mut self,
        name: &str,
        values: Vec<Vec<u8>>,
        body: &List,
        tested: bool,
    ) -> Result<(), Fault> {
        self.state.status = 0;
        self.state.loops += 1;
        for value in values {
            self.step()?;
            self.state.set(name, value).map_err(|why| self.error(&why))?;
            let ran = self.list(body, tested);
            if self.in_loop(ran)? == Some(false) {
                break;
            }
        }
        self.state.loops -= 1;
        Ok(())
    }

    /// What `break` and `continue` mean to the innermost loop: it ends (false) or goes on (true).
    fn in_loop(&mut self, ran: Result<(), Fault>) -> Result<Option<bool>, Fault> {
        match ran {
            Ok(()) => Ok(None),
            Err(Fault::Break(1)) => Ok(Some(false)),
            Err(Fault::Continue(1)) => Ok(Some(true)),
            Err(fault) => {
                self.state.loops -= 1;
                Err(match fault {
                    Fault::Break(loops) => Fault::Break(loops - 1),
                    Fault::Continue(loops) => Fault::Continue(loops - 1),
                    fault => fault,
                })
            }
        }
    }

    fn case(
        &mut self,
        word: &Word,
        branches: &[(Vec<Word>, List)],
        tested: bool,
    ) -> Result<(), Fault> {
        let text = self.expand_one(word)?;
        self.state.status = 0;
        for (patterns, body) in branches {
            for pattern in patterns {
                let pattern = self.expand_pattern(pattern)?;
                self.check_text(&pattern, &text)?;
                if self.matches(&pattern, &text)? {
                    return self.list(body, tested);
                }
            }
        }
        Ok(())
    }

    fn simple(
        &mut self,
        assignments: &[Assignment],
        words: &[Word],
        redirections: &[Redirection],
        tested: bool,
    ) -> Result<(), Fault> {
        self.substituted = None;
        let words = match self.declared(words)? {
            Some(words) => words,
            None => self.expand_all(words)?,
        };
        if words.is_empty() {
            return self.assign_only(assignments, redirections);
        }
        self.trace(&words)?;
        self.named(&words, assignments, redirections, tested)
    }

    /// Words of `export`, `readonly` and `local`: in dash each argument that reads `NAME=...` is expanded
    /// as an assignment, and not split (POSIX.1-2024, XCU 2.9.1.1, declaration utilities).
    fn declared(&mut self, words: &[Word]) -> Result<Option<Vec<Vec<u8>>>, Fault> {
        let declares = words.first().and_then(Word::as_name).is_some_and(|name| {
            (["export", "readonly", "local"].contains(&name)
                || (self.is_bash() && ["declare", "typeset"].contains(&name)))
                && self.function(name.as_bytes()).is_none()
        });
        if !declares {
            return Ok(None);
        }
        let mut expanded = Vec::new();
        for word in words {
            match word.is_assignment() {
                true => expanded.push(self.expand_one(word)?),
                false => expanded.extend(self.expand_all(std::slice::from_ref(word))?),
            }
        }
        Ok(Some(expanded))
    }

    fn assign_only(
        &mut self,
        assignments: &[Assignment],
        redirections: &[Redirection],
    ) -> Result<(), Fault> {
        let Some(before) = self.redirect(redirections)? else { return Ok(()) };
        self.put_back(before);
        for assignment in assignments {
            let value = self.expand_one(&assignment.value)?;
            self.state.set(&assignment.name, value).map_err(|why| self.error(&why))?;
        }
        // Only a substitution gives a command without a name its status (XCU 2.9.1).
        self.state.status = self.substituted.unwrap_or(0).into();
        Ok(())
    }

    /// `set -x` (XCU 2.15, `set`): nothing depends on what it prints.
    fn trace(&mut self, words: &[Vec<u8>]) -> Result<(), Fault> {
        if self.state.options.trace {
            self.check_message("set -x")?;
            let line = [b"+ ".as_slice(), &words.join(&b' '), b"\n"].concat();
            self.write(2, &line)?;
        }
        Ok(())
    }

    /// A special builtin, a function, a builtin or a command of the world, in this order (XCU 2.9.1.4).
    fn named(
        &mut self,
        words: &[Vec<u8>],
        assignments: &[Assignment],
        redirections: &[Redirection],
        tested: bool,
    ) -> Result<(), Fault> {
        let name = words.first().map(Vec::as_slice).unwrap_or_default();
        let is_exec = name == b"exec";
        let Some(before) = self.redirect(redirections)? else {
            // A special builtin that can't be redirected ends the shell (XCU 2.8.1).
            return match (builtins::is_special(name), self.is_bash()) {
                (true, true) if is_exec => Err(self.unsupported("`exec` after its error in bash")),
                (true, false) => Err(Fault::Error),
                _ => Ok(()),
            };
        };
        let function = self.function(name);
        let ran = if builtins::is_special(name) {
            self.check_prefixes(name, assignments)?;
            for assignment in assignments {
                let value = self.expand_one(&assignment.value)?;
                self.state.set(&assignment.name, value).map_err(|why| self.error(&why))?;
                // The command that `exec` becomes has them, as it would have without `exec`.
                if let Some(variable) = self.state.variables.get_mut(&assignment.name) {
                    variable.exported |= is_exec && words.len() > 1;
                }
            }
            self.builtin(words, tested)
        } else {
            let saved = self.assign_for_now(assignments)?;
            let ran = match function {
                Some(body) => self.call_with(&body, words, assignments, tested),
                None if self.has_builtin(name) => self.regular(words, tested),
                None => self.external(words),
            };
            self.restore(saved);
            ran
        };
        // `exec` without a command keeps its redirections.
        if !is_exec {
            self.put_back(before);
        }
        ran
    }

    /// Assigns variables for one command, exported; answers what they were.
    fn assign_for_now(
        &mut self,
        assignments: &[Assignment],
    ) -> Result<Vec<(String, Option<Variable>)>, Fault> {
        let mut saved = Vec::new();
        for Assignment { name, value } in assignments {
            let value = self.expand_one(value)?;
            let old = self.state.variables.get(name).cloned();
            self.state.set(name, value).map_err(|why| self.error(&why))?;
            if let Some(variable) = self.state.variables.get_mut(name) {
                variable.exported = true;
            }
            saved.push((name.clone(), old));
        }
        Ok(saved)
    }

    fn restore(&mut self, saved: Vec<(String, Option<Variable>)>) {
        for (name, variable) in saved.into_iter().rev() {
            if name == "OPTIND"
                && let Some(index) = variable.as_ref().and_then(|variable| variable.value.as_ref())
            {
                self.state.getopts = Getopts::from_index(index).unwrap_or_default();
            }
            match variable {
                Some(variable) => self.state.variables.insert(name, variable),
                None => self.state.variables.remove(&name),
            };
        }
    }

    /// Calls a function, whose variables are exported for it alone.
    fn call_with(
        &mut self,
        body: &Command,
        words: &[Vec<u8>],
        assignments: &[Assignment],
        tested: bool,
    ) -> Result<(), Fault> {
        let outer = self.state.prefixed.len();
        self.state.prefixed.extend(assignments.iter().map(|assignment| assignment.name.clone()));
        let ran = self.call(body, words, tested);
        self.state.prefixed.truncate(outer);
        ran
    }

    /// Calls a function (XCU 2.9.5).
    fn call(&mut self, body: &Command, words: &[Vec<u8>], tested: bool) -> Result<(), Fault> {
        let arguments = words.get(1..).unwrap_or_default().to_vec();
        self.copied(self.state.positional.iter().map(|word| word.len() as u64).sum())?;
        let outer = (self.state.positional.clone(), self.state.getopts);
        self.state.set_positional(arguments);
        let loops = std::mem::take(&mut self.state.loops);
        self.state.locals.push(Default::default());
        let ran = self.deeper(|shell| shell.command(body, tested));
        self.state.loops = loops;
        (self.state.positional, self.state.getopts) = outer;
        let locals = self.state.locals.pop().unwrap_or_default();
        self.restore(locals.into_iter().collect());
        match ran {
            Err(Fault::Return) => self.exit_on_error(tested),
            ran => ran,
        }
    }

    /// A command of the world.
    pub(super) fn external(&mut self, words: &[Vec<u8>]) -> Result<(), Fault> {
        self.copied(self.state.size())?;
        let environment = self.state.environment();
        let input = self.rest(0);
        self.copied(input.len() as u64)?;
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let directory = self.state.directory.clone();
        let invocation = Invocation {
            script: &self.script,
            line: self.line,
            words,
            environment: &environment,
            directory: &directory,
            umask: self.state.umask,
            nested: 0,
            input: &input,
            output: &mut output,
            errors: &mut errors,
        };
        let ran = self.world.run(invocation)?;
        self.check_ran(words, ran.status, &errors)?;
        self.consume(0, ran.consumed);
        self.write(1, &output)?;
        if std::mem::take(&mut self.is_output_lost) {
            let name = String::from_utf8_lossy(words.first().map_or(&b""[..], |name| name));
            return Err(self.unsupported(format!("`{name}` without a descriptor 1 to write to")));
        }
        self.write(2, &errors)?;
        self.state.status = ran.status.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
