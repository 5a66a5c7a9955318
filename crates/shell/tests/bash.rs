//! The evaluation as bash does it, against bash: output and status of scripts that use builtins alone.

#![expect(clippy::disallowed_methods, reason = "reads the scripts of installed packages")]

mod memory;
mod oracle;

use cvmkit_shell::Stop;
use cvmkit_shell::evaluation::{Start, evaluate};
use cvmkit_shell::syntax::{Dialect, Limits, parse_as};
use oracle::{BASH, changed, compare, limits, random, scripts, start, takes};

const CASES: [&str; 2] =
    [include_str!("cases/bash/words.sh"), include_str!("cases/bash/commands.sh")];

fn of_bash(start: Start) -> Start {
    Start { dialect: Dialect::Bash, ..start }
}

#[test]
fn words() {
    compare(&BASH, CASES[0]);
}

#[test]
fn commands() {
    compare(&BASH, CASES[1]);
}

/// What bash does in another way than dash ends the evaluation, with the line and the words.
#[test]
fn what_is_not_implemented_ends_the_evaluation() {
    for (script, line, what) in [
        ("\necho $RANDOM", 2, "the variable `RANDOM` of bash"),
        ("echo ${BASH_VERSION}", 1, "the variable `BASH_VERSION` of bash"),
        ("for UID in 1; do :; done", 1, "an error of the script: UID: a variable of bash"),
        ("read -r REPLY", 1, "an error of the script: REPLY: a variable of bash"),
        ("local OPTIND=1", 1, "`local` without names or a function"),
        ("export LINENO", 1, "the variable `LINENO` of bash"),
        ("echo $((SECONDS+1))", 1, "the variable `SECONDS` of bash"),
        ("echo $-", 1, "`$-` of bash"),
        ("echo ${@:-a}", 1, "`${@}` with an operator in bash"),
        ("IFS=:; x=$*", 1, "`$*` with another `IFS` in bash"),
        ("set --; echo \"$@$x\"", 1, "`\"$@...\"` of no parameters in bash"),
        ("echo ~", 1, "`~` of bash"),
        ("HOME=/; echo ~+", 1, "`~+` of bash"),
        ("x='\\*'; echo $x", 1, "a pattern with a backslash or `[.` in bash"),
        ("case a in [[.a.]]) ;; esac", 1, "a pattern with a backslash or `[.` in bash"),
        ("x=\u{e4}; echo ${#x}", 1, "the length of bytes beyond ASCII in bash"),
        ("x=\u{e4}; echo ${x#?}", 1, "a pattern for bytes beyond ASCII in bash"),
        (
            "case \u{e4} in \u{e4}) ;; ?) ;; esac; case \u{e4} in ?) ;; esac",
            1,
            "a pattern for bytes beyond ASCII in bash",
        ),
        ("read -r -p a b", 1, "`read -r -p a b` in bash"),
        ("echo $((x++))", 1, "the expression `x++` in bash"),
        ("echo $((2**3))", 1, "the expression `2**3` in bash"),
        ("x=1+1; echo $((x))", 1, "the expression `x` in bash"),
        ("set -u; echo $((u))", 1, "the expression `u` in bash"),
        ("echo ${u?no}", 1, "an error of the script: u: no"),
        ("set -u; echo $u", 1, "an error of the script: u: parameter not set"),
        ("readonly x=1; x=2", 1, "an error of the script: x: is read only"),
        ("x=a\\ b; echo c >$x", 1, "an ambiguous redirection in bash"),
        ("echo a >&file", 1, "the redirection `>&file` in bash"),
        ("x=$(cd /nonexistent 2>&1)", 1, "bash's own words for `cd: can't cd to /nonexistent`"),
        ("exec </nonexistent/a", 1, "`exec` after its error in bash"),
        ("x=1 eval a", 1, "an assignment before `eval` in bash"),
        ("export() { :; }", 1, "the function `export` in bash"),
        ("command_not_found_handle() { :; }", 1, "the function `command_not_found_handle` in bash"),
        ("break", 1, "`break ` in bash"),
        ("for i in 1; do (break); done", 1, "`break ` in bash"),
        ("return 3", 1, "`return 3` in bash"),
        ("cd ''", 1, "`cd ` in bash"),
        ("cd / /", 1, "`cd / /` in bash"),
        ("set", 1, "`set ` in bash"),
        ("export -p", 1, "`export -p` in bash"),
        ("getopts a b", 1, "`getopts a b` in bash"),
        ("hash cat", 1, "`hash cat` in bash"),
        ("pwd -P -L", 1, "`pwd -P -L` in bash"),
        ("printf '%q' $'\\t'", 1, "`printf %q \t` in bash"),
        ("umask -p", 1, "`umask -p` in bash"),
        ("read -p a b", 1, "`read -p a b` in bash"),
        ("printf -v x '%c' y", 1, "`printf -v x %c y` in bash"),
        ("printf '\\x41'", 1, "`printf \\x41` in bash"),
        ("trap", 1, "`trap ` in bash"),
        ("trap a ERR", 1, "`trap a ERR` in bash"),
        ("wait -n", 1, "`wait -n`"),
        ("exec -a b c", 1, "`exec -a b c` in bash"),
        ("[ -v x ]", 1, "`[` of `-v` in bash"),
        ("[ -o errexit ]", 1, "`[` of `-o` in bash"),
        ("[ a b c d e ]", 1, "`[` of an expression that is not plain in bash"),
        ("[[ x -eq 1 ]]", 1, "the number `x` in `[[`"),
        ("[[ 010 -eq 1 ]]", 1, "the number `010` in `[[`"),
        ("local x", 1, "`local` without names or a function"),
        ("f() { local -a x; }; f", 1, "`local -a`"),
        ("declare -i x", 1, "`declare -i`"),
        ("f() { local x; }; x=1 f", 1, "the local variable `x` with a value before it"),
        ("readonly x=1; f() { local x; }; f", 1, "an error of the script: x: readonly variable"),
        ("f() { local x; g; }; g() { unset x; }; f", 1, "`unset x` in bash"),
        ("echo -e '\\u41'", 1, "`echo -e` of `\\u41`"),
        ("shopt -s extglob", 1, "`shopt -s extglob`"),
        ("let x=1", 1, "`let x=1`"),
        ("mapfile x", 1, "`mapfile x`"),
        ("builtin echo a", 1, "`builtin echo a`"),
        ("alias a=b", 1, "`alias a=b`"),
        ("type echo", 1, "what bash says of a command"),
        ("type -a echo", 1, "`type` with options in bash"),
        (". nosuch", 1, "`.` of a name that `PATH` lacks in bash"),
        (". /dev/null a", 1, "`.` with options or arguments in bash"),
        ("\n\n((x))", 3, "`((`"),
        ("a=(1 2)", 1, "the array `a=(`"),
    ] {
        let mut world = memory::Memory::default();
        let found = evaluate(script.as_bytes(), of_bash(start()), &mut world, limits());
        let expected = Stop::Unsupported { script: "script".into(), line, what: what.to_owned() };
        assert_eq!(found, Err(expected), "{script}");
    }
}

/// A start that changes how bash works.
#[test]
fn what_bash_would_start_with_is_checked() {
    let run = |start| {
        let mut world = memory::Memory::default();
        let found = evaluate(b"echo a", of_bash(start), &mut world, limits());
        found.map_err(|stop| stop.to_string()).map(|found| found.output)
    };
    assert_eq!(run(start()), Ok(b"a\n".to_vec()));
    for name in ["BASH_ENV", "BASH_FUNC_f%%", "POSIXLY_CORRECT", "SHELLOPTS"] {
        let mut start = start();
        start.environment.insert(name.to_owned(), b"x".to_vec());
        let expected = format!("script, line 1: bash with `{name}` in its environment");
        assert_eq!(run(start), Err(expected));
    }
    let mut without = start();
    without.environment.clear();
    let expected = "script, line 1: bash without `PATH` in its environment";
    assert_eq!(run(without), Err(expected.to_owned()));
    let mut other = start();
    other.options = b"ep".to_vec();
    assert_eq!(run(other), Err("script, line 1: the option -p of the shell".to_owned()));
    let mut errexit = start();
    errexit.options = b"e".to_vec();
    assert_eq!(run(errexit), Ok(b"a\n".to_vec()));
}

/// Scripts that are installed, whole and with a byte less: what this parser takes, bash takes.
#[test]
fn scripts_of_installed_packages() {
    let (mut different, mut taken, mut state) = (Vec::new(), 0, 5_u64);
    for folder in ["/var/lib/dpkg/info", "/etc/init.d", "/usr/bin", "/usr/sbin"] {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let Ok(script) = std::fs::read(&path) else { continue };
            let first = script.split(|byte| *byte == b'\n').next().unwrap();
            if !["#!/bin/sh", "#!/bin/bash", "#! /bin/bash", "#!/usr/bin/bash"]
                .iter()
                .any(|known| first.starts_with(known.as_bytes()))
            {
                continue;
            }
            let mut shorter = script.clone();
            shorter.remove(random(&mut state, script.len()));
            for script in [script, shorter] {
                let found = parse_as(Dialect::Bash, &script, Limits::default()).is_ok();
                taken += usize::from(found);
                if found && !takes("/bin/bash", &script) {
                    different.push(path.display().to_string());
                }
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(taken > 40, "{taken}");
}

/// Every case, changed: it ends, and what this parser takes bash takes too.
#[test]
fn changed_scripts_end() {
    let (mut count, mut state, mut refused) = (0, 3_u64, Vec::new());
    for script in CASES.iter().flat_map(|cases| scripts(cases)) {
        for turn in 0..30 {
            let script =
                changed(script.as_bytes(), b"$`\"'(){}[]|&;<>*?~=%\\/!+-,.:^#@0aA \n", &mut state);
            let mut world = memory::Memory::default();
            let _ = evaluate(&script, of_bash(start()), &mut world, limits());
            count += 1;
            if turn < 4
                && parse_as(Dialect::Bash, &script, Limits::default()).is_ok()
                && !takes("/bin/bash", &script)
            {
                refused.push(String::from_utf8_lossy(&script).into_owned());
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n----\n"));
    assert!(count >= 1000, "{count}");
}
