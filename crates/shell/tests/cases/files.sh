mkdir a a/b; mkdir a; echo $?; mkdir -p a/b/c a; echo $?; mkdir x/y; echo $?
----
umask 077; mkdir -p a/b; umask 022; mkdir -m 1777 t; mkdir -m 02750 g; mkdir -m u=rwx,g=,o= s; ls
----
mkdir -p a/b/c; rmdir a; echo $?; rmdir -p a/b/c; echo $?; rmdir --ignore-fail-on-non-empty x; echo $?
----
mkdir -p a/b; touch a/f; rmdir --ignore-fail-on-non-empty a; echo $?; rmdir a/f; echo $?
----
echo one >f; echo two >g; rm f; echo $?; rm f; echo $?; rm -f f; echo $?; mkdir d; rm d; echo $?; rm -r d; rm -rf nothing; echo $?
----
mkdir -p d/e; echo x >d/e/f; ln -s d l; rm -r l; ls; rm -r d; ls; rm -f; echo $?; rm; echo $?
----
mkdir d; rm -d d; mkdir -p e/f; rm -d e; echo $?; rm -rf .; echo $?; rm -r ./e/..; echo $?
----
echo one >f; cp f g; cp f missing/g; echo $?; mkdir d; cp f g d; ls d; cp f g h; echo $?; cp -t d g; cp d x; echo $?
----
mkdir -p a/b; echo 1 >a/b/f; ln -s b a/l; chmod 600 a/b/f; cp -r a c; cp -a a e; cp -rL a h; mkdir d; cp -a a d; cp -a a/. d; ls d
----
echo x >f; chmod 4755 f; cp f g; cp -p f h; cp --preserve=mode f i; umask 077; cp f j; ls
----
echo x >f; ln -s f l; cp l a; cp -P l b; cp -d l c; cp f f; echo $?; ln -s nowhere n; cp f n; echo $?; cp -P n m; cp n o; echo $?
----
echo x >f; echo y >g; cp -n f g; cat g; chmod 400 g; cp -f f g; cat g; ln g h; cp --remove-destination f g; ls
----
echo x >f; mv f g; mv f g; echo $?; mkdir d; mv g d; mv d/g h; echo z >k; mv -n h k; cat k; mv h k; cat k; mv d e; mv k e/; ls
----
mkdir a b; mv a b; ls b; mkdir a; mv a b; touch b/a/f; mkdir a; mv -T a b/a; echo $?; mv -T a n; mv b b/x; echo $?; touch f; mv f b/a/f; mv n/ m; ls
----
echo x >f; ln f g; ln -s f l; ln -s f l; echo $?; ln -sf g l; readlink l; ln -s f; echo $?; mkdir d; ln -s ../f d; ln f d; ls d
----
mkdir d e; ln -s d l; ln -s ../x l; ls d; ln -sfn e l; readlink l; ln -sf y l; readlink l; ls e; ln -sT q d; echo $?; ln d h; echo $?; ln missing h; echo $?
----
mkdir -p a/b c; touch a/b/f; ln -sr a/b/f c/l; readlink c/l; ln -s -r c a/b/m; readlink a/b/m; ln -st c a/b/f; readlink c/f
----
mkdir -p a/b; ln -s a l; ln -s nowhere n; touch a/b/f; cd a; for x in f e m; do for p in ../l/b ../l/x ../l/x/y ../n b/f/. b/f/x ../gone/../a ../gone/./b; do readlink -$x $p | sed 's,.*files,,'; echo "$x $p"; done; done
----
ln -s target l; readlink l; readlink -n l; echo; readlink x; echo $?; touch f; readlink f; echo $?; readlink -v f; echo $?; realpath l | sed 's,.*/,,'; realpath -e l; echo $?
----
touch f; chmod 640 f; chmod u+x,g-r f; chmod 0755 missing; echo $?; chmod q f; echo $?; mkdir d; chmod g+s d; chmod 750 d; chmod -R a+rX d; chmod =,u=rw f; ls
----
mkdir -p d/e; touch d/e/f d/g; chmod -R 700 d; ln -s g d/l; chmod -R go+rX d; chmod -f 600 x; echo $?; chmod --quiet 4755 d/g; chmod +t d; chmod o+w d/g; ls
----
touch a b/c; echo $?; touch -c d; echo $?; touch; echo $?; mkdir e; touch e; echo x >f; touch -r f a; test a -nt f; echo $?; touch -r x a; echo $?
----
install -d a/b -m 700; install -m 644 /dev/null c; echo x >s; install s a; install -m 600 s d; install -D -m 755 s x/y/z; install -t a -m 755 d; install s q/r; echo $?; ls a
----
echo x >s; chmod 777 s; ln s h; install -m 4755 s h; cat h; install -o nosuchuser s t; echo $?; install -g root -o root s t; install -d -m 2755 g; install -d -m 0755 g; ls
----
f=$(mktemp x.XXXXXX); test -f "$f"; echo $?; d=$(mktemp -d y.XXX.z 2>/dev/null); test -d "$d"; echo $?; rm -r "$f" "$d"; mktemp -p . a.XX; echo $?; g=$(mktemp -p . b.XXXX); echo x >"$g"; rm "$g"; TMPDIR=. mktemp -t c.XXXXXX | sed 's/[0-9a-zA-Z]*$//' ; rm ./c.*
----
touch a .b; mkdir c c/d; touch c/e c/.f; ls; ls -a | wc -l; ls -A; ls c a; ls c c/d; ls -d c; ls missing; echo $?; ls -1 c; ls a missing; echo $?; ls .
----
mkdir -p a/b; echo x >a/f; chmod 640 a/f; stat -c '%a %s %n' a/f a/b; stat -c %F a/f a; ln -s f a/l; stat -c %F a/l; stat -Lc %F a/l; stat -c %a missing; echo $?; stat -c '%U:%G %u %g' . | sed 's/^.*$/ok/'
----
mkdir -p a/b/c a/d; touch a/b/x.c a/b/c/y.c a/.z a/d/w.h; ln -s b a/l; find a | sort; find a -name '*.c' | sort; find a -type f | sort; find a -maxdepth 1 | sort; find a -mindepth 2 -type d | sort; find a -type l; find x; echo $?
----
mkdir -p a/b a/e; echo x >a/b/f; touch a/g; find a -type f -empty; find a -type d -empty; find a ! -type d -print | sort; find a \( -name f -o -name g \) -print | sort; find a -name b -prune -o -type f -print; find a -type f,d | sort
----
mkdir -p a/b; touch a/1 a/2 a/b/3; find a -type f -name 1 -delete; find a | sort; find a -depth -type d | head -1; find a -type f -exec chmod 600 {} \; ; find a -type f -perm 600 | sort; find a -type f -exec ls {} + | sort; find a -delete; ls
----
mkdir a; touch a/x; chmod 4755 a/x; find a -perm -4000; find a -perm /6000; find a -perm -111 -type f; cd a; find -name x; find . -name x; find . -path './x'; find x -exec false \; -print; find x -not -name y
----
ln -s nowhere l; touch l; ls; mkdir d; ln -s d e; touch e/f; ls d; echo x >>e/f; cat d/f; echo y >e/../g; cat g; ln -s loop loop; cat loop; echo $?; [ -e loop ]; echo $?
----
echo a >f; ln f g; echo b >>g; cat f; echo c >f; cat g; rm f; cat g; ln -s g h; echo d >h; cat g; cp h i; mv g j; cat h; echo $?
----
umask 022; touch f; for m in =r =rw a=r u= go= +w = ug=s +t 0 00644 u+x,g=u o=g a-x,u+s u=rwX; do chmod 777 f; chmod $m f; echo "$m $(stat -c %a f)"; done
----
mkdir d; for m in =r =rx u=rwx,g=rx g=s a=rx ug=s 755 0755 00755 02755 +t u-s g-s; do chmod 6777 d; chmod $m d; echo "$m $(stat -c %a d)"; done
----
touch f; for m in u=rw u+rw 7 4711 go=u; do install -m $m f g; echo "$m $(stat -c %a g)"; done; for m in 755 00755 2700; do mkdir -p e; chmod 2777 e; install -d -m $m e; echo "$m $(stat -c %a e)"; done; chmod 7 missing f q; echo $?; chmod z; echo $?
----
mkdir -p dir/sub e; touch dir/x.sh dir/y.sh dir/sub/z.sh; echo dir//*.sh; echo dir///*.sh; echo d*//sub; echo d*//; echo d*///; echo */; echo */.; echo ./*//x.sh; echo dir/./*.sh; echo .//*; echo dir//q*; echo d*//sub//*; echo d*/../d*; echo "d"*//x.sh; echo dir/x.sh/*; echo dir/x.sh*//; cd dir; echo ..//d*
----
dd if=/dev/zero of=f bs=1 count=3; echo $?; dd if=/dev/zero bs=1k count=2 of=f 2>/dev/null; wc -c f; printf xyz | dd of=f bs=2 conv=notrunc status=none; wc -c f; printf abcdef >g; dd if=g of=h bs=2 count=2 2>/dev/null; cat h; echo; dd if=g bs=4 2>/dev/null; echo; dd if=g bs=1 skip=2 count=3 2>/dev/null; echo; dd if=missing of=x; echo $?; printf abc | dd of=k 2>/dev/null; cat k; dd if=g of=h bs=1 seek=8 2>/dev/null
----
printf abcdef >g; dd if=g of=d/x; echo $?; dd bs=1K count=1 if=/dev/zero 2>/dev/null | wc -c; dd bs=1KB count=1 if=/dev/zero 2>/dev/null | wc -c; dd bs=1M count=1 if=/dev/zero 2>/dev/null | wc -c; dd if=/dev/null of=e 2>/dev/null; echo x >p; umask 077; dd if=g of=p status=none; dd if=g of=q bs=1 count=0 status=none; dd if=/dev/zero of=/dev/null count=1 bs=16 status=none; dd if=g bs=5 2>&1 >/dev/null | head -2
----
truncate -s 3 f; truncate -s 0 f; wc -c <f; truncate -s +5 f; wc -c <f; truncate -c -s 3 g; echo $?; ls; truncate -s 1K f; wc -c <f; truncate --size=-24 f; wc -c <f; truncate f; echo $?; truncate -s x f; echo $?; truncate -s 3; echo $?; truncate -s 3 d/x; echo $?; truncate -s 1M f; wc -c <f; truncate -s '<5' f; wc -c <f; truncate -s '<9' f; wc -c <f; truncate -s '>9' f; truncate -s '>8' f; wc -c <f; truncate -s %4 f; wc -c <f; truncate -s /5 f; wc -c <f; mkdir d; truncate -s 1 d; echo $?; truncate -s -99 f; wc -c <f; echo abc >k; truncate -r k f m; truncate -s 2 k; cat k; truncate -r no f; echo $?; truncate -s /0 f; echo $?
----
mkfifo p; mkfifo -m 600 q; mkfifo p; echo $?; mkfifo d/x; echo $?; mkfifo; echo $?; mknod r p; stat -c '%F %a' r; umask 077; mknod -m 640 s p; mknod x p; mknod t; echo $?; mknod p p; echo $?; mknod u p 1 2; echo $?; ls; test -p p; echo $?; find . -type p | sort; mv q w; rm p; echo $?; mkfifo -m z y; echo $?; chmod 604 r; mkfifo -m u=rw,o= v
----
mkdir -p d/.x; touch d/a1 d/a10 d/a2 d/b.tar.gz d/b-1.2.tar.gz d/b-1.10.tar.gz d/c~ d/c d/A d/a01 d/1 d/10 d/9 d/a.1 d/a-1 d/.h2 d/.h10 d/a1~ d/a1.b d/Z_1 d/a+; ls -v d; ls -av d; ls -1v d/a*; ls -Av d; cd d; ls -v b* a1 a10 a2
----
mkdir d; echo x >d/f; ln -s d l; ln -s f d/k; ln -s none broken; ls -L l; ls -dL l d; ls -L broken; echo $?; ls -L d/k; ls --dereference d; ln -s gone d/g; ls -L d
----
mkdir -p d/e; echo abc >d/f; chmod 640 d/f; ln -s f d/e/l; ln d/f d/e/h; find d -type f -printf '%p %f %h %m %s %P\n' | sort; find d/e -printf '%y [%P] %l\t%%\n' | sort; find f -printf '%h\n' 2>/dev/null; echo $?; find . -name f -printf '%h/%f\0' | tr '\0' '|'; cd d; find f -printf '%h %f <%P>\n'; find e f -maxdepth 0 -printf '%P|%h|\\\n'
----
mkdir d t; echo a >d/f; ln -s ../d t/l; find t -follow -name f; find t -name f -follow; find t -name f -or -name l; find . -not -type d -name f; find -L t -printf '%y %p\n' | sort
----
echo a >a; mkdir d; mv a a; echo $?; mv a ./a; echo $?; mv d/ d; echo $?; mv -f a d/../a; echo $?; mv -n a a; echo $?; mv none none; echo $?; ln -s a l; mv l l; echo $?; cat a
----
echo a >a; mv -Z a b; echo $?; mv -vf b c; mkdir d; mv -v c d; mv --verbose d/c d/x d; echo $?; mv -vn d/c e; mv -v nofile y; echo $?; mv --context e f; ls
----
echo a >a; mkdir d e; touch e/f; rm -v a; rm -fv b; echo $?; rm -dv d; rm -rv e/f; rm -rfv e; rm -v none; echo $?
----
touch f; ln -s f l; ln -s none k; mkdir d; ln -s ../f d/l; touch -h f; touch --no-dereference new; echo $?; touch -ch new2; echo $?; touch -h -r f f; echo $?; ls; chown -P root f; echo $?; chown -RP root d; chown -L root f l; chgrp -H root f; echo $?; chown -h root k; echo $?; chown --no-dereference root k l; chown root k; echo $?
----
mkdir --parent a/b; mkdir --par c/d --mod 700; mkdir --mode=710 --parents e/f; cp --rec a g; rm --recur --fo g; ln --symb a l; ls --directo l; touch --no-cr n; cp --no-d -r l m; ls -1 --almost; rmdir --ignore c; head --li=1 /dev/null; echo b a | tr ' ' '\n' | sort --rev; install --dir x/y; chown --recurs root a; stat --form %a e; readlink --canonicalize-m q >/dev/null; echo $?
----
mkdir -p d/e; echo abc >d/a.txt; >d/B.TXT; >d/e/c.conf; ln d/a.txt d/h; ln -s a.txt d/l; find d -iname '*.txt' | sort; find d -regex '.*\.\(txt\|conf\)' | sort; find d -regextype posix-extended -regex 'd/[a-h](\.txt)?' | sort; find d -iregex 'd/b.*'; find d -regex 'd/a+\.t?xt'; find d -type f -size +2c | sort; find d -type f -size 1 | sort; find d -type f -size 0; find d -links 2 -type f | sort; find d -samefile d/h | sort; find d -ipath 'd/E/*'; find d -type f -size -1k | sort; find d -name a.txt -quit; find d -name h -exec echo '<{}>' '{}{}' ';'; find d -nouser -o -nogroup
----
>f; >g; touch -d '2001-02-03' f; touch -d '2001-02-04' g; find . -newermt '2001-02-03 12:00' -name '[fg]'; find . -newermt 2001-02-03 -name '[fg]' | sort; touch h; find . -mtime -1 -name h; find . -mtime 0 -name h; find . -mmin -5 -name h; find . -mtime +0 -name h; find . -newer f -name g
----
>a; chmod 4751 a; >b; mkdir -m 2700 d; chmod --reference a b; chmod --reference=b d; chmod --reference=none b; echo $?; stat -c '%n %a' a b d
----
echo a >f; cp -v f g; mkdir d; cp -v f d; cp -b f g; cp -bv f g; ls; cp --backup=numbered f g; cp -b f g; cp --backup=simple -S .x f g; ls; ln -sv f l; ln -v f h; ln -sfv f l; mv -v g i; mkdir -v m; mkdir -pv m; rmdir -v m; ln -sb f i; ls; mv -b f i; ls; mv -v h d/f; ls d; rm -I i~; ls
----
echo a >f; cp -l f k; cp -s $PWD/f s; cp -s f t; mkdir d; cp -s f d/x; echo $?; mkdir e; echo b >e/q; ln e/q e/r; ln -s q e/l; cp -rl e e2; cp -a e e3; cp -rd e e4; cp -r e e5; cp --preserve=links -r e e6; cp -P l m 2>/dev/null; cp --reflink=auto f z; cp --sparse=never --preserve f y; cp -x f w; cp -H t u; readlink u; cp -a --no-preserve=mode,ownership f v; ls
----
echo new >f; echo old >g; touch -d 2001-01-01 g; touch -d 2002-01-01 f; cp -u g f; cat f; cp -u f g; cat g; echo x >g; touch -d 2001-01-01 g; mv -u g f; cat f; ls; mv -u f g; ls; cp --update g h; ls
----
>f; umask 022; chmod -v 600 f; chmod -v 600 f; chmod -c 600 f; chmod -c 644 f; chmod -v u+x,g=u f; chmod -v -x f; chmod -- -w f; stat -c %a f; chmod u+w f; chmod -w f; echo $?; (umask 077; chmod -x f; stat -c %a f; chmod +x f; stat -c %a f); chmod -rwx f; stat -c %a f; >g; chmod 640 g; chmod --reference=g f; stat -c %a f; mkdir d; chmod 2750 d; chmod --reference=g d; stat -c %a d; chmod --reference=d g; stat -c %a g; chmod -R -w d; stat -c %a d; chmod --reference=x g; echo $?
----
mktemp --tmpdir=. a.XXX | cut -c1-4; mktemp --suffix=.y -p . b.XXXX | cut -c1-4,9-; mktemp -d --tmpdir=$PWD | sed "s,^$PWD/tmp.*,ok,"; mktemp ./c.XXXXXX.conf | cut -c1-4,11-; mktemp --suffix=.y a.XXXb; echo $?; rm -rf ./*; ls
----
>f; chown 4294967295 f; echo $?; chown 0:4294967295 f; echo $?; chgrp 4294967295 f; echo $?; chown 4294967294:65535 f; stat -c %u:%g f; chown 4294967296 f; echo $?; install -o 4294967295 f g; echo $?
----
umask 027; mkdir -pv a/b/c; mkdir -pv a/b/d/ a/b; mkdir -vp ./e/../e/f; mkdir -v a; echo $?; mkdir -pv -m 700 g/h; stat -c %a g g/h; >i; mkdir -pv a/x i/j; echo $?; mkdir -pv //tmp; mkdir -pv k//l; ls
----
echo a >s; echo b >f; install -b s f; cat f f~; install -bv s f; install --backup=numbered s f; install -b s f; install -b -S .o s g; install -b -S .o -m 600 s g; install -bv s g missing; echo $?; install -b missing f; echo $?; mkdir d; install -bv -t d s; install -bv s d; install -b /dev/null f; ls; stat -c '%n %s %a' *
----
printf 'abcdefgh' | dd bs=1 count=3 2>/dev/null; echo; printf 'abcdefgh' | dd bs=1 skip=2 count=3 2>/dev/null; echo; printf 'abcdefgh' | { dd bs=1 count=3 2>/dev/null; echo; cat; }; printf abc | dd bs=1 count=9 of=f 2>/dev/null; cat f; printf abc | dd bs=1 skip=9; echo $?
----
exec 7<>f; ls f; rm f; echo a >&7; ls >&2; echo b 2>&7; exec 7>&-; echo abcdef >g; exec 8<>g; printf xy >&8; printf z >&8; exec 8>&-; cat g; exec 9>h; rm h; echo a >&9; ls
----
umask 027; cp /dev/null a; echo b >b; chmod 644 b; cp /dev/null b; mkdir d; cp /dev/null d; ln -s none l; cp /dev/null l; echo $?; cp /dev/null ./n/o; echo $?; ls d; stat -c %a a b d/null
----
mkdir d; >d/f; chown -R -H "$(id -u)" d; echo $?; chgrp -RH "$(id -g)" d; echo $?
