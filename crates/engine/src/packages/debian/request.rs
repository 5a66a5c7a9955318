//! What is asked of a root file system of Debian packages.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::digest::Sha256;

use super::package::Package;

/// What a root file system of Debian packages is made of.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// Packages with different names, in any order.
    pub packages: &'a [Package],
    /// Debian's name of the machine, such as `amd64`.
    pub architecture: &'a str,
    /// Globs of packaged files to leave out, as dpkg's `path-exclude`; with a leading `!` as its
    /// `path-include`. The last one that matches decides.
    pub exclude: &'a [String],
    /// SHA-256 of the scripts to skip, by package; what debhelper wrote into them is evaluated still.
    pub skip: BTreeMap<String, BTreeSet<Sha256>>,
    /// How much of dpkg's database is kept.
    pub package_database: PackageDatabase,
    /// All that is not about packages.
    pub root: crate::rootfs::Request<'a>,
}

/// How much of dpkg's database the image has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackageDatabase {
    /// `status` with conffiles, diversions, triggers, and every control file but maintainer scripts
    /// that can't run on a read-only root.
    Full,
    /// `status`, `*.list` and `*.md5sums`: what scanners and `dpkg -L`, `-S` and `-V` read.
    #[default]
    Minimal,
    /// Nothing: the list of packages is in the manifest only.
    Absent,
}
