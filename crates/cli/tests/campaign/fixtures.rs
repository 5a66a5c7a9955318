//! What the campaign attacks: a tiny archive and an image of it, the seeds of the fuzz targets, and
//! a site that serves whatever a mutation needs.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use cvmkit_formats::digest::Sha256;

use crate::archive::{Archive, Deb, SUITE};
use crate::rig::{self, run};
use crate::{ovmf_image, resum};

type Pages = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Everything that is made once.
pub(crate) struct Fixtures {
    archive: Archive,
    /// A whole image: disk, UKI and the files for a direct boot.
    pub(crate) image: PathBuf,
    address: String,
    pages: Pages,
    index: Vec<u8>,
    /// The root hash of [`VERITY_DATA`], of the hash area that is a seed.
    pub(crate) verity_root: String,
    verity_hash: Vec<u8>,
}

/// What a hash tree protects.
pub(crate) const VERITY_DATA: &[u8] = &[3; 4096 * 5];

/// The definition of the image.
const DEFINITION: &str = r#"id = "tiny"
version = "1"
architecture = "x86-64"
seed = "67a1e0f2-9b0e-4d2f-8a43-6a2d3d3c5f10"

[[sources]]
suites = ["tiny"]
key-files = ["archive.asc"]

[packages]
install = ["hello", "kernel"]
essential = false

[kernel]
command-line = ["console=ttyS0", "panic=-1"]

[boot]
kind = "direct"

[firmware]
path = "firmware.fd"
sha256 = "FIRMWARE"

[[platforms]]
profile = "qemu-snp"
vcpus = [1]
vcpu-types = ["EPYC-v4"]
guest-features = "0x1"
"#;

impl Fixtures {
    /// Makes it all; none, loudly, where a tool is missing.
    pub(crate) fn new() -> Option<Self> {
        let archive = Archive::new(&[Deb::new("hello"), Deb::base(), Deb::kernel()])?;
        let firmware = shipped("ovmf_AmdSev_suffix.bin");
        fs::write(archive.project().join("firmware.fd"), &firmware).unwrap();
        let text = DEFINITION.replace("FIRMWARE", &Sha256::of(&firmware).to_string());
        fs::write(archive.project().join("image.toml"), text).unwrap();
        archive.lock();
        archive.build().answer();
        let image = archive.path("out");
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let pages = Pages::default();
        let site = Arc::clone(&pages);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let site = Arc::clone(&site);
                // A client that goes away is its own business.
                std::thread::spawn(move || drop(answer(stream, &site)));
            }
        });
        let zipped = archive.path("index.gz");
        fs::write(&zipped, archive.content("Packages.gz")).unwrap();
        let index = run(Command::new("gzip").arg("-dc").arg(&zipped)).answer().into_bytes();
        let (verity_root, verity_hash) = verity(&archive);
        Some(Self { archive, image, address, pages, index, verity_root, verity_hash })
    }

    /// Hash areas; the first is that of [`VERITY_DATA`].
    pub(crate) fn verity_seeds(&self) -> Vec<Vec<u8>> {
        [vec![self.verity_hash.clone()], self.seeds("verity")].concat()
    }

    /// The committed seeds of a fuzz target.
    pub(crate) fn seeds(&self, target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
        let names = rig::names(&folder);
        assert!(!names.is_empty(), "{}", folder.display());
        names.iter().map(|name| fs::read(folder.join(name)).unwrap()).collect()
    }

    /// One of them.
    pub(crate) fn seed(&self, target: &str, name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
        fs::read(folder.join(target).join(name)).unwrap()
    }

    /// A file of the image whose name ends so.
    pub(crate) fn of_image(&self, ending: &str) -> (String, Vec<u8>) {
        let names = rig::names(&self.image);
        let name = names.iter().find(|name| name.ends_with(ending));
        let name = name.unwrap_or_else(|| panic!("no {ending} in {names:?}")).clone();
        let bytes = fs::read(self.image.join(&name)).unwrap();
        (name, bytes)
    }

    pub(crate) fn of_project(&self, name: &str) -> Vec<u8> {
        fs::read(self.archive.project().join(name)).unwrap()
    }

    /// The package `hello`.
    pub(crate) fn deb(&self) -> &[u8] {
        self.archive.content("hello_1.0_amd64.deb")
    }

    /// The index that names it, as text.
    pub(crate) fn index(&self) -> Vec<u8> {
        self.index.clone()
    }

    /// A text signed by the key of the archive.
    fn sign(&self, place: &Path, text: &[u8]) -> Vec<u8> {
        let file = place.join("Release");
        fs::write(&file, text).unwrap();
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.archive.path("gnupg")).args(["--batch", "--quiet"]);
        gpg.args(["--pinentry-mode", "loopback", "--passphrase", "", "--yes", "--local-user"]);
        gpg.args(["archive@invalid", "--output", "-", "--clearsign"]).arg(&file);
        // Texts may be anything but a message that GnuPG refuses.
        gpg.output().unwrap().stdout
    }
}

impl Drop for Fixtures {
    fn drop(&mut self) {
        let mut kill = Command::new("gpgconf");
        kill.arg("--homedir").arg(self.archive.path("gnupg")).args(["--kill", "all"]);
        drop(kill.output());
    }
}

/// The end of an OVMF image of Debian's packages, with the metadata that is read, behind the start of a
/// firmware volume.
pub(crate) fn shipped(name: &str) -> Vec<u8> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../measure/tests/fixtures");
    ovmf_image::whole(&fs::read(fixtures.join(name)).unwrap())
}

/// Root hash and hash area of [`VERITY_DATA`].
fn verity(archive: &Archive) -> (String, Vec<u8>) {
    let (data, hash) = (archive.path("verity-data"), archive.path("verity-hash"));
    fs::write(&data, VERITY_DATA).unwrap();
    let mut format = rig::cvmkit(["verity", "format", "--format", "json"]);
    let said = run(format.arg(data).arg(&hash)).answer();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    (said["root-hash"].as_str().unwrap().to_owned(), fs::read(hash).unwrap())
}

/// Answers one request with a page of the site.
fn answer(mut stream: TcpStream, site: &Pages) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let page = site.lock().unwrap().get(&path).cloned();
    let (status, body) = page.map_or(("404 Not Found", Vec::new()), |page| ("200 OK", page));
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

/// Where one worker puts its files.
pub(crate) struct Place<'a> {
    fixtures: &'a Fixtures,
    worker: usize,
    pub(crate) folder: tempfile::TempDir,
}

impl<'a> Place<'a> {
    pub(crate) fn new(fixtures: &'a Fixtures, worker: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The mirrors of the machine are no part of a campaign.
        let user = folder.path().join("config/cvmkit");
        fs::create_dir_all(&user).unwrap();
        fs::write(user.join("config.toml"), "host-mirrors = false\n").unwrap();
        Self { fixtures, worker, folder }
    }

    /// The program, with a store of this place.
    pub(crate) fn cvmkit<I>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let mut command = rig::cvmkit(arguments);
        command.env("CVMKIT_STORE", self.path("store")).env("XDG_STATE_HOME", self.path("state"));
        command.env("CVMKIT_MIRROR", format!("{}/{}/debian", self.fixtures.address, self.worker));
        command.env("XDG_CONFIG_HOME", self.path("config"));
        command.current_dir(self.folder.path());
        command
    }

    /// The program, with a store that has all packages of the project.
    pub(crate) fn cvmkit_offline<I>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let filled = self.path("filled");
        if !filled.exists() {
            rig::copy_folder(&self.fixtures.archive.path("store"), &filled);
        }
        let mut command = self.cvmkit(arguments);
        command.env("CVMKIT_STORE", filled);
        command
    }

    /// The image of the project as it is.
    pub(crate) fn built(&self) -> &Path {
        &self.fixtures.image
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A copy of the image with one file changed. Sums that name the file by its digest follow it,
    /// and `SHA256SUMS` is right of everything, unless it is the file.
    pub(crate) fn image(&self, name: &str, before: &[u8], after: &[u8]) -> PathBuf {
        let out = self.path("image");
        drop(fs::remove_dir_all(&out));
        fs::create_dir(&out).unwrap();
        let names = rig::names(&self.fixtures.image);
        let mut sums = String::new();
        for other in names.iter().filter(|other| *other != "SHA256SUMS") {
            let (from, to) = (self.fixtures.image.join(other), out.join(other));
            let bytes = match other == name {
                true => after.to_vec(),
                false if other.ends_with(".json") => {
                    let text = fs::read_to_string(&from).unwrap();
                    resum::digest_in(&text, before, after).into_bytes()
                }
                false => {
                    fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)).unwrap();
                    fs::read(&from).unwrap()
                }
            };
            if !to.exists() {
                fs::write(&to, &bytes).unwrap();
            }
            sums += &format!("{}  {other}\n", Sha256::of(&bytes));
        }
        let sums = if name == "SHA256SUMS" { after.to_vec() } else { sums.into_bytes() };
        fs::write(out.join("SHA256SUMS"), sums).unwrap();
        out
    }

    /// A copy of the project with one file changed.
    pub(crate) fn project(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let project = self.path("project");
        drop(fs::remove_dir_all(&project));
        rig::copy_folder(&self.fixtures.archive.project(), &project);
        fs::write(project.join(name), bytes).unwrap();
        project
    }

    /// Serves an archive: its index, the package `hello`, and the others as they are. `release` changes
    /// the release file before it is signed, and `signed` afterwards.
    pub(crate) fn serve(
        &self,
        index: (&str, Vec<u8>),
        deb: &[u8],
        release: impl FnOnce(String) -> Vec<u8>,
        signed: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) {
        let (name, index) = index;
        let page = |path: &str| format!("/{}/debian/{path}", self.worker);
        let original =
            String::from_utf8(self.fixtures.archive.content("InRelease").to_vec()).unwrap();
        let field = |name: &str| {
            let line = original.lines().find(|line| line.starts_with(name)).unwrap();
            format!("{line}\n")
        };
        let text = format!(
            "Suite: {SUITE}\nCodename: {SUITE}\n{}{}Architectures: amd64\nComponents: main\n\
             SHA256:\n {} {} main/binary-amd64/{name}\n",
            field("Date: "),
            field("Valid-Until: "),
            Sha256::of(&index),
            index.len(),
        );
        let release = signed(self.fixtures.sign(self.folder.path(), &release(text)));
        let mut pages = self.fixtures.pages.lock().unwrap();
        pages.retain(|path, _| !path.starts_with(&page("")));
        pages.insert(page(&format!("dists/{SUITE}/InRelease")), release);
        pages.insert(page(&format!("dists/{SUITE}/main/binary-amd64/{name}")), index);
        for other in ["base", "kernel"] {
            let bytes = self.fixtures.archive.content(&format!("{other}_1.0_amd64.deb")).to_vec();
            pages.insert(page(&format!("pool/main/{other}/{other}_1.0_amd64.deb")), bytes);
        }
        pages.insert(page("pool/main/hello/hello_1.0_amd64.deb"), deb.to_vec());
    }

    /// `lock` and `build` of the project, with an empty store.
    pub(crate) fn lock_and_build(&self) -> Vec<Command> {
        drop(fs::remove_dir_all(self.path("store")));
        drop(fs::remove_dir_all(self.path("built")));
        let project = self.project("image.toml", &self.fixtures.of_project("image.toml"));
        drop(fs::remove_file(project.join("image.lock")));
        let mut lock = self.cvmkit(["lock"]);
        lock.arg(&project);
        let mut build = self.cvmkit(["build", "--out", "built"]);
        build.arg(&project);
        vec![lock, build]
    }
}
