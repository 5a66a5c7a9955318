//! su and runuser: what another user would do (su(1), runuser(1), util-linux 2.41).
//!
//! Scripts are evaluated as root. Another user may do less, and what it makes is its own: only questions whose
//! answer is known for that user are answered, and programs that do nothing here are called. All else ends the
//! evaluation.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, uid};
use cvmkit_shell::world::Files as _;

use super::left_out::leave_out;
use crate::packages::debian::commands::System;
use crate::packages::debian::commands::asked::LeftOut;
use crate::packages::debian::commands::declined;

/// `su [-s SHELL] USER -c COMMAND`, with the words in any order.
pub(super) fn su(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let (mut user, mut command) = (None, None);
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"-" | b"-l" | b"--login" | b"--" => {}
            b"-s" | b"--shell" => match words.next().map(Vec::as_slice) {
                Some(b"/bin/sh" | b"/bin/dash" | b"/bin/bash") => {}
                _ => return Err(call.unsupported("this shell")),
            },
            b"-c" | b"--command" => command = words.next().cloned(),
            name if !name.starts_with(b"-") && user.is_none() => user = Some(name.to_vec()),
            _ => return Err(call.unsupported("these words")),
        }
    }
    let Some(command) = command else { return Err(call.unsupported("a shell without a command")) };
    let user = String::from_utf8_lossy(user.as_deref().unwrap_or(b"root")).into_owned();
    let Some(identity) = system.identity(&user) else {
        let message = format!(
            "user {user} does not exist or the user entry does not contain all the required fields"
        );
        return Ok(call.usage(&message, 1));
    };
    let command = String::from_utf8_lossy(&command).into_owned();
    for part in command.split("&&") {
        let part: Vec<&str> = part.split_whitespace().collect();
        let status = one(system, call, identity, &part)?;
        if status != 0 {
            return Ok(status);
        }
    }
    Ok(0)
}

/// A user's id and that of its group.
type Identity = (u32, u32);

impl System<'_, '_> {
    fn identity(&self, user: &str) -> Option<Identity> {
        let table = self.read(b"/etc/passwd").ok()?;
        let text = String::from_utf8_lossy(&table).into_owned();
        let row = text.lines().find(|line| line.split(':').next() == Some(user))?;
        let fields: Vec<&str> = row.split(':').collect();
        Some((uid(self, user.as_bytes())?, fields.get(3)?.parse().ok()?))
    }

    /// Whether a user of no group but its own can look at a path: every folder above lets everybody pass.
    fn is_in_sight(&self, path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        ends.map(|at| if at == 0 { &b"/"[..] } else { &path[..at] })
            .all(|folder| self.status(folder, true).is_ok_and(|folder| folder.mode & 0o001 != 0))
    }
}

/// One command of a list, of plain words.
fn one(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
    (uid, gid): Identity,
    words: &[&str],
) -> Result<u8, Stop> {
    let is_plain = |word: &&str| {
        word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+=".contains(&byte))
    };
    let refused =
        |call: &Call<'_>| Err(call.unsupported(format!("`{}` as another user", words.join(" "))));
    if !words.iter().all(is_plain) {
        return refused(call);
    }
    match words {
        ["test", question @ ("-O" | "-G"), path] if path.starts_with('/') => {
            let path = call.path(path.as_bytes());
            let Ok(at) = system.status(&path, true) else { return Ok(1) };
            if !system.is_in_sight(&path) {
                return refused(call);
            }
            let is_own = if *question == "-O" { at.uid == uid } else { at.gid == gid };
            Ok(u8::from(!is_own))
        }
        // What Django makes of a site in its database and beside it, as mailman3-web 0+20240312 has it.
        [
            "python3",
            "/usr/bin/django-admin",
            "collectstatic" | "compress" | "loaddata" | "migrate",
            ..,
        ] => {
            leave_out(system, LeftOut::of(call));
            Ok(0)
        }
        ["true" | ":"] => Ok(0),
        ["false"] => Ok(1),
        [program, ..] => {
            let name = program.rsplit('/').next().unwrap_or(program);
            // Whose file a key would be does not matter: it is left out.
            let is_key = name == "mungekey" && words[1..] == ["-c"];
            match is_key || declined::program(name.as_bytes()).is_some() {
                true => {
                    let words: Vec<Vec<u8>> =
                        words.iter().map(|word| word.as_bytes().to_vec()).collect();
                    call.run(system, &words)
                }
                false => refused(call),
            }
        }
        [] => refused(call),
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    const FILES: [(&str, &str); 4] = [
        ("/usr/bin/su", "+x"),
        ("/usr/bin/chown", "+x"),
        ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nu:x:7:8::/var/u:/bin/sh\n"),
        ("/var/u/", ""),
    ];

    /// test(1): `-O` and `-G` are of the user that asks.
    #[test]
    fn a_folder_is_the_users_own() {
        let ask = "su -s /bin/sh u -c \"test -O /var/u &&\n  test -G /var/u\"; echo $?; ";
        let script = format!(
            "{ask}chown 7 /var/u; {ask}chown 7:8 /var/u; {ask}su u -c 'test -O /gone'; echo $?"
        );
        assert_eq!(output(&FILES, &script), "1\n1\n0\n1\n");
        assert_eq!(
            output(&FILES, "su w -c true 2>/dev/null; echo $?; su -c false; echo $?"),
            "1\n1\n"
        );
    }

    #[test]
    fn what_django_makes_is_told() {
        use crate::packages::debian::commands::tests::data;

        let admin = "python3 /usr/bin/django-admin";
        let script =
            format!("su --shell /bin/sh --command '{admin} migrate --no-input' u || exit 1");
        let told = data(&FILES, &script);
        let call = format!("su --shell /bin/sh --command {admin} migrate --no-input u");
        assert_eq!(told.iter().map(|one| one.call.as_str()).collect::<Vec<_>>(), [call]);
        assert!(stop(&FILES, &format!("su u -c '{admin} shell'")).contains("as another user"));
    }

    /// A key that another user makes is left out as root's is.
    #[test]
    fn a_key_of_munge_is_left_out() {
        use crate::packages::debian::commands::tests::drawn;

        let files = [
            ("/usr/bin/su", "+x"),
            ("/usr/sbin/mungekey", "+x"),
            ("/etc/munge/", ""),
            ("/etc/passwd", "root:x:0:0::/root:/bin/sh\nmunge:x:7:8::/:/bin/sh\n"),
            ("/etc/group", "munge:x:8:\n"),
        ];
        let (calls, paths) = drawn(&files, "su munge -s /bin/sh -c 'mungekey -c' || exit 1");
        assert_eq!(calls, ["mungekey -c # /etc/munge/munge.key"]);
        assert!(paths.is_empty(), "{paths:?}");
    }

    #[test]
    fn what_a_user_makes_is_not_roots() {
        for command in
            ["su u -c 'touch /var/u/f'", "su u -c 'test -O $HOME'", "su u -c 'true; true'"]
        {
            assert!(stop(&FILES, command).contains("as another user"), "{command}");
        }
        assert!(stop(&FILES, "su u").contains("a shell without a command"));
        assert!(stop(&FILES, "su -P u -c true").contains("these words"));
        assert!(stop(&FILES, "su -s /bin/csh u -c true").contains("this shell"));
    }
}
