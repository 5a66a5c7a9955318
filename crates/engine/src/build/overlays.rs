//! What a folder laid over the root brings, and what of it does not come along.
//!
//! Of a local file's mode only the executable bit counts, as in git: who checks the definition out
//! decides the rest, and an image must not depend on that (I1). A file that others can't read on this
//! machine comes out readable, and one that takes its owner's rights does so no more; both are noted, and
//! `[[files]]` can give a mode.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use cvmkit_host::files::cannot;

use super::error::BuildError;
use super::inputs::Inputs;
use crate::lock::{LocalFile, LocalKind};
use crate::packages::debian::AssembleError;
use crate::rootfs::{Layer, Placed, RootfsError, Unused};

/// Permission to read for everybody else.
const OTHERS_READ: u32 = 0o004;

/// The bits that give a program the rights of its owner or group, and the sticky one.
const SPECIAL: u32 = 0o7000;

/// Files whose mode here says more than the image will have, a line for each difference.
pub(super) fn notes(inputs: &Inputs<'_>) -> Result<Vec<String>, BuildError> {
    let with_mode: BTreeSet<&str> = inputs
        .definition
        .files
        .iter()
        .filter(|file| file.mode.is_some())
        .map(|file| file.path.as_str())
        .collect();
    let (mut closed, mut special) = (Vec::new(), Vec::new());
    for (file, path) in laid_over(inputs) {
        let has_mode = with_mode.contains(path.as_str());
        if has_mode || !matches!(file.kind, LocalKind::File { .. }) {
            continue;
        }
        let host_path = inputs.folder.locate(&file.path)?;
        let metadata = host_path.symlink_metadata().map_err(cannot("read", &host_path))?;
        let mode = metadata.permissions().mode() & 0o7777;
        let named = || format!("`{}` ({mode:04o})", file.path);
        if mode & OTHERS_READ == 0 {
            closed.push(named());
        }
        if mode & SPECIAL != 0 {
            special.push(named());
        }
    }
    let closed = listed(&closed).map(|files| {
        format!(
            "overlays: {files}: others can't read it here, but can in the image, where only the \
             executable bit counts; `[[files]]` with its `path` and a `mode` closes it"
        )
    });
    let special = listed(&special).map(|files| {
        format!(
            "overlays: {files}: setuid, setgid and sticky bits do not come along, as only the \
             executable bit counts; `[[files]]` with its `path` and a `mode` gives them"
        )
    });
    Ok(closed.into_iter().chain(special).collect())
}

/// The first, and how many more.
fn listed(files: &[String]) -> Option<String> {
    let (first, more) = files.split_first()?;
    Some(match more.len() {
        0 => first.clone(),
        count => format!("{first} and {count} more"),
    })
}

/// Refuses a layer or overlay that brings nothing, and a host name that a file of the definition replaces.
pub(super) fn check(
    inputs: &Inputs<'_>,
    layers: &[Layer],
    placed: &[Placed],
) -> Result<(), BuildError> {
    let mut unused = Vec::new();
    for overlay in &inputs.definition.overlays {
        if inputs.locked_below(&overlay.source).next().is_none() {
            unused.push(Unused {
                key: "overlays.source".to_owned(),
                value: overlay.source.clone(),
                why: "is an empty folder".to_owned(),
            });
        }
    }
    for layer in layers.iter().filter(|layer| layer.members.entries.is_empty()) {
        unused.push(Unused {
            key: "layers.source".to_owned(),
            value: layer.name.clone(),
            why: "has no members".to_owned(),
        });
    }
    let own_file = placed.iter().any(|file| file.path == "/etc/hostname")
        || layers.iter().any(|layer| layer.has(b"etc/hostname"));
    if let Some(hostname) = inputs.raw().hostname.filter(|_| own_file) {
        unused.push(Unused {
            key: "hostname".to_owned(),
            value: hostname,
            why: "is replaced by `/etc/hostname` of the definition".to_owned(),
        });
    }
    if unused.is_empty() {
        Ok(())
    } else {
        Err(AssembleError::Rootfs(RootfsError::NoEffect(unused)).into())
    }
}

/// The files of overlays with their paths in the image, without leading slash.
fn laid_over<'a>(inputs: &Inputs<'a>) -> Vec<(&'a LocalFile, String)> {
    let mut found = Vec::new();
    for overlay in &inputs.definition.overlays {
        for (relative, file) in inputs.locked_below(&overlay.source) {
            let path = match overlay.target.as_str() {
                "" => relative.to_owned(),
                target => format!("{target}/{relative}"),
            };
            found.push((file, path));
        }
    }
    found
}
