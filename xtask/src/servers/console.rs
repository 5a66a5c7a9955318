//! What a booted image said of its servers: lines of `check`, and of `ready` of the recipe `minimal`.

/// What `check` says when it has asked every server.
pub(super) const END: &str = "server: end";

/// What `ready` says when everything was started or failed.
pub(super) const READY: &str = "cvmkit: ready";

/// What a line of `check` starts with, and what is between its words.
const SERVER: &str = "server:\t";

/// The most of an answer that is kept.
const ANSWER_MAX: usize = 80;

/// What was said of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) unit: String,
    /// As `systemctl is-active` calls it.
    pub(super) state: String,
    /// The first line of what the server said.
    pub(super) text: String,
}

impl Answer {
    /// Whether the unit is active, and the answer the expected one.
    pub(super) fn is_well(&self, expected: &str) -> bool {
        self.state == "active" && self.text.contains(expected)
    }
}

/// What the console of a boot had.
#[derive(Debug, Default)]
pub(super) struct Boot {
    answers: Vec<Answer>,
    /// How many units failed, and which; none if the image did not get ready.
    pub(super) failed: Option<String>,
}

impl Boot {
    pub(super) fn parse(log: &str) -> Self {
        let mut boot = Self::default();
        for line in log.lines().map(plain) {
            if let Some((_, rest)) = line.split_once(SERVER) {
                let mut words = rest.splitn(3, '\t').map(str::to_owned);
                let mut word = || words.next().unwrap_or_default();
                let (unit, state, text) = (word(), word(), word());
                let text = text.chars().take(ANSWER_MAX).collect();
                boot.answers.push(Answer { unit, state, text });
            } else if let Some((_, rest)) = line.split_once(READY)
                && let Some((_, failed)) = rest.split_once("(failed units: ")
            {
                boot.failed = Some(failed.trim_end_matches(')').to_owned());
            }
        }
        boot
    }

    pub(super) fn answer(&self, unit: &str) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.unit == unit)
    }
}

/// A line without the codes of terminals and other control characters, but for tabs.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut signs = line.chars();
    while let Some(sign) = signs.next() {
        match sign {
            // ECMA-48, 5.4: a control sequence ends with a byte from 0x40 to 0x7e.
            '\u{1b}' if signs.as_str().starts_with('[') => {
                signs.next();
                signs.by_ref().find(|sign| ('@'..='~').contains(sign));
            }
            '\t' => plain.push(sign),
            sign if sign.is_control() => {}
            sign => plain.push(sign),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_lines_of_the_console() {
        let boot = Boot::parse(
            "[  1.0] kernel\r\n\u{1b}[0;1mserver:\tredis-server.service\tactive\t+PONG\u{1b}[0m\r\n\
             server:\ta.service\tinactive\t\r\nserver: end\r\n\
             cvmkit: ready (failed units: 1: a.service [not started])\r\n",
        );
        let answer = boot.answer("redis-server.service").unwrap();
        assert_eq!((answer.state.as_str(), answer.text.as_str()), ("active", "+PONG"));
        assert!(answer.is_well("PONG") && !answer.is_well("pong"));
        assert!(!boot.answer("a.service").unwrap().is_well(""), "not active");
        assert_eq!(boot.answer("end"), None);
        assert_eq!(boot.failed.unwrap(), "1: a.service [not started]");
        assert_eq!(Boot::parse("cvmkit: ready (failed units: 0)").failed.unwrap(), "0");
        assert_eq!(Boot::parse("server: end").failed, None);
    }
}
