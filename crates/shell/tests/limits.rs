//! Scripts that would not end, and changed ones: an evaluation ends, and never panics.

#![expect(clippy::disallowed_methods, reason = "reads the scripts of installed packages")]

mod memory;
mod oracle;

use cvmkit_shell::Stop;
use cvmkit_shell::evaluation::{Finished, Limits, Start, evaluate};
use memory::Memory;
use oracle::changed;

const LIMITS: Limits = Limits {
    steps: 20_000,
    output: 1 << 18,
    words: 1 << 22,
    depth: 200,
    syntax: cvmkit_shell::syntax::Limits { len: 4 << 20, depth: 100 },
};

fn run(script: &[u8]) -> Result<Finished, Stop> {
    let start = Start { arguments: vec![b"configure".to_vec(), Vec::new()], ..Start::default() };
    evaluate(script, start, &mut Memory::default(), LIMITS)
}

#[test]
fn work_output_and_depth_are_bounded() {
    for (script, expected) in [
        ("while :; do :; done", "steps"),
        ("until false; do x=$x; done", "steps"),
        (
            "for i in 1 2; do while true; do continue 2; done; done; while true; do continue; done",
            "steps",
        ),
        (
            "while :; do echo 0123456789012345678901234567890123456789012345678901234567890123; done",
            "bytes of output",
        ),
        ("x=0123456789abcdef; while :; do x=$x$x; done", "bytes of words"),
        ("while :; do set -- a \"$@\" \"$@\"; done", "bytes of words"),
        ("x=0123456789abcdef; while :; do x=$(echo $x$x); done", "bytes of output"),
        ("f() { f; }; f", "levels"),
        ("f() { x=$(f); }; f", "levels"),
        ("x='eval \"$x\"'; eval \"$x\"", "levels"),
        ("printf %2000000000s x", "bytes of output"),
        ("printf '%.2000000000d' 1", "bytes of output"),
    ] {
        let found = run(script.as_bytes());
        let Err(Stop::Limit { what, .. }) = &found else { panic!("{script}: {found:?}") };
        assert_eq!(*what, expected, "{script}");
    }
}

/// Programs that run others lie on one stack.
#[test]
fn programs_that_run_one_another_are_bounded() {
    for script in [
        "$(printf '%05000d' 0 | sed 's/0/env /g') true",
        "$(printf '%05000d' 0 | sed 's/0/nice nohup /g') true",
        "echo true | $(printf '%05000d' 0 | sed 's/0/xargs /g')",
    ] {
        let mut memory = cvmkit_shell::memory::Memory::with_programs(b"/");
        let found = evaluate(script.as_bytes(), Start::default(), &mut memory, LIMITS);
        let Err(Stop::Limit { what, .. }) = &found else { panic!("{script}: {found:?}") };
        assert_eq!(*what, "programs that run one another", "{script}");
    }
}

/// What is not expanded costs too: patterns that are tried at each place, copies of a state, parsed texts.
#[test]
fn what_is_compared_copied_and_parsed_counts() {
    let long = "x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 a b c d; do x=$x$x; done";
    for (script, expected) in [
        ("y=${x#*z}", "steps"),
        ("y=${x%%*z}", "steps"),
        ("f() { (f); }; f", "bytes of words"),
        ("f() { y=$(f); }; f", "bytes of words"),
        ("while :; do (:); done", "bytes of words"),
        ("while :; do f() { :; }; done", "steps"),
        ("while :; do : & done", "bytes of words"),
        ("i=0; while :; do i=$((i+1)); eval \"f$i() { $x; }\"; done", "bytes of words"),
        ("set -- $(printf '%08192d' 0 | sed 's/0/0 /g'); while :; do shift; done", "steps"),
    ] {
        let script = format!("{long}; {script}");
        let mut memory = cvmkit_shell::memory::Memory::with_programs(b"/");
        let start = Start::default();
        let found = evaluate(script.as_bytes(), start, &mut memory, LIMITS);
        let Err(Stop::Limit { what, .. }) = &found else { panic!("{script}: {found:?}") };
        assert_eq!(*what, expected, "{script}");
    }
    // A pattern goes back to its last star alone: many stars in a long text are no work that grows with them.
    for pattern in ["*0*1*2*3*z", "*[!a-z]*[!a-z]*z"] {
        let script = format!("{long}; case $x in {pattern}) echo fits ;; *) echo other ;; esac");
        let mut memory = cvmkit_shell::memory::Memory::with_programs(b"/");
        let found = evaluate(script.as_bytes(), Start::default(), &mut memory, LIMITS).unwrap();
        assert_eq!(found.output, b"other\n", "{pattern}");
    }
    // What ends at once costs little, however long the text is.
    let script = format!("{long}; echo ${{#x}} ${{x%%1*}} ${{x##*e}}");
    let found =
        run(script.as_bytes()).map(|found| String::from_utf8_lossy(&found.output).into_owned());
    assert_eq!(found, Ok("131072 0 f\n".to_owned()));
}

#[test]
fn programs_end_too() {
    for script in [
        "echo a | sed ':a;s/a/aa/;ta'",
        "echo a | sed ':a;s/.*/&&/;ba'",
        "echo a | sed ':a;H;G;ba'",
        "echo a | sed ':a;G;h;ba'",
        "seq 1 1000000",
        "awk 'BEGIN { while (1) ; }'",
        "awk 'BEGIN { for (;;) print \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" }'",
        "awk 'BEGIN { x = \"a\"; while (1) x = x x }'",
        "awk 'BEGIN { while (1) a[i++] = x x }'",
        "awk 'function f(n) { return f(n + 1) } BEGIN { f(0) }'",
        "awk 'BEGIN { x = \"aaaa\"; while (1) gsub(/a/, \"&&\", x) }'",
        "awk 'BEGIN { printf \"%999999999s\", 1 }'",
        "awk 'BEGIN { $99999999 = 1 }'",
        "awk 'BEGIN { while (1) if (\"a\" ~ i++) ; }'",
        "p='(((((((('; p=$p$p$p$p$p$p$p$p; awk \"BEGIN { print $p 1 }\"",
        "p=-1-1-1-1-1-1-1; p=$p$p$p$p$p$p$p$p; p=$p$p$p$p$p$p$p$p; awk \"BEGIN { print 1$p }\"",
        "dd if=/dev/zero bs=1G count=1G",
        "truncate -s 1T f",
        "for i in 0 1 2 3 4; do echo $i; done | sed ':a;ba'",
    ] {
        let mut memory = cvmkit_shell::memory::Memory::with_programs(b"/");
        let found = evaluate(script.as_bytes(), Start::default(), &mut memory, LIMITS);
        assert!(matches!(found, Err(Stop::Unsupported { .. })), "{script}: {found:?}");
    }
}

#[test]
fn files_are_bounded() {
    for (script, expected) in [
        ("mkdir a; >a/f; i=0; while :; do i=$((i+1)); cp -a a b; mv b a/b$i; done", "files"),
        ("mkdir a; >a/f; i=0; while cp -a a b; do i=$((i+1)); mv b a/b$i; done; echo no", "files"),
        (
            "dd if=/dev/zero of=a bs=1M count=64 status=none; for i in 1 2 3 4; do cp a a$i; done",
            "bytes of files",
        ),
    ] {
        let mut memory = cvmkit_shell::memory::Memory::with_programs(b"/");
        let found = evaluate(script.as_bytes(), Start::default(), &mut memory, LIMITS);
        let Err(Stop::Limit { what, .. }) = &found else { panic!("{script}: {found:?}") };
        assert_eq!(*what, expected, "{script}");
    }
    // Of less, all is there.
    let mut memory = cvmkit_shell::memory::Memory::with_programs(b"/");
    let script =
        b"dd if=/dev/zero of=a bs=1M count=64 status=none; for i in 1 2 3; do cp a a$i; done\n\
        >a; >a1; cp a2 a";
    let found = evaluate(script, Start::default(), &mut memory, LIMITS);
    assert!(found.is_ok_and(|found| found.status == 0 && found.errors.is_empty()));
}

/// Directories lie as deep in one another as a path can say, and programs reach the last.
#[test]
fn directories_are_as_deep_as_a_path_is_long() {
    let script = "i=0; while mkdir d; do cd d; i=$((i+1)); done; echo $i; cd /\n\
        cp -r d e; rm -r d; find e -name x; ls";
    let mut memory = cvmkit_shell::memory::Memory::with_programs(b"/");
    let found = evaluate(script.as_bytes(), Start::default(), &mut memory, LIMITS);
    let found = found.map(|found| String::from_utf8_lossy(&found.output).into_owned());
    assert_eq!(found, Ok("2047\ne\n".to_owned()));
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [
        ("(", ")"),
        ("{ ", "; }"),
        ("$(", ")"),
        ("\"$(", ")\""),
        ("${x-", "}"),
        ("if ", "; then :; fi"),
    ] {
        let script = format!("{}:{}", open.repeat(5000), close.repeat(5000));
        let found = run(script.as_bytes());
        assert!(matches!(found, Err(Stop::Syntax { .. })), "{open}: {found:?}");
    }
    let found =
        run(format!("echo $(({}1{}))", "(".repeat(5000), ")".repeat(5000)).as_bytes()).unwrap();
    assert_eq!(found.status, 2);
}

/// The cases of the programs, changed: each program ends, whatever it is told to do.
#[test]
fn changed_calls_of_programs_end() {
    let cases = [
        include_str!("cases/awk.sh"),
        include_str!("cases/sed.sh"),
        include_str!("cases/grep.sh"),
        include_str!("cases/text.sh"),
        include_str!("cases/files.sh"),
        include_str!("cases/digests.sh"),
        include_str!("cases/system.sh"),
    ];
    let (mut count, mut state) = (0, 7_u64);
    for script in cases.iter().flat_map(|cases| cases.split("\n----\n")) {
        for _ in 0..12 {
            let script = changed(
                script.as_bytes(),
                b"$`\"'(){}[]|&;<>*?~=%\\/!+-,.:^0919azAZ \n",
                &mut state,
            );
            let mut memory = cvmkit_shell::memory::Memory::with_programs(b"/w");
            let start = Start { directory: b"/w".to_vec(), ..Start::default() };
            let _ = evaluate(&script, start, &mut memory, LIMITS);
            count += 1;
        }
    }
    assert!(count >= 1000, "{count}");
}

/// What a command of the world comes to is "not found" here; whatever a script does of that, it ends.
#[test]
fn changed_scripts_end() {
    let (mut count, mut state) = (0, 1_u64);
    for entry in std::fs::read_dir("/var/lib/dpkg/info").unwrap() {
        let path = entry.unwrap().path();
        let is_script = path.extension().is_some_and(|it| it == "postinst" || it == "preinst");
        let Ok(script) = std::fs::read(&path) else { continue };
        if !is_script || !script.starts_with(b"#!/bin/sh") {
            continue;
        }
        for _ in 0..4 {
            count += 1;
            let _ = run(&changed(&script, b"$`\"'(){}|&;<>*?[]#~=%\\ \n", &mut state));
        }
    }
    assert!(count >= 40, "{count}");
}
