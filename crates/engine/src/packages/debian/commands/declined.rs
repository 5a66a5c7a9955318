//! Programs that have nothing to do in a build: what they keep is made at boot, is made by another step
//! whatever scripts say, or is of a machine that runs.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;

use super::System;
use super::system::Program;
use crate::packages::debian::Package;

/// The programs, each with the reason why it may succeed without doing anything.
const DECLINED: [(&str, &str); 48] = [
    ("apache2", "the configuration is checked where it is used"),
    ("apparmor_parser", "profiles are loaded at boot"),
    ("appstreamcli", "the index of AppStream's metadata is a cache"),
    ("dbus-uuidgen", "the machine's id is made at boot"),
    ("dracut", "stage 1 is the initramfs"),
    ("exim4", "the configuration is checked where it is used"),
    ("fc-cache", "the index of fonts is a cache"),
    ("gio-querymodules", "the index of GIO's modules is a cache"),
    ("grpck", "the tables of accounts are written whole"),
    ("grpconv", "the tables of accounts are written whole"),
    ("gtk-update-icon-cache", "the index of icons is a cache"),
    ("helpztags", "the index of vim's help is a cache"),
    ("journalctl", "the catalogue is made at boot"),
    ("ldconfig", "the loader's cache is not needed where libraries are in its default folders"),
    ("linux-run-hooks", "the image's kernel is where its outputs are, and has no hooks"),
    ("linux-update-symlinks", "the image's kernel is where its outputs are"),
    ("mandb", "the index of manual pages is a cache"),
    ("modprobe", "modules are loaded at boot"),
    ("named-checkconf", "the configuration is checked where it is used"),
    ("nscd", "no daemon runs"),
    ("pam-auth-update", "PAM's profiles are put together when all packages are there"),
    ("pwck", "the tables of accounts are written whole"),
    ("pwconv", "the tables of accounts are written whole"),
    ("py3clean", "compiled modules are a cache"),
    ("py3compile", "compiled modules are a cache"),
    ("pypy3compile", "compiled modules are a cache"),
    ("restorecon", "SELinux labels are not of the image"),
    ("setsebool", "SELinux labels are not of the image"),
    ("shadowconfig", "the tables of accounts are written whole"),
    ("smartctl", "the configuration is checked where it is used"),
    ("sysctl", "the kernel's parameters are set at boot"),
    ("systemd-hwdb", "the hardware database is made at boot"),
    ("systemd-machine-id-setup", "the machine's id is made at boot"),
    ("systemd-sysctl", "the kernel's parameters are set at boot"),
    ("systemd-sysusers", "accounts of sysusers.d are made before any script"),
    ("systemd-tmpfiles", "what tmpfiles.d asks for is made when all accounts are there"),
    ("test-SSE3", "processors with SEV-SNP or TDX have it"),
    ("test-SSE4.1", "processors with SEV-SNP or TDX have it"),
    ("test-SSE4.2", "processors with SEV-SNP or TDX have it"),
    ("test-x86-64-v2", "processors with SEV-SNP or TDX have it"),
    ("test-x86-64-v3", "processors with SEV-SNP or TDX have it"),
    ("udevadm", "no device is here"),
    ("update-ca-certificates", "certificates are put together when all packages are there"),
    ("update-grub", "the image has a boot loader of its own"),
    ("update-icon-caches", "the index of icons is a cache"),
    ("update-initramfs", "stage 1 is the initramfs"),
    ("update-passwd", "the master files are there before any script"),
    ("vgcfgbackup", "no volume group is here"),
];

/// Those of them whose work is done when all packages are there.
const PUT_TOGETHER: [&str; 2] = ["pam-auth-update", "update-ca-certificates"];

/// Services, each with the option that has it check its configuration and end: apache2(8), exim(8).
const CHECKS: [(&str, &str); 2] = [("apache2", "-t"), ("exim4", "-bV")];

/// A program that does nothing.
pub(super) fn program(name: &[u8]) -> Option<Program> {
    reason(name).is_some().then_some(decline as Program)
}

fn reason(name: &[u8]) -> Option<(&'static str, &'static str)> {
    DECLINED.iter().find(|(known, _)| known.as_bytes() == name).copied()
}

fn decline(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let name = call.name();
    let Some((_, why)) = reason(name.as_bytes()) else {
        return Err(call.unsupported("it is not known why nothing would be missing"));
    };
    refuse_words(system, call, &name)?;
    if PUT_TOGETHER.contains(&name.as_str()) {
        system.deferred.insert(format!("{name}, when all packages are there"));
    }
    system.asked.declined.insert((name, why));
    Ok(0)
}

/// Refuses a call that another step does not carry out as it stands.
fn refuse_words(system: &System<'_, '_>, call: &Call<'_>, name: &str) -> Result<(), Stop> {
    let words = call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned());
    let check = CHECKS.iter().find(|(program, _)| *program == name).map(|(_, check)| *check);
    if check.is_some_and(|check| words.clone().all(|word| word != check)) {
        return Err(
            call.unsupported("a service does not run, and its configuration alone is checked")
        );
    }
    let is_carried_out = |word: &String| match name {
        "appstreamcli" => word == "refresh-cache" || word.starts_with("--"),
        "apache2" => check == Some(word.as_str()),
        "exim4" => check == Some(word.as_str()) || word == "-C" || word.starts_with('/'),
        // The root of the system, which dpkg may name in a word of its own: none, or `/`.
        "pam-auth-update" => ["--package", "--force", "--root", "", "/"].contains(&word.as_str()),
        "update-ca-certificates" => {
            let folders = ["--certsconf", "--certsdir", "--etccertsdir", "--localcertsdir"];
            !folders.contains(&word.as_str())
        }
        "smartctl" => {
            let is_known = ["-V", "-B", "-P", "showall"].contains(&word.as_str());
            is_known || word.starts_with("/var/lib/smartmontools/")
        }
        "systemd-sysusers" | "systemd-tmpfiles" => match word.strip_prefix('-') {
            Some("") => false,
            Some(option) => !["-inline", "-replace"].iter().any(|one| option.starts_with(one)),
            None => is_configuration(system, &name["systemd-".len()..], word),
        },
        _ => true,
    };
    match words.into_iter().find(|word| !is_carried_out(word)) {
        None => Ok(()),
        Some(word) => {
            Err(call.unsupported(format!("the word {word}, which no step of a build knows")))
        }
    }
}

/// Whether a word names a file that packages bring to the folder which its step reads (sysusers.d(5),
/// tmpfiles.d(5)).
fn is_configuration(system: &System<'_, '_>, kind: &str, word: &str) -> bool {
    let folder = format!("usr/lib/{kind}.d/");
    let path = match word.strip_prefix('/') {
        Some(path) => path.to_owned(),
        None => format!("{folder}{word}"),
    };
    let is_this =
        |package: &&Package| package.entries.iter().any(|entry| entry.path == path.as_bytes());
    path.starts_with(&folder) && system.packages.values().any(is_this)
}

/// `dpkg-trigger [OPTION..] NAME`: who is interested acts at the end, whoever has asked.
pub(super) fn dpkg_trigger(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    for word in call.arguments() {
        match word.as_slice() {
            b"--check-supported" => return Ok(0),
            b"--no-await" | b"--await" => {}
            option if option.starts_with(b"--by-package=") => {}
            option if option.starts_with(b"-") => {
                let option = String::from_utf8_lossy(option).into_owned();
                return Err(call.unsupported(format!("the option {option}")));
            }
            name => {
                system.asked.triggers.insert(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program is told that no step of a build would do ends the evaluation.
    #[test]
    fn a_call_is_declined_where_another_step_does_what_it_says() {
        use crate::packages::debian::commands::tests::{machine, run};
        use crate::packages::debian::tests::package;
        use crate::rootfs;

        let names = [
            "../lib/systemd/systemd-sysctl",
            "apache2",
            "appstreamcli",
            "exim4",
            "pam-auth-update",
            "smartctl",
            "systemd-sysusers",
            "systemd-tmpfiles",
            "update-ca-certificates",
        ];
        let paths = names.map(|name| format!("/usr/bin/{name}").replace("/bin/..", ""));
        let paths = paths.iter().map(String::as_str).chain(["/usr/bin/chmod"]);
        let files: Vec<(&str, &str)> = paths.map(|path| (path, "+x")).collect();
        let packages = [package(
            "p",
            "",
            &[("usr/lib/sysusers.d/p.conf", ""), ("usr/lib/tmpfiles.d/p.conf", "")],
        )];
        for (script, is_declined) in [
            ("apache2 -t", true),
            ("apache2 -k start", false),
            ("apache2", false),
            ("exim4 -C /var/lib/exim4/config.autogenerated.tmp -bV", true),
            ("exim4 -C /etc/exim4.conf", false),
            ("exim4 -bV -q", false),
            ("appstreamcli refresh-cache --force", true),
            ("appstreamcli validate x", false),
            ("chmod 755 /usr/lib/systemd/systemd-sysctl; /usr/lib/systemd/systemd-sysctl /x", true),
            ("pam-auth-update --package", true),
            ("pam-auth-update --package --force", true),
            ("pam-auth-update --package --root ''", true),
            ("pam-auth-update --package --root /elsewhere", false),
            ("pam-auth-update --enable x", false),
            ("pam-auth-update --package --remove unix", false),
            ("update-ca-certificates --fresh", true),
            ("update-ca-certificates --localcertsdir /opt/certs", false),
            ("smartctl -V && smartctl -B /var/lib/smartmontools/drivedb/x.new -P showall", true),
            ("smartctl -a /dev/sda", false),
            ("systemd-sysusers", true),
            ("systemd-sysusers p.conf", true),
            ("systemd-sysusers --root=/ /usr/lib/sysusers.d/p.conf", true),
            ("systemd-sysusers /etc/own.conf", false),
            ("systemd-sysusers q.conf", false),
            ("systemd-sysusers --inline 'u evil'", false),
            ("echo 'u evil' | systemd-sysusers -", false),
            ("systemd-sysusers --replace=/usr/lib/sysusers.d/p.conf -", false),
            ("systemd-tmpfiles --create p.conf", true),
            ("systemd-tmpfiles --create /etc/tmp.conf", false),
            ("systemd-tmpfiles --inline 'd /x'", false),
        ] {
            let request = rootfs::Request::default();
            let mut assembly = machine(&request, &files);
            let mut system = System::new(&mut assembly, &packages, "amd64");
            assert_eq!(run(&mut system, script).is_ok(), is_declined, "{script}");
        }
    }

    /// Who wonders why a program did nothing finds it, with the reason.
    #[test]
    fn the_page_of_scripts_has_every_program() {
        let page = include_str!("../../../../../../docs/maintainer-scripts.md");
        for (name, why) in DECLINED {
            let row = page.lines().find(|line| {
                line.contains(&format!("`{name}`")) && line.ends_with(&format!("| {why} |"))
            });
            assert!(row.is_some(), "docs/maintainer-scripts.md has no row of `{name}`: {why}");
        }
    }
}
