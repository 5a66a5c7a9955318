perl -e ''; echo $?; printf 'a\nb\n' | perl -pe 's/a/x/'; printf 'ab' | perl -p -e 's/b$/x/'; printf 'ab\n' | perl -pe 's/b$/x/;s:^a:/:'; printf 'aab\n' | perl -pwe 's/a/x/g'; printf 'A\n' | perl -pe 's/a/x/i'; printf 'a\n' | perl -p -e 's/a/b/' -e '; s/b/c/'; printf 'a.b\n' | perl -pe 's/\./\//'; printf 'a\n' | perl -pe 's/a/"$&" \$ \t\\x\n/'
----
printf ' ppd=x\nppdbase=y\nq=ppd=\n ppd=' >f; chmod 640 f; perl -p -i -e 's:^(\s*ppd=).*$:\1/usr/share/ppd/hplip/HP:' f; perl -pi -e 's:^(\s*ppdbase=).*$:\1/usr/share/ppd/hplip:' f; cat f; ln -s f l; ln f h; perl -p -i -e 's/x/y/; s,HP,hp,' l; cat f l h; perl -pi -e 's/a/b/' missing; echo $?; perl -pe 's/hp/y/' missing f; echo $?; printf 'z\n' | perl -pe 's/z/y/' - f
----
X='a $b @c'; printf 'START=1\n  ARGS=\nOTHER=2\n' | perl -p -e "s'^ *START=.*'START=\"$X\"'; \
   s'^ *ARGS=.*\$'ARGS=\"\"';
   s'^ *NONE=.*'NONE=\"\"';"
----
printf 'ROOT =/usr/sbin\n# a HOSTNAME HOSTNAME\nA=b c=d DATE\nEMPTY =\n\n' | perl -pe 's!HOSTNAME!uname -n!g; s!DATE!date!g;
   s!^\s*([^=\s]+)\s*=\s*(.+)!$1="$2"!'; printf 'ab\ncd \n' | perl -pe 's/\s+$//'; echo; printf 'a\n\nb\n' | perl -pe 's/^$/x/'; printf 'ab\n' | perl -pe 's/(a)|(b)/[$2]/g'; printf 'a|b\n' | perl -pe 's/a\|b|c/x/; s/(x$|y)/<$1>/'; printf 'foo bar\n' | perl -pe 's/(\w+) (\w+)/\2 \1/; s#bar#b\#r#'; printf 'xyz\n' | perl -pe 's/.*?y//;s/[^z]/!/g'; printf 'a/b\n' | perl -pe 's,a\/,q\,,'
