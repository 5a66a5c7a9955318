//! The users and groups that a distribution fixes in files of its own, from which those of the image start.

use std::collections::BTreeSet;

use super::account::{Accounts, Group, NOLOGIN, User, id};
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::{Assembly, bare};

/// Where a distribution has its fixed accounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Masters {
    /// The package that has the two files, for messages.
    pub(crate) package: &'static str,
    /// Absolute path of users in the format of passwd(5).
    pub(crate) passwd: &'static str,
    /// Absolute path of groups in the format of group(5).
    pub(crate) group: &'static str,
}

/// Reads both files; what they say of passwords does not count.
///
/// # Errors
/// [`RootfsError::Syntax`] names the line.
pub(super) fn read(assembly: &Assembly<'_>, masters: Masters) -> Result<Accounts, RootfsError> {
    let mut accounts = Accounts::default();
    for (fields, syntax) in table(assembly, masters.group)? {
        let [name, _, gid, members] = fields.as_slice() else { return Err(syntax("4 fields")) };
        let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
        accounts.groups.push(Group {
            name: name.clone(),
            gid: id(gid).ok_or_else(|| syntax("a group id"))?,
            members: members.collect(),
        });
    }
    for (fields, syntax) in table(assembly, masters.passwd)? {
        let [name, _, uid, gid, comment, home, shell] = fields.as_slice() else {
            return Err(syntax("7 fields"));
        };
        accounts.users.push(User {
            name: name.clone(),
            uid: id(uid).ok_or_else(|| syntax("a user id"))?,
            gid: id(gid).ok_or_else(|| syntax("a group id"))?,
            comment: comment.clone(),
            home: home.clone(),
            shell: shell.clone(),
            password: "*".to_owned(),
            expired: false,
        });
    }
    if accounts.users.is_empty() {
        // Without master files there is still root: everything else depends on it.
        accounts.users.push(root_user());
        if !accounts.has_group("root") {
            let root = Group { name: "root".to_owned(), gid: 0, members: BTreeSet::new() };
            accounts.groups.push(root);
        }
    }
    Ok(accounts)
}

fn root_user() -> User {
    User {
        name: "root".to_owned(),
        uid: 0,
        gid: 0,
        comment: "root".to_owned(),
        home: "/root".to_owned(),
        shell: NOLOGIN.to_owned(),
        password: "*".to_owned(),
        expired: false,
    }
}

/// The fields of a line, and the error for one that does not have what is expected.
type Row = (Vec<String>, Box<dyn Fn(&str) -> RootfsError>);

fn table(assembly: &Assembly<'_>, path: &'static str) -> Result<Vec<Row>, RootfsError> {
    let text = assembly.text(path)?.unwrap_or_default();
    let rows = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
    let row = |(number, line): (usize, &str)| -> Row {
        let fields = line.split(':').map(str::to_owned).collect();
        let found = line.to_owned();
        let syntax = move |expected: &str| RootfsError::Syntax {
            path: bare(path).to_owned(),
            line: number,
            why: format!("expected {expected}, found `{found}`"),
        };
        (fields, Box::new(syntax))
    };
    Ok(rows.map(row).collect())
}
