set -- {a,b}{1,2} x{,y} {,z} {1..3} {c..a} {a} {a,b,{c,d}e}f {a,"b c"} $1/{a,b} {}; echo $# "$*"
----
for x in {1..3} a{b,c}; do echo $x; done; y={a,b}; echo $y "{a,b}" '{a,b}' \{a,b} {a\,b}; echo }a {a
----
mkdir() { echo mkdir "$@"; }; mkdir -p /srv/{log,run}/{a,b} "/x y"/{1,2}; z=1; echo $z/{2,3} "$z"{2,3} $z{,/x}
----
echo $'a\tb\n\x41\101\e[0m\'\\' | while read -r x; do echo "<$x>"; done; x=$'1\n2'; echo "$x"; echo $"plain"; case $'\t' in $'\t') echo tab;; esac
----
echo a &>/dev/null; { echo out; echo err >&2; } &>/dev/null; echo $?; { echo b; echo c >&2; } |& while read -r x; do echo "<$x>"; done
----
while read -r x y; do echo "$x-$y"; done <<< "a b  c"; x='1  2'; read -r y <<<$x; echo "<$y>"; read -r z <<<"$x"; echo "<$z>"; read a b <<<'q w'; echo $b$a
----
x=a; x+=b; x+="c d"; echo "$x"; u+=1; echo $u; f() { local x+= 2>/dev/null; }; y=1; y+=$y$y; echo $y
----
echo ${#@} ${#*} "${#@}" ${#1} ${#2}; set --; echo ${#@}; set a b; echo ${#*}
----
x='a b'; y=$x; z="$x"; echo $x "$y" ${x%b} "${x#a}" ${u-d} ${u:-e f} "${u:-e f}" ${x+s} ${u+t} "${u-"q  r"}" ${u-'q  r'} "${u-'q'}"
----
for w in $@; do echo "<$w>"; done; for w in "$@"; do echo "<$w>"; done; for w in "$*"; do echo "<$w>"; done; for w in $*; do echo "<$w>"; done; for w; do echo "<$w>"; done
----
x=$@; echo "$x"; y=$*; echo "$y"; echo "a$@b" ; echo "${@}" ; set --; echo "$@" "$*" $# ; for w in "$@"; do echo no; done; for w in a"$@"; do echo "<$w>"; done
----
IFS=:; x=a:b::c:; set -- $x; echo $#; echo "$*"; IFS=' :'; x=' : a'; set -- $x; echo $#; IFS=; x='a b'; set -- $x; echo $#; unset IFS; set -- $x; echo $#
----
echo $((1+2*3)) $((7/2)) $((-7/2)) $((-7%3)) $((1<<4)) $((5>3?1:2)) $((010)) $((0x1f)) $((!3)) $((~5)) $((1&&0)) $((1||0)) $((6&3)) $((6|3)) $((6^3)); x=5; echo $((x+1)) $((x=7)) $x $((x+=2)) $x $((u+1)) $(( x == 9 )) $(((1+2)*3))
----
cat() { while IFS= read -r l; do echo "[$l]"; done; }; cat <<A; cat <<'B'; cat <<-C
a $((1+1)) `echo b` \$x ${u-"d"} "q"
A
$x \y
B
	tab
	  more
	C
----
x=abc.tar.gz; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.} ${#x} "${x%'.gz'}" ${x#[a-b]} ${x%[!a]} ${x#a?c}
----
echo a=b 'c'"d"e\ f; echo "\$x \`y\` \"z\" \q"; echo 'it'"'"'s'; echo a#b # c
----
echo "${x:=v}" $x ${y=w} $y; echo ${x:+s} "${z:+t}" ${z+t}; : ${a:=1} ${b:=$a$a}; echo $a$b
----
x="a*b"; case 'a*b' in "$x") echo q;; esac; case axxb in $x) echo p;; esac; case x in [a-c]) echo 1;; [!a-c]) echo 2;; esac; case - in [a-]) echo 3;; esac; case "" in ?*) echo 4;; *) echo 5;; esac
----
x=~nosuchuser; echo $x '~' "~" a~; HOME=/h; echo ~ ~/x; y=~/a:~/b; echo $y; export z=1:2; echo $z
----
x='\*'; case '*' in $x) echo esc;; *) echo no;; esac; y='*b'; echo ${y#$x} "${y#$x}" "${y#"$x"}"; z='a\b'; case 'a\b' in $z) echo same;; *) echo other;; esac; w='\'; case '\' in $w) echo bs;; esac; q='[\]]'; case ']' in $q) echo br;; esac; case '\*' in "$x") echo quoted;; esac
----
x=hello; echo "${x:1}" ${x:1:3} ${x: -3} ${x: -3:2} ${x:1:-1} ${x:(-2)} "[${x:9}]" "[${x:5}]" "[${x: -9}]" ${x::2} "[${x:1:}]" "[${x:0:0}]" ${x:1+1} ${x:$((1+1)):1} ${x: 1 : 2 }
----
n=2 x=hello; echo "${x:n}" ${x:$n:n} ${x:n-1:n*2} "${x:${#n}}" "[${u:1}]" "[${u:1:2}]" "${2:2}" ${2:0:1} "${1: -2}" "[${3:1}]" "[${9:1}]" "${0:1:2}"; y=${x:2:2}; case ${x:0:1} in h) echo $y;; esac
----
set -- one two three four five; echo ${@:2} "${@:2:2}" "${@: -2}" "${@:0:2}" "${*:2:2}" "${@:9}" "${@:5}" "${@:6}"; for w in "${@:2}" "${@:9}" "${*:9}" ${@:2:1} x${@:2:2}y "${@:4}"; do echo "<$w>"; done; y="${@:2}"; echo "$y"; y=${*:2:1}; echo "$y"; set -- "${@:1:2}"; echo $#
----
x=a/b/c; echo "${x////-}" ${x//\//-} "${x/a/'b'}" ${x/a/'b'} ${x/a/b\}c} "${x/a/\$}" "${x/a/a\b}" ${x/a/ b c } "${x/b}" ${x//[a-c]} "${x//\//\\/}" "${x/$x/$x$x}"
----
x=a/b/c; echo "${x/a/\&}" ${x/a/&&} "${x/a/<&>}" "${x/a/"&"}" ${x/a/'&'}; r='&-'; echo "${x/a/$r}" ${x//[ac]/$r} "${x/a/"$r"}"; r=a\\n; echo "${x/a/"$r"}"
----
x=a/b/c; echo ${x/#/y} ${x/%/y} ${x/#a/y} ${x/%c/y} ${x/#b/y} ${x/%b/y} ${x//y} "[${x/*}]" "[${x/b*/}]" "${x/#*b/z}" "${x/%b*/z}" "${x//#a/y}"; e=; echo "[${e/*/y}] [${e/#/y}] [${e/%/y}] [${e//*/y}] [${e/x/y}] [${u/*/y}] [${u/#/y}]"
----
x=a.b.c p='[ab]'; echo "${x/[ab]/z}" "${x//[!a]/_}" "${x//?/-}" "${x//./}" ${x/$p/z} ${x/"$p"/z} "${x//.?/}"; y='a  b'; echo "${y// /_}" ${y// /} "${y//[[:space:]]/-}"
----
x=hello X=HELLO; echo ${x^} ${x^^} ${x^^[el]} ${x^[el]} ${x^[h]} ${X,} ${X,,} ${X,,[EL]} "${X,,}" "${u^^}" "${x^^?}"; for w in "${@^^}" "${@/o/0}"; do echo "<$w>"; done
----
x=hello v=x n=2; echo ${!v} "${!v:1}" "${!v^^}" "${!v/l/L}" "${!v:-d}" "${!v%lo}" "${!#}" "${!n}" "${#v}"; y=u; echo "[${!y}]" "${!y:-none}" "${!y+set}"; f() { local k=$1; echo "${!k}"; }; f x; z='a b'; v=z; set -- ${!v}; echo $#
