echo a >f; echo bcd >g.sh; chmod 4755 g.sh; chmod 640 f; touch -d 2001-02-03 f; touch -d '2002-03-04 05:06:07' g.sh; ls -l f g.sh; ls -ln g.sh; ls -lo f; ls -g f; ls -l --time-style=+%s f; ls -l --time-style=long-iso f g.sh; ls -l --full-time g.sh; ls -lG f; ls -lh f; ls -l g.sh | awk '{print $3 ":" $4, $1}'; ls -l --time-style=iso f
----
mkdir d; >d/x; ln -s x d/l; ln d/x d/y; mkfifo d/p; chmod 1777 d; ls -l --time-style=+t d | grep -v ^total; ls -ld --time-style=+t d | cut -d' ' -f1-4; ls -F d; ls -p; ls -lF --time-style=+t d | sed 1d; ls -ldF d/l | cut -c1-10; ls -1sF d/l; ls -R; ls -A d | wc -l; ls -lL --time-style=+ d/l
----
mkdir d d/e; chmod 2750 d/e; chmod 3705 d; ls -ld d d/e | cut -c1-12; >f; chmod 7654 f; ls -l f | cut -c1-10; chmod 0111 f; ls -l f | cut -c1-10; ln -s d k; ls -ld k | cut -c1-12; ls -l k | grep -c 'k -> d'; ls k; ls -l k/ | sed 1d | cut -c1-10; ls -H k; ls -dF k d f
----
>b; >a; >c; touch -d 2001-01-01 b; touch -d 2003-01-01 a; touch -d 2002-01-01 c; ls -t; ls -tr; ls -r; ls -rt1 a b c; ls --sort=time b a; echo x >c; ls -S; ls -Sr; ls --sort=size b c a; ls --color=auto
----
>f; chmod 4711 f; echo abc >g; touch -d '2001-02-03 04:05:06' f g; ln g h; ln -s g l; mkdir d; stat -c '%a %A %U %G %u %g %s %n %F %h' f g l; stat -c %h h d; stat -c '%N %y %Y %f %b %B %o %t:%T' f g; stat -c '%N %A %F' l d; stat -L -c '%s %N' l; stat --printf '%n\t%s\n' f g; stat --printf='%a\\%%' f
----
touch -d '2001-02-03 04:05' f; touch -t 200203040506.07 g; touch -d @12345 h; touch -d '2001-02-03T04:05:06Z' i; touch --date='2001-02-03 -1 day' j; stat -c '%n %Y' f g h i j; [ f -nt h ] && echo newer
