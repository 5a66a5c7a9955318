//! Builtins about processes, of which there are none: what `&` starts has ended before the next command.

use super::super::{Fault, PROCESS_ID, Shell};
use crate::world::World;

/// What `ulimit` answers until a script says another: the soft limits that Linux starts with
/// (`include/asm-generic/resource.h`), in the units of the builtin.
const LIMITS: [(u8, &str); 7] = [
    (b'c', "0"),
    (b'd', "unlimited"),
    (b'f', "unlimited"),
    (b'n', "1024"),
    (b's', "8192"),
    (b't', "unlimited"),
    (b'v', "unlimited"),
];

impl<W: World> Shell<'_, W> {
    /// Remembers what a command came to that `&` ran: it has a number, as a process would.
    pub(in super::super) fn remember_background(&mut self, status: u8) {
        let number = PROCESS_ID + 1 + self.state.background.len();
        self.state.background.insert(number, status);
    }

    /// `wait`: all has ended, and the status of each that `&` started is known.
    pub(super) fn wait(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let mut status = 0;
        for word in arguments {
            let shown = String::from_utf8_lossy(word).into_owned();
            let Ok(number) = shown.parse::<usize>() else {
                return Err(self.unsupported(format!("`wait {shown}`")));
            };
            status = match self.state.background.get(&number) {
                Some(status) => *status,
                None => {
                    if self.is_bash() {
                        let why = format!("wait: pid {shown} is not a child of this shell");
                        self.complain(&why)?;
                    }
                    127
                }
            };
        }
        Ok(status)
    }

    /// `kill`: there is no process but the shell's own.
    pub(super) fn kill(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let words: Vec<_> = arguments.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let unsupported =
            |shell: &Self| Err(shell.unsupported(format!("`kill {}`", words.join(" "))));
        let (signal, numbers) = match arguments {
            [option, signal, numbers @ ..] if option == b"-s" => (signal.as_slice(), numbers),
            [option, numbers @ ..] if option.len() > 1 && option.starts_with(b"-") => {
                (&option[1..], numbers)
            }
            numbers => (&b"TERM"[..], numbers),
        };
        if arguments.is_empty() && !self.is_bash() {
            self.complain("kill: Usage: kill [-s sigspec | -signum | -sigspec] [pid | job]... or\nkill -l [exitstatus]")?;
            return Ok(2);
        }
        let name = signal.strip_prefix(b"SIG").filter(|_| self.is_bash()).unwrap_or(signal);
        if super::control::condition(name).is_none() || numbers.is_empty() {
            return unsupported(self);
        }
        let mut status = 0;
        for word in numbers {
            let shown = String::from_utf8_lossy(word).into_owned();
            let number = shown.parse::<usize>().ok().filter(|number| *number > 1);
            match number {
                Some(PROCESS_ID) if signal == b"0" => {}
                Some(number)
                    if number != PROCESS_ID && !self.state.background.contains_key(&number) =>
                {
                    status = 1;
                    match self.is_bash() {
                        true => self.complain(&format!("kill: ({shown}) - No such process"))?,
                        false => self.complain("kill: No such process\n")?,
                    }
                }
                _ => return unsupported(self),
            }
        }
        Ok(status)
    }

    /// `ulimit` of one limit: it is answered, or set for the commands that follow, none of which meets it.
    pub(super) fn ulimit(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let words: Vec<_> = arguments.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let (mut letter, mut value) = (None, None);
        let mut is_known = true;
        for word in arguments {
            match word.split_first() {
                Some((b'-', letters)) if !letters.is_empty() && value.is_none() => {
                    for given in letters.iter().filter(|given| **given != b'S') {
                        is_known &= letter.replace(*given).is_none();
                    }
                }
                _ => is_known &= value.replace(word.as_slice()).is_none(),
            }
        }
        let letter = letter.unwrap_or(b'f');
        let limit = LIMITS.iter().find(|(known, _)| *known == letter);
        let is_value = |value: &&[u8]| {
            *value == b"unlimited" || (!value.is_empty() && value.iter().all(u8::is_ascii_digit))
        };
        let (Some((_, usual)), true) = (limit, is_known && value.as_ref().is_none_or(is_value))
        else {
            return Err(self.unsupported(format!("`ulimit {}`", words.join(" "))));
        };
        match value {
            Some(value) => {
                let text = String::from_utf8_lossy(value).into_owned();
                self.state.bounds.insert(letter, text);
            }
            None => {
                let text = self.state.bounds.get(&letter).map_or(*usual, String::as_str);
                let line = format!("{text}\n");
                self.write(1, line.as_bytes())?;
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use crate::evaluation::{Limits, Start, evaluate};
    use crate::memory::Memory;

    /// The limits that a script has set none of.
    #[test]
    fn limits_are_those_that_linux_starts_with() {
        let script = b"ulimit -c; ulimit -n; ulimit -s; ulimit";
        let start = Start::default();
        let found = evaluate(script, start, &mut Memory::default(), Limits::default()).unwrap();
        assert_eq!(found.output, b"0\n1024\n8192\nunlimited\n");
    }
}
