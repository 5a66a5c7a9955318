printf 'a\nb' >f; echo c >g; cat f g; cat f - g </dev/null; echo in | cat f - g; cat missing g; echo $?; mkdir d; cat d; echo $?; cat </dev/null; echo x | cat
----
echo x | tee a b; cat a b; echo y | tee -a a >/dev/null; cat a; echo z | tee missing/f; echo $?; echo q | tee /dev/null
----
basename a/b/c.txt; basename a/b/ ; basename / ; basename // ; basename a.txt .txt; basename .txt .txt; basename -a x/y z/w; basename -s .c a.c b/d.c; basename; echo $?; basename a b c; echo $?
----
dirname a/b/c; dirname a; dirname /; dirname /a; dirname a/b/; dirname a//b; dirname a/b c/d; dirname ''; dirname; echo $?
----
echo a:b:c | cut -d: -f2; echo a:b:c | cut -d: -f1,3; echo a:b:c | cut -d: -f2-; echo a:b:c | cut -d: -f-2; echo abc | cut -d: -f2; echo abc | cut -s -d: -f2; echo abcdef | cut -c2-4; echo abcdef | cut -c1,3-
----
printf 'a b  c\nd e\n' | cut -d' ' -f3; printf 'a\tb\tc' | cut -f2; echo a:b:c:d | cut -d: -f3,1 --output-delimiter=-; echo a | cut -d: -f0; echo $?; echo a:b:c | cut -d: --complement -f2; printf 'x:y\n\nz:w\n' | cut -d: -f2
----
seq 5 | head -2; seq 5 | head -n 3; seq 5 | tail -2; seq 5 | tail -n +4; seq 5 | head -n -2; printf 'abc' | head -c 2; printf abc | tail -c 2; seq 3 | head -n0; seq 3 | tail -n 0; printf 'a\nb' | tail -1; printf 'a\nb' | head -1; seq 20 | head | tail -n1
----
seq 3 >a; seq 4 6 >b; head -n1 a b; tail -n1 a b; head -q -n1 a b; head missing a; echo $?; tail -c +3 a; head -n 1 missing; echo $?; seq 3 | tail -n +0; seq 3 | tail -n +1; seq 2 | tail -n +9
----
printf 'a b\nc\n' | wc -l; printf 'a b\nc' | wc -l; printf 'a b\nc\n' | wc -w; printf 'a b\nc\n' | wc -c; echo x >f; wc -l f; wc -c <f; wc -l missing; echo $?
----
printf 'b\na\nc\na\n' | sort; printf 'b\na\nc\na\n' | sort -u; printf 'b\na\nc\n' | sort -r; printf '10\n9\n-1\nx\n2a\n2\n' | sort -n; printf 'a\nb\na' | sort; printf 'B\na\nC\n' | sort; printf 'b\na\n' >f; sort -o f f; cat f; sort missing; echo $?; sort </dev/null; printf '2\n1\n02\n' | sort -nu
----
printf 'a\na\nb\na\n' | uniq; printf 'a\na\nb\n' | uniq -c; printf 'a\na\nb\n' | uniq -d; printf 'a\na\nb\n' | uniq -u; printf '' | uniq; printf 'a\na' | uniq
----
echo hello | tr a-y b-z; echo hello | tr -d l; echo heello | tr -s e; echo 'a  b' | tr -s ' ' '\n'; echo abc | tr -cd 'b\n'; echo HeLLo | tr '[:upper:]' '[:lower:]'; echo a.b.c | tr . _; echo 'a/b' | tr / '\\'; echo abc | tr ab xyz; echo abc | tr abc x; echo 'a1b2' | tr -d '[:digit:]'
----
printf 'a\0b\0' | tr '\0' '\n'; echo abc | tr '\141' X; echo 'a-b' | tr -- - _; echo 'a-b' | tr a- xy; echo aabb | tr -s ab; echo aabbcc | tr -ds a b; echo abc | tr -d; echo $?; echo abc | tr a; echo $?; echo 'x  y' | tr -s '[:space:]'; echo abc | tr -c 'a\n' .; echo 'aXb' | tr -cs a-z '\n'
----
expr 1 + 2; expr 2 \* 3 + 1; expr 7 / 2; expr 7 % 3; expr 1 - 5; expr 0; echo $?; expr a = a; expr a = b; echo $?; expr 2 \< 10; expr b \> a; expr '' ; echo $?; expr 1 + a; echo $?; expr 1 / 0; echo $?; expr \( 1 + 2 \) \* 3
----
expr abc : 'a.c'; expr abc : b; expr abc : 'a\(.\)c'; expr abc : 'x\(.\)'; echo $?; expr "$(echo foo-1.2)" : '.*-\(.*\)'; expr '' \| b; expr 0 \| 0; expr a \& b; expr 0 \& b; expr 10 = 010; expr a : '\(b\)*'; expr; echo $?; expr 1 2; echo $?
----
seq 3; seq 2 4; seq 1 2 7; seq 3 -1 1; seq 0; seq 5 4
----
echo a >f; echo a >g; echo b >h; cmp f g; echo $?; cmp f h; echo $?; cmp -s f h; echo $?; cmp -s f missing; echo $?; printf 'a\nb' >i; cmp f i; echo $?; cmp i f; echo $?; cat f | cmp - g; echo $?
----
echo a b c | xargs echo x; printf 'a\nb\nc\n' | xargs -n1 echo; printf 'a b\nc\n' | xargs -I{} echo '<{}>'; printf '' | xargs echo none; printf '' | xargs -r echo none; printf 'a b\0c\0' | xargs -0 -n 1 echo; echo x | xargs false; echo $?; echo x | xargs nosuchcommand; echo $?
----
touch a b c; ls | xargs rm; ls; env A=1 env | grep '^A='; env -i B=2 env; env -u PATH A=1 env | grep -c PATH; echo $?; env true; echo $?; env false; echo $?
----
/bin/true; echo $?; /usr/bin/false; echo $?; sync; sleep 0; echo $?; /bin/cat </dev/null; echo a | /bin/cat; nosuchcommand; echo $?
----
printf 'a\nb\nc\n' >f; printf '1\n2\n' >g; paste f g; paste -d, f g; paste -s f; paste -sd, f g; paste -d ',;' f g f; paste - - <f; paste f - <g; paste </dev/null; echo $?; paste -d '' f g; paste -d '\0,' f g f; paste -d '\n\t\\' f g f g; paste -d '\' f g; echo $?; printf a | paste -s; paste missing f; echo $?; paste -s missing f; echo $?; printf 'a\nb' | paste -s -d+; paste -s /dev/null; paste -d, /dev/null f; paste - f - <f; seq 5 | paste -sd '+-'
----
printf 'a\nb\nd\n' >f; printf 'b\nc\nd\n' >g; comm f g; comm -12 f g; comm -23 f g; comm -3 f g; comm -13 f g; echo $?; comm -1 f g; comm f - <g; comm missing f; echo $?; comm f; echo $?; comm -123 f g; printf 'a\na\nb' >h; comm f h; comm /dev/null f
----
printf 'abc\nd e\n\nx' | rev; echo; printf 'a\nb\nc' | tac; printf 'a\nb\nc\n' | tac; printf 'a\nx\n' >f; printf b >g; tac f g; tac g f; rev f g; rev missing f; echo $?; tac missing f; echo $?; tac </dev/null; printf '\n\na' | tac
----
echo a >f; echo a >g; echo b >h; mkdir d; echo a >d/f; diff f g; echo $?; diff -q f h; echo $?; diff -q f missing; echo $?; diff -s f g; diff -q f d; echo $?; diff d h/../f; echo $?; diff --brief f h; diff -q f f; echo $?; diff -q - f <h; echo $?; diff -q missing f; echo $?; diff -Nq f missing; echo $?; diff -Nq x y; echo $?; diff -q h d; echo $?; diff f; echo $?; diff -qs f g; cat f | diff - g; echo $?
----
printf 'b 2\na 10\nc 1\n' >f; sort -k2n f; sort -k2,2nr f; sort -k 2 f; sort -k2.2 f; sort -rk1,1 f; printf 'b:2:x\na:10:y\na:1:z\n' >g; sort -t: -k2,2 g; sort -t : -k1,1 -k2,2n g; sort -t: -k1,1 -s g; sort -t: -k1,1 -u g; sort -t: -k2n -r g; sort -t: -k2,2nr -k1,1 g; sort -t: -k3r g; sort -t: -k1,1r -k2n g; sort -t: -k1.1,1.1 -k3,3 g
----
printf 'a1.10\na1.9\na1.9~rc\na1.9-2\n' | sort -V; printf '1K\n2M\n3\n-1G\n1.5K\n0M\n' | sort -h; printf 'B\na\nb\nA\n' | sort -f; printf 'B\na\nb\nA\n' | sort -fu; printf '  b\n a\nc\n' | sort -b; printf '1.5\n1.25\n-3\n-10\n+2\n07\n7\nx\n\n.5\n' | sort -n; printf '2\n10\n' | sort -nr; printf 'b\0a\0' | sort -z | tr '\0' '+'; printf 'x 10\nx 9\nx 9\n' | sort -k2 -n -u; printf '3 b\n1 c\n3 a\n' | sort -s -n; printf '3 b\n1 c\n3 a\n' | sort -n; printf '3 b\n3 a\n1 c\n' | sort -rs -k1,1n; printf 'v2\nv10\n' | sort -Vr
----
printf 'a\nb\n' | sort -c; echo $?; printf 'b\na\n' | sort -c; echo $?; printf 'b\na\n' | sort -C; echo $?; printf 'a\na\n' | sort -cu; echo $?; printf '2\n10\n' | sort -nc; echo $?; seq -w 8 10; seq -s, 3; seq -s ' ' 2 2 6; seq -w 1 7 10; seq -w -2 1; seq --separator=: 2; seq -w 0
----
echo plain | iconv -f UTF-8 -t ASCII; printf 'Ergo\342\200\221L \305\252 caf\303\251 \342\200\234q\342\200\235 \302\251 \342\200\224 \303\206\342\200\246\n' | iconv -f UTF-8 -t ANSI_X3.4-1968//TRANSLIT; printf '\351\n' | iconv -f ISO-8859-1 -t UTF-8; printf '\303\251\n' | iconv -t latin1 -f utf8 >/dev/null; echo a >f; iconv --from-code=ascii --to-code=utf8 f f; iconv -f utf-8 -t ascii missing; echo $?
----
printf 'one two three four\nfive\n\n' | fold -w 8; printf 'one two three fourfivesix seven\n' | fold -s -w 8; printf 'a\tb c\td\n' | fold -w 10; printf 'a\tb c\td\n' | fold -b -w 3; printf 'a\tb c\td\te' | fold -s -w 12; printf 'ab\rcd\b\be\n' | fold -w 2; printf 'xxxxxxxxx yyyy' | fold -sw 5; printf '\tx\n' | fold -w 4; echo a >f; fold f f missing; echo $?
----
printf 'Ergo\342\200\221L caf\303\251 \342\200\234q\342\200\235 \342\202\254\n' | iconv -f UTF-8 -t UTF-8//TRANSLIT; printf '\351\n' | iconv -f ISO-8859-1 -t utf8//translit
----
for c in 300 301 302 303 304 305 306 307 310 311 312 313 314 315 316 317 320 321 322 323 324 325 326 327 330 331 332 333 334 335 336 337 340 341 347 360 367 370 377; do printf "\\$c\n" | iconv -f ISO-8859-1 -t UTF-8 | iconv -f UTF-8 -t ASCII//TRANSLIT; done; printf '\304\200\304\261\305\201\305\222\305\223\305\276\n' | iconv -f UTF-8 -t ASCII//TRANSLIT
----
printf 'a  b\nc\n\n' | xargs; printf '' | xargs; printf '' | xargs -r; printf 'a b c' | xargs -n 2; printf 'a\n' | xargs -0; echo end
----
for t in '' a ab abc abcd 'Many hands make light work.'; do printf %s "$t" | base64; printf %s "$t" | base64 -w 0; echo; printf %s "$t" | base64 -w 3; printf %s "$t" | base64 --wrap=4 | base64 -d; echo; done; seq 100 >f; base64 f; base64 -w0 <f | base64 --decode | cmp - f; base64 f | base64 -d | cmp f; printf '\000\377\376' | base64; echo AP/+ | base64 -d >h; printf '\000\377\376' | cmp - h; echo YWJj | base64 -di; echo 'Y W-J!j' | base64 -di; echo 'YW!j' | base64 -d; echo $?; echo 'YWJjZ!==' | base64 -d; echo " $?"; echo 'YQ==YQ==' | base64 -d; echo " $?"; echo 'Y===' | base64 -d; echo " $?"; printf 'YW\nJj\n' | base64 -d; base64 missing; echo $?; base64 f g; echo $?; base64 -w x f; echo $?; echo a | base64 -
----
printf 'a b\n\nc\n' >f; printf 'ab\nc \n' >g; printf 'a b\nc\n' >h; diff -qwB f g; echo $?; diff -qw f g; echo $?; diff -qB f h; echo $?; diff -q -B f g; echo $?; diff -qw h g; echo $?; diff -qwB f missing 2>/dev/null; echo $?; diff -wB f g; echo $?; printf 'c' >i; printf 'c\n' >j; diff -qw i j; echo $?; diff -qB i j; echo $?; diff -q --ignore-all-space --ignore-blank-lines f g; echo $?; printf 'a\n \nb\n' >k; printf 'a\nb\n' >l; diff -qB k l; echo $?; diff -qBw k l; echo $?
