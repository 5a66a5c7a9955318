//! What the acceptance tests share: the built program, the tools of others, and the image of
//! `recipes/minimal`, built once.
//!
//! The contract: nothing outside of cargo's folder for tests, temporary folders and the store is
//! touched. The store is the one `CVMKIT_STORE` names, or one that stays below the target folder.

#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub(crate) mod json_keys;
pub(crate) mod snapshots;

/// Printed by the recipe once systemd has reached multi-user.
pub(crate) const READY: &str = "cvmkit: ready (failed units: 0)";

/// What a process said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Standard output of a success.
    #[track_caller]
    pub(crate) fn answer(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// A refusal with this exit code that says all of these words and has no result.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &[&str]) {
        eprintln!("exit {:?}\n{}", self.code, self.stderr);
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert_eq!(self.stdout, "", "a refusal has no result");
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "expected `{word}` in:\n{}", self.stderr);
        }
    }
}

/// The program that cargo built, with an environment that does not depend on the caller's.
pub(crate) fn cvmkit<I>(arguments: I) -> Command
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let mut command = Command::new(env!("CARGO_BIN_EXE_cvmkit"));
    command.args(arguments).env("CVMKIT_STORE", store()).env("XDG_STATE_HOME", state());
    plain(&mut command);
    command
}

/// Words in English, without colours.
fn plain(command: &mut Command) {
    command.env("LC_ALL", "C").env("TZ", "UTC").env("NO_COLOR", "1").env("COLUMNS", "100");
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Said {
    said(command).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What QEMU says when it ends by an assertion of its own: where it emulates, looking an address up may race
/// with a change of the memory map. That says nothing of the image.
const QEMU_RACE: &str = "iotlb_to_section: Assertion";

/// As [`run`], for a command that boots a machine; once more where QEMU lost its race.
pub(crate) fn run_machine(command: &mut Command) -> Said {
    let said = run(command);
    match said.stderr.contains(QEMU_RACE) {
        true => {
            eprintln!(
                "QEMU ended by an assertion of its own, the machine runs once more: {command:?}"
            );
            run(command)
        }
        false => said,
    }
}

fn said(command: &mut Command) -> io::Result<Said> {
    let output = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    if json_keys::asked_for(command.get_args().filter_map(OsStr::to_str)) {
        json_keys::check(&stdout);
        json_keys::check(&stderr);
    } else if Path::new(command.get_program()).ends_with("cvmkit") {
        let arguments: Vec<_> = command.get_args().filter_map(OsStr::to_str).collect();
        snapshots::record(&arguments, output.status.code(), &stderr);
    }
    Ok(Said { code: output.status.code(), stdout, stderr })
}

/// Runs a tool somebody else wrote; none, loudly, if it is not installed.
pub(crate) fn oracle<I>(tool: &str, arguments: I) -> Option<Said>
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let Some(program) = found(tool) else {
        skip(&format!("{tool} is not installed"));
        return None;
    };
    let mut command = Command::new(program);
    command.args(arguments);
    plain(&mut command);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Some(run(&mut command))
}

/// Where a tool is. Those of administrators are in no user's `PATH`, and one has a variable.
pub(crate) fn found(tool: &str) -> Option<PathBuf> {
    let named = env::var_os("CVMKIT_SNP_MEASURE").filter(|_| tool == "sev-snp-measure");
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let places = folders.map(|folder| folder.join(tool));
    named.map(PathBuf::from).into_iter().chain(places).find(|place| place.is_file())
}

/// Says loudly what was not tested; fails where `CVMKIT_ORACLES=require`.
pub(crate) fn skip(why: &str) {
    let required = env::var_os("CVMKIT_ORACLES").is_some_and(|value| value == "require");
    assert!(!required, "{why}, and CVMKIT_ORACLES=require");
    eprintln!("SKIPPED: {why}");
    snapshots::no_transcript();
}

/// True when the tests run as root, who alone can become somebody else and mount.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// True when a mount namespace can be made; without one a loud skip.
pub(crate) fn mount_namespaces() -> bool {
    let made = Command::new("unshare").args(["--mount", "true"]).output();
    let able = is_root() && made.is_ok_and(|made| made.status.success());
    if !able {
        skip("a mount namespace needs root");
    }
    able
}

/// The store that builds of real packages share.
pub(crate) fn store() -> PathBuf {
    let named = env::var_os("CVMKIT_STORE").filter(|path| !path.is_empty());
    named.map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"), PathBuf::from)
}

/// Where the key lies that seals what that store keeps.
pub(crate) fn state() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("state")
}

/// `recipes/minimal`, and what it builds to.
pub(crate) struct Image {
    /// The folder of the definition and of a lock that can be had.
    pub(crate) recipe: PathBuf,
    /// The output of `cvmkit build`. Nobody writes to it.
    pub(crate) out: PathBuf,
}

impl Image {
    /// The image, built by the first who asks.
    pub(crate) fn minimal() -> &'static Self {
        static IMAGE: OnceLock<Image> = OnceLock::new();
        IMAGE.get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("minimal");
            fs::create_dir_all(&folder).unwrap();
            // Test binaries may run at the same time; the folder has one writer.
            let turn = File::create(folder.join("lock")).unwrap();
            turn.lock().unwrap();
            Self::build(&folder)
        })
    }

    fn build(folder: &Path) -> Self {
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/minimal");
        let mut image = Self { recipe, out: folder.join("out") };
        let built = run(&mut image.command(&image.out, &[]));
        if built.code == Some(3) && built.stderr.contains("lock --update") {
            eprintln!("NOTE: the mirrors moved on; the tests use a fresh lock\n{}", built.stderr);
            let scratch = folder.join("recipe");
            copy_folder(&image.recipe, &scratch);
            image.recipe = scratch;
            let mut lock = cvmkit(["lock".as_ref(), image.recipe.as_os_str()]);
            run(lock.args(["--accept-expired", "forky", "--update"])).answer();
            run(&mut image.command(&image.out, &[])).answer();
        } else {
            built.answer();
        }
        image
    }

    /// `cvmkit build` of this image into another folder.
    pub(crate) fn command(&self, out: &Path, more: &[&str]) -> Command {
        let mut command = cvmkit(["build".as_ref(), self.recipe.as_os_str()]);
        command.arg("--out").arg(out).args(more);
        command
    }

    /// The one file of the image whose name ends so.
    pub(crate) fn file(&self, ending: &str) -> PathBuf {
        let names = names(&self.out);
        let mut fitting = names.iter().filter(|name| name.ends_with(ending));
        match (fitting.next(), fitting.next()) {
            (Some(name), None) => self.out.join(name),
            _ => panic!("expected one *{ending}, found {names:?}"),
        }
    }

    pub(crate) fn text(&self, ending: &str) -> String {
        fs::read_to_string(self.file(ending)).unwrap()
    }

    /// Another folder with the same files. They are links to these: replace them, never write.
    pub(crate) fn linked(&self, to: &Path) -> Self {
        fs::create_dir_all(to).unwrap();
        for name in names(&self.out) {
            let (from, to) = (self.out.join(&name), to.join(&name));
            fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)).unwrap();
        }
        Self { recipe: self.recipe.clone(), out: to.to_owned() }
    }

    /// Replaces a file by a copy with one bit of the byte at `offset` inverted.
    pub(crate) fn flip(&self, ending: &str, offset: u64) {
        let path = self.file(ending);
        let altered = path.with_extension("altered");
        fs::copy(&path, &altered).unwrap();
        let mut file = File::options().read(true).write(true).open(&altered).unwrap();
        let mut byte = [0];
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.read_exact(&mut byte).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.write_all(&[byte[0] ^ 1]).unwrap();
        fs::rename(altered, path).unwrap();
    }

    /// Replaces a file.
    pub(crate) fn replace(&self, ending: &str, contents: &str) {
        let path = self.file(ending);
        fs::remove_file(&path).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// The partitions of the disk as util-linux reads them; none without it.
    pub(crate) fn partitions(&self) -> Option<Vec<Partition>> {
        let disk = self.file(".raw");
        let json = oracle("sfdisk", ["--json".as_ref(), disk.as_os_str()])?.answer();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let table = value["partitiontable"]["partitions"].as_array().unwrap();
        Some(table.iter().map(Partition::of).collect())
    }
}

/// A partition, in bytes.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) kind: String,
    pub(crate) uuid: String,
    pub(crate) start: u64,
    pub(crate) size: u64,
}

impl Partition {
    fn of(value: &serde_json::Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap().to_lowercase();
        let sectors = |key: &str| value[key].as_u64().unwrap() * 512;
        Self {
            kind: text("type"),
            uuid: text("uuid").replace('-', ""),
            start: sectors("start"),
            size: sectors("size"),
        }
    }

    /// Its bytes, in a file of their own.
    pub(crate) fn copy(&self, disk: &Path, to: &Path) {
        let mut disk = File::open(disk).unwrap();
        disk.seek(SeekFrom::Start(self.start)).unwrap();
        io::copy(&mut disk.take(self.size), &mut File::create(to).unwrap()).unwrap();
    }
}

/// Types of the Discoverable Partitions Specification, x86-64.
pub(crate) const ROOT: &str = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
pub(crate) const ROOT_VERITY: &str = "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5";
/// UEFI Specification, section 5.3.3: EFI System Partition.
pub(crate) const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

/// The names in a folder, sorted, dot files included; none if it is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

/// Copies a folder; everybody may read the copy.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// A temporary folder that everybody may enter.
pub(crate) fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}
