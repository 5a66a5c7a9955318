use super::super::shown::{self, check};
use super::*;
use crate::tests::dash_takes;

/// XCU 2.9.2 and 2.9.3.
#[test]
fn lists_are_commands_in_their_order() {
    check(&[
        ("", ""),
        ("\n # nothing\n", ""),
        ("a; b;c\nd", "a; b; c; d"),
        ("a;\n\nb;", "a; b"),
        ("a & b&c &\nd", "a &; b &; c &; d"),
        ("a && b || c; d", "a && b || c; d"),
        ("a &&\n\n b ||\n# c\nd &", "a && b || d &"),
        ("a | b |\n c || d", "a | b | c || d"),
        ("! a | b; !\ta", "! a | b; ! a"),
        ("a && ! b", "a && ! b"),
        ("echo !", "echo !"),
    ]);
}

/// XCU 2.9.4.
#[test]
fn compound_commands_have_parts() {
    check(&[
        ("{ a; b\n}", "{ a; b }"),
        ("(a;b)", "( a; b )"),
        ("( (a) )", "( ( a ) )"),
        ("if a; then b; fi", "if a then b fi"),
        ("if a\nthen\nb\nelse\nc\nfi", "if a then b else c fi"),
        (
            "if a; b; then c; elif d; then e; elif f; then g; else h; fi",
            "if a; b then c elif d then e elif f then g else h fi",
        ),
        ("while a; do b; done", "while a do b done"),
        ("until a\ndo\nb\ndone", "until a do b done"),
        ("for a in b c; do d; done", "for a in [b c] do d done"),
        ("for a in\ndo d; done", "for a in [] do d done"),
        ("for a\nin b\n\ndo d; done", "for a in [b] do d done"),
        ("for a; do d; done", "for a do d done"),
        ("for a do d; done", "for a do d done"),
        ("for a\ndo d; done", "for a do d done"),
        ("for in in in; do d; done", "for in in [in] do d done"),
        ("if (a) then b; fi", "if ( a ) then b fi"),
        ("{ { a; }; }", "{ { a } }"),
    ]);
}

/// XCU 2.9.4.3.
#[test]
fn case_has_patterns() {
    check(&[
        ("case a in b) c;; d|e) f;; esac", "case a in (b) c;; (d|e) f;; esac"),
        ("case a in (b) c; esac", "case a in (b) c;; esac"),
        ("case a in b) esac", "case a in (b) ;; esac"),
        ("case a in esac", "case a in esac"),
        ("case a\nin\n\nb | c )\nd\n;;\n\nesac", "case a in (b|c) d;; esac"),
        ("case a in \"b\"*|[c]) ;; esac", "case a in (\"b\"*|[c]) ;; esac"),
        ("case in in in) b;; esac", "case in in (in) b;; esac"),
        ("case a in (esac) b;; esac", "case a in (esac) b;; esac"),
        ("case a in b) c & ;; esac", "case a in (b) c &;; esac"),
        (
            "case $a in b) case c in d) e;; esac;; esac",
            "case ${a} in (b) case c in (d) e;; esac;; esac",
        ),
    ]);
}

/// XCU 2.9.1.
#[test]
fn assignments_come_before_the_name() {
    check(&[
        ("a=b", "a:=b"),
        ("a=b c=$d e f=g", "a:=b c:=${d} e f=g"),
        ("a= b", "a:= b"),
        ("a=b=c 1a=b 'a'=b", "a:=b=c 1a=b 'a'=b"),
        ("a+=b", "a+=b"),
        ("=a", "=a"),
        ("a=b >c d=e f", "a:=b d:=e f [1> c]"),
    ]);
}

/// XCU 2.4: a word is reserved where a command could start, and nowhere else.
#[test]
fn reserved_words_are_words_elsewhere() {
    check(&[
        ("echo if then fi { } ! do", "echo if then fi { } ! do"),
        ("'if' a", "'if' a"),
        ("\\if a", "'i'f a"),
        ("a=if b", "a:=if b"),
        (">a if", "if [1> a]"),
        ("iff; fi1; if_; {a", "iff; fi1; if_; {a"),
    ]);
}

/// XCU 2.9.5.
#[test]
fn functions_are_defined() {
    check(&[
        ("f() { a; }", "f() { a }"),
        ("f ( )\n\n(a)", "f() ( a )"),
        ("f() { a; } >b 2>&1", "f() { a } [1> b] [2>& 1]"),
        ("f() if a; then b; fi; g", "f() if a then b fi; g"),
        ("f() a b; g", "f() a b; g"),
        ("f() { g() { a; }; }", "f() { g() { a } }"),
        ("_f1() { a; }", "_f1() { a }"),
    ]);
}

/// XCU 2.7.
#[test]
fn redirections_have_a_descriptor() {
    check(&[
        ("a <b >c >>d >|e <>f", "a [0< b] [1> c] [1>> d] [1>| e] [0<> f]"),
        ("a 3<b 4>c 12>>d 5>|e 6<>f", "a [3< b] [4> c] [12>> d] [5>| e] [6<> f]"),
        ("a <&3 >&4 2>&1 3<&- 4>&-", "a [0>& 3] [1>& 4] [2>& 1] [3>& -] [4>& -]"),
        ("a > b < \"$c\"d", "a [1> b] [0< \"${c}\"d]"),
        ("a 2 >b 2> c '2'>d", "a 2 '2' [1> b] [2> c] [1> d]"),
        ("a 2b>c", "a 2b [1> c]"),
        (">a", "[1> a]"),
        (
            "{ a; } >b; (a) 2>c; if a; then b; fi <d",
            "{ a } [1> b]; ( a ) [2> c]; if a then b fi [0< d]",
        ),
        ("while a; do b; done <c | d", "while a do b done [0< c] | d"),
    ]);
}

/// XCU 2.7.4.
#[test]
fn here_documents_begin_on_the_next_line() {
    check(&[
        ("a <<E\nb $c\nE\nd", "a [0<< b ${c}\n]; d"),
        ("a <<'E'\nb $c\nE\n", "a [0<< 'b $c\n']"),
        ("a <<\\E\n$b\nE", "a [0<< '$b\n']"),
        ("a <<\"E F\"\nb\nE F\n", "a [0<< 'b\n']"),
        ("a <<E\nE\n", "a [0<< ]"),
        ("a <<-E\n\t\tb\n\tc\\\n\td\n\tE\ne", "a [0<< b\nc\td\n]; e"),
        ("a <<A; b 3<<B\n1\nA\n2\nB\nc", "a [0<< 1\n]; b [3<< 2\n]; c"),
        ("a <<E | b\nc\nE\n", "a [0<< c\n] | b"),
        ("a <<E &&\nb\nE\nc", "a [0<< b\n] && c"),
        ("if a <<E\nb\nE\nthen c; fi", "if a [0<< b\n] then c fi"),
        ("a <<E\n E\nE \n\\E\nE\n", "a [0<<  E\nE \n'\\'E\n]"),
        ("a <<E\nb\\\nE\nE\n", "a [0<< bE\n]"),
        ("a <<E\nb\\\\\nE\n", "a [0<< b'\\'\n]"),
        (
            "a <<E\n\"b\" 'c' \\\" \\$d `e` $((1))\nE\n",
            "a [0<< \"b\" 'c' '\\'\" '$'d $(e) $((1))\n]",
        ),
    ]);
    // The delimiter is that of the word as it was written.
    let found = parse(b"a <<E\nb", Limits::default());
    assert_eq!(found, Err(SyntaxError::HereDocument { line: 1, delimiter: "E".into() }));
    let found = parse(b":\na <<-'x y'\nb\n x y\n", Limits::default());
    assert_eq!(found, Err(SyntaxError::HereDocument { line: 2, delimiter: "x y".into() }));
    let found = parse(b"a <<$b\n$b\n", Limits::default());
    assert!(matches!(found, Err(SyntaxError::Unexpected { line: 1, .. })), "{found:?}");
}

/// What dash does not take either, with the line and the words.
#[test]
fn a_script_that_does_not_parse_is_refused() {
    let (command, end) = ("a command", "the end");
    for (script, line, expected, found) in [
        ("a\n;", 2, command, "`;`"),
        ("a;;", 1, command, "`;`"),
        ("a & ;", 1, command, "`;`"),
        ("| a", 1, command, "`|`"),
        ("a |", 1, command, end),
        ("a &&", 1, command, end),
        ("a && && b", 1, command, "`&`"),
        ("a ||\n\n", 3, command, end),
        ("!", 1, command, end),
        ("a\n)", 2, command, "`)`"),
        ("}", 1, command, "`}`"),
        ("fi", 1, command, "`fi`"),
        ("in a", 1, command, "`in`"),
        ("a\nthen b", 2, command, "`then`"),
        ("done", 1, command, "`done`"),
        ("esac", 1, command, "`esac`"),
        ("do a", 1, command, "`do`"),
        ("( )", 1, command, "`)`"),
        ("(a", 1, "`)`", end),
        ("(a; fi)", 1, "`)`", "`fi`"),
        ("{ }", 1, command, "`}`"),
        ("{ a", 1, "`}`", end),
        ("{ a }", 1, "`}`", end),
        ("if", 1, command, end),
        ("if a; fi", 1, "`then`", "`fi`"),
        ("if a; then fi", 1, command, "`fi`"),
        ("if a; then b", 1, "`fi`", end),
        ("if a; then b; else fi", 1, command, "`fi`"),
        ("if a; then b; else c; else d; fi", 1, "`fi`", "`else`"),
        ("if a; then b; elif c; fi", 1, "`then`", "`fi`"),
        ("while a; done", 1, "`do`", "`done`"),
        ("while a; do done", 1, command, "`done`"),
        ("until a; do b", 1, "`done`", end),
        ("for", 1, "the name of a variable", end),
        ("for 1a in b; do c; done", 1, "the name of a variable", "`1a`"),
        ("for a-b in c; do d; done", 1, "the name of a variable", "`-b`"),
        ("for a in b", 1, "a word, `;` or the end of the line", end),
        ("for a in b & do c; done", 1, "a word, `;` or the end of the line", "`&`"),
        ("for a in b; c; done", 1, "`do`", "`c`"),
        ("for a b; do c; done", 1, "`do`", "`b`"),
        ("case", 1, "a word", end),
        ("case a", 1, "`in`", end),
        ("case a b", 1, "`in`", "`b`"),
        ("case a in b", 1, "`|` or `)`", end),
        ("case a in b c) d;; esac", 1, "`|` or `)`", "`c`"),
        ("case a in |b) d;; esac", 1, "a word", "`|`"),
        ("case a in b) c", 1, "`;;` or `esac`", end),
        ("f(", 1, "`)`", end),
        ("f(a) { b; }", 1, "`)`", "`a`"),
        ("f()", 1, command, end),
        ("f-1() { a; }", 1, "a word", "`(`"),
        ("'f'() { a; }", 1, "a word", "`(`"),
        ("a b()", 1, command, "`(`"),
        ("a >", 1, "a word", end),
        ("a > > b", 1, "a word", "`>`"),
        ("a <\nb", 1, "a word", "the end of the line"),
        ("a (b)", 1, "`)`", "`b`"),
        ("a; b (", 1, "`)`", end),
        ("$((1)", 1, "`))`", "`)`"),
        ("$(a; ;)", 1, "`)`", "`;`"),
    ] {
        let error = parse(script.as_bytes(), Limits::default()).unwrap_err();
        let found = found.to_owned();
        assert_eq!(error, SyntaxError::Unexpected { line, expected, found }, "{script}");
        assert!(!dash_takes(script.as_bytes()), "{script}");
    }
}

#[test]
fn what_has_no_end_is_named_by_its_start() {
    for (script, line, what) in [
        ("a\n'b\n\n", 2, "`'`"),
        ("\n\"b", 2, "`\"`"),
        ("${a-b", 1, "`${`"),
        ("\n${a-\"b", 2, "`\"`"),
        ("$(a", 1, "`$(`"),
        ("\n\n$(a\n", 3, "`$(`"),
        ("$((1", 1, "`$((`"),
        ("a `b", 1, "`` ` ``"),
        ("a\n`b\\`", 2, "`` ` ``"),
    ] {
        let error = parse(script.as_bytes(), Limits::default()).unwrap_err();
        assert_eq!(error, SyntaxError::Unterminated { line, what }, "{script}");
        assert!(!dash_takes(script.as_bytes()), "{script}");
    }
    for (script, line, found) in [
        ("a\n${}", 2, "${}"),
        ("\"a\n${b\n", 2, "${}"),
        ("${a b}", 1, "${ b}"),
        ("${a/b/c}", 1, "${/b/c}"),
        ("${1a}", 1, "${a}"),
        ("${-a}", 1, "${a}"),
        ("\"${%a}\"", 1, "${%a}"),
        ("${a:b}", 1, "${:b}"),
        ("${ a}\n", 1, "${ a}"),
    ] {
        let error = parse(script.as_bytes(), Limits::default()).unwrap_err();
        let found = found.to_owned();
        assert_eq!(error, SyntaxError::BadSubstitution { line, found }, "{script}");
    }
}

#[test]
fn a_script_has_bounds() {
    let limits = Limits { len: 5, depth: 4 };
    assert!(parse(b"abcde", limits).is_ok());
    assert_eq!(parse(b"abcdef", limits), Err(SyntaxError::TooLong { len: 6, limit: 5 }));
    // A list, a command's list and a word are three levels.
    assert!(parse(b"(a)", limits).is_ok());
    for script in [b"((a))".as_slice(), b"$($b)", b"`$b`", b"f()((a))"] {
        let limits = Limits { len: 10, depth: 3 };
        let found = parse(script, limits);
        assert_eq!(found, Err(SyntaxError::TooDeep { line: 1, limit: 3 }));
    }
    assert_eq!(Limits::default(), Limits { len: 4_194_304, depth: 100 });
}

#[test]
fn commands_know_their_line() {
    let list = parse(b"a\n\nb \\\n c <<E >d\ntext\nE\n$e $(\nf) >g", Limits::default()).unwrap();
    let lines: Vec<u32> = list.items.iter().map(|it| it.first.commands[0].line).collect();
    assert_eq!(lines, [1, 3, 7]);
    let redirections = |at: usize| {
        let command: &Command = &list.items[at].first.commands[0];
        command.redirections.iter().map(|it| it.line).collect::<Vec<_>>()
    };
    assert_eq!((redirections(1), redirections(2)), (vec![4, 4], vec![8]));
    assert_eq!(shown::list(&list), "a; b c [0<< text\n] [1> d]; ${e} $(f) [1> g]");
    let text = format!("{list:?}");
    assert!(text.contains("Parameter { line: 7") && text.contains("Command { line: 8"), "{text}");
}
