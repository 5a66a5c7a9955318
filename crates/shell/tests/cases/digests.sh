printf 'a\n' >f; printf b >'g h'; for p in md5sum sha1sum sha256sum sha512sum; do $p f 'g h' missing; echo $?; $p -b f; $p -t f; $p -bt f; $p <f; $p - <f; cat f | $p --binary - f; $p </dev/null; done
----
printf x >'a\b'; printf y >'c
d'; md5sum 'a\b' 'c
d' >s; cat s; md5sum -c s; echo $?; sha1sum -- 'a\b'; mkdir d; sha512sum d; echo $?
----
printf 'a\n' >f; printf b >'g h'; for p in md5sum sha1sum sha256sum sha512sum; do echo a >f; $p f 'g h' >s; $p -c s; echo $?; $p --quiet -c s; echo $?; $p --status -c s; echo $?; echo z >f; $p -c s; echo $?; $p --status --check s; echo $?; $p --quiet -c s; echo $?; echo bad >>s; $p -c s; echo $?; $p -cw s; echo $?; $p --warn --check <s; echo $?; done
----
echo bad | md5sum -c; echo $?; echo a >f; m=$(md5sum <f | cut -c1-32); echo "$m  nofile" | md5sum -c; echo $?; echo "$m *f" | md5sum -c; echo "$m f" | md5sum -c; echo "$m f" | tr a-f A-F | sed 's/F$/f/' | md5sum -c; echo "  $m  f" | md5sum -c; printf '# c\n\n' | md5sum -c; echo $?; printf "# c\n\n$m  f\r\n" | md5sum -c; echo $?; echo "${m}0  f" | md5sum -c; echo $?; echo "${m%?}  f" | md5sum -c; echo $?; echo "${m%?}g  f" | md5sum -c; echo $?
----
echo a >f; md5sum --status f; echo $?; md5sum --quiet f; echo $?; md5sum -w f; echo $?; md5sum -c missing; echo $?; md5sum -c /dev/null; echo $?; md5sum f >s; echo b >g; sha256sum g >t; md5sum -c s missing s; echo $?; sha256sum -c s t; echo $?; md5sum f | sha256sum --check; echo $?
----
echo a >f; md5sum f f nofile 2>/dev/null >s; echo "$(cut -d' ' -f1 s | head -n1)  gone" >>s; echo b >f; md5sum -c s; echo $?; md5sum -c --status s; echo $?
