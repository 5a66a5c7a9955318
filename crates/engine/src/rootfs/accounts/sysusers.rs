//! Reads sysusers.d(5): which system users and groups packages and the definition ask for.
//!
//! The subset: `u`, `u!`, `g` and `m` with numbers, `uid:gid`, `uid:group` and automatic ids. `r`
//! ranges and ids taken from a path are errors, since nothing packaged in Debian uses them.

use super::account::{id, is_packaged_name};
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::{Assembly, bare};
use crate::rootfs::configuration::{files, words};

/// Where files are read from; the first folder that has a name decides (sysusers.d(5)).
const FOLDERS: &[&str] = &["/etc/sysusers.d", "/usr/local/lib/sysusers.d", "/usr/lib/sysusers.d"];

/// The primary group of a `u` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PrimaryGroup {
    /// A group of the same name and, if it is free, the same id.
    Own,
    /// An existing group by name.
    Named(String),
    /// An existing group by id.
    Id(u32),
}

/// One wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// `u`
    User {
        name: String,
        id: Option<u32>,
        group: PrimaryGroup,
        comment: String,
        home: String,
        shell: String,
        /// `u!`: the account is expired too.
        locked: bool,
    },
    /// `g`
    Group { name: String, id: Option<u32> },
    /// `m`
    Member { user: String, group: String },
}

/// Every line of every file that counts, in the order systemd reads them.
pub(super) fn read(assembly: &Assembly<'_>) -> Result<Vec<Line>, RootfsError> {
    let mut lines = Vec::new();
    for path in files(assembly, FOLDERS)? {
        let text = assembly.text(&path)?.unwrap_or_default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parsed = parse(line).map_err(|why| RootfsError::Syntax {
                path: bare(&path).to_owned(),
                line: number,
                why,
            })?;
            lines.push(parsed);
        }
    }
    Ok(lines)
}

fn parse(line: &str) -> Result<Line, String> {
    let fields = words(line)?;
    let field = |index: usize| {
        fields.get(index).map(String::as_str).filter(|field| !field.is_empty() && *field != "-")
    };
    let text = |index: usize, default: &str| field(index).unwrap_or(default).to_owned();
    let name = field(1).ok_or("the name is missing")?.to_owned();
    if !is_packaged_name(&name) {
        return Err(format!("`{name}` is not a valid account name"));
    }
    match field(0).unwrap_or_default() {
        kind @ ("u" | "u!") => {
            let (id, group) = ids(field(2))?;
            Ok(Line::User {
                name,
                id,
                group,
                comment: text(3, ""),
                home: text(4, "/"),
                shell: text(5, "/usr/sbin/nologin"),
                locked: kind == "u!",
            })
        }
        "g" => Ok(Line::Group { name, id: field(2).map(number).transpose()? }),
        "m" => {
            let group = field(2).ok_or("the group is missing")?.to_owned();
            Ok(Line::Member { user: name, group })
        }
        other => Err(format!("type `{other}`: expected u, u!, g or m")),
    }
}

fn ids(field: Option<&str>) -> Result<(Option<u32>, PrimaryGroup), String> {
    let Some(field) = field else { return Ok((None, PrimaryGroup::Own)) };
    let Some((user, group)) = field.split_once(':') else {
        return Ok((Some(number(field)?), PrimaryGroup::Own));
    };
    let id = if user == "-" { None } else { Some(number(user)?) };
    let group =
        number(group).map_or_else(|_| PrimaryGroup::Named(group.to_owned()), PrimaryGroup::Id);
    Ok((id, group))
}

fn number(text: &str) -> Result<u32, String> {
    id(text).ok_or_else(|| format!("id `{text}`: expected a number or `-`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::{assembly, refused};

    #[test]
    fn lines_of_packages_are_understood() {
        assert_eq!(
            parse("u! systemd-network - \"systemd Network Management\"").unwrap(),
            Line::User {
                name: "systemd-network".into(),
                id: None,
                group: PrimaryGroup::Own,
                comment: "systemd Network Management".into(),
                home: "/".into(),
                shell: "/usr/sbin/nologin".into(),
                locked: true,
            }
        );
        assert_eq!(
            parse("u sync       4:65534 - /bin                 /bin/sync").unwrap(),
            Line::User {
                name: "sync".into(),
                id: Some(4),
                group: PrimaryGroup::Id(65534),
                comment: String::new(),
                home: "/bin".into(),
                shell: "/bin/sync".into(),
                locked: false,
            }
        );
        assert_eq!(parse("g kvm -").unwrap(), Line::Group { name: "kvm".into(), id: None });
    }

    #[test]
    fn anything_else_is_refused() {
        for (line, why) in [
            ("r - 500-900", "the name is missing"),
            ("r x 500-900", "type `r`: expected u, u!, g or m"),
            ("g! x 5", "type `g!`: expected u, u!, g or m"),
            ("- x", "type ``: expected u, u!, g or m"),
            ("u -x", "`-x` is not a valid account name"),
            ("g a:b", "`a:b` is not a valid account name"),
            ("g x 99999999999", "id `99999999999`: expected a number or `-`"),
            ("g x +5", "id `+5`: expected a number or `-`"),
            ("g x 5:6", "id `5:6`: expected a number or `-`"),
            ("m x", "the group is missing"),
            ("m x -", "the group is missing"),
            ("u \"x", "a quote is not closed"),
            ("u", "the name is missing"),
            ("u \"\"", "the name is missing"),
        ] {
            assert_eq!(parse(line).unwrap_err(), why, "{line}");
        }
    }

    /// sysusers.d(5), "ID": a number, `uid:gid`, `uid:groupname`, or `-`.
    #[test]
    fn ids_are_numbers_pairs_or_automatic() {
        for (field, id, group) in [
            ("-", None, PrimaryGroup::Own),
            ("0", Some(0), PrimaryGroup::Own),
            ("4294967294", Some(u32::MAX - 1), PrimaryGroup::Own),
            ("5:7", Some(5), PrimaryGroup::Id(7)),
            ("5:adm", Some(5), PrimaryGroup::Named("adm".into())),
            ("-:adm", None, PrimaryGroup::Named("adm".into())),
            ("-:7", None, PrimaryGroup::Id(7)),
            ("-:+7", None, PrimaryGroup::Named("+7".into())),
        ] {
            let Line::User { id: found_id, group: found_group, .. } =
                parse(&format!("u x {field}")).unwrap()
            else {
                panic!("{field}")
            };
            assert_eq!((found_id, found_group), (id, group), "{field}");
        }
        for (field, id) in [
            ("4294967296", "4294967296"),
            ("4294967295", "4294967295"),
            ("65535", "65535"),
            ("4294967295:7", "4294967295"),
            ("-1", "-1"),
            ("+5", "+5"),
            ("0x5", "0x5"),
            ("/usr/bin/x", "/usr/bin/x"),
            ("5-9", "5-9"),
            (":7", ""),
            ("+5:7", "+5"),
        ] {
            let why = parse(&format!("u x {field}")).unwrap_err();
            assert_eq!(why, format!("id `{id}`: expected a number or `-`"));
        }
    }

    /// sysusers.d(5), "Configuration Directories and Precedence": files are sorted by name whatever folder they
    /// are in, one in `/etc` replaces one of the same name, and a link to `/dev/null` disables it.
    #[test]
    fn a_file_hides_those_of_its_name_in_later_folders() {
        let request = Request::default();
        let assembly = assembly(
            &request,
            &[
                ("/usr/lib/sysusers.d/b.conf", "g b-vendor -"),
                ("/usr/lib/sysusers.d/c.conf", "g c -"),
                ("/usr/lib/sysusers.d/README", "not read"),
                ("/usr/lib/sysusers.d/z.conf", "g z -"),
                ("/usr/local/lib/sysusers.d/b.conf", "g b-local -"),
                ("/etc/sysusers.d/b.conf", "# mine\n\n  g b-own -\n"),
                ("/etc/sysusers.d/z.conf", "-> /dev/null"),
                ("/usr/local/lib/sysusers.d/a.conf", "g a -"),
            ],
        );
        let lines = read(&assembly).unwrap();
        let names: Vec<String> = lines
            .into_iter()
            .map(|line| match line {
                Line::Group { name, .. } => name,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names, ["a", "b-own", "c"]);
    }

    #[test]
    fn a_bad_line_is_refused_with_its_file_and_number() {
        let request = Request::default();
        let assembly =
            assembly(&request, &[("/etc/sysusers.d/x.conf", "# first\ng a -\nr - 1-5\n")]);
        refused(read(&assembly), "`/etc/sysusers.d/x.conf`, line 3: ");
    }
}
