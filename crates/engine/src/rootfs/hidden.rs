//! Folders in which nothing of an image is ever seen: every boot puts a file system of its own there, or empties
//! them (file-hierarchy(7)).
//!
//! A path is judged by where it leads in the tree: `/var/run/x` is `/run/x`.

use super::RootfsError;
use super::assembly::Assembly;

/// Where a boot puts file systems of its own.
const MOUNTED: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// What a boot empties.
const EMPTIED: [&str; 2] = ["/tmp", "/var/tmp"];

/// The folder above a path that a boot mounts over.
pub(crate) fn mounted_over(path: &str) -> Option<&'static str> {
    MOUNTED.into_iter().find(|folder| is_below(path, folder))
}

/// The folder above a path that a boot mounts over or empties.
pub(crate) fn hidden_by(path: &str) -> Option<&'static str> {
    mounted_over(path).or_else(|| EMPTIED.into_iter().find(|folder| is_below(path, folder)))
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Refuses a path that a boot hides, which `key` of the definition asks for.
///
/// # Errors
/// [`RootfsError::Hidden`]
pub(crate) fn check(
    assembly: &Assembly<'_>,
    path: &str,
    key: &str,
    hides: fn(&str) -> Option<&'static str>,
) -> Result<(), RootfsError> {
    let real = assembly.destination(path);
    match hides(&real) {
        None => Ok(()),
        Some(folder) => Err(RootfsError::Hidden {
            key: key.to_owned(),
            path: path.to_owned(),
            real,
            folder,
            is_mounted: mounted_over(&format!("{folder}/")).is_some(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use cvmkit_host::fault::Diagnosis as _;

    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::assembly;

    /// Links are followed as far as the tree has them, whether what they lead to is there or not.
    #[test]
    fn a_path_is_judged_by_where_it_leads() {
        let request = Request::default();
        let links = [
            ("/var/run", "-> /run"),
            ("/var/lock", "-> ../run/lock"),
            ("/var/spool/x", "-> ../run/x"),
            ("/short", "-> var"),
            ("/etc/socket", "-> /run/socket"),
            ("/loop", "-> loop"),
        ];
        let tree = assembly(&request, &links);
        for (path, folder) in [
            ("/run/x", Some("/run")),
            ("/var/run/x", Some("/run")),
            ("/var/lock/a/b", Some("/run")),
            ("/var/spool/x/y", Some("/run")),
            ("/short/run/x", Some("/run")),
            ("/short/tmp/x", Some("/var/tmp")),
            ("/tmp/x", Some("/tmp")),
            ("/dev/../sys/x", Some("/sys")),
            // The name itself is what is put there.
            ("/var/run", None),
            ("/etc/socket", None),
            ("/runner/x", None),
            ("/run", None),
            ("/loop/x", None),
            ("/srv/tmp/x", None),
        ] {
            let checked = check(&tree, path, "files", hidden_by);
            assert_eq!(checked.is_err(), folder.is_some(), "{path}");
            let is_emptied = folder.is_some_and(|folder| folder.ends_with("/tmp"));
            let mounted = check(&tree, path, "files", mounted_over);
            assert_eq!(mounted.is_err(), folder.is_some() && !is_emptied, "{path}");
            if let (Err(error), Some(folder)) = (checked, folder) {
                assert!(error.to_string().contains(&format!("below {folder}, ")), "{error}");
                assert!(error.hint().unwrap().contains("tmpfiles.d"));
            }
        }
        let said = check(&tree, "/var/run/x", "files", hidden_by).unwrap_err().to_string();
        let words = "files: `/var/run/x` is `/run/x`, which is below /run, where a boot puts a file system of its own";
        assert_eq!(said, words);
    }
}
