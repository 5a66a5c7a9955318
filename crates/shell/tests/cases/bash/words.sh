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
