use crate::tests::{check, check_in_world};

/// XCU 2.9.3 and 2.9.2, "!".
#[test]
fn lists_run_by_the_status_before() {
    check(
        r#"
$ true && echo a; false && echo b; true || echo c; false || echo d
a
d
$ true && false || echo e; false || true && echo f; false && true || false || echo g
e
f
g
$ false && echo no; echo $?; true || echo no; echo $?; ! true; echo $?; ! false; echo $?
1
0
1
0
$ ! false && echo a; ! true || echo b; ! (exit 7); echo $?
a
b
0
$ true &&
> echo a ||
> 
> echo b
a
$ exit 3 && echo no
exit: 3
$ false; echo; echo $?

0
"#,
    );
}

/// XCU 2.9.2.
#[test]
fn a_pipeline_hands_output_on() {
    check(
        r#"
$ echo a | { read x; echo "got $x"; }; echo a b c | { read x y; echo "$y"; } | { read z
> echo "<$z>"; }
got a
<b c>
$ true | false; echo $?; false | true; echo $?; exit 3 | true; echo $?; ! true | false; echo $?
1
0
0
0
$ x=1; echo 2 | read x; echo $x; x=3 | :; echo $x
1
1
$ printf 'a\nb\n' | while read l; do echo "[$l]"; done
[a]
[b]
$ echo lost | echo kept; { echo err >&2; echo out; } 2>&1 | { read a; read b; echo $a-$b; }
kept
err-out
$ f() { echo f$1; }; f 1 | { read x; f 2; echo $x; }
f2
f1
$ : | { read x; echo $? "<$x>"; }; echo a |
> { read x; echo $x; }
1 <>
a
"#,
    );
}

/// XCU 2.9.3, "Asynchronous Lists".
#[test]
fn a_command_in_the_background_has_run() {
    check(
        r#"
$ exit 3 & echo $?; wait; x=1 & echo "<$x>"; true && false & echo $?
0
<>
0
$ { echo bg; exit 2; } & wait; echo $?
bg
0
"#,
    );
}

/// XCU 2.9.4.4.
#[test]
fn conditions_choose_a_branch() {
    check(
        r#"
$ if true; then echo a; else echo b; fi; if false; then echo a; else echo b; fi
a
b
$ if false; then :; elif true; then echo c; elif true; then echo d; else echo e; fi
c
$ if false; then echo; fi; echo $?; if true; then (exit 4); fi; echo $?; if (exit 5); then :
> else (exit 6); fi; echo $?
0
4
6
$ if false; true; then echo last; fi; if ! false; then echo neg; fi
last
neg
$ false; if true; then echo $?; fi; if (exit 3); then :; else echo $?; fi
0
3
$ if (exit 3); then :; elif echo $?; false; then :; else echo $?; fi; if (exit 3); then :
> elif (exit 4); then :; fi; echo $?
3
1
0
"#,
    );
}

/// XCU 2.9.4.2, 2.9.4.5 and 2.9.4.6.
#[test]
fn loops_turn_while_their_condition_holds() {
    check(
        r#"
$ x=0; while [ $x -lt 3 ]; do x=$((x+1)); echo $x; done; echo $?
1
2
3
0
$ x=0; until [ $x -ge 2 ]; do x=$((x+1)); echo $x; done; while false; do :; done; echo $?
1
2
0
$ x=; while [ "$x" != aa ]; do x=a$x; (exit 3); done; echo $?
3
$ until true; do echo no; done; echo $?; false; while false; do :; done; echo $?
0
0
$ for x in a 'b c' d; do echo "<$x>"; done; echo "<$x>"; for y in; do echo no; done
> echo $? "<$y>"
<a>
<b c>
<d>
<d>
0 <>
$ for x do echo "<$x>"; done; for x; do echo "[$x]"; done; for x
> do echo "{$x}"; done
<one>
<t wo>
<>
<four>
[one]
[t wo]
[]
[four]
{one}
{t wo}
{}
{four}
$ for x in 1 2; do (exit $x); done; echo $?; false; for x in; do :; done; echo $?
2
0
$ for x in $(echo a b) *nothere*; do echo $x; done
a
b
*nothere*
$ for x in 1 2 3; do echo $x; x=9; done; readonly r; for r in 1; do echo no; done; echo no
1
2
3
stderr: script: 1: r: is read only
exit: 2
"#,
    );
}

/// XCU 2.15, `break` and `continue`.
#[test]
fn break_and_continue_leave_so_many_loops() {
    check(
        r#"
$ for x in 1 2 3; do [ $x = 2 ] && break; echo $x; done; echo $?
1
0
$ for x in 1 2 3; do [ $x = 2 ] && continue; echo $x; done; echo $?
1
3
0
$ for x in 1 2; do for y in a b; do [ $y = b ] && break 2; echo $x$y; done; echo no; done
> echo end
1a
end
$ for x in 1 2; do for y in a b; do [ $y = a ] && continue 2; echo no; done; echo no; done
> echo end
end
$ for x in 1 2; do for y in a b; do echo $x$y; break 9; done; echo no; done; echo end
1a
end
$ for x in 1 2; do for y in a b; do echo $x$y; continue 9; done; echo no; done; echo end
1a
2a
end
$ break; echo $?; continue 2; echo $?; while break; do echo no; done; echo $?
0
0
0
$ x=0; while x=$((x+1)); [ $x -lt 4 ] || break; do echo $x; continue; echo no; done
1
2
3
$ x=0; while [ $x -lt 2 ] && x=$((x+1)); do while continue 2; do :; done; echo no; done; echo $x
2
$ f() { break; echo in; }; for x in 1 2; do f; echo $x; done
in
1
in
2
$ for x in 1; do (break; echo sub); echo out; done; for x in 1 2; do eval break; echo no; done
> echo end
out
end
$ break 0; echo no
stderr: script: 1: break: Illegal number: 0
exit: 2
$ for x in 1; do break a; done; echo no
stderr: script: 1: break: Illegal number: a
exit: 2
$ for x in 1; do continue -1; done; echo no
stderr: script: 1: continue: Illegal number: -1
exit: 2
"#,
    );
}

/// XCU 2.9.4.3.
#[test]
fn case_runs_the_first_that_matches() {
    check(
        r#"
$ case abc in b*) echo no;; a*) echo one;; abc) echo two;; esac; case x in y) echo no;; esac
> echo $?
one
0
$ case x in a | x | b) echo or;; esac; case x in (x) echo paren;; esac; case x in x) esac
> echo $?
or
paren
0
$ case "" in "") echo empty;; esac; case a in ?) echo any;; esac; case ab in ?) echo no;;
> *) echo rest;; esac
empty
any
rest
$ x='a*'; case ab in "$x") echo no;; $x) echo pattern;; esac; case 'a*' in "$x") echo quoted;
> esac
pattern
quoted
$ case '*' in \*) echo star;; esac; case a in \*) echo no;; '*') echo no;; [*]) echo no;;
> *) echo all;; esac
star
all
$ case a in [!a]) echo no;; [a-c]) echo range;; esac; case b in [[:upper:]]) echo no;;
> [[:lower:]]) echo lower;; esac
range
lower
$ case x in x) (exit 3);; esac; echo $?; false; case x in x) ;; esac; echo $?; false
> case x in y) ;; esac; echo $?
3
0
0
$ case "$(echo a)" in $(echo a)) echo sub;; esac; case in in in) echo in;; esac
> case $2 in 't wo') echo unsplit;; esac
sub
in
unsplit
$ case x in x) echo a;; y) echo b; esac; case y in
> x) echo a
> ;;
> 
> y) echo b
> esac
a
b
$ case a in ${x:=b}) echo no;; ${y:=a}) echo $x$y;; ${z:=c}) ;; esac; echo "<$z>"
ba
<>
"#,
    );
}

/// XCU 2.9.4.1 and 2.13.
#[test]
fn a_group_shares_the_shell_and_a_subshell_does_not() {
    check(
        r#"
$ x=1; { x=2; }; echo $x; (x=3; echo $x); echo $x; (exit 5); echo $?; { false; }; echo $?
2
3
2
5
1
$ (cd /; set -- q; f() { echo f; }; umask 077; set -f; readonly z=1); echo $1 "<$->"
> f 2>/dev/null; echo $?; umask; z=2; echo $z
one <>
127
0022
2
$ { echo a; exit 2; echo no; }; echo no
a
exit: 2
$ (echo a; exit 2; echo no); echo $?; (return 3); echo $?; ((echo deep))
a
2
3
deep
$ trap 'echo outer' EXIT; (trap 'echo inner' EXIT; echo sub); (echo quiet); echo end
sub
inner
quiet
end
outer
"#,
    );
}

/// XCU 2.9.5.
#[test]
fn functions_have_parameters_of_their_own() {
    check(
        r#"
$ f() { echo $# "$1" "$0"; shift; echo "$1"; }; f a b; echo "$1" $#
2 a script
b
one 4
$ f() { return 3; echo no; }; f; echo $?; f() { false; }; f; echo $?; f() { false; return; }; f
> echo $?
3
1
1
$ f() { x=$1; }; x=0; f 5; echo $x; f() { echo new; }; f; f() (x=9; exit 4); f; echo $? $x
5
new
4 5
$ f() { [ $1 -gt 0 ] || return 0; echo $1; f $(($1-1)); }; f 3
3
2
1
$ f() { f2; }; f2() { echo later; }; f; f3
later
stderr: script: 1: f3: not found
exit: 127
$ f () { echo spaced; }; f; f()
> { echo below; }
> f
spaced
below
$ f() if true; then echo if; fi; f; f() for x in 1 2; do echo $x; done; f; f() { echo redirected
> } >&2; f 2>/dev/null; echo $?
if
1
2
0
$ f() { set -- x y; echo $#; }; f; echo $#; f() { :; }; false; f; echo $?
> echo() { printf 'mine %s\n' "$1"; }; echo a
2
4
0
mine a
$ f() { return 255; }; f; echo $?; f() { return x; }; f; echo no
255
stderr: script: 1: return: Illegal number: x
exit: 2
$ x=1; f() { echo $x; }; x=2 f; echo $x; f() { x=3; }; x=2 f; echo $x
2
1
1
"#,
    );
}

/// XCU 2.9.1.
#[test]
fn assignments_last_or_do_not() {
    check(
        r#"
$ a=1 b=$a c=; echo "$a $b <$c>"; a=2 true; echo $a; a=3 :; echo $a; a=4 eval 'echo $a'; echo $a
1 1 <>
1
3
4
4
$ x='a  b' y="$x" z=$x; echo "$y" "$z"; x=1; x=2 x=3; echo $x; x=*; echo "$x"
a  b a  b
3
*
$ x=1 y=$(exit 3); echo $?; x=1; echo $?; false; x=1; echo $?; x=$(false) y=1; echo $?
3
0
0
1
$ readonly r=1; r=2; echo no
stderr: script: 1: r: is read only
exit: 2
$ readonly r=1; r=2 true; echo no
stderr: script: 1: r: is read only
exit: 2
$ readonly r=1; r=2 :; echo no
stderr: script: 1: r: is read only
exit: 2
$ a=1 nosuch; echo $? "<$a>"; x=0 exit 4; echo no
127 <>
stderr: script: 1: nosuch: not found
exit: 4
$ set -a; x=1; export -p; set +a; y=2; export -p
export PATH='/nowhere'
export PWD='/'
export x='1'
export PATH='/nowhere'
export PWD='/'
export x='1'
$ a+=1; echo $? "<$a>"; 1a=2; echo $?; a-b=1; echo $?; =x; echo $?
127 <>
127
127
127
stderr: script: 1: a+=1: not found
stderr: script: 1: 1a=2: not found
stderr: script: 1: a-b=1: not found
stderr: script: 1: =x: not found
"#,
    );
}

/// XCU 2.9.1.1.
#[test]
fn words_may_come_to_nothing() {
    check(
        r#"
$ $u; echo $?; $u echo a; "" ; echo $?; $u >/dev/null; echo $?; $(exit 3); echo $?; $u$v echo b
0
a
127
0
3
b
stderr: script: 1: : not found
$ x=echo; $x a; "$x" b; e"ch"o c; \echo d; x='echo e'; $x; "$x"; echo $?
a
b
c
d
e
127
stderr: script: 1: echo e: not found
"#,
    );
}

/// XCU 2.15, `set -e`.
#[test]
fn errors_end_a_shell_of_set_e() {
    check(
        r#"
$ set -e; false; echo no
exit: 1
$ set -e; false || true; false && true; ! true; if false; then :; fi; while false; do :; done
> until true; do :; done; echo here
here
$ set -e; true && false; echo no
exit: 1
$ set -e; (exit 3); echo no
exit: 3
$ set -e; (false; echo in) || echo caught; echo on; { false; echo in; } && echo and; echo end
in
on
in
and
end
$ set -e; f() { false; echo in; }; f || echo caught; if f; then echo then; fi; f; echo no
in
in
then
exit: 1
$ set -e; x=$(false); echo no
exit: 1
$ set -e; x=$(false; echo in); echo "<$x>"
exit: 1
$ set -e; echo $(false); local_ok=$(true); echo ok; true | false; echo no

ok
exit: 1
$ set -e; false | true; ! false; echo on; ! { false; echo in; }; echo end
on
in
end
$ set -e; for x in 1; do false; done; echo no
exit: 1
$ set -e; case x in x) false;; esac; echo no
exit: 1
$ set -e; if true; then false; fi; echo no
exit: 1
$ set -e; false & wait; echo on; nosuch; echo no
on
stderr: script: 1: nosuch: not found
exit: 127
$ set -e; eval 'false || true; false'; echo no
exit: 1
$ set -e; eval false || echo caught; command false || echo c; command false; echo no
caught
c
exit: 1
$ set -e; trap 'echo bye $?' EXIT; (exit 4); echo no
bye 4
exit: 4
$ set -e; set +e; false; echo on; set -e; readonly r; r=1 || echo no; echo no
on
stderr: script: 1: r: is read only
exit: 2
$ set -e; { true; false; } | true; echo on; f() { return 2; }; f && true; echo on; f
on
on
exit: 2
$ set -e; while true; do false; break; done; echo no
exit: 1
"#,
    );
}

/// XCU 2.15, `set`.
#[test]
fn options_change_how_commands_run() {
    check(
        r#"
$ echo a; set -n; echo no; set +n; echo no
a
$ x=1; set -x; : $x "a b"; set +x; echo on
on
stderr: + : 1 a b
stderr: + set +x
$ set -v; echo a
a
"#,
    );
}

/// XCU 2.9.1.4 and 2.9.1.6.
#[test]
fn commands_of_the_world_are_run() {
    check_in_world(
        r#"
$ A=1 B=2; vars; export A; vars; B=3 vars; B=4 C='5 6' vars; vars; echo "$A $B <$C>"
A=1
A=1
B=3
A=1
B=4
C=5 6
A=1
1 2 <>
$ complain; echo $?; complain 2>/dev/null; echo $?; complain || echo failed; echo a | cat | cat; echo $(echo x | cat)
3
3
failed
a
x
stderr: complaint
stderr: complaint
$ { line; read x; echo "<$x>"; cat; } <a.txt; printf 'a\nb\nc\n' | { line; line; read x; echo $x
> }
one
<two>
a
b
c
$ set -e; complain; echo no
stderr: complaint
exit: 3
$ command -v cat; cat() { echo mine; }; cat; command cat <a.txt; PATH=/nowhere; command -v cat
> echo $?
/w/bin/cat
mine
one
two
cat
0
$ exec complain; echo no
stderr: complaint
exit: 3
$ A=1 :; vars; echo $A; B=2 eval vars; vars; C=3 exec vars
1
C=3
$ A=1 exec vars; echo no
A=1
$ trap 'echo no' EXIT; exec cat <a.txt
one
two
"#,
    );
}
