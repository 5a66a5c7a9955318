//! Programs that read or change the configuration of one package: dump-firebird-config of firebird4.0-common 4.0.5,
//! debsecan 0.4.20, `git lfs install` of git-lfs 3.6, icinga2 2.14, and ikiwiki-mass-rebuild of ikiwiki 3.2025.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{self, Call};
use cvmkit_shell::world::{FileError, Files as _, World as _};

use crate::packages::debian::commands::System;
use crate::packages::debian::commands::words::shown;

/// `dump-firebird-config FILE`: a file with those that it includes. A pattern of names is not read.
pub(super) fn dump_firebird(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let [file] = call.arguments() else { return Err(call.unsupported("these words")) };
    let file = String::from_utf8_lossy(file).into_owned();
    let mut seen = BTreeSet::new();
    dump(system, call, &file, &mut seen)?;
    Ok(0)
}

fn dump(
    system: &System<'_, '_>,
    call: &mut Call<'_>,
    file: &str,
    seen: &mut BTreeSet<String>,
) -> Result<(), Stop> {
    const FILES_MAX: usize = 100;
    if !seen.insert(file.to_owned()) {
        call.print(format!("# file '{file}' already seen\n").as_bytes());
        return Ok(());
    }
    if seen.len() > FILES_MAX || file.contains(['*', '?', '[', '{', '~', ' ', '\\']) {
        return Err(call.unsupported(format!("the file {file}")));
    }
    let text = system.read(&call.path(file.as_bytes()));
    let text = text.map_err(|error| call.unsupported(format!("{file}: {}", error.words())))?;
    call.print(format!("# {file} start\n").as_bytes());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let name = text.trim_ascii_start().strip_prefix("include");
        match name.filter(|name| name.starts_with(|first: char| first.is_ascii_whitespace())) {
            Some(name) if !name.trim_ascii().is_empty() => {
                let name = name.trim_ascii();
                let folder = file.rsplit_once('/').map_or(".", |(folder, _)| folder);
                match name.starts_with('/') {
                    true => dump(system, call, name, seen)?,
                    false => dump(system, call, &format!("{folder}/{name}"), seen)?,
                }
            }
            _ => call.print(line),
        }
    }
    call.print(format!("# {file} end\n").as_bytes());
    Ok(())
}

/// A line of debsecan's configuration.
enum Line<'l> {
    Comment,
    /// A key and its value, without quotes.
    Key(&'l str, &'l str),
}

impl<'l> Line<'l> {
    fn of(line: &'l str) -> Option<Self> {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            return Some(Self::Comment);
        }
        let (key, value) = line.split_once('=')?;
        let is_key = !key.is_empty() && key.bytes().all(|c| c.is_ascii_uppercase() || c == b'_');
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        is_key.then_some(Self::Key(key, quoted.unwrap_or(value)))
    }
}

/// `debsecan --update-config`: the keys that the input has are changed in the configuration.
pub(super) fn debsecan(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const FILE: &str = "/etc/default/debsecan";
    const SYNTAX_ERROR: u8 = 2;
    if call.arguments() != [b"--update-config".to_vec()] {
        return Err(call.unsupported("a look for vulnerabilities"));
    }
    let is_wrong = |call: &mut Call<'_>, file: &str, at: usize| {
        let line = format!("{file}:{}: invalid configuration file syntax\n", at + 1);
        call.print_error(line.as_bytes());
        SYNTAX_ERROR
    };
    let input = String::from_utf8_lossy(&call.input()).into_owned();
    let mut new = BTreeMap::new();
    for (at, line) in input.lines().enumerate() {
        match Line::of(line) {
            Some(Line::Comment) => {}
            Some(Line::Key(key, value)) => {
                new.insert(key, value);
            }
            None => return Ok(is_wrong(call, "<stdin>", at)),
        }
    }
    let text = system.read(FILE.as_bytes()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut result = String::new();
    for (at, line) in text.split_inclusive('\n').enumerate() {
        match Line::of(line) {
            Some(Line::Comment) => result += line,
            Some(Line::Key(key, value)) => match new.remove(key) {
                Some(other) if other != value => result += &format!("{key}={other}\n"),
                _ => result += line,
            },
            None => return Ok(is_wrong(call, FILE, at)),
        }
    }
    if !new.is_empty() {
        result.push('\n');
    }
    for (key, value) in new {
        result += &format!("{key}={value}\n");
    }
    match system.write(FILE.as_bytes(), result.as_bytes(), 0o666 & !call.umask()) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("could not write", FILE.as_bytes(), error)),
    }
}

/// `git lfs install [--skip-repo] --system`: the filter of large files, for every user. The program writes its four
/// lines in an order that differs from call to call; any has the same meaning.
pub(super) fn git(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const FILE: &str = "/etc/gitconfig";
    const SECTION: &str = "[filter \"lfs\"]\n\
                           \tclean = git-lfs clean -- %f\n\
                           \tsmudge = git-lfs smudge -- %f\n\
                           \tprocess = git-lfs filter-process\n\
                           \trequired = true\n";
    let is_install = match call.arguments() {
        [lfs, install, options @ ..] if lfs == b"lfs" && install == b"install" => {
            options.iter().any(|option| option == b"--system")
                && options.iter().all(|option| option == b"--system" || option == b"--skip-repo")
        }
        _ => false,
    };
    let path = call.variable("PATH").unwrap_or_default();
    if !is_install || system.find(b"git-lfs", path).is_none() {
        return Err(call.unsupported(shown(call.arguments())));
    }
    let text = match system.read(FILE.as_bytes()) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(FileError::NotFound) => String::new(),
        Err(error) => return Ok(call.fail("could not lock", FILE.as_bytes(), error)),
    };
    if !text.contains(SECTION) {
        if text.contains("filter") || !(text.is_empty() || text.ends_with('\n')) {
            return Err(call.unsupported(format!("a change of {FILE}, which has filters")));
        }
        let text = text + SECTION;
        if let Err(error) = system.write(FILE.as_bytes(), text.as_bytes(), 0o666 & !call.umask()) {
            return Ok(call.fail("could not write", FILE.as_bytes(), error));
        }
    }
    call.print(b"Git LFS initialized.\n");
    Ok(0)
}

/// `icinga2 feature enable NAME..`: links to the files of features, of the user that the program runs as.
pub(super) fn icinga(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const USER: &[u8] = b"nagios";
    let names = match call.arguments() {
        [feature, enable, names @ ..] if feature == b"feature" && enable == b"enable" => names,
        words => return Err(call.unsupported(shown(words))),
    };
    let is_name = |name: &Vec<u8>| {
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    let owner = (commands::uid(system, USER), commands::gid(system, USER));
    let (Some(uid), Some(gid)) = owner else {
        return Err(call.unsupported("a system without the user and group nagios"));
    };
    if names.is_empty() || !names.iter().all(is_name) {
        return Err(call.unsupported(shown(call.arguments())));
    }
    let mut status = 0;
    for name in names {
        let name = shown(std::slice::from_ref(name));
        let source = format!("/etc/icinga2/features-available/{name}.conf");
        let link = format!("/etc/icinga2/features-enabled/{name}.conf");
        if system.status(source.as_bytes(), true).is_err() {
            call.complain(&format!("critical: cannot enable feature '{name}', which is not there"));
            status = 1;
            continue;
        }
        if system.status(link.as_bytes(), true).is_ok() {
            call.complain(&format!("warning: feature '{name}' is enabled already"));
            continue;
        }
        let target = format!("../features-available/{name}.conf");
        let made = system.make_symlink(link.as_bytes(), target.as_bytes());
        let made =
            made.and_then(|()| system.set_owner(link.as_bytes(), Some(uid), Some(gid), false));
        if let Err(error) = made {
            return Ok(call.fail("cannot enable", link.as_bytes(), error));
        }
        let line = format!(
            "Enabling feature {name}. Make sure to restart Icinga 2 for these changes to take effect.\n"
        );
        call.print(line.as_bytes());
    }
    Ok(status)
}

/// `ikiwiki-mass-rebuild ..`, where its list has no wiki.
pub(super) fn ikiwiki(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const LIST: &str = "/etc/ikiwiki/wikilist";
    let is_wiki = |line: &[u8]| !line.is_empty() && !line.starts_with(b"#");
    match system.read(LIST.as_bytes()) {
        Err(FileError::NotFound) => Ok(0),
        Ok(text) if !text.split(|byte| *byte == b'\n').any(|line| is_wiki(line.trim_ascii())) => {
            Ok(0)
        }
        _ => Err(call.unsupported(format!("the wikis of {LIST}"))),
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    #[test]
    fn a_configuration_of_firebird_is_read_with_what_it_includes() {
        let files = [
            ("/usr/share/firebird/4.0/dump-firebird-config", "#!/usr/bin/perl\n"),
            ("/usr/bin/chmod", "+x"),
            ("/etc/f/firebird.conf", "# a\n include  b.conf \nincluded\ninclude /etc/f/b.conf\n"),
            ("/etc/f/b.conf", "RemoteServicePort = 3051\n"),
            ("/etc/f/c.conf", "include *.conf\n"),
        ];
        let head = "chmod 755 /usr/share/firebird/4.0/*; ";
        let script = "/usr/share/firebird/4.0/dump-firebird-config /etc/f/firebird.conf";
        let expected = "# /etc/f/firebird.conf start\n# a\n# /etc/f/b.conf start\nRemoteServicePort = 3051\n\
                        # /etc/f/b.conf end\nincluded\n# file '/etc/f/b.conf' already seen\n\
                        # /etc/f/firebird.conf end\n";
        assert_eq!(output(&files, &format!("{head}{script}")), expected);
        let script = format!("{head}/usr/share/firebird/4.0/dump-firebird-config /etc/f/c.conf");
        assert!(stop(&files, &script).contains("the file /etc/f/*.conf"));
        assert!(stop(&files, &script.replace("c.conf", "gone")).contains("No such file"));
    }

    /// What python3 makes of the same files.
    #[test]
    fn debsecan_changes_the_keys_that_it_is_given() {
        let files = [
            ("/usr/bin/debsecan", "#!/usr/bin/python3\n"),
            ("/etc/default/debsecan", "# c\n\nREPORT=true\nSUITE = x\n"),
        ];
        let say = "cat /etc/default/debsecan";
        let wrong = format!("echo 'A=\"1\"' | debsecan --update-config; echo $?; {say}");
        assert_eq!(output(&files, &wrong), "2\n# c\n\nREPORT=true\nSUITE = x\n");
        let files = [
            ("/usr/bin/debsecan", "#!/usr/bin/python3\n"),
            ("/etc/default/debsecan", "# c\n\nREPORT=true\nSUITE=\"GENERIC\"\nMAILTO=root\n"),
        ];
        let script = format!(
            "printf '%s\\n' 'REPORT=\"false\"' 'SUITE=\"GENERIC\"' 'Z=\"\"' 'A=\"b c\"' | debsecan --update-config; echo $?; {say}"
        );
        let expected = "0\n# c\n\nREPORT=false\nSUITE=\"GENERIC\"\nMAILTO=root\n\nA=b c\nZ=\n";
        assert_eq!(output(&files, &script), expected);
        assert!(stop(&files, "debsecan").contains("vulnerabilities"));
    }

    #[test]
    fn large_files_of_git_have_their_filter() {
        let files = [("/usr/bin/git", "+x"), ("/usr/bin/git-lfs", "+x")];
        let script = "umask 022; git lfs install --skip-repo --system; git lfs install --system; cat /etc/gitconfig; \
                      stat -c %a /etc/gitconfig";
        let expected = "Git LFS initialized.\nGit LFS initialized.\n[filter \"lfs\"]\n\
                        \tclean = git-lfs clean -- %f\n\tsmudge = git-lfs smudge -- %f\n\
                        \tprocess = git-lfs filter-process\n\trequired = true\n644\n";
        assert_eq!(output(&files, script), expected);
        for script in ["git lfs install", "git lfs uninstall --system", "git config --system a.b c"]
        {
            assert!(stop(&files, script).contains("`git`"), "{script}");
        }
        let script =
            "printf '[filter \"lfs\"]\\n\\tclean = x\\n' >/etc/gitconfig; git lfs install --system";
        assert!(stop(&files, script).contains("which has filters"));
        assert!(stop(&files[..1], "git lfs install --system").contains("lfs install"));
    }

    #[test]
    fn features_of_icinga_are_links_of_its_user() {
        let files = [
            ("/usr/sbin/icinga2", "#!/bin/sh\nexec /usr/lib/icinga2 \"$@\"\n"),
            ("/usr/bin/readlink", "+x"),
            ("/etc/passwd", "nagios:x:104:105::/var/lib/nagios:/usr/sbin/nologin\n"),
            ("/etc/group", "nagios:x:105:\n"),
            ("/etc/icinga2/features-available/checker.conf", ""),
            ("/etc/icinga2/features-enabled/", ""),
        ];
        let script = "icinga2 feature enable gone checker 2>/dev/null; echo $?; icinga2 feature enable checker 2>/dev/null; \
                      echo $?; cd /etc/icinga2/features-enabled; readlink checker.conf; stat -c '%u %g' checker.conf";
        let expected = "Enabling feature checker. Make sure to restart Icinga 2 for these changes to take effect.\n\
                        1\n0\n../features-available/checker.conf\n104 105\n";
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "icinga2 feature list").contains("feature list"));
        assert!(stop(&files, "icinga2 feature enable ../x").contains("../x"));
        assert!(stop(&files[..1], "icinga2 feature enable checker").contains("nagios"));
    }

    #[test]
    fn no_wiki_is_built() {
        let program = ("/usr/sbin/ikiwiki-mass-rebuild", "#!/usr/bin/perl\n");
        assert_eq!(output(&[program], "ikiwiki-mass-rebuild; echo $?"), "0\n");
        let list = [program, ("/etc/ikiwiki/wikilist", "# a\n\n  #joey /home/joey/x\n")];
        assert_eq!(output(&list, "ikiwiki-mass-rebuild --refresh; echo $?"), "0\n");
        let list = [program, ("/etc/ikiwiki/wikilist", "# a\n joey\n")];
        assert!(stop(&list, "ikiwiki-mass-rebuild").contains("wikis of /etc/ikiwiki/wikilist"));
    }
}
