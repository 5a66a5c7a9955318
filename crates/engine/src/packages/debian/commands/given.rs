//! What the definition states instead of a script, done at the moment at which the script would have run.
//!
//! Its accounts get the ids of the lock as those of scripts do, and what it changes is an [`Effect`] like
//! theirs; scripts that run later may change it again. Oracle: the script itself, where it can be evaluated.
//!
//! [`Effect`]: super::Effect

use cvmkit_shell::commands::gid;
use cvmkit_shell::world::Files as _;

use super::System;
use super::accounts::{NewUser, Table};
use crate::packages::debian::request::Given;
use crate::rootfs::{
    Accounts, GroupRequest, Placed, PlacedNode, RootfsError, UserRequest, accounts, hidden, overlay,
};

/// What a user has who is given nothing else, as in `[[users]]`.
const NO_HOME: &str = "/nonexistent";
const NO_SHELL: &str = "/usr/sbin/nologin";

/// The mode of a home directory, as in `[[users]]`.
const HOME_MODE: u16 = 0o700;

/// How often a text is that something is given for: two scripts of a package may be one file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Repeats {
    /// Another script with this text was there before: its accounts are.
    pub(crate) before: bool,
    /// Another one comes: what is changed where it is waits for it, when the package is unpacked.
    pub(crate) again: bool,
}

impl System<'_, '_> {
    /// Does what is given; `key` has it in the definition. Answers all that can't be done.
    pub(crate) fn give(&mut self, given: &Given, key: &str, repeats: Repeats) -> Vec<RootfsError> {
        let mut errors: Vec<RootfsError> = Vec::new();
        let (groups, users): (Vec<_>, Vec<_>) = match repeats.before {
            false => (given.groups.iter().collect(), given.users.iter().collect()),
            true => {
                let groups = given.groups.iter();
                let users = given.users.iter();
                (
                    groups.filter(|group| !self.has(Table::Group, &group.name)).collect(),
                    users.filter(|user| !self.has(Table::Passwd, &user.name)).collect(),
                )
            }
        };
        errors.extend(groups.into_iter().filter_map(|group| self.give_group(group).err()));
        errors.extend(users.into_iter().filter_map(|user| self.give_user(user, key).err()));
        let waits = |file: &&Placed| repeats.again && matches!(file.node, PlacedNode::Existing(_));
        let files: Vec<&Placed> = given.files.iter().filter(|file| !waits(file)).collect();
        match accounts::read_back(self.assembly, self.unfixed.clone()) {
            Ok(accounts) => errors.extend(
                files.into_iter().filter_map(|file| self.give_file(file, &accounts, key).err()),
            ),
            Err(error) => errors.push(error),
        }
        errors
    }

    fn give_file(
        &mut self,
        file: &Placed,
        accounts: &Accounts,
        key: &str,
    ) -> Result<(), RootfsError> {
        let files = format!("{key}.files");
        hidden::check(self.assembly, &file.path, &files, hidden::hidden_by)?;
        self.make_parents(file);
        overlay::place_one(self.assembly, file, accounts, key)
    }

    fn give_group(&mut self, group: &GroupRequest) -> Result<(), RootfsError> {
        self.is_new(Table::Group, &group.name)?;
        let added = self.add_group(&group.name, group.gid).map(drop);
        added.map_err(|why| RootfsError::Account { name: group.name.clone(), why })
    }

    fn give_user(&mut self, user: &UserRequest, key: &str) -> Result<(), RootfsError> {
        let name = &user.name;
        let refused = |why: String| RootfsError::Account { name: name.clone(), why };
        self.is_new(Table::Passwd, name)?;
        let own = user.group.as_ref().unwrap_or(name);
        let primary = match self.has(Table::Group, own).then(|| gid(self, own.as_bytes())).flatten()
        {
            Some(id) => id,
            None if user.group.is_none() => self.add_group(name, user.uid).map_err(refused)?,
            None => return Err(no_group(key, own)),
        };
        let home = user.home.clone().unwrap_or_else(|| NO_HOME.to_owned());
        let new = NewUser {
            name: name.clone(),
            id: user.uid,
            gid: primary,
            comment: user.comment.clone(),
            home: home.clone(),
            shell: user.shell.clone().unwrap_or_else(|| NO_SHELL.to_owned()),
        };
        let id = self.add_user(&new).map_err(refused)?;
        if home != NO_HOME && self.status(home.as_bytes(), true).is_err() {
            let key = format!("{key}.users.`{name}`.home");
            hidden::check(self.assembly, &home, &key, hidden::hidden_by)?;
            self.make_home(&home, id, primary).map_err(refused)?;
            let closed = self.set_mode(home.as_bytes(), HOME_MODE);
            closed.map_err(|error| refused(format!("{home}: {}", error.words())))?;
        }
        for group in &user.groups {
            if !self.has(Table::Group, group) {
                return Err(no_group(key, group));
            }
            self.join(name, group).map_err(refused)?;
        }
        Ok(())
    }

    /// Refuses an account that is there: what is said of it would have no effect.
    fn is_new(&self, table: Table, name: &str) -> Result<(), RootfsError> {
        if !self.has(table, name) {
            return Ok(());
        }
        let why = "is there already when the script would run: leave it out of `give`";
        Err(RootfsError::Account { name: name.to_owned(), why: why.to_owned() })
    }

    /// Makes the folders above a file, and remembers what is there. What is in the way is told by who
    /// places the file.
    fn make_parents(&mut self, file: &Placed) {
        let parent = file.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !parent.is_empty() {
            self.make_folders(parent).unwrap_or_default();
        }
        self.touch(file.path.as_bytes());
    }
}

fn no_group(key: &str, name: &str) -> RootfsError {
    RootfsError::UnknownAccount { what: format!("`{key}`"), kind: "group", name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rootfs::tests::{access, assembly, at};
    use crate::rootfs::{Changes, Ids, Request};

    const TABLES: [(&str, &str); 4] = [
        ("/etc/passwd", "root:x:0:0::/:/bin/sh\n"),
        ("/etc/group", "root:x:0:\nssl-cert:x:104:\n"),
        ("/etc/shadow", "root:*:1::::::\n"),
        ("/etc/gshadow", "root:*::\nssl-cert:!::\n"),
    ];

    fn placed(path: &str, mode: u16, owner: [&str; 2], node: PlacedNode) -> Placed {
        Placed {
            path: path.into(),
            mode,
            user: owner[0].into(),
            group: owner[1].into(),
            xattrs: BTreeMap::new(),
            node,
        }
    }

    #[test]
    fn accounts_and_files_are_made_with_the_ids_of_the_lock_and_are_effects() {
        let ids = Ids::Locked([("web".to_owned(), 777), ("logs".to_owned(), 778)].into());
        let request = Request { ids, ..Request::default() };
        let mut tree = assembly(&request, &[&TABLES[..], &[("/etc/there", "kept")]].concat());
        let mut system = System::new(&mut tree, &[], "amd64");
        let changed = PlacedNode::Existing(Changes { mode: Some(0o600), ..Changes::default() });
        let given = Given {
            groups: vec![GroupRequest { name: "logs".into(), gid: None }],
            users: vec![UserRequest {
                name: "web".into(),
                groups: vec!["logs".into(), "ssl-cert".into()],
                home: Some("/var/lib/web".into()),
                ..UserRequest::default()
            }],
            files: vec![
                placed("/var/log/web", 0o2750, ["web", "logs"], PlacedNode::Directory),
                placed("/etc/web/conf", 0o640, ["root", "web"], PlacedNode::File("x".into())),
                placed(
                    "/etc/web/link",
                    0o777,
                    ["root", "root"],
                    PlacedNode::Symlink("conf".into()),
                ),
                placed("/etc/there", 0o644, ["root", "root"], changed),
            ],
        };
        assert!(system.give(&given, "key", Repeats::default()).is_empty());
        let effects = system.take_effects();
        let shown = effects.iter().filter(|effect| effect.is_shown());
        let effects: Vec<String> = shown.map(ToString::to_string).collect();
        let unfixed = system.unfixed.clone();
        assert_eq!(
            effects,
            [
                "group logs: web",
                "group ssl-cert: web",
                "group web",
                "password of the group ssl-cert is locked",
                "user web, home /var/lib/web, shell /usr/sbin/nologin",
                "/etc/there 0600 root:root",
                "/etc/web/ 0755 root:root",
                "/etc/web/conf 0640 root:web",
                "/etc/web/link -> conf",
                "/var/ 0755 root:root",
                "/var/lib/ 0755 root:root",
                "/var/lib/web/ 0700 web:web",
                "/var/log/ 0755 root:root",
                "/var/log/web/ 2750 web:logs",
            ]
        );
        assert_eq!(unfixed, BTreeMap::from([("logs".to_owned(), 778), ("web".to_owned(), 777)]));
        assert_eq!(access(&tree, "/var/log/web"), (0o2750, 777, 778));
        let passwd = at(&tree, "/etc/passwd").unwrap();
        assert!(passwd.ends_with("web:x:777:777::/var/lib/web:/usr/sbin/nologin\n"), "{passwd}");
        let group = at(&tree, "/etc/group").unwrap();
        assert!(group.contains("ssl-cert:x:104:web\nlogs:x:778:web\nweb:x:777:\n"), "{group}");
        assert_eq!(at(&tree, "/etc/there").as_deref(), Some("kept"));
    }

    #[test]
    fn all_that_can_not_be_done_is_told() {
        let request = Request::default();
        let mut tree = assembly(&request, &TABLES);
        let mut system = System::new(&mut tree, &[], "amd64");
        let user = |name: &str, groups: &[&str]| UserRequest {
            name: name.into(),
            groups: groups.iter().map(ToString::to_string).collect(),
            ..UserRequest::default()
        };
        let given = Given {
            groups: vec![GroupRequest { name: "ssl-cert".into(), gid: None }],
            users: vec![user("root", &[]), user("web", &["nobodys"])],
            files: vec![
                placed("/etc/passwd/x", 0o644, ["root", "root"], PlacedNode::Directory),
                placed("/etc/x", 0o644, ["gone", "root"], PlacedNode::Directory),
                placed("/etc/y", 0o644, ["root", "root"], PlacedNode::Existing(Changes::default())),
            ],
        };
        let errors: Vec<String> = system
            .give(&given, "key", Repeats::default())
            .iter()
            .map(ToString::to_string)
            .collect();
        let words = [
            "account `ssl-cert`: is there already",
            "account `root`: is there already",
            "`key` needs the group `nobodys`",
            "can't make `/etc/passwd/x`",
            "`/etc/x` needs the user `gone`",
            "can't make `/etc/y`",
        ];
        assert_eq!(errors.len(), words.len(), "{errors:#?}");
        for (error, words) in errors.iter().zip(words) {
            assert!(error.starts_with(words), "{error}");
        }
    }

    /// A link may lead where nothing lasts: neither a file nor a home is lost there without a word.
    #[test]
    fn nothing_is_given_where_a_boot_hides_it() {
        let request = Request::default();
        let links = [("/var/run", "-> /run"), ("/var/lock", "-> ../run/lock")];
        let mut tree = assembly(&request, &[&TABLES[..], &links].concat());
        let mut system = System::new(&mut tree, &[], "amd64");
        let file = |path| placed(path, 0o755, ["root", "root"], PlacedNode::Directory);
        let user = |name: &str, home: &str| UserRequest {
            name: name.into(),
            home: Some(home.into()),
            ..UserRequest::default()
        };
        let given = Given {
            users: vec![user("web", "/var/run/web"), user("logs", "/var/lib/logs")],
            files: vec![file("/var/run/x"), file("/var/lock/a/b"), file("/var/tmp/x")],
            groups: Vec::new(),
        };
        let errors = system.give(&given, "key", Repeats::default());
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let words = [
            "key.users.`web`.home: `/var/run/web` is `/run/web`, which is below /run, where a boot",
            "key.files: `/var/run/x` is `/run/x`, which is below /run, where a boot",
            "key.files: `/var/lock/a/b` is `/run/lock/a/b`, which is below /run, where a boot",
            "key.files: `/var/tmp/x` is below /var/tmp, which a boot empties",
        ];
        assert_eq!(errors.len(), words.len(), "{errors:#?}");
        for (error, words) in errors.iter().zip(words) {
            assert!(error.starts_with(words), "{error}");
        }
        assert!(tree.find("/run").is_none() && tree.find("/var/lib/logs").is_some());
    }
}
