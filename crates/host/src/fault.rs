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

/// Whose fault an error is, when it is taken for that of the definition: if the machine refused something
/// underneath (no permission, no space, a disk that fails), the machine's. What is missing, or is no file,
/// was named wrongly.
#[must_use]
pub fn of_the_machine(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{
        InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, UnexpectedEof,
    };
    let named =
        [InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, UnexpectedEof];
    let mut cause = Some(error);
    while let Some(error) = cause {
        let refused = error.downcast_ref::<std::io::Error>();
        // Only what the system said: decoders make errors of this type, too.
        let said = |error: &&std::io::Error| {
            error.raw_os_error().is_some() || error.kind() == std::io::ErrorKind::OutOfMemory
        };
        if refused.filter(said).is_some_and(|error| !named.contains(&error.kind())) {
            return true;
        }
        cause = error.source();
    }
    false
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

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("a decoder")]
    struct Decoder(#[source] io::Error);

    #[test]
    fn what_the_system_refused_is_of_the_machine() {
        let system = |number: Errno| io::Error::from_raw_os_error(number.raw_os_error());
        for (error, expected) in [
            (system(Errno::IO), true),
            (system(Errno::NOSPC), true),
            (system(Errno::ACCESS), true),
            (system(Errno::MFILE), true),
            (io::ErrorKind::OutOfMemory.into(), true),
            (system(Errno::NOENT), false),
            (system(Errno::ISDIR), false),
            (io::ErrorKind::UnexpectedEof.into(), false),
            (io::Error::other("no such magic number"), false),
            (io::ErrorKind::InvalidData.into(), false),
        ] {
            let words = error.to_string();
            assert_eq!(of_the_machine(&Decoder(error)), expected, "{words}");
        }
    }
}
