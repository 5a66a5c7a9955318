//! Templates and the questions that are made of them.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_debian::deb822::{Field, paragraphs};

use super::answers::{AnswerProblem, Answers, Kind, split_list};

/// What a variable in a template begins with, whose value is a script's to give.
const VARIABLE: &str = "${";

/// The flag of a question that was asked, and the old one that says the opposite (`flag`, `Debconf/Question.pm`).
const SEEN: &str = "seen";
const IS_DEFAULT: &str = "isdefault";

/// The other value of a flag: all but `true` is false.
fn opposite(value: &str) -> &'static str {
    if value == "true" { "false" } else { "true" }
}

/// All templates and questions, and the answers that somebody gave beforehand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Database {
    /// The definition's.
    answers: Answers,
    templates: BTreeMap<String, BTreeMap<String, String>>,
    questions: BTreeMap<String, Question>,
    /// Whether the script that runs has asked for escaped values (`CAPB escape`).
    pub(crate) escapes: bool,
    /// Whether the maintainer script that runs is one of debconf's frontend.
    pub(crate) frontend: Frontend,
    /// The package whose script runs, or whose templates are loaded.
    pub(crate) owner: String,
}

/// Whether debconf's frontend runs a maintainer script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Frontend {
    /// Nothing is to be done to have it: templates are loaded, and `config` has run.
    #[default]
    Runs,
    /// The script has these arguments, and runs again below the frontend when it reads the confmodule.
    Waits(Vec<Vec<u8>>),
    /// The script has read it.
    Wanted,
}

/// A question: a template with a value of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Question {
    template: String,
    value: Option<String>,
    /// Whether the value is the definition's answer still.
    is_answered: bool,
    flags: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    /// The packages that have it: it goes with the last.
    owners: BTreeSet<String>,
}

impl Database {
    /// A database without questions.
    pub(crate) fn new(answers: Answers) -> Self {
        Self { answers, ..Self::default() }
    }

    /// The answers that can't be used, when all questions are there or, with a script that failed, some.
    pub(crate) fn problems(&self, have_all_run: bool) -> Vec<AnswerProblem> {
        self.answers.problems(self.templates.keys().map(String::as_str), have_all_run)
    }

    /// Takes the templates of a package; each makes a question of its own name, which keeps the value that
    /// it has.
    ///
    /// # Errors
    /// Why the file is none of debconf's.
    pub(crate) fn load(&mut self, templates: &[u8]) -> Result<(), String> {
        let text = str::from_utf8(templates).map_err(|error| error.to_string())?;
        for paragraph in paragraphs(text) {
            let paragraph = paragraph.map_err(|error| error.to_string())?;
            let of = |field: &Field<'_>| (field.name.to_ascii_lowercase(), field.value.to_owned());
            let mut fields: BTreeMap<String, String> = paragraph.fields().iter().map(of).collect();
            let name = fields.remove("template").ok_or("a template without a name")?;
            if fields.get("type").is_none_or(String::is_empty) {
                return Err(format!("the template {name} has no type"));
            }
            self.templates.insert(name.clone(), fields);
            self.register(&name, &name);
            // Of questions that it had before, in another package's words perhaps.
            let of_template = self.questions.iter().filter(|(_, one)| one.template == name);
            let names: Vec<String> = of_template.map(|(question, _)| question.clone()).collect();
            names.iter().for_each(|question| self.judge(&name, question));
        }
        Ok(())
    }

    /// Makes a question of a template; false if there is no such template.
    pub(super) fn register(&mut self, template: &str, name: &str) -> bool {
        if !self.templates.contains_key(template) {
            return false;
        }
        self.judge(template, name);
        let answers = &mut self.answers;
        let question = self.questions.entry(name.to_owned()).or_insert_with(|| {
            let answer = answers.take(name);
            let seen = answer.iter().map(|_| ("seen".to_owned(), "true".to_owned())).collect();
            let is_answered = answer.is_some();
            Question { value: answer, is_answered, flags: seen, ..Question::default() }
        });
        question.template = template.to_owned();
        question.owners.insert(self.owner.clone());
        true
    }

    /// Holds the answer to a question against a template: it must be one of every template that the question
    /// ever has, whichever package's is loaded last.
    fn judge(&mut self, template: &str, question: &str) {
        if let Some(fields) = self.templates.get(template) {
            self.answers.judge(question, &kind(fields, str::to_owned));
        }
    }

    pub(super) fn unregister(&mut self, name: &str) {
        self.questions.remove(name);
    }

    /// Takes away the questions that only the package has whose script runs.
    pub(super) fn purge(&mut self) {
        let owner = &self.owner;
        self.questions
            .retain(|_, question| !(question.owners.remove(owner) && question.owners.is_empty()));
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.questions.contains_key(name)
    }

    /// A field of a question's template, with its variables put in.
    pub(super) fn field(&self, name: &str, field: &str) -> Option<String> {
        let question = self.questions.get(name)?;
        let text = self.templates.get(&question.template)?.get(field)?;
        Some(question.expand(text))
    }

    /// The value of a question: its own, otherwise its template's default.
    pub(super) fn value(&self, name: &str) -> String {
        let own = self.questions.get(name).and_then(|question| question.value.clone());
        own.or_else(|| self.field(name, "default")).unwrap_or_default()
    }

    /// The value of a question that a script asks for, which thus has an effect.
    pub(in super::super) fn read(&mut self, name: &str) -> String {
        if self.questions.get(name).is_some_and(|question| question.is_answered) {
            self.answers.read(name);
        }
        self.value(name)
    }

    /// Changes a question that is there.
    pub(super) fn change(&mut self, name: &str, change: impl FnOnce(&mut Question)) {
        if let Some(question) = self.questions.get_mut(name) {
            change(question);
        }
    }

    /// A flag of a question; `isdefault` is an old name of what is not `seen`.
    pub(super) fn flag(&self, name: &str, flag: &str) -> &str {
        if flag == IS_DEFAULT {
            return opposite(self.flag(name, SEEN));
        }
        let question = self.questions.get(name);
        question.and_then(|question| question.flags.get(flag)).map_or("false", String::as_str)
    }

    /// What the noninteractive frontend makes of a question that is asked: the value of one that offers
    /// choices is one of them (`Debconf::Element::Noninteractive::Select`).
    pub(super) fn ask(&mut self, name: &str) {
        let value = self.value(name);
        let Some(question) = self.questions.get(name) else { return };
        let Some(fields) = self.templates.get(&question.template) else { return };
        let kind = kind(fields, |text| question.expand(text));
        self.answers.check(name, &value, &kind);
        let chosen = match (kind.name.as_str(), kind.choices) {
            ("select", choices) if choices.iter().flatten().all(|choice| *choice != value) => {
                choices.into_iter().flatten().next().unwrap_or_default()
            }
            _ => value,
        };
        self.change(name, |question| question.value = Some(chosen));
    }
}

/// What a template takes; choices with variables are known when those are `expanded`.
fn kind(fields: &BTreeMap<String, String>, expanded: impl Fn(&str) -> String) -> Kind {
    let choices = fields.get("choices-c").or_else(|| fields.get("choices"));
    let choices = choices.map(|text| expanded(text)).filter(|text| !text.contains(VARIABLE));
    Kind {
        name: Kind::name(fields.get("type").map_or("", String::as_str)),
        choices: choices.map(|text| split_list(&text)),
    }
}

impl Question {
    pub(super) fn set(&mut self, value: Option<String>) {
        self.is_answered = false;
        self.value = value;
    }

    pub(super) fn set_flag(&mut self, flag: &str, value: &str) {
        let (flag, value) = match flag {
            IS_DEFAULT => (SEEN, opposite(value)),
            flag => (flag, value),
        };
        self.flags.insert(flag.to_owned(), value.to_owned());
    }

    pub(super) fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// A text with `${name}` replaced, by nothing where it has no such variable.
    fn expand(&self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once(VARIABLE) {
            let Some((name, behind)) = behind.split_once('}') else { break };
            expanded += before;
            expanded += self.variables.get(name).map_or("", String::as_str);
            rest = behind;
        }
        expanded + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATES: &str = "Template: x/choice\nType: select\nChoices: a, b\\, c, ${more}\n\
                             Default: none\nDescription: one of ${what}\n\n\
                             Template: x/flag\nType: boolean\nDefault: true\nDescription: yes\n";

    #[test]
    fn answers_come_before_defaults() {
        let answers = BTreeMap::from([("x/flag".into(), "false".into())]);
        let mut database = Database::new(Answers::new(answers, false));
        database.load(TEMPLATES.as_bytes()).unwrap();
        assert_eq!(
            (database.value("x/flag").as_str(), database.flag("x/flag", "seen")),
            ("false", "true")
        );
        assert_eq!(
            (database.value("x/choice").as_str(), database.flag("x/choice", "seen")),
            ("none", "false")
        );
        assert!(database.register("x/flag", "x/other") && !database.register("x/none", "x/y"));
        assert_eq!(database.value("x/other"), "true");
        database.load(TEMPLATES.as_bytes()).unwrap();
        assert_eq!(database.value("x/flag"), "false");
        assert!(database.load(b"Type: select\n").is_err() && database.load(b"\xff").is_err());
    }

    #[test]
    fn a_choice_is_one_of_those_offered() {
        let mut database = Database::default();
        database.load(TEMPLATES.as_bytes()).unwrap();
        database.change("x/choice", |question| question.set_variable("what", "three"));
        assert_eq!(database.field("x/choice", "description").as_deref(), Some("one of three"));
        assert_eq!(database.field("x/choice", "choices").as_deref(), Some("a, b\\, c, "));
        database.ask("x/choice");
        assert_eq!(database.value("x/choice"), "a");
        database.change("x/choice", |question| question.set(Some("b, c".into())));
        database.ask("x/choice");
        assert_eq!(database.value("x/choice"), "b, c");
    }

    /// Choices of a script are known when it asks.
    #[test]
    fn an_answer_is_held_against_the_choices_that_a_script_fills_in() {
        for (answer, is_one) in [("d", true), ("a", true), ("e", false)] {
            let answers = BTreeMap::from([("x/choice".into(), answer.into())]);
            let mut database = Database::new(Answers::new(answers, false));
            database.load(TEMPLATES.as_bytes()).unwrap();
            assert!(database.problems(false).is_empty());
            database.change("x/choice", |question| question.set_variable("more", "d"));
            database.ask("x/choice");
            database.read("x/choice");
            assert_eq!(database.problems(true).is_empty(), is_one, "{answer}");
        }
    }

    /// The template that is loaded last has the word, so an answer must do for each of them: above all, no package
    /// makes a password of another one's question.
    #[test]
    fn an_answer_does_for_all_templates_of_its_question() {
        let of = |kind: &str| format!("Template: x/q\nType: {kind}\nDescription: d\n");
        let database = |debug: bool| {
            let answers = [("x/q".into(), "secret".into()), ("x/own".into(), "secret".into())];
            Database::new(Answers::new(answers.into(), debug))
        };
        for kinds in [["string", "password"], ["password", "string"], ["string", "Password"]] {
            for debug in [false, true] {
                let mut database = database(debug);
                for (owner, kind) in ["a", "b"].into_iter().zip(kinds) {
                    owner.clone_into(&mut database.owner);
                    database.load(of(kind).as_bytes()).unwrap();
                    database.register("x/q", "x/own");
                    database.read("x/q");
                    database.read("x/own");
                }
                let problems = database.problems(true);
                let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
                assert_eq!(said.len(), if debug { 0 } else { 2 }, "{said:?}");
                assert!(said.iter().all(|one| one.contains("asks for a password")), "{said:?}");
            }
        }
        // Of another template, whose type is a password's.
        let mut database = database(false);
        let templates = of("string") + "\nTemplate: y/pass\nType: password\nDescription: d\n";
        database.load(templates.as_bytes()).unwrap();
        assert!(database.register("x/q", "x/own") && database.register("y/pass", "x/own"));
        assert!(database.problems(false)[0].to_string().contains("asks for a password"));
        assert!(database.load(b"Template: x/q\nDescription: d\n").is_err());
    }

    #[test]
    fn an_answer_that_no_script_reads_changes_nothing() {
        let answers = BTreeMap::from([("x/flag".into(), "false".into())]);
        let database = || {
            let mut database = Database::new(Answers::new(answers.clone(), false));
            database.load(TEMPLATES.as_bytes()).unwrap();
            database
        };
        let why = "`x/flag` changes nothing: no script of the image reads it";
        let unread = database();
        assert_eq!(unread.problems(true)[0].to_string(), why);
        assert!(unread.problems(false).is_empty());
        // To be asked is not to be read, and a script's own value is none of the definition's.
        let mut asked = database();
        asked.ask("x/flag");
        assert_eq!(asked.problems(true)[0].to_string(), why);
        let mut overwritten = database();
        overwritten.change("x/flag", |question| question.set(Some("true".into())));
        assert_eq!(overwritten.read("x/flag"), "true");
        assert_eq!(overwritten.problems(true)[0].to_string(), why);
        let mut read = database();
        read.ask("x/flag");
        assert_eq!(read.read("x/flag"), "false");
        assert!(read.problems(true).is_empty());
    }
}
