true && echo a || echo b; false && echo a || echo b
----
! true; echo $?; ! false; echo $?
----
if true; then echo y; else echo n; fi; if false; then echo y; elif true; then echo e; fi; if false; then :; fi; echo $?
----
i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done; until [ $i -eq 0 ]; do i=$((i-1)); done; echo $i
----
for x in a b c; do [ $x = b ] && continue; echo $x; done
----
for x in a b c; do for y in 1 2; do [ $y = 2 ] && continue 2; [ $x = c ] && break 2; echo $x$y; done; done; echo end
----
(exit 3); echo $?; { echo a; echo b; }; (x=1; echo $x); echo "<$x>"
----
f() { return 4; }; f; echo $?; f() { echo "$1 $#"; shift; echo "$1"; }; f a b; echo "$1"
----
f() { local x=1; echo $x; }; x=0; f; echo $x
----
f() { local x; echo "<$x>"; x=2; }; x=0; f; echo $x
----
set -e; false || true; if false; then :; fi; ! true; echo here; false; echo no
----
set -e; f() { false; echo after; }; f || echo failed; f; echo no
----
set -e; (false; echo in); echo no
----
set -e; x=$(false); echo no
----
set -e; false | true; echo pipe; true | false; echo no
----
set -e; while false; do :; done; echo ok; for x in; do false; done; echo ok2; case x in y) false;; esac; echo ok3
----
set -e; { false; } || echo caught; if ! false; then echo neg; fi; false && true; echo list
----
set -e; f() { false && true; }; f; echo no
----
echo a | { read x; echo "got $x"; }; echo $x
----
echo a b c | while read x y; do echo "$y $x"; done
----
printf 'a\nb\nc\n' | { read x; read y; echo $x$y; }
----
exit 5; echo no
----
trap 'echo bye $?' EXIT; echo hi; exit 3
----
trap 'echo bye' 0; (echo sub); echo end
----
trap 'echo bye' EXIT; trap - EXIT; echo end
----
set -e; trap 'echo trapped $?' EXIT; false; echo no
----
nosuchcommand; echo $?
----
echo a; return 3; echo no
----
f() { eval 'return 2'; echo no; }; f; echo $?
----
x=1; f() { x=2; (x=3); echo $x; }; f; echo $x
----
{ echo out; echo err >&2; } 2>/dev/null
----
echo a >/dev/null; echo b 1>&2; echo c 2>&1
----
exec 3>&1; echo three >&3; exec 3>&-; echo four >&3; echo $?
----
{ echo a; } 3>&1 1>&2 2>&3
----
true & echo bg; wait; echo $?
----
f() { echo f; }; unset -f f; f; echo $?
----
if (exit 1) then echo a; else echo b; fi
----
while :; do break; done; echo $?; for i in 1; do (exit 3); done; echo $?
----
x=a; case $x in a) false;; esac; echo $?
----
false; x=1; echo $?; false; x=$?; echo $x
----
f() { echo "$@" | while read l; do echo "[$l]"; done; }; f 1 2
----
eval "x='a b'"; echo "$x"; eval 'echo "$x"'; eval ''; echo $?
----
set -- a b c; while [ $# -gt 0 ]; do echo $1; shift; done
----
for i in 1 2 3; do echo $i; done | while read n; do echo n$n; done
----
if true; then false; fi; echo $?; true; if false; then :; fi; echo $?
----
f() if true; then echo compound body; fi; f
----
a=1; a=2 true; echo $a; a=3 :; echo $a
----
readonly r=1; r=2; echo no
----
(readonly r=1; r=2; echo no); echo $?
----
f() ( exit 7 ); f; echo $?
----
x=; ${x}echo hi; $x echo there; $x; echo $?
----
>/dev/null; echo $?; </nonexistent/file; echo $?
----
cd /nonexistent; echo $?; cd /; pwd
----
. /nonexistent/file; echo no
----
command . /nonexistent/file; echo no
----
set -e; cd /nonexistent 2>/dev/null || echo nocd; echo on
----
set -e; { false; echo no; } | while read x; do echo "<$x>"; done; echo b; if { false; echo c; } | while read x; do echo "<$x>"; done; then echo d; fi; true | { false; echo no; }; echo no
