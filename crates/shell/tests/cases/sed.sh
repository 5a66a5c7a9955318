printf 'a\nb\nc\n' >f; sed s/b/X/ f; sed -n 2p f; sed 2d f; sed '$d' f; sed -n '$p' f; sed '2q' f; sed -n '/b/,$p' f; sed '1,2d' f; sed '/a/!d' f; sed -n '2,3p' f; sed '2!d' f; sed = f; sed -n '$=' f
----
echo aaa | sed s/a/b/2; echo aaa | sed s/a/b/g; echo aaa | sed s/a/b/2g; echo abc | sed 's/b/[&]/'; echo abc | sed 's/\(a\)\(b\)/\2\1/'; echo abc | sed -E 's/(a)(b)/\2\1/'; echo abc | sed -r 's/b+/x/'; echo a.b | sed 's/\./-/'; echo a/b | sed 's,/,-,'; echo a/b | sed 's/\//-/'; echo 'a|b' | sed 's|a\|b|x|'; echo ABC | sed 's/b/x/i'; echo ABC | sed 's/b/x/I'
----
echo abc | sed 's/b/\n/'; echo abc | sed 's/b/\&/'; echo 'a b' | sed 's/ /\t/'; printf 'a\nb\n' | sed 'N;s/\n/+/'; printf 'a\nb\nc\n' | sed 'N;P;D'; printf 'a\nb\nc\n' | sed ':a;N;$!ba;s/\n/,/g'; printf 'a\nb\nc\n' | sed -e ':a' -e '$!{N;ba' -e '}' -e 's/\n/ /g'; echo aab | sed 's/a*/x/'; echo baab | sed 's/a*/x/g'; echo abc | sed 's/x*/-/g'
----
printf 'a\nb\n' | sed '1a\
new'; printf 'a\nb\n' | sed '1i new'; printf 'a\nb\n' | sed '1a   indented'; printf 'a\nb\n' | sed '1i\  kept'; printf 'a\nb\n' | sed '/b/c changed'; printf 'a\nb\nc\n' | sed '1,2c both'; printf 'a\nb\n' | sed '$a last'; printf 'a' | sed '$a last'; printf 'a\nb\n' | sed '1i\
one\
two'; printf 'a\n' | sed -e 'a\' -e 'text'
----
printf 'a\nb\nc\nd\n' >f; sed -n '/b/,/c/p' f; sed '/b/,/c/d' f; sed -n '2,/a/p' f; sed -n '/a/,1p' f; sed -n '0,/a/p' f; sed -n '1,/a/p' f; sed -n '/b/,+1p' f; sed -n '1~2p' f; sed -n '2,1p' f; sed '/b/{s/b/x/;p}' f; sed -n '/b/{n;p}' f; sed -n '/b/{n;p;}' f; sed '/b/I,$d' f
----
printf 'a\nb\n' >f; sed -i s/a/x/ f; cat f; chmod 640 f; sed -i.bak s/x/y/ f; cat f f.bak; ln -s f l; sed -i s/y/z/ l; cat f l; ln f h; sed -i s/y/w/ f; cat h; sed -i -e s/w/v/ -e /b/d f; cat f; sed -ni p f; cat f; sed -i s/a/b/ missing; echo $?; mkdir d; sed -i s/a/b/ d; echo $?
----
printf 'a\nb' >f; printf 'c\n' >g; sed '' f g; sed -n '$p' f g; sed -s -n '$p' f g; sed 1d f g; sed -s 1d f g; sed s/b/x/ f; sed p f; sed -n p missing g; echo $?; sed -i 1d f g; cat f g; echo x | sed -n p -; sed -n '1!p' g
----
printf 'k=1\n#k=2\n' >c; sed -i 's/^#\?k=.*/k=3/' c; cat c; sed 's/^\([a-z]*\)=\(.*\)$/\2 \1/' c; sed -E 's/^#?(k)=/\1:/' c; sed -e '/^k/s/3/4/' c; sed '/^$/d' c; sed 's/[[:space:]]*$//' c; sed "s|k|$PATH|" c; sed -n 's/k=//p' c; sed -n 's/k=//gp' c; sed -e 's/k/a/;s/a/b/' c; sed 's/3//;t;s/$/!/' c
----
printf 'one\ntwo\n' | sed 'h;G'; printf 'one\ntwo\n' | sed -n 'H;${x;s/\n/,/g;p}'; printf 'one\ntwo\n' | sed '1!G;h;$!d'; printf 'one\ntwo\n' | sed x; printf 'abc\n' | sed 'y/abc/xyz/'; printf 'a/b\n' | sed 'y,/,_,'; printf 'a\nb\n' | sed 'g'; printf 'a\nb\n' | sed '1{h;d};H;x'
----
printf 'a\nb\nc\n' | sed 2q; printf 'a\nb\n' | sed 'q5'; echo $?; printf 'a\nb\n' | sed -n '1{p;q}'; printf 'a\nb\n' | sed Q; printf 'a\nb\n' | sed '/b/q'; printf 'x\n' | sed 's/x/a\/b/'; printf 'x\n' | sed 's#x#a/b#'; printf 'a\nb\n' | sed '# comment
s/a/b/ # another'; printf 'a\n' | sed -e s/a/b/ -e s/b/c/; printf 'a\n' | sed -f /dev/null; printf '#n\ns/a/b/\n' >s; printf 'a\n' | sed -n -f s; echo 's/a/b/' >s; printf 'a\n' | sed -f s
----
printf 'a\nb\nc\n' | sed -e '2{' -e 's/b/x/' -e '}'; printf 'a\nb\n' | sed '1{s/a/b/
s/b/c/
}'; printf 'a b c\n' | sed 's/ .*//'; printf '/usr/bin/x\n' | sed 's,^.*/,,'; printf 'a"b\n' | sed 's/"/\\"/g'; printf "a'b\n" | sed "s/'/\"/"; printf 'v1.2-3\n' | sed -e 's/^v//' -e 's/-.*//'; printf '  x  \n' | sed 's/^[ \t]*//;s/[ \t]*$//'; printf 'a\nb\n' | sed n; printf 'a\nb\nc\n' | sed 'n;d'; printf 'a\nb\nc\n' | sed '$!N;s/\n/-/'
----
echo x >r; printf 'a\nb\n' | sed '1r r'; printf 'a\nb\n' | sed '1r missing'; printf 'a\n' | sed -n '/a/p;/a/p'; printf 'ab\n' | sed 's/a\|b/x/g'; printf 'ab\n' | sed -E 's/(a|b)/<\1>/g'; printf 'aXb\n' | sed 's/X\{1\}/-/'; printf 'a.b\n' | sed 's/[.]/-/'; printf 'a/b\n' | sed 's/[/]/-/'; printf 'a]b\n' | sed 's/[]]/-/'; printf 'abc\n' | sed 's/\(b\)\?c/-/'; printf 'x\n' | sed 's/y*$/z/'
----
echo 'a,b' | sed -E 's/(^|,)([^,]*)($|,)/[\1|\2|\3]/'; echo 'a,b' | sed -E 's/(^|,)b|^$/X/'; echo xaab | sed 's/\(^x\|a\)*/[\1]/'; echo 'ab cd' | sed -E 's/\<|\>/-/g'; printf '# c\n\nx\n  #y\nz #\n' | sed '/^ *\(#\|$\)/d'; echo 'a b' | sed 's/\(^\| \)b/\1X/;s/\(a\|^b\)\( \|$\)/<\1>/'; echo 'abcb' | sed 's/^a\|b$/-/g'; echo 'foo=1 bar' | sed -E 's/(^| )(bar|foo=[0-9])( |$)/\1(\2)\3/g'
----
echo aab | sed -E 's/(a|ab)*/[&]/'; echo abcd | sed 's/a\|ab\|abc/-/'; echo abcd | sed -E 's/(a|ab)(c|bcd)(d*)/-/'; echo xfoobar | sed 's/\(.*\)\(foo\|bar\)\(.*\)/\1|\2|\3/'; echo 'abab' | sed -E 's/(a|b|ab)*/-/'; echo aab | sed -E 's/(a|aa|b)+/[\1]/'; echo ababc | sed 's/\(ab\)*\(c\)/\1-\2/'; echo 'key = "v"' | sed -E 's/^(key|k)[ ]*=[ ]*("v"|v)$/\1:\2/'
----
echo 'ab  c' | sed 's/\B/-/g'; echo 'ab cd' | sed "s/\\\`a/X/;s/d\\'/Y/"; echo 'ab cd' | sed -E 's/a\B/X/;s/\bcd/Y/;s/\w+\W/-/'
----
printf 'a b\0c\nd\0' | sed -z 's/^c/X/;s/d$/Y/' | tr '\0' '|'; printf 'a\0b' | sed -z = | tr '\0' '|'; printf 'a\0b\0c' | sed -z 'N;P;D' | tr '\0' '|'; printf 'a\nb\n' | sed -z 's/\n/,/g'; echo; printf 'x\0y\0' | sed -nz 'H;${x;p}' | tr '\0' '|'; printf 'a\0b\0' | sed --null-data -n '2p' | tr '\0' '|'; printf 'a\0' | sed -z 'a\
t' | tr '\0' '|'; printf 'a\nb\0' | sed -z 's/a.b/X/' | tr '\0' '|'; printf 'a\0b\0' >f; sed -zi 's/b/c/' f; tr '\0' '|' <f; printf 'a\0b\0' | sed -z '1!G;h;$!d' | tr '\0' '|'
----
echo aBbCbd | sed 's/\(.*\)/\L\1/'; echo aBbCbd | sed 's/b/\u\L&X/;s/C/\L&\Ux/'; echo aBbCbd | sed 's/a\(B\)b/\U\1q\Ex/;s/d/\uqr&\lFG/'; echo 'foo bar' | sed 's/[a-z]*/\u&/g'; echo 'foo bar' | sed -E 's/(\w+) (\w+)/\U\1 \E\2 \u\2/'; echo abc | sed 's/b/\u/;s/c/\u\l\nQ/'; echo abc | sed 's/b/\l\U&q/'; echo abc | sed 's/b/\u\Eq\&/'
----
printf 'a\n+a\n?a\nb\n' | sed -e 's/^\+/x/' -e 's/\(\?a\)/<\1>/'
----
printf 'a\nb\n' | sed '1 a x
s/b/y/'; printf 'a\nb\n' | sed '1 i x
b
s/b/y/'; printf 'a\nb\nc\n' | sed '/b/ c x
/c/ {
a y
}
$ a z'; printf '#k=\nl\n' | sed -r '
x
s|^$||
t find
x
b
: find
x
s|^#(k=)$|\1v|
t end
$ ak=v
b
: end
h
'
