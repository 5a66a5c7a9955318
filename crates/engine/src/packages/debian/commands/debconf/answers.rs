//! Answers of the definition to questions, held against the templates that have them.
//!
//! As a preseed does, an answer comes before the default, and its question counts as seen
//! (debconf-set-selections(1)). What a template can't have, debconf would take and a script trip over, or the
//! noninteractive frontend replace by another choice: here it is refused, and so is an answer that nobody asks
//! for. Oracle: debconf-set-selections with debconf-communicate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cvmkit_host::fault::near;

/// How many choices a message lists.
const LISTED_MAX: usize = 8;

/// The type of a question for a password.
const PASSWORD_TYPE: &str = "password";

/// The types of questions (debconf-devel(7), "Type").
const TYPES: [&str; 9] =
    ["boolean", "error", "multiselect", "note", PASSWORD_TYPE, "select", "string", "text", "title"];

/// What is in the way of a password.
const PASSWORD: &str = "asks for a password, and whoever has the image can read all that it holds";

/// The definition's answers, and what became of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    given: BTreeMap<String, String>,
    /// True for an image whose passwords protect nothing.
    is_debug: bool,
    /// Those that a question has had.
    taken: BTreeSet<String>,
    /// Those that a script has read: all others change nothing.
    read: BTreeSet<String>,
    refused: BTreeMap<String, Refusal>,
}

/// An answer of the definition that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerProblem {
    /// The question that it is to.
    pub question: String,
    /// What is wrong with it.
    pub why: String,
    /// What to do about it, if that is known.
    pub hint: Option<String>,
}

/// Why an answer is not used.
#[derive(Clone, Debug)]
struct Refusal {
    why: String,
    hint: Option<String>,
}

/// What a question takes.
pub(super) struct Kind {
    /// The template's type, as [`Kind::name`] has it.
    pub(super) name: String,
    /// Its choices, where it has some and all of them are known.
    pub(super) choices: Option<Vec<String>>,
}

impl Kind {
    /// A type as debconf knows it: it looks for the element of that name with a capital letter, so that `Password`
    /// is `password`, and `PASSWORD` nothing (`makeelement`, `Debconf/FrontEnd.pm`).
    pub(super) fn name(of_template: &str) -> String {
        let mut characters = of_template.chars();
        let first = characters.next().map(|first| first.to_ascii_lowercase());
        let name: String = first.into_iter().chain(characters).collect();
        if TYPES.contains(&name.as_str()) { name } else { of_template.to_owned() }
    }
}

impl Answers {
    /// Answers by question; in a debug image those to questions for passwords, too.
    pub(crate) fn new(given: BTreeMap<String, String>, is_debug: bool) -> Self {
        Self { given, is_debug, ..Self::default() }
    }

    /// Answers in an image without debconf, where nothing asks for them.
    pub(crate) fn unasked(given: BTreeMap<String, String>) -> Self {
        let refusal = Refusal {
            why: "is asked by nothing: debconf is not in the image".to_owned(),
            hint: Some("install `debconf`, or leave the answer out".to_owned()),
        };
        let refused = given.keys().map(|question| (question.clone(), refusal.clone())).collect();
        Self { given, refused, ..Self::default() }
    }

    /// Holds the answer to a question against a template that the question has from now on. One that a password
    /// was refused for is refused for that first.
    pub(super) fn judge(&mut self, question: &str, kind: &Kind) {
        let Some(answer) = self.given.get(question) else { return };
        if let Some(refusal) = self.refusal(answer, kind)
            && (kind.name == PASSWORD_TYPE || !self.refused.contains_key(question))
        {
            self.refused.insert(question.to_owned(), refusal);
        }
    }

    /// The answer to a question that is there from now on; one that was there and is gone has lost it.
    pub(super) fn take(&mut self, question: &str) -> Option<String> {
        let answer = self.given.get(question)?.clone();
        let is_new = self.taken.insert(question.to_owned());
        (is_new && !self.refused.contains_key(question)).then_some(answer)
    }

    /// Notes that a script has read an answer.
    pub(super) fn read(&mut self, question: &str) {
        self.read.insert(question.to_owned());
    }

    /// Holds an answer against choices that a script has filled in.
    pub(super) fn check(&mut self, question: &str, value: &str, kind: &Kind) {
        if self.given.get(question).is_some_and(|answer| answer == value)
            && let Some(refusal) = self.refusal(value, kind)
        {
            self.refused.entry(question.to_owned()).or_insert(refusal);
        }
    }

    fn refusal(&self, answer: &str, kind: &Kind) -> Option<Refusal> {
        let plain = |why: String| Some(Refusal { why, hint: None });
        let choices = kind.choices.as_deref();
        match kind.name.as_str() {
            PASSWORD_TYPE if !self.is_debug => Some(Refusal {
                why: PASSWORD.to_owned(),
                hint: Some(
                    "leave it out and have a unit set the password at boot, or answer it in a variant with \
                     `debug = true`"
                        .to_owned(),
                ),
            }),
            "boolean" if !["true", "false"].contains(&answer) => {
                plain(format!("is `true` or `false`, not `{answer}`"))
            }
            "select" => not_chosen(answer, choices?),
            "multiselect" => {
                split_list(answer).iter().find_map(|one| not_chosen(one, choices.unwrap_or(&[])))
            }
            "text" | "note" | "title" | "error" => {
                plain(format!("is of type `{}`, which tells something and asks nothing", kind.name))
            }
            PASSWORD_TYPE | "string" | "boolean" => None,
            unknown => plain(format!("is of the type `{unknown}`, which debconf does not know")),
        }
    }

    /// What can't be used of all answers; `known` are the questions of all templates. Questions that are
    /// no template's own are a script's to make: while scripts fail, they are left alone.
    pub(super) fn problems<'q>(
        &self,
        known: impl Iterator<Item = &'q str> + Clone,
        have_all_run: bool,
    ) -> Vec<AnswerProblem> {
        let problem = |question: &String| {
            let refusal = match self.refused.get(question) {
                Some(refusal) => refusal.clone(),
                None if self.read.contains(question) || !have_all_run => return None,
                None if self.taken.contains(question) => Refusal {
                    why: "changes nothing: no script of the image reads it".to_owned(),
                    hint: Some("leave it out".to_owned()),
                },
                None => Refusal {
                    why: "is a question of no package of the image".to_owned(),
                    hint: meant(question, known.clone()),
                },
            };
            let Refusal { why, hint } = refusal;
            Some(AnswerProblem { question: question.clone(), why, hint })
        };
        self.given.keys().filter_map(problem).collect()
    }
}

impl fmt::Display for AnswerProblem {
    /// As a line of an error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.question, self.why)
    }
}

fn meant<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    near(word, known).map(|meant| format!("did you mean `{meant}`?"))
}

/// Refuses what is none of the choices.
fn not_chosen(answer: &str, choices: &[String]) -> Option<Refusal> {
    if choices.is_empty() || choices.iter().any(|choice| choice == answer) {
        return None;
    }
    let listed = choices.iter().take(LISTED_MAX).map(|choice| format!("`{choice}`"));
    let mut list = listed.collect::<Vec<_>>().join(", ");
    if let Some(more) = choices.len().checked_sub(LISTED_MAX).filter(|more| *more > 0) {
        list += &format!(" and {more} more");
    }
    let why = format!("has no choice `{answer}`, only {list}");
    Some(Refusal { why, hint: meant(answer, choices.iter().map(String::as_str)) })
}

/// A list of choices: separated by a comma with white space behind it; a backslash before a comma or a space
/// is none of the text (`choices_split`, `Debconf/Question.pm`).
pub(super) fn split_list(text: &str) -> Vec<String> {
    let (mut items, mut item) = (Vec::new(), String::new());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next_if(|next| [',', ' '].contains(next)) {
                Some(literal) => item.push(literal),
                None => item.push('\\'),
            },
            ',' if rest.peek().is_some_and(|next| next.is_whitespace()) => {
                while rest.next_if(|next| next.is_whitespace()).is_some() {}
                items.push(std::mem::take(&mut item));
            }
            character => item.push(character),
        }
    }
    if !item.is_empty() {
        items.push(item);
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_at_commas_with_a_blank_behind() {
        for (text, items) in [
            ("a, b,  c", &["a", "b", "c"][..]),
            ("a,b, c", &["a,b", "c"]),
            ("a\\, b, c\\ d, \\e", &["a, b", "c d", "\\e"]),
            ("a, , b, ", &["a", "", "b"]),
            ("a,", &["a,"]),
            ("", &[]),
        ] {
            assert_eq!(split_list(text), items, "{text}");
        }
    }

    #[test]
    fn an_answer_is_one_that_the_template_can_have() {
        let choices = || Some(["a", "b c", "d"].map(str::to_owned).to_vec());
        let many: Vec<String> = (1..=20).map(|one| format!("choice-{one}")).collect();
        for (kind, choices, answer, words) in [
            ("string", None, "anything", None),
            ("", None, "anything", Some("is of the type ``, which debconf does not know")),
            ("PASSWORD", None, "secret", Some("is of the type `PASSWORD`")),
            ("Password", None, "secret", Some("whoever has the image can read")),
            ("Boolean", None, "yes", Some("is `true` or `false`, not `yes`")),
            ("boolean", None, "true", None),
            ("boolean", None, "yes", Some("is `true` or `false`, not `yes`")),
            ("select", choices(), "b c", None),
            ("select", choices(), "A", Some("has no choice `A`, only `a`, `b c`, `d`")),
            ("select", choices(), "", Some("has no choice ``")),
            ("select", None, "of a script", None),
            ("select", Some(many), "choice-21", Some("`choice-8` and 12 more")),
            ("multiselect", choices(), "", None),
            ("multiselect", choices(), "a, d", None),
            ("multiselect", choices(), "a,d", Some("has no choice `a,d`")),
            ("note", None, "true", Some("tells something and asks nothing")),
            ("password", None, "secret", Some("whoever has the image can read")),
        ] {
            let given = BTreeMap::from([("q".to_owned(), answer.to_owned())]);
            let kind = Kind { name: Kind::name(kind), choices };
            let mut answers = Answers::new(given.clone(), false);
            answers.judge("other", &kind);
            answers.judge("q", &kind);
            assert_eq!(answers.take("other"), None);
            assert_eq!(answers.take("q").is_some(), words.is_none(), "{answer}");
            answers.read("q");
            let problems = answers.problems(std::iter::empty(), true);
            let said = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            assert!(said.contains(words.unwrap_or_default()), "{said}");
            assert_eq!(problems.len(), usize::from(words.is_some()), "{said}");
            assert!(!said.contains("secret"), "{said}");
            let mut debug = Answers::new(given, true);
            debug.judge("q", &kind);
            assert_eq!(debug.take("q").is_some(), words.is_none() || kind.name == "password");
        }
    }

    #[test]
    fn an_answer_that_nobody_asks_for_is_named_with_what_was_meant() {
        let given = ["tzdata/Area", "x/script", "x/used"].map(|of| (of.to_owned(), "a".to_owned()));
        let mut answers = Answers::new(given.into(), false);
        answers.take("x/used");
        answers.read("x/used");
        let problems = answers.problems(["tzdata/Areas", "x/used"].into_iter(), true);
        let hints: Vec<_> = problems.iter().map(|one| one.hint.as_deref()).collect();
        assert_eq!(hints[0], Some("did you mean `tzdata/Areas`?"));
        assert_eq!(hints.len(), 2);
        assert!(answers.problems(std::iter::empty(), false).is_empty());
    }
}
