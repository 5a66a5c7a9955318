//! glib-compile-schemas: the index of GSettings' schemas (glib-compile-schemas(1), GLib 2.84).
//!
//! The index is the real program's, byte for byte; where that one leaves out a file or a value that has a mistake,
//! the evaluation ends. Oracle: glib-compile-schemas.

mod gvdb;
mod index;
mod markup;
mod overrides;
mod schema;
mod strings;
mod text;
mod variant;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// How long a file of schemas may be.
const LEN_MAX: usize = 4 << 20;

/// `glib-compile-schemas FOLDER`: a folder without schemas has no index, and an old one goes.
pub(super) fn compile_schemas(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let [folder] = call.arguments() else { return Err(call.unsupported("these words")) };
    if folder.starts_with(b"-") {
        return Err(call.unsupported("options"));
    }
    let folder = call.path(folder);
    let Ok(mut names) = system.list(&folder) else {
        return Err(call.unsupported("a folder that can't be read"));
    };
    let path = [&folder, &b"/gschemas.compiled"[..]].concat();
    let is_enums = |name: &Vec<u8>| name.ends_with(b".enums.xml");
    // Enumerations come first, as schemas name them.
    names.sort_by(|one, other| is_enums(other).cmp(&is_enums(one)).then_with(|| one.cmp(other)));
    if !names.iter().any(|name| is_enums(name) || name.ends_with(b".gschema.xml")) {
        call.print(match system.remove(&path) {
            Ok(()) => b"No schema files found: removed existing output file.\n",
            Err(_) => b"No schema files found: doing nothing.\n",
        });
        return Ok(0);
    }
    let mut schemas = schema::Schemas::default();
    for name in names.iter().filter(|name| is_enums(name) || name.ends_with(b".gschema.xml")) {
        let text = contents(system, call, &folder, name)?;
        schemas.add(&text).map_err(|problem| mistake(call, name, &problem))?;
    }
    names.sort();
    for name in names.iter().filter(|name| name.ends_with(b".gschema.override")) {
        let text = contents(system, call, &folder, name)?;
        let unknown = overrides::apply(&mut schemas, &text);
        for (group, key) in unknown.map_err(|problem| mistake(call, name, &problem))? {
            let file = String::from_utf8_lossy(name);
            call.complain(&format!("{file}: [{group}] has no key {key}; ignored"));
        }
    }
    let Some(index) = index::write(&schemas) else {
        return Err(call.unsupported("an index of more than 16 MiB"));
    };
    for id in index.missing {
        call.print_error(
            format!("Warning: undefined reference to <schema id='{id}'/>\n").as_bytes(),
        );
    }
    // A new file takes the place of an old one.
    let _ = system.remove(&path);
    match system.write(&path, &index.bytes, 0o644) {
        Ok(()) => Ok(0),
        Err(error) => Ok(call.fail("cannot write", &path, error)),
    }
}

fn contents(
    system: &System<'_, '_>,
    call: &Call<'_>,
    folder: &[u8],
    name: &[u8],
) -> Result<String, Stop> {
    let shown = String::from_utf8_lossy(name);
    match system.read(&[folder, b"/", name].concat()) {
        Ok(bytes) if bytes.len() > LEN_MAX => {
            Err(call.unsupported(format!("the schema {shown} of more than 4 MiB")))
        }
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(text),
            _ => Err(call.unsupported(format!("the schema {shown}, which is not UTF-8"))),
        },
        Err(_) => Err(call.unsupported(format!("the schema {shown}, which can't be read"))),
    }
}

fn mistake(call: &Call<'_>, name: &[u8], (line, problem): &schema::Problem) -> Stop {
    let name = String::from_utf8_lossy(name);
    call.unsupported(format!(
        "the schema {name}, line {line}: {problem} (leave its package out, or bring gschemas.compiled as one \
         of the definition's files and skip this script)"
    ))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_types, reason = "oracle tools are started")]
    #![expect(clippy::disallowed_methods, reason = "files are made for oracle tools")]

    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use cvmkit_shell::world::Files as _;

    use crate::packages::debian::commands::System;
    use crate::packages::debian::commands::tests::{machine, output, run, stop};
    use crate::rootfs;

    const PROGRAM: &str = "/usr/lib/x86_64-linux-gnu/glib-2.0/glib-compile-schemas";

    /// The index that is made of files, and what is said on the way.
    fn compiled(files: &[(String, String)]) -> (Vec<u8>, String) {
        let paths: Vec<(String, &str)> =
            files.iter().map(|(name, text)| (format!("/s/{name}"), text.as_str())).collect();
        let mut all: Vec<(&str, &str)> =
            paths.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        all.push(("/usr/bin/glib-compile-schemas", "+x"));
        let request = rootfs::Request::default();
        let mut assembly = machine(&request, &all);
        let mut system = System::new(&mut assembly, &[], "amd64");
        let finished =
            run(&mut system, "glib-compile-schemas /s").unwrap_or_else(|stop| panic!("{stop}"));
        let said = String::from_utf8(finished.errors).unwrap();
        (system.read(b"/s/gschemas.compiled").unwrap(), said)
    }

    /// The index that the real program makes of them, if it is here.
    fn real(folder: &Path) -> Option<Vec<u8>> {
        let target = tempfile::tempdir().unwrap();
        let program = match Path::new(PROGRAM).exists() {
            true => PROGRAM,
            false => "glib-compile-schemas",
        };
        rootfs::tests::oracle(program, &["--version"])?;
        let option = format!("--targetdir={}", target.path().display());
        let status = Command::new(program).arg(option).arg(folder).status().unwrap();
        assert!(status.success());
        Some(fs::read(target.path().join("gschemas.compiled")).unwrap())
    }

    fn compare(files: &[(String, String)]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let (found, _) = compiled(files);
        if let Some(expected) = real(folder.path()) {
            assert!(found == expected, "the index differs from the real program's");
        }
        found
    }

    /// Whatever schemas have, at least once.
    fn everything() -> Vec<(String, String)> {
        let own = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        let mut files: Vec<(String, String)> = [
            ("z.enums.xml", include_str!("examples/z.enums.xml")),
            ("a.gschema.xml", include_str!("examples/a.gschema.xml")),
            ("b.gschema.xml", include_str!("examples/b.gschema.xml")),
            ("10_a.gschema.override", include_str!("examples/10_a.gschema.override")),
            ("readme", "not read"),
        ]
        .into_iter()
        .map(own)
        .collect();
        // Tables grow where they have 8, 16, 31 and 61 keys.
        for count in [7, 8, 15, 16, 30, 31, 60, 61, 200] {
            let keys: String = (0..count)
                .map(|key| format!("<key name='key-{key}' type='u'><default>{key}</default></key>"))
                .collect();
            let text =
                format!("<schemalist><schema id='many.of{count}'>{keys}</schema></schemalist>");
            files.push((format!("many{count}.gschema.xml"), text));
        }
        files
    }

    #[test]
    fn an_index_is_the_real_programs() {
        let index = compare(&everything());
        // As the program of GLib 2.84.4 writes it.
        assert_eq!(
            cvmkit_formats::digest::Sha256::of(&index).to_string(),
            "2d48584ac20aa97e413069e633d6c6e5e7bd4afe9633384de744e1cbeb1925b1"
        );
    }

    /// The schemas that this machine happens to have.
    #[test]
    fn indexes_of_real_schemas_are_the_real_programs() {
        let folder = Path::new("/usr/share/glib-2.0/schemas");
        let Ok(entries) = fs::read_dir(folder) else { return };
        let text = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?.to_owned();
            let is_one = [".xml", ".override"].iter().any(|suffix| name.ends_with(suffix));
            is_one.then(|| (name, fs::read_to_string(&path).unwrap()))
        };
        let files: Vec<(String, String)> = entries.filter_map(text).collect();
        if !files.is_empty() {
            compare(&files);
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let schema =
            |inner: &str| format!("<schemalist><schema id='a'>\n{inner}</schema></schemalist>");
        let one = |text: &str| vec![("a.gschema.xml".to_owned(), text.to_owned())];
        let (_, said) = compiled(&one(&schema("<child name='c' schema='gone'/>")));
        assert_eq!(said, "Warning: undefined reference to <schema id='gone'/>\n");
        let mut files = one(&schema("<key name='k' type='b'><default>true</default></key>"));
        files.push(("o.gschema.override".into(), "[a]\nx=1\n[gone]\ny=2\n".into()));
        assert!(compiled(&files).1.contains("o.gschema.override: [a] has no key x"));
    }

    #[test]
    fn mistakes_have_their_place() {
        let told = |name: &str, text: &str| {
            let path = format!("/s/{name}");
            let good = "<schemalist><schema id='g' gettext-domain='d'><key name='t' type='s'>\
                        <default l10n='time'>'x'</default></key></schema></schemalist>";
            let files = [
                (path.as_str(), text),
                ("/s/0.gschema.xml", good),
                ("/usr/bin/glib-compile-schemas", "+x"),
            ];
            stop(&files, "glib-compile-schemas /s")
        };
        for (inner, problem) in [
            ("<key name='K' type='b'/>", "`K` is not a name of a key"),
            ("<key name='k' type='b'/>", "no <default>"),
            ("<key name='k' type='?'/>", "not a definite type"),
            ("<key name='k'/>", "one of `type`, `enum` and `flags`"),
            ("<key name='k' enum='e'/>", "the strings `e` are not there yet"),
            ("<key name='k' type='b' x='y'/>", "unknown attribute `x`"),
            ("<key name='k' type='b'><default>1</default></key>", "not of the type `b`"),
            (
                "<key name='k' type='b'><default l10n='messages'>true</default></key>",
                "gettext-domain",
            ),
            ("<key name='k' type='b'><default context='c'>true</default></key>", "without `l10n`"),
            (
                "<key name='k' type='i'><default>3</default><range max='2'/></key>",
                "not in the range",
            ),
            ("<key name='k' type='s'><default>''</default><range/></key>", "<range> of a key"),
            ("<key name='k' type='i'><default>3</default><choices/></key>", "<choices>"),
            (
                "<key name='k' type='s'><default>'a'</default><choices><choice value='b'/></choices></key>",
                "`a`",
            ),
            ("<override name='k'>1</override>", "has the key `k`"),
            ("<child name='c'/>", "no attribute `schema`"),
            ("<x/>", "<x> in <schema>"),
            ("text", "text in <schema>"),
        ] {
            let text = format!("<schemalist><schema id='a'>\n{inner}</schema></schemalist>");
            let stop = told("a.gschema.xml", &text);
            assert!(
                stop.contains("schema a.gschema.xml, line ") && stop.contains(problem),
                "{inner}: {stop}"
            );
        }
        for (text, problem) in [
            ("x=1", "line 1: `x=1`"),
            ("[g]\n\nnothing", "line 3"),
            ("[g]\nt=1", "line 2: `t`"),
            ("[g:D]\nt='a'", "is translated"),
            ("[]", "not a group"),
        ] {
            let stop = told("o.gschema.override", text);
            assert!(stop.contains(problem), "{text}: {stop}");
        }
        assert!(told("x.enums.xml", "<schemalist>").contains("x.enums.xml, line 1"));
    }

    /// Each byte of a schema lost or changed: an index or an error, and never anything else.
    #[test]
    fn changed_schemas_do_no_harm() {
        let text = include_str!("examples/a.gschema.xml");
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            let (before, behind) = text.split_at(at);
            let rest: String = behind.chars().skip(1).collect();
            for changed in
                [before.to_owned(), format!("{before}{rest}"), format!("{before}<{rest}")]
            {
                let mut schemas = super::schema::Schemas::default();
                if schemas.add(&changed).is_ok() {
                    assert!(super::index::write(&schemas).is_some());
                }
            }
        }
    }

    #[test]
    fn a_folder_without_schemas_has_no_index() {
        let files = [("/s/gschemas.compiled", "old"), ("/usr/bin/glib-compile-schemas", "+x")];
        let files = [&files[..], &[("/s/x.gschema.override", "[")]].concat();
        let script = "glib-compile-schemas /s; ls /s; glib-compile-schemas /s";
        let expected = "No schema files found: removed existing output file.\nx.gschema.override\n\
                        No schema files found: doing nothing.\n";
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "glib-compile-schemas --strict /s").contains("words"));
        assert!(stop(&files, "glib-compile-schemas --strict").contains("options"));
    }
}
