printf 'foo\nbar\nFoo\n' >f; grep foo f; grep -i foo f; grep -v foo f; grep -c o f; grep -q bar f; echo $?; grep -q baz f; echo $?; grep baz missing; echo $?; grep -s baz missing; echo $?; grep -qs foo missing f; echo $?
----
printf 'a b\nab\na_b\nb\n' | grep -w a; printf 'ab\nabc\n' | grep -x ab; printf 'a.b\naxb\n' | grep -F a.b; printf 'a.b\naxb\n' | grep a.b; printf 'a+b\naab\n' | grep 'a\+b'; printf 'a+b\naab\n' | grep -E 'a+b'; printf 'a+b\naab\n' | grep 'a+b'
----
echo x >a; echo y >b; grep x a b; grep -h x a b; grep -l x a b; grep -L x a b; echo $?; grep -H x a; grep -n x a; grep -c x a b; echo x | grep -l x; echo x | grep -H x; grep -lv x a b; grep -L x a; echo $?
----
printf 'root:x:0:0\ndaemon:x:1:1\nroots:x:2\n' >p; grep '^root:' p; grep -o '^[a-z]*' p; grep -E '^(root|daemon):' p; grep -e root -e daemon p; grep -m1 root p; egrep 'root|daemon' p; fgrep x:1 p; grep 'x:[0-9]$' p; grep '' p | wc -l; grep . /dev/null; echo $?
----
printf 'key = value\n#key=1\nkey=2\n' >c; grep '^[[:space:]]*key[[:space:]]*=' c; grep -q '^[^#]*key' c; echo $?; grep -E '^\s*key\s*=' c; grep -o 'key=[0-9]\{1,\}' c; grep '\<key\>' c; grep 'key\b' c; grep '[]#]' c; grep '^[^]k]' c; grep 'a*' c | wc -l; grep -E 'v(al|AL)ue' c
----
printf 'aaa\nab\nabab\n' | grep -E '^(ab)+$'; printf 'aaa\nab\nabab\n' | grep '^\(ab\)*$'; printf 'a{2}\naa\n' | grep -E 'a{2}'; printf 'aa\na\n' | grep 'a\{2\}'; printf 'a|b\na\n' | grep 'a|b'; printf 'a|b\na\nc\n' | grep 'a\|c'; printf '*a\na\n' | grep '*a'; printf 'a^b\na$b\n' | grep 'a^b'; printf 'a^b\na$b\n' | grep 'a$b'
----
printf 'one two\n' | grep -o 'o[a-z]*'; printf 'aXbXc' | grep -o 'X'; printf 'x\n\ny\n' | grep -n '^$'; printf 'x\n\ny\n' | grep -c .; printf 'x\ny' | grep y; printf 'abc\n' | grep -o b*; echo $?; printf 'a\tb\n' | grep '[[:blank:]]'; echo abc | grep -vq x; echo $?
----
mkdir d; echo x | grep x d; echo $?; echo x >f; grep -s x d f; echo $?; grep; echo $?; echo "a'b" | grep "a'b"; printf 'a\\b\n' | grep 'a\\b'; printf 'a\\b\n' | grep -F 'a\b'; printf -- '-x\ny\n' | grep -e -x; printf -- '-x\ny\n' | grep -- -x; printf 'a\nb\nc\n' | grep -F 'a
c'
----
printf 'Port 22\n  port 80\n' | grep -iE '^ *port +[0-9]+'; printf 'x=1\nxx=2\n' | grep -xE 'x+=[0-9]'; printf 'a-b\n' | grep '[a-]-'; printf 'a]b\n' | grep 'a]b'; printf 'A1\n' | grep '[[:upper:]][[:digit:]]'; printf 'foo bar\nfoobar\n' | grep -w foo; printf 'foo-bar\n' | grep -w foo; printf 'xfoo foo\n' | grep -wo foo
----
printf '\n' | grep -c '\B'; printf 'a\n' | grep -c '\B'; printf ' \n' | grep -c '\B'; printf 'ab\n' | grep -o 'a\B'; printf 'a\nb c\nc\n' | grep -E '^a|c$'; printf 'ab\nb\nxa\n' | grep -oE '(^a|b)+'; printf 'a;b\n' | grep -Eo '(^|;)[ab](;|$)'; printf 'ab abc\n' | grep -oE 'a|ab|abc'; printf 'a b\n' | grep -E '(^|\s)b(\s|$)'
----
printf 'a1 b22\n' | grep -oP '\d+'; printf 'foo\tbar\n' | grep -P '^foo\sbar$'; printf 'a.b\naxb\n' | grep -P 'a\.b'; printf 'ab\nAB\n' | grep -ciP '^a(?:b)$'; printf 'aaa\n' | grep -oP 'a+?'; printf '<a>\n' | grep -P '\<a'; printf 'ab\n' | grep -oP 'a|ab'; printf 'x]y}\n' | grep -P 'x]y}'; printf 'a b\n' | grep -wP b; printf 'ab' | grep -P 'a{1,2}b'
----
printf 'a\0b\0ab' | grep -z b | tr '\0' '+'; printf 'a\nx\0b' | grep -zc 'x'; printf 'a\0b\0' | grep -zo '[ab]' | tr '\0' '+'; printf 'a\0b' | grep -qz '^b$'; echo $?; printf 'A=1\0B=2\0' | grep -z '^B=' | tr -d '\0'; echo ab | grep --color=never a; echo ab | grep --color=auto b
----
seq 20 >f; grep -A1 5 f; grep -B 1 5 f; grep -C2 -n 7 f; grep -A1 -e 3 -e 4 -e 12 f; grep -n -A1 -B1 1 f; grep -A 1 9 f f; grep -hA 1 19 f f; grep -vA1 '1' f; grep --after-context=2 -c 3 f; grep -A1 nosuch f; echo $?; grep -A1 -q 3 f; echo $?; grep -A0 5 f; grep -C0 5 f; grep -A3 18 f; grep -B3 2 f; grep -lA1 3 f; grep --context=1 10 f; grep -C1 -A0 10 f; seq 3 | grep -HA1 2
----
mkdir -p d/e; echo x >d/e/a; echo y >d/b; ln -s b d/l; ln -s d k; grep -r x d; grep -r x d/; grep -r x d/e/a; grep -rh x d; grep -rl y d k; grep -rq z d; echo $?; cd d; grep -r y; grep -r y .; grep -rl x missing e; echo $?; grep -rc y b; grep --recursive -H x e/a; grep -rs x missing; echo $?; grep -r y l; cd e; grep -r x; echo x | grep -r x -
----
printf 'a\n+a\n?a\nb\n' >f; grep '^\+' f; grep '\?a' f; grep 'b\|\+a' f; grep '\(\+a\)' f; grep -c '^\+a' f; echo rkh | grep '^\+'; echo $?
