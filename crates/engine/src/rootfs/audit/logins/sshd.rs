//! Settings of sshd: where keys come from that log in, and who needs none (sshd_config(5)).

use std::collections::BTreeSet;

use super::files::{finding, matches, text};
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::finding::{Finding, FindingKind, Verdict};

/// The file that sshd reads.
const FILE: &str = "/etc/ssh/sshd_config";

/// Where the names of included files start that are not absolute.
const FOLDER: &str = "/etc/ssh";

/// How deep files may include one another (`SERVCONF_MAX_DEPTH`, servconf.c).
const DEPTH_MAX: usize = 16;

/// The files of a user's keys that sshd reads where nothing else is set, below the home folder.
const DEFAULT_FILES: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

/// A setting that counts, and where it stands.
struct Setting {
    /// In small letters.
    key: String,
    values: Vec<String>,
    file: String,
    line: usize,
}

impl Setting {
    fn says(&self, value: &str) -> bool {
        self.values.first().is_some_and(|first| first.eq_ignore_ascii_case(value))
    }
}

pub(super) fn find(assembly: &Assembly<'_>) -> Result<Vec<Finding>, RootfsError> {
    let mut reader = Reader { assembly, settings: Vec::new(), seen: BTreeSet::new(), blocks: 0 };
    reader.read(FILE, 0, 0)?;
    let mut found = Vec::new();
    for setting in reader.settings {
        found.extend(judged(assembly, &setting)?);
    }
    Ok(found)
}

/// What a setting lets in.
fn judged(assembly: &Assembly<'_>, setting: &Setting) -> Result<Vec<Finding>, RootfsError> {
    let Setting { values, file, line, .. } = setting;
    let row = |kind, words: String, verdict| finding(assembly, kind, file, words, |_| verdict);
    let refused = |words: String| {
        vec![row(FindingKind::SshLogin, format!("line {line}: {words}"), Verdict::Refused)]
    };
    let value = values.join(" ");
    Ok(match setting.key.as_str() {
        "permitemptypasswords" if setting.says("yes") => {
            refused("`PermitEmptyPasswords yes` lets in accounts without a password".into())
        }
        "permitrootlogin" if setting.says("yes") && root_has_password(assembly)? => {
            refused("`PermitRootLogin yes` lets root in, who has a password".into())
        }
        "authorizedkeyscommand" if !setting.says("none") => refused(format!(
            "`AuthorizedKeysCommand {value}` says while the image runs whose keys log in over SSH"
        )),
        "authorizedprincipalscommand" if !setting.says("none") => refused(format!(
            "`AuthorizedPrincipalsCommand {value}` says while the image runs whose certificates log in over SSH"
        )),
        "trustedusercakeys" if !setting.says("none") => {
            let words = format!(
                "line {line}: `TrustedUserCAKeys {value}` says whose certificates log in over SSH"
            );
            vec![row(FindingKind::AuthorizedKeys, words, Verdict::Listed)]
        }
        "authorizedkeysfile" if !setting.says("none") => keys_files(assembly, setting)?,
        _ => Vec::new(),
    })
}

/// Files of keys that are not those of a home folder by default: the setting, and what it leads to.
fn keys_files(assembly: &Assembly<'_>, setting: &Setting) -> Result<Vec<Finding>, RootfsError> {
    let is_default = |value: &&String| {
        let value = value.strip_prefix("%h/").unwrap_or(value.as_str());
        DEFAULT_FILES.contains(&value)
    };
    let others: Vec<&String> = setting.values.iter().filter(|value| !is_default(value)).collect();
    let Some(first) = others.first() else { return Ok(Vec::new()) };
    let words = format!(
        "line {}: `AuthorizedKeysFile {}` says where keys are that log in over SSH",
        setting.line,
        setting.values.join(" ")
    );
    let listed = |path: &str, words| {
        finding(assembly, FindingKind::AuthorizedKeys, path, words, |_| Verdict::Listed)
    };
    let mut found = vec![listed(&setting.file, words)];
    if first.as_str() == "none" {
        return Ok(found);
    }
    let homes = homes(assembly)?;
    let mut paths = BTreeSet::new();
    for value in others {
        for pattern in patterns(value, &homes) {
            paths.extend(matches(assembly, &pattern)?);
        }
    }
    paths.retain(|path| assembly.is_file(path));
    found.extend(
        paths.iter().map(|path| listed(path, "says whose keys log in over SSH".to_owned())),
    );
    Ok(found)
}

/// The paths that a value may stand for, as patterns (sshd_config(5), "TOKENS").
fn patterns(value: &str, homes: &BTreeSet<String>) -> Vec<String> {
    let plain = |text: &str| text.replace("%%", "%");
    let value = value.replace("%u", "*").replace("%U", "*");
    if value.starts_with('/') {
        return vec![plain(&value)];
    }
    let below = value.strip_prefix("%h").unwrap_or(&value);
    homes.iter().map(|home| plain(&format!("{home}/{below}"))).collect()
}

/// The home folders of all accounts.
fn homes(assembly: &Assembly<'_>) -> Result<BTreeSet<String>, RootfsError> {
    let passwd = text(assembly, "/etc/passwd")?.unwrap_or_default();
    let homes = passwd.lines().filter_map(|line| line.split(':').nth(5));
    Ok(homes.filter(|home| home.starts_with('/')).map(str::to_owned).collect())
}

/// Whether a password opens root's account, be it an empty one.
fn root_has_password(assembly: &Assembly<'_>) -> Result<bool, RootfsError> {
    let password = |path: &str| -> Result<Option<String>, RootfsError> {
        let text = text(assembly, path)?.unwrap_or_default();
        let row = text.lines().find_map(|line| line.strip_prefix("root:").map(str::to_owned));
        Ok(row.and_then(|row| row.split(':').next().map(str::to_owned)))
    };
    let found = match password("/etc/passwd")?.as_deref() {
        Some("x") | None => password("/etc/shadow")?,
        Some(other) => Some(other.to_owned()),
    };
    Ok(found.is_some_and(|password| !password.starts_with(['!', '*'])))
}

/// Reads settings in sshd's order: the first of a key counts, in the whole and in each `Match` block again, which
/// goes before the whole.
struct Reader<'a> {
    assembly: &'a Assembly<'a>,
    settings: Vec<Setting>,
    /// Keys by the block that they are set in; 0 is none.
    seen: BTreeSet<(usize, String)>,
    blocks: usize,
}

impl Reader<'_> {
    /// A `Match` ends with the file that it is in.
    fn read(&mut self, file: &str, block: usize, depth: usize) -> Result<(), RootfsError> {
        let Some(text) = text(self.assembly, file)? else { return Ok(()) };
        let mut block = block;
        for (line, text) in (1..).zip(text.lines()) {
            let mut words = words(text).into_iter();
            let Some(key) = words.next() else { continue };
            let (key, values) = (key.to_ascii_lowercase(), words.collect::<Vec<_>>());
            match key.as_str() {
                "match" => {
                    self.blocks += 1;
                    block = self.blocks;
                }
                "include" if depth < DEPTH_MAX => {
                    for value in values {
                        let pattern = match value.starts_with('/') {
                            true => value,
                            false => format!("{FOLDER}/{value}"),
                        };
                        for path in matches(self.assembly, &pattern)? {
                            self.read(&path, block, depth + 1)?;
                        }
                    }
                }
                "include" => {}
                _ if self.seen.insert((block, key.clone())) => {
                    self.settings.push(Setting { key, values, file: file.to_owned(), line });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A key and its values: an equals sign may follow the key, quotes keep blanks together, `#` begins a comment.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, behind) = match rest.strip_prefix(['"', '\'']) {
            Some(quoted) => {
                let end = quoted.find(&rest[..1]).unwrap_or(quoted.len());
                (&quoted[..end], quoted.get(end + 1..).unwrap_or_default())
            }
            None => {
                let is_end = |sign: char| sign.is_whitespace() || (words.is_empty() && sign == '=');
                rest.split_at(rest.find(is_end).unwrap_or(rest.len()))
            }
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
        if words.len() == 1 {
            rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::tests::rows;
    use super::*;

    const PASSWD: (&str, &str) = ("/etc/passwd", "root:x:0:0::/root:/bin/sh\na:x:7:7::/home/a:\n");

    /// What is found of a file of settings; of root's password it is known that there is one.
    fn of(settings: &str) -> Vec<String> {
        rows(&[PASSWD, ("/etc/shadow", "root:$y$x:1:\n"), (FILE, settings)])
    }

    #[test]
    fn who_needs_no_key_is_refused() {
        let empty = "refused ssh-login: `/etc/ssh/sshd_config` line 1: `PermitEmptyPasswords yes` lets in \
                     accounts without a password";
        assert_eq!(of("PermitEmptyPasswords yes\n"), [empty]);
        for line in [
            "permitemptypasswords YES",
            "  PermitEmptyPasswords\t=  yes # why",
            "PermitEmptyPasswords=\"yes\"",
        ] {
            assert_eq!(of(line), [empty], "{line}");
        }
        let root = "refused ssh-login: `/etc/ssh/sshd_config` line 1: `PermitRootLogin yes` lets root in, who has a \
                    password";
        assert_eq!(of("PermitRootLogin yes\n"), [root]);
        for line in [
            "#PermitRootLogin yes",
            "PermitRootLogin prohibit-password",
            "PermitRootLogin no\nPermitRootLogin yes",
            "PermitEmptyPasswords no",
            "AuthorizedKeysCommand none",
            "AuthorizedKeysFile none",
            "AuthorizedKeysFile .ssh/authorized_keys %h/.ssh/authorized_keys2",
        ] {
            assert!(of(line).is_empty(), "{line}");
        }
        // Without a password nobody is let in by it.
        let files = [PASSWD, ("/etc/shadow", "root:*:1:\n"), (FILE, "PermitRootLogin yes\n")];
        assert!(rows(&files).is_empty());
        let old = [("/etc/passwd", "root::0:0::/root:/bin/sh\n"), (FILE, "PermitRootLogin yes\n")];
        assert_eq!(rows(&old), [root]);
    }

    #[test]
    fn a_block_and_an_included_file_count_too() {
        let line_of = |rows: Vec<String>| -> Vec<String> {
            rows.iter().filter_map(|row| row.split(": `Permit").next().map(str::to_owned)).collect()
        };
        let block = "PermitEmptyPasswords no\nMatch User a\nPermitEmptyPasswords yes\n\
                     PermitEmptyPasswords no\nMatch all\nPermitEmptyPasswords yes\n";
        let at = "refused ssh-login: `/etc/ssh/sshd_config` line";
        assert_eq!(line_of(of(block)), [format!("{at} 3"), format!("{at} 6")]);
        let files = |main: &'static str| {
            let drop_in = "/etc/ssh/sshd_config.d/50-x.conf";
            rows(&[PASSWD, (FILE, main), (drop_in, "Match User a\nPermitEmptyPasswords yes\n")])
        };
        let found = "refused ssh-login: `/etc/ssh/sshd_config.d/50-x.conf` line 2: `PermitEmptyPasswords yes` lets \
                     in accounts without a password";
        assert_eq!(files("Include /etc/ssh/sshd_config.d/*.conf\n"), [found]);
        assert_eq!(files("Include sshd_config.d/*.conf\nPermitEmptyPasswords no\n"), [found]);
        assert!(files("").is_empty());
    }

    #[test]
    fn keys_outside_of_home_folders_are_found_with_what_says_so() {
        let files = |settings: &'static str| {
            let key = "ssh-ed25519 AAAA\n";
            rows(&[
                PASSWD,
                (FILE, settings),
                ("/etc/keys/a", key),
                ("/home/a/.keys", key),
                ("/etc/all", key),
            ])
        };
        let set = "listed authorized-keys: `/etc/ssh/sshd_config` line 1: ";
        assert_eq!(
            files("AuthorizedKeysFile /etc/keys/%u .ssh/authorized_keys\n"),
            [
                format!(
                    "{set}`AuthorizedKeysFile /etc/keys/%u .ssh/authorized_keys` says where keys are that log in \
                     over SSH"
                ),
                "listed authorized-keys: `/etc/keys/a` says whose keys log in over SSH".to_owned(),
            ]
        );
        for (value, path) in
            [("/etc/all", "/etc/all"), ("%h/.keys", "/home/a/.keys"), (".keys", "/home/a/.keys")]
        {
            let settings = format!("AuthorizedKeysFile {value}\n");
            let found = files(settings.leak());
            assert!(found[1].contains(&format!("`{path}`")), "{found:?}");
        }
        assert_eq!(
            files("AuthorizedKeysCommand /usr/bin/keys %u\nTrustedUserCAKeys /etc/ca\n"),
            [
                "refused ssh-login: `/etc/ssh/sshd_config` line 1: `AuthorizedKeysCommand /usr/bin/keys %u` says \
                 while the image runs whose keys log in over SSH",
                "listed authorized-keys: `/etc/ssh/sshd_config` line 2: `TrustedUserCAKeys /etc/ca` says whose \
                 certificates log in over SSH",
            ]
        );
    }
}
