printf 'a b\nc d\n' >f; awk '{print $1}' f; awk '{print $2, $1}' f; awk 1 f; awk '/c/' f; awk '!/c/ {print NR}' f; awk 'END {print NR, $0, NF}' f; awk 'NR==2' f; awk '{print $NF}' f; awk '{print NF}' </dev/null; echo $?; awk 'BEGIN {print "x"}'; awk '{print $(NF-1)}' f; awk '' f; echo $?; cat f | awk '{print FNR, $0}' - f
----
echo 'a:b c' | awk '{FS=":"; print $1}'; printf 'a:b c\nd:e f\n' | awk '{FS=":"; print $1}'; echo 'a b' | awk '{FS=":"; $0=$0; print $1}'; printf 'a,b' | awk -F, '{print $2}'; printf ' a  b \n' | awk '{print NF, $1; $1=$1; print}'; printf ':a::b:\n' | awk -F: '{print NF; for(i=1;i<=NF;i++)printf "<%s>",$i;print ""}'; printf 'a1b22c\n' | awk -F'[0-9]+' '{print $1,$2,$3,NF}'; printf 'a|b.c\n' | awk -F'|' '{print $2}'; printf 'a.b\n' | awk -F. '{print $2}'; printf 'a\tb c\n' | awk -F'\t' '{print $2}'
----
printf 'a  b\n' | awk -F' ' '{print $2}'; printf 'a\\b\n' | awk -F'\\' '{print $2}'; printf 'a\\b\n' | awk -F'\\\\' '{print $2}'; printf 'a  b\n' | awk -F'[ ]' '{print NF}'; printf '' | awk 'END{print NR, $0 "<"}'; printf 'a\rb c\vd\n' | awk '{print NF}'; echo 'a, b,c' | awk -F', *' '{print $2 $3}'; printf 'k = v # c\n' | awk -F ' *= *' '{sub(/ *#.*/,""); print $2}'; echo abc | awk -F '' '{print NF}'; echo a:b | awk 'BEGIN {FS=":"} {print $2}'; echo a:b | awk -F : -v OFS=- '{print $1, $2; $1=$1; print}'
----
echo '5 apples' | awk '{$3="x"; print; print NF; $6="y"; print; NF=2; print; $0="p q r"; print $2, NF; $2=""; print; print NF; NF=5; $1=$1; print}'; printf 'a b\n' | awk '{NF=3; print; $7="x"; print; $0="p"; print NF}' OFS=-; printf 'a b c\n' | awk '{$2=$2 "x"; print; $(1)="q" ; print $0; NF--; print; sub(/q/,"&&"); print $1; gsub(/x/,"y",$2); print}'; awk 'BEGIN{$0="a b c"; print NF; $5="e"; print $0; print NF; $2=""; print; NF=1; print $0; print $(1) $NF; $(NF+1)="z"; print; print -$0, !$0; print $1 ~ /a/, $1 ~ "^a", "b" ~ $1, $1 !~ /a/}'; printf 'a b\nc d\n' | awk '{$2="X"}1'
----
printf 'a b\n\n\nc d\ne\n\n' | awk 'BEGIN{RS=""}{print NR": "$0" "NF; for(i=1;i<=NF;i++) printf "<%s>",$i; print ""}'; printf 'a;b;c\n' | awk 'BEGIN{RS=";"}{print NR": "$0}'; printf 'a;b;c' | awk -v 'RS=;' -v ORS='|' '{print} END {print NR}'; printf 'a b\nc' | awk -v OFS=- '{$1=$1} 1'; printf 'a\nb\n' | awk 'BEGIN {ORS="!\n"} 1'
----
printf 'a\n' >f; printf 'b\n' >g; awk '{print FILENAME, FNR, NR, v, $0}' f v=1 g v=2 f; awk 'BEGIN{print ARGC, ARGV[1], ARGV[2]}' x y=1; awk -v 'a=x\ty' 'BEGIN{print a}'; awk '{print}' missing f; echo $?; awk '{print}' f missing g; echo $?; awk 'BEGIN {ARGV[1]=""} {print}' f g; awk 'BEGIN {ARGC=2} {print}' f g; awk 'END {print v}' v=3 </dev/null; A=b awk 'BEGIN {print ENVIRON["A"], ENVIRON["nothing"] "."}'; awk -v n=10 'BEGIN {print (n > 9), n "" == "10"}'; echo 'print $1' >p; echo '{ print $1 }' >p; awk -f p f; awk -f p -f p f
----
awk 'BEGIN{print 100000, 1e6, 0.1+0.2, 1/3, -1/3, 3.0, 1e-5, 1234567.8, 2147483647, 1e3, .5, 5., 17/4, 0.1*3, 5 % 3, -5 % 3, 2^3, 2^3^2, -2^2, 2^-1, 1e5*10, 123456789.5, 1-1, -0}'; awk 'BEGIN{print "1e2"+0, " 12 "+0, "3x"+0, ".5."+0, "+5"+0, "011"+0, "1e+"+0, ""+0, "-"+0, "."+0, -"3", +"3x", !"a", !"", !"0", !0, !x, x+0, x ""}'; awk 'BEGIN{print 1==1.0, ("a"<"b"), ("10"<"9"), 10<9, "abc"<1, x==0, x==""; print 1 " " 2, 1+1 "x", 2 -1, 1 " " -1; print 1 / 4 / 2, !x + 1, 1 < 2; print (1 < 2) ? "y" : "n"; print 5 " items"; print 1 + 1 == 2 && (3 > 2)}'
----
echo '10 9 abc 1e1 +10 x' | awk '{print ($1>$2), ($1>"9"), ($1==$4), ($1==$5), $1=="10", ($3>$1), ($6==10), ($1==10.0), ($7==0), ($7=="")}'; echo '0 00 a' | awk '{if ($1) print "1"; if ($2) print 2; if ($3) print 3; if ($4) print 4; if ("0") print 5; if (0) print 6; if ($1 "") print 7}'; printf '1\n2\n' | awk '{s+=$1} END{print s, s/NR; printf "%.2f\n", s/NR}'; printf 'a=1\nb=2\n' | awk -F= -v k=b '$1==k{print $2; exit}'; printf '9\n10\n8\n' | awk '$1>m {m=$1} END {print m}'; echo ' +3 ' | awk '{print ($0 == 3)}'
----
awk 'BEGIN { x = y = 3; print x y; print x++ + ++x, x--, --x; x += 2; x -= 1; x *= 3; x /= 2; x %= 4; x ^= 2; print x; print 1?2:3, 1||0&&0, 0||0, 1&&"a"; print 1,2,3; print(1,2) }'; awk 'BEGIN { $3 = "c"; print $0 ; $1++; print; print $1--; i = 1; print $i++; print i; print $(i)++ + 1; a[i++] = 2; print a[1], i; a[1]++; a[1] += 2; print a[1]++, a[1]; print (x)(y) "z"; x = "A"; print x -1, x (-1); print length "x", length("ab" "c"), length }'
----
awk 'BEGIN { while (i<5) { i++; if (i==2) continue; if (i==4) break; print i }; do { print "d" i; i-- } while (i>2); for (;;) { if (++n>3) break }; print n; for (k = 0; k < 2; k++) ; print k; for (k = 0; k < 2; k++) if (k) print "k" k; else print "z"; exit 3 } END { print "end" }'; echo $?; printf '1\n2\n3\n4\n5\n' | awk 'NR==2,NR==4 {print; next} /5/ {print "five"} END {exit 1}'; echo $?; printf 'a\nb\nc\na\n' | awk '/a/,/a/'; printf 'a\nb\n' | awk '{exit} END {print NR}'; awk 'BEGIN { exit 1 } END { exit }'; echo $?; awk 'BEGIN { exit }'; echo $?; printf '1\n2\n' | awk '/2/,0'; printf 'a\nb\na\n' | awk '!seen[$0]++'
----
awk 'function f(n) { return n<=1 ? 1 : n*f(n-1) } function g(a,k,  i) { a[k]=1; i=5 } function h(x) { x[1]=2 } BEGIN { print f(10); g(arr,"q"); for (k in arr) print k, arr[k], i "."; h(z); print z[1]; print noret() "|"; w = 1; v(w); print w } function noret() { return } function v(w) { w = 2 }'; awk 'BEGIN { x["a"]=1; f(x); print x["a"], x["b"] } function f(y) { y["b"]=2; g(y) } function g(z) { z["a"]=7 }'; awk 'function s(n,   a) { a[n] = n; if (n > 0) s(n - 1); return length(a) } BEGIN { print s(3) }'; awk 'function max(a, b) { return a > b ? a : b }
{ m = max(m, length($0)) } END { print m }' </dev/null
----
awk 'BEGIN{a["x"]=1; if ("x" in a) print "in"; if (!("y" in a)) print "not"; delete a["x"]; for(k in a) print k; a[1,2]=3; for(k in a){split(k,p,SUBSEP); print p[1],p[2]}; if ((1,2) in a) print "pair"; delete a; print length(a); a["q"]; print length(a), ("q" in a), (a["r"] == ""), length(a); a[0.1+0.2] = "f"; print a["0.3"]; a[01] = "one"; print a[1] a["1"]; for (k in b) print "none"; if (!(3 in x)) print "no"; print length(x); x[1]++; print x[1]}'
----
awk 'BEGIN{print match("foobar",/o+/), RSTART, RLENGTH; print match("x",/y/), RSTART, RLENGTH; print index("abc","c"), index("","a"), index("abcabc", "ca"); print toupper("aBc1"), tolower("ABC"); print int(3.9), int(-3.9), int("4x"), int("x"); print substr("hello",2,3) substr("hello",2), substr("hello",6) "|" substr("hello",3,-1) "|" substr("hello",2,100) substr("hello",1) substr("hello",5,1) substr("hello",1,0) "|" substr(12345, 2, 3); print length(12345), length(""); print match("aab", "b$"), RSTART; print sprintf("%s-%d", "a", 3)}'
----
awk 'BEGIN{n=split("abc",a,""); print n, a[1]; n=split("",a); print n, length(a); n=split(" a b ",a); print n,a[1]; n=split("a:b",a,":"); print a[2]; n=split("a1b2c",a,/[0-9]/); print n,a[3]; print split("a.b",a,"."), a[1]; print split("aXXb",a,"X"); print split("a b",a," "), split("a b", a, / /), split("  a",a,/ /); FS=":"; print split("x:y", a), a[2]; n = split("3 1", a, " "); if (a[1] > a[2]) print "numbers"; print split(":a", a, /:/), "<" a[1] ">" }'
----
awk 'BEGIN{s="abc"; gsub(/x*/,"-",s); print s; s="aaa"; print gsub(/a/,"b&\\&",s), s; s="a"; sub(/a/,"\\\\&",s); print s;s="a"; sub(/a/,"\\\\\\&",s); print s; s="a"; sub(/a/,"x\\y",s); print s; s="hello"; gsub(/l*/,"X",s); print s; s="a.b"; sub(".","X",s); print s; s="a.b"; sub("\\.","X",s); print s; s="a.b"; sub("\.","X",s); print s; s="a"; sub(/a/,"x\\\\y",s); print s; s="a"; sub(/a/,"x\\\\",s); print s; s="a"; sub(/a/,"\\x\\&\\\\&&",s); print s; s="abab"; print gsub(/b$/,"",s) s; print sub(/z/,"",s) s; s = "banana"; gsub("an", "[&]", s); print s}'; echo 'a a' | awk '{gsub(/a/,"b"); print; print $1; print sub(/b/, "c", $2), $0}'; echo '  x  ' | awk '{gsub(/^[ \t]+|[ \t]+$/, ""); print "<" $0 ">"}'; echo aaa | awk '{gsub(/^a/,"b")}1'
----
awk 'BEGIN{print "\q\"\/\101" ; printf "%c%c|", 65, "hello"; printf "%d %i %5.2f|%-5s|%5s|%05d|%x %o %X %u %e %g %G %%\n", 3.9, -3.9, 3.14159, "ab", "cd", 42, 255, 8, 255, 7, 12345.678, 0.0001, 1e10; printf "%*d|\n", 5, 3; printf "%.3s|%.0f|%5c|%+d|% d|%#x|%#o\n", "abcdef", 2.5, "x", 5, 5, 255, 8; printf("%s-%s\n", "a", "b"); printf "no newline"; printf "%s %s %s\n", "a" "b", 1.5, 2 }'; echo 65 | awk '{printf "%c|%d|%s\n", $1, $1 + 0.5, $1}'; awk 'BEGIN {printf "%s", 1e6; printf "%d%%\n", "42abc"; printf "%-8s|%8s|\n", "ab", "cd"; printf "%.2f %.10g %G %E\n", 1.005, 0.1, 1e-10, 1.5; printf "\t\\n\n"}'
----
awk 'BEGIN{CONVFMT="%.2g"; a=3.14159; print a "", a; OFMT="%.3g"; print a, 12345678, a ""; print 1000000 "", 12.25 ""; x[3.14159] = 1; for (k in x) print k}'; awk 'BEGIN{OFS="-"; print "a", "b"; ORS="!\n"; print "x"; $0="x y"; $1=$1; print; print 1==1?"y":"n"; print "a" > "/dev/stdout"; print "e" > "/dev/stderr"; printf "%s", "f" > "/dev/stderr"; SUBSEP=":"; a[1,2]; for (k in a) print k}' 2>/dev/null
----
awk 'BEGIN { printf "a" "b" "\n"; {print "block"}; ; }
# comment
function f(a,
  b) { return a b }
BEGIN { print f(1,
 2); print f("x") ; if (1)
 print "nl"
 else
 print "no"
 for (i = 0; i < 2; i++)
   print i
 while (j < 2)
  j++
 print j; do j--; while (j > 0)
 print j
 x["a"] = 1; print ("a" in x) && 1 ||
 0
 print "a\
b", "long " \
   "line"
 if (x["a"] == 1 &&
     !("b" in x)) { print "both" } else { print "none" }
 exit }
END { print "e" }'; echo $?; awk 'BEGIN{if(1){print "a"}else if(2)print "b";else print "c"; if (0) ; else print "d"; while (0) ; print "e"}'; awk 'BEGIN { n = 3; while (n --> 0) printf "%d ", n; print "" }'; awk 'BEGIN {
}'; awk 'BEGIN { print "a"; # b
print "c" }'
----
printf 'root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\nu:x:1000:1000::/home/u:/bin/sh\n' >passwd; awk -F: '$3 >= 1000 && $3 < 60000 {print $1}' passwd; awk -F: '$1 == "www-data" {print $6}' passwd; awk -F: -v u=u '$1 == u {found = 1} END {exit !found}' passwd; echo $?; awk -F: -v u=v '$1 == u {found = 1} END {exit !found}' passwd; echo $?; awk -F: '{print $NF}' passwd | sort -u; awk -F: '$3 > max {max = $3} END {print max + 1}' passwd; awk 'BEGIN {FS=OFS=":"} $1=="u" {$7="/bin/false"} {print}' passwd; awk -F: '/nologin$/ {n++} END {print n+0}' passwd
----
printf 'key1 = v1\n# c\nkey2=v2\n\n[s]\nkey1 = w\n' >c; awk -F= '/^[[:space:]]*#/ {next} /^\[/ {s=$0; next} NF==2 {gsub(/^[ \t]+|[ \t]+$/, "", $1); gsub(/^ +| +$/, "", $2); print s ":" $1 "=" $2}' c; awk '/^\[s\]/ {f=1; next} f && /^key1/ {print $3; exit}' c; awk -v k=key2 -v v=new 'BEGIN {FS="="} $1 == k {print k "=" v; next} {print}' c; echo 'Version: 1.2.3-4' | awk '/^Version:/ {split($2, p, "[.-]"); print p[1] "." p[2], p[4]}'; echo 'a,b;c' | awk '{n = split($0, p, /[,;]/); for (i = n; i > 0; i--) printf "%s%s", p[i], (i > 1 ? " " : "\n")}'; printf 'a b c\n' | awk '{for(i=NF;i>0;i--) printf "%s%s", $i, (i>1?OFS:ORS)}'; seq 5 | awk '{a[NR]=$0} END {for (i = NR; i; i--) print a[i]}'; echo 'libc6 (>= 2.3)' | awk '{sub(/\(/, ""); sub(/\)$/, ""); print $1 $3}'
----
echo 'x{y}' | awk '/x{/ {print "brace"} {sub(/}/, ")"); print}'; echo 'a/b' | awk '{sub(/a\/b/, "c"); print} /[c]/'; echo 'a.b' | awk -F'[.]' '{print $2}'; echo "it's" | awk "/'/ {print \"q\"}"; echo 'a"b' | awk '/"/ {gsub("\"", "\\\""); print}'; echo 'a\b' | awk '/\\/ {gsub(/\\/, "/"); print}'; echo 'tab	x' | awk '/\t/ {print "tab"}'; echo 'aXbxc' | awk '{print tolower($0) ~ /^ax/, /[A-Z]/, /^[^A-Z]+$/, /(a|b)X/, /x?c$/, /a.b/, /^$/}'
----
printf 'x\n' | awk '{ if ($1 == "x") next; print "no" } END { print NR }'; echo 'a b' | awk '{ $0 = toupper($0); print $2 } { print NF }'; printf '3\n1\n2\n' | awk '{ l[NR] = $1 } END { for (i = 1; i <= NR; i++) for (j = i + 1; j <= NR; j++) if (l[j] < l[i]) { t = l[i]; l[i] = l[j]; l[j] = t } for (i = 1; i <= NR; i++) printf "%s ", l[i]; print "" }'; printf 'a 1\nb 2\na 3\n' | awk '{ s[$1] += $2 } END { print s["a"], s["b"], s["c"] + 0 }'; awk 'BEGIN { print substr("2024-01-31", 6, 2) + 0, "a" ~ /^[[:alpha:]]$/, "" ~ /^$/ }'; printf 'one\n' | awk '{ print NR ": " $0 > "/dev/stdout" }'; printf 'a b\n' | awk '{ print $1, $2 > "/dev/stderr" }' 2>&1
----
echo 'x' | awk -v s="it's \"q\"" '{ print s }'; echo 'a' | awk "{ print \"$PATH\" }"; awk 'BEGIN { if (!("x" in ENVIRON)) print "unset"; }'; df=5; awk "BEGIN { exit !($df > 3) }"; echo $?; awk 'BEGIN { exit !("1.10" > "1.9") }'; echo $?; echo '10 9' | awk '{ exit !($1 > $2) }'; echo $?; awk 'END { exit NR != 2 }' <<E
a
b
E
echo $?
----
printf '%s\n' /usr/share/gcc/python/libstdcxx/__init__.py /usr/share/gcc/python/libstdcxx/v6/printers.py /usr/share/doc/x >l; awk -F/ 'BEGIN {OFS="/"} /\.py$/ {NF--; print}' l | sort -u; awk -F/ 'BEGIN {OFS="/"} /\.py$/ {$NF=sprintf("__pycache__/%s.*.py[co]", substr($NF,1,length($NF)-3)); print}' l; printf 'Package: a\nStatus: install ok installed\nPackage: b\nStatus: deinstall ok config-files\n' | awk '{if ($1 ~ /^Package:/) { package=$2 } else if ($0 ~ /^Status: .* installed$/) { print package }}'; md5sum l | awk '{ print $1 }'
----
printf 'Name: java\nAlternative: /usr/lib/jvm/a/bin/java\nPriority: 10\n\nAlternative: /usr/lib/jvm/b/bin/java\nPriority: 20\n' >q; awk -v b=/usr/lib/jvm/b '/^Alternative:/ && $2~b {p=1} /^Priority:/ && p {print $2; exit}' q; echo 'Maximum length of command we could actually use: 2088943' | awk '/Maximum length/ {print int($NF / 4)}'; printf 'Package: x\nVersion: 3.11.2-6\n' | awk '/^Version:/ {print $2}'; echo 'u tty :0 console (:1)' | awk '$4 ~ /console/ && $NF ~ /:[0-9]/ { print $NF }'
----
printf 'a s\nb\nxs\n' | awk '/\s/'; printf 'a s\n' | awk '{ gsub(/\s+/, "-"); print }'; printf 'w b\n' | awk '{ gsub(/[\s\w]/, "-"); gsub(/\y|\Bb/, "+"); print }'; echo 'a  b' | awk -F'\\s' '{ print NF }'; printf 'a\nb c\n' | awk '/^a|c$/ { n++ } END { print n }'; echo 'a b' | awk '{ sub(/(^| )b/, "X"); print }'
----
awk 'BEGIN { n = split("a b c d e f g h i j k l m n o p q r", x, " "); for (i in x) print i, x[i]; for (i in x) if (i > 9) delete x[i]; for (i in x) print i; y["zz"]; y["b"]; y[10]; y[2.5]; for (i in y) print i; for (i in y) { y["new" i]; print i } }'; printf 'a=1\nb=2\n' | K='a b c' a=x b=y awk 'BEGIN { split(ENVIRON["K"], d, "[ \t]") } { w = 0; for (i in d) { r = "^[ \t]*" d[i] "="; if (($0 ~ r) && (! w)) { print d[i] "=\x27" ENVIRON[d[i]] "\x27"; w = 1; break } } if (! w) print $0 }'
----
awk 'BEGIN { print "\x27\"|\x41|\x4g|\x271|\x" "z" "|\xzz|\x0a|\x7E" }'
