//! dpkg-realpath: where a path leads within the root of dpkg (dpkg-realpath(1)).

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, canonicalize_missing};

use super::System;

/// `dpkg-realpath [-z] [--root DIRECTORY|--instdir DIRECTORY] PATHNAME`.
pub(super) fn dpkg_realpath(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let (mut end, mut operands) = (b'\n', Vec::new());
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"-z" | b"--zero" => end = 0,
            b"--root" | b"--instdir" => match words.next().map(Vec::as_slice) {
                Some(b"" | b"/") => {}
                _ => return Err(call.unsupported("another root")),
            },
            option if option.starts_with(b"-") => {
                let option = String::from_utf8_lossy(option).into_owned();
                return Err(call.unsupported(format!("the option {option}")));
            }
            word => operands.push(word.to_vec()),
        }
    }
    let [path] = operands.as_slice() else {
        return Ok(call.usage("error: missing pathname", 1));
    };
    match canonicalize_missing(system, &call.path(path)) {
        Ok(real) => {
            call.print(&[real.as_slice(), &[end]].concat());
            Ok(0)
        }
        Err(error) => Ok(call.fail("error: cannot canonicalize", path, error)),
    }
}
