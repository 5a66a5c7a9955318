[ a == a ]; echo $?; [ a == b ]; echo $?; test x == x && echo same; [ "$u" == "" ]; echo $?; if [ "5.7" == "5.7" ] && [ ! -f /nonexistent ]; then echo yes; fi
----
echo -e 'a\tb\x41\0101'; echo -n x; echo -ne 'y\n'; echo -nq; echo -E 'a\tb'; echo 'a\tb\n'; echo -; echo -- a; echo -e 'x\cy'; echo; echo -e '\z\1\\'; echo -en; echo -neE 'a\n'; echo
----
f() { local x; echo "<${x-unset}>"; x=3; local x; echo $x; }; x=1; f; echo $x; g() { local y=1 z="$1"; h; echo $y $z; }; h() { echo $y; y=2; }; g 'a  b'; echo "<$y>"
----
f() { local -r O="$1"; g "$O"; echo $O; }; g() { local -r O="$1x"; echo $O; }; f 3; echo "<$O>"; f 4
----
f() { declare x=1 -r; }; g() { declare a=1; declare -g b=2; typeset c=3; echo $a$b$c; }; g; echo "<$a><$b><$c>"; declare d=4; echo $d; declare -r e=5; echo $e
----
x='a  b'; export Y=$x; echo "$Y"; readonly Z=$x; echo "$Z"; f() { local w=$x v=$(echo '1  2'); echo "$w" "$v"; }; f; declare q=$x; echo "$q"; f() { local w=$(false); echo $?; }; f
----
set -e; x=$(false; echo a); echo $x; y=$(echo b; (exit 3)) || echo $?; echo "$y"; f() { false; echo in; }; if f; then echo then; fi; f && echo and; ! f; echo end
----
set -e; { false; echo a; } | while read x; do echo "<$x>"; done; echo b; (false && true) || echo c; if true; then false && true; fi; for x in 1; do false && true; done; echo d; (exit 3); echo no
----
set -e; f() { false && true; }; f; echo no
----
set -e; eval 'false && true'; echo no
----
set -e; x=$(exit 4); echo no
----
set -e; eval ""; f() { return 3; }; f || echo $?; [[ a == b ]] || echo c; [[ a == b ]]; echo no
----
set -o pipefail; false | true; echo $?; (exit 3) | (exit 4) | true; echo $?; true | true; echo $?; set +o pipefail; false | true; echo $?; set -euo pipefail; echo ok; false | true; echo no
----
trap 'echo bye $?' EXIT; (exit 3); trap 'echo no' SIGINT int; (echo sub); x=$(echo c); echo $x; exit 4
----
trap 'echo $?; false' 0; trap - TERM; set -e; false; echo no
----
shift 9; echo $? $#; shift; echo $# $1; shift 2; echo $?; shift 5; echo $?; shift 0; echo $?
----
f() { return 300; }; f; echo $?; f() { (exit 3); return; }; f; echo $?; f() { return 0; echo no; }; f; echo $?; (exit 300); echo $?
----
. /nonexistent/x; echo $?; cd /nonexistent/y; echo $?; echo a >/nonexistent/x; echo $?; : >/nonexistent/x; echo $?; command -v nosuch; echo $?; cat </nonexistent/z; echo $?; source /nonexistent; echo $?
----
unset nosuch; echo $?; f() { echo f; }; unset f; f 2>/dev/null; echo $?; f() { echo f; }; f=1; unset f; f; unset -f f; f; echo $?; x=1; unset -v x; echo "<$x>"
----
type echo >/dev/null && echo found; type nosuch >/dev/null 2>&1 || echo none; type -t echo; type -t if; type -t f; type -t :; f() { :; }; type -t f; type -t nosuch; echo $?; type -t [[ ; type -t source; command -v source; command -v [[
----
function f { echo "f $1"; }; f a; function g() { echo "g $#"; }; g 1 2; function h
( echo h ); h
----
[[ -d / && ! -e /nonexistent ]] && echo a; [[ abc == a*c ]] && echo b; [[ abc == "a*c" ]] || echo c; x='a b'; [[ $x == 'a b' ]] && echo d; [[ -n $x ]] && echo e; [[ -z $u ]] && echo f; [[ $x ]] && echo g; [[ $u ]] || echo h; [[ 1 -lt 2 && 3 -ge 3 ]] && echo i; [[ ( a == b || b == b ) && c != d ]] && echo j; [[ a = a ]]; echo $?; [[ a != a ]]; echo $?
----
[[ -n $u || -z $u ]] && echo a; [[ ! ( a == a && b == c ) ]] && echo b; if [[ $1 == one ]]; then echo one; elif [[ x ]]; then echo no; fi; while [[ $# -gt 2 ]]; do shift; done; echo $#; p='o*'; [[ one == $p ]] && echo p; [[ one == "$p" ]] || echo q
----
[ a b ]; echo $?; [ a b c ]; echo $?; [ 1 -eq x ]; echo $?; [ ! "" ]; echo $?; [ '!' = a ]; echo $?; [ '' -o a ]; echo $?; [ a -a '' ]; echo $?; [ ! a = b ]; echo $?; [ '(' a ')' ]; echo $?; [ '(' = '(' ]; echo $?; [ -n ]; echo $?; [ -a / ]; echo $?; [ ! -a / ]; echo $?; [ / -nt /nonexistent ]; echo $?; [ / -ot /nonexistent ]; echo $?; [ /nonexistent -ot / ]; echo $?; [ -t x ]; echo $?; [ ]; echo $?; [ a; echo $?
----
[ -n a -a -n b -a -n c ]; echo $?; [ a = b -o b = b -o c = c ]; echo $?; [ ! a = b -a b = b ]; echo $?; [ ! -e /nonexistent -a ! -f / ]; echo $?; [ '(' a = b -o c ')' -a d ]; echo $?; [ "$u" = "" -a 1 -eq 1 ]; echo $?
----
printf '%s\n' a b; printf '%s-%d|%5s|%-3s|%05d\n' a 1 b c 2; printf 'x\101\n'; printf '%b' 'a\tb\0101\n'; printf '%x %X %o %u\n' 255 255 8 7; printf -- '%s\n' d; printf '%%\n'; printf '%s\n'
----
read x; echo $?; echo 'a b  c ' | { read x y; echo "<$x><$y>"; }; printf 'a\\\nb\n' | { read x; echo "<$x>"; }; printf 'a\\b' | { read -r x; echo "$? <$x>"; }; echo a:b:c | { IFS=: read x y; echo "<$x><$y>"; }; echo 'a b c' | { read x _ y; echo "$x$y"; }
----
x=1; f() { echo $x; x=5; }; x=2 f; echo $x; x=3 true; echo $x; export x; y=4 z=$x; echo $y$z
----
for i in 1 2 3; do if [ $i = 2 ]; then continue; fi; for j in a b; do [ $j = b ] && break 2; echo $i$j; done; done; i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i; until [ $i = 0 ]; do i=$((i-1)); done; echo $i
----
exec 3>&1; echo a >&3; exec 3>&-; { echo b >&2; } 2>/dev/null; (cd / && pwd); umask; umask 077; umask; x=`echo c; echo d`; echo "$x"; eval 'y=1; echo $y'; eval "echo '{a,b}' {c,d}"
----
case a in a|b) echo 1;; esac; case "$1" in configure) echo no;; one|two) echo two;; *) echo other;; esac; if false; then :; elif true; then echo elif; else echo else; fi; true && false || echo or; ! false && echo not
----
f() { f2() { echo inner; }; f2; }; f; f2; g() { echo "$#:$*"; set -- x; echo $1; }; g a b; echo $1; h() ( x=7; echo $x ); h; echo "<$x>"
----
hash -r; wait; true & wait; echo $?; : ; ( : ) & echo done; command echo a; command -p echo b; command true; echo $?; export A=1 B=2; echo $A$B; readonly C=3; (unset D); echo $C
----
echo start; exit 7; echo no
----
false; exit
----
set -u; echo "${u-d}" "${1}"; set +u; echo "$u."; set -f; echo *; set +f; set -- a 'b c'; echo $# "$2"; set -x; set +x; set -e +e; set -; echo $#
----
f() { if [ -z "$2" ]; then return 0; fi; return 1; }; g() { if f $@; then echo fresh; fi; }; g configure ''; g configure 1.2; f $@ || echo $?
----
${TRACE:+ echo "#42#DEBUG# RUNNING $0 $*" 1>&2 }; TRACE=1; ${TRACE:+ echo "#42#DEBUG#"}; dir=1; X1=two; echo $(eval echo "$"X$dir)
----
pwd -P; cd -P /; pwd; pwd -L; true & wait $!; echo $?; (exit 3) & wait $!; echo $?; [ -n "$!" ] && echo set; wait; echo $?; umask -S; umask g-w,o=; umask; wait 99999; echo $?
----
kill -0 $$; echo $?; kill -0 4194305 2>/dev/null || echo gone; kill -SIGTERM 4194305; echo $?; kill -s HUP 4194305; echo $?
----
printf -v x '%s-%03d' a 7; echo "$x"; printf -v y '%s\n' b c; echo "$y"; printf '%q ' a 'b c' "it's" '' 'a$b' '~x' 'x~' '#a' 'a#' 'k=~v' 'a,b' '{x}' 'a*?[b]' 'c!^d' 'e|f&g;(h)<i>' 'a\b' 'a"b' 'a`b' a-b_c.d/e:f@g%h+i=j; echo; printf '%-6q|' 'a b'; echo; f() { local z; printf -v z %s "$1"; echo $z; }; f in
