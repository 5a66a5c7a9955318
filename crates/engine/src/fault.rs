//! Whose fault an error is, and what to do next.
//!
//! Every error of this crate answers both; the command line turns the first into its exit code and
//! prints the second as `hint:`.

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The question was answered with no: verification, comparison, a boot expectation.
    Negative,
    /// The definition, the lock or the command line.
    Definition,
    /// The machine: network, disk, a missing tool.
    Environment,
    /// cvmkit itself.
    Bug,
}

/// What every error of this crate can say beyond its message.
pub trait Diagnosis: std::error::Error {
    /// Whose fault it is.
    fn fault(&self) -> Fault;

    /// The next step, when there is one to suggest.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// The nearest of `known` to a misspelt word, if one is near enough to be what was meant.
#[must_use]
pub fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// An error and what caused it, in one line.
#[must_use]
pub fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !parts.contains(&words) {
            parts.push(words);
        }
        cause = error.source();
    }
    parts.join(": ").lines().map(str::trim).collect::<Vec<_>>().join("; ")
}
