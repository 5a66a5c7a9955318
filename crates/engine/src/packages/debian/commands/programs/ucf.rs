//! `ucfq` of ucf 3.0052: what ucf's database has of configuration files.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::evaluation::Start;
use cvmkit_shell::world::{FileError, Files as _};

use crate::packages::debian::commands::System;

/// `ucfq --with-colons FILE` for a file that is there and has no links in its path: the file, the package that ucfr
/// gave it, that it is there, and whether it differs from what ucf keeps the MD5 sum of.
pub(super) fn ucfq(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let [option, file] = call.arguments() else { return Err(call.unsupported("these words")) };
    if option != b"--with-colons" && option != b"-w" || !file.starts_with(b"/") {
        return Err(call.unsupported("these words"));
    }
    if system.real_path(file).as_ref() != Ok(file) {
        return Err(call.unsupported("a file that is not there, or is reached through links"));
    }
    let package = last_of(system, call, "registry", file)?.unwrap_or_default();
    let is_changed = match last_of(system, call, "hashfile", file)? {
        // Without a sum the program does not say it.
        None => "",
        Some(sum) => match md5(system, call, file)? == sum {
            true => "No",
            false => "Yes",
        },
    };
    let file = String::from_utf8_lossy(file).into_owned();
    call.print(format!("{file}:{package}:Yes:{is_changed}\n").as_bytes());
    Ok(0)
}

/// What md5sum(1) says of a file, as the program asks it.
fn md5(system: &mut System<'_, '_>, call: &Call<'_>, file: &[u8]) -> Result<String, Stop> {
    let start = Start {
        name: call.name(),
        arguments: vec![file.to_vec()],
        environment: call.environment().clone(),
        ..Start::default()
    };
    let finished = system.script(b"/usr/bin/md5sum \"$1\"", start)?;
    let text = String::from_utf8_lossy(&finished.output).into_owned();
    let sum = text.split_ascii_whitespace().next().filter(|_| finished.status == 0);
    sum.map(str::to_owned).ok_or_else(|| call.unsupported("a file without a sum"))
}

/// The first word of the last line of a table whose second word is the file.
fn last_of(
    system: &System<'_, '_>,
    call: &Call<'_>,
    table: &str,
    file: &[u8],
) -> Result<Option<String>, Stop> {
    let path = format!("/var/lib/ucf/{table}");
    let text = match system.read(path.as_bytes()) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(FileError::NotFound) => return Ok(None),
        Err(error) => return Err(call.unsupported(format!("{path}: {}", error.words()))),
    };
    let mut last = None;
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            [first, of] if of.as_bytes() == file => last = Some((*first).to_owned()),
            [_, _] => {}
            _ => return Err(call.unsupported(format!("the line {line} of {path}"))),
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    /// What ucfq of ucf 3.0052 prints of the same files.
    #[test]
    fn a_file_has_the_package_that_registered_it() {
        let files = [
            ("/usr/bin/ucfq", "+x"),
            ("/usr/bin/md5sum", "+x"),
            ("/var/lib/ucf/registry", "q /etc/b\np /etc/a\np /etc/c\n"),
            ("/var/lib/ucf/hashfile", "60b725f10c9c85c70d97880dfe8191b3  /etc/a\n1  /etc/c\n"),
            ("/etc/a", "a\n"),
            ("/etc/b", "a\n"),
            ("/etc/c", "a\n"),
            ("/etc/d", "a\n"),
            ("/etc/l", "-> a"),
        ];
        let script = "for f in a b c d; do ucfq --with-colons /etc/$f; done";
        let expected = "/etc/a:p:Yes:No\n/etc/b:q:Yes:\n/etc/c:p:Yes:Yes\n/etc/d::Yes:\n";
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "ucfq -w /etc/l").contains("reached through links"));
        assert!(stop(&files, "ucfq -w /etc/gone").contains("not there"));
        assert!(stop(&files, "ucfq p").contains("these words"));
    }
}
