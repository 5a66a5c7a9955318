//! Programs that make the data of a service by running it. Nothing runs in a build: the data is made where the
//! image runs, and who builds the image is told.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{FileError, Files as _, World as _};

use crate::packages::debian::commands::System;
use crate::packages::debian::commands::asked::LeftOut;
use crate::packages::debian::commands::system::Program;

/// The programs, all of which succeed if their data can be made: pg_createcluster of postgresql-common 278,
/// mariadb-install-db with its old name of MariaDB 11.8, saslpasswd2 of sasl2-bin 2.1.28; and the indexes without which their readers find nothing:
/// of cracklib-runtime 2.9, desktop-file-utils 0.28, dlocate 1.12, doc-base 0.11, gdk-pixbuf 2.42, gosa 2.8,
/// graphviz 2.42, menu 2.1, shared-mime-info 2.4 and mkfontscale 1.2. debsecan 0.4.20 takes a minute at random,
/// etckeeper 1.18 keeps the history of the machine's `/etc`, munin-node 2.0.76 links the plugins that run on the
/// machine, sendmail 8.18 has m4 make its configuration, and cmigemo 1.2 converts a dictionary.
const NAMES: [&str; 20] = [
    "debsecan-create-cron",
    "etckeeper",
    "gdk-pixbuf-query-loaders",
    "install-docs",
    "libgvc6-config-update",
    "mariadb-install-db",
    "mkfontdir",
    "mkfontscale",
    "munin-node-configure",
    "mysql_install_db",
    "pg_createcluster",
    "saslpasswd2",
    "update-cmigemo-dict",
    "update-cracklib",
    "update-desktop-database",
    "update-dlocatedb",
    "update-gosa",
    "update-menus",
    "update-mime-database",
    "update_sendmail",
];

/// A program that makes no data.
pub(super) fn program(name: &[u8]) -> Option<Program> {
    NAMES.iter().any(|known| known.as_bytes() == name).then_some(no_data as Program)
}

/// Succeeds, and tells the call.
pub(super) fn no_data(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    leave_out(system, LeftOut::of(call));
    Ok(0)
}

pub(super) fn leave_out(system: &mut System<'_, '_>, left_out: LeftOut) {
    if !system.asked.data.contains(&left_out) {
        system.asked.data.push(left_out);
    }
}

/// `newaliases`: a mail system reads its aliases from a database that is made of `/etc/aliases`, but exim4, whose
/// program of this name does nothing then (exim(8), `-bi`).
pub(super) fn newaliases(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let program = system.find(b"newaliases", b"/usr/bin:/usr/sbin");
    let program = program.and_then(|path| system.real_path(&path).ok()).unwrap_or_default();
    if program != b"/usr/sbin/exim4" {
        leave_out(system, LeftOut::of(call));
    }
    Ok(0)
}

/// `java -version`, by which the scripts of ca-certificates-java 20240118 look whether a Java machine runs: it
/// doesn't. They then make no key store, and leave the mark that has the next call make it.
pub(super) fn java(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const PACKAGE: &str = "ca-certificates-java";
    let is_asked = call.variable("DPKG_MAINTSCRIPT_PACKAGE") == Some(PACKAGE.as_bytes());
    if !is_asked || call.arguments() != [b"-version".to_vec()] {
        return Err(call.unsupported("a Java program"));
    }
    leave_out(
        system,
        LeftOut {
            package: PACKAGE.to_owned(),
            call: format!("/var/lib/dpkg/info/{PACKAGE}.postinst configure"),
        },
    );
    Ok(1)
}

/// `setupcon` of console-setup 1.242: no console is here, and the keymap and font that `--save` keeps are made
/// at boot where they are missing (keyboard-setup.service, console-setup.service).
pub(super) fn setupcon(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let mut saves = false;
    for word in call.arguments() {
        match word.as_slice() {
            b"--force" => {}
            b"--save" | b"--save-only" => saves = true,
            _ => return Err(call.unsupported("these words")),
        }
    }
    if saves {
        leave_out(system, LeftOut::of(call));
    }
    Ok(0)
}

/// `octave .. --eval "pkg ('rebuild');"` of octave 9: the list of the packages of Octave.
pub(super) fn octave(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const OPTIONS: [&[u8]; 4] =
        [b"--silent", b"--no-history", b"--no-init-file", b"--no-window-system"];
    match call.arguments() {
        [options @ .., eval, program]
            if options.iter().all(|option| OPTIONS.contains(&option.as_slice()))
                && eval == b"--eval"
                && program == b"pkg ('rebuild');" =>
        {
            no_data(system, call)
        }
        _ => Err(call.unsupported("a program of Octave")),
    }
}

/// `mysql` of MariaDB 11.8, as dbconfig-common 2.0.25 calls it. No server runs: dbconfig-common then goes on
/// without a database, and makes it when it is asked again.
pub(super) fn mysql(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let is_its_own = |word: &Vec<u8>| {
        word.strip_prefix(b"--defaults-file=").is_some_and(|file| {
            file.windows(b"/dbconfig-common_my.cnf.".len())
                .any(|part| part == b"/dbconfig-common_my.cnf.")
        })
    };
    if !call.arguments().first().is_some_and(is_its_own) {
        return Err(call.unsupported("a client of a server, and none runs"));
    }
    leave_to_reconfiguration(system, call);
    call.print_error(
        b"ERROR 2002 (HY000): Can't connect to local server through socket \
          '/run/mysqld/mysqld.sock' (2)\n",
    );
    Ok(1)
}

/// `slapadd` of OpenLDAP 2.6: the configuration and the directory of slapd.
pub(super) fn slapadd(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    leave_to_reconfiguration(system, call);
    Ok(0)
}

/// The version of SpamAssassin, for which the script of spamassassin 4.0 makes the rules: without one it makes none,
/// and `sa-update` does where the image runs.
pub(in crate::packages::debian::commands) fn no_rules(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let LeftOut { package, .. } = LeftOut::of(call);
    if package != "spamassassin" {
        return Err(call.unsupported("a program that uses Mail::SpamAssassin"));
    }
    leave_out(system, LeftOut { package, call: "sa-update".to_owned() });
    Ok(0)
}

/// Leaves out what needs files that are gone when the script ends: its package makes it when it is configured again.
fn leave_to_reconfiguration(system: &mut System<'_, '_>, call: &Call<'_>) {
    let LeftOut { package, .. } = LeftOut::of(call);
    let call = format!("dpkg-reconfigure {package}");
    leave_out(system, LeftOut { package, call });
}

/// `sqlite3 FILE` of SQLite 3.46, with `.schema` to read: an empty file becomes a database when something is put
/// into it.
pub(super) fn sqlite3(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let [file] = call.arguments() else { return Err(call.unsupported("these words")) };
    let path = call.path(file);
    let size = system.status(&path, true).map_or(0, |at| at.size);
    if size > 0 || call.input().trim_ascii() != b".schema" {
        return Err(call.unsupported("something else than the schema of no database"));
    }
    if system.status(&path, true).is_err()
        && let Err(error) = system.write(&path, b"", 0o644 & !call.umask())
    {
        return Ok(call.fail("Error: unable to open database", file, error));
    }
    Ok(0)
}

/// `update-binfmts --import` of binfmt-support 2.2.2, where no package brings a format.
pub(super) fn update_binfmts(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let is_import = call.arguments() == [b"--import".to_vec()];
    match system.list(b"/usr/share/binfmts") {
        Ok(formats) if is_import && formats.is_empty() => Ok(0),
        Err(FileError::NotFound) if is_import => Ok(0),
        _ => Err(call.unsupported("formats of programs, which the kernel is told at boot")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::debian::commands::tests::{data, stop};

    #[test]
    fn data_of_services_is_left_out_and_told() {
        let files = [("/usr/bin/pg_createcluster", "+x"), ("/usr/bin/bash", "+x")];
        let script = "pg_createcluster -u postgres 17 main; pg_createcluster -u postgres 17 main";
        let call = "pg_createcluster -u postgres 17 main".to_owned();
        assert_eq!(data(&files, script), [LeftOut { package: "p".into(), call }]);
        // A script that a shell is told to read is the program that stands for it.
        let files =
            [("/usr/bin/mariadb-install-db", "#!/bin/sh\nfalse\n"), ("/usr/bin/bash", "+x")];
        let call = "mariadb-install-db --rpm --user=mysql".to_owned();
        let script = "bash /usr/bin/mariadb-install-db --rpm --user=mysql";
        assert_eq!(data(&files, script), [LeftOut { package: "p".into(), call }]);
    }

    #[test]
    fn no_format_is_told_to_the_kernel() {
        let files = [("/usr/sbin/update-binfmts", "+x"), ("/usr/share/binfmts/", "")];
        assert!(data(&files, "update-binfmts --import || exit 1").is_empty());
        assert!(stop(&files, "update-binfmts --enable").contains("formats of programs"));
        let files = [("/usr/sbin/update-binfmts", "+x"), ("/usr/share/binfmts/f", "")];
        assert!(stop(&files, "update-binfmts --import").contains("formats of programs"));
    }

    #[test]
    fn indexes_that_readers_need_are_told() {
        let program = "/usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders";
        let files = [("/usr/bin/update-mime-database", "+x"), (program, "+x")];
        let script =
            format!("chmod 755 {program}; update-mime-database /usr/share/mime; {program} >/etc/l");
        let files = [&files[..], &[("/usr/bin/chmod", "+x")]].concat();
        assert_eq!(data(&files, &script).len(), 2);
    }

    /// What a timer or a call on the machine makes anew is told, be its program a shell script or none.
    #[test]
    fn indexes_of_services_are_told() {
        let names = [
            "etckeeper init",
            "install-docs --install-all",
            "libgvc6-config-update -c",
            "munin-node-configure --shell",
            "update-cracklib",
            "update-dlocatedb -b",
            "update-menus",
        ];
        for call in names {
            let name = call.split(' ').next().unwrap();
            for text in ["+x", "#!/bin/sh\nexit 1\n"] {
                let path = format!("/usr/sbin/{name}");
                let left_out = [LeftOut { package: "p".into(), call: call.to_owned() }];
                assert_eq!(data(&[(&path, text)], &format!("set -e; {call}")), left_out);
            }
        }
    }

    /// Each in its own folder, script or not.
    #[test]
    fn data_of_other_languages_is_told() {
        let files = [
            ("/usr/share/sendmail/update_sendmail", "#!/bin/sh -e\nexit 1\n"),
            ("/usr/bin/octave", "+x"),
            ("/usr/bin/chmod", "+x"),
        ];
        let script = "chmod 755 /usr/share/sendmail/update_sendmail; /usr/share/sendmail/update_sendmail || exit 1; \
                      octave --silent --eval \"pkg ('rebuild');\"";
        let calls = data(&files, script).into_iter().map(|left_out| left_out.call);
        let expected = ["update_sendmail", "octave --silent --eval pkg ('rebuild');"];
        assert_eq!(calls.collect::<Vec<_>>(), expected);
        assert!(stop(&files, "octave --eval 1").contains("a program of Octave"));
    }

    /// A mail system that reads the file itself lacks nothing.
    #[test]
    fn aliases_of_mail_are_told() {
        let files =
            [("/usr/sbin/exim4", "+x"), ("/usr/bin/ln", "+x"), ("/usr/bin/newaliases", "+x")];
        let left_out = [LeftOut { package: "p".into(), call: "newaliases".to_owned() }];
        assert_eq!(data(&files, "newaliases"), left_out);
        let script = "ln -s ../sbin/exim4 /usr/bin/newaliases; newaliases";
        assert!(data(&files[..2], script).is_empty());
    }

    #[test]
    fn no_console_is_set_up() {
        let files = [("/usr/bin/setupcon", "+x")];
        let call = "setupcon --force --save".to_owned();
        let left_out = [LeftOut { package: "p".into(), call }];
        assert_eq!(data(&files, "setupcon --force --save; setupcon"), left_out);
        assert!(stop(&files, "setupcon -k").contains("these words"));
    }

    #[test]
    fn mail_servers_but_exim_lack_their_aliases() {
        let files = [("/usr/bin/newaliases", "+x")];
        assert_eq!(data(&files, "newaliases || exit 1").len(), 1);
        let files = [("/usr/sbin/exim4", "+x"), ("/usr/bin/newaliases", "-> ../sbin/exim4")];
        assert_eq!(data(&files, "newaliases || exit 1"), []);
    }

    /// What dbconfig-common makes of it is that of a system on which no server runs.
    #[test]
    fn no_server_has_a_database() {
        let files = [("/usr/bin/mysql", "+x")];
        let script =
            "mysql --defaults-file=/tmp/dbconfig-common_my.cnf.Xy db 2>/dev/null || echo no";
        let left_out = LeftOut { package: "p".into(), call: "dpkg-reconfigure p".into() };
        assert_eq!(data(&files, script), [left_out]);
        assert!(stop(&files, "mysql -u root").contains("a client of a server"));
        let left_out = LeftOut { package: "p".into(), call: "dpkg-reconfigure p".into() };
        assert_eq!(data(&[("/usr/sbin/slapadd", "+x")], "slapadd -l /tmp/x || exit 1"), [left_out]);
        let files = [("/usr/bin/sqlite3", "+x"), ("/usr/bin/cat", "+x"), ("/var/full", "x")];
        let script = "umask 027; echo .schema | sqlite3 /var/db; [ -f /var/db ] && cat /var/db";
        assert_eq!(data(&files, &format!("set -e; {script}")), []);
        for script in ["echo .dump | sqlite3 /var/db", "echo .schema | sqlite3 /var/full"] {
            assert!(stop(&files, script).contains("the schema of no database"), "{script}");
        }
        assert!(stop(&files, "sqlite3").contains("these words"));
    }

    #[test]
    fn rules_of_spamassassin_are_told() {
        let call = "perl -MMail::SpamAssassin -e 'print($Mail::SpamAssassin::VERSION);'";
        let script =
            format!("v=$(DPKG_MAINTSCRIPT_PACKAGE=spamassassin {call}); [ -z \"$v\" ] || exit 1");
        let left_out = LeftOut { package: "spamassassin".into(), call: "sa-update".into() };
        assert_eq!(data(&[], &script), [left_out]);
        assert!(stop(&[], call).contains("a program that uses Mail::SpamAssassin"));
    }

    #[test]
    fn java_is_only_asked_whether_it_runs() {
        let files = [("/usr/bin/java", "+x")];
        assert!(stop(&files, "java -version").contains("a Java program"));
        let of = "DPKG_MAINTSCRIPT_PACKAGE=ca-certificates-java java";
        let script = format!("{of} -version || echo no");
        assert_eq!(data(&files, &script).len(), 1);
        assert!(stop(&files, &format!("{of} -jar x")).contains("a Java program"));
    }
}
