//! dpkg's database, in the place where dpkg and scanners look for it (`/var/lib/dpkg`).
//!
//! `status`, `info/*`, `diversions` and `triggers/*` are those of freshly installed packages.
//! Deliberately absent: `alternatives/*` of update-alternatives(1), triggers that wait.
//!
//! Oracle: `dpkg-query --admindir`, `dpkg-divert --admindir --list`.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_debian::deb822;
use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_formats::source::read_all;
use md5::Digest as _;

use super::commands::{Asked, Diversion, Override};
use super::error::AssembleError;
use super::package::{ADMIN_DIRECTORY, Package, info_name};
use super::request::{PackageDatabase, Request};
use crate::content::Content;
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::{Assembly, bare};

/// The longest conffile that is hashed: real ones have a few hundred KB.
const CONFFILE_MAX: u64 = 64 << 20;

/// Writes the database, without what the packages themselves have in its folder.
pub(super) fn write(
    assembly: &mut Assembly<'_>,
    asked: &Asked,
    request: &Request<'_>,
) -> Result<(), AssembleError> {
    if request.package_database == PackageDatabase::Absent {
        return Ok(());
    }
    let mut packages: Vec<&Package> = request.packages.iter().collect();
    packages.sort_by_key(|package| &package.name);
    let full = request.package_database == PackageDatabase::Full;
    let mut status = String::new();
    for package in &packages {
        let conffiles = if full { conffiles(package)? } else { String::new() };
        status += &stanza(package, &conffiles);
        control_files(assembly, package, full)?;
    }
    for (name, text) in [
        ("info/format", "1\n"),
        ("arch-native", &format!("{}\n", request.architecture)),
        ("arch", &format!("{}\n", request.architecture)),
        ("status", &status),
        ("statoverride", &overrides(asked)),
        ("available", ""),
        ("diversions", &if full { diversions(asked) } else { String::new() }),
    ] {
        assembly.write(&format!("{ADMIN_DIRECTORY}/{name}"), 0o644, text)?;
    }
    for name in ["updates", "triggers", "parts", "alternatives"] {
        let meta = assembly.root(0o755);
        assembly.directory(&format!("{ADMIN_DIRECTORY}/{name}"), meta)?;
    }
    for (name, text) in if full { triggers(&packages) } else { BTreeMap::new() } {
        assembly.write(&format!("{ADMIN_DIRECTORY}/triggers/{name}"), 0o644, text.as_str())?;
    }
    Ok(())
}

/// The field `Conffiles` of `status`: path and MD5 of each, as they came.
fn conffiles(package: &Package) -> Result<String, RootfsError> {
    let Some(list) = package.control.files.get("conffiles") else { return Ok(String::new()) };
    let mut field = String::new();
    for line in String::from_utf8_lossy(list).lines() {
        let path = line.trim();
        if path.is_empty() {
            continue;
        }
        // What an upgrade takes away is not there (deb-conffiles(5)); dpkg 1.22 lists it with these words.
        if let Some(gone) = path.strip_prefix("remove-on-upgrade ") {
            field += &format!("\n {} newconffile remove-on-upgrade", gone.trim());
            continue;
        }
        let entry = package.entries.iter().find(|entry| entry.path == bare(path).as_bytes());
        let Some(EntryKind::File { offset, len }) = entry.map(|entry| &entry.kind) else {
            return Err(RootfsError::Unsupported {
                path: bare(path).to_owned(),
                what: format!("no file of `{}`, which lists it as a conffile", package.name),
            });
        };
        let content = Content::Stored { object: package.data.clone(), offset: *offset, len: *len };
        let bytes = read_all(&content, CONFFILE_MAX)
            .map_err(|source| RootfsError::Read { path: bare(path).to_owned(), source })?;
        field += &format!("\n {path} {}", hex::encode(md5::Md5::digest(&bytes)));
    }
    Ok(field)
}

/// `diversions`: three lines each, from, to, by.
fn diversions(asked: &Asked) -> String {
    let lines = asked.diversions.iter().map(|Diversion { from, to, package }| {
        format!("{from}\n{to}\n{}\n", package.as_deref().unwrap_or(":"))
    });
    lines.collect()
}

/// `triggers/File` for paths, and a file for each other trigger, with the packages that are
/// interested (`lib/dpkg/trigdeferred.c`, `lib/dpkg/triglib.c`).
fn triggers(packages: &[&Package]) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for package in packages {
        let Some(text) = package.control.files.get("triggers") else { continue };
        for line in String::from_utf8_lossy(text).lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let (Some(directive), Some(trigger)) = (words.next(), words.next()) else { continue };
            let Some(kind) = directive.strip_prefix("interest") else { continue };
            let wait = if kind == "-noawait" { "/noawait" } else { "" };
            let name = info_name(package);
            let (file, line) = match trigger.starts_with('/') {
                true => ("File", format!("{trigger} {name}{wait}\n")),
                false => (trigger, format!("{name}{wait}\n")),
            };
            files.entry(file.to_owned()).or_default().push_str(&line);
        }
    }
    files
}

/// A stanza of `status`: the control fields, with the state after the name.
fn stanza(package: &Package, conffiles: &str) -> String {
    let mut text = String::new();
    for (name, value) in package.control.fields.fields() {
        text += &format!("{name}: {value}\n");
        if name.eq_ignore_ascii_case("Package") {
            text += "Status: install ok installed\n";
        }
    }
    if !conffiles.is_empty() {
        text += &format!("Conffiles:{conffiles}\n");
    }
    text.push('\n');
    text
}

fn control_files(
    assembly: &mut Assembly<'_>,
    package: &Package,
    full: bool,
) -> Result<(), RootfsError> {
    const SCRIPTS: &[&str] = &["preinst", "postinst", "prerm", "postrm", "config", "control"];
    let name = info_name(package);
    for (kind, bytes) in &package.control.files {
        if kind == "md5sums" || (full && !SCRIPTS.contains(&kind.as_str())) {
            assembly.write(
                &format!("{ADMIN_DIRECTORY}/info/{name}.{kind}"),
                0o644,
                bytes.clone(),
            )?;
        }
    }
    let list = list(&package.entries);
    assembly.write(&format!("{ADMIN_DIRECTORY}/info/{name}.list"), 0o644, list)
}

/// Every path of the package, as it is in the package; the root is `/.`.
fn list(entries: &[Entry]) -> Vec<u8> {
    let mut list = Vec::new();
    for entry in entries {
        list.push(b'/');
        list.extend_from_slice(if entry.path.is_empty() { b"." } else { &entry.path });
        list.push(b'\n');
    }
    list
}

/// `statoverride`: owner, group, mode and path of every file that dpkg was told of, by path.
fn overrides(asked: &Asked) -> String {
    let line = |Override { user, group, mode, path, .. }: &Override| {
        (path.clone(), format!("{user} {group} {mode:o} {path}\n"))
    };
    let lines: BTreeMap<String, String> = asked.overrides.iter().map(line).collect();
    lines.into_values().collect()
}

/// Name, version and architecture.
pub(crate) type Installed = (String, String, String);

/// The packages of a file `status`, of which every stanza has to be of one that is installed once.
///
/// # Errors
/// Why the file can't be read, in words.
pub(crate) fn installed(status: &[u8]) -> Result<BTreeSet<Installed>, String> {
    let text = str::from_utf8(status).map_err(|error| error.to_string())?;
    let mut installed = BTreeSet::new();
    for stanza in deb822::paragraphs(text) {
        let stanza = stanza.map_err(|error| error.to_string())?;
        let field = |name: &str| {
            let value = stanza.get(name).map(str::to_owned);
            value.ok_or_else(|| format!("a stanza without `{name}`"))
        };
        let package = (field("Package")?, field("Version")?, field("Architecture")?);
        if !installed.insert(package.clone()) {
            return Err(format!("`{}` {} twice", package.0, package.1));
        }
    }
    Ok(installed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::debian::tests::{package, request, with_script};
    use crate::rootfs;
    use crate::rootfs::tests::at;

    /// The tree of one package's database.
    fn written<'a>(
        root: &'a rootfs::Request<'a>,
        packages: &[Package],
        kept: PackageDatabase,
        asked: &Asked,
    ) -> Result<Assembly<'a>, AssembleError> {
        let mut assembly = Assembly::new(root);
        write(&mut assembly, asked, &Request { package_database: kept, ..request(packages) })?;
        Ok(assembly)
    }

    fn with_control_files(multi_arch: &str) -> Package {
        let control = format!("{multi_arch}Maintainer: X <x@example.org>\nDescription: one\n");
        let files =
            ["preinst", "postinst", "prerm", "postrm", "config", "control", "md5sums", "shlibs"];
        files.into_iter().fold(
            package("a", &control, &[("", ""), ("etc/", ""), ("etc/a.conf", "text\n")]),
            |package, name| with_script(package, name, name),
        )
    }

    /// `lib/dpkg/dbdir.c` and deb-control(5): what dpkg keeps below its folder for a package.
    #[test]
    fn how_much_is_kept_decides_which_files_there_are() {
        let root = rootfs::Request::default();
        let packages = [with_control_files("")];
        let always =
            ["arch", "arch-native", "available", "diversions", "info", "statoverride", "status"];
        let folders = ["alternatives", "parts", "triggers", "updates"];
        for (kept, info) in [
            (PackageDatabase::Full, Some(&["a.list", "a.md5sums", "a.shlibs", "format"][..])),
            (PackageDatabase::Minimal, Some(&["a.list", "a.md5sums", "format"])),
            (PackageDatabase::Absent, None),
        ] {
            let assembly = written(&root, &packages, kept, &Asked::default()).unwrap();
            let names = assembly.names(ADMIN_DIRECTORY).unwrap();
            let mut expected = [&always[..], &folders[..]].concat();
            expected.sort_unstable();
            match info {
                Some(info) => {
                    assert_eq!(names, expected);
                    assert_eq!(assembly.names("/var/lib/dpkg/info").unwrap(), info, "{kept:?}");
                    let file = |name: &str| at(&assembly, &format!("{ADMIN_DIRECTORY}/{name}"));
                    assert_eq!(file("info/format").as_deref(), Some("1\n"));
                    assert_eq!(file("arch").as_deref(), Some("amd64\n"));
                    assert_eq!(file("arch-native").as_deref(), Some("amd64\n"));
                    assert_eq!(file("available").as_deref(), Some(""));
                    assert_eq!(file("info/a.md5sums").as_deref(), Some("md5sums"));
                }
                None => assert_eq!(names, [""; 0]),
            }
        }
    }

    /// `Multi-Arch: same` packages are named with their architecture (dpkg 1.16.2).
    #[test]
    fn a_package_of_several_architectures_is_named_with_its_own() {
        let root = rootfs::Request::default();
        for (field, name) in [
            ("", "a.list"),
            ("Multi-Arch: same\n", "a:amd64.list"),
            ("Multi-Arch: foreign\n", "a.list"),
            ("Multi-Arch: allowed\n", "a.list"),
        ] {
            let packages = [with_control_files(field)];
            let assembly =
                written(&root, &packages, PackageDatabase::Minimal, &Asked::default()).unwrap();
            let found = at(&assembly, &format!("{ADMIN_DIRECTORY}/info/{name}"));
            assert_eq!(found.as_deref(), Some("/.\n/etc\n/etc/a.conf\n"), "{field}");
        }
    }

    /// deb822(5): the value of a continued field starts with its first word.
    #[test]
    fn a_stanza_has_the_state_behind_the_name_and_conffiles_at_its_end() {
        let one = package("a", "Conffiles-Of: x\nDescription: one\n more\n", &[]);
        let head = "Package: a\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n\
                    Conffiles-Of: x\nDescription: one\n more\n";
        assert_eq!(stanza(&one, ""), format!("{head}\n"));
        assert_eq!(stanza(&one, "\n /etc/a 0"), format!("{head}Conffiles:\n /etc/a 0\n\n"));
        let listed = package("a", "Provides:\n b,\n c\n", &[]);
        assert!(stanza(&listed, "").ends_with("\nProvides: b,\n c\n\n"));
    }

    /// RFC 1321, A.5: MD5 of nothing and of `abc`.
    #[test]
    fn conffiles_are_listed_with_their_digests() {
        let files: &[(&str, &str)] =
            &[("etc/a", "abc"), ("etc/b", ""), ("etc/link", "-> a"), ("etc/folder/", "")];
        let with = |list: &str| with_script(package("p", "", files), "conffiles", list);
        let of = |list: &str| conffiles(&with(list));
        let abc = "900150983cd24fb0d6963f7d28e17f72";
        let nothing = "d41d8cd98f00b204e9800998ecf8427e";
        for (list, field) in [
            ("", String::new()),
            ("/etc/a\n", format!("\n /etc/a {abc}")),
            ("/etc/b\n/etc/a\n", format!("\n /etc/b {nothing}\n /etc/a {abc}")),
            (
                "\n  /etc/a  \n\nremove-on-upgrade /etc/gone\n",
                format!("\n /etc/a {abc}\n /etc/gone newconffile remove-on-upgrade"),
            ),
        ] {
            assert_eq!(of(list).unwrap(), field, "{list}");
        }
        assert_eq!(conffiles(&package("p", "", files)).unwrap(), "");
        for path in ["/etc/gone", "/etc/link", "/etc/folder"] {
            let error = of(&format!("/etc/a\n{path}\n")).unwrap_err().to_string();
            let words = format!("`{path}` holds no file of `p`, which lists it as a conffile");
            assert!(error.contains(&words), "{error}");
        }
    }

    /// deb-triggers(5), and the files of `lib/dpkg/triglib.c`.
    #[test]
    fn interests_are_kept_by_file_and_by_name() {
        let text = "# a comment\n\ninterest /usr/share/a\ninterest-noawait /usr/share/b # more\n\
                    interest-await named\nactivate other\ninterest\n";
        let one = with_script(package("p", "", &[]), "triggers", text);
        let two = with_script(
            package("q", "Multi-Arch: same\n", &[]),
            "triggers",
            "interest-noawait named\n",
        );
        let found = triggers(&[&one, &package("r", "", &[]), &two]);
        let rows: Vec<(&str, &str)> =
            found.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(
            rows,
            [
                ("File", "/usr/share/a p\n/usr/share/b p/noawait\n"),
                ("named", "p\nq:amd64/noawait\n"),
            ]
        );
    }

    /// `lib/dpkg/db-fsys-divert.c`: a diversion of the administrator's has a colon for its package.
    #[test]
    fn overrides_and_diversions_are_lines_of_their_files() {
        let owner = |user: &str, group: &str, mode, path: &str| Override {
            package: "p".into(),
            user: user.into(),
            group: group.into(),
            mode,
            path: path.into(),
        };
        let divert = |from: &str, package: Option<&str>| Diversion {
            from: from.into(),
            to: format!("{from}.to"),
            package: package.map(str::to_owned),
        };
        let asked = Asked {
            overrides: vec![
                owner("root", "mail", 0o2755, "/usr/z"),
                owner("bin", "root", 0o710, "/usr/a"),
            ],
            diversions: vec![divert("/usr/x", Some("q")), divert("/usr/a", None)],
            ..Asked::default()
        };
        let root = rootfs::Request::default();
        for (kept, diversions) in [
            (PackageDatabase::Full, "/usr/x\n/usr/x.to\nq\n/usr/a\n/usr/a.to\n:\n"),
            (PackageDatabase::Minimal, ""),
        ] {
            let assembly = written(&root, &[], kept, &asked).unwrap();
            let file = |name: &str| at(&assembly, &format!("{ADMIN_DIRECTORY}/{name}")).unwrap();
            assert_eq!(file("statoverride"), "bin root 710 /usr/a\nroot mail 2755 /usr/z\n");
            assert_eq!(file("diversions"), diversions, "{kept:?}");
        }
    }

    #[test]
    fn what_is_installed_is_read_back_and_each_package_once() {
        let stanza = |name: &str, version: &str| {
            format!(
                "Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: all\n\n"
            )
        };
        let of = |text: String| installed(text.as_bytes());
        let row =
            |name: &str, version: &str| (name.to_owned(), version.to_owned(), "all".to_owned());
        assert_eq!(of(String::new()).unwrap(), BTreeSet::new());
        let two = of(stanza("a", "1") + &stanza("b", "2")).unwrap();
        assert_eq!(two, BTreeSet::from([row("a", "1"), row("b", "2")]));
        // Two versions of one name are two packages.
        assert_eq!(of(stanza("a", "1") + &stanza("a", "2")).unwrap().len(), 2);
        assert_eq!(of(stanza("a", "1") + &stanza("a", "1")).unwrap_err(), "`a` 1 twice");
        for field in ["Package", "Version", "Architecture"] {
            let text = stanza("a", "1").replace(&format!("{field}:"), "X-Other:");
            assert_eq!(of(text).unwrap_err(), format!("a stanza without `{field}`"));
        }
        assert!(installed(b"Package: \xff\n").unwrap_err().contains("utf-8"));
        assert!(of("no field\n".into()).is_err());
    }
}
