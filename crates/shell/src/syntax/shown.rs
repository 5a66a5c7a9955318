//! A parsed script in one line, for tests: every piece in brackets of its own.

use super::ast::{
    AndOr, Command, CommandKind, Condition, Connector, List, Matches, Operation, Parameter, Piece,
    Pipeline, RedirectionKind, Word,
};
use super::limits::Limits;
use super::parser::parse;
use crate::tests::dash_takes;

/// Scripts are taken, by dash too, and are what is shown of each.
pub(super) fn check(cases: &[(&str, &str)]) {
    for (script, expected) in cases {
        let found = parse(script.as_bytes(), Limits::default());
        let found = found.unwrap_or_else(|error| panic!("{script}: {error}"));
        assert_eq!(list(&found), *expected, "{script}");
        assert!(dash_takes(script.as_bytes()), "{script}");
    }
}

/// Bytes in `'...'` are quoted, those in `"..."` stand in double quotes, and `<~NAME>` is a tilde.
pub(super) fn list(list: &List) -> String {
    list.items.iter().map(and_or).collect::<Vec<_>>().join("; ")
}

fn and_or(item: &AndOr) -> String {
    let mut text = pipeline(&item.first);
    for (connector, next) in &item.rest {
        text += if *connector == Connector::And { " && " } else { " || " };
        text += &pipeline(next);
    }
    if item.background { text + " &" } else { text }
}

fn pipeline(pipeline: &Pipeline) -> String {
    let commands = pipeline.commands.iter().map(command).collect::<Vec<_>>().join(" | ");
    if pipeline.negated { format!("! {commands}") } else { commands }
}

fn command(command: &Command) -> String {
    let mut parts = vec![kind(&command.kind)];
    for redirection in &command.redirections {
        let (operator, target) = match &redirection.kind {
            RedirectionKind::Read(file) => ("<", word(file)),
            RedirectionKind::Write(file) => (">", word(file)),
            RedirectionKind::Clobber(file) => (">|", word(file)),
            RedirectionKind::Append(file) => (">>", word(file)),
            RedirectionKind::ReadWrite(file) => ("<>", word(file)),
            RedirectionKind::Duplicate(file) => (">&", word(file)),
            RedirectionKind::WriteBoth { file, append: false } => ("&>", word(file)),
            RedirectionKind::WriteBoth { file, append: true } => ("&>>", word(file)),
            RedirectionKind::HereString(text) => ("<<<", word(text)),
            RedirectionKind::Here(text) => ("<<", text.get().map_or("?".into(), word)),
        };
        parts.push(format!("[{}{operator} {target}]", redirection.descriptor));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

fn kind(kind: &CommandKind) -> String {
    match kind {
        CommandKind::Simple { assignments, words: found } => {
            let assigned = assignments.iter().map(|it| format!("{}:={}", it.name, word(&it.value)));
            assigned.chain(found.iter().map(word)).collect::<Vec<_>>().join(" ")
        }
        CommandKind::Group(inner) => format!("{{ {} }}", list(inner)),
        CommandKind::Subshell(inner) => format!("( {} )", list(inner)),
        CommandKind::If { branches, otherwise } => {
            let branch = |(condition, body): &(List, List)| {
                format!("if {} then {}", list(condition), list(body))
            };
            let branches = branches.iter().map(branch).collect::<Vec<_>>().join(" el");
            let otherwise = otherwise.as_ref().map(|body| format!(" else {}", list(body)));
            format!("{branches}{} fi", otherwise.unwrap_or_default())
        }
        CommandKind::Loop { until, condition, body } => {
            let name = if *until { "until" } else { "while" };
            format!("{name} {} do {} done", list(condition), list(body))
        }
        CommandKind::For { name, words: found, body } => {
            let of = found.as_ref().map(|found| format!(" in [{}]", words(found)));
            format!("for {name}{} do {} done", of.unwrap_or_default(), list(body))
        }
        CommandKind::Case { word: of, branches } => {
            let branch = |(patterns, body): &(Vec<Word>, List)| {
                let patterns = patterns.iter().map(word).collect::<Vec<_>>().join("|");
                format!(" ({patterns}) {};;", list(body))
            };
            format!("case {} in{} esac", word(of), branches.iter().map(branch).collect::<String>())
        }
        CommandKind::Condition(found) => format!("[[ {} ]]", condition(found)),
        CommandKind::Function { name, body } => format!("{name}() {}", command(body)),
    }
}

fn condition(found: &Condition) -> String {
    match found {
        Condition::Word(found) => word(found),
        Condition::Unary { letter, operand } => {
            format!("-{} {}", char::from(*letter), word(operand))
        }
        Condition::Binary { left, operator, right } => {
            format!("{} {operator} {}", word(left), word(right))
        }
        Condition::Not(inner) => format!("! {}", condition(inner)),
        Condition::And(one, other) => format!("({} && {})", condition(one), condition(other)),
        Condition::Or(one, other) => format!("({} || {})", condition(one), condition(other)),
    }
}

fn words(words: &[Word]) -> String {
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn word(word: &Word) -> String {
    pieces(&word.pieces)
}

fn pieces(pieces: &[Piece]) -> String {
    pieces.iter().map(piece).collect()
}

fn piece(piece: &Piece) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match piece {
        Piece::Literal(bytes) => text(bytes),
        Piece::Quoted(bytes) => format!("'{}'", text(bytes)),
        Piece::Double(inner) => format!("\"{}\"", pieces(inner)),
        Piece::Parameter(it) => format!("${{{}}}", parameter(it)),
        Piece::Command(inner) => format!("$({})", list(inner)),
        Piece::Arithmetic(inner) => format!("$(({}))", pieces(inner)),
        Piece::Tilde(login) => format!("<~{login}>"),
    }
}

fn parameter(parameter: &Parameter) -> String {
    let mark = if parameter.is_indirect { "!" } else { "" };
    let name = format!("{mark}{}", parameter.name);
    let with = |null: bool, operator: &str, operand: &Word| {
        format!("{name} {}{operator} {}", if null { ":" } else { "" }, word(operand))
    };
    match &parameter.operation {
        Operation::Value => name,
        Operation::Length => format!("length of {name}"),
        Operation::Default { null, word } => with(*null, "-", word),
        Operation::Assign { null, word } => with(*null, "=", word),
        Operation::Require { null, word } => with(*null, "?", word),
        Operation::Alternative { null, word } => with(*null, "+", word),
        Operation::WithoutStart { longest: false, pattern } => with(false, "#", pattern),
        Operation::WithoutStart { longest: true, pattern } => with(false, "##", pattern),
        Operation::WithoutEnd { longest: false, pattern } => with(false, "%", pattern),
        Operation::WithoutEnd { longest: true, pattern } => with(false, "%%", pattern),
        Operation::Part { offset, length } => {
            let length = length.as_ref().map(|length| format!(" : {}", pieces(length)));
            format!("{name} : {}{}", pieces(offset), length.unwrap_or_default())
        }
        Operation::Replace { which, pattern, with } => {
            let operator = match which {
                Matches::First => "/",
                Matches::All => "//",
                Matches::Start => "/#",
                Matches::End => "/%",
            };
            format!("{name} {operator} {} / {}", word(pattern), word(with))
        }
        Operation::Case { upper, all, pattern } => {
            let operator = if *upper { "^" } else { "," }.repeat(if *all { 2 } else { 1 });
            format!("{name} {operator} {}", pattern.as_ref().map(word).unwrap_or_default())
        }
    }
}
