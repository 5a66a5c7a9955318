//! What a root file system is asked to be, whatever its packages are of.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::archive::tar::Members;
use cvmkit_formats::digest::Sha256;
use cvmkit_formats::tree::Tree;

use super::accounts::{GroupRequest, Ids, UserRequest};
use crate::content::Content;

/// What a root file system is made of beside its packages.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// Users the definition adds.
    pub users: &'a [UserRequest],
    /// Groups the definition adds.
    pub groups: &'a [GroupRequest],
    /// Where ids come from that nothing else fixes.
    pub ids: Ids,
    /// The kernel command line but `roothash=`.
    pub command_line: &'a [String],
    /// Units to enable and mask.
    pub units: Units,
    /// What packages are put over.
    pub base: Option<&'a Base>,
    /// Archives that are put over what packages have, in their order.
    pub layers: &'a [Layer],
    /// Files, directories and links of the definition; they win over packages, layers and effects.
    pub files: &'a [Placed],
    /// `/etc/hostname`; `localhost` when absent.
    pub hostname: Option<&'a str>,
    /// `IMAGE_ID=` of os-release(5): the id of the definition.
    pub image_id: &'a str,
    /// `IMAGE_VERSION=` of os-release(5): the version of the definition.
    pub image_version: &'a str,
    /// A debug image: consoles and logins are allowed, and os-release says so.
    pub debug: bool,
    /// `/var` is a fresh tmpfs at each boot (`systemd.volatile=state`):
    /// [`remake_var_at_boot`](super::remake_var_at_boot).
    pub volatile_var: bool,
    /// Whether every ELF file and script is asked what it needs of others to run.
    pub check_needs: bool,
    /// The packages that no distribution vouches for: local ones, and those of an archive that keys of the
    /// definition's sign.
    pub own_packages: BTreeSet<String>,
    /// Time of everything made here, seconds since 1970; packaged files keep theirs if older.
    pub mtime: i64,
}

/// A file system below all packages.
#[derive(Clone, Debug)]
pub struct Base {
    /// What it is called in messages and notices: its path beside the definition.
    pub name: String,
    /// What names it, such as the digest of an image's manifest.
    pub digest: String,
    /// How many layers it was made of.
    pub layers: u64,
    /// What it holds.
    pub tree: Tree<Content>,
}

/// An archive that is put over the tree.
#[derive(Clone, Debug)]
pub struct Layer {
    /// What it is called in messages and notices: its path beside the definition.
    pub name: String,
    /// Digest of the archive as it lies there.
    pub sha256: Sha256,
    /// Where its members go, without a leading slash; empty for the root.
    pub target: String,
    /// What it holds.
    pub members: Members,
    /// The decompressed archive.
    pub archive: Content,
}

impl Layer {
    /// Whether it brings something at a path, which has no leading slash.
    pub(crate) fn has(&self, path: &[u8]) -> bool {
        self.members.entries.iter().any(|entry| self.path(&entry.path) == path)
    }

    /// Where a member of this path goes, without a leading slash.
    pub(crate) fn path(&self, member: &[u8]) -> Vec<u8> {
        match (self.target.as_bytes(), member) {
            ([], path) | (path, []) => path.to_vec(),
            (target, path) => [target, b"/", path].concat(),
        }
    }
}

/// What the definition says about units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// To enable, each with an `[Install]` section.
    pub enable: Vec<String>,
    /// To mask: nothing starts them, by a link to `/dev/null`.
    pub mask: Vec<String>,
    /// What `default.target` is; Debian's `graphical.target`, which wants multi-user, when absent.
    pub default_target: Option<String>,
}

/// One file, directory or link of the definition.
#[derive(Clone, Debug)]
pub struct Placed {
    /// An absolute path; links in its parents are followed.
    pub path: String,
    /// Permission bits, `0o0000` to `0o7777`; links ignore them.
    pub mode: u16,
    /// Owner, by name or number.
    pub user: String,
    /// Group, by name or number.
    pub group: String,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What is put there, or that something is changed that is there.
    pub node: PlacedNode,
}

/// What the definition puts somewhere.
#[derive(Clone, Debug)]
pub enum PlacedNode {
    /// A regular file.
    File(Content),
    /// A directory; what is in it already stays.
    Directory,
    /// A parent of the files of an overlay: one that is there already keeps its mode
    /// and owner, so that a file below `/root` or `/tmp` does not open the one and close the other.
    OverlayDirectory,
    /// A symbolic link with this target.
    Symlink(String),
    /// What is there already, by a package, an effect or an overlay.
    Existing(Changes),
}

/// What becomes another of something that is there; the rest stays.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Permission bits, `0o0000` to `0o7777`.
    pub mode: Option<u16>,
    /// Owner, by name or number.
    pub user: Option<String>,
    /// Group, by name or number.
    pub group: Option<String>,
}
