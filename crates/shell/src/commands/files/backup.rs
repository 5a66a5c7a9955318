//! What cp(1), mv(1), ln(1) and install(1) do with a file that is in the way (coreutils manual, "Backup
//! options"): with `-b`, `-S` or `--backup` it keeps its contents under another name.

use super::super::call::{Call, number, shown};
use super::super::options::Options;
use super::paths::is_there;
use crate::stop::Stop;
use crate::world::{FileError, FileType, Files};

/// The long options, beside those of the program; `-b` and `-S` are the short ones.
pub(super) const LONG: [(&str, u8); 2] = [("backup", b'~'), ("suffix", b'S')];

/// How the other name is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Simple,
    Numbered,
    /// Numbered if there is one already.
    Existing,
}

/// Backups of files that are in the way.
#[derive(Debug)]
pub(super) struct Backup {
    names: Names,
    suffix: Vec<u8>,
}

impl Backup {
    /// What the options ask for; nothing if they ask for none.
    pub(super) fn of(call: &Call<'_>, options: &Options<'_>) -> Result<Option<Self>, Stop> {
        if !b"b~S".iter().any(|letter| options.has(*letter)) {
            return Ok(None);
        }
        for name in ["VERSION_CONTROL", "SIMPLE_BACKUP_SUFFIX"] {
            if call.variable(name).is_some() {
                return Err(call.unsupported(format!("a backup with `{name}` in the environment")));
            }
        }
        let names = match options.last(b'~').unwrap_or_default() {
            b"" | b"existing" | b"nil" => Names::Existing,
            b"simple" | b"never" => Names::Simple,
            b"numbered" | b"t" => Names::Numbered,
            b"none" | b"off" => return Ok(None),
            word => return Err(call.unsupported(format!("--backup={}", shown(word)))),
        };
        let suffix = options.last(b'S').unwrap_or(b"~").to_vec();
        if suffix.is_empty() || suffix.contains(&b'/') {
            return Err(call.unsupported(format!("the suffix `{}`", shown(&suffix))));
        }
        Ok(Some(Self { names, suffix }))
    }

    /// Gives what is at a path its other name, and answers what the name has behind that of the path; nothing
    /// if nothing is there, or a directory.
    pub(super) fn make(
        &self,
        files: &mut impl Files,
        path: &[u8],
    ) -> Result<Option<Vec<u8>>, FileError> {
        match files.status(path, false) {
            Ok(at) if at.file_type != FileType::Directory => {}
            _ => return Ok(None),
        }
        let at = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let (folder, name) = (if at == 0 { b"/" } else { &path[..at] }, &path[at + 1..]);
        let numbers = files.list(folder)?.into_iter().filter_map(|other| {
            let digits = other.strip_prefix(name)?.strip_prefix(b".~")?.strip_suffix(b"~")?;
            number(digits)
        });
        let suffix = match (self.names, numbers.max()) {
            (Names::Simple, _) | (Names::Existing, None) => self.suffix.clone(),
            (_, most) => format!(".~{}~", most.unwrap_or(0).saturating_add(1)).into_bytes(),
        };
        let to = [path, suffix.as_slice()].concat();
        if is_there(files, &to) {
            files.remove(&to)?;
        }
        files.rename(path, &to)?;
        Ok(Some(suffix))
    }
}

/// What `-v` says of a backup, behind what it says of the file.
pub(super) fn note(call: &Call<'_>, to: &[u8], suffix: Option<&[u8]>) -> Result<String, Stop> {
    match suffix {
        Some(suffix) => Ok(format!(" (backup: {})", call.quoted(&[to, suffix].concat())?)),
        None => Ok(String::new()),
    }
}
