//! Files that are compared record by record: one that differs hides no other.
//!
//! `/etc/passwd` becomes `/etc/passwd#NAME` with the fields of passwd(5) as attributes, and so do the other
//! files of accounts; dpkg's status becomes `/var/lib/dpkg/status#PACKAGE` with its fields. The order of records
//! is left out. An id that Debian gives out as it comes (100 to 999, Debian Policy 9.2.2) is `given out`: what
//! it is the id of is compared, by name.

use super::listing::{Attributes, Listing};

/// Files of accounts, with their fields (passwd(5), shadow(5), group(5), gshadow(5)).
const ACCOUNTS: [(&str, &[&str]); 4] = [
    ("/etc/passwd", &["name", "password", "id", "group-id", "comment", "home", "shell"]),
    ("/etc/group", &["name", "password", "id", "members"]),
    (
        "/etc/shadow",
        &["name", "password", "changed", "min", "max", "warn", "inactive", "expires", "flags"],
    ),
    ("/etc/gshadow", &["name", "password", "administrators", "members"]),
];

/// dpkg's list of packages.
const STATUS: &str = "/var/lib/dpkg/status";

/// Files whose lines are a set.
const LINES: [&str; 6] = [
    "/etc/ca-certificates.conf",
    "/etc/shells",
    "/etc/subgid",
    "/etc/subuid",
    "/var/lib/dpkg/statoverride",
    "/var/lib/dpkg/triggers/File",
];

/// dpkg's diversions: three lines each.
const DIVERSIONS: &str = "/var/lib/dpkg/diversions";

/// dpkg's lists of the files of packages, which are sets too.
const LISTS: (&str, &str) = ("/var/lib/dpkg/info/", ".list");

/// Whether a file is taken apart.
pub(super) fn is_split(path: &str) -> bool {
    ACCOUNTS.iter().any(|(file, _)| *file == path)
        || [STATUS, DIVERSIONS].contains(&path)
        || LINES.contains(&path)
        || (path.starts_with(LISTS.0) && path.ends_with(LISTS.1))
}

/// Puts records in the place of the contents of such files.
pub(super) fn split(listing: &mut Listing) {
    let paths: Vec<String> = listing.keys().filter(|path| is_split(path)).cloned().collect();
    for path in paths {
        let Some(text) = listing.get_mut(&path).and_then(|file| file.remove("content")) else {
            continue;
        };
        let records = if let Some((_, fields)) = ACCOUNTS.iter().find(|(file, _)| *file == path) {
            text.lines().filter_map(|line| account(line, fields)).collect()
        } else if path == STATUS {
            text.split("\n\n").filter_map(stanza).collect()
        } else if path == DIVERSIONS {
            let lines: Vec<&str> = text.lines().collect();
            lines.chunks(3).map(|three| (three.join(" "), Attributes::new())).collect()
        } else {
            text.lines().map(|line| (line.to_owned(), Attributes::new())).collect::<Vec<_>>()
        };
        for (name, mut record) in records {
            record.insert("type".into(), "record".into());
            listing.insert(format!("{path}#{name}"), record);
        }
    }
}

fn account(line: &str, fields: &[&str]) -> Option<(String, Attributes)> {
    let mut record = Attributes::new();
    for (field, value) in fields.iter().zip(line.split(':')) {
        let value = match *field {
            "id" | "group-id" if is_given_out(value) => "given out".to_owned(),
            "members" | "administrators" => sorted(value),
            _ => value.to_owned(),
        };
        record.insert((*field).to_owned(), value);
    }
    let name = record.remove("name").filter(|name| !name.is_empty())?;
    Some((name, record))
}

fn is_given_out(id: &str) -> bool {
    id.parse().is_ok_and(|id: u32| (100..=999).contains(&id))
}

fn sorted(list: &str) -> String {
    let mut names: Vec<&str> = list.split(',').collect();
    names.sort_unstable();
    names.join(",")
}

/// The fields of a paragraph; continued lines belong to the field before them.
fn stanza(text: &str) -> Option<(String, Attributes)> {
    let mut record = Attributes::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some((field, value)) = line.split_once(':').filter(|_| !line.starts_with(' ')) {
            last = field.to_owned();
            record.insert(last.clone(), value.trim().to_owned());
        } else if let Some(value) = record.get_mut(&last) {
            value.push('\n');
            value.push_str(line);
        }
    }
    let name = record.remove("Package")?;
    let architecture = record.get("Architecture").cloned().unwrap_or_default();
    Some((format!("{name}:{architecture}"), record))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(path: &str, content: &str) -> Listing {
        let file = Attributes::from([
            ("type".to_owned(), "file".to_owned()),
            ("content".to_owned(), content.to_owned()),
        ]);
        let mut listing = Listing::from([(path.to_owned(), file)]);
        split(&mut listing);
        listing
    }

    #[test]
    fn accounts_are_records_without_the_ids_that_are_given_out() {
        let split =
            listing("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nx:x:998:997::/:/bin/false\n");
        assert_eq!(split["/etc/passwd#root"]["id"], "0");
        assert_eq!(split["/etc/passwd#x"]["id"], "given out");
        assert_eq!(split["/etc/passwd#x"]["shell"], "/bin/false");
        assert!(!split["/etc/passwd"].contains_key("content"));
        let split = listing("/etc/group", "adm:x:4:b,a\n");
        assert_eq!(split["/etc/group#adm"]["members"], "a,b");
    }

    #[test]
    fn a_status_is_its_packages() {
        let split = listing(
            STATUS,
            "Package: a\nArchitecture: all\nConffiles:\n /etc/a 1\n /etc/b 2\n\nPackage: b\n",
        );
        assert_eq!(split["/var/lib/dpkg/status#a:all"]["Conffiles"], "\n /etc/a 1\n /etc/b 2");
        assert!(split.contains_key("/var/lib/dpkg/status#b:"));
        let split = listing("/var/lib/dpkg/info/a.list", "/.\n/etc\n");
        assert!(split.contains_key("/var/lib/dpkg/info/a.list#/etc"));
        let split = listing(DIVERSIONS, "/a\n/b\np\n/c\n/d\nq\n");
        assert!(split.contains_key("/var/lib/dpkg/diversions#/c /d q"));
    }
}
