//! A tree of the files alone that say which accounts there are, so that they are there before any script
//! asks for them: a script of one package may need the account of another that is unpacked later.

use cvmkit_formats::archive::{Entry, EntryKind};
use cvmkit_formats::tree::Inode;

use super::error::AssembleError;
use super::exclude::Filter;
use super::order::Order;
use super::package::Package;
use super::request::Request;
use crate::content::Content;
use crate::rootfs::assembly::Assembly;
use crate::rootfs::{accounts, overlay};

/// The accounts that Debian fixes (base-passwd(5), Debian Policy 9.2.2).
pub(super) const MASTERS: accounts::Masters = accounts::Masters {
    package: "base-passwd",
    passwd: "/usr/share/base-passwd/passwd.master",
    group: "/usr/share/base-passwd/group.master",
};

/// Where packages have files of sysusers.d(5), as they spell it.
const FOLDERS: [&str; 3] = ["usr/lib/sysusers.d/", "lib/sysusers.d/", "etc/sysusers.d/"];

/// The tree: those files, the master files, and the files of the definition.
///
/// # Errors
/// [`AssembleError`]: a file of the definition that has no place.
pub(super) fn assembly<'a>(
    request: &'a Request<'a>,
    order: &Order<'_>,
) -> Result<Assembly<'a>, AssembleError> {
    let mut assembly = Assembly::new(&request.root);
    let mut filter = Filter::new(request.exclude);
    for package in &order.packages {
        for entry in filter.kept(&package.entries).0 {
            if let (Some(path), Some(inode)) = (path(entry), inode(&assembly, package, entry)) {
                assembly.put(&path, inode)?;
            }
        }
    }
    overlay::place(&mut assembly)?;
    Ok(assembly)
}

/// Where a file goes in the tree, if it says which accounts there are.
fn path(entry: &Entry) -> Option<String> {
    let path = str::from_utf8(&entry.path).ok()?;
    let is_master = [MASTERS.passwd, MASTERS.group].contains(&format!("/{path}").as_str());
    let is_one = is_master || FOLDERS.iter().any(|folder| path.starts_with(folder));
    let merged = if path.starts_with("lib/") { format!("usr/{path}") } else { path.to_owned() };
    is_one.then_some(merged)
}

fn inode(assembly: &Assembly<'_>, package: &Package, entry: &Entry) -> Option<Inode<Content>> {
    match &entry.kind {
        EntryKind::File { .. } => {
            let content = package.file(str::from_utf8(&entry.path).ok()?)?;
            Some(Inode::file(assembly.root(0o644), content))
        }
        EntryKind::Symlink(target) => {
            Some(Inode::symlink(target.as_slice(), assembly.request.mtime))
        }
        _ => None,
    }
}
