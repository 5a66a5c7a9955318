//! Programs that draw at random: keys, certificates, cookies, ids of one machine. What they draw is left out, with
//! the files that hold it ([`crate::packages::debian::commands::random`]).

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, gid, uid};
use cvmkit_shell::world::{FileError, Files as _};

use crate::packages::debian::commands::System;
use crate::packages::debian::commands::asked::LeftOut;
use crate::packages::debian::commands::random::VALUE;
use crate::packages::debian::commands::system::Program;

/// The program of a name, if it is one of these.
pub(super) fn program(name: &[u8]) -> Option<Program> {
    Some(match name {
        b"certtool" => certtool,
        b"iscsi-iname" => iscsi_iname,
        b"mcookie" | b"uuidgen" => line,
        b"mungekey" => mungekey,
        b"nvme" => nvme,
        b"openssl" => openssl,
        b"slappasswd" => slappasswd,
        _ => return None,
    })
}

/// Puts a value where a call wants it: into a file, or on its output.
fn put(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    file: Option<&[u8]>,
    mode: u16,
) -> Result<u8, Stop> {
    system.draw(LeftOut::of(call));
    let text = format!("{VALUE}\n").into_bytes();
    let Some(word) = file else {
        call.print(&text);
        return Ok(0);
    };
    match system.write(&call.path(word), &text, mode & !call.umask()) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("", word, error)),
    }
}

/// The word behind an option, or behind its `=`.
fn value<'w>(words: &'w [Vec<u8>], option: &str) -> Option<&'w [u8]> {
    let option = option.as_bytes();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix(option) {
            Some([]) => return words.next().map(Vec::as_slice),
            Some([b'=', value @ ..]) => return Some(value),
            _ => {}
        }
    }
    None
}

/// `mcookie` and `uuidgen`, of util-linux 2.41: a line.
fn line(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match call.arguments() {
        [] => put(system, call, None, 0),
        [option] if option == b"-r" || option == b"--random" => put(system, call, None, 0),
        _ => Err(call.unsupported("these words")),
    }
}

/// `certtool` of GnuTLS 3.8: a key, a certificate that it signs itself, or parameters.
fn certtool(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let words = call.arguments();
    let actions: [&[u8]; 3] =
        [b"--generate-dh-params", b"--generate-privkey", b"--generate-self-signed"];
    if !words.iter().any(|word| actions.contains(&word.as_slice())) {
        return Err(call.unsupported("these words"));
    }
    for option in ["--load-privkey", "--template"] {
        let Some(word) = value(words, option) else { continue };
        if let Err(error) = system.read(&call.path(word)) {
            return Ok(call.fail("error reading", word, error));
        }
    }
    put(system, call, value(words, "--outfile"), 0o600)
}

/// `openssl rand` and `openssl req -x509` of OpenSSL 3.5: bytes, or a key with its certificate.
fn openssl(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let words = call.arguments();
    let has = |option: &str| words.iter().any(|word| word == option.as_bytes());
    match words.first().map(Vec::as_slice) {
        Some(b"rand" | b"genrsa" | b"genpkey" | b"dhparam") => {
            put(system, call, value(words, "-out"), 0o600)
        }
        Some(b"req") if has("-x509") && (has("-newkey") || has("-new")) && !has("-key") => {
            if let Some(key) = value(words, "-keyout") {
                put(system, call, Some(key), 0o600)?;
            }
            put(system, call, value(words, "-out"), 0o666)
        }
        _ => Err(call.unsupported("these words")),
    }
}

/// `iscsi-iname [-p PREFIX]` of open-iscsi 2.1.11: the name of one initiator.
fn iscsi_iname(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match call.arguments() {
        [] => {}
        [option, prefix] if option == b"-p" => call.print(&[prefix.as_slice(), b":"].concat()),
        _ => return Err(call.unsupported("these words")),
    }
    put(system, call, None, 0)
}

/// `slappasswd -s PASSWORD` of OpenLDAP 2.6: a digest with a random salt.
fn slappasswd(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match call.arguments() {
        [option, _] if option == b"-s" => call.print(b"{SSHA}"),
        _ => return Err(call.unsupported("these words")),
    }
    put(system, call, None, 0)
}

/// `nvme gen-hostnqn` of nvme-cli 2.13: the name of one host.
fn nvme(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match call.arguments() {
        [action] if action == b"gen-hostnqn" => put(system, call, None, 0),
        _ => Err(call.unsupported("these words")),
    }
}

/// `mungekey -c` of munge 0.5.16: the key of a cluster, which it makes for the user that calls it.
fn mungekey(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const KEY: &[u8] = b"/etc/munge/munge.key";
    match call.arguments() {
        [option] if option == b"-c" || option == b"--create" => {}
        _ => return Err(call.unsupported("these words")),
    }
    if system.status(KEY, true).is_ok() {
        return Ok(call.fail("Failed to create", KEY, FileError::Exists));
    }
    let status = put(system, call, Some(KEY), 0o600)?;
    let (owner, group) = (uid(system, b"munge"), gid(system, b"munge"));
    match system.set_owner(KEY, owner, group, true) {
        Ok(()) => Ok(status),
        Err(error) => Ok(call.fail("", KEY, error)),
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{drawn, stop};

    const PROGRAMS: [(&str, &str); 15] = [
        ("/usr/bin/base64", "+x"),
        ("/usr/bin/certtool", "+x"),
        ("/usr/bin/chmod", "+x"),
        ("/usr/bin/dd", "+x"),
        ("/usr/bin/head", "+x"),
        ("/usr/bin/mcookie", "+x"),
        ("/usr/bin/mv", "+x"),
        ("/usr/bin/nvme", "+x"),
        ("/usr/bin/openssl", "+x"),
        ("/usr/bin/rm", "+x"),
        ("/usr/bin/sed", "+x"),
        ("/usr/bin/tr", "+x"),
        ("/usr/bin/uuidgen", "+x"),
        ("/usr/sbin/iscsi-iname", "+x"),
        ("/etc/own", "a\n"),
    ];

    /// No file has what a build would have to draw, and who builds is told of each that is missing.
    #[test]
    fn files_with_what_is_drawn_are_left_out_and_told() {
        for (script, calls) in [
            ("mcookie >/etc/key; chmod 0640 /etc/key", &["mcookie # /etc/key"][..]),
            ("[ -s /etc/id ] || uuidgen >/etc/id; test -s /etc/id", &["uuidgen # /etc/id"]),
            (
                "umask 037; dd if=/dev/urandom of=/etc/key bs=4096 count=1",
                &["dd if=/dev/urandom of=/etc/key bs=4096 count=1"],
            ),
            (
                "openssl rand -base64 -out /etc/cookie 42; chmod 0400 /etc/cookie",
                &["openssl rand -base64 -out /etc/cookie 42"],
            ),
            (
                "openssl req -new -x509 -nodes -out /etc/pem -keyout /etc/pem; echo a >/etc/kept",
                &["openssl req -new -x509 -nodes -out /etc/pem -keyout /etc/pem"],
            ),
            (
                "certtool --generate-dh-params >/etc/dh.tmp; mv -f /etc/dh.tmp /etc/dh",
                &["certtool --generate-dh-params # /etc/dh"],
            ),
            (
                "n=$(iscsi-iname -p iqn.a:01); [ -n \"$n\" ] && printf 'Name=%s\\n' \"$n\" >/etc/name",
                &["iscsi-iname -p iqn.a:01 # /etc/name"],
            ),
            (
                "p=$(head -c 15 /dev/urandom | base64 | tr -d '[:space:]'); echo \"a=${p#?}\" >/etc/c",
                &["head -c 15 /dev/urandom # /etc/c"],
            ),
            (
                "p=$(tr -dc a-z </dev/urandom | dd bs=1 count=12); echo $p >/etc/c",
                &["tr -dc a-z </dev/urandom # /etc/c"],
            ),
            (
                "echo @ >/etc/c; sed -i \"s/@/$(mcookie)/\" /etc/c; sed -i -e s/b/c/ /etc/c",
                &["mcookie # /etc/c"],
            ),
            ("mcookie | sed -n 's/^\\(.\\{48\\}\\).*/\\1/p' >/etc/x", &["mcookie # /etc/x"]),
            ("echo a=$(mcookie) >/etc/c; grep -Eq '^a=' </etc/c || exit 1", &["mcookie # /etc/c"]),
            ("mcookie >/etc/key; rm /etc/key", &[]),
            ("nvme gen-hostnqn >/dev/null", &[]),
        ] {
            let (secrets, paths) = drawn(&PROGRAMS, script);
            assert_eq!(secrets, calls, "{script}");
            let expected: &[&str] = if script.contains("kept") { &["/etc/kept"] } else { &[] };
            assert_eq!(paths, expected, "{script}");
        }
    }

    /// Where it can't be left out, or nobody knows what comes of it, the evaluation ends.
    #[test]
    fn what_is_drawn_goes_nowhere_else() {
        for (script, why) in [
            ("mcookie >>/etc/own", "`/etc/own`: a random value in a file that was there"),
            (
                "sed -i \"s/a/$(mcookie)/\" /etc/own",
                "`/etc/own`: a random value in a file that was",
            ),
            ("mcookie >/etc/x; sed -i s/./x/g /etc/x", "`sed`: a value that is random"),
            ("mcookie >/etc/x; sed s/./x/g /etc/x", "`sed`: a value that is random"),
            ("mcookie | grep -qE '^[A-Z]{20}$'", "`grep`: a value that is random"),
            ("mcookie | grep -c a", "`grep`: a value that is random"),
            ("echo a >/etc/$(mcookie)", ": a random name"),
            ("mcookie -f x", "`mcookie`: these words"),
            ("openssl version", "`openssl`: these words"),
            ("nvme list", "`nvme`: these words"),
            ("certtool -i", "`certtool`: these words"),
        ] {
            let found = stop(&PROGRAMS, script);
            assert!(found.contains(why), "{script}: {found}");
        }
    }
}
