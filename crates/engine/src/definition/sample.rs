//! Definitions that tests are made of.

use std::path::Path;

use cvmkit_host::files;

use super::{Definition, DefinitionError, Project, parse};

/// The keys that every definition has.
const HEAD: &str = "\
id = \"tiny\"
version = \"1\"
architecture = \"x86-64\"
seed = \"0e9a6fe0-68f6-408c-bbeb-136054d20445\"
";

/// The text of a definition of one suite with these keys at the top, and these tables.
pub(crate) fn text(top: &str, tables: &str) -> String {
    format!("{HEAD}{top}\n[[sources]]\nsuites = [\"trixie\"]\n{tables}\n")
}

/// A definition that is in no file.
pub(crate) fn project(text: &str) -> Result<Project, DefinitionError> {
    let path = Path::new("image.toml").to_owned();
    Ok(Project { raw: parse::toml(text, &path)?, path })
}

/// A definition in a file of this folder.
pub(crate) fn project_in(folder: &Path, text: &str) -> Project {
    files::replace(&folder.join("image.toml"), text.as_bytes()).unwrap();
    Project::open(folder).unwrap()
}

/// The definition of one suite with these tables.
pub(crate) fn definition(tables: &str) -> Definition {
    project(&text("", tables)).and_then(|project| project.definition(None)).unwrap()
}
