//! glib-compile-schemas: the index of GSettings' schemas (glib-compile-schemas(1), GLib 2.84).

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

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
    let Ok(names) = system.list(&folder) else {
        return Err(call.unsupported("a folder that can't be read"));
    };
    let is_schema = |name: &Vec<u8>| {
        [&b".gschema.xml"[..], b".enums.xml", b".gschema.override"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
    };
    if let Some(schema) = names.iter().find(|name| is_schema(name)) {
        let schema = String::from_utf8_lossy(schema).into_owned();
        return Err(call.unsupported(format!(
            "the schema {schema} (gschemas.compiled can't be written; leave its package out, or bring the \
             compiled file as one of the definition's and skip this script)"
        )));
    }
    let index = [&folder, &b"/gschemas.compiled"[..]].concat();
    call.print(match system.remove(&index) {
        Ok(()) => b"No schema files found: removed existing output file.\n",
        Err(_) => b"No schema files found: doing nothing.\n",
    });
    Ok(0)
}
