use crate::tests::{check, check_in_world};

/// XCU 2.2.
#[test]
fn quotes_keep_what_they_hold() {
    check(
        r#"
$ echo 'a  $x `y` \z' "a  \$x \`y\` \z \\ \"" a\ \ b \$x
a  $x `y` \z a  $x `y` \z \ " a  b $x
$ echo "a'b" 'c"d' "" '' e
a'b c"d   e
$ x='a  b'; echo $x "$x" '$x' \$x "'$x'"
a b a  b $x $x 'a  b'
$ echo a"b  c"'d  e'f\ \ g
ab  cd  ef  g
$ echo "a\
> b" c\
> d 'e\
> f'
ab cd e\
f
$ x='"q" \ ~'; echo $x "$x"
"q" \ ~ "q" \ ~
"#,
    );
}

/// XCU 2.6.1.
#[test]
fn a_tilde_is_a_home_where_a_word_starts() {
    check(
        r#"
$ HOME=/h; echo ~ ~/x ~root ~root/y
/h /h/x /root /root/y
$ HOME=/h; echo "~" '~' \~ a~ ~nobodyatall ~nobodyatall/x x=~
~ ~ ~ a~ ~nobodyatall ~nobodyatall/x x=~
$ HOME=/h; x=~; y=~/a:~root:b~:~; echo $x $y
/h /h/a:/root:b~:/h
$ HOME='/h *'; for x in ~/z; do echo "<$x>"; done
</h */z>
$ unset HOME; echo ~ ~/x
~ ~/x
$ HOME=/h; echo ${x-~} ${x-~/a} "${x-~}"
/h /h/a ~
$ HOME=/h; case /h in ~) echo home;; esac
home
$ HOME=/h; echo ~'root' ~"" ~$x
~root ~ ~
"#,
    );
}

/// XCU 2.5.1 and 2.5.2.
#[test]
fn parameters_have_values() {
    check(
        r#"
$ echo $1 $2 "<$3>" $4 "<$5>" ${1}0 $10 "<${10}>" $0
one t wo <> four <> one0 one0 <> script
$ echo $# ${#} $* $@ "$*"
4 4 one t wo four one t wo four one t wo  four
$ set -- a b c d e f g h i j k; echo $1$2 $11 ${11} ${12-none} ${011}
ab a1 k none k
$ x=1 y=; echo $x$y $xy ${x}y "<$z>" $x.$y/
1 1y <> 1./
$ echo a $ "$" '$' $% "$ x" a$
a $ $ $ $% $ x a$
$ false; echo $? $?; true; echo $?
1 1
0
$ echo "<$!>" "<$->"; set -ef; echo "<$->"; set +e -Ca; echo "<$->"
<> <>
<fe>
<aCf>
$ echo ${0} ${?} ${#1} ${#2} ${#x} ${#3}
script 0 3 4 0 0
$ x=abcdef; echo ${#x} "${#x}"; y='a  b'; echo ${#y} ${##} ${#?}
6 6
4 1 1
"#,
    );
}

/// XCU 2.5.2; where nothing is split, `$@` is joined as `"$*"` is.
#[test]
fn all_parameters_make_a_field_each_in_quotes() {
    check(
        r#"
$ for x in "$@"; do echo "<$x>"; done
<one>
<t wo>
<>
<four>
$ for x in $@; do echo "<$x>"; done
<one>
<t>
<wo>
<four>
$ for x in "a$@z"; do echo "<$x>"; done
<aone>
<t wo>
<>
<fourz>
$ for x in "$@$@"; do echo "<$x>"; done
<one>
<t wo>
<>
<fourone>
<t wo>
<>
<four>
$ for x in "$*"; do echo "<$x>"; done
<one t wo  four>
$ IFS=:; for x in "$*" $*; do echo "<$x>"; done
<one:t wo::four>
<one>
<t wo>
<four>
$ IFS=; for x in "$*" "$@"; do echo "<$x>"; done
<onet wofour>
<one>
<t wo>
<>
<four>
$ unset IFS; echo "$*"; IFS=-+; echo "$*" "${*}"
one t wo  four
one-t wo--four one-t wo--four
$ set --; for x in "$@"; do echo "<$x>"; done; for x in "$*"; do echo "[$x]"; done
[]
$ set --; for x in "" "$@" "a$@" "$@$@"; do echo "<$x>"; done
<>
<a>
<>
$ set --; for x in ${@-x} ${@:-y} ${@+s} ${@:+t} "${@-y}" "${@:-z}"; do echo "<$x>"; done
> echo "<${@?no}>"
<y>
<s>
<>
<z>
<>
$ set -- '' ''; for x in "${@-x}" "${@:-x}" "${*:-x}" "${*:+s}"; do echo "<$x>"; done; set -- ''
> echo "<${@:-x}>" "<${*:+s}>"
<>
<>
<>
<>
< >
<s>
<x> <>
$ set -- a b; for x in "${@-y}" ${@+p q} "${@+"$@"}" ${1+"$@"}; do echo "<$x>"; done
<a>
<b>
<p>
<q>
<a>
<b>
<a>
<b>
$ set --; echo ${@:?none}; echo no
stderr: script: 1: @: none
exit: 2
$ set -- '' ''; for x in "$@"; do echo "<$x>"; done; for x in $@; do echo "[$x]"; done
<>
<>
$ x=$@; echo "<$x>"; y="$@"; echo "<$y>"; IFS=:; z="$*"; echo "<$z>"
<one t wo  four>
<one t wo  four>
<one:t wo::four>
$ set -- a ''; x=$@; echo "<$x>"; IFS=:; x=$@; echo "<$x>"; x="$@"; echo "<$x>"; x=$*
> echo "<$x>"; case $@ in a:) echo one;; esac; x=${u-$@}; echo "<$x>"; x="${u-$@}"; echo "<$x>"
<a >
<a:>
<a:>
<a:>
one
<a:>
<a:>
$ set -- a 'b c'; IFS=:; x="${u-"$@"}"; echo "$x"; for x in ${u-"$@"}; do echo "<$x>"; done
> for x in "${u-$@}"; do echo "<$x>"; done; case "$@" in 'a:b c') echo y;; esac
a:b c
<a>
<b c>
<a>
<b c>
y
$ for x in "${@}"; do echo "<$x>"; done
<one>
<t wo>
<>
<four>
$ for x in "${@:-none}" ; do echo "<$x>"; done; set --
> for x in "${@:-none}" ${*-nil} "${@+set}"; do echo "<$x>"; done
<one>
<t wo>
<>
<four>
<none>
<set>
"#,
    );
}

/// XCU 2.6.2.
#[test]
fn a_default_stands_in_for_no_value() {
    check(
        r#"
$ n=; s=v; echo "<${u-d}>" "<${n-d}>" "<${s-d}>" "<${u:-d}>" "<${n:-d}>" "<${s:-d}>"
<d> <> <v> <d> <d> <v>
$ n=; s=v; echo "<${u+d}>" "<${n+d}>" "<${s+d}>" "<${u:+d}>" "<${n:+d}>" "<${s:+d}>"
<> <d> <d> <> <> <d>
$ n=; s=v; echo "<${u=d}>" "<${n=d}>" "<${s=d}>"; echo "<$u>" "<$n>" "<$s>"
<d> <> <v>
<d> <> <v>
$ n=; s=v; echo "<${u:=d}>" "<${n:=e}>" "<${s:=f}>"; echo "<$u>" "<$n>" "<$s>"
<d> <e> <v>
<d> <e> <v>
$ n=; s=v; echo "<${n?no}>" "<${s?no}>" "<${s:?no}>"
<> <v> <v>
$ echo ${u-a b} "${u-a b}" ${u-"a  b"} "${u-"a  b"}"
a b a b a  b a  b
$ for x in ${u-a "b c" 'd e'}; do echo "<$x>"; done
<a>
<b c>
<d e>
$ for x in "${u-a 'b c'}" ${u-} "${u-}" ${u-""}; do echo "<$x>"; done
<a 'b c'>
<>
<>
$ echo ${u-${v-${w-deep}}} ${u-$1$2} "${u-"$2"}" ${u-`echo c`}
deep onet wo t wo c
$ echo ${5-none} ${3-none} "<${3:-empty}>" ${4:+four}
none <empty> four
$ echo ${u:=a b}; echo "<$u>"; echo ${v=$(echo sub)} $v
a b
<a b>
sub sub
$ false; echo ${?-x} ${#-x} ${#:-x} ${0+x}
1 4 4 x
$ x=a; echo ${x:+$(echo run)} ${x:-$(echo not >&2)} ${u+$(echo not >&2)}
run a
"#,
    );
}

/// XCU 2.6.2 and 2.8.1, "Expansion error".
#[test]
fn a_required_value_ends_the_shell() {
    check(
        r#"
$ echo ${u?}; echo no
stderr: script: 1: u: parameter not set
exit: 2
$ echo ${u:?}; echo no
stderr: script: 1: u: parameter not set or null
exit: 2
$ echo ${u?the message}; echo no
stderr: script: 1: u: the message
exit: 2
$ n=; echo ${n:?is $1}; echo no
stderr: script: 1: n: is one
exit: 2
$ (echo ${u?gone}; echo no); echo still $?
still 2
stderr: script: 1: u: gone
$ echo ${9?}; echo no
stderr: script: 1: 9: parameter not set
exit: 2
$ x=${u?in a value}; echo no
stderr: script: 1: u: in a value
exit: 2
$ set --; echo ${1:?usage}; echo no
stderr: script: 1: 1: usage
exit: 2
$ echo ${1=x}; set --; echo ${1=x}; echo no
one
stderr: script: 1: 1: bad variable name
exit: 2
"#,
    );
}

/// XCU 2.15, `set -u`.
#[test]
fn unset_parameters_are_errors_of_set_u() {
    check(
        r#"
$ set -u; echo "<${u-ok}>" "<${u+no}>" $#; echo "$@" "$*"; set --; echo "<$@>" "<$*>"
<ok> <> 4
one t wo  four one t wo  four
<> <>
$ set -u; echo $u; echo no
stderr: script: 1: u: parameter not set
exit: 2
$ set -u; echo ${#u}; echo no
stderr: script: 1: u: parameter not set
exit: 2
$ set -u; echo ${u#x}; echo no
stderr: script: 1: u: parameter not set
exit: 2
$ set -u; echo ${u%x}; echo no
stderr: script: 1: u: parameter not set
exit: 2
$ set -u; echo $5; echo no
stderr: script: 1: 5: parameter not set
exit: 2
$ set -u; n=; echo "<$n>" ${#n} "<${n#x}>"; (echo $u); echo $?
<> 0 <>
2
stderr: script: 1: u: parameter not set
$ set -u; x=$((1+1)); echo $x ${u:=set} $u
2 set set
"#,
    );
}

/// XCU 2.6.2, "Remove Smallest Suffix Pattern" and its like.
#[test]
fn the_shortest_or_longest_end_goes() {
    check(
        r#"
$ x=a/b/c; echo ${x#*/} ${x##*/} ${x%/*} ${x%%/*}
b/c c a/b a
$ x=aaa
> echo "<${x#a}>" "<${x##a*}>" "<${x%a}>" "<${x%%a*}>" "<${x#b}>" "<${x%b}>" "<${x#}>" "<${x%}>" "<${x##}>"
<aa> <> <aa> <> <aaa> <aaa> <aaa> <aaa> <aaa>
$ x='a*b'; echo "${x#a*}" "${x#a\*}" "${x#'a*'}" "${x%"*b"}" ${x##a*}
*b b b a
$ p='*.'; x=a.b.c; echo ${x#$p} ${x##$p} ${x#"$p"} ${x##"$p"}
b.c c a.b.c a.b.c
$ x=abc; echo ${x#?} ${x%?} ${x#??} ${x%%???} ${x#????} ${x#[ab]} ${x##[ab]*} ${x%[!a]}
bc ab c abc bc ab
$ x='a b  c'; echo ${x#* } "${x##* }" "${x%% *}"
b c c a
$ x=abc; echo "${x%"${x#?}"}" "${x#"${x%?}"}" ${x#$(echo a)}
a c bc
$ x='}'; echo ${x#\}}y "${x%\}}z" ${x#'}'}w
y z w
$ x=; echo "<${x#*}>" "<${x%%*}>" "<${u#a}>"
<> <> <>
$ echo "${1#o}" "${2% *}" "${2#* }" "${#4}"
ne t wo 4
"#,
    );
}

/// XCU 2.6.3.
#[test]
fn commands_give_their_output() {
    check(
        r#"
$ echo $(echo a  b) "$(echo 'a  b')" `echo c  d` "`echo 'c  d'`"
a b a  b c d c  d
$ x=$(printf 'a\n\n\n'); echo "<$x>"; y=$(printf '\n\na\n b\n'); echo "<$y>"; echo $y
<a>
<

a
 b>
a b
$ echo "<$(:)>" $(:) "<`:`>"; for x in $(:) "$(:)"; do echo "<$x>"; done
<> <>
<>
$ echo $(echo $(echo "$(echo deep)")) `echo \`echo back\`` "`echo \"q\"`" `echo '\$1' \$1`
deep back q $1 one
$ x=1; y=$(x=2; echo $x); echo $x $y; z=$(exit 3); echo $?
1 2
3
$ echo $(exit 3) $?; x=$(exit 4) y=$(exit 5); echo $?; x=$(exit 6) true; echo $?
0
5
0
$ false; x=$(echo $?); echo $x
1
$ echo $(case x in x) echo in;; (y) ;; esac) "$(echo ")")" $(echo \) ; # )
> echo end)
in ) ) end
$ f() { echo f; return 3; }; x=$(f); echo $x $?
f 3
$ x='*'; echo "$(echo '*')" "`echo $1`"
* one
$ echo "$(echo a
> echo b)"
a
b
"#,
    );
}

/// XCU 2.6.4.
#[test]
fn arithmetic_gives_a_number() {
    check(
        r#"
$ echo $((1 + 2)) "$((3*4))" a$((5))b $(( (1+2) * 3 ))
3 12 a5b 9
$ x=3; echo $((x + 1)) $(($x + 1)) $((x+$#)) $(($(echo 4) - 1)) $((${u-5}+1))
4 4 7 3 6
$ IFS=1; echo $((111)) "$((111))"
   111
$ for x in $((1)) "$((2))"; do echo "<$x>"; done
<1>
<2>
$ x='1 + 2'; echo $(($x * 2)) $((0x1f)) $((017))
5 31 15
$ echo $(( 1
> + 2 )) $((1 ? 2 : 3))
3 2
"#,
    );
}

/// XCU 2.6.5.
#[test]
fn fields_are_split_where_nothing_quotes() {
    check(
        r#"
$ x='  a  b  '; for y in $x; do echo "<$y>"; done; for y in "$x"; do echo "<$y>"; done
<a>
<b>
<  a  b  >
$ x=' a '; for y in p$x; do echo "<$y>"; done; for y in ${x}q p${x}q; do echo "<$y>"; done
<p>
<a>
<a>
<q>
<p>
<a>
<q>
$ IFS=,; x=a,b,,c,; for y in $x; do echo "<$y>"; done; for y in a,b; do echo "<$y>"; done
<a>
<b>
<>
<c>
<a,b>
$ IFS=' ,'; x=' a , b ,, c '; for y in $x; do echo "<$y>"; done
<a>
<b>
<>
<c>
$ IFS=; x='a b'; for y in $x; do echo "<$y>"; done
<a b>
$ unset IFS; x='a	b
> c'; for y in $x; do echo "<$y>"; done
<a>
<b>
<c>
$ for y in $(echo a b; echo c) $((1)); do echo "<$y>"; done
<a>
<b>
<c>
<1>
$ x='a b'; y=$x; echo "<$y>"; case $x in 'a b') echo one;; esac
<a b>
one
$ for y in $u ${u} $(:) "$u"; do echo "<$y>"; done
<>
$ x='a\ b "c d"'; for y in $x; do echo "<$y>"; done
<a\>
<b>
<"c>
<d">
"#,
    );
}

/// XCU 2.6.6 and 2.14.3.
#[test]
fn patterns_name_files() {
    check_in_world(
        r#"
$ echo *; echo *.txt; echo [ab]*; echo ?.txt; echo .h*; echo dir/*; echo */; echo */*.sh
> echo dir/sub/?
a.txt b.txt bin block broken character dir exec fifo hard link new old setgid setuid socket sticky
a.txt b.txt
a.txt b.txt bin block broken
a.txt b.txt
.hidden
dir/sub dir/x.sh dir/y
bin/ dir/ sticky/
dir/x.sh
dir/sub/z
$ echo "*" '*' \*.txt *"."txt x*; x='*.txt'; echo $x "$x"; y=*.txt; echo $y; set -f; echo *.txt
* * *.txt a.txt b.txt x*
a.txt b.txt *.txt
a.txt b.txt
*.txt
$ echo /w/dir/* /w/d*/x.sh ./*.txt ../w/a.txt ../w/d*; cd dir; echo * ../[ab].*
/w/dir/sub /w/dir/x.sh /w/dir/y /w/dir/x.sh ./a.txt ./b.txt ../w/a.txt ../w/dir
sub x.sh y ../a.txt ../b.txt
$ for x in nothere* dir/*.no [; do echo "<$x>"; done; echo a.txt/* *.txt/; echo d*r/s*b/*
> echo [[:alpha:]].txt [!a].txt
<nothere*>
<dir/*.no>
<[>
a.txt/* *.txt/
dir/sub/z
a.txt b.txt b.txt
$ case a.txt in *.txt) echo case;; esac; x=a.txt; echo ${x%.*} *[.]txt; echo "a"*
> echo a\.t* lin* brok*
case
a a.txt b.txt
a.txt
a.txt link broken
"#,
    );
}
