uname; uname -s; uname -o; uname -so; uname --kernel-name; uname x; echo $?; tty; echo $?; tty -s; echo $?; logger x; echo $?; logger -t tag -p user.info 'a b'; echo $?
----
which ls nosuch; echo $?; which; echo $?; which nosuch; echo $?; which /bin/ls ./x; echo $?; touch x; which ./x; echo $?; chmod +x x; which ./x; mkdir d; which ./d; echo $?; which grep sed; command -v /bin/ls; command -v ./x; command -v ./y; echo $?
----
mountpoint /; echo $?; mountpoint -q /; echo $?; mountpoint -q .; echo $?; mountpoint .; echo $?; mountpoint missing; echo $?; mountpoint -q missing; echo $?; touch f; mountpoint f; echo $?; mountpoint; echo $?; mountpoint -q /..; echo $?
----
date -u -d @0 +%s; date -u -d @0 +%Y-%m-%d; date -u -d @1000000000; date -u -d @1000000000 '+%F %T %H %M %S %d %m %y %j %a %A %b %B %e %s %% %n %t %Z %z %D %R %I %p %u %w %C %h %k %l %N %c %x %X %r'; date -d @5 +%s; date -u -d @-5 +%F_%T; date -u --date=@100 +%s; date -r missing; echo $?; date -u -R -d @0; date -u -d @0 +%-d_%_d_%0e_%-H_%_H_%-m_%-j_%_m; date -u -d @253402300799 '+%Y %y %C'; date -u -d @-62135596801 +%Y-%m-%d; date -u -d @951782400 '+%F %j %a'; TZ=UTC date -d @86399 +%T; TZ= date -d @43200 '+%I %p %l'
----
touch f g; date -u -r f +%s >s; date -u -r g +%s >t; cmp s t; echo $?; rm s t; for t in 0 1 59 3599 86399 86400 5097599 68169600 951868799 951868800 4107542399 4107542400; do date -u -d @$t '+%F %T %j %a %u'; done
----
getopt -o ab: -l long,arg:,opt:: -n prog -- -a -b x --long --arg=y z --opt --opt=q; echo $?; getopt -o ab: -n prog -- -x -b; echo $?; getopt -o ab:: -- -bfoo -b foo; echo $?; getopt ab: -a -b x y; echo $?; getopt -q -o a -- -x; echo $?; getopt -T; echo $?; getopt -o a -l foo,foobar,bar -- --fo; echo $?; getopt -o a -l foo,foobar,bar -- --b --foo; echo $?
----
getopt -o a: -- -a "it's" 'x y' ''; echo $?; getopt -u -o a: -- -a 'x y' z; echo $?; getopt -o +ab -- -a x -b; echo $?; getopt -o -ab -- -a x -b y; echo $?; POSIXLY_CORRECT=1 getopt -o ab -- -a x -b; echo $?; getopt; echo $?; getopt -o a; echo $?; getopt -o a -l foo -- --foo=x; echo $?; getopt -o a -l foo: -- --foo; echo $?; getopt --options a --longoptions foo,bar --longoptions baz --name n -- --baz x; echo $?; getopt -o a -- a -- -a; echo $?
----
getopt -o '' -l foo -- --foo -x; echo $?; getopt -Q -o a -- -a; echo $?; getopt -o a -l 'foo bar' -- --foo --bar; echo $?; getopt -o ab -- -ab - x; echo $?; getopt -l foo -- --foo; echo $?; getopt -o a: -- -a 'x
y' 'a\b!c'; echo $?; getopt -n x ab -a; echo $?; getopt -o hv --long help,verbose -n x.sh --; echo $?; getopt -o ab -- -a --; echo $?; getopt -o a -n p -- -xa; echo $?; getopt -o a -l foo -n p -- --nope -a; echo $?; getopt -o a: -l foo: -n p -- --foo -a -a -- x; echo $?; getopt -oa -nfoo -- -x; echo $?; getopt -o :a -- -x; echo $?
----
t=$(getopt -o vo: --long verbose,output: -n script -- -v --output 'a b' rest "it's"); eval set -- "$t"; while :; do case $1 in -v|--verbose) echo verbose; shift;; -o|--output) echo "<$2>"; shift 2;; --) shift; break;; esac; done; echo $#; for a; do echo "$a"; done
----
env printf '%s-%d\n' a 3 b 4; env printf 'x\t\101\n'; env printf '%5s|%-5s|%05d|%x %c\n' a b 42 255 xyz; env printf '%d\n' abc; echo $?; env printf; echo $?; /usr/bin/printf '%s\n' 'a b'; env printf -- '%s\n' x; env printf 'a%%\n' extra; echo 'a b' | xargs printf '%s,'; env printf '%s'; env printf '%d %s\n' 1
----
touch f; mkdir d; env test -f f; echo $?; env test -d f; echo $?; env [ a = b ]; echo $?; env [ a = a ]; echo $?; env [ a = a; echo $?; env test; echo $?; env test ''; echo $?; env test 1 -lt 2 -a x; echo $?; env test a -lt 2; echo $?; /usr/bin/[ ! -e g ]; echo $?; find . -mindepth 1 -exec test -d {} \; -print; env test a b; echo $?; env [ '(' a ')' ]; echo $?; env test -n; echo $?; env test ! a = b; echo $?; env test f -ef ./f; echo $?; env test a = b -o c = c; echo $?
----
mkdir a; ln -s a l; cd l; env pwd | sed 's,.*/,,'; pwd | sed 's,.*/,,'; /bin/pwd -P | sed 's,.*/,,'; find . -exec pwd \; | sed 's,.*/,,'
----
printf 'a b\nc\n\n"d"\n' | xargs -d '\n' -n 1 echo x; printf 'a,b,,c' | xargs -d , printf '<%s>'; echo; printf 'a\0\0b\0' | xargs -0 printf '<%s>'; echo; printf 'a\n\n  b\n \n' | xargs -I X echo 'X.'; printf '' | xargs -d '\n' -r echo no; printf '\n' | xargs -r -d '\n' printf '<%s>'; echo; printf 'a\tb' | xargs --delimiter='\t' printf '<%s>'; echo; printf 'a b' | xargs -0 -d ' ' echo; printf 'a b\0c' | xargs -d ' ' -0 printf '<%s>'
----
for d in 2024-01-31 '2024-01-31 +1 month' '2024-02-29 12:30 UTC + 1 year' 20240102 'Thu, 01 Jan 1970 00:00:00 +0000' '01 Jan 1970' 'Jan 1 1970' 2024-01-01T10:00:00Z 2024-01-01T10:00:00+02:00 '2024-01-01 10:00:00.5' '2024-01-01 -1 week' '1970-01-01 UTC 5 days' 2024-1-5 'Sat Nov 28 21:12:39 UTC 2026' '  2024-01-01  ' '2024-01-01 1 fortnight' '2024-01-01 1day' '2024-01-01 00:00:00 -0500' '2024-01-01 GMT' '2024-03-31 1 month ago' '1970-01-01 UTC + 86400 seconds' '@86400'; do date -ud "$d" '+%s %F %T'; done
----
for d in 2019-12-30 2020-12-31 2021-01-03 2016-01-01 2000-02-29 2024-01-07 2023-01-01; do date -d $d '+%V %G %g %U %W %q %P %u'; done; date -u -d @0 -I; date -d @0 -Iseconds; date -d @0 -Ihours; date -d @0 --iso-8601=minutes; date -d @0 --rfc-3339=seconds; date -d @0 --rfc-3339=date; date --rfc-email -d @0; date -d @0 +%:z; date --utc --date @0; TZ=UTC date -d '2024-05-06 07:08' +%c; touch -d @99 f; date -r f +%s
----
timeout 5 echo a; timeout -k 5 10s false; echo $?; timeout --signal=KILL 0.5m true; echo $?; timeout x true; echo $?; timeout 5; echo $?; echo in | timeout 5 cat; nice -n 10 echo b; nice echo c; ionice -c3 echo d; ionice -c 2 -n 7 echo e; nohup echo f </dev/null; setsid -w echo g; stdbuf -oL echo h; printenv LC_ALL; printenv NOTHING; echo $?; A=1 printenv A; env - B=2 env; env -u LC_ALL printenv LC_ALL; echo $?; groups root; groups; groups nosuch; echo $?; id root; id -nG root; timeout 5 nosuch 2>/dev/null; echo $?
----
for w in "--three-way a b" "-three-way a" "-n a" "-no x" "-nv" "-p q r" "-package q" "-src-dir=x y" "-src y" "-v -v" "-d2" "-debug=3" "-debconf-ok" "-deb" "-x" "-hs a" "-s" "-verb" "-vx" "-" "-= a"; do getopt -a -o hs:d::nP:p:v -n prog --long help,src-dir:,debug::,no-action,package:,verbose,three-way,debconf-ok,debconf-template: -- $w 2>/dev/null; echo $?; done
----
stty size; echo $?; stty; echo $?; stty -a; echo $?; stty -g; echo $?; stty -echo; echo $?; stty size 2>/dev/null | awk '{ print $2 }'; exec 9>l; flock -w 10 9; echo $?; flock -n -x 9; echo $?; flock -u 9; echo $?; flock g echo locked; echo $?; flock -n . echo b; flock no/g true; echo $?; flock --timeout 1 g false; echo $?
----
alias strip="sed -e 's/^[[:blank:]]*//' -e 's/[[:blank:]]*$//'"
echo '  a b  ' | strip; x="$(echo ' c ' | strip)"; echo "<$x>"; y=`echo ' d ' | strip`; echo "<$y>"
f() { echo ' e ' | strip; }; f; if true; then strip <<E
 in $(echo ' g ' | strip)
E
fi; eval 'echo " h " | strip'
----
f() { ll 2>/dev/null; echo $?; }
alias ll='echo -n x' e=echo; ll 2>/dev/null; echo $?
ll y; e a; 'e' b 2>/dev/null; \e c 2>/dev/null; A=1 e d; f; g() { e in g; }; g
alias e='printf %s\\n'
e 1 2; g; echo 'e sourced' >s; . ./s; (e sub); trap 'e bye' EXIT
alias e="echo $x dynamic" x=true; e z
x && e end; case e in e) e case;; esac; for e in 1; do e $e; done
----
kill; echo $?; kill $(true) || echo no
