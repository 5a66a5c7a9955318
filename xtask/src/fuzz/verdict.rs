//! What became of one target, from what libFuzzer said.

use std::fmt;

/// What libFuzzer says when it has found counters in the program.
const COUNTERS: &str = " inline 8-bit counters)";

/// libFuzzer's count of inputs tried.
const EXECUTED: &str = "stat::number_of_executed_units:";

/// Where libFuzzer says that an input is which failed.
const WRITTEN: &str = "Test unit written to ";

/// Lines that are repeated of a target that failed.
const LAST_LINES: usize = 60;

/// What became of one target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) target: String,
    /// Whether it ended by itself.
    ended_well: bool,
    /// Whether coverage led the way.
    has_counters: bool,
    /// Inputs tried.
    executed: u64,
    /// The file of the input that failed.
    pub(super) input: Option<String>,
    /// The end of what was said.
    pub(super) last_words: String,
}

impl Verdict {
    pub(super) fn new(target: &str, code: Option<i32>, log: &str) -> Self {
        let executed = log.lines().rev().find_map(|line| line.strip_prefix(EXECUTED));
        let input = log.lines().find_map(|line| line.split_once(WRITTEN));
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
        Self {
            target: target.to_owned(),
            ended_well: code == Some(0),
            has_counters: log.lines().any(has_counters),
            executed: executed.and_then(|count| count.trim().parse().ok()).unwrap_or(0),
            input: input.map(|(_, path)| path.trim().to_owned()),
            last_words: last.join("\n"),
        }
    }

    /// A run that tried nothing, or tried it blindly, has not passed.
    pub(super) fn passed(&self) -> bool {
        self.ended_well && self.has_counters && self.executed > 0 && self.input.is_none()
    }

    /// The target, with the input that fails it or the reason.
    pub(super) fn named(&self) -> String {
        format!("{} ({})", self.target, self.why())
    }

    fn why(&self) -> &str {
        match &self.input {
            Some(input) => input,
            None if !self.has_counters => "no coverage counters",
            None => "it ended early",
        }
    }
}

/// True for `INFO: Loaded 1 modules   (1234 inline 8-bit counters): ...` with any counters.
fn has_counters(line: &str) -> bool {
    let count = line.strip_prefix("INFO: Loaded ").and_then(|line| {
        let (_, rest) = line.split_once('(')?;
        rest.split_once(COUNTERS.trim_end_matches(')'))?.0.trim().parse::<u64>().ok()
    });
    count.is_some_and(|count| count > 0)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.passed() { "ok" } else { "FAILED" };
        write!(f, "{:<18} {:>12} inputs  {word}", self.target, self.executed)?;
        if self.passed() { Ok(()) } else { write!(f, ": {}", self.why()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "INFO: Running with entropic power schedule (0xFF, 100).\n\
                        INFO: Loaded 1 modules   (14213 inline 8-bit counters): 14213 [0x1, 0x2), \n\
                        #1024 pulse\nstat::number_of_executed_units: 52011\n";

    #[test]
    fn a_run_passes_that_tried_inputs_and_saw_its_way() {
        let good = Verdict::new("pe", Some(0), GOOD);
        assert!(good.passed() && good.executed == 52_011, "{good:?}");
        let blind = Verdict::new("pe", Some(0), &GOOD.replace("14213 inline", "0 inline"));
        assert!(!blind.passed() && blind.to_string().ends_with("no coverage counters"), "{blind}");
        let idle = Verdict::new("pe", Some(0), &GOOD.replace("52011", "0"));
        assert!(!idle.passed(), "{idle}");
        assert!(!Verdict::new("pe", None, GOOD).passed());
        assert!(!Verdict::new("pe", Some(0), "").passed());
    }

    #[test]
    fn a_finding_says_where_its_input_is() {
        let log = format!("{GOOD}artifact_prefix='a/'; Test unit written to a/crash-12\nBase64: x");
        let found = Verdict::new("pe", Some(77), &log);
        assert_eq!(found.input.as_deref(), Some("a/crash-12"));
        assert!(found.to_string().ends_with("FAILED: a/crash-12"), "{found}");
        assert!(found.last_words.ends_with("Base64: x"));
        assert!(!Verdict::new("pe", Some(0), &log).passed(), "whatever the exit code is");
    }
}
