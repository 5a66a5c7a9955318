//! Runs cvmkit and the oracles, in an empty folder.

#![expect(clippy::panic, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "runs processes, found by the environment, on files it makes"
)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::json_keys;
use crate::snapshots::{self, Transcript};

/// What a process said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// The output of a success.
    pub(crate) fn answer(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// The error of a failure, behind its exit code: for snapshots.
    pub(crate) fn refusal(&self) -> String {
        assert_eq!(self.stdout, "", "a refusal has no result");
        format!("exit {}\n{}", self.code.unwrap_or(-1), self.stderr)
    }
}

/// An empty folder that goes with the test, where programs run.
pub(crate) struct Folder(tempfile::TempDir, Transcript);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), Transcript::open())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names in the folder, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }

    /// Runs cvmkit with the arguments of `line`, separated by blanks.
    pub(crate) fn cvmkit(&self, line: &str) -> Said {
        self.run(Path::new(env!("CARGO_BIN_EXE_cvmkit")), &words(line)).unwrap()
    }

    /// Runs cvmkit with these arguments.
    pub(crate) fn cvmkit_with(&self, arguments: &[&str]) -> Said {
        self.run(Path::new(env!("CARGO_BIN_EXE_cvmkit")), arguments).unwrap()
    }

    /// Runs a tool somebody else wrote; none, loudly, if it is not installed.
    pub(crate) fn oracle(&self, tool: &str, arguments: &[&str]) -> Option<Said> {
        let said = self.run(&found(tool), arguments);
        if said.is_none() {
            skip(&format!("{tool} is not installed"));
        }
        said
    }

    /// As [`Folder::oracle`], with the success of the tool.
    pub(crate) fn accepts(&self, tool: &str, line: &str) -> Option<String> {
        self.oracle(tool, &words(line)).map(Said::answer)
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Option<Said> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.0.path());
        command.env("LC_ALL", "C").env("TZ", "UTC").env("NO_COLOR", "1").env("COLUMNS", "100");
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("SOURCE_DATE_EPOCH", "0");
        match command.output() {
            Ok(output) => {
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                let (stdout, stderr) = (text(output.stdout), text(output.stderr));
                if json_keys::asked_for(arguments.iter().copied()) {
                    json_keys::check(&stdout);
                    json_keys::check(&stderr);
                } else if program.ends_with("cvmkit") {
                    snapshots::record(arguments, output.status.code(), &stderr);
                }
                Some(Said { code: output.status.code(), stdout, stderr })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => panic!("{}: {error}", program.display()),
        }
    }
}

/// Says that something can't be tested here; a failure where it must be.
pub(crate) fn skip(why: &str) {
    let required = env::var_os("CVMKIT_ORACLES").is_some_and(|value| value == "require");
    assert!(!required, "{why}, and CVMKIT_ORACLES=require");
    eprintln!("SKIPPED: {why}");
    snapshots::no_transcript();
}

/// Where a tool is: tools of administrators are not in the `PATH` of everybody, and one is found by
/// a variable of its own or among the oracles that `xtask` installs.
fn found(tool: &str) -> PathBuf {
    let named = env::var_os("CVMKIT_SNP_MEASURE").filter(|_| tool == "sev-snp-measure");
    let path = env::var_os("PATH").unwrap_or_default();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = env::split_paths(&path).chain([
        "/usr/sbin".into(),
        "/sbin".into(),
        workspace.join("target/oracles/venv/bin"),
    ]);
    let mut places = folders.map(|folder| folder.join(tool));
    named.map(PathBuf::from).or_else(|| places.find(|p| p.is_file())).unwrap_or_else(|| tool.into())
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Bytes that differ from block to block.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 7u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(len).collect()
}
