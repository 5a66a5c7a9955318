//! update-catalog of sgml-base 1.31 and update-xmlcatalog of xml-core 0.19: where entities of SGML and XML are.
//!
//! An XML catalog is written in the order of its keys, as with `--sort`; without it, Perl has none.

use std::collections::BTreeMap;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{FileError, FileType, Files as _};

use crate::packages::debian::commands::System;
use crate::packages::debian::commands::words::shown;

impl System<'_, '_> {
    fn is_regular(&self, path: &str) -> bool {
        let status = self.status(path.as_bytes(), true);
        status.is_ok_and(|at| at.file_type == FileType::Regular)
    }

    fn text_of(&self, path: &str) -> Result<String, FileError> {
        Ok(String::from_utf8_lossy(&self.read(path.as_bytes())?).into_owned())
    }

    /// Writes a file anew, the old one beside it with `.old`.
    fn write_with_backup(&mut self, path: &str, text: &str) -> Result<(), FileError> {
        if self.is_regular(path) {
            self.rename(path.as_bytes(), format!("{path}.old").as_bytes())?;
        }
        self.write(path.as_bytes(), text.as_bytes(), 0o644)
    }
}

/// What a call of update-xmlcatalog registers.
struct Entry {
    /// The catalog that names it.
    catalog: String,
    /// Where the entries of that catalog are kept.
    data: String,
    key: String,
    value: String,
}

impl Entry {
    /// An entry of the root catalog, of a package's, or of a local one.
    fn of(options: &BTreeMap<&str, &str>) -> Option<Self> {
        let (kind, id) = (*options.get("type")?, options.get("id")?);
        let (attribute, element) = match kind {
            "public" => ("publicId", "delegatePublic"),
            "system" => ("systemId", "delegateSystem"),
            "uri" => ("uri", "delegateURI"),
            _ => return None,
        };
        let key = format!("{element} {attribute}StartString=\"{id}\"");
        let is_root = options.contains_key("root");
        let of = |name: &str| options.get(name).copied();
        Some(match (is_root, of("package"), of("local"), of("file")) {
            (true, Some(package), None, None) => Self {
                catalog: "/etc/xml/catalog".to_owned(),
                data: "/var/lib/xml-core/catalog".to_owned(),
                key,
                value: format!("catalog=\"file:///etc/xml/{package}.xml\""),
            },
            (false, Some(package), Some(local), None) => Self {
                catalog: format!("/etc/xml/{package}.xml"),
                data: format!("/var/lib/xml-core/{package}"),
                key,
                value: format!("catalog=\"file://{local}\""),
            },
            (false, None, Some(local), Some(file)) => Self {
                catalog: local.to_owned(),
                data: format!("/var/lib/xml-core/{}", local.replace('/', "_")),
                key: match kind {
                    "uri" => format!("uri name=\"{id}\""),
                    kind => format!("{kind} {attribute}=\"{id}\""),
                },
                value: format!("uri=\"{file}\""),
            },
            _ => return None,
        })
    }
}

/// `update-xmlcatalog [--sort] --add --type T --id ID (--root --package P | --package P --local FILE | --local
/// FILE --file FILE)`.
pub(super) fn update_xmlcatalog(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let words: Vec<String> =
        call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let mut options: BTreeMap<&str, &str> = BTreeMap::new();
    let mut left = words.iter().map(String::as_str);
    while let Some(word) = left.next() {
        let value = match word {
            "--add" | "--root" | "--sort" => Some(""),
            "--file" | "--id" | "--local" | "--package" | "--type" => left.next(),
            _ => None,
        };
        let Some(value) = value else { return Err(call.unsupported(format!("the word {word}"))) };
        options.insert(word.trim_start_matches('-'), value);
    }
    let entry = Entry::of(&options).filter(|_| options.contains_key("add"));
    let Some(entry) = entry else { return Err(call.unsupported(shown(call.arguments()))) };
    let needed = match (options.contains_key("root"), options.get("file")) {
        (true, _) => format!("/etc/xml/{}.xml", options.get("package").unwrap_or(&"")),
        (false, Some(file)) => (*file).to_owned(),
        (false, None) => (*options.get("local").unwrap_or(&"")).to_owned(),
    };
    if !system.is_regular(&needed) {
        return Ok(call.usage(&format!("error: {needed} not found"), 1));
    }
    let known = system.text_of(&entry.data).unwrap_or_default();
    let mut entries: BTreeMap<String, String> = known
        .lines()
        .filter_map(|line| {
            let mut parts = line.split('>').map(|part| part.trim_start_matches('<').to_owned());
            Some((parts.next()?, parts.next()?))
        })
        .collect();
    match entries.get(&entry.key) {
        Some(known) if *known != entry.value => {
            let message = "error: entity already registered with a different value";
            return Ok(call.usage(message, 1));
        }
        _ => entries.insert(entry.key.clone(), entry.value.clone()),
    };
    match write_xmlcatalog(system, &entry, &entries) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("cannot write", entry.catalog.as_bytes(), error)),
    }
}

fn write_xmlcatalog(
    system: &mut System<'_, '_>,
    entry: &Entry,
    entries: &BTreeMap<String, String>,
) -> Result<(), FileError> {
    let data: String = entries.iter().map(|(key, value)| format!("<{key}><{value}>\n")).collect();
    let lines: String = entries.iter().map(|(key, value)| format!("<{key} {value}/>\n")).collect();
    let header = system.text_of("/usr/share/xml-core/catalog.header")?;
    let footer = system.text_of("/usr/share/xml-core/catalog.footer")?;
    system.write(entry.data.as_bytes(), data.as_bytes(), 0o644)?;
    system.write_with_backup(&entry.catalog, &format!("{header}{lines}{footer}"))
}

/// `update-catalog [--quiet] --update-super`, `--add CATALOG ENTRY`, `--remove CATALOG ENTRY`, and both of
/// `--super`, which activate the trigger of sgml-base.
pub(super) fn update_catalog(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let words: Vec<String> =
        call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let (options, operands): (Vec<&str>, Vec<&str>) =
        words.iter().map(String::as_str).partition(|word| word.starts_with("--"));
    let has = |option: &str| options.contains(&option);
    let known = ["--add", "--quiet", "--remove", "--super", "--update-super"];
    let actions = ["--add", "--remove", "--update-super"].map(has);
    if options.iter().any(|option| !known.contains(option))
        || actions.iter().filter(|is_asked| **is_asked).count() != 1
    {
        return Err(call.unsupported(shown(call.arguments())));
    }
    let done = match operands.as_slice() {
        [] if has("--update-super") => update_super(system),
        [_] if has("--super") => {
            system.asked.triggers.insert("/etc/sgml".to_owned());
            call.print(
                b"update-catalog: Suppressing action on super catalog. Invoking trigger instead.\n",
            );
            Ok(())
        }
        // An entry is a pattern in the real one; no byte of these means anything else there.
        [catalog, entry]
            if entry
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte)) =>
        {
            change_catalog(system, catalog, entry, has("--add"))
        }
        _ => return Err(call.unsupported(shown(call.arguments()))),
    };
    match done {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("cannot change", b"the catalogs", error)),
    }
}

fn change_catalog(
    system: &mut System<'_, '_>,
    catalog: &str,
    entry: &str,
    adds: bool,
) -> Result<(), FileError> {
    let mut text = match system.is_regular(catalog) {
        true => {
            let known = system.text_of(catalog)?;
            let kept = known.lines().filter(|line| !line.contains(entry));
            kept.map(|line| format!("{line}\n")).collect()
        }
        false => {
            let template = system.text_of("/usr/share/sgml-base/catalog.centralized")?;
            let named = template.lines().map(|line| line.replacen("CATALOG", catalog, 1) + "\n");
            named.collect::<String>()
        }
    };
    if adds {
        text += &format!("CATALOG {entry}\n");
    }
    system.write_with_backup(catalog, &text)
}

/// Writes the catalog of all centralized catalogs whose own ones are there.
fn update_super(system: &mut System<'_, '_>) -> Result<(), FileError> {
    const SUPER: &str = "/var/lib/sgml-base/supercatalog";
    let mut text = "--\n## This file is created by update-catalog with update-super.\n\
                    ## Please see update-catalog(8) for how to modify this file.\n--\n"
        .to_owned();
    let mut names = system.list(b"/etc/sgml")?;
    names.sort();
    for name in names {
        let name = String::from_utf8_lossy(&name).into_owned();
        let path = format!("/etc/sgml/{name}");
        let is_catalog = name.len() > 4 && name.ends_with(".cat") && !name.starts_with('.');
        if is_catalog && leads_to_files(system, &path) {
            text += &format!("CATALOG {path}\n");
        }
    }
    system.write_with_backup(SUPER, &text)
}

/// Whether a catalog can be read, and all catalogs that it names are there.
fn leads_to_files(system: &System<'_, '_>, path: &str) -> bool {
    let Ok(text) = system.text_of(path) else { return false };
    let mut base = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let mut before = "";
    for token in tokens(&text) {
        let is_blank = token.starts_with(char::is_whitespace) || token.starts_with("--");
        match before {
            "" => {
                let word = token.to_ascii_lowercase();
                before = ["catalog", "base"].into_iter().find(|one| *one == word).unwrap_or("");
                continue;
            }
            _ if is_blank => continue,
            "base" => base = unquoted(token).to_owned(),
            _ => {
                let file = unquoted(token);
                let file =
                    if file.starts_with('/') { file.to_owned() } else { format!("{base}/{file}") };
                if !system.is_regular(&file) {
                    return false;
                }
            }
        }
        before = "";
    }
    true
}

fn unquoted(token: &str) -> &str {
    let quoted = |quote| token.strip_prefix(quote)?.strip_suffix(quote);
    quoted('"').or_else(|| quoted('\'')).unwrap_or(token)
}

/// Blanks and comments, literals and words of a catalog (OASIS TR9401).
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let blanks = rest.len() - rest.trim_start().len();
        let closed = |open: &str| rest.strip_prefix(open)?.find(open).map(|at| at + 2 * open.len());
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let end = match first {
            _ if blanks > 0 => blanks,
            '-' => closed("--").unwrap_or(word),
            '"' => closed("\"").unwrap_or(word),
            '\'' => closed("'").unwrap_or(word),
            _ => word,
        };
        let (token, behind) = rest.split_at(end);
        tokens.push(token);
        rest = behind;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    /// The texts are those of the real programs, called in the same order on a folder.
    #[test]
    fn xml_catalogs_name_what_packages_register() {
        let files = [
            ("/usr/sbin/update-xmlcatalog", "#!/usr/bin/perl\n"),
            ("/usr/share/xml-core/catalog.header", "<head>\n"),
            ("/usr/share/xml-core/catalog.footer", "</head>\n"),
            ("/usr/share/xml/p/catalog.xml", "x"),
            ("/var/lib/xml-core/", ""),
            ("/etc/xml/", ""),
        ];
        let script = "u() { update-xmlcatalog --sort --add \"$@\"; }
            u --type system --id http://s --package p --local /usr/share/xml/p/catalog.xml
            u --type public --id '-//P//EN' --package p --local /usr/share/xml/p/catalog.xml
            u --type public --id '-//P//EN' --package p --root; u --type uri --id u --package p --root
            u --type public --id '-//P//EN' --package q --root 2>/dev/null; echo $?
            u --type uri --id n --local /usr/share/xml/p/catalog.xml --file /usr/share/xml-core/catalog.footer
            u --type public --id i --package p --local /missing 2>/dev/null; echo $?
            cat /var/lib/xml-core/p /etc/xml/p.xml /etc/xml/catalog /usr/share/xml/p/catalog.xml; ls /etc/xml /var/lib/xml-core";
        let expected = "1\n1\n\
            <delegatePublic publicIdStartString=\"-//P//EN\"><catalog=\"file:///usr/share/xml/p/catalog.xml\">\n\
            <delegateSystem systemIdStartString=\"http://s\"><catalog=\"file:///usr/share/xml/p/catalog.xml\">\n\
            <head>\n\
            <delegatePublic publicIdStartString=\"-//P//EN\" catalog=\"file:///usr/share/xml/p/catalog.xml\"/>\n\
            <delegateSystem systemIdStartString=\"http://s\" catalog=\"file:///usr/share/xml/p/catalog.xml\"/>\n\
            </head>\n<head>\n\
            <delegatePublic publicIdStartString=\"-//P//EN\" catalog=\"file:///etc/xml/p.xml\"/>\n\
            <delegateURI uriStartString=\"u\" catalog=\"file:///etc/xml/p.xml\"/>\n\
            </head>\n<head>\n<uri name=\"n\" uri=\"/usr/share/xml-core/catalog.footer\"/>\n</head>\n\
            /etc/xml:\ncatalog\ncatalog.old\np.xml\np.xml.old\n\n\
            /var/lib/xml-core:\n_usr_share_xml_p_catalog.xml\ncatalog\np\n";
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "update-xmlcatalog --del --root --type uri --id x").contains("--del"));
    }

    #[test]
    fn the_super_catalog_names_catalogs_whose_own_are_there() {
        let files = [
            ("/usr/sbin/update-catalog", "#!/usr/bin/perl\n"),
            ("/usr/bin/tail", "+x"),
            ("/usr/share/sgml-base/catalog.centralized", "-- CATALOG --\n"),
            ("/usr/share/sgml/a/catalog", "x"),
            ("/etc/sgml/gone.cat", "CATALOG /usr/share/sgml/gone/catalog\n"),
            (
                "/etc/sgml/based.cat",
                "-- a CATALOG\n/no --\nBASE '/usr/share/sgml'\ncatalog \"a/catalog\"\n",
            ),
            ("/etc/sgml/.hidden.cat", ""),
            ("/etc/sgml/empty.cat", ""),
            ("/var/lib/sgml-base/", ""),
        ];
        let script = "update-catalog --quiet --update-super; cat /var/lib/sgml-base/supercatalog
            update-catalog --quiet --add /etc/sgml/new.cat /usr/share/sgml/a/catalog
            update-catalog --quiet --add /etc/sgml/new.cat /usr/share/sgml/a/catalog
            cat /etc/sgml/new.cat; update-catalog --quiet --update-super; tail -n 2 /var/lib/sgml-base/supercatalog
            update-catalog --quiet --remove /etc/sgml/new.cat /usr/share/sgml/a/catalog; cat /etc/sgml/new.cat
            ls /var/lib/sgml-base; update-catalog --add --super /etc/sgml/new.cat >/dev/null; echo $?";
        let head = "--\n## This file is created by update-catalog with update-super.\n\
                    ## Please see update-catalog(8) for how to modify this file.\n--\n";
        let expected = format!(
            "{head}CATALOG /etc/sgml/based.cat\nCATALOG /etc/sgml/empty.cat\n\
             -- /etc/sgml/new.cat --\nCATALOG /usr/share/sgml/a/catalog\n\
             CATALOG /etc/sgml/empty.cat\nCATALOG /etc/sgml/new.cat\n-- /etc/sgml/new.cat --\n\
             supercatalog\nsupercatalog.old\n0\n"
        );
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "update-catalog --test --update-super").contains("--test"));
    }
}
