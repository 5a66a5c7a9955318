//! The rules of `[packages]`.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::digest::Sha256;

use super::{Check, Checked};
use crate::definition::raw::{RawAnswer, RawGiven, RawMetadata, RawPackages, RawScripts};
use crate::definition::{Given, Packages, exceptions};
use crate::rootfs::{hidden, is_packaged_name};

impl Check<'_> {
    pub(super) fn packages(&self, raw: RawPackages) -> Checked<Packages> {
        let lists = [
            ("packages.exclude-paths", &raw.exclude_paths),
            ("packages.include-paths", &raw.include_paths),
        ];
        for (key, patterns) in lists {
            if let Some(pattern) = patterns.iter().find(|pattern| !pattern.starts_with('/')) {
                let rule = "a pattern of absolute paths, such as `/usr/share/doc/*`";
                return Err(self.invalid(key, pattern, rule));
            }
        }
        for (name, reason) in &raw.drop {
            exceptions::check(name, reason, &raw.install)
                .map_err(|(key, found, rule)| self.invalid(&key, &found, rule))?;
        }
        Ok(Packages {
            install: raw.install,
            local: self.local_packages(raw.local)?,
            essential: raw.essential.unwrap_or(true),
            exclude_paths: raw.exclude_paths,
            include_paths: raw.include_paths,
            metadata: raw.metadata.unwrap_or(RawMetadata::Full),
            skip: self.skip(&raw.scripts)?,
            give: self.give(raw.scripts)?,
            debconf: self.debconf(raw.debconf)?,
            drop: raw.drop,
        })
    }

    fn local_packages(&self, local: Vec<String>) -> Checked<Vec<String>> {
        let mut known: Vec<String> = Vec::new();
        for path in &local {
            let bare = path.trim_end_matches('/').to_owned();
            if bare.is_empty() || known.contains(&bare) {
                let rule = "a `.deb` file or a folder below the definition's, given once";
                return Err(self.invalid("packages.local", path, rule));
            }
            known.push(bare);
        }
        Ok(known)
    }

    fn skip(
        &self,
        scripts: &BTreeMap<String, RawScripts>,
    ) -> Checked<BTreeMap<String, BTreeSet<Sha256>>> {
        let nothing = |scripts: &RawScripts| scripts.skip.is_empty() && scripts.give.is_empty();
        if let Some((package, _)) = scripts.iter().find(|(_, scripts)| nothing(scripts)) {
            let rule = "`skip` with the SHA-256 of at least one script, or `give`";
            return Err(self.invalid(&format!("packages.scripts.`{package}`"), "empty", rule));
        }
        let skipping = scripts.iter().filter(|(_, scripts)| !scripts.skip.is_empty());
        let skip = |scripts: &RawScripts| scripts.skip.iter().copied().collect();
        Ok(skipping.map(|(package, scripts)| (package.clone(), skip(scripts))).collect())
    }

    fn give(
        &self,
        scripts: BTreeMap<String, RawScripts>,
    ) -> Checked<BTreeMap<String, BTreeMap<Sha256, Given>>> {
        let mut packages: BTreeMap<String, BTreeMap<Sha256, Given>> = BTreeMap::new();
        for (package, RawScripts { skip, give }) in scripts {
            let key = format!("packages.scripts.`{package}`.give");
            for raw in give {
                let script = raw.script;
                let given = self.given(&key, raw)?;
                let of_package = packages.entry(package.clone()).or_default();
                if skip.contains(&script) || of_package.insert(script, given).is_some() {
                    let rule = "a script that is given once, and not skipped";
                    return Err(self.invalid(&key, &script.to_string(), rule));
                }
            }
        }
        Ok(packages)
    }

    fn given(&self, key: &str, raw: RawGiven) -> Checked<Given> {
        let RawGiven { files, users, groups, .. } = raw;
        if files.is_empty() && users.is_empty() && groups.is_empty() {
            let rule = "`files`, `users` or `groups`; a script of which nothing is needed is one to `skip`";
            return Err(self.invalid(key, "empty", rule));
        }
        let mut paths = BTreeSet::new();
        for file in &files {
            if !paths.insert(&file.path) {
                let rule = "a path that is given once";
                return Err(self.invalid(&format!("{key}.files.path"), &file.path, rule));
            }
            if hidden::hidden_by(&file.path).is_some() {
                let rule = "a path that no boot empties or hides";
                return Err(self.invalid(&format!("{key}.files.path"), &file.path, rule));
            }
        }
        let mut names = BTreeSet::new();
        let accounts = users.iter().map(|user| ("users", &user.name));
        for (list, name) in accounts.chain(groups.iter().map(|group| ("groups", &group.name))) {
            if !is_packaged_name(name) || !names.insert(name) {
                let rule = "the name of an account, given once: a user has a group of its name";
                return Err(self.invalid(&format!("{key}.{list}.name"), name, rule));
            }
        }
        for user in &users {
            let fields = [("comment", &user.comment), ("home", &user.home), ("shell", &user.shell)];
            for (field, text) in fields {
                if let Some(text) = text.as_ref().filter(|text| text.contains([':', '\n'])) {
                    let rule = "text without colons and line breaks";
                    return Err(self.invalid(&format!("{key}.users.{field}"), text, rule));
                }
            }
        }
        for group in &groups {
            self.account_id(&format!("{key}.groups.`{}`.gid", group.name), group.gid)?;
        }
        let (file_list, user_list) = (format!("{key}.files"), format!("{key}.users"));
        Ok(Given {
            files: self.each(files, |check, raw| check.file(&file_list, raw))?,
            users: self.each(users, |check, raw| check.user(&user_list, raw))?,
            groups,
        })
    }

    fn debconf(&self, raw: BTreeMap<String, RawAnswer>) -> Checked<BTreeMap<String, String>> {
        let answer = |(question, answer): (String, RawAnswer)| {
            let key = "packages.debconf";
            if question.is_empty() || question.contains(char::is_whitespace) {
                let rule = "the name of a question, such as `tzdata/Areas`";
                return Err(self.invalid(key, &question, rule));
            }
            let answer = match answer {
                RawAnswer::Flag(flag) => flag.to_string(),
                RawAnswer::Text(text) => text,
            };
            if answer.contains(char::is_control) {
                let shown = answer.escape_debug().to_string();
                return Err(self.invalid(
                    &format!("{key}.`{question}`"),
                    &shown,
                    "one line of text",
                ));
            }
            Ok((question, answer))
        };
        raw.into_iter().map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use cvmkit_host::fault::Diagnosis as _;

    use super::super::ID_RULE;
    use super::*;
    use crate::definition::{DefinitionError, FileKind, sample};

    /// A digest in the spelling of definitions.
    fn digest(byte: &str) -> String {
        byte.repeat(32)
    }

    /// The key, what it holds and what it should.
    #[track_caller]
    fn refused(tables: &str, key: &str, found: &str, expected: &str) {
        let project = sample::project(&sample::text("", tables)).unwrap();
        let error = project.definition(None).map(drop).unwrap_err();
        let DefinitionError::Invalid { key: of, found: was, expected: should, .. } = error else {
            panic!("{tables}: {error:?}")
        };
        assert_eq!(
            (of.as_str(), was.as_str(), should.as_str()),
            (key, found, expected),
            "{tables}"
        );
    }

    #[test]
    fn a_script_is_skipped_by_its_digest() {
        let one = digest("0a");
        let tables = format!("[packages.scripts.x]\nskip = [\"{one}\", \"{one}\"]");
        let packages = sample::definition(&tables).packages;
        assert_eq!(packages.skip["x"], BTreeSet::from([Sha256([0x0a; 32])]));
        assert!(packages.give.is_empty());
        let expected = "`skip` with the SHA-256 of at least one script, or `give`";
        for empty in ["", "skip = []", "give = []"] {
            let tables = format!("[packages.scripts.x]\n{empty}");
            refused(&tables, "packages.scripts.`x`", "empty", expected);
        }
    }

    #[test]
    fn what_is_given_is_checked_as_files_and_users_are() {
        let one = digest("0a");
        let give = |keys: &str| {
            format!("[[packages.scripts.\"x.y\".give]]\nscript = \"{}\"\n{keys}\n", digest("0a"))
        };
        let key = "packages.scripts.`x.y`.give";
        let tables = give(
            "files = [{ path = \"/etc/x\", content = \"y\", owner = \"web\", mode = \"0640\" }, \
             { path = \"/srv/x\", folder = true }, { path = \"/srv/y\", symlink = \"x\" }, \
             { path = \"/etc/z\", source = \"z\" }, { path = \"/etc/there\", mode = \"0600\" }]\n\
             users = [{ name = \"web\", home = \"/srv\" }]\ngroups = [{ name = \"logs\", gid = 200 }]",
        );
        let definition = sample::definition(&tables);
        assert!(definition.packages.skip.is_empty() && definition.files.is_empty());
        let given = &definition.packages.give["x.y"][&Sha256([0x0a; 32])];
        assert_eq!((given.files.len(), given.users.len(), given.groups[0].gid), (5, 1, Some(200)));
        assert_eq!((given.files[0].path.as_str(), given.files[0].mode), ("etc/x", Some(0o640)));
        assert_eq!(given.files[4].kind, FileKind::Existing);
        let nothing =
            "`files`, `users` or `groups`; a script of which nothing is needed is one to `skip`";
        refused(&give(""), key, "empty", nothing);
        let twice = "a script that is given once, and not skipped";
        let user = "users = [{ name = \"a\" }]";
        refused(&[give(user), give(user)].concat(), key, &one, twice);
        let skip = format!("[packages.scripts.\"x.y\"]\nskip = [\"{one}\"]\n");
        refused(&(skip + &give(user)), key, &one, twice);
        for (keys, part, found, expected) in [
            (
                "files = [{ path = \"/a\", folder = true }, { path = \"/a\", folder = true }]",
                ".files.path",
                "/a",
                "a path that is given once",
            ),
            (
                "files = [{ path = \"/run/a\", folder = true }]",
                ".files.path",
                "/run/a",
                "a path that no boot empties or hides",
            ),
            (
                "files = [{ path = \"a\", folder = true }]",
                ".files.path",
                "a",
                "an absolute path without `.`, `..` and empty names",
            ),
            (
                "files = [{ path = \"/a\", content = \"\", mode = \"9\" }]",
                ".files.`/a`.mode",
                "9",
                "an octal mode up to 7777",
            ),
            (
                "users = [{ name = \"a b\" }]",
                ".users.name",
                "a b",
                "the name of an account, given once: a user has a group of its name",
            ),
            (
                "users = [{ name = \"a\" }]\ngroups = [{ name = \"a\" }]",
                ".groups.name",
                "a",
                "the name of an account, given once: a user has a group of its name",
            ),
            (
                "users = [{ name = \"a\", comment = \"x:y\" }]",
                ".users.comment",
                "x:y",
                "text without colons and line breaks",
            ),
            (
                "users = [{ name = \"a\", uid = 4294967295 }]",
                ".users.`a`.uid",
                "4294967295",
                ID_RULE,
            ),
            ("groups = [{ name = \"a\", gid = 65535 }]", ".groups.`a`.gid", "65535", ID_RULE),
            (
                "files = [{ path = \"/a\", content = \"\", owner = \"4294967295\" }]",
                ".files.`/a`.owner",
                "4294967295",
                ID_RULE,
            ),
            (
                "users = [{ name = \"a\", shell = \"/bin/sh\" }]",
                ".users.`a`.shell",
                "/bin/sh",
                "no login shell, but in a variant with `debug = true`",
            ),
        ] {
            refused(&give(keys), &format!("{key}{part}"), found, expected);
        }
    }

    #[test]
    fn an_answer_is_text_or_a_flag_and_a_variant_replaces_it() {
        let tables = "[packages.debconf]\n\"a/flag\" = true\n\"a/text\" = \"x, y\"\n\
                      [variant.v.packages.debconf]\n\"a/flag\" = \"false\"\n\"b/new\" = \"\"\n";
        let project = sample::project(&sample::text("", tables)).unwrap();
        let answers = |variant| -> Vec<(String, String)> {
            project.definition(variant).unwrap().packages.debconf.into_iter().collect()
        };
        let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(answers(None), [of("a/flag", "true"), of("a/text", "x, y")]);
        let expected = [of("a/flag", "false"), of("a/text", "x, y"), of("b/new", "")];
        assert_eq!(answers(Some("v")), expected);
        let rule = "the name of a question, such as `tzdata/Areas`";
        for name in ["", "a b"] {
            let tables = format!("[packages.debconf]\n\"{name}\" = true");
            refused(&tables, "packages.debconf", name, rule);
        }
        let tables = "[packages.debconf]\n\"a/b\" = \"x\\ny\"";
        refused(tables, "packages.debconf.`a/b`", "x\\ny", "one line of text");
        let error = sample::project(&sample::text("", "[packages.debconf]\na = 7")).unwrap_err();
        assert!(error.to_string().contains("text in quotes, `true` or `false`"), "{error}");
        assert_eq!(error.hint(), None);
    }

    /// Everywhere a number may stand for an account.
    #[test]
    fn an_id_that_no_account_can_have_is_refused() {
        for (tables, key) in [
            ("[[users]]\nname = \"a\"\nuid = 4294967295", "users.`a`.uid"),
            ("[[users]]\nname = \"a\"\ngid = 65535", "users.`a`.gid"),
            ("[[files]]\npath = \"/a\"\nfolder = true\nowner = \"65535\"", "files.`/a`.owner"),
            ("[[files]]\npath = \"/a\"\ngroup = \"4294967295\"", "files.`/a`.group"),
            ("[[files]]\npath = \"/a\"\ngroup = \"4294967296\"", "files.`/a`.group"),
            ("[[overlays]]\nsource = \"t\"\nowner = \"4294967295\"", "overlays.`t`.owner"),
        ] {
            let found = ["4294967295", "4294967296", "65535"];
            let found = found.into_iter().find(|id| tables.contains(id)).unwrap();
            refused(tables, key, found, ID_RULE);
        }
        for owner in ["4294967294", "65534", "0", "name"] {
            sample::definition(&format!(
                "[[files]]\npath = \"/a\"\nfolder = true\nowner = \"{owner}\""
            ));
        }
    }
}
