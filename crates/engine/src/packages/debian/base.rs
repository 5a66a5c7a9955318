//! What Debian packages of the base become: those of the lock take their place.
//!
//! Two databases of dpkg can't be one: a package of the base that the lock does not have would be in the image
//! without anybody who vouches for its version. So each has to be in the lock too; its files go, as those of
//! an old version would, and dpkg's database is made anew. What stays is what no package of the base has.

use std::collections::BTreeSet;

use cvmkit_attest::output::Notice;
use cvmkit_debian::deb822;
use cvmkit_formats::tree::Node;
use md5::Digest as _;

use super::error::AssembleError;
use super::request::Request;
use crate::rootfs::assembly::Assembly;

/// Where dpkg has its database, and where images without dpkg have one file for each package.
const DATABASE: &str = "var/lib/dpkg";

/// Takes away what the packages of the base have.
///
/// # Errors
/// [`AssembleError::BasePackages`]: packages that the lock does not have.
pub(super) fn prepare(
    assembly: &mut Assembly<'_>,
    request: &Request<'_>,
) -> Result<(), AssembleError> {
    let Some(base) = assembly.request.base else { return Ok(()) };
    let (layout, digest, layers) = (base.name.clone(), base.digest.clone(), base.layers);
    assembly.notices.push(Notice::Base { layout, digest, layers });
    let packages = packages(assembly)?;
    let known: BTreeSet<&str> =
        request.packages.iter().map(|package| package.name.as_str()).collect();
    let missing: Vec<String> =
        packages.into_iter().filter(|name| !known.contains(name.as_str())).collect();
    if !missing.is_empty() {
        return Err(AssembleError::BasePackages { base: base.name.clone(), missing });
    }
    let changed = changed(assembly)?;
    if let Some(first) = changed.first() {
        let (layout, count, first) = (base.name.clone(), changed.len() as u64, first.clone());
        assembly.notices.push(Notice::BaseChangesLost { layout, count, first });
        for path in &changed {
            assembly.note(format!(
                "{}: `{path}` was changed there, and is the package's again",
                base.name
            ));
        }
    }
    let mut removed = 0u64;
    for path in listed(assembly)? {
        let Ok(real) = assembly.tree.canonical(path.trim_start_matches('/').as_bytes()) else {
            continue;
        };
        let found = assembly.tree.lookup(&real).map(|id| &assembly.tree.inode(id).node);
        if found.is_some_and(|node| !matches!(node, Node::Directory(_))) {
            removed += u64::from(assembly.tree.remove(&real));
        }
    }
    assembly.tree.remove(DATABASE.as_bytes());
    if removed > 0 {
        assembly.note(format!(
            "{}: {removed} files of its packages give way to those of the lock",
            base.name
        ));
    }
    Ok(())
}

/// The packages that are installed in the base.
fn packages(assembly: &Assembly<'_>) -> Result<BTreeSet<String>, AssembleError> {
    let folder = format!("{DATABASE}/status.d");
    let single = assembly.names(&folder)?.into_iter().filter(|name| !name.ends_with(".md5sums"));
    let single = single.map(|name| format!("{folder}/{name}"));
    let mut found = BTreeSet::new();
    for path in single.chain([format!("{DATABASE}/status")]) {
        let Some(text) = assembly.text(&path)? else { continue };
        for paragraph in deb822::paragraphs(&text) {
            let paragraph = paragraph.map_err(|source| {
                let path = path.clone();
                AssembleError::BaseStatus { path, source: Box::new(source) }
            })?;
            let state = paragraph.get("Status").unwrap_or("install ok installed");
            let name = paragraph.get("Package").filter(|_| state.ends_with(" installed"));
            found.extend(name.map(str::to_owned));
        }
    }
    Ok(found)
}

/// Configuration files that the base has otherwise than its packages brought them (`Conffiles`, deb-conffiles(5)).
fn changed(assembly: &Assembly<'_>) -> Result<Vec<String>, AssembleError> {
    let mut found = Vec::new();
    let text = assembly.text(&format!("{DATABASE}/status"))?.unwrap_or_default();
    for paragraph in deb822::paragraphs(&text).filter_map(Result::ok) {
        let Some(field) = paragraph.field("Conffiles") else { continue };
        for line in field.lines() {
            let mut words = line.split(' ');
            let (Some(path), Some(md5)) = (words.next(), words.next()) else { continue };
            let bytes = assembly.read(path)?;
            if bytes.is_some_and(|bytes| hex::encode(md5::Md5::digest(&bytes)) != md5) {
                found.push(path.to_owned());
            }
        }
    }
    Ok(found)
}

/// The paths that these packages have.
fn listed(assembly: &Assembly<'_>) -> Result<Vec<String>, AssembleError> {
    let mut paths = Vec::new();
    for name in assembly.names(&format!("{DATABASE}/info"))? {
        if name.ends_with(".list") {
            let text = assembly.text(&format!("{DATABASE}/info/{name}"))?.unwrap_or_default();
            paths.extend(text.lines().map(str::to_owned));
        }
    }
    for name in assembly.names(&format!("{DATABASE}/status.d"))? {
        if name.ends_with(".md5sums") {
            let text = assembly.text(&format!("{DATABASE}/status.d/{name}"))?.unwrap_or_default();
            let files = text.lines().filter_map(|line| line.split_once("  "));
            paths.extend(files.map(|(_, path)| path.to_owned()));
        }
    }
    Ok(paths)
}
