//! The page of a whole run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::record::{Kind, Outcome, Verdict};

const HEAD: &str = "\
# Packages

`cargo xtask campaign packages` makes this page; do not edit it. For each package set, and for each of the server packages of
`xtask/data/server-packages.txt` with its dependencies, it writes a definition as `recipes/minimal` has it, and locks that: `cvmkit lock`
chooses the packages, fetches them, and evaluates their maintainer scripts, which is how it learns the accounts that need an id.

A set or package that *evaluates* has no script that stops. One that *fails* has at least the problem in the table below, which a
definition can skip by the SHA-256 of its text. The *mirror* column counts those for which the mirror lacks a file that its own
index lists: they say nothing about cvmkit, and no percentage counts them.

";

/// The text of the page. What was to be tried is in the order of its files, each with its outcome, if there is
/// one; nothing depends on when the page was made.
pub(super) fn write(all: &[(Kind, Option<&Outcome>)]) -> String {
    let outcomes: Vec<&Outcome> = all.iter().filter_map(|(_, outcome)| *outcome).collect();
    let mut page = String::from(HEAD);
    page.push_str(
        "| what | listed | tried | evaluates | fails | mirror | evaluates, of those fetched |\n",
    );
    page.push_str("|---|---|---|---|---|---|---|\n");
    for (kind, words) in [(Kind::Set, "package sets"), (Kind::Package, "server packages")] {
        let listed = all.iter().filter(|(of, _)| *of == kind).count();
        let of_kind = outcomes.iter().filter(|outcome| outcome.kind == kind);
        let verdicts: Vec<Verdict> = of_kind.map(|outcome| outcome.verdict).collect();
        let number = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
        let [ok, fails, mirror] = [Verdict::Ok, Verdict::Fails, Verdict::Mirror].map(number);
        let percent = (ok * 1000).checked_div(ok + fails);
        let percent =
            percent.map_or(String::new(), |tenths| format!("{}.{} %", tenths / 10, tenths % 10));
        let _ = writeln!(
            page,
            "| {words} | {listed} | {} | {ok} | {fails} | {mirror} | {percent} |",
            verdicts.len()
        );
    }
    problems(&mut page, &outcomes);
    for (verdict, title) in
        [(Verdict::Fails, "Every failure"), (Verdict::Mirror, "Not on the mirror")]
    {
        let such: Vec<_> = outcomes.iter().filter(|outcome| outcome.verdict == verdict).collect();
        if such.is_empty() {
            continue;
        }
        let _ = write!(page, "\n## {title}\n\n| set or package | problem |\n|---|---|\n");
        for outcome in such {
            let problems: Vec<String> = outcome.problems.iter().map(|text| cell(text)).collect();
            let name = match outcome.kind {
                Kind::Set => format!("set {}", outcome.name),
                Kind::Package => outcome.name.clone(),
            };
            let _ = writeln!(page, "| {name} | {} |", problems.join("<br>"));
        }
    }
    page
}

/// What stops most comes first.
fn problems(page: &mut String, outcomes: &[&Outcome]) {
    let mut stopped: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Fails) {
        for problem in &outcome.problems {
            stopped.entry(cell(problem)).or_default().push(&outcome.name);
        }
    }
    if stopped.is_empty() {
        return;
    }
    let mut stopped: Vec<_> = stopped.into_iter().collect();
    stopped.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    page.push_str("\n## Problems\n\n| sets and packages it stops | problem |\n|---|---|\n");
    for (problem, names) in stopped {
        let _ = writeln!(page, "| {} | {problem} |", names.len());
    }
}

/// A problem in one line of a table.
fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_counts_and_lists() {
        let outcome = |kind, name: &str, verdict, problem: &str| Outcome {
            kind,
            name: name.into(),
            version: "1".into(),
            verdict,
            problems: problem.lines().map(str::to_owned).collect(),
        };
        let all = [
            outcome(Kind::Set, "a", Verdict::Ok, ""),
            outcome(Kind::Set, "b", Verdict::Fails, "x  | y"),
            outcome(Kind::Set, "c", Verdict::Ok, ""),
            outcome(Kind::Package, "d", Verdict::Mirror, "gone"),
            outcome(Kind::Package, "e", Verdict::Fails, "x | y\nz"),
        ];
        let mut all: Vec<_> = all.iter().map(|one| (one.kind, Some(one))).collect();
        all.push((Kind::Package, None));
        let page = write(&all);
        for line in [
            "| package sets | 3 | 3 | 2 | 1 | 0 | 66.6 % |",
            "| server packages | 3 | 2 | 0 | 1 | 1 | 0.0 % |",
            "| 2 | x \\| y |\n| 1 | z |",
            "| set b | x \\| y |\n| e | x \\| y<br>z |",
            "## Not on the mirror\n\n| set or package | problem |\n|---|---|\n| d | gone |",
        ] {
            assert!(page.contains(line), "{line}:\n{page}");
        }
    }
}
