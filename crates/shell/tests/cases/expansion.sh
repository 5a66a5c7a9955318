echo $# "$#" $1 "$2" $*
----
for x in "$@"; do echo "<$x>"; done
----
for x in $@; do echo "<$x>"; done
----
for x in "$*"; do echo "<$x>"; done
----
for x in $*; do echo "<$x>"; done
----
IFS=:; echo "$*"; set -- a b; echo "$*" $*
----
x=; for y in "a$@b"; do echo "<$y>"; done
----
set --; for x in "$@"; do echo "<$x>"; done; echo end
----
set --; for x in "$@" ""; do echo "<$x>"; done; echo end
----
set --; for x in "a$@"; do echo "<$x>"; done; echo end
----
x="a  b   c"; echo $x; echo "$x"
----
x=" a "; for y in p$x"q"; do echo "<$y>"; done
----
IFS=:; x="a:b::c:"; for y in $x; do echo "<$y>"; done
----
IFS=" :"; x="a : b:: c "; for y in $x; do echo "<$y>"; done
----
IFS=; x="a b"; for y in $x; do echo "<$y>"; done
----
echo ${x-def} ${x:-def} "${x-d e f}" ${x-d e f}
----
x=; echo "<${x-def}><${x:-def}><${x+alt}><${x:+alt}>"
----
x=1; echo "<${x-def}><${x:+alt}><${x+a b}>"
----
for y in ${x-a "b c" d}; do echo "<$y>"; done
----
for y in "${x-a "b c" d}"; do echo "<$y>"; done
----
for y in ${x:-"$@"}; do echo "<$y>"; done
----
for y in "${x:-$@}"; do echo "<$y>"; done
----
echo ${x:=val} $x; echo ${x=other}
----
echo ${x?}; echo no
----
echo ${x:?message here}; echo no
----
(echo ${x?gone}); echo "still $?"
----
set -u; echo ${x-ok}; echo $x; echo no
----
set -u; echo "$1" "$5"; echo no
----
x=/usr/lib/a.tar.gz; echo ${x#*/} ${x##*/} ${x%.*} ${x%%.*} ${#x}
----
x=aaa; echo ${x#a} ${x##a*} "${x%a}" ${x%%*a}
----
x='a*b'; echo "${x#'a*'}" "${x#a\*}" "${x#"a*"}"
----
x=abc; p='a*'; echo ${x#$p} ${x#"$p"} ${x##$p}
----
x='}'; echo "${x}" "${y-\}}" ${y-\}} "${y-'x'}" ${y-'x'}
----
echo $((1+2*3)) $(((1+2)*3)) $((7/2)) $((-7%3)) $((1<<4|3)) $((5>3&&2>1)) $((!0)) $((~0))
----
x=5; echo $((x)) $(($x+1)) $((x+=2)) $x $((x=x*2)) $((x>10?1:0))
----
echo $((0x10)) $((010)) $((1?2:3)) $((0||0)) $((2==2)) $((2!=2)) $(( 3 & 6 )) $(( 3 ^ 6 ))
----
echo $((1/0)); echo no
----
x=abc; echo $((x+1)); echo no
----
echo $(echo a; echo b) "$(echo a; echo b)" `echo c` "`echo d  e`"
----
x=$(printf 'a\n\n\n'); echo "<$x>"
----
echo "$(echo "a  $(echo "b  c")")"
----
echo `echo \`echo nested\`` "`echo "quoted"`" `echo '\$x'`
----
echo "a\$b\`c\"d\\e\f" 'a\b' a\ b\\c
----
echo a"b"'c'"$1"d$2'e'
----
cat=1; echo $cat ${cat}x "$cat"y $catx.
----
echo ~root ~root/x "~root" ~nobodyatall a~root x=~root
----
x=~root:~root; echo $x; HOME=/h; y=~/z; echo $y ~
----
echo /nonexistent/* /nonexistent/[a]? "*"
----
x='*'; echo "$x" '*' \*; set -f; echo $x
----
echo $? $(false) $?
----
x=$(false); echo $?; y=$(true) ; echo $?
----
a=1 b=$a; echo $b; a=2 b=3; echo $a$b
----
x=1; x=2 eval 'echo $x'; echo $x
----
x=a; y=x; eval echo \$$y '$'$y
----
f() { echo $# "$1"; }; f "" ; f $nothing; f "$nothing"
----
set -- "a b" c; f() { for i; do echo "<$i>"; done; }; f "$@"; f $@
----
echo ${#} ${#1} ${#@}
----
echo "${1#o}" "${2% *}"
----
x='a
b'; echo $x; echo "$x"
----
while read a b; do echo "$b-$a"; done <<E
one two three
$1 $((1+1)) \$x $(echo sub)
  lead  ing
E
----
while IFS= read -r l; do echo "[$l]"; done <<'E'
 $1 \x `y`
	tab
E
----
while read l; do echo "$l"; done <<-E
	tabs	in
		gone $1
	E
----
read x <<E
a\
b
E
echo $x
----
echo "${x:-$(echo default)}" "${x:-`echo d2`}"
----
x="$(case a in a) echo in case;; esac)"; echo $x
----
x=$(cat() { echo f; }; cat); echo $x
----
echo "$(( $(echo 3) + ${#1} ))"
----
x=abc; echo "${x%"${x#?}"}" "${x#"${x%?}"}"
----
x="a b"; case $x in "a b") echo yes;; esac; case a in [!b]) echo nb;; esac; case '*' in \*) echo star;; esac
----
case abc in a*c) echo 1;; *) echo 2;; esac; case x in a|x) echo 3;; esac; case "" in "") echo e;; esac
----
p='a*'; case abc in $p) echo pat;; esac; case abc in "$p") echo no;; *) echo quoted;; esac
----
case z in [[:alpha:]]) echo alpha;; esac; case - in [a-]) echo dash;; esac
----
echo $-; set -eu; case $- in *e*u*|*u*e*) echo eu;; esac
----
x='\*'; case '*' in $x) echo esc;; *) echo no;; esac; case 'a*' in a$x) echo e2;; esac; y='*b'; echo ${y#$x} "${y#$x}" "${y#"$x"}"; z='a\b'; case 'a\b' in $z) echo same;; *) echo other;; esac; case 'ab' in $z) echo ab;; esac; w='\'; case '\' in $w) echo bs;; esac; q='[\]]'; case ']' in $q) echo br;; esac; case '\*' in "$x") echo quoted;; esac
----
X=`printf '%s|' 'a\
b' "c\
d" e\\
f`; echo "[$X]" `echo 1
#x\
2
`
while read -r x; do echo "$x"; done <<F
`echo g\
'h\
'`
F
