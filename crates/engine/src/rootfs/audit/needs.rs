//! Files that can't run for want of others: ELF files without a library or loader, scripts without an
//! interpreter.
//!
//! A library is looked for where the loader of Debian's glibc looks without a cache (ld.so(8)): in the folders
//! that the file names, and in those of the system. A library that lies beside the one that needs it counts as
//! found: who loads the first has its folder among its own. Of scripts the executable ones are looked at. What
//! a program loads by itself while it runs (dlopen(3)) is not known. Oracle: `ldd` over the tree.

use cvmkit_formats::tree::Node;

use super::elf::{self, ElfError, Machine, Needs};
use crate::content::Content;
use crate::rootfs::RootfsError;
use crate::rootfs::assembly::{Assembly, bare};
use crate::rootfs::finding::FindingKind;
use crate::rootfs::programs;

/// Where a boot puts files of its own: what is there is not known.
const RUNTIME: [&str; 3] = ["/run/", "/proc/", "/dev/"];

/// Where libraries are.
pub(super) struct Libraries<'a> {
    assembly: &'a Assembly<'a>,
    /// The folders that are searched for every file.
    folders: Vec<String>,
}

impl<'a> Libraries<'a> {
    pub(super) fn of(assembly: &'a Assembly<'a>) -> Result<Self, RootfsError> {
        let mut folders = Vec::new();
        for base in ["/lib", "/usr/lib"] {
            let names = assembly.names(base)?.into_iter();
            // The folder of an architecture is named by its triplet (Debian Policy 9.1.1).
            let names = names.filter(|name| name.contains("-linux-gnu"));
            folders.extend(names.map(|name| format!("{base}/{name}")));
            folders.push(base.to_owned());
        }
        Ok(Self { assembly, folders })
    }

    /// What an ELF file lacks, each with its class and words.
    pub(super) fn lacking(
        &self,
        path: &str,
        content: &Content,
    ) -> Result<Vec<(FindingKind, String)>, RootfsError> {
        let read = |source| RootfsError::Read { path: bare(path).to_owned(), source };
        let needs = match elf::needs(content) {
            Ok(Some(needs)) => needs,
            Ok(None) => return Ok(Vec::new()),
            Err(ElfError::Read(source)) => return Err(read(source)),
            Err(ElfError::Damaged(words)) => {
                return Ok(vec![(FindingKind::DamagedElf, words)]);
            }
        };
        let mut found = Vec::new();
        if let Some(loader) = &needs.loader
            && !self.assembly.is_file(loader)
        {
            found.push((FindingKind::MissingLoader, format!("needs the loader `{loader}`")));
        }
        for library in &needs.libraries {
            if !self.finds(path, library, &needs)? {
                let words = format!("needs the library `{library}`");
                found.push((FindingKind::MissingLibrary, words));
            }
        }
        Ok(found)
    }

    fn finds(&self, path: &str, library: &str, needs: &Needs) -> Result<bool, RootfsError> {
        if library.contains('/') {
            return self.is_library(library, needs.machine);
        }
        let origin = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let own = needs.folders.iter().filter_map(|folder| expanded(folder, origin));
        let beside = needs.loader.is_none().then(|| origin.to_owned());
        for folder in own.chain(self.folders.iter().cloned()).chain(beside) {
            let is_runtime = RUNTIME.iter().any(|runtime| folder.starts_with(runtime));
            if is_runtime || self.is_library(&format!("{folder}/{library}"), needs.machine)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_library(&self, path: &str, machine: Machine) -> Result<bool, RootfsError> {
        let Some(id) = self.assembly.find(path) else { return Ok(false) };
        let Node::File(content) = &self.assembly.tree.inode(id).node else { return Ok(false) };
        let read = |source| RootfsError::Read { path: bare(path).to_owned(), source };
        Ok(elf::library(content).map_err(read)? == Some(machine))
    }
}

/// A folder of a file's own, with `$ORIGIN` put in (ld.so(8), "Dynamic string tokens"); nothing for one that
/// depends on the machine.
fn expanded(folder: &str, origin: &str) -> Option<String> {
    let folder = folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin);
    let folder = folder.trim_end_matches('/');
    (folder.starts_with('/') && !folder.contains('$')).then(|| folder.to_owned())
}

/// The interpreter that a script lacks, in words.
pub(super) fn interpreter(
    assembly: &Assembly<'_>,
    path: &str,
) -> Result<Option<String>, RootfsError> {
    match programs::check_file(assembly, path) {
        Ok(()) => Ok(None),
        Err(RootfsError::NoInterpreter { path: of, runner }) => Ok(Some(match of == bare(path) {
            true => format!("needs the interpreter `{runner}`"),
            false => format!("is run by `/{of}`, which needs `{runner}`"),
        })),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::elf::tests::elf;
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::assembly;

    fn lacks(path: &str, file: &[u8], libraries: &[&str]) -> Vec<String> {
        let request = Request::default();
        let mut tree =
            assembly(&request, &[("/usr/lib/text.so", "no library"), ("/lib", "-> usr/lib")]);
        for library in libraries {
            tree.write(library, 0o644, elf(None, &[], None)).unwrap();
        }
        tree.write(path, 0o755, file.to_vec()).unwrap();
        let libraries = Libraries::of(&tree).unwrap();
        let found = libraries.lacking(path, &Content::from(file.to_vec())).unwrap();
        found.into_iter().map(|(kind, words)| format!("{} {words}", kind.name())).collect()
    }

    #[test]
    fn libraries_are_found_where_the_loader_looks() {
        let needs = |name: &str, runpath: Option<&str>| elf(Some("/lib/ld.so"), &[name], runpath);
        let lost = ["missing-library needs the library `a.so`"];
        for (library, runpath, is_found) in [
            ("/usr/lib/a.so", None, true),
            ("/usr/lib/x86_64-linux-gnu/a.so", None, true),
            ("/usr/lib/private/a.so", None, false),
            ("/usr/lib/private/a.so", Some("/usr/lib/private"), true),
            ("/usr/lib/private/a.so", Some("/opt:/usr/lib/private/"), true),
            ("/usr/lib/private/a.so", Some("$ORIGIN/../lib/private"), true),
            ("/usr/lib/private/a.so", Some("${ORIGIN}/../lib/private"), true),
            ("/usr/lib/private/a.so", Some("/usr/$LIB/private"), false),
            ("/usr/lib/private/a.so", Some("lib/private"), false),
            ("/usr/bin/a.so", None, false),
            ("/usr/lib/b.so", None, false),
        ] {
            let found = lacks("/usr/bin/x", &needs("a.so", runpath), &["/lib/ld.so", library]);
            assert_eq!(found, if is_found { &[][..] } else { &lost }, "{library} {runpath:?}");
        }
        // A folder that a boot fills.
        assert!(lacks("/usr/bin/x", &needs("a.so", Some("/run/x")), &["/lib/ld.so"]).is_empty());
        // What has the name and is no library for this machine.
        let text = lacks("/usr/bin/x", &needs("text.so", None), &["/lib/ld.so"]);
        assert_eq!(text, ["missing-library needs the library `text.so`"]);
    }

    #[test]
    fn a_private_library_finds_those_beside_it() {
        let library = elf(None, &["a.so"], None);
        let at = "/usr/lib/private/x.so";
        assert!(lacks(at, &library, &["/usr/lib/private/a.so"]).is_empty());
        assert_eq!(lacks(at, &library, &["/usr/lib/other/a.so"]).len(), 1);
    }

    #[test]
    fn a_loader_and_a_path_of_a_library_are_looked_for_as_they_are() {
        let file = elf(Some("/lib/gone.so"), &["/opt/a.so", "/opt/b.so"], None);
        assert_eq!(
            lacks("/usr/bin/x", &file, &["/opt/a.so"]),
            [
                "missing-loader needs the loader `/lib/gone.so`",
                "missing-library needs the library `/opt/b.so`",
            ]
        );
        assert!(lacks("/usr/bin/x", b"no ELF file", &[]).is_empty());
        assert_eq!(
            lacks("/usr/bin/x", b"\x7fELF\x02\x01", &[]),
            ["damaged-elf ends within its header"]
        );
    }

    #[test]
    fn a_script_lacks_its_interpreter_or_that_one_s() {
        let request = Request::default();
        let tree = assembly(
            &request,
            &[
                ("/usr/bin/sh", ""),
                ("/good", "#!/usr/bin/sh\n"),
                ("/bad", "#!/usr/bin/perl -w\n"),
                ("/deep", "#!/bad\n"),
            ],
        );
        for (path, lacks) in [
            ("/good", None),
            ("/bad", Some("needs the interpreter `/usr/bin/perl`")),
            ("/deep", Some("is run by `/bad`, which needs `/usr/bin/perl`")),
        ] {
            assert_eq!(interpreter(&tree, path).unwrap().as_deref(), lacks, "{path}");
        }
    }
}
