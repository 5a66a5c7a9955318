//! The accounts as they are when every script has run: read from the tables of the tree.

use std::collections::{BTreeMap, BTreeSet};

use super::account::{Accounts, Group, NO_SHELLS, NOLOGIN, User, id};
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::{Assembly, bare};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
const SHADOW: &str = "/etc/shadow";

/// What a password starts with that nobody's input matches (shadow(5)).
const LOCKED: [char; 2] = ['!', '*'];

/// Reads the tables; `unfixed` are the ids that nothing but the lock fixes.
///
/// # Errors
/// [`RootfsError::Syntax`]: a line that is not one of such a table. [`RootfsError::LockedIdTaken`] and
/// [`RootfsError::DuplicateId`]: two accounts with one id, of which each would own the files of the other.
pub(crate) fn read_back(
    assembly: &Assembly<'_>,
    unfixed: BTreeMap<String, u32>,
) -> Result<Accounts, RootfsError> {
    let mut accounts = Accounts { unfixed, ..Accounts::default() };
    for (line, row) in rows(assembly, GROUP, 4)? {
        let [name, _, gid, members] = row.as_slice() else { continue };
        let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
        accounts.groups.push(Group {
            name: name.clone(),
            gid: number(GROUP, line, gid)?,
            members: members.collect::<BTreeSet<_>>(),
        });
    }
    let shadow = rows(assembly, SHADOW, 9)?;
    for (line, row) in rows(assembly, PASSWD, 7)? {
        let [name, _, uid, gid, comment, home, shell] = row.as_slice() else { continue };
        let secret = shadow.iter().find(|(_, row)| row.first() == Some(name));
        let field = |at: usize| secret.and_then(|(_, row)| row.get(at)).cloned();
        accounts.users.push(User {
            name: name.clone(),
            uid: number(PASSWD, line, uid)?,
            gid: number(PASSWD, line, gid)?,
            comment: comment.clone(),
            home: home.clone(),
            shell: shell.clone(),
            password: field(1).unwrap_or_else(|| "*".to_owned()),
            expired: field(7).as_deref() == Some("1"),
        });
    }
    let users = accounts.users.iter().map(|user| (user.name.as_str(), user.uid));
    one_id_each("user", users, &accounts.unfixed)?;
    let groups = accounts.groups.iter().map(|group| (group.name.as_str(), group.gid));
    one_id_each("group", groups, &accounts.unfixed)?;
    Ok(accounts)
}

/// Refuses two accounts with one id.
fn one_id_each<'a>(
    kind: &'static str,
    rows: impl Iterator<Item = (&'a str, u32)>,
    unfixed: &BTreeMap<String, u32>,
) -> Result<(), RootfsError> {
    let mut holders: BTreeMap<u32, &str> = BTreeMap::new();
    for (name, id) in rows {
        let Some(other) = holders.insert(id, name) else { continue };
        let (first, second) = (other.to_owned(), name.to_owned());
        // Whose id the lock alone gives has to yield.
        return Err(match (unfixed.contains_key(name), unfixed.contains_key(other)) {
            (true, _) => RootfsError::LockedIdTaken { name: second, id, other: first },
            (false, true) => RootfsError::LockedIdTaken { name: first, id, other: second },
            (false, false) => RootfsError::DuplicateId { kind, id, first, second },
        });
    }
    Ok(())
}

/// Closes a production image: every account gets a shell that ends at once, and none may have a password.
///
/// # Errors
/// [`RootfsError::Account`]: an account with a password.
pub(crate) fn close(
    assembly: &mut Assembly<'_>,
    accounts: &mut Accounts,
) -> Result<(), RootfsError> {
    if assembly.request.debug {
        return Ok(());
    }
    let mut passwd = String::new();
    for user in &mut accounts.users {
        if !user.password.starts_with(LOCKED) {
            let why = "has a password of a script: a password would be a login in production";
            return Err(RootfsError::Account { name: user.name.clone(), why: why.to_owned() });
        }
        if !NO_SHELLS.contains(&user.shell.as_str()) {
            let line = format!("{} has {NOLOGIN} instead of {}", user.name, user.shell);
            assembly.note(format!("production image: {line}"));
            user.shell = NOLOGIN.to_owned();
        }
        let User { name, uid, gid, comment, home, shell, .. } = user;
        passwd += &format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}\n");
    }
    assembly.write(PASSWD, 0o644, passwd.as_str())
}

/// The rows of a table, with their lines.
fn rows(
    assembly: &Assembly<'_>,
    path: &str,
    fields: usize,
) -> Result<Vec<(usize, Vec<String>)>, RootfsError> {
    let text = assembly.text(path)?.unwrap_or_default();
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.is_empty()) {
        let row: Vec<String> = text.split(':').map(str::to_owned).collect();
        if row.len() != fields {
            let why = format!("needs {fields} fields, and has {}", row.len());
            return Err(RootfsError::Syntax { path: bare(path).to_owned(), line, why });
        }
        rows.push((line, row));
    }
    Ok(rows)
}

fn number(path: &str, line: usize, text: &str) -> Result<u32, RootfsError> {
    id(text).ok_or_else(|| RootfsError::Syntax {
        path: bare(path).to_owned(),
        line,
        why: format!("`{text}` is not an id"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::{assembly, at, refused};

    const TABLES: [(&str, &str); 3] = [
        (PASSWD, "root:x:0:0:root:/root:/bin/bash\nweb:x:33:5:Web:/srv:/usr/sbin/nologin\n"),
        (GROUP, "root:x:0:\nweb:x:5:root,web\n"),
        (SHADOW, "root:*:1:0:99999:7:::\nweb:!:1::::::\n"),
    ];

    #[test]
    fn what_is_written_is_read_back() {
        let request = Request::default();
        let tree = assembly(&request, &TABLES);
        let accounts = read_back(&tree, BTreeMap::from([("web".to_owned(), 33)])).unwrap();
        let users: Vec<_> =
            accounts.users().iter().map(|user| (user.name.as_str(), user.uid, user.gid)).collect();
        assert_eq!(users, [("root", 0, 0), ("web", 33, 5)]);
        assert_eq!(accounts.users()[1].password, "!");
        let members = BTreeSet::from(["root".to_owned(), "web".to_owned()]);
        assert_eq!(accounts.groups()[1].members, members);
        assert_eq!(accounts.unfixed().get("web"), Some(&33));
    }

    #[test]
    fn production_has_no_shell_and_no_password() {
        for debug in [false, true] {
            let request = Request { debug, ..Request::default() };
            let mut tree = assembly(&request, &TABLES);
            let mut accounts = read_back(&tree, BTreeMap::new()).unwrap();
            close(&mut tree, &mut accounts).unwrap();
            let passwd = at(&tree, PASSWD).unwrap();
            assert_eq!(passwd.starts_with("root:x:0:0:root:/root:/bin/bash\n"), debug);
            assert!(debug || passwd.starts_with("root:x:0:0:root:/root:/usr/sbin/nologin\n"));
            for password in ["", "$y$j9T$x$y", "x"] {
                let shadow = format!("root:{password}:1:0:99999:7:::\n");
                let mut tree = assembly(&request, &[TABLES[0], TABLES[1], (SHADOW, &shadow)]);
                let mut accounts = read_back(&tree, BTreeMap::new()).unwrap();
                let closed = close(&mut tree, &mut accounts);
                match debug {
                    true => closed.unwrap(),
                    false => refused(closed, "account `root`: has a password of a script"),
                }
            }
        }
    }

    #[test]
    fn two_accounts_never_have_one_id() {
        let request = Request::default();
        for (path, kind, text) in [
            (PASSWD, "user", "a:x:7:0::/:/bin/sh\nb:x:7:0::/:/bin/sh\n"),
            (GROUP, "group", "a:x:7:\nb:x:7:\n"),
        ] {
            let tree = assembly(&request, &[(path, text)]);
            let both = format!("`a` and `b` both have the {kind} id 7");
            refused(read_back(&tree, BTreeMap::new()), &both);
            for (locked, other) in [("a", "b"), ("b", "a")] {
                let unfixed = BTreeMap::from([(locked.to_owned(), 7)]);
                let taken = read_back(&tree, unfixed).unwrap_err();
                assert!(
                    matches!(&taken, RootfsError::LockedIdTaken { name, id: 7, other: found }
                        if name == locked && found == other),
                    "{taken}"
                );
            }
        }
    }

    #[test]
    fn a_line_that_is_none_is_refused_with_its_number() {
        for (path, text, words) in [
            (PASSWD, "\nroot:x:0:0\n", "`/etc/passwd`, line 2: needs 7 fields, and has 4"),
            (PASSWD, "r:x:+1:0:::\n", "`/etc/passwd`, line 1: `+1` is not an id"),
            (GROUP, "a:x:b:\n", "`/etc/group`, line 1: `b` is not an id"),
            (SHADOW, "root:*\n", "`/etc/shadow`, line 1: needs 9 fields, and has 2"),
        ] {
            let request = Request::default();
            let tree = assembly(&request, &[(path, text)]);
            refused(read_back(&tree, BTreeMap::new()), words);
        }
    }
}
