//! How a table of accounts differs from what it was: line by line, without the ids that the lock gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::tables::Table;

/// Stands for an id that the lock gives, and for the day of the build: which one it is says nothing of a script.
const GIVEN: &str = "*";

/// What became of an entry of a table of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// `passwd`, `group`, `shadow` or `gshadow`.
    pub table: &'static str,
    /// The user or the group.
    pub name: String,
    /// True if there was no entry of the name.
    pub is_new: bool,
    /// The fields behind the name, without ids that the lock gives; nothing if the entry is gone.
    pub entry: Option<Vec<String>>,
}

impl AccountChange {
    /// As one line, with all fields.
    pub(in super::super) fn record(&self) -> String {
        let Self { table, name, entry, .. } = self;
        match entry {
            Some(fields) => format!("{table} {name}: {}", fields.join(":")),
            None => format!("{table} {name} is gone"),
        }
    }

    /// Whether a reader is told: that an account that comes or goes has no password says nothing.
    pub(in super::super) fn is_shown(&self) -> bool {
        let has_password = |fields: &Vec<String>| {
            fields.first().is_some_and(|password| !password.starts_with(['!', '*']))
        };
        let is_secret = ["shadow", "gshadow"].contains(&self.table);
        !is_secret || self.entry.as_ref().is_some_and(|fields| has_password(fields) || !self.is_new)
    }
}

impl fmt::Display for AccountChange {
    /// `user redis, home /var/lib/redis, shell /usr/sbin/nologin`, `group adm: syslog`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, name, entry, .. } = self;
        let what = match *table {
            "passwd" => "user",
            "group" => "group",
            "shadow" => "password of the user",
            _ => "password of the group",
        };
        let Some(fields) = entry else { return write!(f, "{what} {name} is gone") };
        let field = |at: usize| fields.get(at).map_or("", String::as_str);
        match *table {
            "passwd" => write!(f, "user {name}, home {}, shell {}", field(4), field(5)),
            "group" if field(2).is_empty() => write!(f, "group {name}"),
            "group" => write!(f, "group {name}: {}", field(2)),
            // A hash is nothing for a log.
            _ if field(0).starts_with(['!', '*']) => write!(f, "{what} {name} is locked"),
            _ => write!(f, "{what} {name} is set"),
        }
    }
}

/// The text of a table before and now, and whose ids are no effect of a script.
pub(in super::super) struct Versions<'t> {
    pub(in super::super) before: &'t str,
    pub(in super::super) now: &'t str,
    /// The ids that nothing but the lock fixes, by name.
    pub(in super::super) unfixed: &'t BTreeMap<String, u32>,
    /// The day of the build, which a new entry of shadow has (shadow(5)).
    pub(in super::super) day: &'t str,
    /// Names of groups by id.
    pub(in super::super) groups: &'t BTreeMap<String, String>,
}

/// What changed in the table at a path, by name; nothing for a file that is no table of accounts, or whose rows have
/// another order: that is a change of the whole file.
pub(in super::super) fn changes(
    path: &[u8],
    versions: &Versions<'_>,
) -> Option<Vec<AccountChange>> {
    let table = Table::at(path)?;
    let [before, now] = [versions.before, versions.now].map(|text| entries(table, text, versions));
    let rows = |text: &'_ str| -> Vec<String> {
        let names = text.lines().map(|line| line.split(':').next().unwrap_or_default().to_owned());
        names.filter(|name| before.contains_key(name) && now.contains_key(name)).collect()
    };
    if rows(versions.before) != rows(versions.now) {
        return None;
    }
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let differing = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
    let change = |name: &String| AccountChange {
        table: table.file_name(),
        name: name.clone(),
        is_new: !before.contains_key(name),
        entry: now.get(name).cloned(),
    };
    Some(differing.map(change).collect())
}

/// The entries of a table by name, as far as they are an effect. A name that is there twice is none of a table.
fn entries(table: Table, text: &str, versions: &Versions<'_>) -> BTreeMap<String, Vec<String>> {
    let mut entries: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':').map(str::to_owned);
        let Some(name) = fields.next() else { continue };
        let mut fields: Vec<String> = fields.collect();
        if matches!(table, Table::Passwd | Table::Group)
            && let Some(given) = versions.unfixed.get(&name)
            && let Some(id) = fields.get_mut(1)
            && *id == given.to_string()
        {
            GIVEN.clone_into(id);
        }
        if matches!(table, Table::Shadow)
            && let Some(day) = fields.get_mut(1)
            && *day == versions.day
        {
            GIVEN.clone_into(day);
        }
        if matches!(table, Table::Passwd)
            && let Some(group) = fields.get_mut(2)
            && let Some(name) = versions.groups.get(group)
        {
            group.clone_from(name);
        }
        entries.entry(name).or_default().extend(fields);
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str, before: &str, now: &str) -> Vec<String> {
        let groups = BTreeMap::from([("999".to_owned(), "web".to_owned())]);
        let unfixed = BTreeMap::from([("web".to_owned(), 999)]);
        let versions = Versions { before, now, unfixed: &unfixed, day: "20000", groups: &groups };
        let changes = changes(path.as_bytes(), &versions).unwrap();
        changes.iter().map(AccountChange::record).collect()
    }

    /// The id of an account moves nothing where the lock gives it, and is an effect where a script does.
    #[test]
    fn an_id_counts_where_a_script_fixes_it() {
        let root = "root:x:0:0:root:/root:/bin/sh\n";
        let web = |id: u32| format!("{root}web:x:{id}:999::/srv:/bin/false\n");
        let made = ["passwd web: x:*:web::/srv:/bin/false"];
        assert_eq!(shown("/etc/passwd", root, &web(999)), made);
        // One that a script puts there instead is its own.
        let changed = ["passwd web: x:321:web::/srv:/bin/false"];
        assert_eq!(shown("/etc/passwd", root, &web(321)), changed);
        assert_eq!(shown("/etc/passwd", &web(999), &web(321)), changed);
        let own = |id: u32| format!("{root}own:x:{id}:7::/:/bin/false\n");
        assert_eq!(shown("/etc/passwd", root, &own(50)), ["passwd own: x:50:7::/:/bin/false"]);
        assert_eq!(shown("/etc/passwd", &own(50), &own(51)), ["passwd own: x:51:7::/:/bin/false"]);
    }

    #[test]
    fn what_comes_goes_or_changes_is_told_by_name() {
        let before = "a:x:1:\nb:x:2:\nweb:x:999:\n";
        let now = "a:x:1:u\nweb:x:5:\nc:x:3:\nc:x:4:\n";
        assert_eq!(
            shown("/etc/group", before, now),
            ["group a: x:1:u", "group b is gone", "group c: x:3::x:4:", "group web: x:5:"]
        );
        let made = |day: u32| shown("/etc/shadow", "", &format!("a:!:{day}::::::\n"));
        assert_eq!(made(20_000), ["shadow a: !:*::::::"]);
        assert_eq!(made(19_999), ["shadow a: !:19999::::::"]);
        assert_eq!(
            shown("/etc/shadow", "a:!:1::::::\n", "a:$y$:1::::::\n"),
            ["shadow a: $y$:1::::::"]
        );
        let (groups, none) = (BTreeMap::new(), BTreeMap::new());
        let of = |before, now| Versions { before, now, unfixed: &none, day: "1", groups: &groups };
        assert_eq!(changes(b"/etc/shells", &of("", "a:b")), None);
        // Another order is told as another file.
        assert_eq!(changes(b"/etc/group", &of("a:x:1:\nb:x:2:\n", "b:x:2:\na:x:1:\n")), None);
        assert_eq!(changes(b"/etc/group", &of("a:x:1:\n", "b:x:2:\na:x:1:\n")).unwrap().len(), 1);
    }
}
