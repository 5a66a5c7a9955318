//! Packages that mean harm: what their scripts do stays within the tree and within bounds, and is seen.

use std::time::{Duration, Instant};

use cvmkit_shell::evaluation::Limits;

use super::mutated::{base, with};
use super::*;
use crate::packages::debian::installation::install;
use crate::rootfs::assembly::Assembly;

/// A debug build does as many steps in a few seconds.
const LIMITS: Limits = Limits {
    steps: 200_000,
    output: 8 << 20,
    words: 16 << 20,
    depth: 150,
    syntax: cvmkit_shell::syntax::Limits { len: 4 << 20, depth: 100 },
};

/// Installs a package whose `postinst` is this; the lines of the log, or the error.
fn installed(script: &str) -> (Result<(), String>, Vec<String>) {
    let packages = [base(), with(format!("#!/bin/sh\n{script}\n").as_bytes(), "postinst")];
    let request = Request { limits: LIMITS, ..request(&packages) };
    let mut assembly = Assembly::new(&request.root);
    let told = install(&mut assembly, &request).map(drop).map_err(|error| error.to_string());
    (told, assembly.log)
}

/// What a script asks for beyond the tree is nothing, or something in the tree.
#[test]
fn nothing_leads_out_of_the_tree() {
    for (script, seen) in [
        ("echo x > /../../../../etc/out", "/etc/out "),
        ("cd /tmp/..; echo x > ../../../etc/out", "/etc/out "),
        ("ln -s ../../../../../.. /etc/up; echo x > /etc/up/etc/out", "/etc/out "),
        ("ln -s /proc/1/root /etc/host; mkdir /etc/host || echo x > /etc/out", "/etc/out "),
        ("ln -s / /etc/root; echo x > /etc/root/etc/root/etc/out", "/etc/out "),
        ("ln -s loop /etc/loop; echo x > /etc/loop || echo x > /etc/out", "/etc/out "),
        ("[ -e /proc/self/environ ] || echo x > /etc/out", "/etc/out "),
        ("[ -e /dev/sda ] || [ -e /work ] || echo x > /etc/out", "/etc/out "),
        ("mkdir -p /a/b; mv /a /a/b/c || echo x > /etc/out", "/etc/out "),
    ] {
        let (told, log) = installed(script);
        assert_eq!(told, Ok(()), "{script}");
        assert!(log.iter().any(|line| line.contains(seen)), "{script}: {log:#?}");
    }
}

/// What gives power is a line of the log, as it is.
#[test]
fn what_gives_power_is_seen() {
    for (script, seen) in [
        ("chmod 4755 /usr/bin/beacon", "/usr/bin/beacon 4755 root:root"),
        ("cp -p /usr/bin/sh /usr/bin/.x; chmod u+s /usr/bin/.x", "/usr/bin/.x 4755 root:root"),
        (
            "setcap cap_sys_admin+ep /usr/bin/beacon",
            "/usr/bin/beacon 0644 root:root with capabilities",
        ),
        ("install -m 4755 /usr/bin/beacon /usr/bin/b", "/usr/bin/b 4755 root:root"),
        (
            "mkdir -p /etc/sudoers.d; echo 'ALL ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/x",
            "/etc/sudoers.d/x ",
        ),
        (
            "mkdir -p /root/.ssh; echo key > /root/.ssh/authorized_keys",
            "/root/.ssh/authorized_keys ",
        ),
        ("mkfifo /etc/pipe", "/etc/pipe "),
        ("chmod 777 /etc", "/etc/ 0777"),
        ("ln -s /dev/null /etc/beacon/off", "/etc/beacon/off -> /dev/null"),
        ("useradd -o -u 0 toor || echo 'toor:x:0:0::/:/bin/sh' >> /etc/passwd", "toor"),
    ] {
        let (told, log) = installed(script);
        let text = format!("{told:?} {log:#?}");
        let is_seen =
            log.iter().any(|line| line.contains(seen)) || text.contains("can't be evaluated");
        assert!(is_seen || text.contains(seen), "{script}: {text}");
    }
}

/// Each ends, with words, in a time that a test can wait for.
#[test]
fn what_would_not_end_is_ended() {
    for (script, why) in [
        ("while :; do :; done", "steps"),
        ("while :; do sh -c 'i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done'; done", "steps"),
        ("while :; do /usr/bin/test a = a; done", "steps"),
        ("while :; do dpkg-query -W >/dev/null || :; done", "steps"),
        ("while :; do awk 'BEGIN { for (i = 0; i < 100000; i++) x++ }'; done", "steps"),
        ("while :; do find / >/dev/null; done", ""),
        ("x=x; while :; do x=$x$x; done", "bytes of words"),
        ("while :; do set -- a \"$@\" \"$@\"; done", "bytes of words"),
        ("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", ""),
        ("f() { f; }; f", "levels"),
        ("f() { (f); }; f", "levels"),
        ("f() { x=$(f); }; f", "levels"),
        (
            "printf '#!/bin/sh\\n/tmp/a\\n' > /tmp/a; chmod +x /tmp/a; /tmp/a",
            "scripts that run one another",
        ),
        ("printf '. /tmp/a\\n' > /tmp/a; . /tmp/a", "levels"),
        (
            "echo 'f() { if [ $1 -gt 0 ]; then f $(($1 - 1)); else sh /tmp/a; fi; }; f 40' > /tmp/a; sh /tmp/a",
            "",
        ),
        (
            "i=0; cd /srv 2>/dev/null || mkdir /srv; cd /srv; while mkdir d; do cd d; done; exit 3",
            "ends with 3",
        ),
        ("printf '%2000000000s' x > /etc/x", "bytes of output"),
        ("dd if=/dev/zero of=/etc/x bs=1G count=1G", ""),
        ("truncate -s 1T /etc/x", ""),
        ("mkdir /a; >/a/f; i=0; while :; do i=$((i+1)); cp -a /a /b; mv /b /a/b$i; done", ""),
        ("dpkg-trigger --no-await beacon-ready", "activate one another without an end"),
    ] {
        let started = Instant::now();
        let (told, _) = installed(script);
        let taken = started.elapsed();
        let words = told.expect_err(script);
        assert!(words.contains(why), "{script}: {words}");
        eprintln!("{taken:?}: {script}: {words}");
        assert!(taken < Duration::from_secs(60), "{taken:?}: {script}");
    }
}

/// A bound of all scripts together is told once: by the script that went beyond it.
#[test]
fn what_fills_the_tree_is_told_once() {
    let fill = "#!/bin/sh\ni=0; while :; do i=$((i+1)); >/etc/f$i; done\n";
    let mut other = with(fill.as_bytes(), "postinst");
    other.name = "c".into();
    other.entries.clear();
    let packages = [base(), with(fill.as_bytes(), "postinst"), other];
    let request = request(&packages);
    let told = install(&mut Assembly::new(&request.root), &request).map(drop);
    let words = told.unwrap_err().to_string();
    assert_eq!(words.lines().count(), 2, "{words}");
    assert!(words.contains("files that scripts make"), "{words}");
}
