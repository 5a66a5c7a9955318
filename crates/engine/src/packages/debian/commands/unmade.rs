//! Keys that a script has asked for and no build makes: while the script runs, each is a file with attributes
//! and without contents, so that what the script does around its key is done. Then the file is taken out.
//!
//! A script that uses the key itself can't be evaluated: nothing stands for a secret.

use std::collections::BTreeSet;

use cvmkit_formats::tree::{InodeId, Tree};

use crate::content::Content;

/// What such a file has for contents, because scripts ask whether it is empty. Nobody reads it.
pub(super) const NOTHING: &[u8] = b"a key that no build makes\n";

/// The files of one script.
#[derive(Debug, Default)]
pub(super) struct Unmade {
    /// Each with the path that it was made at, as the tree spells it.
    files: BTreeSet<(InodeId, Vec<u8>)>,
    /// The path by which a script used one.
    used: Option<Vec<u8>>,
}

impl Unmade {
    /// Takes a file for one of them from now on.
    pub(super) fn add(&mut self, id: InodeId, path: Vec<u8>) {
        self.files.insert((id, path));
    }

    /// Notes that a script goes by the contents of a file, or gives them another name.
    pub(super) fn used(&mut self, path: &[u8], id: InodeId) {
        if self.files.iter().any(|(file, _)| *file == id) {
            self.used.get_or_insert_with(|| path.to_vec());
        }
    }

    /// Notes that a file has contents of a script's own from now on.
    pub(super) fn written(&mut self, id: InodeId) {
        self.files.retain(|(file, _)| *file != id);
    }

    /// The path of one that a script used, if any was.
    pub(super) fn take_used(&mut self) -> Option<Vec<u8>> {
        self.used.take()
    }

    /// Forgets all of them; where they are in a tree by now.
    pub(super) fn take_paths(&mut self, tree: &Tree<Content>) -> Vec<Vec<u8>> {
        let mut paths = Vec::new();
        for (id, path) in std::mem::take(&mut self.files) {
            if tree.lookup(&path) == Some(id) {
                paths.push(path);
            } else {
                // A folder above it may have moved.
                let all = tree.walk().into_iter().filter(|(_, other)| *other == id);
                paths.extend(all.map(|(path, _)| path));
            }
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::Package;
    use crate::packages::debian::installation::install;
    use crate::packages::debian::request::Request;
    use crate::packages::debian::tests::{package, request, with_script};
    use crate::rootfs::assembly::Assembly;

    /// Packages of programs, and one that makes a key.
    fn packages(postinst: &str) -> [Package; 2] {
        let names = [
            "awk",
            "cat",
            "chgrp",
            "chmod",
            "chown",
            "cp",
            "dropbearkey",
            "ln",
            "ls",
            "mv",
            "rm",
            "rndc-confgen",
            "ssh-keygen",
        ];
        let paths: Vec<String> = names.iter().map(|name| format!("usr/bin/{name}")).collect();
        let mut files = vec![("etc/", ""), ("etc/bind/", ""), ("usr/", ""), ("usr/bin/", "")];
        files.extend(paths.iter().map(|path| (path.as_str(), "")));
        let mut base = package("base", "Essential: yes\n", &files);
        base.entries.iter_mut().for_each(|entry| entry.mode = 0o755);
        [
            base,
            with_script(
                package("p", "", &[]),
                "postinst",
                &format!("#!/bin/sh\nset -e\n{postinst}"),
            ),
        ]
    }

    /// The tables of accounts, which every tree has.
    const ACCOUNTS: [&str; 4] = ["etc/group", "etc/gshadow", "etc/passwd", "etc/shadow"];

    /// The other paths below `/etc` with their modes and groups; or what went wrong.
    fn after(postinst: &str) -> Result<String, String> {
        let packages = packages(postinst);
        let request: Request<'_> = request(&packages);
        let mut assembly = Assembly::new(&request.root);
        install(&mut assembly, &request).map_err(|error| error.to_string())?;
        let row = |(path, id): (Vec<u8>, _)| {
            let path = String::from_utf8(path).ok().filter(|path| path.starts_with("etc/"))?;
            let meta = &assembly.tree.inode(id).meta;
            if ACCOUNTS.contains(&path.as_str()) {
                return None;
            }
            Some(format!("{path} {:o} {}\n", meta.mode, meta.gid))
        };
        Ok(assembly.tree.walk().into_iter().filter_map(row).collect())
    }

    /// What bind9's `postinst` does around the key that rndc-confgen makes it.
    #[test]
    fn what_a_script_does_around_its_key_is_done_and_the_key_is_not_there() {
        let script = "[ -s /etc/bind/rndc.key ] || rndc-confgen -a\n\
                      uid=$(ls -ln /etc/bind/rndc.key | awk '{print $3}')\n\
                      [ \"$uid\" = 0 ] || exit 1\n\
                      chgrp 7 /etc/bind /etc/bind/rndc.key\nchmod g+s /etc/bind\n\
                      chmod g+r /etc/bind/rndc.key\n[ -s /etc/bind/rndc.key ]\n";
        assert_eq!(after(script).unwrap(), "etc/bind 2755 7\n");
        let given = "rndc-confgen -a -c /etc/k -A hmac-sha512 -u 9; ls -l /etc/k >/etc/l\n";
        assert_eq!(after(given).unwrap(), "etc/bind 755 0\netc/l 644 0\n");
        let ssh = "ssh-keygen -q -N '' -t rsa -f /etc/k; chgrp 7 /etc/k /etc/k.pub\n\
                   dropbearkey -t rsa -f /etc/d; chmod 640 /etc/d\n";
        assert_eq!(after(ssh).unwrap(), "etc/bind 755 0\n");
    }

    #[test]
    fn a_script_that_uses_its_key_is_an_error() {
        for uses in [
            "cat /etc/bind/rndc.key >/etc/bind/copy",
            "cp /etc/bind/rndc.key /etc/copy || :",
            "ln /etc/bind/rndc.key /etc/other",
            "mv /etc/bind/rndc.key /etc/other",
            "echo more >>/etc/bind/rndc.key",
        ] {
            let said = after(&format!("rndc-confgen -a\n{uses}\n")).unwrap_err();
            assert!(said.contains("/etc/bind/rndc.key is a key that no build makes"), "{said}");
        }
        // Contents of its own are no key that is left out.
        let own = "rndc-confgen -a\necho own >/etc/bind/rndc.key\ncat /etc/bind/rndc.key\n";
        assert_eq!(after(own).unwrap(), "etc/bind 755 0\netc/bind/rndc.key 600 0\n");
        let moved = "rndc-confgen -a\nmv /etc/bind /etc/there\n";
        assert_eq!(after(moved).unwrap(), "etc/there 755 0\n");
        // A configuration is printed, and the key is in it.
        let said = after("rndc-confgen >/etc/rndc.conf\n").unwrap_err();
        assert!(said.contains("prints a key"), "{said}");
    }
}
