//! Programs that make keys. A key of an image is everybody's: it is made where the image runs, and who
//! builds the image is told.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, uid};
use cvmkit_shell::world::{FileError, Files as _};

use crate::packages::debian::commands::System;
use crate::packages::debian::commands::asked::LeftOut;
use crate::packages::debian::commands::system::Program;
use crate::packages::debian::commands::unmade::NOTHING;
use crate::rootfs::accounts;

/// The programs.
const NAMES: [&str; 6] =
    ["dropbearkey", "make-ssl-cert", "mkcert", "rndc-confgen", "ssh-keygen", "sshd"];

/// Options with which ssh-keygen makes no key of a type (ssh-keygen(1)).
const SSH_ACTIONS: [&str; 20] = [
    "-A", "-B", "-c", "-D", "-e", "-F", "-G", "-H", "-i", "-k", "-K", "-l", "-L", "-M", "-p", "-Q",
    "-R", "-s", "-T", "-y",
];

/// A program that makes no key.
pub(super) fn program(name: &[u8]) -> Option<Program> {
    NAMES.iter().any(|known| known.as_bytes() == name).then_some(no_key as Program)
}

fn no_key(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    // `sshd -G` only says which keys there would be.
    let secret = LeftOut::of(call);
    if !system.asked.secrets.contains(&secret) {
        system.asked.secrets.push(secret);
    }
    for Unmade { path, mode, user } in unmade(call)? {
        let uid = match &user {
            None => None,
            Some(user) => match accounts::id(user).or_else(|| uid(system, user.as_bytes())) {
                Some(uid) => Some(uid),
                None => return Ok(call.usage(&format!("unknown user {user}"), 1)),
            },
        };
        let made = leave_unmade(system, &path, mode);
        let made = made.and_then(|()| match uid {
            Some(_) => system.set_owner(&path, uid, None, true),
            None => Ok(()),
        });
        if let Err(error) = made {
            return Ok(call.fail("", &path, error));
        }
    }
    Ok(0)
}

/// Makes the file that a program would have written a key to.
fn leave_unmade(system: &mut System<'_, '_>, path: &[u8], mode: u16) -> Result<(), FileError> {
    if system.status(path, true).is_ok() {
        // As the programs do, which write to a new file.
        system.remove(path)?;
    }
    system.write(path, NOTHING, mode)?;
    system.set_mode(path, mode)?;
    let tree = &system.assembly.tree;
    if let (Ok(id), Ok(real)) = (tree.resolve(path), tree.real_path(path)) {
        system.unmade.get_mut().add(id, real);
    }
    Ok(())
}

/// A file that a program would have written a key to.
struct Unmade {
    path: Vec<u8>,
    mode: u16,
    user: Option<String>,
}

/// The files that a call would have made, as far as that is clear from its words; others are not there for the
/// script either.
fn unmade(call: &Call<'_>) -> Result<Vec<Unmade>, Stop> {
    let words = call.arguments();
    let has = |option: &str| words.iter().any(|word| word.as_slice() == option.as_bytes());
    let value = |option: &str| {
        let at = words.iter().position(|word| word.as_slice() == option.as_bytes())?;
        words.get(at + 1).cloned()
    };
    let file = |path: Vec<u8>, mode| Unmade { path, mode, user: None };
    Ok(match call.name().as_str() {
        // rndc-confgen(8).
        "rndc-confgen" if has("-h") => Vec::new(),
        "rndc-confgen" if !has("-a") => return Err(call.unsupported("it prints a key")),
        "rndc-confgen" if has("-t") => return Err(call.unsupported("a key for a chroot")),
        "rndc-confgen" => {
            let path = value("-c").unwrap_or_else(|| b"/etc/bind/rndc.key".to_vec());
            let user = value("-u").map(|user| String::from_utf8_lossy(&user).into_owned());
            vec![Unmade { user, ..file(path, 0o600) }]
        }
        // ssh-keygen(1): a key pair is made where a type is said and nothing else is asked for.
        "ssh-keygen" => match value("-f") {
            Some(path) if has("-t") && SSH_ACTIONS.iter().all(|option| !has(option)) => {
                let public = [path.as_slice(), b".pub"].concat();
                vec![file(path, 0o600), file(public, 0o644)]
            }
            _ => Vec::new(),
        },
        // dropbearkey(1).
        "dropbearkey" if !has("-y") => {
            value("-f").map(|path| file(path, 0o600)).into_iter().collect()
        }
        _ => Vec::new(),
    })
}

/// `twadmin` of tripwire 2.4.3: keys, and the files that they sign. Without a configuration there is none to show.
pub(super) fn twadmin(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const CONFIGURATION: &str = "/etc/tripwire/tw.cfg";
    const NO_FILE: u8 = 8;
    match call.arguments() {
        [mode, what] if mode == b"-m" && what == b"f" => {
            match system.status(CONFIGURATION.as_bytes(), true) {
                Ok(_) => Err(call.unsupported(format!("what {CONFIGURATION} says"))),
                Err(error) => {
                    call.fail("", CONFIGURATION.as_bytes(), error);
                    Ok(NO_FILE)
                }
            }
        }
        [mode, what, ..] if mode == b"-m" && [b"F", b"G", b"P"].iter().any(|one| what == one) => {
            no_key(system, call)
        }
        _ => Err(call.unsupported("these words")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::debian::commands::tests::{machine, run, stop};
    use crate::rootfs;

    #[test]
    fn keys_of_tripwire_are_left_out_and_told() {
        let files = [("/usr/sbin/twadmin", "+x")];
        let request = rootfs::Request::default();
        let mut assembly = machine(&request, &files);
        let mut system = System::new(&mut assembly, &[], "amd64");
        let script =
            "twadmin -m f 2>/dev/null || echo $?; echo x | twadmin -m G -S /etc/tripwire/site.key";
        let finished = run(&mut system, script).unwrap();
        assert_eq!(finished.output, b"8\n");
        let calls: Vec<&str> = system.asked.secrets.iter().map(|one| one.call.as_str()).collect();
        assert_eq!(calls, ["twadmin -m G -S /etc/tripwire/site.key"]);
        assert!(stop(&files, "twadmin -m p").contains("these words"));
    }
}
