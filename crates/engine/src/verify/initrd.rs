//! The initramfs: stage 1, the modules that it lists, the command line that it expects, and nothing
//! else.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_attest::output::Role;
use cvmkit_formats::compression::{Compression, decompress};
use cvmkit_formats::cpio::{self, Archive};
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::source::{Source, Window, read_all};
use cvmkit_formats::tree::{Device, Inode, Meta, Node, Tree};
use cvmkit_measure::linux;

use super::error::in_one_line;
use super::examination::Examination;
use super::folder::not_zero;
use super::rederive::{self, Against};
use super::subject::Subject;
use super::{Check, VerifyError};
use crate::image::initrd::{FOLDERS, UNPACKED_MAX};
use crate::image::{self, BUILT_FOR, MODULE_LIST};

/// How the frame begins that a build writes (RFC 8878, section 3.1.1.1): magic; a descriptor that says
/// "with checksum" and no more; a window of 4 MiB, that of its level.
const FRAME_HEAD: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x60];

/// PID 1 of the guest.
const INIT: &str = "init";
/// What the kernel opens for PID 1: character device 5:1 (Linux `Documentation/admin-guide/
/// devices.txt`).
const CONSOLE: (&str, Device) = ("dev/console", Device { major: 5, minor: 1 });

/// What an archive holds except folders, by path.
type Contents<'a> = BTreeMap<String, Inode<Window<&'a Vec<u8>>>>;

/// Checks the initramfs.
pub(super) fn examine(subject: Subject<'_>) -> Result<Examination, VerifyError> {
    let mut examination = Examination::new(Check::Initrd);
    let Some((name, source)) = subject.file(Role::Initrd) else {
        examination.skip("all of it", "there is no initramfs");
        return Ok(examination);
    };
    let packed = match read_all(source, UNPACKED_MAX) {
        Ok(packed) => packed,
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            let expected = format!("at most {UNPACKED_MAX} bytes");
            examination.find(name, "the initramfs", expected, source.len());
            return Ok(examination);
        }
        Err(error) => {
            examination.refused(subject.folder, name, "the initramfs", error)?;
            return Ok(examination);
        }
    };
    let unpacked = match decompress(&packed, Compression::Zstd, UNPACKED_MAX) {
        Ok(unpacked) => unpacked,
        Err(error) => {
            examination.refused(subject.folder, name, "the initramfs", error)?;
            return Ok(examination);
        }
    };
    if let Some(why) = frame(&packed) {
        examination.find(name, "its compressed form", "one zstd frame as a build writes it", why);
    }
    drop(packed);
    match cpio::read(&unpacked) {
        Ok(archive) => archive_of(&mut examination, subject, name, &unpacked, archive),
        Err(error) => examination.refused(subject.folder, name, "its cpio archive", error)?,
    }
    Ok(examination)
}

fn archive_of(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    unpacked: &[u8],
    archive: Archive<'_, Vec<u8>>,
) {
    // The kernel unpacks one archive after the other: a second one could replace the first.
    let end = usize::try_from(archive.end).unwrap_or(usize::MAX);
    if let Ok(Some(at)) = not_zero(unpacked.get(end..).unwrap_or_default()) {
        let found = format!("something {at} bytes behind its end");
        examination.find(name, "behind its cpio archive", "zeros", found);
    }
    let tree = &archive.tree;
    let mut contents = Contents::new();
    for (path, id) in tree.walk() {
        let inode = tree.inode(id);
        if !inode.is_directory() {
            contents.insert(String::from_utf8_lossy(&path).into_owned(), inode.clone());
        }
    }
    let own = [INIT, MODULE_LIST, BUILT_FOR, CONSOLE.0];
    let mut known: BTreeSet<String> = own.into_iter().map(str::to_owned).collect();
    let console = contents.get(CONSOLE.0).map(|inode| &inode.node);
    if !matches!(console, Some(Node::CharDevice(device)) if *device == CONSOLE.1) {
        let found = if console.is_none() { "nothing" } else { "something else" };
        examination.find(name, "/dev/console", "character device 5:1", found);
    }
    let stage1 = init(examination, name, &contents, subject.manifest.inputs.stage1);
    let modules = modules(examination, subject, name, &contents);
    command_line(examination, subject, name, &contents);
    let count = modules.len();
    known.extend(modules);
    for path in contents.keys().filter(|path| !known.contains(*path)) {
        let expected = "stage 1, its two lists, the listed modules and /dev/console";
        examination.find(name, "its files", expected, format!("also `/{path}`"));
    }
    attributes(examination, subject, name, tree, &known);
    examination.detail = format!("stage 1 of {stage1} bytes, {count} modules");
    if examination.is_clean() {
        written_again(examination, name, unpacked, tree);
    }
}

/// Owners, modes and times are those that a build gives, and no folder is there for nothing.
fn attributes<C>(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    tree: &Tree<C>,
    known: &BTreeSet<String>,
) {
    let needed = known.iter().map(String::as_str).chain(FOLDERS);
    let needed = needed.flat_map(|path| path.match_indices('/').map(|(at, _)| path.split_at(at).0));
    let folders: BTreeSet<&str> = needed.chain(FOLDERS).chain([""]).collect();
    for (path, id) in tree.walk() {
        let path = String::from_utf8_lossy(&path).into_owned();
        let Inode { meta, node } = tree.inode(id);
        let mode = match node {
            Node::Directory(_) if !folders.contains(path.as_str()) => {
                let expected = "folders of files and mount points";
                examination.find(name, "its folders", expected, format!("also `/{path}`"));
                continue;
            }
            Node::Directory(_) => 0o755,
            _ if path == INIT => 0o755,
            _ if path == CONSOLE.0 => 0o600,
            _ => 0o644,
        };
        let expected = Meta::root(mode, subject.manifest.image.timestamp.0);
        let shown = |meta: &Meta| {
            format!("mode {:o}, owner {}:{}, time {}", meta.mode, meta.uid, meta.gid, meta.mtime)
        };
        examination.expect(name, &format!("/{path}"), shown(&expected), shown(meta));
    }
}

/// The archive written again of the tree in it.
fn written_again<C: Source>(
    examination: &mut Examination,
    name: &str,
    unpacked: &[u8],
    tree: &Tree<C>,
) {
    let what = "its cpio archive";
    let mut sink = Against::new(unpacked);
    let written = cpio::Plan::new(tree, &cpio::Options::default())
        .and_then(|plan| plan.write(&mut sink))
        .map_err(|error| in_one_line(&error));
    // All of it is in memory: no disk of the host has a part in an error.
    let difference = written.and_then(|()| sink.finish().map_err(|error| error.to_string()));
    match difference {
        Ok(difference) => {
            let place = |_| "the cpio archive, unpacked".to_owned();
            rederive::report(examination, name, 0, difference, place);
        }
        Err(why) => examination.find(name, what, "one that can be written again", why),
    }
}

/// What is in a compressed initramfs besides its archive, if anything is: a decoder skips whole
/// frames and ignores some bits.
fn frame(packed: &[u8]) -> Option<String> {
    let Some((head, _)) = packed.split_first_chunk() else {
        return Some(format!("{} bytes", packed.len()));
    };
    if *head != FRAME_HEAD {
        return Some(format!("a frame that begins with {}", hex::encode(head)));
    }
    match zstd::zstd_safe::find_frame_compressed_size(packed) {
        Ok(len) if len == packed.len() => None,
        Ok(len) => Some(format!("{} bytes behind it", packed.len().saturating_sub(len))),
        Err(code) => Some(zstd::zstd_safe::get_error_name(code).to_owned()),
    }
}

/// PID 1 is the stage 1 that the manifest names. Answers its length.
fn init(examination: &mut Examination, name: &str, contents: &Contents<'_>, sha256: Sha256) -> u64 {
    let what = "SHA-256 of /init, by the manifest";
    let Some(inode) = contents.get(INIT) else {
        examination.find(name, what, sha256, "no such file");
        return 0;
    };
    let (Node::File(file), mode) = (&inode.node, inode.meta.mode) else {
        examination.find(name, what, sha256, "something other than a regular file");
        return 0;
    };
    examination.expect(name, "mode of /init", "755".to_owned(), format!("{mode:o}"));
    match read_all(file, UNPACKED_MAX) {
        Ok(bytes) => examination.expect(name, what, sha256, Sha256::of(&bytes)),
        Err(error) => examination.find(name, what, sha256, error),
    }
    file.len()
}

/// Stage 1 refuses every command line but the image's own.
fn command_line(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    contents: &Contents<'_>,
) {
    let what = format!("/{BUILT_FOR}");
    let manifest = subject.manifest;
    let line = &manifest.image.command_line;
    let Some(expected) = image::without_root_hash(line, &manifest.root.root_hash) else {
        let expected = format!("`roothash={}` first", manifest.root.root_hash);
        return examination.find(name, "the command line of the manifest", expected, line);
    };
    let found = match contents.get(BUILT_FOR).map(|inode| &inode.node) {
        Some(Node::File(file)) => read_all(file, UNPACKED_MAX).ok(),
        _ => None,
    };
    match found {
        Some(found) => {
            examination.expect(name, &what, expected, String::from_utf8_lossy(&found).into_owned());
        }
        None => examination.find(name, what, expected, "no such file"),
    }
}

/// Every listed module is there, and made for this kernel. Answers their paths.
fn modules(
    examination: &mut Examination,
    subject: Subject<'_>,
    name: &str,
    contents: &Contents<'_>,
) -> Vec<String> {
    let what = format!("/{MODULE_LIST}");
    let list = match contents.get(MODULE_LIST).map(|inode| &inode.node) {
        Some(Node::File(list)) => read_all(list, UNPACKED_MAX).ok(),
        _ => None,
    };
    let Some(list) = list.and_then(|list| String::from_utf8(list).ok()) else {
        examination.find(name, what, "the paths of modules", "no text");
        return Vec::new();
    };
    let kernel = subject.file(Role::Kernel).and_then(|(_, source)| linux::release(source).ok());
    if kernel.is_none() && !list.is_empty() {
        examination.skip("the release of the modules", "the kernel does not say its own");
    }
    let folder = kernel.map(|release| format!("/lib/modules/{release}/"));
    let mut found = Vec::new();
    for line in list.lines() {
        let path = line.trim_start_matches('/');
        let is_file = matches!(
            contents.get(path).map(|inode| &inode.node),
            Some(Node::File(file)) if !file.is_empty()
        );
        if !line.starts_with('/') || !is_file {
            examination.find(name, &what, format!("the module `{line}`"), "no such file");
        }
        if let Some(folder) = folder.as_ref().filter(|folder| !line.contains(folder.as_str())) {
            let expected = format!("modules in `{folder}`");
            examination.find(name, &what, expected, format!("`{line}`"));
        }
        if found.iter().any(|known| known == path) {
            examination.find(name, &what, "each module once", format!("`{line}` again"));
        }
        found.push(path.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of level 12, as a build makes it.
    fn packed(bytes: &[u8], checksum: bool) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 12).unwrap();
        encoder.multithread(1).unwrap();
        encoder.include_checksum(checksum).unwrap();
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// RFC 8878, section 3.1: a decoder takes frames one after the other, and skips those of users.
    #[test]
    fn an_initramfs_is_one_frame_and_nothing_else() {
        let good = packed(&[7; 1000], true);
        assert_eq!(frame(&good), None);
        let plain = packed(&[7; 1000], false);
        assert_eq!(frame(&plain).unwrap(), "a frame that begins with 28b52ffd0060");
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9];
        for (behind, words) in [(&skippable[..], "9 bytes behind it"), (&[0], "1 bytes behind it")]
        {
            assert_eq!(frame(&[&good[..], behind].concat()).as_deref(), Some(words));
        }
        let before = frame(&[&skippable[..], &good].concat()).unwrap();
        assert_eq!(before, "a frame that begins with 502a4d180100");
        assert_eq!(frame(&[]).unwrap(), "0 bytes");
        assert_eq!(frame(&good[..5]).unwrap(), "5 bytes");
        assert!(frame(&good[..6]).is_some_and(|why| !why.contains("behind")), "it ends too early");
        assert!(frame(&good[..good.len() - 1]).is_some());
    }
}
