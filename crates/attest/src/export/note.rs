//! What there is to know of a document beyond its bytes.

use std::fmt;

/// What every document of a debug image has in its bytes, whatever its shape: readers of each shape
/// ignore what they don't know, so there is a place in all of them.
pub const DEBUG_MARK: &str = "DEBUG IMAGE";

/// What a document leaves out, or what its values rest on. `Display` words it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The values are those of a debug image. It is the first note of such a document.
    Debug,
    /// A CoRIM that covers several platforms: it names no profile, as there is place for one.
    SeveralPlatforms,
    /// A CoRIM without a signature: its reader must have it from a trusted place.
    Unsigned,
    /// A machine or a value: left out and why, or what it rests on.
    Value(String),
    /// What is said of machines in the same words.
    Machines {
        /// The machines in words, in the order of the reference values; at least one.
        machines: Vec<String>,
        /// What is said of each: why it has no value, or what a value rests on.
        words: String,
    },
}

impl Note {
    /// What is said of one machine, until [`each_once`] finds others of which the same is said.
    pub(super) fn of(machine: impl fmt::Display, words: String) -> Self {
        Self::Machines { machines: vec![machine.to_string()], words }
    }
}

/// The notes in their order, each once: what is said of several machines stands where it is said of the first.
pub(super) fn each_once(notes: Vec<Note>) -> Vec<Note> {
    let mut once: Vec<Note> = Vec::new();
    for note in notes {
        let Note::Machines { machines, words } = note else {
            once.push(note);
            continue;
        };
        let same = once.iter_mut().find_map(|known| match known {
            Note::Machines { machines, words: said } if *said == words => Some(machines),
            _ => None,
        });
        match same {
            Some(known) => known.extend(machines),
            None => once.push(Note::Machines { machines, words }),
        }
    }
    once
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Machines { machines, words } = self {
            return match machines.as_slice() {
                [first, rest @ ..] if !rest.is_empty() => {
                    write!(f, "{first} and {} more: {words}", rest.len())
                }
                _ => write!(f, "{}: {words}", machines.concat()),
            };
        }
        f.write_str(match self {
            Self::Debug => {
                "these are values of a DEBUG image, which may have shells and logins: no verifier in \
                 production may accept them"
            }
            Self::SeveralPlatforms => {
                "the CoRIM covers several platforms and names no profile: a verifier that goes by \
                 the profile needs one document for each platform"
            }
            Self::Unsigned => "the CoRIM is not signed",
            Self::Value(words) | Self::Machines { words, .. } => words,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machines(names: &[&str], words: &str) -> Note {
        let machines = names.iter().map(ToString::to_string).collect();
        Note::Machines { machines, words: words.to_owned() }
    }

    #[test]
    fn what_is_said_of_several_machines_is_said_once() {
        let value = Note::Value("a value".to_owned());
        let notes = vec![
            Note::Debug,
            Note::of("a", "x".to_owned()),
            value.clone(),
            Note::of("a", "y".to_owned()),
            Note::of("b", "x".to_owned()),
            Note::of("c", "z".to_owned()),
            Note::of("c", "x".to_owned()),
            Note::Unsigned,
        ];
        let expected = [
            Note::Debug,
            machines(&["a", "b", "c"], "x"),
            value,
            machines(&["a"], "y"),
            machines(&["c"], "z"),
            Note::Unsigned,
        ];
        assert_eq!(each_once(notes), expected);
    }

    #[test]
    fn several_machines_are_named_by_the_first_and_counted() {
        for (names, words) in [
            (&["a"][..], "a: why"),
            (&["a", "b"], "a and 1 more: why"),
            (&["a", "b", "c"], "a and 2 more: why"),
        ] {
            assert_eq!(machines(names, "why").to_string(), words);
        }
    }
}
