//! `cvmkit new`: your own definition, from a template in this program.
//!
//! The contract: the copy differs from the template in its id, which is the folder's name, and in its
//! seed, which is random: the only value in cvmkit that no input decides. `image.toml` is written last, so
//! that a half-filled folder does not pass for a definition.

mod template;

use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cvmkit_engine::definition::{ID_RULE, is_id};
use cvmkit_formats::gpt::Guid;
use cvmkit_host::fault::{self, Diagnosis, Fault};
use cvmkit_host::files;
use serde::Serialize;
use thiserror::Error;

use crate::console::{Answer, CommandError, Console};
use crate::environment;
use template::{TEMPLATES, Template};

/// Which template, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The template to start from.
    #[arg(value_name = "TEMPLATE", default_value = "minimal")]
    template: String,
    /// The folder to fill, new or empty; its name becomes the image's id. Default: the template's name.
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Why no definition was written.
#[derive(Debug, Error)]
enum Refusal {
    #[error("unknown template `{found}`, expected {}", names())]
    UnknownTemplate { found: String },
    #[error("the folder `{}` is not empty", path.display())]
    NotEmpty { path: PathBuf },
    #[error("the folder's name `{found}` cannot be the image's id: expected {ID_RULE}")]
    Id { found: String },
    #[error("the template `{name}` has no line `{line}`")]
    Template { name: &'static str, line: &'static str },
}

impl Diagnosis for Refusal {
    fn fault(&self) -> Fault {
        match self {
            Self::Template { .. } => Fault::Bug,
            _ => Fault::Definition,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownTemplate { found } => {
                let names = TEMPLATES.iter().map(|template| template.name);
                fault::near(found, names).map(|name| format!("did you mean `{name}`?"))
            }
            Self::NotEmpty { .. } => Some("name a new folder".to_owned()),
            _ => None,
        }
    }
}

fn names() -> String {
    let names: Vec<_> = TEMPLATES.iter().map(|template| format!("`{}`", template.name)).collect();
    names.join(" or ")
}

impl Arguments {
    pub(crate) fn run(self, console: &Console) -> Answer {
        let known = TEMPLATES.iter().find(|template| template.name == self.template);
        let unknown = || Refusal::UnknownTemplate { found: self.template.clone() };
        let template = known.ok_or_else(unknown)?;
        let folder = self.folder.unwrap_or_else(|| template.name.into());
        let id = id(&folder)?;
        if folder.exists() && !files::list(&folder)?.is_empty() {
            return Err(Refusal::NotEmpty { path: folder }.into());
        }
        let seed = version_4(environment::random()?);
        let definition = definition(template, &id, &seed.to_string())?;
        write(template, &definition, &folder)?;
        console.result(&Created {
            folder: folder.display().to_string(),
            template: template.name,
            id,
            seed: seed.to_string(),
        });
        Ok(ExitCode::SUCCESS)
    }
}

/// The folder's own name, by whatever path it was given; checked by the rule of `id`.
fn id(folder: &Path) -> Result<String, CommandError> {
    let path = match folder.file_name() {
        Some(_) => folder.to_owned(),
        None => folder.canonicalize().map_err(files::cannot("find", folder))?,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if is_id(&name) { Ok(name) } else { Err(Refusal::Id { found: name }.into()) }
}

/// A random UUID (RFC 9562, section 5.4).
fn version_4(mut bytes: [u8; 16]) -> Guid {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Guid::from_text_order(bytes)
}

/// The template's `image.toml` with another id and seed.
fn definition(template: &Template, id: &str, seed: &str) -> Result<String, Refusal> {
    let of_template = format!("id = \"{}\"", template.name);
    let (mut ids, mut seeds) = (0, 0);
    let mut text = String::new();
    for line in template.definition.lines() {
        if line == of_template {
            ids += 1;
            text.push_str(&format!("id = \"{id}\""));
        } else if line.starts_with("seed = \"") {
            seeds += 1;
            text.push_str(&format!("seed = \"{seed}\""));
        } else {
            let path = (format!("out/{}_", template.name), format!("out/{id}_"));
            text.push_str(&line.replace(&path.0, &path.1));
        }
        text.push('\n');
    }
    match (ids, seeds) {
        (1, 1) => Ok(text),
        (1, _) => Err(Refusal::Template { name: template.name, line: "seed = ..." }),
        _ => Err(Refusal::Template { name: template.name, line: "id = ..." }),
    }
}

fn write(template: &Template, definition: &str, folder: &Path) -> Result<(), CommandError> {
    files::make_folder(folder)?;
    for file in template.files {
        let path = folder.join(file.path);
        files::make_folder(files::parent(&path))?;
        files::replace(&path, file.contents)?;
        // The mode is part of the image: the tree is copied into it as it stands.
        fs::set_permissions(&path, Permissions::from_mode(file.mode))
            .map_err(files::cannot("set the mode of", &path))?;
    }
    Ok(files::replace(&folder.join("image.toml"), definition.as_bytes())?)
}

#[derive(Serialize)]
struct Created {
    folder: String,
    template: &'static str,
    id: String,
    seed: String,
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, template, id, .. } = self;
        writeln!(f, "{folder}: `{id}`, from the template `{template}`")?;
        writeln!(f, "next:")?;
        if folder != "." {
            writeln!(f, "  cd {folder}")?;
        }
        writeln!(f, "  cvmkit lock     pin the packages in image.lock")?;
        write!(f, "  cvmkit build    build the image, and compute what hardware will measure")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_id_seed_and_the_path_in_the_comment_change() {
        for template in TEMPLATES {
            let text = definition(template, "other", "SEED").unwrap();
            let changed: Vec<_> = template
                .definition
                .lines()
                .zip(text.lines())
                .filter(|(before, after)| before != after)
                .map(|(_, after)| after)
                .collect();
            assert_eq!(text.lines().count(), template.definition.lines().count());
            assert!(changed.contains(&"id = \"other\""), "{changed:?}");
            assert!(changed.contains(&"seed = \"SEED\""), "{changed:?}");
            let rest = changed.iter().filter(|line| line.starts_with('#')).count();
            assert_eq!(rest + 2, changed.len(), "{changed:?}");
        }
    }
}
