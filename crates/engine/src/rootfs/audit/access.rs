//! Who may write a file, and with whose rights a program runs.
//!
//! Rights that a package of a distribution gives a program, or an entry of the definition, are that one's
//! decision, and are listed; what came to them without either is refused.

use std::collections::BTreeMap;

use cvmkit_formats::tree::{Meta, Node};

use super::origin::Says;
use crate::content::Content;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::finding::{FindingKind, Verdict};
use crate::rootfs::{RootfsError, capability};

/// Folders of the system: what is in them changes with a new image alone.
const SYSTEM: [&str; 4] = ["usr/", "etc/", "boot/", "opt/"];

/// Bits of a mode (inode(7)).
const SETUID: u16 = 0o4000;
const SETGID: u16 = 0o2000;
const STICKY: u16 = 0o1000;
const GROUP_WRITE: u16 = 0o0020;
const OTHERS_WRITE: u16 = 0o0002;

/// Names of users and groups by id, for words.
pub(super) struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Names {
    /// Those of the image.
    pub(super) fn of(assembly: &Assembly<'_>) -> Result<Self, RootfsError> {
        let read = |path: &str| -> Result<BTreeMap<u32, String>, RootfsError> {
            let text = assembly.text(path)?.unwrap_or_default();
            let row = |line: &str| {
                let mut fields = line.split(':');
                let (name, id) = (fields.next()?, fields.nth(1)?);
                Some((id.parse().ok()?, name.to_owned()))
            };
            Ok(text.lines().filter_map(row).collect())
        };
        Ok(Self { users: read("/etc/passwd")?, groups: read("/etc/group")? })
    }

    fn words(&self, meta: &Meta) -> String {
        let of = |names: &BTreeMap<u32, String>, id: u32| {
            names.get(&id).cloned().unwrap_or_else(|| id.to_string())
        };
        let (user, group) = (of(&self.users, meta.uid), of(&self.groups, meta.gid));
        format!("has mode {:04o}, {user}:{group}", meta.mode)
    }
}

/// What is found of a file's attributes: the class, the words, and what comes of it.
pub(super) fn find(
    path: &str,
    meta: &Meta,
    node: &Node<Content>,
    says: &Says<'_>,
    names: &Names,
) -> Vec<(FindingKind, String, Verdict)> {
    let is_folder = matches!(node, Node::Directory(_));
    let is_file = matches!(node, Node::File(_));
    match node {
        Node::Symlink(_) => return Vec::new(),
        Node::CharDevice(device) | Node::BlockDevice(device) => {
            let words =
                format!("is device {}:{}, {}", device.major, device.minor, names.words(meta));
            return vec![(FindingKind::Device, words, Verdict::Refused)];
        }
        _ => {}
    }
    let has = |bits: u16| meta.mode & bits != 0;
    let mut found = Vec::new();
    let mut add = |kind, verdict| found.push((kind, names.words(meta), verdict));
    if has(OTHERS_WRITE) && !(is_folder && has(STICKY)) {
        add(FindingKind::WorldWritable, Verdict::Refused);
    }
    let is_system = SYSTEM.iter().any(|folder| path.starts_with(folder));
    if has(GROUP_WRITE) && meta.gid != 0 && is_system {
        // Scripts of packages make such folders too, for an administrators' group.
        add(FindingKind::GroupWritable, Verdict::Listed);
    }
    if is_file && has(SETUID | SETGID) {
        add(FindingKind::Setuid, says.mode.of_right());
    }
    if is_file && let Some(value) = meta.xattrs.get(capability::ATTRIBUTE.as_bytes()) {
        let words = format!("has {} = 0x{}", capability::ATTRIBUTE, hex::encode(value));
        found.push((FindingKind::Capabilities, words, says.capabilities.of_right()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::origin::Origin;
    use super::*;
    use crate::rootfs::Request;
    use crate::rootfs::tests::assembly;

    fn all(origin: Origin<'_>) -> Says<'_> {
        Says { contents: origin, mode: origin, capabilities: origin }
    }

    fn found(path: &str, mode: u16, gid: u32, folder: bool, origin: Origin<'_>) -> Vec<String> {
        let request = Request::default();
        let files = [("/etc/passwd", "root:x:0:0::/:\n"), ("/etc/group", "staff:x:50:\n")];
        let names = Names::of(&assembly(&request, &files)).unwrap();
        let node = match folder {
            true => Node::Directory(BTreeMap::new()),
            false => Node::File("".into()),
        };
        let meta = Meta { gid, ..Meta::root(mode, 0) };
        let row = |(kind, words, verdict): (FindingKind, String, Verdict)| {
            assert!(words.starts_with(&format!("has mode {mode:04o}, root:")), "{words}");
            format!("{} {}", verdict.name(), kind.name())
        };
        find(path, &meta, &node, &all(origin), &names).into_iter().map(row).collect()
    }

    #[test]
    fn modes_are_refused_or_listed_by_who_gave_them() {
        let package = Origin::Distribution;
        for (path, mode, gid, folder, of_package, made) in [
            ("usr/bin/x", 0o755, 0, false, "", ""),
            ("usr/bin/x", 0o4755, 0, false, "listed setuid", "refused setuid"),
            ("usr/bin/x", 0o2755, 50, false, "listed setuid", "refused setuid"),
            ("usr/local", 0o2755, 50, true, "", ""),
            ("usr/local", 0o2775, 50, true, "listed group-writable", "listed group-writable"),
            ("usr/local", 0o2775, 0, true, "", ""),
            ("etc/x", 0o660, 50, false, "listed group-writable", "listed group-writable"),
            ("var/x", 0o660, 50, false, "", ""),
            ("var/x", 0o666, 0, false, "refused world-writable", "refused world-writable"),
            ("var/x", 0o777, 0, true, "refused world-writable", "refused world-writable"),
            ("tmp", 0o1777, 0, true, "", ""),
            ("tmp/x", 0o1666, 0, false, "refused world-writable", "refused world-writable"),
        ] {
            let what = format!("{path} {mode:o}");
            assert_eq!(found(path, mode, gid, folder, package).join(" "), of_package, "{what}");
            let own = found(path, mode, gid, folder, Origin::Definition);
            assert_eq!(own.join(" "), of_package, "{what}");
            for origin in [Origin::Made, Origin::Own("a")] {
                assert_eq!(found(path, mode, gid, folder, origin).join(" "), made, "{what}");
            }
        }
    }

    #[test]
    fn a_link_has_no_mode_and_a_device_is_refused_whatever_its_mode() {
        let request = Request::default();
        let names = Names::of(&assembly(&request, &[])).unwrap();
        let of = |node: Node<Content>| {
            let meta = Meta::root(0o777, 0);
            find("etc/x", &meta, &node, &all(Origin::Distribution), &names)
        };
        let device = cvmkit_formats::tree::Device { major: 1, minor: 3 };
        assert_eq!(of(Node::Symlink(b"y".to_vec())), []);
        for node in [Node::CharDevice(device), Node::BlockDevice(device)] {
            let words = "is device 1:3, has mode 0777, 0:0".to_owned();
            assert_eq!(of(node), [(FindingKind::Device, words, Verdict::Refused)]);
        }
        assert_eq!((of(Node::Fifo).len(), of(Node::Socket).len()), (1, 1));
    }

    #[test]
    fn capabilities_are_shown_in_hex() {
        let request = Request::default();
        let names = Names::of(&assembly(&request, &[])).unwrap();
        let mut meta = Meta::root(0o755, 0);
        let value = capability::attribute("cap_net_raw+ep").unwrap();
        meta.xattrs.insert(capability::ATTRIBUTE.as_bytes().to_vec(), value);
        let node = Node::File("".into());
        let found = find("usr/bin/ping", &meta, &node, &all(Origin::Distribution), &names);
        let [(FindingKind::Capabilities, words, Verdict::Listed)] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert!(words.starts_with("has security.capability = 0x01000002"), "{words}");
    }
}
