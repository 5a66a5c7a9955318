//! Settings that let somebody in, or make somebody root, whom no key or password of the image stands for: of sshd,
//! of sudo and doas, and of programs that log in by themselves.
//!
//! A setting is read as the program reads it: with the files that it includes, and the first or last word that counts.
//! Out of reach is a server that is called with another file of settings.

mod autologin;
mod files;
mod sshd;
mod sudoers;

use crate::rootfs::RootfsError;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::finding::Finding;

/// What is found of all of them.
pub(super) fn find(assembly: &Assembly<'_>) -> Result<Vec<Finding>, RootfsError> {
    let mut found = sshd::find(assembly)?;
    found.extend(sudoers::find(assembly)?);
    found.extend(autologin::find(assembly)?);
    let same = |one: &Finding, other: &Finding| {
        (one.finding, &one.path, &one.detail) == (other.finding, &other.path, &other.detail)
    };
    // A file that is included twice says nothing twice.
    let mut once: Vec<Finding> = Vec::new();
    for finding in found {
        if !once.iter().any(|known| same(known, &finding)) {
            once.push(finding);
        }
    }
    Ok(once)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::assembly;

    /// The findings over some files, one on a line.
    pub(super) fn rows(files: &[(&str, &str)]) -> Vec<String> {
        let request = Request::default();
        let tree = assembly(&request, files);
        let found = find(&tree).unwrap();
        found.iter().map(|one| format!("{} {one}", one.verdict.name())).collect()
    }

    #[test]
    fn what_includes_itself_is_read_and_said_once() {
        let sudoers = "@include /etc/sudoers\n@include /etc/more\n@include /etc/more\n";
        let ssh = "Include /etc/ssh/sshd_config\nPermitEmptyPasswords yes\n";
        let files = [
            ("/etc/sudoers", sudoers),
            ("/etc/more", "a ALL=NOPASSWD: ALL\n"),
            ("/etc/ssh/sshd_config", ssh),
        ];
        assert_eq!(rows(&files).len(), 2);
    }
}
