//! A unit as systemd would load it: its file, found along the load path and through links, and the
//! drop-ins for its name, its template, its dash prefixes and its type (systemd.unit(5)).
//!
//! Values keep the file and the line that they come from. An empty value takes back what was
//! assigned before, as systemd's lists do. Oracle: `systemd-analyze cat-config`, `systemctl cat`.

use std::collections::BTreeMap;

use cvmkit_host::fault::near;

use super::name::Name;
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::{Assembly, bare};

/// Where units of the system are looked for, in systemd's order (systemd.unit(5), "Unit File Load
/// Path"), but for what a boot adds below `/run`.
pub(in crate::rootfs) const FOLDERS: &[&str] = &[
    "/etc/systemd/system.control",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// Where units of a user's manager are looked for.
pub(in crate::rootfs) const USER_FOLDERS: &[&str] =
    &["/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user"];

/// Where the links of enabled and masked units are.
pub(in crate::rootfs) const CONFIGURATION: &str = "/etc/systemd/system";

/// How many links one name may pass.
const LINKS_MAX: usize = 8;

/// `KEY=VALUE` in a section, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rootfs) struct Assignment {
    pub(in crate::rootfs) section: String,
    pub(in crate::rootfs) key: String,
    pub(in crate::rootfs) value: String,
    /// An absolute path.
    pub(in crate::rootfs) file: String,
}

/// A unit with its drop-ins.
#[derive(Clone, Debug)]
pub(in crate::rootfs) struct Unit {
    /// The name it was asked for by.
    pub(in crate::rootfs) name: String,
    /// Its file, links between units followed.
    pub(in crate::rootfs) path: String,
    /// All names it was found by, its own first.
    pub(in crate::rootfs) names: Vec<String>,
    assignments: Vec<Assignment>,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(in crate::rootfs) enum Loaded {
    /// A unit.
    Unit(Unit),
    /// A link to `/dev/null`, or an empty file.
    Masked,
    /// Nothing, or a link to nowhere.
    Absent,
}

impl Unit {
    /// All values of a key, in their order; an empty one takes back those before it.
    pub(in crate::rootfs) fn list(&self, section: &str, key: &str) -> Vec<&Assignment> {
        let mut values = Vec::new();
        for assignment in &self.assignments {
            if assignment.section == section && assignment.key == key {
                if assignment.value.is_empty() {
                    values.clear();
                } else {
                    values.push(assignment);
                }
            }
        }
        values
    }

    /// The words of all values of a key.
    pub(in crate::rootfs) fn words(&self, section: &str, key: &str) -> Vec<&str> {
        let values = self.list(section, key);
        values.into_iter().flat_map(|value| value.value.split_whitespace()).collect()
    }

    /// The last value of a key that holds one value.
    pub(in crate::rootfs) fn last(&self, section: &str, key: &str) -> Option<&Assignment> {
        self.list(section, key).pop()
    }

    /// Everything that is assigned, taken back or not.
    pub(in crate::rootfs) fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }
}

/// Where the file of `unit` is, be it a mask or a link to nowhere: its own, or its template's.
pub(in crate::rootfs) fn find(
    assembly: &Assembly<'_>,
    folders: &[&str],
    unit: &str,
) -> Option<String> {
    let at = |name: &str| {
        let mut paths = folders.iter().map(|folder| format!("{folder}/{name}"));
        paths.find(|path| assembly.occupied(path))
    };
    let template = Name::parse(unit).ok().and_then(|name| name.template());
    at(unit).or_else(|| template.and_then(|template| at(&template)))
}

/// The error for a unit that is not there, with the name that may be meant.
pub(super) fn missing(assembly: &Assembly<'_>, unit: &str) -> Result<RootfsError, RootfsError> {
    let mut known = Vec::new();
    for folder in FOLDERS {
        known.extend(assembly.names(folder)?);
    }
    let guess = near(unit, known.iter().map(String::as_str));
    let why = match guess {
        Some(guess) => format!("is not in the image; did you mean `{guess}`?"),
        None => "is not in the image".to_owned(),
    };
    Ok(RootfsError::Unit { unit: unit.to_owned(), why })
}

/// Loads `unit` and its drop-ins.
pub(in crate::rootfs) fn load(
    assembly: &Assembly<'_>,
    folders: &[&str],
    unit: &str,
) -> Result<Loaded, RootfsError> {
    let Some(mut path) = find(assembly, folders, unit) else { return Ok(Loaded::Absent) };
    let mut names = vec![unit.to_owned()];
    // An alias is a link in a unit folder to another unit's file.
    for _ in 0..LINKS_MAX {
        let Some(target) = assembly.target(&path) else { break };
        if is_null(&target) {
            return Ok(Loaded::Masked);
        }
        let base = target.rsplit('/').next().unwrap_or_default().to_owned();
        match find(assembly, folders, &base) {
            Some(next) if next != path => {
                path = next;
                names.push(instance_of(unit, &base));
            }
            _ => break,
        }
    }
    let Some(text) = assembly.text(&path)? else { return Ok(Loaded::Absent) };
    if text.is_empty() {
        return Ok(Loaded::Masked);
    }
    let mut assignments = parse(&text, &path);
    for file in drop_ins(assembly, folders, &names)? {
        let text = assembly.text(&file)?.unwrap_or_default();
        assignments.extend(parse(&text, &file));
    }
    Ok(Loaded::Unit(Unit { name: unit.to_owned(), path, names, assignments }))
}

/// True for the target of a mask, however it is spelt.
pub(in crate::rootfs) fn is_null(target: &str) -> bool {
    let names: Vec<&str> = target
        .split('/')
        .filter(|name| !name.is_empty() && *name != "." && *name != "..")
        .collect();
    names == ["dev", "null"]
}

/// A template that an instance's alias leads to is this instance of it.
fn instance_of(unit: &str, base: &str) -> String {
    let (Ok(unit), Ok(found)) = (Name::parse(unit), Name::parse(base)) else {
        return base.to_owned();
    };
    match unit.instance.filter(|instance| found.is_template() && !instance.is_empty()) {
        Some(instance) => format!("{}@{instance}.{}", found.prefix, found.suffix),
        None => base.to_owned(),
    }
}

/// The drop-ins for some names of one unit, in the order they are read: by file name, where a folder
/// earlier in the load path hides a later one's file of the same name.
fn drop_ins(
    assembly: &Assembly<'_>,
    folders: &[&str],
    names: &[String],
) -> Result<Vec<String>, RootfsError> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for place in names.iter().flat_map(|name| drop_in_folders(name)) {
        for folder in folders {
            for file in assembly.names(&format!("{folder}/{place}"))? {
                if file.ends_with(".conf") {
                    found.entry(file.clone()).or_insert(format!("{folder}/{place}/{file}"));
                }
            }
        }
    }
    Ok(found.into_values().filter(|path| assembly.is_file(path)).collect())
}

/// `a-b@c.service.d`, `a-b@.service.d`, `a-.service.d` and `service.d`: the special ones first.
fn drop_in_folders(unit: &str) -> Vec<String> {
    let Ok(name) = Name::parse(unit) else { return Vec::new() };
    let mut folders = vec![format!("{unit}.d")];
    folders.extend(name.template().map(|template| format!("{template}.d")));
    let dashes = name.stem().match_indices('-').map(|(at, _)| at);
    let mut prefixes: Vec<String> = dashes
        .filter_map(|at| name.stem().get(..=at).map(|stem| format!("{stem}.{}.d", name.suffix)))
        .collect();
    prefixes.reverse();
    folders.extend(prefixes);
    folders.push(format!("{}.d", name.suffix));
    folders
}

/// The assignments of one file (systemd.syntax(7)).
pub(in crate::rootfs) fn parse(text: &str, file: &str) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    let mut section = String::new();
    for line in logical_lines(text) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            assignments.push(Assignment {
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
                file: format!("/{}", bare(file)),
            });
        }
    }
    assignments
}

/// Lines with their continuations, without comments: one within a continued line is left out of it.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(start) => {
                pending.push_str(start);
                pending.push(' ');
            }
            None => {
                pending.push_str(line);
                lines.push(std::mem::take(&mut pending));
            }
        }
    }
    lines.push(pending);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, section: &str, key: &str) -> Vec<String> {
        let unit = Unit {
            name: "x.service".into(),
            path: "/x".into(),
            names: Vec::new(),
            assignments: parse(text, "/x"),
        };
        unit.list(section, key).into_iter().map(|value| value.value.clone()).collect()
    }

    #[test]
    fn lists_are_taken_back_by_an_empty_value() {
        let text =
            "[Install]\nWantedBy=a.target\nWantedBy=\nWantedBy = b.target \\\n# no\n c.target\n";
        assert_eq!(values(text, "Install", "WantedBy"), ["b.target   c.target"]);
        assert_eq!(values("[Install]\nWantedBy=a\nWantedBy=\n", "Install", "WantedBy"), [""; 0]);
        assert_eq!(values("[A]\nX=1\n[B]\nX=2\n", "B", "X"), ["2"]);
    }

    #[test]
    fn drop_ins_apply_to_prefixes_and_types() {
        assert_eq!(
            drop_in_folders("a-b-c@d.service"),
            [
                "a-b-c@d.service.d",
                "a-b-c@.service.d",
                "a-b-.service.d",
                "a-.service.d",
                "service.d"
            ]
        );
    }

    #[test]
    fn masks_are_links_to_null_however_spelt() {
        for target in ["/dev/null", "//dev/./null", "../../../dev/null"] {
            assert!(is_null(target), "{target}");
        }
        assert!(!is_null("/dev/nullx"));
    }

    /// systemd.syntax(7): comments, continued lines, space around `=`.
    #[test]
    fn assignments_are_those_of_the_syntax() {
        for (text, expected) in [
            ("[A]\nx=1\n", &[("A", "x", "1")][..]),
            ("x=1\n[A]\n", &[("", "x", "1")]),
            ("[A]\n  x =  1 2  \n", &[("A", "x", "1 2")]),
            ("[A]\nx=a=b\n", &[("A", "x", "a=b")]),
            ("[A]\nx=\n", &[("A", "x", "")]),
            ("[A]\n# x=1\n ; x=2\n#x=3\n", &[]),
            ("[A]\nx=1 # no comment\n", &[("A", "x", "1 # no comment")]),
            ("[A]\nx=1 \\\n  2\ny=3", &[("A", "x", "1    2"), ("A", "y", "3")]),
            ("[A]\nx=1 \\\n# within\n2\n", &[("A", "x", "1  2")]),
            ("[A]\nx=1\\", &[("A", "x", "1")]),
            ("[A]\nno assignment\n[B]\nx=1\n", &[("B", "x", "1")]),
            ("[A\nx=1\n", &[("", "x", "1")]),
            ("", &[]),
        ] {
            let found = parse(text, "usr/x");
            let rows: Vec<_> = found
                .iter()
                .map(|one| (one.section.as_str(), one.key.as_str(), one.value.as_str()))
                .collect();
            assert_eq!(rows, expected, "{text}");
            assert!(found.iter().all(|one| one.file == "/usr/x"));
        }
    }

    #[test]
    fn the_last_value_and_all_words_of_a_key_are_found() {
        let text = "[A]\nx=1 2\nx=3\ny=\n";
        let unit = Unit {
            name: "x.service".into(),
            path: "/x".into(),
            names: Vec::new(),
            assignments: parse(text, "/x"),
        };
        assert_eq!(unit.words("A", "x"), ["1", "2", "3"]);
        assert_eq!(unit.last("A", "x").map(|one| one.value.as_str()), Some("3"));
        assert_eq!(
            (unit.last("A", "y"), unit.last("B", "x"), unit.last("A", "z")),
            (None, None, None)
        );
        assert_eq!(unit.assignments().len(), 3);
    }

    /// systemd.unit(5), "Unit File Load Path", and "Description" of instances.
    #[test]
    fn a_file_of_the_own_name_goes_before_a_template_and_etc_before_usr() {
        use crate::rootfs::Request;
        use crate::rootfs::tests::assembly;

        let request = Request::default();
        let assembly = assembly(
            &request,
            &[
                ("/usr/lib/systemd/system/a@1.service", "x"),
                ("/etc/systemd/system/a@.service", "x"),
                ("/usr/lib/systemd/system/b.service", "x"),
                ("/usr/local/lib/systemd/system/b.service", "x"),
                ("/etc/systemd/system.attached/c.service", "x"),
                ("/usr/local/lib/systemd/system/c.service", "x"),
                ("/etc/systemd/system.control/d.service", "-> /gone"),
                ("/etc/systemd/system/d.service", "x"),
                ("/usr/lib/systemd/user/e.service", "x"),
            ],
        );
        for (unit, path) in [
            ("a@1.service", Some("/usr/lib/systemd/system/a@1.service")),
            ("a@2.service", Some("/etc/systemd/system/a@.service")),
            ("a@.service", Some("/etc/systemd/system/a@.service")),
            ("b.service", Some("/usr/local/lib/systemd/system/b.service")),
            ("c.service", Some("/etc/systemd/system.attached/c.service")),
            ("d.service", Some("/etc/systemd/system.control/d.service")),
            ("e.service", None),
            ("a.service", None),
            ("a", None),
        ] {
            assert_eq!(find(&assembly, FOLDERS, unit).as_deref(), path, "{unit}");
        }
        let user = find(&assembly, USER_FOLDERS, "e.service");
        assert_eq!(user.as_deref(), Some("/usr/lib/systemd/user/e.service"));
    }

    #[test]
    fn an_alias_has_all_its_names_and_stays_an_instance() {
        use crate::rootfs::Request;
        use crate::rootfs::tests::assembly;

        let request = Request::default();
        let assembly = assembly(
            &request,
            &[
                ("/usr/lib/systemd/system/real.service", "[Unit]\n"),
                ("/usr/lib/systemd/system/first.service", "-> real.service"),
                ("/etc/systemd/system/second.service", "-> /usr/lib/systemd/system/first.service"),
                ("/usr/lib/systemd/system/t@.service", "[Unit]\n"),
                ("/usr/lib/systemd/system/u@.service", "-> t@.service"),
                ("/usr/lib/systemd/system/u@2.service", "-> real.service"),
                ("/opt/else.service", "[Unit]\n"),
                ("/etc/systemd/system/linked.service", "-> /opt/else.service"),
            ],
        );
        for (unit, path, names) in [
            ("real.service", "real.service", &["real.service"][..]),
            ("first.service", "real.service", &["first.service", "real.service"]),
            (
                "second.service",
                "real.service",
                &["second.service", "first.service", "real.service"],
            ),
            ("u@1.service", "t@.service", &["u@1.service", "t@1.service"]),
            ("u@.service", "t@.service", &["u@.service", "t@.service"]),
            ("u@2.service", "real.service", &["u@2.service", "real.service"]),
        ] {
            let Loaded::Unit(found) = load(&assembly, FOLDERS, unit).unwrap() else {
                panic!("{unit}")
            };
            assert_eq!(
                (found.name.as_str(), found.names.as_slice()),
                (unit, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..])
            );
            assert_eq!(found.path, format!("/usr/lib/systemd/system/{path}"));
        }
        // A link to a file outside of the unit folders is the unit of its own name.
        let Loaded::Unit(found) = load(&assembly, FOLDERS, "linked.service").unwrap() else {
            panic!()
        };
        assert_eq!(
            (found.path.as_str(), found.names.as_slice()),
            ("/etc/systemd/system/linked.service", &["linked.service".to_owned()][..])
        );
    }
}
