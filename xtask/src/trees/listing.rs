//! A tree as a list: every path with its attributes as text, so that two trees can be compared line by line.
//!
//! The contract: owners and groups are names of the tree's own account files; hard links are the other names of
//! a file; extended attributes are in hexadecimal digits. Times are left out. Files of accounts and dpkg's
//! database are split into their records (`super::parts`), which are paths with a `#` of their own.
//!
//! Reading all of a foreign tree needs root, as making it does.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::parts;
use crate::step;

/// What is known of a path, by attribute.
pub(super) type Attributes = BTreeMap<String, String>;

/// All of a tree by path; paths start with `/`.
pub(super) type Listing = BTreeMap<String, Attributes>;

/// Text files up to this length are kept as they are, so that a page can show how they differ.
const TEXT_MAX: u64 = 64 << 10;

/// Where text is kept. Elsewhere a digest says enough: packages bring what is there.
const TEXT_BELOW: [&str; 2] = ["/etc/", "/var/"];

/// Reads the tree in a folder.
pub(super) fn of_folder(root: &Path) -> Result<Listing> {
    let mut reading = Reading {
        root,
        users: names(&root.join("etc/passwd"))?,
        groups: names(&root.join("etc/group"))?,
        links: BTreeMap::new(),
        listing: Listing::new(),
    };
    reading.entry("")?;
    let Reading { links, mut listing, .. } = reading;
    for paths in links.values().filter(|paths| paths.len() > 1) {
        for path in paths {
            let others: Vec<&str> =
                paths.iter().filter(|other| *other != path).map(String::as_str).collect();
            note(&mut listing, path, "links", others.join(" "));
        }
    }
    for (path, name, value) in extended(root)? {
        note(&mut listing, &path, &name, value);
    }
    parts::split(&mut listing);
    Ok(listing)
}

fn note(listing: &mut Listing, path: &str, attribute: &str, value: String) {
    listing.entry(path.to_owned()).or_default().insert(attribute.to_owned(), value);
}

struct Reading<'a> {
    root: &'a Path,
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
    /// The names of each file that has several.
    links: BTreeMap<u64, Vec<String>>,
    listing: Listing,
}

impl Reading<'_> {
    fn entry(&mut self, path: &str) -> Result<()> {
        let real = self.root.join(path.trim_start_matches('/'));
        let meta = fs::symlink_metadata(&real).with_context(|| format!("{}", real.display()))?;
        let kind = meta.file_type();
        let mut attributes = Attributes::new();
        let mut set = |name: &str, value: String| attributes.insert(name.to_owned(), value);
        let name_of = |names: &BTreeMap<u32, String>, id: u32| {
            names.get(&id).cloned().unwrap_or_else(|| id.to_string())
        };
        set("owner", name_of(&self.users, meta.uid()));
        set("group", name_of(&self.groups, meta.gid()));
        let word = if kind.is_symlink() {
            set("target", fs::read_link(&real)?.to_string_lossy().into_owned());
            "link"
        } else {
            set("mode", format!("{:04o}", meta.mode() & 0o7777));
            match kind {
                kind if kind.is_dir() => "folder",
                kind if kind.is_file() => {
                    let bytes = fs::read(&real)?;
                    set("content", content(path, bytes, meta.len()));
                    "file"
                }
                kind if kind.is_char_device() || kind.is_block_device() => {
                    set("device", meta.rdev().to_string());
                    if kind.is_char_device() { "character device" } else { "block device" }
                }
                kind if kind.is_fifo() => "fifo",
                _ => "socket",
            }
        };
        set("type", word.to_owned());
        if !kind.is_dir() && meta.nlink() > 1 {
            self.links.entry(meta.ino()).or_default().push(path.to_owned());
        }
        self.listing
            .insert(if path.is_empty() { "/".to_owned() } else { path.to_owned() }, attributes);
        if kind.is_dir() {
            let mut names = fs::read_dir(&real)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<Result<Vec<_>>>()?;
            names.sort();
            names.iter().try_for_each(|name| self.entry(&format!("{path}/{name}")))?;
        }
        Ok(())
    }
}

/// The text of a short file of configuration or state, else its digest.
fn content(path: &str, bytes: Vec<u8>, len: u64) -> String {
    let is_kept = len <= TEXT_MAX && TEXT_BELOW.iter().any(|below| path.starts_with(below));
    match String::from_utf8(bytes) {
        Ok(text) if is_kept || parts::is_split(path) => text,
        Ok(text) => digest(text.as_bytes()),
        Err(error) => digest(error.as_bytes()),
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The names that passwd(5) and group(5) give to ids; the first of an id counts.
fn names(path: &Path) -> Result<BTreeMap<u32, String>> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    Ok(names)
}

/// Every extended attribute: path, name, value.
fn extended(root: &Path) -> Result<Vec<(String, String, String)>> {
    let mut command =
        step::command("getfattr", ["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "."]);
    let text = step::output(command.current_dir(root))?;
    let mut found = Vec::new();
    let mut path = None;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("# file: ") {
            let name = unescaped(name).with_context(|| format!("getfattr printed `{line}`"))?;
            path = Some(format!("/{}", name.strip_prefix("./").unwrap_or(&name)));
        } else if let (Some(path), Some((name, value))) = (&path, line.split_once('=')) {
            found.push((path.clone(), name.to_owned(), value.to_owned()));
        } else {
            bail!("getfattr printed `{line}`");
        }
    }
    Ok(found)
}

/// A name as getfattr prints it, with octal escapes.
fn unescaped(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut left = name.as_bytes();
    while let Some((first, rest)) = left.split_first() {
        left = rest;
        if *first == b'\\' {
            let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 8).ok()?);
            left = rest.get(3..)?;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Keeps a listing for another run.
pub(super) fn save(listing: &Listing, path: &Path) -> Result<()> {
    fs::write(path, serde_json::to_string(listing)?).with_context(|| format!("{}", path.display()))
}

/// A listing that was kept.
pub(super) fn load(path: &Path) -> Result<Listing> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    let value: Value = serde_json::from_str(&text)?;
    let object = value.as_object().context("a listing is an object")?;
    let mut listing = Listing::new();
    for (path, attributes) in object {
        let attributes = attributes.as_object().context("a path has attributes")?;
        let text =
            |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        listing.insert(path.clone(), attributes.iter().filter_map(text).collect());
    }
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_tree_is_listed_with_names_of_its_own() {
        let root = std::env::temp_dir().join(format!("cvmkit-listing-{}", std::process::id()));
        fs::create_dir_all(root.join("etc")).unwrap();
        let me = fs::metadata(&root).unwrap();
        fs::write(root.join("etc/passwd"), format!("first:x:{}:0::/:/bin/sh\n", me.uid())).unwrap();
        fs::write(root.join("etc/group"), format!("team:x:{}:\n", me.gid())).unwrap();
        fs::write(root.join("a b"), "x").unwrap();
        fs::hard_link(root.join("a b"), root.join("c")).unwrap();
        fs::set_permissions(root.join("c"), fs::Permissions::from_mode(0o4750)).unwrap();
        symlink("c", root.join("d")).unwrap();
        let mut reading = Reading {
            root: &root,
            users: names(&root.join("etc/passwd")).unwrap(),
            groups: names(&root.join("etc/group")).unwrap(),
            links: BTreeMap::new(),
            listing: Listing::new(),
        };
        reading.entry("").unwrap();
        let file = &reading.listing["/c"];
        let get = |name: &str| file.get(name).map(String::as_str);
        assert_eq!((get("owner"), get("group")), (Some("first"), Some("team")));
        assert_eq!((get("mode"), get("type")), (Some("4750"), Some("file")));
        assert!(get("content").unwrap().starts_with("sha256:"));
        assert_eq!(reading.listing["/d"]["target"], "c");
        assert_eq!(reading.listing["/"]["type"], "folder");
        assert_eq!(reading.links.values().next().unwrap(), &["/a b", "/c"]);
        let kept = root.join("kept");
        save(&reading.listing, &kept).unwrap();
        assert_eq!(load(&kept).unwrap(), reading.listing);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn names_of_getfattr_are_unescaped() {
        assert_eq!(unescaped("a\\040b").as_deref(), Some("a b"));
        assert_eq!(unescaped("a\\0"), None);
    }
}
