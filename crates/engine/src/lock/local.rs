//! The local files a definition names: what they are now, and that they are what was locked.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cvmkit_formats::digest::Sha256;
use cvmkit_host::files::{self, cannot};
use serde::{Deserialize, Serialize};

use super::error::LockError;
use crate::definition::{Definition, FileKind, Input, Platform, ProfileSource};
use crate::local::{LocalError, LocalFolder};

/// A file, folder or link beside the definition.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(try_from = "Record", into = "Record")]
pub struct LocalFile {
    /// Relative to the definition.
    pub path: String,
    /// A file, a folder or a link, each with what decides its bytes in the image.
    pub kind: LocalKind,
}

/// What a local file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalKind {
    /// A regular file. Of its mode only whether its owner may execute it counts.
    File {
        /// Length in bytes.
        size: u64,
        /// Digest.
        sha256: Sha256,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
    /// A folder of an overlay.
    Folder,
}

/// A [`LocalFile`] as the lock has it: of a folder only the path.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Record {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Sha256>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    executable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

impl TryFrom<Record> for LocalFile {
    type Error = String;

    fn try_from(record: Record) -> Result<Self, Self::Error> {
        let Record { path, size, sha256, executable, target } = record;
        let kind = match (size, sha256, target) {
            (Some(size), Some(sha256), None) => LocalKind::File { size, sha256, executable },
            (None, None, Some(target)) if !executable => LocalKind::Symlink { target },
            (None, None, None) if !executable => LocalKind::Folder,
            _ => return Err(format!("`{path}` is neither file nor link nor folder")),
        };
        Ok(Self { path, kind })
    }
}

impl From<LocalFile> for Record {
    fn from(LocalFile { path, kind }: LocalFile) -> Self {
        let record = Self { path, ..Self::default() };
        match kind {
            LocalKind::File { size, sha256, executable } => {
                Self { size: Some(size), sha256: Some(sha256), executable, ..record }
            }
            LocalKind::Symlink { target } => Self { target: Some(target), ..record },
            LocalKind::Folder => record,
        }
    }
}

impl std::fmt::Display for LocalKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { sha256, executable: true, .. } => write!(f, "{sha256}, executable"),
            Self::File { sha256, .. } => write!(f, "{sha256}"),
            Self::Symlink { target } => write!(f, "a link to {target}"),
            Self::Folder => write!(f, "a folder"),
        }
    }
}

/// Every local file that the definitions name, sorted by path. Each is read once, however many
/// definitions name it.
///
/// # Errors
/// A file is missing, is outside of the folders it may be in, or is not what its definition pins.
pub fn survey(definitions: &[Definition], folder: &Path) -> Result<Vec<LocalFile>, LockError> {
    let mut found = Found::new();
    for definition in definitions {
        let local = LocalFolder::of(definition, folder)?;
        for (path, pinned) in single_files(definition) {
            let named = local.locate(path)?;
            let file = match found.entry(path.to_owned()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(examine(&named, path)?),
            };
            let LocalKind::File { sha256, .. } = file.kind else {
                // What a link points to is neither pinned nor locked, and a folder would come empty.
                return Err(LocalError::NotRegular { path: path.to_owned() }.into());
            };
            if let Some(expected) = pinned.filter(|expected| *expected != sha256) {
                let path = path.to_owned();
                return Err(LockError::LocalPin { path, expected, computed: sha256 });
            }
        }
        for path in local_packages(definition, &local)? {
            if let Entry::Vacant(new) = found.entry(path) {
                let file = examine(&local.locate(new.key())?, new.key())?;
                new.insert(file);
            }
        }
        if let Some(base) = &definition.base {
            let named = local.locate(&base.oci)?;
            let metadata = named.symlink_metadata().map_err(cannot("find", &named))?;
            if metadata.is_dir() {
                examine_overlay(&local, folder, &named, &base.oci, &mut found)?;
            } else if !metadata.is_file() {
                return Err(LocalError::NotRegular { path: base.oci.clone() }.into());
            } else if let Entry::Vacant(new) = found.entry(base.oci.clone()) {
                let file = examine(&named, new.key())?;
                new.insert(file);
            }
        }
        for overlay in &definition.overlays {
            let named = local.locate(&overlay.source)?;
            examine_overlay(&local, folder, &named, &overlay.source, &mut found)?;
        }
    }
    Ok(found.into_values().collect())
}

/// How a file in a folder of local packages ends; others are passed over.
const PACKAGE_SUFFIX: &str = ".deb";

/// The files of a definition's local packages: those that it names, and those in the folders that it names.
pub(super) fn local_packages(
    definition: &Definition,
    local: &LocalFolder,
) -> Result<BTreeSet<String>, LockError> {
    let mut found = BTreeSet::new();
    for named in &definition.packages.local {
        let at = local.locate(named)?;
        let is_folder = at.symlink_metadata().map_err(cannot("find", &at))?.is_dir();
        let paths = if is_folder { packages_in(&at, named)? } else { vec![named.clone()] };
        for path in paths {
            let at = local.locate(&path)?;
            if !at.symlink_metadata().map_err(cannot("find", &at))?.is_file() {
                return Err(LocalError::NotRegular { path }.into());
            }
            found.insert(path);
        }
    }
    Ok(found)
}

fn packages_in(at: &Path, folder: &str) -> Result<Vec<String>, LockError> {
    let mut paths = Vec::new();
    for (name, _) in files::list(at)? {
        let Some(name) = name.to_str().filter(|name| !name.chars().any(char::is_control)) else {
            let path = format!("{folder}/{}", name.to_string_lossy().escape_default());
            let why = "its name is not UTF-8, or has a control character";
            return Err(LockError::LocalUnusable { path, why });
        };
        if name.ends_with(PACKAGE_SUFFIX) {
            paths.push(format!("{folder}/{name}"));
        }
    }
    if paths.is_empty() {
        let why = "it is a folder of local packages and has no file that ends in `.deb`";
        return Err(LockError::LocalUnusable { path: folder.to_owned(), why });
    }
    Ok(paths)
}

/// Local files by path.
type Found = BTreeMap<String, LocalFile>;

fn single_files(definition: &Definition) -> Vec<(&str, Option<Sha256>)> {
    let mut files = Vec::new();
    let given = definition.packages.give.values().flat_map(BTreeMap::values);
    for file in definition.files.iter().chain(given.flat_map(|given| &given.files)) {
        if let FileKind::Local(path, sha256) = &file.kind {
            files.push((path.as_str(), *sha256));
        }
    }
    let layers = definition.layers.iter();
    files.extend(layers.map(|layer| (layer.source.as_str(), layer.sha256)));
    let machines = definition.platforms.iter().flat_map(Platform::inputs);
    for input in std::iter::once(&definition.stub).chain(&definition.firmware).chain(machines) {
        if let Input::Local { path, sha256 } = input {
            files.push((path.as_str(), Some(*sha256)));
        }
    }
    for platform in &definition.platforms {
        if let ProfileSource::File(path) = &platform.profile {
            files.push((path.as_str(), None));
        }
    }
    for source in &definition.sources {
        files.extend(source.key_files.iter().map(|path| (path.as_str(), None)));
    }
    files
}

/// What is at a place, which links on the way may have led to.
fn examine(host_path: &Path, path: &str) -> Result<LocalFile, LockError> {
    let unusable = |why| LockError::LocalUnusable { path: path.to_owned(), why };
    let metadata = host_path.symlink_metadata().map_err(cannot("read", host_path))?;
    let kind = if metadata.is_symlink() {
        let target = files::read_link(host_path)?;
        let target = target.to_str().ok_or_else(|| unusable("its target is not UTF-8"))?;
        LocalKind::Symlink { target: target.to_owned() }
    } else if metadata.is_dir() {
        LocalKind::Folder
    } else if metadata.is_file() {
        let reader = files::open(host_path)?;
        let (sha256, size) = Sha256::of_reader(reader).map_err(cannot("read", host_path))?;
        let executable = metadata.permissions().mode() & 0o100 != 0;
        LocalKind::File { size, sha256, executable }
    } else {
        return Err(unusable("it is neither a file nor a folder nor a link"));
    };
    Ok(LocalFile { path: path.to_owned(), kind })
}

/// A folder that is a link, or no folder, would bring nothing; one that holds the definition would
/// hold the lock, which then changes what it locks.
fn examine_overlay(
    local: &LocalFolder,
    folder: &Path,
    named: &Path,
    path: &str,
    found: &mut Found,
) -> Result<(), LockError> {
    let unusable = |why| LockError::LocalUnusable { path: path.to_owned(), why };
    let known = found.get(path).map(|file| file.kind.clone());
    let kind = match &known {
        Some(kind) => kind.clone(),
        None => examine(named, path)?.kind,
    };
    match kind {
        LocalKind::Folder if known.is_some() => return Ok(()),
        LocalKind::Folder => {}
        _ => {
            return Err(unusable("it is not a folder; an overlay must be one, not a link to one"));
        }
    }
    let real = |path: &Path| path.canonicalize().map_err(cannot("find", path));
    if real(folder)?.starts_with(real(named)?) {
        return Err(unusable("it holds the definition; give the overlay a folder of its own"));
    }
    examine_folder(local, path, found)
}

/// A folder and all below it, each where it may be; links are taken as they are, and lead nowhere.
fn examine_folder(local: &LocalFolder, path: &str, found: &mut Found) -> Result<(), LockError> {
    let host_path = &local.locate(path)?;
    let entry = examine(host_path, path)?;
    let is_folder = matches!(entry.kind, LocalKind::Folder);
    found.insert(path.to_owned(), entry);
    if is_folder {
        for (name, _) in files::list(host_path)? {
            let Some(name) = name.to_str() else {
                let path = format!("{path}/{}", name.to_string_lossy());
                return Err(LockError::LocalUnusable { path, why: "its name is not UTF-8" });
            };
            if name.chars().any(char::is_control) {
                let path = format!("{path}/{}", name.escape_default());
                let why = "its name has a control character";
                return Err(LockError::LocalUnusable { path, why });
            }
            examine_folder(local, &format!("{path}/{name}"), found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cvmkit_host::fault::Diagnosis;

    use super::*;
    use crate::definition::sample::definition;

    #[test]
    fn folders_are_surveyed_in_byte_order_with_links_and_executables() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        files::make_folder(&tree.join("sub")).unwrap();
        files::replace(&tree.join("b"), b"b").unwrap();
        let run = tree.join("sub/run");
        files::replace(&run, b"#!").unwrap();
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("b", tree.join("a")).unwrap();
        let mut found = Found::new();
        let local = LocalFolder::of(&definition(""), folder.path()).unwrap();
        examine_folder(&local, "tree", &mut found).unwrap();
        let paths: Vec<_> = found.keys().map(String::as_str).collect();
        assert_eq!(paths, ["tree", "tree/a", "tree/b", "tree/sub", "tree/sub/run"]);
        assert_eq!(found["tree/a"].kind, LocalKind::Symlink { target: "b".into() });
        assert!(matches!(found["tree/sub/run"].kind, LocalKind::File { executable: true, .. }));
    }

    /// Each of these came into the image empty, or unpinned.
    #[test]
    fn only_files_are_files_and_only_folders_are_overlays() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        files::make_folder(&at("tree/sub")).unwrap();
        files::replace(&at("firmware.fd"), b"code").unwrap();
        std::os::unix::fs::symlink("firmware.fd", at("link.fd")).unwrap();
        std::os::unix::fs::symlink("tree", at("link")).unwrap();
        let survey = |keys: &str| survey(&[definition(keys)], folder.path());
        let sha256 = Sha256::of(b"code");
        let firmware = |path: &str, sha256| {
            survey(&format!("[firmware]\npath = \"{path}\"\nsha256 = \"{sha256}\"\n"))
        };
        assert!(firmware("firmware.fd", sha256).is_ok());
        let other = Sha256::of(b"other");
        assert!(matches!(firmware("firmware.fd", other), Err(LockError::LocalPin { .. })));
        let refused = [
            firmware("link.fd", sha256),
            firmware("link.fd", other),
            survey("[[files]]\npath = \"/srv\"\nsource = \"tree\"\n"),
            survey("[[files]]\npath = \"/srv\"\nsource = \"link.fd\"\n"),
        ];
        for result in refused {
            let refused = matches!(result, Err(LockError::Local(LocalError::NotRegular { .. })));
            assert!(refused, "{result:?}");
        }
        let own = folder.path().file_name().unwrap().to_str().unwrap();
        let refused = [
            survey("[[overlays]]\nsource = \"link\"\n"),
            survey("[[overlays]]\nsource = \"firmware.fd\"\n"),
            survey("[[overlays]]\nsource = \"link/\"\n"),
            // It holds the definition.
            survey(&format!("[[overlays]]\nsource = \"../{own}\"\n")),
        ];
        for result in refused {
            assert!(matches!(result, Err(LockError::LocalUnusable { .. })), "{result:?}");
        }
        assert!(survey("[[overlays]]\nsource = \"tree\"\n").is_ok());
        // An overlay that lies in another one, and one that is named twice.
        let nested = "[[overlays]]\nsource = \"tree\"\n[[overlays]]\nsource = \"tree/sub\"\n\
                      target = \"/srv\"\n[[overlays]]\nsource = \"tree\"\ntarget = \"/opt\"\n";
        assert_eq!(survey(nested).unwrap().len(), 2);
    }

    /// `files.source = "../../../../etc/shadow"` brought a file of the host into an image, and so did
    /// a link on the way.
    #[test]
    fn what_a_definition_names_is_below_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        files::make_folder(&at("project/tree/sub")).unwrap();
        files::make_folder(&at("outside/more")).unwrap();
        files::replace(&at("outside/secret"), b"s").unwrap();
        files::replace(&at("project/tree/own"), b"o").unwrap();
        std::os::unix::fs::symlink("../outside", at("project/away")).unwrap();
        std::os::unix::fs::symlink("tree", at("project/here")).unwrap();
        let sha256 = Sha256::of(b"s");
        let file = |path: &str| format!("[[files]]\npath = \"/srv\"\nsource = \"{path}\"\n");
        let leading_out = [
            file("../outside/secret"),
            file("tree/../../outside/secret"),
            file("away/secret"),
            "[[overlays]]\nsource = \"../other\"\n".to_owned(),
            "[[overlays]]\nsource = \"../outside\"\n".to_owned(),
            "[[overlays]]\nsource = \"away/more\"\n".to_owned(),
            format!("[firmware]\npath = \"away/secret\"\nsha256 = \"{sha256}\"\n"),
            "[[platforms]]\nprofile = \"./away/secret\"\n".to_owned(),
            "[[sources]]\nsuites = [\"x\"]\nkey-files = [\"../outside/secret\"]\n".to_owned(),
        ];
        let survey = |keys: &str, outside: &[&str]| -> Result<Vec<LocalFile>, LockError> {
            let mut definition = definition(keys);
            definition.outside_folders = outside.iter().map(ToString::to_string).collect();
            survey(&[definition], &at("project"))
        };
        for keys in &leading_out {
            let result = survey(keys, &[]);
            let outside = matches!(result, Err(LockError::Local(LocalError::Outside { .. })));
            assert!(outside, "{keys}: {result:?}");
        }
        let error = survey(&leading_out[0], &[]).unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains("`outside-folders = [\"../outside\"]`"), "{hint}");
        // Only what is named is allowed.
        for keys in &leading_out {
            let allowed = survey(keys, &["../outside"]);
            let too_high = keys.contains("../other");
            assert_eq!(allowed.is_err(), too_high, "{keys}: {allowed:?}");
        }
        assert!(survey(&leading_out[0], &["../outside/more"]).is_err());
        // What stands behind a link was followed, wherever a definition names a path.
        files::replace(&at("outside/own.deb"), b"deb").unwrap();
        for path in ["away/", "away/.", "away/./", "away/sub/..", "away//", ".", "", ".."] {
            for keys in [
                file(path),
                format!("[[overlays]]\nsource = \"{path}\"\n"),
                format!("[packages]\nlocal = [\"./{path}\"]\n"),
                format!("[firmware]\npath = \"{path}\"\nsha256 = \"{sha256}\"\n"),
                format!("[[platforms]]\nprofile = \"./{path}\"\n"),
                format!("[[sources]]\nsuites = [\"x\"]\nkey-files = [\"{path}\"]\n"),
            ] {
                let result = survey(&keys, &[]);
                assert!(result.is_err(), "{keys}: {result:?}");
            }
        }
        for path in ["tree/own", "./tree/own", "here/own", "tree/sub/../own"] {
            assert!(survey(&file(path), &[]).is_ok(), "{path}");
        }
        let absolute = survey(&file("/etc/passwd"), &["../outside"]);
        assert!(matches!(absolute, Err(LockError::Local(LocalError::Absolute { .. }))));
    }

    fn record(text: &str) -> Result<LocalFile, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    /// A record says with its keys what the file is: any other set of keys is none.
    #[test]
    fn a_record_is_a_file_a_link_or_a_folder() {
        let digest = Sha256::of(b"x");
        let sha256 = format!("sha256 = \"{digest}\"");
        let file = |executable| LocalKind::File { size: 1, sha256: digest, executable };
        let link = LocalKind::Symlink { target: "t".into() };
        for (keys, kind) in [
            (format!("size = 1\n{sha256}"), file(false)),
            (format!("size = 1\n{sha256}\nexecutable = true"), file(true)),
            ("target = \"t\"".to_owned(), link),
            (String::new(), LocalKind::Folder),
        ] {
            let found = record(&format!("path = \"p\"\n{keys}")).unwrap();
            assert_eq!(found, LocalFile { path: "p".into(), kind });
            let written = toml::to_string(&found).unwrap();
            assert_eq!(record(&written).unwrap(), found, "{written}");
        }
        for keys in [
            "size = 1".to_owned(),
            sha256.clone(),
            "executable = true".to_owned(),
            "target = \"t\"\nexecutable = true".to_owned(),
            format!("size = 1\n{sha256}\ntarget = \"t\""),
            format!("{sha256}\ntarget = \"t\""),
            "size = 1\ntarget = \"t\"".to_owned(),
        ] {
            let error = record(&format!("path = \"p\"\n{keys}")).unwrap_err();
            assert_eq!(error, "`p` is neither file nor link nor folder", "{keys}");
        }
        assert!(record("path = \"p\"\nmode = 7").unwrap_err().contains("unknown field `mode`"));
    }

    #[test]
    fn a_local_file_is_shown_by_what_is_compared() {
        let sha256 = Sha256::of(b"x");
        let file = |executable| LocalKind::File { size: 1, sha256, executable }.to_string();
        assert_eq!(
            [file(false), file(true)],
            [sha256.to_string(), format!("{sha256}, executable")]
        );
        assert_eq!(LocalKind::Symlink { target: "t".into() }.to_string(), "a link to t");
        assert_eq!(LocalKind::Folder.to_string(), "a folder");
    }

    /// Of a mode the owner's right to execute counts, as in git.
    #[test]
    fn a_file_is_executable_if_its_owner_may_execute_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        files::replace(&path, b"bytes").unwrap();
        for (mode, is) in
            [(0o100, true), (0o755, true), (0o677, false), (0o011, false), (0o644, false)]
        {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode | 0o400)).unwrap();
            let LocalKind::File { size, sha256, executable } = examine(&path, "f").unwrap().kind
            else {
                panic!("not a file")
            };
            assert_eq!((size, sha256, executable), (5, Sha256::of(b"bytes"), is), "{mode:o}");
        }
    }

    /// Names that a lock, or a line of it, could not hold.
    #[test]
    fn a_name_is_text_without_control_characters() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        for (name, shown, why) in [
            (&b"a\nb"[..], "tree/a\\nb", "its name has a control character"),
            (b"\x7f", "tree/\\u{7f}", "its name has a control character"),
            (b"a\xff", "tree/a\u{fffd}", "its name is not UTF-8"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let tree = folder.path().join("tree");
            files::make_folder(&tree.join(OsStr::from_bytes(name))).unwrap();
            let local = LocalFolder::of(&definition(""), folder.path()).unwrap();
            let error = examine_folder(&local, "tree", &mut Found::new()).unwrap_err();
            let LockError::LocalUnusable { path, why: found } = &error else { panic!("{error:?}") };
            assert_eq!((path.as_str(), *found), (shown, why));
        }
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(OsStr::from_bytes(b"\xff"), &link).unwrap();
        let error = examine(&link, "link").unwrap_err();
        assert!(matches!(error, LockError::LocalUnusable { why: "its target is not UTF-8", .. }));
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let error = examine(&pipe, "pipe").unwrap_err();
        let why = "it is neither a file nor a folder nor a link";
        assert!(matches!(error, LockError::LocalUnusable { why: found, .. } if found == why));
    }

    /// Every place of a definition that names a local file is looked at, each file once.
    #[test]
    fn every_local_file_is_surveyed() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["f", "l.tar", "stub", "fw", "pfw", "vars", "log", "se", "p.toml", "k.asc"];
        for name in names {
            files::replace(&folder.path().join(name), name.as_bytes()).unwrap();
        }
        let pinned = |name: &str| {
            format!("{{ path = \"{name}\", sha256 = \"{}\" }}", Sha256::of(name.as_bytes()))
        };
        let tables = format!(
            "key-files = [\"k.asc\"]\n[firmware]\npath = \"fw\"\nsha256 = \"{}\"\n\
             [boot]\nstub = {}\n[[files]]\npath = \"/a\"\nsource = \"f\"\n\
             [[files]]\npath = \"/b\"\nsource = \"f\"\n\
             [[layers]]\nsource = \"l.tar\"\n\
             [[platforms]]\nprofile = \"./p.toml\"\nfirmware = {}\nvariables = {}\npinned = {}\n\
             image = {}\n",
            Sha256::of(b"fw"),
            pinned("stub"),
            pinned("pfw"),
            pinned("vars"),
            pinned("log"),
            pinned("se"),
        );
        let found = survey(&[definition(&tables), definition(&tables)], folder.path()).unwrap();
        let mut expected = names.to_vec();
        expected.sort_unstable();
        assert_eq!(found.iter().map(|of| of.path.as_str()).collect::<Vec<_>>(), expected);
        for file in &found {
            let bytes = file.path.as_bytes();
            let kind = LocalKind::File {
                size: bytes.len() as u64,
                sha256: Sha256::of(bytes),
                executable: false,
            };
            assert_eq!(file.kind, kind, "{}", file.path);
        }
        for name in names {
            let path = folder.path().join(name);
            files::remove(&path).unwrap();
            let error = survey(&[definition(&tables)], folder.path()).unwrap_err();
            assert!(error.to_string().contains(&format!("/{name}")), "{name}: {error}");
            files::replace(&path, name.as_bytes()).unwrap();
        }
    }

    #[test]
    fn a_pinned_file_has_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        files::replace(&folder.path().join("f"), b"now").unwrap();
        let keys = |digest: Sha256| {
            format!("[[files]]\npath = \"/a\"\nsource = \"f\"\nsha256 = \"{digest}\"\n")
        };
        assert!(survey(&[definition(&keys(Sha256::of(b"now")))], folder.path()).is_ok());
        let error = survey(&[definition(&keys(Sha256::of(b"then")))], folder.path()).unwrap_err();
        let LockError::LocalPin { path, expected, computed } = error else { panic!("{error:?}") };
        assert_eq!(
            (path.as_str(), expected, computed),
            ("f", Sha256::of(b"then"), Sha256::of(b"now"))
        );
    }
}
