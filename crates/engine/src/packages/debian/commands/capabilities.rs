//! setcap and getcap: capabilities of files (setcap(8), getcap(8)).

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::{FileType, Files as _};

use super::System;
use crate::rootfs::capability;

/// `setcap [-q] CAPABILITIES|-r FILE ...`.
pub(super) fn setcap(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let words = call.arguments().iter().filter(|word| *word != b"-q");
    let words: Vec<&Vec<u8>> = words.collect();
    if words.is_empty() || !words.len().is_multiple_of(2) {
        return Err(call.unsupported("these operands"));
    }
    for pair in words.chunks(2) {
        let (text, path) = (String::from_utf8_lossy(pair[0]).into_owned(), call.path(pair[1]));
        let id = system.assembly.tree.resolve(&path).ok();
        let is_file = |at: cvmkit_shell::world::Status| at.file_type == FileType::Regular;
        let Some(id) = id.filter(|_| system.status(&path, true).is_ok_and(is_file)) else {
            let path = String::from_utf8_lossy(&path).into_owned();
            return Ok(call.usage(&format!("Failed to set capabilities on file '{path}'"), 1));
        };
        let value =
            match text.as_str() {
                "-r" => None,
                text => Some(capability::attribute(text).map_err(|why| {
                    call.unsupported(format!("the capabilities `{text}` ({why})"))
                })?),
            };
        system.touch_real(&path);
        let attributes = &mut system.assembly.tree.meta_mut(id).xattrs;
        let name = capability::ATTRIBUTE.as_bytes();
        match value {
            Some(value) => drop(attributes.insert(name.to_vec(), value)),
            None if attributes.remove(name).is_none() => {
                return Ok(call.usage("Failed to remove capabilities: No data available", 1));
            }
            None => {}
        }
    }
    Ok(0)
}

/// `getcap FILE..`: a line for each file that has some.
pub(super) fn getcap(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    for word in call.arguments() {
        if word.starts_with(b"-") {
            return Err(call.unsupported("options"));
        }
        let path = call.path(word);
        let Ok(id) = system.assembly.tree.resolve(&path) else {
            call.complain("Failed to get capabilities");
            continue;
        };
        let attributes = &system.assembly.tree.inode(id).meta.xattrs;
        if attributes.contains_key(capability::ATTRIBUTE.as_bytes()) {
            return Err(call.unsupported("a file that has capabilities"));
        }
    }
    Ok(0)
}
