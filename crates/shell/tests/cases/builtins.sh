[ a = a ]; echo $?; [ a != a ]; echo $?; [ -n "" ]; echo $?; [ -z "" ]; echo $?; [ "" ]; echo $?; [ ]; echo $?; [ x ]; echo $?
----
[ 1 -lt 2 ] && [ 2 -ge 2 ] && [ 10 -gt 9 ] && [ 3 -ne 4 ] && echo nums; [ a -lt 2 ]; echo $?
----
[ ! a = b ]; echo $?; [ ! "" ]; echo $?; [ a = a -a b = b ]; echo $?; [ a = b -o b = b ]; echo $?; [ "(" a = a ")" ]; echo $?
----
test -d / -a ! -d /nonexistent; echo $?; test -e /nonexistent; echo $?; test -f /; echo $?
----
test a \< b; echo $?; test b \> a; echo $?; test -t 0; echo $?; test = ; echo $?; test ! ; echo $?; test -n ; echo $?
----
test -n = ; test "$nothing" = ""; echo $?; [ "$nothing" ]; echo $?; [ -f ]; echo $?
----
[ a = a; echo $?
----
[ a b ]; echo $?
----
echo -n a; echo b; echo -e c; echo 'a\tb\nc\\d\0101'; echo "x\c"; echo y
----
printf '%s\n' a b c; printf '%s-%s\n' a b c; printf 'no args\n'; printf '%d %5d|%-5d|%05d\n' 1 2 3 4
----
printf '%x %X %o %#x %u\n' 255 255 8 255 7; printf '%c%c\n' abc def; printf '%.2s|%5s|%-5s|\n' abcdef ab ab
----
printf '%b' 'a\nb\0101\n'; printf '\101\t%%\n'; printf '%s' ; printf '%d\n' abc; echo $?
----
printf '%d\n' 0x10 010 -3 "'A"; printf '%i %+d % d\n' 5 5 5
----
set -- -a -b val -c rest; while getopts ab:c o; do echo "$o <$OPTARG> $OPTIND"; done; shift $((OPTIND-1)); echo "$@"
----
set -- -ab -x; while getopts ab o 2>/dev/null; do echo "$o"; done; echo $OPTIND
----
set -- -bval -- -a; while getopts ab: o; do echo "$o $OPTARG"; done; echo $OPTIND
----
set -- -q; while getopts :ab o; do echo "$o $OPTARG"; done; set -- -b; OPTIND=1; while getopts :b: o; do echo "$o $OPTARG"; done
----
shift; echo $1 $#; shift 2; echo $1; shift 5; echo no
----
set -- x y; echo $1 $#; set --; echo $#; set -e -u; set +e; echo ok
----
export A=1 B; B=2; export -p; unset A; echo "<$A>"
----
x='a  b'; export Y=$x; echo "$Y"; readonly Z=$x; echo "$Z"; f() { local w=$x; echo "$w"; }; f
----
umask 022; umask; umask 077; umask; umask 22; umask
----
type echo; command -v echo; command -v nosuch; echo $?; f() { :; }; command -v f; command -v export
----
f() { echo function; }; echo() { printf 'mine\n'; }; echo x; command echo y; unset -f echo; echo z
----
read x; echo $? "<$x>"
----
printf 'a b c\n' | { read x y; echo "<$x><$y>"; }; printf ' a  b \n' | { read x; echo "<$x>"; }; printf 'a:b:c\n' | { IFS=: read x y; echo "<$x><$y>"; }
----
printf 'a\\b\\\nc\n' | { read x; echo "<$x>"; }; printf 'a\\b\n' | { read -r x; echo "$x"; }; printf 'nonl' | { read x; echo "$? $x"; }
----
printf 'a:b:\n' | { IFS=: read x y; echo "<$x><$y>"; }; printf ':a\n' | { IFS=: read x y; echo "<$x><$y>"; }
----
printf ' a : b \n' | { IFS=' :' read x y z; echo "<$x><$y><$z>"; }
----
trap 'echo a' INT; trap; trap "echo 'q'" EXIT; trap
----
: a b; echo $?; true x; false x; echo $?
----
unset x y; echo $?; x=1; unset x; echo "<$x>"; unset PATH; echo "$PATH"
----
exec; echo $?; eval; echo $?; command; echo $?
----
x=1; (unset x; echo "<$x>"); echo $x
----
hash; echo $?; wait; echo $?
----
OLDPWD=/; cd - ; pwd
----
echo "a" "b  c" ; echo; echo ''
----
f() { return 256; }; f; echo $?; f && echo yes; f || echo no; g() { f; return; }; g; echo $?; x=$(f); echo $?; (f); echo $?; eval f; echo $?; ! f; echo $?
----
f() { return 300; }; trap 'echo $?' EXIT; (trap 'echo $?' EXIT; f); f; return
----
set -e; f() { return 256; }; f; echo no
----
f() { return 2147483648; }; f; echo $?
----
exit 511
----
trap 'echo at $?' EXIT; exit 300
----
echo a >&-; echo $?; echo >&-; echo -n >&-; echo $?; printf '' >&-; echo $?; printf a >&-; echo $?; { echo a; echo b; } >&-; echo $?; f() { echo c; }; f >&- || echo d
----
pwd >&-; echo $?; umask >&-; echo $?; type echo >&-; echo $?; command -v echo >&-; echo $?; export -p >&-; echo $?; set >&-; echo $?; trap : EXIT; trap >&-; echo $?; eval 'echo x' >&-; echo $?
----
exec >&-; echo a; echo $? >&2
----
set -e; echo a >&-; echo no
----
[ ! ! ! a ]; echo $?; [ ! ! ! ]; echo $?; [ ! ! a ]; echo $?; [ ! ! ! '' ]; echo $?; [ ! ! ]; echo $?; [ ! ! ! ! a ]; echo $?; [ ! ! ! a = a ]; echo $?; [ ! ! = ! ]; echo $?; [ ! ! ! ! ! ]; echo $?
----
[ ! ! -a a ]; echo $?; [ ! ! a b ]; echo $?; [ ! a b c ]; echo $?; [ ! -f x -a ! -f y ]; echo $?; [ ! '(' a ')' ]; echo $?; [ ! -a ! ]; echo $?; [ ! ! -n a ]; echo $?; [ ! '(' = ')' ]; echo $?
----
set -- -a -bc -- x; while getopts abc o; do echo $o $OPTIND; done; echo $OPTIND; set -- -ab; getopts ab o; echo $OPTIND; shift $((OPTIND-1)); echo $#; getopts ab o; echo $?
----
pwd -P; cd -P /; pwd; pwd -L; wait 99999; echo $?; true & wait $!; echo $?; (exit 3) & wait $!; echo $?; [ -n "$!" ] && echo set; wait; echo $?; false & x=$!; true & wait $x; echo $?; [ $x = $! ] || echo other; set -u; : $!; echo a & wait "$!"
----
kill -0 4194305 2>/dev/null; echo $?; kill -0 $$; echo $?; kill -TERM 4194305 || echo gone; kill -s HUP 4194305 4194306; echo $?; kill -15 4194305; echo $?; if kill -0 "4194305"; then echo runs; fi
----
umask -S; umask u=rwx,g=,o=; umask; umask g+r; umask -S; umask 022; umask o-x; umask; umask a=rx; umask; umask =rwx; umask; umask +w; umask; (umask 077; umask -S)
----
ulimit -c 0; echo $?; ulimit -c; ulimit -n 100; ulimit -n; ulimit -S -n; ulimit -Sn 50; ulimit -n; (ulimit -n 20; ulimit -n); ulimit -n; ulimit -f; ulimit -S -c 0; ulimit -Sc
