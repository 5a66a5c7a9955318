//! What is asked of a root file system of Debian packages.

use std::collections::{BTreeMap, BTreeSet};

use cvmkit_formats::digest::Sha256;
use cvmkit_shell::evaluation::Limits;

use super::package::Package;
use crate::rootfs::{GroupRequest, Placed, UserRequest};

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
    /// What is done instead of scripts, by package and SHA-256; what debhelper wrote into them is evaluated
    /// behind it.
    pub give: BTreeMap<String, BTreeMap<Sha256, Given>>,
    /// Answers to questions of debconf, by question; each comes before the default of its template.
    pub debconf: BTreeMap<String, String>,
    /// How much of dpkg's database is kept.
    pub package_database: PackageDatabase,
    /// What each maintainer script may take, with all that it runs.
    pub limits: Limits,
    /// All that is not about packages.
    pub root: crate::rootfs::Request<'a>,
}

/// What the definition states instead of a script: accounts, then files, folders and links in their order.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Users that are not there yet, each with a group of its name or another that is there.
    pub users: Vec<UserRequest>,
    /// Groups that are not there yet, made before the users.
    pub groups: Vec<GroupRequest>,
    /// Owners may be accounts of scripts, of packages and of this.
    pub files: Vec<Placed>,
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
