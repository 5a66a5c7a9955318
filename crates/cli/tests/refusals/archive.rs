//! A Debian archive of a few packages, made by dpkg-deb, signed by GnuPG, and served on the
//! loopback interface with the faults that mirrors have.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use cvmkit_formats::digest::Sha256;

use crate::rig::snapshots::Transcript;
use crate::rig::{self, Said, run, skip};

/// The one suite there is.
pub(crate) const SUITE: &str = "tiny";

/// A package to make.
#[derive(Clone, Debug)]
pub(crate) struct Deb {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) architecture: &'static str,
    /// Further lines of the control file.
    pub(crate) fields: &'static str,
    /// Paths and contents.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) postinst: Option<&'static str>,
    /// Bytes to cut off the end before the package is listed.
    pub(crate) cut: usize,
    /// What the index says instead of what the control file says.
    pub(crate) listed: Option<(&'static str, &'static str)>,
}

impl Deb {
    pub(crate) fn new(name: &'static str) -> Self {
        let file = (format!("usr/share/{name}/{name}"), noise(name));
        Self {
            name,
            version: "1.0",
            architecture: "amd64",
            fields: "",
            files: vec![file],
            postinst: None,
            cut: 0,
            listed: None,
        }
    }

    pub(crate) fn file(mut self, path: &str, contents: &[u8]) -> Self {
        self.files.push((path.into(), contents.to_vec()));
        self
    }

    /// The few files that every image must have.
    pub(crate) fn base() -> Self {
        Self::new("base")
            .file("usr/lib/os-release", b"ID=tiny\nNAME=tiny\n")
            .file("usr/lib/systemd/system/multi-user.target", b"[Unit]\nDescription=all\n")
    }

    /// A kernel with everything built in.
    pub(crate) fn kernel() -> Self {
        let modules = "usr/lib/modules/6.12.0-tiny";
        let builtin: String = BUILTIN.iter().map(|name| format!("kernel/{name}.ko\n")).collect();
        let kernel = Self { fields: "Depends: base\n", ..Self::new("kernel") };
        kernel
            .file("boot/vmlinuz-6.12.0-tiny", b"a kernel that nothing boots")
            .file(&format!("{modules}/modules.builtin"), builtin.as_bytes())
            .file(&format!("{modules}/modules.builtin.modinfo"), b"")
            .file(&format!("{modules}/modules.order"), b"")
    }

    fn control(&self) -> String {
        format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nMaintainer: tests <tests@invalid>\n\
             {}Description: made by a test\n",
            self.name, self.version, self.architecture, self.fields
        )
    }

    /// The `.deb`, made by dpkg-deb in `folder`.
    pub(crate) fn build(&self, folder: &Path) -> Vec<u8> {
        let name = format!("{}-{}", self.name, self.architecture);
        let root = folder.join(&name);
        let put = |path: &str, bytes: &[u8], mode: u32| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(&path, mode).unwrap();
        };
        put("DEBIAN/control", self.control().as_bytes(), 0o644);
        if let Some(script) = self.postinst {
            put("DEBIAN/postinst", script.as_bytes(), 0o755);
        }
        for (path, contents) in &self.files {
            put(path, contents, 0o644);
        }
        let deb = folder.join(format!("{name}.deb"));
        let mut command = Command::new("dpkg-deb");
        command.args(["--root-owner-group", "-Zgzip", "--build"]).arg(&root).arg(&deb);
        run(command.env("SOURCE_DATE_EPOCH", "1700000000")).answer();
        let mut bytes = fs::read(deb).unwrap();
        bytes.truncate(bytes.len() - self.cut);
        bytes
    }
}

/// What stage 1 and the default disk drivers need.
const BUILTIN: [&str; 12] = [
    "dm_mod",
    "dm_verity",
    "squashfs",
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "sd_mod",
    "nvme",
    "ahci",
    "ata_piix",
    "dm_bufio",
    "virtio",
];

/// Bytes that do not compress, of a length that is no multiple of anything.
pub(crate) fn noise(seed: &str) -> Vec<u8> {
    let blocks = (0..6000u32).map(|at| Sha256::of(format!("{seed}{at}").as_bytes()));
    blocks.flat_map(|block| block.0).take(150_001).collect()
}

/// What is wrong with the release file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    Good,
    /// Its `Valid-Until` is past.
    Expired,
    /// Somebody else signed it.
    Stranger,
    /// It was changed after it was signed.
    Altered,
    /// It is of another suite, by the same key.
    AnotherSuite,
    /// It was made two days before the good one.
    Older,
    /// It is a year old, and does not say until when it is valid.
    Timeless,
    /// The index decompresses to more than it lists.
    Bomb,
}

/// What the server does instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 404.
    Gone,
    /// Other bytes of the same length.
    Altered,
    /// The first answer ends in the middle.
    BreaksOffOnce,
    /// The first answer ends in the middle, and a range is answered with the whole.
    IgnoresRange,
    /// Every answer ends before its end.
    BreaksOffAlways,
}

type Contents = BTreeMap<String, Vec<u8>>;

/// An archive, its server, and a project that uses it.
pub(crate) struct Archive {
    folder: tempfile::TempDir,
    contents: Contents,
    pub(crate) address: String,
    requests: Requests,
    _transcript: Transcript,
}

type Requests = Arc<Mutex<Vec<String>>>;

impl Archive {
    /// Serves these packages; none, loudly, where the tools that make and sign them are missing.
    pub(crate) fn new(debs: &[Deb]) -> Option<Self> {
        Self::with(debs, Release::Good, &[])
    }

    pub(crate) fn with(debs: &[Deb], release: Release, faults: &[(&str, Fault)]) -> Option<Self> {
        for tool in ["dpkg-deb", "gpg", "gpg-agent", "gzip"] {
            if rig::found(tool).is_none() {
                skip(&format!("{tool} is not installed"));
                return None;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let contents = contents(folder.path(), debs, release);
        let requests = Requests::default();
        let address = Server::start(contents.clone(), faults, &requests);
        let _transcript = Transcript::open();
        let archive = Self { folder, contents, address, requests, _transcript };
        // The mirrors of the machine are no part of a test.
        let user = archive.path("config/cvmkit");
        fs::create_dir_all(&user).unwrap();
        fs::write(user.join("config.toml"), "host-mirrors = false\n").unwrap();
        archive.define("");
        Some(archive)
    }

    /// The address of another mirror of the same archive.
    pub(crate) fn mirror(&self, faults: &[(&str, Fault)]) -> String {
        Server::start(self.contents.clone(), faults, &Requests::default())
    }

    /// Makes packages and signs their index as an archive of somebody else would: flat, or as the only
    /// suite `own` with the component `tools`. Its certificate is `own.asc` beside the definition.
    pub(crate) fn own(&self, debs: &[Deb], is_flat: bool, faults: &[(&str, Fault)]) -> String {
        let folder = self.path("own");
        fs::create_dir_all(&folder).unwrap();
        let (mut contents, mut index) = (Contents::new(), String::new());
        for deb in debs {
            let (bytes, path) = (deb.build(&folder), format!("{}.deb", deb.name));
            let (control, sha256) = (deb.control(), Sha256::of(&bytes));
            index += &format!(
                "{control}Filename: ./{path}\nSize: {}\nSHA256: {sha256}\n\n",
                bytes.len()
            );
            contents.insert(format!("/debian/{path}"), bytes);
        }
        let (base, path, names) = match is_flat {
            true => ("/debian", "Packages", ""),
            false => (
                "/debian/dists/own",
                "tools/binary-amd64/Packages",
                "Codename: own\nArchitectures: amd64\nComponents: tools\n",
            ),
        };
        let (sha256, len) = (Sha256::of(index.as_bytes()), index.len());
        let text = format!("{names}Date: {}\nSHA256:\n {sha256} {len} {path}\n", date("-1 day"));
        contents.insert(format!("{base}/{path}"), index.into_bytes());
        let signed = sign(&folder, &text, Release::Good);
        contents.insert(format!("{base}/InRelease"), signed.into_bytes());
        fs::copy(folder.join("project/archive.asc"), self.project().join("own.asc")).unwrap();
        Server::start(contents, faults, &self.requests)
    }

    /// The address of a server that knows other words than a mirror.
    pub(crate) fn junk(&self) -> String {
        let junk =
            |(path, _): (&String, &Vec<u8>)| (path.clone(), b"<html>welcome</html>".to_vec());
        Server::start(self.contents.iter().map(junk).collect(), &[], &Requests::default())
    }

    /// `cvmkit` with these mirrors, one after the other.
    pub(crate) fn with_mirrors(&self, mirrors: &[&str], arguments: &[&str]) -> Said {
        run(self.command(arguments).env("CVMKIT_MIRROR", mirrors.join(" ")))
    }

    /// Writes the definition: the base, with `more` instead of its packages if it says some.
    pub(crate) fn define(&self, more: &str) {
        let packages = "[packages]\ninstall = [\"hello\"]\nessential = false\n";
        let packages = if more.contains("[packages]") { "" } else { packages };
        let text = format!(
            "id = \"tiny\"\nversion = \"1\"\narchitecture = \"x86-64\"\n\
             seed = \"67a1e0f2-9b0e-4d2f-8a43-6a2d3d3c5f10\"\n\n\
             [[sources]]\nsuites = [\"{SUITE}\"]\nkey-files = [\"archive.asc\"]\n\n\
             {packages}{more}\n[boot]\nkind = \"direct\"\n"
        );
        fs::write(self.project().join("image.toml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.path("project")
    }

    /// A file of the archive whose path ends so.
    pub(crate) fn content(&self, ending: &str) -> &[u8] {
        let mut found = self.contents.iter().filter(|(path, _)| path.ends_with(ending));
        found.next().unwrap_or_else(|| panic!("no {ending}")).1
    }

    /// `cvmkit` with the project's folder, its own store and this mirror.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rig::cvmkit(arguments);
        command.arg(self.project()).current_dir(self.folder.path());
        command.env("CVMKIT_STORE", self.path("store")).env("CVMKIT_MIRROR", &self.address);
        command.env("XDG_CONFIG_HOME", self.path("config"));
        command
    }

    pub(crate) fn cvmkit(&self, arguments: &[&str]) -> Said {
        run(&mut self.command(arguments))
    }

    /// A lock that is needed for what comes.
    #[track_caller]
    pub(crate) fn lock(&self) {
        self.cvmkit(&["lock"]).answer();
    }

    /// `cvmkit build` into `out`.
    pub(crate) fn build(&self) -> Said {
        self.cvmkit(&["build", "--out", "out"])
    }

    /// What was asked for: path and `Range`.
    pub(crate) fn requests(&self, ending: &str) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|line| line.contains(ending)).cloned().collect()
    }

    /// Insists that a failed build left neither an output nor its beginnings.
    #[track_caller]
    pub(crate) fn nothing_built(&self) {
        let names = rig::names(self.folder.path());
        let left: Vec<_> = names.iter().filter(|name| name.contains("out")).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// Insists that the store has no object of these bytes.
    #[track_caller]
    pub(crate) fn not_stored(&self, bytes: &[u8]) {
        let digest = Sha256::of(bytes).to_string();
        let objects = self.path("store/sha256");
        for folder in rig::names(&objects) {
            for name in rig::names(&objects.join(&folder)) {
                assert!(!format!("{folder}{name}").contains(&digest), "{digest}");
                assert!(!name.contains("partial"), "{name}");
            }
        }
    }
}

/// Makes packages, indices and signature, and the certificate beside the project.
fn contents(folder: &Path, debs: &[Deb], release: Release) -> Contents {
    let mut contents = Contents::new();
    let (mut index, mut of_arm64) = (String::new(), String::new());
    for deb in debs {
        let bytes = deb.build(folder);
        let architecture = if deb.architecture == "arm64" { "arm64" } else { "amd64" };
        let path = format!("pool/main/{0}/{0}_1.0_{architecture}.deb", deb.name);
        let (size, sha256) = (bytes.len(), Sha256::of(&bytes));
        let (from, to) = deb.listed.unwrap_or_default();
        let control = if from.is_empty() { deb.control() } else { deb.control().replace(from, to) };
        let record = format!("{control}Filename: {path}\nSize: {size}\nSHA256: {sha256}\n\n");
        if deb.architecture != "arm64" {
            index += &record;
        }
        if ["arm64", "all"].contains(&deb.architecture) {
            of_arm64 += &record;
        }
        contents.insert(format!("/debian/{path}"), bytes);
    }
    let plain = folder.join("Packages");
    let whole = (Sha256::of(index.as_bytes()), index.len());
    if release == Release::Bomb {
        index += &"\n".repeat(64 << 20);
    }
    fs::write(&plain, index).unwrap();
    run(Command::new("gzip").arg("-n").arg(&plain)).answer();
    let index = fs::read(folder.join("Packages.gz")).unwrap();
    let made = match release {
        Release::Older => "-5 days",
        Release::Timeless => "-1 year",
        _ => "-3 days",
    };
    let until = match release {
        Release::Timeless => String::new(),
        Release::Expired => format!("Valid-Until: {}\n", date("-1 day")),
        _ => format!("Valid-Until: {}\n", date("+7 days")),
    };
    let (suite, codename) = match release {
        Release::AnotherSuite => ("stable-other", "other"),
        _ => (SUITE, SUITE),
    };
    let mut text = format!(
        "Suite: {suite}\nCodename: {codename}\nDate: {}\n{until}Architectures: amd64 arm64\n\
         Components: main\nSHA256:\n {} {} main/binary-amd64/Packages.gz\n \
         {} {} main/binary-amd64/Packages\n",
        date(made),
        Sha256::of(&index),
        index.len(),
        whole.0,
        whole.1,
    );
    contents.insert(format!("/debian/dists/{SUITE}/main/binary-amd64/Packages.gz"), index);
    if debs.iter().any(|deb| deb.architecture == "arm64") {
        let (path, len) = ("main/binary-arm64/Packages", of_arm64.len());
        text += &format!(" {} {len} {path}\n", Sha256::of(of_arm64.as_bytes()));
        contents.insert(format!("/debian/dists/{SUITE}/{path}"), of_arm64.into_bytes());
    }
    let mut signed = sign(folder, &text, release);
    if release == Release::Altered {
        signed = signed.replacen("Components: main", "Components: mein", 1);
    }
    contents.insert(format!("/debian/dists/{SUITE}/InRelease"), signed.into_bytes());
    contents
}

/// A moment as release files write it (Debian repository format, `Date`).
fn date(moment: &str) -> String {
    let format = "+%a, %d %b %Y %H:%M:%S UTC";
    let mut command = Command::new("date");
    let said = run(command.args(["-u", "-d", moment, format]).env("LC_ALL", "C"));
    said.answer().trim().to_owned()
}

/// The text, signed by a new key whose certificate stands beside the project.
fn sign(folder: &Path, text: &str, release: Release) -> String {
    let home = folder.join("gnupg");
    fs::create_dir_all(folder.join("project")).unwrap();
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(&home).args(["--batch", "--quiet", "--pinentry-mode"]);
        command.args(["loopback", "--passphrase", ""]).args(arguments).current_dir(folder);
        run(&mut command).answer()
    };
    for name in ["archive", "stranger"] {
        gpg(&["--quick-generate-key", &format!("{name} <{name}@invalid>"), "ed25519", "sign"]);
    }
    let certificate = gpg(&["--armor", "--export", "archive@invalid"]);
    fs::write(folder.join("project/archive.asc"), certificate).unwrap();
    fs::write(folder.join("Release"), text).unwrap();
    let signer = if release == Release::Stranger { "stranger" } else { "archive" };
    let signed = gpg(&["--local-user", signer, "--output", "-", "--clearsign", "Release"]);
    run(Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "all"])).answer();
    signed
}

/// HTTP/1.1 (RFC 9112), one request per connection.
struct Server {
    contents: Contents,
    faults: Vec<(String, Fault)>,
    requests: Requests,
}

impl Server {
    /// Serves for as long as the test runs; answers the address of the archive.
    fn start(contents: Contents, faults: &[(&str, Fault)], requests: &Requests) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}/debian", listener.local_addr().unwrap());
        let faults = faults.iter().map(|(path, fault)| ((*path).into(), *fault)).collect();
        let server = Self { contents, faults, requests: Arc::clone(requests) };
        std::thread::spawn(move || server.serve(&listener));
        address
    }

    fn serve(&self, listener: &TcpListener) {
        std::thread::scope(|scope| {
            for stream in listener.incoming().flatten() {
                // A client that goes away is its own business.
                scope.spawn(|| drop(self.answer(stream)));
            }
        });
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut range = None;
        for line in lines {
            let line = line?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            let start = line.strip_prefix("range: bytes=").map(|rest| rest.trim_end_matches('-'));
            range = start.and_then(|start| start.parse::<usize>().ok()).or(range);
        }
        let earlier = {
            let mut requests = self.requests.lock().unwrap();
            let earlier = requests.iter().any(|line| line.starts_with(&path));
            requests.push(format!("{path} from {}", range.unwrap_or(0)));
            earlier
        };
        let fault = self.faults.iter().find(|(ending, _)| path.ends_with(ending));
        self.send(&mut stream, &path, range, fault.map(|(_, fault)| *fault), earlier)
    }

    fn send(
        &self,
        stream: &mut TcpStream,
        path: &str,
        range: Option<usize>,
        fault: Option<Fault>,
        earlier: bool,
    ) -> std::io::Result<()> {
        let found = self.contents.get(path).filter(|_| fault != Some(Fault::Gone));
        let Some(whole) = found else {
            let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return stream.write_all(answer.as_bytes());
        };
        let mut body = whole.clone();
        if fault == Some(Fault::Altered) {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        let range = range.filter(|_| fault != Some(Fault::IgnoresRange));
        let start = range.unwrap_or(0).min(body.len());
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        let part = &body[start..];
        let sent = match fault {
            Some(Fault::BreaksOffOnce | Fault::IgnoresRange) if !earlier => part.len() / 2,
            Some(Fault::BreaksOffAlways) => part.len().min(100),
            _ => part.len(),
        };
        let length = part.len();
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n");
        let last = body.len().saturating_sub(1);
        let at = format!("content-range: bytes {start}-{last}/{}\r\n", body.len());
        let at = if range.is_some() { at } else { String::new() };
        stream.write_all(format!("{head}{at}\r\n").as_bytes())?;
        stream.write_all(&part[..sent])
    }
}
