//! Aliases: a script defines them between its commands, and what follows knows them.

use super::{Fault, Shell, parse, stop_of};
use crate::stop::Stop;
use crate::syntax::{self, AndOr, CommandKind, Dialect, List, Word};
use crate::world::World;

/// The line and the words of a command that defines aliases, where it stands alone.
fn definitions(item: &AndOr) -> Option<(u32, &[Word])> {
    let [command] = item.first.commands.as_slice() else { return None };
    let CommandKind::Simple { assignments, words } = &command.kind else { return None };
    let is_alone = item.rest.is_empty()
        && !item.background
        && !item.first.negated
        && assignments.is_empty()
        && command.redirections.is_empty();
    let (name, words) = words.split_first()?;
    (is_alone && name.as_name() == Some("alias") && !words.is_empty())
        .then_some((command.line, words))
}

impl<W: World> Shell<'_, W> {
    /// Runs the commands of a script in their order. dash reads on when a line has run: what stands behind an
    /// alias is parsed with it.
    pub(super) fn whole(&mut self, text: &[u8], mut list: List) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(item) = list.items.get(at) {
            at += 1;
            match definitions(item).filter(|_| self.state.dialect == Dialect::Posix) {
                None => self.and_or(item, false)?,
                Some((line, words)) => {
                    self.line = line;
                    self.step()?;
                    self.define(line, words)?;
                    list = syntax::parse_with(&self.state.aliases, text, self.limits.syntax)
                        .map_err(|source| stop_of(source, &self.script))?;
                }
            }
        }
        Ok(())
    }

    fn define(&mut self, line: u32, words: &[Word]) -> Result<(), Fault> {
        for word in self.expand_all(words)? {
            if !self.state.aliases.define(&word, line, self.limits.syntax) {
                let word = String::from_utf8_lossy(&word);
                return Err(self.unsupported(format!("`alias {word}`")));
            }
        }
        self.state.status = 0;
        Ok(())
    }

    /// Parses a text that is read now, when all aliases are there.
    pub(super) fn parse_now(&self, text: &[u8], script: &str) -> Result<List, Stop> {
        match self.state.dialect {
            Dialect::Posix => {
                let aliases = self.state.aliases.everywhere();
                syntax::parse_with(&aliases, text, self.limits.syntax)
                    .map_err(|source| stop_of(source, script))
            }
            dialect => parse(dialect, text, script, self.limits),
        }
    }
}
